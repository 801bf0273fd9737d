/*
 * Sealing and its check. The payload's bytes are made by one SQL expression
 * a log, used by both, with times as microseconds so that no setting of the
 * session can change them.
 */
#include "store/seal.h"

#include "db/db.h"

#include <sodium.h>

#define HASH_LEN crypto_hash_sha256_BYTES

#define MICROS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

#define CONTENT_INTERVENTION "transition_content(l.salt, l.reason)"
#define PAYLOAD_INTERVENTION                                                   \
	"sha256(convert_to(jsonb_build_array(l.tenant_id, l.id,"               \
	" l.intervention_id, " MICROS(                                         \
	    "l.at") ", l.from_status,"                                         \
		    " l.to_status, l.actor, l.request_id,"                     \
		    " encode(" CONTENT_INTERVENTION                            \
		    ", 'hex'))::text, 'UTF8'))"

#define CONTENT_AUDIT "audit_content(l.salt, l.object, l.before, l.after)"
#define PAYLOAD_AUDIT                                                          \
	"sha256(convert_to(jsonb_build_array(l.tenant_id, l.id, " MICROS(      \
	    "l.at") ", l.actor, l.action, l.request_id,"                       \
		    " encode(" CONTENT_AUDIT ", 'hex'))::text, 'UTF8'))"

/* What erasure leaves behind: nothing but the hash in the salt's place. */
#define REDACTED_INTERVENTION "l.reason IS NULL"
#define REDACTED_AUDIT                                                         \
	"l.object = 'erased' AND l.before IS NULL AND l.after IS NULL"

/* The new rows behind the chain's last, oldest first. */
#define UNSEALED(table, payload)                                               \
	"SELECT l.id, " payload " AS payload_hash,"                            \
	" coalesce(t.seq, 0) AS last_seq, t.hash AS last_hash"                 \
	" FROM " table " l LEFT JOIN (SELECT seq, hash FROM " table            \
	" WHERE tenant_id = $1 AND seq IS NOT NULL"                            \
	" ORDER BY seq DESC LIMIT 1) t ON true"                                \
	" WHERE l.tenant_id = $1 AND l.seq IS NULL"                            \
	" ORDER BY l.at, l.id LIMIT $2"

#define SEAL(table)                                                            \
	"UPDATE " table " l SET seq = u.seq,"                                  \
	" payload_hash = u.payload_hash, prev_hash = u.prev_hash,"             \
	" hash = u.hash FROM unnest($2::uuid[], $3::bigint[],"                 \
	" $4::bytea[], $5::bytea[], $6::bytea[])"                              \
	" u (id, seq, payload_hash, prev_hash, hash)"                          \
	" WHERE l.tenant_id = $1 AND l.id = u.id AND l.seq IS NULL"

#define UPSERT_HEAD                                                            \
	"INSERT INTO log_heads AS h (tenant_id, log, seq, hash, sealed_at)"    \
	" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, log)"            \
	" DO UPDATE SET seq = excluded.seq, hash = excluded.hash,"             \
	" sealed_at = excluded.sealed_at"

/*
 * The whole chain in one statement, so in one snapshot: the first row that
 * does not fit, and how the end compares with what sealing remembers.
 */
