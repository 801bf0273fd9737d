/*
 * Arbitration: of the playbooks that match one customer, which may speak.
 * Priority first, then expected lift, then the older id. Pure.
 */
#ifndef ENGINE_ARBITRATE_H
#define ENGINE_ARBITRATE_H

#include "engine/playbook_doc.h"

struct contender {
	const struct playbook *playbook;
	double lift;		    /* lift_expected() */
	int64_t positive, measured; /* outcomes so far */
	bool held_out; /* takes part, but its message is not made */
};

/* Shrunk success rate, in (0, 1): (positive + 1) / (measured + 2). */
double arbitrate_history(const struct contender *c);

/* Sorts the winner to the front, the best loser behind it, and so on. */
void arbitrate(struct contender *contenders, size_t count);

#endif
