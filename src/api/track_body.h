/*
 * The body of POST /api/track → checked events. A scanner of its own, since
 * a json-c tree of a hundred events costs ten times as much: the text is
 * checked once (base/json_scan.h) and cut; `properties` goes to the
 * database as the client wrote it.
 */
#ifndef API_TRACK_BODY_H
#define API_TRACK_BODY_H

#include "store/event.h"

#define TRACK_EVENTS_MAX 100

struct track_body {
	struct event *events;
	size_t count;
	int64_t oldest_us; /* of the events' times; now when none is older */
};

/*
 * bytes[len] must be NUL. Fails: FAIL_INVALID "invalid_json", or
 * "invalid_request" with every wrong field ("events[3].user_id"); then
 * *ret holds what could be read. The retention of the tenant is not
 * checked: see oldest_us. Pointers are arena.
 */
MUST_CHECK bool track_body_parse(struct op *op, const char *bytes, size_t len,
				 struct track_body *ret);

#endif
