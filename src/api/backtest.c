/*
 * Back-tests on request: one playbook of any status, or all active ones.
 * A large tenant's customers are sampled, so that an answer comes in time;
 * retivo-batch backtest looks at all of them.
 */
#include "api/reply.h"
#include "api/routes.h"
#include "db/db.h"
#include "engine/backtest.h"
#include "http/body.h"
#include "http/shared.h"

#define DAYS_DEFAULT 30

/* engine/backtest.h: some four seconds of one core. */
#define WORK_MAX 6000000

#define LISTED_MAX 10000

struct backtest_in {
	int64_t days, contacts;
};

static const struct field backtest_fields[] = {
	FIELD_I64(struct backtest_in, days, false, 1, BACKTEST_DAYS_MAX),
	FIELD_I64(struct backtest_in, contacts, false, 0, LISTED_MAX),
};

static bool run(struct op *op, const struct request *rq, struct response *rs,
		const char *playbook_id)
{
	struct backtest_in in = { .days = DAYS_DEFAULT,
				  .contacts = BACKTEST_LISTED };
	struct json_out j;

	/* It keeps a worker busy for seconds: never all of them. */
	if (!body_decode(op, rq, backtest_fields, ARRAY_LEN(backtest_fields),
			 &in) ||
	    !shared_take(op, SHARED_OUTWARD))
		return false;
	const struct backtest_options options = {
		.playbook_id = playbook_id,
		.days = in.days,
		.work_max = WORK_MAX,
		.listed_max = in.contacts,
	};
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	if (!backtest_run(op, &options, &j))
		return false;
	json_close(&j);
	return true;
}

static bool backtest_playbook(struct op *op, const struct request *rq,
			      struct response *rs)
{
	const char *id;

	return request_path_uuid(op, rq, "id", &id) && run(op, rq, rs, id);
}

static bool backtest_all(struct op *op, const struct request *rq,
			 struct response *rs)
{
	return run(op, rq, rs, NULL);
}

const struct route backtest_routes[] = {
	{ HTTP_POST, "/api/playbooks/{id}/backtest", ACCESS_VIEWER,
	  backtest_playbook, "backtestPlaybook", 0 },
	{ HTTP_POST, "/api/playbooks/backtest", ACCESS_VIEWER, backtest_all,
	  "backtestPlaybooks", 0 },
};
const size_t backtest_route_count = ARRAY_LEN(backtest_routes);
