/*
 * deliver: approved messages, one at a time. In one transaction under the
 * lease: look at everything again, then cancel, lapse, hold, or mark the
 * row sending. Then send outside of a transaction, then write the result.
 *
 * A run that dies between the two leaves a row in sending. The next run
 * holds the lease, so such a row is nobody's: a mail may be out and fails
 * as outcome_unknown for a person to resend; for the other channels
 * nothing has left yet, and they go on.
 */
#include "batch/stage.h"

#include "base/clock.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "db/sql.h"
#include "deliver/deliver.h"
#include "engine/playbook_doc.h"
#include "store/erase.h"
#include "store/gates.h"
#include "store/intervention.h"

#include <unistd.h>

#define CHUNK	       50
#define RECORD_TRIES   5
#define APPROVAL_HOURS "48 hours"

/* A compiled playbook of this call. */
struct known {
	struct playbook playbook;
	struct known *next;
};

struct round {
	struct run *run;
	struct sender sender;
	struct tenant_config config;
	struct known *known;
};

/* A due row, not locked yet. */
struct due {
	const char *id;
	const char *playbook_id; /* NULL for a manual row */
};

/* What a verdict of the claim leads to; other verdicts hold the row. */
static const struct {
	const char *verdict;
	enum intervention_verb verb;
} ends[] = {
	{ "exit_met", INTERVENTION_CANCEL },
	{ "playbook_inactive", INTERVENTION_CANCEL },
	{ "content_changed", INTERVENTION_LAPSE },
	{ "stage_changed", INTERVENTION_LAPSE },
	{ "approval_expired", INTERVENTION_LAPSE },
	{ "entry", INTERVENTION_LAPSE },
};

/* Gates in product order; the last ones are the claim's own. */
#define GATE(name, sql) " WHEN NOT " sql " THEN '" name "'"
#define GATE_AUTO(name, sql)                                                   \
	" WHEN i.source = 'automatic' AND NOT " sql " THEN '" name "'"
#define GATES_SQL                                                              \
	GATE("kill_switch", GATE_SQL_KILL_SWITCH)                              \
	GATE("shadow_mode", GATE_SQL_SHADOW_MODE)                              \
	GATE_AUTO("tracked_limit", GATE_SQL_TRACKED_LIMIT)                     \
	GATE("opted_out", GATE_SQL_OPTED_OUT)                                  \
	GATE_AUTO("holdout", GATE_SQL_HOLDOUT)                                 \
	GATE_AUTO("frequency_cap", GATE_SQL_FREQUENCY_CAP)                     \
	GATE("quiet_hours", GATE_SQL_QUIET_HOURS)                              \
	GATE("channel_off", GATE_SQL_CHANNEL_OFF)                              \
	GATE("no_address", GATE_SQL_NO_ADDRESS)

static bool move(struct op *op, enum intervention_verb verb,
		 const struct db_rows *rows, const char *channel, bool same,
		 const char *reason)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows->count);
	size_t n = 0;

	db_each (row, rows) {
		if (streq(db_text(&row, "channel"), channel) == same)
			ids[n++] = db_text(&row, "id");
	}
	return n == 0 || interventions_move(op,
					    &(struct intervention_move){
						.verb = verb,
						.ids = ids,
						.n = n,
						.actor = "batch",
						.reason = reason,
						.next_attempt_us = op->now_us },
					    NULL);
}

/* Rows that a dead run left in sending. */
static bool recover(struct op *op, const struct sender *sender)
{
	struct db_rows left;
	const char *unsure = sender->test ? "" : "email";

	return db_rows(op, &left,
		       "SELECT id, channel FROM interventions"
		       " WHERE tenant_id = $1 AND status = 'sending'",
		       ARG_I64(op->tenant_id)) &&
	       move(op, INTERVENTION_FAIL, &left, unsure, true,
		    "outcome_unknown") &&
	       move(op, INTERVENTION_RETRY, &left, unsure, false,
		    "interrupted");
}

