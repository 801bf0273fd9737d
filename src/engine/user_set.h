/*
 * Some customers of a tenant as a statement reads them: a range of ids where
 * they are one, else the single ids.
 */
#ifndef ENGINE_USER_SET_H
#define ENGINE_USER_SET_H

#include "db/sql.h"

/* In order of their bytes, each once; borrowed. */
struct user_set {
	const char *const *ids;
	size_t count;
	/*
	 * They are all that there were from the first to the last: such a
	 * range is read several times as fast as single ids. Who came
	 * between since is read, too.
	 */
	bool are_range;
};

/* Appends " AND <alias>.user_id …". An empty set is no range. */
void user_set_write(const struct user_set *set, struct sql *q,
		    const struct sql_literal *alias);

#endif
