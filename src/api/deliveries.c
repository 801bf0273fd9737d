/*
 * What was sent to a webhook endpoint, and sending it once more. The batch
 * posts (batch/stage_webhooks.c); here is only read and made due.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "http/page.h"
#include "store/audit.h"
#include "store/webhook.h"

#define DELIVERY_COLUMNS                                                       \
	"d.id, d.outbox_id AS event_id, o.type, d.status, d.attempts,"         \
	" d.next_attempt_at, d.last_attempt_at, d.last_status,"                \
	" d.last_error, d.last_ms, d.created_at"

static const char *const statuses[] = { "pending", "delivered", "failed",
					"simulated", NULL };

static bool deliveries_list(struct op *op, const struct request *rq,
			    struct response *rs)
{
	static const struct page_spec spec = { "deliveries", "tu", 20, 100 };
	static const char *const keys[] = { "created_at", "id" };
	const char *id, *status = NULL;
	struct db_row endpoint;
	struct db_rows rows;
	struct page page;

	if (!request_path_uuid(op, rq, "id", &id))
		return false;
	bool ok = request_query_enum(op, rq, "status", statuses, &status);
	if (!page_parse(op, rq, &spec, &page) || !ok ||
	    !webhook_endpoint_row(op, id, &endpoint) ||
	    !db_list(op, &rows,
		     "SELECT " DELIVERY_COLUMNS " FROM deliveries d"
		     " JOIN outbox o ON o.tenant_id = d.tenant_id"
		     " AND o.id = d.outbox_id"
		     " WHERE d.tenant_id = $1 AND d.endpoint_id = $2"
		     " AND ($3::text IS NULL OR d.status = $3)"
		     " AND ($4::timestamptz IS NULL"
		     " OR (d.created_at, d.id) < ($4, $5::uuid))"
		     " ORDER BY d.created_at DESC, d.id DESC LIMIT $6",
		     ARG_I64(op->tenant_id), ARG_UUID(id), ARG_TEXT(status),
		     ARG_TIME_IF(page.has_cursor, page.keys[0].i64),
		     ARG_UUID(page.has_cursor ? page.keys[1].text : NULL),
		     ARG_I64(page.limit + 1)))
		return false;
	return reply_page(op, rs, "deliveries", &rows, &spec, &page, keys);
}

/* The same id and bytes again; the attempts go on counting. */
static bool deliveries_redeliver(struct op *op, const struct request *rq,
				 struct response *rs)
{
	const char *id, *delivery;
	struct db_row row;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !request_path_uuid(op, rq, "delivery", &delivery) ||
	    !webhook_endpoint_row(op, id, &row))
		return false;
	if (!db_bool(&row, "active"))
		return op_fail(op, FAIL_CONFLICT, "endpoint_disabled",
			       "the endpoint is disabled; an update makes it"
			       " active again");
	return db_one(op, &row,
		      "UPDATE deliveries d SET status = CASE d.status"
		      " WHEN 'simulated' THEN d.status ELSE 'pending' END,"
		      " next_attempt_at = CASE d.status WHEN 'simulated'"
		      " THEN NULL ELSE $4::timestamptz END FROM outbox o"
		      " WHERE d.tenant_id = $1 AND d.endpoint_id = $2"
		      " AND d.id = $3 AND o.tenant_id = d.tenant_id"
		      " AND o.id = d.outbox_id RETURNING " DELIVERY_COLUMNS,
		      ARG_I64(op->tenant_id), ARG_UUID(id), ARG_UUID(delivery),
		      ARG_TIME(op->now_us)) &&
	       audit_put(op, auth_actor(op), "webhook.redeliver", delivery,
			 NULL, NULL) &&
	       reply_row(op, rs, 200, &row);
}

const struct route deliveries_routes[] = {
	{ HTTP_GET, "/api/webhooks/endpoints/{id}/deliveries", ACCESS_ADMIN,
	  deliveries_list, "listDeliveries", 0 },
	{ HTTP_POST,
	  "/api/webhooks/endpoints/{id}/deliveries/{delivery}/redeliver",
	  ACCESS_ADMIN, deliveries_redeliver, "redeliver", 0 },
};
const size_t deliveries_route_count = ARRAY_LEN(deliveries_routes);
