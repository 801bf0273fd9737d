/*
 * The model's part in a chunk of decisions: what is asked about whom, the
 * calls, and what their answers change.
 */
#include "engine/decide_parts.h"

#include "base/clock.h"
#include "base/config.h"
#include "db/db.h"

/* ---------------------------------------------------------------- asking -- */

/* What would be asked; false: nothing can be. */
static bool write_call(struct op *op, const struct decide_tenant *t,
		       const struct plan_input *plan, const char *id,
		       struct llm_call *ret)
{
	const struct prompt_input in = {
		.plan = plan,
		.texts = &t->prompt,
		.fields = &t->config.model.fields,
		.brand = t->brand,
		.id = id,
	};
	struct llm_call call = { 0 };

	if (!prompt_write(op, &in, &call.system, &call.user, &call.schema))
		return false;
	llm_write(op, &call);
	*ret = call;
	return true;
}

/* Where the built-in planner finds no channel, or hands the case to a person
 * by the playbook's own rule, there is nothing to plan. */
static bool is_for_model(const struct decide_user *user)
{
	return streq(user->result.action, "intervene");
}

void decide_question(struct op *op, const struct decide_tenant *tenant,
		     struct decide_calls *calls, struct decide_user *user,
		     const char *id)
{
	struct decide_call *call = &calls->items[calls->count];

	if (!is_for_model(user))
		return;
	*call = (struct decide_call){ .user_id = user->customer.user_id,
				      .id = id,
				      .plan = decide_input(tenant, user) };
	calls->count++;
	if (!write_call(op, tenant, &call->plan, id, &call->llm)) {
		user->trouble = call->trouble = "too_large";
		return;
	}
	calls->tokens_left = tenant->tokens_left;
	if (calls->tokens + call->llm.tokens_most > calls->tokens_left) {
		user->trouble = call->trouble = "budget";
		return;
	}
	calls->tokens += call->llm.tokens_most;
	calls->to_send++;
}

static const char *take(struct op *op, struct llm_call *llm, const char *json,
			void *ctx)
{
	struct decide_call *call = llm->item;

	(void)ctx;
	return prompt_read(op, &call->plan, json, &call->result);
}

/* NULL: a model that was never asked has a closed breaker. */
static bool load_breaker(struct op *op, struct llm_breaker *ret)
{
	struct db_row row;

	*ret = (struct llm_breaker){ .failures = 0 };
	if (!db_opt(op, &row,
		    "SELECT failures, open_until FROM model_state"
		    " WHERE name = 'planner'"))
		return false;
	if (!db_found(&row))
		return true;
	ret->failures = db_i64(&row, "failures");
	if (!db_is_null(&row, "open_until"))
		ret->open_until_us = db_time(&row, "open_until");
	return true;
}

bool decide_ask(struct op *op, struct decide_calls *calls, int64_t within_ms,
		bool (*tick)(struct op *op, void *ctx), void *ctx)
{
	struct llm_call *llm =
	    ARENA_ARRAY(op->arena, struct llm_call, calls->to_send);
	struct llm_many many = {
		.calls = llm,
		.take = take,
		.ctx = ctx,
		.attempts = within_ms > 0 ? 1 : 0,
		.timeout_ms = within_ms,
		.within_ms = within_ms,
		.tokens_left = calls->tokens_left,
		.breaker = &calls->breaker,
		.tick = tick,
	};

	if (!load_breaker(op, &calls->breaker))
		return false;
	for (size_t i = 0; i < calls->count; i++) {
		if (calls->items[i].trouble != NULL)
			continue;
		llm[many.count] = calls->items[i].llm;
		llm[many.count++].item = &calls->items[i];
	}
	if (!llm_send_many(op, &many))
		return false;
	for (size_t i = 0; i < many.count; i++) {
		struct decide_call *call = llm[i].item;

		call->llm = llm[i];
		call->trouble = llm[i].trouble;
	}
	calls->asked = true;
	return true;
}

/* ------------------------------------------------------------- answering -- */

static const struct decide_call *find_call(const struct decide_calls *calls,
					   const char *user_id)
{
	for (size_t i = 0; i < calls->count; i++)
		if (streq(calls->items[i].user_id, user_id))
			return &calls->items[i];
	return NULL;
}

