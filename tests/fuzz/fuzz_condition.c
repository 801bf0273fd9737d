/*
 * The condition parser under hostile input. As a libFuzzer target:
 *   clang -fsanitize=fuzzer,address … fuzz_condition.c libengine.a …
 * `make check` replays tests/fuzz/condition and mutations of it
 * (tests/unit/test_engine_condition.c).
 */
#include "engine/condition.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static const char *const milestones[] = { "invited_team" };
	static const struct condition_event events[] = { { "export", 3 } };
	struct condition_segment segments[] = { { "loop", NULL } };
	struct condition_env env = { segments, 1, milestones, 1, events, 1 };
	struct condition_at at = { .tenant = 1, .now = 2 };
	struct arena *arena = arena_new();
	struct json_object *doc;
	struct condition *cond;
	struct op op;
	struct sql q;

	op_init(&op, arena, NULL, NULL);
	if (json_parse(&op, (const char *)bytes, len, &doc) && doc != NULL) {
		/* The document is its own segment: cycles are found. */
		segments[0].conditions = doc;
		if (condition_parse(&op, "", doc, &env, &cond)) {
			sql_init(&q, arena);
			sql_bind(&q, ARG_I64(1));
			sql_bind(&q, ARG_TIME(0));
			condition_write_sql(cond, &q, &at);
			condition_write_next(
			    (const struct condition *[]){ cond }, 1, &q, &at);
			if (op_failed(&op))
				abort();
		} else if (op.fail.kind != FAIL_INVALID ||
			   op.fail.field_count == 0) {
			abort();
		}
	}
	arena_free(arena);
	return 0;
}
