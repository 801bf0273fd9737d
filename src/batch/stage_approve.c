/*
 * approve: ends planned messages whose playbook's exit conditions are met,
 * then lets those go on that may send themselves: semi_auto when the checks
 * passed and the confidence reaches the threshold, full_auto when the
 * checks passed. What lapsed, is paused, is manual or needs a person by its
 * playbook waits in every mode; so does everything under the kill switch.
 */
#include "batch/stage.h"

#include "db/db.h"
#include "db/db_tx.h"
#include "db/sql.h"
#include "engine/playbook_doc.h"
#include "store/intervention.h"

#define CHUNK 500

static bool move_all(struct op *op, const struct db_rows *rows,
		     enum intervention_verb verb, const char *reason)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows->count);
	size_t n = 0;

	db_each (row, rows)
		ids[n++] = db_text(&row, "id");
	return n == 0 || interventions_move(op,
					    &(struct intervention_move){
						.verb = verb,
						.ids = ids,
						.n = n,
						.actor = "batch",
						.reason = reason,
					    },
					    NULL);
}

/* Planned automatic messages of one playbook whose exit is met. */
static bool cancel_exits(struct op *op, const struct playbook *pb,
			 bool *ret_more)
{
	struct condition_at at;
	struct db_rows rows;
	struct sql q;

	if (pb->exit == NULL || condition_is_empty(pb->exit))
		return true;
	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	sql_add(&q, "SELECT i.id FROM interventions i JOIN customers c"
		    " ON c.tenant_id = i.tenant_id AND c.user_id = i.user_id"
		    " WHERE i.status = 'planned' AND i.source = 'automatic'"
		    " AND i.tenant_id = ");
	sql_ref(&q, at.tenant);
	sql_add(&q, " AND i.playbook_id = ");
	sql_arg(&q, ARG_UUID(pb->id));
	sql_add(&q, " AND ");
	condition_write_sql(pb->exit, &q, &at);
	sql_add(&q, " ORDER BY i.id LIMIT ");
	sql_arg(&q, ARG_I64(CHUNK));
	if (!db_rows_sql(op, &rows, &q))
		return false;
	*ret_more = *ret_more || rows.count == CHUNK;
	return move_all(op, &rows, INTERVENTION_CANCEL, "exit_met");
}

/* Drafted while somebody paused or archived the playbook. */
static bool cancel_stopped(struct op *op, bool *ret_more)
{
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT i.id FROM interventions i JOIN playbooks p"
		     " ON p.tenant_id = i.tenant_id AND p.id = i.playbook_id"
		     " WHERE i.tenant_id = $1 AND i.status = 'planned'"
		     " AND i.source = 'automatic' AND p.status <> 'active'"
		     " ORDER BY i.id LIMIT $2",
		     ARG_I64(op->tenant_id), ARG_I64(CHUNK)))
		return false;
	*ret_more = *ret_more || rows.count == CHUNK;
	return move_all(op, &rows, INTERVENTION_CANCEL, "playbook_inactive");
}

/* A chunk a playbook; *ret_more when there are more. */
static bool cancel_all(struct op *op, bool *ret_more)
{
	struct tenant_config config;
	struct playbook *playbooks;
	size_t count;

	if (!tenant_config_load(op, &config) ||
	    !playbook_load_active(op, &config, &playbooks, &count, NULL) ||
	    !cancel_stopped(op, ret_more))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!cancel_exits(op, &playbooks[i], ret_more))
			return false;
	return true;
}

bool stage_approve(struct op *op, struct run *run)
{
	struct db_rows rows;
	bool cancel_more = false;

	if (!db_begin(op))
		return false;
	/* Once a run; in the next call again while there is more. */
	if (run->state == NULL && !cancel_all(op, &cancel_more))
		return false;
	if (!cancel_more)
		run->state = run;
	if (!db_rows(op, &rows,
		     "SELECT i.id FROM interventions i"
		     " JOIN tenant_settings t ON t.tenant_id = i.tenant_id"
		     " JOIN playbooks p ON p.tenant_id = i.tenant_id"
		     " AND p.id = i.playbook_id"
		     " WHERE i.tenant_id = $1 AND i.status = 'planned'"
		     " AND i.source = 'automatic' AND i.checks_passed"
		     " AND i.channel <> 'escalate' AND i.paused_at IS NULL"
		     " AND i.lapsed_at IS NULL AND NOT t.kill_switch_active"
		     " AND NOT coalesce("
		     "(p.constraints->>'requires_approval')::boolean, false)"
		     " AND (t.approval_mode = 'full_auto'"
		     " OR t.approval_mode = 'semi_auto'"
		     " AND round(i.confidence::numeric, 4) >= coalesce("
		     "(p.constraints->>'min_confidence')::numeric,"
		     " (t.config->>'confidence_threshold')::numeric, 0.8))"
		     " ORDER BY i.id LIMIT $2",
		     ARG_I64(op->tenant_id), ARG_I64(CHUNK)) ||
	    !move_all(op, &rows, INTERVENTION_APPROVE, NULL))
		return false;
	run->more = cancel_more || rows.count == CHUNK;
	return run_chunk_done(op, run, (int64_t)rows.count);
}
