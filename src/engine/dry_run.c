/*
 * The same steps for one user without writing: dry-run, the text of a
 * manual intervention, and the quality of any message.
 */
#include "engine/decide_parts.h"

#include "base/json_out.h"
#include "base/config.h"
#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/gate.h"
#include "engine/quality_load.h"

/* An outward call of the API, in all. */
#define OUTWARD_MS 8000

static bool no_user(struct op *op)
{
	return op_fail(op, FAIL_NOT_FOUND, "user_not_found", "no such user");
}

static bool load_user(struct op *op, const char *user_id,
		      struct decide_user **ret)
{
	size_t count;

	if (!decide_users_load(op, &user_id, 1, ret, &count))
		return false;
	return count == 1 || no_user(op);
}

static void write_clauses(struct json_out *j,
			  const struct clause_result *clauses, size_t count)
{
	json_key(j, "clauses");
	json_open(j, '[');
	for (size_t i = 0; i < count; i++) {
		json_open(j, '{');
		json_pair(j, "path", clauses[i].path);
		json_pair(j, "op", clauses[i].op);
		json_key(j, "wanted");
		json_raw(j, clauses[i].wanted);
		json_key(j, "value");
		json_raw(j, clauses[i].value);
		json_key(j, "result");
		json_boolean(j, clauses[i].result);
		json_close(j);
	}
	json_close(j);
}

/*
 * Writes the members matched, clauses and gates of a playbook for a user.
 * *ret_closed: the first gate that is closed; NULL: it may act.
 */
static bool write_chain(struct op *op, struct json_out *j,
			const struct playbook *pb, const char *user_id,
			bool *ret_matched, const char **ret_closed)
{
	struct clause_result *clauses;
	struct gate_result *gates;
	size_t clause_count, gate_count;

	if (!condition_evaluate(op, pb->entry, user_id, &clauses, &clause_count,
				ret_matched) ||
	    !gate_chain(op, pb, user_id, &gates, &gate_count))
		return false;
	json_key(j, "matched");
	json_boolean(j, *ret_matched);
	write_clauses(j, clauses, clause_count);
	json_key(j, "gates");
	json_open(j, '[');
	*ret_closed = NULL;
	for (size_t i = 0; i < gate_count; i++) {
		json_open(j, '{');
		json_pair(j, "name", gates[i].name);
		json_key(j, "open");
		json_boolean(j, gates[i].open);
		json_pair(j, "detail", gates[i].detail);
		json_close(j);
		if (!gates[i].open && *ret_closed == NULL)
			*ret_closed = gates[i].name;
	}
	json_close(j);
	return true;
}

/* One playbook of the rules; true in *ret_open: it may act. */
static bool write_playbook(struct op *op, struct json_out *j,
			   const struct playbook *pb, const char *user_id,
			   bool *ret_matched, bool *ret_open)
{
	const char *closed;

	json_open(j, '{');
	json_pair(j, "id", pb->id);
	json_pair(j, "name", pb->name);
	if (!write_chain(op, j, pb, user_id, ret_matched, &closed))
		return false;
	json_close(j);
	*ret_open = closed == NULL;
	return true;
}

static bool write_rules(struct op *op, struct json_out *j,
			const struct decide_tenant *t, struct decide_user *user,
			int64_t *ret_matched)
{
	*ret_matched = 0;
	user->contenders =
	    ARENA_ARRAY(op->arena, struct contender, t->playbook_count);
	json_key(j, "rules");
	json_open(j, '{');
	json_key(j, "playbooks");
	json_open(j, '[');
	for (size_t i = 0; i < t->playbook_count; i++) {
		bool matched, open;

		if (!write_playbook(op, j, &t->playbooks[i],
				    user->customer.user_id, &matched, &open))
			return false;
		*ret_matched += matched;
		if (open)
			user->contenders[user->contender_count++] =
			    (struct contender){
				    .playbook = &t->playbooks[i],
				    .lift = t->records[i].lift,
				    .positive = t->records[i].positive,
				    .measured = t->records[i].measured,
			    };
	}
	json_close(j);
	arbitrate(user->contenders, user->contender_count);
	json_pair(j, "winner",
		  user->contender_count > 0 ? user->contenders[0].playbook->id
					    : NULL);
	json_close(j);
	return true;
}

/*
 * Asks the model, where one plans, between two transactions. What it is
 * asked with is not read again: nothing comes of it but the answer.
 */
static bool ask_model(struct op *op, const struct decide_tenant *t,
		      struct decide_user *user, bool (*before)(struct op *op),
		      const char **ret_call_id)
{
	struct decide_calls calls = {
		.items = ARENA_NEW(op->arena, struct decide_call),
	};

	*ret_call_id = NULL;
	if (!t->model)
		return true;
	decide_question(op, t, &calls, user, uuid_new(op));
	if (calls.to_send == 0)
		return true;
	if ((before != NULL && !before(op)) || !db_commit(op) ||
	    !decide_ask(op, &calls, OUTWARD_MS, NULL, NULL) || !db_begin(op) ||
	    !decide_calls_store(op, &calls, "dry_run"))
		return false;
	if (calls.items[0].llm.attempts > 0)
		*ret_call_id = calls.items[0].id;
	/* It was not changed: the same bytes would be sent. */
	return decide_answer(op, t, &calls, user) || !op_failed(op);
}

