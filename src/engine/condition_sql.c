/*
 * The SQL of the condition language (condition.h): tree → predicate over
 * the alias c. Text of the user is bound, never written; a clause binds at
 * most three arguments, so that CONDITION_CLAUSES_MAX clauses fit.
 *
 * Each clause is two-valued: what may be null stands under IS TRUE or IS
 * NOT TRUE. jsonb values are compared as jsonb after a look at their type,
 * without a cast that could fail on a row.
 *
 * One long file, because a clause's truth, its value and the next time at
 * which it can change are written from the same parts and must stay in step.
 */
#include "engine/condition_node.h"

static const struct sql_literal compare[] = {
	[OP_EQ] = SQL_LITERAL(" = "), [OP_NE] = SQL_LITERAL(" <> "),
	[OP_GT] = SQL_LITERAL(" > "), [OP_GTE] = SQL_LITERAL(" >= "),
	[OP_LT] = SQL_LITERAL(" < "), [OP_LTE] = SQL_LITERAL(" <= "),
	[OP_IN] = SQL_LITERAL(" = "), [OP_NIN] = SQL_LITERAL(" <> "),
};

static const struct sql_literal of_customer = SQL_LITERAL("c.properties");
static const struct sql_literal of_event = SQL_LITERAL("e.properties");

static void write_node(const struct condition *node, struct sql *q,
		       const struct condition_at *at,
		       const struct sql_literal *properties);

/* ne and nin are the others' opposite, also for what is missing. */
static bool is_opposite(enum node_op op)
{
	return op == OP_NE || op == OP_NIN;
}

/* --------------------------------------------------------------- fields -- */

/* The argument of a comparison with a plain column. */
static void write_operand(const struct condition *node, struct sql *q)
{
	const struct value *v = node->values;

	switch (node->field->kind) {
	case VALUE_SCORE:
		sql_arg(q, ARG_DOUBLE(v->number));
		sql_add(q, "::real");
		break;
	case VALUE_NUMBER:
		sql_arg(q, ARG_DOUBLE(v->number));
		break;
	case VALUE_BOOL:
		sql_arg(q, ARG_BOOL(v->flag));
		break;
	default:
		sql_arg(q, ARG_TEXT(v->text));
	}
}

static void write_texts(const struct condition *node, struct sql *q)
{
	const char **texts =
	    ARENA_ARRAY(q->arena, const char *, node->value_count);

	for (size_t i = 0; i < node->value_count; i++)
		texts[i] = node->values[i].text;
	sql_arg(q, ARG_TEXTS(texts, node->value_count));
}

static void write_numbers(const struct condition *node, struct sql *q)
{
	double *numbers = ARENA_ARRAY(q->arena, double, node->value_count);

	for (size_t i = 0; i < node->value_count; i++)
		numbers[i] = node->values[i].number;
	sql_arg(q, ARG_DOUBLES(numbers, node->value_count));
}

static void write_bools(const struct condition *node, struct sql *q)
{
	bool *flags = ARENA_ARRAY(q->arena, bool, node->value_count);

	for (size_t i = 0; i < node->value_count; i++)
		flags[i] = node->values[i].flag;
	sql_arg(q, ARG_BOOLS(flags, node->value_count));
}

static void write_list(const struct condition *node, struct sql *q)
{
	sql_add(q, "ANY (");
	switch (node->field->kind) {
	case VALUE_SCORE:
		write_numbers(node, q);
		sql_add(q, "::real[]");
		break;
	case VALUE_NUMBER:
	case VALUE_DAYS:
		write_numbers(node, q);
		break;
	case VALUE_BOOL:
		write_bools(node, q);
		break;
	default:
		write_texts(node, q);
	}
	sql_add(q, ")");
}

/* The positive form: ne as eq, nin as in. */
static void write_comparison(const struct condition *node, struct sql *q)
{
	const struct sql_literal *column = &node->field->column;

	switch (node->op) {
	case OP_IN:
	case OP_NIN:
		sql_add_literal(q, column);
		sql_add(q, " = ");
		write_list(node, q);
		break;
	case OP_CONTAINS:
		sql_add(q, "strpos(");
		sql_add_literal(q, column);
		sql_add(q, ", ");
		write_operand(node, q);
		sql_add(q, ") > 0");
		break;
	case OP_STARTS_WITH:
		sql_add(q, "starts_with(");
		sql_add_literal(q, column);
		sql_add(q, ", ");
		write_operand(node, q);
		sql_add(q, ")");
		break;
	default:
		sql_add_literal(q, column);
		sql_add_literal(q,
				&compare[node->op == OP_NE ? OP_EQ : node->op]);
		write_operand(node, q);
	}
}

