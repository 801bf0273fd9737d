/*
 * The form of texts that quality checks compare; see folded.h. Characters are
 * changed one by one and never become longer.
 */
#include "engine/folded.h"

#include "base/parse.h"

#define NONE UINT32_MAX /* no well-formed character */

static const struct {
	uint32_t first, last;
	char as;
} signs[] = {
	{ 0x0009, 0x000d, ' ' },  { 0x0085, 0x0085, ' ' },
	{ 0x00a0, 0x00a0, ' ' },  { 0x1680, 0x1680, ' ' },
	{ 0x2000, 0x200a, ' ' },  { 0x2010, 0x2015, '-' },
	{ 0x2018, 0x201b, '\'' }, { 0x201c, 0x201f, '"' },
	{ 0x2028, 0x2029, ' ' },  { 0x202f, 0x202f, ' ' },
	{ 0x205f, 0x205f, ' ' },  { 0x2212, 0x2212, '-' },
	{ 0x3000, 0x3000, ' ' },
};

/*
 * Capitals of the scripts that have them: to each of first … last by is added,
 * where step is 2 to every second one. By CaseFolding of Unicode 15.
 */
static const struct {
	uint32_t first, last;
	int step, by;
} capitals[] = {
	{ 'A', 'Z', 1, 32 },
	{ 0x00b5, 0x00b5, 1, 0x3bc - 0xb5 }, /* micro is mu */
	{ 0x00c0, 0x00d6, 1, 32 },
	{ 0x00d8, 0x00de, 1, 32 },
	{ 0x0100, 0x012e, 2, 1 },
	{ 0x0130, 0x0130, 1, 'i' - 0x130 },
	{ 0x0132, 0x0136, 2, 1 },
	{ 0x0139, 0x0147, 2, 1 },
	{ 0x014a, 0x0176, 2, 1 },
	{ 0x0178, 0x0178, 1, 0xff - 0x178 },
	{ 0x0179, 0x017d, 2, 1 },
	{ 0x017f, 0x017f, 1, 's' - 0x17f },
	{ 0x01cd, 0x01db, 2, 1 },
	{ 0x01de, 0x01ee, 2, 1 },
	{ 0x01f8, 0x021e, 2, 1 },
	{ 0x0222, 0x0232, 2, 1 },
	{ 0x0386, 0x0386, 1, 38 },
	{ 0x0388, 0x038a, 1, 37 },
	{ 0x038c, 0x038c, 1, 64 },
	{ 0x038e, 0x038f, 1, 63 },
	{ 0x0391, 0x03a1, 1, 32 },
	{ 0x03a3, 0x03ab, 1, 32 },
	{ 0x03c2, 0x03c2, 1, 1 }, /* sigma at the end of a word */
	{ 0x0400, 0x040f, 1, 80 },
	{ 0x0410, 0x042f, 1, 32 },
	{ 0x0460, 0x0480, 2, 1 },
	{ 0x048a, 0x04be, 2, 1 },
	{ 0x04c0, 0x04c0, 1, 15 },
	{ 0x04c1, 0x04cd, 2, 1 },
	{ 0x04d0, 0x052e, 2, 1 },
	{ 0x0531, 0x0556, 1, 48 },
	{ 0x1e00, 0x1e94, 2, 1 },
	{ 0x1ea0, 0x1efe, 2, 1 },
};

static bool is_in(uint32_t c, uint32_t first, uint32_t last)
{
	return c >= first && c <= last;
}

static uint32_t fold(uint32_t c)
{
	if (is_in(c, 0xff01, 0xff5e)) /* wide ASCII */
		c -= 0xff01 - '!';
	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (is_in(c, signs[i].first, signs[i].last))
			return (unsigned char)signs[i].as;
	for (size_t i = 0; i < ARRAY_LEN(capitals); i++)
		if (is_in(c, capitals[i].first, capitals[i].last) &&
		    (c - capitals[i].first) % (uint32_t)capitals[i].step == 0)
			return (uint32_t)((int64_t)c + capitals[i].by);
	return c;
}

/* Bytes of the character at text; NONE and 1 when it is none. */
static size_t take(const char *text, uint32_t *ret)
{
	unsigned char lead = (unsigned char)text[0];
	size_t len = lead < 0x80    ? 1
		     : lead >= 0xf0 ? 4
		     : lead >= 0xe0 ? 3
		     : lead >= 0xc0 ? 2
				    : 0;
	uint32_t c = len == 1 ? lead : lead & (0x7fu >> len);

	for (size_t i = 1; i < len; i++) {
		unsigned char next = (unsigned char)text[i];

		if ((next & 0xc0) != 0x80)
			len = 0;
		c = c << 6 | (next & 0x3f);
	}
	*ret = len == 0 ? NONE : c;
	return len == 0 ? 1 : len;
}

static size_t put(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	out[0] = (char)(0xe0 | c >> 12);
	out[1] = (char)(0x80 | (c >> 6 & 0x3f));
	out[2] = (char)(0x80 | (c & 0x3f));
	return 3;
}

const char *folded_text(struct arena *a, const char *text)
{
	char *out = arena_strdup(a, text);
	size_t n = 0, len;

	for (; *text != '\0'; text += len) {
		uint32_t c, to;

		len = parse_hidden_len(text);
		if (len > 0)
			continue;
		len = take(text, &c);
		to = fold(c);
		if (to == ' ') {
			if (n > 0 && out[n - 1] != ' ')
				out[n++] = ' ';
		} else if (to == 0xdf || to == 0x1e9e) {
			/* Sharp s, whose capital is SS. */
			n += put(out + n, 's');
			n += put(out + n, 's');
		} else if (to != c) {
			n += put(out + n, to);
		} else {
			memmove(out + n, text, len);
			n += len;
		}
	}
	if (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
	return out;
}

/*
 * Letters and digits of the scripts that have capitals: they put spaces
 * between words; of the others nothing is known.
 */
static bool is_of_word(uint32_t c)
{
	return is_in(c, '0', '9') || is_in(c, 'a', 'z') ||
	       (is_in(c, 0xc0, 0x24f) && c != 0xd7 && c != 0xf7) ||
	       is_in(c, 0x386, 0x386) || is_in(c, 0x388, 0x52f) ||
	       is_in(c, 0x531, 0x587) || is_in(c, 0x1e00, 0x1fff);
}

bool folded_is_left_edge(const char *text, const char *at)
{
	uint32_t c;

	if (at == text)
		return true;
	/* To the first byte of the character before. */
	for (at--; at > text && (*at & 0xc0) == 0x80;)
		at--;
	take(at, &c);
	return !is_of_word(c);
}

bool folded_is_right_edge(const char *at)
{
	uint32_t c;

	take(at, &c);
	return !is_of_word(c);
}

const char *folded_find(const char *text, const char *phrase)
{
	size_t len = strlen(phrase);
	const char *last = phrase + len;

	if (len == 0)
		return NULL;
	for (const char *at = text; (at = strstr(at, phrase)) != NULL; at++)
		if ((folded_is_left_edge(text, at) ||
		     folded_is_right_edge(phrase)) &&
		    (folded_is_right_edge(at + len) ||
		     folded_is_left_edge(phrase, last)))
			return at;
	return NULL;
}
