/*
 * retivo-admin: the operator's commands, as the role that owns the schema.
 */
#include "admin/admin.h"

int main(int argc, char **argv)
{
	return admin_main(argc, argv);
}
