/*
 * Daily counts → state. One statement reads the features of a chunk
 * (engine/features.h), the formulas are engine/score.h's, one statement writes
 * the rows that differ.
 */
#include "batch/refresh.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "db/db.h"
#include "engine/features.h"
#include "store/match_queue.h"
#include "store/outbox.h"

#define PARTS_MAX_BYTES 8192

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
	db_each (row, &rows)
		ret->ids[ret->count++] = db_text(&row, "user_id");
	return true;
}

/* What is written of a chunk, column by column. */
struct columns {
	size_t n;
	const char **user_id, **stage, **reason, **risk, **parts;
	int64_t *health;
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
	w->risk_score = ARENA_ARRAY(a, double, len);
	w->activation = ARENA_ARRAY(a, double, len);
	w->engagement = ARENA_ARRAY(a, double, len);
	w->expansion = ARENA_ARRAY(a, double, len);
}

/* Ledger rows of stage and risk; health is decided in SQL. */
struct changes {
	size_t n, health_n, event_n;
	const char **user_id, **id, **what, **old, **new, **parts;
	const char **health_user, **health_id, **health_parts;
	int64_t *health_new;
	struct outbox_event *events;
};

static void changes_init(struct arena *a, struct changes *c, size_t len)
{
	*c = (struct changes){ .n = 0 };
	c->user_id = ARENA_ARRAY(a, const char *, 2 * len);
	c->id = ARENA_ARRAY(a, const char *, 2 * len);
	c->what = ARENA_ARRAY(a, const char *, 2 * len);
	c->old = ARENA_ARRAY(a, const char *, 2 * len);
	c->new = ARENA_ARRAY(a, const char *, 2 * len);
	c->parts = ARENA_ARRAY(a, const char *, 2 * len);
	c->health_user = ARENA_ARRAY(a, const char *, len);
	c->health_id = ARENA_ARRAY(a, const char *, len);
	c->health_parts = ARENA_ARRAY(a, const char *, len);
	c->health_new = ARENA_ARRAY(a, int64_t, len);
	c->events = ARENA_ARRAY(a, struct outbox_event, 2 * len);
}

/* arena: the parts as the ledger keeps them. */
static const char *parts_text(struct arena *a, const struct score *s,
			      const char *packed)
{
	struct json_out j;
	struct str out;

	str_init(&out, a, PARTS_MAX_BYTES);
	json_init(&j, &out);
	score_write_parts(&j, score_stage_word(s->stage), s->stage_reason,
			  packed);
	return out.bytes;
}

static void columns_add(struct columns *w, const char *user_id,
			const struct score *s, const char *parts)
{
	size_t i = w->n++;

	w->user_id[i] = user_id;
	w->stage[i] = score_stage_word(s->stage);
	w->reason[i] = s->stage_reason;
	w->risk[i] = score_risk_word(s->risk_level);
	w->parts[i] = parts;
	w->health[i] = s->health_points;
	w->risk_score[i] = s->risk.value;
	w->activation[i] = s->activation.value;
	w->engagement[i] = s->engagement.value;
	w->expansion[i] = s->expansion.value;
}

