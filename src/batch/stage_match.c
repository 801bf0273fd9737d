/*
 * match: which customers the active playbooks' entry conditions hold for,
 * and which gate keeps each from being written to. Looks at the customers of
 * match_queue that are due (they changed, or a condition can flip by time),
 * and at all of them once when a playbook or the settings changed, or a sweep
 * of refresh most customers (tenant_settings.rules_version). Leaves candidates
 * for decide.
 */
#include "batch/stage.h"

#include "base/clock.h"
#include "base/parse.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "db/sql.h"
#include "engine/gate.h"
#include "store/erase.h"
#include "store/gate_result.h"

#include <stdio.h>

#define CHUNK 8000

/*
 * The customers of one chunk, in order of their ids, and what match_queue
 * said of each as it was read.
 */
struct chunk {
	struct user_set users;
	int64_t *changes; /* 0: no row */
	int64_t *due_us;
};

/*
 * When to look again at a customer whose entry holds although nothing of
 * theirs changed: what closed the gate ends by itself. An open gate (NULL)
 * leads to a message, and that to a gate which ends. The others (opted_out,
 * ...) change with the customer or the rules alone. In the holdout it is what
 * keeps them from the trial that counts: both arms are looked at alike.
 */
static const struct {
	const char *gate;
	int64_t wait_us;
} looks[] = {
	{ NULL, US_PER_HOUR },
	{ "kill_switch", US_PER_HOUR },
	{ "paused", US_PER_HOUR },
	{ "cooldown", 6 * US_PER_HOUR },
	{ "win_back_step", 6 * US_PER_HOUR },
	{ "frequency_cap", 6 * US_PER_HOUR },
	{ "open_intervention", US_PER_HOUR },
	{ "daily_budget", US_PER_HOUR },
	/* A case may have to be handed to a person by now. */
	{ "channel_off", 6 * US_PER_HOUR },
	{ "no_address", 6 * US_PER_HOUR },
	{ "no_transport", US_PER_HOUR },
	{ "model_wait", 6 * US_PER_HOUR },
};

static void take_chunk(struct op *op, const struct db_rows *rows,
		       struct chunk *ret)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows->count);

	ret->changes = ARENA_ARRAY(op->arena, int64_t, rows->count);
	ret->due_us = ARENA_ARRAY(op->arena, int64_t, rows->count);
	ret->users = (struct user_set){ .ids = ids };
	db_each (row, rows) {
		size_t i = ret->users.count++;

		ids[i] = db_text(&row, "user_id");
		ret->changes[i] = db_i64(&row, "changes");
		ret->due_us[i] = db_time(&row, "due_at");
	}
}

/* "<rules_version>:<user_id>": a sweep goes on behind user_id. */
static const char *sweep_after(const struct run *run, int64_t rules_version)
{
	char prefix[32];
	size_t len = (size_t)snprintf(prefix, sizeof(prefix),
				      "%lld:", (long long)rules_version);

	if (run->cursor == NULL || strncmp(run->cursor, prefix, len) != 0)
		return "";
	return run->cursor + len;
}

static bool load_sweep(struct op *op, const struct run *run,
		       int64_t rules_version, struct chunk *ret)
{
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT user_id, coalesce(q.changes, 0) AS changes,"
		     " coalesce(q.due_at, '-infinity') AS due_at"
		     " FROM (SELECT user_id FROM customers"
		     " WHERE tenant_id = $1 AND user_id > $2"
		     " ORDER BY user_id LIMIT $3) c"
		     /* Only customers are queued: these are theirs. */
		     " LEFT JOIN (SELECT user_id, changes, due_at"
		     " FROM match_queue WHERE tenant_id = $1 AND user_id > $2"
		     " ORDER BY user_id LIMIT $3) q USING (user_id)"
		     " ORDER BY user_id",
		     ARG_I64(op->tenant_id),
		     ARG_TEXT(sweep_after(run, rules_version)), ARG_I64(CHUNK)))
		return false;
	take_chunk(op, &rows, ret);
	ret->users.are_range = true;
	return true;
}

static bool load_due(struct op *op, struct chunk *ret)
{
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT * FROM (SELECT user_id, changes, due_at"
		     " FROM match_queue WHERE tenant_id = $1 AND due_at <= $2"
		     " ORDER BY due_at, user_id LIMIT $3) q"
		     " ORDER BY user_id",
		     ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		     ARG_I64(CHUNK)))
		return false;
	take_chunk(op, &rows, ret);
	return true;
}

static bool same_gate(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && streq(a, b));
}

static bool in_holdout(const struct gate_match *m)
{
	return same_gate(m->gate, GATE_HOLDOUT);
}

