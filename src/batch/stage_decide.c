/*
 * decide: turns candidates into decisions and planned interventions, some
 * hundred customers at a time (engine/decide.h). The candidates go in the
 * transaction that stores what became of them. A model is asked between two
 * transactions, under the lease.
 */
#include "batch/stage.h"

#include "base/clock.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/decide.h"
#include "store/erase.h"

#define BUILTIN_CHUNK 2000
#define MODEL_CHUNK   64
/* Of their properties: what is kept of a customer is some ten times that. */
#define CHUNK_BYTES (2 << 20)
#define RENEW_US    (15 * US_PER_SECOND)

/* Rows of whole users: cut, the last of them may have more. */
static size_t whole_users(const struct db_rows *rows, bool cut)
{
	size_t n = rows->count;

	if (!cut)
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

/* One chunk of candidates, as columns and as the engine wants them. */
struct chunk {
	struct candidate *all;
	const char **users, **playbooks;
	size_t n;
};

static struct chunk take_chunk(struct op *op, const struct db_rows *rows,
			       size_t n)
{
	struct chunk c = {
		.all = ARENA_ARRAY(op->arena, struct candidate, n),
		.users = ARENA_ARRAY(op->arena, const char *, n),
		.playbooks = ARENA_ARRAY(op->arena, const char *, n),
		.n = n,
	};

	for (size_t i = 0; i < n; i++) {
		struct db_row row = db_row_at(rows, i);

		c.users[i] = db_text(&row, "user_id");
		c.playbooks[i] = db_text(&row, "playbook_id");
		c.all[i] = (struct candidate){
			.user_id = c.users[i],
			.playbook_id = c.playbooks[i],
			.playbook_version = db_i64(&row, "playbook_version"),
			.held_out = db_bool(&row, "held_out"),
		};
	}
	return c;
}

struct asking {
	struct run *run;
	int64_t renewed_us;
};

/* Keeps the lease while the model thinks; ends early when asked to. */
static bool on_tick(struct op *op, void *ctx)
{
	struct asking *a = ctx;
	int64_t now_us = clock_monotonic();

	if (run_stopping(a->run))
		return false;
	if (now_us - a->renewed_us < RENEW_US)
		return true;
	a->renewed_us = now_us;
	return db_begin(op) && run_chunk_done(op, a->run, 0);
}

/* The transaction that only read ends; another one, which stores, begins. */
static bool ask(struct op *op, struct run *run, struct decide_calls *calls)
{
	struct asking a = { run, clock_monotonic() };

	if (!db_commit(op) || !decide_ask(op, calls, 0, on_tick, &a))
		return false;
	return !op_failed(op) && db_begin(op) && erasures_hold_off(op) &&
	       decide_calls_store(op, calls, "decide");
}

static bool decide_all(struct op *op, struct run *run,
		       struct decide_tenant *tenant, const struct chunk *c)
{
	struct decide_calls calls = { .asked = false };
	int64_t decisions;

	if (!decide_chunk(op, tenant, c->all, c->n, &calls, &decisions))
		return false;
	if (calls.to_send > 0 &&
	    (!ask(op, run, &calls) || !decide_load(op, tenant) ||
	     !decide_chunk(op, tenant, c->all, c->n, &calls, &decisions)))
		return false;
	return db_exec(op, NULL,
		       "DELETE FROM candidates o USING unnest($2::text[],"
		       " $3::uuid[]) x (u, p) WHERE o.tenant_id = $1"
		       " AND o.user_id = x.u AND o.playbook_id = x.p",
		       ARG_I64(op->tenant_id), ARG_TEXTS(c->users, c->n),
		       ARG_UUIDS(c->playbooks, c->n));
}

/*
 * The first candidates, at most so many, and of so many bytes: a customer who
 * begins within them comes whole. offered: how many there were without that.
 */
static bool load_chunk(struct op *op, size_t most, struct db_rows *ret)
{
	return db_rows(
	    op, ret,
	    "SELECT user_id, playbook_id, playbook_version, held_out, offered"
	    " FROM (SELECT o.*, count(*) OVER () AS offered, sum(own)"
	    " FILTER (WHERE nth = 1) OVER (ORDER BY user_id) - own AS before"
	    " FROM (SELECT o.*, octet_length(c.properties::text) AS own,"
	    " row_number() OVER (PARTITION BY o.user_id"
	    " ORDER BY o.playbook_id) AS nth"
	    " FROM (SELECT * FROM candidates WHERE tenant_id = $1"
	    " ORDER BY user_id, playbook_id LIMIT $2) o LEFT JOIN customers c"
	    " ON c.tenant_id = $1 AND c.user_id = o.user_id) o) o"
	    " WHERE coalesce(before, 0) < $3 ORDER BY user_id, playbook_id",
	    ARG_I64(op->tenant_id), ARG_I64((int64_t)most),
	    ARG_I64(CHUNK_BYTES));
}

bool stage_decide(struct op *op, struct run *run)
{
	struct decide_tenant tenant;
	struct db_row first;
	struct db_rows rows;
	struct chunk c;
	size_t most;

	if (!db_begin(op) || !erasures_hold_off(op) ||
	    !db_one(op, &first,
		    "SELECT EXISTS (SELECT FROM candidates"
		    " WHERE tenant_id = $1) AS some",
		    ARG_I64(op->tenant_id)))
		return false;
	if (!db_bool(&first, "some"))
		return run_chunk_done(op, run, 0);
	if (!decide_load(op, &tenant))
		return false;
	/* Calls take time, and a chunk that is cut off loses its answers. */
	most = tenant.model ? MODEL_CHUNK : BUILTIN_CHUNK;
	if (!load_chunk(op, most, &rows))
		return false;
	first = db_row_at(&rows, 0);
	run->more = db_i64(&first, "offered") == (int64_t)most ||
		    db_i64(&first, "offered") > (int64_t)rows.count;
	c = take_chunk(op, &rows, whole_users(&rows, run->more));
	return decide_all(op, run, &tenant, &c) &&
	       run_chunk_done(op, run, (int64_t)c.n);
}
