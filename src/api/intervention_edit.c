/*
 * Editing a message before it goes: the checks run again, and an approval,
 * which was for the old text, lapses. From then on it is the text of who
 * edited it: like one made by hand it waits for an approval in every mode.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "engine/decide.h"
#include "http/body.h"
#include "store/audit.h"
#include "store/intervention.h"

#define MESSAGE_MAX_BYTES 20000

struct edit_in {
	const char *subject, *message_body;
	int64_t version;
};

static const struct field edit_fields[] = {
	FIELD_TEXT(struct edit_in, subject, false, 1, 200, .in_chars = true,
		   .one_line = true),
	FIELD_TEXT(struct edit_in, message_body, false, 1, MESSAGE_MAX_BYTES),
	FIELD_I64(struct edit_in, version, false, 1, INT32_MAX),
};

static bool load_locked(struct op *op, const char *id, struct db_row *ret)
{
	if (!db_opt(op, ret,
		    "SELECT user_id, playbook_id, status, channel, subject,"
		    " message_body, version FROM interventions"
		    " WHERE tenant_id = $1 AND id = $2"
		    " AND user_id IS NOT NULL FOR UPDATE",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	if (!db_found(ret))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such intervention");
	if (streq(db_text(ret, "channel"), "escalate"))
		return op_fail(op, FAIL_NOT_FOUND, "is_escalation",
			       "an escalation has no message to edit");
	if (!streq(db_text(ret, "status"), "planned") &&
	    !streq(db_text(ret, "status"), "approved"))
		return op_fail(op, FAIL_NOT_FOUND, "not_planned",
			       "the intervention is %s",
			       db_text(ret, "status"));
	return true;
}

static bool check_fields(struct op *op, const struct edit_in *in,
			 const struct db_row *row)
{
	if (in->subject == NULL && in->message_body == NULL)
		return op_fail_at(op, "message_body",
				  "subject or message_body is required");
	if (in->subject != NULL && !streq(db_text(row, "channel"), "email"))
		return op_fail_at(op, "subject", "only an email has one");
	return true;
}

static bool edit(struct op *op, const char *id, const struct edit_in *in,
		 const struct db_row *row)
{
	const char *subject = in->subject, *message = in->message_body;
	const char *checks;
	bool passed;

	if (subject == NULL)
		subject = db_text(row, "subject");
	if (message == NULL)
		message = db_text(row, "message_body");
	/* First: what was approved counts as a recent message. */
	if (streq(db_text(row, "status"), "approved") &&
	    !intervention_move(op, INTERVENTION_LAPSE, id, auth_actor(op),
			       "edited"))
		return false;
	return decide_quality(op, db_text(row, "user_id"),
			      db_text(row, "playbook_id"),
			      db_text(row, "channel"), subject, message,
			      &passed, &checks) &&
	       db_exec(op, NULL,
		       "UPDATE interventions SET subject = $3,"
		       " message_body = $4, quality_checks = $5,"
		       " checks_passed = $6, content_hash = NULL,"
		       " edited_at = $7, edited_by = $8,"
		       " version = version + 1"
		       " WHERE tenant_id = $1 AND id = $2",
		       ARG_I64(op->tenant_id), ARG_UUID(id), ARG_TEXT(subject),
		       ARG_TEXT(message), ARG_JSON(checks), ARG_BOOL(passed),
		       ARG_TIME(op->now_us), ARG_TEXT(auth_actor(op)));
}

/* The texts are about a customer: the log says that they changed. */
static bool put_audit(struct op *op, const char *id, const struct edit_in *in)
{
	return audit_put(op, auth_actor(op), "intervention.edit", id, NULL,
			 arena_printf(op->arena,
				      "{\"subject\":%s,\"message_body\":%s}",
				      in->subject ? "true" : "false",
				      in->message_body ? "true" : "false"));
}

static bool intervention_edit(struct op *op, const struct request *rq,
			      struct response *rs)
{
	struct edit_in in = { 0 };
	struct db_row row;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !body_decode(op, rq, edit_fields, ARRAY_LEN(edit_fields), &in) ||
	    !load_locked(op, id, &row) || !check_fields(op, &in, &row) ||
	    !intervention_version_check(op, in.version,
					db_i64(&row, "version")) ||
	    !edit(op, id, &in, &row) || !put_audit(op, id, &in) ||
	    !db_one(op, &row,
		    "SELECT id, status, version, channel, subject,"
		    " message_body,"
		    " quality_checks, checks_passed, lapsed_at, edited_at,"
		    " edited_by"
		    " FROM interventions WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	return reply_row(op, rs, 200, &row);
}

const struct route intervention_edit_routes[] = {
	{ HTTP_PATCH, "/api/interventions/{id}", ACCESS_EDITOR,
	  intervention_edit, "editIntervention", 0 },
};
const size_t intervention_edit_route_count =
    ARRAY_LEN(intervention_edit_routes);
