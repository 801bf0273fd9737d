/*
 * The batch: each due stage for each open tenant, live and test twins
 * alike, in product order, so that one run takes an event all the way to a
 * sent message.
 *
 * A run ends when everything due is done, when batch_max_s is over, or
 * after pipeline_stop(); it can be killed anywhere and the next one goes
 * on. Failures are logged once each and stop neither other tenants nor
 * other stages.
 */
#ifndef BATCH_PIPELINE_H
#define BATCH_PIPELINE_H

#include "base/op.h"

struct pipeline_options {
	const char *stage; /* only this one; NULL: all */
	int64_t tenant_id; /* only this one; 0: all */
	int64_t now_us;	   /* the ops' clock; 0: the real one */
	bool force;	   /* every stage now, whether due or not */
};

/* True when name is a stage. */
bool pipeline_has_stage(const char *name);

/*
 * One pass over all stages. False when the database was away or could not
 * be read at all (logged); failed stages alone leave it true.
 */
bool pipeline_run(struct db *db, const struct config *config,
		  const struct pipeline_options *options);

/* Asks the run to end after the present chunk. Async-signal-safe. */
void pipeline_stop(void);

#endif
