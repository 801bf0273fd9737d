/*
 * approve: ends planned messages whose playbook stopped or whose exit
 * conditions are met, then lets those go on that may send themselves:
 * semi_auto when the checks passed and the confidence reaches the
 * threshold, full_auto when the checks passed. What lapsed, is paused, is
 * manual, was edited (it is that person's text now) or needs a person by its
 * playbook waits in every mode; so does everything under the kill switch.
 *
 * It runs each minute, and a queue may hold very many rows that wait for
 * a person. So the first part walks the queue a slice a run (the claim
 * before sending looks again, so nothing leaves that the walk has not come
 * to), and the second reads only what was drafted since the last run,
 * unless the rules changed; nothing at all where no mode approves.
 */
#include "batch/stage.h"

#include "base/clock.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "db/sql.h"
#include "engine/playbook_doc.h"
#include "store/erase.h"
#include "store/intervention.h"

#define CHUNK 500
#define SLICE 2000

/* Drafts of a transaction that was open while the last run looked. */
#define OVERLAP_US (15 * US_PER_MINUTE)

/* Where a run stands; changed only when a chunk is committed. */
struct approve_state {
	bool walked;	  /* this run's slices are done */
	bool looked;	  /* the rest is known */
	bool open;	  /* the mode approves, and nobody stopped it */
	int64_t since_us; /* drafts since then; DB_TIME_NULL: all */
	int64_t next_us;  /* since_us of the next run */
};

/* A part of the queue: ids behind after, up to end. */
struct slice {
	const char *after; /* NULL: from the start */
	const char *end;   /* NULL: there is none */
	bool is_last;
};

static bool move_all(struct op *op, const struct db_rows *rows,
		     enum intervention_verb verb, const char *reason)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows->count);
	size_t n = 0;

	db_each (row, rows)
		ids[n++] = db_text(&row, "id");
	return n == 0 || interventions_move(op,
					    &(struct intervention_move){
						.verb = verb,
						.ids = ids,
						.n = n,
						.actor = "batch",
						.reason = reason,
					    },
					    NULL);
}

/* "AND i.id > … AND i.id <= …" */
static void write_slice(struct sql *q, const struct slice *slice)
{
	if (slice->after != NULL) {
		sql_add(q, " AND i.id > ");
		sql_arg(q, ARG_UUID(slice->after));
	}
	sql_add(q, " AND i.id <= ");
	sql_arg(q, ARG_UUID(slice->end));
}

/* Planned automatic messages of one playbook whose exit is met. */
static bool cancel_exits(struct op *op, const struct playbook *pb,
			 const struct slice *slice)
{
	struct condition_at at = { 0 };
	struct db_rows rows;
	struct sql q;

	if (pb->exit == NULL || condition_is_empty(pb->exit))
		return true;
	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	sql_add(&q, "SELECT i.id FROM interventions i JOIN customers c"
		    " ON c.tenant_id = i.tenant_id AND c.user_id = i.user_id"
		    " WHERE i.status = 'planned' AND i.source = 'automatic'"
		    " AND i.tenant_id = ");
	sql_ref(&q, at.tenant);
	write_slice(&q, slice);
	sql_add(&q, " AND i.playbook_id = ");
	sql_arg(&q, ARG_UUID(pb->id));
	sql_add(&q, " AND ");
	condition_write_sql(pb->exit, &q, &at);
	return db_rows_sql(op, &rows, &q) &&
	       move_all(op, &rows, INTERVENTION_CANCEL, "exit_met");
}

/* Drafted while somebody paused or archived the playbook. */
static bool cancel_stopped(struct op *op, const struct slice *slice)
{
	struct db_rows rows;
	struct sql q;

	sql_init(&q, op->arena);
	sql_add(&q, "SELECT i.id FROM interventions i JOIN playbooks p"
		    " ON p.tenant_id = i.tenant_id AND p.id = i.playbook_id"
		    " WHERE i.status = 'planned' AND i.source = 'automatic'"
		    " AND p.status <> 'active' AND i.tenant_id = ");
	sql_arg(&q, ARG_I64(op->tenant_id));
	write_slice(&q, slice);
	return db_rows_sql(op, &rows, &q) &&
	       move_all(op, &rows, INTERVENTION_CANCEL, "playbook_inactive");
}

static bool take_slice(struct op *op, const struct run *run, struct slice *ret)
{
	const char *after =
	    run->cursor != NULL && *run->cursor != '\0' ? run->cursor : NULL;
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT max(id::text) AS last, count(*) AS n FROM ("
		    "SELECT id FROM interventions WHERE tenant_id = $1"
		    " AND status = 'planned' AND id > coalesce($2::uuid,"
		    " '00000000-0000-0000-0000-000000000000')"
		    " ORDER BY id LIMIT $3) x",
		    ARG_I64(op->tenant_id), ARG_UUID(after), ARG_I64(SLICE)))
		return false;
	*ret = (struct slice){ after, db_text(&row, "last"),
			       db_i64(&row, "n") < SLICE };
	return true;
}

