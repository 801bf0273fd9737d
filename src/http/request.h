/*
 * One HTTP request, read from FastCGI by the worker and filled in by the
 * router (path parameters) and the dispatcher (query). Handlers only read.
 *
 * All texts are UTF-8 without NUL and live until the op ends (arena).
 * Not for bodies: body.h decodes them; rq->body is the raw bytes, which
 * signature checks need.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/op.h"

enum http_method {
	HTTP_GET = 1,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_METHODS, /* any other method ends as 405 */
};

#define REQUEST_PARAMS_MAX   64
#define REQUEST_SEGMENTS_MAX 16

/* A name and value, of the path, the query or the cookie. */
struct request_param {
	const char *name;
	const char *value;
};

struct request {
	enum http_method method;
	bool head;	  /* HEAD: handled as GET, sent without body */
	const char *path; /* as sent, without query; for nothing but routing */
	const char *query_text; /* after '?', as sent; "" when none */

	/* The path's segments, decoded. path_bad: no route can match. */
	const char *segments[REQUEST_SEGMENTS_MAX];
	size_t segment_count;
	bool path_bad;

	struct request_param path_params[REQUEST_SEGMENTS_MAX];
	size_t path_param_count;
	struct request_param *query; /* by request_parse_query() */
	size_t query_count;

	/* Headers: NULL when absent or empty. */
	const char *authorization;
	const char *cookie;
	const char *content_type;
	const char *origin;
	const char *csrf; /* X-Retivo-CSRF */
	const char *user_agent;
	const char *idempotency_key;
	const char *signature; /* X-Signature or Stripe-Signature */

	const char *body; /* NUL-terminated behind body_len; may hold NUL */
	size_t body_len;

	const char *remote_addr; /* the peer that nginx saw; "" if unknown */
	const char *id;		 /* request id, also op->tag */
	const char *allow;	 /* set by the router on a 405 and OPTIONS */
	int64_t started_us;	 /* clock_monotonic() when it was accepted */
};

/* static: "GET"; "?" for a number that is none. */
const char *http_method_name(enum http_method method);

/*
 * Sets method, head, path, segments and query_text of *rq from the texts of
 * the request line. Never fails: a method that we do not know, a bad path
 * (percent signs, NUL, bad UTF-8, too many segments) are noted in *rq and
 * end as 405 and 404 in the router.
 */
void request_parse_target(struct op *op, struct request *rq, const char *method,
			  const char *uri);

/*
 * Decodes the query. Fails: FAIL_INVALID naming each parameter that is
 * badly encoded, not UTF-8, holds NUL, or is given twice.
 */
MUST_CHECK bool request_parse_query(struct op *op, struct request *rq);

/* The path parameter of the route's pattern; must exist (assert). */
const char *request_path_param(const struct request *rq, const char *name);

/*
 * The path parameter when it is a UUID. Else fails FAIL_NOT_FOUND
 * "not_found": a malformed id is an id that nothing has.
 */
MUST_CHECK bool request_path_uuid(struct op *op, const struct request *rq,
				  const char *name, const char **ret);

/* The query parameter, or NULL when absent. It may be "". */
const char *request_query(const struct request *rq, const char *name);

/*
 * Typed query parameters. Absent or empty: *ret is left as the caller set
 * it (its default). Wrong: fails FAIL_INVALID naming the parameter.
 */
MUST_CHECK bool request_query_i64(struct op *op, const struct request *rq,
				  const char *name, int64_t min, int64_t max,
				  int64_t *ret);
MUST_CHECK bool request_query_bool(struct op *op, const struct request *rq,
				   const char *name, bool *ret);
MUST_CHECK bool request_query_time(struct op *op, const struct request *rq,
				   const char *name, int64_t *ret_us);
/* words ends with NULL; *ret is the static word. */
MUST_CHECK bool request_query_enum(struct op *op, const struct request *rq,
				   const char *name, const char *const *words,
				   const char **ret);

/* The cookie of that name, or NULL. arena. */
const char *request_cookie(struct op *op, const struct request *rq,
			   const char *name);

/* The token of "Authorization: Bearer …", or NULL. Borrowed from rq. */
const char *request_bearer(const struct request *rq);

/* arena: the user of "Authorization: Basic …" (RFC 7617), or NULL. */
const char *request_basic_user(struct op *op, const struct request *rq);

/*
 * arena: percent-decodes len bytes; plus: '+' is a space (queries, forms).
 * NULL when the encoding is bad, or the result is not UTF-8 or holds NUL.
 */
const char *request_decode(struct arena *a, const char *text, size_t len,
			   bool plus);

/*
 * The value of a form body (application/x-www-form-urlencoded), or NULL
 * when absent or badly encoded. arena.
 */
const char *request_form(struct op *op, const struct request *rq,
			 const char *name);

#endif
