/*
 * Transactions. BEGIN costs no round trip of its own: it is sent in front
 * of the first statement, and not at all when there is none.
 */
#include "db/db_tx.h"

#include "db/conn.h"
#include "db/db_error.h"

#include <assert.h>

#define TRIES_MAX 3

bool db_begin(struct op *op)
{
	struct db *db = op->db;

	assert(!db->begun);
	if (op_failed(op))
		return false;
	db->begun = true;
	db->begin_sent = false;
	db->tenant_id = op->tenant_id;
	return true;
}

bool db_set_tenant(struct op *op, int64_t tenant_id)
{
	struct db *db = op->db;

	op->tenant_id = tenant_id;
	db->tenant_id = tenant_id;
	if (!db->begin_sent)
		return true;
	return conn_ready(op) && conn_send_tenant(op);
}

bool db_commit(struct op *op)
{
	struct db *db = op->db;

	if (op_failed(op))
		return false;
	if (!db->begun)
		return true; /* db_one_commit() did it */
	if (!db->begin_sent) {
		db->begun = false;
		return true;
	}
	return conn_ready(op) && conn_commit(op, NULL);
}

bool db_leave(struct op *op)
{
	if (op_failed(op))
		return false;
	if (!op->db->begin_sent || op->db->pending_count > 0)
		return db_commit(op);
	conn_leave(op);
	return true;
}

void db_rollback(struct op *op)
{
	if (op->db != NULL)
		conn_settle(op);
}

void db_finish(struct op *op)
{
	db_rollback(op);
}

bool db_may_retry(const struct op *op)
{
	return op->fail.kind == FAIL_CONFLICT && streq(op->fail.code, "retry");
}

bool db_tx(struct op *op, db_tx_fn fn, void *ctx)
{
	for (int try = 1;; try++) {
		if (db_begin(op) && fn(op, ctx) && db_commit(op))
			return true;
		db_rollback(op);
		if (!db_may_retry(op) || try == TRIES_MAX)
			return false;
		op_clear(op);
	}
}
