/*
 * Back-test: a playbook, or the whole set of active ones, run over days that
 * are past. For the end of each UTC day every customer's state is made again
 * from the daily counts, the same predicates as in match say whom a playbook
 * would have matched, the gates are applied to the messages that the
 * back-test itself would have sent, and the days behind tell how those
 * customers fared. Writes nothing.
 *
 * What it cannot know: traits, preferences and expansion signals are those of
 * today (an opt-out counts from its day); each message goes on its day,
 * whoever approves it and whatever the quality checks say; the customers did
 * not get the messages, so their fate says what the playbook aims at, not what
 * it does. For that compare the holdout's, and, once it runs, lift. With a
 * sample all counts are those of the sample, and the daily budgets shrink with
 * it.
 */
#ifndef ENGINE_BACKTEST_H
#define ENGINE_BACKTEST_H

#include "base/op.h"

#define BACKTEST_DAYS_MAX 90
#define BACKTEST_LISTED	  200 /* contacts told one by one, unless asked */

/*
 * Work, in clauses looked at: of a customer BACKTEST_WORK_CUSTOMER, and for
 * each day BACKTEST_WORK_DAY and every clause of every playbook. The fixed
 * parts are what reading a history and making a day's state take, measured
 * against a clause.
 */
#define BACKTEST_WORK_CUSTOMER 600
#define BACKTEST_WORK_DAY      8

struct json_out;
struct str;

struct backtest_options {
	const char *playbook_id; /* any status; NULL: all active ones */
	int64_t days;		 /* 1 to BACKTEST_DAYS_MAX, today the last */
	int64_t work_max;   /* a stable sample when it would be more; 0: all */
	int64_t listed_max; /* contacts told one by one; INT64_MAX: all */
	/*
	 * Takes what is written so far, now and then, so that a long list needs
	 * no memory; NULL: all stays, and the list ends early where the answer
	 * would grow over BACKTEST_LIST_MAX_BYTES.
	 */
	void (*flush)(struct str *out);
};

#define BACKTEST_LIST_MAX_BYTES (6u << 20)

/*
 * Inside the caller's transaction, on op->tenant_id at op->now_us; writes
 * members into an open object. Memory is bounded by a chunk of customers and
 * what is written and not flushed.
 * Fails: FAIL_NOT_FOUND for the playbook; FAIL_INVALID when it does not
 * compile.
 */
MUST_CHECK bool backtest_run(struct op *op,
			     const struct backtest_options *options,
			     struct json_out *j);

#endif
