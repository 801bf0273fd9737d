/*
 * The stage loop: product order outside, tenants inside, one lease each,
 * one op a chunk. The only place of the batch that logs failures.
 */
#include "batch/pipeline.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/parse.h"
#include "batch/stage.h"
#include "db/db.h"
#include "db/db_tx.h"

#include <signal.h>
#include <unistd.h>

/* In product order. */
static const struct stage stages[] = {
	{ "refresh", 60, stage_refresh },   { "match", 60, stage_match },
	{ "decide", 60, stage_decide },	    { "check", 60, stage_check },
	{ "approve", 60, stage_approve },   { "deliver", 60, stage_deliver },
	{ "measure", 60, stage_measure },   { "webhooks", 60, stage_webhooks },
	{ "maintain", 60, stage_maintain },
};

#define RETRIES_MAX   3
#define FORCE_WAIT_US (30 * US_PER_SECOND)
#define FORCE_POLL_US 100000
#define SHARE_MIN_US  US_PER_SECOND

/* The whole run of this process. */
struct pass {
	struct db *db;
	const struct config *config;
	const struct pipeline_options *options;
	struct arena *arena; /* of one chunk */
	int64_t deadline_us; /* by clock_monotonic() */
	bool lost;	     /* the database is away: end the run */
};

struct tenant {
	int64_t id;
	bool test;
};

static volatile sig_atomic_t stop_asked;

void pipeline_stop(void)
{
	stop_asked = 1;
}

bool pipeline_has_stage(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		if (streq(stages[i].name, name))
			return true;
	}
	return false;
}

bool run_stopping(const struct run *run)
{
	return stop_asked || clock_monotonic() >= run->deadline_us;
}

void run_set_cursor(struct run *run, const char *text)
{
	run->cursor = text == NULL ? NULL : arena_strdup(run->arena, text);
}

bool run_chunk_done(struct op *op, struct run *run, int64_t rows)
{
	struct lease_memory memory = {
		.watermark_us = run->watermark_us,
		.swept_us = run->swept_us,
		.version = run->version,
		.changed_us = run->changed_us,
		.cursor = run->cursor,
	};

	if (!lease_renew(op, &run->lease, &memory, rows) || !db_commit(op))
		return false;
	run->rows_done += rows;
	return true;
}

static void log_failure(const struct op *op, const struct run *run,
			const char *what)
{
	const struct fail *fail = &op->fail;

	log_write(
	    fail->kind == FAIL_UNAVAILABLE ? LOG_WARN : LOG_ERROR,
	    "stage_failed",
	    "stage=%s tenant=%lld kind=%s code=%s message=%s detail=%s"
	    " item=%s",
	    run->stage->name, (long long)run->lease.tenant_id,
	    fail_kind_name(fail->kind), fail->code,
	    log_quote(op->arena, fail->message),
	    log_quote(op->arena, fail->detail == NULL ? "" : fail->detail),
	    log_quote(op->arena, what == NULL ? "" : what));
	for (const struct fail_detail *f = fail->fields; f != NULL; f = f->next)
		log_write(LOG_ERROR, "stage_failed_at", "path=%s message=%s",
			  log_quote(op->arena, f->path),
			  log_quote(op->arena, f->message));
}

static bool is_lost_database(const struct op *op)
{
	return op->fail.kind == FAIL_UNAVAILABLE &&
	       (streq(op->fail.code, "database_unavailable") ||
		streq(op->fail.code, "outcome_unknown"));
}

static bool is_lost_lease(const struct op *op)
{
	return op->fail.kind == FAIL_CONFLICT &&
	       streq(op->fail.code, "lease_lost");
}

bool run_item_failed(struct op *op, struct run *run, const char *what)
{
	if (is_lost_database(op) || is_lost_lease(op))
		return false;
	log_failure(op, run, what);
	run->failures++;
	db_rollback(op);
	op_clear(op);
	return true;
}

/* A fresh op for tenant_id on the pass's arena. */
static void pass_op(struct pass *pass, struct op *op, const char *tag,
		    int64_t tenant_id)
{
	arena_reset(pass->arena);
	op_init(op, pass->arena, pass->db, pass->config);
	if (pass->options->now_us != 0)
		op->now_us = pass->options->now_us;
	op->tenant_id = tenant_id;
	op->tag = tag;
}

