/* Limits of plans: one row of this table for each thing that is counted. */
#include "store/plan.h"

#include "db/db.h"
#include "db/sql.h"
#include "store/audit.h"

static const struct {
	const char *code, *things;
	/* NULL: no limit; of plans p */
	struct sql_literal limit;
	/* how many there are; the tenant's id follows */
	struct sql_literal count;
} limits[PLAN_LIMITS] = {
	[PLAN_PLAYBOOKS] = {
		"playbook_limit", "playbooks", SQL_LITERAL("p.playbooks"),
		SQL_LITERAL("SELECT count(*) FROM playbooks x WHERE x.status"
			    " <> 'archived' AND x.tenant_id = s.tenant_id"),
	},
	[PLAN_MEMBERS] = {
		"member_limit", "members", SQL_LITERAL("p.members"),
		SQL_LITERAL("SELECT (SELECT count(*) FROM memberships x"
			    " WHERE x.tenant_id = s.tenant_id)"
			    " + (SELECT count(*) FROM invitations x"
			    " WHERE x.accepted_at IS NULL"
			    " AND x.revoked_at IS NULL AND x.expires_at > n.now"
			    " AND x.tenant_id = s.tenant_id)"),
	},
	[PLAN_WEBHOOKS] = {
		"webhook_limit", "webhook endpoints",
		SQL_LITERAL("p.webhooks"),
		SQL_LITERAL("SELECT count(*) FROM webhook_endpoints x"
			    " WHERE x.status <> 'deleted'"
			    " AND x.tenant_id = s.tenant_id"),
	},
};

static bool lock_settings(struct op *op)
{
	return db_exec(op, NULL,
		       "SELECT 1 FROM tenant_settings WHERE tenant_id = $1"
		       " FOR NO KEY UPDATE",
		       ARG_I64(op->tenant_id));
}

/* After the lock, so that the count sees what its last holder added. */
static bool load(struct op *op, enum plan_limit what, struct db_row *ret)
{
	struct sql q;

	sql_init(&q, op->arena);
	sql_add(&q, "SELECT p.upgrade_to, ");
	sql_add_literal(&q, &limits[what].limit);
	sql_add(&q, " AS most, (");
	sql_add_literal(&q, &limits[what].count);
	sql_add(&q, ") AS current FROM (SELECT ");
	sql_arg(&q, ARG_TIME(op->now_us));
	sql_add(&q, "::timestamptz AS now) n, tenant_settings s"
		    " JOIN tenants t ON t.tenant_id = s.tenant_id"
		    " JOIN plans p ON p.plan_tier = CASE t.mode WHEN 'test'"
		    " THEN 'unlimited' ELSE t.plan_tier END"
		    " WHERE s.tenant_id = ");
	sql_arg(&q, ARG_I64(op->tenant_id));
	return db_one_sql(op, ret, &q);
}

bool plan_room(struct op *op, enum plan_limit what)
{
	struct db_row row;

	if (!lock_settings(op) || !load(op, what, &row))
		return false;
	long long current = db_i64(&row, "current");
	long long most = db_i64(&row, "most");
	const char *next = db_text(&row, "upgrade_to");

	if (db_is_null(&row, "most") || current < most)
		return true;
	op_fail(op, FAIL_FORBIDDEN, limits[what].code,
		"the plan allows %lld %s", most, limits[what].things);
	return op_fail_extra(op, arena_printf(op->arena,
					      "\"current\":%lld,\"limit\":%lld,"
					      "\"upgrade_to\":%s%s%s",
					      current, most, next ? "\"" : "",
					      next ? next : "null",
					      next ? "\"" : ""));
}

static bool check_tier(struct op *op, const char *tier)
{
	struct db_row row;

	if (!db_opt(op, &row, "SELECT 1 FROM plans WHERE plan_tier = $1",
		    ARG_TEXT(tier)))
		return false;
	return db_found(&row) || op_fail(op, FAIL_INVALID, "unknown_plan",
					 "there is no plan of that name");
}

/* Refresh counts a day that has no counts yet, and then who is tracked. */
static bool count_anew(struct op *op)
{
	return db_exec(op, NULL,
		       "DELETE FROM daily_counts WHERE tenant_id = $1"
		       " AND day = $2",
		       ARG_I64(op->tenant_id), ARG_DAY(op->now_us));
}

/* For the audit log; the names of plans and statuses are plain words. */
static const char *plan_json(struct op *op, const struct db_row *row)
{
	return arena_printf(
	    op->arena, "{\"plan_tier\":\"%s\",\"plan_status\":\"%s\"}",
	    db_text(row, "plan_tier"), db_text(row, "plan_status"));
}

bool plan_set(struct op *op, const char *actor, const char *tier,
	      const char *status)
{
	struct db_row old, new;

	if (!check_tier(op, tier) || !lock_settings(op) ||
	    !db_one(op, &old,
		    "SELECT plan_tier, plan_status, mode FROM tenants"
		    " WHERE tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	if (streq(db_text(&old, "mode"), "test"))
		return op_fail(op, FAIL_INVALID, "test_tenant",
			       "a test tenant has no plan of its own");
	return db_one(op, &new,
		      "UPDATE tenants SET plan_tier = $2,"
		      " plan_status = coalesce($3, plan_status)"
		      " WHERE tenant_id = $1 RETURNING plan_tier, plan_status",
		      ARG_I64(op->tenant_id), ARG_TEXT(tier),
		      ARG_TEXT(status)) &&
	       audit_put(op, actor, "plan.set", NULL, plan_json(op, &old),
			 plan_json(op, &new)) &&
	       count_anew(op);
}
