/*
 * Interventions: the insert of many, and the one function that changes a
 * status. Both write intervention_log in the same statement, so there is no
 * transition without its row in the log.
 *
 * All run inside the caller's transaction. Texts are borrowed.
 */
#ifndef STORE_INTERVENTION_H
#define STORE_INTERVENTION_H

#include "base/op.h"
#include "db/db_row.h"

/* A new row. NULL is SQL null but for id, which is then made. */
struct intervention {
	const char *id; /* set by interventions_insert() when NULL */
	const char *user_id;
	const char *playbook_id;
	int64_t playbook_version; /* 0: null */
	const char *decision_id;
	const char *source; /* automatic | manual */
	const char *status; /* planned | shadow */
	const char *channel;
	const char *subject;
	const char *message_body;
	const char *reasoning;
	bool has_confidence;
	double confidence;
	const char *quality_checks; /* JSON; NULL: not checked yet */
	bool checks_passed;	    /* null while quality_checks is NULL */
	bool shadow;
	const char *severity;	   /* of an escalation; NULL: by the risk */
	const char *escalation_id; /* that was delegated to this row */
	bool inserted; /* out: false when an open one stood in the way */
};

/*
 * Inserts n rows and their first log rows, created and planned at the op's
 * clock. An automatic row that would be a second open one of the same
 * customer and playbook is left out; see rows[].inserted.
 * Fails: FAIL_CONFLICT for an unknown customer or playbook.
 */
MUST_CHECK bool interventions_insert(struct op *op, struct intervention *rows,
				     size_t n, const char *actor);

/*
 * SQL: the hash of what was approved, over interventions i. At the claim
 * it must still equal i.content_hash.
 */
#define INTERVENTION_HASH_SQL                                                  \
	"sha256(convert_to(json_build_array(i.channel, i.subject,"             \
	" i.message_body)::text, 'UTF8'))"

/*
 * What can happen to an intervention; an escalation, which is one with the
 * channel 'escalate', knows cancel, handle and delegate alone. One table row in
 * intervention.c holds from which statuses, to which, and the code when it may
 * not.
 */
/* What a message can go by, in no order; NULL ends the list. */
#define INTERVENTION_CHANNELS 4
extern const char *const intervention_channels[INTERVENTION_CHANNELS + 1];

enum intervention_verb {
	INTERVENTION_APPROVE,	/* planned → approved: binds text and stage */
	INTERVENTION_PAUSE,	/* planned, approved → planned, paused_at */
	INTERVENTION_REJECT,	/* planned → rejected */
	INTERVENTION_LAPSE,	/* approved → planned, lapsed_at */
	INTERVENTION_EXPIRE,	/* planned → expired */
	INTERVENTION_CANCEL,	/* planned, approved → cancelled */
	INTERVENTION_CLAIM,	/* approved → sending */
	INTERVENTION_RETRY,	/* sending → approved, next_attempt_at */
	INTERVENTION_SENT,	/* sending → sent */
	INTERVENTION_DELIVERED, /* sending, sent → delivered */
	INTERVENTION_FAIL,	/* approved, sending, sent → failed */
	INTERVENTION_ROLL_BACK, /* approved, sent, delivered → rolled_back */
	INTERVENTION_HANDLE,	/* an escalation: planned → handled */
	INTERVENTION_DELEGATE,	/* an escalation: planned → delegated */
	INTERVENTION_VERBS
};

struct intervention_move {
	enum intervention_verb verb;
	const char *const *ids;
	size_t n;
	const char *actor;	 /* 'batch', 'key:<id>', 'person:<id>', … */
	const char *reason;	 /* or NULL */
	int64_t next_attempt_us; /* RETRY only */
	bool simulated;		 /* SENT, DELIVERED: nothing left the host */
	int64_t version;	 /* only while it is the newest; 0: any */
};

/*
 * Moves those of the ids whose status allows the verb; of two at once one
 * wins. ret_moved (may be NULL) has a row for each moved: id, status,
 * user_id, playbook_id, channel. None moved is not a failure.
 */
MUST_CHECK bool interventions_move(struct op *op,
				   const struct intervention_move *move,
				   struct db_rows *ret_moved);

/*
 * Moves one. Fails: FAIL_NOT_FOUND "not_found" when it is unknown,
 * "is_escalation" when only messages know the verb, and when its status
 * does not allow it "not_planned" (approve, reject), "not_pausable"
 * (pause), "not_approved" (lapse, claim), "not_sending" (retry, sent),
 * "not_delivered" (roll back), "not_open" (handle, delegate), …
 */
MUST_CHECK bool intervention_move(struct op *op, enum intervention_verb verb,
				  const char *id, const char *actor,
				  const char *reason);

/* A person's decision on one message. */
struct intervention_call {
	enum intervention_verb verb;
	const char *id;
	const char *actor;
	const char *reason; /* or NULL */
	int64_t version;    /* of the text that was seen; 0: any */
};

/*
 * The same for a person. Fails also: FAIL_CONFLICT "stale_version" with
 * `current` when the status allows the move and the text was edited since.
 */
MUST_CHECK bool intervention_move_seen(struct op *op,
				       const struct intervention_call *call);

/*
 * The same for a person's request, as the first change of its transaction:
 * an attempt that the status or the version does not allow (somebody else was
 * first) is written to the audit log as "intervention.refused" and committed.
 */
MUST_CHECK bool intervention_move_by_hand(struct op *op,
					  enum intervention_verb verb,
					  const char *id, const char *actor,
					  const char *reason);
MUST_CHECK bool intervention_move_seen_by_hand(
    struct op *op, const struct intervention_call *call);

/* True when such a move failed because somebody else was first. */
bool intervention_was_refused(const struct op *op);

/*
 * arena: fails FAIL_CONFLICT "stale_version" with `current` unless seen is 0
 * or the version that the message is at.
 */
MUST_CHECK bool intervention_version_check(struct op *op, int64_t seen,
					   int64_t current);

/*
 * Cancels the unsent automatic rows of a playbook that is paused or
 * archived (reason "playbook_inactive").
 */
MUST_CHECK bool interventions_cancel_of_playbook(struct op *op,
						 const char *playbook_id,
						 const char *actor);

#endif
