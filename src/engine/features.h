/*
 * The facts that scores are computed from (struct score_features), read from
 * the daily counts of many customers in one statement: for refresh, which
 * stores the scores, and for back-tests, which look at days that are past.
 */
#ifndef ENGINE_FEATURES_H
#define ENGINE_FEATURES_H

#include "engine/score.h"

/*
 * Rows of op->tenant_id at op->now_us, ordered by user_id: what
 * features_read() reads, and user_id, lifecycle_stage, health, risk_level and
 * fresh (never refreshed) as they are stored; with past total, the events so
 * far. past: now_us is long ago; what
 * came behind it is left out, and so are customers who were not there yet.
 * Exact for the end of a UTC day. Expansion signals, traits and limits are
 * those of today, of which no history is kept.
 */
MUST_CHECK bool features_load(struct op *op, const struct tenant_config *config,
			      const char *const *user_ids, size_t count,
			      bool past, struct db_rows *ret);

void features_read(const struct op *op, const struct db_row *row,
		   struct score_features *ret);

#endif
