/*
 * Between the router and the handler: token text → tenant, hash → a check
 * in SQL inside that tenant → the principal of the op.
 */
#include "api/auth.h"

#include "base/secret.h"
#include "db/db.h"

#include <assert.h>

_Static_assert(sizeof(((struct auth_token *)0)->hash) == SECRET_HASH_LEN,
	       "a token's hash fits");

static bool missing_key(struct op *op)
{
	return op_fail(op, FAIL_UNAUTHENTICATED, "missing_key",
		       "this operation needs an API key or a session: "
		       "Authorization: Bearer …");
}

static bool invalid_key(struct op *op)
{
	return op_fail(op, FAIL_UNAUTHENTICATED, "invalid_key",
		       "the API key or session is unknown, revoked or "
		       "expired");
}

/* A form of another site cannot send the header, and no cookie with it. */
static bool check_csrf(struct op *op, const struct request *rq)
{
	if (rq->method == HTTP_GET || rq->csrf != NULL)
		return true;
	return op_fail(op, FAIL_FORBIDDEN, "csrf_required",
		       "a change with the session cookie needs the header "
		       "X-Retivo-CSRF");
}

bool auth_parse(struct op *op, const struct request *rq, enum access access,
		struct auth_token *ret)
{
	const char *text = request_bearer(rq), *prefix;
	struct auth_token token = { .access = access };
	bool from_cookie = rq->authorization == NULL;

	if (from_cookie)
		text = request_cookie(op, rq, AUTH_COOKIE);
	else if (text == NULL) /* as Segment's libraries send a key */
		text = request_basic_user(op, rq);
	if (text == NULL || *text == '\0')
		return missing_key(op);
	if (!secret_token_parse(op, text, &prefix, &token.tenant_id))
		return invalid_key(op);
	token.session = streq(prefix, "rs");
	if (!token.session && (from_cookie || (!streq(prefix, "rt_live") &&
					       !streq(prefix, "rt_test"))))
		return invalid_key(op);
	if (from_cookie && !check_csrf(op, rq))
		return false;
	secret_hash(SECRET_TOKEN, text, token.hash);
	op->tenant_id = token.tenant_id;
	*ret = token;
	return true;
}

/* The rank that SQL asks for; any member will do for ACCESS_MEMBER. */
static int64_t rank_needed(enum access access)
{
	return access == ACCESS_MEMBER ? ACCESS_NONE : (int64_t)access;
}

static const char *token_kind(const struct auth_token *token)
{
	return token->session ? "session" : "key";
}

/* For the check in front, and for the one that is queued. */
#define CHECK_SQL                                                              \
	"SELECT kind, id, person_id, rank, mode"                               \
	" FROM principal_check($1, $2, $3::integer, $4)"
#define CHECK_ARGS(op, token)                                                  \
	ARG_TEXT(token_kind(token)),                                           \
	    ARG_BYTES((token)->hash, sizeof((token)->hash)),                   \
	    ARG_I64(rank_needed((token)->access)), ARG_TIME((op)->now_us)

void auth_explain(struct op *op, enum access access)
{
	struct fail *fail = &op->fail;

	if (fail->kind == FAIL_UNAUTHENTICATED &&
	    streq(fail->code, "invalid_credentials")) {
		op_clear(op);
		invalid_key(op);
	} else if (fail->kind == FAIL_FORBIDDEN &&
		   streq(fail->code, "insufficient_scope")) {
		op_clear(op);
		op_fail(op, FAIL_FORBIDDEN, "insufficient_scope",
			"this needs %s access, which the key or role does "
			"not have",
			access_name(access));
	}
}

bool auth_check(struct op *op, const struct auth_token *token)
{
	struct principal *principal;
	struct db_row row;

	if (!db_one(op, &row, CHECK_SQL, CHECK_ARGS(op, token)))
		return false;
	if (token->access == ACCESS_MEMBER && !token->session)
		return op_fail(op, FAIL_FORBIDDEN, "member_required",
			       "this is for signed-in people, not for API "
			       "keys");
	principal = ARENA_NEW(op->arena, struct principal);
	principal->kind = token->session ? PRINCIPAL_SESSION : PRINCIPAL_KEY;
	principal->role = (enum access)db_i64(&row, "rank");
	principal->id = db_text(&row, "id");
	principal->person_id = db_text(&row, "person_id");
	principal->tenant_id = token->tenant_id;
	principal->test = streq(db_text(&row, "mode"), "test");
	op->principal = principal;
	return true;
}

bool auth_check_deferred(struct op *op, const struct auth_token *token)
{
	assert(token->access != ACCESS_MEMBER);
	return db_defer(op, CHECK_SQL, CHECK_ARGS(op, token));
}

const char *auth_actor(struct op *op)
{
	const struct principal *p = auth_principal(op);

	if (p == NULL)
		return "customer";
	if (p->kind == PRINCIPAL_KEY)
		return arena_printf(op->arena, "key:%s", p->id);
	return arena_printf(op->arena, "person:%s", p->person_id);
}
