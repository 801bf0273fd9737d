/*
 * Which customers match looks at, and when: match_queue, at most one row a
 * customer, apart from customers so that match writes narrow rows. Whoever
 * changes what an entry condition or a gate can read puts the customer here
 * in the same transaction, or asks for a look at everybody (rules_touch()).
 * Without a row only new rules make match look again.
 */
#ifndef STORE_MATCH_QUEUE_H
#define STORE_MATCH_QUEUE_H

#include "base/op.h"

/*
 * The end of a statement "WITH w AS (…)", w having a user_id for each
 * customer that changed, with the tenant as $1. In the order of the ids, so
 * that two at once wait for each other and never in a circle. Affects as
 * many rows as w has.
 */
#define MATCH_QUEUE_PUT                                                        \
	" INSERT INTO match_queue AS q (tenant_id, user_id, due_at, changes)"  \
	" SELECT $1, user_id, '-infinity', 1 FROM w ORDER BY user_id"          \
	" ON CONFLICT (tenant_id, user_id) DO UPDATE"                          \
	" SET due_at = excluded.due_at, changes = q.changes + 1"

/* Queues the same for customers of op->tenant_id who are there. */
MUST_CHECK bool match_queue_put(struct op *op, const char *const *user_ids,
				size_t count);

#endif
