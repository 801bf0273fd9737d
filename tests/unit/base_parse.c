/* Text → value: what is accepted, and much that is not. */
#include "test_base.h"

#include "base/clock.h"
#include "base/parse.h"

static const struct {
	const char *text;
	int64_t value;
} good_i64[] = {
	{ "0", 0 },
	{ "7", 7 },
	{ "-1", -1 },
	{ "100", 100 },
	{ "9223372036854775807", INT64_MAX },
	{ "-9223372036854775808", INT64_MIN },
};

static const char *const bad_i64[] = {
	"",
	"-",
	"+1",
	" 1",
	"1 ",
	"01",
	"-0",
	"-01",
	"00",
	"1a",
	"a",
	"0x1",
	"1.0",
	"1e3",
	"9223372036854775808",
	"-9223372036854775809",
	"99999999999999999999999",
	"\xd9\xa1",
};

START_TEST(i64_good)
{
	int64_t v;

	ck_assert(parse_i64(good_i64[_i].text, INT64_MIN, INT64_MAX, &v));
	ck_assert_int_eq(v, good_i64[_i].value);
}
END_TEST

START_TEST(i64_bad)
{
	int64_t v = 42;

	ck_assert(!parse_i64(bad_i64[_i], INT64_MIN, INT64_MAX, &v));
	ck_assert_int_eq(v, 42);
}
END_TEST

START_TEST(i64_range)
{
	int64_t v = 42;

	ck_assert(parse_i64("1", 1, 3, &v));
	ck_assert(parse_i64("3", 1, 3, &v));
	ck_assert(!parse_i64("0", 1, 3, &v));
	ck_assert(!parse_i64("4", 1, 3, &v));
	ck_assert_int_eq(v, 3);
}
END_TEST

static const struct {
	const char *text;
	double value;
} good_double[] = {
	{ "0", 0 },	     { "-0", 0 },	{ "1", 1 },
	{ "-1.5e3", -1500 }, { "0.25", 0.25 },	{ "1E+2", 100 },
	{ "1e-2", .01 },     { "10.50", 10.5 }, { "1e308", 1e308 },
	{ "1e-999", 0 },
};

static const char *const bad_double[] = {
	"",    "-",	"+1",	  ".5",	   "1.",  "01",	 "1e",
	"1e+", " 1",	"1 ",	  "nan",   "NaN", "inf", "0x1p3",
	"1,5", "1e309", "-1e400", "1.5.1", "--1", "1f",
};

START_TEST(double_good)
{
	double v;

	ck_assert(parse_double(good_double[_i].text, &v));
	ck_assert_double_eq(v, good_double[_i].value);
}
END_TEST

START_TEST(double_bad)
{
	double v = 42;

	ck_assert(!parse_double(bad_double[_i], &v));
	ck_assert_double_eq(v, 42);
}
END_TEST

#define NOON INT64_C(1795435200000000) /* 2026-11-23T12:00:00Z */

