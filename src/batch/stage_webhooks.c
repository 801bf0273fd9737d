/*
 * webhooks: empties the outbox. Events fan out into one delivery for each
 * endpoint that listens; due deliveries are posted (deliver/post.h) and
 * their attempts logged; mails to members are handed over.
 *
 * Webhooks are at least once, with the same id and bytes; a run that dies
 * while posting leaves them due. Mails are at most once: a row is marked
 * before its mail is sent.
 */
#include "batch/stage.h"

#include "base/clock.h"
#include "base/parse.h"
#include "base/str.h"
#include "base/uuid.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "deliver/deliver.h"
#include "deliver/post.h"
#include "store/intervention.h"
#include "store/webhook.h"

#define FAN_OUT_CHUNK	 500
#define MAIL_CHUNK	 100
#define POST_CHUNK	 400
#define POST_DUE_EACH	 100   /* of one endpoint in a chunk */
#define POST_START_MS	 15000 /* with 15 s timeouts under the lease's 60 s */
#define FAILING_MAX	 "5 days"
#define MAIL_TRIES_HOURS 24
#define RESPONSE_MAX	 4096

/* --------------------------------------------------------------- fan out -- */

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

/* ----------------------------------------------------------------- mails -- */

/* Marks the mail; *ret_ours is false when another run was faster. */
static bool mail_claim(struct op *op, struct run *run, const char *id,
		       bool *ret_ours)
{
	int64_t marked;

	if (!db_begin(op) ||
	    !db_exec(op, &marked,
		     "UPDATE outbox SET fanned_at = $3 WHERE tenant_id = $1"
		     " AND id = $2 AND fanned_at IS NULL",
		     ARG_I64(op->tenant_id), ARG_UUID(id),
		     ARG_TIME(op->now_us)) ||
	    !run_chunk_done(op, run, marked))
		return false;
	*ret_ours = marked == 1;
	return true;
}

/* A mail that surely was not sent waits on; else its link is forgotten. */
static bool mail_record(struct op *op, const char *id, bool again)
{
	return db_begin(op) &&
	       db_exec(op, NULL,
		       "UPDATE outbox SET fanned_at = CASE WHEN $3"
		       " AND created_at > $4 THEN NULL ELSE fanned_at END,"
		       " payload = CASE WHEN $3 AND created_at > $4"
		       " THEN payload ELSE '{}' END"
		       " WHERE tenant_id = $1 AND id = $2",
		       ARG_I64(op->tenant_id), ARG_UUID(id), ARG_BOOL(again),
		       ARG_TIME(op->now_us - MAIL_TRIES_HOURS * US_PER_HOUR)) &&
	       db_commit(op);
}

static bool mail_send(struct op *op, struct run *run, struct sender *sender,
		      const struct db_row *row)
{
	const char *id = db_text(row, "id");
	const char *what = arena_printf(op->arena, "mail %s", id);
	struct sent sent = { .result = SEND_DELIVERED };
	bool ours;

	if (!mail_claim(op, run, id, &ours))
		return run_item_failed(op, run, what);
	if (!ours)
		return true;
	if (!run->test && !deliver_notice(op, sender, id, db_text(row, "type"),
					  db_text(row, "payload"), &sent)) {
		/* Nothing left the host. A bad address stays bad. */
		sent.result = op->fail.kind == FAIL_INVALID ? SEND_PERMANENT
							    : SEND_TRANSIENT;
		if (!run_item_failed(op, run, what))
			return false;
	}
	if (!mail_record(op, id, sent.result == SEND_TRANSIENT))
		return run_item_failed(op, run, what);
	return true;
}

