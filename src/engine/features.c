/*
 * Daily counts → features, one statement a chunk of customers.
 */
#include "engine/features.h"

#include "db/db.h"
#include "db/sql.h"

#include <assert.h>
#include <stdlib.h>

/* The customers, and numbers of arguments that several parts use. */
struct at {
	const struct user_set *users;
	size_t tenant, today;
	struct condition_at condition;
};

/*
 * Sums over the rows x of each customer c, joined: join_begin(), columns
 * " AS …", join_rows() with their table, more conditions, join_end(). Single
 * customers are looked up one by one; the rows of a range are read in one go,
 * which takes half the time. That is a FULL JOIN, which is never a nested
 * loop: with a table that was not analyzed since it grew PostgreSQL expects a
 * row or two of a range, and would read the range anew for each customer.
 */
static void join_begin(struct sql *q, const struct at *at)
{
	if (at->users->are_range)
		sql_add(q, " FULL JOIN (SELECT x.user_id, ");
	else
		sql_add(q, " LEFT JOIN LATERAL (SELECT ");
}

static void join_rows(struct sql *q, const struct at *at,
		      const struct sql_literal *table)
{
	static const struct sql_literal x = SQL_LITERAL("x");

	sql_add(q, " FROM ");
	sql_add_literal(q, table);
	sql_add(q, " x WHERE x.tenant_id = ");
	sql_ref(q, at->tenant);
	if (at->users->are_range)
		user_set_write(at->users, q, &x);
	else
		sql_add(q, " AND x.user_id = c.user_id");
}

static void join_end(struct sql *q, const struct at *at,
		     const struct sql_literal *alias)
{
	if (at->users->are_range)
		sql_add(q, " GROUP BY x.user_id");
	sql_add(q, ") ");
	sql_add_literal(q, alias);
	if (at->users->are_range) {
		sql_add(q, " ON ");
		sql_add_literal(q, alias);
		sql_add(q, ".user_id = c.user_id");
	} else {
		sql_add(q, " ON true");
	}
}

/* The customer whose sums a column of such a join is about. */
static void join_user(struct sql *q, const struct at *at)
{
	if (at->users->are_range)
		sql_add(q, "x.user_id");
	else
		sql_add(q, "c.user_id");
}

/* A day of tomorrow (a client's clock may be ahead) counts as today. */
static void write_ago(struct sql *q, const struct at *at)
{
	sql_add(q, "greatest(");
	sql_ref(q, at->today);
	sql_add(q, " - x.day, 0)");
}

/* The events of the days from so many days ago, of that many days. */
static void write_span(struct sql *q, const struct at *at, int64_t from,
		       int64_t days)
{
	sql_add(q, "sum(x.events) FILTER (WHERE ");
	write_ago(q, at);
	if (from > 0) {
		sql_add(q, " BETWEEN ");
		sql_count(q, from);
		sql_add(q, " AND ");
		sql_count(q, from + days - 1);
	} else {
		sql_add(q, " < ");
		sql_count(q, days);
	}
	sql_add(q, ")");
}

/* d: the active days. */
static void join_days(struct sql *q, const struct at *at,
		      const struct tenant_config *config)
{
	static const struct sql_literal table = SQL_LITERAL("customer_days");
	static const struct sql_literal alias = SQL_LITERAL("d");
	int64_t drop = config->lifecycle.drop_days;
	int64_t days = 2 * drop > SCORE_WORD_DAYS ? 2 * drop : SCORE_WORD_DAYS;

	join_begin(q, at);
	sql_add(q, "count(*) AS n, ");
	write_span(q, at, 0, drop);
	sql_add(q, " AS recent, ");
	write_span(q, at, drop, drop);
	sql_add(q, " AS earlier, bit_or(x.names) FILTER (WHERE ");
	write_ago(q, at);
	sql_add(q, " < ");
	sql_count(q, config->engagement.days);
	sql_add(q, ") AS names, bit_or(1::bigint << ");
	write_ago(q, at);
	sql_add(q, ")");
	if (days > SCORE_WORD_DAYS) {
		sql_add(q, " FILTER (WHERE ");
		write_ago(q, at);
		sql_add(q, " < 64)");
	}
	sql_add(q, " AS days");
	join_rows(q, at, &table);
	sql_add(q, " AND x.day > ");
	sql_ref(q, at->today);
	sql_add(q, " - ");
	sql_count(q, days);
	join_end(q, at, &alias);
}

/*
 * o: the active days before those, where the config asks for so many:
 * "1:<days of word 1> 4:<days of word 4>".
 */
