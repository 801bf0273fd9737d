/*
 * What the parts of the measure stage share: outcomes of messages
 * (stage_measure.c) and of both arms of the playbooks' trials
 * (measure_lift.c), judged by one rule (measure_rule.c).
 *
 * Two things only messages can have: never to have arrived, and a channel of
 * their own that the customer switches off. The trials do not ask for them,
 * since nobody held out has either: a negative that one arm alone can get
 * would bias the lift.
 */
#ifndef BATCH_MEASURE_H
#define BATCH_MEASURE_H

#include "batch/stage.h"
#include "db/sql.h"
#include "engine/condition.h"

#define MEASURE_CHUNK 1000

/* Customers of a transaction that was open while the last run looked. */
#define MEASURE_OVERLAP_US (15 * US_PER_MINUTE)

/*
 * Appends the CTE "judged" (id, until, cause, outcome): of those of the CTE
 * "due" that came to an end by now, how. due has id, user_id, since (when
 * the time that counts begins), window_ends_at, and three booleans, never
 * null: not_delivered, channel_off and exit_met.
 */
void measure_write_judged(struct sql *q, const struct condition_at *at);

/* Where the walk of the exposures stands; "" at its start. */
struct lift_walk {
	char playbook[37], after[37];
	bool done;
};

/*
 * One chunk of pending exposures: of customers that changed since since_us,
 * of windows that ended, or of all (since_us DB_TIME_NULL). A playbook that
 * fails is passed over (run_item_failed()).
 */
MUST_CHECK bool measure_exposures(struct op *op, struct run *run,
				  int64_t since_us, struct lift_walk *walk,
				  int64_t *ret_rows);

/*
 * One chunk of the sums (playbook_lift): notes what the windows that are
 * over have seen, then adds up; playbook by playbook, one that fails is
 * passed over.
 */
MUST_CHECK bool measure_sums(struct op *op, struct run *run,
			     struct lift_walk *walk, int64_t *ret_rows);

#endif
