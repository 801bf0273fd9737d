/*
 * Strict readers for text from requests, settings and command lines. Each
 * one walks a cursor through its grammar and must end at the NUL.
 */
#include "base/parse.h"

#include "base/clock.h"

#include <math.h>

#define EMAIL_LEN_MAX 254
#define LOCAL_LEN_MAX 64
#define LABEL_LEN_MAX 63

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	const char *p = text;
	bool negative = *p == '-';
	int64_t value = 0;

	p += negative;
	if (!is_digit(*p) || (*p == '0' && (p[1] != '\0' || negative)))
		return false;
	for (; is_digit(*p); p++) {
		int digit = *p - '0';

		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, negative ? -digit : digit,
					   &value))
			return false;
	}
	if (*p != '\0' || value < min || value > max)
		return false;
	*ret = value;
	return true;
}

static bool skip_digits(const char **p)
{
	const char *start = *p;

	while (is_digit(**p))
		(*p)++;
	return *p > start;
}

/* The grammar of a JSON number (RFC 8259 §6). */
static bool is_number(const char *p)
{
	p += *p == '-';
	if (*p == '0')
		p++;
	else if (!skip_digits(&p))
		return false;
	if (*p == '.') {
		p++;
		if (!skip_digits(&p))
			return false;
	}
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '+' || *p == '-';
		if (!skip_digits(&p))
			return false;
	}
	return *p == '\0';
}

bool parse_double(const char *text, double *ret)
{
	double value;

	if (!is_number(text))
		return false;
	/* No program of ours calls setlocale(): the point is a point. */
	value = strtod(text, NULL);
	if (!isfinite(value))
		return false;
	*ret = value;
	return true;
}

