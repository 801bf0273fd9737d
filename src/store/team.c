/*
 * Membership, by the functions of schema.sql that reach the test twin, and
 * invitations, whose token is found through token_index.
 */
#include "store/team.h"

#include "base/clock.h"
#include "base/secret.h"
#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"

#define MEMBER_COLUMNS                                                         \
	"m.person_id AS id, m.person_id AS user_id, m.role, m.created_at,"     \
	" p.name, p.email FROM memberships m"                                  \
	" CROSS JOIN LATERAL person_by_id(m.person_id) p"                      \
	" WHERE m.tenant_id = $1"

bool team_member_rows(struct op *op, struct db_rows *ret)
{
	return db_rows(op, ret,
		       "SELECT " MEMBER_COLUMNS
		       " ORDER BY m.created_at, m.person_id",
		       ARG_I64(op->tenant_id));
}

bool team_member_add(struct op *op, const char *person_id, const char *role)
{
	return db_defer(op, "SELECT team_add($1, $2, $3)", ARG_UUID(person_id),
			ARG_TEXT(role), ARG_TIME(op->now_us));
}

/*
 * Locks all memberships in one order, so that of two admins who demote each
 * other the second sees what the first did.
 */
static bool lock_member(struct op *op, const char *person_id,
			const char *new_role)
{
	struct db_rows rows;
	bool found = false, admin = false;
	size_t others = 0;

	if (!db_rows(op, &rows,
		     "SELECT person_id, role FROM memberships"
		     " WHERE tenant_id = $1 ORDER BY person_id FOR UPDATE",
		     ARG_I64(op->tenant_id)))
		return false;
	db_each (row, &rows) {
		bool is_admin = streq(db_text(&row, "role"), "admin");

		if (streq(db_text(&row, "person_id"), person_id)) {
			found = true;
			admin = is_admin;
		} else {
			others += is_admin;
		}
	}
	if (!found)
		return op_fail(op, FAIL_NOT_FOUND, "member_not_found",
			       "no such member");
	if (admin && others == 0 && !streq(new_role, "admin"))
		return op_fail(op, FAIL_CONFLICT, "last_admin",
			       "the last admin must stay one");
	return true;
}

bool team_member_set_role(struct op *op, const char *person_id,
			  const char *role, struct db_row *ret)
{
	return lock_member(op, person_id, role) &&
	       db_exec(op, NULL, "SELECT team_set_role($1, $2)",
		       ARG_UUID(person_id), ARG_TEXT(role)) &&
	       db_one(op, ret, "SELECT " MEMBER_COLUMNS " AND m.person_id = $2",
		      ARG_I64(op->tenant_id), ARG_UUID(person_id));
}

bool team_member_remove(struct op *op, const char *person_id)
{
	return lock_member(op, person_id, "") &&
	       db_exec(op, NULL, "SELECT team_remove($1)", ARG_UUID(person_id));
}

/* ------------------------------------------------------------ invitations --
 */

#define INVITATION_COLUMNS                                                     \
	"i.id, i.email, i.role, i.created_at, i.expires_at, i.invited_by"
#define OPEN " AND i.accepted_at IS NULL AND i.revoked_at IS NULL"

bool invitation_rows(struct op *op, struct db_rows *ret)
{
	return db_rows(op, ret,
		       "SELECT " INVITATION_COLUMNS ", i.expires_at <= $2"
		       " AS expired FROM invitations i"
		       " WHERE i.tenant_id = $1" OPEN
		       " ORDER BY i.created_at, i.id",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us));
}

static const unsigned char *token_hash(struct op *op, const char *token)
{
	unsigned char *hash = arena_alloc(op->arena, SECRET_HASH_LEN);

	secret_hash(SECRET_TOKEN,
		    arena_printf(op->arena, "invitation:%s", token), hash);
	return hash;
}

static bool check_stranger(struct op *op, const char *email)
{
	struct db_row row;

	if (!db_opt(op, &row,
		    "SELECT 1 FROM person_by_email($2) p JOIN memberships m"
		    " ON m.tenant_id = $1 AND m.person_id = p.id",
		    ARG_I64(op->tenant_id), ARG_TEXT(email)))
		return false;
	if (db_found(&row))
		return op_fail(op, FAIL_CONFLICT, "already_member",
			       "this person is a member already");
	return true;
}

