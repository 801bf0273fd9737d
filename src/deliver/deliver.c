/*
 * Delivery of one claimed message: the table of channels, what a result
 * means for the intervention, and the schedule of retries that mails and
 * webhooks share.
 */
#include "deliver/deliver.h"

#include "base/clock.h"
#include "base/config.h"
#include "db/db.h"
#include "deliver/channel.h"
#include "store/intervention.h"
#include "store/outbox.h"
#include "store/webhook.h"

#define ACTOR		 "batch"
#define MAIL_WAIT_MIN_US US_PER_MINUTE

static const struct channel *const channels[] = {
	&channel_email,
	&channel_in_app,
	&channel_webhook,
	&channel_crm,
};

static const struct channel *channel_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
		if (streq(channels[i]->name, name))
			return channels[i];
	}
	return NULL;
}

bool sender_load(struct op *op, struct sender *ret)
{
	struct db_row row;

	if (!db_one(
		op, &row,
		"SELECT g.mode = 'test' AS test, t.name, t.slug,"
		" t.mail_from, coalesce((t.config->>'attribution_days')"
		"::numeric, 14)::bigint AS attribution_days,"
		" EXISTS (SELECT FROM webhook_endpoints w"
		" WHERE w.tenant_id = $1"
		" AND " WEBHOOK_LISTENS_SQL(
		    "'intervention.delivered'") ") AS has_endpoints"
						" FROM tenant_settings t JOIN tenants g"
						" ON g.tenant_id = t.tenant_id WHERE t.tenant_id = $1",
		ARG_I64(op->tenant_id)))
		return false;
	*ret = (struct sender){
		.test = db_bool(&row, "test"),
		.has_endpoints = db_bool(&row, "has_endpoints"),
		.mail_out = op->config->smtp_url != NULL ||
			    op->config->mail_dir != NULL,
		.tenant = db_text(&row, "name"),
		.slug = db_text(&row, "slug"),
		.from = db_text(&row, "mail_from"),
		.attribution_days = db_i64(&row, "attribution_days"),
	};
	return true;
}

void outgoing_read(const struct db_row *row, struct outgoing *ret)
{
	*ret = (struct outgoing){
		.id = db_text(row, "id"),
		.user_id = db_text(row, "user_id"),
		.playbook_id = db_text(row, "playbook_id"),
		.channel = db_text(row, "channel"),
		.subject = db_text(row, "subject"),
		.message_body = db_text(row, "message_body"),
		.reasoning = db_text(row, "reasoning"),
		.has_confidence = !db_is_null(row, "confidence"),
		.confidence = db_double(row, "confidence"),
		.attempts = db_i64(row, "attempts") + 1,
		.name = db_text(row, "name"),
		.email = db_text(row, "email"),
		.locale = db_text(row, "locale"),
		.lifecycle_stage = db_text(row, "lifecycle_stage"),
		.risk_level = db_text(row, "risk_level"),
		.activation_score = db_double(row, "activation_score"),
		.cta_url = db_text(row, "cta_url"),
	};
}

bool deliver_ready(const struct sender *sender, const char *channel)
{
	const struct channel *found = channel_find(channel);

	return found != NULL && (sender->test || found->ready(sender));
}

bool deliver_send(struct op *op, struct sender *sender,
		  const struct outgoing *out, struct sent *ret)
{
	const struct channel *channel = channel_find(out->channel);

	*ret = (struct sent){ .result = SEND_PERMANENT };
	if (channel == NULL) {
		ret->error = "the channel is unknown";
		return true;
	}
	if (sender->test) {
		ret->result = SEND_DELIVERED;
		ret->simulated = true;
		return true;
	}
	if (channel->send(op, sender, out, ret))
		return true;
	if (op->fail.kind != FAIL_INVALID)
		return false;
	*ret =
	    (struct sent){ .result = SEND_PERMANENT,
			   .error = arena_strdup(op->arena, op->fail.message) };
	op_clear(op);
	return true;
}

