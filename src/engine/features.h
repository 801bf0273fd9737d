/*
 * The facts that scores are computed from (struct score_features), read from
 * the daily counts of many customers in one statement. Of days that are past
 * engine/past.h knows them.
 */
#ifndef ENGINE_FEATURES_H
#define ENGINE_FEATURES_H

#include "engine/score.h"
#include "engine/user_set.h"

/*
 * Rows of op->tenant_id at op->now_us, ordered by user_id: what
 * features_read() reads, and user_id, fresh (never refreshed) and what the last
 * refresh stored: lifecycle_stage, stage_reason, health, noted_health,
 * risk_level, the scores and score_parts.
 */
MUST_CHECK bool features_load(struct op *op, const struct tenant_config *config,
			      const struct user_set *users,
			      struct db_rows *ret);

/* The features' history is arena. */
void features_read(const struct op *op, const struct tenant_config *config,
		   const struct db_row *row, struct score_features *ret);

#endif
