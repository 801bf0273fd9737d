#include "store/match_queue.h"

#include "db/db.h"

bool match_queue_put(struct op *op, const char *const *user_ids, size_t count)
{
	return db_defer(
	    op,
	    "WITH w AS (SELECT unnest($2::text[]) AS user_id)" MATCH_QUEUE_PUT,
	    ARG_I64(op->tenant_id), ARG_TEXTS(user_ids, count));
}
