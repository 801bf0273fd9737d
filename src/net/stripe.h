/*
 * Stripe's API, as far as billing needs it: form-encoded calls with a
 * pinned version, and the signature of what Stripe sends here. It knows
 * nothing of tenants or plans.
 *
 * All calls of one op share one deadline (STRIPE_TOTAL_MS). The caller
 * takes a slot (http/shared.h) and holds no transaction meanwhile.
 */
#ifndef NET_STRIPE_H
#define NET_STRIPE_H

#include "base/op.h"
#include "base/str.h"

/* The fields below are those of this version. */
#define STRIPE_VERSION	"2026-10-28.endive"
#define STRIPE_TOTAL_MS 8000

struct http_client;
struct json_object;

struct stripe {
	struct http_client *client;
	int64_t until_us; /* clock_monotonic() */
};

struct stripe_call {
	const char *path;	/* "/v1/checkout/sessions" */
	const struct str *form; /* of a POST; NULL: GET */
	/* Of a POST: at most 255 characters; the same for a second try. */
	const char *idempotency_key;
};

/* Starts the deadline. The setting of the secret key must be there. */
void stripe_init(struct op *op, struct stripe *ret);

/* Adds name=value to a form: brackets of the name stay, values are encoded. */
void stripe_param(struct str *form, const char *name, const char *value);

/*
 * One call, with a second try when the first had no answer, a 409 or a 5xx
 * and there is time. ret is the answer's object, borrowed for the op.
 * Fails: FAIL_NOT_FOUND "no_billing_account" when Stripe does not know the
 * customer; FAIL_UNAVAILABLE "billing_unavailable" (no answer, 429, 5xx,
 * no JSON), "billing_refused" (any other error), with Stripe's type, code,
 * parameter and message in the detail.
 */
MUST_CHECK bool stripe_send(struct op *op, const struct stripe *stripe,
			    const struct stripe_call *call,
			    struct json_object **ret);

/* borrowed: a related object's id, be it the text or the object; or NULL. */
const char *stripe_id(struct json_object *obj, const char *key);

/* Is it an id that may stand in a path? Letters, digits and '_'. */
bool stripe_is_id(const char *text);

struct stripe_signed {
	const char *header; /* Stripe-Signature, or NULL */
	const char *body;
	size_t len;
	const char *secret; /* "whsec_…": the key is the text as it stands */
};

/*
 * Does one of the v1 signatures fit, and is its time within 5 minutes of
 * op->now_us, either way?
 */
bool stripe_signature_ok(struct op *op, const struct stripe_signed *message);

#endif