/* ----------------------------------------------------------------- days -- */

static void write_days_value(const struct condition *node, struct sql *q,
			     const struct condition_at *at)
{
	sql_add(q, "greatest(floor(extract(epoch FROM ");
	sql_ref(q, at->now);
	sql_add(q, " - ");
	sql_add_literal(q, &node->field->column);
	sql_add(q, ") / 86400), 0)");
}

/* column + days * 24 hours */
static void write_day_bound(const struct condition *node, struct sql *q,
			    size_t days)
{
	sql_add_literal(q, &node->field->column);
	sql_add(q, " + ");
	sql_ref(q, days);
	sql_add(q, " * interval '24 hours'");
}

/*
 * now − column in whole days from first to last, as bounds on the column: a
 * time ahead of now (clocks differ) counts as day 0.
 */
static void write_days(const struct condition *node, struct sql *q,
		       const struct condition_at *at)
{
	int64_t first, last;

	if (node->op == OP_IN || node->op == OP_NIN) {
		/* greatest() makes 0 of null. */
		sql_add_literal(q, &node->field->column);
		sql_add(q, " IS NOT NULL AND ");
		write_days_value(node, q, at);
		sql_add(q, "::float8 = ");
		write_list(node, q);
		return;
	}
	node_days_range(node->op == OP_NE ? OP_EQ : node->op,
			(int64_t)node->values->number, &first, &last);
	if (last == DAYS_NONE) {
		sql_add(q, "false");
		return;
	}
	sql_add_literal(q, &node->field->column);
	if (first > 0) {
		sql_add(q, " <= ");
		sql_ref(q, at->now);
		sql_add(q, " - ");
		sql_arg(q, ARG_DOUBLE((double)first));
		sql_add(q, " * interval '24 hours'");
	}
	if (first > 0 && last != DAYS_ANY) {
		sql_add(q, " AND ");
		sql_add_literal(q, &node->field->column);
	}
	if (last != DAYS_ANY) {
		sql_add(q, " > ");
		sql_ref(q, at->now);
		sql_add(q, " - ");
		sql_arg(q, ARG_DOUBLE((double)last + 1));
		sql_add(q, " * interval '24 hours'");
	} else if (first <= 0) {
		sql_add(q, " IS NOT NULL");
	}
}

static void write_field(const struct condition *node, struct sql *q,
			const struct condition_at *at)
{
	if (node->op == OP_EXISTS) {
		sql_add(q, "(");
		sql_add_literal(q, &node->field->column);
		if (node->values->flag)
			sql_add(q, " IS NOT NULL)");
		else
			sql_add(q, " IS NULL)");
		return;
	}
	sql_add(q, "((");
	if (node->field->kind == VALUE_DAYS)
		write_days(node, q, at);
	else
		write_comparison(node, q);
	if (is_opposite(node->op))
		sql_add(q, ") IS NOT TRUE)");
	else if (node->field->nullable)
		sql_add(q, ") IS TRUE)");
	else
		sql_add(q, "))");
}

/* ----------------------------------------------------------- properties -- */

/*
 * Traits that have a column: what a client sent as properties.plan is there
 * and no longer among the properties, unless its form was wrong.
 */
static const struct {
	const char *name;
	struct sql_literal value;
} traits[] = {
#define TRAIT(column)                                                          \
	{                                                                      \
		column, SQL_LITERAL("coalesce(to_jsonb(c." column              \
				    "), c.properties->'" column "')")          \
	}
	TRAIT("name"), TRAIT("email"),	TRAIT("company"),  TRAIT("role"),
	TRAIT("plan"), TRAIT("locale"), TRAIT("timezone"), TRAIT("team_size"),
#undef TRAIT
};

/* The column of a property of customers, or NULL. */
static const struct sql_literal *find_trait(
    const struct condition *node, const struct sql_literal *properties)
{
	if (properties != &of_customer || node->key_count != 1)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(traits); i++)
		if (streq(node->keys[0], traits[i].name))
			return &traits[i].value;
	return NULL;
}

