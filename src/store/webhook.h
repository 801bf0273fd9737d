/*
 * A tenant's webhook endpoints: who is told of what. The secret is shown
 * once, when the endpoint is made, and sealed at rest.
 */
#ifndef STORE_WEBHOOK_H
#define STORE_WEBHOOK_H

#include "base/op.h"

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

/* Opens a sealed secret. Fails: FAIL_INTERNAL "sealed_unreadable". */
MUST_CHECK bool webhook_secret_open(struct op *op, const char *endpoint_id,
				    const char *sealed, const char **ret);

#endif
