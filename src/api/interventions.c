/*
 * Interventions: list and look at, create by hand, approve, pause, reject, roll
 * back, flag, dry-run. What may follow on what is the table of
 * store/intervention.c; sending is the batch's.
 */
#include "api/auth.h"
#include "api/intervention_filter.h"
#include "api/reply.h"
#include "api/routes.h"
#include "engine/decide.h"
#include "http/body.h"
#include "http/page.h"
#include "http/shared.h"
#include "store/audit.h"
#include "store/intervention.h"

#define MESSAGE_MAX_BYTES 20000
#define REASON_MAX_BYTES  2000

static const struct status_word status_words[] = {
	{ "planned", "planned" },     { "approved", "approved" },
	{ "sending", "sending" },     { "sent", "sent" },
	{ "delivered", "delivered" }, { "rejected", "rejected" },
	{ "cancelled", "cancelled" }, { "failed", "failed" },
	{ "expired", "expired" },     { "rolled_back", "rolled_back" },
	{ "shadow", "shadow" },	      { "handled", "handled" },
	{ "delegated", "delegated" }, { NULL, NULL },
};
static const char *const all_channels[] = { "email", "in_app",	 "webhook",
					    "crm",   "escalate", NULL };

/* ------------------------------------------------------------------ list -- */

/* What the list and one alone show. */
#define COLUMNS                                                                \
	"id, coalesce(user_id, 'erased') AS user_id, playbook_id, status,"     \
	" version, channel, subject, message_body, reasoning, confidence,"     \
	" planned_at, approved_at, approved_by, sent_at, delivered_at,"        \
	" paused_at, lapsed_at, edited_at, edited_by, source, hold, reason,"   \
	" flagged, flag_reason,"                                               \
	" quality_checks, checks_passed, simulated, escalation_id, resend_of," \
	" (SELECT coalesce(c.name, c.email, c.user_id) FROM customers c"       \
	" WHERE c.tenant_id = $1 AND c.user_id = interventions.user_id)"       \
	" AS customer_name,"                                                   \
	" (SELECT c.timezone FROM customers c WHERE c.tenant_id = $1"          \
	" AND c.user_id = interventions.user_id) AS customer_timezone"

static bool interventions_list(struct op *op, const struct request *rq,
			       struct response *rs)
{
	static const struct page_spec spec = { "interventions", "tu", 20, 100 };
	static const char *const keys[] = { "planned_at", "id" };
	struct intervention_filter filter;
	const char *channel = NULL;
	struct page page;
	struct db_rows rows;

	bool ok = intervention_filter_parse(op, rq, status_words, &filter);
	ok &= request_query_enum(op, rq, "channel", all_channels, &channel);
	if (!page_parse(op, rq, &spec, &page) || !ok)
		return false;
	if (!db_list(op, &rows,
		     "SELECT " COLUMNS
		     " FROM interventions WHERE tenant_id = $1"
		     " AND ($2::text[] IS NULL OR status = ANY ($2))"
		     " AND ($3::text IS NULL OR user_id = $3)"
		     " AND ($4::uuid IS NULL OR playbook_id = $4)"
		     " AND ($5::timestamptz IS NULL"
		     " OR (planned_at, id) < ($5, $6::uuid))"
		     " AND ($8::text IS NULL OR channel = $8)"
		     " ORDER BY planned_at DESC, id DESC LIMIT $7",
		     ARG_I64(op->tenant_id),
		     ARG_TEXTS(filter.status_count ? filter.statuses : NULL,
			       filter.status_count),
		     ARG_TEXT(filter.user_id), ARG_UUID(filter.playbook_id),
		     ARG_TIME_IF(page.has_cursor, page.keys[0].i64),
		     ARG_UUID(page.has_cursor ? page.keys[1].text : NULL),
		     ARG_I64(page.limit + 1), ARG_TEXT(channel)))
		return false;
	return reply_page(op, rs, "interventions", &rows, &spec, &page, keys);
}

static bool interventions_get(struct op *op, const struct request *rq,
			      struct response *rs)
{
	struct db_row row;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !db_opt(op, &row,
		    "SELECT " COLUMNS " FROM interventions"
		    " WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	if (!db_found(&row))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such intervention");
	return reply_row(op, rs, 200, &row);
}

/* --------------------------------------------------------------- by hand -- */

struct intervention_in {
	const char *user_id, *playbook_id, *channel;
	const char *message_body, *subject;
};

