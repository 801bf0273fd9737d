/*
 * webhooks: empties the outbox. Events fan out into one delivery for each
 * endpoint that listens; due deliveries are posted (deliver/post.h) and
 * their attempts written down (webhooks_record.c); mails to members are
 * handed over (webhooks_mail.c).
 *
 * Webhooks are at least once, with the same id and bytes: a run that dies
 * while posting leaves them due.
 */
#include "batch/webhooks.h"

#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "store/webhook.h"

#define FAN_OUT_CHUNK 500
#define POST_CHUNK    400
#define POST_DUE_EACH 100   /* of one endpoint in a chunk */
#define POST_START_MS 15000 /* with 15 s timeouts under the lease's 60 s */

/* Of a run: the endpoints that get no more in it. */
struct webhooks_state {
	const char **slow;
	size_t slow_count;
};

static bool fan_out_insert(struct op *op, const struct db_rows *rows, bool test)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows->count);
	const char **outbox = ARENA_ARRAY(op->arena, const char *, rows->count);
	const char **to = ARENA_ARRAY(op->arena, const char *, rows->count);
	size_t n = 0;

	db_each (row, rows) {
		if (db_is_null(&row, "endpoint_id"))
			continue;
		ids[n] = uuid_new(op);
		outbox[n] = db_text(&row, "id");
		to[n++] = db_text(&row, "endpoint_id");
	}
	if (n == 0)
		return true;
	return db_exec(op, NULL,
		       "INSERT INTO deliveries (tenant_id, id, outbox_id,"
		       " endpoint_id, status, next_attempt_at, created_at)"
		       " SELECT $1, d.id, d.outbox_id, d.endpoint_id,"
		       " CASE WHEN $3 THEN 'simulated' ELSE 'pending' END,"
		       " CASE WHEN NOT $3 THEN $2 END, $2"
		       " FROM unnest($4::uuid[], $5::uuid[], $6::uuid[])"
		       " AS d(id, outbox_id, endpoint_id)"
		       " ON CONFLICT (tenant_id, outbox_id, endpoint_id)"
		       " DO NOTHING",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_BOOL(test), ARG_UUIDS(ids, n), ARG_UUIDS(outbox, n),
		       ARG_UUIDS(to, n));
}

/* Marks the events, also those that nobody listens to. */
static bool fan_out(struct op *op, struct run *run)
{
	struct db_rows rows;
	const char *last = NULL;
	size_t n = 0;

	if (!db_begin(op) ||
	    !db_rows(
		op, &rows,
		"SELECT o.id, w.id AS endpoint_id FROM (SELECT id, type"
		" FROM outbox WHERE tenant_id = $1 AND fanned_at IS NULL"
		" AND type NOT LIKE 'mail.%' ORDER BY id LIMIT $2) o"
		" LEFT JOIN webhook_endpoints w ON w.tenant_id = $1"
		" AND " WEBHOOK_LISTENS_SQL("o.type") " ORDER BY o.id, w.id",
		ARG_I64(op->tenant_id), ARG_I64(FAN_OUT_CHUNK)))
		return false;
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows.count);
	db_each (row, &rows) {
		const char *id = db_text(&row, "id");

		if (last == NULL || !streq(last, id))
			ids[n++] = id;
		last = id;
	}
	if (n > 0 && (!fan_out_insert(op, &rows, run->test) ||
		      !db_exec(op, NULL,
			       "UPDATE outbox SET fanned_at = $2"
			       " WHERE tenant_id = $1 AND id = ANY ($3)",
			       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
			       ARG_UUIDS(ids, n))))
		return false;
	run->more = run->more || n == FAN_OUT_CHUNK;
	return run_chunk_done(op, run, (int64_t)n);
}

static struct post_endpoint *endpoint_of(struct op *op,
					 struct post_endpoint **list,
					 size_t *count,
					 const struct db_row *row)
{
	const char *id = db_text(row, "endpoint_id");
	size_t i = 0;

	while (i < *count && !streq(list[i]->id, id))
		i++;
	if (i < *count)
		return list[i];
	list[i] = ARENA_NEW(op->arena, struct post_endpoint);
	*list[i] = (struct post_endpoint){ .id = id,
					   .url = db_text(row, "url"),
					   .sealed = db_text(row, "secret") };
	*count += 1;
	return list[i];
}

static struct webhooks_state *get_state(struct run *run)
{
	struct webhooks_state *st = run->state;

	if (st == NULL) {
		st = ARENA_NEW(run->arena, struct webhooks_state);
		st->slow = ARENA_ARRAY(run->arena, const char *, 1);
		run->state = st;
	}
	return st;
}

