/*
 * The parts of decide that its files and replay share; nobody else includes
 * this.
 */
#ifndef ENGINE_DECIDE_PARTS_H
#define ENGINE_DECIDE_PARTS_H

#include "engine/arbitrate.h"
#include "engine/decide.h"
#include "engine/quality.h"

#define DECIDE_NONE	 SIZE_MAX
#define DECIDE_FACTS_MAX 40

/* One user on the way to a decision. */
struct decide_user {
	struct plan_customer customer;
	const char *inputs; /* JSON of the row as the planner saw it */
	struct contender *contenders; /* the winner first */
	size_t contender_count;
	size_t spent_count; /* behind them: whose max_per_day is used up */
	/* Would have won, and are held out. */
	const struct playbook **held;
	size_t held_count;
	bool passed_over;	       /* some contender was held out */
	const struct plan_fact *facts; /* of the winner's entry */
	size_t fact_count;
	bool escalate;
	double draw;
	const char *closed; /* a gate that closed since the match; or NULL */
	const char *id;	    /* of the decision */
	struct plan_result result;
	/* Of the model, where it was asked. */
	const char *asked_id; /* the id that the call carried; or NULL */
	bool changed;	      /* since it was asked: match again */
	bool by_model;
	int64_t tokens;
	const char *trouble; /* why the built-in planner stood in; or NULL */
};

/* One call and the user it is about. */
struct decide_call {
	const char *user_id;
	const char *id;	     /* of the decision */
	const char *trouble; /* why it was not even sent; or NULL */
	struct llm_call llm;
	struct plan_input plan; /* what the answer is read by */
	struct plan_result result;
};

size_t decide_playbook_index(const struct decide_tenant *tenant,
			     const char *id);

/* arena: the users that exist, sorted by user_id. */
MUST_CHECK bool decide_users_load(struct op *op, const char *const *user_ids,
				  size_t count, struct decide_user **ret,
				  size_t *ret_count);

struct decide_user *decide_user_find(struct decide_user *users, size_t count,
				     const char *user_id);

/* Fills facts, escalate and draw of ids (among users) for one playbook. */
MUST_CHECK bool decide_facts_load(struct op *op, const struct playbook *pb,
				  const char *const *ids, size_t id_count,
				  struct decide_user *users, size_t user_count);

/* arena: a fact's value as JSON; a long one is a text with its beginning. */
const char *decide_fact_value(struct op *op, const char *value);

/* What a planner gets of a user whose contenders and facts are set. */
struct plan_input decide_input(const struct decide_tenant *tenant,
			       const struct decide_user *user);

/* Runs the built-in planner on such a user. */
void decide_plan(struct op *op, const struct decide_tenant *tenant,
		 struct decide_user *user);

/*
 * Adds the call about a user to calls, where the model is to plan: the
 * built-in planner would write. What cannot be asked (the day's tokens are
 * used up) leaves its trouble with the user.
 */
void decide_question(struct op *op, const struct decide_tenant *tenant,
		     struct decide_calls *calls, struct decide_user *user,
		     const char *id);

/*
 * Puts what was answered in the place of the built-in planner's result.
 * False when something else would be asked now than was.
 */
bool decide_answer(struct op *op, const struct decide_tenant *tenant,
		   const struct decide_calls *calls, struct decide_user *user);

/* True while a winner is there and neither closed nor decided. */
bool decide_is_open(const struct decide_user *user);

/*
 * arena JSON: the winner, the losers with why they lost, and all that the
 * planner got beside the customer (for engine/replay.h).
 */
const char *decide_rules_json(struct op *op, const struct decide_tenant *tenant,
			      const struct decide_user *user);

/* Inserts decisions, interventions, log and outbox rows, exposures. */
MUST_CHECK bool decide_store(struct op *op, const struct decide_tenant *tenant,
			     struct decide_user *users, size_t count,
			     int64_t *ret_decisions);

#endif
