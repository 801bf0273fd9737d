/*
 * The last event of each source. A process remembers in a small table what
 * it noted lately; a slot taken by another tenant costs a write, no more.
 */
#include "store/source.h"

#include "base/clock.h"
#include "db/db.h"

#define SLOTS	 1024
#define EVERY_US US_PER_MINUTE

static struct {
	int64_t tenant_id;
	const char *source;
	int64_t noted_us;
} slots[SLOTS];

bool source_seen(struct op *op, const char *source)
{
	size_t i =
	    ((size_t)op->tenant_id * 31 + (unsigned char)source[0]) % SLOTS;

	if (slots[i].tenant_id == op->tenant_id && slots[i].source == source &&
	    op->now_us - slots[i].noted_us < EVERY_US)
		return true;
	slots[i].tenant_id = op->tenant_id;
	slots[i].source = source;
	slots[i].noted_us = op->now_us;
	return db_defer(op,
			"INSERT INTO event_sources AS s (tenant_id, source,"
			" last_event_at) VALUES ($1, $2, $3)"
			" ON CONFLICT (tenant_id, source) DO UPDATE"
			" SET last_event_at = excluded.last_event_at"
			" WHERE s.last_event_at < excluded.last_event_at",
			ARG_I64(op->tenant_id), ARG_TEXT(source),
			ARG_TIME(op->now_us));
}
