/*
 * The facts that scores are computed from, for the ends of days that are
 * past: the history of a chunk of customers is read once, by a few statements,
 * and each day's facts come from it in memory. The same facts as features.h
 * reads for today, which a test holds against the batch.
 *
 * Traits, limits and expansion signals are those of today, of which no
 * history is kept.
 */
#ifndef ENGINE_PAST_H
#define ENGINE_PAST_H

#include "engine/score.h"

struct past;

/*
 * arena: the history of count customers of op->tenant_id, sorted by user_id,
 * for days (since 1970, UTC) from first to last. What lies before their
 * windows is kept as sums, so memory is bounded by the days.
 */
MUST_CHECK bool past_load(struct op *op, const struct tenant_config *config,
			  const char *const *user_ids, size_t count,
			  int64_t first, int64_t last, struct past **ret);

/* A customer, by the place in user_ids, as known at now_us. */
struct past_facts {
	struct score_features features;
	int64_t total; /* events so far */
};

/*
 * The facts at now_us, on a day from first to last (its end, or now); their
 * history until the next call. False: not a customer yet.
 */
bool past_facts_at(const struct past *past, size_t customer, int64_t now_us,
		   struct past_facts *ret);

#endif
