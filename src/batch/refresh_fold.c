/*
 * Events → customer_days and customer_event_days. A touched (user, day) is
 * recomputed whole from its events, so folding the same events twice, in
 * any order, gives the same rows.
 */
#include "batch/refresh.h"

#include "base/clock.h"
#include "db/db.h"
#include "store/customer.h"

#include <assert.h>

#define SLICE_MIN_US 1000
#define NAME_TRIES   3

/* Traits are no activity: a backend may send them every night. */
#define TRAIT_EVENTS                                                           \
	"('$identify', '$set', '$set_once', '$create_alias',"                  \
	" '$groupidentify')"
#define SLICE_WHERE                                                            \
	" WHERE e.tenant_id = $1 AND e.received_at >= $2"                      \
	" AND e.received_at <= $3"

bool refresh_extent(struct op *op, int64_t from_us, int64_t *ret_from_us,
		    int64_t *ret_until_us, bool *ret_found)
{
	struct db_row row;

	/* Planned with its value: a generic plan would scan all months. */
	struct db_rows rows;
	if (!db_list(op, &rows,
		     "SELECT min(e.received_at) AS first,"
		     " max(e.received_at) AS last FROM events e"
		     " WHERE e.tenant_id = $1"
		     " AND e.received_at >= coalesce($2, '-infinity')",
		     ARG_I64(op->tenant_id),
		     ARG_TIME_IF(from_us != DB_TIME_NULL, from_us)))
		return false;
	row = db_row_at(&rows, 0);
	*ret_found = !db_is_null(&row, "last");
	*ret_from_us = db_time(&row, "first");
	*ret_until_us = db_time(&row, "last");
	return true;
}

static bool is_too_big(struct op *op, const struct refresh_slice *slice,
		       bool *ret)
{
	struct db_rows rows;
	struct db_row row;

	if (!db_list(
		op, &rows,
		"SELECT count(*) AS n FROM (SELECT 1 FROM events e" SLICE_WHERE
		" LIMIT $4) x",
		ARG_I64(op->tenant_id), ARG_TIME(slice->from_us),
		ARG_TIME(slice->until_us), ARG_I64(REFRESH_SLICE + 1)))
		return false;
	row = db_row_at(&rows, 0);
	*ret = db_i64(&row, "n") > REFRESH_SLICE;
	return true;
}

bool refresh_narrow(struct op *op, struct refresh_slice *slice)
{
	bool big;

	for (;;) {
		int64_t width = slice->until_us - slice->from_us;

		if (!is_too_big(op, slice, &big))
			return false;
		if (!big || width <= SLICE_MIN_US)
			return true;
		slice->until_us = slice->from_us + width / 2;
	}
}

/*
 * Ids for the slice's new names, however many: none of them comes here.
 * Another writer (event_names_want()) may take a number or a name first; what
 * was left out for it is tried again, and its commit is visible by then.
 */
static bool add_names(struct op *op, const struct refresh_slice *slice)
{
	for (int tries = 0; tries < NAME_TRIES;) {
		struct db_rows rows;
		struct db_row row;

		if (!db_list(op, &rows,
			     "WITH t AS (SELECT DISTINCT e.event AS name"
			     " FROM events e" SLICE_WHERE
			     " AND NOT EXISTS (SELECT FROM event_names n"
			     " WHERE n.tenant_id = e.tenant_id"
			     " AND n.name = e.event)),"
			     " w AS (INSERT INTO event_names (tenant_id, name,"
			     " name_id) SELECT $1, t.name, b.next +"
			     " row_number() OVER (ORDER BY t.name) FROM t,"
			     " (SELECT coalesce(max(name_id), -1) AS next"
			     " FROM event_names WHERE tenant_id = $1) b"
			     " ON CONFLICT DO NOTHING RETURNING 1)"
			     " SELECT (SELECT count(*) FROM t) AS wanted,"
			     " (SELECT count(*) FROM w) AS added",
			     ARG_I64(op->tenant_id), ARG_TIME(slice->from_us),
			     ARG_TIME(slice->until_us)))
			return false;
		row = db_row_at(&rows, 0);
		if (db_i64(&row, "added") == db_i64(&row, "wanted"))
			return true;
		tries += db_i64(&row, "added") == 0;
	}
	return op_fail(op, FAIL_CONFLICT, "retry",
		       "event names are being added");
}

/* The chunk's users with what the slice says of each. */
struct touched {
	struct user_list users;
	int64_t *first_us, *last_us; /* activity; DB_TIME_NULL: none */
	bool *score;		     /* traits came, or never scored */
	int64_t since_us;	     /* earliest event of all */
};

