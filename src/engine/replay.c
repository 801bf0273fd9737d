/*
 * A stored decision, made again: planned by the same functions as then from
 * what was loaded (replay_load.c), compared part by part.
 */
#include "engine/replay.h"

#include "base/json_in.h"
#include "db/db.h"
#include "engine/replay_parts.h"

#define PARTS 13
/* Each value escaped, as JSON text in JSON. */
#define FACTS_MAX (256 * 1024)

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

static void compare_choice(struct op *op, const struct replay_then *t,
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
static bool ask_row(struct op *op, const struct replay_then *t,
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

static bool compare_facts(struct op *op, const struct replay_then *t,
			  struct replay *r)
{
	enum replay_state if_same = REPLAY_AS_STORED;
	struct condition_clause *clauses;
	struct json_object *values;
	struct str stored, again;
	struct db_row row;
	size_t count;

	condition_clauses(op->arena, t->playbook.entry, &clauses, &count);
	if (!ask_row(op, t, clauses, &row) ||
	    !replay_parse(op, &row, "facts", &values))
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
static const char *read_answer(struct op *op, const struct replay_then *t,
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
 * Why the built-in planner stood in: a bad answer's bytes tell it once more;
 * that none came is the call's word; and no call tells why none was made.
 */
static const char *note_again(struct op *op, const struct replay_then *t,
			      enum replay_state *ret_if_same)
{
	const char *trouble = db_text(&t->row, "trouble");
	struct plan_result unused;

	*ret_if_same =
	    db_is_null(&t->row, "note") ? REPLAY_SAME : REPLAY_AS_STORED;
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
static bool compare_plan(struct op *op, const struct replay_then *t,
			 struct replay *r)
{
	enum replay_state if_same = REPLAY_SAME;
	const struct db_row *row = &t->row;
	struct plan_result result;
	const char *note;

	if (streq(r->planner, "builtin")) {
		plan_builtin(op, &t->in, &result);
		note = result.reason;
		if (note == NULL)
			note = note_again(op, t, &if_same);
	} else {
		if (db_is_null(row, "received"))
			return replay_lacks(op,
					    "the model's answer is not kept");
		if (read_answer(op, t, &result) != NULL)
			return replay_lacks(
			    op, "the model's answer does not read as"
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
static bool write_again(struct op *op, const struct replay_then *t,
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

static bool compare_prompt(struct op *op, const struct replay_then *t,
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
		return replay_lacks(op, "what was sent does not read");
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
	struct replay_then t = { .id = id };

	*ret = (struct replay){
		.parts = ARENA_ARRAY(op->arena, struct replay_part, PARTS),
		.same = true,
	};
	if (!replay_load_row(op, id, &t.row))
		return false;
	ret->planner = db_text(&t.row, "planner");
	ret->erased = db_is_null(&t.row, "user_id");
	if (ret->erased)
		return true;
	if (!replay_load(op, &t))
		return false;
	compare_choice(op, &t, ret);
	return compare_facts(op, &t, ret) && compare_plan(op, &t, ret) &&
	       compare_prompt(op, &t, ret);
}
