/*
 * gate_results: which gate keeps a playbook from a customer whom its entry
 * matches, and since when; no row while all are open.
 */
#ifndef STORE_GATE_RESULT_H
#define STORE_GATE_RESULT_H

#include "base/op.h"

/*
 * Keeps the closed gate (names of store/gates.h; NULL: none) of n pairs; since
 * moves where the name changes, and nothing is written where it does not.
 */
MUST_CHECK bool gate_results_put(struct op *op, const char *const *user_ids,
				 const char *const *playbook_ids,
				 const char *const *gates, size_t n);

#endif
