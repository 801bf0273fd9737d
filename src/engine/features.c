/*
 * Daily counts → features, one statement a chunk of customers.
 */
#include "engine/features.h"

#include "base/clock.h"
#include "db/db.h"
#include "db/sql.h"

/* Numbers of the arguments that several parts of the statement use. */
struct at {
	size_t tenant, today;
	struct condition_at condition;
};

/* The small ids of names, as an array that is looked up once. */
static void write_name_ids(struct sql *q, const struct at *at,
			   const char *const *names, size_t count)
{
	sql_add(q, "ARRAY(SELECT n.name_id FROM event_names n"
		   " WHERE n.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND n.name = ANY (");
	sql_arg(q, ARG_TEXTS(names, count));
	sql_add(q, "::text[]))");
}

static void write_event_days(struct sql *q, const struct at *at,
			     const char *const *names, size_t count)
{
	sql_add(q, " FROM customer_event_days x WHERE x.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND x.user_id = c.user_id AND x.name_id = ANY (");
	write_name_ids(q, at, names, count);
	sql_add(q, ")");
}

static void write_span(struct sql *q, const struct at *at)
{
	sql_add(q, " AND x.day > ");
	sql_ref(q, at->today);
	sql_add(q, "::date - 14");
}

static void write_milestones(struct sql *q, const struct at *at,
			     const struct tenant_config *config)
{
	const char **names =
	    ARENA_ARRAY(q->arena, const char *, config->milestone_count);
	size_t n = 0;

	for (size_t i = 0; i < config->milestone_count; i++) {
		if (config->milestones[i].onboarding)
			names[n++] = config->milestones[i].name;
	}
	if (n == 0) {
		sql_add(q, ", 0 AS onboarding, (SELECT count(*) FROM (SELECT 1"
			   " FROM customer_days x WHERE x.tenant_id = ");
		sql_ref(q, at->tenant);
		sql_add(q, " AND x.user_id = c.user_id");
		sql_add(q, " LIMIT 3) y) AS ever");
		return;
	}
	sql_add(q, ", 0 AS ever, (SELECT count(*) FROM customer_milestones x"
		   " WHERE x.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND x.user_id = c.user_id AND x.milestone = ANY (");
	sql_arg(q, ARG_TEXTS(names, n));
	sql_add(q, "::text[])");
	sql_add(q, ") AS onboarding");
}

/*
 * A retention milestone counts while its event goes on as often as it
 * asks; one with a property test must also have been reached.
 */
