/*
 * Daily counts → state. One statement reads the features of a chunk
 * (engine/features.h), the formulas are engine/score.h's, one statement writes
 * the rows that differ.
 */
#include "batch/refresh.h"

#include "base/uuid.h"
#include "db/db.h"
#include "engine/features.h"
#include "store/match_queue.h"
#include "store/outbox.h"
#include "store/webhook.h"

#include <stdlib.h>

static const char *const cause_words[] = {
	[CAUSE_EVENTS] = "events",
	[CAUSE_TIME] = "time",
	[CAUSE_CONFIG] = "config",
};

bool refresh_next_users(struct op *op, const char *after, struct user_list *ret)
{
	struct db_rows rows;

	if (!db_list(op, &rows,
		     "SELECT user_id FROM customers WHERE tenant_id = $1"
		     " AND user_id > $2 ORDER BY user_id LIMIT $3",
		     ARG_I64(op->tenant_id), ARG_TEXT(after),
		     ARG_I64(REFRESH_SWEEP)))
		return false;
	ret->ids = ARENA_ARRAY(op->arena, const char *, rows.count);
	ret->count = 0;
	ret->are_range = rows.count > 0;
	db_each (row, &rows)
		ret->ids[ret->count++] = db_text(&row, "user_id");
	return true;
}

/* What is written of a chunk, column by column. */
struct columns {
	size_t n;
	const char **user_id, **stage, **reason, **risk, **parts;
	int64_t *health, *noted_health, *since;
	double *risk_score, *activation, *engagement, *expansion;
};

static void columns_init(struct arena *a, struct columns *w, size_t len)
{
	w->n = 0;
	w->user_id = ARENA_ARRAY(a, const char *, len);
	w->stage = ARENA_ARRAY(a, const char *, len);
	w->reason = ARENA_ARRAY(a, const char *, len);
	w->risk = ARENA_ARRAY(a, const char *, len);
	w->parts = ARENA_ARRAY(a, const char *, len);
	w->health = ARENA_ARRAY(a, int64_t, len);
	w->noted_health = ARENA_ARRAY(a, int64_t, len);
	w->since = ARENA_ARRAY(a, int64_t, len);
	w->risk_score = ARENA_ARRAY(a, double, len);
	w->activation = ARENA_ARRAY(a, double, len);
	w->engagement = ARENA_ARRAY(a, double, len);
	w->expansion = ARENA_ARRAY(a, double, len);
}

/* Rows of the ledger, column by column, and events for the outbox. */
struct changes {
	size_t n, event_n;
	const char **user_id, **id, **what, **old, **new;
	const char **stage, **reason, **parts;
	struct outbox_event *events;
};

static void changes_init(struct arena *a, struct changes *c, size_t len)
{
	const char ***texts[] = {
		&c->user_id, &c->id,	&c->what,   &c->old,
		&c->new,     &c->stage, &c->reason, &c->parts
	};

	*c = (struct changes){ .n = 0 };
	/* Stage, risk and health of each. */
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = ARENA_ARRAY(a, const char *, 3 * len);
	c->events = ARENA_ARRAY(a, struct outbox_event, 2 * len);
}

/* The health that the ledger last says; NOTHING before its first row. */
#define NOTHING INT64_C(-1)

static int64_t noted_health(const struct db_row *row)
{
	return db_is_null(row, "noted_health") ? NOTHING
					       : db_i64(row, "noted_health");
}

/* Against the last noted health, so that a slow slide is noted too. */
static bool is_step(const struct db_row *row, const struct score *s)
{
	int64_t noted = noted_health(row);

	return llabs(s->health_points - (noted == NOTHING ? 50 : noted)) >=
	       SCORE_HEALTH_STEP;
}

static bool is_same(const struct db_row *row, const char *column, double value)
{
	return (float)db_double(row, column) == (float)value;
}

