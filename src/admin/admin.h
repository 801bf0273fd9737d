/*
 * The retivo-admin command line: a table of <group> <command> rows, each a
 * function of the op and the words behind the command.
 *
 * The op's database handle is the admin role's (BYPASSRLS), without a
 * tenant until admin_use_tenant(); no transaction is open. A command writes
 * its result to stdout and fails by op_fail(); the edge (admin_main) prints
 * the failure and, for admin_usage(), the command's usage line.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "base/op.h"

/* argv[0] is the command's own word. */
typedef bool (*admin_fn)(struct op *op, int argc, char **argv);

struct admin_command {
	const char *group;
	const char *name; /* NULL: the group alone is the command */
	admin_fn run;
	const char *usage; /* words behind the command */
	bool no_database;
};

/* One option; exactly one of the ret_ members is set. */
struct admin_option {
	const char *name; /* "--tenant" */
	const char **ret_text;
	int64_t *ret_number; /* 1 and up */
	bool *ret_flag;
};

/*
 * Reads options, in any place, and at most word_max other words into words
 * (unset ones stay as they are). Fails as admin_usage() does.
 */
MUST_CHECK bool admin_parse(struct op *op, int argc, char **argv,
			    const struct admin_option *options,
			    size_t option_count, const char **words,
			    size_t word_max);

/* Fails with a line for the person at the terminal; exit status 2. */
bool admin_usage(struct op *op, const char *format, ...) PRINTF_LIKE(2, 3);

/*
 * Sets op->tenant_id when there is such a tenant.
 * Fails: usage when tenant_id is 0, FAIL_NOT_FOUND.
 */
MUST_CHECK bool admin_use_tenant(struct op *op, int64_t tenant_id);

/* Runs the command that argv names; the exit status of the program. */
int admin_main(int argc, char **argv);

bool cmd_audit_verify(struct op *op, int argc, char **argv);
bool cmd_config(struct op *op, int argc, char **argv);
bool cmd_db_apply(struct op *op, int argc, char **argv);
bool cmd_db_verify(struct op *op, int argc, char **argv);
bool cmd_demo(struct op *op, int argc, char **argv);
bool cmd_egress(struct op *op, int argc, char **argv);
bool cmd_explain(struct op *op, int argc, char **argv);
bool cmd_key_create(struct op *op, int argc, char **argv);
bool cmd_key_revoke(struct op *op, int argc, char **argv);
bool cmd_master_key_rotate(struct op *op, int argc, char **argv);
bool cmd_member_create(struct op *op, int argc, char **argv);
bool cmd_member_reset(struct op *op, int argc, char **argv);
bool cmd_replay(struct op *op, int argc, char **argv);
bool cmd_tenant_create(struct op *op, int argc, char **argv);
bool cmd_tenant_plan(struct op *op, int argc, char **argv);
bool cmd_webhook_add(struct op *op, int argc, char **argv);

#endif
