/*
 * retivo-admin tenant create: a live tenant with its test twin.
 * retivo-admin tenant plan: what a tenant may have.
 */
#include "admin/accounts.h"
#include "admin/admin.h"
#include "db/db_tx.h"
#include "store/plan.h"

bool cmd_tenant_create(struct op *op, int argc, char **argv)
{
	struct account_tenant in = { .name = NULL };
	const struct admin_option options[] = {
		{ "--slug", .ret_text = &in.slug },
		{ "--timezone", .ret_text = &in.timezone },
	};
	int64_t live, test;

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), &in.name,
			 1))
		return false;
	if (in.name == NULL || *in.name == '\0')
		return admin_usage(op, "NAME is missing");
	if (!db_begin(op) || !account_tenant_add(op, &in, &live, &test) ||
	    !db_commit(op))
		return false;
	printf("tenant=%lld test_tenant=%lld\n", (long long)live,
	       (long long)test);
	return true;
}

bool cmd_tenant_plan(struct op *op, int argc, char **argv)
{
	const char *tier = NULL;
	int64_t tenant = 0;
	const struct admin_option options[] = {
		{ "--tenant", .ret_number = &tenant },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), &tier, 1))
		return false;
	if (tier == NULL)
		return admin_usage(op, "TIER is missing");
	if (!admin_use_tenant(op, tenant) || !db_begin(op) ||
	    !plan_set(op, "operator", tier, NULL) || !db_commit(op))
		return false;
	printf("tenant=%lld plan=%s\n", (long long)tenant, tier);
	return true;
}
