/*
 * Plans that are paid for by Stripe: pages to pay and to manage what is
 * paid, and the webhook by which Stripe says what became of it. Stripe is
 * asked while no transaction is open.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/config.h"
#include "base/json_in.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "db/db_tx.h"
#include "http/body.h"
#include "http/shared.h"
#include "net/stripe.h"
#include "store/audit.h"
#include "store/billing.h"
#include "store/tenant.h"

#define FORM_MAX     8192
#define CUSTOMER_MAX 255
#define APPLY_TRIES  3

static const char *const tiers[] = { "starter", "growth", "scale", NULL };
static const char *const intervals[] = { "monthly", "annual", NULL };

/* The price ids of a tier and interval, the one that is sold first. */
struct price {
	const char *tier, *interval, *ids; /* ids may be NULL */
};

#define PRICES 6

static void all_prices(const struct config *c, struct price ret[PRICES])
{
	const struct price prices[PRICES] = {
		{ "starter", "monthly", c->stripe_starter_monthly },
		{ "starter", "annual", c->stripe_starter_annual },
		{ "growth", "monthly", c->stripe_growth_monthly },
		{ "growth", "annual", c->stripe_growth_annual },
		{ "scale", "monthly", c->stripe_scale_monthly },
		{ "scale", "annual", c->stripe_scale_annual },
	};

	memcpy(ret, prices, sizeof(prices));
}

static bool not_configured(struct op *op, const char *what)
{
	return op_fail(op, FAIL_UNAVAILABLE, "billing_not_configured",
		       "billing is not configured: %s", what);
}

static bool no_account(struct op *op)
{
	return op_fail(op, FAIL_NOT_FOUND, "no_billing_account",
		       "there is no billing account");
}

/* arena: the price that is sold. */
static bool find_price(struct op *op, const char *tier, const char *interval,
		       const char **ret)
{
	struct price prices[PRICES];

	all_prices(op->config, prices);
	for (size_t i = 0; i < PRICES; i++) {
		const char *ids = prices[i].ids;

		if (ids == NULL || !streq(prices[i].tier, tier) ||
		    !streq(prices[i].interval, interval))
			continue;
		*ret = arena_strndup(op->arena, ids, strcspn(ids, ","));
		return true;
	}
	return not_configured(op, "this plan has no price");
}

static bool is_listed(const char *ids, const char *price)
{
	size_t len = strlen(price);

	for (; ids != NULL && *ids != '\0'; ids += *ids == ',') {
		size_t part = strcspn(ids, ",");

		if (part == len && strncmp(ids, price, len) == 0)
			return true;
		ids += part;
	}
	return false;
}

/* static: the tier that a price stands for, or NULL. */
static const char *tier_of_price(const struct config *config, const char *price)
{
	struct price prices[PRICES];

	all_prices(config, prices);
	for (size_t i = 0; price != NULL && i < PRICES; i++)
		if (is_listed(prices[i].ids, price))
			return prices[i].tier;
	return NULL;
}

/* Ready to ask Stripe: configured, for a live tenant, with a slot. */
static bool open_stripe(struct op *op, struct stripe *ret)
{
	if (op->config->stripe_secret_key == NULL)
		return not_configured(op, "there is no key of Stripe's");
	if (!shared_take(op, SHARED_OUTWARD))
		return false;
	stripe_init(op, ret);
	return true;
}

static struct str *form_new(struct op *op)
{
	struct str *form = ARENA_NEW(op->arena, struct str);

	str_init(form, op->arena, FORM_MAX);
	return form;
}

static bool post(struct op *op, const struct stripe *stripe, const char *path,
		 const struct str *form, const char *key,
		 struct json_object **ret)
{
	const struct stripe_call call = { .path = path,
					  .form = form,
					  .idempotency_key = key };

	if (!str_ok(form))
		return op_fail(op, FAIL_INTERNAL, "form_too_large",
			       "the form is too large");
	return stripe_send(op, stripe, &call, ret);
}

/* Answers with the url of what Stripe made. */
static bool reply_url(struct op *op, struct response *rs,
		      struct json_object *made)
{
	const char *url = json_get_text(made, "url", NULL);
	struct json_out j;

	if (url == NULL)
		return op_fail(op, FAIL_UNAVAILABLE, "billing_unavailable",
			       "the payment service gave no address");
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_pair(&j, "url", url);
	json_close(&j);
	return true;
}

/* --------------------------------------------------------------- checkout */

struct checkout_in {
	const char *plan, *interval;
};

static const struct field checkout_fields[] = {
	FIELD_ENUM(struct checkout_in, plan, true, tiers),
	FIELD_ENUM(struct checkout_in, interval, false, intervals),
};

