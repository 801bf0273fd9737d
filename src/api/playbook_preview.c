/*
 * Whom conditions, or a playbook of any status, match now: how many, and who.
 * The predicate is the batch's. Gates are not asked: /why does that for one
 * customer.
 */
#include "api/reply.h"
#include "api/routes.h"
#include "db/db.h"
#include "db/sql.h"
#include "engine/playbook_doc.h"
#include "engine/tenant_config.h"
#include "http/body.h"
#include "http/page.h"

#define NAMED                                                                  \
	"c.user_id, coalesce(c.name, c.email, c.user_id) AS name,"             \
	" c.lifecycle_stage, c.health"

/* "FROM … WHERE …" of those whom the conditions match. */
static void write_matching(struct op *op, struct sql *q,
			   const struct condition *entry)
{
	struct condition_at at = { 0 };

	at.tenant = sql_bind(q, ARG_I64(op->tenant_id));
	at.now = sql_bind(q, ARG_TIME(op->now_us));
	sql_add(q, " FROM customers c WHERE c.tenant_id = ");
	sql_ref(q, at.tenant);
	sql_add(q, " AND ");
	condition_write_sql(entry, q, &at);
}

static void write_count(struct op *op, struct sql *q,
			const struct condition *entry)
{
	sql_init(q, op->arena);
	sql_add(q, "SELECT count(*) AS matching_users");
	write_matching(op, q, entry);
}

/* ------------------------------------------------------------ conditions -- */

struct preview_in {
	struct json_object *entry_conditions;
};

static const struct field preview_fields[] = {
	FIELD_JSON(struct preview_in, entry_conditions, true),
};

#define PREVIEW_NAMES 20

/* The statement that counts, for people who want to see it. */
static void write_sql(struct json_out *j, const struct sql *q)
{
	json_key(j, "sql");
	json_open(j, '{');
	json_pair(j, "text", q->text.bytes);
	json_key(j, "parameters");
	sql_write_args(q, j);
	json_close(j);
}

static bool preview_count(struct op *op, const struct request *rq,
			  struct response *rs)
{
	struct preview_in in = { 0 };
	struct tenant_config config;
	struct condition *entry;
	struct db_rows names;
	struct sql count, some;
	struct json_out j;
	struct db_row row;

	if (!body_decode(op, rq, preview_fields, ARRAY_LEN(preview_fields),
			 &in) ||
	    !tenant_config_load(op, &config) ||
	    !condition_parse(op, "entry_conditions", in.entry_conditions,
			     &config.env, &entry))
		return false;
	write_count(op, &count, entry);
	sql_init(&some, op->arena);
	sql_add(&some, "SELECT " NAMED);
	write_matching(op, &some, entry);
	sql_add(&some, " ORDER BY c.user_id LIMIT ");
	sql_count(&some, PREVIEW_NAMES);
	if (!db_one_sql(op, &row, &count) || !db_rows_sql(op, &names, &some))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	db_row_members(&j, &row);
	db_rows_member(&j, "customers", &names);
	write_sql(&j, &count);
	json_close(&j);
	return true;
}

/* ------------------------------------------------------------- playbooks -- */

static bool load_page(struct op *op, const struct condition *entry,
		      const struct page *page, struct db_rows *ret)
{
	struct sql q;

	sql_init(&q, op->arena);
	sql_add(&q, "SELECT " NAMED ", c.risk_level, c.last_activity_at");
	write_matching(op, &q, entry);
	if (page->has_cursor) {
		sql_add(&q, " AND c.user_id > ");
		sql_arg(&q, ARG_TEXT(page->keys[0].text));
	}
	sql_add(&q, " ORDER BY c.user_id LIMIT ");
	sql_count(&q, page->limit + 1);
	return db_rows_sql(op, ret, &q);
}

static bool preview_playbook(struct op *op, const struct request *rq,
			     struct response *rs)
{
	static const char *const keys[] = { "user_id" };
	struct page_spec spec = { NULL, "s", 20, 100 };
	struct tenant_config config;
	struct playbook pb;
	struct db_rows rows;
	struct db_row row;
	struct sql count;
	struct page page;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id))
		return false;
	spec.list = arena_printf(op->arena, "preview:%s", id);
	if (!tenant_config_load(op, &config) ||
	    !playbook_load(op, id, &config, &pb) ||
	    !page_parse(op, rq, &spec, &page) ||
	    !load_page(op, pb.entry, &page, &rows))
		return false;
	/* Counting looks at everybody: once is enough. */
	if (page.has_cursor)
		return reply_page(op, rs, "customers", &rows, &spec, &page,
				  keys);
	write_count(op, &count, pb.entry);
	return db_one_sql(op, &row, &count) &&
	       reply_page_with(op, rs, &row, "customers", &rows, &spec, &page,
			       keys);
}

const struct route playbook_preview_routes[] = {
	{ HTTP_GET, "/api/playbooks/{id}/preview", ACCESS_VIEWER,
	  preview_playbook, "previewPlaybook", 0 },
	{ HTTP_POST, "/api/playbooks/preview-count", ACCESS_VIEWER,
	  preview_count, "previewPlaybookCount", 0 },
};
const size_t playbook_preview_route_count = ARRAY_LEN(playbook_preview_routes);
