/*
 * What became of posts, in the transaction after them: deliveries, their
 * attempts, the state of the endpoints, and the messages of the channel
 * webhook.
 */
#include "batch/webhooks.h"

#include "base/clock.h"
#include "base/parse.h"
#include "base/str.h"
#include "db/db.h"
#include "store/intervention.h"

#define FAILING_MAX  "5 days"
#define RESPONSE_MAX 4096
#define FAIL_CHUNK   1000

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

/* Some of what still waits for an endpoint that is no longer active. */
static bool fail_of_disabled(struct op *op, struct db_rows *ret)
{
	return db_rows(op, ret,
		       "UPDATE deliveries d SET status = 'failed',"
		       " next_attempt_at = NULL,"
		       " last_error = 'the endpoint is ' || w.status"
		       " FROM webhook_endpoints w WHERE d.tenant_id = $1"
		       " AND d.id = ANY (ARRAY(SELECT x.id"
		       " FROM webhook_endpoints e CROSS JOIN LATERAL"
		       " (SELECT v.id FROM deliveries v WHERE v.tenant_id = $1"
		       " AND v.endpoint_id = e.id AND v.status = 'pending'"
		       " LIMIT $2) x WHERE e.tenant_id = $1"
		       " AND e.status <> 'active' LIMIT $2))"
		       " AND d.status = 'pending' AND w.tenant_id = $1"
		       " AND w.id = d.endpoint_id AND w.status <> 'active'"
		       " RETURNING d.outbox_id",
		       ARG_I64(op->tenant_id), ARG_I64(FAIL_CHUNK));
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

bool webhooks_record(struct op *op, const struct post *posts, size_t count,
		     bool *ret_more)
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
	*ret_more = lost.count == FAIL_CHUNK;
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