/* What is stored is what would be: most rows of a sweep. */
static bool is_unchanged(const struct db_row *row, const struct score *s,
			 const char *packed)
{
	const char *reason = db_text(row, "stage_reason");
	const char *parts = db_text(row, "score_parts");

	return !db_bool(row, "fresh") && reason != NULL && parts != NULL &&
	       streq(parts, packed) && streq(reason, s->stage_reason) &&
	       streq(db_text(row, "lifecycle_stage"),
		     score_stage_word(s->stage)) &&
	       streq(db_text(row, "risk_level"),
		     score_risk_word(s->risk_level)) &&
	       db_i64(row, "health") == s->health_points &&
	       is_same(row, "risk_score", s->risk.value) &&
	       is_same(row, "activation_score", s->activation.value) &&
	       is_same(row, "engagement_score", s->engagement.value) &&
	       is_same(row, "expansion_score", s->expansion.value);
}

static void columns_add(struct columns *w, const struct db_row *row,
			const struct score *s, const char *parts)
{
	size_t i = w->n++;

	w->user_id[i] = db_text(row, "user_id");
	w->stage[i] = score_stage_word(s->stage);
	w->reason[i] = s->stage_reason;
	w->risk[i] = score_risk_word(s->risk_level);
	w->parts[i] = parts;
	w->health[i] = s->health_points;
	w->noted_health[i] =
	    is_step(row, s) ? s->health_points : noted_health(row);
	w->risk_score[i] = s->risk.value;
	w->activation[i] = s->activation.value;
	w->engagement[i] = s->engagement.value;
	w->expansion[i] = s->expansion.value;
}

static void changes_row(struct op *op, struct changes *c,
			const struct db_row *row, const struct score *s,
			const char *packed, const char *what)
{
	size_t i = c->n++;

	c->user_id[i] = db_text(row, "user_id");
	c->id[i] = uuid_new(op);
	c->what[i] = what;
	c->stage[i] = score_stage_word(s->stage);
	c->reason[i] = s->stage_reason;
	c->parts[i] = packed;
}

/*
 * One changed word: a ledger row and an event. The ledger knows no state
 * before the first score; to everybody else it was that of a new customer.
 */
static void changes_add(struct op *op, struct changes *c,
			const struct db_row *row, const struct score *s,
			const char *packed, bool is_stage)
{
	const char *old =
	    db_text(row, is_stage ? "lifecycle_stage" : "risk_level");
	const char *new = is_stage ? score_stage_word(s->stage)
				   : score_risk_word(s->risk_level);

	if (streq(old, new))
		return;
	c->old[c->n] = db_bool(row, "fresh") ? NULL : old;
	c->new[c->n] = new;
	changes_row(op, c, row, s, packed, is_stage ? "stage" : "risk");
	c->events[c->event_n++] = (struct outbox_event){
		.type = is_stage ? "user.stage_changed" : "user.risk_changed",
		.user_id = db_text(row, "user_id"),
		.lifecycle_stage = score_stage_word(s->stage),
		.activation_score = s->activation.value,
		.risk_level = score_risk_word(s->risk_level),
		.extra = arena_printf(op->arena,
				      "\"previous\":\"%s\",\"current\":\"%s\"",
				      old, new),
	};
}

static void changes_add_health(struct op *op, struct changes *c,
			       const struct db_row *row, const struct score *s,
			       const char *packed)
{
	if (!is_step(row, s))
		return;
	c->old[c->n] = db_text(row, "noted_health");
	c->new[c->n] = arena_printf(op->arena, "%d", (int)s->health_points);
	changes_row(op, c, row, s, packed, "health");
}

