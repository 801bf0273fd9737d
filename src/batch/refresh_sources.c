/*
 * How many events came in by which way, minute by minute, for the page of
 * connectors. Counted here because a counter beside the insert of events
 * costs a third of its rate.
 */
#include "batch/refresh.h"

#include "base/clock.h"
#include "db/db.h"

/* A bit more than what the page sums up. */
#define KEPT_US (25 * US_PER_HOUR)

bool refresh_sources(struct op *op, const struct refresh_slice *slice)
{
	int64_t oldest_us = op->now_us - KEPT_US;
	int64_t from_us =
	    slice->from_us > oldest_us ? slice->from_us : oldest_us;
	struct db_rows none;

	from_us -= from_us % US_PER_MINUTE;
	if (!db_exec(op, NULL,
		     "DELETE FROM source_minutes WHERE tenant_id = $1"
		     " AND minute < $2",
		     ARG_I64(op->tenant_id), ARG_TIME(oldest_us)))
		return false;
	/* Planned with its values: a generic plan would scan all months. */
	return db_list(op, &none,
		       "INSERT INTO source_minutes AS m (tenant_id, minute,"
		       " source, events) SELECT $1,"
		       " date_trunc('minute', e.received_at), e.source,"
		       " count(*) FROM events e WHERE e.tenant_id = $1"
		       " AND e.received_at >= $2 AND e.received_at <= $3"
		       " GROUP BY 2, 3 ON CONFLICT (tenant_id, minute, source)"
		       " DO UPDATE SET events = excluded.events"
		       " WHERE m.events <> excluded.events",
		       ARG_I64(op->tenant_id), ARG_TIME(from_us),
		       ARG_TIME(slice->until_us));
}
