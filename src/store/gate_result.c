#include "store/gate_result.h"

#include "db/db.h"

bool gate_results_put(struct op *op, const char *const *user_ids,
		      const char *const *playbook_ids, const char *const *gates,
		      size_t n)
{
	return n == 0 ||
	       db_exec(op, NULL,
		       "INSERT INTO gate_results AS o (tenant_id, user_id,"
		       " playbook_id, gate, since)"
		       " SELECT $1, u, p, g, $2 FROM unnest($3::text[],"
		       " $4::uuid[], $5::text[]) x (u, p, g)"
		       " WHERE g IS NOT NULL"
		       " ON CONFLICT (tenant_id, user_id, playbook_id)"
		       " DO UPDATE SET gate = excluded.gate,"
		       " since = excluded.since"
		       " WHERE o.gate <> excluded.gate",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_TEXTS(user_ids, n), ARG_UUIDS(playbook_ids, n),
		       ARG_TEXTS(gates, n));
}
