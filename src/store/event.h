/*
 * Storing events: the hot path of the product. One statement, arrays in
 * binary, in one round trip with BEGIN, the key check and COMMIT.
 *
 * Not for checking what clients send: api/track_body.h and the connectors
 * give checked events.
 */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "base/op.h"

#define EVENT_TEXT_MAX	     255	 /* user_id, event, idempotency key */
#define EVENT_PROPERTIES_MAX (32u << 10) /* bytes of JSON */
#define EVENT_AHEAD_US	     (INT64_C(3600) * 1000000)
#define EVENT_IDENTIFY	     "$identify" /* its properties are traits */
#define EVENT_SET_ONCE	     "$set_once" /* where the customer has none */

/* Texts are borrowed, and NUL-terminated UTF-8. */
struct event {
	const char *user_id, *name;
	int64_t ts_us;
	const char *properties; /* a JSON object as jsonb takes it, or NULL */
	const char *key;	/* idempotency key, or NULL */
};

/*
 * Stores the events as received at op->now_us and commits the open
 * transaction. source ("api", "segment") keeps the idempotency keys of
 * each way in apart, and its first letter stays with the events. An event whose
 * key was seen, in these or before, is dropped and counted. Unknown users
 * become customers; $identify sets traits. op->tenant_id must be set; nothing
 * is stored on failure.
 */
MUST_CHECK bool events_store(struct op *op, const char *source,
			     const struct event *events, size_t count,
			     int64_t *ret_accepted, int64_t *ret_duplicates);

/*
 * True when an event of that time is surely inside the retention of every
 * plan; else events_retention() has to be asked.
 */
bool event_is_recent(const struct op *op, int64_t ts_us);

/* The oldest time that the tenant's plan keeps. */
MUST_CHECK bool events_retention(struct op *op, int64_t *ret_oldest_us);

#endif
