/*
 * The condition on user_id that match, refresh and the like put into their
 * statements.
 */
#include "engine/user_set.h"

void user_set_write(const struct user_set *set, struct sql *q,
		    const struct sql_literal *alias)
{
	sql_add(q, " AND ");
	sql_add_literal(q, alias);
	if (!set->are_range) {
		sql_add(q, ".user_id = ANY (");
		sql_arg(q, ARG_TEXTS(set->ids, set->count));
		sql_add(q, ")");
		return;
	}
	sql_add(q, ".user_id BETWEEN ");
	sql_arg(q, ARG_TEXT(set->ids[0]));
	sql_add(q, " AND ");
	sql_arg(q, ARG_TEXT(set->ids[set->count - 1]));
}
