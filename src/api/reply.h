/*
 * Rows → answers: the SELECT list is the shape of the JSON, names and types
 * come from the columns (db/db_row.h). Columns that begin with "_" stay out.
 */
#ifndef API_REPLY_H
#define API_REPLY_H

#include "db/db.h"
#include "http/page.h"
#include "http/response.h"

/* The row as the answer's object. Returns true. */
bool reply_row(struct op *op, struct response *rs, int status,
	       const struct db_row *row);

/* {"<key>": [rows]}. Returns true. */
bool reply_rows(struct op *op, struct response *rs, int status, const char *key,
		const struct db_rows *rows);

/*
 * {"<key>": [at most page->limit rows], "next_cursor": "…"}; the member
 * next_cursor only when rows holds one row more. The sort key of the last
 * row shown is read from the columns named in key_columns, one per letter
 * of spec->kinds. Returns true.
 */
bool reply_page(struct op *op, struct response *rs, const char *key,
		const struct db_rows *rows, const struct page_spec *spec,
		const struct page *page, const char *const *key_columns);

/* The same with the columns of head (may be NULL) as members before them. */
bool reply_page_with(struct op *op, struct response *rs,
		     const struct db_row *head, const char *key,
		     const struct db_rows *rows, const struct page_spec *spec,
		     const struct page *page, const char *const *key_columns);

/* {"<key>": true}: what the contract answers to deletes. Returns true. */
bool reply_true(struct op *op, struct response *rs, int status,
		const char *key);

#endif
