/*
 * PostgreSQL: one connection a process, opened after fork, and the query
 * verbs. Only this layer sees libpq, SQLSTATE and PGresult.
 *
 * Statements are string literals (the macros do not compile otherwise) or
 * a struct sql (db/sql.h) that is itself made of literals; values go in
 * only as typed arguments $1..$n:
 *
 *   if (!db_one(op, &row, "SELECT name FROM customers"
 *               " WHERE tenant_id = $1 AND user_id = $2",
 *               ARG_I64(op->tenant_id), ARG_TEXT(user_id)))
 *           return false;
 *
 * Every statement on tenant data names tenant_id in its WHERE and runs in a
 * transaction that set app.tenant_id (db_tx.h), so row-level security binds
 * it a second time.
 *
 * The connection is always in pipeline mode: a statement given to
 * db_defer() waits and travels with the next verb in one round trip.
 *
 * Fail codes of all verbs: by SQLSTATE (db_error.h); FAIL_UNAVAILABLE
 * "database_unavailable" while the server is away (never a hang: connect
 * and statement timeouts, back-off between attempts).
 * Results are arena: they live until the op ends.
 */
#ifndef DB_DB_H
#define DB_DB_H

#include "base/op.h"
#include "db/db_row.h"

struct db;
struct sql;

enum db_arg_kind {
	DB_I64,
	DB_TEXT,
	DB_BOOL,
	DB_DOUBLE,
	DB_TIME,  /* int64_t µs UTC → timestamptz */
	DB_DAY,	  /* the same → date, the UTC day it lies in */
	DB_UUID,  /* canonical text */
	DB_JSON,  /* text → jsonb */
	DB_BYTES, /* bytea */
	DB_TEXTS,
	DB_I64S,
	DB_DOUBLES,
	DB_BOOLS,
	DB_TIMES,
	DB_UUIDS,
	DB_JSONS,
	DB_BYTESS, /* bytea[] of struct db_bytes */
};

struct db_bytes {
	const void *bytes; /* NULL: SQL null */
	size_t len;
};

struct db_arg {
	enum db_arg_kind kind;
	bool null;
	size_t len; /* bytes of DB_BYTES, elements of an array */
	union {
		int64_t i64;
		double f64;
		bool b;
		const void *ptr;
	} v;
};

/* A NULL pointer is SQL null. Array elements that are NULL are null. */
#define ARG_I64(x)	  ((struct db_arg){ .kind = DB_I64, .v.i64 = (x) })
#define ARG_BOOL(x)	  ((struct db_arg){ .kind = DB_BOOL, .v.b = (x) })
#define ARG_DOUBLE(x)	  ((struct db_arg){ .kind = DB_DOUBLE, .v.f64 = (x) })
#define ARG_TIME(x)	  ((struct db_arg){ .kind = DB_TIME, .v.i64 = (x) })
#define ARG_DAY(x)	  ((struct db_arg){ .kind = DB_DAY, .v.i64 = (x) })
#define ARG_TEXT(x)	  db_arg_text(DB_TEXT, (x))
#define ARG_UUID(x)	  db_arg_text(DB_UUID, (x))
#define ARG_JSON(x)	  db_arg_text(DB_JSON, (x))
#define ARG_BYTES(p, n)	  db_arg_array(DB_BYTES, (p), (n))
#define ARG_NULL(k)	  ((struct db_arg){ .kind = (k), .null = true })
#define ARG_TEXTS(p, n)	  db_arg_array(DB_TEXTS, db_check_texts(p), (n))
#define ARG_UUIDS(p, n)	  db_arg_array(DB_UUIDS, db_check_texts(p), (n))
#define ARG_JSONS(p, n)	  db_arg_array(DB_JSONS, db_check_texts(p), (n))
#define ARG_I64S(p, n)	  db_arg_array(DB_I64S, db_check_i64s(p), (n))
#define ARG_TIMES(p, n)	  db_arg_array(DB_TIMES, db_check_i64s(p), (n))
#define ARG_DOUBLES(p, n) db_arg_array(DB_DOUBLES, db_check_doubles(p), (n))
#define ARG_BOOLS(p, n)	  db_arg_array(DB_BOOLS, db_check_bools(p), (n))
#define ARG_BYTESS(p, n)  db_arg_array(DB_BYTESS, db_check_bytess(p), (n))
/* Nullable scalar: SQL null unless has. */
#define ARG_I64_IF(has, x)    ((has) ? ARG_I64(x) : ARG_NULL(DB_I64))
#define ARG_BOOL_IF(has, x)   ((has) ? ARG_BOOL(x) : ARG_NULL(DB_BOOL))
#define ARG_DOUBLE_IF(has, x) ((has) ? ARG_DOUBLE(x) : ARG_NULL(DB_DOUBLE))
#define ARG_TIME_IF(has, x)   ((has) ? ARG_TIME(x) : ARG_NULL(DB_TIME))

/* The null of times in an array (a time that cannot occur). */
#define DB_TIME_NULL INT64_MIN

static inline struct db_arg db_arg_text(enum db_arg_kind kind, const char *t)
{
	return (struct db_arg){ .kind = kind, .null = t == NULL, .v.ptr = t };
}
static inline struct db_arg db_arg_array(enum db_arg_kind kind, const void *p,
					 size_t len)
{
	return (struct db_arg){
		.kind = kind, .null = p == NULL, .len = len, .v.ptr = p
	};
}
/* Compile-time checks of the element type. */
static inline const void *db_check_texts(const char *const *p)
{
	return p;
}
static inline const void *db_check_i64s(const int64_t *p)
{
	return p;
}
static inline const void *db_check_doubles(const double *p)
{
	return p;
}
static inline const void *db_check_bools(const bool *p)
{
	return p;
}
static inline const void *db_check_bytess(const struct db_bytes *p)
{
	return p;
}

