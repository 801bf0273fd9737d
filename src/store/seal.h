/*
 * The hash chain of a tenant's log: intervention_log and audit_log rows are
 * appended unsealed (seq NULL) by whoever acts, and sealed in order by the
 * batch's maintain stage, within about a minute. Until then a row can be
 * changed unseen; verify tells how many wait.
 *
 *   content_hash = SHA-256 of the row's salt and what erasure may take: the
 *                  reason of a transition; object, before, after of an
 *                  audit row (transition_content(), audit_content())
 *   payload_hash = SHA-256 of the JSON array of the other columns and the
 *                  content_hash
 *   hash         = SHA-256 of prev_hash ‖ payload_hash ‖ seq as 8 bytes,
 *                  big-endian
 *
 * A plain chain: the first row's prev_hash is 32 zero bytes and its seq 1,
 * so each hash fixes all rows before it. The three kinds of input cannot be
 * taken for each other: content begins with the salt, a payload with '[',
 * a link is always 72 bytes.
 *
 * Erasing puts the content_hash (32 bytes) in the place of the salt (16) and
 * empties the content: the chain stays whole, every other column stays
 * covered, and without the salt the content cannot be guessed.
 *
 * log_heads remembers the last sealed row, so that rows cut off or put
 * behind it show. Whoever can rewrite both logs and heads can make a new
 * chain; keep the hash that `retivo-admin audit verify` prints elsewhere to
 * be sure.
 */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include "base/op.h"

enum seal_log { SEAL_INTERVENTION_LOG, SEAL_AUDIT_LOG };
#define SEAL_LOGS 2

/* static: the table's name. */
const char *seal_log_name(enum seal_log log);

/*
 * Seals at most max rows of op->tenant_id in the caller's transaction;
 * ret_count: how many. Only one caller at a time may seal a tenant.
 */
MUST_CHECK bool seal_rows(struct op *op, enum seal_log log, int64_t max,
			  int64_t *ret_count);

enum seal_fault { SEAL_WHOLE, SEAL_CHANGED, SEAL_REMOVED, SEAL_INSERTED };

struct seal_check {
	enum seal_fault fault;
	int64_t seq;	  /* of the first fault */
	const char *id;	  /* its row, NULL when there is none; borrowed */
	int64_t count;	  /* sealed rows */
	int64_t unsealed; /* rows that wait for maintain */
	const char *hash; /* hex, of the last row; NULL: no rows; borrowed */
};

/*
 * Reads the whole chain of op->tenant_id in one statement. Rows whose
 * content was erased count as whole.
 */
MUST_CHECK bool seal_verify(struct op *op, enum seal_log log,
			    struct seal_check *ret);

#endif
