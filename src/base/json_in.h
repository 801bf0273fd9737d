/*
 * JSON input by json-c behind limits that json-c itself does not keep.
 *
 * json_parse() refuses: bytes that are not UTF-8, NUL and \u0000 (PostgreSQL
 * cannot store it), nesting over depth_max, trailing text, comments, single
 * quotes, NaN and Infinity, control characters in strings, lone surrogates.
 * The root is put when the op's arena is reset; everything taken from it is
 * borrowed for the op. json-c truncates and clamps silently: use these
 * getters, which look at the type first.
 */
#ifndef BASE_JSON_IN_H
#define BASE_JSON_IN_H

#include "base/op.h"

#include <json-c/json_object.h>

#define JSON_IN_DEPTH 32

/*
 * arena: the parsed root (NULL with true means JSON null).
 * Fails: FAIL_INVALID "invalid_json" with the byte offset in the message;
 * as op_fail_at() for a number that is out of range.
 */
MUST_CHECK bool json_parse(struct op *op, const char *bytes, size_t len,
			   struct json_object **ret);

/* Borrowed member, or NULL when absent or null. obj may be NULL. */
struct json_object *json_member(struct json_object *obj, const char *key);
/* True when the key is there, even with the value null. */
bool json_has(struct json_object *obj, const char *key);

/* Member of that type, or the default. No failure: for trusted jsonb. */
const char *json_get_text(struct json_object *obj, const char *key,
			  const char *otherwise);
int64_t json_get_i64(struct json_object *obj, const char *key,
		     int64_t otherwise);
double json_get_double(struct json_object *obj, const char *key,
		       double otherwise);
bool json_get_bool(struct json_object *obj, const char *key, bool otherwise);

/* True for an integer that fits int64_t exactly (also 1.0). */
MUST_CHECK bool json_as_i64(struct json_object *value, int64_t *ret);
/* True for any finite number. */
MUST_CHECK bool json_as_double(struct json_object *value, double *ret);

/* arena: compact text of a value ("null" for NULL). */
const char *json_text(struct arena *a, struct json_object *value);

/* static: "string", "number", "boolean", "object", "array", "null". */
const char *json_type_word(struct json_object *value);

#endif
