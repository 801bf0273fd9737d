/*
 * Interventions: list, create by hand, approve, pause, reject, dry-run.
 * What may follow on what is the table of store/intervention.c; sending is
 * the batch's.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/parse.h"
#include "engine/decide.h"
#include "http/body.h"
#include "http/page.h"
#include "store/intervention.h"

#define MESSAGE_MAX_BYTES 20000
#define REASON_MAX_BYTES  2000

static const char *const statuses[] = {
	"planned",   "approved",    "sending",	 "sent",
	"delivered", "rejected",    "cancelled", "failed",
	"expired",   "rolled_back", "shadow",
};
static const char *const channels[] = { "email", "in_app", "webhook", "crm",
					NULL };

/* ------------------------------------------------------------------ list -- */

struct filter {
	const char *statuses[ARRAY_LEN(statuses)];
	size_t status_count; /* 0: all */
	const char *user_id, *playbook_id;
};

/* static: the status that the len bytes at text name, or NULL. */
static const char *status_find(const char *text, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (strlen(statuses[i]) == len &&
		    memcmp(statuses[i], text, len) == 0)
			return statuses[i];
	}
	return NULL;
}

/* One status, or several separated by commas. */
static bool filter_statuses(struct op *op, const char *text, struct filter *ret)
{
	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, ",");
		const char *status = status_find(text, len);

		if (status == NULL || ret->status_count == ARRAY_LEN(statuses))
			return op_fail_at(op, "status",
					  "must be statuses of interventions,"
					  " separated by commas");
		ret->statuses[ret->status_count++] = status;
		text += len + (text[len] == ',');
	}
	return true;
}

static bool filter_parse(struct op *op, const struct request *rq,
			 struct filter *ret)
{
	const char *limit = request_query(rq, "limit");
	const char *playbook_id = request_query(rq, "playbook_id");
	const char *user_id = request_query(rq, "user_id");

	*ret = (struct filter){ 0 };
	filter_statuses(op, request_query(rq, "status"), ret);
	if (limit != NULL && *limit == '\0')
		op_fail_at(op, "limit", "must be an integer from 1 to 100");
	if (playbook_id != NULL && *playbook_id != '\0') {
		if (!parse_is_uuid(playbook_id))
			op_fail_at(op, "playbook_id", "must be a UUID");
		ret->playbook_id = playbook_id;
	}
	if (user_id != NULL && *user_id != '\0')
		ret->user_id = user_id;
	return !op_failed(op);
}

static bool interventions_list(struct op *op, const struct request *rq,
			       struct response *rs)
{
	static const struct page_spec spec = { "interventions", "tu", 20, 100 };
	static const char *const keys[] = { "planned_at", "id" };
	struct filter filter;
	struct page page;
	struct db_rows rows;

	bool good = filter_parse(op, rq, &filter);
	if (!page_parse(op, rq, &spec, &page) || !good)
		return false;
	if (!db_list(op, &rows,
		     "SELECT id, coalesce(user_id, 'erased') AS user_id,"
		     " playbook_id, status, channel,"
		     " subject, message_body, reasoning, confidence,"
		     " planned_at, approved_at, approved_by, sent_at,"
		     " delivered_at, paused_at, lapsed_at, source, hold,"
		     " reason, flagged, flag_reason, quality_checks,"
		     " checks_passed, simulated"
		     " FROM interventions WHERE tenant_id = $1"
		     " AND ($2::text[] IS NULL OR status = ANY ($2))"
		     " AND ($3::text IS NULL OR user_id = $3)"
		     " AND ($4::uuid IS NULL OR playbook_id = $4)"
		     " AND ($5::timestamptz IS NULL"
		     " OR (planned_at, id) < ($5, $6::uuid))"
		     " ORDER BY planned_at DESC, id DESC LIMIT $7",
		     ARG_I64(op->tenant_id),
		     ARG_TEXTS(filter.status_count ? filter.statuses : NULL,
			       filter.status_count),
		     ARG_TEXT(filter.user_id), ARG_UUID(filter.playbook_id),
		     ARG_TIME_IF(page.has_cursor, page.keys[0].i64),
		     ARG_UUID(page.has_cursor ? page.keys[1].text : NULL),
		     ARG_I64(page.limit + 1)))
		return false;
	return reply_page(op, rs, "interventions", &rows, &spec, &page, keys);
}

/* --------------------------------------------------------------- by hand -- */

struct intervention_in {
	const char *user_id, *playbook_id, *channel;
	const char *message_body, *subject;
};

static const struct field intervention_fields[] = {
	FIELD_TEXT(struct intervention_in, user_id, true, 1, 255),
	FIELD_UUID(struct intervention_in, playbook_id, true),
	FIELD_ENUM(struct intervention_in, channel, true, channels),
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
		    "SELECT id, status, channel, planned_at"
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
		    "SELECT i.id, i.status, i.paused_at,"
		    " CASE WHEN i.status = 'approved' AND t.kill_switch_active"
		    " THEN 'kill_switch' END AS held_by"
		    " FROM interventions i JOIN tenant_settings t"
		    " ON t.tenant_id = i.tenant_id"
		    " WHERE i.tenant_id = $1 AND i.id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	return reply_row(op, rs, 200, &row);
}

static bool interventions_approve(struct op *op, const struct request *rq,
				  struct response *rs)
{
	const char *id;

	return request_path_uuid(op, rq, "id", &id) &&
	       intervention_move(op, INTERVENTION_APPROVE, id, auth_actor(op),
				 NULL) &&
	       reply_moved(op, rs, id);
}

static bool interventions_pause(struct op *op, const struct request *rq,
				struct response *rs)
{
	const char *id;

	return request_path_uuid(op, rq, "id", &id) &&
	       intervention_move(op, INTERVENTION_PAUSE, id, auth_actor(op),
				 NULL) &&
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
	return intervention_move(op, INTERVENTION_REJECT, id, auth_actor(op),
				 in.reason) &&
	       reply_moved(op, rs, id);
}

/* --------------------------------------------------------------- dry-run -- */

struct dry_run_in {
	const char *user_id;
};

static const struct field dry_run_fields[] = {
	FIELD_TEXT(struct dry_run_in, user_id, true, 1, 255),
};

static bool interventions_dry_run(struct op *op, const struct request *rq,
				  struct response *rs)
{
	struct dry_run_in in = { 0 };
	struct json_out j;

	if (!body_decode(op, rq, dry_run_fields, ARRAY_LEN(dry_run_fields),
			 &in))
		return false;
	response_json_begin(rs, 200, &j);
	return decide_dry_run(op, in.user_id, &j);
}

const struct route interventions_routes[] = {
	{ HTTP_GET, "/api/interventions", ACCESS_VIEWER, interventions_list,
	  "listInterventions", 0 },
	{ HTTP_POST, "/api/interventions", ACCESS_EDITOR, interventions_create,
	  "createIntervention", 0 },
	{ HTTP_POST, "/api/interventions/dry-run", ACCESS_VIEWER,
	  interventions_dry_run, "dryRunIntervention", 0 },
	{ HTTP_PUT, "/api/interventions/{id}/approve", ACCESS_EDITOR,
	  interventions_approve, "approveIntervention", 0 },
	{ HTTP_PUT, "/api/interventions/{id}/pause", ACCESS_EDITOR,
	  interventions_pause, "pauseIntervention", 0 },
	{ HTTP_PUT, "/api/interventions/{id}/reject", ACCESS_EDITOR,
	  interventions_reject, "rejectIntervention", 0 },
};
const size_t interventions_route_count = ARRAY_LEN(interventions_routes);
