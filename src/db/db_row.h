/*
 * Rows of a result: typed getters by column name, and row → JSON.
 *
 * Texts are borrowed from the result, which is registered with the op's
 * arena. A column that the statement does not select is a programming
 * error (assert); SQL null gives the getter's zero, so ask db_is_null()
 * where the two differ.
 */
#ifndef DB_DB_ROW_H
#define DB_DB_ROW_H

#include "base/json_out.h"
#include "base/op.h"

struct pg_result;

struct db_rows {
	struct pg_result *result;
	size_t count;
};

struct db_row {
	struct pg_result *result; /* NULL: no row (db_opt) */
	int index;
};

/* Row number index (0-based) of rows. */
struct db_row db_row_at(const struct db_rows *rows, size_t index);

/* for (struct db_row row; ...): db_each(row, rows) { ... } */
#define db_each(row, rows)                                                     \
	for (struct db_row row = { (rows)->result, 0 };                        \
	     row.index < (int)(rows)->count; row.index++)

static inline bool db_found(const struct db_row *row)
{
	return row->result != NULL;
}

bool db_is_null(const struct db_row *row, const char *column);
const char *db_text(const struct db_row *row, const char *column); /* or NULL */
int64_t db_i64(const struct db_row *row, const char *column);
bool db_bool(const struct db_row *row, const char *column);
double db_double(const struct db_row *row, const char *column);
/* timestamptz or date → µs UTC; null → 0. */
int64_t db_time(const struct db_row *row, const char *column);
/* arena: bytes of a bytea. */
const unsigned char *db_bytea(struct op *op, const struct db_row *row,
			      const char *column, size_t *ret_len);

/*
 * Writes the row as members of the open JSON object: column name → value by
 * column type: numbers and booleans bare, jsonb copied, timestamptz as RFC
 * 3339 UTC, date, text and uuid as strings, null as null. A column whose
 * name begins with "_" is left out.
 */
void db_row_members(struct json_out *j, const struct db_row *row);

/* The row as one JSON object. */
void db_row_json(struct json_out *j, const struct db_row *row);

/* "key": [rows], in the open JSON object. */
void db_rows_member(struct json_out *j, const char *key,
		    const struct db_rows *rows);

#endif
