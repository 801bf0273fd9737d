/*
 * crm: closed by no_transport as long as no CRM is connected to the
 * tenant; connections are made by the connectors of the API.
 */
#include "deliver/channel.h"

static bool crm_ready(const struct sender *sender)
{
	(void)sender;
	return false;
}

static bool crm_send(struct op *op, struct sender *sender,
		     const struct outgoing *out, struct sent *ret)
{
	(void)op;
	(void)sender;
	(void)out;
	ret->result = SEND_PERMANENT;
	ret->error = "no CRM is connected";
	return true;
}

const struct channel channel_crm = {
	.name = "crm",
	.ready = crm_ready,
	.send = crm_send,
};
