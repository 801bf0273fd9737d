/*
 * Daily counts of a chunk of customers over many days → features of each
 * day. Each series of counts is an array of days in order, customer after
 * customer; a day's facts are sums over a few dozen of them.
 */
#include "engine/past.h"

#include "base/clock.h"
#include "db/db.h"
#include "engine/features.h"

/* One UTC day; all days before the window are one row, by its last. */
struct count {
	int64_t day, events, days;
	uint64_t names;
	int64_t last_us;
};

/* counts of customer u: from starts[u] to before starts[u + 1]. */
struct series {
	struct count *counts;
	size_t *starts;
};

struct person {
	int64_t first_us, created_us, there_us;
	double limits;
	int64_t signals;
	bool known;
};

struct past {
	const struct tenant_config *config;
	struct person *people;
	struct series days, churn, gates;
	struct series *retention; /* by milestone; of those that retain */
	int64_t *reached; /* [customer × milestone_count + milestone] */
	uint64_t *older;  /* older_days of the facts asked for last */
	size_t older_count;
};

/* What the statements have in common. */
struct load {
	struct past *past;
	const char *const *user_ids;
	size_t count;
	int64_t last;
};

/* The place of a row's customer; rows come in their order. */
static size_t place_of(const struct load *l, const struct db_row *row, size_t u)
{
	const char *user_id = db_text(row, "user_id");

	while (u < l->count && strcmp(l->user_ids[u], user_id) < 0)
		u++;
	return u;
}

static void take_series(struct op *op, const struct load *l,
			const struct db_rows *rows, struct series *ret)
{
	size_t u = 0, n = 0;

	ret->counts = ARENA_ARRAY(op->arena, struct count, rows->count);
	ret->starts = ARENA_ARRAY(op->arena, size_t, l->count + 1);
	db_each (row, rows) {
		size_t place = place_of(l, &row, u);

		while (u < place)
			ret->starts[++u] = n;
		ret->counts[n++] = (struct count){
			.day = db_i64(&row, "day"),
			.events = db_i64(&row, "events"),
			.days = db_i64(&row, "days"),
			.names = (uint64_t)db_i64(&row, "names"),
			.last_us = db_time(&row, "last_at"),
		};
	}
	while (u < l->count)
		ret->starts[++u] = n;
}

/* Days up to from become one row, which no window reaches. */
static bool load_days(struct op *op, const struct load *l, int64_t from)
{
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT user_id, max(day) - date '1970-01-01' AS day,"
		     " sum(events)::bigint AS events, count(*) AS days,"
		     " bit_or(names) AS names, max(last_at) AS last_at"
		     " FROM customer_days WHERE tenant_id = $1"
		     " AND user_id = ANY ($2) AND day <= $4"
		     " GROUP BY user_id, greatest(day, $3)"
		     " ORDER BY user_id, 2",
		     ARG_I64(op->tenant_id), ARG_TEXTS(l->user_ids, l->count),
		     ARG_DAY(from * US_PER_DAY), ARG_DAY(l->last * US_PER_DAY)))
		return false;
	take_series(op, l, &rows, &l->past->days);
	return true;
}

static bool load_events(struct op *op, const struct load *l, int64_t from,
			const char *const *names, size_t count,
			struct series *ret)
{
	struct db_rows rows;

	if (count == 0)
		return true;
	if (!db_rows(op, &rows,
		     "SELECT x.user_id, max(x.day) - date '1970-01-01' AS day,"
		     " sum(x.events)::bigint AS events, count(*) AS days,"
		     " 0::bigint AS names, NULL::timestamptz AS last_at"
		     " FROM customer_event_days x WHERE x.tenant_id = $1"
		     " AND x.user_id = ANY ($2) AND x.day <= $4"
		     " AND x.name_id = ANY (ARRAY(SELECT n.name_id"
		     " FROM event_names n WHERE n.tenant_id = $1"
		     " AND n.name = ANY ($5)))"
		     " GROUP BY x.user_id, greatest(x.day, $3)"
		     " ORDER BY x.user_id, 2",
		     ARG_I64(op->tenant_id), ARG_TEXTS(l->user_ids, l->count),
		     ARG_DAY(from * US_PER_DAY), ARG_DAY(l->last * US_PER_DAY),
		     ARG_TEXTS(names, count)))
		return false;
	take_series(op, l, &rows, ret);
	return true;
}

