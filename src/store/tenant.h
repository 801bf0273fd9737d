/*
 * The tenant of an op: its settings row, mode and the limits of its plan.
 * What the config document means is engine/tenant_config.h's.
 */
#ifndef STORE_TENANT_H
#define STORE_TENANT_H

#include "base/op.h"

/* Texts are arena. */
struct tenant {
	int64_t id;
	const char *name;
	const char *slug; /* may be NULL */
	bool test;	  /* a test twin */
	int64_t live_id;  /* of a twin; 0 of a live tenant */
	const char *timezone;
	const char *config; /* JSON object */
	int64_t config_version;
	const char *approval_mode;
	bool onboarding_completed;
	bool kill_switch_active;
	bool shadow_mode;      /* still lasting at op->now_us */
	const char *brand;     /* JSON object or NULL */
	const char *mail_from; /* or NULL */
	const char *plan_tier, *plan_status;
	int64_t tracked_users; /* limits of the plan; -1: none */
	int64_t retention_days;
};

/*
 * Loads op->tenant_id; lock: FOR UPDATE, for a change that depends on what
 * was read. Fails: FAIL_NOT_FOUND.
 */
MUST_CHECK bool tenant_load(struct op *op, bool lock, struct tenant *ret);

/*
 * Goes over to the test twin of op->tenant_id, a live tenant.
 * Fails: FAIL_NOT_FOUND.
 */
MUST_CHECK bool tenant_enter_twin(struct op *op);

#endif
