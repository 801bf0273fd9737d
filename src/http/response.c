/*
 * Between a handler and the connection: holds the answer back until it is
 * whole, turns a failure into status and JSON by the one table, and writes
 * the CGI header block.
 */
#include "http/response.h"

#include <assert.h>

#define HEAD_MAX 8192

static const int statuses[FAIL_KINDS] = {
	[FAIL_NONE] = 500,
	[FAIL_INVALID] = 400,
	[FAIL_UNAUTHENTICATED] = 401,
	[FAIL_FORBIDDEN] = 403,
	[FAIL_NOT_FOUND] = 404,
	[FAIL_METHOD_NOT_ALLOWED] = 405,
	[FAIL_CONFLICT] = 409,
	[FAIL_GONE] = 410,
	[FAIL_TOO_LARGE] = 413,
	[FAIL_UNSUPPORTED_MEDIA] = 415,
	[FAIL_RATE_LIMITED] = 429,
	[FAIL_UNAVAILABLE] = 503,
	[FAIL_INTERNAL] = 500,
};

/* RFC 9110's phrases. HTTP/1.1 wants the space before one at least. */
static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 204, "No Content" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 413, "Content Too Large" },
	{ 415, "Unsupported Media Type" },
	{ 429, "Too Many Requests" },
	{ 500, "Internal Server Error" },
	{ 503, "Service Unavailable" },
};

static const char *phrase_of(int status)
{
	for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "Unknown";
}

int response_status(enum fail_kind kind)
{
	assert(kind < FAIL_KINDS);
	return statuses[kind];
}

void response_init(struct response *rs, struct arena *arena, bool head,
		   response_write_fn write, void *ctx)
{
	*rs = (struct response){
		.status = 500, .head = head, .write = write, .write_ctx = ctx
	};
	str_init(&rs->body, arena, RESPONSE_BODY_MAX);
}

static void start(struct response *rs, int status, const char *type)
{
	assert(!rs->streaming);
	rs->status = status;
	rs->content_type = type;
	str_reset(&rs->body);
}

void response_json_begin(struct response *rs, int status, struct json_out *j)
{
	start(rs, status, "application/json");
	json_init(j, &rs->body);
}

struct str *response_html(struct response *rs, int status)
{
	start(rs, status, "text/html; charset=utf-8");
	return &rs->body;
}

void response_text(struct response *rs, int status, const char *type,
		   const char *bytes, size_t len)
{
	start(rs, status, type);
	str_put(&rs->body, bytes, len);
}

void response_empty(struct response *rs, int status)
{
	start(rs, status, NULL);
}

