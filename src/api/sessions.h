/*
 * Opening a session: what sign-in, accepting an invitation and switching
 * tenants end with.
 */
#ifndef API_SESSIONS_H
#define API_SESSIONS_H

#include "http/response.h"

struct session_person {
	const char *id, *email, *name;
};

/*
 * Opens a session in the tenant (0: the first live one), commits, and
 * answers with the token and the cookie. Inside a transaction of any
 * tenant. Fails: FAIL_FORBIDDEN "not_a_member".
 */
MUST_CHECK bool session_open(struct op *op, struct response *rs,
			     const struct session_person *person,
			     int64_t tenant_id);

#endif
