/*
 * The parser of the condition language, leaf by leaf: scalars, lists and
 * operators, each checked against the kind of value that the field holds.
 */
#include "engine/condition_parser.h"

#include "base/json_out.h"
#include "base/parse.h"

#include <float.h>
#include <json-c/linkhash.h>
#include <math.h>

#define BIT(kind) (1u << (kind))
#define ORDERED                                                                \
	(BIT(VALUE_SCORE) | BIT(VALUE_NUMBER) | BIT(VALUE_DAYS) |              \
	 BIT(VALUE_ANY) | BIT(VALUE_COUNT))
#define TEXTUAL (BIT(VALUE_TEXT) | BIT(VALUE_ANY))
#define EVERY	(~0u)

/* Which kinds of value each operator takes; in the order of enum node_op. */
static const struct {
	enum node_op op;
	const char *name;
	const char *sign; /* of the form ">= 0.7" */
	unsigned kinds;
} operators[] = {
	{ OP_EQ, "eq", "=", EVERY },
	{ OP_NE, "ne", "!=", EVERY },
	{ OP_GT, "gt", ">", ORDERED },
	{ OP_GTE, "gte", ">=", ORDERED },
	{ OP_LT, "lt", "<", ORDERED },
	{ OP_LTE, "lte", "<=", ORDERED },
	{ OP_IN, "in", NULL, EVERY },
	{ OP_NIN, "nin", NULL, EVERY },
	{ OP_EXISTS, "exists", NULL, EVERY & ~BIT(VALUE_COUNT) },
	{ OP_CONTAINS, "contains", NULL, TEXTUAL },
	{ OP_STARTS_WITH, "starts_with", NULL, TEXTUAL },
	{ OP_REACHED, "reached", NULL, 0 },
	{ OP_NOT_REACHED, "not_reached", NULL, 0 },
};

const char *node_op_name(enum node_op op)
{
	return operators[op].name;
}

void node_days_range(enum node_op op, int64_t n, int64_t *ret_first,
		     int64_t *ret_last)
{
	*ret_first = op == OP_GT ? n + 1 : op == OP_LT || op == OP_LTE ? 0 : n;
	*ret_last = op == OP_GT || op == OP_GTE ? DAYS_ANY
		    : op == OP_LT		? n - 1
						: n;
	if (*ret_last < 0)
		*ret_last = DAYS_NONE;
}

static const char *words_join(struct parser *p, const char *const *words)
{
	struct str s;

	str_init(&s, p->a, 4096);
	for (size_t i = 0; words[i] != NULL; i++)
		str_printf(&s, "%s%s", i ? ", " : "", words[i]);
	return s.bytes;
}

bool leaf_fail(struct parser *p, const char *path,
	       const struct condition_field *field, enum value_kind kind,
	       bool is_null)
{
	static const char *const wanted[] = {
		[VALUE_SCORE] = "a number",
		[VALUE_NUMBER] = "a number",
		[VALUE_DAYS] = "a whole number of days from 0 to 36500",
		[VALUE_TEXT] = "a text",
		[VALUE_BOOL] = "true or false",
		[VALUE_ANY] = "a text, a number, true or false",
		[VALUE_COUNT] = "a whole number from 0 to 1000000000",
	};

	if (kind == VALUE_WORD)
		return BAD(p, path, "must be one of %s",
			   words_join(p, field->words));
	if (is_null)
		return BAD(p, path,
			   "must be %s; for a missing value use "
			   "{\"exists\": false}",
			   wanted[kind]);
	return BAD(p, path, "must be %s", wanted[kind]);
}

static const char *json_of(struct parser *p, const struct value *v)
{
	struct str s;
	struct json_out j;

	str_init(&s, p->a, 2u << 20);
	json_init(&j, &s);
	if (v->type == json_type_string)
		json_string(&j, v->text);
	else if (v->type == json_type_boolean)
		json_boolean(&j, v->flag);
	else
		json_double(&j, v->number);
	return s.bytes;
}

static bool number_fits(enum value_kind kind, double n)
{
	if (kind == VALUE_DAYS)
		return n >= 0 && n <= DAYS_MAX && n == floor(n);
	if (kind == VALUE_COUNT)
		return n >= 0 && n <= COUNT_MAX && n == floor(n);
	return kind == VALUE_SCORE || kind == VALUE_NUMBER || kind == VALUE_ANY;
}

static bool word_known(const char *const *words, const char *text)
{
	for (; *words != NULL; words++)
		if (streq(*words, text))
			return true;
	return false;
}

bool leaf_number(struct parser *p, const char *path,
		 const struct condition_field *field, enum value_kind kind,
		 double number, struct value *ret)
{
	*ret = (struct value){ .type = json_type_double, .number = number };
	if (!number_fits(kind, number))
		return leaf_fail(p, path, field, kind, false);
	ret->json = json_of(p, ret);
	/* SQL casts it to real, which must neither over- nor underflow. */
	if (kind == VALUE_SCORE && fabs(number) < FLT_MIN)
		ret->number = 0;
	else if (kind == VALUE_SCORE && fabs(number) > (double)FLT_MAX)
		ret->number = copysign((double)FLT_MAX, number);
	return true;
}

/* One scalar as a value of that kind. */
static bool parse_value(struct parser *p, const char *path,
			const struct condition_field *field,
			enum value_kind kind, struct json_object *value,
			struct value *ret)
{
	struct value v = { .type = json_object_get_type(value) };