static const struct {
	const char *text;
	int64_t us;
} good_time[] = {
	{ "1970-01-01T00:00:00Z", 0 },
	{ "2026-11-23T12:00:00Z", NOON },
	{ "2026-11-23t12:00:00z", NOON },
	{ "2026-11-23 12:00:00Z", NOON },
	{ "2026-11-23T12:00:00+00:00", NOON },
	{ "2026-11-23T12:00:00-00:00", NOON },
	{ "2026-11-23T14:30:00+02:30", NOON },
	{ "2026-11-23T00:00:00-12:00", NOON },
	{ "2026-11-24T11:59:00+23:59", NOON },
	{ "2026-11-23T12:00:00.1Z", NOON + 100000 },
	{ "2026-11-23T12:00:00.123456Z", NOON + 123456 },
	{ "2026-11-23T12:00:00.123456789Z", NOON + 123456 },
	{ "2026-11-23T12:00:00.000000999Z", NOON },
	{ "2016-12-31T23:59:60Z", INT64_C(1483228799000000) },
	{ "2016-12-31T23:59:60.5Z", INT64_C(1483228799500000) },
	{ "2000-02-29T00:00:00Z", INT64_C(951782400000000) },
	{ "2024-02-29T00:00:00Z", INT64_C(1709164800000000) },
	{ "1969-12-31T23:59:59.999999Z", -1 },
	{ "0001-01-01T00:00:00Z", INT64_C(-62135596800000000) },
	{ "9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999) },
};

static const char *const bad_time[] = {
	"",
	"2026-11-23",
	"2026-11-23T12:00Z",
	"2026-11-23T12:00:00",
	"2026-11-23T12:00:00+02",
	"2026-11-23T12:00:00+0200",
	"2026-11-23T12:00:00+24:00",
	"2026-11-23T12:00:00+02:60",
	"2026-11-23T12:00:00.Z",
	"2026-11-23T12:00:00.1234567890Z",
	"2026-11-23T12:00:00,5Z",
	"2026-11-23T24:00:00Z",
	"2026-11-23T12:60:00Z",
	"2026-11-23T12:00:61Z",
	"2026-02-29T00:00:00Z",
	"1900-02-29T00:00:00Z",
	"2026-04-31T00:00:00Z",
	"2026-13-01T00:00:00Z",
	"2026-00-01T00:00:00Z",
	"2026-01-00T00:00:00Z",
	"0000-01-01T00:00:00Z",
	"0001-01-01T00:00:00+00:01",
	"9999-12-31T23:59:00-00:01",
	"12026-01-01T00:00:00Z",
	"2026-1-01T00:00:00Z",
	"2026-11-23T12:00:00Zx",
	"2026-11-23T12:00:00Z ",
	" 2026-11-23T12:00:00Z",
	"2026-11-23_12:00:00Z",
	"2026/11/23T12:00:00Z",
	"now",
};

START_TEST(time_good)
{
	int64_t us;

	ck_assert(parse_time(good_time[_i].text, &us));
	ck_assert_int_eq(us, good_time[_i].us);
}
END_TEST

START_TEST(time_bad)
{
	int64_t us = 42;

	ck_assert_msg(!parse_time(bad_time[_i], &us), "%s", bad_time[_i]);
	ck_assert_int_eq(us, 42);
}
END_TEST

START_TEST(day_forms)
{
	int64_t us = 42;

	ck_assert(parse_day("2026-11-23", &us));
	ck_assert_int_eq(us, NOON - 12 * US_PER_HOUR);
	ck_assert(!parse_day("2026-11-23T00:00:00Z", &us));
	ck_assert(!parse_day("2026-11-31", &us));
	ck_assert(!parse_day("26-11-23", &us));
	ck_assert(!parse_day("", &us));
	ck_assert_int_eq(us, NOON - 12 * US_PER_HOUR);
}
END_TEST

START_TEST(clock_forms)
{
	static const char *const bad[] = { "",	     "8:00",  "08:0",
					   "24:00",  "08:60", "08:00:60",
					   "08:00:", "0800",  "08:00 " };
	int s = 42;

	ck_assert(parse_clock("00:00", &s));
	ck_assert_int_eq(s, 0);
	ck_assert(parse_clock("23:59:59", &s));
	ck_assert_int_eq(s, 86399);
	ck_assert(parse_clock("08:30", &s));
	ck_assert_int_eq(s, 30600);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!parse_clock(bad[i], &s), "%s", bad[i]);
	ck_assert_int_eq(s, 30600);
}
END_TEST

