/*
 * The right of one run to work on (stage, tenant): a row of batch_leases
 * with owner, expiry and a token that grows with every take.
 *
 * The token fences: a write renews the lease in its own transaction WHERE
 * the token is still ours, so a run that lost its lease (it slept, the
 * network was away) rolls back instead of doing work twice. There are no
 * session-level locks, so a transaction-pooling proxy is fine and several
 * hosts share the work. Expiry is by the server's clock alone.
 */
#ifndef BATCH_LEASE_H
#define BATCH_LEASE_H

#include "base/op.h"

#define LEASE_SECONDS 60

struct lease {
	const char *owner; /* host:pid:random, static */
	const char *stage; /* static */
	int64_t tenant_id;
	int64_t token;
};

enum lease_result {
	LEASE_TAKEN,
	LEASE_NOT_DUE,
	LEASE_HELD /* by another run */
};

/* What the row remembers between runs. */
struct lease_memory {
	int64_t watermark_us; /* DB_TIME_NULL: none */
	int64_t swept_us;     /* DB_TIME_NULL: never */
	int64_t version;
	int64_t changed_us; /* DB_TIME_NULL: nothing that waits */
	const char *cursor; /* arena; or NULL */
};

/* static: this process as an owner, made on the first call (after fork). */
const char *lease_owner(void);

/* True when owner names a process of this host that no longer lives. */
bool lease_owner_is_dead(const char *owner);

/*
 * Takes the lease of lease->stage and lease->tenant_id (= op->tenant_id)
 * when it is due, or when force; sets lease->owner and token. A held lease
 * is taken once it expired; with force also when its owner is a dead
 * process of this host. Runs its own transaction.
 */
MUST_CHECK bool lease_take(struct op *op, struct lease *lease, int period_s,
			   bool force, enum lease_result *ret_result,
			   struct lease_memory *ret_memory);

/*
 * Queues nothing: renews inside the open transaction and saves memory.
 * Fails: FAIL_CONFLICT "lease_lost".
 */
MUST_CHECK bool lease_renew(struct op *op, const struct lease *lease,
			    const struct lease_memory *memory, int64_t rows);

/*
 * Gives the lease back; due again after due_in_s of the op's clock. error
 * is a slug or NULL. Nothing happens when it is no longer ours. Runs its
 * own transaction.
 */
MUST_CHECK bool lease_release(struct op *op, const struct lease *lease,
			      int64_t due_in_s, const char *error);

#endif