	if (v.type == json_type_string) {
		v.text = json_object_get_string(value);
		if (kind != VALUE_TEXT && kind != VALUE_ANY &&
		    (kind != VALUE_WORD || !word_known(field->words, v.text)))
			return leaf_fail(p, path, field, kind, value == NULL);
	} else if (v.type == json_type_boolean) {
		v.flag = json_object_get_boolean(value);
		if (kind != VALUE_BOOL && kind != VALUE_ANY)
			return leaf_fail(p, path, field, kind, value == NULL);
	} else if (json_as_double(value, &v.number)) {
		return leaf_number(p, path, field, kind, v.number, ret);
	} else {
		return leaf_fail(p, path, field, kind, value == NULL);
	}
	v.json = json_of(p, &v);
	*ret = v;
	return true;
}

static enum value_kind node_value_kind(const struct condition *node)
{
	if (node->kind == NODE_FIELD)
		return node->field->kind;
	return node->kind == NODE_EVENT ? VALUE_COUNT : VALUE_ANY;
}

static bool parse_list(struct parser *p, const char *path,
		       struct condition *node, struct json_object *list)
{
	size_t n = json_object_get_type(list) == json_type_array
		       ? json_object_array_length(list)
		       : 0;
	bool ok = true;

	if (n == 0 || n > LIST_MAX)
		return BAD(p, path, "must be a list of 1 to %d values",
			   LIST_MAX);
	node->values = ARENA_ARRAY(p->a, struct value, n);
	node->value_count = n;
	for (size_t i = 0; i < n; i++)
		if (!parse_value(p, parser_item(p, path, i), node->field,
				 node_value_kind(node),
				 json_object_array_get_idx(list, i),
				 &node->values[i]))
			ok = false;
	return ok;
}

/* The operand of an operator that stands in node->op. */
static bool parse_operand(struct parser *p, const char *path,
			  struct condition *node, struct json_object *value)
{
	enum value_kind kind = node_value_kind(node);
	struct value *v = ARENA_NEW(p->a, struct value);

	if (node->op == OP_IN || node->op == OP_NIN)
		return parse_list(p, path, node, value);
	node->values = v;
	node->value_count = 1;
	if (node->op == OP_EXISTS)
		return parse_value(p, path, NULL, VALUE_BOOL, value, v);
	if (!parse_value(p, path, node->field, kind, value, v))
		return false;
	if (kind != VALUE_ANY)
		return true;
	if (node->op >= OP_GT && node->op <= OP_LTE &&
	    v->type == json_type_boolean)
		return BAD(p, path, "must be a number or a text");
	if (node->op == OP_STARTS_WITH && v->type != json_type_string)
		return BAD(p, path, "must be a text");
	return true;
}

/* ">= 0.7" → operator and number; false when the text is no such thing. */
static bool parse_signed(const char *text, enum node_op *ret_op,
			 double *ret_number)
{
	size_t len = strspn(text, "<>=!");

	for (size_t i = 0; i < ARRAY_LEN(operators) && len > 0; i++) {
		const char *sign = operators[i].sign;
		bool equals = len == 2 && strncmp(text, "==", 2) == 0 &&
			      operators[i].op == OP_EQ;

		if (sign == NULL ||
		    (!equals &&
		     (strlen(sign) != len || strncmp(sign, text, len) != 0)))
			continue;
		*ret_op = operators[i].op;
		return parse_double(text + len + strspn(text + len, " "),
				    ret_number);
	}
	return false;
}

static const char *operators_of(struct parser *p, enum value_kind kind)
{
	struct str s;

	str_init(&s, p->a, 4096);
	for (size_t i = 0; i < ARRAY_LEN(operators); i++)
		if (operators[i].kinds & BIT(kind))
			str_printf(&s, "%s%s", s.len ? ", " : "",
				   operators[i].name);
	return s.bytes;
}

static bool operator_find(const char *name, enum node_op *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		if (operators[i].kinds != 0 && streq(operators[i].name, name)) {
			*ret = operators[i].op;
			return true;
		}
	}
	return false;
}

static void parse_operator(struct parser *p, const char *path,
			   const struct condition *proto, const char *key,
			   struct json_object *value, struct condition *parent)
{
	enum value_kind kind = node_value_kind(proto);
	const char *at = parser_path(p, path, key);
	enum node_op op;

	if (!operator_find(key, &op)) {
		BAD(p, at, "unknown operator; known here: %s",
		    operators_of(p, kind));
	} else if (!(operators[op].kinds & BIT(kind))) {
		BAD(p, at, "this operator does not fit here; known here: %s",
		    operators_of(p, kind));
	} else {
		struct condition *node =
		    parser_leaf(p, parent, proto, at, op, value);
		if (node != NULL && !parse_operand(p, at, node, value))
			p->bad = true;
	}
}

/* Value, list or operators of a field, a property or a count. */
void leaf_parse(struct parser *p, const char *path,
		const struct condition *proto, struct json_object *value,
		struct condition *parent)
{
	enum value_kind kind = node_value_kind(proto);
	enum node_op op = OP_EQ;
	double number;

	if (json_object_is_type(value, json_type_object)) {
		if (json_object_object_length(value) == 0)
			BAD(p, path, "needs an operator; known here: %s",
			    operators_of(p, kind));
		json_object_object_foreach (value, key, operand)
			parse_operator(p, path, proto, key, operand, parent);
		return;
	}
	if (json_object_is_type(value, json_type_array))
		op = OP_IN;
	bool is_sign =
	    json_object_is_type(value, json_type_string) &&
	    (operators[OP_GT].kinds & BIT(kind)) != 0 &&
	    parse_signed(json_object_get_string(value), &op, &number);
	struct condition *node = parser_leaf(p, parent, proto, path, op, value);
	if (node == NULL)
		return;
	if (!is_sign) {
		if (!parse_operand(p, path, node, value))
			p->bad = true;
		return;
	}
	node->values = ARENA_NEW(p->a, struct value);
	node->value_count = 1;
	if (!leaf_number(p, path, node->field, kind, number, node->values))
		p->bad = true;
}
