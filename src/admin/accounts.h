/*
 * Tenants, their people and keys, as the operator makes them: the same
 * steps for the commands and the demo. All run inside the caller's
 * transaction as the admin role and write the audit log as "operator".
 */
#ifndef ADMIN_ACCOUNTS_H
#define ADMIN_ACCOUNTS_H

#include "base/op.h"

struct account_tenant {
	const char *name;
	const char *slug;     /* NULL: none */
	const char *timezone; /* NULL: UTC */
	const char *config;   /* JSON object; NULL: {} */
	const char *brand;    /* JSON object or NULL */
};

/*
 * A live tenant and its test twin with the same settings. Sets
 * op->tenant_id to the live one. Fails: FAIL_INVALID for an unknown zone.
 */
MUST_CHECK bool account_tenant_add(struct op *op,
				   const struct account_tenant *in,
				   int64_t *ret_live, int64_t *ret_test);

/*
 * A person with role in op->tenant_id and its twin; both are found from
 * either. An existing person keeps the password when password is NULL; a
 * new one then gets a generated one. ret_password is arena, NULL when the
 * old one stays. Fails: FAIL_INVALID.
 */
MUST_CHECK bool account_member_add(struct op *op, const char *email,
				   const char *name, const char *role,
				   const char *password,
				   const char **ret_password);

/*
 * An API key of op->tenant_id; the prefix tells live from test. ret_key is
 * arena: shown once, only its hash is stored. Fails: FAIL_INVALID.
 */
MUST_CHECK bool account_key_add(struct op *op, const char *scope,
				const char *label, const char **ret_key);

/* Queues an audit row of op->tenant_id by "operator". */
MUST_CHECK bool account_audit(struct op *op, const char *action,
			      const char *object);

#endif