/* Who pays, as far as we know it. */
struct payer {
	const char *name;  /* of the tenant */
	const char *email; /* of the person who asks, or NULL */
	struct billing_account account;
};

static bool load_payer(struct op *op, struct payer *ret)
{
	const struct principal *who = auth_principal(op);
	struct tenant tenant;
	struct db_row row;

	ret->email = NULL;
	if (!db_begin(op) || !tenant_load(op, false, &tenant) ||
	    !billing_load(op, &ret->account))
		return false;
	if (who->person_id != NULL) {
		if (!db_one(op, &row, "SELECT email FROM person_by_id($1)",
			    ARG_UUID(who->person_id)))
			return false;
		ret->email = db_text(&row, "email");
	}
	ret->name = tenant.name;
	return db_commit(op);
}

/*
 * The key is made of the tenant and of what is sent, so that two at once
 * make one customer.
 */
static bool make_customer(struct op *op, const struct stripe *stripe,
			  struct payer *payer)
{
	struct str *form = form_new(op);
	struct json_object *made;

	stripe_param(form, "name", payer->name);
	if (payer->email != NULL)
		stripe_param(form, "email", payer->email);
	stripe_param(form, "metadata[tenant_id]",
		     arena_printf(op->arena, "%lld", (long long)op->tenant_id));
	const char *key = arena_printf(
	    op->arena, "customer-%s",
	    secret_hash_tenant(op, SECRET_TOKEN, op->tenant_id, form->bytes));
	if (!post(op, stripe, "/v1/customers", form, key, &made))
		return false;
	const char *id = json_get_text(made, "id", NULL);
	if (id == NULL || strlen(id) > CUSTOMER_MAX)
		return op_fail(op, FAIL_UNAVAILABLE, "billing_unavailable",
			       "the payment service made no customer");
	return db_begin(op) && billing_add(op, id, &payer->account) &&
	       db_commit(op);
}

static const char *our_page(struct op *op, const char *state)
{
	return arena_printf(op->arena, "%s/?billing=%s#settings",
			    op->config->base_url, state);
}

/* A page where the tenant subscribes. */
static bool make_checkout(struct op *op, const struct stripe *stripe,
			  const struct payer *payer, const char *price,
			  struct json_object **ret)
{
	const char *tenant =
	    arena_printf(op->arena, "%lld", (long long)op->tenant_id);
	struct str *form = form_new(op);

	stripe_param(form, "mode", "subscription");
	stripe_param(form, "customer", payer->account.customer_id);
	stripe_param(form, "client_reference_id", tenant);
	stripe_param(form, "line_items[0][price]", price);
	stripe_param(form, "line_items[0][quantity]", "1");
	stripe_param(form, "metadata[tenant_id]", tenant);
	stripe_param(form, "subscription_data[metadata][tenant_id]", tenant);
	stripe_param(form, "allow_promotion_codes", "true");
	stripe_param(form, "success_url", our_page(op, "paid"));
	stripe_param(form, "cancel_url", our_page(op, "cancelled"));
	return post(op, stripe, "/v1/checkout/sessions", form, uuid_new(op),
		    ret);
}

#define CONFIRM "flow_data[subscription_update_confirm]"

/*
 * Who pays already changes the subscription and does not begin a second
 * one: a page of the portal that shows the change and asks for consent.
 */
static bool make_change(struct op *op, const struct stripe *stripe,
			const struct billing_account *account,
			const char *price, struct json_object **ret)
{
	struct str *form = form_new(op);

	if (account->price_id != NULL && streq(account->price_id, price))
		return op_fail(op, FAIL_CONFLICT, "plan_unchanged",
			       "this plan is paid for already");
	stripe_param(form, "customer", account->customer_id);
	stripe_param(form, "return_url", our_page(op, "changed"));
	stripe_param(form, "flow_data[type]", "subscription_update_confirm");
	stripe_param(form, CONFIRM "[subscription]", account->subscription_id);
	stripe_param(form, CONFIRM "[items][0][id]", account->item_id);
	stripe_param(form, CONFIRM "[items][0][price]", price);
	stripe_param(form, CONFIRM "[items][0][quantity]", "1");
	return post(op, stripe, "/v1/billing_portal/sessions", form,
		    uuid_new(op), ret);
}

static bool billing_checkout(struct op *op, const struct request *rq,
			     struct response *rs)
{
	struct checkout_in in = { .interval = "monthly" };
	struct payer payer;
	struct stripe stripe;
	const char *price = NULL;
	struct json_object *made = NULL;

