/*
 * check: quality checks of every message that has none yet, whoever wrote
 * it. A failed one stays planned and waits for a person.
 */
#include "batch/stage.h"

#include "db/db.h"
#include "db/db_tx.h"
#include "engine/quality_load.h"
#include "store/erase.h"

#define CHUNK	    500
#define CHUNK_BYTES (1 << 20) /* of their texts */

static bool store(struct op *op, const struct quality_subject *all, size_t n)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, n);
	const char **checks = ARENA_ARRAY(op->arena, const char *, n);
	bool *passed = ARENA_ARRAY(op->arena, bool, n);

	for (size_t i = 0; i < n; i++) {
		ids[i] = all[i].id;
		checks[i] = all[i].result.json;
		passed[i] = all[i].result.passed;
	}
	return db_exec(op, NULL,
		       "UPDATE interventions i SET quality_checks = x.q,"
		       " checks_passed = x.ok FROM unnest($2::uuid[],"
		       " $3::jsonb[], $4::boolean[]) x (id, q, ok)"
		       " WHERE i.tenant_id = $1 AND i.id = x.id"
		       " AND i.quality_checks IS NULL",
		       ARG_I64(op->tenant_id), ARG_UUIDS(ids, n),
		       ARG_JSONS(checks, n), ARG_BOOLS(passed, n));
}

/* The first ones, at most so many and so many bytes, but one. */
static bool load_chunk(struct op *op, struct db_rows *ret)
{
	return db_rows(
	    op, ret,
	    "SELECT id, user_id, playbook_id, channel, subject, message_body,"
	    " offered FROM (SELECT i.*, count(*) OVER () AS offered,"
	    " row_number() OVER w AS n,"
	    " sum(octet_length(message_body)) OVER w AS bytes"
	    " FROM (SELECT * FROM interventions WHERE tenant_id = $1"
	    " AND quality_checks IS NULL AND status IN ('planned', 'shadow')"
	    " ORDER BY id LIMIT $2) i WINDOW w AS (ORDER BY id)) x"
	    " WHERE n = 1 OR coalesce(bytes, 0) <= $3 ORDER BY id",
	    ARG_I64(op->tenant_id), ARG_I64(CHUNK), ARG_I64(CHUNK_BYTES));
}

bool stage_check(struct op *op, struct run *run)
{
	struct db_rows rows;

	if (!db_begin(op) || !erasures_hold_off(op) || !load_chunk(op, &rows))
		return false;
	struct quality_subject *all =
	    ARENA_ARRAY(op->arena, struct quality_subject, rows.count);
	size_t n = 0;
	db_each (row, &rows)
		all[n++] = (struct quality_subject){
			.id = db_text(&row, "id"),
			.user_id = db_text(&row, "user_id"),
			.playbook_id = db_text(&row, "playbook_id"),
			.channel = db_text(&row, "channel"),
			.subject = db_text(&row, "subject"),
			.message = db_text(&row, "message_body"),
		};
	if (n > 0 && (!quality_check_many(op, all, n) || !store(op, all, n)))
		return false;
	if (n > 0) {
		struct db_row first = db_row_at(&rows, 0);

		run->more =
		    n == CHUNK || db_i64(&first, "offered") > (int64_t)n;
	}
	return run_chunk_done(op, run, (int64_t)n);
}
