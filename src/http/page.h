/*
 * Pages of a list: the query parameters `limit` and `cursor`.
 *
 * A cursor is the sort key of the last row of a page, as base64url text;
 * clients treat it as opaque. It names its list, so that a cursor of
 * another list or another sort order is refused, and each part is checked
 * for its type, so that what reaches SQL is a proper value. It is no
 * secret and gives no rights.
 *
 *	static const struct page_spec list = { "customers", "tu", 20, 100 };
 *	struct page page;
 *
 *	if (!page_parse(op, rq, &list, &page))
 *		return false;
 *	... WHERE ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
 *	    ORDER BY created_at DESC, id DESC LIMIT $4
 *	ARG_TIME_IF(page.has_cursor, page.keys[0].i64), ... ARG_I64(page.limit +
 *1)
 *
 * One row more than the limit is asked for; when it comes, the answer
 * carries next_cursor made from the last row shown.
 */
#ifndef HTTP_PAGE_H
#define HTTP_PAGE_H

#include "http/request.h"

#define PAGE_KEYS_MAX 4

struct page_spec {
	const char *list;  /* name of the list and its sort order */
	const char *kinds; /* a letter a key: t time, u uuid, s text, i int */
	int64_t limit;	   /* when none is given */
	int64_t limit_max;
};

struct page_key {
	const char *text; /* kinds u and s */
	int64_t i64;	  /* kinds i, and t: µs UTC */
};

struct page {
	int64_t limit;
	bool has_cursor;
	struct page_key keys[PAGE_KEYS_MAX];
};

/* Fails: FAIL_INVALID naming `limit` or `cursor`. */
MUST_CHECK bool page_parse(struct op *op, const struct request *rq,
			   const struct page_spec *spec, struct page *ret);

/* arena: the cursor of a row with these keys (as many as spec->kinds). */
const char *page_cursor(struct op *op, const struct page_spec *spec,
			const struct page_key *keys);

#endif
