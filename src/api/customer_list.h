/*
 * GET /api/customers: filters, order, pages, and the stream of all.
 */
#ifndef API_CUSTOMER_LIST_H
#define API_CUSTOMER_LIST_H

#include "db/db.h"
#include "http/router.h"

/*
 * What every answer about a customer shows, over the alias c; next_action
 * comes beside it in the list.
 */
#define CUSTOMER_COLUMNS                                                       \
	"c.user_id AS id, coalesce(c.name, c.email, c.user_id) AS name,"       \
	" c.email, c.company, c.role, c.team_size, c.locale,"                  \
	" c.lifecycle_stage, c.health, c.engagement_score,"                    \
	" c.expansion_score, c.risk_level, c.last_activity_at, c.created_at,"  \
	" c.activation_score, c.timezone, c.plan, c.opted_out"

/*
 * Writes the scores with their parts under key, of a row that has
 * CUSTOMER_PARTS; null before the first refresh.
 */
#define CUSTOMER_PARTS                                                         \
	" c.lifecycle_stage AS _stage, c.stage_reason AS _reason,"             \
	" c.score_parts AS _parts"
void customer_parts_member(struct json_out *j, const char *key,
			   const struct db_row *row);

/* The same for rows of score_ledger, each with its parts. */
#define LEDGER_COLUMNS                                                         \
	" at, what, old_value, new_value, cause, stage AS _stage,"             \
	" reason AS _reason, parts AS _parts"
void customer_ledger_member(struct json_out *j, const char *key,
			    const struct db_rows *rows);

bool customer_list(struct op *op, const struct request *rq,
		   struct response *rs);

#endif