static void join_older(struct sql *q, const struct at *at, int64_t window)
{
	static const struct sql_literal table = SQL_LITERAL("customer_days");
	static const struct sql_literal alias = SQL_LITERAL("o");

	if (at->users->are_range)
		sql_add(q, " FULL JOIN (SELECT x.user_id,");
	else
		sql_add(q, " LEFT JOIN LATERAL (SELECT");
	sql_add(q, " string_agg(x.word || ':' || x.days, ' ') AS older FROM"
		   " (SELECT x.user_id, x.ago / 64 AS word,"
		   " bit_or(1::bigint << x.ago % 64) AS days FROM"
		   " (SELECT x.user_id, ");
	write_ago(q, at);
	sql_add(q, " AS ago");
	join_rows(q, at, &table);
	sql_add(q, " AND x.day <= ");
	sql_ref(q, at->today);
	sql_add(q, " - 64 AND x.day > ");
	sql_ref(q, at->today);
	sql_add(q, " - ");
	sql_count(q, window);
	sql_add(q, ") x GROUP BY x.user_id, word) x");
	join_end(q, at, &alias);
}

/* The small ids of names, as an array that is looked up once. */
static void write_is_name(struct sql *q, const struct at *at,
			  const char *const *names, size_t count)
{
	sql_add(q, "x.name_id = ANY (ARRAY(SELECT n.name_id FROM event_names n"
		   " WHERE n.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND n.name = ANY (");
	sql_arg(q, ARG_TEXTS(names, count));
	sql_add(q, "::text[])))");
}

/* Events of some names in the last days, of rows that go back for all_days. */
struct lately {
	const char *const *names;
	size_t count;
	int64_t days, all_days;
};

static void write_reach(struct sql *q, const struct at *at, int64_t days)
{
	sql_add(q, " AND x.day > ");
	sql_ref(q, at->today);
	sql_add(q, " - ");
	sql_count(q, days);
}

static void write_events(struct sql *q, const struct at *at,
			 const struct lately *l)
{
	sql_add(q, "coalesce(sum(x.events) FILTER (WHERE ");
	write_is_name(q, at, l->names, l->count);
	if (l->days < l->all_days)
		write_reach(q, at, l->days);
	sql_add(q, "), 0)");
}

/*
 * A retention milestone counts while its event goes on as often as it
 * asks; one with a property test must also have been reached.
 */
static void write_retention(struct sql *q, const struct at *at,
			    const struct milestone *m, const struct lately *l)
{
	sql_add(q, " + (");
	write_events(q, at, l);
	sql_add(q, " >= ");
	sql_arg(q, ARG_I64(m->count));
	if (m->properties != NULL) {
		sql_add(q, " AND EXISTS (SELECT FROM customer_milestones r"
			   " WHERE r.tenant_id = ");
		sql_ref(q, at->tenant);
		sql_add(q, " AND r.user_id = ");
		join_user(q, at);
		sql_add(q, " AND r.milestone = ");
		sql_arg(q, ARG_TEXT(m->name));
		sql_add(q, ")");
	}
	sql_add(q, ")::integer");
}

static const struct sql_literal event_days = SQL_LITERAL("customer_event_days");

/* e: what the last days' events of some names say. */
static void join_recent(struct sql *q, const struct at *at,
			const struct tenant_config *config)
{
	static const struct sql_literal alias = SQL_LITERAL("e");
	const struct name_list *gates = &config->expansion.gate_events;
	const char **names = ARENA_ARRAY(
	    q->arena, const char *, config->milestone_count + gates->count);
	int64_t days = config->engagement.days;
	int64_t gate_days = config->expansion.gate_days;
	int64_t all_days =
	    gates->count > 0 && gate_days > days ? gate_days : days;
	size_t n = 0;

	join_begin(q, at);
	sql_add(q, "0");
	for (size_t i = 0; i < config->milestone_count; i++) {
		if (!config->milestones[i].retention)
			continue;
		names[n++] = config->milestones[i].event;
		write_retention(q, at, &config->milestones[i],
				&(struct lately){ &config->milestones[i].event,
						  1, days, all_days });
	}
	sql_add(q, " AS retention, ");
	write_events(q, at,
		     &(struct lately){ gates->items, gates->count, gate_days,
				       all_days });
	sql_add(q, " AS gates");
	for (size_t i = 0; i < gates->count; i++)
		names[n++] = gates->items[i];
	join_rows(q, at, &event_days);
	sql_add(q, " AND ");
	write_is_name(q, at, names, n);
	write_reach(q, at, all_days);
	join_end(q, at, &alias);
}

