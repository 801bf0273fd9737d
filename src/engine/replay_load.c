/*
 * What a stored decision was made from, read back: the customer, the
 * playbook and the config as they were, the facts, and all that were offered.
 */
#include "engine/replay_parts.h"

#include "base/clock.h"
#include "base/json_in.h"
#include "base/parse.h"
#include "db/db.h"

bool replay_lacks(struct op *op, const char *what)
{
	return op_fail(op, FAIL_CONFLICT, "not_replayable",
		       "the decision cannot be made again: %s", what);
}

bool replay_parse(struct op *op, const struct db_row *row, const char *column,
		  struct json_object **ret)
{
	const char *text = db_text(row, column);

	*ret = NULL;
	return text == NULL || json_parse(op, text, strlen(text), ret);
}

bool replay_load_row(struct op *op, const char *id, struct db_row *ret)
{
	if (parse_is_uuid(id) &&
	    !db_opt(op, ret,
		    "SELECT d.user_id, d.created_at, d.planner, d.action,"
		    " d.playbook_id, d.playbook_version, d.channel,"
		    " d.confidence, d.reasoning, d.note, d.subject,"
		    " d.message_body, d.draw, d.rules,"
		    " stable_draw(d.playbook_id::text || ':' || d.user_id)"
		    " AS drawn, d.inputs - 'properties' AS inputs,"
		    " d.inputs->'properties' AS properties,"
		    " to_json(ARRAY(SELECT v::text FROM jsonb_path_query("
		    "d.rules, '$.facts[*].value') WITH ORDINALITY x (v, n)"
		    " ORDER BY n)) AS facts,"
		    " v.document, k.config,"
		    " m.sent, m.received[m.attempts] AS received, m.status,"
		    " m.trouble"
		    " FROM decisions d LEFT JOIN playbook_versions v"
		    " ON v.tenant_id = d.tenant_id"
		    " AND v.playbook_id = d.playbook_id"
		    " AND v.version = d.playbook_version"
		    " LEFT JOIN config_versions k ON k.tenant_id = d.tenant_id"
		    " AND k.version = d.config_version"
		    " LEFT JOIN model_calls m ON m.tenant_id = d.tenant_id"
		    " AND m.id = d.id"
		    " WHERE d.tenant_id = $1 AND d.id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	if (!parse_is_uuid(id) || !db_found(ret))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such decision");
	return true;
}

/* The winner as it was, under the config as it was. */
static bool load_playbook(struct op *op, struct replay_then *t)
{
	struct json_object *doc, *config;

	if (!replay_parse(op, &t->row, "document", &doc) ||
	    !replay_parse(op, &t->row, "config", &config))
		return false;
	if (doc == NULL || config == NULL)
		return replay_lacks(op, "its version of the playbook or of the"
					" config is not kept");
	const struct playbook_docs docs = {
		.entry = json_member(doc, "entry_conditions"),
		.exit = json_member(doc, "exit_conditions"),
		.constraints = json_member(doc, "constraints"),
		.hints = json_member(doc, "strategy_hints"),
	};
	if (!tenant_config_parse(op, "config", config, NULL, 0, &t->config) ||
	    !playbook_parse(op, &docs, &t->config, &t->playbook))
		return false;
	t->playbook.id = db_text(&t->row, "playbook_id");
	t->playbook.name = json_get_text(doc, "name", "");
	t->playbook.version = db_i64(&t->row, "playbook_version");
	return true;
}

static bool load_customer(struct op *op, struct replay_then *t)
{
	struct plan_customer *c = &t->customer;
	struct json_object *in = t->inputs;
	const char *last = json_get_text(in, "last_activity_at", NULL);
	struct name_list off =
	    quality_texts(op, json_member(in, "channels_off"));
	int64_t last_us;

	*c = (struct plan_customer){
		.user_id = json_get_text(in, "user_id", ""),
		.name = json_get_text(in, "name", NULL),
		.email = json_get_text(in, "email", NULL),
		.company = json_get_text(in, "company", NULL),
		.role = json_get_text(in, "role", NULL),
		.locale = json_get_text(in, "locale", NULL),
		.plan = json_get_text(in, "plan", NULL),
		.lifecycle_stage = json_get_text(in, "lifecycle_stage", ""),
		.risk_level = json_get_text(in, "risk_level", ""),
		.health = json_get_i64(in, "health", 0),
		.activation_score = json_get_double(in, "activation_score", 0),
		.engagement_score = json_get_double(in, "engagement_score", 0),
		.expansion_score = json_get_double(in, "expansion_score", 0),
		.has_activity = last != NULL,
		.channels_off = off.items,
		.channel_off_count = off.count,
	};
	/* As then: what json_parse() refuses fills no placeholder. */
	if (!replay_parse(op, &t->row, "properties", &c->properties)) {
		c->properties = NULL;
		op_clear(op);
	}
	if (last == NULL)
		return true;
	if (!parse_time(last, &last_us))
		return replay_lacks(op, "last_activity_at is no time");
	c->days_idle = (db_time(&t->row, "created_at") - last_us) / US_PER_DAY;
	return true;
}

/*
 * The clauses are the playbook's; what they were for the customer is kept,
 * and taken as PostgreSQL writes it, as the planner had it.
 */
static bool load_facts(struct op *op, struct replay_then *t)
{
	struct condition_clause *clauses;
	struct json_object *facts;
	size_t count, n;

	if (!json_object_is_type(json_member(t->rules, "facts"),
				 json_type_array))
		return replay_lacks(op, "its facts are not kept");
	if (!replay_parse(op, &t->row, "facts", &facts))
		return false;
	n = json_object_array_length(facts);
	condition_clauses(op->arena, t->playbook.entry, &clauses, &count);
	if (n > count)
		return replay_lacks(op, "it has more facts than conditions");
	t->facts = ARENA_ARRAY(op->arena, struct plan_fact, n);
	for (size_t i = 0; i < n; i++)
		t->facts[i] = (struct plan_fact){
			clauses[i].path, clauses[i].op, clauses[i].wanted,
			json_object_get_string(
			    json_object_array_get_idx(facts, i))
		};
	t->in.facts = t->facts;
	t->in.fact_count = n;
	return true;
}

/* All that were offered, in no particular order, and arbitrated again. */
static bool load_offered(struct op *op, struct replay_then *t)
{
	struct json_object *list = json_member(t->rules, "offered");
	size_t n = json_object_is_type(list, json_type_array)
		       ? json_object_array_length(list)
		       : 0;
	struct playbook *playbooks = ARENA_ARRAY(op->arena, struct playbook, n);

	if (n == 0)
		return replay_lacks(op, "what was offered is not kept");
	t->offered = ARENA_ARRAY(op->arena, struct contender, n);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o =
		    json_object_array_get_idx(list, n - 1 - i);

		if (!json_has(o, "measured"))
			return replay_lacks(op, "the records are not kept");
		playbooks[i].id = json_get_text(o, "id", "");
		playbooks[i].name = json_get_text(o, "name", "");
		playbooks[i].priority = json_get_i64(o, "priority", 0);
		t->offered[i] = (struct contender){
			.playbook = &playbooks[i],
			.positive = json_get_i64(o, "positive", 0),
			.measured = json_get_i64(o, "measured", 0),
		};
		/* Before there was a lift, it was by the history. */
		t->offered[i].lift = json_get_double(
		    o, "lift", arbitrate_history(&t->offered[i]));
	}
	arbitrate(t->offered, n);
	t->offered_count = n;
	t->in.positive = t->offered[0].positive;
	t->in.measured = t->offered[0].measured;
	if (n > 1) {
		t->in.runner_up = t->offered[1].playbook->name;
		t->in.runner_up_priority = t->offered[1].playbook->priority;
	}
	return true;
}

bool replay_load(struct op *op, struct replay_then *t)
{
	struct json_object *tenant;

	if (!replay_parse(op, &t->row, "rules", &t->rules) ||
	    !replay_parse(op, &t->row, "inputs", &t->inputs) ||
	    !load_playbook(op, t) || !load_customer(op, t) ||
	    !load_facts(op, t) || !load_offered(op, t))
		return false;
	tenant = json_member(t->rules, "tenant");
	if (tenant == NULL)
		return replay_lacks(op, "the tenant's part is not kept");
	t->tenant.name = json_get_text(tenant, "name", NULL);
	t->tenant.email_ready = json_get_bool(tenant, "email_ready", false);
	t->in.tenant = &t->tenant;
	t->in.customer = &t->customer;
	t->in.playbook = &t->playbook;
	t->in.escalate = json_get_bool(t->rules, "escalate", false);
	return true;
}
