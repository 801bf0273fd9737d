/*
 * A stored decision, made again: loaded, planned by the same functions as
 * then, compared part by part.
 */
#include "engine/replay.h"

#include "base/clock.h"
#include "base/json_in.h"
#include "base/parse.h"
#include "db/db.h"
#include "engine/decide_parts.h"

#define PARTS	  13
#define FACTS_MAX (64 * 1024)

/* What a decision was made from, read back. */
struct then {
	const char *id;
	struct db_row row;
	struct json_object *rules, *inputs;
	struct tenant_config config;
	struct playbook playbook;
	struct plan_tenant tenant;
	struct plan_customer customer;
	struct plan_fact *facts;
	struct contender *offered;
	size_t offered_count;
	struct plan_input in;
};

static bool lacks(struct op *op, const char *what)
{
	return op_fail(op, FAIL_CONFLICT, "not_replayable",
		       "the decision cannot be made again: %s", what);
}

static bool parse(struct op *op, const struct db_row *row, const char *column,
		  struct json_object **ret)
{
	const char *text = db_text(row, column);

	*ret = NULL;
	return text == NULL || json_parse(op, text, strlen(text), ret);
}

static bool load_row(struct op *op, const char *id, struct db_row *ret)
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
static bool load_playbook(struct op *op, struct then *t)
{
	struct json_object *doc, *config;

	if (!parse(op, &t->row, "document", &doc) ||
	    !parse(op, &t->row, "config", &config))
		return false;
	if (doc == NULL || config == NULL)
		return lacks(op, "its version of the playbook or of the"
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

static bool load_customer(struct op *op, struct then *t)
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
	if (!parse(op, &t->row, "properties", &c->properties)) {
		c->properties = NULL;
		op_clear(op);
	}
	if (last == NULL)
		return true;
	if (!parse_time(last, &last_us))
		return lacks(op, "last_activity_at is no time");
	c->days_idle = (db_time(&t->row, "created_at") - last_us) / US_PER_DAY;
	return true;
}

/*
 * The clauses are the playbook's; what they were for the customer is kept,
 * and taken as PostgreSQL writes it, as the planner had it.
 */
static bool load_facts(struct op *op, struct then *t)
{
	struct condition_clause *clauses;
	struct json_object *facts;
	size_t count, n;

	if (!json_object_is_type(json_member(t->rules, "facts"),
				 json_type_array))
		return lacks(op, "its facts are not kept");
	if (!parse(op, &t->row, "facts", &facts))
		return false;
	n = json_object_array_length(facts);
	condition_clauses(op->arena, t->playbook.entry, &clauses, &count);
	if (n > count)
		return lacks(op, "it has more facts than conditions");
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
static bool load_offered(struct op *op, struct then *t)
{
	struct json_object *list = json_member(t->rules, "offered");
	size_t n = json_object_is_type(list, json_type_array)
		       ? json_object_array_length(list)
		       : 0;
	struct playbook *playbooks = ARENA_ARRAY(op->arena, struct playbook, n);

	if (n == 0)
		return lacks(op, "what was offered is not kept");
	t->offered = ARENA_ARRAY(op->arena, struct contender, n);
	for (size_t i = 0; i < n; i++) {
		struct json_object *o =
		    json_object_array_get_idx(list, n - 1 - i);

		if (!json_has(o, "measured"))
			return lacks(op, "the records are not kept");
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

static bool load_then(struct op *op, struct then *t)
{
	struct json_object *tenant;

	if (!parse(op, &t->row, "rules", &t->rules) ||
	    !parse(op, &t->row, "inputs", &t->inputs) ||
	    !load_playbook(op, t) || !load_customer(op, t) ||
	    !load_facts(op, t) || !load_offered(op, t))
		return false;
	tenant = json_member(t->rules, "tenant");
	if (tenant == NULL)
		return lacks(op, "the tenant's part is not kept");
	t->tenant.name = json_get_text(tenant, "name", NULL);
	t->tenant.email_ready = json_get_bool(tenant, "email_ready", false);
	t->in.tenant = &t->tenant;
	t->in.customer = &t->customer;
	t->in.playbook = &t->playbook;
	t->in.escalate = json_get_bool(t->rules, "escalate", false);
	return true;
}

/* ------------------------------------------------------------- comparing -- */

static void put_part(struct replay *r, const char *name, const char *stored,
		     const char *replayed, enum replay_state state)
{
	r->parts[r->count++] =
	    (struct replay_part){ name, stored, replayed, state };
	r->same = r->same && state != REPLAY_DIFFERS;
}

/* One that is equal has the state if_same. */
static void compare(struct replay *r, const char *name, const char *stored,
		    const char *replayed, enum replay_state if_same)
{
	bool same = stored == NULL || replayed == NULL
			? stored == replayed
			: streq(stored, replayed);

	put_part(r, name, stored, replayed, same ? if_same : REPLAY_DIFFERS);
}

static void compare_choice(struct op *op, const struct then *t,
			   struct replay *r)
{
	const struct db_row *row = &t->row;

	compare(r, "winner", json_get_text(t->rules, "winner", NULL),
		t->offered[0].playbook->id, REPLAY_SAME);
	compare(r, "draw",
		arena_printf(op->arena, "%.17g", db_double(row, "draw")),
		arena_printf(op->arena, "%.17g", db_double(row, "drawn")),
		REPLAY_SAME);
}

/* ----------------------------------------------------------------- facts -- */

/* The facts and escalate of the customer's row as stored; null: not of it. */
static bool ask_row(struct op *op, const struct then *t,
		    const struct condition_clause *clauses, struct db_row *ret)
{
	const struct condition *escalate = t->playbook.escalate_when;
	struct condition_at at = { 0 };
	struct sql q;

	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(db_time(&t->row, "created_at")));
	sql_add(&q, "SELECT ");
	if (escalate == NULL)
		sql_add(&q, "false");
	else if (condition_is_of_row(escalate))
		condition_write_sql(escalate, &q, &at);
	else
		sql_add(&q, "NULL::boolean");
	sql_add(&q, " AS escalate, to_json(ARRAY[NULL::text");
	for (size_t i = 0; i < t->in.fact_count; i++) {
		sql_add(&q, ", (");
		if (condition_is_of_row(clauses[i].node))
			condition_write_value(&clauses[i], &q, &at);
		else
			sql_add(&q, "NULL");
		sql_add(&q, ")::text");
	}
	sql_add(&q, "]) AS facts FROM decisions d,"
		    " jsonb_populate_record(NULL::customers, d.inputs) c"
		    " WHERE d.tenant_id = ");
	sql_ref(&q, at.tenant);
	sql_add(&q, " AND d.id = ");
	sql_arg(&q, ARG_UUID(t->id));
	return db_one_sql(op, ret, &q);
}

static void put_fact(struct str *out, const char *value)
{
	str_puts(out, out->len == 0 ? "" : ", ");
	str_puts(out, value);
}

static bool compare_facts(struct op *op, const struct then *t, struct replay *r)
{
	enum replay_state if_same = REPLAY_AS_STORED;
	struct condition_clause *clauses;
	struct json_object *values;
	struct str stored, again;
	struct db_row row;
	size_t count;

	condition_clauses(op->arena, t->playbook.entry, &clauses, &count);
	if (!ask_row(op, t, clauses, &row) ||
	    !parse(op, &row, "facts", &values))
		return false;
	str_init(&stored, op->arena, FACTS_MAX);
	str_init(&again, op->arena, FACTS_MAX);
	for (size_t i = 0; i < t->in.fact_count; i++) {
		struct json_object *value =
		    json_object_array_get_idx(values, i + 1);
		bool of_row = condition_is_of_row(clauses[i].node);

		put_fact(&stored, t->facts[i].value);
		if (!of_row)
			put_fact(&again, t->facts[i].value);
		else if (value == NULL)
			put_fact(&again, "null");
		else
			put_fact(&again,
				 decide_fact_value(
				     op, json_object_get_string(value)));
		if (of_row)
			if_same = REPLAY_SAME;
	}
	compare(r, "facts", stored.bytes, again.bytes, if_same);
	if (db_is_null(&row, "escalate"))
		put_part(r, "escalate", t->in.escalate ? "true" : "false", NULL,
			 REPLAY_AS_STORED);
	else
		compare(r, "escalate", t->in.escalate ? "true" : "false",
			db_bool(&row, "escalate") ? "true" : "false",
			REPLAY_SAME);
	return true;
}

/* -------------------------------------------------------------- planning -- */

/* What the last answer reads as; NULL, or the trouble. */
static const char *read_answer(struct op *op, const struct then *t,
			       struct plan_result *ret)
{
	struct llm_call call = { 0 };
	const char *json, *trouble;
	size_t len;
	const unsigned char *bytes = db_bytea(op, &t->row, "received", &len);

	trouble = llm_read(op, &call, (const char *)bytes, len, &json);
	return trouble != NULL ? trouble : prompt_read(op, &t->in, json, ret);
}

/*
 * Why the built-in planner stood in: a good answer's bytes do not tell it, a
 * bad one's do. No call tells why none was made.
 */
static const char *note_again(struct op *op, const struct then *t,
			      enum replay_state *ret_if_same)
{
	const char *trouble = db_text(&t->row, "trouble");
	struct plan_result unused;

	*ret_if_same = REPLAY_AS_STORED;
	if (trouble == NULL)
		return db_text(&t->row, "note");
	if (!db_is_null(&t->row, "received") &&
	    !db_is_null(&t->row, "status") &&
	    db_i64(&t->row, "status") == 200 && !streq(trouble, "too_large")) {
		*ret_if_same = REPLAY_SAME;
		trouble = read_answer(op, t, &unused);
	}
	return trouble == NULL ? NULL
			       : arena_printf(op->arena, "model_%s", trouble);
}

/* As the column, a four-byte float, holds it. */
static const char *number(struct op *op, double value)
{
	return arena_printf(op->arena, "%.9g", (double)(float)value);
}

/* By the planner of then. */
static bool compare_plan(struct op *op, const struct then *t, struct replay *r)
{
	enum replay_state if_same = REPLAY_SAME;
	const struct db_row *row = &t->row;
	struct plan_result result;
	const char *note;

	if (streq(r->planner, "builtin")) {
		plan_builtin(op, &t->in, &result);
		note = result.reason;
		if (note == NULL && !db_is_null(row, "note"))
			note = note_again(op, t, &if_same);
	} else {
		if (db_is_null(row, "received"))
			return lacks(op, "the model's answer is not kept");
		if (read_answer(op, t, &result) != NULL)
			return lacks(op, "the model's answer does not read as"
					 " then");
		note = result.reason;
	}
	compare(r, "action", db_text(row, "action"), result.action,
		REPLAY_SAME);
	compare(r, "channel", db_text(row, "channel"), result.channel,
		REPLAY_SAME);
	compare(r, "confidence", number(op, db_double(row, "confidence")),
		number(op, result.confidence), REPLAY_SAME);
	compare(r, "reasoning", db_text(row, "reasoning"), result.reasoning,
		REPLAY_SAME);
	compare(r, "note", db_text(row, "note"), note, if_same);
	compare(r, "subject", db_text(row, "subject"), result.subject,
		REPLAY_SAME);
	compare(r, "message_body", db_text(row, "message_body"), result.message,
		REPLAY_SAME);
	return true;
}

/* ---------------------------------------------------------------- asking -- */

/* What the model is told now; without its data when it is too much. */
static bool write_again(struct op *op, const struct then *t,
			const char *data_then, const char **ret_system,
			const char **ret_user)
{
	struct prompt_texts texts;
	struct prompt_input in = { .plan = &t->in,
				   .texts = &texts,
				   .fields = &t->config.model.fields,
				   .id = t->id };
	struct json_object *told = NULL;
	const char *unused;

	/* The company's texts are kept nowhere else. */
	if (!json_parse(op, data_then, strlen(data_then), &told))
		op_clear(op);
	in.brand = json_member(told, "company");
	*ret_system = *ret_user = "";
	return prompt_load(op, &texts) &&
	       (prompt_write(op, &in, ret_system, ret_user, &unused) ||
		!op_failed(op));
}

static bool compare_prompt(struct op *op, const struct then *t,
			   struct replay *r)
{
	const char *system_then, *user_then, *data_then, *system, *user, *data;
	size_t len;
	const unsigned char *sent = db_bytea(op, &t->row, "sent", &len);
	bool same;

	if (sent == NULL)
		return true;
	llm_read_sent(op, (const char *)sent, len, &system_then, &user_then);
	if (system_then == NULL || user_then == NULL)
		return lacks(op, "what was sent does not read");
	data_then = prompt_data(op, user_then);
	if (!write_again(op, t, data_then ? data_then : "", &system, &user))
		return false;
	data = prompt_data(op, user);
	compare(r, "prompt_data", data_then, data, REPLAY_SAME);
	/* The user text has the data in it. */
	same = streq(system_then, system) &&
	       (r->parts[r->count - 1].state == REPLAY_DIFFERS ||
		streq(user_then, user));
	put_part(r, "prompt_texts", system_then, system,
		 same ? REPLAY_SAME : REPLAY_CHANGED);
	return true;
}

bool replay_decision(struct op *op, const char *id, struct replay *ret)
{
	struct then t = { .id = id };

	*ret = (struct replay){
		.parts = ARENA_ARRAY(op->arena, struct replay_part, PARTS),
		.same = true,
	};
	if (!load_row(op, id, &t.row))
		return false;
	ret->planner = db_text(&t.row, "planner");
	ret->erased = db_is_null(&t.row, "user_id");
	if (ret->erased)
		return true;
	if (!load_then(op, &t))
		return false;
	compare_choice(op, &t, ret);
	return compare_facts(op, &t, ret) && compare_plan(op, &t, ret) &&
	       compare_prompt(op, &t, ret);
}
