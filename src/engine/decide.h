/*
 * Decide: for customers with matching playbooks, arbitrate, plan, and
 * store the decision with all that is needed to repeat it. Works in chunks
 * of users with one statement a kind, not one a user.
 *
 * Inside the caller's transaction, on op->tenant_id at op->now_us.
 */
#ifndef ENGINE_DECIDE_H
#define ENGINE_DECIDE_H

#include "engine/llm.h"
#include "engine/plan.h"
#include "engine/prompt.h"

struct json_out;

/* What a chunk of decisions shares. arena. */
struct decide_tenant {
	struct plan_tenant plan;
	struct tenant_config config;
	struct playbook *playbooks; /* the active ones */
	size_t playbook_count;
	const struct decide_record *records; /* in the order of playbooks */
	struct json_object *brand;	     /* may be NULL */
	const char *mail_from;		     /* may be NULL */
	bool test;			     /* a test twin */
	bool shadow;			     /* shadow mode is on */
	bool has_endpoints;		     /* somebody listens to webhooks */
	int64_t budget_left; /* daily_budget − spent; INT64_MAX: none set */
	bool model;	     /* a model plans, not the built-in planner */
	int64_t tokens_left; /* of the day; INT64_MAX: no limit */
	struct prompt_texts prompt; /* with a model */
};

/* How a playbook did so far, and what is left of its max_per_day. */
struct decide_record {
	double lift; /* lift_expected() */
	int64_t positive, measured;
	int64_t day_left; /* INT64_MAX: no limit */
};

MUST_CHECK bool decide_load(struct op *op, struct decide_tenant *ret);

/* A (customer, playbook) that match let through, or held out. */
struct candidate {
	const char *user_id;
	const char *playbook_id;
	int64_t playbook_version;
	bool held_out;
};

/*
 * Calls to the model for a chunk. The same chunk is decided twice: first in
 * a transaction that only reads, which leaves here what is to be asked; then
 * decide_ask() outside of any; then again in the transaction that stores.
 * Where the second reading would ask something else than was asked (the
 * customer changed meanwhile) nothing is decided, and match looks again.
 */
struct decide_calls {
	bool asked;
	struct decide_call *items; /* by user_id */
	size_t count, to_send;
	int64_t tokens;	     /* reckoned for those to send */
	int64_t tokens_left; /* of the tenant's day, before them */
	struct llm_breaker breaker;
};

/*
 * Asks the model. tick as in struct llm_many; purpose: decide | dry_run;
 * within_ms as there, with one attempt alone when it is set.
 */
MUST_CHECK bool decide_ask(struct op *op, struct decide_calls *calls,
			   int64_t within_ms,
			   bool (*tick)(struct op *op, void *ctx), void *ctx);

/* Stores what was asked and answered, and how the model stands. */
MUST_CHECK bool decide_calls_store(struct op *op,
				   const struct decide_calls *calls,
				   const char *purpose);

/*
 * Decides for the users of candidates (sorted by user_id) and stores
 * decisions, interventions, their log and outbox rows, and both arms'
 * exposures (engine/lift.h). Candidates whose
 * playbook is no longer active in that version are passed over and their
 * users matched again. With a model see struct decide_calls: while
 * calls->to_send is not 0 on return of the first reading nothing was stored.
 */
MUST_CHECK bool decide_chunk(struct op *op, struct decide_tenant *tenant,
			     const struct candidate *candidates, size_t count,
			     struct decide_calls *calls,
			     int64_t *ret_decisions);

/*
 * Writes the answer of dryRunIntervention as one JSON object: clauses,
 * gates, winner, decision and context of one user; changes nothing, but for
 * the call where a model is asked: for that it ends the caller's transaction
 * and begins another. before (may be NULL) is called before the model is
 * asked, and may refuse.
 * Fails: FAIL_NOT_FOUND "user_not_found"; as before.
 */
MUST_CHECK bool decide_dry_run(struct op *op, const char *user_id,
			       bool (*before)(struct op *op),
			       struct json_out *j);

/*
 * Writes the members playbook, user_id, matched, clauses, gates and
 * closed_by (the first closed gate, or null) of a playbook of any status
 * for one user into an open object; changes nothing.
 * Fails: FAIL_NOT_FOUND "user_not_found", "playbook_not_found".
 */
MUST_CHECK bool decide_why(struct op *op, const char *playbook_id,
			   const char *user_id, struct json_out *j);

/*
 * A message for a manual intervention without a text of its own, by the
 * playbook's hints (any status). Fails: FAIL_NOT_FOUND "user_not_found",
 * "playbook_not_found".
 */
MUST_CHECK bool decide_message(struct op *op, const char *user_id,
			       const char *playbook_id, const char *channel,
			       const char **ret_subject,
			       const char **ret_message);

/*
 * Quality checks of any message to a user, with the tenant's brand, the
 * playbook's hints (playbook_id may be NULL) and what was sent lately.
 */
MUST_CHECK bool decide_quality(struct op *op, const char *user_id,
			       const char *playbook_id, const char *channel,
			       const char *subject, const char *message,
			       bool *ret_passed, const char **ret_json);

#endif
