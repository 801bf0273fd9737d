/*
 * Milestones, and the counts of event names that a milestone, a segment or
 * a playbook began to refer to after their events had come.
 */
#include "batch/refresh.h"

#include "db/db.h"
#include "db/sql.h"

/*
 * The count-th matching event. For a plain first event the daily counts
 * know it; else the events themselves, but only of those who have enough.
 */
static void write_reached(const struct milestone *m, struct sql *q,
			  size_t tenant, size_t name)
{
	if (m->count <= 1 && m->properties == NULL) {
		sql_add(q, "SELECT min(d.first_at) AS at"
			   " FROM customer_event_days d WHERE d.tenant_id = ");
		sql_ref(q, tenant);
		sql_add(q, " AND d.user_id = c.user_id AND d.name_id = k.id");
		return;
	}
	sql_add(q, "SELECT e.ts AS at FROM events e WHERE e.tenant_id = ");
	sql_ref(q, tenant);
	sql_add(q, " AND e.user_id = c.user_id AND e.event = ");
	sql_ref(q, name);
	if (m->properties != NULL) {
		sql_add(q, " AND ");
		condition_write_properties(m->properties, q);
	}
	sql_add(q, " AND (SELECT sum(d.events) FROM customer_event_days d"
		   " WHERE d.tenant_id = ");
	sql_ref(q, tenant);
	sql_add(q, " AND d.user_id = c.user_id AND d.name_id = k.id) >= ");
	sql_arg(q, ARG_I64(m->count));
	sql_add(q, " ORDER BY e.ts OFFSET ");
	sql_arg(q, ARG_I64(m->count - 1));
	sql_add(q, " LIMIT 1");
}

static bool reach(struct op *op, const struct milestone *m,
		  const struct user_list *users, int64_t since_us)
{
	struct sql q;
	size_t tenant, name, milestone;

	sql_init(&q, op->arena);
	tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	name = sql_bind(&q, ARG_TEXT(m->event));
	milestone = sql_bind(&q, ARG_TEXT(m->name));
	sql_add(&q, "INSERT INTO customer_milestones AS m (tenant_id, user_id,"
		    " milestone, reached_at) SELECT ");
	sql_ref(&q, tenant);
	sql_add(&q, ", c.user_id, ");
	sql_ref(&q, milestone);
	sql_add(&q, ", f.at FROM (SELECT name_id AS id FROM event_names"
		    " WHERE tenant_id = ");
	sql_ref(&q, tenant);
	sql_add(&q, " AND name = ");
	sql_ref(&q, name);
	sql_add(&q, ") k, unnest(");
	sql_arg(&q, ARG_TEXTS(users->ids, users->count));
	sql_add(&q, "::text[]) c (user_id) CROSS JOIN LATERAL (");
	write_reached(m, &q, tenant, name);
	sql_add(&q, ") f WHERE f.at IS NOT NULL AND NOT EXISTS (SELECT FROM"
		    " customer_milestones o WHERE o.tenant_id = ");
	sql_ref(&q, tenant);
	sql_add(&q, " AND o.user_id = c.user_id AND o.milestone = ");
	sql_ref(&q, milestone);
	sql_add(&q, " AND o.reached_at < ");
	sql_arg(&q, ARG_TIME(since_us));
	sql_add(&q, ") ON CONFLICT (tenant_id, user_id, milestone) DO UPDATE"
		    " SET reached_at = excluded.reached_at"
		    " WHERE excluded.reached_at < m.reached_at");
	return db_exec_sql(op, NULL, &q);
}

bool refresh_milestones(struct op *op, const struct tenant_config *config,
			const char *event, const struct user_list *users,
			int64_t since_us)
{
	if (users->count == 0)
		return true;
	for (size_t i = 0; i < config->milestone_count; i++) {
		const struct milestone *m = &config->milestones[i];

		if ((event == NULL || streq(m->event, event)) &&
		    !reach(op, m, users, since_us))
			return false;
	}
	return true;
}

bool refresh_uncounted(struct op *op, const char **ret_ids)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT coalesce(string_agg(name_id::text, ','"
		    " ORDER BY name_id), '') AS ids FROM event_names"
		    " WHERE tenant_id = $1 AND wanted AND counted_at IS NULL",
		    ARG_I64(op->tenant_id)))
		return false;
	*ret_ids = db_text(&row, "ids");
	return true;
}

/*
 * Of customers only: an erased user's events that came since the fold looked
 * are deleted by the next one.
 */
static bool count_users(struct op *op, const char *ids, const char *from,
			const char *until, int64_t *ret)
{
	return db_exec(
	    op, ret,
	    "INSERT INTO customer_event_days AS d (tenant_id, user_id,"
	    " name_id, day, events, first_at, last_at)"
	    " SELECT $1, e.user_id, n.name_id,"
	    " (e.ts AT TIME ZONE 'UTC')::date, count(*), min(e.ts), max(e.ts)"
	    " FROM events e JOIN event_names n ON n.tenant_id = e.tenant_id"
	    " AND n.name = e.event"
	    " AND n.name_id = ANY (string_to_array($2, ',')::integer[])"
	    " JOIN customers c ON c.tenant_id = e.tenant_id"
	    " AND c.user_id = e.user_id"
	    " WHERE e.tenant_id = $1 AND e.user_id > $3 AND e.user_id <= $4"
	    " GROUP BY e.user_id, n.name_id, (e.ts AT TIME ZONE 'UTC')::date"
	    " ON CONFLICT (tenant_id, user_id, name_id, day) DO UPDATE SET"
	    " events = excluded.events, first_at = excluded.first_at,"
	    " last_at = excluded.last_at"
	    " WHERE (d.events, d.first_at, d.last_at) IS DISTINCT FROM"
	    " (excluded.events, excluded.first_at, excluded.last_at)",
	    ARG_I64(op->tenant_id), ARG_TEXT(ids), ARG_TEXT(from),
	    ARG_TEXT(until));
}

bool refresh_backfill(struct op *op, const char *ids, const char *after,
		      int64_t *ret_rows, const char **ret_last)
{
	struct user_list users;
	int64_t rows = 0;

	if (!refresh_next_users(op, after, &users))
		return false;
	if (users.count > 0 &&
	    !count_users(op, ids, after, users.ids[users.count - 1], &rows))
		return false;
	*ret_rows = rows;
	*ret_last = NULL;
	if (users.count == REFRESH_SWEEP) {
		*ret_last = users.ids[users.count - 1];
		return true;
	}
	return db_exec(op, NULL,
		       "UPDATE event_names SET counted_at = $3"
		       " WHERE tenant_id = $1 AND counted_at IS NULL"
		       " AND name_id = ANY (string_to_array($2, ',')"
		       "::integer[])",
		       ARG_I64(op->tenant_id), ARG_TEXT(ids),
		       ARG_TIME(op->now_us));
}
