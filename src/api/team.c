/*
 * The people of a tenant: members, their roles, and invitations. They are
 * the live tenant's; in its test twin they can only be looked at.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/config.h"
#include "http/body.h"
#include "store/audit.h"
#include "store/outbox.h"
#include "store/plan.h"
#include "store/team.h"
#include "store/tenant.h"

static const char *const roles[] = { "viewer", "editor", "admin", NULL };

static bool live_only(struct op *op)
{
	if (!auth_principal(op)->test)
		return true;
	return op_fail(op, FAIL_FORBIDDEN, "live_only",
		       "people are changed in live mode");
}

static bool team_members(struct op *op, const struct request *rq,
			 struct response *rs)
{
	struct db_rows rows;

	(void)rq;
	return team_member_rows(op, &rows) &&
	       reply_rows(op, rs, 200, "members", &rows);
}

static bool team_invitations(struct op *op, const struct request *rq,
			     struct response *rs)
{
	struct db_rows rows;

	(void)rq;
	return invitation_rows(op, &rows) &&
	       reply_rows(op, rs, 200, "invitations", &rows);
}

static void write_row(struct response *rs, int status, const char *key,
		      const struct db_row *row, const char *accept_url)
{
	struct json_out j;

	response_json_begin(rs, status, &j);
	json_open(&j, '{');
	json_key(&j, key);
	json_open(&j, '{');
	db_row_members(&j, row);
	if (accept_url != NULL)
		json_pair(&j, "accept_url", accept_url);
	json_close(&j);
	json_close(&j);
}

struct invite_in {
	const char *email, *role;
};

static const struct field invite_fields[] = {
	FIELD_EMAIL(struct invite_in, email, true),
	FIELD_ENUM(struct invite_in, role, false, roles),
};

static bool team_invite(struct op *op, const struct request *rq,
			struct response *rs)
{
	struct invite_in in = { .role = "viewer" };
	const char *token, *url;
	struct tenant tenant;
	struct db_row row;

	if (!live_only(op) ||
	    !body_decode(op, rq, invite_fields, ARRAY_LEN(invite_fields), &in))
		return false;
	struct invitation invitation = {
		.email = arena_lower(op->arena, in.email),
		.role = in.role,
		.invited_by = auth_principal(op)->person_id,
	};
	if (!tenant_load(op, true, &tenant) ||
	    !invitation_prepare(op, invitation.email) ||
	    !plan_room(op, PLAN_MEMBERS) ||
	    !invitation_create(op, &invitation, &row, &token))
		return false;
	url = arena_printf(op->arena, "%s/invite?token=%s",
			   op->config->base_url, token);
	struct outbox_mail mail = { .type = "mail.invitation",
				    .to = invitation.email,
				    .tenant = tenant.name,
				    .url = url,
				    .expires = "7 days" };
	if (!outbox_put_mail(op, &mail) ||
	    !audit_put(op, auth_actor(op), "team.invite", db_text(&row, "id"),
		       NULL, NULL))
		return false;
	write_row(rs, 201, "invitation", &row, url);
	return true;
}

static bool team_revoke(struct op *op, const struct request *rq,
			struct response *rs)
{
	const char *id;

	return live_only(op) &&
	       request_path_uuid(op, rq, "invitationId", &id) &&
	       invitation_revoke(op, id) &&
	       audit_put(op, auth_actor(op), "team.revoke", id, NULL, NULL) &&
	       reply_true(op, rs, 200, "revoked");
}

struct role_in {
	const char *role;
};

static const struct field role_fields[] = {
	FIELD_ENUM(struct role_in, role, true, roles),
};

static bool team_set_role(struct op *op, const struct request *rq,
			  struct response *rs)
{
	struct role_in in = { 0 };
	struct db_row row;
	const char *id;

	if (!live_only(op) || !request_path_uuid(op, rq, "memberId", &id) ||
	    !body_decode(op, rq, role_fields, ARRAY_LEN(role_fields), &in) ||
	    !team_member_set_role(op, id, in.role, &row) ||
	    !audit_put(op, auth_actor(op), "team.role", id, NULL,
		       arena_printf(op->arena, "{\"role\":\"%s\"}", in.role)))
		return false;
	write_row(rs, 200, "member", &row, NULL);
	return true;
}

static bool team_remove(struct op *op, const struct request *rq,
			struct response *rs)
{
	const char *id, *self = auth_principal(op)->person_id;

	if (!live_only(op) || !request_path_uuid(op, rq, "memberId", &id))
		return false;
	if (self != NULL && streq(self, id))
		return op_fail(op, FAIL_INVALID, "cannot_remove_self",
			       "nobody can remove himself");
	return team_member_remove(op, id) &&
	       audit_put(op, auth_actor(op), "team.remove", id, NULL, NULL) &&
	       reply_true(op, rs, 200, "removed");
}

/* ----------------------------------------------------------------- accept --
 */