static bool load_touched(struct op *op, const struct refresh_slice *slice,
			 struct touched *ret)
{
	struct db_rows rows;
	size_t n = 0;

	if (!db_list(
		op, &rows,
		"SELECT e.user_id, min(e.ts) FILTER (WHERE e.event NOT IN " TRAIT_EVENTS
		") AS first, max(e.ts) FILTER"
		" (WHERE e.event NOT IN " TRAIT_EVENTS ") AS last,"
		" min(e.ts) AS since,"
		" bool_or(e.event IN " TRAIT_EVENTS ") AS traits"
		" FROM events e" SLICE_WHERE " AND e.user_id > $4"
		" GROUP BY e.user_id ORDER BY e.user_id LIMIT $5",
		ARG_I64(op->tenant_id), ARG_TIME(slice->from_us),
		ARG_TIME(slice->until_us), ARG_TEXT(slice->after),
		ARG_I64(REFRESH_USERS)))
		return false;
	ret->users.ids = ARENA_ARRAY(op->arena, const char *, rows.count);
	ret->users.count = rows.count;
	ret->first_us = ARENA_ARRAY(op->arena, int64_t, rows.count);
	ret->last_us = ARENA_ARRAY(op->arena, int64_t, rows.count);
	ret->score = ARENA_ARRAY(op->arena, bool, rows.count);
	ret->since_us = INT64_MAX;
	db_each (row, &rows) {
		int64_t since_us = db_time(&row, "since");

		ret->users.ids[n] = db_text(&row, "user_id");
		ret->first_us[n] = db_is_null(&row, "first")
				       ? DB_TIME_NULL
				       : db_time(&row, "first");
		ret->last_us[n] = db_is_null(&row, "last")
				      ? DB_TIME_NULL
				      : db_time(&row, "last");
		ret->score[n++] = db_bool(&row, "traits");
		if (since_us < ret->since_us)
			ret->since_us = since_us;
	}
	return true;
}

static bool delete_erased(struct op *op, const struct refresh_slice *slice,
			  const struct user_list *erased)
{
	if (erased->count == 0)
		return true;
	return db_exec(
	    op, NULL,
	    "DELETE FROM events e" SLICE_WHERE " AND e.user_id = ANY ($4)",
	    ARG_I64(op->tenant_id), ARG_TIME(slice->from_us),
	    ARG_TIME(slice->until_us), ARG_TEXTS(erased->ids, erased->count));
}

/* Of each user in turn: is there no such customer, one never scored? */
static bool load_known(struct op *op, const struct user_list *users,
		       struct db_rows *ret)
{
	return db_rows(
	    op, ret,
	    "SELECT c.user_id IS NULL AS missing,"
	    " c.refreshed_at IS NULL AS fresh"
	    " FROM unnest($2::text[]) WITH ORDINALITY u (user_id, nr)"
	    " LEFT JOIN customers c ON c.tenant_id = $1"
	    " AND c.user_id = u.user_id ORDER BY u.nr",
	    ARG_I64(op->tenant_id), ARG_TEXTS(users->ids, users->count));
}

/* Few or none: ingest makes the customers it has not seen. */
static bool add_missing(struct op *op, const struct user_list *users,
			struct db_rows *rows)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, users->count);
	size_t n = 0, i = 0;

	db_each (row, rows) {
		if (db_bool(&row, "missing"))
			ids[n++] = users->ids[i];
		i++;
	}
	return n == 0 ||
	       (customers_add(op, ids, n) && load_known(op, users, rows));
}

/* Makes missing customers; takes the erased ones out of the list. */
static bool add_customers(struct op *op, const struct refresh_slice *slice,
			  struct touched *t)
{
	struct user_list erased = { .ids = ARENA_ARRAY(op->arena, const char *,
						       t->users.count) };
	struct db_rows rows;
	size_t i = 0, kept = 0;

	if (!load_known(op, &t->users, &rows) ||
	    !add_missing(op, &t->users, &rows))
		return false;
	assert(rows.count == t->users.count);
	db_each (row, &rows) {
		size_t at = i++;

		if (db_bool(&row, "missing")) {
			erased.ids[erased.count++] = t->users.ids[at];
			continue;
		}
		t->users.ids[kept] = t->users.ids[at];
		t->first_us[kept] = t->first_us[at];
		t->last_us[kept] = t->last_us[at];
		t->score[kept++] = t->score[at] || db_bool(&row, "fresh");
	}
	t->users.count = kept;
	return delete_erased(op, slice, &erased);
}

/*
 * The events of one (user, day) of t, up to $5. Nobody sends an event more
 * than an hour before its time, so partitions of before that day have none of
 * it.
 */
