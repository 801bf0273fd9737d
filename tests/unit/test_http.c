/*
 * The http layer without processes: requests, bodies, pages, answers,
 * routes. The answer is caught in a buffer instead of FastCGI.
 */
#include "base/config.h"
#include "http/body.h"
#include "http/env_file.h"
#include "http/page.h"
#include "http/request.h"
#include "http/response.h"
#include "http/router.h"
#include "http/shared.h"
#include "suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct arena *arena;
static struct op op;
static struct request rq;
static struct response rs;
static struct str sent;
static size_t send_limit; /* the peer goes away after so many bytes */

static bool catch_bytes(void *ctx, const char *bytes, size_t len)
{
	(void)ctx;
	if (sent.len + len > send_limit)
		return false;
	str_put(&sent, bytes, len);
	return true;
}

static void setup(void)
{
	arena = arena_new();
	op_init(&op, arena, NULL, NULL);
	op.tag = "request-1";
	rq = (struct request){ .id = "request-1", .body = "" };
	str_init(&sent, arena, 1 << 24);
	send_limit = SIZE_MAX;
	response_init(&rs, arena, false, catch_bytes, NULL);
}

static void teardown(void)
{
	arena_free(arena);
}

/* The message of the detail at that path, or NULL. */
static const char *detail(const char *path)
{
	for (struct fail_detail *d = op.fail.fields; d != NULL; d = d->next)
		if (streq(d->path, path))
			return d->message;
	return NULL;
}

static void target(const char *method, const char *uri)
{
	rq = (struct request){ .id = "request-1", .body = "" };
	request_parse_target(&op, &rq, method, uri);
}

static void body(const char *text)
{
	rq.body = text;
	rq.body_len = strlen(text);
}

/* ------------------------------------------------------------ request -- */

START_TEST(request_splits_target)
{
	target("HEAD", "/api/customers/a%2Fb%20c?limit=3&q=x+y&&flag");
	ck_assert_int_eq(rq.method, HTTP_GET);
	ck_assert(rq.head);
	ck_assert(!rq.path_bad);
	ck_assert_uint_eq(rq.segment_count, 3);
	ck_assert_str_eq(rq.segments[2], "a/b c");
	ck_assert(request_parse_query(&op, &rq));
	ck_assert_uint_eq(rq.query_count, 3);
	ck_assert_str_eq(request_query(&rq, "q"), "x y");
	ck_assert_str_eq(request_query(&rq, "flag"), "");
	ck_assert_ptr_null(request_query(&rq, "absent"));
}
END_TEST

static const char *const bad_paths[] = {
	"",
	"api",
	"*",
	"/api/%",
	"/api/%4",
	"/api/%zz",
	"/api/%00",
	"/api/a%00b",
	"/api/%ff",
	"/api/%c0%80",
	"/api/%ed%a0%80",
	"/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a",
};

START_TEST(request_notes_bad_path)
{
	target("GET", bad_paths[_i]);
	ck_assert(rq.path_bad);
	ck_assert(!op_failed(&op));
}
END_TEST

START_TEST(request_names_bad_query)
{
	target("GET", "/api?limit=%ff&limit=3&cursor=%0&b=%00&a=1&a=2");
	ck_assert(!request_parse_query(&op, &rq));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_ptr_nonnull(detail("limit"));
	ck_assert_ptr_nonnull(detail("cursor"));
	ck_assert_ptr_nonnull(detail("b"));
	ck_assert_ptr_nonnull(detail("a"));
}
END_TEST

START_TEST(request_bounds_query)
{
	struct str uri;

	str_init(&uri, arena, 4096);
	str_puts(&uri, "/api?");
	for (int i = 0; i <= REQUEST_PARAMS_MAX; i++)
		str_printf(&uri, "p%d=1&", i);
	target("GET", uri.bytes);
	ck_assert(!request_parse_query(&op, &rq));
	ck_assert_ptr_nonnull(detail("query"));
}
END_TEST

