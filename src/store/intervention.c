/*
 * Interventions: inserted in arrays by unnest, moved from status to status
 * by one statement that also writes the log. The table of verbs below is
 * the state machine; nothing else updates interventions.status.
 */
#include "store/intervention.h"

#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "store/audit.h"

const char *const intervention_channels[] = { "email", "in_app", "webhook",
					      "crm", NULL };

#define OPEN_MAX 4

/* An escalation is handled by people, never approved to be sent. */
enum kind { MESSAGES, ESCALATIONS, BOTH };

struct verb {
	const char *name;
	enum kind of;
	const char *from[OPEN_MAX];
	const char *to;
	const char *code;    /* when the status does not allow it */
	const char *message; /* the same for people */
};

static const struct verb verbs[INTERVENTION_VERBS] = {
	[INTERVENTION_APPROVE] = { "approve",
				   MESSAGES,
				   { "planned" },
				   "approved",
				   "not_planned",
				   "the intervention is not planned" },
	[INTERVENTION_PAUSE] = { "pause",
				 MESSAGES,
				 { "planned", "approved" },
				 "planned",
				 "not_pausable",
				 "the intervention is neither planned nor "
				 "approved" },
	[INTERVENTION_REJECT] = { "reject",
				  MESSAGES,
				  { "planned" },
				  "rejected",
				  "not_planned",
				  "the intervention is not planned" },
	[INTERVENTION_LAPSE] = { "lapse",
				 MESSAGES,
				 { "approved" },
				 "planned",
				 "not_approved",
				 "the intervention is not approved" },
	[INTERVENTION_EXPIRE] = { "expire",
				  MESSAGES,
				  { "planned" },
				  "expired",
				  "not_planned",
				  "the intervention is not planned" },
	[INTERVENTION_CANCEL] = { "cancel",
				  BOTH,
				  { "planned", "approved" },
				  "cancelled",
				  "not_open",
				  "the intervention is neither planned nor "
				  "approved" },
	[INTERVENTION_CLAIM] = { "claim",
				 MESSAGES,
				 { "approved" },
				 "sending",
				 "not_approved",
				 "the intervention is not approved" },
	[INTERVENTION_RETRY] = { "retry",
				 MESSAGES,
				 { "sending" },
				 "approved",
				 "not_sending",
				 "the intervention is not being sent" },
	[INTERVENTION_SENT] = { "sent",
				MESSAGES,
				{ "sending" },
				"sent",
				"not_sending",
				"the intervention is not being sent" },
	[INTERVENTION_DELIVERED] = { "delivered",
				     MESSAGES,
				     { "sending", "sent" },
				     "delivered",
				     "not_sent",
				     "the intervention is not sent" },
	[INTERVENTION_FAIL] = { "fail",
				MESSAGES,
				{ "approved", "sending", "sent" },
				"failed",
				"not_sending",
				"the intervention is not being sent" },
	[INTERVENTION_ROLL_BACK] = { "roll_back",
				     MESSAGES,
				     { "approved", "sent", "delivered" },
				     "rolled_back",
				     "not_delivered",
				     "the intervention is not in a status that "
				     "can be rolled back" },
	[INTERVENTION_HANDLE] = { "handle",
				  ESCALATIONS,
				  { "planned" },
				  "handled",
				  "not_open",
				  "the escalation is not open" },
	[INTERVENTION_DELEGATE] = { "delegate",
				    ESCALATIONS,
				    { "planned" },
				    "delegated",
				    "not_open",
				    "the escalation is not open" },
};

/* The columns of rows, turned from an array of structs into arrays. */
struct columns {
	const char **ids, **log_ids, **users, **playbooks, **decisions;
	const char **sources, **statuses, **channels, **subjects, **bodies;
	const char **reasonings, **checks, **severities, **escalations;
	int64_t *versions;
	double *confidences;
	bool *has_confidence, *passed, *shadow;
};

