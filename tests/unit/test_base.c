/* The suite of src/base: op, clock and log here, the rest in base_*.c. */
#include "test_base.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/uuid.h"
#include "suites.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct op test_op;

static char file_path[64];

static void setup(void)
{
	clock_fix(TEST_NOW_US);
	op_init(&test_op, arena_new(), NULL, NULL);
}

static void teardown(void)
{
	arena_free(test_op.arena);
	if (file_path[0] != '\0')
		unlink(file_path);
}

TCase *base_case(const char *name)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30); /* sanitizers on a busy machine */
	return tc;
}

const char *test_file(const char *text, unsigned mode)
{
	int fd;

	if (file_path[0] != '\0')
		unlink(file_path);
	snprintf(file_path, sizeof(file_path), "test_base.XXXXXX");
	fd = mkstemp(file_path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
	return file_path;
}

START_TEST(op_starts_clean)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 };

	ck_assert(!op_failed(&test_op));
	ck_assert_int_eq(test_op.now_us, TEST_NOW_US);
	ck_assert_int_eq(test_op.tenant_id, 0);
	test_op.random(a, sizeof(a));
	test_op.random(b, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

START_TEST(op_keeps_the_first_failure)
{
	char message[] = "limit is 3";

	ck_assert(
	    !op_fail(&test_op, FAIL_CONFLICT, "email_taken", "%s", message));
	message[0] = 'X';
	ck_assert(!op_fail(&test_op, FAIL_INTERNAL, "other", "later"));
	ck_assert(op_failed(&test_op));
	ck_assert_int_eq(test_op.fail.kind, FAIL_CONFLICT);
	ck_assert_str_eq(test_op.fail.code, "email_taken");
	ck_assert_str_eq(test_op.fail.message, "limit is 3");
	op_clear(&test_op);
	ck_assert(!op_failed(&test_op));
	ck_assert_ptr_null(test_op.fail.message);
	ck_assert(!op_fail(&test_op, FAIL_INTERNAL, "other", "later"));
	ck_assert_str_eq(test_op.fail.code, "other");
}
END_TEST

START_TEST(op_collects_fields)
{
	struct fail_detail *f;
	size_t count = 0;

	for (int i = 0; i < 60; i++)
		ck_assert(!op_fail_at(&test_op, i == 0 ? "name" : "more",
				      "number %d", i));
	ck_assert_int_eq(test_op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(test_op.fail.code, "invalid_request");
	ck_assert_str_eq(test_op.fail.message, "name: number 0");
	for (f = test_op.fail.fields; f != NULL; f = f->next, count++) {
		char wanted[16];

		snprintf(wanted, sizeof(wanted), "number %zu", count);
		ck_assert_str_eq(f->message, wanted);
	}
	ck_assert_uint_eq(count, 50);
	ck_assert_uint_eq(test_op.fail.field_count, 50);
	op_clear(&test_op);
	op_fail_at(&test_op, "again", "wrong");
	ck_assert_str_eq(test_op.fail.fields->path, "again");
	ck_assert_ptr_null(test_op.fail.fields->next);
}
END_TEST

START_TEST(op_drops_fields_after_another_failure)
{
	op_fail(&test_op, FAIL_FORBIDDEN, "forbidden", "not yours");
	ck_assert(!op_fail_at(&test_op, "name", "wrong"));
	ck_assert_int_eq(test_op.fail.kind, FAIL_FORBIDDEN);
	ck_assert_ptr_null(test_op.fail.fields);
}
END_TEST

START_TEST(op_keeps_first_detail_and_extra)
{
	op_fail(&test_op, FAIL_RATE_LIMITED, "limit", "too many");
	ck_assert(!op_fail_detail(&test_op, "row %d", 7));
	ck_assert(!op_fail_detail(&test_op, "row %d", 8));
	ck_assert_str_eq(test_op.fail.detail, "row 7");
	ck_assert(!op_fail_extra(&test_op, "\"limit\":3"));
	ck_assert(!op_fail_extra(&test_op, "\"limit\":4"));
	ck_assert_str_eq(test_op.fail.extra, "\"limit\":3");
}
END_TEST

START_TEST(fail_kinds_have_names)
{
	for (int k = FAIL_NONE; k < FAIL_KINDS; k++)
		ck_assert_ptr_nonnull(fail_kind_name((enum fail_kind)k));
	ck_assert_str_eq(fail_kind_name(FAIL_METHOD_NOT_ALLOWED),
			 "method_not_allowed");
}
END_TEST

static const struct {
	int64_t us;
	const char *text;
	const char *mail;
} times[] = {
	{ 0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ TEST_NOW_US, "2026-11-23T22:39:00.123Z",
	  "Mon, 23 Nov 2026 22:39:00 +0000" },
	{ -1, "1969-12-31T23:59:59.999Z", "Wed, 31 Dec 1969 23:59:59 +0000" },
	{ INT64_C(1709251199999999), "2024-02-29T23:59:59.999Z",
	  "Thu, 29 Feb 2024 23:59:59 +0000" },
	{ INT64_C(951782400000000), "2000-02-29T00:00:00.000Z",
	  "Tue, 29 Feb 2000 00:00:00 +0000" },
	{ INT64_C(-62135596800000000), "0001-01-01T00:00:00.000Z",
	  "Mon, 01 Jan 0001 00:00:00 +0000" },
	{ INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z",
	  "Fri, 31 Dec 9999 23:59:59 +0000" },
};

START_TEST(clock_writes)
{
	struct arena *a = test_op.arena;
	char *day = arena_strndup(a, times[_i].text, 10);

	ck_assert_str_eq(clock_write(a, times[_i].us), times[_i].text);
	ck_assert_str_eq(clock_write_mail(a, times[_i].us), times[_i].mail);
	ck_assert_str_eq(clock_write_day(a, times[_i].us), day);
}
END_TEST

START_TEST(clock_runs_when_not_fixed)
{
	int64_t before, after;

	ck_assert_int_eq(clock_now(), TEST_NOW_US);
	clock_fix(0);
	before = clock_now();
	after = clock_now();
	ck_assert_int_gt(before, INT64_C(1700000000) * US_PER_SECOND);
	ck_assert_int_ge(after, before);
	ck_assert_int_gt(clock_monotonic(), 0);
}
END_TEST

/* Every day of the range, against the reader. */
START_TEST(clock_and_parse_agree)
{
	int64_t us, back;

	for (us = INT64_C(-62135596800000000); us < INT64_C(253402300800000000);
	     us += 37 * US_PER_DAY + 12345678000) {
		char *text = clock_write(test_op.arena, us);

		ck_assert_msg(parse_time(text, &back), "%s", text);
		ck_assert_int_eq(back,
				 us / 1000 * 1000 - (us % 1000 < 0 ? 1000 : 0));
		arena_reset(test_op.arena);
	}
}
END_TEST

static void fixed_random(void *bytes, size_t len)
{
	memset(bytes, 0xff, len);
}

START_TEST(uuid_has_its_form)
{
	const char *id;

	test_op.random = fixed_random;
	id = uuid_new(&test_op);
	/* 0x01a20a90041b is 1795473540123 ms. */
	ck_assert_str_eq(id, "01a20a90-041b-77ff-bfff-ffffffffffff");
	ck_assert(parse_is_uuid(id));
}
END_TEST

START_TEST(the_first_uuid_of_a_time)
{
	const char *before = uuid_new(&test_op), *first, *after;

	test_op.now_us += 1000;
	first = uuid_first(&test_op, test_op.now_us);
	after = uuid_new(&test_op);
	ck_assert(parse_is_uuid(first));
	ck_assert_str_lt(before, first);
	ck_assert_str_lt(first, after);
}
END_TEST

START_TEST(uuids_sort_by_time)
{
	const char *first = uuid_new(&test_op), *same = uuid_new(&test_op);
	const char *later;

	test_op.now_us += 1000;
	later = uuid_new(&test_op);
	ck_assert_int_lt(strcmp(first, same), 0);
	ck_assert_int_lt(strcmp(same, later), 0);
	for (int i = 0; i < 70000; i++) {
		const char *next = uuid_new(&test_op);

		ck_assert_int_lt(strcmp(later, next), 0);
		later = next;
	}
}
END_TEST

/* What log_write() put on stderr; borrowed until the arena is reset. */
static const char *logged(enum log_level level, const char *event,
			  const char *value)
{
	int ends[2], stderr_fd = dup(STDERR_FILENO);
	char *text = arena_alloc(test_op.arena, 16384);

	ck_assert_int_eq(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_write(level, event, "v=%s", value);
	dup2(stderr_fd, STDERR_FILENO);
	close(ends[1]);
	ck_assert_int_ge(read(ends[0], text, 16383), 0);
	close(ends[0]);
	close(stderr_fd);
	return text;
}

START_TEST(log_writes_one_line)
{
	char *longer = arena_alloc(test_op.arena, 10001);
	const char *line;

	ck_assert_str_eq(logged(LOG_WARN, "x", "1"), "<4>event=x v=1\n");
	ck_assert_str_eq(logged(LOG_ERROR, "x", "a\n<3>b\r"),
			 "<3>event=x v=a <3>b \n");
	memset(longer, 'y', 10000);
	line = logged(LOG_INFO, "x", longer);
	ck_assert_uint_gt(strlen(line), 8000);
	ck_assert_uint_le(strlen(line), 8192);
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(log_has_levels)
{
	ck_assert_str_eq(logged(LOG_DEBUG, "x", "1"), "");
	log_set_level(LOG_DEBUG);
	ck_assert_str_eq(logged(LOG_DEBUG, "x", "1"), "<7>event=x v=1\n");
	log_set_level(LOG_ERROR);
	ck_assert_str_eq(logged(LOG_WARN, "x", "1"), "");
	ck_assert_str_eq(logged(LOG_ERROR, "x", "1"), "<3>event=x v=1\n");
}
END_TEST

START_TEST(log_quotes)
{
	ck_assert_str_eq(log_quote(test_op.arena, "a b\"c\\d\n\x7f\xc3\xa9"),
			 "\"a b\\\"c\\\\d\\x0a\\x7f\xc3\xa9\"");
	ck_assert_str_eq(log_quote(test_op.arena, ""), "\"\"");
}
END_TEST

static TCase *op_case(void)
{
	TCase *tc = base_case("op");

	tcase_add_test(tc, op_starts_clean);
	tcase_add_test(tc, op_keeps_the_first_failure);
	tcase_add_test(tc, op_collects_fields);
	tcase_add_test(tc, op_drops_fields_after_another_failure);
	tcase_add_test(tc, op_keeps_first_detail_and_extra);
	tcase_add_test(tc, fail_kinds_have_names);
	return tc;
}

static TCase *time_case(void)
{
	TCase *tc = base_case("time");

	tcase_add_loop_test(tc, clock_writes, 0, ARRAY_LEN(times));
	tcase_add_test(tc, clock_runs_when_not_fixed);
	tcase_add_test(tc, clock_and_parse_agree);
	tcase_add_test(tc, uuid_has_its_form);
	tcase_add_test(tc, uuids_sort_by_time);
	tcase_add_test(tc, the_first_uuid_of_a_time);
	return tc;
}

static TCase *log_case(void)
{
	TCase *tc = base_case("log");

	tcase_add_test(tc, log_writes_one_line);
	tcase_add_test(tc, log_has_levels);
	tcase_add_test(tc, log_quotes);
	return tc;
}

Suite *layer_suite(void)
{
	Suite *suite = suite_create("base");

	suite_add_tcase(suite, op_case());
	suite_add_tcase(suite, time_case());
	suite_add_tcase(suite, log_case());
	base_add_memory(suite);
	base_add_parse(suite);
	base_add_json(suite);
	base_add_text(suite);
	base_add_config(suite);
	base_add_secret(suite);
	return suite;
}
