/*
 * The parts of the back-test that its files share; nobody else includes this.
 */
#ifndef ENGINE_BACKTEST_PARTS_H
#define ENGINE_BACKTEST_PARTS_H

#include "engine/arbitrate.h"
#include "engine/backtest.h"
#include "engine/past.h"

/* Of a customer at the end of one day. */
struct past_state {
	bool there; /* already a customer */
	enum score_stage stage;
	enum score_risk risk;
	int64_t last_us; /* of the last activity */
};

/* One customer and playbook at the end of one day. */
enum past_mark {
	PAST_ENTRY = 1,	    /* the entry conditions held */
	PAST_EXIT = 2,	    /* there is an exit, and it held */
	PAST_HELD_OUT = 4,  /* the draw is under the holdout */
	PAST_OPTED_OUT = 8, /* the same for all playbooks */
	PAST_NO_CHANNEL = 16
};

/* A chunk of customers at the end of one day. arena of op. */
struct past_day {
	struct past_state *states; /* by customer */
	unsigned char *marks;	   /* [customer × playbook_count + playbook] */
};

/* Customers sorted by user_id, and what past_chunk_load() finds of them. */
struct past_chunk {
	const struct tenant_config *config;
	const struct playbook *playbooks;
	size_t playbook_count;
	bool email_ready; /* a transport, or a test twin's simulation */
	const char *const *user_ids;
	size_t count;

	struct past *past;
	unsigned char
	    *fixed; /* marks that stand on every day, as in past_day */
	int64_t *opted_out_us; /* by customer; INT64_MAX: not */
};

/* arena: the history for the days (since 1970) from first to last. */
MUST_CHECK bool past_chunk_load(struct op *op, int64_t first, int64_t last,
				struct past_chunk *k);

/*
 * Makes a day (op->now_us its end). Its memory is op's: the caller gives each
 * day an arena of its own.
 */
MUST_CHECK bool past_day_load(struct op *op, const struct past_chunk *k,
			      struct past_day *ret);

#endif
