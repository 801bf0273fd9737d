/*
 * Between the worker, which copies the texts of FastCGI, and the router:
 * splits and decodes what the client wrote in its request line and headers.
 * What is wrong is noted or reported here, so that no handler meets it.
 */
#include "http/request.h"

#include "base/parse.h"

#include <assert.h>
#include <inttypes.h>
#include <strings.h>
#include <sodium/utils.h>

static const char *const method_names[HTTP_METHODS] = {
	[HTTP_GET] = "GET",	  [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",	  [HTTP_PATCH] = "PATCH",
	[HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method method)
{
	if (method < HTTP_GET || method >= HTTP_METHODS)
		return "?";
	return method_names[method];
}

static enum http_method method_parse(const char *text)
{
	for (int i = HTTP_GET; i < HTTP_METHODS; i++)
		if (streq(text, method_names[i]))
			return (enum http_method)i;
	return HTTP_METHODS;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

const char *request_decode(struct arena *a, const char *text, size_t len,
			   bool plus)
{
	char *out = arena_alloc(a, len + 1);
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
			int low = high >= 0 ? hex_value(text[i + 2]) : -1;

			if (low < 0)
				return NULL;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c == '\0')
			return NULL;
		out[used++] = c;
	}
	return parse_is_utf8(out, used) ? out : NULL;
}

/* Splits "/api/playbooks/7" into its decoded segments. */
static bool path_split(struct op *op, struct request *rq, size_t len)
{
	const char *at = rq->path, *end = rq->path + len;

	if (at == end || *at != '/')
		return false;
	while (at < end) {
		const char *start = at + 1;
		const char *stop = memchr(start, '/', (size_t)(end - start));

		if (stop == NULL)
			stop = end;
		if (rq->segment_count == REQUEST_SEGMENTS_MAX)
			return false;
		const char *segment = request_decode(
		    op->arena, start, (size_t)(stop - start), false);
		if (segment == NULL)
			return false;
		rq->segments[rq->segment_count++] = segment;
		at = stop;
	}
	return true;
}

void request_parse_target(struct op *op, struct request *rq, const char *method,
			  const char *uri)
{
	size_t len = strcspn(uri, "?#");

	rq->head = streq(method, "HEAD");
	rq->method = rq->head ? HTTP_GET : method_parse(method);
	rq->path = arena_strndup(op->arena, uri, len);
	rq->query_text = "";
	if (uri[len] == '?') {
		const char *query = uri + len + 1;

		rq->query_text =
		    arena_strndup(op->arena, query, strcspn(query, "#"));
	}
	rq->path_bad = !path_split(op, rq, len);
}

/* One "name=value" of the query; adds it or reports it. */
static void query_add(struct op *op, struct request *rq, const char *text,
		      size_t len)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals == NULL ? len : (size_t)(equals - text);
	const char *name, *value = "";

	name = request_decode(op->arena, text, name_len, true);
	if (name == NULL) {
		op_fail_at(op, "query", "a parameter's name is badly encoded");
		return;
	}
	if (equals != NULL)
		value = request_decode(op->arena, equals + 1,
				       len - name_len - 1, true);
	if (value == NULL) {
		op_fail_at(op, name, "is not percent-encoded UTF-8");
		return;
	}
	if (request_query(rq, name) != NULL) {
		op_fail_at(op, name, "is given more than once");
		return;
	}
	if (rq->query_count == REQUEST_PARAMS_MAX) {
		op_fail_at(op, "query", "has more than %d parameters",
			   REQUEST_PARAMS_MAX);
		return;
	}
	rq->query[rq->query_count++] = (struct request_param){ name, value };
}

bool request_parse_query(struct op *op, struct request *rq)
{
	const char *at = rq->query_text;

	if (*at == '\0')
		return true;
	rq->query =
	    ARENA_ARRAY(op->arena, struct request_param, REQUEST_PARAMS_MAX);
	for (;;) {
		size_t len = strcspn(at, "&");

		if (len > 0)
			query_add(op, rq, at, len);
		if (at[len] == '\0')
			return !op_failed(op);
		at += len + 1;
	}
}

const char *request_path_param(const struct request *rq, const char *name)
{
	for (size_t i = 0; i < rq->path_param_count; i++)
		if (streq(rq->path_params[i].name, name))
			return rq->path_params[i].value;
	assert(!"the route's pattern has this parameter");
	return "";
}

