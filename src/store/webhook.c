/*
 * Webhook endpoints, written by retivo-admin and the API. They are read by
 * batch/stage_webhooks.c.
 */
#include "store/webhook.h"

#include "base/secret.h"
#include "base/uuid.h"
#include "db/db.h"

#include <sodium/utils.h>

/* The specification asks for 24 to 64 bytes. */
#define SECRET_BYTES 32

const char *const webhook_event_types[] = {
	"intervention.delivered",
	"user.stage_changed",
	"user.risk_changed",
	"decision.recommended",
	"outcome.recorded",
	"webhook.test",
	NULL,
};

static const char *secret_new(struct op *op)
{
	unsigned char bytes[SECRET_BYTES];
	char text[sodium_base64_ENCODED_LEN(SECRET_BYTES,
					    sodium_base64_VARIANT_ORIGINAL)];

	op->random(bytes, sizeof(bytes));
	sodium_bin2base64(text, sizeof(text), bytes, sizeof(bytes),
			  sodium_base64_VARIANT_ORIGINAL);
	const char *secret = arena_printf(op->arena, "whsec_%s", text);
	sodium_memzero(bytes, sizeof(bytes));
	sodium_memzero(text, sizeof(text));
	return secret;
}

/* Binds the sealed text to its row. */
static const char *secret_context(struct op *op, const char *endpoint_id)
{
	return arena_printf(op->arena, "webhook_endpoints/secret/%lld/%s",
			    (long long)op->tenant_id, endpoint_id);
}

bool webhook_endpoint_add(struct op *op, struct webhook_endpoint *endpoint)
{
	static const char *const none[1];
	const char *const *events =
	    endpoint->event_count == 0 ? none : endpoint->events;

	endpoint->id = uuid_new(op);
	endpoint->secret = secret_new(op);
	return db_exec(op, NULL,
		       "INSERT INTO webhook_endpoints (tenant_id, id, url,"
		       " description, events, secret, created_at, updated_at)"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7, $7)",
		       ARG_I64(op->tenant_id), ARG_UUID(endpoint->id),
		       ARG_TEXT(endpoint->url), ARG_TEXT(endpoint->description),
		       ARG_TEXTS(events, endpoint->event_count),
		       ARG_TEXT(secret_seal(op, SECRET_WEBHOOK,
					    secret_context(op, endpoint->id),
					    endpoint->secret)),
		       ARG_TIME(op->now_us));
}

bool webhook_secret_open(struct op *op, const char *endpoint_id,
			 const char *sealed, const char **ret)
{
	return secret_open(op, SECRET_WEBHOOK, secret_context(op, endpoint_id),
			   sealed, ret);
}
