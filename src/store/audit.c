/*
 * Travels with the next statement of the transaction, so that an entry in
 * the log costs no round trip of its own.
 */
#include "store/audit.h"

#include "base/uuid.h"
#include "db/db.h"

#define SALT_LEN 16

bool audit_put(struct op *op, const char *actor, const char *action,
	       const char *object, const char *before, const char *after)
{
	unsigned char *salt = arena_alloc(op->arena, SALT_LEN);

	op->random(salt, SALT_LEN);
	return db_defer(op,
			"INSERT INTO audit_log (tenant_id, id, at, actor,"
			" action, object, request_id, before, after, salt)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
			ARG_I64(op->tenant_id), ARG_UUID(uuid_new(op)),
			ARG_TIME(op->now_us), ARG_TEXT(actor), ARG_TEXT(action),
			ARG_TEXT(object), ARG_TEXT(op->tag), ARG_JSON(before),
			ARG_JSON(after), ARG_BYTES(salt, SALT_LEN));
}
