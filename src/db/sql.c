/*
 * Statements built from literals: the text grows in a bounded buffer, the
 * arguments in an array beside it.
 */
#include "db/sql.h"

#include "base/clock.h"
#include "base/json_out.h"

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

/* Element i of an array. */
static void write_item(const struct db_arg *arg, size_t i, struct json_out *j)
{
	const char *const *texts = arg->v.ptr;

	if (arg->kind == DB_I64S)
		json_i64(j, ((const int64_t *)arg->v.ptr)[i]);
	else if (arg->kind == DB_DOUBLES)
		json_double(j, ((const double *)arg->v.ptr)[i]);
	else if (arg->kind == DB_BOOLS)
		json_boolean(j, ((const bool *)arg->v.ptr)[i]);
	else if (arg->kind == DB_JSONS && texts[i] != NULL)
		json_raw(j, texts[i]);
	else if (arg->kind == DB_TEXTS || arg->kind == DB_UUIDS)
		json_string(j, texts[i]);
	else
		json_null(j);
}

static void write_arg(struct arena *a, const struct db_arg *arg,
		      struct json_out *j)
{
	switch (arg->kind) {
	case DB_I64:
		json_i64(j, arg->v.i64);
		break;
	case DB_DOUBLE:
		json_double(j, arg->v.f64);
		break;
	case DB_BOOL:
		json_boolean(j, arg->v.b);
		break;
	case DB_TIME:
		json_string(j, clock_write(a, arg->v.i64));
		break;
	case DB_DAY:
		json_string(j, clock_write_day(a, arg->v.i64));
		break;
	case DB_TEXT:
	case DB_UUID:
		json_string(j, arg->v.ptr);
		break;
	case DB_JSON:
		json_raw(j, arg->v.ptr);
		break;
	case DB_BYTES:
		json_null(j);
		break;
	default:
		json_open(j, '[');
		for (size_t i = 0; i < arg->len; i++)
			write_item(arg, i, j);
		json_close(j);
	}
}

static const char *const type_names[] = {
	[DB_I64] = "bigint",	   [DB_TEXT] = "text",
	[DB_BOOL] = "boolean",	   [DB_DOUBLE] = "double precision",
	[DB_TIME] = "timestamptz", [DB_DAY] = "date",
	[DB_UUID] = "uuid",	   [DB_JSON] = "jsonb",
	[DB_BYTES] = "bytea",	   [DB_TEXTS] = "text[]",
	[DB_I64S] = "bigint[]",	   [DB_DOUBLES] = "double precision[]",
	[DB_BOOLS] = "boolean[]",  [DB_TIMES] = "timestamptz[]",
	[DB_UUIDS] = "uuid[]",	   [DB_JSONS] = "jsonb[]",
	[DB_BYTESS] = "bytea[]",
};

void sql_write_args(const struct sql *q, struct json_out *j)
{
	json_open(j, '[');
	for (size_t i = 0; i < q->arg_count; i++) {
		json_open(j, '{');
		json_pair(j, "type", type_names[q->args[i].kind]);
		json_key(j, "value");
		if (q->args[i].null)
			json_null(j);
		else
			write_arg(q->arena, &q->args[i], j);
		json_close(j);
	}
	json_close(j);
}
