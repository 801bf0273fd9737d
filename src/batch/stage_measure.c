/*
 * measure: what came of each message that was handed over. A pending
 * outcome becomes positive (exit conditions met; stage or risk better by
 * what the customer did), negative (opted out, churned) or neutral (the
 * attribution window ended, or the message never arrived). The first that
 * happens stays. What counts lies between the sending and the window's end,
 * by the times of the score ledger; exit conditions have no history, so
 * they count only when they are seen to hold inside the window.
 *
 * Then the same for both arms of each playbook's trial, and each hour the
 * sums of them (measure_lift.c).
 *
 * A run looks at customers that changed since the last one and at windows
 * that ended; each hour, and when a playbook or the config changed, at all
 * that is pending, since an exit condition can be met by time alone.
 */
#include "batch/measure.h"

#include "base/clock.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/playbook_doc.h"
#include "store/erase.h"
#include "store/outbox.h"
#include "store/outcome.h"
#include "store/webhook.h"

/* Where the cursor stands while the trials are walked. */
#define BEHIND_ALL "ffffffff-ffff-ffff-ffff-ffffffffffff"

#define LISTENS WEBHOOK_LISTENS_SQL("'outcome.recorded'")

enum measure_part { MEASURE_MESSAGES, MEASURE_TRIALS, MEASURE_SUMS };

struct measure_state {
	enum measure_part part;
	bool full;
	bool sums;	  /* they follow: of a full run, or left by one */
	bool listens;	  /* some endpoint, to outcomes */
	int64_t since_us; /* of the trials; DB_TIME_NULL: all */
	int64_t started_us;
	struct lift_walk trials, sums_walk;
};

/* The outcomes of one chunk. */
struct batch {
	const char **ids, **playbooks; /* playbooks: without twins */
	size_t n, playbook_count;
	const char **exits; /* ids of those whose exit is met */
	size_t exit_count;
};

/* When the customer had the message; an escalation: when it was handled. */
#define SINCE "coalesce(i.sent_at, i.ended_at, i.created_at)"

static bool load_batch(struct op *op, const struct run *run,
		       const struct measure_state *st, struct batch *b)
{
	bool has_cursor = run->cursor != NULL && *run->cursor != '\0';
	struct db_rows rows;

	if (!db_list(
		op, &rows,
		"SELECT o.intervention_id AS id, o.playbook_id"
		" FROM outcomes o JOIN interventions i"
		" ON i.tenant_id = o.tenant_id AND i.id ="
		" o.intervention_id LEFT JOIN customers c"
		" ON c.tenant_id = o.tenant_id AND c.user_id = o.user_id"
		" WHERE o.tenant_id = $1 AND o.outcome = 'pending'"
		" AND ($2::uuid IS NULL OR o.intervention_id > $2)"
		" AND ($3::timestamptz IS NULL OR o.window_ends_at <= $4"
		" OR i.status IN ('failed', 'rolled_back', 'cancelled',"
		" 'rejected', 'expired') OR c.user_id IS NULL"
		" OR c.refreshed_at >= $3 OR c.updated_at >= $3)"
		" ORDER BY o.intervention_id LIMIT $5",
		ARG_I64(op->tenant_id),
		ARG_UUID(has_cursor ? run->cursor + 1 : NULL),
		ARG_TIME_IF(!st->full, run->watermark_us - MEASURE_OVERLAP_US),
		ARG_TIME(op->now_us), ARG_I64(MEASURE_CHUNK)))
		return false;
	b->ids = ARENA_ARRAY(op->arena, const char *, rows.count);
	b->playbooks = ARENA_ARRAY(op->arena, const char *, rows.count);
	b->exits = ARENA_ARRAY(op->arena, const char *, rows.count);
	db_each (row, &rows) {
		const char *playbook = db_text(&row, "playbook_id");
		size_t k = 0;

		b->ids[b->n++] = db_text(&row, "id");
		if (playbook == NULL)
			continue;
		while (k < b->playbook_count &&
		       !streq(b->playbooks[k], playbook))
			k++;
		if (k == b->playbook_count)
			b->playbooks[b->playbook_count++] = playbook;
	}
	return true;
}

