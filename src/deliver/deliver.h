/*
 * From a claimed intervention to what became of it: channels, the retry
 * schedule, and the rows that tell the result. Which rows may go, and when,
 * is decided before the claim (batch/stage_deliver.c, store/gates.h).
 *
 * Nothing of a test twin leaves the host: it is recorded as simulated.
 */
#ifndef DELIVER_DELIVER_H
#define DELIVER_DELIVER_H

#include "base/op.h"
#include "db/db_row.h"

struct smtp;

/* What the messages of one tenant share. */
struct sender {
	bool test;	    /* a test twin */
	bool has_endpoints; /* somebody hears intervention.delivered */
	bool mail_out;	    /* SMTP or a mail folder is set */
	const char *tenant; /* its name */
	const char *slug;   /* or NULL */
	const char *from;   /* the tenant's own sender; or NULL */
	int64_t attribution_days;
	struct smtp *smtp; /* made with the first mail */
};

/* Loads the tenant of the op. */
MUST_CHECK bool sender_load(struct op *op, struct sender *ret);

/* One message. Texts are borrowed from the claim. */
struct outgoing {
	const char *id, *user_id, *playbook_id, *channel;
	const char *subject, *message_body, *reasoning;
	bool has_confidence;
	double confidence;
	int64_t attempts; /* this one included */
	const char *name, *email, *locale;
	const char *lifecycle_stage, *risk_level;
	double activation_score;
	const char *cta_url; /* of the playbook; or NULL */
};

/* Columns of interventions i, customers c and playbooks p for the above. */
#define OUTGOING_SQL                                                           \
	"i.id, i.user_id, i.playbook_id, i.channel, i.subject,"                \
	" i.message_body, i.reasoning, i.confidence, i.attempts, c.name,"      \
	" c.email, c.locale, c.lifecycle_stage, c.risk_level,"                 \
	" c.activation_score, p.strategy_hints->>'cta_url' AS cta_url"

/* Reads the columns; attempts becomes the number of the coming one. */
void outgoing_read(const struct db_row *row, struct outgoing *ret);

enum send_result {
	SEND_SENT,	/* handed over; delivered when that is known */
	SEND_DELIVERED, /* the other side has it */
	SEND_PERMANENT, /* refused for good */
	SEND_TRANSIENT, /* surely not sent: again later */
	SEND_UNKNOWN,	/* maybe sent: never again by itself */
};

struct sent {
	enum send_result result;
	bool simulated;	   /* nothing left the host */
	const char *error; /* arena: one line; or NULL */
};

/* True when the channel has somewhere to send to; else no_transport. */
bool deliver_ready(const struct sender *sender, const char *channel);

/*
 * Sends one message outside a transaction, by its channel. What a message
 * itself is at fault for (its address, its size) is SEND_PERMANENT.
 */
MUST_CHECK bool deliver_send(struct op *op, struct sender *sender,
			     const struct outgoing *out, struct sent *ret);

/*
 * Writes the result inside the caller's transaction: status and log, the
 * pending outcome, and the event intervention.delivered.
 */
MUST_CHECK bool deliver_record(struct op *op, const struct sender *sender,
			       const struct outgoing *out,
			       const struct sent *sent);

/* Puts the event intervention.delivered of a message. */
MUST_CHECK bool deliver_put_event(struct op *op, const struct outgoing *out);

/* Tries in all, the first included. */
#define RETRY_TRIES 8

/*
 * Microseconds to wait after try number `tries` (from 1) failed: 5 s, 5 min,
 * 30 min, 2 h, 5 h, 10 h, 10 h, each up to a fifth longer by chance. -1
 * when it was the last try.
 */
int64_t retry_delay_us(struct op *op, int64_t tries);

/*
 * Sends a mail of the outbox ("mail.invitation", …; see store/outbox.h) to
 * a member. Outside a transaction.
 */
MUST_CHECK bool deliver_notice(struct op *op, struct sender *sender,
			       const char *id, const char *type,
			       const char *payload, struct sent *ret);

#endif
