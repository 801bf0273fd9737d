/*
 * The pure parts of the api: the decoder of /api/track, what $identify says
 * of a user, the set of seen users. Handlers are covered end to end.
 */
#include "api/track_body.h"
#include "base/clock.h"
#include "base/str.h"
#include "store/seen.h"
#include "store/traits.h"
#include "suites.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW INT64_C(1795000000000000)

static struct arena *arena;
static struct op op;

static void setup(void)
{
	arena = arena_new();
	op_init(&op, arena, NULL, NULL);
	op.now_us = NOW;
}

static void teardown(void)
{
	arena_free(arena);
}

static bool parse(const char *text, struct track_body *ret)
{
	return track_body_parse(&op, text, strlen(text), ret);
}

/* The message of the detail at that path, or NULL. */
static const char *detail(const char *path)
{
	for (struct fail_detail *d = op.fail.fields; d != NULL; d = d->next)
		if (streq(d->path, path))
			return d->message;
	return NULL;
}

/* One event inside a body. */
static const char *body_of(const char *event)
{
	return arena_printf(arena,
			    " {\"x\": [1, {\"events\": 2}], \"events\""
			    " : [ %s ] , \"y\":\"}]\"} ",
			    event);
}

/* ---------------------------------------------------------------- good -- */

static const struct {
	const char *event;
	const char *user_id, *name, *properties, *key;
	int64_t ts_us;
} good[] = {
	{ "{\"user_id\":\"u\",\"event\":\"e\"}", "u", "e", NULL, NULL, NOW },
	{ "{ \"event\" : \"e\" ,\n\t\"user_id\" : \"u\" }", "u", "e", NULL,
	  NULL, NOW },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"properties\":{}}", "u", "e",
	  NULL, NULL, NOW },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"properties\":{ }}", "u", "e",
	  NULL, NULL, NOW },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"properties\":null,"
	  "\"timestamp\":null,\"idempotency_key\":null}",
	  "u", "e", NULL, NULL, NOW },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"properties\":"
	  "{\"a\" : [1,{\"b\":\"}\\\"]\"}], \"c\":1.50 } }",
	  "u", "e", "{\"a\" : [1,{\"b\":\"}\\\"]\"}], \"c\":1.50 }", NULL,
	  NOW },
	{ "{\"user_id\":\"\\u00fc\\ud83d\\ude00\\u20ac\",\"event\":"
	  "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"}",
	  "\xc3\xbc\xf0\x9f\x98\x80\xe2\x82\xac", "\"\\/\b\f\n\r\tA", NULL,
	  NULL, NOW },
	{ "{\"user\\u005fid\":\"u\",\"event\":\"e\"}", "u", "e", NULL, NULL,
	  NOW },
	{ "{\"user_id\":\"first\",\"event\":\"e\",\"user_id\":\"last\"}",
	  "last", "e", NULL, NULL, NOW },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"idempotency_key\":\"k\"}", "u",
	  "e", NULL, "k", NOW },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"idempotency_key\":\"\"}", "u",
	  "e", NULL, NULL, NOW },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"other\":[[[]]],\"n\":-1e3,"
	  "\"t\":true}",
	  "u", "e", NULL, NULL, NOW },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"timestamp\":"
	  "\"2026-11-02T10:29:58+01:00\"}",
	  "u", "e", NULL, NULL, INT64_C(1793611798000000) },
};

START_TEST(reads_good_events)
{
	struct track_body body;
	const struct event *event;

	ck_assert(parse(body_of(good[_i].event), &body));
	ck_assert_uint_eq(body.count, 1);
	event = &body.events[0];
	ck_assert_str_eq(event->user_id, good[_i].user_id);
	ck_assert_str_eq(event->name, good[_i].name);
	ck_assert_pstr_eq(event->properties, good[_i].properties);
	ck_assert_pstr_eq(event->key, good[_i].key);
	ck_assert_int_eq(event->ts_us, good[_i].ts_us);
	ck_assert_int_eq(body.oldest_us,
			 good[_i].ts_us < NOW ? good[_i].ts_us : NOW);
}
END_TEST