/* Due deliveries, the endpoints taking turns; without those set aside. */
static bool list_due(struct op *op, const struct webhooks_state *st,
		     struct db_rows *ret)
{
	return db_rows(op, ret,
		       "SELECT d.id, d.outbox_id, d.endpoint_id, d.attempts,"
		       " d.place, d.url, d.secret, o.type, o.payload"
		       " FROM (SELECT v.id,"
		       " v.outbox_id, v.attempts, v.place,"
		       " w.id AS endpoint_id, w.url, w.secret"
		       " FROM webhook_endpoints w CROSS JOIN LATERAL (SELECT"
		       " x.id, x.outbox_id, x.attempts, row_number() OVER"
		       " (ORDER BY x.next_attempt_at, x.id) AS place"
		       " FROM deliveries x WHERE x.tenant_id = $1"
		       " AND x.endpoint_id = w.id AND x.status = 'pending'"
		       " AND x.next_attempt_at <= $2"
		       " ORDER BY x.next_attempt_at, x.id LIMIT $3) v"
		       " WHERE w.tenant_id = $1 AND w.status = 'active'"
		       " AND w.id <> ALL ($5) ORDER BY v.place, v.id"
		       " LIMIT $4) d JOIN outbox o ON o.tenant_id = $1"
		       " AND o.id = d.outbox_id ORDER BY d.place, d.id",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_I64(POST_DUE_EACH), ARG_I64(POST_CHUNK),
		       ARG_UUIDS(st->slow, st->slow_count));
}

static struct post *take_posts(struct op *op, const struct db_rows *rows)
{
	struct post *posts = ARENA_ARRAY(op->arena, struct post, rows->count);
	struct post_endpoint *endpoints[POST_CHUNK];
	size_t endpoint_count = 0, n = 0;

	db_each (row, rows) {
		posts[n++] = (struct post){
			.id = db_text(&row, "id"),
			.event_id = db_text(&row, "outbox_id"),
			.type = db_text(&row, "type"),
			.body = db_text(&row, "payload"),
			.tries = db_i64(&row, "attempts") + 1,
			.endpoint =
			    endpoint_of(op, endpoints, &endpoint_count, &row),
		};
	}
	return posts;
}

/* Its answers took all the time there was: for the next run. */
static void set_aside(struct run *run, const char *endpoint)
{
	struct webhooks_state *st = get_state(run);
	const char **slow;

	for (size_t i = 0; i < st->slow_count; i++) {
		if (streq(st->slow[i], endpoint))
			return;
	}
	slow = ARENA_ARRAY(run->arena, const char *, st->slow_count + 1);
	memcpy(slow, st->slow, st->slow_count * sizeof(*slow));
	slow[st->slow_count++] = arena_strdup(run->arena, endpoint);
	st->slow = slow;
}

/*
 * More may be due when the chunk was full, or an endpoint's share of it, and
 * went out. Returns how many were tried.
 */
static size_t look_back(struct run *run, const struct db_rows *rows,
			const struct post *posts)
{
	bool full = rows->count == POST_CHUNK;
	size_t tried = 0;

	for (size_t i = 0; i < rows->count; i++) {
		struct db_row row = db_row_at(rows, i);

		if (posts[i].result != POST_UNTRIED) {
			tried++;
			full = full || db_i64(&row, "place") == POST_DUE_EACH;
		} else if (!posts[i].endpoint->resting) {
			set_aside(run, posts[i].endpoint->id);
		}
	}
	run->more = run->more || (full && tried > 0);
	return tried;
}

static bool send_posts(struct op *op, struct run *run)
{
	struct db_rows rows;
	struct post *posts;
	size_t tried;
	bool more;

	if (!db_begin(op) || !list_due(op, get_state(run), &rows) ||
	    !run_chunk_done(op, run, 0))
		return false;
	posts = take_posts(op, &rows);
	if (rows.count > 0 && !post_all(op, posts, rows.count, POST_START_MS))
		return false;
	tried = look_back(run, &rows, posts);
	if (!db_begin(op) || !webhooks_record(op, posts, rows.count, &more))
		return false;
	run->more = run->more || more;
	return run_chunk_done(op, run, (int64_t)tried);
}

bool stage_webhooks(struct op *op, struct run *run)
{
	if (!fan_out(op, run))
		return false;
	if (run->first && !run_stopping(run) && !webhooks_mail(op, run))
		return false;
	return run_stopping(run) || send_posts(op, run);
}
