/*
 * A back-test without a limit of customers, for an administrator who waits.
 */
#include "batch/backtest.h"

#include "base/json_out.h"
#include "base/parse.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/backtest.h"

#define DAYS_DEFAULT 30
#define OUT_MAX	     (64u << 20)

static void flush(struct str *out)
{
	fwrite(out->bytes, 1, out->len, stdout);
	str_reset(out);
}

static bool run(struct op *op, const struct backtest_request *request)
{
	const struct backtest_options options = {
		.playbook_id = request->playbook_id,
		.days = request->days ? request->days : DAYS_DEFAULT,
		.listed_max = request->contacts,
		.flush = flush,
	};
	struct json_out j;
	struct str out;

	if (options.days > BACKTEST_DAYS_MAX)
		return op_fail(op, FAIL_INVALID, "days",
			       "--days must be at most %d", BACKTEST_DAYS_MAX);
	if (options.playbook_id != NULL && !parse_is_uuid(options.playbook_id))
		return op_fail(op, FAIL_INVALID, "playbook",
			       "--playbook is no id");
	str_init(&out, op->arena, OUT_MAX);
	json_init(&j, &out);
	json_open(&j, '{');
	if (!db_begin(op) || !backtest_run(op, &options, &j) || !db_commit(op))
		return false;
	json_close(&j);
	str_putc(&out, '\n');
	if (!str_ok(&out))
		return op_fail(op, FAIL_INTERNAL, "too_large",
			       "the answer is too large");
	flush(&out);
	if (fflush(stdout) != 0)
		return op_fail(op, FAIL_INTERNAL, "not_written",
			       "the answer could not be written");
	return true;
}

bool batch_backtest(struct db *db, const struct config *config,
		    const struct backtest_request *request)
{
	struct arena *arena = arena_new();
	struct op op;
	bool ok;

	op_init(&op, arena, db, config);
	op.tag = "backtest";
	op.tenant_id = request->tenant_id;
	ok = run(&op, request);
	if (!ok)
		fprintf(stderr, "retivo-batch: %s\n", op.fail.message);
	for (const struct fail_detail *f = op.fail.fields; f; f = f->next)
		fprintf(stderr, "  %s: %s\n", f->path, f->message);
	db_finish(&op);
	arena_free(arena);
	return ok;
}