/* k: days since the last event that means churn. */
static void join_churn(struct sql *q, const struct at *at,
		       const struct tenant_config *config)
{
	static const struct sql_literal alias = SQL_LITERAL("k");
	const struct name_list *churn = &config->lifecycle.churn_events;

	join_begin(q, at);
	sql_ref(q, at->today);
	sql_add(q, " - max(x.day) AS churn");
	join_rows(q, at, &event_days);
	sql_add(q, " AND ");
	write_is_name(q, at, churn->items, churn->count);
	join_end(q, at, &alias);
}

/* m: the milestones of onboarding that were reached. */
static void join_milestones(struct sql *q, const struct at *at,
			    const struct tenant_config *config)
{
	static const struct sql_literal table =
	    SQL_LITERAL("customer_milestones");
	static const struct sql_literal alias = SQL_LITERAL("m");
	const char **names =
	    ARENA_ARRAY(q->arena, const char *, config->milestone_count);
	size_t n = 0;

	for (size_t i = 0; i < config->milestone_count; i++) {
		if (config->milestones[i].onboarding)
			names[n++] = config->milestones[i].name;
	}
	join_begin(q, at);
	sql_add(q, "count(*) AS onboarding");
	join_rows(q, at, &table);
	sql_add(q, " AND x.milestone = ANY (");
	sql_arg(q, ARG_TEXTS(names, n));
	sql_add(q, "::text[])");
	join_end(q, at, &alias);
}

/* Of active days, up to 3: where no milestone says what onboarding is. */
static void write_ever(struct sql *q, const struct at *at)
{
	sql_add(q, ", 0 AS onboarding, CASE WHEN d.n >= 3 THEN 3"
		   " ELSE (SELECT count(*) FROM (SELECT"
		   " FROM customer_days x WHERE x.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND x.user_id = c.user_id LIMIT 3) y) END AS ever");
}

static void write_path(struct sql *q, const char *const *path, size_t len)
{
	sql_add(q, "CASE WHEN jsonb_typeof(c.properties #> ");
	sql_arg(q, ARG_TEXTS(path, len));
	sql_add(q, ") = 'number' THEN (c.properties #>> ");
	sql_arg(q, ARG_TEXTS(path, len));
	sql_add(q, ")::numeric END");
}

/* numeric, for a number in properties may be beyond double. */
static void write_limits(struct sql *q, const struct tenant_config *config)
{
	sql_add(q, ", greatest(0");
	for (size_t i = 0; i < config->expansion.limit_count; i++) {
		const struct expansion_limit *l = &config->expansion.limits[i];

		sql_add(q, ", (SELECT CASE WHEN y.most <= 0 THEN NULL"
			   " WHEN y.used >= y.most THEN 1"
			   " WHEN y.used <= 0 THEN 0"
			   " ELSE round(y.used / y.most, 6) END"
			   " FROM (SELECT ");
		write_path(q, l->property, l->property_len);
		sql_add(q, " AS used, ");
		if (l->limit_property != NULL)
			write_path(q, l->limit_property, l->limit_property_len);
		else
			sql_arg(q, ARG_DOUBLE(l->max));
		sql_add(q, "::numeric AS most) y)");
	}
	sql_add(q, ")::double precision AS limits");
}

static void write_signals(struct sql *q, const struct at *at,
			  const struct tenant_config *config)
{
	sql_add(q, ", 0");
	for (size_t i = 0; i < config->expansion.signal_count; i++) {
		sql_add(q, " + ");
		condition_write_sql(config->expansion.signals[i], q,
				    &at->condition);
		sql_add(q, "::integer");
	}
	sql_add(q, " AS signals");
}

static void write_condition(struct sql *q, const struct at *at)
{
	static const struct sql_literal alias = SQL_LITERAL("c");

	sql_add(q, " WHERE c.tenant_id = ");
	sql_ref(q, at->tenant);
	user_set_write(at->users, q, &alias);
}

static void write_customers(struct sql *q, const struct at *at)
{
	if (!at->users->are_range) {
		sql_add(q, " customers c");
		return;
	}
	sql_add(q, " (SELECT * FROM customers c");
	write_condition(q, at);
	sql_add(q, ") c");
}

/*
 * Rows of nobody are those of customers who came since. No plainer condition
 * on c would do: it would make a LEFT JOIN of each FULL JOIN.
 */
static void write_whom(struct sql *q, const struct at *at)
{
	if (at->users->are_range)
		sql_add(q, " WHERE coalesce(c.tenant_id, 0) > 0");
	else
		write_condition(q, at);
}

