/*
 * A tenant's webhook endpoints. Events reach them by the batch; only a test
 * is sent by the API itself, after its transaction has ended.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/uuid.h"
#include "db/db_tx.h"
#include "deliver/post.h"
#include "http/body.h"
#include "http/shared.h"
#include "net/http_client.h"
#include "store/audit.h"
#include "store/outbox.h"
#include "store/plan.h"
#include "store/tenant.h"
#include "store/webhook.h"

#define EVENTS_MAX	16
#define TEST_TIMEOUT_MS 8000

struct endpoint_in {
	const char *url, *description;
	struct text_list events;
	bool has_events;
};

static const struct field create_fields[] = {
	FIELD_TEXT(struct endpoint_in, url, true, 1, 2000, .one_line = true),
	FIELD_TEXT(struct endpoint_in, description, false, 0, 500),
	FIELD_TEXTS(struct endpoint_in, events, false, 0, EVENTS_MAX),
};

static const struct field update_fields[] = {
	FIELD_TEXT(struct endpoint_in, url, false, 1, 2000, .one_line = true),
	FIELD_TEXT(struct endpoint_in, description, false, 0, 500),
	FIELD_TEXTS(struct endpoint_in, events, false, 0, EVENTS_MAX,
		    .nullable = true,
		    FIELD_HAS(struct endpoint_in, has_events)),
};

static bool is_type(const char *text)
{
	for (size_t i = 0; webhook_event_types[i] != NULL; i++)
		if (streq(webhook_event_types[i], text))
			return true;
	return false;
}

/* What the table of fields cannot say; with the rest of what is wrong. */
static bool check_in(struct op *op, const struct endpoint_in *in)
{
	const char *problem =
	    in->url != NULL ? http_url_problem(op->config, in->url) : NULL;

	if (problem != NULL)
		op_fail_at(op, "url", "%s", problem);
	for (size_t i = 0; i < in->events.count; i++)
		if (in->events.items[i] != NULL && /* named as no text */
		    !is_type(in->events.items[i]))
			op_fail_at(op,
				   arena_printf(op->arena, "events[%zu]", i),
				   "is not an event");
	return !op_failed(op);
}

static bool webhooks_list(struct op *op, const struct request *rq,
			  struct response *rs)
{
	struct db_rows rows;

	(void)rq;
	return webhook_endpoint_rows(op, &rows) &&
	       reply_rows(op, rs, 200, "endpoints", &rows);
}

static void write_endpoint(struct response *rs, int status,
			   const struct db_row *row, const char *secret)
{
	struct json_out j;

	response_json_begin(rs, status, &j);
	json_open(&j, '{');
	json_key(&j, "endpoint");
	json_open(&j, '{');
	db_row_members(&j, row);
	if (secret != NULL)
		json_pair(&j, "secret", secret);
	json_close(&j);
	json_close(&j);
}

static bool webhooks_create(struct op *op, const struct request *rq,
			    struct response *rs)
{
	struct endpoint_in in = { 0 };
	struct db_row row;
	bool good =
	    body_decode(op, rq, create_fields, ARRAY_LEN(create_fields), &in);

	if (!check_in(op, &in) || !good || !plan_room(op, PLAN_WEBHOOKS))
		return false;
	struct webhook_endpoint new = {
		.url = in.url,
		.description = in.description,
		.events = in.events.items,
		.event_count = in.events.count,
	};
	if (!webhook_endpoint_add(op, &new) ||
	    !webhook_endpoint_row(op, new.id, &row) ||
	    !audit_put(op, auth_actor(op), "webhook.create", new.id, NULL,
		       NULL))
		return false;
	write_endpoint(rs, 201, &row, new.secret);
	return true;
}

static bool webhooks_update(struct op *op, const struct request *rq,
			    struct response *rs)
{
	const char *id;
	struct endpoint_in in = { 0 };
	struct db_row row;

