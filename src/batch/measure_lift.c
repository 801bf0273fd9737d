/*
 * measure, second part: what became of both arms of each playbook's trial
 * (engine/lift.h), playbook by playbook, and the sums that analytics shows.
 */
#include "batch/measure.h"

#include "base/clock.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/playbook_doc.h"

/* The playbook at hand, or the next that has pending exposures. */
static bool find_playbook(struct op *op, struct lift_walk *walk)
{
	struct db_row row;

	if (walk->after[0] != '\0')
		return true;
	if (!db_opt(op, &row,
		    "SELECT playbook_id FROM exposures WHERE tenant_id = $1"
		    " AND outcome = 'pending'"
		    " AND ($2::uuid IS NULL OR playbook_id > $2)"
		    " ORDER BY playbook_id LIMIT 1",
		    ARG_I64(op->tenant_id),
		    ARG_UUID(walk->playbook[0] ? walk->playbook : NULL)))
		return false;
	walk->done = !db_found(&row);
	if (!walk->done)
		memcpy(walk->playbook, db_text(&row, "playbook_id"),
		       sizeof(walk->playbook));
	return true;
}

/* The exit of a playbook that no longer compiles is met by nobody. */
static bool load_exit(struct op *op, const char *id,
		      const struct condition **ret)
{
	struct tenant_config config;
	struct playbook pb;

	*ret = NULL;
	if (!tenant_config_load(op, &config))
		return false;
	if (playbook_load(op, id, &config, &pb)) {
		if (pb.exit != NULL && !condition_is_empty(pb.exit))
			*ret = pb.exit;
		return true;
	}
	if (op->fail.kind != FAIL_INVALID)
		return false;
	op_clear(op);
	return true;
}

/* Whose customer changed since since_us, or whose window is over. */
static void write_changed(struct sql *q, const struct condition_at *at,
			  int64_t since_us)
{
	sql_add(q, " AND (e.window_ends_at <= ");
	sql_ref(q, at->now);
	sql_add(q, " OR c.user_id IS NULL OR c.refreshed_at >= ");
	sql_arg(q, ARG_TIME(since_us));
	sql_add(q, " OR c.updated_at >= ");
	sql_arg(q, ARG_TIME(since_us));
	sql_add(q, ")");
}

/* The CTE "due": the chunk, oldest id first. */
static void write_due(struct sql *q, const struct condition_at *at,
		      const struct condition *exit, int64_t since_us,
		      const struct lift_walk *walk)
{
	sql_add(q, "WITH due AS MATERIALIZED (SELECT e.id, e.user_id,"
		   " e.exposed_at AS since, e.window_ends_at,"
		   " false AS not_delivered, false AS channel_off, ");
	if (exit == NULL) {
		sql_add(q, "false");
	} else {
		sql_add(q, "e.window_ends_at >= ");
		sql_ref(q, at->now);
		sql_add(q, " AND ");
		condition_write_sql(exit, q, at);
	}
	sql_add(q, " AS exit_met FROM exposures e"
		   " LEFT JOIN customers c ON c.tenant_id = e.tenant_id"
		   " AND c.user_id = e.user_id"
		   " WHERE e.outcome = 'pending' AND e.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND e.playbook_id = ");
	sql_arg(q, ARG_UUID(walk->playbook));
	if (walk->after[0] != '\0') {
		sql_add(q, " AND e.id > ");
		sql_arg(q, ARG_UUID(walk->after));
	}
	if (since_us != DB_TIME_NULL)
		write_changed(q, at, since_us);
	sql_add(q, " ORDER BY e.id LIMIT ");
	sql_arg(q, ARG_I64(MEASURE_CHUNK));
	sql_add(q, ")");
}

/* Judges a chunk of one playbook; *ret_last: its last id, NULL at the end. */
static bool judge(struct op *op, int64_t since_us, const struct lift_walk *walk,
		  const char **ret_last, int64_t *ret_rows)
{
	const struct condition *exit;
	struct condition_at at = { 0 };
	struct db_row row;
	struct sql q;

	if (!load_exit(op, walk->playbook, &exit))
		return false;
	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	write_due(&q, &at, exit, since_us, walk);
	measure_write_judged(&q, &at);
	sql_add(&q, ", put AS (UPDATE exposures e SET outcome = j.outcome,"
		    " cause = j.cause, measured_at = j.until FROM judged j"
		    " WHERE e.id = j.id AND e.tenant_id = ");
	sql_ref(&q, at.tenant);
	sql_add(&q, " RETURNING e.id) SELECT count(*) AS seen,"
		    " max(id::text) AS last,"
		    " (SELECT count(*) FROM put) AS put FROM due");
	if (!db_one_sql(op, &row, &q))
		return false;
	*ret_rows = db_i64(&row, "put");
	*ret_last = db_i64(&row, "seen") == MEASURE_CHUNK
			? db_text(&row, "last")
			: NULL;
	return true;
}

/*
 * The chunk of this playbook failed: on with the next, in a new one. False
 * where the same chunk may go well now.
 */
static bool pass_over(struct op *op, struct run *run, const char *part,
		      const struct lift_walk *walk)
{
	return !db_may_retry(op) &&
	       run_item_failed(op, run,
			       arena_printf(op->arena, "%s of playbook %s",
					    part, walk->playbook)) &&
	       db_begin(op);
}

bool measure_exposures(struct op *op, struct run *run, int64_t since_us,
		       struct lift_walk *walk, int64_t *ret_rows)
{
	const char *last = NULL;