/* ----------------------------------------------------------------- bad -- */

static const struct {
	const char *event, *path, *message;
} bad[] = {
	{ "{\"event\":\"e\"}", "events[0].user_id", "is required" },
	{ "{\"user_id\":null,\"event\":\"e\"}", "events[0].user_id",
	  "is required" },
	{ "{\"user_id\":\"\",\"event\":\"e\"}", "events[0].user_id",
	  "must not be empty" },
	{ "{\"user_id\":7,\"event\":\"e\"}", "events[0].user_id",
	  "must be a string" },
	{ "{\"user_id\":[\"u\"],\"event\":\"e\"}", "events[0].user_id",
	  "must be a string" },
	{ "{\"user_id\":\"u\"}", "events[0].event", "is required" },
	{ "{\"user_id\":\"u\",\"event\":{}}", "events[0].event",
	  "must be a string" },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"properties\":[]}",
	  "events[0].properties", "must be an object" },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"properties\":\"{}\"}",
	  "events[0].properties", "must be an object" },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"timestamp\":0}",
	  "events[0].timestamp", "must be an RFC 3339 time" },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"timestamp\":\"2026-11-02\"}",
	  "events[0].timestamp", "must be an RFC 3339 time" },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"timestamp\":"
	  "\"2999-01-01T00:00:00Z\"}",
	  "events[0].timestamp", "must be at most 1 h in the future" },
	{ "{\"user_id\":\"u\",\"event\":\"e\",\"idempotency_key\":5}",
	  "events[0].idempotency_key", "must be a string" },
	{ "null", "events[0]", "must be an object" },
	{ "\"{}\"", "events[0]", "must be an object" },
};

START_TEST(names_bad_fields)
{
	struct track_body body;

	ck_assert(!parse(body_of(bad[_i].event), &body));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(op.fail.code, "invalid_request");
	ck_assert_pstr_eq(detail(bad[_i].path), bad[_i].message);
	ck_assert_uint_eq(op.fail.field_count, 1);
}
END_TEST

static const struct {
	const char *body, *code, *path;
} wrong[] = {
	{ "{", "invalid_json", NULL },
	{ "[]", "invalid_json", NULL },
	{ "null", "invalid_json", NULL },
	{ "{\"events\":[]} x", "invalid_json", NULL },
	{ "{\"events\":[{\"user_id\":\"\\u0000\"}]}", "invalid_json", NULL },
	{ "{\"events\":[{\"user_id\":\"\xff\"}]}", "invalid_json", NULL },
	{ "{\"events\":[{'user_id':1}]}", "invalid_json", NULL },
	{ "{}", "invalid_request", "events" },
	{ "{\"events\":null}", "invalid_request", "events" },
	{ "{\"events\":{}}", "invalid_request", "events" },
	{ "{\"events\":[]}", "invalid_request", "events" },
	{ "{\"events\": [ ] }", "invalid_request", "events" },
};

START_TEST(refuses_bad_bodies)
{
	struct track_body body;

	ck_assert(!parse(wrong[_i].body, &body));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(op.fail.code, wrong[_i].code);
	if (wrong[_i].path != NULL)
		ck_assert_ptr_nonnull(detail(wrong[_i].path));
}
END_TEST

static const char *many_events(size_t count)
{
	struct str s;

	str_init(&s, arena, 1 << 20);
	str_puts(&s, "{\"events\":[");
	for (size_t i = 0; i < count; i++)
		str_printf(&s, "%s{\"user_id\":\"u%zu\",\"event\":\"e\"}",
			   i > 0 ? "," : "", i);
	str_puts(&s, "]}");
	return s.bytes;
}

START_TEST(takes_a_hundred_events)
{
	struct track_body body;

	ck_assert(parse(many_events(100), &body));
	ck_assert_uint_eq(body.count, 100);
	ck_assert_str_eq(body.events[99].user_id, "u99");
	ck_assert(!parse(many_events(101), &body));
	ck_assert_ptr_nonnull(detail("events"));
}
END_TEST

