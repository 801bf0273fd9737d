/*
 * retivo-admin master-key rotate: the second half of a rotation. A new key
 * has become the first line of the master key file, and the API has read it;
 * this seals what is stored anew, so that nothing needs the older keys to be
 * opened.
 */
#include "admin/admin.h"
#include "base/config.h"
#include "db/db_tx.h"
#include "store/webhook.h"

bool cmd_master_key_rotate(struct op *op, int argc, char **argv)
{
	int64_t done, kept;

	if (!admin_parse(op, argc, argv, NULL, 0, NULL, 0))
		return false;
	if (op->config->master_key_file == NULL)
		return admin_usage(op, "RETIVO_MASTER_KEY_FILE is not set");
	/* One transaction: where a key is missing, nothing is changed. */
	if (!db_begin(op) || !webhook_secrets_reseal(op, &done, &kept) ||
	    !db_commit(op))
		return false;
	printf("resealed=%lld\nkept=%lld\n", (long long)done, (long long)kept);
	return true;
}