/*
 * Those of one playbook whose exit is met. A message by hand may have gone
 * to somebody who met it already: then only what the customer did counts.
 */
static bool find_exits(struct op *op, const struct playbook *pb,
		       struct batch *b)
{
	struct condition_at at = { 0 };
	struct db_rows rows;
	struct sql q;

	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	sql_add(&q, "SELECT i.id FROM outcomes o JOIN interventions i"
		    " ON i.tenant_id = o.tenant_id AND i.id ="
		    " o.intervention_id JOIN customers c"
		    " ON c.tenant_id = o.tenant_id AND c.user_id = o.user_id"
		    " WHERE o.tenant_id = ");
	sql_ref(&q, at.tenant);
	sql_add(&q, " AND o.window_ends_at >= ");
	sql_ref(&q, at.now);
	sql_add(&q, " AND (i.source = 'automatic'"
		    " OR c.last_activity_at > " SINCE ")"
		    " AND o.intervention_id = ANY (");
	sql_arg(&q, ARG_UUIDS(b->ids, b->n));
	sql_add(&q, ") AND o.playbook_id = ");
	sql_arg(&q, ARG_UUID(pb->id));
	sql_add(&q, " AND ");
	condition_write_sql(pb->exit, &q, &at);
	if (!db_rows_sql(op, &rows, &q))
		return false;
	db_each (row, &rows)
		b->exits[b->exit_count++] = db_text(&row, "id");
	return true;
}

/* A playbook that no longer compiles has no exit to meet. */
static bool find_all_exits(struct op *op, struct batch *b)
{
	struct tenant_config config;
	struct playbook pb;

	if (!tenant_config_load(op, &config))
		return false;
	for (size_t i = 0; i < b->playbook_count; i++) {
		if (!playbook_load(op, b->playbooks[i], &config, &pb)) {
			if (op->fail.kind != FAIL_INVALID)
				return false;
			op_clear(op);
			continue;
		}
		if (pb.exit != NULL && !condition_is_empty(pb.exit) &&
		    !find_exits(op, &pb, b))
			return false;
	}
	return true;
}

/* The CTE "due": the chunk. */
static void write_due(struct sql *q, const struct condition_at *at,
		      const struct batch *b)
{
	sql_add(q, "WITH due AS MATERIALIZED (SELECT o.intervention_id AS id,"
		   " o.user_id, " SINCE " AS since, o.window_ends_at,"
		   " i.status IN ('failed', 'rolled_back', 'cancelled',"
		   " 'rejected', 'expired') AS not_delivered,"
		   " coalesce(i.channel = ANY (c.channels_off)"
		   " AND o.window_ends_at >= ");
	sql_ref(q, at->now);
	sql_add(q, ", false) AS channel_off, o.intervention_id = ANY (");
	sql_arg(q, ARG_UUIDS(b->exits, b->exit_count));
	sql_add(q, ") AS exit_met FROM outcomes o JOIN interventions i"
		   " ON i.tenant_id = o.tenant_id AND i.id = o.intervention_id"
		   " LEFT JOIN customers c ON c.tenant_id = o.tenant_id"
		   " AND c.user_id = o.user_id WHERE o.outcome = 'pending'"
		   " AND o.intervention_id = ANY (");
	sql_arg(q, ARG_UUIDS(b->ids, b->n));
	sql_add(q, ") AND o.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, ")");
}