static void run_load(struct run *run, const struct lease_memory *memory)
{
	run->watermark_us = memory->watermark_us;
	run->swept_us = memory->swept_us;
	run->version = memory->version;
	run->changed_us = memory->changed_us;
	run_set_cursor(run, memory->cursor);
}

/* Takes the lease; a forced run waits for the run that holds it. */
static bool run_take(struct pass *pass, struct run *run, bool *ret_taken)
{
	int64_t give_up_us = clock_monotonic() + FORCE_WAIT_US;
	struct lease_memory memory;
	enum lease_result result;
	struct op op;

	for (;;) {
		pass_op(pass, &op, run->stage->name, run->lease.tenant_id);
		if (!lease_take(&op, &run->lease, run->stage->period_s,
				run->force, &result, &memory)) {
			log_failure(&op, run, NULL);
			pass->lost = is_lost_database(&op);
			db_finish(&op);
			return false;
		}
		db_finish(&op);
		if (result != LEASE_HELD || !run->force || run_stopping(run) ||
		    clock_monotonic() > give_up_us)
			break;
		usleep(FORCE_POLL_US);
	}
	*ret_taken = result == LEASE_TAKEN;
	if (result == LEASE_TAKEN)
		run_load(run, &memory);
	return true;
}

/*
 * Calls the stage until it has done all or must stop. Returns the code of a
 * failure, which lives as long as the run: the op and its arena are gone.
 */
static const char *run_chunks(struct pass *pass, struct run *run)
{
	int tries = 0;
	struct run before;
	struct op op;
	bool ok;

	run->first = true;
	do {
		pass_op(pass, &op, run->stage->name, run->lease.tenant_id);
		before = *run;
		run->more = false;
		ok = run->stage->run(&op, run);
		if (!ok && db_may_retry(&op) && ++tries < RETRIES_MAX) {
			db_finish(&op);
			*run = before; /* its position was rolled back */
			run->more = true;
			continue;
		}
		if (!ok) {
			log_failure(&op, run, NULL);
			run->failures++;
			pass->lost = is_lost_database(&op);
			db_finish(&op);
			return arena_strdup(run->arena, op.fail.code);
		}
		db_finish(&op);
		tries = 0;
		run->first = false;
	} while (run->more && !run_stopping(run));
	return NULL;
}

/* With work left the stage is due at once, else after its period. */
static void run_release(struct pass *pass, struct run *run, const char *error)
{
	int64_t due_in_s = run->stage->period_s - run->stage->period_s / 10;
	struct op op;

	if (error == NULL && run->more)
		due_in_s = 0;
	pass_op(pass, &op, run->stage->name, run->lease.tenant_id);
	if (!lease_release(&op, &run->lease, due_in_s, error)) {
		log_failure(&op, run, NULL);
		pass->lost = pass->lost || is_lost_database(&op);
	}
	db_finish(&op);
}

static int64_t run_deadline(const struct pass *pass)
{
	int64_t now_us = clock_monotonic();
	int64_t share_us = (pass->deadline_us - now_us) / 3;

	if (pass->options->force)
		return pass->deadline_us;
	return now_us + (share_us > SHARE_MIN_US ? share_us : SHARE_MIN_US);
}

static void run_tenant(struct pass *pass, struct run *run)
{
	const char *error;
	bool taken;

	if (!run_take(pass, run, &taken)) {
		run->failures++;
		return;
	}
	if (!taken)
		return;
	error = run_chunks(pass, run);
	if (!pass->lost)
		run_release(pass, run, error);
	if (run->rows_done > 0)
		log_write(LOG_INFO, "stage_done",
			  "stage=%s tenant=%lld rows=%lld more=%d",
			  run->stage->name, (long long)run->lease.tenant_id,
			  (long long)run->rows_done, run->more);
}

struct totals {
	int64_t tenants, rows, failures;
};