/* Brings the next look forward; both lists are sorted by user_id. */
static void look_again(const struct op *op, const struct chunk *c,
		       struct gate_matches *m)
{
	size_t u = 0;

	for (size_t i = 0; i < m->count; i++) {
		while (!streq(c->users.ids[u], m->all[i].user_id))
			u++;
		const struct gate_match *match = &m->all[i];
		const char *gate =
		    in_holdout(match) ? match->behind : match->gate;

		for (size_t g = 0; g < ARRAY_LEN(looks); g++) {
			int64_t at = op->now_us + looks[g].wait_us;

			if (same_gate(gate, looks[g].gate) &&
			    at < m->next_us[u])
				m->next_us[u] = at;
		}
	}
}

/* Matches as columns. */
struct columns {
	const char **users, **playbooks, **closed;
	int64_t *versions;
	bool *held_out;
	size_t n;
};

static void columns_take(struct arena *a, const struct gate_matches *m,
			 struct columns *ret)
{
	ret->users = ARENA_ARRAY(a, const char *, m->count);
	ret->playbooks = ARENA_ARRAY(a, const char *, m->count);
	ret->closed = ARENA_ARRAY(a, const char *, m->count);
	ret->versions = ARENA_ARRAY(a, int64_t, m->count);
	ret->held_out = ARENA_ARRAY(a, bool, m->count);
	ret->n = m->count;
	for (size_t i = 0; i < m->count; i++) {
		ret->users[i] = m->all[i].user_id;
		ret->playbooks[i] = m->all[i].playbook->id;
		ret->versions[i] = m->all[i].playbook->version;
		ret->closed[i] = m->all[i].gate;
		ret->held_out[i] =
		    in_holdout(&m->all[i]) && m->all[i].behind == NULL;
	}
}

/* Candidates: open gates, and those whom the holdout alone keeps back. */
static bool put_candidates(struct op *op, const struct columns *m)
{
	return db_exec(op, NULL,
		       "INSERT INTO candidates AS o (tenant_id, user_id,"
		       " playbook_id, playbook_version, matched_at, held_out)"
		       " SELECT $1, u, p, v, $2, h FROM unnest($3::text[],"
		       " $4::uuid[], $5::bigint[], $6::text[], $7::boolean[])"
		       " x (u, p, v, g, h) WHERE g IS NULL OR h"
		       " ON CONFLICT (tenant_id, user_id, playbook_id)"
		       " DO UPDATE SET"
		       " playbook_version = excluded.playbook_version,"
		       " matched_at = excluded.matched_at,"
		       " held_out = excluded.held_out",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_TEXTS(m->users, m->n), ARG_UUIDS(m->playbooks, m->n),
		       ARG_I64S(m->versions, m->n), ARG_TEXTS(m->closed, m->n),
		       ARG_BOOLS(m->held_out, m->n));
}

static const struct sql_literal old_row = SQL_LITERAL("o");

/*
 * The chunk's closed gates that are closed no longer. NOT IN is looked up in a
 * hash; NOT EXISTS, thought to meet few rows, would compare each with each.
 */
static bool drop_gates(struct op *op, const struct chunk *c,
		       const struct columns *m)
{
	struct sql q;

	sql_init(&q, op->arena);
	sql_keep(&q);
	sql_add(&q, "DELETE FROM gate_results o WHERE o.tenant_id = ");
	sql_arg(&q, ARG_I64(op->tenant_id));
	user_set_write(&c->users, &q, &old_row);
	sql_add(&q, " AND (o.user_id, o.playbook_id) NOT IN (SELECT x.u, x.p"
		    " FROM unnest(");
	sql_arg(&q, ARG_TEXTS(m->users, m->n));
	sql_add(&q, "::text[], ");
	sql_arg(&q, ARG_UUIDS(m->playbooks, m->n));
	sql_add(&q, "::uuid[], ");
	sql_arg(&q, ARG_TEXTS(m->closed, m->n));
	sql_add(&q, "::text[]) x (u, p, g) WHERE x.g IS NOT NULL)");
	return db_exec_sql(op, NULL, &q);
}

/* The chunk's matches of before that hold no longer are no candidates. */
static bool drop_candidates(struct op *op, const struct chunk *c)
{
	struct sql q;

	sql_init(&q, op->arena);
	sql_keep(&q);
	sql_add(&q, "DELETE FROM candidates o WHERE o.tenant_id = ");
	sql_arg(&q, ARG_I64(op->tenant_id));
	user_set_write(&c->users, &q, &old_row);
	sql_add(&q, " AND o.matched_at < ");
	sql_arg(&q, ARG_TIME(op->now_us));
	return db_exec_sql(op, NULL, &q);
}