/* What an event tells of each; nothing but the ids where nobody listens. */
static void write_told(struct sql *q, const struct condition_at *at,
		       bool listens)
{
	if (!listens) {
		sql_add(q, " SELECT put.intervention_id FROM put");
		return;
	}
	sql_add(q, " SELECT put.intervention_id, put.user_id, put.outcome,"
		   " put.cause, i.playbook_id, i.channel, i.message_body,"
		   " i.reasoning, i.confidence, c.lifecycle_stage,"
		   " c.activation_score, c.risk_level FROM put"
		   " JOIN interventions i ON i.id = put.intervention_id"
		   " AND i.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " LEFT JOIN customers c ON c.user_id = put.user_id"
		   " AND c.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " ORDER BY put.intervention_id");
}

static bool judge(struct op *op, const struct batch *b, bool listens,
		  struct db_rows *ret)
{
	struct condition_at at = { 0 };
	struct sql q;

	sql_init(&q, op->arena);
	sql_keep(&q);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	write_due(&q, &at, b);
	measure_write_judged(&q, &at);
	sql_add(&q, ", put AS (UPDATE outcomes o SET outcome = j.outcome,"
		    " cause = j.cause, measured_at = j.until FROM judged j"
		    " WHERE o.intervention_id = j.id"
		    " AND o.outcome = 'pending' AND o.tenant_id = ");
	sql_ref(&q, at.tenant);
	sql_add(&q, " RETURNING o.intervention_id, o.user_id, o.outcome,"
		    " o.cause)");
	write_told(&q, &at, listens);
	return db_rows_sql(op, ret, &q);
}

static bool count_results(struct op *op, const struct db_rows *rows)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows->count);
	size_t n = 0;

	db_each (row, rows)
		ids[n++] = db_text(&row, "intervention_id");
	return n == 0 || outcomes_count(op, ids, n);
}

/* Of erased customers nothing is told. */
static bool put_events(struct op *op, const struct db_rows *rows)
{
	struct outbox_event *events =
	    ARENA_ARRAY(op->arena, struct outbox_event, rows->count);
	size_t n = 0;

	db_each (row, rows) {
		if (db_is_null(&row, "user_id"))
			continue;
		events[n++] = (struct outbox_event){
			.type = "outcome.recorded",
			.intervention_id = db_text(&row, "intervention_id"),
			.user_id = db_text(&row, "user_id"),
			.playbook_id = db_text(&row, "playbook_id"),
			.channel = db_text(&row, "channel"),
			.message_body = db_text(&row, "message_body"),
			.reasoning = db_text(&row, "reasoning"),
			.has_confidence = !db_is_null(&row, "confidence"),
			.confidence = db_double(&row, "confidence"),
			.lifecycle_stage = db_text(&row, "lifecycle_stage"),
			.activation_score = db_double(&row, "activation_score"),
			.risk_level = db_text(&row, "risk_level"),
			.extra = arena_printf(op->arena,
					      "\"outcome\":\"%s\","
					      "\"cause\":\"%s\"",
					      db_text(&row, "outcome"),
					      db_text(&row, "cause")),
		};
	}
	return n == 0 || outbox_put_events(op, events, n);
}

static void walk_from(struct lift_walk *walk, const char *playbook)
{
	size_t size = strlen(playbook) + 1;

	if (size == sizeof(walk->playbook))
		memcpy(walk->playbook, playbook, size);
}

/* The first call of a run: everything, or only what changed? */
static bool open_run(struct op *op, struct run *run, struct measure_state *st)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT t.rules_version, EXISTS (SELECT"
		    " FROM webhook_endpoints w WHERE w.tenant_id = $1"
		    " AND " LISTENS ") AS listens FROM tenant_settings t"
		    " WHERE t.tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	int64_t version = db_i64(&row, "rules_version");
	char left = run->force || run->cursor == NULL ? '\0' : *run->cursor;
	bool goes_on = left == 'a' && run->version == version;
	st->listens = db_bool(&row, "listens");
	st->started_us = op->now_us;
	st->full = goes_on || run->force || run->version != version ||
		   run->watermark_us == DB_TIME_NULL ||
		   run->swept_us == DB_TIME_NULL ||
		   run->watermark_us > op->now_us ||
		   op->now_us - run->swept_us >= US_PER_HOUR;
	st->since_us =
	    st->full ? DB_TIME_NULL : run->watermark_us - MEASURE_OVERLAP_US;
	st->sums = st->full || left == 's';
	if (!st->full && st->sums)
		walk_from(&st->sums_walk, run->cursor + 1);
	run->version = version;
	if (goes_on)
		return true;
	/*
	 * What changes while everything is walked is for the next run. A
	 * cut-off walk of changes begins again, with its old time.
	 */
	run_set_cursor(run, NULL);
	if (st->full)
		run->watermark_us = op->now_us;
	return true;
}

