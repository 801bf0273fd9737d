/*
 * The facts that scores are computed from (struct score_features), read from
 * the daily counts of many customers in one statement. Of days that are past
 * engine/past.h knows them.
 */
#ifndef ENGINE_FEATURES_H
#define ENGINE_FEATURES_H

#include "engine/score.h"

/*
 * Rows of op->tenant_id at op->now_us, ordered by user_id: what
 * features_read() reads, and user_id, lifecycle_stage, health, risk_level and
 * fresh (never refreshed) as they are stored.
 */
MUST_CHECK bool features_load(struct op *op, const struct tenant_config *config,
			      const char *const *user_ids, size_t count,
			      struct db_rows *ret);

void features_read(const struct op *op, const struct db_row *row,
		   struct score_features *ret);

#endif
