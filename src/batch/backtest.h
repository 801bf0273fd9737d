/*
 * retivo-batch backtest: the back-test of engine/backtest.h over all of a
 * tenant's customers, as one JSON document on stdout.
 */
#ifndef BATCH_BACKTEST_H
#define BATCH_BACKTEST_H

#include "base/op.h"

struct backtest_request {
	int64_t tenant_id;
	const char *playbook_id; /* NULL: all active ones */
	int64_t days;		 /* 0: 30 */
	int64_t contacts;	 /* told one by one; INT64_MAX: all */
};

/* False when it failed; then the reason is on stderr. */
bool batch_backtest(struct db *db, const struct config *config,
		    const struct backtest_request *request);

#endif