/* Inside the transaction; the compiled playbook lives as long as the op. */
static bool playbook_of(struct op *op, struct round *round, const char *id,
			const struct playbook **ret)
{
	struct known *k;

	for (k = round->known; k != NULL; k = k->next) {
		if (streq(k->playbook.id, id)) {
			*ret = &k->playbook;
			return true;
		}
	}
	k = ARENA_NEW(op->arena, struct known);
	if (!playbook_load(op, id, &round->config, &k->playbook))
		return false;
	k->next = round->known;
	round->known = k;
	*ret = &k->playbook;
	return true;
}

/*
 * The row, locked, with a verdict: NULL when it may go now. pb is NULL for
 * a manual row, which no entry or exit binds.
 */
static bool claim_look(struct op *op, const struct due *due,
		       const struct playbook *pb, struct db_rows *ret)
{
	struct condition_at at = { 0 };
	struct sql q;

	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	sql_add(&q, "SELECT " OUTGOING_SQL ", i.hold, CASE");
	if (pb != NULL) {
		if (!condition_is_empty(pb->exit)) {
			sql_add(&q, " WHEN ");
			condition_write_sql(pb->exit, &q, &at);
			sql_add(&q, " THEN 'exit_met'");
		}
		sql_add(&q, " WHEN NOT " GATE_SQL_PLAYBOOK_ACTIVE
			    " THEN 'playbook_inactive'");
	}
	sql_add(&q, " WHEN i.content_hash IS DISTINCT FROM"
		    " " INTERVENTION_HASH_SQL " THEN 'content_changed'"
		    " WHEN i.approved_stage IS DISTINCT FROM"
		    " c.lifecycle_stage THEN 'stage_changed'"
		    " WHEN i.approved_at <= n.now"
		    " - interval '" APPROVAL_HOURS "'"
		    " THEN 'approval_expired'");
	if (pb != NULL) {
		sql_add(&q, " WHEN NOT ");
		condition_write_sql(pb->entry, &q, &at);
		sql_add(&q, " THEN 'entry'");
	}
	sql_add(&q, GATES_SQL
		" END AS verdict"
		" FROM interventions i JOIN customers c"
		" ON c.tenant_id = i.tenant_id AND c.user_id = i.user_id"
		" JOIN tenant_settings t ON t.tenant_id = i.tenant_id"
		" LEFT JOIN playbooks p ON p.tenant_id = i.tenant_id"
		" AND p.id = i.playbook_id,"
		" (SELECT ");
	sql_ref(&q, at.now);
	sql_add(&q, "::timestamptz AS now) n"
		    " WHERE i.status = 'approved' AND i.tenant_id = ");
	sql_ref(&q, at.tenant);
	sql_add(&q, " AND i.id = ");
	sql_arg(&q, ARG_UUID(due->id));
	sql_add(&q, " FOR UPDATE OF i SKIP LOCKED");
	return db_rows_sql(op, ret, &q);
}

static bool hold(struct op *op, const struct db_row *row, const char *gate)
{
	const char *held = db_text(row, "hold");

	if (held != NULL && streq(held, gate))
		return true;
	return db_exec(op, NULL,
		       "UPDATE interventions SET hold = $3"
		       " WHERE tenant_id = $1 AND id = $2",
		       ARG_I64(op->tenant_id), ARG_UUID(db_text(row, "id")),
		       ARG_TEXT(gate));
}

static bool act_on(struct op *op, const struct db_row *row, const char *verdict)
{
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		if (streq(ends[i].verdict, verdict))
			return intervention_move(op, ends[i].verb,
						 db_text(row, "id"), "batch",
						 verdict);
	}
	return hold(op, row, verdict);
}

/* The first transaction. *ret_go: the row is ours to send. */
static bool claim(struct op *op, struct round *round, const struct due *due,
		  struct outgoing *ret, bool *ret_go)
{
	const struct playbook *pb = NULL;
	struct db_rows rows;