/* A slice of the walk. A run by hand goes all the way. */
static bool walk(struct op *op, struct run *run, struct approve_state *st)
{
	struct tenant_config config;
	struct playbook *playbooks;
	struct slice slice;
	size_t count;

	if (!tenant_config_load(op, &config) ||
	    !playbook_load_active(op, &config, &playbooks, &count, NULL) ||
	    !take_slice(op, run, &slice))
		return false;
	if (slice.end != NULL) {
		if (!cancel_stopped(op, &slice))
			return false;
		for (size_t i = 0; i < count; i++)
			if (!cancel_exits(op, &playbooks[i], &slice))
				return false;
	}
	run_set_cursor(run, slice.is_last ? NULL : slice.end);
	st->walked = slice.is_last || !run->force;
	return true;
}

/*
 * Whether anything can be approved now, and what is new. A row that the
 * check stage has not seen yet stays new.
 */
static bool look(struct op *op, struct run *run, struct approve_state *st)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT NOT t.kill_switch_active"
		    " AND t.approval_mode <> 'suggest_only' AS open,"
		    " t.rules_version, least($2, (SELECT min(i.planned_at)"
		    " FROM interventions i WHERE i.tenant_id = $1"
		    " AND i.quality_checks IS NULL"
		    " AND i.status = 'planned')) AS next"
		    " FROM tenant_settings t WHERE t.tenant_id = $1",
		    ARG_I64(op->tenant_id), ARG_TIME(op->now_us)))
		return false;
	int64_t version = db_i64(&row, "rules_version");
	st->looked = true;
	st->open = db_bool(&row, "open");
	st->since_us = run->watermark_us;
	st->next_us = db_time(&row, "next") - OVERLAP_US;
	if (run->force || run->version != version || st->since_us > op->now_us)
		st->since_us = DB_TIME_NULL;
	run->version = version;
	/* Until it is done, or once it opens again: everything. */
	run->watermark_us = DB_TIME_NULL;
	return true;
}

static bool approve_chunk(struct op *op, const struct approve_state *st,
			  struct db_rows *ret)
{
	return db_list(
		   op, ret,
		   "SELECT i.id FROM interventions i"
		   " JOIN tenant_settings t ON t.tenant_id = i.tenant_id"
		   " JOIN playbooks p ON p.tenant_id = i.tenant_id"
		   " AND p.id = i.playbook_id"
		   " WHERE i.tenant_id = $1 AND i.status = 'planned'"
		   " AND ($3::timestamptz IS NULL OR i.planned_at >= $3)"
		   " AND i.source = 'automatic' AND i.checks_passed"
		   " AND i.channel <> 'escalate' AND i.paused_at IS NULL"
		   " AND i.lapsed_at IS NULL AND i.edited_at IS NULL"
		   " AND NOT t.kill_switch_active"
		   " AND NOT coalesce("
		   "(p.constraints->>'requires_approval')::boolean, false)"
		   " AND (t.approval_mode = 'full_auto'"
		   " OR t.approval_mode = 'semi_auto'"
		   " AND round(i.confidence::numeric, 4) >= coalesce("
		   "(p.constraints->>'min_confidence')::numeric,"
		   " (t.config->>'confidence_threshold')::numeric, 0.8))"
		   " ORDER BY i.planned_at, i.id LIMIT $2",
		   ARG_I64(op->tenant_id), ARG_I64(CHUNK),
		   ARG_TIME_IF(st->since_us != DB_TIME_NULL, st->since_us)) &&
	       move_all(op, ret, INTERVENTION_APPROVE, NULL);
}

/* One chunk of either part. */
static bool step(struct op *op, struct run *run, struct approve_state *st,
		 int64_t *ret_rows)
{
	struct db_rows rows;

	if (!st->walked) {
		run->more = true;
		return walk(op, run, st);
	}
	if (!st->looked && !look(op, run, st))
		return false;
	if (!st->open)
		return true;
	if (!approve_chunk(op, st, &rows))
		return false;
	*ret_rows = (int64_t)rows.count;
	run->more = rows.count == CHUNK;
	if (!run->more)
		run->watermark_us = st->next_us;
	return true;
}

bool stage_approve(struct op *op, struct run *run)
{
	struct approve_state next = { .walked = false };
	int64_t rows = 0;

	if (run->state != NULL)
		next = *(struct approve_state *)run->state;
	else if (run->force)
		run_set_cursor(run, NULL);
	if (!db_begin(op) || !erasures_hold_off(op) ||
	    !step(op, run, &next, &rows) || !run_chunk_done(op, run, rows))
		return false;
	if (run->state == NULL)
		run->state = ARENA_NEW(run->arena, struct approve_state);
	*(struct approve_state *)run->state = next;
	return true;
}
