/*
 * Bodies, rules from jsonb and model replies become json-c trees here,
 * after json_scan() has accepted them.
 */
#include "base/json_in.h"

#include "base/json_scan.h"

#include <json-c/json_tokener.h>
#include <limits.h>
#include <math.h>

/* Integers up to here are exact as a double. */
#define DOUBLE_EXACT_MAX 9007199254740992.0

static void put_root(void *root)
{
	json_object_put(root);
}

static void free_tokener(void *tokener)
{
	json_tokener_free(tokener);
}

/* Fails only where json_scan() and json-c disagree: a bug of ours. */
static bool build(struct op *op, const char *bytes, size_t len,
		  struct json_object **ret)
{
	/* json-c counts the scalar inside as a level too. */
	struct json_tokener *tokener = json_tokener_new_ex(JSON_IN_DEPTH + 1);
	enum json_tokener_error error;
	struct json_object *root;

	if (tokener == NULL)
		return op_fail(op, FAIL_UNAVAILABLE, "out_of_memory",
			       "memory is short");
	arena_defer(op->arena, free_tokener, tokener);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	root = json_tokener_parse_ex(tokener, bytes, (int)len);
	/* A bare number or word only ends with a byte after it. */
	if (json_tokener_get_error(tokener) == json_tokener_continue)
		root = json_tokener_parse_ex(tokener, "", 1);
	error = json_tokener_get_error(tokener);
	if (error != json_tokener_success) {
		op_fail_detail(op, "json-c: %s",
			       json_tokener_error_desc(error));
		return op_fail(op, FAIL_INVALID, "invalid_json",
			       "invalid JSON at byte %zu",
			       json_tokener_get_parse_end(tokener));
	}
	arena_defer(op->arena, put_root, root);
	*ret = root;
	return true;
}

bool json_parse(struct op *op, const char *bytes, size_t len,
		struct json_object **ret)
{
	struct json_fault fault;
	struct str wide;

	if (len > INT_MAX / 4)
		return op_fail(op, FAIL_TOO_LARGE, "too_large",
			       "JSON text of %zu bytes is too large", len);
	str_init(&wide, op->arena, SIZE_MAX);
	if (!json_scan(bytes, len, JSON_IN_DEPTH, &wide, &fault)) {
		if (fault.path[0] != '\0')
			return op_fail_at(op, fault.path, "%s", fault.problem);
		return op_fail(op, FAIL_INVALID, "invalid_json",
			       "invalid JSON at byte %zu: %s", fault.offset,
			       fault.problem);
	}
	if (wide.len > 0)
		return build(op, wide.bytes, wide.len, ret);
	return build(op, bytes, len, ret);
}

static bool find_member(struct json_object *obj, const char *key,
			struct json_object **ret)
{
	return json_object_is_type(obj, json_type_object) &&
	       json_object_object_get_ex(obj, key, ret);
}

struct json_object *json_member(struct json_object *obj, const char *key)
{
	struct json_object *value;

	return find_member(obj, key, &value) ? value : NULL;
}

bool json_has(struct json_object *obj, const char *key)
{
	struct json_object *unused;

	return find_member(obj, key, &unused);
}

const char *json_get_text(struct json_object *obj, const char *key,
			  const char *otherwise)
{
	struct json_object *value = json_member(obj, key);

	if (!json_object_is_type(value, json_type_string))
		return otherwise;
	return json_object_get_string(value);
}

int64_t json_get_i64(struct json_object *obj, const char *key,
		     int64_t otherwise)
{
	int64_t value;

	return json_as_i64(json_member(obj, key), &value) ? value : otherwise;
}

double json_get_double(struct json_object *obj, const char *key,
		       double otherwise)
{
	double value;

	return json_as_double(json_member(obj, key), &value) ? value
							     : otherwise;
}

bool json_get_bool(struct json_object *obj, const char *key, bool otherwise)
{
	struct json_object *value = json_member(obj, key);

	if (!json_object_is_type(value, json_type_boolean))
		return otherwise;
	return json_object_get_boolean(value);
}

bool json_as_i64(struct json_object *value, int64_t *ret)
{
	double number;

	if (json_object_is_type(value, json_type_int)) {
		*ret = json_object_get_int64(value);
		return true;
	}
	if (!json_object_is_type(value, json_type_double))
		return false;
	number = json_object_get_double(value);
	if (!(fabs(number) <= DOUBLE_EXACT_MAX) || number != floor(number))
		return false;
	*ret = (int64_t)number;
	return true;
}

bool json_as_double(struct json_object *value, double *ret)
{
	double number;

	if (!json_object_is_type(value, json_type_int) &&
	    !json_object_is_type(value, json_type_double))
		return false;
	number = json_object_get_double(value);
	if (!isfinite(number))
		return false;
	*ret = number;
	return true;
}

const char *json_text(struct arena *a, struct json_object *value)
{
	size_t len;
	const char *text = json_object_to_json_string_length(
	    value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
	    &len);

	return arena_strndup(a, text, len);
}

const char *json_type_word(struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_string:
		return "string";
	case json_type_int:
	case json_type_double:
		return "number";
	case json_type_boolean:
		return "boolean";
	case json_type_object:
		return "object";
	case json_type_array:
		return "array";
	case json_type_null:
		break;
	}
	return "null";
}
