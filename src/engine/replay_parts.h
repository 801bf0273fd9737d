/*
 * The parts of replay that its files share; nobody else includes this.
 */
#ifndef ENGINE_REPLAY_PARTS_H
#define ENGINE_REPLAY_PARTS_H

#include "engine/decide_parts.h"

/* What a decision was made from, read back. */
struct replay_then {
	const char *id;
	struct db_row row;
	struct json_object *rules, *inputs;
	struct tenant_config config;
	struct playbook playbook;
	struct plan_tenant tenant;
	struct plan_customer customer;
	struct plan_fact *facts;
	struct contender *offered;
	size_t offered_count;
	struct plan_input in;
};

/* Fails FAIL_CONFLICT "not_replayable", always. */
bool replay_lacks(struct op *op, const char *what);

/* A json or jsonb column, parsed; NULL: SQL null. */
MUST_CHECK bool replay_parse(struct op *op, const struct db_row *row,
			     const char *column, struct json_object **ret);

/* The decision's row, with its versions and its call to a model. */
MUST_CHECK bool replay_load_row(struct op *op, const char *id,
				struct db_row *ret);

/* All else, from the row and id, which are set. Not of an erased customer. */
MUST_CHECK bool replay_load(struct op *op, struct replay_then *t);

#endif
