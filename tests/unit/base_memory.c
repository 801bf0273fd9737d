/* Arenas and bounded buffers. */
#include "test_base.h"

#include "base/str.h"

static char order[8];

static void note(void *object)
{
	size_t len = strlen(order);

	order[len] = *(const char *)object;
	order[len + 1] = '\0';
}

START_TEST(arena_memory_is_zeroed_and_aligned)
{
	static const unsigned char zeroes[3000];
	struct arena *a = test_op.arena;

	for (int round = 0; round < 3; round++) {
		for (size_t size = 0; size < 3000; size += 7) {
			unsigned char *p = arena_alloc(a, size);

			ck_assert_uint_eq((uintptr_t)p % _Alignof(max_align_t),
					  0);
			ck_assert_mem_eq(p, zeroes, size);
			memset(p, 0xee, size);
		}
		ck_assert_uint_gt(arena_used(a), 0);
		arena_reset(a);
		ck_assert_uint_eq(arena_used(a), 0);
	}
}
END_TEST

START_TEST(arena_objects_do_not_overlap)
{
	struct arena *a = test_op.arena;
	size_t sizes[] = { 1, 16, 100000, 17, 5000, 4096, 1 << 20, 3 };
	unsigned char *p[ARRAY_LEN(sizes) * 20];

	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		p[i] = arena_alloc(a, sizes[i % ARRAY_LEN(sizes)]);
		memset(p[i], (int)i, sizes[i % ARRAY_LEN(sizes)]);
	}
	for (size_t i = 0; i < ARRAY_LEN(p); i++) {
		size_t size = sizes[i % ARRAY_LEN(sizes)];

		ck_assert_uint_eq(p[i][0], i);
		ck_assert_uint_eq(p[i][size - 1], i);
	}
}
END_TEST

START_TEST(arena_copies)
{
	struct arena *a = test_op.arena;
	char text[] = "abc";
	char *copy = arena_strdup(a, text), *part = arena_strndup(a, text, 2);
	char *raw = arena_memdup(a, "x\0y", 3);

	memset(text, 'z', 3);
	ck_assert_str_eq(copy, "abc");
	ck_assert_str_eq(part, "ab");
	ck_assert_mem_eq(raw, "x\0y", 3);
	ck_assert_str_eq(arena_strndup(a, NULL, 0), "");
	ck_assert_str_eq(arena_lower(a, "Ada@ÀB.org"), "ada@Àb.org");
	ck_assert_str_eq(arena_printf(a, "%d-%s", 7, "q"), "7-q");
	ck_assert_uint_eq(strlen(arena_printf(a, "%5000d", 1)), 5000);
}
END_TEST

START_TEST(arena_cleans_up_newest_first)
{
	struct arena *a = arena_new();
	char names[] = "1234";

	order[0] = '\0';
	arena_defer(a, note, &names[0]);
	arena_defer(a, note, &names[1]);
	arena_defer(a, note, &names[2]);
	arena_reset(a);
	ck_assert_str_eq(order, "321");
	arena_reset(a);
	ck_assert_str_eq(order, "321");
	arena_defer(a, note, &names[3]);
	arena_free(a);
	ck_assert_str_eq(order, "3214");
	arena_free(NULL);
}
END_TEST

START_TEST(arena_overflow_ends_the_process)
{
	arena_calloc(test_op.arena, SIZE_MAX / 2, 3);
}
END_TEST

START_TEST(arena_out_of_memory_ends_the_process)
{
	arena_alloc(test_op.arena, SIZE_MAX - 8);
}
END_TEST

#ifndef ARENA_EMULATE
START_TEST(arena_keeps_a_chunk)
{
	struct arena *a = test_op.arena;
	void *first;

	arena_reset(a);
	first = arena_alloc(a, 10);
	for (int i = 0; i < 5000; i++)
		arena_alloc(a, 100);
	arena_reset(a);
	ck_assert_ptr_eq(arena_alloc(a, 10), first);
}
END_TEST
#endif

static void fill(struct str *s)
{
	str_puts(s, "ab");
	str_putc(s, 'c');
	str_put(s, "d\0e", 3);
	str_printf(s, "%03d", 7);
	str_put_i64(s, INT64_MIN);
}

START_TEST(str_grows)
{
	struct str s;

	str_init(&s, _i == 0 ? test_op.arena : NULL, 100000);
	ck_assert_str_eq(s.bytes, "");
	fill(&s);
	ck_assert_uint_eq(s.len, 29);
	ck_assert_mem_eq(s.bytes, "abcd\0e007-9223372036854775808", 30);
	for (int i = 0; i < 9999; i++)
		str_printf(&s, "%s", "123456789");
	ck_assert(str_ok(&s));
	ck_assert_uint_eq(s.len, 29 + 9999 * 9);
	ck_assert_uint_eq(strlen(s.bytes + 6), s.len - 6);
	str_reset(&s);
	ck_assert_str_eq(s.bytes, "");
	str_puts(&s, "again");
	ck_assert_str_eq(s.bytes, "again");
	str_done(&s);
	ck_assert_uint_eq(s.len, 0);
}
END_TEST

START_TEST(str_latches_at_its_maximum)
{
	struct str s;

	str_init(&s, test_op.arena, 5);
	str_puts(&s, "12345");
	ck_assert(str_ok(&s));
	str_puts(&s, "");
	ck_assert(str_ok(&s));
	str_putc(&s, '6');
	ck_assert(!str_ok(&s));
	ck_assert_str_eq(s.bytes, "12345");
	str_reset(&s);
	ck_assert(str_ok(&s));
	str_printf(&s, "%d", 1234567);
	ck_assert(!str_ok(&s));
	/* Nothing is written after the overflow, even if it would fit. */
	str_puts(&s, "1");
	ck_assert_str_eq(s.bytes, "");
	str_init(&s, test_op.arena, 0);
	str_puts(&s, "");
	ck_assert(str_ok(&s));
	str_putc(&s, 'x');
	ck_assert(!str_ok(&s));
}
END_TEST

static TCase *arena_case(void)
{
	TCase *tc = base_case("arena");

	tcase_add_test(tc, arena_memory_is_zeroed_and_aligned);
	tcase_add_test(tc, arena_objects_do_not_overlap);
	tcase_add_test(tc, arena_copies);
	tcase_add_test(tc, arena_cleans_up_newest_first);
	tcase_add_exit_test(tc, arena_overflow_ends_the_process, EXIT_FAILURE);
	tcase_add_exit_test(tc, arena_out_of_memory_ends_the_process,
			    EXIT_FAILURE);
#ifndef ARENA_EMULATE
	tcase_add_test(tc, arena_keeps_a_chunk);
#endif
	return tc;
}

static TCase *str_case(void)
{
	TCase *tc = base_case("str");

	tcase_add_loop_test(tc, str_grows, 0, 2);
	tcase_add_test(tc, str_latches_at_its_maximum);
	return tc;
}

void base_add_memory(Suite *suite)
{
	suite_add_tcase(suite, arena_case());
	suite_add_tcase(suite, str_case());
}
