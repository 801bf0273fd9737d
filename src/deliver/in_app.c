/*
 * in_app: the stored row is the message. The browser SDK fetches it, which
 * makes it delivered.
 */
#include "deliver/channel.h"

static bool in_app_ready(const struct sender *sender)
{
	(void)sender;
	return true;
}

static bool in_app_send(struct op *op, struct sender *sender,
			const struct outgoing *out, struct sent *ret)
{
	(void)op;
	(void)sender;
	(void)out;
	ret->result = SEND_SENT;
	return true;
}

const struct channel channel_in_app = {
	.name = "in_app",
	.ready = in_app_ready,
	.send = in_app_send,
};
