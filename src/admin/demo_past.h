/*
 * The past of the demo tenant: its last DEMO_PAST days on a moved clock.
 * Each day brings its customers and events, a member looks through the
 * messages planned the day before, customers answer to what was sent or opt
 * out, and then the real pipeline runs, as the batch's role. So scores,
 * decisions, messages, outcomes, lift, counts and logs are those of a
 * tenant that has used Retivo for that long.
 *
 * Nothing leaves the host and no mail is written: mails of the past are
 * simulated, and the built-in planner writes all of them.
 */
#ifndef ADMIN_DEMO_PAST_H
#define ADMIN_DEMO_PAST_H

#include "base/op.h"

#define DEMO_PAST 45 /* days */
/* Days at the end in which no member looked: a queue is there to approve. */
#define DEMO_QUEUE 2

struct demo_past {
	int64_t seed, customers;
	int64_t now_us;	      /* the end of the past */
	const char *actor;    /* "person:<id>", who approves */
	int64_t events, sent; /* out */
};

/*
 * Lives the past of op->tenant_id, in many transactions: what a failure
 * leaves is a tenant with a shorter past. Moves op->now_us.
 * Fails: FAIL_INVALID without RETIVO_BATCH_DATABASE_URL.
 */
MUST_CHECK bool demo_live(struct op *op, struct demo_past *past);

#endif