/* A chunk of messages. Behind the last the trials follow. */
static bool measure_messages(struct op *op, struct run *run,
			     struct measure_state *st, int64_t *ret_rows)
{
	struct batch b = { 0 };
	struct db_rows done = { .count = 0 };

	if (!load_batch(op, run, st, &b))
		return false;
	if (b.n > 0 &&
	    (!find_all_exits(op, &b) || !judge(op, &b, st->listens, &done) ||
	     !count_results(op, &done) ||
	     (st->listens && !put_events(op, &done))))
		return false;
	*ret_rows = (int64_t)done.count;
	if (b.n < MEASURE_CHUNK)
		st->part = MEASURE_TRIALS;
	run_set_cursor(
	    run,
	    arena_printf(op->arena, "%c%s", st->full ? 'a' : 'c',
			 b.n < MEASURE_CHUNK ? BEHIND_ALL : b.ids[b.n - 1]));
	return true;
}

/* The sums can wait, so the next run begins where they are left. */
static void set_sums_cursor(struct op *op, struct run *run,
			    const struct measure_state *st)
{
	run_set_cursor(
	    run, st->sums && !st->sums_walk.done
		     ? arena_printf(op->arena, "s%s", st->sums_walk.playbook)
		     : NULL);
}

/*
 * A chunk of the trials. Behind the last the times are left that the next
 * run begins from: whatever becomes of the sums, it judges what is new.
 */
static bool measure_trials(struct op *op, struct run *run,
			   struct measure_state *st, int64_t *ret_rows)
{
	if (!measure_exposures(op, run, st->since_us, &st->trials, ret_rows))
		return false;
	if (!st->trials.done)
		return true;
	st->part = MEASURE_SUMS;
	set_sums_cursor(op, run, st);
	if (st->full)
		run->swept_us = st->started_us;
	else
		run->watermark_us = st->started_us;
	return true;
}

static bool measure_part(struct op *op, struct run *run,
			 struct measure_state *st, int64_t *ret_rows)
{
	switch (st->part) {
	case MEASURE_MESSAGES:
		return measure_messages(op, run, st, ret_rows);
	case MEASURE_TRIALS:
		return measure_trials(op, run, st, ret_rows);
	case MEASURE_SUMS:
	default:
		if (!measure_sums(op, run, &st->sums_walk, ret_rows))
			return false;
		set_sums_cursor(op, run, st);
		return true;
	}
}

bool stage_measure(struct op *op, struct run *run)
{
	struct measure_state st = { .part = MEASURE_MESSAGES };
	int64_t rows = 0;

	if (!db_begin(op) || !erasures_hold_off(op))
		return false;
	if (run->state != NULL)
		st = *(struct measure_state *)run->state;
	else if (!open_run(op, run, &st))
		return false;
	if (!measure_part(op, run, &st, &rows))
		return false;
	run->more = st.part != MEASURE_SUMS || (st.sums && !st.sums_walk.done);
	if (!run_chunk_done(op, run, rows))
		return false;
	if (run->state == NULL)
		run->state = ARENA_NEW(run->arena, struct measure_state);
	*(struct measure_state *)run->state = st;
	return true;
}