/* arena: 122 random bits in the form that the contract asks for (v4). */
static const char *token_new(struct op *op)
{
	unsigned char b[16];

	op->random(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	return arena_printf(op->arena,
			    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
			    "%02x%02x%02x%02x%02x%02x",
			    b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7],
			    b[8], b[9], b[10], b[11], b[12], b[13], b[14],
			    b[15]);
}

bool invitation_prepare(struct op *op, const char *email)
{
	return check_stranger(op, email) &&
	       db_exec(op, NULL,
		       "UPDATE invitations i SET revoked_at = $3"
		       " WHERE i.tenant_id = $1 AND i.email = $2" OPEN,
		       ARG_I64(op->tenant_id), ARG_TEXT(email),
		       ARG_TIME(op->now_us));
}

bool invitation_create(struct op *op, const struct invitation *in,
		       struct db_row *ret, const char **ret_token)
{
	const char *token = token_new(op);
	const unsigned char *hash = token_hash(op, token);
	int64_t expires_us = op->now_us + INVITATION_DAYS * US_PER_DAY;

	*ret_token = token;
	return db_one(op, ret,
		      "INSERT INTO invitations AS i (tenant_id, id, email,"
		      " role, token_hash, invited_by, created_at, expires_at)"
		      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
		      " RETURNING " INVITATION_COLUMNS ", false AS expired",
		      ARG_I64(op->tenant_id), ARG_UUID(uuid_new(op)),
		      ARG_TEXT(in->email), ARG_TEXT(in->role),
		      ARG_BYTES(hash, SECRET_HASH_LEN),
		      ARG_UUID(in->invited_by), ARG_TIME(op->now_us),
		      ARG_TIME(expires_us)) &&
	       db_exec(op, NULL,
		       "INSERT INTO token_index (kind, hash, tenant_id)"
		       " VALUES ('invitation', $2, $1)",
		       ARG_I64(op->tenant_id),
		       ARG_BYTES(hash, SECRET_HASH_LEN));
}

bool invitation_revoke(struct op *op, const char *id)
{
	struct db_row row;

	return db_one(
	    op, &row,
	    "UPDATE invitations i SET revoked_at = $3"
	    " WHERE i.tenant_id = $1 AND i.id = $2" OPEN " RETURNING i.id",
	    ARG_I64(op->tenant_id), ARG_UUID(id), ARG_TIME(op->now_us));
}

static bool no_invitation(struct op *op)
{
	return op_fail(op, FAIL_NOT_FOUND, "invitation_not_found",
		       "no such invitation");
}

bool invitation_take(struct op *op, const char *token, struct db_row *ret)
{
	const unsigned char *hash = token_hash(op, token);
	struct db_row at;

	if (!db_opt(op, &at,
		    "SELECT t AS tenant_id"
		    " FROM token_tenants('invitation', $1) t",
		    ARG_BYTES(hash, SECRET_HASH_LEN)))
		return false;
	if (!db_found(&at))
		return no_invitation(op);
	if (!db_set_tenant(op, db_i64(&at, "tenant_id")) ||
	    !db_opt(op, ret,
		    "SELECT email, role, expires_at, accepted_at, revoked_at"
		    " FROM invitations WHERE tenant_id = $1"
		    " AND token_hash = $2 FOR UPDATE",
		    ARG_I64(op->tenant_id), ARG_BYTES(hash, SECRET_HASH_LEN)))
		return false;
	if (!db_found(ret) || !db_is_null(ret, "revoked_at"))
		return no_invitation(op);
	if (!db_is_null(ret, "accepted_at"))
		return op_fail(op, FAIL_CONFLICT, "already_accepted",
			       "the invitation was accepted already");
	if (db_time(ret, "expires_at") <= op->now_us)
		return op_fail(op, FAIL_GONE, "expired",
			       "the invitation has expired");
	return db_exec(op, NULL,
		       "UPDATE invitations SET accepted_at = $3"
		       " WHERE tenant_id = $1 AND token_hash = $2",
		       ARG_I64(op->tenant_id), ARG_BYTES(hash, SECRET_HASH_LEN),
		       ARG_TIME(op->now_us));
}