START_TEST(tells_all_faults_at_once)
{
	struct track_body body;

	ck_assert(!parse("{\"events\":[{\"user_id\":\"\",\"event\":1,"
			 "\"properties\":2,\"timestamp\":\"x\","
			 "\"idempotency_key\":[]},"
			 "{\"user_id\":\"u\",\"event\":\"e\"},{}]}",
			 &body));
	ck_assert_uint_eq(op.fail.field_count, 7);
	ck_assert_ptr_nonnull(detail("events[0].idempotency_key"));
	ck_assert_ptr_nonnull(detail("events[2].user_id"));
}
END_TEST

/* text repeated count times. */
static const char *repeated(const char *text, size_t count)
{
	struct str s;

	str_init(&s, arena, 1 << 20);
	for (size_t i = 0; i < count; i++)
		str_puts(&s, text);
	return s.bytes;
}

/* Lengths count bytes of UTF-8, however they are escaped. */
START_TEST(counts_bytes)
{
	const char *two = "\\u00fc";
	struct track_body body;

	ck_assert(parse(body_of(arena_printf(
			    arena, "{\"user_id\":\"%sx\",\"event\":\"%sx\"}",
			    repeated(two, 127), repeated(two, 127))),
			&body));
	ck_assert_uint_eq(strlen(body.events[0].name), 255);
	ck_assert(!parse(
	    body_of(arena_printf(arena,
				 "{\"user_id\":\"%s\",\"event\":\"%s\","
				 "\"idempotency_key\":\"%s\",\"properties\":"
				 "{\"x\":\"%s\"}}",
				 repeated(two, 128), repeated("x", 256),
				 repeated("k", 256), repeated("p", 32768))),
	    &body));
	ck_assert_uint_eq(op.fail.field_count, 4);
}
END_TEST

/* -------------------------------------------------------------- traits -- */

static const struct {
	const char *first, *second; /* properties in the order of events */
	const char *known, *rest;
} identified[] = {
	{ "{}", NULL, "{}", "{}" },
	{ "{\"name\":\"Ada\",\"seats\":3}", NULL, "{\"name\":\"Ada\"}",
	  "{\"seats\":3}" },
	{ "{\"email\":\"ada@example.com\"}", NULL,
	  "{\"email\":\"ada@example.com\"}", "{}" },
	{ "{\"email\":\"nobody\",\"name\":12}", NULL, "{}",
	  "{\"email\":\"nobody\",\"name\":12}" },
	{ "{\"team_size\":7.0}", NULL, "{\"team_size\":7}", "{}" },
	{ "{\"team_size\":\"many\"}", NULL, "{}", "{\"team_size\":\"many\"}" },
	{ "{\"team_size\":1.5}", NULL, "{}", "{\"team_size\":1.5}" },
	{ "{\"team_size\":-1}", NULL, "{}", "{\"team_size\":-1}" },
	{ "{\"plan\":null,\"x\":null}", NULL, "{\"plan\":null}",
	  "{\"x\":null}" },
	{ "{\"name\":\"\"}", NULL, "{}", "{\"name\":\"\"}" },
	{ "{\"name\":\"a\\nb\"}", NULL, "{}", "{\"name\":\"a\\nb\"}" },
	{ "{\"company\":{\"id\":1}}", NULL, "{}", "{\"company\":{\"id\":1}}" },
	{ "{\"name\":\"Ada\",\"a\":1}", "{\"name\":\"Bea\",\"a\":2,\"b\":3}",
	  "{\"name\":\"Bea\"}", "{\"a\":2,\"b\":3}" },
	{ "{\"name\":\"Ada\"}", "{\"name\":5}", "{\"name\":\"Ada\"}",
	  "{\"name\":5}" },
};

static void merge(struct traits *t, const char *text)
{
	struct json_object *properties;

	ck_assert(json_parse(&op, text, strlen(text), &properties));
	traits_merge(t, properties);
}

