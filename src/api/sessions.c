/*
 * Signing in and out. A person is global and a session belongs to one
 * tenant, so sign-in starts without a tenant, checks the password outside
 * of any transaction, and then looks into the tenants of the person.
 */
#include "api/sessions.h"

#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/parse.h"
#include "base/secret.h"
#include "db/db_tx.h"
#include "http/body.h"
#include "http/shared.h"
#include "store/audit.h"
#include "store/principal.h"

/*
 * Failures in a row until a lock of a minute, which doubles up to an hour.
 * An account that does not exist locks like one that does (as in
 * person_signed_in() of schema.sql), or the lock would tell the two apart.
 */
#define ACCOUNT_FAILURES 5
#define ADDRESS_FAILURES 30

struct login_in {
	const char *email, *password;
	const char *tenant_id; /* NULL: the first */
};

static const struct field login_fields[] = {
	FIELD_TEXT(struct login_in, email, true, 1, 254, .one_line = true),
	FIELD_TEXT(struct login_in, password, true, 1, 1024),
	FIELD_TEXT(struct login_in, tenant_id, false, 1, 20),
};

/* Who wants to sign in, and under which keys failures are counted. */
struct login {
	const char *email;		     /* lower case */
	const char *person_id, *name, *hash; /* NULL: nobody */
	const unsigned char *email_key, *address_key;
	int64_t locked_until;
};

struct membership {
	int64_t tenant_id;
	int64_t live_id; /* the tenant itself, where it is live */
	const char *name, *slug, *mode, *role;
};

/* arena: what login_throttle holds instead of an address. */
static const unsigned char *throttle_key(struct op *op, const char *kind,
					 const char *text)
{
	unsigned char *key = arena_alloc(op->arena, SECRET_HASH_LEN);

	secret_hash(SECRET_TOKEN, arena_printf(op->arena, "%s:%s", kind, text),
		    key);
	return key;
}

static bool load_login(struct op *op, const struct request *rq,
		       const char *email, struct login *ret)
{
	struct login l = { .email = arena_lower(op->arena, email) };
	struct db_row row;

	l.email_key = throttle_key(op, "email", l.email);
	l.address_key = throttle_key(op, "address", rq->remote_addr);
	if (!db_begin(op) ||
	    !db_one(op, &row,
		    "SELECT p.id, p.name, p.password_hash,"
		    " greatest(p.locked_until, (SELECT max(t.locked_until)"
		    " FROM login_throttle t WHERE t.address_hash = $2"
		    " OR t.address_hash = $3)) AS locked_until"
		    " FROM (SELECT 1) one"
		    " LEFT JOIN person_by_email($1) p ON true",
		    ARG_TEXT(l.email), ARG_BYTES(l.email_key, SECRET_HASH_LEN),
		    ARG_BYTES(l.address_key, SECRET_HASH_LEN)) ||
	    !db_commit(op))
		return false;
	l.person_id = db_text(&row, "id");
	l.name = db_text(&row, "name");
	l.hash = db_text(&row, "password_hash");
	l.locked_until = db_time(&row, "locked_until");
	*ret = l;
	return true;
}

static bool check_lock(struct op *op, const struct login *l)
{
	int64_t left_us = l->locked_until - op->now_us;

	if (left_us <= 0)
		return true;
	op_fail(op, FAIL_RATE_LIMITED, "too_many_attempts",
		"too many failed sign-ins, try again later");
	op->fail.retry_after_s = (int)(left_us / US_PER_SECOND) + 1;
	return false;
}

static bool count_failure(struct op *op, const unsigned char *key,
			  int64_t allowed)
{
	return db_exec(
	    op, NULL,
	    "INSERT INTO login_throttle AS t (address_hash, failures,"
	    " updated_at) VALUES ($1, 1, $2)"
	    " ON CONFLICT (address_hash) DO UPDATE SET"
	    " failures = least(t.failures + 1, 1000000),"
	    " locked_until = CASE WHEN t.failures + 1 >= $3 THEN $2"
	    " + least(interval '1 hour', interval '1 minute'"
	    " * (2 ^ least(t.failures + 1 - $3, 6))) END, updated_at = $2",
	    ARG_BYTES(key, SECRET_HASH_LEN), ARG_TIME(op->now_us),
	    ARG_I64(allowed));
}

/* Kept although the op fails: a transaction of its own. */
static bool refuse(struct op *op, const struct login *l)
{
	bool ok =
	    db_begin(op) && count_failure(op, l->address_key, ADDRESS_FAILURES);

	if (ok && l->person_id != NULL)
		ok = db_exec(op, NULL, "SELECT person_signed_in($1, false, $2)",
			     ARG_UUID(l->person_id), ARG_TIME(op->now_us));
	else if (ok)
		ok = count_failure(op, l->email_key, ACCOUNT_FAILURES);
	if (!ok || !db_commit(op))
		return false;
	return op_fail(op, FAIL_UNAUTHENTICATED, "invalid_login",
		       "email or password is wrong");
}

