/*
 * Stage refresh: new events → daily counts → the state of the customers
 * that changed; newly wanted event names are counted; once a UTC day, and
 * after a change of config, everybody is scored anew.
 *
 * Events are found by received_at from two minutes before the watermark on
 * (an insert may commit late), never by their own time. Where none come the
 * watermark follows the clock, an hour behind it. The lease row's
 * cursor says what is under way: "b:<name ids>:<user>" a backfill,
 * "t::<user>" and "c::<user>" a sweep by time or config, "t:m:<user>" and
 * "c:m:<user>" one whose end makes match look at everybody.
 */
#include "batch/refresh.h"

#include "base/clock.h"
#include "batch/stage.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "store/erase.h"
#include "store/match_queue.h"
#include "store/playbook.h"

#include <assert.h>

#define OVERLAP_US     (2 * US_PER_MINUTE)
#define SETTLED_US     US_PER_HOUR /* an event is there by then */
#define COUNT_EVERY_US (10 * US_PER_MINUTE)
#define ALL_TIME       (INT64_MIN + 1)

enum phase { PHASE_FOLD, PHASE_BACKFILL, PHASE_SWEEP, PHASE_COUNT };

struct refresh_state {
	enum phase phase;
	int64_t prepared;   /* version of the config that prepare() saw last */
	bool opened;	    /* the extent of the fold is known */
	int64_t until_us;   /* of the fold */
	int64_t settled_us; /* what came until then was there */
	struct refresh_slice slice;
	bool changed; /* something was written */
	bool swept;   /* a sweep ended */
	struct refresh_why why;
};

static struct refresh_state *get_state(struct run *run)
{
	if (run->state == NULL) {
		struct refresh_state *st =
		    ARENA_NEW(run->arena, struct refresh_state);

		st->slice.after = "";
		run->state = st;
	}
	return run->state;
}

static bool has_cursor(const struct run *run, char kind)
{
	return run->cursor != NULL && run->cursor[0] == kind;
}

/* The text behind the second colon of the cursor. */
static const char *cursor_user(const struct run *run)
{
	const char *first = strchr(run->cursor, ':');
	const char *second = first == NULL ? NULL : strchr(first + 1, ':');

	return second == NULL ? "" : second + 1;
}

static void set_cursor(struct op *op, struct run *run, char kind,
		       const char *ids, const char *user)
{
	run_set_cursor(run,
		       arena_printf(op->arena, "%c:%s:%s", kind, ids, user));
}

/* Both are sorted; who is in both is queued once. */
static bool queue_both(struct op *op, const struct user_list *a,
		       const struct user_list *b)
{
	const char **ids =
	    ARENA_ARRAY(op->arena, const char *, a->count + b->count);
	size_t n = 0, at = 0;

	for (size_t i = 0; i < a->count; i++) {
		while (at < b->count && strcmp(b->ids[at], a->ids[i]) < 0)
			ids[n++] = b->ids[at++];
		at += at < b->count && streq(b->ids[at], a->ids[i]);
		ids[n++] = a->ids[i];
	}
	while (at < b->count)
		ids[n++] = b->ids[at++];
	return n == 0 || match_queue_put(op, ids, n);
}

/* The day's counts are behind from the first change on. */
static void note_changes(struct op *op, struct run *run,
			 struct refresh_state *st, size_t count)
{
	if (count == 0)
		return;
	st->changed = true;
	if (run->changed_us == DB_TIME_NULL)
		run->changed_us = op->now_us;
}

/* ------------------------------------------------------------------ fold */

/*
 * Without this an idle tenant's last events would be folded in every run. A
 * moved clock may be ahead of the one that events are received by; a tenant
 * of whom nothing ever came keeps no watermark.
 */
static void settle(struct run *run, const struct refresh_state *st)
{
	if (run->watermark_us != DB_TIME_NULL &&
	    run->watermark_us < st->settled_us)
		run->watermark_us = st->settled_us;
}

static bool open_fold(struct op *op, struct run *run, struct refresh_state *st)
{
	int64_t clock_us = clock_now();
	int64_t from_us = run->watermark_us == DB_TIME_NULL
			      ? DB_TIME_NULL
			      : run->watermark_us - OVERLAP_US;
	bool found;

	if (!refresh_extent(op, from_us, &st->slice.from_us, &st->until_us,
			    &found))
		return false;
	st->opened = true;
	st->settled_us =
	    (op->now_us < clock_us ? op->now_us : clock_us) - SETTLED_US;
	if (!found) {
		settle(run, st);
		st->phase = PHASE_BACKFILL;
	}
	st->slice.until_us = st->slice.last_us = st->until_us;
	return !found || refresh_narrow(op, &st->slice);
}

