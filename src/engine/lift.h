/*
 * Lift: how much more often a playbook's customers came to a good end than
 * those of its holdout, with a 95 % interval. Pure.
 *
 * The interval is Newcombe's hybrid score interval (method 10) for the
 * difference of two independent proportions: R. G. Newcombe, "Interval
 * estimation for the difference between independent proportions: comparison
 * of eleven methods", Statistics in Medicine 17 (1998) 873-890. It joins the
 * Wilson intervals of both shares, so it stays within -1 to 1 and keeps its
 * coverage for small samples and for shares of 0 and 1.
 *
 * Who counts (table exposures): whoever was first chosen for the playbook's
 * message (treated) and whoever would have been but for the holdout (held
 * out), once their attribution window, which begins there, is over. This is
 * the intention to treat: what became of the message is not asked, for it
 * depends on the customer (the message to whoever comes back is cancelled),
 * and of the held out nothing like it is known. Messages that wait for
 * an approval, are rejected or fail make the difference smaller, never
 * greater; reached says how many arrived inside the window.
 *
 * Positive is the same for both: exit conditions met, or stage or risk
 * better by what the customer did, inside the window and before churn or
 * opt-out. A channel that is switched off is no bad end here, as it is of a
 * message: the held out have none to switch off, and a negative that one arm
 * alone can get would bias the difference. Left out, in either arm: who was
 * erased, or written to by hand in the window.
 */
#ifndef ENGINE_LIFT_H
#define ENGINE_LIFT_H

#include "base/base.h"

struct lift_counts {
	int64_t treated, treated_positive;
	int64_t reached; /* of the treated: those who had the message */
	int64_t held_out, held_out_positive;
};

struct lift {
	bool known; /* both arms have somebody; else the rest is 0 */
	double difference, low, high; /* of the shares, -1 to 1 */
	const char *verdict; /* static: better | worse | not_enough_data */
};

/*
 * better: the whole interval is above 0; worse: below. Neither while nobody
 * was reached, for that is chance alone, nor with less than 20 in an arm or
 * less than 5 good or 5 bad ends to expect in the smaller arm at the share of
 * both together: there the interval is too narrow. Without an effect 2.5 % of
 * the trials are meant to end on either side; with arms of 180 and 20 it was
 * up to 4.2 %, and by this rule it is 2.8 %. Counts are at least 0, the
 * positive ones and reached at most their arm's.
 */
struct lift lift_of(const struct lift_counts *counts);

/*
 * What the next message is expected to do, for choosing between playbooks:
 * the difference of the shares, -1 to 1, either arm drawn towards `usual`, the
 * tenant's share of good ends (0 to 1), as by LIFT_PRIOR customers of before.
 * 0 where nothing is known; without a holdout, against what is usual.
 */
#define LIFT_PRIOR 10
double lift_expected(const struct lift_counts *counts, double usual);

#endif
