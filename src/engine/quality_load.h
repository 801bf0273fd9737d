/*
 * Quality checks with what they need read from the database, for many
 * messages in one statement: the check stage, manual messages, dry-run.
 */
#ifndef ENGINE_QUALITY_LOAD_H
#define ENGINE_QUALITY_LOAD_H

#include "engine/quality.h"

/* Days and number of earlier messages that repetition looks at. */
#define QUALITY_RECENT_DAYS 60
#define QUALITY_RECENT_MAX  10

struct quality_subject {
	const char *id; /* of the intervention itself, left out; or NULL */
	const char *user_id;
	const char *playbook_id; /* or NULL */
	const char *channel;
	const char *subject;	      /* or NULL */
	const char *message;	      /* or NULL */
	struct quality_result result; /* out */
};

/* Inside the caller's transaction. Fails: FAIL_NOT_FOUND for a user. */
MUST_CHECK bool quality_check_many(struct op *op, struct quality_subject *all,
				   size_t count);

#endif
