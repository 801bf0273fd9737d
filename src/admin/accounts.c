/*
 * The statements behind tenant create, member create, key create and demo.
 */
#include "admin/accounts.h"

#include "base/parse.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "store/audit.h"

#include <sodium.h>

#define PASSWORD_MIN 12
#define PREFIX_SHOWN 4 /* characters of the secret that lists show */

bool account_audit(struct op *op, const char *action, const char *object)
{
	return audit_put(op, "operator", action, object, NULL, NULL);
}

static bool zone_check(struct op *op, const char *zone)
{
	struct db_row row;

	if (!db_opt(op, &row, "SELECT 1 FROM zones WHERE name = $1",
		    ARG_TEXT(zone)))
		return false;
	if (!db_found(&row))
		return op_fail(op, FAIL_INVALID, "unknown_timezone",
			       "there is no time zone %s", zone);
	return true;
}

/* live_id 0: a live tenant, else the twin of that one. */
static bool tenant_row(struct op *op, const struct account_tenant *in,
		       int64_t live_id, int64_t *ret)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "INSERT INTO tenants (mode, live_tenant_id, created_at)"
		    " VALUES (CASE WHEN $1 THEN 'test' ELSE 'live' END, $2, $3)"
		    " RETURNING tenant_id",
		    ARG_BOOL(live_id != 0), ARG_I64_IF(live_id != 0, live_id),
		    ARG_TIME(op->now_us)))
		return false;
	*ret = db_i64(&row, "tenant_id");
	return db_exec(op, NULL,
		       "INSERT INTO tenant_settings (tenant_id, name, slug,"
		       " timezone, config, brand, updated_at)"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7)",
		       ARG_I64(*ret), ARG_TEXT(in->name), ARG_TEXT(in->slug),
		       ARG_TEXT(in->timezone == NULL ? "UTC" : in->timezone),
		       ARG_JSON(in->config == NULL ? "{}" : in->config),
		       ARG_JSON(in->brand), ARG_TIME(op->now_us)) &&
	       db_exec(op, NULL,
		       "INSERT INTO config_versions (tenant_id, version,"
		       " config, actor, created_at)"
		       " SELECT tenant_id, 1, config, 'operator', $2"
		       " FROM tenant_settings WHERE tenant_id = $1",
		       ARG_I64(*ret), ARG_TIME(op->now_us));
}

bool account_tenant_add(struct op *op, const struct account_tenant *in,
			int64_t *ret_live, int64_t *ret_test)
{
	int64_t live, test;

	if (in->timezone != NULL && !zone_check(op, in->timezone))
		return false;
	if (!tenant_row(op, in, 0, &live) || !tenant_row(op, in, live, &test))
		return false;
	op->tenant_id = test;
	if (!account_audit(op, "tenant.create", in->name))
		return false;
	op->tenant_id = live;
	if (!account_audit(op, "tenant.create", in->name))
		return false;
	*ret_live = live;
	*ret_test = test;
	return true;
}

/* arena: 20 characters, 120 random bits. */
static const char *password_new(struct op *op)
{
	unsigned char random[15];
	char *text = arena_alloc(op->arena, 24);

	op->random(random, sizeof(random));
	sodium_bin2base64(text, 24, random, sizeof(random),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(random, sizeof(random));
	return text;
}

static bool person_check(struct op *op, const char *email, const char *name,
			 const char *role, const char *password)
{
	if (!parse_is_email(email))
		return op_fail(op, FAIL_INVALID, "invalid_email",
			       "%s is no mail address", email);
	if (*name == '\0' || !parse_is_utf8(name, strlen(name)))
		return op_fail(op, FAIL_INVALID, "invalid_name",
			       "the name must not be empty");
	if (!streq(role, "viewer") && !streq(role, "editor") &&
	    !streq(role, "admin"))
		return op_fail(op, FAIL_INVALID, "invalid_role",
			       "the role must be viewer, editor or admin");
	if (password != NULL &&
	    (strlen(password) < PASSWORD_MIN || strlen(password) > 1024))
		return op_fail(op, FAIL_INVALID, "invalid_password",
			       "the password must have %d to 1024 characters",
			       PASSWORD_MIN);
	return true;
}

/* The person's id; makes one, or sets the password when hash is not NULL. */
static bool person_upsert(struct op *op, const char *email, const char *name,
			  const char *hash, const char **ret_id)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "INSERT INTO people AS p (id, email, name, password_hash,"
		    " created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)"
		    " ON CONFLICT ON CONSTRAINT people_email_key DO UPDATE SET"
		    " password_hash = coalesce(excluded.password_hash,"
		    " p.password_hash), updated_at = excluded.updated_at"
		    " RETURNING id",
		    ARG_UUID(uuid_new(op)), ARG_TEXT(email), ARG_TEXT(name),
		    ARG_TEXT(hash), ARG_TIME(op->now_us)))
		return false;
	*ret_id = db_text(&row, "id");
	return true;
}

