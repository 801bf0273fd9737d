/*
 * The outbox: bodies of webhook events and their rows. The stage that
 * empties it is batch/stage_webhooks.c.
 */
#include "store/outbox.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "base/uuid.h"
#include "db/db.h"

/* A message is at most some 100 kB; more is a bug of the caller. */
#define BODY_MAX_BYTES ((size_t)1 << 20)

static void metadata_write(struct json_out *j, const struct outbox_event *event)
{
	json_key(j, "metadata");
	json_open(j, '{');
	if (event->lifecycle_stage != NULL) {
		json_pair(j, "lifecycle_stage", event->lifecycle_stage);
		json_key(j, "activation_score");
		json_double(j, event->activation_score);
		json_pair(j, "risk_level", event->risk_level);
	}
	json_close(j);
}

const char *outbox_event_body(struct op *op, const char *id,
			      const struct outbox_event *event)
{
	struct str body;
	struct json_out j;

	str_init(&body, op->arena, BODY_MAX_BYTES);
	json_init(&j, &body);
	json_open(&j, '{');
	json_pair(&j, "type", event->type);
	json_pair(&j, "id", id);
	json_pair(&j, "timestamp", clock_write(op->arena, op->now_us));
	json_pair(&j, "intervention_id", event->intervention_id);
	json_pair(&j, "user_id", event->user_id);
	json_pair(&j, "playbook_id", event->playbook_id);
	json_pair(&j, "channel", event->channel);
	json_pair(&j, "message_body", event->message_body);
	json_pair(&j, "reasoning", event->reasoning);
	json_key(&j, "confidence");
	if (event->has_confidence)
		json_double(&j, event->confidence);
	else
		json_null(&j);
	metadata_write(&j, event);
	json_close(&j);
	if (event->extra != NULL) {
		body.bytes[--body.len] = '\0'; /* reopens the object */
		str_printf(&body, ",%s}", event->extra);
	}
	return str_ok(&body) ? body.bytes : NULL;
}

static bool put(struct op *op, const char *const *ids, const char *const *types,
		const char *const *payloads, size_t n)
{
	return db_exec(op, NULL,
		       "INSERT INTO outbox (tenant_id, id, type, payload,"
		       " created_at) SELECT $1, e.id, e.type, e.payload, $2"
		       " FROM unnest($3::uuid[], $4::text[], $5::text[])"
		       " AS e(id, type, payload)",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_UUIDS(ids, n), ARG_TEXTS(types, n),
		       ARG_TEXTS(payloads, n));
}

bool outbox_put_events(struct op *op, const struct outbox_event *events,
		       size_t n)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, n);
	const char **types = ARENA_ARRAY(op->arena, const char *, n);
	const char **payloads = ARENA_ARRAY(op->arena, const char *, n);

	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++) {
		ids[i] = uuid_new(op);
		types[i] = events[i].type;
		payloads[i] = outbox_event_body(op, ids[i], &events[i]);
		if (payloads[i] == NULL)
			return op_fail(op, FAIL_INTERNAL, "event_too_large",
				       "the %s event is too large", types[i]);
	}
	return put(op, ids, types, payloads, n);
}

bool outbox_put(struct op *op, const char *type, const char *payload)
{
	const char *id = uuid_new(op);

	return put(op, &id, &type, &payload, 1);
}

bool outbox_put_mail(struct op *op, const struct outbox_mail *mail)
{
	struct str payload;
	struct json_out j;

	str_init(&payload, op->arena, BODY_MAX_BYTES);
	json_init(&j, &payload);
	json_open(&j, '{');
	json_pair(&j, "to", mail->to);
	json_pair(&j, "name", mail->name);
	json_pair(&j, "tenant", mail->tenant);
	json_pair(&j, "url", mail->url);
	json_pair(&j, "expires", mail->expires);
	json_close(&j);
	if (!str_ok(&payload))
		return op_fail(op, FAIL_INTERNAL, "mail_too_large",
			       "the mail is too large");
	return outbox_put(op, mail->type, payload.bytes);
}