/* Exactly count digits at *p, within min and max; moves *p behind them. */
static bool take_number(const char **p, int count, int min, int max, int *ret)
{
	int value = 0;

	for (int i = 0; i < count; i++, (*p)++) {
		if (!is_digit(**p))
			return false;
		value = value * 10 + (**p - '0');
	}
	if (value < min || value > max)
		return false;
	*ret = value;
	return true;
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

static int month_days(int year, int month)
{
	static const unsigned char days[12] = { 31, 28, 31, 30, 31, 30,
						31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Date → days since 1970; see split_days() in clock.c. */
static int64_t count_days(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t march_month = month > 2 ? month - 3 : month + 9;
	int64_t day_of_year = (153 * march_month + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 -
	       year_of_era / 100 + day_of_year - 719468;
}

static bool take_day(const char **p, int64_t *ret_us)
{
	int year, month, day;

	if (!take_number(p, 4, 1, 9999, &year) || !take_char(p, '-') ||
	    !take_number(p, 2, 1, 12, &month) || !take_char(p, '-') ||
	    !take_number(p, 2, 1, month_days(year, month), &day))
		return false;
	*ret_us = count_days(year, month, day) * US_PER_DAY;
	return true;
}

/* "." and one to nine digits, or nothing. */
static bool take_fraction(const char **p, int64_t *ret_us)
{
	int64_t us = 0, unit = US_PER_SECOND / 10;
	int digits = 0;

	if (!take_char(p, '.')) {
		*ret_us = 0;
		return true;
	}
	for (; is_digit(**p); (*p)++, digits++, unit /= 10)
		us += (**p - '0') * unit;
	*ret_us = us;
	return digits >= 1 && digits <= 9;
}

static bool take_offset(const char **p, int64_t *ret_us)
{
	int hours, minutes;
	bool west = **p == '-';

	if (take_char(p, 'Z') || take_char(p, 'z')) {
		*ret_us = 0;
		return true;
	}
	if (!take_char(p, '+') && !take_char(p, '-'))
		return false;
	if (!take_number(p, 2, 0, 23, &hours) || !take_char(p, ':') ||
	    !take_number(p, 2, 0, 59, &minutes))
		return false;
	*ret_us = hours * US_PER_HOUR + minutes * US_PER_MINUTE;
	if (west)
		*ret_us = -*ret_us;
	return true;
}

bool parse_time(const char *text, int64_t *ret_us)
{
	const char *p = text;
	int64_t day_us, fraction_us, offset_us, us;
	int hour, minute, second;

	if (!take_day(&p, &day_us) ||
	    !(take_char(&p, 'T') || take_char(&p, 't') || take_char(&p, ' ')) ||
	    !take_number(&p, 2, 0, 23, &hour) || !take_char(&p, ':') ||
	    !take_number(&p, 2, 0, 59, &minute) || !take_char(&p, ':') ||
	    !take_number(&p, 2, 0, 60, &second) ||
	    !take_fraction(&p, &fraction_us) || !take_offset(&p, &offset_us) ||
	    *p != '\0')
		return false;
	if (second == 60)
		second = 59;
	us = day_us + hour * US_PER_HOUR + minute * US_PER_MINUTE +
	     second * US_PER_SECOND + fraction_us - offset_us;
	/* An offset may carry the first or last day out of the range. */
	if (us < count_days(1, 1, 1) * US_PER_DAY ||
	    us >= count_days(10000, 1, 1) * US_PER_DAY)
		return false;
	*ret_us = us;
	return true;
}

bool parse_day(const char *text, int64_t *ret_us)
{
	const char *p = text;
	int64_t us;

	if (!take_day(&p, &us) || *p != '\0')
		return false;
	*ret_us = us;
	return true;
}

bool parse_clock(const char *text, int *ret_s)
{
	const char *p = text;
	int hour, minute, second = 0;

	if (!take_number(&p, 2, 0, 23, &hour) || !take_char(&p, ':') ||
	    !take_number(&p, 2, 0, 59, &minute))
		return false;
	if (take_char(&p, ':') && !take_number(&p, 2, 0, 59, &second))
		return false;
	if (*p != '\0')
		return false;
	*ret_s = hour * 3600 + minute * 60 + second;
	return true;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool parse_uuid(const char *text, unsigned char ret[16])
{
	unsigned char uuid[16];
	const char *p = text;

	for (int i = 0; i < 16; i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *p++ != '-')
			return false;
		if ((high = hex_value(*p)) < 0)
			return false;
		if ((low = hex_value(p[1])) < 0)
			return false;
		uuid[i] = (unsigned char)(high * 16 + low);
		p += 2;
	}
	if (*p != '\0')
		return false;
	memcpy(ret, uuid, sizeof(uuid));
	return true;
}

bool parse_is_uuid(const char *text)
{
	unsigned char unused[16];

	return parse_uuid(text, unused);
}

/* An RFC 5322 dot-atom: what is left of the '@'. */
static bool is_local_part(const char *text, size_t len)
{
	if (len == 0 || len > LOCAL_LEN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '.') {
			if (i == 0 || i == len - 1 || text[i - 1] == '.')
				return false;
		} else if (!is_alnum(c) &&
			   strchr("!#$%&'*+-/=?^_`{|}~", c) == NULL) {
			return false;
		}
	}
	return true;
}

/* Two or more labels of letters, digits and inner hyphens. */
static bool is_domain(const char *text)
{
	size_t label = 0;
	bool has_dot = false;

	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '.') {
			if (label == 0 || p[-1] == '-')
				return false;
			has_dot = true;
			label = 0;
		} else if (is_alnum(*p) || (*p == '-' && label > 0)) {
			if (++label > LABEL_LEN_MAX)
				return false;
		} else {
			return false;
		}
	}
	return has_dot && label > 0 && text[strlen(text) - 1] != '-';
}

bool parse_is_email(const char *text)
{
	const char *at = strchr(text, '@');

	return at != NULL && strlen(text) <= EMAIL_LEN_MAX &&
	       is_local_part(text, (size_t)(at - text)) && is_domain(at + 1);
}

/* Length of the well-formed sequence at p (RFC 3629 §4), or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n > len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0; /* overlong */
	else if (p[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (p[0] == 0xf0)
		low = 0x90; /* overlong */
	else if (p[0] == 0xf4)
		high = 0x8f; /* over U+10FFFF */
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return n;
}

size_t parse_utf8_prefix(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t done = 0, n;

	while (done < len && (n = utf8_sequence(p + done, len - done)) > 0)
		done += n;
	return done;
}

bool parse_is_utf8(const char *bytes, size_t len)
{
	return parse_utf8_prefix(bytes, len) == len;
}

size_t parse_utf8_len(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

/* DerivedCoreProperties.txt of Unicode 15.0. */
static const struct {
	unsigned first, last;
} hidden[] = {
	{ 0xad, 0xad },	      { 0x34f, 0x34f },	    { 0x61c, 0x61c },
	{ 0x115f, 0x1160 },   { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },
	{ 0x200b, 0x200f },   { 0x202a, 0x202e },   { 0x2060, 0x206f },
	{ 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
	{ 0xffa0, 0xffa0 },   { 0xfff0, 0xfff8 },   { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
};

size_t parse_hidden_len(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = *p < 0x80 ? 0 : utf8_sequence(p, strnlen(text, 4));
	unsigned code = n == 0 ? 0 : *p & (0x7fu >> n);

	for (size_t i = 1; i < n; i++)
		code = code << 6 | (p[i] & 0x3fu);
	for (size_t i = 0; n > 0 && i < ARRAY_LEN(hidden); i++)
		if (code >= hidden[i].first && code <= hidden[i].last)
			return n;
	return 0;
}
