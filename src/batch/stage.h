/*
 * What a batch stage is, and what the pipeline gives it.
 *
 * The pipeline (batch/pipeline.h) calls a stage's run() for one tenant
 * under a lease (batch/lease.h). Each call is one chunk of bounded size and
 * gets a fresh op and arena, so nothing may be kept between calls but the
 * members of struct run that say so. The pattern:
 *
 *   bool stage_x(struct op *op, struct run *run)
 *   {
 *           if (!db_begin(op))
 *                   return false;
 *           ... read at most a few thousand rows, write ...
 *           run->more = rows.count == CHUNK;   (call me again)
 *           return run_chunk_done(op, run, rows.count);
 *   }
 *
 * A stage with effects outside the database may use several transactions in
 * one call, each begun with db_begin() and ended with run_chunk_done() (or
 * db_commit() where it wrote nothing that needs the fence), and asks
 * run_stopping() between items.
 *
 * A return of false ends this tenant's stage until it is next due; the
 * pipeline logs the op's failure once and goes on with the next tenant. One
 * bad item that must not stop the others: run_item_failed().
 *
 * op->now_us is the batch clock (moved by --now): product logic uses only
 * it. Leases use the server's clock.
 */
#ifndef BATCH_STAGE_H
#define BATCH_STAGE_H

#include "base/op.h"
#include "batch/lease.h"

struct run {
	const struct stage *stage;
	struct lease lease; /* renewed and fenced by run_chunk_done() */
	bool test;	    /* the tenant is a test twin */
	bool force;	    /* a person asked for it: do all there is */
	bool more;	    /* set by the stage: call again */
	bool first;	    /* the first call of this run for the tenant */
	/*
	 * Where the stage stands; saved in the lease row by every
	 * run_chunk_done(), and there again in the next call and run. The
	 * names are only a convention; a stage uses what it needs.
	 */
	int64_t watermark_us; /* DB_TIME_NULL: none */
	int64_t swept_us;     /* DB_TIME_NULL: never */
	int64_t version;
	int64_t changed_us; /* DB_TIME_NULL: nothing that waits */
	char *cursor;	    /* NULL or "": none; set with run_set_cursor() */

	void *state;	     /* the stage's own, from arena; NULL at first */
	struct arena *arena; /* lives as long as the run of this tenant */
	int64_t rows_done;   /* of this run */
	int64_t failures;    /* of this run: items that failed */
	int64_t deadline_us; /* by clock_monotonic() */
};

struct stage {
	const char *name;
	int period_s;
	/* One chunk; see above. */
	bool (*run)(struct op *op, struct run *run);
};

/*
 * Ends a chunk: renews the lease, saves the position, commits, all in the
 * chunk's own transaction. rows is what the chunk did, for the heartbeat.
 * Fails: FAIL_CONFLICT "lease_lost" when another run took the lease; the
 * whole chunk is then rolled back.
 */
MUST_CHECK bool run_chunk_done(struct op *op, struct run *run, int64_t rows);

/* Copies text (NULL: none) so that it outlives the op. */
void run_set_cursor(struct run *run, const char *text);

/*
 * True when the stage should return after what it is doing: SIGTERM, the
 * run's time or this stage's share of it is used up.
 */
bool run_stopping(const struct run *run);

/*
 * For one item that failed and must not stop the others: logs the op's
 * failure once with what ("intervention 0192…"), counts it, rolls back and
 * clears the op. Returns true; false only when the failure is not the
 * item's (lease lost, database away), then the caller returns false too.
 */
bool run_item_failed(struct op *op, struct run *run, const char *what);

bool stage_refresh(struct op *op, struct run *run);
bool stage_match(struct op *op, struct run *run);
bool stage_decide(struct op *op, struct run *run);
bool stage_check(struct op *op, struct run *run);
bool stage_approve(struct op *op, struct run *run);
bool stage_deliver(struct op *op, struct run *run);
bool stage_measure(struct op *op, struct run *run);
bool stage_webhooks(struct op *op, struct run *run);
bool stage_maintain(struct op *op, struct run *run);

#endif
