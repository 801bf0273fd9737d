/*
 * retivo-admin member create and reset. A generated password is printed
 * once; a given one comes from stdin, never from the command line.
 */
#include "admin/accounts.h"
#include "admin/admin.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/secret.h"
#include "db/db.h"
#include "db/db_tx.h"

#include <ctype.h>
#include <sodium.h>

#define RESET_HOURS 24

/* One line of stdin. */
static bool read_password(struct op *op, const char **ret)
{
	char line[1100];
	size_t len;

	if (fgets(line, sizeof(line), stdin) == NULL)
		return admin_usage(op, "no password on stdin");
	len = strcspn(line, "\r\n");
	*ret = arena_strndup(op->arena, line, len);
	sodium_memzero(line, sizeof(line));
	return true;
}

bool cmd_member_create(struct op *op, int argc, char **argv)
{
	const char *email = NULL, *role = NULL, *name = NULL;
	const char *password = NULL, *made;
	int64_t tenant_id = 0;
	bool from_stdin = false;
	const struct admin_option options[] = {
		{ "--tenant", .ret_number = &tenant_id },
		{ "--role", .ret_text = &role },
		{ "--name", .ret_text = &name },
		{ "--password-stdin", .ret_flag = &from_stdin },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), &email,
			 1))
		return false;
	if (email == NULL || role == NULL || name == NULL)
		return admin_usage(op, "EMAIL, --role and --name are needed");
	if (from_stdin && !read_password(op, &password))
		return false;
	if (!admin_use_tenant(op, tenant_id) || !db_begin(op) ||
	    !account_member_add(op, email, name, role, password, &made) ||
	    !db_commit(op))
		return false;
	if (made != NULL && !from_stdin)
		printf("password=%s\n", made);
	return true;
}

/* The first tenant of the person: the token carries one. */
static bool find_person(struct op *op, const char *email, struct db_row *ret)
{
	if (!db_opt(op, ret,
		    "SELECT p.id, min(m.tenant_id) AS tenant_id FROM people p"
		    " JOIN memberships m ON m.person_id = p.id"
		    " WHERE p.email = lower($1) GROUP BY p.id",
		    ARG_TEXT(email)))
		return false;
	if (!db_found(ret))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "nobody with the address %s is a member", email);
	return true;
}

bool cmd_member_reset(struct op *op, int argc, char **argv)
{
	unsigned char *hash = arena_alloc(op->arena, SECRET_HASH_LEN);
	const char *email = NULL, *token;
	struct db_row person;

	if (!admin_parse(op, argc, argv, NULL, 0, &email, 1))
		return false;
	if (email == NULL)
		return admin_usage(op, "EMAIL is missing");
	if (!find_person(op, email, &person))
		return false;
	op->tenant_id = db_i64(&person, "tenant_id");
	token = secret_token_new(op, "rr", op->tenant_id);
	secret_hash(SECRET_TOKEN, token, hash);
	if (!db_begin(op) ||
	    !db_exec(op, NULL,
		     "INSERT INTO password_resets (tenant_id, token_hash,"
		     " person_id, created_at, expires_at) VALUES"
		     " ($1, $2, $3, $4, $5)",
		     ARG_I64(op->tenant_id), ARG_BYTES(hash, SECRET_HASH_LEN),
		     ARG_UUID(db_text(&person, "id")), ARG_TIME(op->now_us),
		     ARG_TIME(op->now_us + RESET_HOURS * US_PER_HOUR)) ||
	    !account_audit(op, "member.reset", db_text(&person, "id")) ||
	    !db_commit(op))
		return false;
	printf("%s/reset?token=%s\n", op->config->base_url, token);
	return true;
}
