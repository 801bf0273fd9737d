/*
 * The record of each playbook: how many of its messages' outcomes are known
 * and how many of them good (table playbook_results). Arbitration reads it
 * for every chunk of decisions, so whoever measures outcomes keeps it.
 */
#ifndef STORE_OUTCOME_H
#define STORE_OUTCOME_H

#include "base/op.h"

/*
 * Adds the outcomes of these interventions to their playbooks' records,
 * inside the transaction that measured them; each outcome once. Those still
 * pending, of no playbook, or of messages that never arrived count nowhere.
 */
MUST_CHECK bool outcomes_count(struct op *op, const char *const *interventions,
			       size_t n);

#endif