static bool load_retention(struct op *op, const struct load *l, int64_t from)
{
	const struct tenant_config *config = l->past->config;

	l->past->retention =
	    ARENA_ARRAY(op->arena, struct series, config->milestone_count);
	for (size_t i = 0; i < config->milestone_count; i++) {
		const struct milestone *m = &config->milestones[i];

		if (m->retention && !load_events(op, l, from, &m->event, 1,
						 &l->past->retention[i]))
			return false;
	}
	return true;
}

/* When each milestone was reached; INT64_MAX: not. */
static bool load_reached(struct op *op, const struct load *l)
{
	const struct tenant_config *config = l->past->config;
	size_t n = config->milestone_count, u = 0;
	int64_t *reached = ARENA_ARRAY(op->arena, int64_t, l->count * n);
	struct db_rows rows;

	for (size_t i = 0; i < l->count * n; i++)
		reached[i] = INT64_MAX;
	l->past->reached = reached;
	if (n == 0)
		return true;
	if (!db_rows(op, &rows,
		     "SELECT user_id, milestone, reached_at"
		     " FROM customer_milestones WHERE tenant_id = $1"
		     " AND user_id = ANY ($2) ORDER BY user_id",
		     ARG_I64(op->tenant_id), ARG_TEXTS(l->user_ids, l->count)))
		return false;
	db_each (row, &rows) {
		u = place_of(l, &row, u);
		for (size_t i = 0; i < n; i++)
			if (streq(config->milestones[i].name,
				  db_text(&row, "milestone")))
				reached[u * n + i] =
				    db_time(&row, "reached_at");
	}
	return true;
}

static bool load_people(struct op *op, const struct load *l)
{
	struct db_rows rows;
	size_t u = 0;

	if (!db_rows(op, &rows,
		     "SELECT user_id, created_at, coalesce(first_activity_at,"
		     " created_at) AS first_at, least(first_activity_at,"
		     " created_at) AS there_at FROM customers"
		     " WHERE tenant_id = $1 AND user_id = ANY ($2)"
		     " ORDER BY user_id",
		     ARG_I64(op->tenant_id), ARG_TEXTS(l->user_ids, l->count)))
		return false;
	db_each (row, &rows) {
		u = place_of(l, &row, u);
		l->past->people[u] = (struct person){
			.first_us = db_time(&row, "first_at"),
			.created_us = db_time(&row, "created_at"),
			.there_us = db_time(&row, "there_at"),
			.known = true,
		};
	}
	return true;
}

/* Limits and signals of today, where the tenant has any. */
static bool load_expansion(struct op *op, const struct load *l)
{
	const struct tenant_config *config = l->past->config;
	struct score_features f;
	struct db_rows rows;
	size_t u = 0;

	if (config->expansion.limit_count + config->expansion.signal_count == 0)
		return true;
	if (!features_load(
		op, config,
		&(struct user_set){ .ids = l->user_ids, .count = l->count },
		&rows))
		return false;
	db_each (row, &rows) {
		u = place_of(l, &row, u);
		features_read(op, config, &row, &f);
		l->past->people[u].limits = f.limit_nearness;
		l->past->people[u].signals = f.signals_true;
	}
	return true;
}

bool past_load(struct op *op, const struct tenant_config *config,
	       const char *const *user_ids, size_t count, int64_t first,
	       int64_t last, struct past **ret)
{
	const struct name_list *churn = &config->lifecycle.churn_events;
	const struct name_list *gates = &config->expansion.gate_events;
	struct past *past = ARENA_NEW(op->arena, struct past);
	const struct load l = { past, user_ids, count, last };
	int64_t retention = first - config->engagement.days;

	past->config = config;
	past->older_count =
	    (size_t)score_window_days(config) / SCORE_WORD_DAYS - 1;
	past->older = ARENA_ARRAY(op->arena, uint64_t, past->older_count);
	past->people = ARENA_ARRAY(op->arena, struct person, count);
	if (!load_people(op, &l) || !load_expansion(op, &l) ||
	    !load_days(op, &l, first - score_count_days(config)) ||
	    !load_events(op, &l, first, churn->items, churn->count,
			 &past->churn) ||
	    !load_events(op, &l, first - config->expansion.gate_days,
			 gates->items, gates->count, &past->gates) ||
	    !load_retention(op, &l, retention) || !load_reached(op, &l))
		return false;
	*ret = past;
	return true;
}

