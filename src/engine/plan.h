/*
 * The built-in planner: from one customer, the playbook that won and its
 * texts to an action, a channel and a message. Deterministic, no model, no
 * database: the same inputs give the same bytes.
 *
 * Confidence is a formula and not a feeling, so that semi_auto can act:
 *   0.50 + 0.25 × specificity + 0.15 × margin + 0.10 × history
 *   specificity: clauses of the entry conditions / 4, at most 1
 *   margin:      1 without another matching playbook, else the lead in
 *                priority / 100, at most 1
 *   history:     (positive + 1) / (measured + 2) outcomes of the playbook
 * rounded to two digits.
 */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "engine/playbook_doc.h"

/* What the planner may know of a customer; texts may be NULL. */
struct plan_customer {
	const char *user_id;
	const char *name, *email, *company, *role, *locale, *plan;
	const char *lifecycle_stage, *risk_level;
	struct json_object *properties;
	int64_t health;
	double activation_score, engagement_score, expansion_score;
	bool has_activity;
	int64_t days_idle; /* since the last activity */
	const char *const *channels_off;
	size_t channel_off_count;
};

/* The tenant's side. */
struct plan_tenant {
	const char *name;
	const char *product; /* brand.product_description; or NULL */
	bool email_ready;    /* a transport is configured */
};

/* A clause of the entry conditions with the customer's value. */
struct plan_fact {
	const char *path, *op, *wanted, *value; /* as struct clause_result */
};

struct plan_input {
	const struct plan_customer *customer;
	const struct plan_tenant *tenant;
	const struct playbook *playbook;
	const struct plan_fact *facts;
	size_t fact_count;
	bool escalate;	       /* strategy_hints.escalate_when holds */
	const char *runner_up; /* name of the best loser; or NULL */
	int64_t runner_up_priority;
	int64_t positive, measured; /* outcomes of the playbook so far */
};

struct plan_result {
	const char *action;  /* intervene | wait | escalate; static */
	const char *channel; /* NULL with wait */
	const char *subject; /* NULL for channels without one */
	const char *message; /* NULL with wait, or when too long */
	double confidence;
	const char *reasoning;
	const char *reason; /* slug of a wait: "no_channel"; or NULL */
};

/* arena results. Cannot fail. */
void plan_builtin(struct op *op, const struct plan_input *in,
		  struct plan_result *ret);

/* arena: the playbook's channels that reach the customer, as preferred. */
struct name_list plan_channels(struct op *op, const struct plan_input *in);

/*
 * arena: text with its placeholders filled for the customer. NULL when it
 * has one that is not among allowed, or grows longer than 200,000 bytes.
 * one_line: for a mail's header.
 */
const char *plan_fill(struct op *op, const struct plan_input *in,
		      const char *text, const struct name_list *allowed,
		      bool one_line);

/*
 * arena: subject and message of a playbook for a customer and channel, with
 * placeholders filled (NULL when the values make one longer than 200,000
 * bytes); what playbook_texts() lacks comes from a default for
 * the lifecycle area. Also for manual interventions without a text.
 */
void plan_message(struct op *op, const struct plan_customer *customer,
		  const struct plan_tenant *tenant, const struct playbook *pb,
		  const char *channel, const char **ret_subject,
		  const char **ret_message);

#endif
