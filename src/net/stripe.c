/*
 * Calls to Stripe and signatures from it. Source: Stripe's API reference
 * and what its own library for Node sends.
 */
#include "net/stripe.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json_in.h"
#include "base/parse.h"
#include "base/secret.h"
#include "net/http_client.h"

#include <ctype.h>
#include <time.h>

#define ANSWER_MAX	(512 * 1024)
#define TRIES		2
#define BETWEEN_MS	300
#define TRY_LEAST_MS	500
#define TOLERANCE_S	300
#define SIGNATURE_CHARS 64

void stripe_init(struct op *op, struct stripe *ret)
{
	ret->client = http_client_new(op->arena, op->config);
	ret->until_us = clock_monotonic() + STRIPE_TOTAL_MS * 1000LL;
}

static void put_encoded(struct str *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL))
			str_putc(out, (char)c);
		else
			str_printf(out, "%%%02X", c);
	}
}

void stripe_param(struct str *form, const char *name, const char *value)
{
	if (form->len > 0)
		str_putc(form, '&');
	str_puts(form, name);
	str_putc(form, '=');
	put_encoded(form, value);
}

static int left_ms(const struct stripe *stripe)
{
	int64_t left = (stripe->until_us - clock_monotonic()) / 1000;

	return left > 0 ? (int)left : 0;
}

static void wait_ms(int ms)
{
	struct timespec pause = { .tv_nsec = ms * 1000000L };

	nanosleep(&pause, NULL);
}

static const char *const *headers_of(struct op *op,
				     const struct stripe_call *call)
{
	const char **headers = ARENA_ARRAY(op->arena, const char *, 5);
	size_t n = 0;

	headers[n++] = arena_printf(op->arena, "Authorization: Bearer %s",
				    op->config->stripe_secret_key);
	headers[n++] = "Stripe-Version: " STRIPE_VERSION;
	if (call->form == NULL)
		return headers;
	headers[n++] = "Content-Type: application/x-www-form-urlencoded";
	headers[n++] = arena_printf(op->arena, "Idempotency-Key: %s",
				    call->idempotency_key);
	return headers;
}

static bool is_passing(const struct http_answer *answer)
{
	return (answer->status == 0 && !answer->refused) ||
	       answer->status == 409 || answer->status >= 500;
}

static bool send_tries(struct op *op, const struct stripe *stripe,
		       const struct stripe_call *call, struct http_answer *ret)
{
	struct http_send send = {
		.url = arena_printf(op->arena, "%s%s",
				    op->config->stripe_api_url, call->path),
		.headers = headers_of(op, call),
		.body = call->form != NULL ? call->form->bytes : NULL,
		.body_len = call->form != NULL ? call->form->len : 0,
		.keep_bytes = ANSWER_MAX,
		.answer_max = ANSWER_MAX,
	};

	for (int try = 1;; try++) {
		int left = left_ms(stripe);

		send.timeout_ms = left > TRY_LEAST_MS ? left : TRY_LEAST_MS;
		if (!http_client_send(op, stripe->client, &send, ret))
			return false;
		if (try == TRIES || !is_passing(ret) ||
		    left_ms(stripe) < BETWEEN_MS + TRY_LEAST_MS)
			return true;
		wait_ms(BETWEEN_MS);
	}
}

static bool fail_unavailable(struct op *op, const struct http_answer *answer)
{
	op_fail(op, FAIL_UNAVAILABLE, "billing_unavailable",
		"the payment service cannot be reached just now");
	op->fail.retry_after_s =
	    answer->retry_after_s > 0 && answer->retry_after_s < 3600
		? (int)answer->retry_after_s
		: 5;
	return op_fail_detail(op, "stripe: status %d %s", answer->status,
			      answer->error != NULL ? answer->error : "");
}

static bool fail_refused(struct op *op, const struct http_answer *answer,
			 struct json_object *root)
{
	struct json_object *error = json_member(root, "error");
	const char *code = json_get_text(error, "code", "-");
	const char *param = json_get_text(error, "param", "-");

	if (streq(code, "resource_missing") && streq(param, "customer"))
		return op_fail(op, FAIL_NOT_FOUND, "no_billing_account",
			       "there is no billing account");
	op_fail(op, FAIL_UNAVAILABLE, "billing_refused",
		"the payment service refused the call");
	op->fail.retry_after_s = 60;
	return op_fail_detail(op,
			      "stripe: status %d type %s code %s param %s"
			      " message %s",
			      answer->status, json_get_text(error, "type", "-"),
			      code, param,
			      json_get_text(error, "message", "-"));
}

bool stripe_send(struct op *op, const struct stripe *stripe,
		 const struct stripe_call *call, struct json_object **ret)
{
	struct http_answer answer;
	struct json_object *root = NULL;

	if (!send_tries(op, stripe, call, &answer))
		return false;
	if (answer.status == 0 || answer.status == 429 || answer.status >= 500)
		return fail_unavailable(op, &answer);
	if (!json_parse(op, answer.body, answer.body_len, &root)) {
		op_clear(op);
		return fail_unavailable(op, &answer);
	}
	if (answer.status != 200)
		return fail_refused(op, &answer, root);
	*ret = root;
	return true;
}

const char *stripe_id(struct json_object *obj, const char *key)
{
	struct json_object *value = json_member(obj, key);

	if (json_object_is_type(value, json_type_object))
		return json_get_text(value, "id", NULL);
	return json_get_text(obj, key, NULL);
}

bool stripe_is_id(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_')
			return false;
	return len > 0 && len <= 255;
}

/* -------------------------------------------------------------- signature */

/* arena: the next "name=value" of the header; NULL at its end. */
static const char *next_part(struct op *op, const char **at)
{
	const char *begin = *at;
	size_t len;

	if (*begin == '\0')
		return NULL;
	len = strcspn(begin, ",");
	*at = begin + len + (begin[len] == ',');
	return arena_strndup(op->arena, begin, len);
}

/* arena: the text of t; NULL when it is absent, doubled or not near now. */
static const char *signed_time(struct op *op, const char *header)
{
	const char *part, *found = NULL;
	int64_t at_s, now_s = op->now_us / US_PER_SECOND;

	while ((part = next_part(op, &header)) != NULL) {
		if (strncmp(part, "t=", 2) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = part + 2;
	}
	if (found == NULL || !parse_i64(found, 0, INT64_MAX / 2, &at_s) ||
	    at_s < now_s - TOLERANCE_S || at_s > now_s + TOLERANCE_S)
		return NULL;
	return found;
}

bool stripe_signature_ok(struct op *op, const struct stripe_signed *message)
{
	const char *header = message->header, *part, *at;
	char wanted[SIGNATURE_CHARS + 1];
	bool ok = false;
	struct str text;

	if (header == NULL || (at = signed_time(op, header)) == NULL)
		return false;
	str_init(&text, op->arena, message->len + 64);
	str_printf(&text, "%s.", at);
	str_put(&text, message->body, message->len);
	secret_hmac_hex(message->secret, strlen(message->secret), text.bytes,
			text.len, wanted);
	while ((part = next_part(op, &header)) != NULL)
		if (strncmp(part, "v1=", 3) == 0 &&
		    secret_equal(part + 3, wanted))
			ok = true;
	return ok;
}