static void columns_fill(struct op *op, struct columns *c,
			 struct intervention *rows, size_t n)
{
	const char ***texts[] = { &c->ids,	  &c->log_ids,	  &c->users,
				  &c->playbooks,  &c->decisions,  &c->sources,
				  &c->statuses,	  &c->channels,	  &c->subjects,
				  &c->bodies,	  &c->reasonings, &c->checks,
				  &c->severities, &c->escalations };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = ARENA_ARRAY(op->arena, const char *, n);
	c->versions = ARENA_ARRAY(op->arena, int64_t, n);
	c->confidences = ARENA_ARRAY(op->arena, double, n);
	c->has_confidence = ARENA_ARRAY(op->arena, bool, n);
	c->passed = ARENA_ARRAY(op->arena, bool, n);
	c->shadow = ARENA_ARRAY(op->arena, bool, n);
	for (size_t i = 0; i < n; i++) {
		struct intervention *row = &rows[i];

		if (row->id == NULL)
			row->id = uuid_new(op);
		row->inserted = false;
		c->ids[i] = row->id;
		c->log_ids[i] = uuid_new(op);
		c->users[i] = row->user_id;
		c->playbooks[i] = row->playbook_id;
		c->versions[i] = row->playbook_version;
		c->decisions[i] = row->decision_id;
		c->sources[i] = row->source;
		c->statuses[i] = row->status;
		c->channels[i] = row->channel;
		c->subjects[i] = row->subject;
		c->bodies[i] = row->message_body;
		c->reasonings[i] = row->reasoning;
		c->has_confidence[i] = row->has_confidence;
		c->confidences[i] = row->confidence;
		c->checks[i] = row->quality_checks;
		c->severities[i] = row->severity;
		c->escalations[i] = row->escalation_id;
		c->passed[i] = row->checks_passed;
		c->shadow[i] = row->shadow;
	}
}

bool interventions_insert(struct op *op, struct intervention *rows, size_t n,
			  const char *actor)
{
	struct columns c;
	struct db_rows made;

	if (n == 0)
		return true;
	columns_fill(op, &c, rows, n);
	if (!db_rows(op, &made,
		     "WITH made AS (INSERT INTO interventions (tenant_id, id,"
		     " user_id, playbook_id, playbook_version, decision_id,"
		     " source, status, channel, subject, message_body,"
		     " reasoning, confidence, quality_checks, checks_passed,"
		     " shadow, created_at, planned_at, severity,"
		     " escalation_id)"
		     " SELECT $1, r.id, r.user_id, r.playbook_id,"
		     " nullif(r.version, 0)::integer, r.decision_id, r.source,"
		     " r.status, r.channel, r.subject, r.body, r.reasoning,"
		     " CASE WHEN r.has_confidence THEN r.confidence::real END,"
		     " r.checks, CASE WHEN r.checks IS NOT NULL"
		     " THEN r.passed END, r.shadow, $2, $2,"
		     " CASE WHEN r.channel = 'escalate' THEN coalesce("
		     "r.severity, (SELECT initcap(c.risk_level)"
		     " FROM customers c WHERE c.tenant_id = $1"
		     " AND c.user_id = r.user_id)) END, r.escalation_id"
		     " FROM unnest($3::uuid[], $4::text[], $5::uuid[],"
		     " $6::bigint[], $7::uuid[], $8::text[], $9::text[],"
		     " $10::text[], $11::text[], $12::text[], $13::text[],"
		     " $14::boolean[], $15::double precision[], $16::jsonb[],"
		     " $17::boolean[], $18::boolean[], $22::text[],"
		     " $23::uuid[]) AS r(id, user_id,"
		     " playbook_id, version, decision_id, source, status,"
		     " channel, subject, body, reasoning, has_confidence,"
		     " confidence, checks, passed, shadow, severity,"
		     " escalation_id)"
		     " ON CONFLICT (tenant_id, user_id, playbook_id)"
		     " WHERE source = 'automatic' AND status IN ('planned',"
		     " 'approved', 'sending') DO NOTHING"
		     " RETURNING id, status),"
		     " logged AS (INSERT INTO intervention_log (tenant_id, id,"
		     " intervention_id, at, to_status, actor, request_id)"
		     " SELECT $1, l.log_id, made.id, $2, made.status, $20, $21"
		     " FROM made JOIN unnest($3::uuid[], $19::uuid[])"
		     " AS l(id, log_id) ON l.id = made.id)"
		     " SELECT w.n FROM made JOIN unnest($3::uuid[])"
		     " WITH ORDINALITY AS w(id, n) ON w.id = made.id",
		     ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		     ARG_UUIDS(c.ids, n), ARG_TEXTS(c.users, n),
		     ARG_UUIDS(c.playbooks, n), ARG_I64S(c.versions, n),
		     ARG_UUIDS(c.decisions, n), ARG_TEXTS(c.sources, n),
		     ARG_TEXTS(c.statuses, n), ARG_TEXTS(c.channels, n),
		     ARG_TEXTS(c.subjects, n), ARG_TEXTS(c.bodies, n),
		     ARG_TEXTS(c.reasonings, n), ARG_BOOLS(c.has_confidence, n),
		     ARG_DOUBLES(c.confidences, n), ARG_JSONS(c.checks, n),
		     ARG_BOOLS(c.passed, n), ARG_BOOLS(c.shadow, n),
		     ARG_UUIDS(c.log_ids, n), ARG_TEXT(actor),
		     ARG_TEXT(op->tag), ARG_TEXTS(c.severities, n),
		     ARG_UUIDS(c.escalations, n)))
		return false;
	db_each (row, &made)
		rows[db_i64(&row, "n") - 1].inserted = true;
	return true;
}

