/*
 * Typed members of the tenant's config (config_reader.h). None stops at a
 * fault: it is noted with its path, and reading goes on.
 */
#include "engine/config_reader.h"

#include "base/parse.h"

#include <json-c/linkhash.h>

#define ITEMS_MAX    200
#define NAME_LEN_MAX 255

const char *reader_at(struct reader *r, const char *path, const char *key)
{
	size_t len = strlen(key);

	if (len > 80)
		len = parse_utf8_prefix(key, 80);
	return arena_printf(r->op->arena, "%s%s%.*s", path, *path ? "." : "",
			    (int)len, key);
}

const char *reader_item(struct reader *r, const char *path, size_t i)
{
	return arena_printf(r->op->arena, "%s[%zu]", path, i);
}

bool reader_object(struct reader *r, const char *path,
		   struct json_object *value)
{
	return json_object_is_type(value, json_type_object) ||
	       BAD(r, path, "must be an object");
}

/* The items of a list of at most ITEMS_MAX; 0 with a fault when it is none. */
size_t reader_count(struct reader *r, const char *path,
		    struct json_object *value)
{
	size_t n = ITEMS_MAX + 1;

	if (json_object_is_type(value, json_type_array))
		n = json_object_array_length(value);
	if (n <= ITEMS_MAX)
		return n;
	BAD(r, path, "must be a list of at most %d items", ITEMS_MAX);
	return 0;
}

bool reader_number(struct reader *r, const char *path,
		   struct json_object *value, const struct number *number,
		   void *ret)
{
	char *member = (char *)ret + number->offset;
	int64_t i;
	double d;

	if (number->whole) {
		if (!json_as_i64(value, &i) || (double)i < number->min ||
		    (double)i > number->max)
			return BAD(r, path,
				   "must be a whole number from %.0f to %.0f",
				   number->min, number->max);
		memcpy(member, &i, sizeof(i));
		return true;
	}
	if (!json_as_double(value, &d) || d < number->min || d > number->max)
		return BAD(r, path, "must be a number from %g to %g",
			   number->min, number->max);
	memcpy(member, &d, sizeof(d));
	return true;
}

void reader_section(struct reader *r, const char *path, struct json_object *obj,
		    const struct number *numbers, size_t count, void *ret,
		    member_fn fn)
{
	if (!reader_object(r, path, obj))
		return;
	json_object_object_foreach (obj, key, value) {
		const char *here = reader_at(r, path, key);
		bool known = false;

		for (size_t i = 0; i < count && !known; i++) {
			known = streq(numbers[i].name, key);
			if (known && value != NULL &&
			    !reader_number(r, here, value, &numbers[i], ret))
				break;
		}
		if (!known && (fn == NULL || !fn(r, here, key, value)))
			BAD(r, here, "unknown key");
	}
}

const char *reader_name(struct reader *r, const char *path,
			struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string)
			       ? json_object_get_string(value)
			       : "";

	if (*text != '\0' && strlen(text) <= NAME_LEN_MAX)
		return text;
	BAD(r, path, "must be a text of 1 to %d bytes", NAME_LEN_MAX);
	return "";
}

void reader_names(struct reader *r, const char *path, struct json_object *value,
		  struct name_list *ret)
{
	size_t n = value != NULL ? reader_count(r, path, value) : 0;
	const char **items = ARENA_ARRAY(r->op->arena, const char *, n);

	for (size_t i = 0; i < n; i++)
		items[i] = reader_name(r, reader_item(r, path, i),
				       json_object_array_get_idx(value, i));
	*ret = (struct name_list){ items, n };
}

bool reader_bool(struct reader *r, const char *path, struct json_object *value,
		 bool *ret)
{
	if (!json_object_is_type(value, json_type_boolean))
		return BAD(r, path, "must be true or false");
	*ret = json_object_get_boolean(value);
	return true;
}
