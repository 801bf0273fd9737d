/*
 * Calls to language models: two ways to write a request and read an answer
 * (struct provider), one way to send, retry and give up.
 */
#include "engine/llm.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "net/http_client.h"

#include <assert.h>
#include <string.h>

#define BODY_MAX	(1u << 20)
#define TOOL		"decide"
#define BACKOFF_US	500000
#define BACKOFF_MAX_US	(8 * US_PER_SECOND)
#define WAIT_MAX_US	US_PER_MINUTE
#define BREAKER_US	US_PER_MINUTE
#define BREAKER_MAX_US	(15 * US_PER_MINUTE)
#define HEADERS_MAX	6
#define BYTES_PER_TOKEN 3 /* where no server tells how many */

struct provider {
	const char *name, *url, *path;
	void (*write)(const struct config *config, const struct llm_call *call,
		      struct json_out *j);
	/* The JSON text, or NULL and the trouble. */
	const char *(*read)(struct op *op, struct llm_call *call,
			    struct json_object *root, const char **ret_trouble);
	void (*headers)(struct op *op, const char **ret);
};

/* ------------------------------------------------------------- anthropic -- */

static void anthropic_write(const struct config *config,
			    const struct llm_call *call, struct json_out *j)
{
	json_pair(j, "model", config->llm_model);
	json_key(j, "max_tokens");
	json_i64(j, config->llm_max_tokens);
	json_pair(j, "system", call->system);
	json_key(j, "messages");
	json_open(j, '[');
	json_open(j, '{');
	json_pair(j, "role", "user");
	json_pair(j, "content", call->user);
	json_close(j);
	json_close(j);
	if (streq(config->llm_format, "schema")) {
		json_key(j, "output_config");
		json_open(j, '{');
		json_key(j, "format");
		json_open(j, '{');
		json_pair(j, "type", "json_schema");
		json_key(j, "schema");
		json_raw(j, call->schema);
		json_close(j);
		json_close(j);
	} else if (streq(config->llm_format, "tool")) {
		json_key(j, "tools");
		json_open(j, '[');
		json_open(j, '{');
		json_pair(j, "name", TOOL);
		json_pair(j, "description", "Hands in the decision.");
		json_key(j, "strict");
		json_boolean(j, true);
		json_key(j, "input_schema");
		json_raw(j, call->schema);
		json_close(j);
		json_close(j);
		json_key(j, "tool_choice");
		json_open(j, '{');
		json_pair(j, "type", "tool");
		json_pair(j, "name", TOOL);
		json_key(j, "disable_parallel_tool_use");
		json_boolean(j, true);
		json_close(j);
	}
}

/* The block of that type; thinking and others may stand before it. */
static struct json_object *find_block(struct json_object *content,
				      const char *type)
{
	size_t n = json_object_is_type(content, json_type_array)
		       ? json_object_array_length(content)
		       : 0;

	for (size_t i = 0; i < n; i++) {
		struct json_object *block =
		    json_object_array_get_idx(content, i);

		if (json_object_is_type(block, json_type_object) &&
		    streq(json_get_text(block, "type", ""), type))
			return block;
	}
	return NULL;
}

static const char *anthropic_read(struct op *op, struct llm_call *call,
				  struct json_object *root,
				  const char **ret_trouble)
{
	struct json_object *usage = json_member(root, "usage");
	struct json_object *content = json_member(root, "content");
	const char *stop = json_get_text(root, "stop_reason", "");

	if (json_object_is_type(usage, json_type_object)) {
		/* What the cache served is not part of input_tokens. */
		call->tokens_in +=
		    json_get_i64(usage, "input_tokens", 0) +
		    json_get_i64(usage, "cache_creation_input_tokens", 0) +
		    json_get_i64(usage, "cache_read_input_tokens", 0);
		call->tokens_out += json_get_i64(usage, "output_tokens", 0);
	}
	*ret_trouble = "bad_answer";
	if (streq(stop, "refusal"))
		*ret_trouble = "refusal";
	else if (streq(stop, "max_tokens") ||
		 streq(stop, "model_context_window_exceeded"))
		*ret_trouble = "cut";
	else {
		struct json_object *tool = find_block(content, "tool_use");
		struct json_object *text = find_block(content, "text");

		if (tool != NULL)
			return json_text(op->arena, json_member(tool, "input"));
		return json_get_text(text, "text", NULL);
	}
	return NULL;
}

static void anthropic_headers(struct op *op, const char **ret)
{
	ret[0] = arena_printf(op->arena, "anthropic-version: %s",
			      op->config->llm_version);
	if (op->config->llm_api_key != NULL)
		ret[1] = arena_printf(op->arena, "x-api-key: %s",
				      op->config->llm_api_key);
}