	if (!request_path_uuid(op, rq, "id", &id))
		return false;
	bool good =
	    body_decode(op, rq, update_fields, ARRAY_LEN(update_fields), &in);
	if (!check_in(op, &in) || !good)
		return false;
	struct webhook_change change = {
		.url = in.url,
		.description = in.description,
		.has_events = in.has_events || in.events.items != NULL,
		.events = in.events.items,
		.event_count = in.events.count,
	};
	if (!webhook_endpoint_change(op, id, &change) ||
	    !webhook_endpoint_row(op, id, &row) ||
	    !audit_put(op, auth_actor(op), "webhook.update", id, NULL, NULL))
		return false;
	write_endpoint(rs, 200, &row, NULL);
	return true;
}

static bool webhooks_delete(struct op *op, const struct request *rq,
			    struct response *rs)
{
	const char *id;

	return request_path_uuid(op, rq, "id", &id) &&
	       webhook_endpoint_delete(op, id) &&
	       audit_put(op, auth_actor(op), "webhook.delete", id, NULL,
			 NULL) &&
	       reply_true(op, rs, 200, "deleted");
}

/* ------------------------------------------------------------------ test -- */

static void write_result(struct response *rs, const struct post *post,
			 bool simulated)
{
	bool success = simulated || post->result == POST_DELIVERED;
	struct json_out j;

	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "test");
	json_open(&j, '{');
	json_key(&j, "success");
	json_boolean(&j, success);
	if (post->answer.status != 0) {
		json_key(&j, "status");
		json_i64(&j, post->answer.status);
	}
	if (post->answer.error != NULL)
		json_pair(&j, "error", post->answer.error);
	else if (!success)
		json_pair(&j, "error", "the endpoint did not answer with 2xx");
	json_key(&j, "simulated");
	json_boolean(&j, simulated);
	json_close(&j);
	json_close(&j);
}

/*
 * Signed as every event is. Its result is only answered: the endpoint's own
 * deliveries and its state stay as they are.
 */
static bool webhooks_test(struct op *op, const struct request *rq,
			  struct response *rs)
{
	const char *id;
	struct outbox_event event = { .type = "webhook.test" };
	struct post_endpoint endpoint;
	struct post post = { .type = event.type,
			     .tries = 1,
			     .timeout_ms = TEST_TIMEOUT_MS,
			     .endpoint = &endpoint };
	struct tenant tenant;
	struct db_row row;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !webhook_endpoint_row(op, id, &row) ||
	    !tenant_load(op, false, &tenant))
		return false;
	endpoint = (struct post_endpoint){ .id = id,
					   .url = db_text(&row, "url"),
					   .sealed = db_text(&row, "_secret") };
	post.event_id = uuid_new(op);
	post.body = outbox_event_body(op, post.event_id, &event);
	if (!tenant.test &&
	    (!shared_take(op, SHARED_OUTWARD) || !db_commit(op) ||
	     !post_all(op, &post, 1, TEST_TIMEOUT_MS)))
		return false;
	write_result(rs, &post, tenant.test);
	return true;
}

const struct route webhooks_routes[] = {
	{ HTTP_GET, "/api/webhooks/endpoints", ACCESS_ADMIN, webhooks_list,
	  "listWebhookEndpoints", 0 },
	{ HTTP_POST, "/api/webhooks/endpoints", ACCESS_ADMIN, webhooks_create,
	  "createWebhookEndpoint", 0 },
	{ HTTP_PUT, "/api/webhooks/endpoints/{id}", ACCESS_ADMIN,
	  webhooks_update, "updateWebhookEndpoint", 0 },
	{ HTTP_DELETE, "/api/webhooks/endpoints/{id}", ACCESS_ADMIN,
	  webhooks_delete, "deleteWebhookEndpoint", 0 },
	{ HTTP_POST, "/api/webhooks/endpoints/{id}/test", ACCESS_ADMIN,
	  webhooks_test, "testWebhookEndpoint", 0 },
};
const size_t webhooks_route_count = ARRAY_LEN(webhooks_routes);
