/*
 * The outbox: what must go out because of a change, written in the
 * transaction of the change. stage_webhooks fans events out to the
 * tenant's endpoints and sends the mails.
 *
 * The payload is stored as text: each try sends the same bytes.
 */
#ifndef STORE_OUTBOX_H
#define STORE_OUTBOX_H

#include "base/op.h"

/*
 * A webhook event: "intervention.delivered", "user.stage_changed",
 * "user.risk_changed", "decision.recommended", "outcome.recorded",
 * "webhook.test". Members that are NULL are left out of the body, but for
 * those that the body always has (they become null): intervention_id,
 * user_id, playbook_id, channel, message_body, reasoning, confidence.
 */
struct outbox_event {
	const char *type;
	const char *intervention_id;
	const char *user_id;
	const char *playbook_id;
	const char *channel;
	const char *message_body;
	const char *reasoning;
	bool has_confidence;
	double confidence;
	/* metadata of the body; stage NULL leaves metadata empty */
	const char *lifecycle_stage;
	double activation_score;
	const char *risk_level;
	/* more JSON members of the body: `"previous":"new"`; or NULL */
	const char *extra;
};

/*
 * arena: the flat body of an event: type, id, timestamp (the op's clock),
 * then the members above.
 */
const char *outbox_event_body(struct op *op, const char *id,
			      const struct outbox_event *event);

/* Puts n events, in order. */
MUST_CHECK bool outbox_put_events(struct op *op,
				  const struct outbox_event *events, size_t n);

/* Puts any JSON payload under a new id. */
MUST_CHECK bool outbox_put(struct op *op, const char *type,
			   const char *payload);

/*
 * A mail to a member, by templates/email/<the type without "mail.">.txt
 * and .html: "mail.invitation", "mail.password_reset". The payload holds
 * the link and is emptied once the mail is handed over.
 */
struct outbox_mail {
	const char *type;
	const char *to;	     /* an address (parse_is_email) */
	const char *name;    /* of the person, or NULL */
	const char *tenant;  /* name of the tenant, or NULL */
	const char *url;     /* what the button opens */
	const char *expires; /* "7 days"; or NULL */
};

MUST_CHECK bool outbox_put_mail(struct op *op, const struct outbox_mail *mail);

#endif
