/*
 * Replay: a decision made again from what was stored with it and nothing
 * else: the customer's state as it was, the winner's playbook and the config
 * in their versions of then, the facts, the records of all that were
 * offered, and the bytes that a model was sent and answered. What can be
 * made again must come out the same, byte for byte:
 *
 *   winner        arbitrated again among those that were offered
 *   draw          of the playbook and the customer
 *   facts         those that the customer's row tells, read from it again;
 *                 of events and milestones they are taken as stored
 *   escalate      by escalate_when, where the row tells it
 *   action to message_body: planned again, or read from the model's answer;
 *                 the note from a bad answer, while that nobody answered
 *                 (in time, or without an error) is taken as stored
 *   prompt_data   all that the model was told, but for the company's texts
 *   prompt_texts  the product's own around it, as they are now
 *
 * Not made again: who matched, and the gates.
 */
#ifndef ENGINE_REPLAY_H
#define ENGINE_REPLAY_H

#include "base/op.h"

enum replay_state {
	REPLAY_SAME,
	REPLAY_DIFFERS,
	REPLAY_AS_STORED, /* nothing that is kept tells it once more */
	REPLAY_CHANGED,	  /* no part of the decision: the product's texts */
};

struct replay_part {
	const char *name; /* static: "winner", "message_body", … */
	const char *stored, *replayed; /* arena; NULL: none */
	enum replay_state state;
};

struct replay {
	bool erased; /* the customer was; there are no parts then */
	const char *planner;
	struct replay_part *parts;
	size_t count;
	bool same; /* no part differs */
};

/*
 * Replays a decision of op->tenant_id, inside the caller's transaction;
 * changes nothing. arena. Fails: FAIL_NOT_FOUND; FAIL_CONFLICT
 * "not_replayable" when what was stored lacks something (decisions from
 * before schema version 10).
 */
MUST_CHECK bool replay_decision(struct op *op, const char *id,
				struct replay *ret);

#endif
