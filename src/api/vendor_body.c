/*
 * In front of the key check (the key may be inside) and of the connectors'
 * handlers. What comes is not trusted: it unpacks within a bound.
 */
#include "api/vendor_body.h"

#include "base/json_in.h"

#include <sodium.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

struct bytes {
	const char *at;
	size_t len;
};

static bool is_gzip(const struct bytes *in)
{
	return in->len > 2 && (unsigned char)in->at[0] == 0x1f &&
	       (unsigned char)in->at[1] == 0x8b;
}

static void end_inflate(void *stream)
{
	inflateEnd(stream);
}

static bool unpack(struct op *op, struct bytes *io)
{
	z_stream *z = ARENA_NEW(op->arena, z_stream);
	char *out = arena_alloc(op->arena, VENDOR_BODY_MAX + 1);
	int status;

	if (inflateInit2(z, 15 + 16) != Z_OK)
		return op_fail(op, FAIL_UNAVAILABLE, "busy",
			       "no memory to unpack the body");
	arena_defer(op->arena, end_inflate, z);
	z->next_in = (const Bytef *)io->at;
	z->avail_in = (uInt)io->len;
	z->next_out = (Bytef *)out;
	z->avail_out = VENDOR_BODY_MAX + 1;
	status = inflate(z, Z_FINISH);
	if (z->avail_out == 0)
		return op_fail(op, FAIL_TOO_LARGE, "body_too_large",
			       "the body unpacks to more than %d bytes",
			       VENDOR_BODY_MAX);
	if (status != Z_STREAM_END)
		return op_fail_at(op, "body", "is not whole gzip");
	*io = (struct bytes){ out, VENDOR_BODY_MAX + 1 - z->avail_out };
	return true;
}

/* With either alphabet, with and without padding. */
static bool unbase64(struct op *op, struct bytes *io)
{
	int variant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
	size_t len = io->len;
	char *out = arena_alloc(op->arena, len + 1);

	while (len > 0 && io->at[len - 1] == '=')
		len--;
	if (memchr(io->at, '-', len) != NULL ||
	    memchr(io->at, '_', len) != NULL)
		variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
	if (sodium_base642bin((unsigned char *)out, io->len, io->at, len,
			      "\r\n ", &io->len, NULL, variant) != 0)
		return op_fail_at(op, "data", "is not base64");
	io->at = out;
	return true;
}

static bool is_json(const struct bytes *in)
{
	return in->len > 0 && (*in->at == '{' || *in->at == '[');
}

/* The value of data, whose '+' is a space only in plain JSON. */
static bool read_form(struct op *op, struct bytes *io)
{
	const char *stop = memchr(io->at, '&', io->len);
	const char *text;

	io->at += strlen("data=");
	io->len =
	    stop != NULL ? (size_t)(stop - io->at) : io->len - strlen("data=");
	text = request_decode(op->arena, io->at, io->len, false);
	if (text != NULL && (*text == '{' || *text == '['))
		text = request_decode(op->arena, io->at, io->len, true);
	if (text == NULL)
		return op_fail_at(op, "data", "is badly encoded");
	*io = (struct bytes){ text, strlen(text) };
	return is_json(io) || unbase64(op, io);
}

bool vendor_body_read(struct op *op, const struct request *rq, const char **ret,
		      size_t *ret_len)
{
	struct bytes io = { rq->body, rq->body_len };

	if (rq->method == HTTP_GET) {
		const char *data = request_query(rq, "data");

		if (data == NULL)
			return op_fail_at(op, "data", "is required");
		io = (struct bytes){ data, strlen(data) };
		if (!is_json(&io) && !unbase64(op, &io))
			return false;
	} else {
		if (is_gzip(&io) && !unpack(op, &io))
			return false;
		if (io.len > 5 && memcmp(io.at, "data=", 5) == 0 &&
		    !read_form(op, &io))
			return false;
	}
	*ret = io.at;
	*ret_len = io.len;
	return true;
}

/* ----------------------------------------------------------------- key -- */

static const char *text_member(struct json_object *obj, const char *name)
{
	struct json_object *value = json_member(obj, name);

	if (!json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static const char *key_of(struct json_object *obj)
{
	static const char *const names[] = { "api_key", "writeKey", "token",
					     "$token" };

	if (!json_object_is_type(obj, json_type_object))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *key = text_member(obj, names[i]);

		if (key != NULL)
			return key;
	}
	obj = json_member(obj, "properties");
	return json_object_is_type(obj, json_type_object)
		   ? text_member(obj, "token")
		   : NULL;
}

static const char *find_key(struct json_object *root)
{
	const char *key = key_of(root);
	struct json_object *list = root;

	if (key != NULL)
		return key;
	if (json_object_is_type(root, json_type_object))
		list = json_member(root, "batch");
	if (!json_object_is_type(list, json_type_array))
		return NULL;
	return key_of(json_object_array_get_idx(list, 0));
}

void vendor_body_key(struct op *op, struct request *rq)
{
	struct json_object *root;
	const char *text, *key = NULL;
	size_t len;

	if (rq->authorization != NULL || op_failed(op))
		return;
	if ((rq->query != NULL || request_parse_query(op, rq)) &&
	    vendor_body_read(op, rq, &text, &len) &&
	    json_parse(op, text, len, &root))
		key = find_key(root);
	op_clear(op);
	if (key != NULL)
		rq->authorization = arena_printf(op->arena, "Bearer %s", key);
}
