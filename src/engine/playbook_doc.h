/*
 * A playbook as the pipeline uses it: the four documents of its row checked
 * and compiled, defaults of the tenant filled in.
 *
 *   constraints: channels, priority, cooldown_days, max_per_customer,
 *     max_per_day, holdout, quiet_hours, min_confidence, requires_approval,
 *     lifecycle_area, win_back_step, match_all
 *   strategy_hints: goal, tone, subject, message, messages, cta_url,
 *     offers, escalate_when
 *
 * Any other key is refused by its path. Structs are arena.
 */
#ifndef ENGINE_PLAYBOOK_DOC_H
#define ENGINE_PLAYBOOK_DOC_H

#include "engine/tenant_config.h"
#include "store/playbook.h"

/* strategy_hints.messages: "de" or "pt-BR" → text, or {subject, message}. */
struct playbook_text {
	const char *locale;
	const char *subject; /* NULL: the playbook's */
	const char *message;
};

struct playbook {
	const char *id, *name, *status;
	int64_t version;
	const struct condition *entry;
	const struct condition *exit; /* NULL: no exit */

	/* constraints */
	struct name_list channels; /* in the order of preference */
	int64_t priority;	   /* 100; higher wins */
	int64_t cooldown_days;	   /* 7 */
	int64_t max_per_customer;  /* 0: no limit */
	int64_t max_per_day;	   /* 0: no limit */
	double holdout;		   /* 0.1 */
	struct quiet_hours quiet_hours;
	double min_confidence;
	bool requires_approval;
	const char *lifecycle_area; /* NULL: none */
	int64_t win_back_step;	    /* 0: none */
	bool match_all;

	/* strategy_hints; texts NULL when absent, with {{placeholders}} */
	const char *goal, *tone, *subject, *message, *cta_url;
	const struct playbook_text *messages;
	size_t message_count;
	struct name_list offers;
	const struct condition *escalate_when; /* NULL: never */
};

/* The documents of a request, JSON objects; NULL is {}. */
struct playbook_docs {
	struct json_object *entry, *exit, *constraints, *hints;
};

/*
 * Checks and compiles; config gives defaults and names. id, name, status
 * and version of ret are left alone.
 * Fails: FAIL_INVALID with all faults, paths such as "constraints.holdout".
 */
MUST_CHECK bool playbook_parse(struct op *op, const struct playbook_docs *docs,
			       const struct tenant_config *config,
			       struct playbook *ret);

/* The same from a row. */
MUST_CHECK bool playbook_compile(struct op *op, const struct playbook_row *row,
				 const struct tenant_config *config,
				 struct playbook *ret);

/* Row and compile. Fails: FAIL_NOT_FOUND, FAIL_INVALID. */
MUST_CHECK bool playbook_load(struct op *op, const char *id,
			      const struct tenant_config *config,
			      struct playbook *ret);

/*
 * The active ones, by priority (highest first), then id. One that no longer
 * compiles is left out (ret_broken, may be NULL, counts them): settings
 * that would break one are refused by playbook_check_all().
 */
MUST_CHECK bool playbook_load_active(struct op *op,
				     const struct tenant_config *config,
				     struct playbook **ret, size_t *ret_count,
				     size_t *ret_broken);

/*
 * Fails FAIL_INVALID naming the playbooks (all but archived) that would not
 * compile with config: before settings are saved.
 */
MUST_CHECK bool playbook_check_all(struct op *op,
				   const struct tenant_config *config);

/* Marks the events that its conditions refer to as wanted. */
MUST_CHECK bool playbook_want_events(struct op *op, const struct playbook *pb);

/*
 * Subject and message for a locale such as "de-AT" (may be NULL): that
 * locale, else its language, else the playbook's. Either may become NULL.
 */
void playbook_texts(const struct playbook *pb, const char *locale,
		    const char **ret_subject, const char **ret_message);

#endif
