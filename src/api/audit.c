/*
 * The audit log as its admins read it: newest first. Rows are written by
 * store/audit.h and sealed by the batch; nothing here changes them.
 */
#include "api/reply.h"
#include "api/routes.h"
#include "db/db.h"
#include "http/page.h"

/* A filter that is absent or empty: NULL. */
static const char *filter_text(const struct request *rq, const char *name)
{
	const char *text = request_query(rq, name);

	return text == NULL || *text == '\0' ? NULL : text;
}

static bool audit_list(struct op *op, const struct request *rq,
		       struct response *rs)
{
	static const struct page_spec spec = { "audit", "tu", 50, 200 };
	static const char *const keys[] = { "at", "id" };
	int64_t from_us = DB_TIME_NULL, to_us = DB_TIME_NULL;
	struct page page;
	struct db_rows rows;

	bool ok = request_query_time(op, rq, "from", &from_us);
	ok &= request_query_time(op, rq, "to", &to_us);
	if (!page_parse(op, rq, &spec, &page) || !ok)
		return false;
	if (!db_list(op, &rows,
		     "SELECT id, at, actor, action, object, request_id,"
		     " before, after, seq, encode(hash, 'hex') AS hash"
		     " FROM audit_log WHERE tenant_id = $1"
		     " AND ($2::text IS NULL OR actor = $2)"
		     " AND ($3::text IS NULL OR action = $3)"
		     " AND ($4::text IS NULL OR object = $4)"
		     " AND ($5::timestamptz IS NULL OR at >= $5)"
		     " AND ($6::timestamptz IS NULL OR at < $6)"
		     " AND ($7::timestamptz IS NULL"
		     " OR (at, id) < ($7, $8::uuid))"
		     " ORDER BY at DESC, id DESC LIMIT $9",
		     ARG_I64(op->tenant_id), ARG_TEXT(filter_text(rq, "actor")),
		     ARG_TEXT(filter_text(rq, "action")),
		     ARG_TEXT(filter_text(rq, "object")),
		     ARG_TIME_IF(from_us != DB_TIME_NULL, from_us),
		     ARG_TIME_IF(to_us != DB_TIME_NULL, to_us),
		     ARG_TIME_IF(page.has_cursor, page.keys[0].i64),
		     ARG_UUID(page.has_cursor ? page.keys[1].text : NULL),
		     ARG_I64(page.limit + 1)))
		return false;
	return reply_page(op, rs, "audit", &rows, &spec, &page, keys);
}

const struct route audit_routes[] = {
	{ HTTP_GET, "/api/audit", ACCESS_ADMIN, audit_list, "listAudit", 0 },
};
const size_t audit_route_count = ARRAY_LEN(audit_routes);
