/*
 * One statement for all that handlers ask about a tenant.
 */
#include "store/tenant.h"

#include "db/db.h"
#include "db/db_tx.h"

#define TENANT_COLUMNS                                                         \
	"s.name, s.slug, t.mode, coalesce(t.live_tenant_id, 0) AS live_id,"    \
	" s.timezone, s.config, s.config_version, s.approval_mode,"            \
	" s.onboarding_completed, s.kill_switch_active,"                       \
	" s.shadow_mode AND (s.shadow_until IS NULL OR s.shadow_until > $2)"   \
	" AS shadow_mode, s.brand, s.mail_from, t.plan_tier, t.plan_status,"   \
	" coalesce(p.tracked_users, -1) AS tracked_users, p.retention_days"    \
	" FROM tenant_settings s"                                              \
	" JOIN tenants t ON t.tenant_id = s.tenant_id"                         \
	" JOIN plans p ON p.plan_tier = t.plan_tier"                           \
	" WHERE s.tenant_id = $1"

static bool load_row(struct op *op, bool lock, struct db_row *ret)
{
	if (lock)
		return db_one(op, ret,
			      "SELECT " TENANT_COLUMNS " FOR UPDATE OF s",
			      ARG_I64(op->tenant_id), ARG_TIME(op->now_us));
	return db_one(op, ret, "SELECT " TENANT_COLUMNS, ARG_I64(op->tenant_id),
		      ARG_TIME(op->now_us));
}

bool tenant_load(struct op *op, bool lock, struct tenant *ret)
{
	struct db_row row;

	if (!load_row(op, lock, &row))
		return false;
	*ret = (struct tenant){
		.id = op->tenant_id,
		.name = db_text(&row, "name"),
		.slug = db_text(&row, "slug"),
		.test = streq(db_text(&row, "mode"), "test"),
		.live_id = db_i64(&row, "live_id"),
		.timezone = db_text(&row, "timezone"),
		.config = db_text(&row, "config"),
		.config_version = db_i64(&row, "config_version"),
		.approval_mode = db_text(&row, "approval_mode"),
		.onboarding_completed = db_bool(&row, "onboarding_completed"),
		.kill_switch_active = db_bool(&row, "kill_switch_active"),
		.shadow_mode = db_bool(&row, "shadow_mode"),
		.brand = db_text(&row, "brand"),
		.mail_from = db_text(&row, "mail_from"),
		.plan_tier = db_text(&row, "plan_tier"),
		.plan_status = db_text(&row, "plan_status"),
		.tracked_users = db_i64(&row, "tracked_users"),
		.retention_days = db_i64(&row, "retention_days"),
	};
	return true;
}

bool tenant_enter_twin(struct op *op)
{
	struct db_row row;

	return db_one(op, &row,
		      "SELECT tenant_id FROM tenants WHERE live_tenant_id = $1",
		      ARG_I64(op->tenant_id)) &&
	       db_set_tenant(op, db_i64(&row, "tenant_id"));
}