/* The property; bound is its path, 0 to bind it. Returns the path's n. */
static size_t write_property_value(const struct condition *node, struct sql *q,
				   const struct sql_literal *properties,
				   size_t bound)
{
	const struct sql_literal *trait = find_trait(node, properties);

	sql_add(q, "(");
	if (trait != NULL) {
		sql_add_literal(q, trait);
		sql_add(q, ")");
		return 0;
	}
	if (bound == 0)
		bound = sql_bind(q, ARG_TEXTS(node->keys, node->key_count));
	sql_add_literal(q, properties);
	sql_add(q, " #> ");
	sql_ref(q, bound);
	sql_add(q, ")");
	return bound;
}

static void write_property_ordered(const struct condition *node, struct sql *q,
				   const struct sql_literal *properties)
{
	size_t keys = write_property_value(node, q, properties, 0);

	sql_add_literal(q, &compare[node->op]);
	sql_arg(q, ARG_JSON(node->values->json));
	sql_add(q, " AND jsonb_typeof");
	write_property_value(node, q, properties, keys);
	if (node->values->type == json_type_string)
		sql_add(q, " = 'string'");
	else
		sql_add(q, " = 'number'");
}

/* A part of a text, or an element of an array. */
static void write_property_contains(const struct condition *node, struct sql *q,
				    const struct sql_literal *properties)
{
	size_t keys, wanted = sql_bind(q, ARG_JSON(node->values->json));

	sql_add(q, "CASE jsonb_typeof");
	keys = write_property_value(node, q, properties, 0);
	sql_add(q, " WHEN 'array' THEN ");
	write_property_value(node, q, properties, keys);
	sql_add(q, " @> ");
	sql_ref(q, wanted);
	if (node->values->type == json_type_string) {
		sql_add(q, " WHEN 'string' THEN strpos(");
		write_property_value(node, q, properties, keys);
		sql_add(q, " #>> '{}', ");
		sql_arg(q, ARG_TEXT(node->values->text));
		sql_add(q, ") > 0");
	}
	sql_add(q, " END");
}

static void write_property_list(const struct condition *node, struct sql *q,
				const struct sql_literal *properties)
{
	const char **values =
	    ARENA_ARRAY(q->arena, const char *, node->value_count);

	for (size_t i = 0; i < node->value_count; i++)
		values[i] = node->values[i].json;
	write_property_value(node, q, properties, 0);
	sql_add(q, " = ANY (");
	sql_arg(q, ARG_JSONS(values, node->value_count));
	sql_add(q, ")");
}

static void write_property(const struct condition *node, struct sql *q,
			   const struct sql_literal *properties)
{
	bool no = is_opposite(node->op);
	size_t keys;

	sql_add(q, "((");
	switch (node->op) {
	case OP_EXISTS:
		sql_add(q, "jsonb_typeof");
		write_property_value(node, q, properties, 0);
		sql_add(q, " <> 'null'");
		no = !node->values->flag;
		break;
	case OP_IN:
	case OP_NIN:
		write_property_list(node, q, properties);
		break;
	case OP_CONTAINS:
		write_property_contains(node, q, properties);
		break;
	case OP_STARTS_WITH:
		sql_add(q, "jsonb_typeof");
		keys = write_property_value(node, q, properties, 0);
		sql_add(q, " = 'string' AND starts_with(");
		write_property_value(node, q, properties, keys);
		sql_add(q, " #>> '{}', ");
		sql_arg(q, ARG_TEXT(node->values->text));
		sql_add(q, ")");
		break;
	case OP_EQ:
	case OP_NE:
		write_property_value(node, q, properties, 0);
		sql_add(q, " = ");
		sql_arg(q, ARG_JSON(node->values->json));
		break;
	default:
		write_property_ordered(node, q, properties);
	}
	if (no)
		sql_add(q, ") IS NOT TRUE)");
	else
		sql_add(q, ") IS TRUE)");
}

/* --------------------------------------------------------------- events -- */

/*
 * FROM and WHERE of the events that count. within_days looks at UTC days
 * after today − N in both tables, so that they agree.
 */
