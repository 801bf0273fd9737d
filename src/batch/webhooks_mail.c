/*
 * Mails of the outbox to members: invitations and password links. At most
 * once: a row is marked before its mail is sent, and taken back only when
 * the mail surely did not go.
 */
#include "batch/webhooks.h"

#include "base/clock.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "deliver/deliver.h"

#define MAIL_CHUNK	 100
#define MAIL_TRIES_HOURS 24

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

bool webhooks_mail(struct op *op, struct run *run)
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
