/*
 * Typed arguments → libpq parameter arrays (types, values, lengths,
 * formats), all arena. Only src/db includes this.
 */
#ifndef DB_ARGS_H
#define DB_ARGS_H

#include "db/db.h"

#include <libpq-fe.h>

struct args {
	Oid *types;
	const char **values;
	int *lengths;
	int *formats;
};

/* Fails: FAIL_INTERNAL "bad_argument" for a malformed uuid in an array. */
MUST_CHECK bool args_encode(struct op *op, const struct db_arg *args,
			    size_t count, struct args *ret);

/* What `ANY($n)` prints in explain: the value as readable text. arena. */
const char *args_text(struct arena *a, const struct db_arg *arg);

#endif
