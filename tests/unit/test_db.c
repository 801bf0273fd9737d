/*
 * The parts of the db layer that need no server: argument encoding, built
 * statements, SQLSTATE texts. What needs one is tested end to end.
 */
#include "suites.h"

#include "db/args.h"
#include "db/sql.h"

static struct arena *arena;
static struct op op;

static void setup(void)
{
	arena = arena_new();
	op_init(&op, arena, NULL, NULL);
}

static void teardown(void)
{
	arena_free(arena);
}

START_TEST(sql_numbers_its_arguments)
{
	struct sql q;

	sql_init(&q, arena);
	sql_add(&q, "SELECT 1 WHERE a = ");
	sql_arg(&q, ARG_I64(7));
	size_t n = sql_bind(&q, ARG_TEXT("x'; DROP"));
	sql_add(&q, " AND b = ");
	sql_ref(&q, n);
	sql_add(&q, " AND c = ");
	sql_ref(&q, n);
	ck_assert(sql_ok(&q));
	ck_assert_str_eq(q.text.bytes,
			 "SELECT 1 WHERE a = $1 AND b = $2 AND c = $2");
	ck_assert_uint_eq(q.arg_count, 2);
}
END_TEST

START_TEST(sql_refuses_too_many_arguments)
{
	struct sql q;

	sql_init(&q, arena);
	for (int i = 0; i < SQL_ARGS_MAX; i++)
		sql_bind(&q, ARG_I64(i));
	ck_assert(sql_ok(&q));
	ck_assert_int_eq((int)q.args[SQL_ARGS_MAX - 1].v.i64, SQL_ARGS_MAX - 1);
	sql_bind(&q, ARG_I64(0));
	ck_assert(!sql_ok(&q));
}
END_TEST

START_TEST(args_encode_scalars)
{
	struct args a;
	const struct db_arg in[] = { ARG_I64(258),
				     ARG_BOOL(true),
				     ARG_TEXT(NULL),
				     ARG_TEXT("t"),
				     ARG_TIME(INT64_C(946684800000001)),
				     ARG_DAY(INT64_C(946684800000000)),
				     ARG_DAY(INT64_C(946684799999999)) };

	ck_assert(args_encode(&op, in, ARRAY_LEN(in), &a));
	ck_assert_mem_eq(a.values[0], "\0\0\0\0\0\0\1\2", 8);
	ck_assert_uint_eq(a.types[0], 20);
	ck_assert_mem_eq(a.values[1], "\1", 1);
	ck_assert_ptr_null(a.values[2]);
	ck_assert_uint_eq(a.types[2], 25);
	ck_assert_str_eq(a.values[3], "t");
	ck_assert_int_eq(a.formats[3], 0);
	ck_assert_mem_eq(a.values[4], "\0\0\0\0\0\0\0\1", 8);
	ck_assert_uint_eq(a.types[5], 1082);
	ck_assert_int_eq(a.lengths[5], 4);
	ck_assert_mem_eq(a.values[5], "\0\0\0\0", 4);
	ck_assert_mem_eq(a.values[6], "\xff\xff\xff\xff", 4);
}
END_TEST

START_TEST(args_encode_arrays)
{
	struct args a;
	const char *texts[] = { "ab", NULL };
	const char *bad[] = { "no-uuid" };

	const struct db_arg in[] = { ARG_TEXTS(texts, 2), ARG_TEXTS(texts, 0) };
	const struct db_arg wrong[] = { ARG_UUIDS(bad, 1) };

	ck_assert(args_encode(&op, in, 2, &a));
	ck_assert_uint_eq(a.types[0], 1009);
	ck_assert_int_eq(a.lengths[0], 20 + 4 + 2 + 4);
	ck_assert_mem_eq(a.values[0] + 20, "\0\0\0\2ab\xff\xff\xff\xff", 10);
	ck_assert_int_eq(a.lengths[1], 12);
	ck_assert(!args_encode(&op, wrong, 1, &a));
	ck_assert_int_eq(op.fail.kind, FAIL_INTERNAL);
}
END_TEST

Suite *layer_suite(void)
{
	Suite *suite = suite_create("db");
	TCase *tc = tcase_create("db");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sql_numbers_its_arguments);
	tcase_add_test(tc, sql_refuses_too_many_arguments);
	tcase_add_test(tc, args_encode_scalars);
	tcase_add_test(tc, args_encode_arrays);
	suite_add_tcase(suite, tc);
	return suite;
}