/* A sentinel in front makes the empty list legal C. */
#define DB_ARGS(...) ((const struct db_arg[]){ { 0 }, ##__VA_ARGS__ })
#define DB_CALL(fn, op, ret, sql, ...)                                         \
	fn((op), (ret), "" sql "", DB_ARGS(__VA_ARGS__) + 1,                   \
	   ARRAY_LEN(DB_ARGS(__VA_ARGS__)) - 1)

/* Exactly one row; none fails FAIL_NOT_FOUND "not_found". */
#define db_one(op, ret, sql, ...) DB_CALL(db_one_, op, ret, sql, ##__VA_ARGS__)
/* One row or none: ret->rows is NULL when there is none. */
#define db_opt(op, ret, sql, ...) DB_CALL(db_opt_, op, ret, sql, ##__VA_ARGS__)
/* Any number of rows. Prepared on first use, by the literal's address. */
#define db_rows(op, ret, sql, ...)                                             \
	DB_CALL(db_rows_, op, ret, sql, ##__VA_ARGS__)
/*
 * The same, planned anew each time: for statements with optional filters
 * ($2::text IS NULL OR plan = $2), where a generic plan would be slow.
 */
#define db_list(op, ret, sql, ...)                                             \
	DB_CALL(db_list_, op, ret, sql, ##__VA_ARGS__)
/* No rows wanted; ret (may be NULL) gets the number of rows affected. */
#define db_exec(op, ret, sql, ...)                                             \
	DB_CALL(db_exec_, op, ret, sql, ##__VA_ARGS__)
/*
 * The same, asked now and answered with the next verb, in the same round
 * trip: *ret is set, or the failure is that verb's failure. For a handler
 * that wants several lists.
 */
#define db_ask(op, ret, sql, ...) DB_CALL(db_ask_, op, ret, sql, ##__VA_ARGS__)
/*
 * Queues a statement: it is sent with the next verb, in the same round
 * trip, and its failure is that verb's failure.
 */
#define db_defer(op, sql, ...) DB_CALL(db_defer_, op, NULL, sql, ##__VA_ARGS__)
/* db_one and the COMMIT of the open transaction in one round trip. */
#define db_one_commit(op, ret, sql, ...)                                       \
	DB_CALL(db_one_commit_, op, ret, sql, ##__VA_ARGS__)

/*
 * Calls fn for each row as it arrives, in bounded memory (single-row mode).
 * fn returns false to stop (after op_fail); no other verb may run in fn.
 */
typedef bool (*db_row_fn)(struct op *op, const struct db_row *row, void *ctx);
#define db_stream(op, fn, ctx, sql, ...)                                       \
	db_stream_((op), (fn), (ctx), "" sql "", DB_ARGS(__VA_ARGS__) + 1,     \
		   ARRAY_LEN(DB_ARGS(__VA_ARGS__)) - 1)

/* The same verbs for a statement made by db/sql.h; prepared if sql_keep(). */
MUST_CHECK bool db_rows_sql(struct op *op, struct db_rows *ret,
			    const struct sql *sql);
MUST_CHECK bool db_one_sql(struct op *op, struct db_row *ret,
			   const struct sql *sql);
MUST_CHECK bool db_exec_sql(struct op *op, int64_t *ret, const struct sql *sql);
MUST_CHECK bool db_stream_sql(struct op *op, db_row_fn fn, void *ctx,
			      const struct sql *sql);

MUST_CHECK bool db_one_(struct op *, struct db_row *, const char *,
			const struct db_arg *, size_t);
MUST_CHECK bool db_opt_(struct op *, struct db_row *, const char *,
			const struct db_arg *, size_t);
MUST_CHECK bool db_rows_(struct op *, struct db_rows *, const char *,
			 const struct db_arg *, size_t);
MUST_CHECK bool db_list_(struct op *, struct db_rows *, const char *,
			 const struct db_arg *, size_t);
MUST_CHECK bool db_ask_(struct op *, struct db_rows *, const char *,
			const struct db_arg *, size_t);
MUST_CHECK bool db_exec_(struct op *, int64_t *, const char *,
			 const struct db_arg *, size_t);
MUST_CHECK bool db_defer_(struct op *, void *, const char *,
			  const struct db_arg *, size_t);
MUST_CHECK bool db_one_commit_(struct op *, struct db_row *, const char *,
			       const struct db_arg *, size_t);
MUST_CHECK bool db_stream_(struct op *, db_row_fn, void *, const char *,
			   const struct db_arg *, size_t);

/* Runs a script of many statements (schema.sql), outside a transaction. */
MUST_CHECK bool db_script(struct op *op, const char *script);

/*
 * owned: free with db_free(). Does not connect yet: the first verb does,
 * so that a server that is away is a failure of an op, not of the program.
 * url is a libpq connection string, borrowed; name is the application_name.
 */
struct db *db_new(const char *url, const char *name, int64_t connect_timeout_s,
		  int64_t statement_timeout_ms);
void db_free(struct db *db);

/*
 * Ends an op on this connection: an open transaction is rolled back, queued
 * statements are dropped. To be called between ops, also after success.
 */
void db_finish(struct op *op);

#endif
