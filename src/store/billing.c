/*
 * Billing rows. The API writes them when Stripe tells of a change; plan
 * limits (store/plan.c) and the batch read only tenants.plan_tier.
 */
#include "store/billing.h"

#include "base/secret.h"
#include "db/db.h"
#include "store/audit.h"

/* SQL: does subscription s pay? As billing_is_paid(). */
#define PAID_SQL "s.status IN ('active', 'trialing', 'past_due')"
/* SQL: the largest of them first. */
#define LARGEST_SQL                                                            \
	"array_position(ARRAY['scale', 'growth', 'starter'], s.plan_tier),"    \
	" s.id"

bool billing_is_paid(const char *status)
{
	return streq(status, "active") || streq(status, "trialing") ||
	       streq(status, "past_due");
}

static const char *copy(struct op *op, const struct db_row *row,
			const char *column)
{
	const char *text = db_text(row, column);

	return text != NULL ? arena_strdup(op->arena, text) : NULL;
}

bool billing_load(struct op *op, struct billing_account *ret)
{
	struct db_row row;

	if (!db_opt(op, &row,
		    "SELECT a.customer_id, a.version, p.id, p.item_id,"
		    " p.price_id FROM billing_accounts a LEFT JOIN LATERAL ("
		    "SELECT s.id, s.item_id, s.price_id FROM subscriptions s"
		    " WHERE s.tenant_id = a.tenant_id AND " PAID_SQL
		    " ORDER BY " LARGEST_SQL " LIMIT 1) p ON true"
		    " WHERE a.tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	*ret = (struct billing_account){ 0 };
	if (!db_found(&row))
		return true;
	ret->customer_id = copy(op, &row, "customer_id");
	ret->version = db_i64(&row, "version");
	ret->subscription_id = copy(op, &row, "id");
	ret->item_id = copy(op, &row, "item_id");
	ret->price_id = copy(op, &row, "price_id");
	return true;
}

bool billing_add(struct op *op, const char *customer_id,
		 struct billing_account *ret)
{
	unsigned char hash[SECRET_HASH_LEN];
	int64_t added;

	if (!db_exec(op, &added,
		     "INSERT INTO billing_accounts (tenant_id, customer_id,"
		     " created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		     ARG_I64(op->tenant_id), ARG_TEXT(customer_id),
		     ARG_TIME(op->now_us)))
		return false;
	secret_hash(SECRET_TOKEN, customer_id, hash);
	if (added > 0 &&
	    !db_exec(op, NULL,
		     "INSERT INTO token_index (kind, hash, tenant_id)"
		     " VALUES ('stripe', $1, $2) ON CONFLICT DO NOTHING",
		     ARG_BYTES(hash, sizeof(hash)), ARG_I64(op->tenant_id)))
		return false;
	return billing_load(op, ret);
}

bool billing_tenant(struct op *op, const char *customer_id, int64_t *ret)
{
	unsigned char hash[SECRET_HASH_LEN];
	struct db_row row;

	secret_hash(SECRET_TOKEN, customer_id, hash);
	if (!db_opt(op, &row,
		    "SELECT t AS tenant_id"
		    " FROM token_tenants('stripe', $1) t LIMIT 1",
		    ARG_BYTES(hash, sizeof(hash))))
		return false;
	*ret = db_found(&row) ? db_i64(&row, "tenant_id") : 0;
	return true;
}

bool billing_event_seen(struct op *op, const struct billing_event *event,
			bool *ret)
{
	struct db_row row;

	if (!db_opt(op, &row,
		    "SELECT 1 FROM billing_events"
		    " WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_TEXT(event->id)))
		return false;
	*ret = db_found(&row);
	return true;
}

bool billing_event_put(struct op *op, const struct billing_event *event)
{
	return db_exec(op, NULL,
		       "INSERT INTO billing_events (tenant_id, id, type,"
		       " received_at) VALUES ($1, $2, $3, $4)"
		       " ON CONFLICT DO NOTHING",
		       ARG_I64(op->tenant_id), ARG_TEXT(event->id),
		       ARG_TEXT(event->type), ARG_TIME(op->now_us));
}

bool billing_known_tier(struct op *op, const struct billing_subscription *sub,
			const char **ret)
{
	struct db_row row;

	if (!db_opt(op, &row,
		    "SELECT plan_tier FROM subscriptions WHERE tenant_id = $1"
		    " AND id = $2 AND price_id = $3",
		    ARG_I64(op->tenant_id), ARG_TEXT(sub->id),
		    ARG_TEXT(sub->price_id)))
		return false;
	*ret = db_found(&row) ? copy(op, &row, "plan_tier") : NULL;
	return true;
}

static bool put_subscription(struct op *op,
			     const struct billing_subscription *sub)
{
	return db_exec(
	    op, NULL,
	    "INSERT INTO subscriptions (tenant_id, id, status, item_id,"
	    " price_id, plan_tier, period_ends_at, cancel_at_period_end,"
	    " updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	    " ON CONFLICT (tenant_id, id) DO UPDATE SET"
	    " status = EXCLUDED.status, item_id = EXCLUDED.item_id,"
	    " price_id = EXCLUDED.price_id, plan_tier = EXCLUDED.plan_tier,"
	    " period_ends_at = EXCLUDED.period_ends_at,"
	    " cancel_at_period_end = EXCLUDED.cancel_at_period_end,"
	    " updated_at = EXCLUDED.updated_at",
	    ARG_I64(op->tenant_id), ARG_TEXT(sub->id), ARG_TEXT(sub->status),
	    ARG_TEXT(sub->item_id), ARG_TEXT(sub->price_id),
	    ARG_TEXT(sub->plan_tier),
	    ARG_TIME_IF(sub->period_ends_us != 0, sub->period_ends_us),
	    ARG_BOOL(sub->cancel_at_period_end), ARG_TIME(op->now_us));
}

/* The plan as it is and as the subscriptions want it. */
static bool load_plans(struct op *op, struct db_row *ret)
{
	return db_one(op, ret,
		      "SELECT t.plan_tier AS tier, t.plan_status AS status,"
		      " a.paid_tier, p.plan_tier AS wanted,"
		      " p.status AS wanted_status"
		      " FROM tenants t JOIN billing_accounts a"
		      " ON a.tenant_id = t.tenant_id LEFT JOIN LATERAL ("
		      "SELECT s.plan_tier, s.status FROM subscriptions s"
		      " WHERE s.tenant_id = t.tenant_id AND " PAID_SQL
		      " AND s.plan_tier IS NOT NULL"
		      " ORDER BY " LARGEST_SQL " LIMIT 1) p ON true"
		      " WHERE t.tenant_id = $1",
		      ARG_I64(op->tenant_id));
}

static bool set_plan(struct op *op, const char *tier, const char *status,
		     const char *paid_tier)
{
	return db_exec(op, NULL,
		       "UPDATE tenants SET plan_tier = $2, plan_status = $3"
		       " WHERE tenant_id = $1",
		       ARG_I64(op->tenant_id), ARG_TEXT(tier),
		       ARG_TEXT(status)) &&
	       db_exec(op, NULL,
		       "UPDATE billing_accounts SET paid_tier = $2"
		       " WHERE tenant_id = $1",
		       ARG_I64(op->tenant_id), ARG_TEXT(paid_tier));
}

static const char *plan_json(struct op *op, const char *tier,
			     const char *status)
{
	return arena_printf(op->arena,
			    "{\"plan_tier\":\"%s\",\"plan_status\":\"%s\"}",
			    tier, status);
}

static bool is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : streq(a, b);
}

/* sub is the one whose state came last. */
static bool follow(struct op *op, const struct billing_subscription *sub)
{
	struct db_row row;

	if (!load_plans(op, &row))
		return false;
	const char *tier = db_text(&row, "tier");
	const char *status = db_text(&row, "status");
	const char *paid = db_text(&row, "paid_tier");
	const char *wanted = db_text(&row, "wanted");
	const char *now = wanted, *now_status = db_text(&row, "wanted_status");

	if (wanted == NULL && paid == NULL)
		return true; /* none was paid for, none ends */
	if (wanted == NULL && !streq(tier, paid)) {
		now = tier; /* the operator's own choice */
		now_status = status;
	} else if (wanted == NULL) {
		now = "free";
		now_status = sub->status;
	}
	if (!set_plan(op, now, now_status, wanted))
		return false;
	if (is_same(tier, now) && is_same(status, now_status))
		return true;
	return audit_put(op, "stripe", "billing.plan", sub->id,
			 plan_json(op, tier, status),
			 plan_json(op, now, now_status));
}

bool billing_apply(struct op *op, int64_t version,
		   const struct billing_subscription *sub, bool *ret_stale)
{
	int64_t moved;

	if (!db_exec(op, &moved,
		     "UPDATE billing_accounts SET version = version + 1"
		     " WHERE tenant_id = $1 AND version = $2",
		     ARG_I64(op->tenant_id), ARG_I64(version)))
		return false;
	*ret_stale = moved == 0;
	return *ret_stale || (put_subscription(op, sub) && follow(op, sub));
}
