/*
 * What has a user id is deleted, but for what analytics count: such rows
 * stay with user_id NULL and without text. The logs lose payload and salt,
 * and their hash chain stays whole.
 */
#include "store/erase.h"

#include "db/db.h"
#include "db/sql.h"
#include "store/audit.h"
#include "store/customer.h"
#include "store/intervention.h"

/* Of pg_advisory_xact_lock: this and the tenant. */
#define ERASE_LOCK(op) (INT64_C(0x4552) << 48 | (op)->tenant_id)

#define RECEIPT_MAX 4096

/* In this order: interventions refer to customers. */
static const struct part {
	const char *table;
	struct sql_literal change; /* of the rows of one user_id */
} parts[] = {
	{ "events", SQL_LITERAL("DELETE FROM events") },
	{ "customer_days", SQL_LITERAL("DELETE FROM customer_days") },
	{ "customer_event_days",
	  SQL_LITERAL("DELETE FROM customer_event_days") },
	{ "customer_milestones",
	  SQL_LITERAL("DELETE FROM customer_milestones") },
	{ "score_ledger", SQL_LITERAL("DELETE FROM score_ledger") },
	{ "gate_results", SQL_LITERAL("DELETE FROM gate_results") },
	{ "candidates", SQL_LITERAL("DELETE FROM candidates") },
	{ "match_queue", SQL_LITERAL("DELETE FROM match_queue") },
	{ "decisions",
	  SQL_LITERAL("UPDATE decisions SET user_id = NULL,"
		      " inputs = '{\"erased\": true}', rules = '{}',"
		      " reasoning = '', subject = NULL,"
		      " message_body = NULL, note = NULL") },
	{ "model_calls",
	  SQL_LITERAL("UPDATE model_calls SET user_id = NULL, sent = NULL,"
		      " received = NULL") },
	{ "interventions",
	  SQL_LITERAL("UPDATE interventions SET user_id = NULL,"
		      " subject = NULL, message_body = NULL,"
		      " reasoning = NULL, quality_checks = '{}',"
		      " content_hash = NULL, reason = NULL,"
		      " flag_reason = NULL") },
	{ "outcomes", SQL_LITERAL("UPDATE outcomes SET user_id = NULL") },
	{ "exposures", SQL_LITERAL("UPDATE exposures SET user_id = NULL") },
	{ "customers", SQL_LITERAL("DELETE FROM customers") },
};

bool erasures_hold_off(struct op *op)
{
	return db_defer(op, "SELECT pg_advisory_xact_lock_shared($1)",
			ARG_I64(ERASE_LOCK(op)));
}

/* What is not sent yet never will be; the logs forget what they said. */
static bool end_interventions(struct op *op, const char *actor,
			      const char *user_id)
{
	struct db_rows rows;
	const char **ids;
	size_t n = 0;

	if (!db_rows(op, &rows,
		     "SELECT id FROM interventions"
		     " WHERE tenant_id = $1 AND user_id = $2",
		     ARG_I64(op->tenant_id), ARG_TEXT(user_id)))
		return false;
	ids = ARENA_ARRAY(op->arena, const char *, rows.count);
	db_each (row, &rows)
		ids[n++] = db_text(&row, "id");
	struct intervention_move move = {
		.verb = INTERVENTION_CANCEL,
		.ids = ids,
		.n = n,
		.actor = actor,
		.reason = "erased",
	};
	return interventions_move(op, &move, NULL) &&
	       db_defer(op, "SELECT log_redact($1, $2)", ARG_TEXT(user_id),
			ARG_UUIDS(ids, n));
}

static bool erase_part(struct op *op, const struct part *part,
		       const char *user_id, int64_t *ret_rows)
{
	struct sql q;

	sql_init(&q, op->arena);
	sql_add_literal(&q, &part->change);
	sql_add(&q, " WHERE tenant_id = ");
	sql_arg(&q, ARG_I64(op->tenant_id));
	sql_add(&q, " AND user_id = ");
	sql_arg(&q, ARG_TEXT(user_id));
	return db_exec_sql(op, ret_rows, &q);
}

/* What was about to be told of the customer. Mails are to members. */
static bool erase_outbox(struct op *op, const char *user_id, int64_t *ret_rows)
{
	return db_exec(op, ret_rows,
		       "DELETE FROM outbox WHERE tenant_id = $1"
		       " AND CASE WHEN type LIKE 'mail.%' THEN false"
		       " ELSE payload::jsonb->>'user_id' = $2 END",
		       ARG_I64(op->tenant_id), ARG_TEXT(user_id));
}

/* *ret_receipt: {"events": 12, …} */
static bool erase_rows(struct op *op, const char *user_id,
		       const char **ret_receipt)
{
	struct str text;
	struct json_out j;
	int64_t rows;

	str_init(&text, op->arena, RECEIPT_MAX);
	json_init(&j, &text);
	json_open(&j, '{');
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!erase_part(op, &parts[i], user_id, &rows))
			return false;
		json_key(&j, parts[i].table);
		json_i64(&j, rows);
	}
	if (!erase_outbox(op, user_id, &rows))
		return false;
	json_key(&j, "outbox");
	json_i64(&j, rows);
	json_close(&j);
	*ret_receipt = text.bytes;
	return true;
}

static bool find_receipt(struct op *op, const char *hash, struct db_row *ret)
{
	return db_opt(op, ret,
		      "SELECT erased_at, receipt AS rows FROM erasures"
		      " WHERE tenant_id = $1 AND user_hash = decode($2, 'hex')",
		      ARG_I64(op->tenant_id), ARG_TEXT(hash));
}

bool customer_erase(struct op *op, const char *actor, const char *user_id,
		    struct db_row *ret)
{
	const char *hash = customer_erase_hash(op, user_id), *receipt;
	struct db_row row;

	if (!db_defer(op, "SET LOCAL statement_timeout = '120s'") ||
	    !db_defer(op, "SELECT pg_advisory_xact_lock($1)",
		      ARG_I64(ERASE_LOCK(op))) ||
	    !find_receipt(op, hash, ret))
		return false;
	if (db_found(ret))
		return true;
	return db_one(op, &row,
		      "SELECT user_id FROM customers WHERE tenant_id = $1"
		      " AND user_id = $2 FOR UPDATE",
		      ARG_I64(op->tenant_id), ARG_TEXT(user_id)) &&
	       end_interventions(op, actor, user_id) &&
	       erase_rows(op, user_id, &receipt) &&
	       db_one(op, ret,
		      "INSERT INTO erasures (tenant_id, user_hash, erased_at,"
		      " receipt) VALUES ($1, decode($2, 'hex'), $3, $4)"
		      " RETURNING erased_at, receipt AS rows",
		      ARG_I64(op->tenant_id), ARG_TEXT(hash),
		      ARG_TIME(op->now_us), ARG_JSON(receipt)) &&
	       audit_put(op, actor, "customer.erase", hash, NULL, receipt);
}
