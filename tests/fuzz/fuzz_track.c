/*
 * The decoder of /api/track under hostile input, held against json-c: what
 * it takes must mean the same there. As a libFuzzer target:
 *   clang -fsanitize=fuzzer,address … fuzz_track.c libapi.a …
 * `make check` replays tests/fuzz/track and mutations of it
 * (tests/unit/test_api.c).
 */
#include "api/track_body.h"
#include "base/json_in.h"

#define NOW INT64_C(1795000000000000)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct json_object *parsed(struct op *op, const char *text, size_t len)
{
	struct json_object *value;

	if (!json_parse(op, text, len, &value))
		abort();
	return value;
}

static void same_text(struct json_object *event, const char *key,
		      const char *text)
{
	if (!streq(json_get_text(event, key, ""), text != NULL ? text : ""))
		abort();
}

static void same_event(struct op *op, struct json_object *wanted,
		       const struct event *event)
{
	struct json_object *properties = json_member(wanted, "properties"),
			   *got = NULL;

	same_text(wanted, "user_id", event->user_id);
	same_text(wanted, "event", event->name);
	same_text(wanted, "idempotency_key", event->key);
	if (event->properties != NULL)
		got = parsed(op, event->properties, strlen(event->properties));
	else if (properties == NULL ||
		 json_object_object_length(properties) == 0)
		return;
	if (!streq(json_text(op->arena, got), json_text(op->arena, properties)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct arena *arena = arena_new();
	const char *text = arena_strndup(arena, (const char *)bytes, len);
	struct json_object *events;
	struct track_body body;
	struct op op;

	op_init(&op, arena, NULL, NULL);
	op.now_us = NOW;
	if (track_body_parse(&op, text, len, &body)) {
		events = json_member(parsed(&op, text, len), "events");
		if (json_object_array_length(events) != body.count)
			abort();
		for (size_t i = 0; i < body.count; i++)
			same_event(&op, json_object_array_get_idx(events, i),
				   &body.events[i]);
	} else if (op.fail.kind != FAIL_INVALID) {
		abort();
	}
	arena_free(arena);
	return 0;
}
