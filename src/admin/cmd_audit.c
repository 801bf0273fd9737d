/*
 * retivo-admin audit verify: reads the hash chains of both logs, of one
 * tenant or of all. A line each on stdout; the first fault of each on
 * stdout too, and the exit status tells that there was one.
 */
#include "admin/admin.h"

#include "db/db.h"
#include "db/db_tx.h"
#include "store/seal.h"

static void print_fault(struct op *op, enum seal_log log,
			const struct seal_check *check)
{
	static const char *const words[] = {
		[SEAL_CHANGED] = "was changed",
		[SEAL_REMOVED] = "was removed",
		[SEAL_INSERTED] = "was inserted",
	};

	printf("tenant=%lld log=%s FAULT row seq=%lld%s%s %s\n",
	       (long long)op->tenant_id, seal_log_name(log),
	       (long long)check->seq, check->id == NULL ? "" : " id=",
	       check->id == NULL ? "" : check->id, words[check->fault]);
}

static bool verify_log(struct op *op, enum seal_log log, int64_t *ret_faults)
{
	struct seal_check check;

	if (!db_begin(op) || !db_defer(op, "SET LOCAL statement_timeout = 0") ||
	    !seal_verify(op, log, &check) || !db_commit(op))
		return false;
	if (check.fault != SEAL_WHOLE) {
		print_fault(op, log, &check);
		*ret_faults += 1;
		return true;
	}
	printf("tenant=%lld log=%s rows=%lld unsealed=%lld hash=%s\n",
	       (long long)op->tenant_id, seal_log_name(log),
	       (long long)check.count, (long long)check.unsealed,
	       check.hash == NULL ? "none" : check.hash);
	return true;
}

static bool verify_tenant(struct op *op, int64_t *ret_faults)
{
	for (int log = 0; log < SEAL_LOGS; log++) {
		if (!verify_log(op, (enum seal_log)log, ret_faults))
			return false;
	}
	return true;
}

bool cmd_audit_verify(struct op *op, int argc, char **argv)
{
	int64_t tenant_id = 0, faults = 0;
	const struct admin_option options[] = {
		{ "--tenant", .ret_number = &tenant_id },
	};
	struct db_rows tenants;

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), NULL, 0))
		return false;
	if (tenant_id != 0 && !admin_use_tenant(op, tenant_id))
		return false;
	if (!db_list(op, &tenants,
		     "SELECT tenant_id FROM tenants"
		     " WHERE $1 = 0 OR tenant_id = $1 ORDER BY tenant_id",
		     ARG_I64(tenant_id)))
		return false;
	db_each (row, &tenants) {
		op->tenant_id = db_i64(&row, "tenant_id");
		if (!verify_tenant(op, &faults))
			return false;
	}
	if (faults > 0)
		return op_fail(op, FAIL_CONFLICT, "log_changed",
			       "%lld logs do not fit their hash chain",
			       (long long)faults);
	return true;
}
