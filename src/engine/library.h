/*
 * The ready-made playbooks: the documents of templates/playbooks/, to be
 * looked at and copied, never changed.
 */
#ifndef ENGINE_LIBRARY_H
#define ENGINE_LIBRARY_H

#include "base/json_in.h"

struct library_item {
	const char *key; /* "win-back-7-days" */
	struct json_object *document;
};

/* arena: all, by key. Fails: FAIL_INTERNAL when they cannot be read. */
MUST_CHECK bool library_load(struct op *op, struct library_item **ret,
			     size_t *ret_count);

#endif
