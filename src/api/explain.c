/*
 * Why: the state of a customer by its named parts, and what a playbook
 * thinks of a customer, gate by gate. Both only read.
 */
#include "api/customer_list.h"
#include "api/reply.h"
#include "api/routes.h"
#include "db/db.h"
#include "engine/decide.h"

static bool ask_changes(struct op *op, const char *user_id, struct db_rows *ret)
{
	return db_ask(op, ret,
		      "SELECT" LEDGER_COLUMNS
		      " FROM score_ledger WHERE tenant_id = $1 AND user_id = $2"
		      " ORDER BY at DESC, id DESC LIMIT 20",
		      ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

static bool explain_customer(struct op *op, const struct request *rq,
			     struct response *rs)
{
	const char *user_id = request_path_param(rq, "id");
	struct db_rows changes;
	struct json_out j;
	struct db_row row;

	if (!ask_changes(op, user_id, &changes) ||
	    !db_one(op, &row,
		    "SELECT c.user_id, c.lifecycle_stage, c.stage_since,"
		    " c.health, c.risk_level, c.risk_score," CUSTOMER_PARTS
		    ", c.refreshed_at,"
		    " CASE WHEN isfinite(q.due_at) THEN q.due_at END"
		    " AS next_eval_at, s.config_version, s.config"
		    " -> 'lifecycle' AS lifecycle"
		    " FROM customers c JOIN tenant_settings s"
		    " ON s.tenant_id = c.tenant_id LEFT JOIN match_queue q"
		    " ON q.tenant_id = c.tenant_id AND q.user_id = c.user_id"
		    " WHERE c.tenant_id = $1 AND c.user_id = $2",
		    ARG_I64(op->tenant_id), ARG_TEXT(user_id)))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	db_row_members(&j, &row);
	customer_parts_member(&j, "scores", &row);
	customer_ledger_member(&j, "changes", &changes);
	json_close(&j);
	return true;
}

/* The newest message of a pair, which may be what keeps a gate closed. */
static bool load_newest(struct op *op, const char *playbook_id,
			const char *user_id, struct db_row *ret)
{
	return db_one(op, ret,
		      "SELECT to_jsonb(i) AS last_intervention FROM playbooks p"
		      " LEFT JOIN LATERAL (SELECT id, status, channel,"
		      " planned_at, hold, reason FROM interventions"
		      " WHERE tenant_id = $1 AND playbook_id = p.id"
		      " AND user_id = $3 ORDER BY planned_at DESC, id DESC"
		      " LIMIT 1) i ON true"
		      " WHERE p.tenant_id = $1 AND p.id = $2",
		      ARG_I64(op->tenant_id), ARG_UUID(playbook_id),
		      ARG_TEXT(user_id));
}

static bool explain_playbook(struct op *op, const struct request *rq,
			     struct response *rs)
{
	const char *user_id = request_query(rq, "user_id"), *id;
	struct db_row newest;
	struct json_out j;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !load_newest(op, id, user_id, &newest))
		return false;
	if (user_id == NULL || *user_id == '\0')
		return op_fail_at(op, "user_id", "is required");
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	if (!decide_why(op, id, user_id, &j))
		return false;
	db_row_members(&j, &newest);
	json_close(&j);
	return true;
}

const struct route explain_routes[] = {
	{ HTTP_GET, "/api/customers/{id}/explain", ACCESS_VIEWER,
	  explain_customer, "explainCustomer", ROUTE_READ },
	{ HTTP_GET, "/api/playbooks/{id}/why", ACCESS_VIEWER, explain_playbook,
	  "explainPlaybook", ROUTE_READ },
};
const size_t explain_route_count = ARRAY_LEN(explain_routes);
