/*
 * The edge: everything of a request that is the same for all operations.
 * Handlers run between BEGIN and COMMIT with their input's form checked,
 * and what they fail with becomes an answer and one log line here.
 */
#include "api/dispatch.h"

#include "api/auth.h"
#include "api/vendor_body.h"
#include "base/clock.h"
#include "base/log.h"
#include "db/db.h"
#include "db/db_tx.h"

#define TRIES_MAX 3

/* What the dispatcher found out about one request. */
struct call {
	const struct router *router;
	const struct route *route; /* NULL: none, or OPTIONS */
	const struct route *path;  /* some route of this path, or NULL */
	struct auth_token token;
};

static bool is_deferred(const struct route *route)
{
	return (route->flags & (ROUTE_DEFERRED_AUTH | ROUTE_READ)) != 0;
}

/* Opens the transaction that the route wants and checks who asks. */
static bool enter(struct op *op, const struct call *call)
{
	const struct route *route = call->route;
	bool alone = (route->flags & ROUTE_NO_TX) != 0;

	if (route->access == ACCESS_NONE)
		return alone || db_begin(op);
	if (!db_begin(op))
		return false;
	if (is_deferred(route))
		return auth_check_deferred(op, &call->token);
	return auth_check(op, &call->token) && (!alone || db_commit(op));
}

static bool leave(struct op *op, const struct call *call,
		  const struct response *rs)
{
	if (!str_ok(&rs->body))
		return op_fail(op, FAIL_INTERNAL, "answer_too_large",
			       "the answer is too large");
	if (call->route->flags & ROUTE_NO_TX)
		return true;
	return call->route->flags & ROUTE_READ ? db_leave(op) : db_commit(op);
}

static bool attempt(struct op *op, const struct call *call, struct request *rq,
		    struct response *rs)
{
	if (!enter(op, call))
		return false;
	if (rq->query == NULL && !request_parse_query(op, rq))
		return false;
	return call->route->handler(op, rq, rs) && leave(op, call, rs);
}

/* A deadlock or the like: the same request may go well now. */
static bool is_retry(const struct op *op, const struct response *rs)
{
	return !rs->streaming && db_may_retry(op);
}

static bool handle(struct op *op, const struct call *call, struct request *rq,
		   struct response *rs)
{
	for (int try = 1;; try++) {
		if (attempt(op, call, rq, rs))
			return true;
		db_rollback(op);
		if (!is_retry(op, rs))
			return false;
		op_clear(op);
		op->principal = NULL;
		rs->header_count = 0;
		if (try == TRIES_MAX)
			return op_fail(op, FAIL_UNAVAILABLE, "busy",
				       "other changes came in between, try "
				       "again");
	}
}

/*
 * Where the key check was to travel with a statement that never ran, a bad
 * key comes first: nobody without a key learns what is wrong with a body.
 */
static void check_late(struct op *op, const struct call *call)
{
	struct fail found = op->fail;

	op_clear(op);
	if (db_begin(op) && auth_check(op, &call->token))
		op->fail = found;
	db_rollback(op);
}

static bool answer_options(struct op *op, const struct call *call,
			   const struct request *rq, struct response *rs)
{
	response_empty(rs, 204);
	if (!response_header(op, rs, "Allow", rq->allow))
		return false;
	if (!(call->path->flags & ROUTE_CORS))
		return true;
	return response_header(op, rs, "Access-Control-Allow-Methods",
			       rq->allow) &&
	       response_header(op, rs, "Access-Control-Allow-Headers",
			       "authorization, content-type, x-retry-count") &&
	       response_header(op, rs, "Access-Control-Max-Age", "86400");
}

static bool run(struct op *op, struct call *call, struct request *rq,
		struct response *rs)
{
	bool ok;

	if (!router_find(op, call->router, rq, &call->route, &call->path))
		return false;
	if (call->route == NULL)
		return answer_options(op, call, rq, rs);
	if (call->route->flags & ROUTE_VENDOR)
		vendor_body_key(op, rq);
	if (call->route->access != ACCESS_NONE &&
	    !auth_parse(op, rq, call->route->access, &call->token))
		return false;
	ok = handle(op, call, rq, rs);
	if (!ok && is_deferred(call->route) &&
	    response_status(op->fail.kind) < 500 &&
	    op->fail.kind != FAIL_UNAUTHENTICATED &&
	    op->fail.kind != FAIL_FORBIDDEN)
		check_late(op, call);
	auth_explain(op, call->route->access);
	return ok;
}

static void allow_browsers(struct op *op, const struct call *call,
			   struct response *rs)
{
	bool ok = true;

	if (call->path != NULL && (call->path->flags & ROUTE_CORS) &&
	    !rs->streaming)
		ok = response_header(op, rs, "Access-Control-Allow-Origin",
				     "*") &&
		     response_header(op, rs, "Access-Control-Expose-Headers",
				     "X-Request-Id, Retry-After");
	(void)ok; /* constant values are good values */
}

/*
 * One line a request: never the path as sent, a query, a key or a text of
 * the client's. The detail of a failure only where the fault is ours.
 */
static void log_request(struct op *op, const struct call *call,
			const struct request *rq, const struct response *rs)
{
	const struct fail *fail = &op->fail;
	enum log_level level = LOG_INFO;
	const char *detail = "";

	if (fail->kind == FAIL_INTERNAL)
		level = LOG_ERROR;
	else if (fail->kind == FAIL_UNAVAILABLE)
		level = LOG_WARN;
	if (level != LOG_INFO && fail->detail != NULL)
		detail = arena_printf(op->arena, " detail=%s",
				      log_quote(op->arena, fail->detail));
	log_write(level, "request",
		  "request=%s method=%s route=%s status=%d us=%lld "
		  "tenant=%lld bytes=%zu code=%s%s%s",
		  rq->id, rq->head ? "HEAD" : http_method_name(rq->method),
		  call->path != NULL ? call->path->pattern : "-", rs->status,
		  (long long)(clock_monotonic() - rq->started_us),
		  (long long)op->tenant_id, rs->sent,
		  op_failed(op) ? fail->code : "-",
		  rs->broken ? " cut=yes" : "", detail);
}

void dispatch(struct op *op, struct request *rq, struct response *rs, void *ctx)
{
	struct call call = { .router = ctx };

	if (op_failed(op) || !run(op, &call, rq, rs))
		response_fail(op, rq, rs);
	allow_browsers(op, &call, rs);
	if (!response_send(op, rs))
		rs->broken = true;
	log_request(op, &call, rq, rs);
	db_finish(op);
}