bool request_path_uuid(struct op *op, const struct request *rq,
		       const char *name, const char **ret)
{
	const char *text = request_path_param(rq, name);

	if (!parse_is_uuid(text))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "nothing has this id");
	*ret = text;
	return true;
}

const char *request_query(const struct request *rq, const char *name)
{
	for (size_t i = 0; i < rq->query_count; i++)
		if (streq(rq->query[i].name, name))
			return rq->query[i].value;
	return NULL;
}

/* The parameter's text when there is something to read. */
static const char *query_given(const struct request *rq, const char *name)
{
	const char *text = request_query(rq, name);

	return text != NULL && *text != '\0' ? text : NULL;
}

bool request_query_i64(struct op *op, const struct request *rq,
		       const char *name, int64_t min, int64_t max, int64_t *ret)
{
	const char *text = query_given(rq, name);

	if (text == NULL || parse_i64(text, min, max, ret))
		return true;
	return op_fail_at(op, name,
			  "must be an integer from %" PRId64 " to %" PRId64,
			  min, max);
}

bool request_query_bool(struct op *op, const struct request *rq,
			const char *name, bool *ret)
{
	const char *text = query_given(rq, name);

	if (text == NULL)
		return true;
	if (!streq(text, "true") && !streq(text, "false"))
		return op_fail_at(op, name, "must be true or false");
	*ret = streq(text, "true");
	return true;
}

bool request_query_time(struct op *op, const struct request *rq,
			const char *name, int64_t *ret_us)
{
	const char *text = query_given(rq, name);

	if (text == NULL || parse_time(text, ret_us))
		return true;
	return op_fail_at(op, name, "must be an RFC 3339 time");
}

bool request_query_enum(struct op *op, const struct request *rq,
			const char *name, const char *const *words,
			const char **ret)
{
	const char *text = query_given(rq, name);
	const char *all = "";

	if (text == NULL)
		return true;
	for (size_t i = 0; words[i] != NULL; i++) {
		if (streq(text, words[i])) {
			*ret = words[i];
			return true;
		}
		all = arena_printf(op->arena, "%s%s%s", all, i > 0 ? ", " : "",
				   words[i]);
	}
	return op_fail_at(op, name, "must be one of: %s", all);
}

const char *request_cookie(struct op *op, const struct request *rq,
			   const char *name)
{
	const char *at = rq->cookie;
	size_t name_len = strlen(name);

	while (at != NULL && *at != '\0') {
		at += strspn(at, "; \t");
		size_t len = strcspn(at, ";");

		if (len > name_len && at[name_len] == '=' &&
		    strncmp(at, name, name_len) == 0)
			return arena_strndup(op->arena, at + name_len + 1,
					     len - name_len - 1);
		at += len;
	}
	return NULL;
}

const char *request_bearer(const struct request *rq)
{
	const char *text = rq->authorization;

	if (text == NULL || strncasecmp(text, "Bearer ", 7) != 0)
		return NULL;
	text += 7;
	text += strspn(text, " ");
	return *text == '\0' ? NULL : text;
}

const char *request_basic_user(struct op *op, const struct request *rq)
{
	const char *text = rq->authorization;
	size_t size, len;
	char *user;

	if (text == NULL || strncasecmp(text, "Basic ", 6) != 0)
		return NULL;
	text += 6;
	text += strspn(text, " ");
	size = strlen(text) + 1;
	user = arena_alloc(op->arena, size);
	if (sodium_base642bin((unsigned char *)user, size - 1, text, size - 1,
			      NULL, &len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0)
		return NULL;
	user[len] = '\0';
	char *colon = strchr(user, ':');
	if (colon == NULL || colon == user)
		return NULL;
	*colon = '\0';
	return user;
}

const char *request_form(struct op *op, const struct request *rq,
			 const char *name)
{
	const char *at = rq->body, *end = rq->body + rq->body_len;
	size_t name_len = strlen(name);

	while (at != NULL && at < end) {
		const char *stop = memchr(at, '&', (size_t)(end - at));

		if (stop == NULL)
			stop = end;
		if ((size_t)(stop - at) > name_len && at[name_len] == '=' &&
		    memcmp(at, name, name_len) == 0)
			return request_decode(
			    op->arena, at + name_len + 1,
			    (size_t)(stop - at) - name_len - 1, true);
		at = stop + 1;
	}
	return NULL;
}