/* The slice is done: its end is the watermark, the next one follows. */
static bool next_slice(struct op *op, struct run *run, struct refresh_state *st)
{
	int64_t done_us = st->slice.until_us;

	if (!refresh_sources(op, &st->slice))
		return false;
	if (run->watermark_us == DB_TIME_NULL || done_us > run->watermark_us)
		run->watermark_us = done_us;
	st->slice.after = "";
	if (done_us >= st->until_us) {
		settle(run, st);
		st->phase = PHASE_BACKFILL;
		return true;
	}
	st->slice.from_us = done_us + 1;
	st->slice.until_us = st->until_us;
	return refresh_narrow(op, &st->slice);
}

/*
 * Under a new config the sweep behind the fold scores everybody: before it,
 * what the config newly counts is not there yet, and a customer would go
 * through a stage that is not theirs.
 */
static bool awaits_sweep(const struct run *run,
			 const struct tenant_config *config)
{
	return run->swept_us != DB_TIME_NULL &&
	       run->version != config->config_version;
}

static bool do_fold(struct op *op, struct run *run, struct refresh_state *st,
		    const struct tenant_config *config)
{
	struct user_list changed = { .count = 0 };
	struct refresh_folded folded;

	if (!st->opened && !open_fold(op, run, st))
		return false;
	if (st->phase != PHASE_FOLD)
		return run_chunk_done(op, run, 0);
	st->why.cause = CAUSE_EVENTS;
	if (!refresh_fold(op, config, &st->slice, &folded) ||
	    (!awaits_sweep(run, config) &&
	     !refresh_score(op, config, &folded.score, &st->why, &changed)) ||
	    !queue_both(op, &folded.active, &changed))
		return false;
	note_changes(op, run, st, changed.count);
	if (folded.last != NULL)
		st->slice.after = arena_strdup(run->arena, folded.last);
	else if (!next_slice(op, run, st))
		return false;
	return run_chunk_done(op, run, (int64_t)changed.count);
}

/* -------------------------------------------------------------- backfill */

static bool do_backfill(struct op *op, struct run *run,
			struct refresh_state *st)
{
	const char *ids = "", *last;
	int64_t rows;

	if (has_cursor(run, 'b')) {
		const char *from = run->cursor + 2;

		ids = arena_strndup(op->arena, from, strcspn(from, ":"));
	} else if (run->cursor == NULL) {
		if (!refresh_uncounted(op, &ids))
			return false;
		set_cursor(op, run, 'b', ids, "");
	}
	if (*ids == '\0') {
		if (has_cursor(run, 'b'))
			run_set_cursor(run, NULL);
		st->phase = PHASE_SWEEP;
		return run_chunk_done(op, run, 0);
	}
	if (!refresh_backfill(op, ids, cursor_user(run), &rows, &last))
		return false;
	if (last != NULL)
		set_cursor(op, run, 'b', ids, last);
	else
		run_set_cursor(run, NULL);
	return run_chunk_done(op, run, rows);
}

/* ----------------------------------------------------------------- sweep */

/* Milestones whose definition changed are found anew. */
static bool forget_changed_milestones(struct op *op, int64_t old_version,
				      int64_t new_version)
{
	return db_exec(
	    op, NULL,
	    "DELETE FROM customer_milestones m USING ("
	    "SELECT o.value->>'name' AS name FROM config_versions v"
	    " CROSS JOIN LATERAL jsonb_array_elements(CASE"
	    " WHEN jsonb_typeof(v.config->'milestones') = 'array'"
	    " THEN v.config->'milestones' ELSE '[]' END) o (value)"
	    " WHERE v.tenant_id = $1 AND v.version = $2"
	    " AND NOT EXISTS (SELECT FROM config_versions w"
	    " WHERE w.tenant_id = $1 AND w.version = $3"
	    " AND w.config->'milestones' @> jsonb_build_array(o.value))) x"
	    " WHERE m.tenant_id = $1 AND m.milestone = x.name",
	    ARG_I64(op->tenant_id), ARG_I64(old_version), ARG_I64(new_version));
}

/*
 * A sweep that changes most customers queues none of them one by one: that
 * would cost more than match's look at everybody, which its end asks for.
 */
static bool has_unqueued(const struct run *run)
{
	return (has_cursor(run, 't') || has_cursor(run, 'c')) &&
	       run->cursor[2] == 'm';
}

/* Sets the cursor when a sweep is due. */
static bool open_sweep(struct op *op, struct run *run,
		       const struct tenant_config *config)
{
	bool first = run->swept_us == DB_TIME_NULL;
	bool other_config = run->version != config->config_version;

	if (other_config && !first &&
	    !forget_changed_milestones(op, run->version,
				       config->config_version))
		return false;
	if (other_config)
		set_cursor(op, run, first ? 't' : 'c', "", "");
	else if (run->cursor == NULL && (first || run->swept_us / US_PER_DAY !=
						      op->now_us / US_PER_DAY))
		set_cursor(op, run, 't', "", "");
	else
		return true;
	run->version = config->config_version;
	run->swept_us = op->now_us;
	return true;
}

