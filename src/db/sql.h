/*
 * A statement put together from literals and typed arguments, for what one
 * literal cannot say: compiled conditions, the gates of a playbook.
 *
 * There is no way to add text that is not a literal: sql_add() is a macro
 * that concatenates "" around its argument, and values only enter through
 * sql_arg(), which writes the next $n. So a built statement is as safe as a
 * literal one.
 *
 *   struct sql q;
 *   sql_init(&q, op->arena);
 *   sql_add(&q, "SELECT count(*) AS n FROM customers c WHERE c.tenant_id = ");
 *   sql_arg(&q, ARG_I64(op->tenant_id));
 */
#ifndef DB_SQL_H
#define DB_SQL_H

#include "base/str.h"
#include "db/db.h"

/*
 * Three arguments a clause, three conditions of 200 clauses each written some
 * times over, and values; PostgreSQL takes 65,535.
 */
#define SQL_ARGS_MAX 8192

struct sql {
	struct arena *arena;
	struct str text;
	struct db_arg *args;
	size_t arg_count, arg_cap;
	bool keep;
};

void sql_init(struct sql *q, struct arena *arena);

/*
 * The text is one of a few that come again and again: it stays prepared.
 * PostgreSQL then plans without the values, so a number that decides the
 * plan (a LIMIT) is better written by sql_count().
 */
void sql_keep(struct sql *q);

#define sql_add(q, literal) sql_add_((q), "" literal "")

/* A literal chosen from a const table (operators, gates, sort orders). */
struct sql_literal {
	const char *text;
};
#define SQL_LITERAL(literal)                                                   \
	{                                                                      \
		.text = "" literal ""                                          \
	}
void sql_add_literal(struct sql *q, const struct sql_literal *literal);

/* Appends $n. The value is borrowed until the statement ran. */
void sql_arg(struct sql *q, struct db_arg arg);

/* Adds an argument without writing it; returns n, to be used twice. */
size_t sql_bind(struct sql *q, struct db_arg arg);
void sql_ref(struct sql *q, size_t n); /* writes $n */

/* Appends n itself, for LIMIT. */
void sql_count(struct sql *q, int64_t n);

/* False when the statement outgrew its limits (1 MiB, SQL_ARGS_MAX). */
bool sql_ok(const struct sql *q);

/*
 * For people: the arguments as a JSON array of {type, value}, $1 first.
 * Times are RFC 3339, bytes are left out.
 */
struct json_out;
void sql_write_args(const struct sql *q, struct json_out *j);

/* For the macro above. */
void sql_add_(struct sql *q, const char *literal);

#endif
