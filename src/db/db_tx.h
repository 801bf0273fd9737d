/*
 * Transactions, always bound to a tenant.
 *
 * db_begin() queues BEGIN and SET LOCAL app.tenant_id with op->tenant_id
 * (0: none, then no tenant row is visible); they travel with the first
 * verb. db_finish() rolls back what was not committed.
 */
#ifndef DB_DB_TX_H
#define DB_DB_TX_H

#include "base/op.h"

MUST_CHECK bool db_begin(struct op *op);

/*
 * Sets op->tenant_id and, in the open transaction, app.tenant_id: for the
 * few ops that learn their tenant on the way (sign-in).
 */
MUST_CHECK bool db_set_tenant(struct op *op, int64_t tenant_id);

/*
 * Fails: FAIL_UNAVAILABLE "outcome_unknown" when the connection broke after
 * COMMIT was sent and no answer to it came.
 */
MUST_CHECK bool db_commit(struct op *op);

/*
 * Ends a transaction that only read: COMMIT is sent but not waited for, so
 * it costs no round trip. Fails as the statements that were still queued.
 */
MUST_CHECK bool db_leave(struct op *op);

/* Drops the open transaction; never fails. */
void db_rollback(struct op *op);

/*
 * True when the op failed by a deadlock, a serialization failure or a schema
 * that changed meanwhile: the same transaction may go well now.
 */
bool db_may_retry(const struct op *op);

typedef bool (*db_tx_fn)(struct op *op, void *ctx);

/*
 * begin, fn, commit; on a serialization failure or deadlock rolls back and
 * tries again, at most three times. fn must set its results anew each time.
 */
MUST_CHECK bool db_tx(struct op *op, db_tx_fn fn, void *ctx);

#endif
