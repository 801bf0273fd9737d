/*
 * The tenant's settings, the kill switch and API keys. What the config
 * document may hold is checked by engine/tenant_config.c; here it is
 * merged, versioned and stored.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/json_in.h"
#include "engine/playbook_doc.h"
#include "http/body.h"
#include "store/audit.h"
#include "store/playbook.h"
#include "store/principal.h"
#include "store/tenant.h"

/*
 * approval_mode and timezone are columns, which the gates read, and keys of
 * config, by which they are set: shown from the columns.
 */
#define CONFIG_SHOWN                                                           \
	"s.config || jsonb_build_object('approval_mode', s.approval_mode,"     \
	" 'timezone', s.timezone) AS config"

static const char *const modes[] = { "suggest_only", "semi_auto", "full_auto",
				     NULL };
static const char *const key_modes[] = { "live", "test", NULL };
static const char *const scopes[] = { "ingest", "read", "write", "admin",
				      NULL };

static bool load_settings(struct op *op, struct db_row *ret)
{
	return db_one(
	    op, ret,
	    "SELECT t.tenant_id::text AS id, s.name, s.slug, " CONFIG_SHOWN ","
	    " t.plan_tier, t.plan_status,"
	    " p.tracked_users AS tracked_user_limit, s.kill_switch_active,"
	    " s.shadow_mode AND (s.shadow_until IS NULL"
	    " OR s.shadow_until > $2) AS shadow_mode, t.created_at, t.mode,"
	    " s.timezone, s.config_version,"
	    " s.approval_mode AS \"approvalMode\","
	    " s.onboarding_completed AS \"onboardingCompleted\","
	    " CASE WHEN s.brand IS NOT NULL THEN jsonb_build_object("
	    "'product_description', s.brand->'product_description',"
	    " 'tone_guidelines', s.brand->'tone_guidelines',"
	    " 'things_to_mention', s.brand->'things_to_mention',"
	    " 'things_to_avoid', s.brand->'things_to_avoid') END AS _brand"
	    " FROM tenant_settings s"
	    " JOIN tenants t ON t.tenant_id = s.tenant_id"
	    " JOIN plans p ON p.plan_tier = t.plan_tier"
	    " WHERE s.tenant_id = $1",
	    ARG_I64(op->tenant_id), ARG_TIME(op->now_us));
}

static bool settings_get(struct op *op, const struct request *rq,
			 struct response *rs)
{
	struct db_row tenant;
	struct db_rows keys;
	struct json_out j;

	(void)rq;
	if (!load_settings(op, &tenant) || !api_key_rows(op, &keys))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "tenant");
	db_row_json(&j, &tenant);
	json_key(&j, "brand_context");
	json_raw(&j, db_text(&tenant, "_brand"));
	json_key(&j, "api_keys");
	json_open(&j, '[');
	db_each (key, &keys)
		db_row_json(&j, &key);
	json_close(&j);
	json_close(&j);
	return true;
}

struct patch_in {
	const char *name;
	struct json_object *config;
	const char *approval_mode;
	bool onboarding_completed;
	bool has_onboarding_completed;
};

static const struct field patch_fields[] = {
	FIELD_TEXT(struct patch_in, name, false, 1, 200, .in_chars = true,
		   .one_line = true),
	FIELD_JSON(struct patch_in, config, false),
	FIELD_ENUM(struct patch_in, approval_mode, false, modes,
		   .as = "approvalMode"),
	FIELD_BOOL(struct patch_in, onboarding_completed, false,
		   .as = "onboardingCompleted",
		   FIELD_HAS(struct patch_in, has_onboarding_completed)),
};

/* The config to save. NULL texts: unchanged. */
struct new_config {
	const char *text;
	const char *approval_mode;
	const char *timezone;
	struct tenant_config config;
};

/* Also while the op has failed: all faults of a body are told at once. */
static bool check_zone(struct op *op, const char *zone)
{
	struct fail fail = op->fail;
	struct db_row row;

	op_clear(op);
	if (!db_opt(op, &row, "SELECT 1 FROM zones WHERE name = $1",
		    ARG_TEXT(zone)))
		return false;
	op->fail = fail;
	return db_found(&row) ||
	       op_fail_at(op, "config.timezone", "is not a known time zone");
}

/*
 * The old config with the patch merged in, checked. A key that is removed
 * takes its column back to the default.
 */
