/*
 * What the two halves of the condition parser share: condition.c reads the
 * tree and the names, condition_value.c the values and operators of one
 * leaf. Nobody else includes this.
 */
#ifndef ENGINE_CONDITION_PARSER_H
#define ENGINE_CONDITION_PARSER_H

#include "engine/condition_node.h"

#define DAYS_MAX  36500
#define COUNT_MAX 1000000000
#define LIST_MAX  500

struct parser {
	struct op *op;
	struct arena *a;
	const struct condition_env *env;
	size_t clauses;
	const char *open[CONDITION_DEPTH_MAX]; /* segments being read */
	size_t open_count;
	bool properties_only;
	bool bad;
};

/* Notes a fault; false. */
#define BAD(p, path, ...)                                                      \
	((p)->bad = true, op_fail_at((p)->op, (path), __VA_ARGS__))

/* arena: path.key and path[i]; a long key is cut, so that errors stay short. */
const char *parser_path(struct parser *p, const char *path, const char *key);
const char *parser_item(struct parser *p, const char *path, size_t i);

/* arena: a new last child of parent. */
struct condition *parser_node(struct parser *p, struct condition *parent,
			      enum node_kind kind);

/* The same, a leaf like proto; NULL when there are too many clauses. */
struct condition *parser_leaf(struct parser *p, struct condition *parent,
			      const struct condition *proto, const char *path,
			      enum node_op op, struct json_object *wanted);

/* Value, list or operators of a field, a property or a count: its leaves. */
void leaf_parse(struct parser *p, const char *path,
		const struct condition *proto, struct json_object *value,
		struct condition *parent);

/* Sets *ret to a number of that kind, or notes the fault. */
MUST_CHECK bool leaf_number(struct parser *p, const char *path,
			    const struct condition_field *field,
			    enum value_kind kind, double number,
			    struct value *ret);

/* Notes that a value is none of that kind; false. */
bool leaf_fail(struct parser *p, const char *path,
	       const struct condition_field *field, enum value_kind kind,
	       bool is_null);

#endif
