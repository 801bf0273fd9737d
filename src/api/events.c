/*
 * POST /api/track, the hot path. In steady state it is one round trip to
 * the database: BEGIN, the key check, the insert and COMMIT travel
 * together (ROUTE_DEFERRED_AUTH); store/event.c does the work.
 */
#include "api/routes.h"

#include "api/track_body.h"
#include "base/clock.h"
#include "http/body.h"
#include "store/source.h"

/* Names the events that are older than what the tenant's plan keeps. */
static bool check_ages(struct op *op, const struct track_body *body)
{
	struct fail fail = op->fail; /* to be reported together with these */
	int64_t oldest_us;

	op_clear(op);
	if (!events_retention(op, &oldest_us))
		return false;
	op->fail = fail;
	for (size_t i = 0; i < body->count; i++)
		if (body->events[i].ts_us < oldest_us)
			op_fail_at(
			    op,
			    arena_printf(op->arena, "events[%zu].timestamp", i),
			    "is older than the %lld days that the plan"
			    " keeps",
			    (long long)((op->now_us - oldest_us) / US_PER_DAY));
	return !op_failed(op);
}

static bool read_body(struct op *op, const struct request *rq,
		      struct track_body *ret)
{
	bool ok = body_is_json(op, rq) &&
		  track_body_parse(op, rq->body, rq->body_len, ret);

	/* Only then a round trip more: how long a plan keeps events. */
	if (ret->count > 0 && !event_is_recent(op, ret->oldest_us))
		return check_ages(op, ret);
	return ok;
}

static bool events_track(struct op *op, const struct request *rq,
			 struct response *rs)
{
	struct track_body body = { 0 };
	int64_t accepted, duplicates;
	struct json_out j;

	if (!read_body(op, rq, &body))
		return false;
	if (!source_seen(op, "track") ||
	    !events_store(op, "api", body.events, body.count, &accepted,
			  &duplicates))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "accepted");
	json_i64(&j, accepted);
	json_key(&j, "duplicates");
	json_i64(&j, duplicates);
	json_close(&j);
	return true;
}

const struct route events_routes[] = {
	{ HTTP_POST, "/api/track", ACCESS_INGEST, events_track, "trackEvents",
	  ROUTE_DEFERRED_AUTH | ROUTE_CORS },
};
const size_t events_route_count = ARRAY_LEN(events_routes);
