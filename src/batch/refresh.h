/*
 * The parts of the refresh stage: fold (events → daily counts), backfill
 * (counts of newly wanted event names), score (daily counts → state).
 *
 * Each runs inside the chunk's transaction, for users given sorted by
 * bytes. Nothing here keeps more than one chunk in memory.
 */
#ifndef BATCH_REFRESH_H
#define BATCH_REFRESH_H

#include "engine/tenant_config.h"

#define REFRESH_USERS 2000  /* of a fold chunk */
#define REFRESH_SWEEP 4000  /* customers of a sweep or backfill chunk */
#define REFRESH_SLICE 50000 /* events of a fold slice, as far as can be */

enum refresh_cause { CAUSE_EVENTS, CAUSE_TIME, CAUSE_CONFIG };

struct user_list {
	const char **ids; /* arena */
	size_t count;
	bool are_range; /* see struct user_set */
};

/*
 * Events received in [from_us, until_us], of the users after `after`.
 * until_us may be narrowed by refresh_narrow().
 */
struct refresh_slice {
	int64_t from_us, until_us;
	int64_t last_us;   /* of the run: later events are the next one's */
	const char *after; /* "": all */
};

/*
 * Greatest received_at from from_us on (DB_TIME_NULL: from the beginning,
 * and then *ret_from_us is the least). ret_found false: no events.
 */
MUST_CHECK bool refresh_extent(struct op *op, int64_t from_us,
			       int64_t *ret_from_us, int64_t *ret_until_us,
			       bool *ret_found);

/* Halves the slice until it holds at most REFRESH_SLICE events. */
MUST_CHECK bool refresh_narrow(struct op *op, struct refresh_slice *slice);

struct refresh_folded {
	struct user_list active; /* of whom match has yet to be told */
	struct user_list score;	 /* whose state may have changed, these too */
	const char *last;	 /* user seen; NULL: the slice is done */
};

/*
 * Folds the next REFRESH_USERS users of the slice: names get ids, missing
 * customers are made (the events of erased ones deleted), touched days
 * recomputed.
 */
MUST_CHECK bool refresh_fold(struct op *op, const struct tenant_config *config,
			     const struct refresh_slice *slice,
			     struct refresh_folded *ret);

/*
 * Counts the slice's events of the last day into source_minutes. A minute
 * is counted from its start, so doing it twice changes nothing.
 */
MUST_CHECK bool refresh_sources(struct op *op,
				const struct refresh_slice *slice);

/*
 * First times of the configured milestones that an event leads to (NULL: of
 * all), for users whose earliest new event is at since_us (INT64_MIN + 1:
 * anything may have changed). A time only ever moves back, so the order of
 * work does not matter.
 */
MUST_CHECK bool refresh_milestones(struct op *op,
				   const struct tenant_config *config,
				   const char *event,
				   const struct user_list *users,
				   int64_t since_us);

/* Names that are wanted and not yet counted; ids and names alike sorted. */
MUST_CHECK bool refresh_uncounted(struct op *op, const char **ret_ids);

/*
 * Counts them for the next customers after `after`; ids as above, a list
 * "3,7". ret_last NULL: done, the names are marked as counted.
 */
MUST_CHECK bool refresh_backfill(struct op *op, const char *ids,
				 const char *after, int64_t *ret_rows,
				 const char **ret_last);

/* Why scores are computed, and which changes an endpoint is told of. */
struct refresh_why {
	enum refresh_cause cause;
	bool asked; /* once a run, by the first change; then they hold: */
	bool stage_heard, risk_heard;
};

/*
 * Scores the users, writes what changed, with ledger and outbox; the first
 * score changes what a new customer was shown as. ret_changed: whose rows were
 * written; match has yet to be told of them.
 */
MUST_CHECK bool refresh_score(struct op *op, const struct tenant_config *config,
			      const struct user_list *users,
			      struct refresh_why *why,
			      struct user_list *ret_changed);

/* The next REFRESH_SWEEP customers after `after`. */
MUST_CHECK bool refresh_next_users(struct op *op, const char *after,
				   struct user_list *ret);

/* Writes daily_counts of the op's day and the tracked-user limit. */
MUST_CHECK bool refresh_counts(struct op *op, bool test);

/*
 * The tracked-user limit alone, where the plan has one and as many are not
 * tracked: a customer over it is set aside before match sees him.
 */
MUST_CHECK bool refresh_tracked(struct op *op, bool test);

#endif
