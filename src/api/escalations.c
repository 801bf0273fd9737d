/*
 * Escalations: cases for a person. Each is an intervention with the channel
 * 'escalate', made by the pipeline or by hand; what is called open here is
 * planned there. Handling one ends it, delegating one ends it in a planned
 * message of another channel.
 */
#include "api/auth.h"
#include "api/intervention_filter.h"
#include "api/reply.h"
#include "api/routes.h"
#include "db/db.h"
#include "engine/decide.h"
#include "http/body.h"
#include "http/page.h"
#include "store/intervention.h"
#include "store/outbox.h"
#include "store/outcome.h"

#define TEXT_MAX_BYTES 2000

/* Over interventions i. */
#define STATUS_SQL                                                             \
	"CASE i.status WHEN 'planned' THEN 'open' ELSE i.status END AS status"

static const struct status_word status_words[] = {
	{ "open", "planned" },	      { "handled", "handled" },
	{ "delegated", "delegated" }, { "cancelled", "cancelled" },
	{ "shadow", "shadow" },	      { NULL, NULL },
};
static const char *const severities[] = { "Critical", "High", "Medium", "Low",
					  NULL };
static const char *const outcomes[] = { "positive", "negative", "neutral",
					"pending", NULL };

/* ------------------------------------------------------------------ list -- */

static bool escalations_list(struct op *op, const struct request *rq,
			     struct response *rs)
{
	static const struct page_spec spec = { "escalations", "tu", 20, 100 };
	static const char *const keys[] = { "created_at", "id" };
	struct intervention_filter filter;
	const char *severity = NULL;
	struct page page;
	struct db_rows rows;

	bool ok = intervention_filter_parse(op, rq, status_words, &filter);
	ok &= request_query_enum(op, rq, "severity", severities, &severity);
	if (!page_parse(op, rq, &spec, &page) || !ok)
		return false;
	if (!db_list(op, &rows,
		     "SELECT i.id, coalesce(i.user_id, 'erased') AS user_id,"
		     " i.playbook_id, " STATUS_SQL ", i.severity,"
		     " i.reasoning, p.strategy_hints->>'goal'"
		     " AS suggested_action, i.subject, i.message_body,"
		     " i.source, i.confidence, i.handled_by,"
		     " CASE WHEN i.handled_by IS NOT NULL THEN i.ended_at END"
		     " AS handled_at, CASE WHEN i.status = 'handled'"
		     " THEN i.reason END AS action_taken,"
		     " coalesce(o.outcome, mo.outcome) AS outcome,"
		     " m.id AS intervention_id, i.flagged, i.flag_reason,"
		     " i.created_at,"
		     " (SELECT coalesce(c.name, c.email, c.user_id)"
		     " FROM customers c WHERE c.tenant_id = $1"
		     " AND c.user_id = i.user_id) AS customer_name"
		     " FROM interventions i"
		     " LEFT JOIN playbooks p ON p.tenant_id = i.tenant_id"
		     " AND p.id = i.playbook_id"
		     " LEFT JOIN outcomes o ON o.tenant_id = i.tenant_id"
		     " AND o.intervention_id = i.id"
		     " LEFT JOIN interventions m ON m.tenant_id = i.tenant_id"
		     " AND m.escalation_id = i.id"
		     " LEFT JOIN outcomes mo ON mo.tenant_id = m.tenant_id"
		     " AND mo.intervention_id = m.id"
		     " WHERE i.tenant_id = $1 AND i.channel = 'escalate'"
		     " AND ($2::text[] IS NULL OR i.status = ANY ($2))"
		     " AND ($3::text IS NULL OR i.user_id = $3)"
		     " AND ($4::uuid IS NULL OR i.playbook_id = $4)"
		     " AND ($8::text IS NULL OR i.severity = $8)"
		     " AND ($5::timestamptz IS NULL"
		     " OR (i.created_at, i.id) < ($5, $6::uuid))"
		     " ORDER BY i.created_at DESC, i.id DESC LIMIT $7",
		     ARG_I64(op->tenant_id),
		     ARG_TEXTS(filter.status_count ? filter.statuses : NULL,
			       filter.status_count),
		     ARG_TEXT(filter.user_id), ARG_UUID(filter.playbook_id),
		     ARG_TIME_IF(page.has_cursor, page.keys[0].i64),
		     ARG_UUID(page.has_cursor ? page.keys[1].text : NULL),
		     ARG_I64(page.limit + 1), ARG_TEXT(severity)))
		return false;
	return reply_page(op, rs, "escalations", &rows, &spec, &page, keys);
}

static bool reply_status(struct op *op, struct response *rs, int status,
			 const char *id)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT i.id, " STATUS_SQL ", i.severity, i.handled_by,"
		    " o.outcome, m.id AS intervention_id"
		    " FROM interventions i"
		    " LEFT JOIN outcomes o ON o.tenant_id = i.tenant_id"
		    " AND o.intervention_id = i.id"
		    " LEFT JOIN interventions m ON m.tenant_id = i.tenant_id"
		    " AND m.escalation_id = i.id"
		    " WHERE i.tenant_id = $1 AND i.id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	return reply_row(op, rs, status, &row);
}

/*
 * Writes the text of a row that a person makes, has it checked, inserts it.
 * The planner's words serve who talks to the customer, too.
 */
static bool put_row(struct op *op, struct intervention *row)
{
	row->source = "manual";
	row->status = "planned";
	return decide_message(op, row->user_id, row->playbook_id, row->channel,
			      &row->subject, &row->message_body) &&
	       decide_quality(op, row->user_id, row->playbook_id, row->channel,
			      row->subject, row->message_body,
			      &row->checks_passed, &row->quality_checks) &&
	       interventions_insert(op, row, 1, auth_actor(op));
}

