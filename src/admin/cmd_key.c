/*
 * retivo-admin key create and revoke. The secret is alone on stdout, so
 * that a script can catch it; the id is shown on stderr.
 */
#include "admin/accounts.h"
#include "admin/admin.h"
#include "base/parse.h"
#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"

bool cmd_key_create(struct op *op, int argc, char **argv)
{
	const char *scope = NULL, *label = NULL, *key;
	int64_t tenant_id = 0;
	const struct admin_option options[] = {
		{ "--tenant", .ret_number = &tenant_id },
		{ "--scope", .ret_text = &scope },
		{ "--label", .ret_text = &label },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), NULL, 0))
		return false;
	if (scope == NULL)
		return admin_usage(op, "--scope is missing");
	if (!admin_use_tenant(op, tenant_id) || !db_begin(op) ||
	    !account_key_add(op, scope, label, &key) || !db_commit(op))
		return false;
	puts(key);
	return true;
}

bool cmd_key_revoke(struct op *op, int argc, char **argv)
{
	const char *id = NULL;
	int64_t tenant_id = 0, done;
	const struct admin_option options[] = {
		{ "--tenant", .ret_number = &tenant_id },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), &id, 1))
		return false;
	if (id == NULL || !parse_is_uuid(id))
		return admin_usage(op, "ID must be the id of a key");
	if (!admin_use_tenant(op, tenant_id) || !db_begin(op) ||
	    !db_exec(op, &done,
		     "UPDATE api_keys SET revoked_at = $3"
		     " WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL",
		     ARG_I64(op->tenant_id), ARG_UUID(id),
		     ARG_TIME(op->now_us)))
		return false;
	if (done == 0)
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "the tenant has no such key in use");
	if (!account_audit(op, "key.revoke", id) || !db_commit(op))
		return false;
	puts("revoked");
	return true;
}