/* ---------------------------------------------------------------- openai -- */

static void openai_message(struct json_out *j, const char *role,
			   const char *content)
{
	json_open(j, '{');
	json_pair(j, "role", role);
	json_pair(j, "content", content);
	json_close(j);
}

static void openai_schema(const struct llm_call *call, struct json_out *j,
			  const char *key)
{
	json_open(j, '{');
	json_pair(j, "name", TOOL);
	json_key(j, "strict");
	json_boolean(j, true);
	json_key(j, key);
	json_raw(j, call->schema);
	json_close(j);
}

static void openai_tool(const struct llm_call *call, struct json_out *j)
{
	json_key(j, "tools");
	json_open(j, '[');
	json_open(j, '{');
	json_pair(j, "type", "function");
	json_key(j, "function");
	openai_schema(call, j, "parameters");
	json_close(j);
	json_close(j);
	json_key(j, "tool_choice");
	json_open(j, '{');
	json_pair(j, "type", "function");
	json_key(j, "function");
	json_open(j, '{');
	json_pair(j, "name", TOOL);
	json_close(j);
	json_close(j);
}

static void openai_write(const struct config *config,
			 const struct llm_call *call, struct json_out *j)
{
	bool schema = streq(config->llm_format, "schema");

	json_pair(j, "model", config->llm_model);
	json_key(j, config->llm_tokens_field);
	json_i64(j, config->llm_max_tokens);
	json_key(j, "messages");
	json_open(j, '[');
	openai_message(j, "system", call->system);
	openai_message(j, "user", call->user);
	json_close(j);
	if (streq(config->llm_format, "tool")) {
		openai_tool(call, j);
		return;
	}
	json_key(j, "response_format");
	json_open(j, '{');
	json_pair(j, "type", schema ? "json_schema" : "json_object");
	if (schema) {
		json_key(j, "json_schema");
		openai_schema(call, j, "schema");
	}
	json_close(j);
}

static struct json_object *first_of(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) &&
		       json_object_array_length(list) > 0
		   ? json_object_array_get_idx(list, 0)
		   : NULL;
}

/* The member when it is an object, else NULL. */
static struct json_object *object_in(struct json_object *obj, const char *key)
{
	struct json_object *value = json_object_is_type(obj, json_type_object)
					? json_member(obj, key)
					: NULL;

	return json_object_is_type(value, json_type_object) ? value : NULL;
}

static const char *openai_read(struct op *op, struct llm_call *call,
			       struct json_object *root,
			       const char **ret_trouble)
{
	struct json_object *usage = object_in(root, "usage");
	struct json_object *choice = first_of(json_member(root, "choices"));
	struct json_object *message = object_in(choice, "message");
	const char *finish =
	    message == NULL ? "" : json_get_text(choice, "finish_reason", "");

	(void)op;
	call->tokens_in += json_get_i64(usage, "prompt_tokens", 0);
	call->tokens_out += json_get_i64(usage, "completion_tokens", 0);
	*ret_trouble = "bad_answer";
	if (message == NULL)
		return NULL;
	if (streq(finish, "content_filter") ||
	    json_get_text(message, "refusal", NULL) != NULL)
		*ret_trouble = "refusal";
	else if (streq(finish, "length"))
		*ret_trouble = "cut";
	else {
		struct json_object *call_of =
		    first_of(json_member(message, "tool_calls"));
		struct json_object *function = object_in(call_of, "function");

		if (function != NULL)
			return json_get_text(function, "arguments", NULL);
		return json_get_text(message, "content", NULL);
	}
	return NULL;
}

static void openai_headers(struct op *op, const char **ret)
{
	if (op->config->llm_api_key != NULL)
		ret[0] = arena_printf(op->arena, "Authorization: Bearer %s",
				      op->config->llm_api_key);
}

/* --------------------------------------------------------------- reading -- */

/* openai_read() is the second: llm_read(). */
static const struct provider providers[] = {
	{ "anthropic", "https://api.anthropic.com", "/v1/messages",
	  anthropic_write, anthropic_read, anthropic_headers },
	{ "openai", "https://api.openai.com", "/v1/chat/completions",
	  openai_write, openai_read, openai_headers },
};

/* config_load() knows the same names. */
static const struct provider *provider_of(const struct config *config)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(providers) &&
	       !streq(providers[i].name, config->llm_provider))
		i++;
	return &providers[i];
}

bool llm_is_configured(const struct config *config)
{
	return config->llm_provider != NULL;
}