static const struct field intervention_fields[] = {
	FIELD_TEXT(struct intervention_in, user_id, true, 1, 255),
	FIELD_UUID(struct intervention_in, playbook_id, true),
	FIELD_ENUM(struct intervention_in, channel, true,
		   intervention_channels),
	FIELD_TEXT(struct intervention_in, message_body, false, 0,
		   MESSAGE_MAX_BYTES),
	FIELD_TEXT(struct intervention_in, subject, false, 0, 200,
		   .in_chars = true, .one_line = true),
};

/* What the person left out, the planner writes from the playbook. */
static bool complete(struct op *op, struct intervention_in *in)
{
	const char *subject, *message;

	if (!decide_message(op, in->user_id, in->playbook_id, in->channel,
			    &subject, &message))
		return false;
	if (in->message_body == NULL || *in->message_body == '\0')
		in->message_body = message;
	if (in->subject == NULL || *in->subject == '\0')
		in->subject = subject;
	return true;
}

static bool interventions_create(struct op *op, const struct request *rq,
				 struct response *rs)
{
	struct intervention_in in = { 0 };
	struct intervention made = { .source = "manual", .status = "planned" };
	struct db_row row;

	if (!body_decode(op, rq, intervention_fields,
			 ARRAY_LEN(intervention_fields), &in))
		return false;
	if (!complete(op, &in) ||
	    !decide_quality(op, in.user_id, in.playbook_id, in.channel,
			    in.subject, in.message_body, &made.checks_passed,
			    &made.quality_checks))
		return false;
	made.user_id = in.user_id;
	made.playbook_id = in.playbook_id;
	made.channel = in.channel;
	made.subject = in.subject;
	made.message_body = in.message_body;
	made.reasoning = "Made by a person.";
	if (!interventions_insert(op, &made, 1, auth_actor(op)) ||
	    !db_one(op, &row,
		    "SELECT id, status, version, channel, planned_at"
		    " FROM interventions WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(made.id)))
		return false;
	return reply_row(op, rs, 201, &row);
}

/* ----------------------------------------------------------------- moves -- */

/* The answer of a move: held_by tells what will keep it from going now. */
static bool reply_moved(struct op *op, struct response *rs, const char *id)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT i.id, i.status, i.version, i.paused_at,"
		    " CASE WHEN i.status = 'approved' AND t.kill_switch_active"
		    " THEN 'kill_switch' END AS held_by"
		    " FROM interventions i JOIN tenant_settings t"
		    " ON t.tenant_id = i.tenant_id"
		    " WHERE i.tenant_id = $1 AND i.id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	return reply_row(op, rs, 200, &row);
}

struct approve_in {
	int64_t version;
};

static const struct field approve_fields[] = {
	FIELD_I64(struct approve_in, version, false, 1, INT32_MAX),
};

static bool interventions_approve(struct op *op, const struct request *rq,
				  struct response *rs)
{
	struct intervention_call call = { .verb = INTERVENTION_APPROVE,
					  .actor = auth_actor(op) };
	struct approve_in in = { 0 };

	if (!request_path_uuid(op, rq, "id", &call.id) ||
	    !body_decode_optional(op, rq, approve_fields,
				  ARRAY_LEN(approve_fields), &in))
		return false;
	call.version = in.version;
	return intervention_move_seen_by_hand(op, &call) &&
	       reply_moved(op, rs, call.id);
}

static bool interventions_pause(struct op *op, const struct request *rq,
				struct response *rs)
{
	const char *id;

	return request_path_uuid(op, rq, "id", &id) &&
	       intervention_move_by_hand(op, INTERVENTION_PAUSE, id,
					 auth_actor(op), NULL) &&
	       reply_moved(op, rs, id);
}

struct reject_in {
	const char *reason;
};

static const struct field reject_fields[] = {
	FIELD_TEXT(struct reject_in, reason, true, 0, REASON_MAX_BYTES),
};

static bool interventions_reject(struct op *op, const struct request *rq,
				 struct response *rs)
{
	struct reject_in in = { 0 };
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !body_decode(op, rq, reject_fields, ARRAY_LEN(reject_fields), &in))
		return false;
	return intervention_move_by_hand(op, INTERVENTION_REJECT, id,
					 auth_actor(op), in.reason) &&
	       reply_moved(op, rs, id);
}

struct rollback_in {
	const char *reason;
};

static const struct field rollback_fields[] = {
	FIELD_TEXT(struct rollback_in, reason, false, 0, REASON_MAX_BYTES),
};