/* One address may serve a whole office: a good sign-in clears its count. */
static bool accept(struct op *op, const struct login *l)
{
	return db_begin(op) &&
	       db_exec(op, NULL, "SELECT person_signed_in($1, true, $2)",
		       ARG_UUID(l->person_id), ARG_TIME(op->now_us)) &&
	       db_exec(op, NULL,
		       "UPDATE login_throttle SET failures = 0,"
		       " locked_until = NULL, updated_at = $2"
		       " WHERE address_hash = $1",
		       ARG_BYTES(l->address_key, SECRET_HASH_LEN),
		       ARG_TIME(op->now_us));
}

/* ------------------------------------------------------------ memberships */

static bool load_membership(struct op *op, const char *person_id,
			    struct db_row *ret)
{
	return db_opt(op, ret,
		      "SELECT s.name, s.slug, t.mode, m.role,"
		      " coalesce(t.live_tenant_id, t.tenant_id) AS live_id"
		      " FROM memberships m JOIN tenants t"
		      " ON t.tenant_id = m.tenant_id JOIN tenant_settings s"
		      " ON s.tenant_id = m.tenant_id"
		      " WHERE m.tenant_id = $1 AND m.person_id = $2"
		      " AND t.closed_at IS NULL",
		      ARG_I64(op->tenant_id), ARG_UUID(person_id));
}

/*
 * arena: where the person is a member, test twins included, by tenant id.
 * Goes into one tenant after the other and stays in the last.
 */
static bool load_memberships(struct op *op, const char *person_id,
			     struct membership **ret, size_t *ret_count)
{
	unsigned char *id = arena_alloc(op->arena, 16);
	struct membership *list;
	struct db_rows tenants;
	size_t n = 0;

	if (!parse_uuid(person_id, id))
		return op_fail(op, FAIL_INTERNAL, "bad_person_id",
			       "the person has no id");
	if (!db_rows(op, &tenants,
		     "SELECT t AS tenant_id"
		     " FROM token_tenants('member', $1) t",
		     ARG_BYTES(id, 16)))
		return false;
	list = ARENA_ARRAY(op->arena, struct membership, tenants.count);
	db_each (tenant, &tenants) {
		struct db_row row;

		if (!db_set_tenant(op, db_i64(&tenant, "tenant_id")) ||
		    !load_membership(op, person_id, &row))
			return false;
		if (!db_found(&row))
			continue;
		list[n++] = (struct membership){
			.tenant_id = op->tenant_id,
			.live_id = db_i64(&row, "live_id"),
			.name = db_text(&row, "name"),
			.slug = db_text(&row, "slug"),
			.mode = db_text(&row, "mode"),
			.role = db_text(&row, "role"),
		};
	}
	*ret = list;
	*ret_count = n;
	return true;
}

/* The one that is asked for, or the first live one; NULL: none. */
static const struct membership *find_membership(const struct membership *list,
						size_t count, int64_t tenant_id)
{
	for (size_t i = 0; i < count; i++)
		if (tenant_id != 0 ? list[i].tenant_id == tenant_id
				   : streq(list[i].mode, "live"))
			return &list[i];
	return NULL;
}

/* The members person, tenant, role and memberships of login and me. */
static void write_person(struct json_out *j, const char *person_id,
			 const char *email, const char *name)
{
	json_key(j, "person");
	json_open(j, '{');
	json_pair(j, "id", person_id);
	json_pair(j, "email", email);
	json_pair(j, "name", name);
	json_close(j);
}

static void write_tenant_id(struct op *op, struct json_out *j, const char *key,
			    int64_t tenant_id)
{
	json_pair(j, key,
		  arena_printf(op->arena, "%lld", (long long)tenant_id));
}

/* Twins stay out of the list: each is reached from its live tenant. */
static void write_memberships(struct op *op, struct json_out *j,
			      const struct membership *list, size_t count,
			      const struct membership *now)
{
	json_key(j, "tenant");
	json_open(j, '{');
	write_tenant_id(op, j, "id", now->tenant_id);
	json_pair(j, "name", now->name);
	json_pair(j, "slug", now->slug);
	json_pair(j, "mode", now->mode);
	write_tenant_id(op, j, "live_id", now->live_id);
	json_close(j);
	json_pair(j, "role", now->role);
	json_key(j, "memberships");
	json_open(j, '[');
	for (size_t i = 0; i < count; i++) {
		if (!streq(list[i].mode, "live"))
			continue;
		json_open(j, '{');
		write_tenant_id(op, j, "tenant_id", list[i].tenant_id);
		json_pair(j, "name", list[i].name);
		json_pair(j, "role", list[i].role);
		json_close(j);
	}
	json_close(j);
}

