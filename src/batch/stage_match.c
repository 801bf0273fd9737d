/*
 * match: which customers the active playbooks' entry conditions hold for,
 * and which gate keeps each from being written to. Looks at the customers of
 * match_queue that are due (they changed, or a condition can flip by time),
 * and at all of them once when a playbook or the settings changed
 * (tenant_settings.rules_version). Leaves candidates for decide.
 */
#include "batch/stage.h"

#include "base/clock.h"
#include "base/parse.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/gate.h"
#include "store/erase.h"

#include <stdio.h>

#define CHUNK 8000

/*
 * The customers of one chunk, in order of their ids, and what match_queue
 * said of each as it was read.
 */
struct chunk {
	const char **ids;
	int64_t *changes; /* 0: no row */
	int64_t *due_us;
	size_t count;
};

/*
 * When to look again at a customer whose entry holds although nothing of
 * theirs changed: what closed the gate ends by itself. An open gate (NULL)
 * leads to a message, and that to a gate which ends. The others (holdout,
 * opted_out, ...) change with the customer or the rules alone.
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
};

static void take_chunk(struct op *op, const struct db_rows *rows,
		       struct chunk *ret)
{
	ret->ids = ARENA_ARRAY(op->arena, const char *, rows->count);
	ret->changes = ARENA_ARRAY(op->arena, int64_t, rows->count);
	ret->due_us = ARENA_ARRAY(op->arena, int64_t, rows->count);
	ret->count = 0;
	db_each (row, rows) {
		size_t i = ret->count++;

		ret->ids[i] = db_text(&row, "user_id");
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
		     "SELECT c.user_id, coalesce(q.changes, 0) AS changes,"
		     " coalesce(q.due_at, '-infinity') AS due_at"
		     " FROM (SELECT user_id FROM customers"
		     " WHERE tenant_id = $1 AND user_id > $2"
		     " ORDER BY user_id LIMIT $3) c"
		     " LEFT JOIN match_queue q ON q.tenant_id = $1"
		     " AND q.user_id = c.user_id ORDER BY c.user_id",
		     ARG_I64(op->tenant_id),
		     ARG_TEXT(sweep_after(run, rules_version)), ARG_I64(CHUNK)))
		return false;
	take_chunk(op, &rows, ret);
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

/* Brings the next look forward; both lists are sorted by user_id. */
static void look_again(const struct op *op, const struct chunk *c,
		       struct gate_matches *m)
{
	size_t u = 0;

	for (size_t i = 0; i < m->count; i++) {
		while (!streq(c->ids[u], m->all[i].user_id))
			u++;
		for (size_t g = 0; g < ARRAY_LEN(looks); g++) {
			int64_t at = op->now_us + looks[g].wait_us;

			if (same_gate(m->all[i].gate, looks[g].gate) &&
			    at < m->next_us[u])
				m->next_us[u] = at;
		}
	}
}

/*
 * Candidates for open gates and for those whom the holdout alone keeps back;
 * gate_results for closed ones, only changes.
 */