/* The same bytes would be sent now. */
static bool is_same(struct op *op, const struct decide_tenant *t,
		    const struct decide_call *call,
		    const struct decide_user *user)
{
	struct plan_input plan = decide_input(t, user);
	struct llm_call now;

	if (call->llm.sent == NULL)
		return true;
	return write_call(op, t, &plan, call->id, &now) &&
	       now.sent_len == call->llm.sent_len &&
	       memcmp(now.sent, call->llm.sent, now.sent_len) == 0;
}

bool decide_answer(struct op *op, const struct decide_tenant *tenant,
		   const struct decide_calls *calls, struct decide_user *user)
{
	const struct decide_call *call;

	if (!tenant->model || !is_for_model(user))
		return true;
	call = find_call(calls, user->customer.user_id);
	if (call == NULL || !is_same(op, tenant, call, user))
		return false;
	user->asked_id = call->id;
	user->tokens = call->llm.tokens_in + call->llm.tokens_out;
	user->trouble = call->trouble;
	if (call->trouble != NULL)
		return !streq(call->trouble, "stopped");
	user->by_model = true;
	user->result = call->result;
	return true;
}

/* --------------------------------------------------------------- storing -- */

/* How it stands by the last call that was really sent. */
static bool store_state(struct op *op, const struct decide_calls *calls,
			const struct decide_call *last)
{
	const struct llm_breaker *b = &calls->breaker;

	return db_exec(
	    op, NULL,
	    "INSERT INTO model_state (name, at, trouble, latency_ms,"
	    " failures, open_until) VALUES ('planner', $1, $2, $3, $4, $5)"
	    " ON CONFLICT (name) DO UPDATE SET at = excluded.at,"
	    " trouble = excluded.trouble, latency_ms = excluded.latency_ms,"
	    " failures = excluded.failures, open_until = excluded.open_until",
	    ARG_TIME(op->now_us), ARG_TEXT(last->trouble),
	    ARG_I64(last->llm.ms / last->llm.attempts), ARG_I64(b->failures),
	    ARG_TIME_IF(b->open_until_us != 0, b->open_until_us));
}

static bool store_call(struct op *op, const struct decide_call *call,
		       const char *purpose)
{
	const struct llm_call *llm = &call->llm;
	struct db_bytes received[LLM_ATTEMPTS];

	for (int i = 0; i < llm->attempts; i++)
		received[i] = (struct db_bytes){ llm->answers[i].body,
						 llm->answers[i].len };
	/* Erased while it was under way: only the count stays. */
	return db_exec(
	    op, NULL,
	    "INSERT INTO model_calls (tenant_id, id, user_id, at, purpose,"
	    " model, sent, received, status, trouble, attempts, tokens_in,"
	    " tokens_out, ms) SELECT $1, $2, c.user_id, $4, $5, $6,"
	    " CASE WHEN c.user_id IS NOT NULL THEN $7::bytea END,"
	    " CASE WHEN c.user_id IS NOT NULL THEN $8::bytea[] END,"
	    " nullif($9::bigint, 0)::integer, $10, $11::bigint::integer, $12,"
	    " $13, $14 FROM (SELECT $3::text AS u) x LEFT JOIN customers c"
	    " ON c.tenant_id = $1 AND c.user_id = x.u",
	    ARG_I64(op->tenant_id), ARG_UUID(call->id), ARG_TEXT(call->user_id),
	    ARG_TIME(op->now_us), ARG_TEXT(purpose),
	    ARG_TEXT(op->config->llm_model),
	    ARG_BYTES(llm->sent, llm->sent_len),
	    ARG_BYTESS(received, (size_t)llm->attempts), ARG_I64(llm->status),
	    ARG_TEXT(call->trouble), ARG_I64(llm->attempts),
	    ARG_I64(llm->tokens_in), ARG_I64(llm->tokens_out),
	    ARG_I64(llm->ms));
}

bool decide_calls_store(struct op *op, const struct decide_calls *calls,
			const char *purpose)
{
	const struct decide_call *last = NULL;

	for (size_t i = 0; i < calls->count; i++) {
		const struct decide_call *call = &calls->items[i];

		if (call->llm.attempts == 0)
			continue;
		if (!store_call(op, call, purpose))
			return false;
		last = call;
	}
	return last == NULL || !streq(purpose, "decide") ||
	       store_state(op, calls, last);
}
