/*
 * Between the properties of a $identify event and the UPDATE of its
 * customer (store/customer.c).
 */
#include "store/traits.h"

#include "base/parse.h"

#include <json-c/linkhash.h>

#define TEXT_MAX      255
#define TEAM_SIZE_MAX 10000000

static bool is_line(struct json_object *value)
{
	const char *text;
	size_t len;

	if (!json_object_is_type(value, json_type_string))
		return false;
	text = json_object_get_string(value);
	len = strlen(text);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return len >= 1 && len <= TEXT_MAX;
}

static bool is_email(struct json_object *value)
{
	return is_line(value) && parse_is_email(json_object_get_string(value));
}

static bool is_team_size(struct json_object *value)
{
	int64_t n;

	return (json_object_is_type(value, json_type_int) ||
		json_object_is_type(value, json_type_double)) &&
	       json_as_i64(value, &n) && n >= 0 && n <= TEAM_SIZE_MAX;
}

static const struct {
	const char *name;
	bool (*is_good)(struct json_object *value);
} known[] = {
	{ "name", is_line },	 { "email", is_email },
	{ "company", is_line },	 { "role", is_line },
	{ "plan", is_line },	 { "locale", is_line },
	{ "timezone", is_line }, { "team_size", is_team_size },
};

static void put_root(void *root)
{
	json_object_put(root);
}

static struct json_object *new_object(struct op *op)
{
	struct json_object *root = json_object_new_object();

	arena_defer(op->arena, put_root, root);
	return root;
}

void traits_init(struct op *op, struct traits *ret)
{
	ret->known = new_object(op);
	ret->rest = new_object(op);
	ret->once_known = new_object(op);
	ret->once_rest = new_object(op);
}

/* The value as its column holds it: 12.0 is the integer 12. */
static struct json_object *column_value(struct json_object *value)
{
	int64_t n;

	if (json_object_is_type(value, json_type_double) &&
	    json_as_i64(value, &n))
		return json_object_new_int64(n);
	return json_object_get(value);
}

static bool is_known(const char *key, struct json_object *value)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (streq(key, known[i].name))
			return value == NULL || known[i].is_good(value);
	return false;
}

void traits_merge(struct traits *t, struct json_object *properties)
{
	json_object_object_foreach (properties, key, value) {
		if (is_known(key, value))
			json_object_object_add(t->known, key,
					       column_value(value));
		else
			json_object_object_add(t->rest, key,
					       json_object_get(value));
	}
}

void traits_merge_once(struct traits *t, struct json_object *properties)
{
	json_object_object_foreach (properties, key, value) {
		bool column = is_known(key, value);
		struct json_object *to = column ? t->once_known : t->once_rest;

		if (value == NULL || json_has(to, key))
			continue;
		json_object_object_add(to, key,
				       column ? column_value(value)
					      : json_object_get(value));
	}
}
