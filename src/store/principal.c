/*
 * Rows of api_keys and sessions. The texts of the tokens exist only here,
 * on their way to the answer.
 */
#include "store/principal.h"

#include "base/secret.h"
#include "base/uuid.h"
#include "db/db.h"
#include "store/audit.h"

#define SESSION_PREFIX "rs"
#define PREFIX_SHOWN   4 /* characters of the secret that lists show */
#define SECRET_CHARS   43

#define KEY_COLUMNS "id, prefix, label, scope, last_used_at, created_at"

/* arena: the keyed hash under which a token is found. */
static const unsigned char *token_hash(struct op *op, const char *token)
{
	unsigned char *hash = arena_alloc(op->arena, SECRET_HASH_LEN);

	secret_hash(SECRET_TOKEN, token, hash);
	return hash;
}

bool api_key_create(struct op *op, const char *actor, const char *mode,
		    const char *label, const char *scope, struct db_row *ret,
		    const char **ret_secret)
{
	const char *secret = secret_token_new(
	    op, streq(mode, "test") ? "rt_test" : "rt_live", op->tenant_id);
	const char *prefix = arena_strndup(
	    op->arena, secret, strlen(secret) - SECRET_CHARS + PREFIX_SHOWN);
	const char *id = uuid_new(op);

	if (!audit_put(op, actor, "key.create", id, NULL,
		       arena_printf(op->arena, "{\"scope\":\"%s\"}", scope)))
		return false;
	*ret_secret = secret;
	return db_one(op, ret,
		      "INSERT INTO api_keys (tenant_id, id, hash, prefix,"
		      " label, scope, created_at, created_by)"
		      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
		      " RETURNING " KEY_COLUMNS,
		      ARG_I64(op->tenant_id), ARG_UUID(id),
		      ARG_BYTES(token_hash(op, secret), SECRET_HASH_LEN),
		      ARG_TEXT(prefix), ARG_TEXT(label), ARG_TEXT(scope),
		      ARG_TIME(op->now_us), ARG_TEXT(actor));
}

bool api_key_rows(struct op *op, struct db_rows *ret)
{
	return db_rows(op, ret,
		       "SELECT " KEY_COLUMNS " FROM api_keys"
		       " WHERE tenant_id = $1 AND revoked_at IS NULL"
		       " ORDER BY created_at, id",
		       ARG_I64(op->tenant_id));
}

bool api_key_revoke(struct op *op, const char *actor, const char *id)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "UPDATE api_keys SET revoked_at = $3"
		    " WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL"
		    " RETURNING id",
		    ARG_I64(op->tenant_id), ARG_UUID(id), ARG_TIME(op->now_us)))
		return false;
	return audit_put(op, actor, "key.revoke", id, NULL, NULL);
}

bool session_create(struct op *op, const char *person_id, int64_t expires_us,
		    const char **ret_token)
{
	const char *token = secret_token_new(op, SESSION_PREFIX, op->tenant_id);

	*ret_token = token;
	return db_exec(op, NULL,
		       "INSERT INTO sessions (tenant_id, id, token_hash,"
		       " person_id, created_at, expires_at, last_used_at)"
		       " VALUES ($1, $2, $3, $4, $5, $6, $5)",
		       ARG_I64(op->tenant_id), ARG_UUID(uuid_new(op)),
		       ARG_BYTES(token_hash(op, token), SECRET_HASH_LEN),
		       ARG_UUID(person_id), ARG_TIME(op->now_us),
		       ARG_TIME(expires_us));
}

bool session_end(struct op *op, const char *id)
{
	return db_exec(op, NULL,
		       "DELETE FROM sessions WHERE tenant_id = $1 AND id = $2",
		       ARG_I64(op->tenant_id), ARG_UUID(id));
}