void llm_write(struct op *op, struct llm_call *call)
{
	struct str out;
	struct json_out j;

	str_init(&out, op->arena, BODY_MAX);
	json_init(&j, &out);
	json_open(&j, '{');
	provider_of(op->config)->write(op->config, call, &j);
	json_close(&j);
	call->sent = out.bytes;
	call->sent_len = out.len;
	call->tokens_most =
	    (int64_t)out.len / BYTES_PER_TOKEN + op->config->llm_max_tokens;
}

/* Local servers put JSON between fences, or thoughts before it. */
static const char *strip(struct op *op, const char *text)
{
	const char *from = strchr(text, '{'), *to = strrchr(text, '}');

	if (from == NULL || to == NULL || to < from)
		return text;
	return arena_strndup(op->arena, from, (size_t)(to - from) + 1);
}

const char *llm_read(struct op *op, struct llm_call *call, const char *body,
		     size_t len, const char **ret)
{
	const char *trouble = NULL, *text;
	struct json_object *root;

	*ret = NULL;
	if (!json_parse(op, body, len, &root)) {
		op_clear(op);
		return "bad_answer";
	}
	if (!json_object_is_type(root, json_type_object))
		return "bad_answer";
	/* By its shape, so that an old answer is read after a change too. */
	text =
	    providers[json_has(root, "choices")].read(op, call, root, &trouble);
	if (text == NULL)
		return trouble;
	*ret = strip(op, text);
	return NULL;
}

/* The content of a message, the first or the last; or NULL. */
static const char *content_of(struct json_object *messages, bool last)
{
	size_t n = json_object_is_type(messages, json_type_array)
		       ? json_object_array_length(messages)
		       : 0;
	struct json_object *message =
	    n == 0 ? NULL
		   : json_object_array_get_idx(messages, last ? n - 1 : 0);

	return json_object_is_type(message, json_type_object)
		   ? json_get_text(message, "content", NULL)
		   : NULL;
}

void llm_read_sent(struct op *op, const char *body, size_t len,
		   const char **ret_system, const char **ret_user)
{
	struct json_object *root, *messages;

	*ret_system = *ret_user = NULL;
	if (!json_parse(op, body, len, &root)) {
		op_clear(op);
		return;
	}
	if (!json_object_is_type(root, json_type_object))
		return;
	messages = json_member(root, "messages");
	*ret_user = content_of(messages, true);
	*ret_system =
	    json_get_text(root, "system", content_of(messages, false));
}

/* True when an error's body names one of the limits that waiting cannot
 * lift: {"error": {"code" or "details": {"error_code"}}}. */
static bool is_spend_limit(struct op *op, const struct http_answer *answer)
{
	struct json_object *root, *error, *details;

	if (!json_parse(op, answer->body, answer->body_len, &root)) {
		op_clear(op);
		return false;
	}
	error = object_in(root, "error");
	details = object_in(error, "details");
	return streq(json_get_text(error, "code", ""), "insufficient_quota") ||
	       streq(json_get_text(error, "type", ""), "insufficient_quota") ||
	       streq(json_get_text(details, "error_code", ""),
		     "enforced_spend_limit_reached");
}

/* What an answer without JSON means; *ret_again: worth another attempt. */
static const char *trouble_of(struct op *op, const struct http_answer *answer,
			      bool *ret_again)
{
	int status = answer->status;

	*ret_again = status == 0 || status == 408 || status == 409 ||
		     status == 429 || status >= 500;
	if (answer->should_retry != NULL)
		*ret_again = streq(answer->should_retry, "true");
	if (status == 0)
		return answer->timed_out ? "timeout" : "unreachable";
	if (status == 401 || status == 403)
		return "unauthorized";
	if (status == 402 || (status == 429 && is_spend_limit(op, answer))) {
		*ret_again = false;
		return "spend_limit";
	}
	if (status == 429)
		return "rate_limited";
	if (status >= 500 || status == 408 || status == 409)
		return "overloaded";
	return "bad_request";
}

/* --------------------------------------------------------------- sending -- */

struct sending {
	const struct llm_many *many;
	struct llm_breaker *breaker;
	const struct provider *provider;
	const char *url;
	const char *headers[HEADERS_MAX];
	int64_t give_up_us;  /* by clock_monotonic(); INT64_MAX: never */
	int64_t tokens_left; /* that no attempt has or may still take */
	size_t running, left;
	bool broken_off;
};

static void end_call(struct sending *s, struct llm_call *call,
		     const char *trouble)
{
	call->trouble = trouble;
	call->ended = true;
	s->left--;
}

