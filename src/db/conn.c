/*
 * The connection: connect with back-off, the pipeline, and reading results
 * under a deadline, so that a server that hangs costs one op and not the
 * worker. Non-blocking underneath: a large send and a large answer at the
 * same time cannot block each other.
 */
#include "db/conn.h"

#include "base/clock.h"
#include "db/args.h"
#include "db/db_error.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#define BACKOFF_MIN_US (100 * INT64_C(1000))
#define BACKOFF_MAX_US (2 * US_PER_SECOND)
/* Over statement_timeout: the server had its chance to answer. */
#define GRACE_US (5 * US_PER_SECOND)

/* Nothing is prepared in a new session; the texts are asked for again. */
static void forget_statements(struct db *db)
{
	for (size_t i = 0; i < CONN_STATEMENTS; i++)
		db->statements[i].prepared = false;
	for (size_t i = 0; i < db->kept_count; i++)
		db->kept[i].prepared = false;
}

void conn_drop(struct db *db)
{
	if (db->conn != NULL)
		PQfinish(db->conn);
	db->conn = NULL;
	db->pending_count = 0;
	db->begin_sent = false;
	db->leaving = false;
	db->forget = false;
	forget_statements(db);
}

static bool unavailable(struct op *op, const char *detail)
{
	op_fail(op, FAIL_UNAVAILABLE, "database_unavailable",
		"the database cannot be reached");
	op_fail_detail(op, "%s", detail);
	if (op->fail.retry_after_s == 0)
		op->fail.retry_after_s = 2;
	return false;
}

/*
 * In place of what was latched: that came in the COMMIT's stead, and only
 * the database knows whether the transaction was kept.
 */
static void latch_unknown(struct op *op, const char *detail)
{
	const char *first = op->fail.detail;

	op_clear(op);
	op_fail(op, FAIL_UNAVAILABLE, "outcome_unknown",
		"the database went away while it saved this; whether it was "
		"saved is not known");
	op_fail_detail(op, "outcome unknown after COMMIT: %s",
		       first != NULL ? first : detail);
	op->fail.retry_after_s = 2;
}

/*
 * Gives the connection up in the middle of an op. begin_sent stays: what
 * follows must not begin a second transaction with half of the work.
 */
static bool broken(struct op *op, const char *detail)
{
	struct db *db = op->db;

	if (db->commit_sent)
		latch_unknown(op, detail);
	else
		unavailable(op, detail);
	db->commit_sent = false;
	conn_drop(db);
	db->begin_sent = db->begun;
	return false;
}

