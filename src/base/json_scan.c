/*
 * Stands between the raw body and json-c. Recursive descent over the
 * grammar; the depth limit bounds the recursion.
 */
#include "base/json_scan.h"

#include "base/parse.h"

#include <math.h>
#include <stdio.h>

#define NUMBER_LEN_MAX 400
#define EXPONENT_MAX   400
#define KEY_SHOWN_MAX  80 /* bytes of a key in a path */

/* A container around the cursor; they live on the stack of the descent. */
struct step {
	struct step *up;
	const char *key; /* raw text of the member's key; NULL in an array */
	size_t key_len;
	size_t index; /* of the array's item */
};

struct scan {
	const char *p;
	const char *end;
	unsigned depth_left;
	const char *problem;
	struct str *wide;
	const char *copied; /* what is before this is in wide */
	struct step *step;  /* NULL outside of all containers */
	char *path;	    /* JSON_PATH_MAX bytes of the fault */
};

static bool scan_value(struct scan *s);

static bool fault(struct scan *s, const char *problem)
{
	if (s->problem == NULL)
		s->problem = problem;
	return false;
}

/* False when there is no room, and then nothing is added. */
static bool put_step(const struct step *step, char *path)
{
	size_t used, len = step->key_len;
	int n;

	if (step->up != NULL && !put_step(step->up, path))
		return false;
	used = strlen(path);
	if (len > KEY_SHOWN_MAX)
		len = parse_utf8_prefix(step->key, KEY_SHOWN_MAX);
	if (step->key == NULL)
		n = snprintf(path + used, JSON_PATH_MAX - used, "[%zu]",
			     step->index);
	else
		n = snprintf(path + used, JSON_PATH_MAX - used, "%s%.*s",
			     used > 0 ? "." : "", (int)len, step->key);
	if ((size_t)n < JSON_PATH_MAX - used)
		return true;
	path[used] = '\0';
	return false;
}

/* A number that is JSON and yet not ours to take: says where it is. */
static bool number_fault(struct scan *s, const char *problem)
{
	if (s->step != NULL)
		put_step(s->step, s->path);
	return fault(s, problem);
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
			return number_fault(s, "number out of range");
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

/*
 * True when value is what the text says but for rounding. Not so near zero:
 * there strtod() gives 0 or loses digits, and a cast of PostgreSQL fails.
 */
static bool is_normal(const char *text, double value)
{
	if (value != 0)
		return isnormal(value);
	return strcspn(text, "eE") == strspn(text, "-0.");
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
		return number_fault(s, "number too long");
	memcpy(text, start, len);
	text[len] = '\0';
	if (!parse_double(text, &value) || !is_normal(text, value))
		return number_fault(s, "number out of range");
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
	s->step->key = s->p;
	if (!scan_string(s))
		return false;
	s->step->key_len = (size_t)(s->p - s->step->key) - 1;
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
		s->step->index++;
		skip_blanks(s);
	} while (take(s, ','));
	return take(s, close) || fault(s, close == '}' ? "',' or '}' expected"
						       : "',' or ']' expected");
}

static bool scan_container(struct scan *s, char close)
{
	struct step step = { .up = s->step };
	bool good;

	if (s->depth_left == 0)
		return fault(s, "nested too deeply");
	s->depth_left--;
	s->p++;
	s->step = &step;
	good = scan_items(s, close);
	s->step = step.up;
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
		.path = ret_fault->path,
	};

	ret_fault->path[0] = '\0';

	if (good < len) {
		ret_fault->offset = good;
		ret_fault->problem = "not UTF-8";
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
