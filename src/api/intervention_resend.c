/*
 * Sending a failed message again. Nothing repeats one by itself where it is
 * unknown whether it arrived ("outcome_unknown"): a person looks, and makes a
 * copy, which has an id of its own, so that no receiver takes it for the first.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "db/db.h"
#include "engine/decide.h"
#include "store/intervention.h"

static bool load_locked(struct op *op, const char *id, struct db_row *ret)
{
	if (!db_opt(
		op, ret,
		"SELECT user_id, playbook_id, playbook_version, decision_id,"
		" status, channel, subject, message_body, reasoning,"
		" EXISTS (SELECT FROM interventions c"
		" WHERE c.tenant_id = $1 AND c.resend_of = $2) AS resent"
		" FROM interventions WHERE tenant_id = $1 AND id = $2"
		" AND user_id IS NOT NULL FOR UPDATE",
		ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	if (!db_found(ret))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such intervention");
	if (streq(db_text(ret, "channel"), "escalate"))
		return op_fail(op, FAIL_NOT_FOUND, "is_escalation",
			       "an escalation is handled or delegated");
	if (!streq(db_text(ret, "status"), "failed"))
		return op_fail(op, FAIL_NOT_FOUND, "not_failed",
			       "the intervention is %s",
			       db_text(ret, "status"));
	if (db_bool(ret, "resent"))
		return op_fail(op, FAIL_NOT_FOUND, "already_resent",
			       "the intervention was sent again already");
	return true;
}

/* The text is checked anew: what is offered and allowed may have changed. */
static bool put_copy(struct op *op, const struct db_row *row, const char *id,
		     struct intervention *copy)
{
	*copy = (struct intervention){
		.user_id = db_text(row, "user_id"),
		.playbook_id = db_text(row, "playbook_id"),
		.playbook_version = db_is_null(row, "playbook_version")
					? 0
					: db_i64(row, "playbook_version"),
		.decision_id = db_text(row, "decision_id"),
		.source = "manual",
		.status = "planned",
		.channel = db_text(row, "channel"),
		.subject = db_text(row, "subject"),
		.message_body = db_text(row, "message_body"),
		.reasoning = db_text(row, "reasoning"),
	};
	return decide_quality(op, copy->user_id, copy->playbook_id,
			      copy->channel, copy->subject, copy->message_body,
			      &copy->checks_passed, &copy->quality_checks) &&
	       interventions_insert(op, copy, 1, auth_actor(op)) &&
	       db_exec(op, NULL,
		       "UPDATE interventions SET resend_of = $3"
		       " WHERE tenant_id = $1 AND id = $2",
		       ARG_I64(op->tenant_id), ARG_UUID(copy->id),
		       ARG_UUID(id));
}

static bool intervention_resend(struct op *op, const struct request *rq,
				struct response *rs)
{
	struct intervention copy;
	struct db_row row;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !load_locked(op, id, &row) || !put_copy(op, &row, id, &copy) ||
	    !db_one(op, &row,
		    "SELECT id, status, version, channel, planned_at, resend_of"
		    " FROM interventions WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(copy.id)))
		return false;
	return reply_row(op, rs, 201, &row);
}

const struct route intervention_resend_routes[] = {
	{ HTTP_POST, "/api/interventions/{id}/resend", ACCESS_EDITOR,
	  intervention_resend, "resendIntervention", 0 },
};
const size_t intervention_resend_route_count =
    ARRAY_LEN(intervention_resend_routes);