START_TEST(request_reads_typed_query)
{
	static const char *const words[] = { "asc", "desc", NULL };
	const char *order = "asc";
	int64_t limit = 20, since = 0;
	bool open = false;

	target("GET", "/api?limit=7&open=true&order=desc&since="
		      "2026-11-23T00:00:00Z&empty=");
	ck_assert(request_parse_query(&op, &rq));
	ck_assert(request_query_i64(&op, &rq, "limit", 1, 100, &limit));
	ck_assert(request_query_bool(&op, &rq, "open", &open));
	ck_assert(request_query_enum(&op, &rq, "order", words, &order));
	ck_assert(request_query_time(&op, &rq, "since", &since));
	ck_assert_int_eq(limit, 7);
	ck_assert(open);
	ck_assert_str_eq(order, "desc");
	ck_assert_int_eq(since, INT64_C(1795392000000000));
	ck_assert(request_query_i64(&op, &rq, "empty", 1, 100, &limit));
	ck_assert(request_query_i64(&op, &rq, "absent", 1, 100, &limit));
	ck_assert_int_eq(limit, 7);

	target("GET", "/api?limit=abc&open=1&order=up&since=now");
	ck_assert(request_parse_query(&op, &rq));
	ck_assert(!request_query_i64(&op, &rq, "limit", 1, 100, &limit));
	ck_assert(!request_query_bool(&op, &rq, "open", &open));
	ck_assert(!request_query_enum(&op, &rq, "order", words, &order));
	ck_assert(!request_query_time(&op, &rq, "since", &since));
	ck_assert_uint_eq(op.fail.field_count, 4);
	ck_assert_str_eq(detail("order"), "must be one of: asc, desc");
	ck_assert_int_eq(limit, 7);
}
END_TEST

START_TEST(request_reads_headers)
{
	rq.cookie = "a=1; retivo_session=rs_7_x; b=retivo_session=no";
	ck_assert_str_eq(request_cookie(&op, &rq, "retivo_session"), "rs_7_x");
	ck_assert_str_eq(request_cookie(&op, &rq, "a"), "1");
	ck_assert_ptr_null(request_cookie(&op, &rq, "session"));
	ck_assert_ptr_null(request_bearer(&rq));
	rq.authorization = "bearer  rt_live_1_x";
	ck_assert_str_eq(request_bearer(&rq), "rt_live_1_x");
	rq.authorization = "Basic eDp5";
	ck_assert_ptr_null(request_bearer(&rq));
	rq.authorization = "Bearer ";
	ck_assert_ptr_null(request_bearer(&rq));
}
END_TEST

START_TEST(request_reads_form)
{
	body("List-Unsubscribe=One-Click&a=x%20y+z&bad=%zz");
	ck_assert_str_eq(request_form(&op, &rq, "List-Unsubscribe"),
			 "One-Click");
	ck_assert_str_eq(request_form(&op, &rq, "a"), "x y z");
	ck_assert_ptr_null(request_form(&op, &rq, "bad"));
	ck_assert_ptr_null(request_form(&op, &rq, "absent"));
}
END_TEST

/* ------------------------------------------------------------- router -- */

static bool handler(struct op *o, const struct request *q, struct response *s)
{
	(void)o;
	(void)q;
	response_empty(s, 204);
	return true;
}

static const struct route some_routes[] = {
	{ HTTP_GET, "/api/customers/{id}", ACCESS_VIEWER, handler, "one", 0 },
	{ HTTP_GET, "/api/customers/stats", ACCESS_VIEWER, handler, "stats",
	  0 },
	{ HTTP_GET, "/api/customers", ACCESS_VIEWER, handler, "list", 0 },
	{ HTTP_POST, "/api/customers", ACCESS_EDITOR, handler, "create", 0 },
	{ HTTP_POST, "/api/track", ACCESS_INGEST, handler, "track",
	  ROUTE_CORS },
	{ HTTP_PUT, "/api/customers/{id}/notes/{noteId}", ACCESS_EDITOR,
	  handler, "note", 0 },
};

static struct router *some_router(void)
{
	const struct route_list list = { some_routes, ARRAY_LEN(some_routes) };

	return router_new(&list, 1);
}

