/*
 * retivo-admin config: every setting with its value, secrets masked.
 */
#include "admin/admin.h"

#include "base/config.h"
#include "base/str.h"

bool cmd_config(struct op *op, int argc, char **argv)
{
	struct str out;

	if (!admin_parse(op, argc, argv, NULL, 0, NULL, 0))
		return false;
	str_init(&out, op->arena, 65536);
	config_write(op->config, &out);
	fputs(out.bytes, stdout);
	return true;
}
