/*
 * Answers, webhook bodies and jsonb parameters are streamed through here
 * rather than built as a tree: nothing to free, and numbers that
 * PostgreSQL wrote pass as they are.
 */
#include "base/json_out.h"

#include <assert.h>
#include <float.h>
#include <math.h>

void json_init(struct json_out *j, struct str *out)
{
	*j = (struct json_out){ .out = out };
}

static bool in_object(const struct json_out *j)
{
	return j->depth > 0 && j->close[j->depth - 1] == '}';
}

/* Writes the comma that is due before the next member or element. */
static void begin_item(struct json_out *j)
{
	if (j->depth == 0)
		return;
	if (j->has_item[j->depth - 1])
		str_putc(j->out, ',');
	j->has_item[j->depth - 1] = true;
}

static void begin_value(struct json_out *j)
{
	assert(!in_object(j) || j->after_key);
	if (!j->after_key)
		begin_item(j);
	j->after_key = false;
}

void json_open(struct json_out *j, char brace)
{
	assert(brace == '{' || brace == '[');
	assert(j->depth < JSON_DEPTH_MAX);
	begin_value(j);
	str_putc(j->out, brace);
	j->close[j->depth] = brace == '{' ? '}' : ']';
	j->has_item[j->depth] = false;
	j->depth++;
}

void json_close(struct json_out *j)
{
	assert(j->depth > 0 && !j->after_key);
	j->depth--;
	str_putc(j->out, j->close[j->depth]);
}

static void put_escape(struct str *out, unsigned char c)
{
	switch (c) {
	case '"':
	case '\\':
		str_printf(out, "\\%c", c);
		break;
	case '\n':
		str_puts(out, "\\n");
		break;
	case '\r':
		str_puts(out, "\\r");
		break;
	case '\t':
		str_puts(out, "\\t");
		break;
	default:
		str_printf(out, "\\u%04x", c);
	}
}

static void put_quoted(struct str *out, const char *bytes, size_t len)
{
	size_t start = 0;

	str_putc(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		str_put(out, bytes + start, i - start);
		put_escape(out, c);
		start = i + 1;
	}
	str_put(out, bytes + start, len - start);
	str_putc(out, '"');
}

void json_key(struct json_out *j, const char *key)
{
	assert(in_object(j) && !j->after_key);
	begin_item(j);
	put_quoted(j->out, key, strlen(key));
	str_putc(j->out, ':');
	j->after_key = true;
}

void json_string(struct json_out *j, const char *text)
{
	if (text == NULL)
		json_null(j);
	else
		json_string_len(j, text, strlen(text));
}

void json_string_len(struct json_out *j, const char *bytes, size_t len)
{
	begin_value(j);
	put_quoted(j->out, bytes, len);
}

void json_i64(struct json_out *j, int64_t value)
{
	begin_value(j);
	str_put_i64(j->out, value);
}

/*
 * 15 digits name any number that was typed with as many, and %g drops
 * final zeros; 17 always suffice. Subnormals have fewer digits.
 */
void json_double(struct json_out *j, double value)
{
	char text[32];
	int digits = fabs(value) < DBL_MIN ? 1 : 15;

	if (!isfinite(value)) {
		json_null(j);
		return;
	}
	begin_value(j);
	for (; digits <= DBL_DECIMAL_DIG; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	str_puts(j->out, text);
}

void json_boolean(struct json_out *j, bool value)
{
	begin_value(j);
	str_puts(j->out, value ? "true" : "false");
}

void json_null(struct json_out *j)
{
	begin_value(j);
	str_puts(j->out, "null");
}

void json_raw(struct json_out *j, const char *json)
{
	begin_value(j);
	str_puts(j->out, json != NULL ? json : "null");
}

void json_members(struct json_out *j, const char *members)
{
	assert(in_object(j) && !j->after_key);
	begin_item(j);
	str_puts(j->out, members);
}

void json_pair(struct json_out *j, const char *key, const char *text)
{
	json_key(j, key);
	json_string(j, text);
}
