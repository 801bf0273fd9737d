/*
 * retivo-admin egress: the exact bytes that a decision or a dry-run sent to
 * the model, or what came back, and nothing else on stdout.
 */
#include "admin/admin.h"

#include "base/parse.h"
#include "db/db.h"
#include "db/db_tx.h"

/* The id alone tells the tenant: this role may look over all of them. */
static bool find_call(struct op *op, const char *id, bool received,
		      struct db_row *ret)
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
	return db_begin(op) &&
	       db_one(op, ret,
		      "SELECT CASE WHEN $3 THEN received ELSE sent END AS bytes"
		      " FROM model_calls WHERE tenant_id = $1 AND id = $2",
		      ARG_I64(op->tenant_id), ARG_UUID(id),
		      ARG_BOOL(received)) &&
	       db_commit(op);
}

bool cmd_egress(struct op *op, int argc, char **argv)
{
	const unsigned char *bytes;
	const char *id = NULL;
	bool received = false;
	struct db_row row;
	size_t len;
	const struct admin_option options[] = {
		{ "--received", .ret_flag = &received },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), &id, 1))
		return false;
	if (id == NULL || !parse_is_uuid(id))
		return admin_usage(op, "DECISION is missing or no id");
	if (!find_call(op, id, received, &row))
		return false;
	if (db_is_null(&row, "bytes"))
		return op_fail(op, FAIL_NOT_FOUND, "no_bytes",
			       received ? "no answer came, or it was erased"
					: "the bytes were erased with the"
					  " customer");
	bytes = db_bytea(op, &row, "bytes", &len);
	if (fwrite(bytes, 1, len, stdout) != len)
		return op_fail(op, FAIL_INTERNAL, "stdout",
			       "stdout cannot be written");
	return true;
}