#define EVENTS_OF_DAY                                                          \
	" FROM events e WHERE e.tenant_id = $1 AND e.user_id = t.user_id"      \
	" AND e.ts >= t.day::timestamp AT TIME ZONE 'UTC'"                     \
	" AND e.ts < (t.day + 1)::timestamp AT TIME ZONE 'UTC'"                \
	" AND e.received_at >= (t.day - 1)::timestamp AT TIME ZONE 'UTC'"      \
	" AND e.received_at <= $5"

/* Bit 63 of names: some name that has no bit of its own. */
#define OTHER_NAME "'-9223372036854775808'::bigint"

/*
 * Recomputes the touched days; ret: one row a user whose counts changed, and
 * by how many events. Events of the run's later slices are counted too, whose
 * names may have no id yet: their slice does the day again.
 */
static bool fold_days(struct op *op, const struct refresh_slice *slice,
		      const struct user_list *users, struct db_rows *ret)
{
	return db_list(
	    op, ret,
	    "WITH t AS (SELECT DISTINCT e.user_id,"
	    " (e.ts AT TIME ZONE 'UTC')::date AS day FROM events e" SLICE_WHERE
	    " AND e.user_id = ANY ($4) AND e.event NOT IN " TRAIT_EVENTS
	    "), f AS (SELECT t.user_id, t.day, a.events, a.names, a.last_at,"
	    " a.events - coalesce(d.events, 0) AS more"
	    " FROM t CROSS JOIN LATERAL (SELECT"
	    " count(*) AS events, max(e.ts) AS last_at,"
	    " coalesce(bit_or((SELECT CASE WHEN n.name_id < 63"
	    " THEN 1::bigint << n.name_id ELSE " OTHER_NAME
	    " END FROM event_names n WHERE n.tenant_id = $1"
	    " AND n.name = e.event)), " OTHER_NAME ") AS names" EVENTS_OF_DAY
	    " AND e.event NOT IN " TRAIT_EVENTS ") a"
	    " LEFT JOIN customer_days d ON d.tenant_id = $1"
	    " AND d.user_id = t.user_id AND d.day = t.day"
	    " WHERE a.events > 0 AND (d.events, d.names, d.last_at)"
	    " IS DISTINCT FROM (a.events, a.names, a.last_at)),"
	    " w AS (INSERT INTO customer_days (tenant_id, user_id, day,"
	    " events, names, last_at) SELECT $1, user_id, day, events, names,"
	    " last_at FROM f ON CONFLICT (tenant_id, user_id, day) DO UPDATE"
	    " SET events = excluded.events, names = excluded.names,"
	    " last_at = excluded.last_at)"
	    " SELECT user_id, sum(more)::bigint AS more FROM f"
	    " GROUP BY user_id ORDER BY user_id",
	    ARG_I64(op->tenant_id), ARG_TIME(slice->from_us),
	    ARG_TIME(slice->until_us), ARG_TEXTS(users->ids, users->count),
	    ARG_TIME(slice->last_us));
}

/*
 * The same for the wanted names; ret: which name of whom was touched. That a
 * count did not change tells nothing: the backfill may have been there first.
 */
static bool fold_event_days(struct op *op, const struct refresh_slice *slice,
			    const struct user_list *users, struct db_rows *ret)
{
	return db_list(
	    op, ret,
	    "WITH t AS (SELECT DISTINCT e.user_id, n.name_id, n.name,"
	    " (e.ts AT TIME ZONE 'UTC')::date AS day FROM events e"
	    " JOIN event_names n ON n.tenant_id = e.tenant_id"
	    " AND n.name = e.event AND n.wanted" SLICE_WHERE
	    " AND e.user_id = ANY ($4)), w AS (INSERT INTO customer_event_days"
	    " AS d (tenant_id, user_id, name_id, day, events, first_at,"
	    " last_at) SELECT $1, t.user_id, t.name_id, t.day, a.events,"
	    " a.first_at, a.last_at FROM t CROSS JOIN LATERAL (SELECT"
	    " count(*) AS events, min(e.ts) AS first_at, max(e.ts) AS last_at" EVENTS_OF_DAY
	    " AND e.event = t.name) a"
	    " WHERE a.events > 0"
	    " ON CONFLICT (tenant_id, user_id, name_id, day) DO UPDATE SET"
	    " events = excluded.events, first_at = excluded.first_at,"
	    " last_at = excluded.last_at"
	    " WHERE (d.events, d.first_at, d.last_at) IS DISTINCT FROM"
	    " (excluded.events, excluded.first_at, excluded.last_at)"
	    " RETURNING 1) SELECT DISTINCT name, user_id FROM t ORDER BY 1, 2",
	    ARG_I64(op->tenant_id), ARG_TIME(slice->from_us),
	    ARG_TIME(slice->until_us), ARG_TEXTS(users->ids, users->count),
	    ARG_TIME(slice->last_us));
}

