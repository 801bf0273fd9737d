/*
 * The lives of the demo tenant: customers of five kinds over 90 days, and
 * how they answer to messages, made from a seed alone. The same seed, number
 * and time give the same people and the same events, byte for byte. Pure: no
 * database.
 */
#ifndef ADMIN_DEMO_H
#define ADMIN_DEMO_H

#include "base/op.h"

#define DEMO_DAYS	90
#define DEMO_EVENTS_MAX 1200 /* of one customer */
/*
 * The planted effect: how many of those who get a message come back after
 * it, for one to five weeks, and finish setting up.
 */
#define DEMO_ANSWERS 0.65

enum demo_life {
	DEMO_STEADY,   /* comes most weekdays, all along */
	DEMO_DRIFTING, /* came often, now less and less */
	DEMO_GONE,     /* stopped a month or two ago */
	DEMO_GROWING,  /* comes more and more, meets the plan's limits */
	DEMO_NEW,      /* signed up within two weeks */
};

struct demo_customer {
	enum demo_life life;
	const char *user_id, *name, *email, *company, *role, *locale;
	const char *timezone, *plan;
	const char *properties; /* JSON object */
	int64_t team_size;
	int64_t created_us;
};

struct demo_event {
	const char *name; /* static */
	int64_t ts_us;
	const char *properties; /* JSON object or NULL */
};

/*
 * Customer number n (from 0) of a seed, as of now_us, with events in order
 * of time, all in (now − 90 days, now). arena.
 */
void demo_make(struct arena *a, uint64_t seed, int64_t n, int64_t now_us,
	       struct demo_customer *ret, struct demo_event **ret_events,
	       size_t *ret_count);

/*
 * What a message that reached customer n at written_us adds to their life:
 * events from then on, in order of time, before now_us; none when they do
 * not answer. arena.
 */
void demo_answer(struct arena *a, uint64_t seed, int64_t n, int64_t written_us,
		 int64_t now_us, struct demo_event **ret_events,
		 size_t *ret_count);

/* In [0, 1): what else chance decides about customer n, so many days ago. */
double demo_chance(uint64_t seed, int64_t n, int64_t ago);

/* tenant_settings.config and brand of the demo tenant. static */
extern const char demo_config[];
extern const char demo_brand[];

#endif
