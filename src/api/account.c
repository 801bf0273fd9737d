/*
 * What people do for themselves: accept an invitation as a new person, set
 * a forgotten password anew, and go from one tenant or mode to another.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "api/sessions.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/parse.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "db/db_tx.h"
#include "http/body.h"
#include "http/shared.h"
#include "store/audit.h"
#include "store/outbox.h"
#include "store/principal.h"
#include "store/team.h"

#define PASSWORD_MIN  12
#define PASSWORD_MAX  1024
#define RESET_HOURS   1
#define RESETS_A_HOUR 5
#define RESET_PREFIX  "rr"

/* Costly, so at most half of the workers at once. */
static bool hash_password(struct op *op, const char *password, const char **ret)
{
	return shared_take(op, SHARED_PASSWORD) &&
	       secret_password_hash(op, password, ret);
}

/* ------------------------------------------------------------- invitation --
 */

struct accept_in {
	const char *token, *name, *password;
};

static const struct field accept_fields[] = {
	FIELD_UUID(struct accept_in, token, true),
	FIELD_TEXT(struct accept_in, name, true, 1, 200, .one_line = true),
	FIELD_TEXT(struct accept_in, password, true, PASSWORD_MIN,
		   PASSWORD_MAX),
};

static bool account_accept(struct op *op, const struct request *rq,
			   struct response *rs)
{
	struct accept_in in = { 0 };
	struct db_row invitation, made;
	const char *hash;

	if (!body_decode(op, rq, accept_fields, ARRAY_LEN(accept_fields),
			 &in) ||
	    !db_begin(op) || !invitation_take(op, in.token, &invitation) ||
	    !hash_password(op, in.password, &hash) ||
	    !db_one(op, &made, "SELECT person_create($1, $2, $3, $4, $5) AS id",
		    ARG_UUID(uuid_new(op)),
		    ARG_TEXT(db_text(&invitation, "email")), ARG_TEXT(in.name),
		    ARG_TEXT(hash), ARG_TIME(op->now_us)))
		return false;
	if (db_is_null(&made, "id"))
		return op_fail(op, FAIL_CONFLICT, "email_taken",
			       "this address has an account: sign in and accept"
			       " the invitation there");
	struct session_person person = { db_text(&made, "id"),
					 db_text(&invitation, "email"),
					 in.name };
	return team_member_add(op, person.id, db_text(&invitation, "role")) &&
	       audit_put(op, arena_printf(op->arena, "person:%s", person.id),
			 "team.accept", person.id, NULL, NULL) &&
	       session_open(op, rs, &person, op->tenant_id);
}

/* --------------------------------------------------------- password reset --
 */

struct reset_in {
	const char *email;
};

static const struct field reset_fields[] = {
	FIELD_TEXT(struct reset_in, email, true, 1, 254, .one_line = true),
};

/* True in *ret when the address may be sent one more mail now. */
static bool count_reset(struct op *op, const char *email, bool *ret)
{
	unsigned char key[SECRET_HASH_LEN];
	struct db_row row;

	secret_hash(SECRET_TOKEN, arena_printf(op->arena, "reset:%s", email),
		    key);
	if (!db_one(op, &row,
		    "INSERT INTO login_throttle AS t (address_hash, failures,"
		    " updated_at) VALUES ($1, 1, $2)"
		    " ON CONFLICT (address_hash) DO UPDATE SET failures = CASE"
		    " WHEN t.updated_at <= $2 - interval '1 hour' THEN 1"
		    " ELSE least(t.failures + 1, 1000000) END,"
		    " updated_at = CASE WHEN t.updated_at <= $2"
		    " - interval '1 hour' THEN $2 ELSE t.updated_at END"
		    " RETURNING failures",
		    ARG_BYTES(key, SECRET_HASH_LEN), ARG_TIME(op->now_us)))
		return false;
	*ret = db_i64(&row, "failures") <= RESETS_A_HOUR;
	return true;
}

/* A token of the person's first tenant, in a mail through its outbox. */
static bool mail_reset(struct op *op, const struct db_row *person)
{
	unsigned char hash[SECRET_HASH_LEN];
	const char *token = secret_token_new(op, RESET_PREFIX, op->tenant_id);
	struct outbox_mail mail = {
		.type = "mail.password_reset",
		.to = db_text(person, "email"),
		.name = db_text(person, "name"),
		.url = arena_printf(op->arena, "%s/reset?token=%s",
				    op->config->base_url, token),
		.expires = "1 hour",
	};

	secret_hash(SECRET_TOKEN, token, hash);
	return db_exec(op, NULL,
		       "INSERT INTO password_resets (tenant_id, token_hash,"
		       " person_id, created_at, expires_at)"
		       " VALUES ($1, $2, $3, $4, $5)",
		       ARG_I64(op->tenant_id), ARG_BYTES(hash, SECRET_HASH_LEN),
		       ARG_UUID(db_text(person, "id")), ARG_TIME(op->now_us),
		       ARG_TIME(op->now_us + RESET_HOURS * US_PER_HOUR)) &&
	       outbox_put_mail(op, &mail);
}

/* The answer is the same for everybody, so that it tells no address. */
static bool account_reset(struct op *op, const struct request *rq,
			  struct response *rs)
{
	struct reset_in in = { 0 };
	struct db_row row;
	bool allowed;

