/*
 * Settings and playbooks from a live tenant to its test twin or back, in
 * one transaction. What says who a tenant is stays with it: name, sender,
 * plan, keys, endpoints, kill switch, shadow mode.
 *
 * Both tenants are locked, the live one always first, so that two copies in
 * opposite directions wait for each other.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/str.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/playbook_doc.h"
#include "http/body.h"
#include "store/audit.h"
#include "store/plan.h"
#include "store/playbook.h"
#include "store/tenant.h"

#define AUDIT_MAX_BYTES (4u << 20)

static const char *const sides[] = { "live", "test", NULL };

struct copy_in {
	const char *from;
	bool settings, playbooks;
};

static const struct field copy_fields[] = {
	FIELD_ENUM(struct copy_in, from, true, sides),
	FIELD_BOOL(struct copy_in, settings, false),
	FIELD_BOOL(struct copy_in, playbooks, false),
};

struct copy {
	struct copy_in in;
	struct tenant from, to;
	struct playbook_row *theirs; /* of from, not archived */
	size_t their_count;
	struct playbook_row *ours; /* of to, not archived */
	size_t our_count;
	bool *taken; /* ours[i] has got its copy */
	struct tenant_config config;
	int64_t created, updated, unchanged;
};

static bool both_load(struct op *op, struct copy *c)
{
	struct tenant live, test;
	bool from_live = streq(c->in.from, sides[0]);

	if (!tenant_load(op, true, &live) || !tenant_enter_twin(op) ||
	    !tenant_load(op, true, &test))
		return false;
	c->from = from_live ? live : test;
	c->to = from_live ? test : live;
	return true;
}

/* What is copied, as the audit log keeps it. */
static const char *settings_json(struct op *op, const struct tenant *tenant)
{
	struct json_out j;
	struct str s;

	str_init(&s, op->arena, AUDIT_MAX_BYTES);
	json_init(&j, &s);
	json_open(&j, '{');
	json_key(&j, "config");
	json_raw(&j, tenant->config);
	json_key(&j, "brand");
	json_raw(&j, tenant->brand);
	json_pair(&j, "approval_mode", tenant->approval_mode);
	json_pair(&j, "timezone", tenant->timezone);
	json_close(&j);
	return s.bytes;
}

static bool version_add(struct op *op)
{
	return db_exec(op, NULL,
		       "INSERT INTO config_versions (tenant_id, version,"
		       " config, actor, created_at)"
		       " SELECT tenant_id, config_version, config, $2, $3"
		       " FROM tenant_settings WHERE tenant_id = $1",
		       ARG_I64(op->tenant_id), ARG_TEXT(auth_actor(op)),
		       ARG_TIME(op->now_us));
}

static bool copy_settings(struct op *op, const struct copy *c)
{
	return db_exec(op, NULL,
		       "UPDATE tenant_settings SET config = $3, brand = $4,"
		       " approval_mode = $5, timezone = $6, config_version ="
		       " config_version + 1, updated_at = $2"
		       " WHERE tenant_id = $1",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_JSON(c->from.config), ARG_JSON(c->from.brand),
		       ARG_TEXT(c->from.approval_mode),
		       ARG_TEXT(c->from.timezone)) &&
	       version_add(op) && rules_touch(op) &&
	       audit_put(op, auth_actor(op), "settings.copy", NULL,
			 settings_json(op, &c->to),
			 settings_json(op, &c->from));
}

/* The playbook of the same name that has not got a copy yet, or NULL. */
static struct playbook_row *find_ours(struct copy *c, const char *name)
{
	for (size_t i = 0; i < c->our_count; i++) {
		if (c->taken[i] || !streq(c->ours[i].name, name))
			continue;
		c->taken[i] = true;
		return &c->ours[i];
	}
	return NULL;
}

static bool same_documents(const struct playbook_row *a,
			   const struct playbook_row *b)
{
	return streq(a->entry_conditions, b->entry_conditions) &&
	       streq(a->exit_conditions, b->exit_conditions) &&
	       streq(a->constraints, b->constraints) &&
	       streq(a->strategy_hints, b->strategy_hints);
}

/* An active playbook for everybody has to be meant, here as well. */
static bool match_all_check(struct op *op, const struct playbook_row *row,
			    const struct playbook *pb)
{
	if (!streq(row->status, "active") || pb->match_all ||
	    !condition_is_empty(pb->entry))
		return true;
	return op_fail(op, FAIL_INVALID, "matches_everybody",
		       "a playbook that is active there would match everybody");
}

