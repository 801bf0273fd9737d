/*
 * API keys and sessions: making and ending them. Checking one is
 * api/auth.h's. Only keyed hashes of the token texts are stored.
 *
 * All run inside the caller's transaction on op->tenant_id, at op->now_us.
 */
#ifndef STORE_PRINCIPAL_H
#define STORE_PRINCIPAL_H

#include "base/op.h"
#include "db/db_row.h"

/*
 * A new key of op->tenant_id, whose mode ("live" or "test") is in its
 * prefix. ret has id, prefix, label, scope, last_used_at, created_at;
 * *ret_secret (arena) is the whole key, to be shown once.
 */
MUST_CHECK bool api_key_create(struct op *op, const char *actor,
			       const char *mode, const char *label,
			       const char *scope, struct db_row *ret,
			       const char **ret_secret);

/* The keys that are not revoked, oldest first; columns as above. */
MUST_CHECK bool api_key_rows(struct op *op, struct db_rows *ret);

/* Fails: FAIL_NOT_FOUND, also when it is revoked already. */
MUST_CHECK bool api_key_revoke(struct op *op, const char *actor,
			       const char *id);

/*
 * A session of a person who is a member of op->tenant_id. *ret_token
 * (arena) is its text.
 */
MUST_CHECK bool session_create(struct op *op, const char *person_id,
			       int64_t expires_us, const char **ret_token);

/* Ends one session; an unknown id is fine. */
MUST_CHECK bool session_end(struct op *op, const char *id);

#endif