static void write_retention(struct sql *q, const struct at *at,
			    const struct tenant_config *config)
{
	sql_add(q, ", 0");
	for (size_t i = 0; i < config->milestone_count; i++) {
		const struct milestone *m = &config->milestones[i];

		if (!m->retention)
			continue;
		sql_add(q, " + ((SELECT coalesce(sum(x.events), 0)");
		write_event_days(q, at, &m->event, 1);
		write_span(q, at);
		sql_add(q, ") >= ");
		sql_arg(q, ARG_I64(m->count));
		if (m->properties != NULL) {
			sql_add(q, " AND EXISTS (SELECT FROM"
				   " customer_milestones x WHERE x.tenant_id"
				   " = ");
			sql_ref(q, at->tenant);
			sql_add(q, " AND x.user_id = c.user_id"
				   " AND x.milestone = ");
			sql_arg(q, ARG_TEXT(m->name));
			sql_add(q, ")");
		}
		sql_add(q, ")::integer");
	}
	sql_add(q, " AS retention");
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

static void write_names(struct sql *q, const struct at *at,
			const struct tenant_config *config)
{
	const struct name_list *churn = &config->lifecycle.churn_events;
	const struct name_list *gates = &config->expansion.gate_events;

	if (churn->count > 0) {
		sql_add(q, ", (SELECT ");
		sql_ref(q, at->today);
		sql_add(q, "::date - max(x.day)");
		write_event_days(q, at, churn->items, churn->count);
		sql_add(q, ") AS churn");
	} else {
		sql_add(q, ", NULL::integer AS churn");
	}
	if (gates->count > 0) {
		sql_add(q, ", (SELECT coalesce(sum(x.events), 0)");
		write_event_days(q, at, gates->items, gates->count);
		write_span(q, at);
		sql_add(q, ") AS gates");
	} else {
		sql_add(q, ", 0 AS gates");
	}
}

/* A day of tomorrow (a client's clock may be ahead) counts as today. */
static void write_days(struct sql *q, const struct at *at)
{
	sql_add(q, " LEFT JOIN LATERAL (SELECT"
		   " sum(x.events) FILTER (WHERE x.ago < 14) AS recent,"
		   " sum(x.events) FILTER (WHERE x.ago BETWEEN 14 AND 27)"
		   " AS earlier,"
		   " bit_or(x.names) FILTER (WHERE x.ago < 14) AS names,"
		   " bit_or(1::bigint << x.ago) AS days"
		   " FROM (SELECT y.events, y.names, greatest(");
	sql_ref(q, at->today);
	sql_add(q, "::date - y.day, 0) AS ago FROM customer_days y"
		   " WHERE y.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND y.user_id = c.user_id AND y.day > ");
	sql_ref(q, at->today);
	sql_add(q, "::date - 64");
	sql_add(q, ") x) d ON true");
}

bool features_load(struct op *op, const struct tenant_config *config,
		   const struct user_set *users, struct db_rows *ret)
{
	static const struct sql_literal alias = SQL_LITERAL("c");
	struct at at = { 0 };
	struct sql q;

	sql_init(&q, op->arena);
	sql_keep(&q);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.today =
	    sql_bind(&q, ARG_TEXT(clock_write_day(op->arena, op->now_us)));
	at.condition.tenant = at.tenant;
	at.condition.now = sql_bind(&q, ARG_TIME(op->now_us));
	sql_add(&q, "SELECT c.user_id, c.lifecycle_stage, c.health,"
		    " c.risk_level, c.noted_health, c.stage_reason,"
		    " c.risk_score, c.activation_score, c.engagement_score,"
		    " c.expansion_score, c.score_parts,"
		    " c.refreshed_at IS NULL AS fresh,"
		    " d.recent, d.earlier, d.names, d.days,"
		    " coalesce(c.first_activity_at, c.created_at) AS first_at,"
		    " coalesce(c.last_activity_at, c.created_at) AS last_at,"
		    " c.last_activity_at IS NOT NULL AS has_activity");
	write_milestones(&q, &at, config);
	write_retention(&q, &at, config);
	write_names(&q, &at, config);
	write_limits(&q, config);
	write_signals(&q, &at, config);
	sql_add(&q, " FROM customers c");
	write_days(&q, &at);
	sql_add(&q, " WHERE c.tenant_id = ");
	sql_ref(&q, at.tenant);
	user_set_write(users, &q, &alias);
	sql_add(&q, " ORDER BY c.user_id");
	return db_rows_sql(op, ret, &q);
}

/* A churn event of tomorrow counts as today's. */
static int64_t churn_days(const struct db_row *row)
{
	int64_t days = db_i64(row, "churn");

	return db_is_null(row, "churn") ? -1 : days < 0 ? 0 : days;
}

void features_read(const struct op *op, const struct db_row *row,
		   struct score_features *f)
{
	*f = (struct score_features){
		.now_us = op->now_us,
		.first_us = db_time(row, "first_at"),
		.last_us = db_time(row, "last_at"),
		.has_activity = db_bool(row, "has_activity"),
		.active_days = (uint64_t)db_i64(row, "days"),
		.active_days_ever = db_i64(row, "ever"),
		.recent_events = db_i64(row, "recent"),
		.earlier_events = db_i64(row, "earlier"),
		.names = __builtin_popcountll((uint64_t)db_i64(row, "names")),
		.churn_days_ago = churn_days(row),
		.onboarding_reached = db_i64(row, "onboarding"),
		.retention_hits = db_i64(row, "retention"),
		.limit_nearness = db_double(row, "limits"),
		.gate_hits = db_i64(row, "gates"),
		.signals_true = db_i64(row, "signals"),
	};
}