static const struct {
	const char *method, *uri, *operation; /* NULL: fails */
	enum fail_kind kind;
	const char *allow;
} finds[] = {
	{ "GET", "/api/customers", "list", FAIL_NONE, NULL },
	{ "HEAD", "/api/customers?x=1", "list", FAIL_NONE, NULL },
	{ "GET", "/api/c%75stomers", "list", FAIL_NONE, NULL },
	{ "POST", "/api/customers", "create", FAIL_NONE, NULL },
	{ "GET", "/api/customers/stats", "stats", FAIL_NONE, NULL },
	{ "GET", "/api/customers/stats2", "one", FAIL_NONE, NULL },
	{ "PUT", "/api/customers/a%2Fb/notes/7", "note", FAIL_NONE, NULL },
	{ "GET", "/api", NULL, FAIL_NOT_FOUND, NULL },
	{ "GET", "/", NULL, FAIL_NOT_FOUND, NULL },
	{ "GET", "/api/customers/", NULL, FAIL_NOT_FOUND, NULL },
	{ "GET", "/api//customers", NULL, FAIL_NOT_FOUND, NULL },
	{ "GET", "/api/customers/a/b", NULL, FAIL_NOT_FOUND, NULL },
	{ "GET", "/api/customers/%00", NULL, FAIL_NOT_FOUND, NULL },
	{ "DELETE", "/api/customers", NULL, FAIL_METHOD_NOT_ALLOWED,
	  "GET, HEAD, POST" },
	{ "BREW", "/api/track", NULL, FAIL_METHOD_NOT_ALLOWED, "POST" },
	{ "PUT", "/api/customers/stats", NULL, FAIL_METHOD_NOT_ALLOWED,
	  "GET, HEAD" },
};

START_TEST(router_finds)
{
	struct router *router = some_router();
	const struct route *route = NULL, *any = NULL;

	target(finds[_i].method, finds[_i].uri);
	bool ok = router_find(&op, router, &rq, &route, &any);

	ck_assert_int_eq(ok, finds[_i].operation != NULL);
	if (ok)
		ck_assert_str_eq(route->operation_id, finds[_i].operation);
	ck_assert_int_eq(op.fail.kind, finds[_i].kind);
	if (finds[_i].allow != NULL)
		ck_assert_str_eq(rq.allow, finds[_i].allow);
	/* The path is known, whatever the method: the log names it. */
	ck_assert_int_eq(any != NULL, finds[_i].kind != FAIL_NOT_FOUND);
	router_free(router);
}
END_TEST

START_TEST(router_sets_params)
{
	struct router *router = some_router();
	const struct route *route, *any;
	const char *uuid = NULL;

	target("PUT", "/api/customers/a%2Fb/notes/7");
	ck_assert(router_find(&op, router, &rq, &route, &any));
	ck_assert_str_eq(request_path_param(&rq, "id"), "a/b");
	ck_assert_str_eq(request_path_param(&rq, "noteId"), "7");
	ck_assert(!request_path_uuid(&op, &rq, "noteId", &uuid));
	ck_assert_int_eq(op.fail.kind, FAIL_NOT_FOUND);
	ck_assert_ptr_null(uuid);
	router_free(router);
}
END_TEST

START_TEST(router_answers_options)
{
	struct router *router = some_router();
	const struct route *route = some_routes, *any = NULL;

	target("OPTIONS", "/api/track");
	ck_assert(router_find(&op, router, &rq, &route, &any));
	ck_assert_ptr_null(route);
	ck_assert_str_eq(any->operation_id, "track");
	ck_assert_str_eq(rq.allow, "POST");
	router_free(router);
}
END_TEST

/* --------------------------------------------------------------- body -- */

struct thing {
	const char *name;
	bool enabled;
	int64_t count;
	bool has_count;
	double share;
	const char *kind;
	const char *note;
	bool has_note;
	const char *id;
	const char *email;
	int64_t at;
	struct json_object *hints;
	struct json_object *rows;
	struct json_object *any;
	struct text_list tags;
};

static const char *const kinds[] = { "a", "b", NULL };

static const struct field thing_fields[] = {
	FIELD_TEXT(struct thing, name, true, 1, 10, .one_line = true),
	FIELD_BOOL(struct thing, enabled, false),
	FIELD_I64(struct thing, count, false, 0, 5,
		  FIELD_HAS(struct thing, has_count)),
	FIELD_DOUBLE(struct thing, share, false, 0, 1),
	FIELD_ENUM(struct thing, kind, false, kinds, .as = "theKind"),
	FIELD_TEXT(struct thing, note, false, 0, 3, .nullable = true,
		   .in_chars = true, FIELD_HAS(struct thing, has_note)),
	FIELD_UUID(struct thing, id, false),
	FIELD_EMAIL(struct thing, email, false),
	FIELD_TIME(struct thing, at, false),
	FIELD_JSON(struct thing, hints, false, .json_max = 20),
	FIELD_JSON_ARRAY(struct thing, rows, false, 1, 2),
	FIELD_JSON_ANY(struct thing, any, false),
	FIELD_TEXTS(struct thing, tags, false, 0, 3, .item_max = 4),
};

