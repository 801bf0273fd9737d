/*
 * Stands between the raw body and json-c. Recursive descent over the
 * grammar; the depth limit bounds the recursion.
 */
#include "base/json_scan.h"

#include "base/parse.h"

#define NUMBER_LEN_MAX 400
#define EXPONENT_MAX   400

struct scan {
	const char *p;
	const char *end;
	unsigned depth_left;
	const char *problem;
	struct str *wide;
	const char *copied; /* what is before this is in wide */
};

static bool scan_value(struct scan *s);

static bool fault(struct scan *s, const char *problem)
{
	if (s->problem == NULL)
		s->problem = problem;
	return false;
}

/* The byte at the cursor; NUL, which no rule accepts, at the end. */
static char peek(const struct scan *s)
{
	return s->p < s->end ? *s->p : '\0';
}

static bool take(struct scan *s, char c)
{
	if (peek(s) != c)
		return false;
	s->p++;
	return true;
}

static void skip_blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' ||
				 *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

/* Four hex digits after "\u". */
static bool scan_hex(struct scan *s, unsigned *ret)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++, s->p++) {
		char c = peek(s);

		if (c >= '0' && c <= '9')
			value = value * 16 + (unsigned)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value * 16 + (unsigned)(c - 'a') + 10;
		else if (c >= 'A' && c <= 'F')
			value = value * 16 + (unsigned)(c - 'A') + 10;
		else
			return fault(s, "wrong \\u escape");
	}
	*ret = value;
	return true;
}

static bool scan_unicode_escape(struct scan *s)
{
	unsigned unit, low;

	if (!scan_hex(s, &unit))
		return false;
	if (unit == 0)
		return fault(s, "\\u0000 is not allowed");
	if (unit < 0xd800 || unit > 0xdfff)
		return true;
	if (unit > 0xdbff || !take(s, '\\') || !take(s, 'u') ||
	    !scan_hex(s, &low) || low < 0xdc00 || low > 0xdfff)
		return fault(s, "lone surrogate");
	return true;
}

static bool scan_escape(struct scan *s)
{
	char c = peek(s);

	if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
		return fault(s, "wrong escape");
	s->p++;
	return c != 'u' || scan_unicode_escape(s);
}

/* The cursor is behind the opening quote. */
static bool scan_string(struct scan *s)
{
	while (s->p < s->end) {
		unsigned char c = (unsigned char)*s->p;

		if (c < 0x20)
			return fault(s, "control character in a string");
		s->p++;
		if (c == '"')
			return true;
		if (c == '\\' && !scan_escape(s))
			return false;
	}
	return fault(s, "string without end");
}

static bool scan_digits(struct scan *s)
{
	const char *start = s->p;

	while (peek(s) >= '0' && peek(s) <= '9')
		s->p++;
	return s->p > start || fault(s, "digit expected");
}

/* Optional sign and digits after the 'e'. */
static bool scan_exponent(struct scan *s)
{
	int value = 0;

	if (!take(s, '+'))
		take(s, '-');
	for (const char *p = s->p; p < s->end && *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (*p - '0');
		if (value > EXPONENT_MAX)
			return fault(s, "number out of range");
	}
	return scan_digits(s);
}

static bool number_grammar(struct scan *s, bool *ret_integer)
{
	bool integer = true;

	take(s, '-');
	if (!take(s, '0') && !scan_digits(s))
		return false;
	if (take(s, '.')) {
		integer = false;
		if (!scan_digits(s))
			return false;
	}
	if (take(s, 'e') || take(s, 'E')) {
		integer = false;
		if (!scan_exponent(s))
			return false;
	}
	*ret_integer = integer;
	return true;
}

static bool scan_number(struct scan *s)
{
	char text[NUMBER_LEN_MAX + 1];
	const char *start = s->p;
	size_t len;
	double value;
	int64_t exact;
	bool integer;

	if (!number_grammar(s, &integer))
		return false;
	len = (size_t)(s->p - start);
	if (len > NUMBER_LEN_MAX)
		return fault(s, "number too long");
	memcpy(text, start, len);
	text[len] = '\0';
	if (!parse_double(text, &value))
		return fault(s, "number out of range");
	if (integer && !parse_i64(text, INT64_MIN, INT64_MAX, &exact)) {
		str_put(s->wide, s->copied, (size_t)(s->p - s->copied));
		str_puts(s->wide, ".0");
		s->copied = s->p;
	}
	return true;
}

static bool scan_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return fault(s, "value expected");
	s->p += len;
	return true;
}

static bool scan_member(struct scan *s)
{
	skip_blanks(s);
	if (!take(s, '"'))
		return fault(s, "key in double quotes expected");
	if (!scan_string(s))
		return false;
	skip_blanks(s);
	if (!take(s, ':'))
		return fault(s, "':' expected");
	return scan_value(s);
}

/* The cursor is behind the opening brace; blanks are skipped. */
static bool scan_items(struct scan *s, char close)
{
	bool (*item)(struct scan *) = close == '}' ? scan_member : scan_value;

	skip_blanks(s);
	if (take(s, close))
		return true;
	do {
		if (!item(s))
			return false;
		skip_blanks(s);
	} while (take(s, ','));
	return take(s, close) || fault(s, close == '}' ? "',' or '}' expected"
						       : "',' or ']' expected");
}

static bool scan_container(struct scan *s, char close)
{
	bool good;

	if (s->depth_left == 0)
		return fault(s, "nested too deeply");
	s->depth_left--;
	s->p++;
	good = scan_items(s, close);
	s->depth_left++;
	return good;
}

static bool scan_value(struct scan *s)
{
	skip_blanks(s);
	switch (peek(s)) {
	case '{':
		return scan_container(s, '}');
	case '[':
		return scan_container(s, ']');
	case '"':
		s->p++;
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	case '-':
	case '0' ... '9':
		return scan_number(s);
	default:
		return fault(s, "value expected");
	}
}

static bool scan_text(struct scan *s)
{
	if (!scan_value(s))
		return false;
	skip_blanks(s);
	return s->p == s->end || fault(s, "text after the value");
}

bool json_scan(const char *bytes, size_t len, unsigned depth_max,
	       struct str *wide, struct json_fault *ret_fault)
{
	size_t good = parse_utf8_prefix(bytes, len);
	struct scan s = {
		.p = bytes,
		.end = bytes + len,
		.depth_left = depth_max,
		.wide = wide,
		.copied = bytes,
	};

	if (good < len) {
		*ret_fault = (struct json_fault){ good, "not UTF-8" };
		return false;
	}
	if (!scan_text(&s)) {
		ret_fault->offset = (size_t)(s.p - bytes);
		ret_fault->problem = s.problem;
		return false;
	}
	if (s.copied > bytes)
		str_put(wide, s.copied, (size_t)(s.end - s.copied));
	return true;
}