/* Failures of the server itself count; what one answer says does not. */
static bool is_servers_fault(const char *trouble)
{
	static const char *const faults[] = { "timeout",      "unreachable",
					      "rate_limited", "overloaded",
					      "unauthorized", "spend_limit",
					      "bad_request" };

	for (size_t i = 0; trouble != NULL && i < ARRAY_LEN(faults); i++)
		if (streq(trouble, faults[i]))
			return true;
	return false;
}

static bool is_open(const struct op *op, const struct llm_breaker *b)
{
	return b->failures >= LLM_BREAKER_FAILURES &&
	       b->open_until_us > op->now_us;
}

static void note_result(struct op *op, struct llm_breaker *b,
			const char *trouble)
{
	int64_t wait_us = BREAKER_US;

	if (!is_servers_fault(trouble)) {
		*b = (struct llm_breaker){ .failures = 0 };
		return;
	}
	/* It was sent before the breaker opened, and tells nothing new. */
	if (is_open(op, b))
		return;
	b->failures++;
	if (b->failures < LLM_BREAKER_FAILURES)
		return;
	for (int64_t n = LLM_BREAKER_FAILURES;
	     n < b->failures && wait_us < BREAKER_MAX_US; n++)
		wait_us *= 2;
	b->open_until_us =
	    op->now_us + (wait_us < BREAKER_MAX_US ? wait_us : BREAKER_MAX_US);
}

/* Behind an open breaker's time one call alone shows how it stands. */
static bool is_probing(const struct llm_breaker *b)
{
	return b->failures >= LLM_BREAKER_FAILURES;
}

/* Ends what will not be sent any more. */
static void end_hopeless(struct op *op, struct sending *s)
{
	const char *trouble = NULL;

	if (is_open(op, s->breaker))
		trouble = "breaker_open";
	else if (clock_monotonic() > s->give_up_us)
		trouble = "timeout";
	for (size_t i = 0; trouble != NULL && i < s->many->count; i++) {
		struct llm_call *call = &s->many->calls[i];

		if (!call->ended && !call->running)
			end_call(s, call,
				 call->trouble ? call->trouble : trouble);
	}
}

/* The call that may go now, else NULL. */
static struct llm_call *take_due(struct op *op, struct sending *s)
{
	int64_t now_us = clock_monotonic();

	end_hopeless(op, s);
	if (is_probing(s->breaker) && s->running > 0)
		return NULL;
	for (size_t i = 0; i < s->many->count; i++) {
		struct llm_call *call = &s->many->calls[i];

		if (!call->ended && !call->running && call->due_us <= now_us)
			return call;
	}
	return NULL;
}

static bool on_next(struct op *op, void *ctx, struct http_send *ret,
		    void **ret_item)
{
	struct sending *s = ctx;
	struct llm_call *call = take_due(op, s);
	int64_t timeout_ms = s->many->timeout_ms;

	if (call == NULL)
		return false;
	if (timeout_ms == 0)
		timeout_ms = op->config->llm_timeout_ms;
	call->running = true;
	call->attempts++;
	s->running++;
	*ret = (struct http_send){
		.url = s->url,
		.headers = s->headers,
		.body = call->sent,
		.body_len = call->sent_len,
		.timeout_ms = (int)timeout_ms,
		.keep_bytes = LLM_ANSWER_MAX,
		.answer_max = LLM_ANSWER_MAX,
		.trusted = true,
	};
	*ret_item = call;
	return true;
}

static int64_t backoff_us(struct op *op, struct llm_call *call,
			  const struct http_answer *answer)
{
	int64_t base_us = call->wait_us == 0 ? BACKOFF_US : 2 * call->wait_us;
	uint16_t jitter = 0;

	if (answer->retry_after_ms > 0)
		return answer->retry_after_ms * 1000;
	call->wait_us = base_us < BACKOFF_MAX_US ? base_us : BACKOFF_MAX_US;
	op->random(&jitter, sizeof(jitter));
	/* 75 to 100 % of it. */
	return call->wait_us - call->wait_us * jitter / UINT16_MAX / 4;
}

static const char *take_answer(struct op *op, struct sending *s,
			       struct llm_call *call,
			       const struct http_answer *answer,
			       bool *ret_again)
{
	const char *json = NULL, *trouble;

	call->status = answer->status;
	if (answer->status > 0)
		call->answers[call->attempts - 1] =
		    (struct llm_answer){ answer->body, answer->body_len };
	if (answer->status != 200)
		return trouble_of(op, answer, ret_again);
	*ret_again = true;
	int64_t before = call->tokens_in + call->tokens_out;
	trouble = answer->cut ? "too_large"
			      : llm_read(op, call, answer->body,
					 answer->body_len, &json);
	/* Local servers may tell no usage, and a cut answer tells none. */
	if (call->tokens_in + call->tokens_out == before) {
		call->tokens_in += (int64_t)call->sent_len / BYTES_PER_TOKEN;
		call->tokens_out += (int64_t)answer->body_len / BYTES_PER_TOKEN;
	}
	if (trouble != NULL)
		return trouble;
	return s->many->take(op, call, json, s->many->ctx);
}

