/*
 * Cursors: "<list>" and the keys, each as its length, a colon and its text,
 * in base64url. Lengths, so that a text key may hold anything.
 */
#include "http/page.h"

#include "base/parse.h"
#include "base/str.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>

#define CURSOR_MAX  8192 /* as base64url */
#define CURSOR_KEYS 6000 /* what that holds */

static void cursor_put(struct str *s, const char *text)
{
	str_put_i64(s, (int64_t)strlen(text));
	str_putc(s, ':');
	str_puts(s, text);
}

const char *page_cursor(struct op *op, const struct page_spec *spec,
			const struct page_key *keys)
{
	size_t count = strlen(spec->kinds), size;
	struct str s;
	char *out;

	assert(count <= PAGE_KEYS_MAX);
	str_init(&s, op->arena, CURSOR_KEYS);
	cursor_put(&s, spec->list);
	for (size_t i = 0; i < count; i++) {
		bool number = strchr("ti", spec->kinds[i]) != NULL;

		cursor_put(&s, number ? arena_printf(op->arena, "%" PRId64,
						     keys[i].i64)
				      : keys[i].text);
	}
	assert(str_ok(&s));
	size = sodium_base64_encoded_len(
	    s.len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	out = arena_alloc(op->arena, size);
	sodium_bin2base64(out, size, (const unsigned char *)s.bytes, s.len,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return out;
}

/* Takes the next part off *at; NULL when the form is wrong. */
static const char *cursor_take(struct op *op, const char **at)
{
	size_t digits = strcspn(*at, ":");
	const char *text;
	int64_t len;

	if (digits > 4 || (*at)[digits] != ':' ||
	    !parse_i64(arena_strndup(op->arena, *at, digits), 0, CURSOR_MAX,
		       &len))
		return NULL;
	text = *at + digits + 1;
	if (strlen(text) < (size_t)len)
		return NULL;
	*at = text + len;
	return arena_strndup(op->arena, text, (size_t)len);
}

static bool key_parse(char kind, const char *text, struct page_key *ret)
{
	if (text == NULL)
		return false;
	ret->text = text;
	switch (kind) {
	case 't':
		/* What a timestamptz of years 1 to 9999 can be. */
		return parse_i64(text, -INT64_C(62135596800000000),
				 INT64_C(253402300799999999), &ret->i64);
	case 'i':
		return parse_i64(text, INT64_MIN, INT64_MAX, &ret->i64);
	case 'u':
		return parse_is_uuid(text);
	default:
		return true;
	}
}

static bool cursor_parse(struct op *op, const char *cursor,
			 const struct page_spec *spec, struct page *ret)
{
	size_t len = strlen(cursor), got;
	const char *at, *list;
	char *text;

	if (len > CURSOR_MAX)
		return false;
	at = text = arena_alloc(op->arena, len + 1);
	if (sodium_base642bin((unsigned char *)text, len, cursor, len, NULL,
			      &got, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return false;
	if (memchr(text, '\0', got) != NULL || !parse_is_utf8(text, got))
		return false;
	list = cursor_take(op, &at);
	if (list == NULL || !streq(list, spec->list))
		return false;
	for (size_t i = 0; spec->kinds[i] != '\0'; i++)
		if (!key_parse(spec->kinds[i], cursor_take(op, &at),
			       &ret->keys[i]))
			return false;
	ret->has_cursor = true;
	return *at == '\0';
}

bool page_parse(struct op *op, const struct request *rq,
		const struct page_spec *spec, struct page *ret)
{
	const char *cursor = request_query(rq, "cursor");
	struct page page = { .limit = spec->limit };
	bool ok;

	ok =
	    request_query_i64(op, rq, "limit", 1, spec->limit_max, &page.limit);
	if (cursor != NULL && *cursor != '\0' &&
	    !cursor_parse(op, cursor, spec, &page))
		ok = op_fail_at(op, "cursor",
				"is not a cursor that this list gave");
	if (ok)
		*ret = page;
	return ok;
}
