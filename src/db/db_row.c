/*
 * Results arrive as text; types are told by the column's oid.
 */
#include "db/db_row.h"

#include "base/clock.h"
#include "base/parse.h"

#include <libpq-fe.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define OID_BOOL	16
#define OID_INT8	20
#define OID_INT2	21
#define OID_INT4	23
#define OID_JSON	114
#define OID_FLOAT4	700
#define OID_FLOAT8	701
#define OID_DATE	1082
#define OID_TIMESTAMPTZ 1184
#define OID_NUMERIC	1700
#define OID_JSONB	3802

struct db_row db_row_at(const struct db_rows *rows, size_t index)
{
	assert(index < rows->count);
	return (struct db_row){ rows->result, (int)index };
}

/*
 * The columns of a result have different names and are mostly asked for in
 * their order, so the search begins behind the last one found: PQfnumber()
 * would copy the name and begin at the first, a tenth of a refresh's time.
 */
static int column_of(const struct db_row *row, const char *column)
{
	static int n;
	int count = PQnfields(row->result);

	for (int i = 0; i < count; i++) {
		if (++n >= count)
			n = 0;
		if (streq(PQfname(row->result, n), column))
			return n;
	}
	assert(!"the result has the column");
	return 0;
}

bool db_is_null(const struct db_row *row, const char *column)
{
	return PQgetisnull(row->result, row->index, column_of(row, column));
}

const char *db_text(const struct db_row *row, const char *column)
{
	int n = column_of(row, column);

	if (PQgetisnull(row->result, row->index, n))
		return NULL;
	return PQgetvalue(row->result, row->index, n);
}

int64_t db_i64(const struct db_row *row, const char *column)
{
	const char *text = db_text(row, column);
	int64_t value = 0;

	if (text != NULL && !parse_i64(text, INT64_MIN, INT64_MAX, &value))
		assert(!"column is an integer");
	return value;
}

bool db_bool(const struct db_row *row, const char *column)
{
	const char *text = db_text(row, column);

	return text != NULL && text[0] == 't';
}

double db_double(const struct db_row *row, const char *column)
{
	const char *text = db_text(row, column);

	return text != NULL ? strtod(text, NULL) : 0;
}

/* "2026-11-23 22:39:00.123+00", "2026-11-23", "infinity" → µs. */
static int64_t time_of(const char *text)
{
	int64_t us = 0;
	char full[64];

	if (streq(text, "infinity"))
		return INT64_MAX;
	if (streq(text, "-infinity"))
		return INT64_MIN;
	if (strlen(text) == 10) {
		if (!parse_day(text, &us))
			assert(!"column is a date");
		return us;
	}
	snprintf(full, sizeof(full), "%s:00", text);
	if (!parse_time(full, &us))
		assert(!"column is a timestamptz in UTC");
	return us;
}

int64_t db_time(const struct db_row *row, const char *column)
{
	const char *text = db_text(row, column);

	return text != NULL ? time_of(text) : 0;
}

const unsigned char *db_bytea(struct op *op, const struct db_row *row,
			      const char *column, size_t *ret_len)
{
	const char *text = db_text(row, column);

	*ret_len = 0;
	if (text == NULL)
		return NULL;
	unsigned char *raw =
	    PQunescapeBytea((const unsigned char *)text, ret_len);
	assert(raw != NULL);
	unsigned char *copy = arena_memdup(op->arena, raw, *ret_len);
	PQfreemem(raw);
	return copy;
}

static void put_time(struct json_out *j, const char *text)
{
	char out[64];
	size_t len = strlen(text);

	/* The year has four digits and the zone is UTC: "+00" → "Z". */
	if (len > 22 + 20 || len < 22 || !streq(text + len - 3, "+00")) {
		json_string(j, text);
		return;
	}
	snprintf(out, sizeof(out), "%.*sZ", (int)(len - 3), text);
	out[10] = 'T';
	json_string(j, out);
}

static void put_value(struct json_out *j, Oid type, const char *text)
{
	switch (type) {
	case OID_BOOL:
		json_boolean(j, text[0] == 't');
		return;
	case OID_INT8:
	case OID_INT2:
	case OID_INT4:
	case OID_FLOAT4:
	case OID_FLOAT8:
	case OID_NUMERIC:
		/* NaN and infinities are not JSON. */
		if (text[0] == 'N' || text[0] == 'I' || text[1] == 'I')
			json_null(j);
		else
			json_raw(j, text);
		return;
	case OID_JSON:
	case OID_JSONB:
		json_raw(j, text);
		return;
	case OID_TIMESTAMPTZ:
		put_time(j, text);
		return;
	default:
		json_string(j, text);
	}
}

void db_row_members(struct json_out *j, const struct db_row *row)
{
	int columns = PQnfields(row->result);

	for (int n = 0; n < columns; n++) {
		const char *name = PQfname(row->result, n);

		if (name[0] == '_')
			continue;
		json_key(j, name);
		if (PQgetisnull(row->result, row->index, n))
			json_null(j);
		else
			put_value(j, PQftype(row->result, n),
				  PQgetvalue(row->result, row->index, n));
	}
}

void db_row_json(struct json_out *j, const struct db_row *row)
{
	json_open(j, '{');
	db_row_members(j, row);
	json_close(j);
}

void db_rows_member(struct json_out *j, const char *key,
		    const struct db_rows *rows)
{
	json_key(j, key);
	json_open(j, '[');
	db_each (row, rows)
		db_row_json(j, &row);
	json_close(j);
}
