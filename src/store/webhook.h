/*
 * A tenant's webhook endpoints: who is told of what. The secret is shown
 * once, when the endpoint is made, and sealed at rest.
 */
#ifndef STORE_WEBHOOK_H
#define STORE_WEBHOOK_H

#include "base/op.h"
#include "db/db_row.h"

/* SQL: endpoint w listens to a type; no events means all of them. */
#define WEBHOOK_LISTENS_SQL(type)                                              \
	"(w.status = 'active' AND (w.events = '{}'"                            \
	" OR " type " = ANY (w.events)))"

/* The types that an endpoint may name; ends with NULL. */
extern const char *const webhook_event_types[];

struct webhook_endpoint {
	const char *url;	 /* checked by http_url_problem() before */
	const char *description; /* or NULL */
	const char *const *events;
	size_t event_count; /* 0: all */
	const char *id;	    /* out: arena */
	const char *secret; /* out: arena, "whsec_…" */
};

/* Inserts an active endpoint, inside the caller's transaction. */
MUST_CHECK bool webhook_endpoint_add(struct op *op,
				     struct webhook_endpoint *endpoint);

/* What a change sets; NULL members stay. */
struct webhook_change {
	const char *url;
	const char *description;
	bool has_events;
	const char *const *events;
	size_t event_count; /* 0 with has_events: all */
};

#define WEBHOOK_COLUMNS                                                        \
	"w.id, w.url, w.description, CASE WHEN w.events = '{}' THEN NULL"      \
	" ELSE to_jsonb(w.events) END AS subscribed_events,"                   \
	" w.status = 'active' AS active, w.created_at, w.updated_at"

/* The endpoints that are not deleted, oldest first: WEBHOOK_COLUMNS. */
MUST_CHECK bool webhook_endpoint_rows(struct op *op, struct db_rows *ret);

/* One of them. Fails: FAIL_NOT_FOUND. */
MUST_CHECK bool webhook_endpoint_row(struct op *op, const char *id,
				     struct db_row *ret);

/*
 * Changes one, which makes a disabled one active again, with its waiting
 * deliveries. Fails: FAIL_NOT_FOUND.
 */
MUST_CHECK bool webhook_endpoint_change(struct op *op, const char *id,
					const struct webhook_change *change);

/* Ends one; what waits for it is not sent. Fails: FAIL_NOT_FOUND. */
MUST_CHECK bool webhook_endpoint_delete(struct op *op, const char *id);

/* Opens a sealed secret. Fails: FAIL_INTERNAL "sealed_unreadable". */
MUST_CHECK bool webhook_secret_open(struct op *op, const char *endpoint_id,
				    const char *sealed, const char **ret);

/*
 * Seals the secrets of all tenants' endpoints anew with the newest key,
 * those that have it already excepted, inside the caller's transaction. For
 * the admin role. ret_done: how many were; ret_kept: how many had it.
 * Fails: FAIL_INTERNAL "sealed_unreadable" when a key is missing; the detail
 * names the row.
 */
MUST_CHECK bool webhook_secrets_reseal(struct op *op, int64_t *ret_done,
				       int64_t *ret_kept);

#endif