static bool is_header_value(const char *value)
{
	for (; *value != '\0'; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return false;
	return true;
}

bool response_header(struct op *op, struct response *rs, const char *name,
		     const char *value)
{
	assert(rs->header_count < RESPONSE_HEADERS_MAX);
	if (!is_header_value(value))
		return op_fail(op, FAIL_INTERNAL, "bad_header",
			       "the answer could not be written");
	rs->headers[rs->header_count++] =
	    (struct response_header){ name, value };
	return true;
}

bool response_cookie(struct op *op, struct response *rs, const char *name,
		     const char *value, int64_t max_age_s)
{
	assert(strpbrk(value, ";, \"\\") == NULL);
	return response_header(
	    op, rs, "Set-Cookie",
	    arena_printf(op->arena,
			 "%s=%s; Path=/; Max-Age=%lld; HttpOnly; Secure; "
			 "SameSite=Strict",
			 name, value, (long long)max_age_s));
}

/* The CGI header block; length -1 when it is not known yet. */
static bool write_head(struct op *op, struct response *rs, long long length)
{
	struct str head;

	str_init(&head, op->arena, HEAD_MAX);
	str_printf(&head, "Status: %d %s\r\n", rs->status,
		   phrase_of(rs->status));
	if (rs->content_type != NULL)
		str_printf(&head, "Content-Type: %s\r\n", rs->content_type);
	if (length >= 0 && rs->status != 204)
		str_printf(&head, "Content-Length: %lld\r\n", length);
	if (op->tag != NULL)
		str_printf(&head, "X-Request-Id: %s\r\n", op->tag);
	for (size_t i = 0; i < rs->header_count; i++)
		str_printf(&head, "%s: %s\r\n", rs->headers[i].name,
			   rs->headers[i].value);
	str_puts(&head, "\r\n");
	assert(str_ok(&head));
	if (!rs->write(rs->write_ctx, head.bytes, head.len))
		rs->broken = true;
	return !rs->broken;
}

static bool write_body(struct response *rs)
{
	if (rs->head || rs->body.len == 0)
		return true;
	if (!rs->write(rs->write_ctx, rs->body.bytes, rs->body.len)) {
		rs->broken = true;
		return false;
	}
	rs->sent += rs->body.len;
	return true;
}

static bool client_gone(struct op *op)
{
	return op_fail(op, FAIL_UNAVAILABLE, "client_gone",
		       "the client closed the connection");
}

bool response_stream_begin(struct op *op, struct response *rs, int status,
			   struct json_out *j)
{
	if (op_failed(op))
		return false;
	response_json_begin(rs, status, j);
	rs->in_pieces = true;
	return true;
}

bool response_stream_flush(struct op *op, struct response *rs)
{
	assert(rs->in_pieces);
	if (!str_ok(&rs->body))
		return op_fail(op, FAIL_INTERNAL, "answer_too_large",
			       "a row of the answer is too large");
	if (rs->body.len < RESPONSE_PIECE)
		return true;
	if (!rs->streaming && !write_head(op, rs, -1))
		return client_gone(op);
	rs->streaming = true;
	if (!write_body(rs))
		return client_gone(op);
	str_reset(&rs->body);
	return true;
}

/* Headers that go with a kind of failure. */
static void fail_headers(struct op *op, const struct request *rq,
			 struct response *rs)
{
	const struct fail *fail = &op->fail;
	bool ok = true;

	rs->header_count = 0;
	if (fail->kind == FAIL_UNAUTHENTICATED)
		ok = response_header(op, rs, "WWW-Authenticate",
				     "Bearer realm=\"retivo\"");
	if (fail->kind == FAIL_METHOD_NOT_ALLOWED && rq->allow != NULL)
		ok = response_header(op, rs, "Allow", rq->allow);
	if (fail->retry_after_s > 0 || fail->kind == FAIL_UNAVAILABLE ||
	    fail->kind == FAIL_RATE_LIMITED)
		ok = response_header(op, rs, "Retry-After",
				     arena_printf(op->arena, "%d",
						  fail->retry_after_s > 0
						      ? fail->retry_after_s
						      : 1));
	assert(ok);
}

static void fail_details(struct json_out *j, const struct fail *fail)
{
	if (fail->fields == NULL)
		return;
	json_key(j, "details");
	json_open(j, '[');
	for (struct fail_detail *d = fail->fields; d != NULL; d = d->next) {
		json_open(j, '{');
		json_pair(j, "path", d->path);
		json_pair(j, "message", d->message);
		json_close(j);
	}
	json_close(j);
}

void response_fail(struct op *op, const struct request *rq, struct response *rs)
{
	const struct fail *fail = &op->fail;
	struct json_out j;

	if (rs->streaming) {
		rs->broken = true;
		return;
	}
	fail_headers(op, rq, rs);
	response_json_begin(rs, response_status(fail->kind), &j);
	json_open(&j, '{');
	json_pair(&j, "error", fail->message);
	json_pair(&j, "code", fail->code);
	fail_details(&j, fail);
	if (op->tag != NULL)
		json_pair(&j, "request_id", op->tag);
	json_close(&j);
	/* Members that the failure adds, before the closing brace. */
	if (fail->extra != NULL) {
		rs->body.len--;
		str_printf(&rs->body, ",%s}", fail->extra);
	}
}

bool response_send(struct op *op, struct response *rs)
{
	if (rs->broken)
		return false;
	if (!rs->streaming && !write_head(op, rs, (long long)rs->body.len))
		return false;
	return write_body(rs);
}
