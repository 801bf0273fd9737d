/*
 * One customer over the past days, for a chart: how much they did each day,
 * the stages they went through, and what was sent to them.
 */
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "db/db.h"

#define DAYS_DEFAULT 90
#define DAYS_MAX     365

struct activity {
	const char *user_id;
	int64_t from_us;
	struct db_row customer;
	struct db_rows days, stages, messages;
};

/* Every day is there, those without events with 0. */
static bool ask_days(struct op *op, struct activity *a)
{
	return db_ask(op, &a->days,
		      "SELECT d.day, coalesce(c.events, 0) AS events"
		      " FROM (SELECT generate_series($3::timestamptz, $4,"
		      " interval '1 day')::date AS day) d"
		      " LEFT JOIN customer_days c ON c.tenant_id = $1"
		      " AND c.user_id = $2 AND c.day = d.day ORDER BY d.day",
		      ARG_I64(op->tenant_id), ARG_TEXT(a->user_id),
		      ARG_TIME(a->from_us), ARG_TIME(op->now_us));
}

/* The change before the first day says how they were on it. */
static bool ask_stages(struct op *op, struct activity *a)
{
	return db_ask(op, &a->stages,
		      "SELECT at, old_value AS from_stage, new_value AS stage"
		      " FROM score_ledger WHERE tenant_id = $1"
		      " AND user_id = $2 AND what = 'stage'"
		      " AND at >= coalesce((SELECT max(at) FROM score_ledger"
		      " WHERE tenant_id = $1 AND user_id = $2"
		      " AND what = 'stage' AND at < $3), '-infinity')"
		      " ORDER BY at, id LIMIT 400",
		      ARG_I64(op->tenant_id), ARG_TEXT(a->user_id),
		      ARG_TIME(a->from_us));
}

static bool ask_messages(struct op *op, struct activity *a)
{
	return db_ask(op, &a->messages,
		      "SELECT i.sent_at AS at, i.id AS intervention_id,"
		      " i.channel, i.subject, p.name AS playbook_name,"
		      " o.outcome FROM interventions i LEFT JOIN playbooks p"
		      " ON p.tenant_id = i.tenant_id AND p.id = i.playbook_id"
		      " LEFT JOIN outcomes o ON o.tenant_id = i.tenant_id"
		      " AND o.intervention_id = i.id"
		      " WHERE i.tenant_id = $1 AND i.user_id = $2"
		      " AND i.sent_at >= $3 AND NOT i.shadow"
		      " ORDER BY i.sent_at, i.id LIMIT 400",
		      ARG_I64(op->tenant_id), ARG_TEXT(a->user_id),
		      ARG_TIME(a->from_us));
}

static bool activity_get(struct op *op, const struct request *rq,
			 struct response *rs)
{
	struct activity a = { .user_id = request_path_param(rq, "id") };
	int64_t days = DAYS_DEFAULT;
	struct json_out j;

	if (!request_query_i64(op, rq, "days", 7, DAYS_MAX, &days))
		return false;
	a.from_us = (op->now_us / US_PER_DAY - days + 1) * US_PER_DAY;
	if (!ask_days(op, &a) || !ask_stages(op, &a) || !ask_messages(op, &a) ||
	    !db_one(op, &a.customer,
		    "SELECT lifecycle_stage, first_activity_at FROM customers"
		    " WHERE tenant_id = $1 AND user_id = $2",
		    ARG_I64(op->tenant_id), ARG_TEXT(a.user_id)))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	db_row_members(&j, &a.customer);
	db_rows_member(&j, "days", &a.days);
	db_rows_member(&j, "stages", &a.stages);
	db_rows_member(&j, "messages", &a.messages);
	json_close(&j);
	return true;
}

const struct route activity_routes[] = {
	{ HTTP_GET, "/api/customers/{id}/activity", ACCESS_VIEWER, activity_get,
	  "getCustomerActivity", ROUTE_READ },
};
const size_t activity_route_count = ARRAY_LEN(activity_routes);
