/*
 * Customers: counts, create, one in detail. The list is customer_list.c's,
 * preferences are privacy.c's.
 */
#include "api/auth.h"
#include "api/customer_list.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/json_in.h"
#include "engine/score.h"
#include "engine/tenant_config.h"
#include "http/body.h"
#include "store/audit.h"
#include "store/customer.h"
#include "store/event.h"

static bool customers_stats(struct op *op, const struct request *rq,
			    struct response *rs)
{
	struct json_out j;
	struct db_row row;

	(void)rq;
	if (!db_one(op, &row,
		    "SELECT count(*) AS total,"
		    " count(*) FILTER (WHERE lifecycle_stage = 'active')"
		    " AS active,"
		    " count(*) FILTER (WHERE lifecycle_stage = 'at_risk')"
		    " AS at_risk,"
		    " count(*) FILTER (WHERE lifecycle_stage = 'churned')"
		    " AS churned FROM customers WHERE tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "stats");
	db_row_json(&j, &row);
	json_close(&j);
	return true;
}

struct customer_in {
	const char *user_id, *email, *name;
	struct json_object *properties;
};

static const struct field customer_fields[] = {
	FIELD_TEXT(struct customer_in, user_id, true, 1, EVENT_TEXT_MAX),
	FIELD_EMAIL(struct customer_in, email, false),
	FIELD_TEXT(struct customer_in, name, false, 0, 255, .one_line = true),
	FIELD_JSON(struct customer_in, properties, false,
		   .json_max = EVENT_PROPERTIES_MAX),
};

/* name and email of the body win over traits of the same name. */
static bool set_traits(struct op *op, const struct customer_in *in)
{
	struct traits t;

	traits_init(op, &t);
	if (in->properties != NULL)
		traits_merge(&t, in->properties);
	if (in->name != NULL && *in->name != '\0')
		json_object_object_add(t.known, "name",
				       json_object_new_string(in->name));
	if (in->email != NULL)
		json_object_object_add(t.known, "email",
				       json_object_new_string(in->email));
	return customers_identify(op, &in->user_id, &t, 1) &&
	       audit_put(op, auth_actor(op), "customer.create", in->user_id,
			 NULL, NULL);
}

/* True in *ret_new when the row was not there. Erased users stay away. */
static bool insert_customer(struct op *op, const char *user_id, bool *ret_new)
{
	struct db_row row;

	if (!db_opt(op, &row,
		    "INSERT INTO customers (tenant_id, user_id, stage_since,"
		    " created_at, updated_at) SELECT $1, $2, $3, $3, $3"
		    " WHERE NOT EXISTS (SELECT FROM erasures"
		    " WHERE tenant_id = $1 AND user_hash = decode($4, 'hex'))"
		    " ON CONFLICT DO NOTHING RETURNING user_id",
		    ARG_I64(op->tenant_id), ARG_TEXT(user_id),
		    ARG_TIME(op->now_us),
		    ARG_TEXT(customer_erase_hash(op, user_id))))
		return false;
	*ret_new = db_found(&row);
	return true;
}

static bool customers_create(struct op *op, const struct request *rq,
			     struct response *rs)
{
	struct customer_in in = { 0 };
	struct json_out j;
	struct db_row row;
	bool new;

	if (!body_decode(op, rq, customer_fields, ARRAY_LEN(customer_fields),
			 &in))
		return false;
	if (!insert_customer(op, in.user_id, &new) ||
	    (new && !set_traits(op, &in)))
		return false;
	if (!db_opt(op, &row,
		    "SELECT " CUSTOMER_COLUMNS ", c.user_id, c.properties"
		    " FROM customers c"
		    " WHERE c.tenant_id = $1 AND c.user_id = $2",
		    ARG_I64(op->tenant_id), ARG_TEXT(in.user_id)))
		return false;
	if (!db_found(&row))
		return op_fail(op, FAIL_GONE, "user_erased",
			       "this user was erased and is not made again");
	response_json_begin(rs, new ? 201 : 200, &j);
	json_open(&j, '{');
	json_key(&j, "user");
	db_row_json(&j, &row);
	json_close(&j);
	return true;
}

/* ---------------------------------------------------------------- detail */

void customer_parts_member(struct json_out *j, const char *key,
			   const struct db_row *row)
{
	json_key(j, key);
	score_write_parts(j, db_text(row, "_stage"), db_text(row, "_reason"),
			  db_text(row, "_parts"));
}

void customer_ledger_member(struct json_out *j, const char *key,
			    const struct db_rows *rows)
{
	json_key(j, key);
	json_open(j, '[');
	db_each (row, rows) {
		json_open(j, '{');
		db_row_members(j, &row);
		customer_parts_member(j, "parts", &row);
		json_close(j);
	}
	json_close(j);
}

static bool load_detail(struct op *op, const char *user_id, struct db_row *ret)
{
	return db_one(
	    op, ret,
	    "SELECT " CUSTOMER_COLUMNS ", c.user_id, c.properties,"
	    " c.risk_score," CUSTOMER_PARTS
	    ", c.stage_since, c.first_activity_at,"
	    " c.events_total, c.tracked, c.updated_at,"
	    " to_char($3 AT TIME ZONE coalesce(c.timezone, s.timezone),"
	    " 'YYYY-MM-DD\"T\"HH24:MI:SS') AS local_time,"
	    " jsonb_build_object('opted_out', c.opted_out, 'channels',"
	    " jsonb_build_object('email', 'email' <> ALL (c.channels_off),"
	    " 'in_app', 'in_app' <> ALL (c.channels_off),"
	    " 'webhook', 'webhook' <> ALL (c.channels_off),"
	    " 'crm', 'crm' <> ALL (c.channels_off))) AS preferences"
	    " FROM customers c JOIN tenant_settings s"
	    " ON s.tenant_id = c.tenant_id"
	    " WHERE c.tenant_id = $1 AND c.user_id = $2",
	    ARG_I64(op->tenant_id), ARG_TEXT(user_id), ARG_TIME(op->now_us));
}

static bool ask_events(struct op *op, const char *user_id, struct db_rows *ret)
{
	return db_ask(op, ret,
		      "SELECT event, coalesce(properties, '{}') AS properties,"
		      " ts AS timestamp, received_at FROM events"
		      " WHERE tenant_id = $1 AND user_id = $2"
		      " ORDER BY ts DESC, received_at DESC LIMIT 50",
		      ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

static bool ask_interventions(struct op *op, const char *user_id,
			      struct db_rows *ret)
{
	return db_ask(
	    op, ret,
	    "SELECT i.id, i.user_id, i.playbook_id, p.name AS playbook_name,"
	    " i.status, i.channel, i.subject, i.message_body, i.reasoning,"
	    " i.confidence, i.quality_checks, i.source, i.planned_at,"
	    " i.approved_at, i.sent_at, i.delivered_at, i.paused_at, i.reason,"
	    " i.hold, i.flagged, o.outcome"
	    " FROM interventions i LEFT JOIN playbooks p"
	    " ON p.tenant_id = i.tenant_id AND p.id = i.playbook_id"
	    " LEFT JOIN outcomes o ON o.tenant_id = i.tenant_id"
	    " AND o.intervention_id = i.id"
	    " WHERE i.tenant_id = $1 AND i.user_id = $2"
	    " ORDER BY i.planned_at DESC, i.id DESC LIMIT 50",
	    ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

/* Which segments hold for the customer, in the order of config. */
static bool load_segments(struct op *op, const struct condition_env *env,
			  const char *user_id, const char **ret_json)
{
	struct condition_at at = { 0 };
	struct db_row row;
	struct sql q;

	*ret_json = "[]";
	if (env->segment_count == 0)
		return true;
	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	sql_add(&q, "SELECT array_to_json(array_remove(ARRAY[");
	for (size_t i = 0; i < env->segment_count; i++) {
		const struct condition_segment *s = &env->segments[i];
		struct condition *cond;

		if (!condition_parse(op, s->name, s->conditions, env, &cond))
			return false;
		sql_add(&q, "CASE WHEN ");
		condition_write_sql(cond, &q, &at);
		sql_add(&q, " THEN ");
		sql_arg(&q, ARG_TEXT(s->name));
		sql_add(&q, "::text END, ");
	}
	sql_add(&q, "NULL], NULL)) AS segments FROM customers c"
		    " WHERE c.tenant_id = ");
	sql_ref(&q, at.tenant);
	sql_add(&q, " AND ");
	sql_ref(&q, at.now);
	sql_add(&q, "::timestamptz IS NOT NULL AND c.user_id = ");
	sql_arg(&q, ARG_TEXT(user_id));
	if (!db_one_sql(op, &row, &q))
		return false;
	*ret_json = db_text(&row, "segments");
	return true;
}

static bool ask_milestones(struct op *op, const char *user_id,
			   struct db_rows *ret)
{
	return db_ask(op, ret,
		      "SELECT milestone, reached_at FROM customer_milestones"
		      " WHERE tenant_id = $1 AND user_id = $2",
		      ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

/* The milestones of config, each with the time that it was reached. */
static void write_milestones(struct op *op, struct json_out *j,
			     const struct tenant_config *config,
			     const struct db_rows *reached)
{
	json_open(j, '[');
	for (size_t i = 0; i < config->milestone_count; i++) {
		const struct milestone *m = &config->milestones[i];
		const char *at = NULL;

		db_each (row, reached)
			if (streq(db_text(&row, "milestone"), m->name))
				at = clock_write(op->arena,
						 db_time(&row, "reached_at"));
		json_open(j, '{');
		json_pair(j, "name", m->name);
		json_pair(j, "event", m->event);
		json_key(j, "onboarding");
		json_boolean(j, m->onboarding);
		json_key(j, "reached");
		json_boolean(j, at != NULL);
		json_pair(j, "reached_at", at);
		json_close(j);
	}
	json_close(j);
}

static bool customers_get(struct op *op, const struct request *rq,
			  struct response *rs)
{
	const char *user_id = request_path_param(rq, "id"), *segments;
	struct db_rows events, interventions, milestones;
	struct tenant_config config;
	struct db_row customer;
	struct json_out j;

	/* The lists come in the round trip of the customer. */
	if (!ask_events(op, user_id, &events) ||
	    !ask_interventions(op, user_id, &interventions) ||
	    !ask_milestones(op, user_id, &milestones) ||
	    !load_detail(op, user_id, &customer) ||
	    !tenant_config_load(op, &config) ||
	    !load_segments(op, &config.env, user_id, &segments))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "customer");
	json_open(&j, '{');
	db_row_members(&j, &customer);
	customer_parts_member(&j, "score_parts", &customer);
	json_key(&j, "milestone_progress");
	write_milestones(op, &j, &config, &milestones);
	json_key(&j, "segment_memberships");
	json_raw(&j, segments);
	json_close(&j);
	db_rows_member(&j, "events", &events);
	db_rows_member(&j, "interventions", &interventions);
	json_close(&j);
	return true;
}

const struct route customers_routes[] = {
	{ HTTP_GET, "/api/customers/stats", ACCESS_VIEWER, customers_stats,
	  "getCustomerStats", ROUTE_READ },
	{ HTTP_POST, "/api/customers", ACCESS_EDITOR, customers_create,
	  "createCustomer", 0 },
	{ HTTP_GET, "/api/customers", ACCESS_VIEWER, customer_list,
	  "listCustomers", ROUTE_READ },
	{ HTTP_GET, "/api/customers/{id}", ACCESS_VIEWER, customers_get,
	  "getCustomer", ROUTE_READ },
};
const size_t customers_route_count = ARRAY_LEN(customers_routes);