static bool send_mails(struct op *op, struct run *run)
{
	struct sender sender;
	struct db_rows rows;

	if (!db_begin(op) || !sender_load(op, &sender) ||
	    !db_rows(op, &rows,
		     "SELECT id, type, payload FROM outbox"
		     " WHERE tenant_id = $1 AND fanned_at IS NULL"
		     " AND type LIKE 'mail.%' ORDER BY id LIMIT $2",
		     ARG_I64(op->tenant_id), ARG_I64(MAIL_CHUNK)) ||
	    !run_chunk_done(op, run, 0))
		return false;
	if (!sender.mail_out && !run->test)
		return true; /* they wait for a transport */
	db_each (row, &rows) {
		if (run_stopping(run))
			break;
		if (!mail_send(op, run, &sender, &row))
			return false;
	}
	return true;
}

/* ----------------------------------------------------------------- posts -- */

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

/* Due deliveries, the endpoints taking turns. */
static bool list_due(struct op *op, struct db_rows *ret)
{
	return db_rows(op, ret,
		       "SELECT d.id, d.outbox_id, d.endpoint_id, d.attempts,"
		       " o.type, o.payload, w.url, w.secret"
		       " FROM (SELECT id, outbox_id, endpoint_id, attempts,"
		       " row_number() OVER (PARTITION BY endpoint_id"
		       " ORDER BY next_attempt_at, id) AS place"
		       " FROM deliveries WHERE tenant_id = $1"
		       " AND status = 'pending' AND next_attempt_at <= $2) d"
		       " JOIN outbox o ON o.tenant_id = $1"
		       " AND o.id = d.outbox_id"
		       " JOIN webhook_endpoints w ON w.tenant_id = $1"
		       " AND w.id = d.endpoint_id AND w.status = 'active'"
		       " WHERE d.place <= $3 ORDER BY d.place, d.id LIMIT $4",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_I64(POST_DUE_EACH), ARG_I64(POST_CHUNK));
}

/* What was tried, as columns. */
struct tried {
	size_t n;
	const char **ids, **statuses, **errors, **responses;
	int64_t *tries, *next, *https, *ms;
};

static const char *status_of(enum post_result result)
{
	switch (result) {
	case POST_DELIVERED:
		return "delivered";
	case POST_FAILED:
		return "failed";
	case POST_UNTRIED:
	case POST_RETRY:
	default:
		return "pending";
	}
}

/* Answers are other people's bytes: cut to what a text may hold. */
static const char *response_text(struct op *op, const struct http_answer *a)
{
	struct str text;

	if (a->body == NULL || a->body_len == 0)
		return NULL;
	str_init(&text, op->arena, 4 * RESPONSE_MAX);
	for (size_t at = 0; at < a->body_len && at < RESPONSE_MAX;) {
		size_t good = parse_utf8_prefix(a->body + at, a->body_len - at);
		size_t nul = strnlen(a->body + at, good);

		str_put(&text, a->body + at, nul);
		at += nul;
		if (at < a->body_len) {
			str_puts(&text, "\xef\xbf\xbd");
			at++;
		}
	}
	return text.bytes;
}

static void tried_fill(struct op *op, struct tried *t, const struct post *posts,
		       size_t count)
{
	t->ids = ARENA_ARRAY(op->arena, const char *, count);
	t->statuses = ARENA_ARRAY(op->arena, const char *, count);
	t->errors = ARENA_ARRAY(op->arena, const char *, count);
	t->responses = ARENA_ARRAY(op->arena, const char *, count);
	t->tries = ARENA_ARRAY(op->arena, int64_t, count);
	t->next = ARENA_ARRAY(op->arena, int64_t, count);
	t->https = ARENA_ARRAY(op->arena, int64_t, count);
	t->ms = ARENA_ARRAY(op->arena, int64_t, count);
	t->n = 0;
	for (size_t i = 0; i < count; i++) {
		const struct post *post = &posts[i];
		size_t n = t->n;

		if (post->result == POST_UNTRIED)
			continue;
		t->ids[n] = post->id;
		t->statuses[n] = status_of(post->result);
		t->errors[n] = post->error;
		t->responses[n] = response_text(op, &post->answer);
		t->tries[n] = post->tries;
		t->next[n] =
		    post->result == POST_RETRY ? post->next_us : DB_TIME_NULL;
		t->https[n] = post->answer.status;
		t->ms[n] = post->answer.ms;
		t->n++;
	}
}