	if (!body_decode(op, rq, reset_fields, ARRAY_LEN(reset_fields), &in) ||
	    !db_begin(op) ||
	    !db_one(op, &row,
		    "SELECT p.id, lower($1) AS email, p.name,"
		    " (SELECT min(t) FROM token_tenants('member',"
		    " uuid_send(p.id)) t) AS tenant_id FROM (SELECT 1) one"
		    " LEFT JOIN person_by_email($1) p ON true",
		    ARG_TEXT(in.email)) ||
	    !count_reset(op, db_text(&row, "email"), &allowed))
		return false;
	if (allowed && !db_is_null(&row, "tenant_id") &&
	    (!db_set_tenant(op, db_i64(&row, "tenant_id")) ||
	     !mail_reset(op, &row)))
		return false;
	return db_commit(op) && reply_true(op, rs, 200, "sent");
}

struct confirm_in {
	const char *token, *password;
};

static const struct field confirm_fields[] = {
	FIELD_TEXT(struct confirm_in, token, true, 1, 200, .one_line = true),
	FIELD_TEXT(struct confirm_in, password, true, PASSWORD_MIN,
		   PASSWORD_MAX),
};

static bool account_confirm(struct op *op, const struct request *rq,
			    struct response *rs)
{
	unsigned char hash[SECRET_HASH_LEN];
	const char *prefix, *password, *actor;
	struct confirm_in in = { 0 };
	int64_t tenant_id;
	struct db_row row;

	if (!body_decode(op, rq, confirm_fields, ARRAY_LEN(confirm_fields),
			 &in))
		return false;
	if (!secret_token_parse(op, in.token, &prefix, &tenant_id) ||
	    !streq(prefix, RESET_PREFIX))
		return op_fail(op, FAIL_NOT_FOUND, "reset_not_found",
			       "the link is unknown, used or expired");
	op->tenant_id = tenant_id;
	secret_hash(SECRET_TOKEN, in.token, hash);
	if (!db_begin(op) ||
	    !db_opt(op, &row,
		    "UPDATE password_resets SET used_at = $3"
		    " WHERE tenant_id = $1 AND token_hash = $2"
		    " AND used_at IS NULL AND expires_at > $3"
		    " RETURNING person_id",
		    ARG_I64(op->tenant_id), ARG_BYTES(hash, SECRET_HASH_LEN),
		    ARG_TIME(op->now_us)))
		return false;
	if (!db_found(&row))
		return op_fail(op, FAIL_NOT_FOUND, "reset_not_found",
			       "the link is unknown, used or expired");
	actor =
	    arena_printf(op->arena, "person:%s", db_text(&row, "person_id"));
	return hash_password(op, in.password, &password) &&
	       db_exec(op, NULL, "SELECT person_set_password($1, $2, $3)",
		       ARG_UUID(db_text(&row, "person_id")), ARG_TEXT(password),
		       ARG_TIME(op->now_us)) &&
	       audit_put(op, actor, "session.password_reset", NULL, NULL,
			 NULL) &&
	       db_commit(op) && reply_true(op, rs, 200, "reset");
}

/* ----------------------------------------------------------------- switch --
 */

static const char *const modes[] = { "live", "test", NULL };

struct switch_in {
	const char *tenant_id; /* NULL: the one of the session */
	const char *mode;
};

static const struct field switch_fields[] = {
	FIELD_TEXT(struct switch_in, tenant_id, false, 1, 20),
	FIELD_ENUM(struct switch_in, mode, false, modes),
};

/* A new session in the other tenant takes the place of this one. */
static bool account_switch(struct op *op, const struct request *rq,
			   struct response *rs)
{
	const struct principal *p = auth_principal(op);
	struct switch_in in = { .mode = "live" };
	int64_t tenant_id = p->tenant_id;
	struct db_row row, to;

	bool good =
	    body_decode(op, rq, switch_fields, ARRAY_LEN(switch_fields), &in);
	if (in.tenant_id != NULL &&
	    !parse_i64(in.tenant_id, 1, INT64_MAX, &tenant_id))
		good =
		    op_fail_at(op, "tenant_id", "must be the id of a tenant");
	if (!good ||
	    !db_one(op, &row, "SELECT id, email, name FROM person_by_id($1)",
		    ARG_UUID(p->person_id)) ||
	    !db_opt(op, &to,
		    "SELECT o.tenant_id FROM tenants t JOIN tenants o"
		    " ON coalesce(o.live_tenant_id, o.tenant_id) ="
		    " coalesce(t.live_tenant_id, t.tenant_id) AND o.mode = $2"
		    " WHERE t.tenant_id = $1",
		    ARG_I64(tenant_id), ARG_TEXT(in.mode)))
		return false;
	struct session_person person = { db_text(&row, "id"),
					 db_text(&row, "email"),
					 db_text(&row, "name") };
	/* 0 would be the first: an unknown tenant is one without membership. */
	return session_end(op, p->id) &&
	       session_open(op, rs, &person,
			    db_found(&to) ? db_i64(&to, "tenant_id") : -1);
}

const struct route account_routes[] = {
	{ HTTP_POST, "/api/auth/accept-invitation", ACCESS_NONE, account_accept,
	  "acceptInvitationAsNew", ROUTE_NO_TX },
	{ HTTP_POST, "/api/auth/password-reset", ACCESS_NONE, account_reset,
	  "requestPasswordReset", ROUTE_NO_TX },
	{ HTTP_POST, "/api/auth/password-reset/confirm", ACCESS_NONE,
	  account_confirm, "confirmPasswordReset", ROUTE_NO_TX },
	{ HTTP_POST, "/api/auth/switch", ACCESS_MEMBER, account_switch,
	  "switchTenant", 0 },
};
const size_t account_route_count = ARRAY_LEN(account_routes);