static void write_event_from(const struct condition *node, struct sql *q,
			     const struct condition_at *at)
{
	if (node->name_id >= 0) {
		sql_add(q, " FROM customer_event_days d WHERE d.tenant_id = ");
		sql_ref(q, at->tenant);
		sql_add(q, " AND d.user_id = c.user_id AND d.name_id = ");
		sql_arg(q, ARG_I64(node->name_id));
	} else {
		sql_add(q, " FROM events d WHERE d.tenant_id = ");
		sql_ref(q, at->tenant);
		sql_add(q, " AND d.user_id = c.user_id AND d.event = ");
		sql_arg(q, ARG_TEXT(node->name));
	}
	if (at->past) {
		if (node->name_id >= 0)
			sql_add(q, " AND d.last_at <= ");
		else
			sql_add(q, " AND d.ts <= ");
		sql_ref(q, at->now);
	}
	if (node->within_days == 0)
		return;
	if (node->name_id >= 0)
		sql_add(q, " AND d.day > (");
	else
		sql_add(q, " AND d.ts >= ((");
	sql_ref(q, at->now);
	sql_add(q, " AT TIME ZONE 'UTC')::date - ");
	sql_arg(q, ARG_I64(node->within_days));
	sql_add(q, "::integer");
	if (node->name_id < 0)
		sql_add(q, " + 1)::timestamp AT TIME ZONE 'UTC'");
}

static void write_event_count(const struct condition *node, struct sql *q,
			      const struct condition_at *at)
{
	if (node->name_id >= 0)
		sql_add(q, "coalesce((SELECT sum(d.events)");
	else
		sql_add(q, "coalesce((SELECT count(*)");
	write_event_from(node, q, at);
	sql_add(q, "), 0)");
}

/* 1: holds for any event, −1: holds for none, 0: needs the count. */
static int event_existence(const struct condition *node)
{
	double n = node->values->number;

	if ((node->op == OP_GTE && n == 1) ||
	    ((node->op == OP_GT || node->op == OP_NE) && n == 0))
		return 1;
	if ((node->op == OP_LT && n == 1) ||
	    ((node->op == OP_LTE || node->op == OP_EQ) && n == 0))
		return -1;
	return 0;
}

static void write_event(const struct condition *node, struct sql *q,
			const struct condition_at *at)
{
	int exists = node->value_count == 1 ? event_existence(node) : 0;

	if (exists != 0) {
		if (exists < 0)
			sql_add(q, "(NOT EXISTS (SELECT");
		else
			sql_add(q, "(EXISTS (SELECT");
		write_event_from(node, q, at);
		if (node->name_id >= 0)
			sql_add(q, " AND d.events > 0");
		sql_add(q, "))");
		return;
	}
	sql_add(q, "(");
	write_event_count(node, q, at);
	sql_add_literal(q, &compare[node->op]);
	if (node->op == OP_IN || node->op == OP_NIN) {
		if (node->op == OP_IN)
			sql_add(q, "ANY (");
		else
			sql_add(q, "ALL (");
		write_numbers(node, q);
		sql_add(q, "::bigint[]");
		sql_add(q, ")");
	} else {
		sql_arg(q, ARG_I64((int64_t)node->values->number));
	}
	sql_add(q, ")");
}

static void write_milestone_from(const struct condition *node, struct sql *q,
				 const struct condition_at *at)
{
	sql_add(q, " FROM customer_milestones m WHERE m.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND m.user_id = c.user_id AND m.milestone = ");
	sql_arg(q, ARG_TEXT(node->name));
	if (at->past) {
		sql_add(q, " AND m.reached_at <= ");
		sql_ref(q, at->now);
	}
}

static void write_milestone(const struct condition *node, struct sql *q,
			    const struct condition_at *at)
{
	if (node->op == OP_NOT_REACHED)
		sql_add(q, "(NOT EXISTS (SELECT");
	else
		sql_add(q, "(EXISTS (SELECT");
	write_milestone_from(node, q, at);
	sql_add(q, "))");
}

/* ----------------------------------------------------------------- tree -- */

#define NODE_COST_TABLES 2 /* from here on: other tables than customers */
#define NODE_COST_MAX	 3

/* What a clause costs: 0 for columns up to NODE_COST_MAX for events. */
static int node_cost(const struct condition *node)
{
	int most = 0;

	switch (node->kind) {
	case NODE_FIELD:
		return 0;
	case NODE_PROPERTY:
		return 1;
	case NODE_MILESTONE:
		return 2;
	case NODE_EVENT:
		return 3;
	default:
		break;
	}
	for (const struct condition *c = node->children; c; c = c->next)
		if (node_cost(c) > most)
			most = node_cost(c);
	return most;
}

bool condition_is_of_row(const struct condition *cond)
{
	return cond == NULL || node_cost(cond) < NODE_COST_TABLES;
}

/*
 * The cheap ones first: PostgreSQL evaluates a condition that is a value, as
 * match has it, from left to right as far as it must.
 */