	*ret_go = false;
	if (!db_begin(op) || !erasures_hold_off(op))
		return false;
	if (due->playbook_id != NULL &&
	    !playbook_of(op, round, due->playbook_id, &pb))
		return false;
	if (!claim_look(op, due, pb, &rows))
		return false;
	if (rows.count == 0) /* decided or taken by somebody since */
		return run_chunk_done(op, round->run, 0);
	struct db_row row = db_row_at(&rows, 0);
	const char *verdict = db_text(&row, "verdict");
	outgoing_read(&row, ret);
	if (verdict == NULL && !deliver_ready(&round->sender, ret->channel))
		verdict = "no_transport";
	if (verdict != NULL)
		return act_on(op, &row, verdict) &&
		       run_chunk_done(op, round->run, 0);
	*ret_go = true;
	return intervention_move(op, INTERVENTION_CLAIM, ret->id, "batch",
				 NULL) &&
	       run_chunk_done(op, round->run, 1);
}

/* A deadlock, a changed schema, a database that is away or busy for now. */
static bool passes(const struct op *op)
{
	return op->fail.kind == FAIL_UNAVAILABLE || db_may_retry(op);
}

/*
 * The second transaction. It is not fenced by the lease: what was sent was
 * sent. Worth some patience, because a mail whose result is not written
 * down fails as unknown.
 */
static bool record(struct op *op, struct round *round,
		   const struct outgoing *out, const struct sent *sent)
{
	for (int tries = 1;; tries++) {
		if (db_begin(op) && erasures_hold_off(op) &&
		    deliver_record(op, &round->sender, out, sent) &&
		    db_commit(op))
			return true;
		if (tries == RECORD_TRIES || !passes(op))
			return false;
		db_rollback(op);
		op_clear(op);
		sleep(1);
	}
}

static bool deliver_one(struct op *op, struct round *round,
			const struct due *due)
{
	const char *what = arena_printf(op->arena, "intervention %s", due->id);
	struct outgoing out;
	struct sent sent;
	bool go;

	if (!claim(op, round, due, &out, &go))
		return run_item_failed(op, round->run, what);
	if (!go)
		return true;
	if (!deliver_send(op, &round->sender, &out, &sent)) {
		/* Our own trouble, before anything left: again later. */
		sent = (struct sent){ .result = SEND_TRANSIENT,
				      .error = arena_strdup(op->arena,
							    op->fail.message) };
		if (!run_item_failed(op, round->run, what))
			return false;
	}
	if (!record(op, round, &out, &sent))
		return run_item_failed(op, round->run, what);
	return true;
}

static bool list_due(struct op *op, struct run *run, struct db_rows *ret)
{
	const char *cursor =
	    run->cursor != NULL && *run->cursor != '\0' ? run->cursor : NULL;

	return db_list(op, ret,
		       "SELECT i.id, CASE WHEN i.source = 'automatic'"
		       " THEN i.playbook_id END AS playbook_id"
		       " FROM interventions i"
		       " WHERE i.tenant_id = $1 AND i.status = 'approved'"
		       " AND i.channel <> 'escalate'"
		       " AND (i.next_attempt_at IS NULL"
		       " OR i.next_attempt_at <= $2)"
		       " AND ($3::uuid IS NULL OR i.id > $3)"
		       " ORDER BY i.id LIMIT $4",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_UUID(cursor), ARG_I64(CHUNK));
}

bool stage_deliver(struct op *op, struct run *run)
{
	struct round round = { .run = run };
	struct db_rows rows;

	if (run->first && run->force)
		run_set_cursor(run, NULL);
	if (!db_begin(op) || !sender_load(op, &round.sender) ||
	    !tenant_config_load(op, &round.config) ||
	    (run->first && !recover(op, &round.sender)) ||
	    !list_due(op, run, &rows) || !run_chunk_done(op, run, 0))
		return false;
	db_each (row, &rows) {
		struct due due = { db_text(&row, "id"),
				   db_text(&row, "playbook_id") };

		if (run_stopping(run))
			return true;
		run_set_cursor(run, due.id);
		if (!deliver_one(op, &round, &due))
			return false;
	}
	run->more = rows.count == CHUNK;
	if (!run->more)
		run_set_cursor(run, NULL);
	return db_begin(op) && run_chunk_done(op, run, 0);
}
