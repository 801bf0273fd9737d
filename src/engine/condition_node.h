/*
 * The tree behind struct condition: made by condition.c, read by
 * condition_sql.c and condition_eval.c, and by nobody else.
 */
#ifndef ENGINE_CONDITION_NODE_H
#define ENGINE_CONDITION_NODE_H

#include "engine/condition.h"

enum node_kind {
	NODE_ALL,
	NODE_ANY,
	NODE_NOT,
	/* Leaves, clauses: */
	NODE_FIELD,
	NODE_PROPERTY,
	NODE_EVENT,
	NODE_MILESTONE,
	NODE_SEGMENT, /* its children are the segment's condition */
};

enum node_op {
	OP_EQ,
	OP_NE,
	OP_GT,
	OP_GTE,
	OP_LT,
	OP_LTE,
	OP_IN,
	OP_NIN,
	OP_EXISTS,
	OP_CONTAINS,
	OP_STARTS_WITH,
	OP_REACHED,
	OP_NOT_REACHED,
};

/* What a clause is compared with, and how. */
enum value_kind {
	VALUE_WORD,   /* one of a field's words */
	VALUE_SCORE,  /* real column */
	VALUE_NUMBER, /* integer column */
	VALUE_DAYS,   /* whole days since a time */
	VALUE_TEXT,
	VALUE_BOOL,
	VALUE_ANY,   /* property: text, number or boolean */
	VALUE_COUNT, /* events: whole number */
};

struct condition_field {
	const char *name;
	enum value_kind kind;
	bool nullable;
	struct sql_literal column; /* of VALUE_DAYS: the time */
	const char *const *words;  /* ends with NULL */
};

struct value {
	enum json_type type; /* string, double or boolean */
	const char *text;    /* string */
	double number;
	bool flag;
	const char *json; /* canonical JSON text */
};

struct condition {
	enum node_kind kind;
	struct condition *children, *next;

	/* Leaves. */
	enum node_op op;
	const char *path, *wanted;
	const struct condition_field *field; /* NODE_FIELD */
	const char *name;		     /* event, milestone, segment */
	const char *const *keys;	     /* NODE_PROPERTY */
	size_t key_count;
	int64_t name_id;     /* NODE_EVENT; −1: not counted */
	int64_t within_days; /* 0: all time */
	struct value *values;
	size_t value_count; /* more than 1 only for OP_IN and OP_NIN */
};

static inline bool node_is_leaf(const struct condition *c)
{
	return c->kind >= NODE_FIELD;
}

/* static: "eq", "starts_with", "reached". */
const char *node_op_name(enum node_op op);

/*
 * The whole days that a comparison of VALUE_DAYS with n lets through, both
 * ends included; DAYS_NONE below, DAYS_ANY above. Not for lists.
 */
#define DAYS_ANY  INT64_MAX
#define DAYS_NONE INT64_C(-1)
void node_days_range(enum node_op op, int64_t n, int64_t *ret_first,
		     int64_t *ret_last);

#endif
