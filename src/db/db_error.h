/*
 * SQLSTATE → fail kind, and constraint name → slug: two tables.
 *
 * 23505 and 23503 conflict, 23514 and class 22 invalid, 42501 forbidden by
 * row-level security (internal: a bug of ours), 40001 and 40P01 retried by
 * db_tx(), 57014 and class 08/57P unavailable. SQL functions raise 'RTnnn'
 * states of ours: RT401 unauthenticated, RT403 forbidden, RT404 not found,
 * RT409 conflict, with the slug in the HINT.
 */
#ifndef DB_DB_ERROR_H
#define DB_DB_ERROR_H

#include "base/op.h"

struct pg_result;
struct pg_conn;

/*
 * Latches the failure of a result, or of the connection when result is NULL
 * or carries no SQLSTATE. The detail for the log is the SQLSTATE, the primary
 * message and the constraint's name, and nothing that the server says about
 * rows or statements. Returns false.
 */
bool db_fail(struct op *op, const struct pg_result *result,
	     const struct pg_conn *conn);

/* True for a state that a new try of the transaction may cure. */
bool db_is_retryable(const char *sqlstate);

#endif