/* --------------------------------------------------------------- by hand -- */

struct escalation_in {
	const char *user_id, *playbook_id, *severity, *reason;
};

static const struct field escalation_fields[] = {
	FIELD_TEXT(struct escalation_in, user_id, true, 1, 255),
	FIELD_UUID(struct escalation_in, playbook_id, true),
	FIELD_ENUM(struct escalation_in, severity, true, severities),
	FIELD_TEXT(struct escalation_in, reason, true, 1, TEXT_MAX_BYTES),
};

static bool escalations_create(struct op *op, const struct request *rq,
			       struct response *rs)
{
	struct escalation_in in = { 0 };

	if (!body_decode(op, rq, escalation_fields,
			 ARRAY_LEN(escalation_fields), &in))
		return false;
	struct intervention row = {
		.user_id = in.user_id,
		.playbook_id = in.playbook_id,
		.channel = "escalate",
		.severity = in.severity,
		.reasoning = in.reason,
	};
	return put_row(op, &row) && reply_status(op, rs, 201, row.id);
}

/* ---------------------------------------------------------------- handle -- */

struct handle_in {
	const char *action_taken, *outcome;
};

static const struct field handle_fields[] = {
	FIELD_TEXT(struct handle_in, action_taken, true, 0, TEXT_MAX_BYTES),
	FIELD_ENUM(struct handle_in, outcome, false, outcomes),
};

/*
 * What the person saw come of it. A pending one is measured like that of a
 * message, inside the tenant's attribution window.
 */
static bool record_outcome(struct op *op, const char *id, const char *outcome)
{
	bool is_known = !streq(outcome, "pending");
	struct db_row row;

	if (!db_one(op, &row,
		    "WITH put AS (INSERT INTO outcomes (tenant_id,"
		    " intervention_id, user_id, playbook_id, outcome, cause,"
		    " window_ends_at, measured_at)"
		    " SELECT $1, i.id, i.user_id, i.playbook_id, $3::text,"
		    " 'person', $4::timestamptz + coalesce("
		    "(t.config->>'attribution_days')::double precision, 14)"
		    " * interval '1 day', CASE WHEN $5::boolean THEN $4 END"
		    " FROM interventions i JOIN tenant_settings t"
		    " ON t.tenant_id = i.tenant_id"
		    " WHERE i.tenant_id = $1 AND i.id = $2)"
		    " SELECT user_id, playbook_id FROM interventions"
		    " WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id), ARG_TEXT(outcome),
		    ARG_TIME(op->now_us), ARG_BOOL(is_known)))
		return false;
	if (!outcomes_count(op, &id, 1))
		return false;
	const struct outbox_event event = {
		.type = "outcome.recorded",
		.intervention_id = id,
		.user_id = db_text(&row, "user_id"),
		.playbook_id = db_text(&row, "playbook_id"),
		.channel = "escalate",
		.extra = arena_printf(op->arena, "\"outcome\":\"%s\"", outcome),
	};
	return !is_known || outbox_put_events(op, &event, 1);
}

static bool escalations_handle(struct op *op, const struct request *rq,
			       struct response *rs)
{
	struct handle_in in = { 0 };
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !body_decode(op, rq, handle_fields, ARRAY_LEN(handle_fields), &in))
		return false;
	return intervention_move_by_hand(op, INTERVENTION_HANDLE, id,
					 auth_actor(op), in.action_taken) &&
	       (in.outcome == NULL || record_outcome(op, id, in.outcome)) &&
	       reply_status(op, rs, 200, id);
}

/* -------------------------------------------------------------- delegate -- */

struct delegate_in {
	const char *channel;
};

static const struct field delegate_fields[] = {
	FIELD_ENUM(struct delegate_in, channel, false, intervention_channels),
};

static bool escalations_delegate(struct op *op, const struct request *rq,
				 struct response *rs)
{
	struct delegate_in in = { .channel = "email" };
	const char *id;
	struct db_row row;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !body_decode_optional(op, rq, delegate_fields,
				  ARRAY_LEN(delegate_fields), &in) ||
	    !intervention_move_by_hand(op, INTERVENTION_DELEGATE, id,
				       auth_actor(op), in.channel) ||
	    !db_one(op, &row,
		    "SELECT user_id, playbook_id, playbook_version,"
		    " decision_id, reasoning FROM interventions"
		    " WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	struct intervention message = {
		.user_id = db_text(&row, "user_id"),
		.playbook_id = db_text(&row, "playbook_id"),
		.playbook_version = db_is_null(&row, "playbook_version")
					? 0
					: db_i64(&row, "playbook_version"),
		.decision_id = db_text(&row, "decision_id"),
		.channel = in.channel,
		.reasoning = db_text(&row, "reasoning"),
		.escalation_id = id,
	};
	return put_row(op, &message) && reply_status(op, rs, 200, id);
}

const struct route escalations_routes[] = {
	{ HTTP_GET, "/api/escalations", ACCESS_VIEWER, escalations_list,
	  "listEscalations", ROUTE_READ },
	{ HTTP_POST, "/api/escalations", ACCESS_EDITOR, escalations_create,
	  "createEscalation", 0 },
	{ HTTP_PUT, "/api/escalations/{id}/delegate", ACCESS_EDITOR,
	  escalations_delegate, "delegateEscalation", 0 },
	{ HTTP_PUT, "/api/escalations/{id}/handle", ACCESS_EDITOR,
	  escalations_handle, "handleEscalation", 0 },
};
const size_t escalations_route_count = ARRAY_LEN(escalations_routes);
