/*
 * Sealing and its check. The payload's bytes are made by one SQL expression
 * a log, used by both, with times as microseconds so that no setting of the
 * session can change them.
 */
#include "store/seal.h"

#include "db/db.h"

#include <sodium.h>

#define HASH_LEN     crypto_hash_sha256_BYTES
#define VERIFY_CHUNK 2000

#define MICROS(column) "(extract(epoch FROM " column ") * 1000000)::bigint"

#define PAYLOAD_INTERVENTION                                                   \
	"sha256(convert_to(jsonb_build_array(l.tenant_id, l.id,"               \
	" l.intervention_id, " MICROS(                                         \
	    "l.at") ", l.from_status,"                                         \
		    " l.to_status, l.actor, l.reason, l.request_id)::text, 'UTF8'))"

#define PAYLOAD_AUDIT                                                          \
	"sha256(coalesce(l.salt, '') || convert_to("                           \
	"jsonb_build_array(l.tenant_id, l.id, " MICROS(                        \
	    "l.at") ","                                                        \
		    " l.actor, l.action, l.object, l.request_id, l.before,"    \
		    " l.after)::text, 'UTF8'))"

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

#define SEALED(table, payload)                                                 \
	"SELECT l.seq, l.payload_hash, l.prev_hash, l.hash, " payload          \
	" = l.payload_hash AS fits FROM " table " l"                           \
	" WHERE l.tenant_id = $1 AND l.seq > $2"                               \
	" ORDER BY l.seq LIMIT $3"

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
	return l.n == 0 || write_links(op, log, &l);
}

static bool load_sealed(struct op *op, enum seal_log log, int64_t after,
			struct db_rows *ret)
{
	if (log == SEAL_INTERVENTION_LOG)
		return db_rows(op, ret,
			       SEALED("intervention_log", PAYLOAD_INTERVENTION),
			       ARG_I64(op->tenant_id), ARG_I64(after),
			       ARG_I64(VERIFY_CHUNK));
	/* Without its salt a row was erased: only its hash is left. */
	return db_rows(
	    op, ret, SEALED("audit_log", "l.salt IS NULL OR " PAYLOAD_AUDIT),
	    ARG_I64(op->tenant_id), ARG_I64(after), ARG_I64(VERIFY_CHUNK));
}

static bool row_fits(struct op *op, const struct db_row *row, int64_t seq,
		     const unsigned char *prev)
{
	unsigned char hash[HASH_LEN];

	link_hash(prev, get_hash(op, row, "payload_hash"), seq, hash);
	return db_i64(row, "seq") == seq && db_bool(row, "fits") &&
	       memcmp(get_hash(op, row, "prev_hash"), prev, HASH_LEN) == 0 &&
	       memcmp(get_hash(op, row, "hash"), hash, HASH_LEN) == 0;
}

bool seal_verify(struct op *op, enum seal_log log, int64_t *ret_bad,
		 int64_t *ret_count)
{
	unsigned char prev[HASH_LEN] = { 0 };
	struct db_rows rows = { .count = VERIFY_CHUNK };
	int64_t seq = 0;

	while (rows.count == VERIFY_CHUNK) {
		if (!load_sealed(op, log, seq, &rows))
			return false;
		db_each (row, &rows) {
			if (!row_fits(op, &row, seq + 1, prev)) {
				*ret_bad = seq + 1;
				*ret_count = seq;
				return true;
			}
			memcpy(prev, get_hash(op, &row, "hash"), HASH_LEN);
			seq++;
		}
	}
	*ret_bad = 0;
	*ret_count = seq;
	return true;
}
