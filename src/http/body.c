/*
 * Between the raw body and a handler's struct: content type, JSON, then
 * each field of the table by its kind. Every wrong field is reported, and
 * the handler goes on only when none was.
 */
#include "http/body.h"

#include "base/json_in.h"
#include "base/parse.h"

#include <inttypes.h>
#include <json-c/linkhash.h>
#include <strings.h>

#define TEXT_ITEM_MAX 255

/* Where a decoder stands: one field, its value and its place. */
struct target {
	const struct field *field;
	struct json_object *value; /* not NULL */
	const char *path;
	void *member;
};

/* Decoders report at t->path and return false, or set *t->member. */
typedef bool (*decode_fn)(struct op *op, const struct target *t);

const char *body_path(struct op *op, const char *path, const char *name)
{
	if (*path == '\0')
		return name;
	return arena_printf(op->arena, "%s.%s", path, name);
}

static bool wrong_type(struct op *op, const struct target *t,
		       const char *wanted)
{
	return op_fail_at(op, t->path, "must be %s, not %s", wanted,
			  json_type_word(t->value));
}

static const char *text_of(struct json_object *value)
{
	if (!json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static void set_text(const struct target *t, const char *text)
{
	*(const char **)t->member = text;
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

/* "must be 1 to 200 bytes long", or what fits the bounds better. */
static bool wrong_length(struct op *op, const char *path, int64_t min,
			 int64_t max, const char *unit)
{
	if (min == 1 && max == INT64_MAX)
		return op_fail_at(op, path, "must not be empty");
	return op_fail_at(op, path, "must have %" PRId64 " to %" PRId64 " %s",
			  min, max, unit);
}

static bool decode_text(struct op *op, const struct target *t)
{
	const struct field *f = t->field;
	const char *text = text_of(t->value);
	int64_t len;

	if (text == NULL)
		return wrong_type(op, t, "a string");
	len = (int64_t)(f->in_chars ? parse_utf8_len(text) : strlen(text));
	if (len < f->min && len == 0)
		return op_fail_at(op, t->path, "must not be empty");
	if (len < f->min || len > f->max)
		return wrong_length(op, t->path, f->min, f->max,
				    f->in_chars ? "characters" : "bytes");
	if (f->one_line && has_control(text))
		return op_fail_at(op, t->path,
				  "must be one line without control "
				  "characters");
	set_text(t, text);
	return true;
}

static bool decode_bool(struct op *op, const struct target *t)
{
	if (!json_object_is_type(t->value, json_type_boolean))
		return wrong_type(op, t, "true or false");
	*(bool *)t->member = json_object_get_boolean(t->value);
	return true;
}

static bool is_number(struct json_object *value)
{
	return json_object_is_type(value, json_type_int) ||
	       json_object_is_type(value, json_type_double);
}

static bool decode_i64(struct op *op, const struct target *t)
{
	const struct field *f = t->field;
	int64_t value;

	if (!is_number(t->value))
		return wrong_type(op, t, "an integer");
	if (!json_as_i64(t->value, &value) || value < f->min || value > f->max)
		return op_fail_at(op, t->path,
				  "must be an integer from %" PRId64
				  " to %" PRId64,
				  f->min, f->max);
	*(int64_t *)t->member = value;
	return true;
}

static bool decode_double(struct op *op, const struct target *t)
{
	const struct field *f = t->field;
	double value;

	if (!is_number(t->value))
		return wrong_type(op, t, "a number");
	if (!json_as_double(t->value, &value) || value < f->min_f ||
	    value > f->max_f)
		return op_fail_at(op, t->path, "must be from %g to %g",
				  f->min_f, f->max_f);
	*(double *)t->member = value;
	return true;
}

static bool set_json(struct op *op, const struct target *t)
{
	size_t max = t->field->json_max;

	if (max > 0 && strlen(json_text(op->arena, t->value)) > max)
		return op_fail_at(op, t->path,
				  "must have at most %zu bytes as JSON", max);
	*(struct json_object **)t->member = t->value;
	return true;
}

static bool decode_json(struct op *op, const struct target *t)
{
	if (!json_object_is_type(t->value, json_type_object))
		return wrong_type(op, t, "an object");
	return set_json(op, t);
}

static bool right_count(struct op *op, const struct target *t)
{
	int64_t count;

	if (!json_object_is_type(t->value, json_type_array))
		return wrong_type(op, t, "an array");
	count = (int64_t)json_object_array_length(t->value);
	if (count < t->field->min || count > t->field->max)
		return wrong_length(op, t->path, t->field->min, t->field->max,
				    "items");
	return true;
}

static bool decode_json_array(struct op *op, const struct target *t)
{
	return right_count(op, t) && set_json(op, t);
}

static bool decode_enum(struct op *op, const struct target *t)
{
	const char *text = text_of(t->value), *all = "";
	const char *const *words = t->field->words;

	for (size_t i = 0; words[i] != NULL; i++) {
		if (text != NULL && streq(text, words[i])) {
			set_text(t, words[i]);
			return true;
		}
		all = arena_printf(op->arena, "%s%s%s", all, i > 0 ? ", " : "",
				   words[i]);
	}
	return op_fail_at(op, t->path, "must be one of: %s", all);
}

static bool decode_uuid(struct op *op, const struct target *t)
{
	const char *text = text_of(t->value);

	if (text == NULL || !parse_is_uuid(text))
		return op_fail_at(op, t->path, "must be a UUID");
	set_text(t, text);
	return true;
}

static bool decode_email(struct op *op, const struct target *t)
{
	const char *text = text_of(t->value);

	if (text == NULL || !parse_is_email(text))
		return op_fail_at(op, t->path, "must be an e-mail address");
	set_text(t, text);
	return true;
}

static bool decode_time(struct op *op, const struct target *t)
{
	const char *text = text_of(t->value);

	if (text == NULL || !parse_time(text, t->member))
		return op_fail_at(op, t->path, "must be an RFC 3339 time");
	return true;
}

static bool decode_texts(struct op *op, const struct target *t)
{
	struct text_list *list = t->member;
	size_t item_max = t->field->item_max, count;
	bool ok = true;

	if (item_max == 0)
		item_max = TEXT_ITEM_MAX;
	if (!right_count(op, t))
		return false;
	count = json_object_array_length(t->value);
	list->items = ARENA_ARRAY(op->arena, const char *, count);
	for (size_t i = 0; i < count; i++) {
		const char *text =
		    text_of(json_object_array_get_idx(t->value, i));

		if (text == NULL || *text == '\0' || strlen(text) > item_max)
			ok = op_fail_at(
			    op, arena_printf(op->arena, "%s[%zu]", t->path, i),
			    "must be a string of 1 to %zu bytes", item_max);
		list->items[i] = text;
	}
	list->count = count;
	return ok;
}

static const decode_fn decoders[] = {
	[FIELD_KIND_TEXT] = decode_text,
	[FIELD_KIND_BOOL] = decode_bool,
	[FIELD_KIND_I64] = decode_i64,
	[FIELD_KIND_DOUBLE] = decode_double,
	[FIELD_KIND_JSON] = decode_json,
	[FIELD_KIND_JSON_ARRAY] = decode_json_array,
	[FIELD_KIND_JSON_ANY] = set_json,
	[FIELD_KIND_ENUM] = decode_enum,
	[FIELD_KIND_UUID] = decode_uuid,
	[FIELD_KIND_EMAIL] = decode_email,
	[FIELD_KIND_TIME] = decode_time,
	[FIELD_KIND_TEXTS] = decode_texts,
};

static const char *json_name(const struct field *f)
{
	return f->as != NULL ? f->as : f->name;
}

static void set_has(const struct field *f, void *ret)
{
	if (f->has != 0)
		*((bool *)ret + (f->has - 1)) = true;
}

/* Explicit null of a nullable field. */
static void set_null(const struct field *f, void *ret)
{
	void *member = (char *)ret + f->offset;

	switch (f->kind) {
	case FIELD_KIND_BOOL:
	case FIELD_KIND_I64:
	case FIELD_KIND_DOUBLE:
	case FIELD_KIND_TIME:
		break;
	case FIELD_KIND_TEXTS:
		*(struct text_list *)member = (struct text_list){ 0 };
		break;
	case FIELD_KIND_JSON:
	case FIELD_KIND_JSON_ARRAY:
	case FIELD_KIND_JSON_ANY:
		*(struct json_object **)member = NULL;
		break;
	default:
		*(const char **)member = NULL;
	}
	set_has(f, ret);
}

static bool decode_field(struct op *op, struct json_object *obj,
			 const char *path, const struct field *f, void *ret)
{
	struct target t = {
		.field = f,
		.value = json_member(obj, json_name(f)),
		.path = body_path(op, path, json_name(f)),
		.member = (char *)ret + f->offset,
	};

	if (t.value == NULL) {
		if (f->nullable && json_has(obj, json_name(f)))
			set_null(f, ret);
		else if (f->required)
			return op_fail_at(op, t.path, "is required");
		return true;
	}
	if (!decoders[f->kind](op, &t))
		return false;
	set_has(f, ret);
	return true;
}

bool body_decode_object(struct op *op, struct json_object *obj,
			const char *path, const struct field *fields,
			size_t count, void *ret)
{
	bool ok = true;

	for (size_t i = 0; i < count; i++)
		if (!decode_field(op, obj, path, &fields[i], ret))
			ok = false;
	return ok;
}

static bool is_named(const char *name, const struct field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (streq(name, json_name(&fields[i])))
			return true;
	return false;
}

bool body_no_others(struct op *op, struct json_object *obj, const char *path,
		    const struct field *fields, size_t count)
{
	bool ok = true;

	json_object_object_foreach (obj, name, value) {
		(void)value;
		if (!is_named(name, fields, count))
			ok = op_fail_at(op, body_path(op, path, name),
					"is not a member known here");
	}
	return ok;
}

static bool charset_ok(const char *params)
{
	const char *at = strcasestr(params, "charset=");

	if (at == NULL)
		return true;
	at += strlen("charset=");
	at += *at == '"';
	return strncasecmp(at, "utf-8", 5) == 0 ||
	       strncasecmp(at, "utf8", 4) == 0;
}

static bool is_json(const char *type)
{
	size_t len;

	if (type == NULL)
		return true;
	len = strcspn(type, "; \t");
	return len == strlen("application/json") &&
	       strncasecmp(type, "application/json", len) == 0 &&
	       charset_ok(type + len);
}

static bool is_blank(const struct request *rq)
{
	for (size_t i = 0; i < rq->body_len; i++)
		if (strchr(" \t\r\n", rq->body[i]) == NULL ||
		    rq->body[i] == '\0')
			return false;
	return true;
}

bool body_is_json(struct op *op, const struct request *rq)
{
	if (!is_json(rq->content_type))
		return op_fail(op, FAIL_UNSUPPORTED_MEDIA, "unsupported_media",
			       "the body must be application/json in UTF-8");
	if (is_blank(rq))
		return op_fail(op, FAIL_INVALID, "empty_body",
			       "this operation needs a JSON body");
	return true;
}

bool body_json(struct op *op, const struct request *rq,
	       struct json_object **ret)
{
	struct json_object *root = NULL;

	if (!body_is_json(op, rq))
		return false;
	if (!json_parse(op, rq->body, rq->body_len, &root))
		return false;
	if (!json_object_is_type(root, json_type_object))
		return op_fail(op, FAIL_INVALID, "invalid_json",
			       "the body must be a JSON object, not %s",
			       json_type_word(root));
	*ret = root;
	return true;
}

bool body_decode(struct op *op, const struct request *rq,
		 const struct field *fields, size_t count, void *ret)
{
	struct json_object *root;

	if (!body_json(op, rq, &root))
		return false;
	return body_decode_object(op, root, "", fields, count, ret);
}

bool body_decode_optional(struct op *op, const struct request *rq,
			  const struct field *fields, size_t count, void *ret)
{
	if (is_blank(rq))
		return true;
	return body_decode(op, rq, fields, count, ret);
}
