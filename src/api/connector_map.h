/*
 * Events of Segment, PostHog and Mixpanel → ours. Pure: no database.
 *
 *   theirs                        ours
 *   Segment track                 the event's name
 *   Segment identify              $identify, its traits
 *   Segment page, screen          $pageview, $screen, name in properties
 *   Segment group, alias          $groupidentify, $create_alias
 *   PostHog $set, $set_once       $identify, $set_once: beside the event
 *   Mixpanel /track, /engage      the event's name; $set, $set_once
 *
 * PostHog's group events, and everything that has no user, are left out and
 * counted. Times: Segment `timestamp`; PostHog `timestamp`; Mixpanel `time`
 * in seconds under 1e11, else milliseconds. An event without one happened
 * now. The vendors' own ids are the idempotency keys.
 */
#ifndef API_CONNECTOR_MAP_H
#define API_CONNECTOR_MAP_H

#include "base/json_in.h"
#include "store/event.h"

#define CONNECTOR_EVENTS_MAX 4000 /* in a body */

enum connector { CONNECTOR_SEGMENT, CONNECTOR_POSTHOG, CONNECTOR_MIXPANEL };

struct connector_events {
	struct event *events; /* arena */
	size_t count, cap;
	size_t accepted;   /* of theirs */
	int64_t oldest_us; /* of the events' times; now when none is older */
};

/*
 * root: one event, an array, or {"batch": […]}. Fails: FAIL_INVALID with
 * every wrong field by its path ("batch[3].timestamp").
 */
MUST_CHECK bool connector_map(struct op *op, enum connector connector,
			      struct json_object *root,
			      struct connector_events *ret);

#endif
