/*
 * What the tenant's plan allows. A limit that is reached is a 403 with the
 * members current, limit and upgrade_to (null on the largest plan).
 */
#ifndef STORE_PLAN_H
#define STORE_PLAN_H

#include "base/op.h"

enum plan_limit {
	PLAN_PLAYBOOKS, /* that are not archived */
	PLAN_MEMBERS,	/* and open invitations */
	PLAN_WEBHOOKS,	/* endpoints that are not deleted */
	PLAN_LIMITS
};

/*
 * Is there room for one more? Locks the settings row until the transaction
 * ends, so that two at once cannot both be the last one. A test twin has no
 * limits. Fails: FAIL_FORBIDDEN "playbook_limit", "member_limit",
 * "webhook_limit".
 */
MUST_CHECK bool plan_room(struct op *op, enum plan_limit what);

/*
 * Puts op->tenant_id on a plan and writes an audit row; NULL status: as it
 * is. The next refresh counts anew who is tracked. What is over a smaller
 * plan's limits stays. Fails: FAIL_INVALID "unknown_plan", "test_tenant".
 */
MUST_CHECK bool plan_set(struct op *op, const char *actor, const char *tier,
			 const char *status);

#endif