static bool write_columns(struct op *op, const struct columns *w)
{
	return db_exec(
	    op, NULL,
	    "UPDATE customers c SET lifecycle_stage = u.stage,"
	    " stage_reason = u.reason,"
	    " stage_since = CASE WHEN c.lifecycle_stage = u.stage"
	    " THEN c.stage_since ELSE u.since END, health = u.health,"
	    " risk_level = u.risk, risk_score = u.risk_score,"
	    " activation_score = u.activation,"
	    " engagement_score = u.engagement, expansion_score = u.expansion,"
	    " score_parts = u.parts, noted_health = u.noted,"
	    " refreshed_at = $2"
	    " FROM (SELECT x.user_id, x.stage, x.reason, x.risk,"
	    " x.parts::smallint[] AS parts,"
	    " nullif(x.noted, -1)::smallint AS noted,"
	    " x.health::smallint AS health, x.since, x.risk_score::real AS risk_score,"
	    " x.activation::real AS activation,"
	    " x.engagement::real AS engagement, x.expansion::real AS expansion"
	    " FROM unnest($3::text[], $4::text[], $5::text[], $6::text[],"
	    " $7::bigint[], $8::float8[], $9::float8[], $10::float8[],"
	    " $11::float8[], $12::text[], $13::bigint[], $14::timestamptz[])"
	    " x (user_id, stage, risk, parts, health, risk_score,"
	    " activation, engagement, expansion, reason, noted, since)) u"
	    " WHERE c.tenant_id = $1 AND c.user_id = u.user_id",
	    ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
	    ARG_TEXTS(w->user_id, w->n), ARG_TEXTS(w->stage, w->n),
	    ARG_TEXTS(w->risk, w->n), ARG_TEXTS(w->parts, w->n),
	    ARG_I64S(w->health, w->n), ARG_DOUBLES(w->risk_score, w->n),
	    ARG_DOUBLES(w->activation, w->n), ARG_DOUBLES(w->engagement, w->n),
	    ARG_DOUBLES(w->expansion, w->n), ARG_TEXTS(w->reason, w->n),
	    ARG_I64S(w->noted_health, w->n), ARG_TIMES(w->since, w->n));
}

static bool write_ledger(struct op *op, const struct changes *c,
			 const char *cause)
{
	return c->n == 0 ||
	       db_exec(
		   op, NULL,
		   "INSERT INTO score_ledger (tenant_id, user_id, id, at,"
		   " what, old_value, new_value, cause, stage, reason, parts)"
		   " SELECT $1, u.user_id, u.id, $2, u.what, u.old, u.new,"
		   " $3, u.stage, u.reason, u.parts::smallint[]"
		   " FROM unnest($4::text[], $5::uuid[], $6::text[],"
		   " $7::text[], $8::text[], $9::text[], $10::text[],"
		   " $11::text[]) u (user_id, id, what, old, new, stage,"
		   " reason, parts)",
		   ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		   ARG_TEXT(cause), ARG_TEXTS(c->user_id, c->n),
		   ARG_UUIDS(c->id, c->n), ARG_TEXTS(c->what, c->n),
		   ARG_TEXTS(c->old, c->n), ARG_TEXTS(c->new, c->n),
		   ARG_TEXTS(c->stage, c->n), ARG_TEXTS(c->reason, c->n),
		   ARG_TEXTS(c->parts, c->n));
}

#define STAGE_HEARD WEBHOOK_LISTENS_SQL("'user.stage_changed'")
#define RISK_HEARD  WEBHOOK_LISTENS_SQL("'user.risk_changed'")

static bool ask_who_hears(struct op *op, struct refresh_why *why)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT bool_or" STAGE_HEARD " AS stage,"
		    " bool_or" RISK_HEARD " AS risk"
		    " FROM webhook_endpoints w WHERE w.tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	why->asked = true;
	why->stage_heard = db_bool(&row, "stage");
	why->risk_heard = db_bool(&row, "risk");
	return true;
}

/* A first import changes everybody: nothing is written that nobody hears. */
static bool put_events(struct op *op, struct refresh_why *why,
		       struct changes *c)
{
	size_t n = 0;

	if (c->event_n > 0 && !why->asked && !ask_who_hears(op, why))
		return false;
	for (size_t i = 0; i < c->event_n; i++) {
		if (streq(c->events[i].type, "user.stage_changed")
			? why->stage_heard
			: why->risk_heard)
			c->events[n++] = c->events[i];
	}
	return outbox_put_events(op, c->events, n);
}

bool refresh_score(struct op *op, const struct tenant_config *config,
		   const struct user_list *users, struct refresh_why *why,
		   struct user_list *ret_changed)
{
	struct columns w;
	struct changes c;
	struct db_rows rows;