bool features_load(struct op *op, const struct tenant_config *config,
		   const struct user_set *users, struct db_rows *ret)
{
	bool has_recent = score_retention_count(config) > 0 ||
			  config->expansion.gate_events.count > 0;
	bool has_churn = config->lifecycle.churn_events.count > 0;
	bool has_milestones = score_onboarding_count(config) > 0;
	int64_t window = score_window_days(config);
	struct at at = { .users = users };
	struct sql q;

	sql_init(&q, op->arena);
	sql_keep(&q);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.today = sql_bind(&q, ARG_DAY(op->now_us));
	at.condition.tenant = at.tenant;
	at.condition.now = sql_bind(&q, ARG_TIME(op->now_us));
	/* In the order in which they are read, which finds them soonest. */
	sql_add(&q, "SELECT"
		    " coalesce(c.first_activity_at, c.created_at) AS first_at,"
		    " coalesce(c.last_activity_at, c.created_at) AS last_at,"
		    " c.last_activity_at IS NOT NULL AS has_activity,"
		    " d.days, d.recent, d.earlier, d.names");
	if (window > SCORE_WORD_DAYS)
		sql_add(&q, ", o.older");
	else
		sql_add(&q, ", NULL::text AS older");
	if (has_churn)
		sql_add(&q, ", k.churn");
	else
		sql_add(&q, ", NULL::integer AS churn");
	if (has_milestones)
		sql_add(&q, ", m.onboarding, 0 AS ever");
	else
		write_ever(&q, &at);
	if (has_recent)
		sql_add(&q, ", e.retention, e.gates");
	else
		sql_add(&q, ", 0 AS retention, 0 AS gates");
	write_limits(&q, config);
	write_signals(&q, &at, config);
	sql_add(&q, ", c.refreshed_at IS NULL AS fresh, c.stage_reason,"
		    " c.score_parts, c.lifecycle_stage, c.risk_level, c.health,"
		    " c.risk_score, c.activation_score, c.engagement_score,"
		    " c.expansion_score, c.user_id, c.noted_health FROM");
	write_customers(&q, &at);
	join_days(&q, &at, config);
	if (window > SCORE_WORD_DAYS)
		join_older(&q, &at, window);
	if (has_milestones)
		join_milestones(&q, &at, config);
	if (has_recent)
		join_recent(&q, &at, config);
	if (has_churn)
		join_churn(&q, &at, config);
	write_whom(&q, &at);
	sql_add(&q, " ORDER BY c.user_id");
	return db_rows_sql(op, ret, &q);
}

/* A churn event of tomorrow counts as today's. */
static int64_t churn_days(const struct db_row *row)
{
	int64_t days;

	if (db_is_null(row, "churn"))
		return -1;
	days = db_i64(row, "churn");
	return days < 0 ? 0 : days;
}

/* What join_older() found, of count words. */
static const uint64_t *read_older(struct arena *a, const char *text,
				  size_t count)
{
	uint64_t *words = ARENA_ARRAY(a, uint64_t, count);

	while (text != NULL && *text != '\0') {
		char *end;
		size_t word = strtoul(text, &end, 10);
		int64_t days = strtoll(end + 1, &end, 10);

		assert(word >= 1 && word <= count);
		words[word - 1] = (uint64_t)days;
		text = end;
	}
	return words;
}

void features_read(const struct op *op, const struct tenant_config *config,
		   const struct db_row *row, struct score_features *f)
{
	size_t older = (size_t)score_window_days(config) / SCORE_WORD_DAYS - 1;

	*f = (struct score_features){
		.now_us = op->now_us,
		.first_us = db_time(row, "first_at"),
		.last_us = db_time(row, "last_at"),
		.has_activity = db_bool(row, "has_activity"),
		.active_days = (uint64_t)db_i64(row, "days"),
		.older_days =
		    older == 0
			? NULL
			: read_older(op->arena, db_text(row, "older"), older),
		.older_count = older,
		.recent_events = db_i64(row, "recent"),
		.earlier_events = db_i64(row, "earlier"),
		.names = __builtin_popcountll((uint64_t)db_i64(row, "names")),
		.churn_days_ago = churn_days(row),
		.onboarding_reached = db_i64(row, "onboarding"),
		.active_days_ever = db_i64(row, "ever"),
		.retention_hits = db_i64(row, "retention"),
		.gate_hits = db_i64(row, "gates"),
		.limit_nearness = db_double(row, "limits"),
		.signals_true = db_i64(row, "signals"),
	};
}
