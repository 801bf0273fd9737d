/*
 * Who asks: API key or session, from Bearer or the cookie retivo_session.
 *
 * The token's text carries its tenant, so the transaction is bound to that
 * tenant first and the check runs inside it: a forged tenant part finds no
 * key there. The check raises in SQL, so a statement pipelined behind it
 * never runs.
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "http/router.h"

#define AUTH_COOKIE "retivo_session"

enum principal_kind { PRINCIPAL_KEY, PRINCIPAL_SESSION };

struct principal {
	enum principal_kind kind;
	enum access role;      /* ACCESS_INGEST … ACCESS_ADMIN */
	const char *id;	       /* uuid of the key or of the session */
	const char *person_id; /* uuid; NULL for a key */
	int64_t tenant_id;
	bool test; /* the tenant is a test twin */
};

/*
 * Who asks. Not NULL in a handler whose route has an access other than
 * ACCESS_NONE, but for ROUTE_DEFERRED_AUTH and ROUTE_READ.
 */
static inline const struct principal *auth_principal(const struct op *op)
{
	return op->principal;
}

/*
 * arena: the actor for the logs: "key:<id>", "person:<id>"; "customer" for
 * nobody (unsubscribe links).
 */
const char *auth_actor(struct op *op);

/* For the dispatcher. A token found in the request, not checked yet. */
struct auth_token {
	bool session;
	int64_t tenant_id;
	unsigned char hash[32];
	enum access access; /* that the route needs */
};

/*
 * Finds and parses the token and sets op->tenant_id. Fails: FAIL_-
 * UNAUTHENTICATED "missing_key", "invalid_key"; FAIL_FORBIDDEN
 * "csrf_required", "member_required".
 */
MUST_CHECK bool auth_parse(struct op *op, const struct request *rq,
			   enum access access, struct auth_token *ret);

/*
 * Checks the token in the open transaction and sets op->principal.
 * Fails: FAIL_UNAUTHENTICATED "invalid_key", FAIL_FORBIDDEN
 * "insufficient_scope" naming the access that is needed.
 */
MUST_CHECK bool auth_check(struct op *op, const struct auth_token *token);

/* The same check, queued in front of the next statement. */
MUST_CHECK bool auth_check_deferred(struct op *op,
				    const struct auth_token *token);

/* Says in our words what a deferred check failed with. */
void auth_explain(struct op *op, enum access access);

#endif