static void write_planner(struct op *op, struct json_out *j,
			  const struct decide_user *user, const char *call_id)
{
	json_pair(j, "planner",
		  user->by_model ? op->config->llm_model : "builtin");
	if (user->trouble != NULL)
		json_pair(j, "model_trouble", user->trouble);
	if (call_id != NULL)
		json_pair(j, "model_call_id", call_id);
}

static bool write_decision(struct op *op, struct json_out *j,
			   const struct decide_tenant *t,
			   struct decide_user *user,
			   bool (*before)(struct op *op))
{
	const struct plan_result *r = &user->result;
	const char *checks, *call_id;
	bool passed;

	json_key(j, "decision");
	json_open(j, '{');
	if (user->contender_count == 0) {
		json_pair(j, "action", "wait");
		json_pair(j, "reason", "no_open_playbook");
		json_close(j);
		return true;
	}
	const struct playbook *pb = user->contenders[0].playbook;
	const char *id = user->customer.user_id;
	if (!decide_facts_load(op, pb, &id, 1, user, 1))
		return false;
	decide_plan(op, t, user);
	if (!ask_model(op, t, user, before, &call_id))
		return false;
	json_pair(j, "action", r->action);
	json_pair(j, "playbook_id", pb->id);
	if (r->channel != NULL)
		json_pair(j, "channel", r->channel);
	json_key(j, "confidence");
	json_double(j, r->confidence);
	json_pair(j, "reasoning", r->reasoning);
	write_planner(op, j, user, call_id);
	if (r->reason != NULL)
		json_pair(j, "reason", r->reason);
	if (r->message != NULL) {
		if (r->subject != NULL)
			json_pair(j, "subject", r->subject);
		json_pair(j, "message_body", r->message);
		if (!decide_quality(op, id, pb->id, r->channel, r->subject,
				    r->message, &passed, &checks))
			return false;
		json_key(j, "quality_checks");
		json_raw(j, checks);
	}
	json_close(j);
	return true;
}

bool decide_dry_run(struct op *op, const char *user_id,
		    bool (*before)(struct op *op), struct json_out *j)
{
	struct decide_tenant t;
	struct decide_user *user;
	int64_t matched;

	if (!load_user(op, user_id, &user) || !decide_load(op, &t))
		return false;
	json_open(j, '{');
	json_key(j, "dry_run");
	json_boolean(j, true);
	if (!write_rules(op, j, &t, user, &matched) ||
	    !write_decision(op, j, &t, user, before))
		return false;
	json_key(j, "context");
	json_open(j, '{');
	json_pair(j, "lifecycle_stage", user->customer.lifecycle_stage);
	json_key(j, "activation_score");
	json_double(j, user->customer.activation_score);
	json_pair(j, "risk_level", user->customer.risk_level);
	json_key(j, "matched_playbooks");
	json_i64(j, matched);
	json_close(j);
	json_close(j);
	return true;
}

bool decide_why(struct op *op, const char *playbook_id, const char *user_id,
		struct json_out *j)
{
	struct tenant_config config;
	struct decide_user *user;
	const char *closed;
	struct playbook pb;
	bool matched;

	if (!tenant_config_load(op, &config) ||
	    !playbook_load(op, playbook_id, &config, &pb) ||
	    !load_user(op, user_id, &user))
		return false;
	json_key(j, "playbook");
	json_open(j, '{');
	json_pair(j, "id", pb.id);
	json_pair(j, "name", pb.name);
	json_pair(j, "status", pb.status);
	json_key(j, "version");
	json_i64(j, pb.version);
	json_close(j);
	json_pair(j, "user_id", user->customer.user_id);
	if (!write_chain(op, j, &pb, user->customer.user_id, &matched, &closed))
		return false;
	json_pair(j, "closed_by", closed);
	return true;
}

bool decide_message(struct op *op, const char *user_id, const char *playbook_id,
		    const char *channel, const char **ret_subject,
		    const char **ret_message)
{
	struct decide_tenant t;
	struct decide_user *user;
	struct playbook pb;

	if (!load_user(op, user_id, &user) || !decide_load(op, &t) ||
	    !playbook_load(op, playbook_id, &t.config, &pb))
		return false;
	plan_message(op, &user->customer, &t.plan, &pb, channel, ret_subject,
		     ret_message);
	return true;
}

bool decide_quality(struct op *op, const char *user_id, const char *playbook_id,
		    const char *channel, const char *subject,
		    const char *message, bool *ret_passed,
		    const char **ret_json)
{
	struct quality_subject s = {
		.user_id = user_id,
		.playbook_id = playbook_id,
		.channel = channel,
		.subject = subject,
		.message = message,
	};

	if (!quality_check_many(op, &s, 1))
		return false;
	*ret_passed = s.result.passed;
	*ret_json = s.result.json;
	return true;
}