static void write_children(const struct condition *node, struct sql *q,
			   const struct condition_at *at,
			   const struct sql_literal *properties)
{
	size_t written = 0;

	if (node->children == NULL) {
		sql_add(q, "true");
		return;
	}
	sql_add(q, "(");
	for (int cost = 0; cost <= NODE_COST_MAX; cost++) {
		for (const struct condition *c = node->children; c;
		     c = c->next) {
			if (node_cost(c) != cost)
				continue;
			if (written++ > 0 && node->kind == NODE_ANY)
				sql_add(q, " OR ");
			else if (written > 1)
				sql_add(q, " AND ");
			write_node(c, q, at, properties);
		}
	}
	sql_add(q, ")");
}

static void write_node(const struct condition *node, struct sql *q,
		       const struct condition_at *at,
		       const struct sql_literal *properties)
{
	switch (node->kind) {
	case NODE_NOT:
		sql_add(q, "(NOT ");
		write_children(node, q, at, properties);
		sql_add(q, ")");
		break;
	case NODE_FIELD:
		write_field(node, q, at);
		break;
	case NODE_PROPERTY:
		write_property(node, q, properties);
		break;
	case NODE_EVENT:
		write_event(node, q, at);
		break;
	case NODE_MILESTONE:
		write_milestone(node, q, at);
		break;
	default:
		write_children(node, q, at, properties);
	}
}

void condition_write_sql(const struct condition *cond, struct sql *q,
			 const struct condition_at *at)
{
	if (cond == NULL)
		sql_add(q, "true");
	else
		write_node(cond, q, at, &of_customer);
}

void condition_write_properties(const struct condition *cond, struct sql *q)
{
	if (cond == NULL)
		sql_add(q, "true");
	else
		write_node(cond, q, NULL, &of_event);
}

void condition_write_clause(const struct condition_clause *clause,
			    struct sql *q, const struct condition_at *at)
{
	write_node(clause->node, q, at, &of_customer);
}

/* ---------------------------------------------------------------- values -- */

void condition_write_value(const struct condition_clause *clause, struct sql *q,
			   const struct condition_at *at)
{
	const struct condition *node = clause->node;

	switch (node->kind) {
	case NODE_FIELD:
		sql_add(q, "to_jsonb(");
		if (node->field->kind == VALUE_DAYS) {
			/* greatest() makes 0 of null. */
			sql_add(q, "CASE WHEN ");
			sql_add_literal(q, &node->field->column);
			sql_add(q, " IS NOT NULL THEN ");
			write_days_value(node, q, at);
			sql_add(q, "::bigint END");
		} else {
			sql_add_literal(q, &node->field->column);
		}
		sql_add(q, ")::text");
		break;
	case NODE_PROPERTY:
		write_property_value(node, q, &of_customer, 0);
		sql_add(q, "::text");
		break;
	case NODE_EVENT:
		write_event_count(node, q, at);
		sql_add(q, "::text");
		break;
	case NODE_MILESTONE:
		sql_add(q, "(SELECT to_jsonb(to_char(m.reached_at AT TIME ZONE "
			   "'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))::text");
		write_milestone_from(node, q, at);
		sql_add(q, ")");
		break;
	default:
		write_node(node, q, at, &of_customer);
		sql_add(q, "::text");
	}
}

/* ------------------------------------------------------------- next time -- */

/* , CASE WHEN t > now THEN t END; days is the number of a bound. */
static void write_flip(const struct condition *node, struct sql *q,
		       const struct condition_at *at, int64_t days)
{
	size_t n = sql_bind(q, ARG_DOUBLE((double)days));

	sql_add(q, ", CASE WHEN ");
	write_day_bound(node, q, n);
	sql_add(q, " > ");
	sql_ref(q, at->now);
	sql_add(q, " THEN ");
	write_day_bound(node, q, n);
	sql_add(q, " END");
}

static void write_days_next(const struct condition *node, struct sql *q,
			    const struct condition_at *at)
{
	int64_t first, last;

	if (node->op == OP_IN || node->op == OP_NIN) {
		/* The next whole day: it may be one of the list. */
		sql_add(q, ", ");
		sql_add_literal(q, &node->field->column);
		sql_add(q, " + ((");
		write_days_value(node, q, at);
		sql_add(q, " + 1)::float8 * interval '24 hours')");
		return;
	}
	node_days_range(node->op == OP_NE ? OP_EQ : node->op,
			(int64_t)node->values->number, &first, &last);
	if (first > 0)
		write_flip(node, q, at, first);
	if (last != DAYS_ANY && last != DAYS_NONE)
		write_flip(node, q, at, last + 1);
}