	if (!body_decode(op, rq, checkout_fields, ARRAY_LEN(checkout_fields),
			 &in))
		return false;
	if (auth_principal(op)->test)
		return no_account(op);
	if (!open_stripe(op, &stripe) ||
	    !find_price(op, in.plan, in.interval, &price) ||
	    !load_payer(op, &payer))
		return false;
	if (payer.account.customer_id == NULL &&
	    !make_customer(op, &stripe, &payer))
		return false;
	bool ok = payer.account.item_id != NULL
		      ? make_change(op, &stripe, &payer.account, price, &made)
		      : make_checkout(op, &stripe, &payer, price, &made);
	return ok && db_begin(op) &&
	       audit_put(op, auth_actor(op), "billing.checkout", in.plan, NULL,
			 NULL) &&
	       db_commit(op) && reply_url(op, rs, made);
}

static bool billing_portal(struct op *op, const struct request *rq,
			   struct response *rs)
{
	struct billing_account account;
	struct stripe stripe;
	struct str *form = form_new(op);
	struct json_object *made;

	(void)rq;
	if (auth_principal(op)->test)
		return no_account(op);
	if (!open_stripe(op, &stripe) || !db_begin(op) ||
	    !billing_load(op, &account) || !db_commit(op))
		return false;
	if (account.customer_id == NULL)
		return no_account(op);
	stripe_param(form, "customer", account.customer_id);
	stripe_param(form, "return_url", our_page(op, "managed"));
	return post(op, &stripe, "/v1/billing_portal/sessions", form,
		    uuid_new(op), &made) &&
	       reply_url(op, rs, made);
}

/* ---------------------------------------------------------------- webhook */

/* What an event says; texts are borrowed from its JSON. */
struct notice {
	struct billing_event event;
	const char *customer;	  /* or NULL */
	const char *subscription; /* or NULL: nothing to ask for */
};

/* How to find the subscription's id in data.object, by type of event. */
static const char *subscription_of(const char *type, struct json_object *obj)
{
	if (strncmp(type, "customer.subscription.", 22) == 0)
		return json_get_text(obj, "id", NULL);
	if (strncmp(type, "checkout.session.", 17) == 0)
		return stripe_id(obj, "subscription");
	if (strncmp(type, "invoice.", 8) != 0)
		return NULL;
	struct json_object *parent =
	    json_member(json_member(obj, "parent"), "subscription_details");
	const char *id = stripe_id(parent, "subscription");
	return id != NULL ? id : stripe_id(obj, "subscription"); /* older */
}

/* Of another kind, or malformed, is no notice: members stay NULL. */
static bool read_notice(struct op *op, const struct request *rq,
			struct notice *ret)
{
	struct json_object *root;

	if (!json_parse(op, rq->body, rq->body_len, &root))
		return false;
	if (!json_object_is_type(root, json_type_object))
		return op_fail(op, FAIL_INVALID, "invalid_json",
			       "the body must be an object");
	struct json_object *obj =
	    json_member(json_member(root, "data"), "object");
	*ret = (struct notice){
		.event = { .id = json_get_text(root, "id", NULL),
			   .type = json_get_text(root, "type", NULL) },
		.customer = stripe_id(obj, "customer"),
	};
	if (ret->event.id == NULL || ret->event.type == NULL)
		return true;
	ret->subscription = subscription_of(ret->event.type, obj);
	if (!stripe_is_id(ret->event.id) ||
	    (ret->subscription != NULL && !stripe_is_id(ret->subscription)))
		ret->subscription = NULL;
	return true;
}

/* GET of the subscription, as it is now. */
static bool ask(struct op *op, const struct stripe *stripe,
		const struct notice *notice, struct json_object **ret)
{
	const struct stripe_call call = { .path = arena_printf(
					      op->arena, "/v1/subscriptions/%s",
					      notice->subscription) };

	return stripe_send(op, stripe, &call, ret);
}

static bool read_subscription(struct op *op, struct json_object *obj,
			      struct billing_subscription *ret)
{
	struct json_object *list =
	    json_member(json_member(obj, "items"), "data");
	struct json_object *item = NULL;

	if (json_object_is_type(list, json_type_array) &&
	    json_object_array_length(list) > 0)
		item = json_object_array_get_idx(list, 0);
	int64_t ends_s = json_get_i64(
	    item, "current_period_end",
	    json_get_i64(obj, "current_period_end", 0)); /* older */
	*ret = (struct billing_subscription){
		.id = json_get_text(obj, "id", ""),
		.status = json_get_text(obj, "status", ""),
		.item_id = json_get_text(item, "id", NULL),
		.price_id = stripe_id(item, "price"),
		.cancel_at_period_end =
		    json_get_bool(obj, "cancel_at_period_end", false),
	};
	ret->plan_tier = tier_of_price(op->config, ret->price_id);
	if (ends_s > 0 && ends_s < INT32_MAX * INT64_C(4))
		ret->period_ends_us = ends_s * INT64_C(1000000);
	if (!stripe_is_id(ret->status))
		return op_fail(op, FAIL_UNAVAILABLE, "billing_unavailable",
			       "the payment service gave no status");
	return true;
}