static bool merge_config(struct op *op, const struct tenant *tenant,
			 const struct patch_in *in, struct new_config *ret)
{
	struct json_object *old, *merged;
	struct fail fail = op->fail;
	bool ok;

	op_clear(op);
	if (!json_parse(op, tenant->config, strlen(tenant->config), &old))
		return false;
	tenant_config_merge(op, old, in->config, &ret->text);
	if (!json_parse(op, ret->text, strlen(ret->text), &merged))
		return false;
	op->fail = fail;
	ok = tenant_config_parse(op, "config", merged, NULL, 0, &ret->config);
	if (json_has(in->config, "timezone")) {
		ret->timezone = json_get_text(merged, "timezone", "UTC");
		ok = check_zone(op, ret->timezone) && ok;
	}
	if (json_has(in->config, "approval_mode"))
		ret->approval_mode =
		    json_get_text(merged, "approval_mode", modes[0]);
	return ok && !op_failed(op);
}

static void put_root(void *root)
{
	json_object_put(root);
}

/* approvalMode is a key of config under another name. */
static void fold_approval_mode(struct op *op, struct patch_in *in)
{
	if (in->approval_mode == NULL)
		return;
	if (in->config == NULL) {
		in->config = json_object_new_object();
		arena_defer(op->arena, put_root, in->config);
	}
	json_object_object_add(in->config, "approval_mode",
			       json_object_new_string(in->approval_mode));
}

/* Everybody is matched anew, and new event names are counted. */
static bool config_changed(struct op *op, const struct tenant *old,
			   const struct new_config *new)
{
	const char *const *names;
	size_t count;

	tenant_config_events(op->arena, &new->config, &names, &count);
	return db_defer(op,
			"INSERT INTO config_versions (tenant_id, version,"
			" config, actor, created_at)"
			" SELECT tenant_id, config_version, config, $2, $3"
			" FROM tenant_settings WHERE tenant_id = $1",
			ARG_I64(op->tenant_id), ARG_TEXT(auth_actor(op)),
			ARG_TIME(op->now_us)) &&
	       audit_put(op, auth_actor(op), "settings.config", NULL,
			 old->config, new->text) &&
	       rules_touch(op) && event_names_want(op, names, count);
}

static bool save_settings(struct op *op, const struct patch_in *in,
			  const struct new_config *new)
{
	return db_exec(
	    op, NULL,
	    "UPDATE tenant_settings SET name = coalesce($3, name),"
	    " config = coalesce($4, config), config_version ="
	    " config_version + ($4 IS NOT NULL)::integer,"
	    " approval_mode = coalesce($5, approval_mode),"
	    " timezone = coalesce($6, timezone),"
	    " onboarding_completed = coalesce($7, onboarding_completed),"
	    " updated_at = $2 WHERE tenant_id = $1",
	    ARG_I64(op->tenant_id), ARG_TIME(op->now_us), ARG_TEXT(in->name),
	    ARG_JSON(new->text), ARG_TEXT(new->approval_mode),
	    ARG_TEXT(new->timezone),
	    ARG_BOOL_IF(in->has_onboarding_completed,
			in->onboarding_completed));
}

static bool name_changed(struct op *op, const struct tenant *old,
			 const char *name)
{
	struct str s;
	struct json_out j;

	if (name == NULL || streq(name, old->name))
		return true;
	str_init(&s, op->arena, 4096);
	json_init(&j, &s);
	json_open(&j, '{');
	json_pair(&j, "name", name);
	json_close(&j);
	return audit_put(op, auth_actor(op), "settings.name", NULL, NULL,
			 s.bytes);
}

static bool settings_patch(struct op *op, const struct request *rq,
			   struct response *rs)
{
	struct patch_in in = { 0 };
	struct new_config new = { 0 };
	struct tenant tenant;
	struct db_row row;

	if (!tenant_load(op, true, &tenant))
		return false;
	if (!body_decode(op, rq, patch_fields, ARRAY_LEN(patch_fields), &in) &&
	    op->fail.field_count == 0)
		return false;
	fold_approval_mode(op, &in);
	if (in.config != NULL && !merge_config(op, &tenant, &in, &new))
		return false;
	if (op_failed(op) ||
	    (in.config != NULL && !playbook_check_all(op, &new.config)))
		return false;
	if (!save_settings(op, &in, &new) ||
	    !name_changed(op, &tenant, in.name) ||
	    (in.config != NULL && !config_changed(op, &tenant, &new)))
		return false;
	return db_one(op, &row,
		      "SELECT s.name, " CONFIG_SHOWN ","
		      " s.approval_mode AS \"approvalMode\","
		      " s.onboarding_completed AS \"onboardingCompleted\","
		      " s.config_version FROM tenant_settings s"
		      " WHERE s.tenant_id = $1",
		      ARG_I64(op->tenant_id)) &&
	       reply_row(op, rs, 200, &row);
}

