/*
 * Statements built from literals: the text grows in a bounded buffer, the
 * arguments in an array beside it.
 */
#include "db/sql.h"

#define TEXT_MAX (1 << 20)

void sql_init(struct sql *q, struct arena *arena)
{
	*q = (struct sql){ .arena = arena };
	str_init(&q->text, arena, TEXT_MAX);
}

void sql_keep(struct sql *q)
{
	q->keep = true;
}

void sql_add_(struct sql *q, const char *literal)
{
	str_puts(&q->text, literal);
}

void sql_add_literal(struct sql *q, const struct sql_literal *literal)
{
	str_puts(&q->text, literal->text);
}

size_t sql_bind(struct sql *q, struct db_arg arg)
{
	if (q->arg_count >= SQL_ARGS_MAX) {
		q->text.overflow = true;
		return 1;
	}
	if (q->arg_count == q->arg_cap) {
		size_t cap = q->arg_cap == 0 ? 16 : 2 * q->arg_cap;
		struct db_arg *args = ARENA_ARRAY(q->arena, struct db_arg, cap);

		if (q->arg_count > 0)
			memcpy(args, q->args, q->arg_count * sizeof(*args));
		q->args = args;
		q->arg_cap = cap;
	}
	q->args[q->arg_count++] = arg;
	return q->arg_count;
}

void sql_ref(struct sql *q, size_t n)
{
	str_printf(&q->text, "$%zu", n);
}

void sql_arg(struct sql *q, struct db_arg arg)
{
	sql_ref(q, sql_bind(q, arg));
}

void sql_count(struct sql *q, int64_t n)
{
	str_put_i64(&q->text, n);
}

bool sql_ok(const struct sql *q)
{
	return str_ok(&q->text);
}