#define CHECK(table, payload, redacted)                                        \
	"WITH head AS (SELECT seq, hash FROM log_heads"                        \
	" WHERE tenant_id = $1 AND log = '" table "'),"                        \
	" chain AS (SELECT l.id, l.seq, l.hash, lag(l.seq, 1, 0::bigint)"      \
	" OVER w AS before, (l.payload_hash = " payload                        \
	" AND (octet_length(coalesce(l.salt, '')) <> 32 OR (" redacted         \
	")) AND l.prev_hash = lag(l.hash, 1, decode(repeat('00', 32), 'hex'))" \
	" OVER w AND l.hash = sha256(l.prev_hash || l.payload_hash"            \
	" || int8send(l.seq))) IS TRUE AS fits FROM " table " l"               \
	" WHERE l.tenant_id = $1 AND l.seq IS NOT NULL"                        \
	" WINDOW w AS (ORDER BY l.seq)),"                                      \
	" bad AS (SELECT id, seq, before FROM chain"                           \
	" WHERE NOT fits OR seq <> before + 1 ORDER BY seq LIMIT 1),"          \
	" last AS (SELECT id, seq, hash FROM chain ORDER BY seq DESC LIMIT 1)" \
	" SELECT (SELECT count(*) FROM chain) AS count,"                       \
	" (SELECT count(*) FROM " table                                        \
	" WHERE tenant_id = $1 AND seq IS NULL) AS unsealed,"                  \
	" (SELECT encode(hash, 'hex') FROM last) AS hash,"                     \
	" coalesce((SELECT seq FROM last), 0) AS last_seq,"                    \
	" (SELECT id FROM last) AS last_id,"                                   \
	" coalesce((SELECT seq FROM head), 0) AS head_seq,"                    \
	" coalesce((SELECT head.hash = last.hash FROM head, last"              \
	" WHERE head.seq = last.seq), false) AS head_fits,"                    \
	" (SELECT id FROM bad) AS bad_id, (SELECT seq FROM bad) AS bad_seq,"   \
	" (SELECT before FROM bad) AS before_bad"

static const char *const log_names[] = {
	[SEAL_INTERVENTION_LOG] = "intervention_log",
	[SEAL_AUDIT_LOG] = "audit_log",
};

const char *seal_log_name(enum seal_log log)
{
	return log_names[log];
}

static bool load_unsealed(struct op *op, enum seal_log log, int64_t max,
			  struct db_rows *ret)
{
	if (log == SEAL_INTERVENTION_LOG)
		return db_rows(
		    op, ret, UNSEALED("intervention_log", PAYLOAD_INTERVENTION),
		    ARG_I64(op->tenant_id), ARG_I64(max));
	return db_rows(op, ret, UNSEALED("audit_log", PAYLOAD_AUDIT),
		       ARG_I64(op->tenant_id), ARG_I64(max));
}

static void link_hash(const unsigned char *prev, const unsigned char *payload,
		      int64_t seq, unsigned char ret[HASH_LEN])
{
	unsigned char bytes[2 * HASH_LEN + 8];

	memcpy(bytes, prev, HASH_LEN);
	memcpy(bytes + HASH_LEN, payload, HASH_LEN);
	for (int i = 0; i < 8; i++)
		bytes[2 * HASH_LEN + i] =
		    (unsigned char)((uint64_t)seq >> (56 - 8 * i));
	crypto_hash_sha256(ret, bytes, sizeof(bytes));
}

/* arena: 32 bytes of the column; zeros when it is null. */
static const unsigned char *get_hash(struct op *op, const struct db_row *row,
				     const char *column)
{
	const unsigned char *bytes;
	size_t len = 0;

	if (db_is_null(row, column))
		return arena_alloc(op->arena, HASH_LEN);
	bytes = db_bytea(op, row, column, &len);
	return len == HASH_LEN ? bytes : arena_alloc(op->arena, HASH_LEN);
}

struct links {
	const char **ids;
	int64_t *seqs;
	struct db_bytes *payloads, *prevs, *hashes;
	size_t n;
};

static bool write_links(struct op *op, enum seal_log log, const struct links *l)
{
	if (log == SEAL_INTERVENTION_LOG)
		return db_exec(
		    op, NULL, SEAL("intervention_log"), ARG_I64(op->tenant_id),
		    ARG_UUIDS(l->ids, l->n), ARG_I64S(l->seqs, l->n),
		    ARG_BYTESS(l->payloads, l->n), ARG_BYTESS(l->prevs, l->n),
		    ARG_BYTESS(l->hashes, l->n));
	return db_exec(op, NULL, SEAL("audit_log"), ARG_I64(op->tenant_id),
		       ARG_UUIDS(l->ids, l->n), ARG_I64S(l->seqs, l->n),
		       ARG_BYTESS(l->payloads, l->n),
		       ARG_BYTESS(l->prevs, l->n), ARG_BYTESS(l->hashes, l->n));
}

