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
static const char *row_context(struct op *op, int64_t tenant_id,
			       const char *endpoint_id)
{
	return arena_printf(op->arena, "webhook_endpoints/secret/%lld/%s",
			    (long long)tenant_id, endpoint_id);
}

static const char *secret_context(struct op *op, const char *endpoint_id)
{
	return row_context(op, op->tenant_id, endpoint_id);
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

bool webhook_endpoint_rows(struct op *op, struct db_rows *ret)
{
	return db_rows(op, ret,
		       "SELECT " WEBHOOK_COLUMNS " FROM webhook_endpoints w"
		       " WHERE w.tenant_id = $1 AND w.status <> 'deleted'"
		       " ORDER BY w.created_at, w.id",
		       ARG_I64(op->tenant_id));
}

bool webhook_endpoint_row(struct op *op, const char *id, struct db_row *ret)
{
	return db_one(op, ret,
		      "SELECT " WEBHOOK_COLUMNS ", w.secret AS _secret"
		      " FROM webhook_endpoints w WHERE w.tenant_id = $1"
		      " AND w.id = $2 AND w.status <> 'deleted'",
		      ARG_I64(op->tenant_id), ARG_UUID(id));
}

bool webhook_endpoint_change(struct op *op, const char *id,
			     const struct webhook_change *change)
{
	static const char *const none[1];
	const char *const *events =
	    change->event_count == 0 ? none : change->events;
	struct db_row row;

	return db_one(
	    op, &row,
	    "UPDATE webhook_endpoints SET url = coalesce($4, url),"
	    " description = coalesce($5, description),"
	    " events = coalesce($6, events), status = 'active',"
	    " failing_since = NULL, updated_at = $3"
	    " WHERE tenant_id = $1 AND id = $2"
	    " AND status <> 'deleted' RETURNING id",
	    ARG_I64(op->tenant_id), ARG_UUID(id), ARG_TIME(op->now_us),
	    ARG_TEXT(change->url), ARG_TEXT(change->description),
	    ARG_TEXTS(change->has_events ? events : NULL, change->event_count));
}

bool webhook_endpoint_delete(struct op *op, const char *id)
{
	struct db_row row;

	return db_one(op, &row,
		      "UPDATE webhook_endpoints SET status = 'deleted',"
		      " updated_at = $3 WHERE tenant_id = $1 AND id = $2"
		      " AND status <> 'deleted' RETURNING id",
		      ARG_I64(op->tenant_id), ARG_UUID(id),
		      ARG_TIME(op->now_us)) &&
	       db_exec(op, NULL,
		       "UPDATE deliveries SET status = 'failed',"
		       " next_attempt_at = NULL, last_error ="
		       " 'the endpoint was deleted' WHERE tenant_id = $1"
		       " AND endpoint_id = $2 AND status = 'pending'",
		       ARG_I64(op->tenant_id), ARG_UUID(id));
}

bool webhook_secret_open(struct op *op, const char *endpoint_id,
			 const char *sealed, const char **ret)
{
	return secret_open(op, SECRET_WEBHOOK, secret_context(op, endpoint_id),
			   sealed, ret);
}

static bool reseal_row(struct op *op, const struct db_row *row)
{
	int64_t tenant_id = db_i64(row, "tenant_id");
	const char *id = db_text(row, "id"), *plain;
	const char *context = row_context(op, tenant_id, id);

	return secret_open(op, SECRET_WEBHOOK, context, db_text(row, "secret"),
			   &plain) &&
	       db_exec(
		   op, NULL,
		   "UPDATE webhook_endpoints SET secret = $3"
		   " WHERE tenant_id = $1 AND id = $2",
		   ARG_I64(tenant_id), ARG_UUID(id),
		   ARG_TEXT(secret_seal(op, SECRET_WEBHOOK, context, plain)));
}

bool webhook_secrets_reseal(struct op *op, int64_t *ret_done, int64_t *ret_kept)
{
	struct db_rows rows;
	int64_t done = 0;

	/* Deleted ones as well: an old key may go only when none needs it. */
	if (!db_list(op, &rows,
		     "SELECT tenant_id, id, secret FROM webhook_endpoints"
		     " ORDER BY tenant_id, id FOR UPDATE"))
		return false;
	db_each (row, &rows) {
		if (secret_is_newest(db_text(&row, "secret")))
			continue;
		if (!reseal_row(op, &row))
			return false;
		done++;
	}
	*ret_done = done;
	*ret_kept = (int64_t)rows.count - done;
	return true;
}
