/*
 * Stage maintain: what nobody waits for. Each minute the logs are sealed
 * and what has run out ends; each hour old rows go. One task a call, in
 * chunks, so that nothing here holds a lock or the lease for long.
 */
#include "batch/stage.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "store/audit.h"
#include "store/intervention.h"
#include "store/playbook.h"
#include "store/seal.h"

#define CHUNK	    2000
#define EXPIRE_DAYS 7
#define KEYS_DAYS   30
#define OUTBOX_DAYS 30
#define SLICE_HOURS 6
#define SWEEP_US    US_PER_HOUR

/* One chunk of a task; ret_more: call it again. */
typedef bool (*task_fn)(struct op *op, int64_t *ret_rows, bool *ret_more);

struct task {
	const char *name; /* for the log */
	task_fn run;
	bool hourly;
};

static bool seal_interventions(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	if (!seal_rows(op, SEAL_INTERVENTION_LOG, CHUNK, ret_rows))
		return false;
	*ret_more = *ret_rows == CHUNK;
	return true;
}

static bool seal_audit(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	if (!seal_rows(op, SEAL_AUDIT_LOG, CHUNK, ret_rows))
		return false;
	*ret_more = *ret_rows == CHUNK;
	return true;
}

/*
 * Planned and not approved in time, paused ones included. An escalation
 * stays open until a person handles it.
 */
static bool expire_planned(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	struct db_rows rows, moved;
	size_t n = 0;

	if (!db_rows(op, &rows,
		     "SELECT id FROM interventions WHERE tenant_id = $1"
		     " AND status = 'planned' AND channel <> 'escalate'"
		     " AND greatest(planned_at, lapsed_at) <= $2"
		     " ORDER BY id LIMIT $3",
		     ARG_I64(op->tenant_id),
		     ARG_TIME(op->now_us - EXPIRE_DAYS * US_PER_DAY),
		     ARG_I64(CHUNK)))
		return false;
	*ret_more = rows.count == CHUNK;
	if (rows.count == 0)
		return true;
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows.count);
	db_each (row, &rows)
		ids[n++] = db_text(&row, "id");
	const struct intervention_move move = {
		.verb = INTERVENTION_EXPIRE,
		.ids = ids,
		.n = n,
		.actor = "batch",
		.reason = "not_approved_in_time",
	};
	if (!interventions_move(op, &move, &moved))
		return false;
	*ret_rows = (int64_t)moved.count;
	return true;
}

static bool end_shadow(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	*ret_more = false;
	if (!db_exec(op, ret_rows,
		     "UPDATE tenant_settings SET shadow_mode = false,"
		     " updated_at = $2 WHERE tenant_id = $1 AND shadow_mode"
		     " AND shadow_until <= $2",
		     ARG_I64(op->tenant_id), ARG_TIME(op->now_us)))
		return false;
	if (*ret_rows == 0)
		return true;
	return rules_touch(op) &&
	       audit_put(op, "batch", "settings.shadow_mode", NULL,
			 "{\"shadow_mode\":true}", "{\"shadow_mode\":false}");
}

static bool add_partitions(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	struct db_row row;

	*ret_more = false;
	if (!db_one(op, &row, "SELECT events_add_partitions($1, $2) AS made",
		    ARG_TIME(op->now_us),
		    ARG_TIME(op->now_us + 93 * US_PER_DAY)))
		return false;
	*ret_rows = db_i64(&row, "made");
	return true;
}

static bool drop_partitions(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	struct db_row row;

	*ret_more = false;
	if (!db_one(op, &row, "SELECT events_drop_partitions($1) AS gone",
		    ARG_TIME(op->now_us)))
		return false;
	*ret_rows = db_i64(&row, "gone");
	return true;
}

static bool count_gone(const struct db_rows *rows, int64_t *ret_rows,
		       bool *ret_more)
{
	struct db_row row = db_row_at(rows, 0);

	*ret_rows = db_i64(&row, "n");
	*ret_more = *ret_rows >= CHUNK;
	return true;
}