static bool record_tries(struct op *op, const struct tried *t)
{
	return db_exec(op, NULL,
		       "WITH r AS (SELECT * FROM unnest($3::uuid[],"
		       " $4::text[], $5::text[], $6::text[], $7::bigint[],"
		       " $8::timestamptz[], $9::bigint[], $10::bigint[])"
		       " AS r(id, status, error, response, tries, next, http,"
		       " ms)),"
		       " logged AS (INSERT INTO delivery_attempts (tenant_id,"
		       " delivery_id, attempt, at, status, error, ms, response)"
		       " SELECT $1, r.id, r.tries::integer, $2,"
		       " nullif(r.http, 0)::integer, r.error, r.ms::integer,"
		       " r.response FROM r ON CONFLICT (tenant_id,"
		       " delivery_id, attempt) DO NOTHING)"
		       " UPDATE deliveries d SET status = r.status,"
		       " attempts = r.tries::integer,"
		       " next_attempt_at = r.next, last_attempt_at = $2,"
		       " last_status = nullif(r.http, 0)::integer,"
		       " last_error = r.error, last_ms = r.ms::integer"
		       " FROM r WHERE d.tenant_id = $1 AND d.id = r.id"
		       " AND d.status = 'pending'",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_UUIDS(t->ids, t->n), ARG_TEXTS(t->statuses, t->n),
		       ARG_TEXTS(t->errors, t->n),
		       ARG_TEXTS(t->responses, t->n), ARG_I64S(t->tries, t->n),
		       ARG_TIMES(t->next, t->n), ARG_I64S(t->https, t->n),
		       ARG_I64S(t->ms, t->n));
}

/* Disabled by 410 or by five days without a 2xx; its events fail. */
static bool record_endpoint(struct op *op, struct post_endpoint *e)
{
	if (e->recorded || (!e->answered_well && !e->failed))
		return true;
	e->recorded = true;
	return db_exec(op, NULL,
		       "UPDATE webhook_endpoints SET failing_since = CASE"
		       " WHEN $3 THEN NULL ELSE coalesce(failing_since, $5)"
		       " END, status = CASE WHEN status = 'active' AND ($4 OR"
		       " NOT $3 AND failing_since <= $5 - interval"
		       " '" FAILING_MAX "') THEN 'disabled' ELSE status END,"
		       " updated_at = $5"
		       " WHERE tenant_id = $1 AND id = $2 AND ($4 OR NOT $3"
		       " OR failing_since IS NOT NULL)",
		       ARG_I64(op->tenant_id), ARG_UUID(e->id),
		       ARG_BOOL(e->answered_well), ARG_BOOL(e->gone),
		       ARG_TIME(op->now_us)) &&
	       (e->rest_s == 0 ||
		db_exec(op, NULL,
			"UPDATE deliveries SET next_attempt_at = $3"
			" WHERE tenant_id = $1 AND endpoint_id = $2"
			" AND status = 'pending' AND next_attempt_at <= $4",
			ARG_I64(op->tenant_id), ARG_UUID(e->id),
			ARG_TIME(op->now_us + e->rest_s * US_PER_SECOND),
			ARG_TIME(op->now_us)));
}

/* What still waits for an endpoint that is no longer active. */
static bool fail_of_disabled(struct op *op, struct db_rows *ret)
{
	return db_rows(op, ret,
		       "UPDATE deliveries d SET status = 'failed',"
		       " next_attempt_at = NULL,"
		       " last_error = 'the endpoint is ' || w.status"
		       " FROM webhook_endpoints w WHERE d.tenant_id = $1"
		       " AND d.status = 'pending' AND w.tenant_id = $1"
		       " AND w.id = d.endpoint_id AND w.status <> 'active'"
		       " RETURNING d.outbox_id",
		       ARG_I64(op->tenant_id));
}