static void heartbeat(struct pass *pass, const struct stage *stage,
		      const struct totals *totals)
{
	struct op op;

	/* Heartbeats are about this process: its clock, not a moved one. */
	pass_op(pass, &op, stage->name, 0);
	if (!db_exec(&op, NULL,
		     "INSERT INTO batch_heartbeats AS h (stage, started_at,"
		     " finished_at, tenants, rows_done, failures, period_s)"
		     " VALUES ($1, $2, CASE WHEN $3 THEN NULL"
		     " ELSE $2::timestamptz END, $4, $5, $6, $7)"
		     " ON CONFLICT (stage) DO UPDATE SET"
		     " started_at = CASE WHEN $3 THEN excluded.started_at"
		     " ELSE h.started_at END,"
		     " finished_at = coalesce(excluded.finished_at,"
		     " h.finished_at), tenants = excluded.tenants,"
		     " rows_done = excluded.rows_done,"
		     " failures = excluded.failures,"
		     " period_s = excluded.period_s",
		     ARG_TEXT(stage->name), ARG_TIME(clock_now()),
		     ARG_BOOL(totals == NULL),
		     ARG_I64(totals == NULL ? 0 : totals->tenants),
		     ARG_I64(totals == NULL ? 0 : totals->rows),
		     ARG_I64(totals == NULL ? 0 : totals->failures),
		     ARG_I64(stage->period_s))) {
		log_write(LOG_WARN, "heartbeat_failed", "stage=%s code=%s",
			  stage->name, op.fail.code);
		pass->lost = pass->lost || is_lost_database(&op);
	}
	db_finish(&op);
}

static bool pass_over(const struct pass *pass)
{
	return stop_asked || pass->lost ||
	       clock_monotonic() >= pass->deadline_us;
}

static void pass_stage(struct pass *pass, const struct stage *stage,
		       const struct tenant *tenants, size_t count)
{
	struct totals totals = { 0 };
	struct arena *arena = arena_new();
	bool whole = pass->options->tenant_id == 0;

	if (whole)
		heartbeat(pass, stage, NULL);
	for (size_t i = 0; i < count && !pass_over(pass); i++) {
		struct run run = {
			.stage = stage,
			.lease = { .stage = stage->name,
				   .tenant_id = tenants[i].id },
			.test = tenants[i].test,
			.force = pass->options->force,
			.arena = arena,
			.deadline_us = run_deadline(pass),
		};

		run_tenant(pass, &run);
		totals.tenants++;
		totals.rows += run.rows_done;
		totals.failures += run.failures;
		arena_reset(arena);
	}
	if (whole && !pass->lost)
		heartbeat(pass, stage, &totals);
	arena_free(arena);
}

static bool load_tenants(struct pass *pass, struct arena *arena,
			 struct tenant **ret, size_t *ret_count)
{
	struct db_rows rows;
	struct tenant *tenants;
	size_t n = 0;
	struct op op;

	pass_op(pass, &op, "tenants", 0);
	if (!db_list(&op, &rows,
		     "SELECT tenant_id, mode FROM tenants"
		     " WHERE closed_at IS NULL AND ($1 = 0 OR tenant_id = $1)"
		     " ORDER BY tenant_id",
		     ARG_I64(pass->options->tenant_id))) {
		log_write(LOG_ERROR, "batch_failed", "code=%s detail=%s",
			  op.fail.code,
			  log_quote(op.arena, op.fail.detail == NULL
						  ? ""
						  : op.fail.detail));
		db_finish(&op);
		return false;
	}
	tenants = ARENA_ARRAY(arena, struct tenant, rows.count);
	db_each (row, &rows) {
		tenants[n].id = db_i64(&row, "tenant_id");
		tenants[n++].test = streq(db_text(&row, "mode"), "test");
	}
	db_finish(&op);
	*ret = tenants;
	*ret_count = n;
	return true;
}

bool pipeline_run(struct db *db, const struct config *config,
		  const struct pipeline_options *options)
{
	struct arena *arena = arena_new(); /* of the run: the tenants */
	struct pass pass = {
		.db = db,
		.config = config,
		.options = options,
		.arena = arena_new(),
		.deadline_us =
		    clock_monotonic() + config->batch_max_s * US_PER_SECOND,
	};
	struct tenant *tenants;
	size_t count;
	bool ok = load_tenants(&pass, arena, &tenants, &count);

	for (size_t i = 0; ok && i < ARRAY_LEN(stages); i++) {
		if (options->stage != NULL &&
		    !streq(options->stage, stages[i].name))
			continue;
		if (pass_over(&pass))
			break;
		pass_stage(&pass, &stages[i], tenants, count);
	}
	if (ok && !pass.lost && clock_monotonic() >= pass.deadline_us)
		log_write(LOG_WARN, "batch_time_over", "seconds=%lld",
			  (long long)config->batch_max_s);
	arena_free(pass.arena);
	arena_free(arena);
	return ok && !pass.lost;
}
