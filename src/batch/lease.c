/*
 * Leases: one row of batch_leases a (tenant, stage). Taken before the first
 * chunk, renewed by each, given back after the last; a run that dies leaves
 * its row to expire.
 */
#include "batch/lease.h"

#include "db/db.h"
#include "db/db_tx.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <sys/types.h>
#include <unistd.h>

static char owner_text[128];
static pid_t owner_pid;

const char *lease_owner(void)
{
	char host[65] = "host";
	unsigned char random[6];
	char hex[13];

	if (owner_pid == getpid())
		return owner_text;
	owner_pid = getpid();
	(void)gethostname(host, sizeof(host) - 1);
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
	snprintf(owner_text, sizeof(owner_text), "%s:%ld:%s", host,
		 (long)owner_pid, hex);
	return owner_text;
}

bool lease_owner_is_dead(const char *owner)
{
	const char *ours = lease_owner();
	size_t host_len = (size_t)(strchr(ours, ':') - ours) + 1;
	long pid;
	char *end;

	if (strncmp(owner, ours, host_len) != 0)
		return false;
	pid = strtol(owner + host_len, &end, 10);
	if (pid <= 1 || *end != ':')
		return false;
	return kill((pid_t)pid, 0) == -1 && errno == ESRCH;
}

#define LEASE_SET                                                              \
	"UPDATE batch_leases SET owner = $3, token = token + 1,"               \
	" expires_at = clock_timestamp() + $4::bigint * interval '1 second',"  \
	" started_at = $5, error = NULL"                                       \
	" WHERE tenant_id = $1 AND stage = $2"
#define LEASE_RETURNING                                                        \
	" RETURNING token, watermark, swept_at, version, changed_at, cursor"

/* Due also when the clock went back by more than a period (tests). */
static bool take_free(struct op *op, const struct lease *lease, int period_s,
		      bool force, struct db_row *ret)
{
	return db_opt(
	    op, ret,
	    LEASE_SET
	    " AND (owner IS NULL OR expires_at < clock_timestamp())"
	    " AND ($6 OR due_at <= $5"
	    " OR due_at > $5 + $7::bigint * interval '1 second')" LEASE_RETURNING,
	    ARG_I64(op->tenant_id), ARG_TEXT(lease->stage),
	    ARG_TEXT(lease->owner), ARG_I64(LEASE_SECONDS),
	    ARG_TIME(op->now_us), ARG_BOOL(force), ARG_I64(period_s));
}

static bool take_from(struct op *op, const struct lease *lease,
		      const char *dead, struct db_row *ret)
{
	return db_opt(op, ret, LEASE_SET " AND owner = $6" LEASE_RETURNING,
		      ARG_I64(op->tenant_id), ARG_TEXT(lease->stage),
		      ARG_TEXT(lease->owner), ARG_I64(LEASE_SECONDS),
		      ARG_TIME(op->now_us), ARG_TEXT(dead));
}

/* Why it was not free: held, or not due; a dead holder gives way to force. */
static bool take_hard(struct op *op, const struct lease *lease, bool force,
		      struct db_row *ret, enum lease_result *ret_result)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT owner, coalesce(owner IS NOT NULL"
		    " AND expires_at >= clock_timestamp(), false) AS held"
		    " FROM batch_leases WHERE tenant_id = $1 AND stage = $2",
		    ARG_I64(op->tenant_id), ARG_TEXT(lease->stage)))
		return false;
	if (!db_bool(&row, "held")) {
		*ret_result = LEASE_NOT_DUE;
		return true;
	}
	*ret_result = LEASE_HELD;
	if (!force || !lease_owner_is_dead(db_text(&row, "owner")))
		return true;
	return take_from(op, lease, db_text(&row, "owner"), ret);
}

static int64_t time_or_null(const struct db_row *row, const char *column)
{
	return db_is_null(row, column) ? DB_TIME_NULL : db_time(row, column);
}

static void memory_read(struct op *op, const struct db_row *row,
			struct lease_memory *ret)
{
	const char *cursor = db_text(row, "cursor");

	ret->watermark_us = time_or_null(row, "watermark");
	ret->swept_us = time_or_null(row, "swept_at");
	ret->version = db_i64(row, "version");
	ret->changed_us = time_or_null(row, "changed_at");
	ret->cursor = cursor == NULL ? NULL : arena_strdup(op->arena, cursor);
}

bool lease_take(struct op *op, struct lease *lease, int period_s, bool force,
		enum lease_result *ret_result, struct lease_memory *ret_memory)
{
	struct db_row row = { .result = NULL };
	enum lease_result result = LEASE_TAKEN;

	lease->owner = lease_owner();
	if (!db_begin(op) ||
	    !db_defer(op,
		      "INSERT INTO batch_leases (tenant_id, stage)"
		      " VALUES ($1, $2) ON CONFLICT DO NOTHING",
		      ARG_I64(op->tenant_id), ARG_TEXT(lease->stage)) ||
	    !take_free(op, lease, period_s, force, &row))
		return false;
	if (!db_found(&row) && !take_hard(op, lease, force, &row, &result))
		return false;
	if (!db_commit(op))
		return false;
	if (db_found(&row)) {
		result = LEASE_TAKEN;
		lease->token = db_i64(&row, "token");
		memory_read(op, &row, ret_memory);
	}
	*ret_result = result;
	return true;
}

bool lease_renew(struct op *op, const struct lease *lease,
		 const struct lease_memory *memory, int64_t rows)
{
	int64_t done;

	if (!db_exec(
		op, &done,
		"UPDATE batch_leases SET expires_at = clock_timestamp()"
		" + $5::bigint * interval '1 second',"
		" rows_done = rows_done + $6, watermark = $7,"
		" swept_at = $8, version = $9, cursor = $10, changed_at = $11"
		" WHERE tenant_id = $1 AND stage = $2 AND owner = $3"
		" AND token = $4",
		ARG_I64(op->tenant_id), ARG_TEXT(lease->stage),
		ARG_TEXT(lease->owner), ARG_I64(lease->token),
		ARG_I64(LEASE_SECONDS), ARG_I64(rows),
		ARG_TIME_IF(memory->watermark_us != DB_TIME_NULL,
			    memory->watermark_us),
		ARG_TIME_IF(memory->swept_us != DB_TIME_NULL, memory->swept_us),
		ARG_I64(memory->version), ARG_TEXT(memory->cursor),
		ARG_TIME_IF(memory->changed_us != DB_TIME_NULL,
			    memory->changed_us)))
		return false;
	if (done != 1)
		return op_fail(op, FAIL_CONFLICT, "lease_lost",
			       "another run took over this work");
	return true;
}

bool lease_release(struct op *op, const struct lease *lease, int64_t due_in_s,
		   const char *error)
{
	return db_begin(op) &&
	       db_exec(
		   op, NULL,
		   "UPDATE batch_leases SET owner = NULL, expires_at = NULL,"
		   " due_at = $5::timestamptz"
		   " + $6::bigint * interval '1 second',"
		   " finished_at = $5, error = $7"
		   " WHERE tenant_id = $1 AND stage = $2 AND owner = $3"
		   " AND token = $4",
		   ARG_I64(op->tenant_id), ARG_TEXT(lease->stage),
		   ARG_TEXT(lease->owner), ARG_I64(lease->token),
		   ARG_TIME(op->now_us), ARG_I64(due_in_s), ARG_TEXT(error)) &&
	       db_commit(op);
}
