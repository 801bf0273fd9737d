/*
 * retivo-admin egress: the exact bytes that a decision or a dry-run sent to
 * the model, or what an attempt brought, and nothing else on stdout; or a
 * list of the attempts.
 */
#include "admin/admin.h"

#include "base/parse.h"
#include "db/db.h"
#include "db/db_tx.h"

/* The id alone tells the tenant: this role may look over all of them. */
static bool find_call(struct op *op, const char *id, struct db_row *ret)
{
	struct db_row row;

	if (!db_opt(op, &row, "SELECT tenant_id FROM model_calls WHERE id = $1",
		    ARG_UUID(id)))
		return false;
	if (!db_found(&row))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no call to a model has this id: the built-in"
			       " planner decided, or it is too old");
	op->tenant_id = db_i64(&row, "tenant_id");
	if (!db_begin(op) || !db_one(op, ret,
				     "SELECT sent, attempts FROM model_calls"
				     " WHERE tenant_id = $1 AND id = $2",
				     ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	return !db_is_null(ret, "sent") ||
	       op_fail(op, FAIL_NOT_FOUND, "no_bytes",
		       "the bytes were erased with the customer");
}

static bool print_bytes(struct op *op, const struct db_row *row,
			const char *column)
{
	size_t len;
	const unsigned char *bytes = db_bytea(op, row, column, &len);

	if (fwrite(bytes, 1, len, stdout) != len)
		return op_fail(op, FAIL_INTERNAL, "stdout",
			       "stdout cannot be written");
	return true;
}

static bool print_answer(struct op *op, const char *id, int64_t attempt,
			 int64_t attempts)
{
	struct db_row row;

	if (attempt > attempts)
		return op_fail(op, FAIL_NOT_FOUND, "no_bytes",
			       "it took %lld attempts", (long long)attempts);
	if (!db_one(op, &row,
		    "SELECT received[$3::bigint] AS received FROM model_calls"
		    " WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id), ARG_I64(attempt)))
		return false;
	if (db_is_null(&row, "received"))
		return op_fail(op, FAIL_NOT_FOUND, "no_bytes",
			       "attempt %lld of %lld brought no answer",
			       (long long)attempt, (long long)attempts);
	return print_bytes(op, &row, "received");
}

static bool print_attempts(struct op *op, const char *id)
{
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT x.n, octet_length(x.r) AS bytes FROM model_calls,"
		     " unnest(received) WITH ORDINALITY x (r, n)"
		     " WHERE tenant_id = $1 AND id = $2 ORDER BY x.n",
		     ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	db_each (row, &rows)
		if (db_is_null(&row, "bytes"))
			printf("attempt %s: no answer\n", db_text(&row, "n"));
		else
			printf("attempt %s: %s bytes\n", db_text(&row, "n"),
			       db_text(&row, "bytes"));
	return true;
}

bool cmd_egress(struct op *op, int argc, char **argv)
{
	const char *id = NULL;
	bool received = false, list = false, done;
	int64_t attempt = 0;
	struct db_row row;
	const struct admin_option options[] = {
		{ "--received", .ret_flag = &received },
		{ "--attempt", .ret_number = &attempt },
		{ "--attempts", .ret_flag = &list },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), &id, 1))
		return false;
	if (id == NULL || !parse_is_uuid(id))
		return admin_usage(op, "DECISION is missing or no id");
	if (received + list + (attempt > 0) > 1)
		return admin_usage(op, "one of --received, --attempt and"
				       " --attempts alone");
	if (!find_call(op, id, &row))
		return false;
	if (received)
		attempt = db_i64(&row, "attempts");
	if (list)
		done = print_attempts(op, id);
	else if (attempt > 0)
		done = print_answer(op, id, attempt, db_i64(&row, "attempts"));
	else
		done = print_bytes(op, &row, "sent");
	return done && db_commit(op);
}
