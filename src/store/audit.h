/*
 * The audit log: what people did to settings, keys, customers and
 * playbooks. Rows are appended unsealed; the maintain stage puts them into
 * the hash chain, over a salted hash of the payload.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "base/op.h"

/*
 * Queues one row of op->tenant_id, in the caller's transaction. actor is
 * auth_actor() or 'batch'; action a slug such as "settings.kill_switch";
 * object its id, or NULL; before and after JSON texts, or NULL. Texts are
 * borrowed until the next verb. Never give it a secret.
 */
MUST_CHECK bool audit_put(struct op *op, const char *actor, const char *action,
			  const char *object, const char *before,
			  const char *after);

#endif