struct accept_in {
	const char *token;
};

static const struct field accept_fields[] = {
	FIELD_UUID(struct accept_in, token, true),
};

/* The person who is signed in joins; the session stays where it is. */
static bool join(struct op *op, const char *token, const char *person_id,
		 const char *email, struct db_row *ret)
{
	struct db_row is;

	if (!invitation_take(op, token, ret))
		return false;
	if (!streq(db_text(ret, "email"), email))
		return op_fail(op, FAIL_NOT_FOUND, "invitation_not_found",
			       "no such invitation");
	if (!db_opt(op, &is,
		    "SELECT 1 FROM memberships"
		    " WHERE tenant_id = $1 AND person_id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(person_id)))
		return false;
	if (db_found(&is))
		return op_fail(op, FAIL_CONFLICT, "already_member",
			       "this person is a member already");
	return team_member_add(op, person_id, db_text(ret, "role")) &&
	       audit_put(op, auth_actor(op), "team.accept", person_id, NULL,
			 NULL);
}

static bool team_accept(struct op *op, const struct request *rq,
			struct response *rs)
{
	const struct principal *p = auth_principal(op);
	struct accept_in in = { 0 };
	struct db_row person, row;
	struct json_out j;

	if (!body_decode(op, rq, accept_fields, ARRAY_LEN(accept_fields),
			 &in) ||
	    !db_one(op, &person, "SELECT email FROM person_by_id($1)",
		    ARG_UUID(p->person_id)) ||
	    !join(op, in.token, p->person_id, db_text(&person, "email"), &row))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_pair(&j, "tenant_id",
		  arena_printf(op->arena, "%lld", (long long)op->tenant_id));
	json_pair(&j, "role", db_text(&row, "role"));
	json_close(&j);
	return true;
}

const struct route team_routes[] = {
	{ HTTP_GET, "/api/team/members", ACCESS_VIEWER, team_members,
	  "listTeamMembers", 0 },
	{ HTTP_GET, "/api/team/invitations", ACCESS_VIEWER, team_invitations,
	  "listInvitations", 0 },
	{ HTTP_POST, "/api/team/invite", ACCESS_ADMIN, team_invite,
	  "inviteMember", 0 },
	{ HTTP_POST, "/api/team/accept", ACCESS_MEMBER, team_accept,
	  "acceptInvitation", 0 },
	{ HTTP_PUT, "/api/team/members/{memberId}/role", ACCESS_ADMIN,
	  team_set_role, "setMemberRole", 0 },
	{ HTTP_DELETE, "/api/team/members/{memberId}", ACCESS_ADMIN,
	  team_remove, "removeMember", 0 },
	{ HTTP_DELETE, "/api/team/invitations/{invitationId}", ACCESS_ADMIN,
	  team_revoke, "revokeInvitation", 0 },
};
const size_t team_route_count = ARRAY_LEN(team_routes);