static bool decode(const char *text, struct thing *ret)
{
	body(text);
	return body_decode(&op, &rq, thing_fields, ARRAY_LEN(thing_fields),
			   ret);
}

START_TEST(body_fills_all_kinds)
{
	struct thing in = { .share = 0.5, .note = "old" };

	ck_assert(
	    decode("{\"name\":\"x\",\"enabled\":true,\"count\":5.0,\"share\":1,"
		   "\"theKind\":\"b\",\"note\":\"\xc3\xa4\xc3\xb6\xc3\xbc\","
		   "\"id\":\"0190c0de-0000-7000-8000-000000000001\","
		   "\"email\":\"a@b.example\",\"at\":\"1970-01-01T00:00:01Z\","
		   "\"hints\":{\"a\":1},\"rows\":[1,2],\"any\":false,"
		   "\"tags\":[\"p\",\"q\"],\"unknown\":1}",
		   &in));
	ck_assert_str_eq(in.name, "x");
	ck_assert(in.enabled && in.has_count && in.has_note);
	ck_assert_int_eq(in.count, 5);
	ck_assert(in.share > 0.99);
	ck_assert_str_eq(in.kind, "b");
	ck_assert_str_eq(in.email, "a@b.example");
	ck_assert_int_eq(in.at, 1000000);
	ck_assert_ptr_nonnull(in.id);
	ck_assert_ptr_nonnull(in.hints);
	ck_assert_ptr_nonnull(in.rows);
	ck_assert_ptr_nonnull(in.any);
	ck_assert_uint_eq(in.tags.count, 2);
	ck_assert_str_eq(in.tags.items[1], "q");
}
END_TEST

START_TEST(body_leaves_absent_alone)
{
	struct thing in = { .count = 4, .note = "old", .enabled = true };

	ck_assert(decode("{\"name\":\"x\",\"count\":null}", &in));
	ck_assert_int_eq(in.count, 4);
	ck_assert(!in.has_count && !in.has_note && in.enabled);
	ck_assert_str_eq(in.note, "old");
	ck_assert_ptr_null(in.tags.items);
}
END_TEST

START_TEST(body_takes_null_where_allowed)
{
	struct thing in = { .note = "old" };

	ck_assert(decode("{\"name\":\"x\",\"note\":null}", &in));
	ck_assert_ptr_null(in.note);
	ck_assert(in.has_note);
}
END_TEST

START_TEST(body_reports_all_fields_at_once)
{
	struct thing in = { 0 };

	ck_assert(!decode(
	    "{\"name\":\"a\\nb\",\"enabled\":1,\"count\":6,\"share\":\"1\","
	    "\"theKind\":\"c\",\"note\":\"abcd\",\"id\":\"7\","
	    "\"email\":\"a b\",\"at\":\"yesterday\","
	    "\"hints\":{\"a\":\"longer than that is\"},\"rows\":[],"
	    "\"tags\":[\"\",\"fine\",\"too long\",3]}",
	    &in));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(op.fail.code, "invalid_request");
	ck_assert_ptr_nonnull(detail("name"));
	ck_assert_ptr_nonnull(detail("enabled"));
	ck_assert_ptr_nonnull(detail("count"));
	ck_assert_ptr_nonnull(detail("share"));
	ck_assert_str_eq(detail("theKind"), "must be one of: a, b");
	ck_assert_ptr_nonnull(detail("note"));
	ck_assert_ptr_nonnull(detail("id"));
	ck_assert_ptr_nonnull(detail("email"));
	ck_assert_ptr_nonnull(detail("at"));
	ck_assert_ptr_nonnull(detail("hints"));
	ck_assert_ptr_nonnull(detail("rows"));
	ck_assert_ptr_nonnull(detail("tags"));
}
END_TEST

static const struct {
	const char *text, *code;
} bad_bodies[] = {
	{ "", "empty_body" },
	{ " \r\n\t", "empty_body" },
	{ "{", "invalid_json" },
	{ "{\"name\":'x'}", "invalid_json" },
	{ "{\"name\":\"\\u0000\"}", "invalid_json" },
	{ "{\"name\":\"\xff\"}", "invalid_json" },
	{ "{\"name\":\"x\"} {}", "invalid_json" },
	{ "[]", "invalid_json" },
	{ "null", "invalid_json" },
	{ "7", "invalid_json" },
	{ "{}", "invalid_request" },
	{ "{\"name\":null}", "invalid_request" },
	{ "{\"name\":\"\"}", "invalid_request" },
	{ "{\"name\":\"12345678901\"}", "invalid_request" },
	{ "{\"name\":[\"x\"]}", "invalid_request" },
};

