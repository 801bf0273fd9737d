/*
 * What other platforms send: mapped (connector_map.h), then stored the way
 * that POST /api/track stores, in one transaction.
 */
#include "api/connector_map.h"
#include "api/reply.h"
#include "api/routes.h"
#include "api/vendor_body.h"
#include "base/clock.h"
#include "db/db.h"
#include "store/source.h"

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

/* A connector as the answers and the stored keys name it. */
struct source {
	enum connector connector;
	const char *name;
};
static const struct source segment = { CONNECTOR_SEGMENT, "segment" };
static const struct source posthog = { CONNECTOR_POSTHOG, "posthog" };
static const struct source mixpanel = { CONNECTOR_MIXPANEL, "mixpanel" };

static bool store(struct op *op, const struct request *rq,
		  const struct source *source, struct connector_events *in)
{
	struct json_object *root;
	int64_t stored, duplicates;
	const char *text;
	size_t len;

	/* Browsers send JSON as text/plain, to be asked no leave. */
	if (!vendor_body_read(op, rq, &text, &len) ||
	    !json_parse(op, text, len, &root) ||
	    !connector_map(op, source->connector, root, in) ||
	    !check_age(op, in))
		return false;
	if (in->count == 0)
		return true;
	return source_seen(op, source->name) &&
	       events_store(op, source->name, in->events, in->count, &stored,
			    &duplicates);
}

static void write_counts(struct op *op, struct json_out *j,
			 const struct connector_events *in)
{
	json_key(j, "accepted");
	json_i64(j, (int64_t)in->accepted);
	json_key(j, "users_upserted");
	json_i64(j, (int64_t)count_users(op, in));
}

static bool ingest(struct op *op, const struct request *rq, struct response *rs,
		   const struct source *source)
{
	struct connector_events in;
	struct json_out j;

	if (!store(op, rq, source, &in))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	write_counts(op, &j, &in);
	json_close(&j);
	return true;
}

static bool connectors_segment(struct op *op, const struct request *rq,
			       struct response *rs)
{
	return ingest(op, rq, rs, &segment);
}

static bool connectors_posthog(struct op *op, const struct request *rq,
			       struct response *rs)
{
	return ingest(op, rq, rs, &posthog);
}

static bool connectors_mixpanel(struct op *op, const struct request *rq,
				struct response *rs)
{
	return ingest(op, rq, rs, &mixpanel);
}

/* ------------------------------------------- as their libraries call -- */

static bool is_call(const struct request *rq, const char *const *calls)
{
	const char *call = request_path_param(rq, "call");

	for (; *calls != NULL; calls++)
		if (streq(call, *calls))
			return true;
	return false;
}

static bool no_call(struct op *op)
{
	return op_fail(op, FAIL_NOT_FOUND, "route_not_found",
		       "the vendor's library has no such call");
}

/* analytics.js: the first letter of the type; its batches as b. */
static bool connectors_segment_call(struct op *op, const struct request *rq,
				    struct response *rs)
{
	static const char *const calls[] = { "t", "i", "p", "s",
					     "g", "a", "b", NULL };
	struct connector_events in;
	struct json_out j;

	if (!is_call(rq, calls))
		return no_call(op);
	if (!store(op, rq, &segment, &in))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "success");
	json_boolean(&j, true);
	write_counts(op, &j, &in);
	json_close(&j);
	return true;
}

/* No flags are kept here: the answer that says so. */
static bool write_no_flags(struct response *rs)
{
	struct json_out j;

	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "flags");
	json_raw(&j, "{}");
	json_key(&j, "featureFlags");
	json_raw(&j, "{}");
	json_key(&j, "errorsWhileComputingFlags");
	json_boolean(&j, false);
	json_close(&j);
	return true;
}

static bool connectors_posthog_call(struct op *op, const struct request *rq,
				    struct response *rs)
{
	static const char *const calls[] = { "batch", "e",	"capture",
					     "track", "engage", NULL };
	static const char *const flags[] = { "flags", "decide", NULL };
	struct connector_events in;
	struct json_out j;