/* What is with the other side already stays there: the answer says so. */
static bool interventions_rollback(struct op *op, const struct request *rq,
				   struct response *rs)
{
	struct rollback_in in = { 0 };
	struct db_row row;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !body_decode_optional(op, rq, rollback_fields,
				  ARRAY_LEN(rollback_fields), &in) ||
	    !intervention_move_by_hand(op, INTERVENTION_ROLL_BACK, id,
				       auth_actor(op), in.reason) ||
	    !db_one(op, &row,
		    "SELECT id, status, channel, w.withdrawn,"
		    " CASE WHEN w.withdrawn AND channel = 'in_app'"
		    " THEN 'the message is no longer shown'"
		    " WHEN w.withdrawn THEN 'nothing had left yet'"
		    " WHEN channel = 'email'"
		    " THEN 'a mail that was sent cannot be taken back'"
		    " ELSE 'what was handed over cannot be taken back'"
		    " END AS note FROM interventions,"
		    " LATERAL (SELECT channel = 'in_app' OR simulated"
		    " OR sent_at IS NULL AS withdrawn) w"
		    " WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	return reply_row(op, rs, 200, &row);
}

/* ------------------------------------------------------------------ flag -- */

struct flag_in {
	const char *reason;
};

static const struct field flag_fields[] = {
	FIELD_TEXT(struct flag_in, reason, true, 1, REASON_MAX_BYTES),
};

/* The log names who and when; the reason may be about the customer. */
static bool interventions_flag(struct op *op, const struct request *rq,
			       struct response *rs)
{
	struct flag_in in = { 0 };
	struct db_row row;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !body_decode(op, rq, flag_fields, ARRAY_LEN(flag_fields), &in) ||
	    !db_opt(op, &row,
		    "UPDATE interventions SET flagged = true, flag_reason = $3"
		    " WHERE tenant_id = $1 AND id = $2"
		    " AND user_id IS NOT NULL RETURNING id, flagged",
		    ARG_I64(op->tenant_id), ARG_UUID(id), ARG_TEXT(in.reason)))
		return false;
	if (!db_found(&row))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such intervention");
	return audit_put(op, auth_actor(op), "intervention.flag", id, NULL,
			 "{\"flagged\":true}") &&
	       reply_row(op, rs, 200, &row);
}

/* --------------------------------------------------------------- dry-run -- */

struct dry_run_in {
	const char *user_id;
};

static const struct field dry_run_fields[] = {
	FIELD_TEXT(struct dry_run_in, user_id, true, 1, 255),
};

static bool take_slot(struct op *op)
{
	return shared_take(op, SHARED_OUTWARD);
}

static bool interventions_dry_run(struct op *op, const struct request *rq,
				  struct response *rs)
{
	struct dry_run_in in = { 0 };
	struct json_out j;

	if (!body_decode(op, rq, dry_run_fields, ARRAY_LEN(dry_run_fields),
			 &in))
		return false;
	response_json_begin(rs, 200, &j);
	return decide_dry_run(op, in.user_id, take_slot, &j);
}

const struct route interventions_routes[] = {
	{ HTTP_GET, "/api/interventions", ACCESS_VIEWER, interventions_list,
	  "listInterventions", ROUTE_READ },
	{ HTTP_POST, "/api/interventions", ACCESS_EDITOR, interventions_create,
	  "createIntervention", 0 },
	{ HTTP_POST, "/api/interventions/dry-run", ACCESS_VIEWER,
	  interventions_dry_run, "dryRunIntervention", 0 },
	{ HTTP_GET, "/api/interventions/{id}", ACCESS_VIEWER, interventions_get,
	  "getIntervention", ROUTE_READ },
	{ HTTP_PUT, "/api/interventions/{id}/approve", ACCESS_EDITOR,
	  interventions_approve, "approveIntervention", 0 },
	{ HTTP_PUT, "/api/interventions/{id}/flag", ACCESS_EDITOR,
	  interventions_flag, "flagIntervention", 0 },
	{ HTTP_PUT, "/api/interventions/{id}/pause", ACCESS_EDITOR,
	  interventions_pause, "pauseIntervention", 0 },
	{ HTTP_PUT, "/api/interventions/{id}/reject", ACCESS_EDITOR,
	  interventions_reject, "rejectIntervention", 0 },
	{ HTTP_PUT, "/api/interventions/{id}/rollback", ACCESS_EDITOR,
	  interventions_rollback, "rollbackIntervention", 0 },
};
const size_t interventions_route_count = ARRAY_LEN(interventions_routes);
