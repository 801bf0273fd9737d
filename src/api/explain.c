/*
 * Why: the state of a customer by its named parts, and what a playbook
 * thinks of a customer, gate by gate. Both only read.
 */
#include "api/customer_list.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "db/db.h"
#include "engine/decide.h"
#include "engine/features.h"

#include <math.h>

static bool ask_changes(struct op *op, const char *user_id, struct db_rows *ret)
{
	return db_ask(op, ret,
		      "SELECT" LEDGER_COLUMNS
		      " FROM score_ledger WHERE tenant_id = $1 AND user_id = $2"
		      " ORDER BY at DESC, id DESC LIMIT 20",
		      ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

/* The tenant's numbers, also those that it left at their defaults. */
static void write_lifecycle(struct json_out *j,
			    const struct lifecycle_config *c)
{
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{ "new_max_days", c->new_max_days },
		{ "onboarding_max_days", c->onboarding_max_days },
		{ "at_risk_days", c->at_risk_days },
		{ "churned_days", c->churned_days },
		{ "recovered_days", c->recovered_days },
		{ "drop_min_events", c->drop_min_events },
		{ "drop_days", c->drop_days },
	};

	json_key(j, "lifecycle");
	json_open(j, '{');
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		json_key(j, numbers[i].name);
		json_i64(j, numbers[i].value);
	}
	json_key(j, "drop_ratio");
	json_double(j, c->drop_ratio);
	json_key(j, "churn_events");
	json_open(j, '[');
	for (size_t i = 0; i < c->churn_events.count; i++)
		json_string(j, c->churn_events.items[i]);
	json_close(j);
	json_close(j);
}

static void write_days(struct json_out *j, const char *key, int64_t us)
{
	json_key(j, key);
	json_double(j, us < 0 ? 0 : round(100 * (double)us / US_PER_DAY) / 100);
}

/* Onboarding milestones that the customer has not reached. */
static bool write_missing(struct op *op, struct json_out *j,
			  const struct tenant_config *config,
			  const char *user_id)
{
	const char **names =
	    ARENA_ARRAY(op->arena, const char *, config->milestone_count);
	struct db_rows rows;
	size_t n = 0;

	for (size_t i = 0; i < config->milestone_count; i++)
		if (config->milestones[i].onboarding)
			names[n++] = config->milestones[i].name;
	if (!db_rows(op, &rows,
		     "SELECT x.name FROM unnest($3::text[])"
		     " WITH ORDINALITY x (name, i) WHERE NOT EXISTS"
		     " (SELECT FROM customer_milestones m"
		     " WHERE m.tenant_id = $1 AND m.user_id = $2"
		     " AND m.milestone = x.name) ORDER BY x.i",
		     ARG_I64(op->tenant_id), ARG_TEXT(user_id),
		     ARG_TEXTS(names, n)))
		return false;
	json_key(j, "milestones_missing");
	json_open(j, '[');
	db_each (row, &rows)
		json_string(j, db_text(&row, "name"));
	json_close(j);
	return true;
}

/* What the rules of the stages look at, as it is now. */
static bool write_facts(struct op *op, struct json_out *j,
			const struct tenant_config *config, const char *user_id)
{
	struct score_features f;
	struct db_rows rows;

	if (!features_load(op, config,
			   &(struct user_set){ .ids = &user_id, .count = 1 },
			   &rows))
		return false;
	db_each (row, &rows) {
		features_read(op, config, &row, &f);
		json_key(j, "stage_facts");
		json_open(j, '{');
		write_days(j, "days_silent", f.now_us - f.last_us);
		write_days(j, "days_known", f.now_us - f.first_us);
		json_key(j, "events");
		json_i64(j, f.recent_events);
		json_key(j, "events_before");
		json_i64(j, f.earlier_events);
		json_key(j, "days_since_churn_event");
		if (f.churn_days_ago < 0)
			json_null(j);
		else
			json_i64(j, f.churn_days_ago);
		if (!write_missing(op, j, config, user_id))
			return false;
		json_close(j);
	}
	return true;
}

static bool explain_customer(struct op *op, const struct request *rq,
			     struct response *rs)
{
	const char *user_id = request_path_param(rq, "id");
	struct tenant_config config;
	struct db_rows changes;
	struct json_out j;
	struct db_row row;

	if (!ask_changes(op, user_id, &changes) ||
	    !db_one(op, &row,
		    "SELECT c.user_id, c.lifecycle_stage, c.stage_since,"
		    " c.health, c.risk_level, c.risk_score," CUSTOMER_PARTS
		    ", c.refreshed_at,"
		    " CASE WHEN isfinite(q.due_at) THEN q.due_at END"
		    " AS next_eval_at, s.config_version"
		    " FROM customers c JOIN tenant_settings s"
		    " ON s.tenant_id = c.tenant_id LEFT JOIN match_queue q"
		    " ON q.tenant_id = c.tenant_id AND q.user_id = c.user_id"
		    " WHERE c.tenant_id = $1 AND c.user_id = $2",
		    ARG_I64(op->tenant_id), ARG_TEXT(user_id)) ||
	    !tenant_config_load(op, &config))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	db_row_members(&j, &row);
	write_lifecycle(&j, &config.lifecycle);
	if (!write_facts(op, &j, &config, user_id))
		return false;
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