/* The midnight at which the oldest day that counts leaves the window. */
static void write_event_next(const struct condition *node, struct sql *q,
			     const struct condition_at *at)
{
	if (node->name_id >= 0)
		sql_add(q, ", (SELECT (min(d.day) + ");
	else
		sql_add(q,
			", (SELECT ((min(d.ts) AT TIME ZONE 'UTC')::date + ");
	sql_arg(q, ARG_I64(node->within_days));
	sql_add(q, "::integer)::timestamp AT TIME ZONE 'UTC'");
	write_event_from(node, q, at);
	sql_add(q, ")");
}

static bool same_numbers(const struct condition *a, const struct condition *b)
{
	if (a->value_count != b->value_count)
		return false;
	for (size_t i = 0; i < a->value_count; i++)
		if (a->values[i].number != b->values[i].number)
			return false;
	return true;
}

/* Whether time changes two leaves at the same moments. */
static bool same_in_time(const struct condition *a, const struct condition *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == NODE_EVENT)
		return a->within_days == b->within_days &&
		       streq(a->name, b->name);
	return streq(a->field->column.text, b->field->column.text) &&
	       a->op == b->op && same_numbers(a, b);
}

/* The leaves that time changes, each moment once. */
struct leaves {
	const struct condition **all;
	size_t count;
};

static void leaves_add(struct leaves *leaves, const struct condition *node)
{
	for (size_t i = 0; i < leaves->count; i++)
		if (same_in_time(leaves->all[i], node))
			return;
	leaves->all[leaves->count++] = node;
}

static bool is_timed(const struct condition *node)
{
	return (node->kind == NODE_FIELD && node->field->kind == VALUE_DAYS &&
		node->op != OP_EXISTS) ||
	       (node->kind == NODE_EVENT && node->within_days > 0);
}

static void collect_leaves(struct leaves *leaves, const struct condition *node)
{
	if (is_timed(node))
		leaves_add(leaves, node);
	for (const struct condition *c = node->children; c; c = c->next)
		collect_leaves(leaves, c);
}

static bool has_timed(const struct condition *node)
{
	if (is_timed(node))
		return true;
	for (const struct condition *c = node->children; c; c = c->next)
		if (has_timed(c))
			return true;
	return false;
}

static void write_leaves(const struct leaves *leaves, struct sql *q,
			 const struct condition_at *at)
{
	for (size_t i = 0; i < leaves->count; i++)
		if (leaves->all[i]->kind == NODE_EVENT)
			write_event_next(leaves->all[i], q, at);
		else
			write_days_next(leaves->all[i], q, at);
}

/*
 * What stands beside the leaves and does not change by time: while it does
 * not hold, no moment matters. Returns the number of clauses written.
 */
static size_t write_guard(const struct condition *cond, struct sql *q,
			  const struct condition_at *at)
{
	size_t written = 0;

	if (cond->kind != NODE_ALL)
		return 0;
	for (const struct condition *c = cond->children; c; c = c->next) {
		if (has_timed(c))
			continue;
		if (written++ > 0)
			sql_add(q, " AND ");
		else
			sql_add(q, ", CASE WHEN ");
		write_node(c, q, at, &of_customer);
	}
	return written;
}

void condition_write_next(const struct condition *const *conds, size_t count,
			  struct sql *q, const struct condition_at *at)
{
	struct leaves common = { .all = ARENA_ARRAY(
				     q->arena, const struct condition *,
				     count *CONDITION_CLAUSES_MAX) };

	sql_add(q, "least('infinity'::timestamptz");
	for (size_t i = 0; i < count; i++) {
		struct leaves own = { .all = ARENA_ARRAY(
					  q->arena, const struct condition *,
					  CONDITION_CLAUSES_MAX) };

		if (conds[i] == NULL || !has_timed(conds[i]))
			continue;
		if (write_guard(conds[i], q, at) == 0) {
			collect_leaves(&common, conds[i]);
			continue;
		}
		collect_leaves(&own, conds[i]);
		sql_add(q, " THEN least('infinity'::timestamptz");
		write_leaves(&own, q, at);
		sql_add(q, ") END");
	}
	write_leaves(&common, q, at);
	sql_add(q, ")");
}
