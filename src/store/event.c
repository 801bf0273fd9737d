/*
 * From checked events to rows. The order of locks is the same in every
 * transaction (customers by user_id, then keys by value), so batches that
 * overlap wait for each other and cannot deadlock.
 */
#include "store/event.h"

#include "base/clock.h"
#include "base/secret.h"
#include "base/str.h"
#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "store/customer.h"
#include "store/seen.h"

#include <stdlib.h>

/* Less than the shortest retention of a plan (schema.sql, plans). */
#define RECENT_US (30 * US_PER_DAY)

struct entry {
	const struct event *event;
	const char *idem; /* uuid text or NULL */
	size_t index;
};

/* A batch on its way; dropped[i]: event i is a duplicate. */
struct batch {
	const struct event *events;
	size_t count;
	struct entry *entries; /* by key */
	bool *dropped;
	/* The columns of the statement, without twins. */
	const char **user_ids, **names, **properties, **idems;
	int64_t *times;
	size_t rows, keyed;
	const char *source; /* one letter */
};

/* uuid text of the hash of source, NUL and key. */
static const char *idem_of(struct op *op, const char *source, const char *key)
{
	unsigned char bytes[EVENT_TEXT_MAX + 64], digest[16];
	size_t head = strlen(source) + 1, len = strlen(key);
	char *text = arena_alloc(op->arena, 37);

	memcpy(bytes, source, head);
	memcpy(bytes + head, key, len);
	secret_digest(bytes, head + len, digest);
	uuid_write(digest, text);
	return text;
}

/* By key, those without last; the first of twins stays first. */
static int by_idem(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = 0;

	if (x->idem != NULL && y->idem != NULL)
		order = strcmp(x->idem, y->idem);
	else if (x->idem != y->idem)
		order = x->idem != NULL ? -1 : 1;
	if (order == 0)
		order = x->index < y->index ? -1 : 1;
	return order;
}

static void make_entries(struct op *op, const char *source, struct batch *b)
{
	bool keyed = false;

	b->entries = ARENA_ARRAY(op->arena, struct entry, b->count);
	for (size_t i = 0; i < b->count; i++) {
		b->entries[i].event = &b->events[i];
		b->entries[i].index = i;
		if (b->events[i].key == NULL)
			continue;
		b->entries[i].idem = idem_of(op, source, b->events[i].key);
		keyed = true;
	}
	if (keyed)
		qsort(b->entries, b->count, sizeof(*b->entries), by_idem);
}

static void put_row(struct batch *b, const struct entry *e)
{
	b->user_ids[b->rows] = e->event->user_id;
	b->names[b->rows] = e->event->name;
	b->properties[b->rows] = e->event->properties;
	b->times[b->rows] = e->event->ts_us;
	b->idems[b->rows] = e->idem;
	b->keyed += e->idem != NULL;
	b->rows++;
}

/* Without the twins: they are duplicates before the database is asked. */
static void make_columns(struct op *op, struct batch *b)
{
	b->dropped = ARENA_ARRAY(op->arena, bool, b->count);
	b->user_ids = ARENA_ARRAY(op->arena, const char *, b->count);
	b->names = ARENA_ARRAY(op->arena, const char *, b->count);
	b->properties = ARENA_ARRAY(op->arena, const char *, b->count);
	b->idems = ARENA_ARRAY(op->arena, const char *, b->count);
	b->times = ARENA_ARRAY(op->arena, int64_t, b->count);
	for (size_t i = 0; i < b->count; i++) {
		const struct entry *e = &b->entries[i];

		if (i > 0 && e->idem != NULL && streq(e->idem, e[-1].idem))
			b->dropped[e->index] = true;
		else
			put_row(b, e);
	}
}