static bool store_matches(struct op *op, const struct chunk *c,
			  const struct gate_matches *matches)
{
	struct columns m;

	columns_take(op->arena, matches, &m);
	return put_candidates(op, &m) &&
	       gate_results_put(op, m.users, m.playbooks, m.closed, m.n) &&
	       drop_gates(op, c, &m) && drop_candidates(op, c);
}

/* Customers of a chunk that get the same: columns of one statement. */
struct looks_next {
	const char **ids;
	int64_t *changes, *at;
	size_t n;
};

static void looks_init(struct arena *a, struct looks_next *l, size_t len)
{
	l->ids = ARENA_ARRAY(a, const char *, len);
	l->changes = ARENA_ARRAY(a, int64_t, len);
	l->at = ARENA_ARRAY(a, int64_t, len);
	l->n = 0;
}

static void looks_add(struct looks_next *l, const struct chunk *c, size_t i,
		      int64_t at_us)
{
	l->ids[l->n] = c->users.ids[i];
	l->changes[l->n] = c->changes[i];
	l->at[l->n++] = at_us;
}

static bool put_looks(struct op *op, const struct looks_next *put)
{
	return put->n == 0 ||
	       db_exec(op, NULL,
		       "INSERT INTO match_queue AS q (tenant_id, user_id,"
		       " due_at, changes) SELECT $1, u, at, seen"
		       " FROM unnest($2::text[], $3::timestamptz[],"
		       " $4::bigint[]) x (u, at, seen) ORDER BY u"
		       " ON CONFLICT (tenant_id, user_id) DO UPDATE"
		       " SET due_at = excluded.due_at"
		       " WHERE q.changes = excluded.changes",
		       ARG_I64(op->tenant_id), ARG_TEXTS(put->ids, put->n),
		       ARG_TIMES(put->at, put->n),
		       ARG_I64S(put->changes, put->n));
}

static bool drop_looks(struct op *op, const struct looks_next *drop)
{
	return drop->n == 0 ||
	       db_exec(op, NULL,
		       "DELETE FROM match_queue q USING unnest($2::text[],"
		       " $3::bigint[]) x (u, seen) WHERE q.tenant_id = $1"
		       " AND q.user_id = x.u AND q.changes = x.seen",
		       ARG_I64(op->tenant_id), ARG_TEXTS(drop->ids, drop->n),
		       ARG_I64S(drop->changes, drop->n));
}

/*
 * When to look next; left alone where the customer changed since it was
 * read. due_at cannot tell: the change may have found -infinity there.
 */
static bool store_next(struct op *op, const struct chunk *c,
		       const int64_t *next)
{
	struct looks_next put, drop;

	looks_init(op->arena, &put, c->users.count);
	looks_init(op->arena, &drop, c->users.count);
	for (size_t i = 0; i < c->users.count; i++) {
		if (next[i] == INT64_MAX && c->changes[i] > 0)
			looks_add(&drop, c, i, next[i]);
		else if (next[i] != INT64_MAX && next[i] != c->due_us[i])
			looks_add(&put, c, i, next[i]);
	}
	return put_looks(op, &put) && drop_looks(op, &drop);
}

static bool match_chunk(struct op *op, const struct tenant_config *config,
			const struct chunk *c)
{
	struct playbook *playbooks;
	struct gate_matches matches;
	size_t playbook_count;

	if (!playbook_load_active(op, config, &playbooks, &playbook_count,
				  NULL) ||
	    !gate_match(op, playbooks, playbook_count, &c->users, &matches))
		return false;
	look_again(op, c, &matches);
	return store_matches(op, c, &matches) &&
	       store_next(op, c, matches.next_us);
}

/* A sweep that came to its end has done this version of the rules. */
static void sweep_step(struct op *op, struct run *run, const struct chunk *c,
		       int64_t rules_version)
{
	if (c->users.count == CHUNK) {
		run_set_cursor(run,
			       arena_printf(op->arena, "%lld:%s",
					    (long long)rules_version,
					    c->users.ids[c->users.count - 1]));
		return;
	}
	run->version = rules_version;
	run_set_cursor(run, NULL);
}

bool stage_match(struct op *op, struct run *run)
{
	struct tenant_config config;
	struct chunk c = { .changes = NULL };
	bool sweep;

	if (!db_begin(op) || !erasures_hold_off(op) ||
	    !tenant_config_load(op, &config))
		return false;
	sweep = run->version != config.rules_version;
	if (!(sweep ? load_sweep(op, run, config.rules_version, &c)
		    : load_due(op, &c)))
		return false;
	if (c.users.count > 0 && !match_chunk(op, &config, &c))
		return false;
	run->more = sweep || c.users.count == CHUNK;
	if (sweep)
		sweep_step(op, run, &c, config.rules_version);
	return run_chunk_done(op, run, (int64_t)c.users.count);
}