/*
 * A paid price that no setting names must not end a plan: it keeps what it
 * stood for, or else Stripe tries again until an operator names it.
 */
static bool know_tier(struct op *op, struct billing_subscription *sub)
{
	if (sub->plan_tier != NULL || !billing_is_paid(sub->status))
		return true;
	if (!billing_known_tier(op, sub, &sub->plan_tier))
		return false;
	if (sub->plan_tier != NULL)
		return true;
	op_fail(op, FAIL_UNAVAILABLE, "price_not_configured",
		"the price of this subscription is in no setting");
	return op_fail_detail(op, "stripe: price %s of subscription %s",
			      sub->price_id != NULL ? sub->price_id : "-",
			      sub->id);
}

/* One round: what is stored, what Stripe says, what follows. */
static bool apply(struct op *op, const struct stripe *stripe,
		  const struct notice *notice, bool *ret_again)
{
	struct billing_account account;
	struct billing_subscription sub;
	struct json_object *obj = NULL;
	bool seen = false;

	*ret_again = false;
	if (!db_begin(op) || !billing_event_seen(op, &notice->event, &seen) ||
	    !billing_load(op, &account) || !db_commit(op))
		return false;
	if (seen)
		return true;
	if (!ask(op, stripe, notice, &obj))
		return false;
	const char *owner = stripe_id(obj, "customer");
	if (account.customer_id == NULL || owner == NULL ||
	    !streq(owner, account.customer_id))
		return true; /* not what the account pays for */
	if (!read_subscription(op, obj, &sub) || !db_begin(op) ||
	    !know_tier(op, &sub) ||
	    !billing_apply(op, account.version, &sub, ret_again))
		return false;
	if (*ret_again) {
		db_rollback(op);
		return true;
	}
	return billing_event_put(op, &notice->event) && db_commit(op);
}

static bool apply_all(struct op *op, const struct notice *notice)
{
	struct stripe stripe;
	bool again = true;

	if (!open_stripe(op, &stripe))
		return false;
	for (int try = 0; again && try < APPLY_TRIES; try++)
		if (!apply(op, &stripe, notice, &again))
			return false;
	if (!again)
		return true;
	op_fail(op, FAIL_UNAVAILABLE, "busy",
		"other events came in between, try again");
	op->fail.retry_after_s = 1;
	return false;
}

/* Sets op->tenant_id to the one that the customer pays for; 0: none. */
static bool enter_tenant(struct op *op, const char *customer)
{
	int64_t tenant_id;

	if (!db_begin(op) || !billing_tenant(op, customer, &tenant_id) ||
	    !db_commit(op))
		return false;
	op->tenant_id = tenant_id;
	return true;
}

/*
 * What is not ours, or says nothing of a subscription, is answered like
 * the rest: Stripe would only send it again.
 */
static bool billing_webhook(struct op *op, const struct request *rq,
			    struct response *rs)
{
	struct stripe_signed message = {
		.header = rq->signature,
		.body = rq->body,
		.len = rq->body_len,
		.secret = op->config->stripe_webhook_secret
	};
	struct notice notice;

	if (message.secret == NULL)
		return not_configured(op, "there is no webhook secret");
	if (!stripe_signature_ok(op, &message))
		return op_fail(op, FAIL_INVALID, "bad_signature",
			       "the signature is missing, wrong or too old");
	if (!read_notice(op, rq, &notice))
		return false;
	if (notice.customer != NULL && notice.subscription != NULL &&
	    (!enter_tenant(op, notice.customer) ||
	     (op->tenant_id != 0 && !apply_all(op, &notice))))
		return false;
	return reply_true(op, rs, 200, "received");
}

const struct route billing_routes[] = {
	{ HTTP_POST, "/api/billing/checkout", ACCESS_ADMIN, billing_checkout,
	  "createCheckoutSession", ROUTE_NO_TX },
	{ HTTP_GET, "/api/billing/portal", ACCESS_ADMIN, billing_portal,
	  "createPortalSession", ROUTE_NO_TX },
	{ HTTP_POST, "/api/billing/webhook", ACCESS_NONE, billing_webhook,
	  "stripeWebhook", ROUTE_NO_TX },
};
const size_t billing_route_count = ARRAY_LEN(billing_routes);
