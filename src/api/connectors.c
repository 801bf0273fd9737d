/*
 * What other platforms send: mapped (connector_map.h), then stored the way
 * that POST /api/track stores, in one transaction.
 */
#include "api/connector_map.h"
#include "api/routes.h"
#include "base/clock.h"

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Users whose traits came. */
static size_t count_users(struct op *op, const struct connector_events *in)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, in->count);
	size_t n = 0, users = 0;

	for (size_t i = 0; i < in->count; i++)
		if (streq(in->events[i].name, EVENT_IDENTIFY) ||
		    streq(in->events[i].name, EVENT_SET_ONCE))
			ids[n++] = in->events[i].user_id;
	qsort(ids, n, sizeof(*ids), by_text);
	for (size_t i = 0; i < n; i++)
		users += i == 0 || !streq(ids[i], ids[i - 1]);
	return users;
}

static bool check_age(struct op *op, const struct connector_events *in)
{
	int64_t oldest_us;

	if (in->count == 0 || event_is_recent(op, in->oldest_us))
		return true;
	if (!events_retention(op, &oldest_us))
		return false;
	if (in->oldest_us >= oldest_us)
		return true;
	return op_fail_at(op, "timestamp",
			  "is older than the %lld days that the plan keeps",
			  (long long)((op->now_us - oldest_us) / US_PER_DAY));
}

static bool ingest(struct op *op, const struct request *rq, struct response *rs,
		   enum connector connector, const char *source)
{
	struct connector_events in;
	struct json_object *root;
	int64_t stored, duplicates;
	struct json_out j;

	/* Browsers send JSON as text/plain, to be asked no leave. */
	if (!json_parse(op, rq->body, rq->body_len, &root) ||
	    !connector_map(op, connector, root, &in) || !check_age(op, &in))
		return false;
	if (in.count > 0 && !events_store(op, source, in.events, in.count,
					  &stored, &duplicates))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "accepted");
	json_i64(&j, (int64_t)in.accepted);
	json_key(&j, "users_upserted");
	json_i64(&j, (int64_t)count_users(op, &in));
	json_close(&j);
	return true;
}

static bool connectors_segment(struct op *op, const struct request *rq,
			       struct response *rs)
{
	return ingest(op, rq, rs, CONNECTOR_SEGMENT, "segment");
}

static bool connectors_posthog(struct op *op, const struct request *rq,
			       struct response *rs)
{
	return ingest(op, rq, rs, CONNECTOR_POSTHOG, "posthog");
}

static bool connectors_mixpanel(struct op *op, const struct request *rq,
				struct response *rs)
{
	return ingest(op, rq, rs, CONNECTOR_MIXPANEL, "mixpanel");
}

const struct route connectors_routes[] = {
	{ HTTP_POST, "/api/connectors/segment", ACCESS_INGEST,
	  connectors_segment, "ingestSegment", ROUTE_CORS },
	{ HTTP_POST, "/api/connectors/posthog", ACCESS_INGEST,
	  connectors_posthog, "ingestPosthog", ROUTE_CORS },
	{ HTTP_POST, "/api/connectors/mixpanel", ACCESS_INGEST,
	  connectors_mixpanel, "ingestMixpanel", ROUTE_CORS },
};
const size_t connectors_route_count = ARRAY_LEN(connectors_routes);
