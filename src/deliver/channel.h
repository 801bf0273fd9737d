/*
 * What a delivery channel is: one const struct a channel, one file each.
 * deliver/deliver.c holds the table of them.
 */
#ifndef DELIVER_CHANNEL_H
#define DELIVER_CHANNEL_H

#include "deliver/deliver.h"

struct channel {
	const char *name;
	/*
	 * The event intervention.delivered is put when the message is sent,
	 * not when it is delivered: the event is the message.
	 */
	bool event_is_message;
	/* False: the gate no_transport is closed. */
	bool (*ready)(const struct sender *sender);
	/*
	 * Sends, outside a transaction; false only for what is not the
	 * message's fault.
	 */
	bool (*send)(struct op *op, struct sender *sender,
		     const struct outgoing *out, struct sent *ret);
};

extern const struct channel channel_email;
extern const struct channel channel_in_app;
extern const struct channel channel_webhook;
extern const struct channel channel_crm;

#endif