static bool drop_event_keys(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	struct db_rows rows;

	return db_list(op, &rows,
		       "WITH d AS (DELETE FROM event_keys WHERE tenant_id = $1"
		       " AND idem = ANY (ARRAY(SELECT idem FROM event_keys"
		       " WHERE tenant_id = $1 AND received_at < $2 LIMIT $3))"
		       " RETURNING 1) SELECT count(*) AS n FROM d",
		       ARG_I64(op->tenant_id),
		       ARG_TIME(op->now_us - KEYS_DAYS * US_PER_DAY),
		       ARG_I64(CHUNK)) &&
	       count_gone(&rows, ret_rows, ret_more);
}

static bool load_cutoff(struct op *op, int64_t *ret_us)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT p.retention_days FROM tenants t JOIN plans p"
		    " ON p.plan_tier = t.plan_tier WHERE t.tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	*ret_us = op->now_us - db_i64(&row, "retention_days") * US_PER_DAY;
	return true;
}

/* The oldest hours first; the day counts stay. */
static bool drop_events(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	int64_t cutoff_us, until_us;
	struct db_rows rows;
	struct db_row row;

	*ret_more = false;
	if (!load_cutoff(op, &cutoff_us) ||
	    !db_list(op, &rows,
		     "SELECT min(received_at) AS first FROM events"
		     " WHERE tenant_id = $1 AND received_at < $2",
		     ARG_I64(op->tenant_id), ARG_TIME(cutoff_us)))
		return false;
	row = db_row_at(&rows, 0);
	if (db_is_null(&row, "first"))
		return true;
	until_us = db_time(&row, "first") + SLICE_HOURS * US_PER_HOUR;
	*ret_more = until_us < cutoff_us;
	if (!*ret_more)
		until_us = cutoff_us;
	return db_list(op, &rows,
		       "WITH d AS (DELETE FROM events WHERE tenant_id = $1"
		       " AND received_at < $2 RETURNING 1)"
		       " SELECT count(*) AS n FROM d",
		       ARG_I64(op->tenant_id), ARG_TIME(until_us)) &&
	       (row = db_row_at(&rows, 0), *ret_rows = db_i64(&row, "n"), true);
}

static bool drop_ledger(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	struct db_rows rows;
	int64_t cutoff_us;

	return load_cutoff(op, &cutoff_us) &&
	       db_list(op, &rows,
		       /* Materialized: read once, also where nothing is known
			* of a new table's size. */
		       "WITH o AS MATERIALIZED (SELECT user_id, id"
		       " FROM score_ledger WHERE tenant_id = $1 AND at < $2"
		       " ORDER BY at LIMIT $3),"
		       " d AS (DELETE FROM score_ledger l USING o"
		       " WHERE l.tenant_id = $1 AND l.user_id = o.user_id"
		       " AND l.id = o.id RETURNING 1)"
		       " SELECT count(*) AS n FROM d",
		       ARG_I64(op->tenant_id), ARG_TIME(cutoff_us),
		       ARG_I64(CHUNK)) &&
	       count_gone(&rows, ret_rows, ret_more);
}

static bool drop_gates(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	struct db_rows rows;
	int64_t cutoff_us;

	return load_cutoff(op, &cutoff_us) &&
	       db_list(op, &rows,
		       "WITH o AS MATERIALIZED (SELECT user_id, playbook_id"
		       " FROM gate_results WHERE tenant_id = $1 AND since < $2"
		       " LIMIT $3), d AS (DELETE FROM gate_results g USING o"
		       " WHERE g.tenant_id = $1 AND g.user_id = o.user_id"
		       " AND g.playbook_id = o.playbook_id RETURNING 1)"
		       " SELECT count(*) AS n FROM d",
		       ARG_I64(op->tenant_id), ARG_TIME(cutoff_us),
		       ARG_I64(CHUNK)) &&
	       count_gone(&rows, ret_rows, ret_more);
}

/* What was told long ago; its deliveries go with it. The ids tell the time. */
static bool drop_outbox(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	int64_t cutoff_us = op->now_us - OUTBOX_DAYS * US_PER_DAY;
	struct db_rows rows;

	return db_list(op, &rows,
		       "WITH d AS (DELETE FROM outbox WHERE tenant_id = $1"
		       " AND id = ANY (ARRAY(SELECT o.id FROM outbox o"
		       " WHERE o.tenant_id = $1 AND o.fanned_at IS NOT NULL"
		       " AND o.id < $4 AND o.created_at < $2"
		       " AND NOT EXISTS (SELECT"
		       " FROM deliveries v WHERE v.tenant_id = $1"
		       " AND v.outbox_id = o.id AND v.status = 'pending')"
		       " ORDER BY o.id LIMIT $3)) RETURNING 1)"
		       " SELECT count(*) AS n FROM d",
		       ARG_I64(op->tenant_id), ARG_TIME(cutoff_us),
		       ARG_I64(CHUNK), ARG_UUID(uuid_first(op, cutoff_us))) &&
	       count_gone(&rows, ret_rows, ret_more);
}