/* No event carries a key: nothing to look up. */
static bool insert_plain(struct op *op, const struct batch *b)
{
	struct db_row row;

	return db_one_commit(
	    op, &row,
	    "WITH e AS (INSERT INTO events (tenant_id, user_id, event, ts,"
	    " received_at, properties, source)"
	    " SELECT $1, u, n, t, $2, p, $7::\"char\""
	    " FROM unnest($3::text[], $4::text[], $5::timestamptz[],"
	    " $6::jsonb[]) AS x (u, n, t, p))"
	    " SELECT 0 AS new_keys",
	    ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
	    ARG_TEXTS(b->user_ids, b->rows), ARG_TEXTS(b->names, b->rows),
	    ARG_TIMES(b->times, b->rows), ARG_JSONS(b->properties, b->rows),
	    ARG_TEXT(b->source));
}

/*
 * A key that another transaction is writing is waited for. The keys come
 * sorted, so no ORDER BY is needed.
 */
#define INSERT_KEYED                                                           \
	"WITH k AS (INSERT INTO event_keys (tenant_id, idem, received_at)"     \
	" SELECT $1, i, $2 FROM unnest($7::uuid[]) AS x (i)"                   \
	" WHERE i IS NOT NULL ON CONFLICT DO NOTHING RETURNING idem),"         \
	" e AS (INSERT INTO events (tenant_id, user_id, event, ts,"            \
	" received_at, properties, idem, source)"                              \
	" SELECT $1, u, n, t, $2, p, i, $8::\"char\""                          \
	" FROM unnest($3::text[], $4::text[], $5::timestamptz[],"              \
	" $6::jsonb[], $7::uuid[]) AS x (u, n, t, p, i)"                       \
	" WHERE i IS NULL OR i IN (SELECT idem FROM k))"
#define KEYED_ARGS(op, b)                                                      \
	ARG_I64((op)->tenant_id), ARG_TIME((op)->now_us),                      \
	    ARG_TEXTS((b)->user_ids, (b)->rows),                               \
	    ARG_TEXTS((b)->names, (b)->rows),                                  \
	    ARG_TIMES((b)->times, (b)->rows),                                  \
	    ARG_JSONS((b)->properties, (b)->rows),                             \
	    ARG_UUIDS((b)->idems, (b)->rows), ARG_TEXT((b)->source)

static bool insert_keyed(struct op *op, const struct batch *b, int64_t *ret_new)
{
	struct db_row row;

	if (!db_one_commit(op, &row,
			   INSERT_KEYED " SELECT count(*) AS new_keys FROM k",
			   KEYED_ARGS(op, b)))
		return false;
	*ret_new = db_i64(&row, "new_keys");
	return true;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorts texts and drops twins; returns how many are left. */
static size_t sort_unique(const char **texts, size_t count)
{
	size_t kept = 0;

	qsort(texts, count, sizeof(*texts), by_text);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !streq(texts[i], texts[kept - 1]))
			texts[kept++] = texts[i];
	return kept;
}

static bool add_customers(struct op *op, const struct batch *b,
			  const char ***ret_new, size_t *ret_n)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, b->count);
	size_t n = 0;

	for (size_t i = 0; i < b->count; i++)
		if (!seen_has(op->tenant_id, b->events[i].user_id, op->now_us))
			ids[n++] = b->events[i].user_id;
	n = sort_unique(ids, n);
	*ret_new = ids;
	*ret_n = n;
	return n == 0 || customers_add(op, ids, n);
}

static bool merge_traits(struct op *op, const struct event *event,
			 struct traits *t)
{
	struct json_object *properties;

	if (!json_parse(op, event->properties, strlen(event->properties),
			&properties))
		return false;
	if (streq(event->name, EVENT_SET_ONCE))
		traits_merge_once(t, properties);
	else
		traits_merge(t, properties);
	return true;
}

static bool is_identify(const struct event *event)
{
	return event->properties != NULL &&
	       (streq(event->name, EVENT_IDENTIFY) ||
		streq(event->name, EVENT_SET_ONCE));
}

