/*
 * The hash chain of a tenant's log: intervention_log and audit_log rows are
 * appended unsealed (seq NULL) by whoever acts, and sealed in order by the
 * batch's maintain stage, within about a minute.
 *
 *   payload_hash = SHA-256 of the row's JSON array (SEAL_… in seal.c; for
 *                  audit_log with the row's salt in front)
 *   hash         = SHA-256 of prev_hash ‖ payload_hash ‖ seq as 8 bytes,
 *                  big-endian
 *
 * The first row's prev_hash is 32 zero bytes and its seq 1. The chain holds
 * hashes only, so erasing a payload together with its salt leaves it whole.
 */
#ifndef STORE_SEAL_H
#define STORE_SEAL_H

#include "base/op.h"

enum seal_log { SEAL_INTERVENTION_LOG, SEAL_AUDIT_LOG };

/*
 * Seals at most max rows of op->tenant_id in the caller's transaction;
 * ret_count: how many. Only one caller at a time may seal a tenant.
 */
MUST_CHECK bool seal_rows(struct op *op, enum seal_log log, int64_t max,
			  int64_t *ret_count);

/*
 * Reads the chain from the beginning. ret_bad: seq of the first row that
 * does not fit, 0 when all do; ret_count: rows seen. Rows whose payload was
 * erased count as whole.
 */
MUST_CHECK bool seal_verify(struct op *op, enum seal_log log, int64_t *ret_bad,
			    int64_t *ret_count);

#endif
