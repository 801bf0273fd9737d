/*
 * The condition language clause by clause (condition.h): what dry-run,
 * explain and why show. One statement asks for the value and the truth of
 * every leaf; the tree is then walked over those truths, which is the same
 * as the predicate because no clause is ever null.
 */
#include "engine/condition_node.h"

static size_t leaves_count(const struct condition *node)
{
	size_t n = 0;

	if (node_is_leaf(node))
		return 1;
	for (const struct condition *c = node->children; c; c = c->next)
		n += leaves_count(c);
	return n;
}

static size_t leaves_take(const struct condition *node,
			  struct condition_clause *clauses, size_t n)
{
	if (node_is_leaf(node)) {
		clauses[n] = (struct condition_clause){
			.path = node->path,
			.op = node->kind == NODE_SEGMENT
				  ? "segment"
				  : node_op_name(node->op),
			.wanted = node->wanted,
			.node = node,
		};
		return n + 1;
	}
	for (const struct condition *c = node->children; c; c = c->next)
		n = leaves_take(c, clauses, n);
	return n;
}

void condition_clauses(struct arena *a, const struct condition *cond,
		       struct condition_clause **ret, size_t *ret_count)
{
	size_t n = cond != NULL ? leaves_count(cond) : 0;

	*ret = ARENA_ARRAY(a, struct condition_clause, n);
	*ret_count = n;
	if (cond != NULL)
		leaves_take(cond, *ret, 0);
}

/* Truth of the tree from the truths of its leaves, taken in order. */
static bool holds(const struct condition *node, const struct clause_result *r,
		  size_t *next)
{
	bool all = true, any = false;

	if (node_is_leaf(node))
		return r[(*next)++].result;
	for (const struct condition *c = node->children; c; c = c->next) {
		bool one = holds(c, r, next);

		all = all && one;
		any = any || one;
	}
	if (node->kind == NODE_ANY)
		return any;
	return node->kind == NODE_NOT ? !all : all;
}

static void write_statement(struct op *op, struct sql *q, const char *user_id,
			    const struct condition_clause *clauses, size_t n)
{
	struct condition_at at = { 0 };

	sql_init(q, op->arena);
	at.tenant = sql_bind(q, ARG_I64(op->tenant_id));
	at.now = sql_bind(q, ARG_TIME(op->now_us));
	sql_add(q, "SELECT to_jsonb(ARRAY[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			sql_add(q, ", ");
		condition_write_clause(&clauses[i], q, &at);
	}
	sql_add(q, "]::boolean[])::text AS truths, to_jsonb(ARRAY[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			sql_add(q, ", ");
		/* A segment's value is its truth. */
		if (clauses[i].node->kind == NODE_SEGMENT)
			sql_add(q, "NULL");
		else
			condition_write_value(&clauses[i], q, &at);
	}
	sql_add(q, "]::text[])::text AS vals FROM customers c"
		   " WHERE c.tenant_id = ");
	sql_ref(q, at.tenant);
	sql_add(q, " AND c.user_id = ");
	sql_arg(q, ARG_TEXT(user_id));
}

static bool parse_array(struct op *op, const char *text,
			struct json_object **ret)
{
	return json_parse(op, text, strlen(text), ret);
}

bool condition_evaluate(struct op *op, const struct condition *cond,
			const char *user_id, struct clause_result **ret,
			size_t *ret_count, bool *ret_holds)
{
	struct condition_clause *clauses;
	struct clause_result *results;
	struct json_object *truths, *values;
	struct sql q;
	struct db_rows rows;
	size_t n, next = 0;

	condition_clauses(op->arena, cond, &clauses, &n);
	write_statement(op, &q, user_id, clauses, n);
	if (!db_rows_sql(op, &rows, &q))
		return false;
	if (rows.count == 0)
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "no such customer");
	struct db_row row = db_row_at(&rows, 0);
	if (!parse_array(op, db_text(&row, "truths"), &truths) ||
	    !parse_array(op, db_text(&row, "vals"), &values))
		return false;
	results = ARENA_ARRAY(op->arena, struct clause_result, n);
	for (size_t i = 0; i < n; i++) {
		struct json_object *value =
		    json_object_array_get_idx(values, i);
		bool result = json_object_get_boolean(
		    json_object_array_get_idx(truths, i));

		results[i] = (struct clause_result){
			.path = clauses[i].path,
			.op = clauses[i].op,
			.wanted = clauses[i].wanted,
			.value = value ? json_object_get_string(value) : "null",
			.result = result,
		};
		if (clauses[i].node->kind == NODE_SEGMENT)
			results[i].value = result ? "true" : "false";
	}
	*ret = results;
	*ret_count = n;
	*ret_holds = cond == NULL || holds(cond, results, &next);
	return true;
}

static size_t events_take(const struct condition *node, const char **names,
			  size_t n)
{
	if (node->kind == NODE_EVENT) {
		for (size_t i = 0; i < n; i++)
			if (streq(names[i], node->name))
				return n;
		names[n++] = node->name;
	}
	for (const struct condition *c = node->children; c; c = c->next)
		n = events_take(c, names, n);
	return n;
}

void condition_events(struct arena *a, const struct condition *cond,
		      const char *const **ret, size_t *ret_count)
{
	const char **names =
	    ARENA_ARRAY(a, const char *, CONDITION_CLAUSES_MAX);

	*ret_count = cond != NULL ? events_take(cond, names, 0) : 0;
	*ret = names;
}