START_TEST(splits_traits)
{
	struct traits t;

	traits_init(&op, &t);
	merge(&t, identified[_i].first);
	if (identified[_i].second != NULL)
		merge(&t, identified[_i].second);
	ck_assert_str_eq(json_text(arena, t.known), identified[_i].known);
	ck_assert_str_eq(json_text(arena, t.rest), identified[_i].rest);
}
END_TEST

/* ---------------------------------------------------------------- seen -- */

START_TEST(remembers_users_of_a_tenant)
{
	ck_assert(!seen_has(1, "u", NOW));
	seen_add(1, "u");
	seen_add(1, "u");
	ck_assert(seen_has(1, "u", NOW));
	ck_assert(!seen_has(2, "u", NOW));
	ck_assert(!seen_has(1, "v", NOW));
	ck_assert(!seen_has(1, "u", NOW + 2 * US_PER_HOUR));
}
END_TEST

/* Bounded: more users push out others, and only that. */
START_TEST(forgets_users_when_full)
{
	size_t kept = 0;

	for (int i = 0; i < 100000; i++)
		seen_add(1, arena_printf(arena, "user-%d", i));
	for (int i = 0; i < 100000; i++)
		kept += seen_has(1, arena_printf(arena, "user-%d", i), 0);
	ck_assert_uint_gt(kept, 50000);
	ck_assert_uint_le(kept, 65536);
}
END_TEST

/* ---------------------------------------------------------------- fuzz -- */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static size_t read_seed(const char *name, uint8_t *bytes, size_t max)
{
	FILE *f = fopen(
	    arena_printf(arena, "%s/fuzz/track/%s", TESTS_SRCDIR, name), "rb");

	ck_assert_ptr_nonnull(f);
	size_t len = fread(bytes, 1, max, f);
	fclose(f);
	return len;
}

static void mutate(uint8_t *bytes, size_t len, uint64_t *state)
{
	static const char alphabet[] = "{}[]\":,\\u0-9.eE \nt";

	for (int i = 0; i < 3 && len > 0; i++) {
		*state = *state * 6364136223846793005u + 1442695040888963407u;
		bytes[(*state >> 33) % len] =
		    (uint8_t)alphabet[(*state >> 20) % (sizeof(alphabet) - 1)];
	}
}

START_TEST(survives_seeds_and_mutations)
{
	DIR *dir = opendir(TESTS_SRCDIR "/fuzz/track");
	uint8_t seed[4096], bytes[4096];
	uint64_t state = 1;
	int seeds = 0;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		size_t len = read_seed(e->d_name, seed, sizeof(seed));
		LLVMFuzzerTestOneInput(seed, len);
		for (int i = 0; i < 1000; i++) {
			memcpy(bytes, seed, len);
			mutate(bytes, len, &state);
			LLVMFuzzerTestOneInput(bytes, len);
		}
		seeds++;
	}
	closedir(dir);
	ck_assert_int_ge(seeds, 10);
}
END_TEST

Suite *layer_suite(void)
{
	Suite *suite = suite_create("api");
	TCase *tc = tcase_create("all");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, reads_good_events, 0, (int)ARRAY_LEN(good));
	tcase_add_loop_test(tc, names_bad_fields, 0, (int)ARRAY_LEN(bad));
	tcase_add_loop_test(tc, refuses_bad_bodies, 0, (int)ARRAY_LEN(wrong));
	tcase_add_test(tc, takes_a_hundred_events);
	tcase_add_test(tc, tells_all_faults_at_once);
	tcase_add_test(tc, counts_bytes);
	tcase_add_loop_test(tc, splits_traits, 0, (int)ARRAY_LEN(identified));
	tcase_add_test(tc, remembers_users_of_a_tenant);
	tcase_add_test(tc, forgets_users_when_full);
	tcase_add_test(tc, survives_seeds_and_mutations);
	suite_add_tcase(suite, tc);
	return suite;
}
