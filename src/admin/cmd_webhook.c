/*
 * retivo-admin webhook add: an endpoint for a tenant. The secret is shown
 * this once.
 */
#include "admin/accounts.h"
#include "admin/admin.h"
#include "db/db_tx.h"
#include "net/http_client.h"
#include "store/webhook.h"

#define EVENTS_MAX 16

/* "a,b" → the known types; false names the one that is not. */
static bool events_parse(struct op *op, const char *text, const char **ret,
			 size_t *ret_count)
{
	size_t n = 0;

	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, ",");
		const char *event = arena_strndup(op->arena, text, len);
		size_t type = 0;

		while (webhook_event_types[type] != NULL &&
		       !streq(webhook_event_types[type], event))
			type++;
		if (webhook_event_types[type] == NULL || n == EVENTS_MAX)
			return admin_usage(op, "no such event: %s", event);
		ret[n++] = webhook_event_types[type];
		text += len + (text[len] == ',');
	}
	*ret_count = n;
	return true;
}

bool cmd_webhook_add(struct op *op, int argc, char **argv)
{
	const char *list = NULL, *events[EVENTS_MAX];
	struct webhook_endpoint endpoint = { .events = events };
	int64_t tenant_id = 0;
	const struct admin_option options[] = {
		{ "--tenant", .ret_number = &tenant_id },
		{ "--events", .ret_text = &list },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options),
			 &endpoint.url, 1))
		return false;
	if (endpoint.url == NULL)
		return admin_usage(op, "the URL is missing");
	const char *problem = http_url_problem(op->config, endpoint.url);
	if (problem != NULL)
		return admin_usage(op, "the URL: %s", problem);
	if (!events_parse(op, list, events, &endpoint.event_count))
		return false;
	if (!admin_use_tenant(op, tenant_id) || !db_begin(op) ||
	    !webhook_endpoint_add(op, &endpoint) ||
	    !account_audit(op, "webhook.create", endpoint.id) || !db_commit(op))
		return false;
	printf("id=%s\nsecret=%s\n", endpoint.id, endpoint.secret);
	return true;
}