START_TEST(uuid_forms)
{
	static const char *const bad[] = {
		"",
		"01a20a90-041b-7fff-bfff-fffffffffff",
		"01a20a90-041b-7fff-bfff-fffffffffffff",
		"01a20a90041b7fffbfffffffffffffff",
		"01a20a90-041b-7fff-bfff_ffffffffffff",
		"01a20a90-041b-7fff-bfff-ffffffffffg0",
		"{01a20a90-041b-7fff-bfff-ffffffffffff}",
		"01a20a904-41b-7fff-bfff-ffffffffffff",
	};
	static const unsigned char wanted[16] = { 0x01, 0xa2, 0x0a, 0x90,
						  0x04, 0x1b, 0x7f, 0xff,
						  0xbf, 0xff, 0xff, 0xff,
						  0xff, 0xff, 0xff, 0xff };
	unsigned char uuid[16];

	ck_assert(parse_uuid("01a20a90-041B-7fff-BFFF-ffffffffffff", uuid));
	ck_assert_mem_eq(uuid, wanted, 16);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!parse_is_uuid(bad[i]), "%s", bad[i]);
}
END_TEST

static const char *const good_email[] = {
	"a@b.co",
	"first.last+tag@sub.example.com",
	"o'brien@example.com",
	"1@2.3a",
	"x_y-z@ex-ample.org",
};

static const char *const bad_email[] = {
	"",
	"a",
	"@b.co",
	"a@",
	"a@b",
	"a@b.",
	"a@.b.co",
	"a@b..co",
	"a@-b.co",
	"a@b-.co",
	"a@b.co-",
	"a@@b.co",
	"a@b@c.co",
	"a b@c.co",
	" a@b.co",
	"a@b.co ",
	"a@b.co\r\nBcc: x@y.z",
	"\"a\"@b.co",
	"<a@b.co>",
	"a@b.co,c@d.co",
	"a;b@c.co",
	"(a)@b.co",
	"a@[127.0.0.1]",
	".a@b.co",
	"a.@b.co",
	"a..b@c.co",
	"\xc3\xa4@b.co",
	"a@\xc3\xa4.co",
	"a\x7f@b.co",
	"a@b.c_o",
};

START_TEST(email_good)
{
	ck_assert(parse_is_email(good_email[_i]));
}
END_TEST

START_TEST(email_bad)
{
	ck_assert_msg(!parse_is_email(bad_email[_i]), "%s", bad_email[_i]);
}
END_TEST

START_TEST(email_lengths)
{
	struct arena *a = test_op.arena;
	char label[65], local[66];

	memset(label, 'd', 64);
	label[63] = '\0';
	memset(local, 'l', 65);
	local[64] = '\0';
	ck_assert(parse_is_email(arena_printf(a, "%s@%s.co", local, label)));
	ck_assert(!parse_is_email(arena_printf(a, "l%s@%s.co", local, label)));
	ck_assert(!parse_is_email(arena_printf(a, "a@d%s.co", label)));
	/* 64 + 1 + 2 × 64 + 61 = 254 */
	ck_assert(parse_is_email(
	    arena_printf(a, "%s@%s.%s.%.61s", local, label, label, label)));
	ck_assert(!parse_is_email(
	    arena_printf(a, "%s@%s.%s.%.62s", local, label, label, label)));
}
END_TEST

static const struct {
	const char *bytes;
	size_t good; /* bytes before the first wrong one */
} utf8[] = {
	{ "plain", 5 },
	{ "", 0 },
	{ "\xc2\x80\xdf\xbf", 4 },
	{ "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", 12 },
	{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8 },
	{ "a\x80", 1 },
	{ "\xc0\x80", 0 },
	{ "\xc1\xbf", 0 },
	{ "\xe0\x9f\xbf", 0 },
	{ "\xed\xa0\x80", 0 },
	{ "\xed\xbf\xbf", 0 },
	{ "\xf0\x8f\xbf\xbf", 0 },
	{ "\xf4\x90\x80\x80", 0 },
	{ "\xf5\x80\x80\x80", 0 },
	{ "ab\xff", 2 },
	{ "\xc3", 0 },
	{ "\xe2\x82", 0 },
	{ "x\xf0\x9f\x98", 1 },
	{ "\xe2\x28\xa1", 0 },
	{ "\xf0\x9f\x98\x28", 0 },
};

START_TEST(utf8_forms)
{
	size_t len = strlen(utf8[_i].bytes);

	ck_assert_uint_eq(parse_utf8_prefix(utf8[_i].bytes, len),
			  utf8[_i].good);
	ck_assert_int_eq(parse_is_utf8(utf8[_i].bytes, len),
			 utf8[_i].good == len);
}
END_TEST

