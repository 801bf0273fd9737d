/*
 * Outcomes that became known, added to the record of their playbooks. In the
 * order of the ids, so that two who add at once do not wait for each other.
 */
#include "store/outcome.h"

#include "db/db.h"

bool outcomes_count(struct op *op, const char *const *interventions, size_t n)
{
	return db_exec(
	    op, NULL,
	    "INSERT INTO playbook_results AS r (tenant_id, playbook_id,"
	    " positive, measured)"
	    " SELECT $1, o.playbook_id,"
	    " count(*) FILTER (WHERE o.outcome = 'positive'), count(*)"
	    " FROM outcomes o WHERE o.tenant_id = $1"
	    " AND o.intervention_id = ANY ($2) AND o.outcome <> 'pending'"
	    " AND o.cause IS DISTINCT FROM 'not_delivered'"
	    " AND o.playbook_id IS NOT NULL"
	    " GROUP BY o.playbook_id ORDER BY o.playbook_id"
	    " ON CONFLICT (tenant_id, playbook_id) DO UPDATE SET"
	    " positive = r.positive + excluded.positive,"
	    " measured = r.measured + excluded.measured",
	    ARG_I64(op->tenant_id), ARG_UUIDS(interventions, n));
}
