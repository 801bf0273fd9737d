/* JSON in and out. */
#include "test_base.h"

#include "base/json_in.h"
#include "base/json_out.h"
#include "base/parse.h"

#include <float.h>
#include <json-c/json_tokener.h>
#include <math.h>
#include <signal.h>

static struct str out;
static struct json_out j;

static void start(void)
{
	str_init(&out, test_op.arena, 10000);
	json_init(&j, &out);
}

START_TEST(writes_nested)
{
	start();
	json_open(&j, '{');
	json_pair(&j, "id", "a");
	json_pair(&j, "none", NULL);
	json_key(&j, "n");
	json_i64(&j, INT64_MIN);
	json_key(&j, "list");
	json_open(&j, '[');
	json_boolean(&j, true);
	json_boolean(&j, false);
	json_null(&j);
	json_open(&j, '{');
	json_close(&j);
	json_open(&j, '[');
	json_close(&j);
	json_raw(&j, "1.50");
	json_raw(&j, NULL);
	json_close(&j);
	json_key(&j, "d");
	json_double(&j, 0.1);
	json_close(&j);
	ck_assert_str_eq(out.bytes,
			 "{\"id\":\"a\",\"none\":null,"
			 "\"n\":-9223372036854775808,"
			 "\"list\":[true,false,null,{},[],1.50,null],"
			 "\"d\":0.1}");
}
END_TEST

START_TEST(commas_start_again_inside)
{
	start();
	json_open(&j, '[');
	for (int i = 0; i < 2; i++) {
		json_open(&j, '[');
		json_i64(&j, 1);
		json_i64(&j, 2);
		json_close(&j);
	}
	json_close(&j);
	ck_assert_str_eq(out.bytes, "[[1,2],[1,2]]");
}
END_TEST

START_TEST(writes_escapes)
{
	start();
	json_string_len(&j, "\"\\/\b\f\n\r\t\x01\x1f\0\x7f\xe2\x82\xac<", 16);
	ck_assert_str_eq(out.bytes, "\"\\\"\\\\/\\u0008\\u000c\\n\\r\\t"
				    "\\u0001\\u001f\\u0000\x7f\xe2\x82\xac<\"");
	start();
	json_open(&j, '{');
	json_key(&j, "a\"b");
	json_string(&j, "");
	json_close(&j);
	ck_assert_str_eq(out.bytes, "{\"a\\\"b\":\"\"}");
}
END_TEST

static const struct {
	double value;
	const char *text;
} doubles[] = {
	{ 0, "0" },
	{ -0.0, "-0" },
	{ 1, "1" },
	{ 0.1, "0.1" },
	{ 0.1 + 0.2, "0.30000000000000004" },
	{ 1.0 / 3, "0.3333333333333333" },
	{ 100, "100" },
	{ 1e20, "1e+20" },
	{ 123456789012345680.0, "1.2345678901234568e+17" },
	{ 5e-324, "5e-324" },
	{ DBL_MAX, "1.7976931348623157e+308" },
	{ DBL_MIN, "2.2250738585072014e-308" },
	{ NAN, "null" },
	{ INFINITY, "null" },
	{ -INFINITY, "null" },
};

START_TEST(writes_doubles)
{
	start();
	json_double(&j, doubles[_i].value);
	ck_assert_str_eq(out.bytes, doubles[_i].text);
}
END_TEST

START_TEST(doubles_come_back)
{
	for (int i = 0; i < 20000; i++) {
		double value;

		test_op.random(&value, sizeof(value));
		if (!isfinite(value))
			continue;
		start();
		json_double(&j, value);
		ck_assert_msg(strtod(out.bytes, NULL) == value, "%s",
			      out.bytes);
		arena_reset(test_op.arena);
	}
}
END_TEST

START_TEST(writer_overflow_latches)
{
	str_init(&out, test_op.arena, 10);
	json_init(&j, &out);
	json_open(&j, '[');
	json_string(&j, "0123456789");
	json_close(&j);
	ck_assert(!str_ok(&out));
}
END_TEST

START_TEST(value_without_key_aborts)
{
	start();
	json_open(&j, '{');
	json_null(&j);
}
END_TEST

START_TEST(key_in_array_aborts)
{
	start();
	json_open(&j, '[');
	json_key(&j, "a");
}
END_TEST