/* Sessions, resets and invitations that nobody can use any more. */
static bool drop_tokens(struct op *op, int64_t *ret_rows, bool *ret_more)
{
	int64_t sessions, resets, invitations;
	const int64_t day_ago = op->now_us - US_PER_DAY;
	const int64_t month_ago = op->now_us - 30 * US_PER_DAY;

	if (!db_exec(op, &sessions,
		     "DELETE FROM sessions WHERE tenant_id = $1"
		     " AND expires_at < $2",
		     ARG_I64(op->tenant_id), ARG_TIME(day_ago)) ||
	    !db_exec(op, &resets,
		     "DELETE FROM password_resets WHERE tenant_id = $1"
		     " AND expires_at < $2",
		     ARG_I64(op->tenant_id), ARG_TIME(day_ago)) ||
	    !db_exec(op, &invitations,
		     "DELETE FROM invitations WHERE tenant_id = $1"
		     " AND expires_at < $2 AND accepted_at IS NULL",
		     ARG_I64(op->tenant_id), ARG_TIME(month_ago)) ||
	    !db_exec(op, NULL,
		     "DELETE FROM login_throttle WHERE updated_at < $1",
		     ARG_TIME(day_ago)))
		return false;
	*ret_rows = sessions + resets + invitations;
	*ret_more = false;
	return true;
}

static const struct task tasks[] = {
	{ "expire_planned", expire_planned, false },
	{ "end_shadow", end_shadow, false },
	{ "seal_interventions", seal_interventions, false },
	{ "seal_audit", seal_audit, false },
	{ "add_partitions", add_partitions, true },
	{ "drop_event_keys", drop_event_keys, true },
	{ "drop_events", drop_events, true },
	{ "drop_partitions", drop_partitions, true },
	{ "drop_ledger", drop_ledger, true },
	{ "drop_gates", drop_gates, true },
	{ "drop_outbox", drop_outbox, true },
	{ "drop_tokens", drop_tokens, true },
};

struct maintain_state {
	size_t task;
	bool hourly; /* it is time for those as well */
};

static struct maintain_state *get_state(const struct op *op, struct run *run)
{
	struct maintain_state *st = run->state;

	if (st != NULL)
		return st;
	st = ARENA_NEW(run->arena, struct maintain_state);
	st->hourly = run->swept_us == DB_TIME_NULL ||
		     op->now_us - run->swept_us >= SWEEP_US ||
		     op->now_us < run->swept_us;
	run->state = st;
	return st;
}

/* The number of the next task, ARRAY_LEN(tasks) when there is none. */
static size_t task_after(const struct maintain_state *st, size_t task)
{
	while (++task < ARRAY_LEN(tasks)) {
		if (st->hourly || !tasks[task].hourly)
			break;
	}
	return task;
}

/* One that fails is over until its time comes again; the others go on. */
static bool run_task(struct op *op, struct run *run, const struct task *task,
		     int64_t *ret_rows, bool *ret_more)
{
	*ret_rows = 0;
	*ret_more = false;
	if (db_begin(op) && task->run(op, ret_rows, ret_more))
		return true;
	*ret_rows = 0;
	*ret_more = false;
	return !db_may_retry(op) && run_item_failed(op, run, task->name) &&
	       db_begin(op);
}

bool stage_maintain(struct op *op, struct run *run)
{
	struct maintain_state *st = get_state(op, run);
	size_t next = st->task;
	int64_t rows;
	bool more;

	if (!run_task(op, run, &tasks[st->task], &rows, &more))
		return false;
	if (!more)
		next = task_after(st, st->task);
	if (next == ARRAY_LEN(tasks) && st->hourly)
		run->swept_us = op->now_us;
	if (!run_chunk_done(op, run, rows))
		return false;
	st->task = next;
	run->more = next < ARRAY_LEN(tasks);
	return true;
}