	if (is_call(rq, flags))
		return write_no_flags(rs);
	if (!is_call(rq, calls))
		return no_call(op);
	if (!store(op, rq, &posthog, &in))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "status");
	json_i64(&j, 1);
	write_counts(op, &j, &in);
	json_close(&j);
	return true;
}

/* Without verbose=1 the libraries look for the text 1, and no more. */
static void answer_mixpanel(const struct request *rq, struct response *rs)
{
	const char *verbose = request_query(rq, "verbose");

	if (verbose != NULL && streq(verbose, "1"))
		response_text(rs, 200, "application/json",
			      "{\"status\":1,\"error\":null}", 25);
	else
		response_text(rs, 200, "text/plain; charset=utf-8", "1", 1);
}

static bool connectors_mixpanel_call(struct op *op, const struct request *rq,
				     struct response *rs)
{
	static const char *const calls[] = { "track", "import", "engage",
					     NULL };
	static const char *const groups[] = { "groups", NULL };
	struct connector_events in;

	/* What is said of groups says nothing of users. */
	if (!is_call(rq, groups)) {
		if (!is_call(rq, calls))
			return no_call(op);
		if (!store(op, rq, &mixpanel, &in))
			return false;
	}
	answer_mixpanel(rq, rs);
	return true;
}

/* ------------------------------------------------------------------ list -- */

static bool connectors_list(struct op *op, const struct request *rq,
			    struct response *rs)
{
	struct db_rows rows;

	(void)rq;
	return db_rows(op, &rows,
		       "SELECT x.name, x.path, s.last_event_at,"
		       " coalesce(m.events, 0)::bigint AS events_24h"
		       " FROM (VALUES (1, 'a', 'track', '/api/track'),"
		       " (2, 's', 'segment', '/api/connectors/segment'),"
		       " (3, 'p', 'posthog', '/api/connectors/posthog'),"
		       " (4, 'm', 'mixpanel', '/api/connectors/mixpanel'))"
		       " x (i, letter, name, path) LEFT JOIN event_sources s"
		       " ON s.tenant_id = $1 AND s.source = x.name"
		       " LEFT JOIN (SELECT source, sum(events) AS events"
		       " FROM source_minutes WHERE tenant_id = $1"
		       " AND minute > $2 GROUP BY source) m"
		       " ON m.source = x.letter::\"char\" ORDER BY x.i",
		       ARG_I64(op->tenant_id),
		       ARG_TIME(op->now_us - US_PER_DAY)) &&
	       reply_rows(op, rs, 200, "connectors", &rows);
}

const struct route connectors_routes[] = {
	{ HTTP_GET, "/api/connectors", ACCESS_VIEWER, connectors_list,
	  "listConnectors", 0 },
	{ HTTP_POST, "/api/connectors/segment", ACCESS_INGEST,
	  connectors_segment, "ingestSegment", ROUTE_CORS },
	{ HTTP_POST, "/api/connectors/posthog", ACCESS_INGEST,
	  connectors_posthog, "ingestPosthog", ROUTE_CORS },
	{ HTTP_POST, "/api/connectors/mixpanel", ACCESS_INGEST,
	  connectors_mixpanel, "ingestMixpanel", ROUTE_CORS },
	{ HTTP_POST, "/api/connectors/segment/{call}", ACCESS_INGEST,
	  connectors_segment_call, "ingestSegmentCall",
	  ROUTE_CORS | ROUTE_VENDOR },
	{ HTTP_POST, "/api/connectors/posthog/{call}", ACCESS_INGEST,
	  connectors_posthog_call, "ingestPosthogCall",
	  ROUTE_CORS | ROUTE_VENDOR },
	{ HTTP_GET, "/api/connectors/mixpanel/{call}", ACCESS_INGEST,
	  connectors_mixpanel_call, "ingestMixpanelQuery",
	  ROUTE_CORS | ROUTE_VENDOR },
	{ HTTP_POST, "/api/connectors/mixpanel/{call}", ACCESS_INGEST,
	  connectors_mixpanel_call, "ingestMixpanelCall",
	  ROUTE_CORS | ROUTE_VENDOR },
};
const size_t connectors_route_count = ARRAY_LEN(connectors_routes);