/* ----------------------------------------------------------------- a day -- */

/* Word 0 is the features' own. */
static void add_active_day(const struct past *past, int64_t ago,
			   struct score_features *f)
{
	size_t word = (size_t)ago / SCORE_WORD_DAYS;
	uint64_t day = UINT64_C(1) << ago % SCORE_WORD_DAYS;

	if (word == 0)
		f->active_days |= day;
	else if (word <= past->older_count)
		past->older[word - 1] |= day;
}

static void add_days(const struct past *past, size_t u, int64_t today,
		     struct past_facts *f)
{
	const struct series *s = &past->days;
	int64_t drop = past->config->lifecycle.drop_days;
	uint64_t names = 0;

	for (size_t i = s->starts[u]; i < s->starts[u + 1]; i++) {
		const struct count *c = &s->counts[i];
		int64_t ago = today - c->day;

		if (ago < 0)
			break;
		f->total += c->events;
		f->features.active_days_ever += c->days;
		f->features.has_activity = true;
		if (c->last_us > f->features.last_us)
			f->features.last_us = c->last_us;
		add_active_day(past, ago, &f->features);
		if (ago < past->config->engagement.days)
			names |= c->names;
		if (ago < drop)
			f->features.recent_events += c->events;
		else if (ago < 2 * drop)
			f->features.earlier_events += c->events;
	}
	f->features.names = __builtin_popcountll(names);
}

static int64_t days_since(const struct series *s, size_t u, int64_t today)
{
	int64_t ago = -1;

	if (s->starts == NULL)
		return -1;
	for (size_t i = s->starts[u]; i < s->starts[u + 1]; i++)
		if (s->counts[i].day <= today)
			ago = today - s->counts[i].day;
	return ago;
}

/* Events of the last days. */
static int64_t lately(const struct series *s, size_t u, int64_t today,
		      int64_t days)
{
	int64_t n = 0;

	if (s->starts == NULL)
		return 0;
	for (size_t i = s->starts[u]; i < s->starts[u + 1]; i++) {
		int64_t ago = today - s->counts[i].day;

		if (ago >= 0 && ago < days)
			n += s->counts[i].events;
	}
	return n;
}

static void add_milestones(const struct past *past, size_t u, int64_t today,
			   struct score_features *f)
{
	const struct tenant_config *config = past->config;
	bool any = false;

	for (size_t i = 0; i < config->milestone_count; i++) {
		const struct milestone *m = &config->milestones[i];
		bool reached =
		    past->reached[u * config->milestone_count + i] <= f->now_us;

		any |= m->onboarding;
		f->onboarding_reached += m->onboarding && reached;
		f->retention_hits +=
		    m->retention &&
		    lately(&past->retention[i], u, today,
			   config->engagement.days) >= m->count &&
		    (m->properties == NULL || reached);
	}
	/* They matter only without milestones. */
	if (any)
		f->active_days_ever = 0;
	else if (f->active_days_ever > 3)
		f->active_days_ever = 3;
}

bool past_facts_at(const struct past *past, size_t customer, int64_t now_us,
		   struct past_facts *ret)
{
	const struct person *p = &past->people[customer];
	int64_t today = now_us / US_PER_DAY;
	struct past_facts f = {
		.features = { .now_us = now_us,
			      .first_us = p->first_us,
			      .last_us = INT64_MIN,
			      .older_days = past->older,
			      .older_count = past->older_count,
			      .limit_nearness = p->limits,
			      .signals_true = p->signals },
	};

	if (!p->known || p->there_us > now_us)
		return false;
	memset(past->older, 0, past->older_count * sizeof(*past->older));
	add_days(past, customer, today, &f);
	if (!f.features.has_activity)
		f.features.last_us = p->created_us;
	f.features.churn_days_ago = days_since(&past->churn, customer, today);
	f.features.gate_hits = lately(&past->gates, customer, today,
				      past->config->expansion.gate_days);
	add_milestones(past, customer, today, &f.features);
	*ret = f;
	return true;
}