	*ret_rows = 0;
	if (!find_playbook(op, walk))
		return false;
	if (walk->done)
		return true;
	if (!judge(op, since_us, walk, &last, ret_rows) &&
	    !pass_over(op, run, "trial", walk))
		return false;
	if (last == NULL)
		walk->after[0] = '\0';
	else
		memcpy(walk->after, last, sizeof(walk->after));
	return true;
}

/* The next playbook that has a trial. */
static bool find_trial(struct op *op, struct lift_walk *walk,
		       char ret_playbook[37])
{
	struct db_row row;

	if (!db_opt(op, &row,
		    "SELECT p.id FROM playbooks p WHERE p.tenant_id = $1"
		    " AND ($2::uuid IS NULL OR p.id > $2)"
		    " AND EXISTS (SELECT FROM exposures e"
		    " WHERE e.tenant_id = $1 AND e.playbook_id = p.id)"
		    " ORDER BY p.id LIMIT 1",
		    ARG_I64(op->tenant_id),
		    ARG_UUID(walk->playbook[0] ? walk->playbook : NULL)))
		return false;
	walk->done = !db_found(&row);
	if (!walk->done)
		memcpy(ret_playbook, db_text(&row, "id"), 37);
	return true;
}

/*
 * Of windows that are over: did the message arrive in them, and did somebody
 * write by hand? Noted once, so that the sums need not ask again. Not at
 * once: what was sent in the window may still be about to be written down.
 */
static bool settle(struct op *op, const char *playbook, int64_t *ret_rows)
{
	return db_exec(
	    op, ret_rows,
	    "UPDATE exposures e SET reached = e.arm = 'treated' AND EXISTS ("
	    "SELECT FROM interventions i"
	    " WHERE i.tenant_id = $1 AND i.user_id = e.user_id"
	    " AND i.playbook_id = e.playbook_id AND (i.source = 'automatic'"
	    " OR i.resend_of = e.intervention_id)"
	    " AND CASE WHEN i.status IN ('sent', 'delivered', 'rolled_back')"
	    " THEN i.sent_at WHEN i.status IN ('handled', 'delegated')"
	    " THEN i.ended_at END BETWEEN e.exposed_at AND e.window_ends_at),"
	    " by_hand = EXISTS (SELECT FROM interventions m"
	    " WHERE m.tenant_id = $1 AND m.user_id = e.user_id"
	    " AND m.source = 'manual' AND m.sent_at >= e.exposed_at"
	    " AND m.sent_at <= e.window_ends_at"
	    " AND (m.escalation_id = e.intervention_id) IS NOT TRUE"
	    " AND (m.resend_of = e.intervention_id) IS NOT TRUE)"
	    " WHERE e.tenant_id = $1 AND e.id = ANY (ARRAY(SELECT x.id"
	    " FROM exposures x WHERE x.tenant_id = $1 AND x.playbook_id = $2"
	    " AND x.by_hand IS NULL AND x.outcome <> 'pending'"
	    " AND x.window_ends_at <= $3 ORDER BY x.window_ends_at LIMIT $4))",
	    ARG_I64(op->tenant_id), ARG_UUID(playbook),
	    ARG_TIME(op->now_us - MEASURE_OVERLAP_US), ARG_I64(MEASURE_CHUNK));
}

/*
 * Of those whose window is over: a sum of quick successes would flatter. By
 * the intention to treat: what became of the message decides nothing, since
 * nothing like it is known of the holdout. Whoever is left out is so for a
 * reason that both arms know.
 */
static bool sum(struct op *op, const char *playbook)
{
	return db_exec(
	    op, NULL,
	    "INSERT INTO playbook_lift AS o (tenant_id, playbook_id, treated,"
	    " treated_positive, held_out, held_out_positive, computed_at,"
	    " treated_reached)"
	    " SELECT $1, $2,"
	    " count(*) FILTER (WHERE e.arm = 'treated'),"
	    " count(*) FILTER (WHERE e.arm = 'treated'"
	    " AND e.outcome = 'positive'),"
	    " count(*) FILTER (WHERE e.arm = 'held_out'),"
	    " count(*) FILTER (WHERE e.arm = 'held_out'"
	    " AND e.outcome = 'positive'), $3,"
	    " count(*) FILTER (WHERE e.arm = 'treated' AND e.reached)"
	    " FROM exposures e"
	    " WHERE e.tenant_id = $1 AND e.playbook_id = $2"
	    " AND NOT e.by_hand AND e.user_id IS NOT NULL HAVING count(*) > 0"
	    " ON CONFLICT (tenant_id, playbook_id) DO UPDATE SET"
	    " treated = excluded.treated,"
	    " treated_positive = excluded.treated_positive,"
	    " treated_reached = excluded.treated_reached,"
	    " held_out = excluded.held_out,"
	    " held_out_positive = excluded.held_out_positive,"
	    " computed_at = excluded.computed_at",
	    ARG_I64(op->tenant_id), ARG_UUID(playbook), ARG_TIME(op->now_us));
}

bool measure_sums(struct op *op, struct run *run, struct lift_walk *walk,
		  int64_t *ret_rows)
{
	struct lift_walk next = *walk;
	bool ok, more = false;

	*ret_rows = 0;
	if (!find_trial(op, walk, next.playbook))
		return false;
	if (walk->done)
		return true;
	ok = settle(op, next.playbook, ret_rows);
	if (ok)
		more = *ret_rows == MEASURE_CHUNK;
	if (ok && !more)
		ok = sum(op, next.playbook);
	if (!ok) {
		*ret_rows = 0;
		if (!pass_over(op, run, "lift", &next))
			return false;
	}
	if (!more)
		*walk = next;
	return true;
}
