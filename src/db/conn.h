/*
 * The inside of the db layer: the connection and its pipeline. Only files
 * of src/db include this.
 */
#ifndef DB_CONN_H
#define DB_CONN_H

#include "db/db.h"

#include <libpq-fe.h>

#define CONN_STATEMENTS	 1024 /* power of two; slots of the prepared cache */
#define CONN_KEPT	 64   /* built statements that stay prepared */
#define CONN_PENDING_MAX 64

/* A statement and whether the server has it prepared. */
struct conn_statement {
	/* A literal, whose address is the key, or a copy of a built text. */
	const char *text;
	char name[8];
	bool prepared;
};

/* A result that the server owes us. */
struct conn_pending {
	struct conn_statement *prepare; /* set: the answer to a PREPARE */
	struct db_rows *rows;		/* who asked for it; or NULL */
	bool commit;
};

struct db {
	struct arena *arena; /* its own memory */
	const char *url;
	const char *name;
	int64_t connect_timeout_s;
	int64_t statement_timeout_ms;
	PGconn *conn;	     /* NULL: not connected */
	int64_t retry_at_us; /* monotonic; no attempt before */
	int64_t backoff_us;
	bool begun;	   /* db_begin was called */
	bool begin_sent;   /* BEGIN is on its way or done */
	bool commit_sent;  /* and nothing says yet what became of it */
	bool leaving;	   /* COMMIT was sent and is not waited for */
	bool forget;	   /* the prepared cache is stale */
	int64_t tenant_id; /* of the open transaction */
	struct conn_pending pending[CONN_PENDING_MAX];
	size_t pending_count;
	struct conn_statement statements[CONN_STATEMENTS];
	size_t statement_count;
	struct conn_statement kept[CONN_KEPT];
	size_t kept_count;
};

/* CONN_KEPT_TEXT: prepared by what the text says, as long as there is room. */
enum conn_plan { CONN_PREPARED, CONN_KEPT_TEXT, CONN_UNPREPARED };

/* Connected, and BEGIN queued when a transaction was asked for. */
MUST_CHECK bool conn_ready(struct op *op);

/*
 * Queues one statement; nothing is sent before conn_sync() or a full buffer.
 */
MUST_CHECK bool conn_send(struct op *op, const char *sql,
			  const struct db_arg *args, size_t count,
			  enum conn_plan plan);

/* The same; *rows is set when the next verb has read the answers. */
MUST_CHECK bool conn_ask(struct op *op, struct db_rows *rows, const char *sql,
			 const struct db_arg *args, size_t count);

/*
 * Ends the batch and reads all results; the last statement's is registered
 * with the arena and set in *ret (ret NULL: not wanted).
 */
MUST_CHECK bool conn_sync(struct op *op, PGresult **ret);

/*
 * The same with a COMMIT behind the last statement, when a transaction is
 * open. Fails FAIL_UNAVAILABLE "outcome_unknown", whatever the server said
 * before, when the connection breaks before the COMMIT's answer.
 */
MUST_CHECK bool conn_commit(struct op *op, PGresult **ret);

/*
 * Sends COMMIT and does not wait for its answer, which the next op reads.
 * Nothing may be pending. Never fails: at worst the connection is closed.
 */
void conn_leave(struct op *op);

/* The same as conn_sync(), the last statement's rows one by one. */
MUST_CHECK bool conn_stream(struct op *op, db_row_fn fn, void *ctx);

/* Reads off what was queued and rolls an open transaction back. */
void conn_settle(struct op *op);

/* Queues SET LOCAL app.tenant_id for db->tenant_id. */
MUST_CHECK bool conn_send_tenant(struct op *op);

/* Closes the connection and forgets all that hung on it. */
void conn_drop(struct db *db);

#endif
