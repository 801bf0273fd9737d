/*
 * retivo-admin tenant create: a live tenant with its test twin.
 */
#include "admin/accounts.h"
#include "admin/admin.h"
#include "db/db_tx.h"

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
