/*
 * Members of a tenant and invitations. A member has the same role in the
 * live tenant and in its test twin; changes are asked for in the live one,
 * so all of this runs there (op->tenant_id), inside the caller's
 * transaction. A member's id is the person's.
 */
#ifndef STORE_TEAM_H
#define STORE_TEAM_H

#include "base/op.h"
#include "db/db_row.h"

#define INVITATION_DAYS 7

/* id, user_id, role, created_at, name, email; oldest first. */
MUST_CHECK bool team_member_rows(struct op *op, struct db_rows *ret);

/*
 * Makes the person a member of op->tenant_id and its twin; a member's role
 * stays. Queues.
 */
MUST_CHECK bool team_member_add(struct op *op, const char *person_id,
				const char *role);

/*
 * Fails: FAIL_NOT_FOUND; FAIL_CONFLICT "last_admin" when nobody else could
 * administer the tenant. Two at once wait for each other.
 */
MUST_CHECK bool team_member_set_role(struct op *op, const char *person_id,
				     const char *role, struct db_row *ret);

/* The same; ends the person's sessions in the tenant. */
MUST_CHECK bool team_member_remove(struct op *op, const char *person_id);

/* id, email, role, created_at, expires_at, invited_by, expired. */
MUST_CHECK bool invitation_rows(struct op *op, struct db_rows *ret);

struct invitation {
	const char *email; /* lower case */
	const char *role;
	const char *invited_by; /* uuid of a person, or NULL */
};

/*
 * Makes room for an invitation: an open one of the same address is revoked.
 * Fails: FAIL_CONFLICT "already_member".
 */
MUST_CHECK bool invitation_prepare(struct op *op, const char *email);

/*
 * Invites. ret has the columns of invitation_rows(); *ret_token (arena) is
 * a UUID that the mail carries and the database does not.
 */
MUST_CHECK bool invitation_create(struct op *op, const struct invitation *in,
				  struct db_row *ret, const char **ret_token);

/* Fails: FAIL_NOT_FOUND when it is not open. */
MUST_CHECK bool invitation_revoke(struct op *op, const char *id);

/*
 * Goes into the tenant of the token's invitation (op->tenant_id), locks it
 * and marks it accepted. ret: email, role. Fails: FAIL_NOT_FOUND (also
 * revoked), FAIL_CONFLICT "already_accepted", FAIL_GONE "expired".
 */
MUST_CHECK bool invitation_take(struct op *op, const char *token,
				struct db_row *ret);

#endif