START_TEST(body_refuses)
{
	struct thing in = { 0 };

	ck_assert(!decode(bad_bodies[_i].text, &in));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(op.fail.code, bad_bodies[_i].code);
}
END_TEST

static const struct {
	const char *type;
	bool ok;
} types[] = {
	{ NULL, true },
	{ "application/json", true },
	{ "Application/JSON; charset=UTF-8", true },
	{ "application/json;charset=\"utf-8\"", true },
	{ "application/json; charset=latin1", false },
	{ "application/jsonp", false },
	{ "text/plain", false },
	{ "application/x-www-form-urlencoded", false },
};

START_TEST(body_checks_content_type)
{
	struct thing in = { 0 };

	rq.content_type = types[_i].type;
	ck_assert_int_eq(decode("{\"name\":\"x\"}", &in), types[_i].ok);
	if (!types[_i].ok)
		ck_assert_int_eq(op.fail.kind, FAIL_UNSUPPORTED_MEDIA);
}
END_TEST

START_TEST(body_may_be_absent)
{
	struct thing in = { .count = 3 };

	body("");
	rq.content_type = "text/plain";
	ck_assert(body_decode_optional(&op, &rq, thing_fields,
				       ARRAY_LEN(thing_fields), &in));
	ck_assert_int_eq(in.count, 3);
}
END_TEST

START_TEST(body_names_nested_paths)
{
	struct thing in = { 0 };
	struct json_object *root;

	body("{\"count\":9,\"extra\":1}");
	ck_assert(body_json(&op, &rq, &root));
	ck_assert(!body_decode_object(&op, root, "things[3]", thing_fields,
				      ARRAY_LEN(thing_fields), &in));
	ck_assert(!body_no_others(&op, root, "things[3]", thing_fields,
				  ARRAY_LEN(thing_fields)));
	ck_assert_ptr_nonnull(detail("things[3].count"));
	ck_assert_ptr_nonnull(detail("things[3].name"));
	ck_assert_ptr_nonnull(detail("things[3].extra"));
}
END_TEST

/* --------------------------------------------------------------- page -- */

static const struct page_spec spec = { "customers:name", "tuis", 20, 100 };

static bool page_of(const char *query, struct page *ret)
{
	target("GET", arena_printf(arena, "/api/x?%s", query));
	return request_parse_query(&op, &rq) &&
	       page_parse(&op, &rq, &spec, ret);
}

START_TEST(page_keeps_keys)
{
	const struct page_key keys[] = {
		{ .i64 = INT64_C(1795392000123456) },
		{ .text = "0190c0de-0000-7000-8000-000000000001" },
		{ .i64 = -7 },
		{ .text = "a:b|\xc3\xa4 \n" },
	};
	const char *cursor = page_cursor(&op, &spec, keys);
	struct page page;

	ck_assert_uint_eq(strspn(cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij"
					 "klmnopqrstuvwxyz0123456789-_"),
			  strlen(cursor));
	ck_assert(
	    page_of(arena_printf(arena, "limit=100&cursor=%s", cursor), &page));
	ck_assert(page.has_cursor);
	ck_assert_int_eq(page.limit, 100);
	ck_assert_int_eq(page.keys[0].i64, keys[0].i64);
	ck_assert_str_eq(page.keys[1].text, keys[1].text);
	ck_assert_int_eq(page.keys[2].i64, -7);
	ck_assert_str_eq(page.keys[3].text, keys[3].text);
	ck_assert(page_of("", &page));
	ck_assert(!page.has_cursor);
	ck_assert_int_eq(page.limit, 20);

	const struct page_spec other = { "customers:age", "tuis", 20, 100 };

	ck_assert(page_of("cursor=", &page));
	target("GET", arena_printf(arena, "/api/x?cursor=%s", cursor));
	ck_assert(request_parse_query(&op, &rq));
	ck_assert(!page_parse(&op, &rq, &other, &page));
	ck_assert_ptr_nonnull(detail("cursor"));
}
END_TEST

/* A cursor with a key that is not of its kind. */
static const char *forged(const char *uuid)
{
	const struct page_spec texts = { "customers:name", "suis", 1, 1 };
	const struct page_key keys[] = {
		{ .text = "1" }, { .text = uuid }, { .i64 = 1 }, { .text = "" }
	};

	return page_cursor(&op, &texts, keys);
}

