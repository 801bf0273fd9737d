/*
 * Last paragraph of a handler: rows → answer. The one place where rows get
 * braces around them, so that no handler builds objects by hand.
 */
#include "api/reply.h"

bool reply_row(struct op *op, struct response *rs, int status,
	       const struct db_row *row)
{
	struct json_out j;

	(void)op;
	response_json_begin(rs, status, &j);
	db_row_json(&j, row);
	return true;
}

bool reply_rows(struct op *op, struct response *rs, int status, const char *key,
		const struct db_rows *rows)
{
	struct json_out j;

	(void)op;
	response_json_begin(rs, status, &j);
	json_open(&j, '{');
	json_key(&j, key);
	json_open(&j, '[');
	db_each (row, rows)
		db_row_json(&j, &row);
	json_close(&j);
	json_close(&j);
	return true;
}

static const char *cursor_of(struct op *op, const struct page_spec *spec,
			     const struct db_row *row,
			     const char *const *key_columns)
{
	struct page_key keys[PAGE_KEYS_MAX] = { 0 };

	for (size_t i = 0; spec->kinds[i] != '\0'; i++) {
		if (spec->kinds[i] == 't')
			keys[i].i64 = db_time(row, key_columns[i]);
		else if (spec->kinds[i] == 'i')
			keys[i].i64 = db_i64(row, key_columns[i]);
		else
			keys[i].text = db_text(row, key_columns[i]);
	}
	return page_cursor(op, spec, keys);
}

bool reply_page(struct op *op, struct response *rs, const char *key,
		const struct db_rows *rows, const struct page_spec *spec,
		const struct page *page, const char *const *key_columns)
{
	return reply_page_with(op, rs, NULL, key, rows, spec, page,
			       key_columns);
}

bool reply_page_with(struct op *op, struct response *rs,
		     const struct db_row *head, const char *key,
		     const struct db_rows *rows, const struct page_spec *spec,
		     const struct page *page, const char *const *key_columns)
{
	size_t shown = rows->count;
	bool more = page->limit > 0 && shown > (size_t)page->limit;
	struct json_out j;

	if (more)
		shown = (size_t)page->limit;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	if (head != NULL)
		db_row_members(&j, head);
	json_key(&j, key);
	json_open(&j, '[');
	for (size_t i = 0; i < shown; i++) {
		struct db_row row = db_row_at(rows, i);

		db_row_json(&j, &row);
	}
	json_close(&j);
	if (more) {
		struct db_row last = db_row_at(rows, shown - 1);

		json_pair(&j, "next_cursor",
			  cursor_of(op, spec, &last, key_columns));
	}
	json_close(&j);
	return true;
}

bool reply_true(struct op *op, struct response *rs, int status, const char *key)
{
	struct json_out j;

	(void)op;
	response_json_begin(rs, status, &j);
	json_open(&j, '{');
	json_key(&j, key);
	json_boolean(&j, true);
	json_close(&j);
	return true;
}
