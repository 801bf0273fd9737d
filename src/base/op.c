/*
 * The latch of the error idiom: every layer fails through here, and only
 * the dispatcher and the batch stage loop read what was latched.
 */
#include "base/op.h"

#include "base/clock.h"

#include <assert.h>
#include <sodium.h>

#define FIELDS_MAX 50

static const char *const kind_names[FAIL_KINDS] = {
	[FAIL_NONE] = "none",
	[FAIL_INVALID] = "invalid",
	[FAIL_UNAUTHENTICATED] = "unauthenticated",
	[FAIL_FORBIDDEN] = "forbidden",
	[FAIL_NOT_FOUND] = "not_found",
	[FAIL_METHOD_NOT_ALLOWED] = "method_not_allowed",
	[FAIL_CONFLICT] = "conflict",
	[FAIL_GONE] = "gone",
	[FAIL_TOO_LARGE] = "too_large",
	[FAIL_UNSUPPORTED_MEDIA] = "unsupported_media",
	[FAIL_RATE_LIMITED] = "rate_limited",
	[FAIL_UNAVAILABLE] = "unavailable",
	[FAIL_INTERNAL] = "internal",
};

static void random_bytes(void *bytes, size_t len)
{
	randombytes_buf(bytes, len);
}

void op_init(struct op *op, struct arena *arena, struct db *db,
	     const struct config *config)
{
	*op = (struct op){
		.arena = arena,
		.db = db,
		.config = config,
		.now_us = clock_now(),
		.random = random_bytes,
	};
}

bool op_fail(struct op *op, enum fail_kind kind, const char *code,
	     const char *format, ...)
{
	va_list args;

	assert(kind > FAIL_NONE && kind < FAIL_KINDS);
	if (op_failed(op))
		return false;
	va_start(args, format);
	op->fail.message = arena_vprintf(op->arena, format, args);
	va_end(args);
	op->fail.kind = kind;
	op->fail.code = code;
	return false;
}

static void add_field(struct op *op, const char *path, const char *message)
{
	struct fail *fail = &op->fail;
	struct fail_detail *field;

	if (fail->field_count == FIELDS_MAX)
		return;
	field = ARENA_NEW(op->arena, struct fail_detail);
	field->path = arena_strdup(op->arena, path);
	field->message = message;
	if (fail->field_count++ == 0)
		fail->fields_end = &fail->fields;
	*fail->fields_end = field;
	fail->fields_end = &field->next;
}

bool op_fail_at(struct op *op, const char *path, const char *format, ...)
{
	const char *message;
	va_list args;

	va_start(args, format);
	message = arena_vprintf(op->arena, format, args);
	va_end(args);
	op_fail(op, FAIL_INVALID, "invalid_request", "%s: %s", path, message);
	if (op->fail.kind == FAIL_INVALID)
		add_field(op, path, message);
	return false;
}

bool op_fail_detail(struct op *op, const char *format, ...)
{
	va_list args;

	if (op->fail.detail != NULL)
		return false;
	va_start(args, format);
	op->fail.detail = arena_vprintf(op->arena, format, args);
	va_end(args);
	return false;
}

bool op_fail_extra(struct op *op, const char *members)
{
	if (op->fail.extra == NULL)
		op->fail.extra = arena_strdup(op->arena, members);
	return false;
}

void op_clear(struct op *op)
{
	op->fail = (struct fail){ .kind = FAIL_NONE };
}

const char *fail_kind_name(enum fail_kind kind)
{
	assert(kind >= FAIL_NONE && kind < FAIL_KINDS);
	return kind_names[kind];
}
