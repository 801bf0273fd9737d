/*
 * Replay: a decision made again from what was stored with it and nothing
 * else: the customer's state as it was, the winner's playbook and the config
 * in their versions of then, the facts, the records of all that were
 * offered, the draw, and the bytes that a model answered. Every part must
 * come out the same, byte for byte.
 */
#ifndef ENGINE_REPLAY_H
#define ENGINE_REPLAY_H

#include "base/op.h"

struct replay_part {
	const char *name; /* static: "winner", "message_body", … */
	const char *stored, *replayed; /* arena; NULL: none */
	bool same;
};

struct replay {
	bool erased; /* the customer was; there are no parts then */
	const char *planner;
	struct replay_part *parts;
	size_t count;
	bool same; /* all parts */
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
