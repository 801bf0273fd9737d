/*
 * What the two parts of the measure stage share: outcomes of messages
 * (stage_measure.c) and of both arms of the playbooks' trials
 * (measure_lift.c). Both judge by the same rules.
 */
#ifndef BATCH_MEASURE_H
#define BATCH_MEASURE_H

#include "batch/stage.h"

#define MEASURE_CHUNK 1000

/* Customers of a transaction that was open while the last run looked. */
#define MEASURE_OVERLAP_US (15 * US_PER_MINUTE)

/* Greater is better; what time alone brings is no step. */
#define STAGE_RANK(v)                                                          \
	"CASE " v " WHEN 'churned' THEN 0 WHEN 'at_risk' THEN 1"               \
	" WHEN 'new' THEN 2 WHEN 'onboarding' THEN 2 ELSE 3 END"
#define RISK_RANK(v)                                                           \
	"CASE " v " WHEN 'critical' THEN 0 WHEN 'high' THEN 1"                 \
	" WHEN 'medium' THEN 2 ELSE 3 END"

/*
 * FROM item d (churned, stage_better, risk_better): what the ledger of user
 * (SQL) says of the time from t.since to t.until, of tenant (SQL).
 */
#define LEDGER_SAYS(tenant, user)                                              \
	"(SELECT"                                                              \
	" bool_or(l.what = 'stage' AND l.new_value = 'churned') AS churned,"   \
	" bool_or(l.what = 'stage' AND l.cause = 'events'"                     \
	" AND " STAGE_RANK("l.new_value") " > " STAGE_RANK(                    \
	    "l.was") ") AS stage_better,"                                      \
		     " bool_or(l.what = 'risk' AND l.cause = 'events'"         \
		     " AND " RISK_RANK("l.new_value") " > " RISK_RANK(         \
			 "l.was") ") AS risk_better"                           \
				  " FROM (SELECT s.what, s.cause,"             \
				  " s.new_value, first_value(s.old_value)"     \
				  " OVER (PARTITION BY s.what"                 \
				  " ORDER BY s.at, s.id) AS was"               \
				  " FROM score_ledger s"                       \
				  " WHERE s.tenant_id = " tenant               \
				  " AND s.user_id = " user                     \
				  " AND s.what IN ('stage', 'risk')"           \
				  " AND s.at > t.since"                        \
				  " AND s.at <= t.until) l) d"

/* The outcome that a cause (SQL) means. */
#define OUTCOME_OF(cause)                                                      \
	"CASE WHEN " cause " IN ('exit_met', 'stage_better', 'risk_better')"   \
	" THEN 'positive' WHEN " cause " IN ('opted_out', 'churned')"          \
	" THEN 'negative' ELSE 'neutral' END"

/* Where the walk of the exposures stands; "" at its start. */
struct lift_walk {
	char playbook[37], after[37];
	bool done;
};

/*
 * One chunk of pending exposures: of customers that changed since since_us,
 * of windows that ended, or of all (since_us DB_TIME_NULL). The end of a
 * walk over all renews playbook_lift.
 */
MUST_CHECK bool measure_exposures(struct op *op, int64_t since_us,
				  struct lift_walk *walk, int64_t *ret_rows);

#endif