/* Users whose counts changed, by how many events. */
struct changed {
	struct user_list users;
	int64_t *more;
};

static void take_changed(struct op *op, const struct db_rows *rows,
			 struct changed *ret)
{
	ret->users.ids = ARENA_ARRAY(op->arena, const char *, rows->count);
	ret->users.count = 0;
	ret->more = ARENA_ARRAY(op->arena, int64_t, rows->count);
	db_each (row, rows) {
		size_t i = ret->users.count++;

		ret->users.ids[i] = db_text(&row, "user_id");
		ret->more[i] = db_i64(&row, "more");
	}
}

/* What the counts say directly. */
static bool write_activity(struct op *op, const struct touched *t,
			   const struct changed *c)
{
	return db_exec(
	    op, NULL,
	    "UPDATE customers c SET"
	    " first_activity_at = least(c.first_activity_at, u.first_at),"
	    " last_activity_at = greatest(c.last_activity_at, u.last_at),"
	    " events_total = c.events_total + d.more"
	    " FROM unnest($2::text[], $3::timestamptz[], $4::timestamptz[])"
	    " u (user_id, first_at, last_at)"
	    " JOIN unnest($5::text[], $6::bigint[]) d (user_id, more)"
	    " USING (user_id)"
	    " WHERE c.tenant_id = $1 AND c.user_id = u.user_id",
	    ARG_I64(op->tenant_id), ARG_TEXTS(t->users.ids, t->users.count),
	    ARG_TIMES(t->first_us, t->users.count),
	    ARG_TIMES(t->last_us, t->users.count),
	    ARG_TEXTS(c->users.ids, c->users.count),
	    ARG_I64S(c->more, c->users.count));
}

/* Changed users (both sorted) and those that must be scored anyway. */
static void merge_score(struct op *op, const struct touched *t,
			const struct user_list *changed, struct user_list *ret)
{
	size_t at = 0;

	ret->ids = ARENA_ARRAY(op->arena, const char *, t->users.count);
	ret->count = 0;
	for (size_t i = 0; i < t->users.count; i++) {
		bool hit = at < changed->count &&
			   streq(changed->ids[at], t->users.ids[i]);

		at += hit;
		if (hit || t->score[i])
			ret->ids[ret->count++] = t->users.ids[i];
	}
}

/* Of each name's users; rows are ordered by the names. */
static bool find_milestones(struct op *op, const struct tenant_config *config,
			    const struct db_rows *named, int64_t since_us)
{
	struct user_list users = { .ids = ARENA_ARRAY(op->arena, const char *,
						      named->count) };
	const char *name = NULL;

	db_each (row, named) {
		const char *next = db_text(&row, "name");

		if (name != NULL && !streq(name, next)) {
			if (!refresh_milestones(op, config, name, &users,
						since_us))
				return false;
			users.count = 0;
		}
		name = next;
		users.ids[users.count++] = db_text(&row, "user_id");
	}
	return name == NULL ||
	       refresh_milestones(op, config, name, &users, since_us);
}

static bool fold_users(struct op *op, const struct tenant_config *config,
		       const struct refresh_slice *slice, struct touched *t,
		       struct refresh_folded *ret)
{
	struct changed changed;
	struct db_rows rows, named;

	if (!fold_days(op, slice, &t->users, &rows) ||
	    !fold_event_days(op, slice, &t->users, &named))
		return false;
	take_changed(op, &rows, &changed);
	if (changed.users.count > 0 && !write_activity(op, t, &changed))
		return false;
	ret->active = changed.users;
	merge_score(op, t, &changed.users, &ret->score);
	return find_milestones(op, config, &named, t->since_us);
}

bool refresh_fold(struct op *op, const struct tenant_config *config,
		  const struct refresh_slice *slice, struct refresh_folded *ret)
{
	struct touched t;

	*ret = (struct refresh_folded){ .last = NULL };
	if (slice->after[0] == '\0' && !add_names(op, slice))
		return false;
	if (!load_touched(op, slice, &t))
		return false;
	if (t.users.count == REFRESH_USERS)
		ret->last = t.users.ids[t.users.count - 1];
	if (t.users.count > 0 && !add_customers(op, slice, &t))
		return false;
	return t.users.count == 0 || fold_users(op, config, slice, &t, ret);
}
