/*
 * Where events came from last: one row a tenant and source (track, segment,
 * posthog, mixpanel), for people who set up a connector and wait for its
 * first event. Written at most once a minute by each process.
 */
#ifndef STORE_SOURCE_H
#define STORE_SOURCE_H

#include "base/op.h"

/* Queues the note, or nothing when one was just made. source is static. */
MUST_CHECK bool source_seen(struct op *op, const char *source);

#endif
