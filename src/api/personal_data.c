/*
 * What is kept of one customer, as a whole: given out (GDPR, article 15)
 * and erased (article 17).
 */
#include "api/auth.h"
#include "api/customer_list.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "db/db.h"
#include "store/erase.h"

static bool personal_data_erase(struct op *op, const struct request *rq,
				struct response *rs)
{
	struct db_row row;

	return customer_erase(op, auth_actor(op), request_path_param(rq, "id"),
			      &row) &&
	       reply_row(op, rs, 200, &row);
}

/* ---------------------------------------------------------------- export */

/* The tables but for events, which may be many and are streamed. */
struct copy {
	struct db_row customer;
	struct db_rows milestones, days, history, decisions, interventions, log;
	struct db_rows trials, model_calls;
};

static bool load_customer(struct op *op, const char *user_id,
			  struct db_row *ret)
{
	return db_one(op, ret,
		      "SELECT " CUSTOMER_COLUMNS
		      ", c.properties, c.stage_since,"
		      " c.risk_score," CUSTOMER_PARTS ", c.first_activity_at,"
		      " c.events_total, c.opted_out_at,"
		      " to_jsonb(c.channels_off) AS channels_off, c.updated_at"
		      " FROM customers c"
		      " WHERE c.tenant_id = $1 AND c.user_id = $2",
		      ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

static bool load_state(struct op *op, const char *user_id, struct copy *ret)
{
	return db_rows(op, &ret->milestones,
		       "SELECT milestone, reached_at FROM customer_milestones"
		       " WHERE tenant_id = $1 AND user_id = $2"
		       " ORDER BY reached_at, milestone",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id)) &&
	       db_rows(op, &ret->days,
		       "SELECT day, events, last_at FROM customer_days"
		       " WHERE tenant_id = $1 AND user_id = $2 ORDER BY day",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id)) &&
	       db_rows(op, &ret->history,
		       "SELECT" LEDGER_COLUMNS " FROM score_ledger"
		       " WHERE tenant_id = $1 AND user_id = $2 ORDER BY at, id",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

static bool load_messages(struct op *op, const char *user_id, struct copy *ret)
{
	return db_rows(op, &ret->decisions,
		       "SELECT id, created_at, planner, action, playbook_id,"
		       " channel, confidence, reasoning, inputs FROM decisions"
		       " WHERE tenant_id = $1 AND user_id = $2"
		       " ORDER BY created_at, id",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id)) &&
	       db_rows(op, &ret->interventions,
		       "SELECT i.id, i.playbook_id, i.decision_id, i.source,"
		       " i.status, i.channel, i.subject, i.message_body,"
		       " i.reasoning, i.confidence, i.quality_checks,"
		       " i.created_at, i.planned_at, i.approved_at, i.sent_at,"
		       " i.delivered_at, i.seen_at, i.ended_at, i.reason,"
		       " i.flagged, i.flag_reason, o.outcome"
		       " FROM interventions i LEFT JOIN outcomes o"
		       " ON o.tenant_id = i.tenant_id"
		       " AND o.intervention_id = i.id"
		       " WHERE i.tenant_id = $1 AND i.user_id = $2"
		       " ORDER BY i.created_at, i.id",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id)) &&
	       db_rows(op, &ret->log,
		       "SELECT l.intervention_id, l.at, l.from_status,"
		       " l.to_status, l.actor, l.reason FROM intervention_log l"
		       " JOIN interventions i ON i.tenant_id = l.tenant_id"
		       " AND i.id = l.intervention_id"
		       " WHERE l.tenant_id = $1 AND i.user_id = $2"
		       " ORDER BY l.at, l.id",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id)) &&
	       db_rows(op, &ret->trials,
		       "SELECT playbook_id, arm, intervention_id, exposed_at,"
		       " window_ends_at, outcome, cause FROM exposures"
		       " WHERE tenant_id = $1 AND user_id = $2"
		       " ORDER BY exposed_at, id",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id)) &&
	       db_rows(op, &ret->model_calls,
		       "SELECT id, at, purpose, model,"
		       " convert_from(sent, 'UTF8') AS sent,"
		       " to_jsonb(ARRAY(SELECT encode(r, 'escape')"
		       " FROM unnest(received) WITH ORDINALITY x (r, n)"
		       " ORDER BY n)) AS received FROM model_calls"
		       " WHERE tenant_id = $1 AND user_id = $2"
		       " ORDER BY at, id",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

struct stream {
	struct response *rs;
	struct json_out j;
};

static bool stream_event(struct op *op, const struct db_row *row, void *ctx)
{
	struct stream *s = ctx;

	db_row_json(&s->j, row);
	return response_stream_flush(op, s->rs);
}

static void write_copy(struct op *op, struct json_out *j,
		       const struct copy *copy)
{
	json_pair(j, "exported_at", clock_write(op->arena, op->now_us));
	json_key(j, "customer");
	json_open(j, '{');
	db_row_members(j, &copy->customer);
	customer_parts_member(j, "score_parts", &copy->customer);
	json_close(j);
	db_rows_member(j, "milestones", &copy->milestones);
	db_rows_member(j, "daily_counts", &copy->days);
	customer_ledger_member(j, "score_history", &copy->history);
	db_rows_member(j, "decisions", &copy->decisions);
	db_rows_member(j, "interventions", &copy->interventions);
	db_rows_member(j, "intervention_log", &copy->log);
	db_rows_member(j, "trials", &copy->trials);
	db_rows_member(j, "model_calls", &copy->model_calls);
}

static bool personal_data_export(struct op *op, const struct request *rq,
				 struct response *rs)
{
	const char *user_id = request_path_param(rq, "id");
	struct stream s = { .rs = rs };
	struct copy copy;

	if (!db_defer(op, "SET LOCAL statement_timeout = '120s'") ||
	    !load_customer(op, user_id, &copy.customer) ||
	    !load_state(op, user_id, &copy) ||
	    !load_messages(op, user_id, &copy) ||
	    !response_header(op, rs, "Content-Disposition",
			     "attachment; filename=\"customer.json\"") ||
	    !response_stream_begin(op, rs, 200, &s.j))
		return false;
	json_open(&s.j, '{');
	write_copy(op, &s.j, &copy);
	json_key(&s.j, "events");
	json_open(&s.j, '[');
	if (!db_stream(op, stream_event, &s,
		       "SELECT event, ts AS timestamp, received_at,"
		       " coalesce(properties, '{}') AS properties FROM events"
		       " WHERE tenant_id = $1 AND user_id = $2 ORDER BY ts",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id)))
		return false;
	json_close(&s.j);
	json_close(&s.j);
	return true;
}

const struct route personal_data_routes[] = {
	{ HTTP_DELETE, "/api/customers/{id}", ACCESS_ADMIN, personal_data_erase,
	  "eraseCustomer", 0 },
	{ HTTP_GET, "/api/customers/{id}/export", ACCESS_VIEWER,
	  personal_data_export, "exportCustomer", 0 },
};
const size_t personal_data_route_count = ARRAY_LEN(personal_data_routes);
