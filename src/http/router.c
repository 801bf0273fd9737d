/*
 * Patterns are split once at start; a request is compared segment by
 * segment with the patterns of its length, literal ones first. With some
 * tens of routes that is cheaper than any tree.
 */
#include "http/router.h"

#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>

struct entry {
	const struct route *route;
	size_t segment_count;
	const char *segments[REQUEST_SEGMENTS_MAX]; /* parameters: name only */
	bool is_param[REQUEST_SEGMENTS_MAX];
};

struct router {
	struct arena *arena;
	struct entry *entries; /* sorted: literals before parameters */
	size_t count;
};

static const char *const access_names[] = {
	[ACCESS_NONE] = "none",	    [ACCESS_INGEST] = "ingest",
	[ACCESS_VIEWER] = "viewer", [ACCESS_EDITOR] = "editor",
	[ACCESS_ADMIN] = "admin",   [ACCESS_MEMBER] = "member",
};

const char *access_name(enum access access)
{
	assert(access < ARRAY_LEN(access_names));
	return access_names[access];
}

static void entry_init(struct arena *a, struct entry *e,
		       const struct route *route)
{
	const char *at = route->pattern;

	e->route = route;
	assert(*at == '/');
	while (*at == '/') {
		size_t len = strcspn(++at, "/");
		size_t i = e->segment_count++;

		assert(len > 0 && i < REQUEST_SEGMENTS_MAX);
		e->is_param[i] = at[0] == '{';
		if (e->is_param[i]) {
			assert(at[len - 1] == '}' && len > 2);
			e->segments[i] = arena_strndup(a, at + 1, len - 2);
		} else {
			e->segments[i] = arena_strndup(a, at, len);
		}
		at += len;
	}
}

/* Literal before parameter, at the first place where they differ. */
static int entry_compare(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;

	if (a->segment_count != b->segment_count)
		return a->segment_count < b->segment_count ? -1 : 1;
	for (size_t i = 0; i < a->segment_count; i++) {
		if (a->is_param[i] != b->is_param[i])
			return a->is_param[i] ? 1 : -1;
		if (a->is_param[i])
			continue;
		int order = strcmp(a->segments[i], b->segments[i]);

		if (order != 0)
			return order;
	}
	return (int)a->route->method - (int)b->route->method;
}

struct router *router_new(const struct route_list *lists, size_t count)
{
	struct arena *arena = arena_new();
	struct router *router = ARENA_NEW(arena, struct router);
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += lists[i].count;
	router->arena = arena;
	router->entries = ARENA_ARRAY(arena, struct entry, total);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < lists[i].count; k++)
			entry_init(arena, &router->entries[router->count++],
				   &lists[i].routes[k]);
	qsort(router->entries, total, sizeof(struct entry), entry_compare);
	for (size_t i = 1; i < total; i++)
		assert(entry_compare(&router->entries[i - 1],
				     &router->entries[i]) != 0);
	return router;
}

void router_free(struct router *router)
{
	if (router != NULL)
		arena_free(router->arena);
}

/* The segments of the request that the route has to name. */
static size_t asked_count(const struct entry *e, const struct request *rq)
{
	size_t n = rq->segment_count;

	if ((e->route->flags & ROUTE_VENDOR) && n > 0 &&
	    *rq->segments[n - 1] == '\0')
		n--;
	return n;
}

static bool entry_matches(const struct entry *e, const struct request *rq)
{
	if (e->segment_count != asked_count(e, rq))
		return false;
	for (size_t i = 0; i < e->segment_count; i++) {
		bool same = e->is_param[i]
				? *rq->segments[i] != '\0'
				: streq(e->segments[i], rq->segments[i]);

		if (!same)
			return false;
	}
	return true;
}

/* True when both are the same path, whatever the parameters' names. */
static bool same_path(const struct entry *a, const struct entry *b)
{
	for (size_t i = 0; i < a->segment_count; i++)
		if (a->is_param[i] != b->is_param[i] ||
		    (!a->is_param[i] && !streq(a->segments[i], b->segments[i])))
			return false;
	return true;
}

static void set_params(const struct entry *e, struct request *rq)
{
	rq->path_param_count = 0;
	for (size_t i = 0; i < e->segment_count; i++)
		if (e->is_param[i])
			rq->path_params[rq->path_param_count++] =
			    (struct request_param){ e->segments[i],
						    rq->segments[i] };
}

static void allow_add(struct op *op, struct request *rq, enum http_method m)
{
	const char *name = http_method_name(m);

	if (m == HTTP_GET)
		name = "GET, HEAD";
	rq->allow = rq->allow == NULL
			? name
			: arena_printf(op->arena, "%s, %s", rq->allow, name);
}

bool router_find(struct op *op, const struct router *router, struct request *rq,
		 const struct route **ret, const struct route **ret_any)
{
	const struct entry *first = NULL;

	rq->allow = NULL;
	for (size_t i = 0; i < router->count && !rq->path_bad; i++) {
		const struct entry *e = &router->entries[i];

		if (!entry_matches(e, rq) ||
		    (first != NULL && !same_path(first, e)))
			continue;
		if (first == NULL)
			first = e;
		if (e->route->method == rq->method) {
			rq->allow = NULL;
			set_params(e, rq);
			*ret = *ret_any = e->route;
			return true;
		}
		allow_add(op, rq, e->route->method);
	}
	if (first == NULL)
		return op_fail(op, FAIL_NOT_FOUND, "route_not_found",
			       "no operation has this path");
	*ret_any = first->route;
	if (rq->method != HTTP_OPTIONS)
		return op_fail(op, FAIL_METHOD_NOT_ALLOWED,
			       "method_not_allowed", "this path takes only: %s",
			       rq->allow);
	*ret = NULL;
	return true;
}