static size_t from_count(const struct verb *verb)
{
	size_t n = 0;

	while (n < OPEN_MAX && verb->from[n] != NULL)
		n++;
	return n;
}

bool interventions_move(struct op *op, const struct intervention_move *move,
			struct db_rows *ret_moved)
{
	const struct verb *verb = &verbs[move->verb];
	struct db_rows moved;

	const char **log_ids = ARENA_ARRAY(op->arena, const char *, move->n);
	for (size_t i = 0; i < move->n; i++)
		log_ids[i] = uuid_new(op);
	/*
	 * The row is locked before it is looked at: the loser of two at once
	 * waits, sees the new status, and moves nothing.
	 */
	if (!db_rows(
		op, &moved,
		"WITH old AS (SELECT i.id, i.status, w.log_id"
		" FROM interventions i"
		" JOIN unnest($2::uuid[], $3::uuid[]) AS w(id, log_id)"
		" ON w.id = i.id"
		" WHERE i.tenant_id = $1 AND i.status = ANY ($4)"
		" AND ($13::boolean IS NULL"
		" OR (i.channel = 'escalate') = $13)"
		" AND ($14::bigint IS NULL OR i.version = $14)"
		" ORDER BY i.id FOR UPDATE OF i),"
		" moved AS (UPDATE interventions i SET status = $5,"
		" approved_at = CASE WHEN $6 = 'approve' THEN $7"
		" WHEN $5 = 'planned' THEN NULL ELSE i.approved_at END,"
		" approved_by = CASE WHEN $6 = 'approve' THEN $8"
		" WHEN $5 = 'planned' THEN NULL ELSE i.approved_by END,"
		" content_hash = CASE WHEN $6 = 'approve'"
		" THEN " INTERVENTION_HASH_SQL
		" WHEN $5 = 'planned' THEN NULL ELSE i.content_hash END,"
		" approved_stage = CASE WHEN $6 = 'approve'"
		" THEN (SELECT c.lifecycle_stage FROM customers c"
		" WHERE c.tenant_id = i.tenant_id AND c.user_id = i.user_id)"
		" WHEN $5 = 'planned' THEN NULL ELSE i.approved_stage END,"
		" paused_at = CASE WHEN $6 = 'pause' THEN $7"
		" WHEN $6 = 'approve' THEN NULL ELSE i.paused_at END,"
		" lapsed_at = CASE WHEN $6 = 'lapse' THEN $7"
		" WHEN $6 = 'approve' THEN NULL ELSE i.lapsed_at END,"
		" sending_at = CASE WHEN $6 = 'claim' THEN $7"
		" ELSE i.sending_at END,"
		" attempts = i.attempts + ($6 = 'claim')::integer,"
		" next_attempt_at = CASE WHEN $6 = 'retry' THEN $11"
		" ELSE NULL END,"
		" sent_at = CASE WHEN $6 IN ('sent', 'delivered')"
		" THEN coalesce(i.sent_at, $7) ELSE i.sent_at END,"
		" delivered_at = CASE WHEN $6 = 'delivered' THEN $7"
		" ELSE i.delivered_at END,"
		" simulated = i.simulated OR $12,"
		" ended_at = CASE WHEN $5 IN ('rejected', 'cancelled',"
		" 'failed', 'expired', 'rolled_back', 'handled',"
		" 'delegated') THEN $7"
		" ELSE i.ended_at END,"
		" reason = CASE WHEN $5 IN ('rejected', 'cancelled',"
		" 'failed', 'expired', 'rolled_back', 'handled',"
		" 'delegated') THEN $9"
		" ELSE i.reason END,"
		" handled_by = CASE WHEN $6 IN ('handle', 'delegate')"
		" THEN $8 ELSE i.handled_by END,"
		" hold = NULL"
		" FROM old WHERE i.tenant_id = $1 AND i.id = old.id"
		" RETURNING i.id, i.status, i.user_id, i.playbook_id,"
		" i.channel, old.status AS from_status, old.log_id),"
		" logged AS (INSERT INTO intervention_log (tenant_id, id,"
		" intervention_id, at, from_status, to_status, actor, reason,"
		" request_id) SELECT $1, log_id, id, $7, from_status, status,"
		" $8, $9, $10 FROM moved)"
		" SELECT id, status, user_id, playbook_id, channel FROM moved",
		ARG_I64(op->tenant_id), ARG_UUIDS(move->ids, move->n),
		ARG_UUIDS(log_ids, move->n),
		ARG_TEXTS(verb->from, from_count(verb)), ARG_TEXT(verb->to),
		ARG_TEXT(verb->name), ARG_TIME(op->now_us),
		ARG_TEXT(move->actor), ARG_TEXT(move->reason),
		ARG_TEXT(op->tag),
		ARG_TIME_IF(move->verb == INTERVENTION_RETRY,
			    move->next_attempt_us),
		ARG_BOOL(move->simulated),
		ARG_BOOL_IF(verb->of != BOTH, verb->of == ESCALATIONS),
		ARG_I64_IF(move->version != 0, move->version)))
		return false;
	if (ret_moved != NULL)
		*ret_moved = moved;
	return true;
}