START_TEST(page_refuses)
{
	static const char *const queries[] = {
		"limit=abc", "limit=0",	      "limit=101",
		"limit=-1",  "limit=1.5",     "limit=99999999999999999999",
		"cursor=x",  "cursor=%2B%2F", "cursor=AAAA",
	};
	struct page page = { .limit = 42 };

	ck_assert(!page_of(queries[_i], &page));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_ptr_nonnull(detail(_i < 6 ? "limit" : "cursor"));
	ck_assert_int_eq(page.limit, 42);
}
END_TEST

START_TEST(page_refuses_forged_keys)
{
	struct page page;

	ck_assert(page_of(
	    arena_printf(arena, "cursor=%s",
			 forged("0190c0de-0000-7000-8000-000000000001")),
	    &page));
	ck_assert(!page_of(
	    arena_printf(arena, "cursor=%s", forged("' OR 1=1 --")), &page));
}
END_TEST

/* ----------------------------------------------------------- response -- */

START_TEST(response_is_sent_whole)
{
	struct json_out j;

	response_json_begin(&rs, 201, &j);
	json_open(&j, '{');
	json_pair(&j, "id", "7");
	json_close(&j);
	ck_assert(response_cookie(&op, &rs, "c", "v", 60));
	ck_assert_uint_eq(sent.len, 0);
	ck_assert(response_send(&op, &rs));
	ck_assert_str_eq(
	    sent.bytes,
	    "Status: 201 Created\r\nContent-Type: application/json\r\n"
	    "Content-Length: 10\r\nX-Request-Id: request-1\r\n"
	    "Set-Cookie: c=v; Path=/; Max-Age=60; HttpOnly; "
	    "Secure; SameSite=Strict\r\n\r\n{\"id\":\"7\"}");
}
END_TEST

START_TEST(response_to_head_has_no_body)
{
	response_init(&rs, arena, true, catch_bytes, NULL);
	str_puts(response_html(&rs, 200), "<p>x");
	ck_assert(response_send(&op, &rs));
	ck_assert_ptr_nonnull(strstr(sent.bytes, "Content-Length: 4\r\n"));
	ck_assert_ptr_null(strstr(sent.bytes, "<p>"));
}
END_TEST

START_TEST(response_refuses_header_injection)
{
	ck_assert(!response_header(&op, &rs, "Location", "x\r\nSet-Cookie: a"));
	ck_assert_int_eq(op.fail.kind, FAIL_INTERNAL);
}
END_TEST

static const struct {
	enum fail_kind kind;
	int status;
	const char *header; /* NULL: none */
} kinds_sent[] = {
	{ FAIL_INVALID, 400, NULL },
	{ FAIL_UNAUTHENTICATED, 401, "WWW-Authenticate: Bearer" },
	{ FAIL_FORBIDDEN, 403, NULL },
	{ FAIL_NOT_FOUND, 404, NULL },
	{ FAIL_METHOD_NOT_ALLOWED, 405, "Allow: GET, HEAD\r\n" },
	{ FAIL_CONFLICT, 409, NULL },
	{ FAIL_GONE, 410, NULL },
	{ FAIL_TOO_LARGE, 413, NULL },
	{ FAIL_UNSUPPORTED_MEDIA, 415, NULL },
	{ FAIL_RATE_LIMITED, 429, "Retry-After: 1\r\n" },
	{ FAIL_UNAVAILABLE, 503, "Retry-After: 1\r\n" },
	{ FAIL_INTERNAL, 500, NULL },
};

START_TEST(response_maps_failures)
{
	ck_assert_uint_eq(ARRAY_LEN(kinds_sent), FAIL_KINDS - 1);
	rq.allow = "GET, HEAD";
	str_puts(response_html(&rs, 200), "half an answer");
	ck_assert(response_header(&op, &rs, "X-Half", "1"));
	op_fail(&op, kinds_sent[_i].kind, "the_code", "what \"is\"");
	response_fail(&op, &rq, &rs);
	ck_assert(response_send(&op, &rs));
	ck_assert_int_eq(rs.status, kinds_sent[_i].status);
	ck_assert_ptr_null(strstr(sent.bytes, "half"));
	ck_assert_ptr_null(strstr(sent.bytes, "X-Half"));
	ck_assert_str_eq(strstr(sent.bytes, "\r\n\r\n") + 4,
			 "{\"error\":\"what \\\"is\\\"\",\"code\":\"the_code\","
			 "\"request_id\":\"request-1\"}");
	if (kinds_sent[_i].header != NULL)
		ck_assert_ptr_nonnull(
		    strstr(sent.bytes, kinds_sent[_i].header));
	else
		ck_assert_ptr_null(strstr(sent.bytes, "Retry-After"));
}
END_TEST