START_TEST(utf8_lengths)
{
	ck_assert_uint_eq(parse_utf8_len(""), 0);
	ck_assert_uint_eq(parse_utf8_len("a\xc3\xa4\xe2\x82\xac"
					 "\xf0\x9f\x98\x80"),
			  4);
}
END_TEST

static const struct {
	const char *text;
	size_t len;
} hidden[] = {
	/* soft hyphen, joiner of graphemes, Arabic mark, Hangul fillers */
	{ "\xc2\xad", 2 },
	{ "\xcd\x8f", 2 },
	{ "\xd8\x9c", 2 },
	{ "\xe1\x85\x9f", 3 },
	{ "\xe1\x85\xa0", 3 },
	{ "\xe3\x85\xa4", 3 },
	{ "\xef\xbe\xa0", 3 },
	{ "\xe1\xa0\x8e", 3 },
	/* the first and the last of a range, and their neighbours */
	{ "\xe2\x80\x8a", 0 },
	{ "\xe2\x80\x8b", 3 },
	{ "\xe2\x80\x8f", 3 },
	{ "\xe2\x80\x90", 0 },
	{ "\xe2\x80\xaa", 3 },
	{ "\xe2\x80\xae", 3 },
	{ "\xe2\x80\xaf", 0 },
	{ "\xe2\x81\x9f", 0 },
	{ "\xe2\x81\xa0", 3 },
	{ "\xe2\x81\xaf", 3 },
	{ "\xe2\x81\xb0", 0 },
	{ "\xef\xb8\x80", 3 },
	{ "\xef\xb8\x90", 0 },
	{ "\xef\xbb\xbf", 3 },
	{ "\xf3\xa0\x80\x80x", 4 },
	{ "\xf3\xa0\x81\xa7", 4 },
	{ "\xf3\xa0\x87\xaf", 4 },
	{ "\xf3\xa1\x80\x80", 0 },
	{ "", 0 },
	{ "a\xc2\xad", 0 },
	{ "\xc3\xa4", 0 },
	{ "\xf0\x9f\x98\x80", 0 },
	/* no whole character */
	{ "\xad", 0 },
	{ "\xc2", 0 },
	{ "\xe2\x80", 0 },
	{ "\xf3\xa0\x80", 0 },
};

START_TEST(hidden_characters)
{
	ck_assert_uint_eq(parse_hidden_len(hidden[_i].text), hidden[_i].len);
}
END_TEST

void base_add_parse(Suite *suite)
{
	TCase *tc = base_case("parse");

	tcase_add_loop_test(tc, i64_good, 0, ARRAY_LEN(good_i64));
	tcase_add_loop_test(tc, i64_bad, 0, ARRAY_LEN(bad_i64));
	tcase_add_test(tc, i64_range);
	tcase_add_loop_test(tc, double_good, 0, ARRAY_LEN(good_double));
	tcase_add_loop_test(tc, double_bad, 0, ARRAY_LEN(bad_double));
	tcase_add_loop_test(tc, time_good, 0, ARRAY_LEN(good_time));
	tcase_add_loop_test(tc, time_bad, 0, ARRAY_LEN(bad_time));
	tcase_add_test(tc, day_forms);
	tcase_add_test(tc, clock_forms);
	tcase_add_test(tc, uuid_forms);
	tcase_add_loop_test(tc, email_good, 0, ARRAY_LEN(good_email));
	tcase_add_loop_test(tc, email_bad, 0, ARRAY_LEN(bad_email));
	tcase_add_test(tc, email_lengths);
	tcase_add_loop_test(tc, utf8_forms, 0, ARRAY_LEN(utf8));
	tcase_add_test(tc, utf8_lengths);
	tcase_add_loop_test(tc, hidden_characters, 0, ARRAY_LEN(hidden));
	suite_add_tcase(suite, tc);
}
