/*
 * Counts a day, for charts: what was planned, sent and came of it. How
 * customers were distributed each day is in GET /api/analytics.
 */
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/parse.h"
#include "db/db.h"

#define DAYS_DEFAULT 30
#define DAYS_MAX     365

static bool timeseries_get(struct op *op, const struct request *rq,
			   struct response *rs)
{
	int64_t days = DAYS_DEFAULT;
	struct db_rows rows;

	if (!request_query_i64(op, rq, "days", 1, DAYS_MAX, &days))
		return false;
	if (!db_rows(
		op, &rows,
		"SELECT d.day, coalesce(i.planned, 0) AS planned,"
		" coalesce(s.sent, 0) AS sent,"
		" coalesce(o.positive, 0) AS positive,"
		" coalesce(o.negative, 0) AS negative,"
		" coalesce(o.neutral, 0) AS neutral"
		" FROM (SELECT generate_series($2::timestamptz, $3,"
		" interval '1 day')::date AS day) d"
		" LEFT JOIN (SELECT (planned_at AT TIME ZONE 'UTC')::date"
		" AS day, count(*) AS planned FROM interventions"
		" WHERE tenant_id = $1 AND planned_at >= $2 AND NOT shadow"
		" GROUP BY 1) i ON i.day = d.day"
		/* Sent at most a week after it was planned, or by hand. */
		" LEFT JOIN (SELECT (sent_at AT TIME ZONE 'UTC')::date"
		" AS day, count(*) AS sent FROM interventions"
		" WHERE tenant_id = $1"
		" AND planned_at >= $2::timestamptz - interval '30 days'"
		" AND sent_at >= $2 AND NOT shadow GROUP BY 1) s"
		" ON s.day = d.day"
		" LEFT JOIN (SELECT (measured_at AT TIME ZONE 'UTC')::date"
		" AS day, count(*) FILTER (WHERE outcome = 'positive')"
		" AS positive, count(*) FILTER (WHERE outcome = 'negative')"
		" AS negative, count(*) FILTER (WHERE outcome = 'neutral')"
		" AS neutral FROM outcomes WHERE tenant_id = $1"
		" AND outcome <> 'pending' AND measured_at >= $2"
		" AND cause IS DISTINCT FROM 'not_delivered' GROUP BY 1) o"
		" ON o.day = d.day ORDER BY d.day",
		ARG_I64(op->tenant_id),
		ARG_TIME((op->now_us / US_PER_DAY - days + 1) * US_PER_DAY),
		ARG_TIME(op->now_us)))
		return false;
	return reply_rows(op, rs, 200, "days", &rows);
}

const struct route timeseries_routes[] = {
	{ HTTP_GET, "/api/analytics/timeseries", ACCESS_VIEWER, timeseries_get,
	  "getTimeseries", ROUTE_READ },
};
const size_t timeseries_route_count = ARRAY_LEN(timeseries_routes);