START_TEST(response_carries_details_and_extras)
{
	op_fail_at(&op, "a.b", "is required");
	op_fail_at(&op, "c", "must be one");
	op_fail_extra(&op, "\"limit\":3,\"upgrade_to\":\"scale\"");
	op.fail.retry_after_s = 9;
	response_fail(&op, &rq, &rs);
	ck_assert_str_eq(
	    strstr(rs.body.bytes, "\"details\""),
	    "\"details\":[{\"path\":\"a.b\",\"message\":\"is required\"},"
	    "{\"path\":\"c\",\"message\":\"must be one\"}],"
	    "\"request_id\":\"request-1\",\"limit\":3,\"upgrade_to\":"
	    "\"scale\"}");
	ck_assert(response_send(&op, &rs));
	ck_assert_ptr_nonnull(strstr(sent.bytes, "Retry-After: 9\r\n"));
}
END_TEST

static bool stream_rows(struct json_out *j, int count)
{
	for (int i = 0; i < count; i++) {
		json_string(j, "0123456789012345678901234567890123456789");
		if (!response_stream_flush(&op, &rs))
			return false;
	}
	return true;
}

START_TEST(response_streams)
{
	struct json_out j;

	ck_assert(response_stream_begin(&op, &rs, 200, &j));
	json_open(&j, '[');
	ck_assert(stream_rows(&j, 100000));
	json_close(&j);
	ck_assert(response_send(&op, &rs));
	ck_assert_uint_le(rs.body.cap, 4 * RESPONSE_PIECE);
	const char *text = strstr(sent.bytes, "\r\n\r\n") + 4;

	ck_assert_ptr_null(strstr(sent.bytes, "Content-Length"));
	ck_assert_uint_eq(strlen(text), 100000 * 43 + 1);
	ck_assert_uint_eq(rs.sent, 100000 * 43 + 1);
	ck_assert_str_eq(text + strlen(text) - 3, "9\"]");
}
END_TEST

START_TEST(response_cuts_a_stream_that_fails)
{
	struct json_out j;

	ck_assert(response_stream_begin(&op, &rs, 200, &j));
	json_open(&j, '[');
	ck_assert(stream_rows(&j, 2000));
	ck_assert(rs.streaming);
	op_fail(&op, FAIL_UNAVAILABLE, "timeout", "too slow");
	response_fail(&op, &rq, &rs);
	ck_assert(rs.broken);
	ck_assert(!response_send(&op, &rs));
	ck_assert_ptr_null(strstr(sent.bytes, "too slow"));
}
END_TEST

START_TEST(response_of_a_short_stream_is_whole)
{
	struct json_out j;

	ck_assert(response_stream_begin(&op, &rs, 200, &j));
	json_open(&j, '[');
	ck_assert(stream_rows(&j, 100));
	op_fail(&op, FAIL_UNAVAILABLE, "timeout", "too slow");
	response_fail(&op, &rq, &rs);
	ck_assert(response_send(&op, &rs));
	ck_assert_int_eq(rs.status, 503);
	ck_assert_ptr_nonnull(strstr(sent.bytes, "Content-Length: "));
}
END_TEST

START_TEST(response_notes_a_lost_client)
{
	struct json_out j;

	send_limit = 200000;
	ck_assert(response_stream_begin(&op, &rs, 200, &j));
	json_open(&j, '[');
	ck_assert(!stream_rows(&j, 100000));
	ck_assert_str_eq(op.fail.code, "client_gone");
	ck_assert(rs.broken);
}
END_TEST

START_TEST(response_is_bounded)
{
	struct json_out j;

	response_json_begin(&rs, 200, &j);
	json_open(&j, '[');
	for (int i = 0; i < 300000; i++)
		json_string(&j, "0123456789012345678901234567890123456789");
	ck_assert(!str_ok(&rs.body));
	ck_assert_uint_le(rs.body.cap, RESPONSE_BODY_MAX + 1);
}
END_TEST