static void links_init(struct arena *a, struct links *l, size_t len)
{
	l->ids = ARENA_ARRAY(a, const char *, len);
	l->seqs = ARENA_ARRAY(a, int64_t, len);
	l->payloads = ARENA_ARRAY(a, struct db_bytes, len);
	l->prevs = ARENA_ARRAY(a, struct db_bytes, len);
	l->hashes = ARENA_ARRAY(a, struct db_bytes, len);
	l->n = 0;
}

bool seal_rows(struct op *op, enum seal_log log, int64_t max,
	       int64_t *ret_count)
{
	const unsigned char *prev = NULL;
	struct db_rows rows;
	struct links l;

	if (!load_unsealed(op, log, max, &rows))
		return false;
	links_init(op->arena, &l, rows.count);
	db_each (row, &rows) {
		unsigned char *hash = arena_alloc(op->arena, HASH_LEN);
		const unsigned char *payload =
		    get_hash(op, &row, "payload_hash");
		size_t i = l.n++;

		if (prev == NULL)
			prev = get_hash(op, &row, "last_hash");
		l.ids[i] = db_text(&row, "id");
		l.seqs[i] = db_i64(&row, "last_seq") + (int64_t)i + 1;
		link_hash(prev, payload, l.seqs[i], hash);
		l.payloads[i] = (struct db_bytes){ payload, HASH_LEN };
		l.prevs[i] = (struct db_bytes){ prev, HASH_LEN };
		l.hashes[i] = (struct db_bytes){ hash, HASH_LEN };
		prev = hash;
	}
	*ret_count = (int64_t)l.n;
	if (l.n == 0)
		return true;
	return db_defer(op, UPSERT_HEAD, ARG_I64(op->tenant_id),
			ARG_TEXT(log_names[log]), ARG_I64(l.seqs[l.n - 1]),
			ARG_BYTES(prev, HASH_LEN), ARG_TIME(op->now_us)) &&
	       write_links(op, log, &l);
}

static bool load_check(struct op *op, enum seal_log log, struct db_row *ret)
{
	if (log == SEAL_INTERVENTION_LOG)
		return db_one(op, ret,
			      CHECK("intervention_log", PAYLOAD_INTERVENTION,
				    REDACTED_INTERVENTION),
			      ARG_I64(op->tenant_id));
	return db_one(op, ret,
		      CHECK("audit_log", PAYLOAD_AUDIT, REDACTED_AUDIT),
		      ARG_I64(op->tenant_id));
}

static void find_fault(const struct db_row *row, struct seal_check *ret)
{
	int64_t last = db_i64(row, "last_seq"), head = db_i64(row, "head_seq");

	if (!db_is_null(row, "bad_seq")) {
		bool gap =
		    db_i64(row, "bad_seq") != db_i64(row, "before_bad") + 1;

		ret->fault = gap ? SEAL_REMOVED : SEAL_CHANGED;
		ret->seq = gap ? db_i64(row, "before_bad") + 1
			       : db_i64(row, "bad_seq");
		ret->id = gap ? NULL : db_text(row, "bad_id");
	} else if (last < head) {
		ret->fault = SEAL_REMOVED;
		ret->seq = last + 1;
	} else if (last > head) {
		ret->fault = SEAL_INSERTED;
		ret->seq = head + 1;
		ret->id = last == head + 1 ? db_text(row, "last_id") : NULL;
	} else if (last > 0 && !db_bool(row, "head_fits")) {
		ret->fault = SEAL_CHANGED;
		ret->seq = last;
		ret->id = db_text(row, "last_id");
	}
}

bool seal_verify(struct op *op, enum seal_log log, struct seal_check *ret)
{
	struct db_row row;

	if (!load_check(op, log, &row))
		return false;
	*ret = (struct seal_check){
		.count = db_i64(&row, "count"),
		.unsealed = db_i64(&row, "unsealed"),
		.hash = db_text(&row, "hash"),
	};
	find_fault(&row, ret);
	return true;
}
