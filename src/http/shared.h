/*
 * What the workers share: a few bounded slots in memory that the master
 * maps before it forks, so that costly calls (password hashing, calls to
 * other hosts) never take more than half of the workers at once.
 *
 * A slot holds the pid of its worker; the master clears those of a worker
 * that died. Without a master (tests, other programs) slots are free.
 */
#ifndef HTTP_SHARED_H
#define HTTP_SHARED_H

#include "base/op.h"

#include <sys/types.h>

enum shared_kind {
	SHARED_PASSWORD, /* argon2id */
	SHARED_OUTWARD,	 /* model, webhook test, Stripe; back-tests */
	SHARED_KINDS
};

/*
 * Takes a slot until the op ends (given back by the arena).
 * Fails: FAIL_UNAVAILABLE "busy" with retry_after_s 1 when all are taken.
 */
MUST_CHECK bool shared_take(struct op *op, enum shared_kind kind);

/* Seconds since the master started; 0 without one. */
int64_t shared_uptime_s(void);

/* For the master: maps the memory; false with errno set. */
MUST_CHECK bool shared_init(void);
/* Each kind gets half of the workers, at least one slot. */
void shared_set_workers(int64_t workers);
void shared_clear_pid(pid_t pid);

#endif
