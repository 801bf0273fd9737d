/*
 * Routes: const tables of method, pattern, access and handler, and the
 * index over them that is built once at start and lives with the process.
 *
 * A pattern is literal segments and parameters: "/api/playbooks/{id}".
 * Where both fit, the literal wins ("/api/customers/stats").
 */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "http/request.h"
#include "http/response.h"

/* The least right that an operation needs; 1–4 are role_rank() in SQL. */
enum access {
	ACCESS_NONE,
	ACCESS_INGEST,
	ACCESS_VIEWER,
	ACCESS_EDITOR,
	ACCESS_ADMIN,
	ACCESS_MEMBER, /* a signed-in person of any role; keys get 403 */
};

enum route_flag {
	/*
	 * The key check travels with the handler's first statement in one
	 * round trip: auth_principal() is not there before it.
	 */
	ROUTE_DEFERRED_AUTH = 1,
	/* The dispatcher opens no transaction; for ACCESS_NONE routes that
	 * find their tenant themselves, then db_begin() and db_commit(). */
	ROUTE_NO_TX = 2,
	/* Browsers of any origin may call it, without cookies. */
	ROUTE_CORS = 4,
	/*
	 * It only reads and asks nothing of auth_principal(): the key check
	 * travels with its first statement, and nobody waits for COMMIT.
	 */
	ROUTE_READ = 8,
	/*
	 * As vendors' libraries call it: a final slash names the same path,
	 * and the key may come in the body (api/vendor_body.h).
	 */
	ROUTE_VENDOR = 16,
};

/*
 * Reads rq, writes rs. Runs in a transaction bound to op->tenant_id, which
 * the dispatcher commits when it returns true and rolls back when false.
 */
typedef bool (*handler_fn)(struct op *op, const struct request *rq,
			   struct response *rs);

struct route {
	enum http_method method;
	const char *pattern;
	enum access access;
	handler_fn handler;
	const char *operation_id;
	unsigned flags; /* of enum route_flag */
};

struct route_list {
	const struct route *routes;
	size_t count;
};

struct router;

/*
 * Builds the index. owned: free with router_free(). lists and their routes
 * are borrowed (static). A bad or doubled pattern is a programming error.
 */
struct router *router_new(const struct route_list *lists, size_t count);
void router_free(struct router *router);

/*
 * Finds the route of rq->method and rq->segments and sets rq->path_params.
 * *ret is NULL, with true, for OPTIONS on a known path. Sets rq->allow on
 * OPTIONS and on 405; *ret_any is then one of the path's routes.
 * Fails: FAIL_NOT_FOUND "route_not_found", FAIL_METHOD_NOT_ALLOWED.
 */
MUST_CHECK bool router_find(struct op *op, const struct router *router,
			    struct request *rq, const struct route **ret,
			    const struct route **ret_any);

/* static: "none", "ingest", …, "member". */
const char *access_name(enum access access);

#endif