START_TEST(close_too_many_aborts)
{
	start();
	json_close(&j);
}
END_TEST

START_TEST(too_deep_aborts)
{
	start();
	for (int i = 0; i <= JSON_DEPTH_MAX; i++)
		json_open(&j, '[');
}
END_TEST

/* Accepted, and what comes out again. */
static const struct {
	const char *text;
	const char *back; /* NULL: the same */
} good[] = {
	{ "{}", NULL },
	{ "[]", NULL },
	{ "null", NULL },
	{ "true", NULL },
	{ "false", NULL },
	{ "0", NULL },
	{ "-0", "-0.0" },
	{ "12", NULL },
	{ "1.50", NULL },
	{ "1E5", NULL },
	{ "0e-400", NULL },
	{ "\"\"", NULL },
	{ " [ 1 , 2 ] \r\n\t", "[1,2]" },
	{ "{ \"a\" : { \"b\" : [ null ] } }", "{\"a\":{\"b\":[null]}}" },
	{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
	{ "\"\\u00e4\\u20AC\\ud83d\\ude00\"",
	  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
	{ "\"\xc3\xa4\xf0\x9f\x98\x80\x7f\"", NULL },
	{ "\"it's NaN, Infinity\"", NULL },
	{ "\"\\\\u0000\"", NULL },
	{ "{\"a\":1,\"a\":2}", "{\"a\":2}" },
	{ "9223372036854775807", NULL },
	{ "-9223372036854775808", NULL },
	{ "9223372036854775808", "9223372036854775808.0" },
	{ "[-9223372036854775809,1,100000000000000000000, 2]",
	  "[-9223372036854775809.0,1,100000000000000000000.0,2]" },
};

static const struct {
	const char *text;
	size_t offset;
} bad[] = {
	{ "", 0 },
	{ "  ", 2 },
	{ "\xef\xbb\xbf{}", 0 },
	{ "[1,]", 3 },
	{ "[,1]", 1 },
	{ "[1 2]", 3 },
	{ "[1", 2 },
	{ "]", 0 },
	{ "{\"a\":1,}", 7 },
	{ "{\"a\"}", 4 },
	{ "{\"a\":}", 5 },
	{ "{a:1}", 1 },
	{ "{'a':1}", 1 },
	{ "{1:1}", 1 },
	{ "{\"a\":1", 6 },
	{ "{\"a\" 1}", 5 },
	{ "'a'", 0 },
	{ "[1]]", 3 },
	{ "[1] x", 4 },
	{ "1 2", 2 },
	{ "/* c */ 1", 0 },
	{ "1 // c", 2 },
	{ "TRUE", 0 },
	{ "tru", 0 },
	{ "truex", 4 },
	{ "nul", 0 },
	{ "None", 0 },
	{ "NaN", 0 },
	{ "Infinity", 0 },
	{ "-Infinity", 1 },
	{ "01", 1 },
	{ "-01", 2 },
	{ "+1", 0 },
	{ "-", 1 },
	{ ".5", 0 },
	{ "1.", 2 },
	{ "[1.]", 3 },
	{ "1.e5", 2 },
	{ "1e", 2 },
	{ "1e+", 3 },
	{ "0x10", 1 },
	{ "1e400", 5 },
	{ "-1e400", 6 },
	{ "1e309", 5 },
	{ "1e-401", 3 },
	{ "1e-400", 6 },
	{ "-1e-400", 7 },
	{ "1e-308", 6 },
	{ "4.9e-324", 8 },
	{ "1e99999999999", 2 },
	{ "\"a", 2 },
	{ "\"a\\", 3 },
	{ "\"\\x41\"", 2 },
	{ "\"\\'\"", 2 },
	{ "\"\\u12\"", 5 },
	{ "\"\\u12g4\"", 5 },
	{ "\"\\u0000\"", 7 },
	{ "{\"a\\u0000b\":1}", 9 },
	{ "\"\\ud800\"", 7 },
	{ "\"\\ud800x\"", 7 },
	{ "\"\\ud800\\n\"", 8 },
	{ "\"\\ud800\\ud800\"", 13 },
	{ "\"\\udc00\"", 7 },
	{ "\"a\tb\"", 2 },
	{ "\"a\nb\"", 2 },
	{ "\"\x01\"", 1 },
	{ "{\"\t\":1}", 2 },
	{ "\"\xff\"", 1 },
	{ "\"\xc0\x80\"", 1 },
	{ "\"\xed\xa0\x80\"", 1 },
	{ "[\"\xf5\x80\x80\x80\"]", 2 },
	{ "\xc2\xa0"
	  "1",
	  0 },
};

static struct json_object *parsed(const char *text)
{
	struct json_object *root;

	ck_assert_msg(json_parse(&test_op, text, strlen(text), &root), "%s",
		      test_op.fail.message);
	return root;
}

START_TEST(reads_good)
{
	const char *wanted = good[_i].back ? good[_i].back : good[_i].text;

	ck_assert_str_eq(json_text(test_op.arena, parsed(good[_i].text)),
			 wanted);
}
END_TEST

/* In a heap block of exactly its size, so that overruns are seen. */
START_TEST(reads_within_bounds)
{
	size_t len = strlen(good[_i].text);
	char *copy = malloc(len);
	struct json_object *root;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, good[_i].text, len);
	ck_assert(json_parse(&test_op, copy, len, &root));
	for (size_t cut = 0; cut < len; cut++) {
		char *part = malloc(cut);

		memcpy(part, copy, cut);
		op_clear(&test_op);
		if (!json_parse(&test_op, part, cut, &root))
			ck_assert_str_eq(test_op.fail.code, "invalid_json");
		free(part);
	}
	free(copy);
}
END_TEST

START_TEST(refuses_bad)
{
	struct json_object *root = NULL;
	char wanted[64];

	ck_assert_msg(
	    !json_parse(&test_op, bad[_i].text, strlen(bad[_i].text), &root),
	    "%s", bad[_i].text);
	ck_assert_ptr_null(root);
	ck_assert_int_eq(test_op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(test_op.fail.code, "invalid_json");
	snprintf(wanted, sizeof(wanted),
		 "invalid JSON at byte %zu: ", bad[_i].offset);
	ck_assert_msg(strncmp(test_op.fail.message, wanted, strlen(wanted)) ==
			  0,
		      "%s: %s", bad[_i].text, test_op.fail.message);
}
END_TEST

static const struct {
	const char *text, *path;
} odd_numbers[] = {
	{ "{\"constraints\":{\"holdout\":1e-400}}", "constraints.holdout" },
	{ "{\"constraints\":{\"holdout\":1e400}}", "constraints.holdout" },
	{ "{\"a\":{},\"b\":[[],{\"c\":1},{\"d\":-1e-310}]}", "b[2].d" },
	{ "{\"a\":[1,{\"x\":[2,3]},1e309]}", "a[2]" },
	{ "[0,[5e-324]]", "[1][0]" },
	{ "{\"a\":1e99999}", "a" },
};

START_TEST(names_odd_numbers)
{
	const char *text = odd_numbers[_i].text;
	struct json_object *root = NULL;

	ck_assert(!json_parse(&test_op, text, strlen(text), &root));
	ck_assert_int_eq(test_op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(test_op.fail.code, "invalid_request");
	ck_assert_uint_eq(test_op.fail.field_count, 1);
	ck_assert_str_eq(test_op.fail.fields->path, odd_numbers[_i].path);
	ck_assert_str_eq(test_op.fail.fields->message, "number out of range");
}
END_TEST

/* The path has an end, and cuts no character in two. */
START_TEST(odd_numbers_deep_down)
{
	struct json_object *root = NULL;
	struct str s;

	str_init(&s, test_op.arena, SIZE_MAX);
	for (int i = 0; i < 10; i++) {
		str_puts(&s, "{\"");
		for (int k = 0; k < 50; k++)
			str_puts(&s, "\xe2\x82\xac");
		str_puts(&s, "\":");
	}
	str_puts(&s, "1e-400");
	ck_assert(!json_parse(&test_op, s.bytes, s.len, &root));
	const char *path = test_op.fail.fields->path;

	/* Three keys of 26 characters, and the points between them. */
	ck_assert_uint_eq(strlen(path), 3 * 26 * 3 + 2);
	ck_assert(parse_is_utf8(path, strlen(path)));
}
END_TEST

START_TEST(zeros_are_numbers)
{
	static const char *const zeros[] = { "0",	"-0.0",	  "0e-400",
					     "0.000E5", "-0e400", "2.3e-308",
					     "1e308" };

	for (size_t i = 0; i < ARRAY_LEN(zeros); i++)
		parsed(zeros[i]);
}
END_TEST

START_TEST(refuses_nul_bytes)
{
	struct json_object *root;

	ck_assert(!json_parse(&test_op, "\"a\0b\"", 5, &root));
	op_clear(&test_op);
	ck_assert(!json_parse(&test_op, "1\0", 2, &root));
	op_clear(&test_op);
	ck_assert(!json_parse(&test_op, "[1,\0]", 5, &root));
}
END_TEST

/* arena: inner within depth containers. */
static const char *nested(int depth, bool objects, const char *inner)
{
	struct str s;

	str_init(&s, test_op.arena, SIZE_MAX);
	for (int i = 0; i < depth; i++)
		str_puts(&s, objects ? "{\"k\":" : "[");
	str_puts(&s, inner);
	for (int i = 0; i < depth; i++)
		str_putc(&s, objects ? '}' : ']');
	return s.bytes;
}

START_TEST(limits_depth)
{
	struct json_object *root;
	bool objects = _i == 1;
	const char *deep = nested(JSON_IN_DEPTH, objects, "\"x\"");

	parsed(deep);
	parsed(nested(JSON_IN_DEPTH - 1, objects, "[]"));
	parsed(nested(JSON_IN_DEPTH - 1, objects, "{}"));
	deep = nested(JSON_IN_DEPTH + 1, objects, "1");
	ck_assert(!json_parse(&test_op, deep, strlen(deep), &root));
	ck_assert_ptr_nonnull(strstr(test_op.fail.message, "nested"));
	op_clear(&test_op);
	deep = nested(100000, objects, "1");
	ck_assert(!json_parse(&test_op, deep, strlen(deep), &root));
	/* Depth is given back by what is closed. */
	op_clear(&test_op);
	parsed("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],"
	       "[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]");
}
END_TEST

START_TEST(limits_number_length)
{
	char text[500];
	struct json_object *root;

	memset(text, '0', sizeof(text));
	text[1] = '.';
	ck_assert(json_parse(&test_op, text, 400, &root));
	ck_assert(!json_parse(&test_op, text, 401, &root));
}
END_TEST

static const char alphabet[] = "{}[]\",:\\u0e.-+18 nulltruefalse\"d83\t'";

/* What we take, json-c takes too and reads the same. */
START_TEST(scanner_is_stricter_than_json_c)
{
	unsigned accepted = 0;

	for (int i = 0; i < 50000; i++) {
		unsigned char pick[12];
		char text[sizeof(pick) + 1] = "";
		struct json_object *root;
		size_t len;

		test_op.random(pick, sizeof(pick));
		len = 1 + pick[0] % 11;
		for (size_t k = 0; k < len; k++)
			text[k] =
			    alphabet[pick[k + 1] % (sizeof(alphabet) - 1)];
		op_clear(&test_op);
		if (json_parse(&test_op, text, len, &root))
			accepted++;
		ck_assert_msg(test_op.fail.detail == NULL, "%s", text);
		arena_reset(test_op.arena);
	}
	ck_assert_uint_gt(accepted, 500);
}
END_TEST

START_TEST(members_and_defaults)
{
	struct json_object *o = parsed("{\"t\":\"x\",\"i\":7,\"d\":1.5,"
				       "\"b\":true,\"n\":null,\"w\":2.0}");

	ck_assert_str_eq(json_get_text(o, "t", "-"), "x");
	ck_assert_str_eq(json_get_text(o, "i", "-"), "-");
	ck_assert_str_eq(json_get_text(o, "n", "-"), "-");
	ck_assert_str_eq(json_get_text(NULL, "t", "-"), "-");
	ck_assert_int_eq(json_get_i64(o, "i", -1), 7);
	ck_assert_int_eq(json_get_i64(o, "w", -1), 2);
	ck_assert_int_eq(json_get_i64(o, "d", -1), -1);
	ck_assert_int_eq(json_get_i64(o, "t", -1), -1);
	ck_assert_double_eq(json_get_double(o, "d", -1), 1.5);
	ck_assert_double_eq(json_get_double(o, "i", -1), 7);
	ck_assert_double_eq(json_get_double(o, "b", -1), -1);
	ck_assert(json_get_bool(o, "b", false));
	ck_assert(json_get_bool(o, "i", true));
	ck_assert(!json_get_bool(o, "x", false));
	ck_assert(json_has(o, "n"));
	ck_assert(!json_has(o, "x"));
	ck_assert(!json_has(NULL, "x"));
	ck_assert_ptr_null(json_member(o, "n"));
	ck_assert_ptr_null(json_member(json_member(o, "t"), "x"));
}
END_TEST

static const struct {
	const char *text;
	bool fits;
	int64_t value;
} integers[] = {
	{ "0", true, 0 },
	{ "-5", true, -5 },
	{ "1.0", true, 1 },
	{ "1e3", true, 1000 },
	{ "1.5", false, 0 },
	{ "9223372036854775807", true, INT64_MAX },
	{ "-9223372036854775808", true, INT64_MIN },
	{ "9223372036854775808", false, 0 },
	{ "18446744073709551616", false, 0 },
	{ "-9223372036854775809", false, 0 },
	{ "9007199254740992.0", true, INT64_C(9007199254740992) },
	{ "9007199254740994.0", false, 0 },
	{ "1e300", false, 0 },
	{ "\"1\"", false, 0 },
	{ "true", false, 0 },
	{ "null", false, 0 },
};

START_TEST(integers_fit_or_not)
{
	int64_t v = 42;
	bool fits = json_as_i64(parsed(integers[_i].text), &v);

	ck_assert_int_eq(fits, integers[_i].fits);
	ck_assert_int_eq(v, fits ? integers[_i].value : 42);
}
END_TEST

START_TEST(wide_integers_are_doubles)
{
	double v = 0;

	ck_assert(json_as_double(parsed("100000000000000000000"), &v));
	ck_assert_double_eq(v, 1e20);
	ck_assert(json_as_double(parsed("3"), &v));
	ck_assert_double_eq(v, 3);
	ck_assert(!json_as_double(parsed("\"3\""), &v));
	ck_assert(!json_as_double(NULL, &v));
}
END_TEST

START_TEST(type_words)
{
	ck_assert_str_eq(json_type_word(parsed("\"\"")), "string");
	ck_assert_str_eq(json_type_word(parsed("1")), "number");
	ck_assert_str_eq(json_type_word(parsed("1.5")), "number");
	ck_assert_str_eq(json_type_word(parsed("true")), "boolean");
	ck_assert_str_eq(json_type_word(parsed("{}")), "object");
	ck_assert_str_eq(json_type_word(parsed("[]")), "array");
	ck_assert_str_eq(json_type_word(parsed("null")), "null");
}
END_TEST

static TCase *out_case(void)
{
	TCase *tc = base_case("json_out");

	tcase_add_test(tc, writes_nested);
	tcase_add_test(tc, commas_start_again_inside);
	tcase_add_test(tc, writes_escapes);
	tcase_add_loop_test(tc, writes_doubles, 0, ARRAY_LEN(doubles));
	tcase_add_test(tc, doubles_come_back);
	tcase_add_test(tc, writer_overflow_latches);
	tcase_add_test_raise_signal(tc, value_without_key_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, key_in_array_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, close_too_many_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, too_deep_aborts, SIGABRT);
	return tc;
}

static TCase *in_case(void)
{
	TCase *tc = base_case("json_in");

	tcase_add_loop_test(tc, reads_good, 0, ARRAY_LEN(good));
	tcase_add_loop_test(tc, reads_within_bounds, 0, ARRAY_LEN(good));
	tcase_add_loop_test(tc, refuses_bad, 0, ARRAY_LEN(bad));
	tcase_add_loop_test(tc, names_odd_numbers, 0, ARRAY_LEN(odd_numbers));
	tcase_add_test(tc, odd_numbers_deep_down);
	tcase_add_test(tc, zeros_are_numbers);
	tcase_add_test(tc, refuses_nul_bytes);
	tcase_add_loop_test(tc, limits_depth, 0, 2);
	tcase_add_test(tc, limits_number_length);
	tcase_add_test(tc, scanner_is_stricter_than_json_c);
	tcase_add_test(tc, members_and_defaults);
	tcase_add_loop_test(tc, integers_fit_or_not, 0, ARRAY_LEN(integers));
	tcase_add_test(tc, wide_integers_are_doubles);
	tcase_add_test(tc, type_words);
	return tc;
}

void base_add_json(Suite *suite)
{
	suite_add_tcase(suite, out_case());
	suite_add_tcase(suite, in_case());
}
