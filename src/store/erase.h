/*
 * Erasing a customer (GDPR, article 17): every personal field goes, the
 * counts that analytics need stay without a name, and a keyed hash of the
 * user id keeps the customer from being made again.
 *
 * All run inside the caller's transaction on op->tenant_id.
 */
#ifndef STORE_ERASE_H
#define STORE_ERASE_H

#include "base/op.h"
#include "db/db_row.h"

/*
 * Erases user_id. ret, the receipt: erased_at, and rows, a JSON object of
 * table: rows deleted or emptied. Asked again it is the first receipt.
 * Waits for the chunk that the batch is working on, so it comes before
 * anything is locked. Fails: FAIL_NOT_FOUND.
 */
MUST_CHECK bool customer_erase(struct op *op, const char *actor,
			       const char *user_id, struct db_row *ret);

/*
 * Queues a lock that keeps erasures of op->tenant_id away until the
 * transaction ends: what it reads of a customer may be written back.
 */
MUST_CHECK bool erasures_hold_off(struct op *op);

#endif