/* One changed word: a ledger row and, once the state was known, an event. */
static void changes_add(struct op *op, struct changes *c,
			const struct db_row *row, const struct score *s,
			const char *packed, bool is_stage)
{
	const char *old =
	    db_text(row, is_stage ? "lifecycle_stage" : "risk_level");
	const char *new = is_stage ? score_stage_word(s->stage)
				   : score_risk_word(s->risk_level);
	bool fresh = db_bool(row, "fresh");
	size_t i;

	if (streq(old, new))
		return;
	i = c->n++;
	c->user_id[i] = db_text(row, "user_id");
	c->id[i] = uuid_new(op);
	c->what[i] = is_stage ? "stage" : "risk";
	c->old[i] = fresh ? NULL : old;
	c->new[i] = new;
	c->parts[i] = parts_text(op->arena, s, packed);
	if (fresh)
		return;
	c->events[c->event_n++] = (struct outbox_event){
		.type = is_stage ? "user.stage_changed" : "user.risk_changed",
		.user_id = c->user_id[i],
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
	size_t i;

	if (db_i64(row, "health") == s->health_points)
		return;
	i = c->health_n++;
	c->health_user[i] = db_text(row, "user_id");
	c->health_id[i] = uuid_new(op);
	c->health_parts[i] = parts_text(op->arena, s, packed);
	c->health_new[i] = s->health_points;
}

static bool write_columns(struct op *op, const struct columns *w, int64_t *ret)
{
	return db_exec(
	    op, ret,
	    "WITH w AS (UPDATE customers c SET lifecycle_stage = u.stage,"
	    " stage_reason = u.reason,"
	    " stage_since = CASE WHEN c.lifecycle_stage = u.stage"
	    " THEN c.stage_since ELSE $2 END, health = u.health,"
	    " risk_level = u.risk, risk_score = u.risk_score,"
	    " activation_score = u.activation,"
	    " engagement_score = u.engagement, expansion_score = u.expansion,"
	    " score_parts = u.parts, refreshed_at = $2"
	    " FROM (SELECT x.user_id, x.stage, x.reason, x.risk,"
	    " x.parts::smallint[] AS parts,"
	    " x.health::smallint AS health, x.risk_score::real AS risk_score,"
	    " x.activation::real AS activation,"
	    " x.engagement::real AS engagement, x.expansion::real AS expansion"
	    " FROM unnest($3::text[], $4::text[], $5::text[], $6::text[],"
	    " $7::bigint[], $8::float8[], $9::float8[], $10::float8[],"
	    " $11::float8[], $12::text[]) x (user_id, stage, risk, parts,"
	    " health, risk_score, activation, engagement, expansion,"
	    " reason)) u"
	    " WHERE c.tenant_id = $1 AND c.user_id = u.user_id"
	    " AND (c.refreshed_at IS NULL OR (c.lifecycle_stage, c.stage_reason,"
	    " c.health, c.risk_level, c.risk_score, c.activation_score,"
	    " c.engagement_score, c.expansion_score, c.score_parts)"
	    " IS DISTINCT FROM (u.stage, u.reason, u.health, u.risk,"
	    " u.risk_score, u.activation, u.engagement, u.expansion, u.parts))"
	    " RETURNING c.user_id)" MATCH_QUEUE_PUT,
	    ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
	    ARG_TEXTS(w->user_id, w->n), ARG_TEXTS(w->stage, w->n),
	    ARG_TEXTS(w->risk, w->n), ARG_TEXTS(w->parts, w->n),
	    ARG_I64S(w->health, w->n), ARG_DOUBLES(w->risk_score, w->n),
	    ARG_DOUBLES(w->activation, w->n), ARG_DOUBLES(w->engagement, w->n),
	    ARG_DOUBLES(w->expansion, w->n), ARG_TEXTS(w->reason, w->n));
}

static bool write_ledger(struct op *op, const struct changes *c,
			 const char *cause)
{
	if (c->n > 0 &&
	    !db_exec(op, NULL,
		     "INSERT INTO score_ledger (tenant_id, user_id, id, at,"
		     " what, old_value, new_value, cause, parts)"
		     " SELECT $1, u.user_id, u.id, $2, u.what, u.old, u.new,"
		     " $3, u.parts FROM unnest($4::text[], $5::uuid[],"
		     " $6::text[], $7::text[], $8::text[], $9::jsonb[])"
		     " u (user_id, id, what, old, new, parts)",
		     ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		     ARG_TEXT(cause), ARG_TEXTS(c->user_id, c->n),
		     ARG_UUIDS(c->id, c->n), ARG_TEXTS(c->what, c->n),
		     ARG_TEXTS(c->old, c->n), ARG_TEXTS(c->new, c->n),
		     ARG_JSONS(c->parts, c->n)))
		return false;
	return c->event_n == 0 || outbox_put_events(op, c->events, c->event_n);
}

/* Against the last noted health, so that a slow slide is noted too. */
static bool write_health_ledger(struct op *op, const struct changes *c,
				const char *cause)
{
	if (c->health_n == 0)
		return true;
	return db_exec(
	    op, NULL,
	    "INSERT INTO score_ledger (tenant_id, user_id, id, at, what,"
	    " old_value, new_value, cause, parts)"
	    " SELECT $1, u.user_id, u.id, $2, 'health', l.new_value,"
	    /* Few get so far: the others' parts need not be read. */
	    " u.new::text, $3, u.parts::jsonb FROM unnest($4::text[],"
	    " $5::uuid[], $6::bigint[], $7::text[]) u (user_id, id, new, parts)"
	    " LEFT JOIN LATERAL (SELECT s.new_value FROM score_ledger s"
	    " WHERE s.tenant_id = $1 AND s.user_id = u.user_id"
	    " AND s.what = 'health' ORDER BY s.id DESC LIMIT 1) l ON true"
	    " WHERE abs(u.new - coalesce(l.new_value::bigint, 50)) >= $8",
	    ARG_I64(op->tenant_id), ARG_TIME(op->now_us), ARG_TEXT(cause),
	    ARG_TEXTS(c->health_user, c->health_n),
	    ARG_UUIDS(c->health_id, c->health_n),
	    ARG_I64S(c->health_new, c->health_n),
	    ARG_TEXTS(c->health_parts, c->health_n),
	    ARG_I64(SCORE_HEALTH_STEP));
}

bool refresh_score(struct op *op, const struct tenant_config *config,
		   const struct user_list *users, enum refresh_cause cause,
		   int64_t *ret_changed)
{
	struct columns w;
	struct changes c;
	struct db_rows rows;

	*ret_changed = 0;
	if (users->count == 0)
		return true;
	if (!features_load(op, config, users->ids, users->count, false, &rows))
		return false;
	columns_init(op->arena, &w, rows.count);
	changes_init(op->arena, &c, rows.count);
	db_each (row, &rows) {
		struct score_features features;
		struct score score;
		const char *packed;

		features_read(op, &row, &features);
		score_compute(config, &features, &score);
		packed = score_pack(op->arena, &score);
		columns_add(&w, db_text(&row, "user_id"), &score, packed);
		changes_add(op, &c, &row, &score, packed, true);
		changes_add(op, &c, &row, &score, packed, false);
		changes_add_health(op, &c, &row, &score, packed);
	}
	return write_columns(op, &w, ret_changed) &&
	       write_ledger(op, &c, cause_words[cause]) &&
	       write_health_ledger(op, &c, cause_words[cause]);
}

static bool count_day(struct op *op)
{
	const char *day = clock_write_day(op->arena, op->now_us);

	return db_exec(op, NULL,
		       "DELETE FROM daily_counts WHERE tenant_id = $1"
		       " AND day = $2::text::date",
		       ARG_I64(op->tenant_id), ARG_TEXT(day)) &&
	       db_exec(
		   op, NULL,
		   "INSERT INTO daily_counts (tenant_id, day, what, value,"
		   " customers) SELECT $1, $2::text::date, CASE"
		   " WHEN x.stage IS NOT NULL THEN 'stage'"
		   " WHEN x.risk IS NOT NULL THEN 'risk' ELSE 'health' END,"
		   " coalesce(x.stage, x.risk, x.band), count(*)"
		   " FROM (SELECT lifecycle_stage AS stage,"
		   " risk_level AS risk, CASE WHEN health >= 80"
		   " THEN '80-100' WHEN health >= 60 THEN '60-79'"
		   " WHEN health >= 40 THEN '40-59' WHEN health >= 20"
		   " THEN '20-39' ELSE '0-19' END AS band FROM customers"
		   " WHERE tenant_id = $1) x"
		   " GROUP BY GROUPING SETS ((x.stage), (x.risk), (x.band))",
		   ARG_I64(op->tenant_id), ARG_TEXT(day));
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
