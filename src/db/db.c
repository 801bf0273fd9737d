/*
 * The verbs: encode, queue, sync, shape the result. Each runs its statement
 * in the open transaction, or alone when none is open.
 */
#include "db/db.h"

#include "db/conn.h"
#include "db/db_error.h"
#include "db/db_tx.h"
#include "db/sql.h"

#include <assert.h>
#include <stdlib.h>

struct db *db_new(const char *url, const char *name, int64_t connect_timeout_s,
		  int64_t statement_timeout_ms)
{
	/* Lives with the process, so it has an arena to itself. */
	struct arena *arena = arena_new();
	struct db *db = ARENA_NEW(arena, struct db);

	db->arena = arena;
	db->url = url;
	db->name = name;
	db->connect_timeout_s = connect_timeout_s;
	db->statement_timeout_ms = statement_timeout_ms;
	return db;
}

void db_free(struct db *db)
{
	if (db == NULL)
		return;
	conn_drop(db);
	arena_free(db->arena);
}

static bool run(struct op *op, const char *sql, const struct db_arg *args,
		size_t count, enum conn_plan plan, PGresult **ret)
{
	return conn_ready(op) && conn_send(op, sql, args, count, plan) &&
	       conn_sync(op, ret);
}

static struct db_rows all_rows(PGresult *result)
{
	return (struct db_rows){ result, (size_t)PQntuples(result) };
}

static bool one_row(struct op *op, struct db_row *ret, PGresult *result)
{
	if (PQntuples(result) == 0)
		return op_fail(op, FAIL_NOT_FOUND, "not_found", "not found");
	assert(PQntuples(result) == 1);
	*ret = (struct db_row){ result, 0 };
	return true;
}

bool db_one_(struct op *op, struct db_row *ret, const char *sql,
	     const struct db_arg *args, size_t count)
{
	PGresult *result;

	return run(op, sql, args, count, CONN_PREPARED, &result) &&
	       one_row(op, ret, result);
}

bool db_opt_(struct op *op, struct db_row *ret, const char *sql,
	     const struct db_arg *args, size_t count)
{
	PGresult *result;

	if (!run(op, sql, args, count, CONN_PREPARED, &result))
		return false;
	assert(PQntuples(result) <= 1);
	*ret = (struct db_row){ PQntuples(result) > 0 ? result : NULL, 0 };
	return true;
}

bool db_rows_(struct op *op, struct db_rows *ret, const char *sql,
	      const struct db_arg *args, size_t count)
{
	PGresult *result;

	if (!run(op, sql, args, count, CONN_PREPARED, &result))
		return false;
	*ret = all_rows(result);
	return true;
}

bool db_list_(struct op *op, struct db_rows *ret, const char *sql,
	      const struct db_arg *args, size_t count)
{
	PGresult *result;

	if (!run(op, sql, args, count, CONN_UNPREPARED, &result))
		return false;
	*ret = all_rows(result);
	return true;
}

bool db_ask_(struct op *op, struct db_rows *ret, const char *sql,
	     const struct db_arg *args, size_t count)
{
	return conn_ready(op) && conn_ask(op, ret, sql, args, count);
}

static void affected(PGresult *result, int64_t *ret)
{
	if (ret != NULL)
		*ret = strtoll(PQcmdTuples(result), NULL, 10);
}

bool db_exec_(struct op *op, int64_t *ret, const char *sql,
	      const struct db_arg *args, size_t count)
{
	PGresult *result;

	if (!run(op, sql, args, count, CONN_PREPARED, &result))
		return false;
	affected(result, ret);
	return true;
}

bool db_defer_(struct op *op, void *ret, const char *sql,
	       const struct db_arg *args, size_t count)
{
	(void)ret;
	return conn_ready(op) && conn_send(op, sql, args, count, CONN_PREPARED);
}

bool db_one_commit_(struct op *op, struct db_row *ret, const char *sql,
		    const struct db_arg *args, size_t count)
{
	PGresult *result;

	if (!conn_ready(op) || !conn_send(op, sql, args, count, CONN_PREPARED))
		return false;
	if (!conn_commit(op, &result))
		return false;
	return one_row(op, ret, result);
}

bool db_stream_(struct op *op, db_row_fn fn, void *ctx, const char *sql,
		const struct db_arg *args, size_t count)
{
	return conn_ready(op) &&
	       conn_send(op, sql, args, count, CONN_UNPREPARED) &&
	       conn_stream(op, fn, ctx);
}

static bool run_sql(struct op *op, const struct sql *sql, PGresult **ret)
{
	if (!sql_ok(sql))
		return op_fail(op, FAIL_INVALID, "too_complex",
			       "the conditions are too large");
	return run(op, sql->text.bytes, sql->args, sql->arg_count,
		   sql->keep ? CONN_KEPT_TEXT : CONN_UNPREPARED, ret);
}

bool db_rows_sql(struct op *op, struct db_rows *ret, const struct sql *sql)
{
	PGresult *result;

	if (!run_sql(op, sql, &result))
		return false;
	*ret = all_rows(result);
	return true;
}

bool db_one_sql(struct op *op, struct db_row *ret, const struct sql *sql)
{
	PGresult *result;

	return run_sql(op, sql, &result) && one_row(op, ret, result);
}

bool db_exec_sql(struct op *op, int64_t *ret, const struct sql *sql)
{
	PGresult *result;

	if (!run_sql(op, sql, &result))
		return false;
	affected(result, ret);
	return true;
}

bool db_stream_sql(struct op *op, db_row_fn fn, void *ctx,
		   const struct sql *sql)
{
	if (!sql_ok(sql))
		return op_fail(op, FAIL_INVALID, "too_complex",
			       "the conditions are too large");
	return db_stream_(op, fn, ctx, sql->text.bytes, sql->args,
			  sql->arg_count);
}

bool db_script(struct op *op, const char *script)
{
	struct db *db = op->db;

	if (!conn_ready(op))
		return false;
	assert(db->pending_count == 0);
	/* Many statements in one text: not possible in pipeline mode. */
	if (!PQexitPipelineMode(db->conn))
		return op_fail(op, FAIL_INTERNAL, "pipeline", "pipeline busy");
	PGresult *result = PQexec(db->conn, script);
	ExecStatusType status = PQresultStatus(result);
	bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

	if (!ok)
		db_fail(op, result, db->conn);
	PQclear(result);
	if (!PQenterPipelineMode(db->conn))
		conn_drop(db);
	return ok;
}
