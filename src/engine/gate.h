/*
 * Match: which customers a playbook's entry conditions hold for, and which
 * gate, if any, keeps them from being written to. One statement a chunk of
 * customers for all playbooks; the predicates are store/gates.h and
 * engine/condition.h.
 */
#ifndef ENGINE_GATE_H
#define ENGINE_GATE_H

#include "engine/playbook_doc.h"
#include "engine/user_set.h"

#define GATE_HOLDOUT "holdout"
#define GATE_EXPOSED "exposed"

/* One (customer, playbook) whose entry holds. */
struct gate_match {
	const char *user_id;
	const struct playbook *playbook;
	const char *gate; /* the first that is closed; NULL: all open */
	/*
	 * Of those in the holdout: what else keeps them from the playbook's
	 * trial, GATE_EXPOSED when they are in it already. NULL: nothing.
	 */
	const char *behind;
};

/* All arena. */
struct gate_matches {
	struct gate_match *all; /* in order of user_id, then of playbooks */
	size_t count;
	/*
	 * For each of the users, in their order: the earliest time after now
	 * at which an entry condition can change by time alone; INT64_MAX:
	 * never.
	 */
	int64_t *next_us;
};

/* What holds for the users at op->now_us. */
MUST_CHECK bool gate_match(struct op *op, const struct playbook *playbooks,
			   size_t playbook_count, const struct user_set *users,
			   struct gate_matches *ret);

/* A gate as dry-run and why show it. */
struct gate_result {
	const char *name;
	bool open;
	const char *detail; /* arena; or NULL */
};

/*
 * arena: every gate of one customer and playbook in product order, entry
 * among them. Fails: FAIL_NOT_FOUND when there is no such customer.
 */
MUST_CHECK bool gate_chain(struct op *op, const struct playbook *playbook,
			   const char *user_id, struct gate_result **ret,
			   size_t *ret_count);

#endif