/* ------------------------------------------------------ env file, slots -- */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

START_TEST(env_file_sets_and_unsets)
{
	char path[] = "/tmp/test_http_XXXXXX";
	struct str problems;

	str_init(&problems, arena, 4096);
	close(mkstemp(path));
	write_file(path, "# note\n\n  RT_A=1\nRT_B=\"two words\" \nRT_C=\n");
	ck_assert(env_file_load(path, &problems));
	ck_assert_str_eq(getenv("RT_A"), "1");
	ck_assert_str_eq(getenv("RT_B"), "two words");
	ck_assert_str_eq(getenv("RT_C"), "");
	write_file(path, "RT_A=2\nnonsense\n");
	ck_assert(!env_file_load(path, &problems));
	ck_assert_ptr_nonnull(strstr(problems.bytes, "line 2"));
	ck_assert_str_eq(getenv("RT_A"), "1");
	write_file(path, "RT_B='3'");
	ck_assert(env_file_load(path, &problems));
	ck_assert_ptr_null(getenv("RT_A"));
	ck_assert_str_eq(getenv("RT_B"), "3");
	unlink(path);
	ck_assert(!env_file_load(path, &problems));
}
END_TEST

START_TEST(shared_slots_are_bounded)
{
	struct arena *other = arena_new();
	struct op second;

	ck_assert(shared_take(&op, SHARED_PASSWORD)); /* no master: free */
	ck_assert(shared_init());
	shared_set_workers(3);
	op_init(&second, other, NULL, NULL);
	ck_assert(shared_take(&op, SHARED_PASSWORD));
	ck_assert(!shared_take(&second, SHARED_PASSWORD));
	ck_assert_int_eq(second.fail.kind, FAIL_UNAVAILABLE);
	ck_assert_int_eq(second.fail.retry_after_s, 1);
	op_clear(&second);
	ck_assert(shared_take(&second, SHARED_OUTWARD));
	arena_reset(arena);
	ck_assert(shared_take(&second, SHARED_PASSWORD));
	shared_clear_pid(getpid());
	ck_assert(shared_take(&second, SHARED_PASSWORD));
	arena_free(other);
}
END_TEST

Suite *layer_suite(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = tcase_create("http");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, request_splits_target);
	tcase_add_loop_test(tc, request_notes_bad_path, 0,
			    ARRAY_LEN(bad_paths));
	tcase_add_test(tc, request_names_bad_query);
	tcase_add_test(tc, request_bounds_query);
	tcase_add_test(tc, request_reads_typed_query);
	tcase_add_test(tc, request_reads_headers);
	tcase_add_test(tc, request_reads_form);
	tcase_add_loop_test(tc, router_finds, 0, ARRAY_LEN(finds));
	tcase_add_test(tc, router_sets_params);
	tcase_add_test(tc, router_answers_options);
	tcase_add_test(tc, body_fills_all_kinds);
	tcase_add_test(tc, body_leaves_absent_alone);
	tcase_add_test(tc, body_takes_null_where_allowed);
	tcase_add_test(tc, body_reports_all_fields_at_once);
	tcase_add_loop_test(tc, body_refuses, 0, ARRAY_LEN(bad_bodies));
	tcase_add_loop_test(tc, body_checks_content_type, 0, ARRAY_LEN(types));
	tcase_add_test(tc, body_may_be_absent);
	tcase_add_test(tc, body_names_nested_paths);
	tcase_add_test(tc, page_keeps_keys);
	tcase_add_loop_test(tc, page_refuses, 0, 9);
	tcase_add_test(tc, page_refuses_forged_keys);
	tcase_add_test(tc, response_is_sent_whole);
	tcase_add_test(tc, response_to_head_has_no_body);
	tcase_add_test(tc, response_refuses_header_injection);
	tcase_add_loop_test(tc, response_maps_failures, 0,
			    ARRAY_LEN(kinds_sent));
	tcase_add_test(tc, response_carries_details_and_extras);
	tcase_add_test(tc, response_streams);
	tcase_add_test(tc, response_cuts_a_stream_that_fails);
	tcase_add_test(tc, response_of_a_short_stream_is_whole);
	tcase_add_test(tc, response_notes_a_lost_client);
	tcase_add_test(tc, response_is_bounded);
	tcase_add_test(tc, env_file_sets_and_unsets);
	tcase_add_test(tc, shared_slots_are_bounded);
	suite_add_tcase(suite, tc);
	return suite;
}
