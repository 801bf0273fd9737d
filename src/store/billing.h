/*
 * What a tenant pays for: its customer at Stripe, the subscriptions of that
 * customer, and the plan that follows from them. States come from Stripe,
 * asked for at each event, so the order of events does not matter.
 *
 * All run inside the caller's transaction on op->tenant_id, but for
 * billing_tenant().
 */
#ifndef STORE_BILLING_H
#define STORE_BILLING_H

#include "base/op.h"

/* Texts are arena. */
struct billing_account {
	const char *customer_id; /* NULL: no account yet */
	int64_t version;	 /* for billing_apply() */
	/* The subscription that pays for the plan; NULL: none. */
	const char *subscription_id, *item_id, *price_id;
};

MUST_CHECK bool billing_load(struct op *op, struct billing_account *ret);

/*
 * Notes the tenant's customer, so that its events find the tenant. The
 * first one stays: ret is the one that counts.
 */
MUST_CHECK bool billing_add(struct op *op, const char *customer_id,
			    struct billing_account *ret);

/* The tenant of a customer; 0: none of ours. Any transaction. */
MUST_CHECK bool billing_tenant(struct op *op, const char *customer_id,
			       int64_t *ret);

struct billing_event {
	const char *id; /* "evt_…" */
	const char *type;
};

/* Was this event dealt with? */
MUST_CHECK bool billing_event_seen(struct op *op,
				   const struct billing_event *event,
				   bool *ret);

/* Notes that it was; twice is fine. */
MUST_CHECK bool billing_event_put(struct op *op,
				  const struct billing_event *event);

struct billing_subscription {
	const char *id;
	const char *status;		/* Stripe's; the list is open */
	const char *item_id, *price_id; /* or NULL */
	const char *plan_tier;	/* that the price stands for; NULL: unknown */
	int64_t period_ends_us; /* 0: unknown */
	bool cancel_at_period_end;
};

/* Does a subscription of that status pay? Also while a payment is retried. */
bool billing_is_paid(const char *status);

/* The tier that was noted for this price at the last event; or NULL. */
MUST_CHECK bool billing_known_tier(struct op *op,
				   const struct billing_subscription *sub,
				   const char **ret);

/*
 * Notes the state and sets the tenant's plan by all of its subscriptions:
 * the largest paid one; when the last ends, free. A plan that an operator
 * set by hand meanwhile is left alone. version is that of the account
 * before Stripe was asked: when it moved, nothing is done and *ret_stale is
 * true, since the state may be older than what is stored.
 */
MUST_CHECK bool billing_apply(struct op *op, int64_t version,
			      const struct billing_subscription *sub,
			      bool *ret_stale);

#endif