	*ret_changed = (struct user_list){ .count = 0 };
	if (users->count == 0)
		return true;
	if (!features_load(op, config,
			   &(struct user_set){ .ids = users->ids,
					       .count = users->count,
					       .are_range = users->are_range },
			   &rows))
		return false;
	columns_init(op->arena, &w, rows.count);
	changes_init(op->arena, &c, rows.count);
	db_each (row, &rows) {
		struct score_features features;
		struct score score;
		const char *packed;

		features_read(op, config, &row, &features);
		score_compute(config, &features, &score);
		packed = score_pack(op->arena, &score);
		if (is_unchanged(&row, &score, packed))
			continue;
		w.since[w.n] = score_stage_since(config, &features, &score);
		columns_add(&w, &row, &score, packed);
		changes_add(op, &c, &row, &score, packed, true);
		changes_add(op, &c, &row, &score, packed, false);
		changes_add_health(op, &c, &row, &score, packed);
	}
	*ret_changed = (struct user_list){ .ids = w.user_id, .count = w.n };
	return (w.n == 0 || write_columns(op, &w)) &&
	       write_ledger(op, &c, cause_words[why->cause]) &&
	       put_events(op, why, &c);
}

static bool count_day(struct op *op)
{
	return db_exec(op, NULL,
		       "DELETE FROM daily_counts WHERE tenant_id = $1"
		       " AND day = $2",
		       ARG_I64(op->tenant_id), ARG_DAY(op->now_us)) &&
	       db_exec(op, NULL,
		       /* One look at the customers, three sums of it. */
		       "WITH g AS (SELECT lifecycle_stage, risk_level,"
		       " least(health / 20, 4) AS band, count(*) AS n"
		       " FROM customers WHERE tenant_id = $1 GROUP BY 1, 2, 3)"
		       " INSERT INTO daily_counts (tenant_id, day, what, value,"
		       " customers) SELECT $1, $2, v.what, v.value,"
		       " sum(g.n) FROM g CROSS JOIN LATERAL (VALUES"
		       " ('stage', g.lifecycle_stage), ('risk', g.risk_level),"
		       " ('health', (ARRAY['0-19', '20-39', '40-59', '60-79',"
		       " '80-100'])[g.band + 1])) v (what, value)"
		       " GROUP BY v.what, v.value",
		       ARG_I64(op->tenant_id), ARG_DAY(op->now_us));
}

/* The earliest customers are within the plan's limit; twins have none. */
static bool count_tracked(struct op *op, bool test)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT p.tracked_users FROM tenants t JOIN plans p"
		    " ON p.plan_tier = t.plan_tier WHERE t.tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	if (test || db_is_null(&row, "tracked_users"))
		return db_exec(op, NULL,
			       "WITH w AS (UPDATE customers SET tracked = true"
			       " WHERE tenant_id = $1 AND NOT tracked"
			       " RETURNING user_id)" MATCH_QUEUE_PUT,
			       ARG_I64(op->tenant_id));
	return db_exec(op, NULL,
		       "WITH w AS (UPDATE customers c"
		       " SET tracked = r.within FROM (SELECT user_id,"
		       " row_number() OVER (ORDER BY created_at, user_id)"
		       " <= $2 AS within FROM customers WHERE tenant_id = $1) r"
		       " WHERE c.tenant_id = $1 AND c.user_id = r.user_id"
		       " AND c.tracked <> r.within"
		       " RETURNING c.user_id)" MATCH_QUEUE_PUT,
		       ARG_I64(op->tenant_id),
		       ARG_I64(db_i64(&row, "tracked_users")));
}

bool refresh_counts(struct op *op, bool test)
{
	return count_day(op) && count_tracked(op, test);
}

bool refresh_tracked(struct op *op, bool test)
{
	struct db_row row;

	if (test)
		return true;
	if (!db_one(op, &row,
		    "SELECT p.tracked_users IS NOT NULL AND (SELECT"
		    " count(*) FILTER (WHERE tracked)"
		    " <> least(count(*), p.tracked_users)"
		    " FROM customers WHERE tenant_id = $1) AS other"
		    " FROM tenants t JOIN plans p"
		    " ON p.plan_tier = t.plan_tier WHERE t.tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	return !db_bool(&row, "other") || count_tracked(op, test);
}