static bool insert_copy(struct op *op, struct copy *c, struct playbook_row *new)
{
	c->created++;
	return plan_room(op, PLAN_PLAYBOOKS) &&
	       playbook_insert(op, auth_actor(op), new) &&
	       audit_put(op, auth_actor(op), "playbook.create", new->id, NULL,
			 playbook_json(op, new));
}

static bool update_copy(struct op *op, struct copy *c,
			const struct playbook_row *old,
			struct playbook_row *new)
{
	new->id = old->id;
	new->status = old->status;
	c->updated++;
	return playbook_update(op, auth_actor(op), new) &&
	       audit_put(op, auth_actor(op), "playbook.update", old->id,
			 playbook_json(op, old), playbook_json(op, new));
}

/* A new one is a draft; one that is there keeps its id and status. */
static bool copy_playbook(struct op *op, struct copy *c,
			  const struct playbook_row *theirs)
{
	struct playbook_row *old = find_ours(c, theirs->name);
	struct playbook_row new = *theirs;
	struct playbook pb = { 0 };

	if (old != NULL && same_documents(old, theirs)) {
		c->unchanged++;
		return true;
	}
	return playbook_compile(op, theirs, &c->config, &pb) &&
	       (old == NULL || match_all_check(op, old, &pb)) &&
	       playbook_want_events(op, &pb) &&
	       (old == NULL ? insert_copy(op, c, &new)
			    : update_copy(op, c, old, &new));
}

static bool copy_playbooks(struct op *op, struct copy *c)
{
	if (!playbook_load_rows(op, NULL, &c->ours, &c->our_count))
		return false;
	c->taken = ARENA_ARRAY(op->arena, bool, c->our_count);
	for (size_t i = 0; i < c->their_count; i++) {
		if (!copy_playbook(op, c, &c->theirs[i]))
			return false;
	}
	return true;
}

/* At the source: its row of the log, and what goes over. */
static bool leave(struct op *op, struct copy *c)
{
	const char *what = arena_printf(
	    op->arena, "{\"to\":\"%s\",\"settings\":%s,\"playbooks\":%s}",
	    sides[c->to.test], c->in.settings ? "true" : "false",
	    c->in.playbooks ? "true" : "false");

	return db_set_tenant(op, c->from.id) &&
	       audit_put(op, auth_actor(op), "settings.copied", NULL, NULL,
			 what) &&
	       playbook_load_rows(op, NULL, &c->theirs, &c->their_count);
}

/* With the settings of the source the other playbooks must still be good. */
static bool arrive(struct op *op, struct copy *c)
{
	const char *const *names;
	size_t count;

	if (!db_set_tenant(op, c->to.id) ||
	    (c->in.settings && !copy_settings(op, c)) ||
	    !tenant_config_load(op, &c->config) ||
	    (c->in.playbooks && !copy_playbooks(op, c)))
		return false;
	if (!c->in.settings)
		return true;
	tenant_config_events(op->arena, &c->config, &names, &count);
	return event_names_want(op, names, count) &&
	       playbook_check_all(op, &c->config);
}

static void reply(struct response *rs, const struct copy *c)
{
	struct json_out j;

	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_pair(&j, "from", c->in.from);
	json_pair(&j, "to", sides[c->to.test]);
	json_key(&j, "settings");
	json_boolean(&j, c->in.settings);
	json_key(&j, "playbooks");
	json_open(&j, '{');
	json_key(&j, "created");
	json_i64(&j, c->created);
	json_key(&j, "updated");
	json_i64(&j, c->updated);
	json_key(&j, "unchanged");
	json_i64(&j, c->unchanged);
	json_close(&j);
	json_close(&j);
}

static bool settings_copy(struct op *op, const struct request *rq,
			  struct response *rs)
{
	struct copy c = { .in = { .settings = true, .playbooks = true } };

	/* Whoever has a test key alone has no business in the live tenant. */
	if (auth_principal(op)->test)
		return op_fail(op, FAIL_FORBIDDEN, "live_required",
			       "an admin of the live tenant copies, both ways");
	if (!body_decode(op, rq, copy_fields, ARRAY_LEN(copy_fields), &c.in) ||
	    !both_load(op, &c) || !leave(op, &c) || !arrive(op, &c))
		return false;
	reply(rs, &c);
	return true;
}

const struct route settings_copy_routes[] = {
	{ HTTP_POST, "/api/settings/copy", ACCESS_ADMIN, settings_copy,
	  "copySettings", 0 },
};
const size_t settings_copy_route_count = ARRAY_LEN(settings_copy_routes);