/*
 * An attempt has ended: it leaves what it did not take. True when another
 * one may take as much.
 */
static bool pay(struct sending *s, const struct llm_call *call, int64_t tokens)
{
	if (s->many->tokens_left == INT64_MAX)
		return true;
	s->tokens_left += call->tokens_most - tokens;
	return s->tokens_left >= call->tokens_most;
}

static void on_done(struct op *op, void *ctx, void *item,
		    const struct http_answer *answer)
{
	struct sending *s = ctx;
	struct llm_call *call = item;
	int most = s->many->attempts ? s->many->attempts : LLM_ATTEMPTS;
	int64_t before = call->tokens_in + call->tokens_out;
	bool again = false;
	const char *trouble = take_answer(op, s, call, answer, &again);
	bool paid = pay(s, call, call->tokens_in + call->tokens_out - before);
	int64_t wait_us = backoff_us(op, call, answer);
	int64_t due_us = clock_monotonic() + wait_us;

	call->running = false;
	call->ms += answer->ms;
	s->running--;
	/* Some ask for hours; the tenant's lease is held so long. */
	if (trouble == NULL || !again || !paid || call->attempts >= most ||
	    wait_us > WAIT_MAX_US || due_us > s->give_up_us) {
		note_result(op, s->breaker, trouble);
		end_call(s, call, trouble);
		return;
	}
	s->tokens_left -= call->tokens_most;
	call->trouble = trouble;
	call->due_us = due_us;
}

static int64_t on_wait(struct op *op, void *ctx)
{
	struct sending *s = ctx;
	int64_t now_us = clock_monotonic(), first_us = INT64_MAX;

	end_hopeless(op, s);
	if (s->left == 0)
		return -1;
	if (is_probing(s->breaker) && s->running > 0)
		return INT32_MAX;
	for (size_t i = 0; i < s->many->count; i++) {
		const struct llm_call *call = &s->many->calls[i];

		if (!call->ended && !call->running && call->due_us < first_us)
			first_us = call->due_us;
	}
	if (first_us == INT64_MAX)
		return INT32_MAX;
	return first_us <= now_us ? 0 : (first_us - now_us) / 1000 + 1;
}

static bool on_tick(struct op *op, void *ctx)
{
	struct sending *s = ctx;

	s->broken_off =
	    s->many->tick != NULL && !s->many->tick(op, s->many->ctx);
	return !s->broken_off;
}

/* A base URL may be given with /v1, as local servers name theirs. */
static const char *url_of(struct op *op, const struct provider *provider)
{
	const char *base = op->config->llm_url;
	size_t len;

	if (base == NULL)
		base = provider->url;
	len = strlen(base);
	if (len > 3 && streq(base + len - 3, "/v1"))
		len -= 3;
	return arena_printf(op->arena, "%.*s%s", (int)len, base,
			    provider->path);
}

bool llm_send_many(struct op *op, const struct llm_many *many)
{
	struct sending s = {
		.many = many,
		.breaker = many->breaker,
		.provider = provider_of(op->config),
		.headers = { NULL },
		.give_up_us = INT64_MAX,
		.left = many->count,
	};
	struct http_many http = { .next = on_next,
				  .done = on_done,
				  .ctx = &s,
				  .parallel = (size_t)op->config->llm_parallel,
				  .wait_ms = on_wait,
				  .tick = on_tick };
	size_t n = 0;

	assert(many->attempts <= LLM_ATTEMPTS);
	s.tokens_left = many->tokens_left;
	for (size_t i = 0; i < many->count; i++)
		s.tokens_left -= many->calls[i].tokens_most;
	if (many->within_ms > 0)
		s.give_up_us = clock_monotonic() + many->within_ms * 1000;
	s.url = url_of(op, s.provider);
	s.provider->headers(op, s.headers);
	while (s.headers[n] != NULL)
		n++;
	s.headers[n] = "Content-Type: application/json";
	if (!http_client_send_many(op, http_client_new(op->arena, op->config),
				   &http))
		return false;
	for (size_t i = 0; i < many->count; i++)
		if (!many->calls[i].ended)
			end_call(&s, &many->calls[i], "stopped");
	return true;
}
