/*
 * What happened to one customer, newest first: what they did, what was
 * written to them, how their state changed and what came of it, merged by
 * time. Each kind reads at most a page from its own index.
 */
#include "api/reply.h"
#include "api/routes.h"
#include "db/db.h"
#include "db/sql.h"
#include "http/page.h"

/*
 * One SELECT a kind over the customer $2 of tenant $1: at, type, key (which
 * tells rows of one time apart) and what it says.
 */
struct kind {
	const char *name;
	struct sql_literal select;
	struct sql_literal at; /* the column of the time */
	struct sql_literal key;
};

static const struct kind kinds[] = {
	{ "event",
	  SQL_LITERAL("SELECT e.ts AS at, 'event' AS type,"
		      " e.tableoid::text || e.ctid::text AS key,"
		      " jsonb_build_object('event', e.event, 'properties',"
		      " coalesce(e.properties, '{}')) AS data FROM events e"
		      " WHERE e.tenant_id = $1 AND e.user_id = $2"
		      " AND left(e.event, 1) <> '$'"),
	  SQL_LITERAL("e.ts"),
	  SQL_LITERAL("(e.tableoid::text || e.ctid::text)") },
	{ "change",
	  SQL_LITERAL("SELECT l.at, 'change' AS type, l.id::text AS key,"
		      " jsonb_build_object('what', l.what, 'old_value',"
		      " l.old_value, 'new_value', l.new_value, 'cause',"
		      " l.cause) AS data FROM score_ledger l"
		      " WHERE l.tenant_id = $1 AND l.user_id = $2"),
	  SQL_LITERAL("l.at"), SQL_LITERAL("l.id::text") },
	{ "milestone",
	  SQL_LITERAL("SELECT m.reached_at AS at, 'milestone' AS type,"
		      " m.milestone AS key, jsonb_build_object("
		      "'milestone', m.milestone) AS data"
		      " FROM customer_milestones m"
		      " WHERE m.tenant_id = $1 AND m.user_id = $2"),
	  SQL_LITERAL("m.reached_at"), SQL_LITERAL("m.milestone") },
	{ "message",
	  SQL_LITERAL("SELECT g.at, 'message' AS type, g.id::text AS key,"
		      " jsonb_build_object('intervention_id', i.id, 'status',"
		      " g.to_status, 'channel', i.channel, 'subject',"
		      " i.subject, 'playbook_id', i.playbook_id,"
		      " 'playbook_name', p.name, 'reason', g.reason) AS data"
		      " FROM interventions i JOIN intervention_log g"
		      " ON g.tenant_id = i.tenant_id"
		      " AND g.intervention_id = i.id"
		      " LEFT JOIN playbooks p ON p.tenant_id = i.tenant_id"
		      " AND p.id = i.playbook_id"
		      " WHERE i.tenant_id = $1 AND i.user_id = $2"
		      " AND g.to_status <> 'sending'"),
	  SQL_LITERAL("g.at"), SQL_LITERAL("g.id::text") },
	{ "outcome",
	  SQL_LITERAL("SELECT o.measured_at AS at, 'outcome' AS type,"
		      " o.intervention_id::text AS key, jsonb_build_object("
		      "'intervention_id', o.intervention_id, 'outcome',"
		      " o.outcome, 'cause', o.cause, 'playbook_name', p.name)"
		      " AS data FROM interventions i JOIN outcomes o"
		      " ON o.tenant_id = i.tenant_id"
		      " AND o.intervention_id = i.id"
		      " LEFT JOIN playbooks p ON p.tenant_id = o.tenant_id"
		      " AND p.id = o.playbook_id"
		      " WHERE i.tenant_id = $1 AND i.user_id = $2"
		      " AND o.outcome <> 'pending'"),
	  SQL_LITERAL("o.measured_at"),
	  SQL_LITERAL("o.intervention_id::text") },
};

/* The last column of the sort tells kinds of one time apart. */
static const struct page_spec spec = { "timeline", "ts", 50, 200 };

static bool is_wanted(const char *types, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = types; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, len) == 0 &&
		    (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return types == NULL;
}

/* Each word of types is a kind. */
static bool check_types(struct op *op, const char *types)
{
	size_t words = types != NULL, known = 0;

	for (const char *at = types; at != NULL && *at != '\0'; at++)
		words += *at == ',';
	for (size_t i = 0; types != NULL && i < ARRAY_LEN(kinds); i++)
		known += is_wanted(types, kinds[i].name);
	return words == known ||
	       op_fail_at(op, "types",
			  "must be some of event, change, milestone,"
			  " message, outcome, separated by commas");
}

static void write_kind(struct sql *q, const struct kind *kind,
		       const struct page *page)
{
	sql_add(q, "(");
	sql_add_literal(q, &kind->select);
	if (page->has_cursor) {
		sql_add(q, " AND (");
		sql_add_literal(q, &kind->at);
		sql_add(q, ", ");
		sql_add_literal(q, &kind->key);
		sql_add(q, " COLLATE \"C\") < (");
		sql_arg(q, ARG_TIME(page->keys[0].i64));
		sql_add(q, ", ");
		sql_arg(q, ARG_TEXT(page->keys[1].text));
		sql_add(q, " COLLATE \"C\")");
	}
	sql_add(q, " ORDER BY 1 DESC, ");
	sql_add_literal(q, &kind->key);
	sql_add(q, " COLLATE \"C\" DESC LIMIT ");
	sql_count(q, page->limit + 1);
	sql_add(q, ")");
}

static bool timeline_get(struct op *op, const struct request *rq,
			 struct response *rs)
{
	static const char *const keys[] = { "at", "_key" };
	const char *user_id = request_path_param(rq, "id");
	const char *types = request_query(rq, "types");
	struct db_rows rows;
	struct page page;
	struct db_row row;
	size_t n = 0;
	struct sql q;

	if (!page_parse(op, rq, &spec, &page) || !check_types(op, types) ||
	    !db_one(op, &row,
		    "SELECT user_id FROM customers"
		    " WHERE tenant_id = $1 AND user_id = $2",
		    ARG_I64(op->tenant_id), ARG_TEXT(user_id)))
		return false;
	sql_init(&q, op->arena);
	sql_bind(&q, ARG_I64(op->tenant_id));
	sql_bind(&q, ARG_TEXT(user_id));
	sql_add(&q, "SELECT at, type, key COLLATE \"C\" AS _key, data FROM (");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!is_wanted(types, kinds[i].name))
			continue;
		if (n++ > 0)
			sql_add(&q, " UNION ALL ");
		write_kind(&q, &kinds[i], &page);
	}
	sql_add(&q, ") x ORDER BY 1 DESC, 3 DESC LIMIT ");
	sql_count(&q, page.limit + 1);
	return db_rows_sql(op, &rows, &q) &&
	       reply_page(op, rs, "timeline", &rows, &spec, &page, keys);
}

const struct route timeline_routes[] = {
	{ HTTP_GET, "/api/customers/{id}/timeline", ACCESS_VIEWER, timeline_get,
	  "getCustomerTimeline", 0 },
};
const size_t timeline_route_count = ARRAY_LEN(timeline_routes);