struct switch_in {
	bool active;
};

static const struct field switch_fields[] = {
	FIELD_BOOL(struct switch_in, active, true),
};

static bool settings_kill_switch(struct op *op, const struct request *rq,
				 struct response *rs)
{
	struct switch_in in = { 0 };
	struct tenant tenant;
	struct db_row row;

	if (!body_decode(op, rq, switch_fields, ARRAY_LEN(switch_fields), &in))
		return false;
	if (!tenant_load(op, true, &tenant))
		return false;
	/* Its gate closed on everybody: once off, match looks at all again. */
	if (tenant.kill_switch_active != in.active &&
	    (!audit_put(op, auth_actor(op), "settings.kill_switch", NULL,
			tenant.kill_switch_active ? "true" : "false",
			in.active ? "true" : "false") ||
	     !rules_touch(op)))
		return false;
	return db_one(op, &row,
		      "UPDATE tenant_settings SET kill_switch_active = $3,"
		      " updated_at = $2 WHERE tenant_id = $1"
		      " RETURNING kill_switch_active",
		      ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		      ARG_BOOL(in.active)) &&
	       reply_row(op, rs, 200, &row);
}

struct key_in {
	const char *label, *scope;
	const char *mode; /* NULL: of the tenant that asks */
};

static const struct field key_fields[] = {
	FIELD_TEXT(struct key_in, label, true, 1, 200, .one_line = true),
	FIELD_ENUM(struct key_in, scope, true, scopes),
	FIELD_ENUM(struct key_in, mode, false, key_modes),
};

static bool settings_key_create(struct op *op, const struct request *rq,
				struct response *rs)
{
	bool test = auth_principal(op)->test;
	struct key_in in = { 0 };
	const char *secret;
	struct json_out j;
	struct db_row row;

	if (!body_decode(op, rq, key_fields, ARRAY_LEN(key_fields), &in))
		return false;
	if (in.mode == NULL)
		in.mode = key_modes[test];
	if (test && streq(in.mode, "live"))
		return op_fail_at(op, "mode",
				  "must be test: this is a test tenant");
	if (!test && streq(in.mode, "test") && !tenant_enter_twin(op))
		return false;
	if (!api_key_create(op, auth_actor(op), in.mode, in.label, in.scope,
			    &row, &secret))
		return false;
	response_json_begin(rs, 201, &j);
	json_open(&j, '{');
	db_row_members(&j, &row);
	json_pair(&j, "mode", in.mode);
	json_pair(&j, "secret", secret);
	json_close(&j);
	return true;
}

/* A live admin may also end the test keys that he made. */
static bool settings_key_revoke(struct op *op, const struct request *rq,
				struct response *rs)
{
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id))
		return false;
	if (!api_key_revoke(op, auth_actor(op), id)) {
		if (op->fail.kind != FAIL_NOT_FOUND || auth_principal(op)->test)
			return false;
		op_clear(op);
		if (!tenant_enter_twin(op) ||
		    !api_key_revoke(op, auth_actor(op), id))
			return false;
	}
	return reply_true(op, rs, 200, "revoked");
}

const struct route settings_routes[] = {
	{ HTTP_GET, "/api/settings", ACCESS_VIEWER, settings_get, "getSettings",
	  0 },
	{ HTTP_PATCH, "/api/settings", ACCESS_ADMIN, settings_patch,
	  "updateSettings", 0 },
	{ HTTP_PUT, "/api/settings/kill-switch", ACCESS_ADMIN,
	  settings_kill_switch, "setKillSwitch", 0 },
	{ HTTP_POST, "/api/settings/api-keys", ACCESS_ADMIN,
	  settings_key_create, "createApiKey", 0 },
	{ HTTP_DELETE, "/api/settings/api-keys/{id}", ACCESS_ADMIN,
	  settings_key_revoke, "revokeApiKey", 0 },
};
const size_t settings_route_count = ARRAY_LEN(settings_routes);
