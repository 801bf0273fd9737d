/*
 * retivo-admin replay: makes stored decisions again (engine/replay.h) and
 * prints where they come out otherwise; a tenant's newest, or one.
 */
#include "admin/admin.h"

#include "base/parse.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/replay.h"

#define LIMIT_DEFAULT 1000

static void print_part(const struct replay_part *part)
{
	static const char *const words[] = {
		[REPLAY_SAME] = "same",
		[REPLAY_AS_STORED] = "as stored",
		[REPLAY_CHANGED] = "the product's texts changed since",
	};

	if (part->state != REPLAY_DIFFERS) {
		printf("  %-12s %s\n", part->name, words[part->state]);
		return;
	}
	printf("  %-12s differs\n    stored:   %s\n    replayed: %s\n",
	       part->name, part->stored ? part->stored : "(none)",
	       part->replayed ? part->replayed : "(none)");
}

static void print_replay(const char *id, const struct replay *r, bool whole)
{
	if (r->erased) {
		if (whole)
			printf("decision %s: erased\n", id);
		return;
	}
	if (whole || !r->same)
		printf("decision %s, planner %s: %s\n", id, r->planner,
		       r->same ? "same" : "differs");
	for (size_t i = 0; i < r->count; i++)
		if (whole || r->parts[i].state == REPLAY_DIFFERS)
			print_part(&r->parts[i]);
}

static bool replay_one(struct op *op, const char *id)
{
	struct replay r;
	struct db_row row;

	if (!parse_is_uuid(id))
		return admin_usage(op, "DECISION is no id");
	if (!db_opt(op, &row, "SELECT tenant_id FROM decisions WHERE id = $1",
		    ARG_UUID(id)))
		return false;
	if (!db_found(&row))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such decision");
	op->tenant_id = db_i64(&row, "tenant_id");
	if (!db_begin(op) || !replay_decision(op, id, &r) || !db_commit(op))
		return false;
	print_replay(id, &r, true);
	return r.same || op_fail(op, FAIL_CONFLICT, "differs",
				 "the decision does not come out as stored");
}

/*
 * One that cannot be made again counts, and does not stop the others: each
 * has its own transaction.
 */
static bool replay_next(struct op *op, const char *id, int64_t *same,
			int64_t *erased)
{
	struct replay r;

	if (!db_begin(op))
		return false;
	if (replay_decision(op, id, &r)) {
		print_replay(id, &r, false);
		*same += r.same && !r.erased;
		*erased += r.erased;
		return db_leave(op);
	}
	db_rollback(op);
	if (op->fail.kind != FAIL_CONFLICT && op->fail.kind != FAIL_INVALID)
		return false;
	printf("decision %s: %s\n", id, op->fail.message);
	op_clear(op);
	return true;
}

static bool replay_tenant(struct op *op, int64_t limit)
{
	int64_t same = 0, erased = 0, all;
	struct db_rows rows;

	if (!db_begin(op) ||
	    !db_rows(op, &rows,
		     "SELECT id FROM decisions WHERE tenant_id = $1"
		     " ORDER BY id DESC LIMIT $2",
		     ARG_I64(op->tenant_id), ARG_I64(limit)) ||
	    !db_leave(op))
		return false;
	db_each (row, &rows)
		if (!replay_next(op, db_text(&row, "id"), &same, &erased))
			return false;
	all = (int64_t)rows.count;
	printf("%lld decisions: %lld same, %lld erased, %lld differ\n",
	       (long long)all, (long long)same, (long long)erased,
	       (long long)(all - same - erased));
	return all == same + erased ||
	       op_fail(op, FAIL_CONFLICT, "differs",
		       "some decisions do not come out as stored");
}

bool cmd_replay(struct op *op, int argc, char **argv)
{
	int64_t tenant_id = 0, limit = LIMIT_DEFAULT;
	const char *id = NULL;
	const struct admin_option options[] = {
		{ "--tenant", .ret_number = &tenant_id },
		{ "--limit", .ret_number = &limit },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), &id, 1))
		return false;
	if (id != NULL)
		return replay_one(op, id);
	return admin_use_tenant(op, tenant_id) && replay_tenant(op, limit);
}