/* Waits for the socket; false when the deadline passed or poll failed. */
static bool wait_socket(struct db *db, bool for_write, int64_t deadline_us)
{
	struct pollfd p = { .fd = PQsocket(db->conn),
			    .events =
				(short)(POLLIN | (for_write ? POLLOUT : 0)) };

	for (;;) {
		int64_t left = deadline_us - clock_monotonic();

		if (p.fd < 0 || left <= 0)
			return false;
		int n = poll(&p, 1, (int)(left / 1000) + 1);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

static int64_t deadline(const struct db *db)
{
	return clock_monotonic() + db->statement_timeout_ms * 1000 + GRACE_US;
}

/* Sends what libpq holds. */
static bool flush(struct op *op)
{
	struct db *db = op->db;
	int64_t until = deadline(db);

	for (;;) {
		int left = PQflush(db->conn);

		if (left == 0)
			return true;
		if (left < 0 || !wait_socket(db, true, until))
			break;
		if (!PQconsumeInput(db->conn))
			break;
	}
	return broken(op, PQerrorMessage(db->conn));
}

/* The next result or NULL; *ret_lost when the connection gave none. */
static PGresult *next_result(struct op *op, bool *ret_lost)
{
	struct db *db = op->db;
	int64_t until = deadline(db);

	*ret_lost = false;
	while (PQisBusy(db->conn)) {
		if (!wait_socket(db, false, until) ||
		    !PQconsumeInput(db->conn)) {
			*ret_lost = true;
			return NULL;
		}
	}
	return PQgetResult(db->conn);
}

static bool connect_now(struct op *op)
{
	struct db *db = op->db;
	char timeout[24], options[256];

	snprintf(timeout, sizeof(timeout), "%lld",
		 (long long)db->connect_timeout_s);
	snprintf(options, sizeof(options),
		 "-c TimeZone=UTC -c DateStyle=ISO -c statement_timeout=%lld"
		 " -c lock_timeout=%lld"
		 " -c idle_in_transaction_session_timeout=60000"
		 " -c jit=off -c max_parallel_workers_per_gather=0"
		 /* For flash and cached tables: thousands of rows by their
		  * key rather than a scan of a whole tenant. */
		 " -c random_page_cost=1.1",
		 (long long)db->statement_timeout_ms,
		 (long long)db->statement_timeout_ms);
	const char *const keys[] = { "dbname",		"application_name",
				     "connect_timeout", "options",
				     "client_encoding", "tcp_user_timeout",
				     "keepalives_idle", NULL };
	const char *const values[] = { db->url, db->name, timeout, options,
				       "UTF8",	"10000",  "30",	   NULL };

	db->conn = PQconnectdbParams(keys, values, 1);
	if (PQstatus(db->conn) == CONNECTION_OK &&
	    PQsetnonblocking(db->conn, 1) == 0 &&
	    PQenterPipelineMode(db->conn)) {
		db->backoff_us = 0;
		return true;
	}
	unavailable(op, PQerrorMessage(db->conn));
	conn_drop(db);
	db->backoff_us =
	    db->backoff_us == 0 ? BACKOFF_MIN_US : 2 * db->backoff_us;
	if (db->backoff_us > BACKOFF_MAX_US)
		db->backoff_us = BACKOFF_MAX_US;
	db->retry_at_us = clock_monotonic() + db->backoff_us;
	return false;
}

/* Queues a statement whose text is made here (BEGIN, SET LOCAL). */
static bool send_plain(struct op *op, const char *sql)
{
	struct db *db = op->db;

	assert(db->pending_count < CONN_PENDING_MAX);
	if (!PQsendQueryParams(db->conn, sql, 0, NULL, NULL, NULL, NULL, 0))
		return broken(op, PQerrorMessage(db->conn));
	db->pending[db->pending_count++] =
	    (struct conn_pending){ .prepare = NULL };
	return true;
}

/*
 * SET LOCAL with the checked integer written out, and not set_config():
 * only this form reaches the workers of a Citus cluster.
 */
bool conn_send_tenant(struct op *op)
{
	char set[64] = "SET LOCAL app.tenant_id = ''";

	if (op->db->tenant_id > 0)
		snprintf(set, sizeof(set), "SET LOCAL app.tenant_id = '%lld'",
			 (long long)op->db->tenant_id);
	return send_plain(op, set);
}

/*
 * Drops the results up to the sync point, but for what became of a PREPARE
 * among them; true while connected.
 */
static bool drop_results(struct op *op)
{
	struct db *db = op->db;
	size_t at = 0;
	bool gone;

	for (;;) {
		PGresult *r = next_result(op, &gone);

		if (gone || PQstatus(db->conn) != CONNECTION_OK) {
			PQclear(r);
			return false;
		}
		if (r == NULL) { /* the end of a statement's results */
			at++;
			continue;
		}
		ExecStatusType status = PQresultStatus(r);
		PQclear(r);
		if (status == PGRES_PIPELINE_SYNC)
			break;
		if (at < db->pending_count && db->pending[at].prepare != NULL &&
		    status != PGRES_COMMAND_OK)
			db->pending[at].prepare->prepared = false;
	}
	db->pending_count = 0;
	return true;
}

/* Runs what is queued and drops its results; true while connected. */
static bool drain(struct op *op)
{
	if (op->db->pending_count == 0)
		return true;
	return PQpipelineSync(op->db->conn) && flush(op) && drop_results(op);
}

/* Reads the answer that the last op did not wait for. */
static bool take_leave(struct op *op)
{
	op->db->leaving = false;
	return drop_results(op) &&
	       PQtransactionStatus(op->db->conn) == PQTRANS_IDLE;
}

/*
 * An idle connection has nothing to say but that it is ending (or, rarely,
 * that a server setting changed: a reconnect too much does no harm).
 */
static bool has_news(const struct db *db)
{
	struct pollfd p = { .fd = PQsocket(db->conn), .events = POLLIN };

	return p.fd < 0 || poll(&p, 1, 0) != 0;
}

bool conn_ready(struct op *op)
{
	struct db *db = op->db;

	assert(db != NULL);
	if (op_failed(op))
		return false;
	if (db->leaving && !take_leave(op))
		conn_drop(db);
	if (db->conn != NULL && db->pending_count == 0 && !db->begin_sent &&
	    has_news(db))
		conn_drop(db);
	if (db->conn == NULL) {
		if (db->begin_sent) /* the transaction died with it */
			return unavailable(op, "connection lost");
		if (clock_monotonic() < db->retry_at_us)
			return unavailable(op, "waiting to connect again");
		if (!connect_now(op))
			return false;
	}
	if (db->begun && !db->begin_sent) {
		if (!send_plain(op, "BEGIN"))
			return false;
		db->begin_sent = true;
		return conn_send_tenant(op);
	}
	return true;
}

/* The cache slot of a literal, by its address; NULL: no room. */
static struct conn_statement *find_literal(struct db *db, const char *sql)
{
	size_t i = ((uintptr_t)sql >> 3) * UINT64_C(0x9E3779B97F4A7C15) >> 54;

	for (;; i++) {
		struct conn_statement *s = &db->statements[i % CONN_STATEMENTS];

		if (s->text == sql)
			return s;
		if (s->text == NULL) {
			if (db->statement_count >= CONN_STATEMENTS / 2)
				return NULL;
			s->text = sql;
			snprintf(s->name, sizeof(s->name), "s%zu",
				 i % CONN_STATEMENTS);
			db->statement_count++;
			return s;
		}
	}
}

/* The same of a built text, by what it says. */
static struct conn_statement *find_kept(struct db *db, const char *sql)
{
	struct conn_statement *s = db->kept;

	for (; s < db->kept + db->kept_count; s++)
		if (streq(s->text, sql))
			return s;
	if (db->kept_count == CONN_KEPT)
		return NULL;
	s->text = arena_strdup(db->arena, sql);
	snprintf(s->name, sizeof(s->name), "k%zu", db->kept_count++);
	return s;
}

static struct conn_statement *find_statement(struct db *db, const char *sql,
					     enum conn_plan plan)
{
	switch (plan) {
	case CONN_PREPARED:
		return find_literal(db, sql);
	case CONN_KEPT_TEXT:
		return find_kept(db, sql);
	case CONN_UNPREPARED:
		break;
	}
	return NULL;
}

bool conn_send(struct op *op, const char *sql, const struct db_arg *args,
	       size_t count, enum conn_plan plan)
{
	struct db *db = op->db;
	struct conn_statement *s;
	struct args a;
	int ok;

	if (!args_encode(op, args, count, &a))
		return false;
	assert(db->pending_count + 2 <= CONN_PENDING_MAX);
	s = find_statement(db, sql, plan);
	if (s == NULL) {
		ok = PQsendQueryParams(db->conn, sql, (int)count, a.types,
				       a.values, a.lengths, a.formats, 0);
	} else {
		ok = 1;
		if (!s->prepared) {
			ok = PQsendPrepare(db->conn, s->name, sql, (int)count,
					   a.types);
			/* Twice in one pipeline must not prepare twice. */
			s->prepared = true;
			db->pending[db->pending_count++] =
			    (struct conn_pending){ .prepare = s };
		}
		ok = ok &&
		     PQsendQueryPrepared(db->conn, s->name, (int)count,
					 a.values, a.lengths, a.formats, 0);
	}
	if (!ok)
		return broken(op, PQerrorMessage(db->conn));
	db->pending[db->pending_count++] =
	    (struct conn_pending){ .prepare = NULL };
	return true;
}

bool conn_ask(struct op *op, struct db_rows *rows, const char *sql,
	      const struct db_arg *args, size_t count)
{
	if (!conn_send(op, sql, args, count, CONN_PREPARED))
		return false;
	op->db->pending[op->db->pending_count - 1].rows = rows;
	return true;
}

static void clear_result(void *result)
{
	PQclear(result);
}

/*
 * True for an error after which the transaction is surely not kept: any that
 * the server gave to a statement before the COMMIT, and to the COMMIT itself
 * one that the backend survived.
 */
static bool is_refusal(const PGresult *result, const struct conn_pending *p)
{
	const char *severity =
	    PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return severity != NULL && (!p->commit || streq(severity, "ERROR"));
}

/* Takes one result in: latches its failure, keeps the prepared mark true. */
static void take_result(struct op *op, const struct conn_pending *p,
			const PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	const char *state;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
	    status == PGRES_SINGLE_TUPLE)
		return;
	if (p->prepare != NULL)
		p->prepare->prepared = false;
	if (status == PGRES_PIPELINE_ABORTED)
		return;
	state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (state != NULL && (streq(state, "0A000") || streq(state, "26000")))
		op->db->forget = true;
	if (is_refusal(result, p))
		op->db->commit_sent = false;
	db_fail(op, result, op->db->conn);
}

static bool lost(struct op *op)
{
	return broken(op, "connection lost");
}

/* Reads up to and over the sync point. */
static bool read_sync(struct op *op)
{
	bool gone;
	PGresult *r;

	for (;;) {
		r = next_result(op, &gone);
		if (gone)
			return lost(op);
		if (r == NULL) {
			if (PQstatus(op->db->conn) != CONNECTION_OK)
				return lost(op);
			continue;
		}
		ExecStatusType status = PQresultStatus(r);
		if (status == PGRES_FATAL_ERROR)
			db_fail(op, r, op->db->conn);
		PQclear(r);
		if (status == PGRES_PIPELINE_SYNC)
			break;
		if (PQstatus(op->db->conn) != CONNECTION_OK)
			return lost(op);
	}
	op->db->pending_count = 0;
	return !op_failed(op);
}

/* To whom the rows were promised; true when somebody was. */
static bool give_result(const struct conn_pending *p, PGresult *r)
{
	if (p->rows != NULL)
		*p->rows = (struct db_rows){ r, (size_t)PQntuples(r) };
	return p->rows != NULL;
}

/* Reads the results of all but the last `keep` pending statements. */
static bool read_pending(struct op *op, size_t keep, PGresult **ret)
{
	struct db *db = op->db;

	for (size_t i = 0; i + keep < db->pending_count; i++) {
		bool gone;
		PGresult *r = next_result(op, &gone);

		if (gone || r == NULL)
			return lost(op);
		take_result(op, &db->pending[i], r);
		if (give_result(&db->pending[i], r) ||
		    (ret != NULL && i + 1 == db->pending_count)) {
			arena_defer(op->arena, clear_result, r);
			if (ret != NULL)
				*ret = r;
		} else {
			PQclear(r);
		}
		/* Each statement's results end with a NULL. */
		while ((r = next_result(op, &gone)) != NULL)
			PQclear(r);
		if (gone || PQstatus(db->conn) != CONNECTION_OK)
			return lost(op);
	}
	return true;
}

static bool send_sync(struct op *op)
{
	if (!PQpipelineSync(op->db->conn))
		return lost(op);
	return flush(op);
}

bool conn_sync(struct op *op, PGresult **ret)
{
	PGresult *last = NULL;

	if (!send_sync(op) || !read_pending(op, 0, &last) || !read_sync(op))
		return false;
	if (ret != NULL)
		*ret = last;
	return true;
}

/* COMMIT of a transaction that failed answers ROLLBACK: a lost write. */
static bool take_commit(struct op *op, bool *ret_gone)
{
	PGresult *r = next_result(op, ret_gone);
	bool gone;

	if (r == NULL)
		return false;
	take_result(op, &(struct conn_pending){ .commit = true }, r);
	if (PQresultStatus(r) == PGRES_COMMAND_OK &&
	    !streq(PQcmdStatus(r), "COMMIT"))
		op_fail(op, FAIL_INTERNAL, "not_committed",
			"the transaction did not commit");
	PQclear(r);
	while ((r = next_result(op, &gone)) != NULL)
		PQclear(r);
	*ret_gone = gone;
	return !gone;
}

bool conn_commit(struct op *op, PGresult **ret)
{
	struct db *db = op->db;
	PGresult *last = NULL;
	bool gone = false;

	if (!db->begin_sent)
		return conn_sync(op, ret);
	if (!send_plain(op, "COMMIT"))
		return false;
	db->commit_sent = true;
	if (!send_sync(op))
		return false;
	/* All but the COMMIT; the statement before it gives the rows. */
	db->pending_count--;
	if (!read_pending(op, 0, db->pending_count > 0 ? &last : NULL))
		return false;
	if (!take_commit(op, &gone))
		return lost(op);
	if (!read_sync(op))
		return false;
	db->commit_sent = false;
	db->begun = false;
	db->begin_sent = false;
	if (ret != NULL)
		*ret = last;
	return true;
}

void conn_leave(struct op *op)
{
	struct db *db = op->db;

	assert(db->pending_count == 0 && !op_failed(op));
	if (send_plain(op, "COMMIT") && PQpipelineSync(db->conn) &&
	    PQflush(db->conn) == 0) {
		db->leaving = true;
		db->begun = false;
		db->begin_sent = false;
		return;
	}
	op_clear(op);
	db->begun = false;
	conn_drop(db);
}

void conn_settle(struct op *op)
{
	struct db *db = op->db;

	db->tenant_id = 0;
	if (db->leaving)
		return;
	/* Outside of a transaction what is queued must not be done at all. */
	if (db->conn != NULL && db->pending_count > 0 && !db->begin_sent)
		conn_drop(db);
	if (db->conn != NULL &&
	    (!drain(op) ||
	     (PQtransactionStatus(db->conn) != PQTRANS_IDLE &&
	      (!send_plain(op, "ROLLBACK") || !drain(op))) ||
	     (db->forget && (!send_plain(op, "DEALLOCATE ALL") || !drain(op)))))
		conn_drop(db);
	if (db->forget)
		forget_statements(db);
	db->forget = false;
	db->begun = false;
	db->begin_sent = false;
	db->commit_sent = false;
}

/* Gives each single-row result to fn; the last, empty one ends. */
static bool stream_rows(struct op *op, db_row_fn fn, void *ctx)
{
	struct db *db = op->db;
	const struct conn_pending *p = &db->pending[db->pending_count - 1];
	bool gone, ok = true;
	PGresult *r;

	while ((r = next_result(op, &gone)) != NULL) {
		take_result(op, p, r);
		if (ok && !op_failed(op) &&
		    PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
			struct db_row row = { r, 0 };

			ok = fn(op, &row, ctx);
		}
		PQclear(r);
		if (!ok) {
			/* The rest is not wanted: cheaper than reading it. */
			conn_drop(db);
			return false;
		}
	}
	if (gone || PQstatus(db->conn) != CONNECTION_OK)
		return lost(op);
	return true;
}

bool conn_stream(struct op *op, db_row_fn fn, void *ctx)
{
	if (!send_sync(op) || !read_pending(op, 1, NULL))
		return false;
	if (!PQsetSingleRowMode(op->db->conn))
		return lost(op);
	return stream_rows(op, fn, ctx) && read_sync(op);
}