static bool do_sweep(struct op *op, struct run *run, struct refresh_state *st,
		     const struct tenant_config *config)
{
	bool by_config = has_cursor(run, 'c'), unqueued = has_unqueued(run);
	struct user_list users, changed;

	if (run->cursor == NULL) {
		st->phase = PHASE_COUNT;
		return run_chunk_done(op, run, 0);
	}
	if (!refresh_next_users(op, cursor_user(run), &users))
		return false;
	if (by_config &&
	    !refresh_milestones(op, config, NULL, &users, ALL_TIME))
		return false;
	st->why.cause = by_config ? CAUSE_CONFIG : CAUSE_TIME;
	if (!refresh_score(op, config, &users, &st->why, &changed))
		return false;
	note_changes(op, run, st, changed.count);
	if (changed.count > users.count / 2)
		unqueued = true;
	else if (changed.count > 0 &&
		 !match_queue_put(op, changed.ids, changed.count))
		return false;
	if (users.count == REFRESH_SWEEP) {
		set_cursor(op, run, by_config ? 'c' : 't', unqueued ? "m" : "",
			   users.ids[users.count - 1]);
	} else {
		if (unqueued && !rules_touch(op))
			return false;
		run_set_cursor(run, NULL);
		st->swept = true;
	}
	return run_chunk_done(op, run, (int64_t)changed.count);
}

/* ----------------------------------------------------------------- count */

static bool is_counted(struct op *op, bool *ret)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT EXISTS (SELECT FROM daily_counts"
		    " WHERE tenant_id = $1 AND day = $2) AS done",
		    ARG_I64(op->tenant_id), ARG_DAY(op->now_us)))
		return false;
	*ret = db_bool(&row, "done");
	return true;
}

/*
 * Counts that are behind for long enough, or whenever a person asks; a clock
 * that went back does not keep them waiting.
 */
static bool is_count_due(const struct op *op, const struct run *run)
{
	return run->changed_us != DB_TIME_NULL &&
	       (run->force || run->changed_us > op->now_us ||
		op->now_us - run->changed_us >= COUNT_EVERY_US);
}

/* A scan of all customers: now and then is enough for a chart. */
static bool do_count(struct op *op, struct run *run, struct refresh_state *st)
{
	bool counted;

	if (!is_counted(op, &counted))
		return false;
	if (!counted || st->swept || is_count_due(op, run)) {
		if (!refresh_counts(op, run->test))
			return false;
		run->changed_us = DB_TIME_NULL;
	} else if (st->changed && !refresh_tracked(op, run->test)) {
		return false;
	}
	return run_chunk_done(op, run, 0);
}

/* ----------------------------------------------------------------- stage */

/*
 * Before anything: what a new config needs counted, a sweep that is due. One
 * that is saved while the run sweeps, or is about to, goes back: milestones
 * are found from what the backfill counts.
 */
static bool prepare(struct op *op, struct run *run, struct refresh_state *st,
		    const struct tenant_config *config)
{
	const char *const *names;
	size_t count;

	if (run->version == config->config_version ||
	    st->prepared == config->config_version)
		return true;
	tenant_config_events(op->arena, config, &names, &count);
	if (!event_names_want(op, names, count))
		return false;
	if (has_unqueued(run) && !rules_touch(op))
		return false;
	if (has_cursor(run, 't') || has_cursor(run, 'c'))
		run_set_cursor(run, NULL);
	if (st->phase == PHASE_SWEEP)
		st->phase = PHASE_BACKFILL;
	st->prepared = config->config_version;
	return true;
}

static bool do_phase(struct op *op, struct run *run, struct refresh_state *st,
		     const struct tenant_config *config)
{
	switch (st->phase) {
	case PHASE_FOLD:
		return do_fold(op, run, st, config);
	case PHASE_BACKFILL:
		return do_backfill(op, run, st);
	case PHASE_SWEEP:
		return open_sweep(op, run, config) &&
		       do_sweep(op, run, st, config);
	case PHASE_COUNT:
		return do_count(op, run, st);
	}
	assert(false);
	return false;
}

bool stage_refresh(struct op *op, struct run *run)
{
	struct refresh_state *st = get_state(run);
	struct refresh_state before = *st;
	struct tenant_config config;
	bool last = st->phase == PHASE_COUNT;

	if (!db_begin(op) || !erasures_hold_off(op) ||
	    !tenant_config_load(op, &config) ||
	    !prepare(op, run, st, &config) || !do_phase(op, run, st, &config)) {
		*st = before; /* a retry starts where this call did */
		return false;
	}
	run->more = !last;
	return true;
}