static bool store_matches(struct op *op, const struct chunk *c,
			  const struct gate_matches *m)
{
	const struct gate_match *matches = m->all;
	size_t count = m->count;
	const char **users = ARENA_ARRAY(op->arena, const char *, count);
	const char **playbooks = ARENA_ARRAY(op->arena, const char *, count);
	const char **closed = ARENA_ARRAY(op->arena, const char *, count);
	int64_t *versions = ARENA_ARRAY(op->arena, int64_t, count);
	bool *held_out = ARENA_ARRAY(op->arena, bool, count);

	for (size_t i = 0; i < count; i++) {
		users[i] = matches[i].user_id;
		playbooks[i] = matches[i].playbook->id;
		versions[i] = matches[i].playbook->version;
		closed[i] = matches[i].gate;
		held_out[i] = matches[i].held_out;
	}
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
		       ARG_TEXTS(users, count), ARG_UUIDS(playbooks, count),
		       ARG_I64S(versions, count), ARG_TEXTS(closed, count),
		       ARG_BOOLS(held_out, count)) &&
	       db_exec(op, NULL,
		       "INSERT INTO gate_results AS o (tenant_id, user_id,"
		       " playbook_id, gate, since)"
		       " SELECT $1, u, p, g, $2 FROM unnest($3::text[],"
		       " $4::uuid[], $5::text[]) x (u, p, g)"
		       " WHERE g IS NOT NULL"
		       " ON CONFLICT (tenant_id, user_id, playbook_id)"
		       " DO UPDATE SET gate = excluded.gate,"
		       " since = excluded.since"
		       " WHERE o.gate <> excluded.gate",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_TEXTS(users, count), ARG_UUIDS(playbooks, count),
		       ARG_TEXTS(closed, count)) &&
	       db_exec(op, NULL,
		       "DELETE FROM gate_results o USING unnest($2::text[])"
		       " w (u) WHERE o.tenant_id = $1 AND o.user_id = w.u"
		       " AND NOT EXISTS (SELECT FROM"
		       " unnest($3::text[], $4::uuid[], $5::text[])"
		       " x (u, p, g) WHERE x.u = o.user_id"
		       " AND p = o.playbook_id AND g IS NOT NULL)",
		       ARG_I64(op->tenant_id), ARG_TEXTS(c->ids, c->count),
		       ARG_TEXTS(users, count), ARG_UUIDS(playbooks, count),
		       ARG_TEXTS(closed, count)) &&
	       /* A match of before that holds no longer is no candidate. */
	       db_exec(op, NULL,
		       "DELETE FROM candidates o USING unnest($2::text[]) x (u)"
		       " WHERE o.tenant_id = $1 AND o.user_id = x.u"
		       " AND o.matched_at < $3",
		       ARG_I64(op->tenant_id), ARG_TEXTS(c->ids, c->count),
		       ARG_TIME(op->now_us));
}

/*
 * When to look next; left alone where the customer changed since it was
 * read. due_at cannot tell: the change may have found -infinity there.
 */
static bool store_next(struct op *op, const struct chunk *c,
		       const int64_t *next)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, c->count);
	int64_t *changes = ARENA_ARRAY(op->arena, int64_t, c->count);
	int64_t *at = ARENA_ARRAY(op->arena, int64_t, c->count);
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (next[i] == c->due_us[i])
			continue;
		ids[n] = c->ids[i];
		changes[n] = c->changes[i];
		at[n++] = next[i];
	}
	return n == 0 ||
	       db_exec(op, NULL,
		       "INSERT INTO match_queue AS q (tenant_id, user_id,"
		       " due_at, changes) SELECT $1, u, at, seen"
		       " FROM unnest($2::text[], $3::timestamptz[],"
		       " $4::bigint[]) x (u, at, seen) ORDER BY u"
		       " ON CONFLICT (tenant_id, user_id) DO UPDATE"
		       " SET due_at = excluded.due_at"
		       " WHERE q.changes = excluded.changes",
		       ARG_I64(op->tenant_id), ARG_TEXTS(ids, n),
		       ARG_TIMES(at, n), ARG_I64S(changes, n));
}

static bool match_chunk(struct op *op, const struct tenant_config *config,
			const struct chunk *c)
{
	struct playbook *playbooks;
	struct gate_matches matches;
	size_t playbook_count;

	if (!playbook_load_active(op, config, &playbooks, &playbook_count,
				  NULL) ||
	    !gate_match(op, playbooks, playbook_count, c->ids, c->count,
			&matches))
		return false;
	look_again(op, c, &matches);
	return store_matches(op, c, &matches) &&
	       store_next(op, c, matches.next_us);
}

/* A sweep that came to its end has done this version of the rules. */
static void sweep_step(struct op *op, struct run *run, const struct chunk *c,
		       int64_t rules_version)
{
	if (c->count == CHUNK) {
		run_set_cursor(run, arena_printf(op->arena, "%lld:%s",
						 (long long)rules_version,
						 c->ids[c->count - 1]));
		return;
	}
	run->version = rules_version;
	run_set_cursor(run, NULL);
}

bool stage_match(struct op *op, struct run *run)
{
	struct tenant_config config;
	struct chunk c = { .count = 0 };
	bool sweep;

	if (!db_begin(op) || !erasures_hold_off(op) ||
	    !tenant_config_load(op, &config))
		return false;
	sweep = run->version != config.rules_version;
	if (!(sweep ? load_sweep(op, run, config.rules_version, &c)
		    : load_due(op, &c)))
		return false;
	if (c.count > 0 && !match_chunk(op, &config, &c))
		return false;
	run->more = sweep || c.count == CHUNK;
	if (sweep)
		sweep_step(op, run, &c, config.rules_version);
	return run_chunk_done(op, run, (int64_t)c.count);
}