/* The users that $identify events name; *ret_keyed: one has a key. */
static const char **identified(struct op *op, const struct batch *b,
			       size_t *ret_n, bool *ret_keyed)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, b->count);
	size_t n = 0;

	*ret_keyed = false;
	for (size_t i = 0; i < b->count; i++) {
		if (!is_identify(&b->events[i]) || b->dropped[i])
			continue;
		ids[n++] = b->events[i].user_id;
		*ret_keyed = *ret_keyed || b->events[i].key != NULL;
	}
	*ret_n = sort_unique(ids, n);
	return ids;
}

/* The traits of each user in the order of the batch, as one update. */
static bool identify(struct op *op, const struct batch *b)
{
	bool keyed;
	size_t n;
	const char **ids = identified(op, b, &n, &keyed);
	struct traits *traits = ARENA_ARRAY(op->arena, struct traits, n);

	if (n == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		traits_init(op, &traits[i]);
	for (size_t i = 0; i < b->count; i++) {
		const struct event *event = &b->events[i];
		const char **at;

		if (!is_identify(event) || b->dropped[i])
			continue;
		at = bsearch(&event->user_id, ids, n, sizeof(*ids), by_text);
		if (!merge_traits(op, event, &traits[at - ids]))
			return false;
	}
	return customers_identify(op, ids, traits, n);
}

/*
 * A $identify whose key was seen may not set its traits again, so the keys
 * are asked for first: one round trip more.
 */
static bool insert_then_identify(struct op *op, struct batch *b,
				 int64_t *ret_new)
{
	struct db_rows rows;
	const char **fresh;
	size_t n = 0;

	if (!db_rows(op, &rows, INSERT_KEYED " SELECT idem FROM k",
		     KEYED_ARGS(op, b)))
		return false;
	fresh = ARENA_ARRAY(op->arena, const char *, rows.count);
	db_each (row, &rows)
		fresh[n++] = db_text(&row, "idem");
	n = sort_unique(fresh, n);
	for (size_t i = 0; i < b->count; i++) {
		const struct entry *e = &b->entries[i];

		if (e->idem != NULL && bsearch(&e->idem, fresh, n,
					       sizeof(*fresh), by_text) == NULL)
			b->dropped[e->index] = true;
	}
	*ret_new = (int64_t)n;
	return identify(op, b) && db_commit(op);
}

static bool insert(struct op *op, struct batch *b, int64_t *ret_new)
{
	bool keyed;
	size_t n;
	const char **ids = identified(op, b, &n, &keyed);

	if (n > 0 && !customers_lock(op, ids, n))
		return false;
	if (keyed)
		return insert_then_identify(op, b, ret_new);
	if (!identify(op, b))
		return false;
	*ret_new = 0;
	return b->keyed > 0 ? insert_keyed(op, b, ret_new)
			    : insert_plain(op, b);
}

bool events_store(struct op *op, const char *source, const struct event *events,
		  size_t count, int64_t *ret_accepted, int64_t *ret_duplicates)
{
	struct batch b = { .events = events,
			   .count = count,
			   .source = arena_strndup(op->arena, source, 1) };
	const char **added;
	size_t added_count;
	int64_t new_keys, accepted;

	make_entries(op, source, &b);
	make_columns(op, &b);
	if (!add_customers(op, &b, &added, &added_count) ||
	    !insert(op, &b, &new_keys))
		return false;
	for (size_t i = 0; i < added_count; i++)
		seen_add(op->tenant_id, added[i]);
	accepted = (int64_t)(b.rows - b.keyed) + new_keys;
	*ret_accepted = accepted;
	*ret_duplicates = (int64_t)count - accepted;
	return true;
}

bool event_is_recent(const struct op *op, int64_t ts_us)
{
	return ts_us >= op->now_us - RECENT_US;
}

bool events_retention(struct op *op, int64_t *ret_oldest_us)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT p.retention_days FROM tenants t"
		    " JOIN plans p ON p.plan_tier = t.plan_tier"
		    " WHERE t.tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	*ret_oldest_us =
	    op->now_us - db_i64(&row, "retention_days") * US_PER_DAY;
	return true;
}