bool intervention_version_check(struct op *op, int64_t seen, int64_t current)
{
	if (seen == 0 || seen == current)
		return true;
	op_fail(op, FAIL_CONFLICT, "stale_version",
		"the message is at version %lld, what was seen is version %lld",
		(long long)current, (long long)seen);
	return op_fail_extra(op, arena_printf(op->arena, "\"current\":%lld",
					      (long long)current));
}

/* Why a row did not move: it is unknown, no such thing, or elsewhere. */
static bool refuse(struct op *op, const struct intervention_call *call)
{
	const struct verb *verb = &verbs[call->verb];
	struct db_row row;

	if (!db_opt(op, &row,
		    "SELECT channel = 'escalate' AS is_escalation, version,"
		    " status = ANY ($3) AS movable"
		    " FROM interventions WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(call->id),
		    ARG_TEXTS(verb->from, from_count(verb))))
		return false;
	bool known = db_found(&row);
	bool is_escalation = known && db_bool(&row, "is_escalation");
	if (verb->of == ESCALATIONS && !is_escalation)
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such escalation");
	if (!known)
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such intervention");
	if (verb->of == MESSAGES && is_escalation)
		return op_fail(op, FAIL_NOT_FOUND, "is_escalation",
			       "an escalation is handled or delegated");
	if (db_bool(&row, "movable") &&
	    !intervention_version_check(op, call->version,
					db_i64(&row, "version")))
		return false;
	return op_fail(op, FAIL_NOT_FOUND, verb->code, "%s", verb->message);
}

bool intervention_move_seen(struct op *op, const struct intervention_call *call)
{
	struct intervention_move move = {
		.verb = call->verb,
		.ids = &call->id,
		.n = 1,
		.actor = call->actor,
		.reason = call->reason,
		.version = call->version,
	};
	struct db_rows moved;

	if (!interventions_move(op, &move, &moved))
		return false;
	return moved.count > 0 || refuse(op, call);
}

bool intervention_move(struct op *op, enum intervention_verb verb,
		       const char *id, const char *actor, const char *reason)
{
	return intervention_move_seen(op, &(struct intervention_call){
					      .verb = verb,
					      .id = id,
					      .actor = actor,
					      .reason = reason,
					  });
}

bool intervention_was_refused(const struct op *op)
{
	return (op->fail.kind == FAIL_CONFLICT &&
		streq(op->fail.code, "stale_version")) ||
	       (op->fail.kind == FAIL_NOT_FOUND &&
		!streq(op->fail.code, "not_found"));
}

bool intervention_move_seen_by_hand(struct op *op,
				    const struct intervention_call *call)
{
	if (intervention_move_seen(op, call))
		return true;
	if (!intervention_was_refused(op))
		return false;
	struct fail found = op->fail;
	const char *after =
	    arena_printf(op->arena, "{\"verb\":\"%s\",\"code\":\"%s\"}",
			 verbs[call->verb].name, found.code);
	op_clear(op);
	if (audit_put(op, call->actor, "intervention.refused", call->id, NULL,
		      after) &&
	    db_commit(op))
		op->fail = found;
	return false;
}

bool intervention_move_by_hand(struct op *op, enum intervention_verb verb,
			       const char *id, const char *actor,
			       const char *reason)
{
	return intervention_move_seen_by_hand(op, &(struct intervention_call){
						      .verb = verb,
						      .id = id,
						      .actor = actor,
						      .reason = reason,
						  });
}

bool interventions_cancel_of_playbook(struct op *op, const char *playbook_id,
				      const char *actor)
{
	struct db_rows open;

	if (!db_rows(op, &open,
		     "SELECT id FROM interventions WHERE tenant_id = $1"
		     " AND playbook_id = $2 AND source = 'automatic'"
		     " AND status IN ('planned', 'approved') ORDER BY id",
		     ARG_I64(op->tenant_id), ARG_UUID(playbook_id)))
		return false;
	if (open.count == 0)
		return true;
	const char **ids = ARENA_ARRAY(op->arena, const char *, open.count);
	db_each (row, &open)
		ids[row.index] = db_text(&row, "id");
	return interventions_move(
	    op,
	    &(struct intervention_move){ .verb = INTERVENTION_CANCEL,
					 .ids = ids,
					 .n = open.count,
					 .actor = actor,
					 .reason = "playbook_inactive" },
	    NULL);
}
