/*
 * webhook: the message is the event intervention.delivered, put into the
 * outbox with the status sent, in one transaction. batch/stage_webhooks.c
 * posts it; the first 2xx makes it delivered.
 */
#include "deliver/channel.h"

static bool webhook_ready(const struct sender *sender)
{
	return sender->has_endpoints;
}

static bool webhook_send(struct op *op, struct sender *sender,
			 const struct outgoing *out, struct sent *ret)
{
	(void)op;
	(void)sender;
	(void)out;
	ret->result = SEND_SENT;
	return true;
}

const struct channel channel_webhook = {
	.name = "webhook",
	.event_is_message = true,
	.ready = webhook_ready,
	.send = webhook_send,
};
