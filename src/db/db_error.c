/*
 * What a SQLSTATE means to a client. Messages of the server go to the log
 * only, but for the RTnnn states of our own functions, whose text is ours.
 */
#include "db/db_error.h"

#include <libpq-fe.h>

#include "base/str.h"

static const struct {
	const char *state; /* whole state, or a class of two characters */
	enum fail_kind kind;
	const char *code;
	const char *message;
} states[] = {
	{ "40001", FAIL_CONFLICT, "retry", "another change came in between" },
	{ "40P01", FAIL_CONFLICT, "retry", "another change came in between" },
	{ "0A000", FAIL_CONFLICT, "retry", "the schema changed meanwhile" },
	{ "26000", FAIL_CONFLICT, "retry", "the schema changed meanwhile" },
	{ "23505", FAIL_CONFLICT, "already_exists", "it exists already" },
	{ "23503", FAIL_CONFLICT, "reference",
	  "something it refers to is not there" },
	{ "23514", FAIL_INVALID, "invalid_request", "a value is out of range" },
	{ "23502", FAIL_INVALID, "invalid_request", "a value is missing" },
	{ "22", FAIL_INVALID, "invalid_request",
	  "a value is malformed or out of range" },
	{ "54", FAIL_INVALID, "too_complex", "a value or query is too large" },
	{ "57014", FAIL_UNAVAILABLE, "timeout", "the database took too long" },
	{ "55P03", FAIL_UNAVAILABLE, "busy", "the database is busy" },
	{ "53", FAIL_UNAVAILABLE, "database_unavailable",
	  "the database is short of resources" },
	{ "57", FAIL_UNAVAILABLE, "database_unavailable",
	  "the database cannot be reached" },
	{ "08", FAIL_UNAVAILABLE, "database_unavailable",
	  "the database cannot be reached" },
	{ "25P03", FAIL_UNAVAILABLE, "timeout", "the request took too long" },
};

static const struct {
	const char *constraint;
	enum fail_kind kind;
	const char *code;
	const char *message;
} constraints[] = {
	{ "people_email_key", FAIL_CONFLICT, "email_taken",
	  "another person has this email" },
	{ "customers_user_id_len", FAIL_INVALID, "invalid_user_id",
	  "user_id must have 1 to 255 bytes" },
	{ "customers_pkey", FAIL_CONFLICT, "customer_exists",
	  "the customer exists already" },
	{ "interventions_open_key", FAIL_CONFLICT, "intervention_open",
	  "an open intervention of this playbook exists" },
	{ "interventions_customer", FAIL_NOT_FOUND, "user_not_found",
	  "no such user" },
	{ "interventions_playbook", FAIL_NOT_FOUND, "playbook_not_found",
	  "no such playbook" },
	{ "invitations_open_key", FAIL_CONFLICT, "already_invited",
	  "this address was invited already" },
	{ "memberships_pkey", FAIL_CONFLICT, "already_member",
	  "this person is a member already" },
	{ "tenant_settings_timezone_fkey", FAIL_INVALID, "invalid_timezone",
	  "timezone is not a known time zone" },
};

static const struct {
	const char *state;
	enum fail_kind kind;
} raised[] = {
	{ "RT401", FAIL_UNAUTHENTICATED },
	{ "RT403", FAIL_FORBIDDEN },
	{ "RT404", FAIL_NOT_FOUND },
	{ "RT409", FAIL_CONFLICT },
};

bool db_is_retryable(const char *sqlstate)
{
	return sqlstate != NULL &&
	       (streq(sqlstate, "40001") || streq(sqlstate, "40P01"));
}

static bool fail_raised(struct op *op, const PGresult *result,
			const char *state)
{
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	for (size_t i = 0; i < ARRAY_LEN(raised); i++) {
		if (!streq(state, raised[i].state))
			continue;
		op_fail(op, raised[i].kind,
			hint != NULL ? arena_strdup(op->arena, hint)
				     : "refused",
			"%s", text);
		return true;
	}
	return false;
}

static bool fail_constraint(struct op *op, const char *name)
{
	for (size_t i = 0; name != NULL && i < ARRAY_LEN(constraints); i++) {
		if (!streq(name, constraints[i].constraint))
			continue;
		op_fail(op, constraints[i].kind, constraints[i].code, "%s",
			constraints[i].message);
		return true;
	}
	return false;
}

static void fail_state(struct op *op, const char *state)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (strncmp(state, states[i].state, strlen(states[i].state)))
			continue;
		op_fail(op, states[i].kind, states[i].code, "%s",
			states[i].message);
		if (states[i].kind == FAIL_UNAVAILABLE)
			op->fail.retry_after_s = 2;
		return;
	}
	op_fail(op, FAIL_INTERNAL, "internal", "internal error");
}

bool db_fail(struct op *op, const struct pg_result *result,
	     const struct pg_conn *conn)
{
	const char *state =
	    result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *constraint =
	    state ? PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME) : NULL;

	if (op_failed(op))
		return false;
	if (state == NULL) {
		op_fail(op, FAIL_UNAVAILABLE, "database_unavailable",
			"the database cannot be reached");
		op->fail.retry_after_s = 2;
	} else if (!fail_raised(op, result, state) &&
		   !fail_constraint(op, constraint)) {
		fail_state(op, state);
	}
	/* Not the whole message: DETAIL and CONTEXT quote people's rows. */
	if (state == NULL)
		return op_fail_detail(op, "- %s", PQerrorMessage(conn));
	return op_fail_detail(
	    op, "%s %s%s%s", state,
	    PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY),
	    constraint ? " constraint " : "", constraint ? constraint : "");
}