/* --------------------------------------------------------------- handlers */

static bool read_login(struct op *op, const struct request *rq,
		       struct login_in *in, int64_t *ret_tenant_id)
{
	bool ok =
	    body_decode(op, rq, login_fields, ARRAY_LEN(login_fields), in);

	*ret_tenant_id = 0;
	if (in->tenant_id != NULL &&
	    !parse_i64(in->tenant_id, 1, INT64_MAX, ret_tenant_id))
		ok = op_fail_at(op, "tenant_id", "must be the id of a tenant");
	return ok;
}

static bool check_password(struct op *op, const struct login *l,
			   const char *password)
{
	if (!check_lock(op, l) || !shared_take(op, SHARED_PASSWORD))
		return false;
	return secret_password_ok(l->hash, password) || refuse(op, l);
}

static bool reply_session(struct op *op, struct response *rs,
			  const struct session_person *person,
			  const struct membership *list, size_t count,
			  const struct membership *now, const char *token,
			  int64_t expires_us)
{
	struct json_out j;

	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	write_person(&j, person->id, person->email, person->name);
	write_memberships(op, &j, list, count, now);
	json_pair(&j, "token", token);
	json_pair(&j, "expires_at", clock_write(op->arena, expires_us));
	json_close(&j);
	return response_cookie(op, rs, AUTH_COOKIE, token,
			       op->config->session_days * INT64_C(86400));
}

bool session_open(struct op *op, struct response *rs,
		  const struct session_person *person, int64_t tenant_id)
{
	int64_t expires_us = op->now_us + op->config->session_days * US_PER_DAY;
	const char *token,
	    *actor = arena_printf(op->arena, "person:%s", person->id);
	const struct membership *now;
	struct membership *list;
	size_t count;

	if (!load_memberships(op, person->id, &list, &count))
		return false;
	now = find_membership(list, count, tenant_id);
	if (now == NULL)
		return op_fail(op, FAIL_FORBIDDEN, "not_a_member",
			       "this person is not a member of the tenant");
	return db_set_tenant(op, now->tenant_id) &&
	       audit_put(op, actor, "session.login", NULL, NULL, NULL) &&
	       session_create(op, person->id, expires_us, &token) &&
	       db_commit(op) &&
	       reply_session(op, rs, person, list, count, now, token,
			     expires_us);
}

static bool sessions_login(struct op *op, const struct request *rq,
			   struct response *rs)
{
	struct login_in in = { 0 };
	int64_t tenant_id;
	struct login l;

	if (!read_login(op, rq, &in, &tenant_id) ||
	    !load_login(op, rq, in.email, &l) ||
	    !check_password(op, &l, in.password) || !accept(op, &l))
		return false;
	struct session_person person = { l.person_id, l.email, l.name };
	return session_open(op, rs, &person, tenant_id);
}

static bool sessions_logout(struct op *op, const struct request *rq,
			    struct response *rs)
{
	(void)rq;
	if (!session_end(op, auth_principal(op)->id) ||
	    !audit_put(op, auth_actor(op), "session.logout", NULL, NULL,
		       NULL) ||
	    !response_cookie(op, rs, AUTH_COOKIE, "", 0))
		return false;
	return reply_true(op, rs, 200, "logged_out");
}

static bool sessions_me(struct op *op, const struct request *rq,
			struct response *rs)
{
	const struct principal *p = auth_principal(op);
	const struct membership *now;
	struct membership *list;
	struct json_out j;
	struct db_row row;
	size_t count;

	(void)rq;
	if (!db_one(op, &row, "SELECT id, email, name FROM person_by_id($1)",
		    ARG_UUID(p->person_id)) ||
	    !load_memberships(op, p->person_id, &list, &count) ||
	    !db_set_tenant(op, p->tenant_id))
		return false;
	now = find_membership(list, count, p->tenant_id);
	if (now == NULL)
		return op_fail(op, FAIL_UNAUTHENTICATED, "invalid_key",
			       "the session's membership has ended");
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	write_person(&j, db_text(&row, "id"), db_text(&row, "email"),
		     db_text(&row, "name"));
	write_memberships(op, &j, list, count, now);
	json_close(&j);
	return true;
}

const struct route sessions_routes[] = {
	{ HTTP_POST, "/api/auth/login", ACCESS_NONE, sessions_login, "login",
	  ROUTE_NO_TX },
	{ HTTP_POST, "/api/auth/logout", ACCESS_MEMBER, sessions_logout,
	  "logout", 0 },
	{ HTTP_GET, "/api/auth/me", ACCESS_MEMBER, sessions_me, "getMe", 0 },
};
const size_t sessions_route_count = ARRAY_LEN(sessions_routes);
