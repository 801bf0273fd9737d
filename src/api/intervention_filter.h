/*
 * The filters that the lists of interventions and of escalations share:
 * the query parameters `status`, `user_id` and `playbook_id`.
 */
#ifndef API_INTERVENTION_FILTER_H
#define API_INTERVENTION_FILTER_H

#include "http/request.h"

#define FILTER_STATUSES_MAX 16

/* What a status is called in a query, and in interventions.status. */
struct status_word {
	const char *word;
	const char *status;
};

struct intervention_filter {
	const char *statuses[FILTER_STATUSES_MAX]; /* static */
	size_t status_count;			   /* 0: all */
	const char *user_id, *playbook_id;	   /* borrowed; NULL: all */
};

/*
 * Reads them; words ends with a NULL word. An empty parameter is like an
 * absent one. Fails: FAIL_INVALID naming each that is wrong, and `limit`
 * when that is there and empty.
 */
MUST_CHECK bool intervention_filter_parse(struct op *op,
					  const struct request *rq,
					  const struct status_word *words,
					  struct intervention_filter *ret);

#endif