static bool move_messages(struct op *op, const struct db_rows *rows,
			  const char *state, enum intervention_verb verb,
			  const char *reason)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, rows->count);
	size_t n = 0;

	db_each (row, rows) {
		const char *its = db_text(&row, "state");

		if (its != NULL && streq(its, state))
			ids[n++] = db_text(&row, "id");
	}
	return n == 0 || interventions_move(
			     op,
			     &(struct intervention_move){ .verb = verb,
							  .ids = ids,
							  .n = n,
							  .actor = "batch",
							  .reason = reason },
			     NULL);
}

/*
 * Messages of the channel webhook: delivered with the first 2xx, failed
 * when no endpoint is left that may still take it. events are the outbox
 * ids whose deliveries changed.
 */
static bool record_messages(struct op *op, const char *const *events, size_t n)
{
	struct db_rows rows;

	if (n == 0)
		return true;
	return db_rows(op, &rows,
		       "SELECT m.id, CASE WHEN bool_or(d.status = 'delivered')"
		       " THEN 'delivered' WHEN bool_and(d.status = 'failed')"
		       " THEN 'failed' END AS state"
		       " FROM (SELECT o.id AS outbox_id,"
		       " o.payload::jsonb->>'intervention_id' AS id"
		       " FROM outbox o WHERE o.tenant_id = $1"
		       " AND o.id = ANY ($2)"
		       " AND o.type = 'intervention.delivered'"
		       " AND o.payload::jsonb->>'channel' = 'webhook') m"
		       " JOIN deliveries d ON d.tenant_id = $1"
		       " AND d.outbox_id = m.outbox_id GROUP BY m.id",
		       ARG_I64(op->tenant_id), ARG_UUIDS(events, n)) &&
	       move_messages(op, &rows, "delivered", INTERVENTION_DELIVERED,
			     NULL) &&
	       move_messages(op, &rows, "failed", INTERVENTION_FAIL,
			     "webhook_failed");
}

/* The transaction after the posts. */
static bool record_posts(struct op *op, const struct post *posts, size_t count)
{
	struct db_rows lost;
	struct tried tried;

	tried_fill(op, &tried, posts, count);
	if (tried.n > 0 && !record_tries(op, &tried))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!record_endpoint(op, posts[i].endpoint))
			return false;
	}
	if (!fail_of_disabled(op, &lost))
		return false;
	const char **events =
	    ARENA_ARRAY(op->arena, const char *, count + lost.count);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (posts[i].result == POST_DELIVERED ||
		    posts[i].result == POST_FAILED)
			events[n++] = posts[i].event_id;
	}
	db_each (row, &lost)
		events[n++] = db_text(&row, "outbox_id");
	return record_messages(op, events, n);
}

static bool send_posts(struct op *op, struct run *run)
{
	struct post_endpoint *endpoints[POST_CHUNK];
	size_t endpoint_count = 0, n = 0, tried = 0;
	struct db_rows rows;

	if (!db_begin(op) || !list_due(op, &rows) ||
	    !run_chunk_done(op, run, 0))
		return false;
	struct post *posts = ARENA_ARRAY(op->arena, struct post, rows.count);
	db_each (row, &rows) {
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
	if (n > 0 && !post_all(op, posts, n, POST_START_MS))
		return false;
	for (size_t i = 0; i < n; i++)
		tried += posts[i].result != POST_UNTRIED;
	run->more = run->more || (n == POST_CHUNK && tried > 0);
	return db_begin(op) && record_posts(op, posts, n) &&
	       run_chunk_done(op, run, (int64_t)tried);
}

bool stage_webhooks(struct op *op, struct run *run)
{
	if (!fan_out(op, run))
		return false;
	if (run->first && !run_stopping(run) && !send_mails(op, run))
		return false;
	return run_stopping(run) || send_posts(op, run);
}
