/*
 * retivo-admin explain: the SQL that a playbook's conditions became, with
 * the values of its parameters, and for one user each clause's value and
 * truth. The statement shown is the one that preview-count runs; match adds
 * the gates to the same predicate.
 */
#include "admin/admin.h"
#include "base/json_out.h"
#include "base/parse.h"
#include "db/db_tx.h"
#include "engine/playbook_doc.h"

static bool print_sql(struct op *op, const char *title,
		      const struct condition *cond)
{
	struct condition_at at = { 0 };
	struct json_out j;
	struct str args;
	struct sql q;

	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	sql_add(&q, "SELECT count(*) FROM customers c WHERE c.tenant_id = ");
	sql_ref(&q, at.tenant);
	sql_add(&q, " AND ");
	condition_write_sql(cond, &q, &at);
	if (!sql_ok(&q))
		return op_fail(op, FAIL_INTERNAL, "too_large",
			       "the statement is too large");
	printf("%s\n  %s\n", title, q.text.bytes);
	str_init(&args, op->arena, 4u << 20);
	json_init(&j, &args);
	sql_write_args(&q, &j);
	printf("  with %s\n", args.bytes);
	return true;
}

static bool print_clauses(struct op *op, const char *title,
			  const struct condition *cond, const char *user_id)
{
	struct clause_result *clauses;
	size_t n;
	bool holds;

	if (!condition_evaluate(op, cond, user_id, &clauses, &n, &holds))
		return false;
	printf("%s for %s: %s\n", title, user_id, holds ? "true" : "false");
	for (size_t i = 0; i < n; i++)
		printf("  %-5s %s %s %s, is %s\n",
		       clauses[i].result ? "true" : "false", clauses[i].path,
		       clauses[i].op, clauses[i].wanted, clauses[i].value);
	return true;
}

/* The id of the playbook that has this id or name. */
static bool find(struct op *op, const char *word, const char **ret_id)
{
	struct playbook_row *rows;
	size_t n;

	*ret_id = word;
	if (parse_is_uuid(word))
		return true;
	if (!playbook_load_rows(op, NULL, &rows, &n))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (streq(rows[i].name, word)) {
			*ret_id = rows[i].id;
			return true;
		}
	}
	return op_fail(op, FAIL_NOT_FOUND, "not_found",
		       "the tenant has no playbook of that id or name");
}

static bool explain(struct op *op, const char *word, const char *user_id)
{
	struct tenant_config config;
	struct playbook pb;
	const char *id;

	if (!find(op, word, &id) || !tenant_config_load(op, &config) ||
	    !playbook_load(op, id, &config, &pb))
		return false;
	printf("playbook %s, version %lld, %s: %s\n", pb.id,
	       (long long)pb.version, pb.status, pb.name);
	if (!print_sql(op, "entry", pb.entry))
		return false;
	if (pb.exit != NULL && !print_sql(op, "exit", pb.exit))
		return false;
	if (user_id == NULL)
		return true;
	return print_clauses(op, "entry", pb.entry, user_id) &&
	       (pb.exit == NULL || print_clauses(op, "exit", pb.exit, user_id));
}

bool cmd_explain(struct op *op, int argc, char **argv)
{
	const char *playbook = NULL, *user_id = NULL;
	int64_t tenant_id = 0;
	const struct admin_option options[] = {
		{ "--tenant", .ret_number = &tenant_id },
		{ "--user", .ret_text = &user_id },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), &playbook,
			 1))
		return false;
	if (playbook == NULL)
		return admin_usage(op, "PLAYBOOK is missing");
	return admin_use_tenant(op, tenant_id) && db_begin(op) &&
	       explain(op, playbook, user_id) && db_commit(op);
}
