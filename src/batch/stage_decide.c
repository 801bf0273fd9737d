/*
 * decide: turns candidates into decisions and planned interventions, some
 * hundred customers at a time (engine/decide.h). The candidates go in the
 * transaction that stores what became of them.
 */
#include "batch/stage.h"

#include "db/db.h"
#include "db/db_tx.h"
#include "engine/decide.h"
#include "store/erase.h"

#define CHUNK 500

/* Rows of whole users: the last user may have more rows than were read. */
static size_t whole_users(const struct db_rows *rows, bool full)
{
	size_t n = rows->count;

	if (!full)
		return n;
	struct db_row last = db_row_at(rows, n - 1);
	while (n > 0) {
		struct db_row row = db_row_at(rows, n - 1);

		if (!streq(db_text(&row, "user_id"), db_text(&last, "user_id")))
			return n;
		n--;
	}
	return rows->count; /* one user alone fills the chunk */
}

static bool decide_rows(struct op *op, const struct db_rows *rows, size_t n)
{
	struct candidate *all = ARENA_ARRAY(op->arena, struct candidate, n);
	const char **users = ARENA_ARRAY(op->arena, const char *, n);
	const char **playbooks = ARENA_ARRAY(op->arena, const char *, n);
	struct decide_tenant tenant;
	int64_t decisions;

	for (size_t i = 0; i < n; i++) {
		struct db_row row = db_row_at(rows, i);

		users[i] = db_text(&row, "user_id");
		playbooks[i] = db_text(&row, "playbook_id");
		all[i] = (struct candidate){
			.user_id = users[i],
			.playbook_id = playbooks[i],
			.playbook_version = db_i64(&row, "playbook_version"),
			.held_out = db_bool(&row, "held_out"),
		};
	}
	return decide_load(op, &tenant) &&
	       decide_chunk(op, &tenant, all, n, &decisions) &&
	       db_exec(op, NULL,
		       "DELETE FROM candidates o USING unnest($2::text[],"
		       " $3::uuid[]) x (u, p) WHERE o.tenant_id = $1"
		       " AND o.user_id = x.u AND o.playbook_id = x.p",
		       ARG_I64(op->tenant_id), ARG_TEXTS(users, n),
		       ARG_UUIDS(playbooks, n));
}

bool stage_decide(struct op *op, struct run *run)
{
	struct db_rows rows;
	size_t n;

	if (!db_begin(op) || !erasures_hold_off(op) ||
	    !db_rows(op, &rows,
		     "SELECT user_id, playbook_id, playbook_version,"
		     " held_out FROM candidates WHERE tenant_id = $1"
		     " ORDER BY user_id, playbook_id LIMIT $2",
		     ARG_I64(op->tenant_id), ARG_I64(CHUNK)))
		return false;
	if (rows.count == 0)
		return run_chunk_done(op, run, 0);
	n = whole_users(&rows, rows.count == CHUNK);
	run->more = rows.count == CHUNK;
	return decide_rows(op, &rows, n) && run_chunk_done(op, run, (int64_t)n);
}