/* In the tenant and its twin; token_index finds them from the person. */
static bool memberships_add(struct op *op, const char *person_id,
			    const char *role)
{
	unsigned char *id = arena_alloc(op->arena, 16);

	if (!parse_uuid(person_id, id))
		return op_fail(op, FAIL_INTERNAL, "bad_person_id",
			       "the person has no id");
	return db_exec(op, NULL,
		       "INSERT INTO memberships (tenant_id, person_id, role,"
		       " created_at) SELECT tenant_id, $2, $3, $4 FROM tenants"
		       " WHERE $1 IN (tenant_id, live_tenant_id)"
		       " ON CONFLICT (tenant_id, person_id) DO UPDATE"
		       " SET role = excluded.role",
		       ARG_I64(op->tenant_id), ARG_UUID(person_id),
		       ARG_TEXT(role), ARG_TIME(op->now_us)) &&
	       db_exec(op, NULL,
		       "INSERT INTO token_index (kind, hash, tenant_id)"
		       " SELECT 'member', $2, tenant_id FROM tenants"
		       " WHERE $1 IN (tenant_id, live_tenant_id)"
		       " ON CONFLICT DO NOTHING",
		       ARG_I64(op->tenant_id), ARG_BYTES(id, 16));
}

bool account_member_add(struct op *op, const char *email, const char *name,
			const char *role, const char *password,
			const char **ret_password)
{
	const char *hash = NULL, *id, *mail = arena_lower(op->arena, email);
	struct db_row old;

	if (!person_check(op, mail, name, role, password))
		return false;
	if (!db_opt(op, &old,
		    "SELECT 1 FROM people WHERE email = $1"
		    " AND password_hash IS NOT NULL",
		    ARG_TEXT(mail)))
		return false;
	if (password == NULL && !db_found(&old))
		password = password_new(op);
	if (password != NULL && !secret_password_hash(op, password, &hash))
		return false;
	if (!person_upsert(op, mail, name, hash, &id) ||
	    !memberships_add(op, id, role) ||
	    !account_audit(op, "member.create", id))
		return false;
	*ret_password = password;
	return true;
}

bool account_key_add(struct op *op, const char *scope, const char *label,
		     const char **ret_key)
{
	unsigned char *hash = arena_alloc(op->arena, SECRET_HASH_LEN);
	const char *key, *id = uuid_new(op);
	struct db_row row;
	size_t shown;

	if (!streq(scope, "ingest") && !streq(scope, "read") &&
	    !streq(scope, "write") && !streq(scope, "admin"))
		return op_fail(op, FAIL_INVALID, "invalid_scope",
			       "the scope must be ingest, read, write or"
			       " admin");
	if (!db_one(op, &row, "SELECT mode FROM tenants WHERE tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	key = secret_token_new(
	    op, streq(db_text(&row, "mode"), "test") ? "rt_test" : "rt_live",
	    op->tenant_id);
	secret_hash(SECRET_TOKEN, key, hash);
	/* rt_live_7_Ab3d: the secret is the last 43 characters. */
	shown = strlen(key) - 43 + PREFIX_SHOWN;
	if (!db_exec(op, NULL,
		     "INSERT INTO api_keys (tenant_id, id, hash, prefix, label,"
		     " scope, created_at, created_by)"
		     " VALUES ($1, $2, $3, $4, $5, $6, $7, 'operator')",
		     ARG_I64(op->tenant_id), ARG_UUID(id),
		     ARG_BYTES(hash, SECRET_HASH_LEN),
		     ARG_TEXT(arena_strndup(op->arena, key, shown)),
		     ARG_TEXT(label), ARG_TEXT(scope), ARG_TIME(op->now_us)) ||
	    !account_audit(op, "key.create", id))
		return false;
	*ret_key = key;
	return true;
}