bool deliver_put_event(struct op *op, const struct outgoing *out)
{
	struct outbox_event event = {
		.type = "intervention.delivered",
		.intervention_id = out->id,
		.user_id = out->user_id,
		.playbook_id = out->playbook_id,
		.channel = out->channel,
		.message_body = out->message_body,
		.reasoning = out->reasoning,
		.has_confidence = out->has_confidence,
		.confidence = out->confidence,
		.lifecycle_stage = out->lifecycle_stage,
		.activation_score = out->activation_score,
		.risk_level = out->risk_level,
	};

	return outbox_put_events(op, &event, 1);
}

static bool move(struct op *op, enum intervention_verb verb,
		 const struct outgoing *out, const struct sent *sent,
		 int64_t next_attempt_us)
{
	return interventions_move(
	    op,
	    &(struct intervention_move){ .verb = verb,
					 .ids = &out->id,
					 .n = 1,
					 .actor = ACTOR,
					 .reason = sent->error,
					 .next_attempt_us = next_attempt_us,
					 .simulated = sent->simulated },
	    NULL);
}

/* The outcome of what was sent is open until its window ends. */
static bool record_sent(struct op *op, const struct sender *sender,
			const struct outgoing *out, const struct sent *sent)
{
	const struct channel *channel = channel_find(out->channel);
	bool delivered = sent->result == SEND_DELIVERED;
	int64_t window_us = sender->attribution_days * US_PER_DAY;
	struct db_row row;

	if (!move(op, INTERVENTION_SENT, out, sent, 0))
		return false;
	if (delivered && !move(op, INTERVENTION_DELIVERED, out, sent, 0))
		return false;
	if (!db_opt(op, &row,
		    "INSERT INTO outcomes (tenant_id, intervention_id,"
		    " user_id, playbook_id, outcome, window_ends_at)"
		    " SELECT $1, $2, i.user_id, i.playbook_id, 'pending', $3"
		    " FROM interventions i"
		    " WHERE i.tenant_id = $1 AND i.id = $2"
		    " ON CONFLICT (tenant_id, intervention_id) DO NOTHING"
		    " RETURNING user_id",
		    ARG_I64(op->tenant_id), ARG_UUID(out->id),
		    ARG_TIME(op->now_us + window_us)))
		return false;
	if (db_found(&row) && db_is_null(&row, "user_id"))
		return true; /* erased while it was on its way */
	if (delivered || channel->event_is_message)
		return deliver_put_event(op, out);
	return true;
}

bool deliver_record(struct op *op, const struct sender *sender,
		    const struct outgoing *out, const struct sent *sent)
{
	struct sent unknown = *sent;
	int64_t wait_us;

	switch (sent->result) {
	case SEND_SENT:
	case SEND_DELIVERED:
		return record_sent(op, sender, out, sent);
	case SEND_TRANSIENT:
		wait_us = retry_delay_us(op, out->attempts);
		if (wait_us < 0)
			return move(op, INTERVENTION_FAIL, out, sent, 0);
		if (wait_us < MAIL_WAIT_MIN_US)
			wait_us = MAIL_WAIT_MIN_US;
		return move(op, INTERVENTION_RETRY, out, sent,
			    op->now_us + wait_us);
	case SEND_UNKNOWN:
		unknown.error = "outcome_unknown";
		return move(op, INTERVENTION_FAIL, out, &unknown, 0);
	case SEND_PERMANENT:
	default:
		return move(op, INTERVENTION_FAIL, out, sent, 0);
	}
}

int64_t retry_delay_us(struct op *op, int64_t tries)
{
	static const int64_t waits_s[RETRY_TRIES - 1] = {
		5, 300, 1800, 7200, 18000, 36000, 36000,
	};
	uint32_t draw;

	if (tries < 1 || tries >= RETRY_TRIES)
		return -1;
	op->random(&draw, sizeof(draw));
	int64_t wait_us = waits_s[tries - 1] * US_PER_SECOND;
	return wait_us + wait_us / 5 * (draw % 1001) / 1000;
}
