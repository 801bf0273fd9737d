/*
 * What concerns the service and no tenant: health and the API's document.
 */
#include "api/routes.h"
#include "base/clock.h"
#include "base/config.h"
#include "db/db.h"
#include "engine/llm.h"
#include "http/shared.h"

/*
 * The document is part of the program, so that it always describes this
 * very program and no path can be wrong.
 */
__asm__(".pushsection .rodata\n"
	"openapi_begin:\n"
	".incbin \"" OPENAPI_FILE "\"\n"
	"openapi_end:\n"
	".popsection\n");
extern const char openapi_begin[], openapi_end[];

struct check {
	const char *status;
	const char *error; /* NULL: none */
	int64_t us;	   /* how long it took; -1: not asked */
};

static const struct check not_used = { .status = "not_used", .us = -1 };

/* Health reports a failure of its own questions instead of failing. */
static void note_failure(struct op *op, struct check *check)
{
	check->status = "down";
	check->error = op->fail.message;
	op_clear(op);
}

static struct check check_database(struct op *op)
{
	struct check check = { .status = "ok" };
	int64_t start = clock_monotonic();
	struct db_row row;

	if (!db_one(op, &row, "SELECT 1 AS one"))
		note_failure(op, &check);
	check.us = clock_monotonic() - start;
	return check;
}

/* Since when a stage has been due, in seconds; negative: not yet. */
static int64_t late_s(struct op *op, const struct db_row *row)
{
	int64_t due_us =
	    db_time(row, "last_at") + db_i64(row, "period_s") * US_PER_SECOND;

	return (op->now_us - due_us) / US_PER_SECOND;
}

static void judge_stages(struct op *op, const struct db_rows *rows,
			 struct check *check)
{
	/* A service that was just installed waits for its first batch. */
	if (rows->count == 0 &&
	    shared_uptime_s() > op->config->pipeline_late_s) {
		check->status = "late";
		check->error = "the batch has never run";
	}
	db_each (row, rows) {
		const char *stage = db_text(&row, "stage");

		if (late_s(op, &row) > op->config->pipeline_late_s) {
			check->status = "late";
			check->error = arena_printf(
			    op->arena, "stage %s is late by %lld s", stage,
			    (long long)late_s(op, &row));
			return;
		}
		if (db_i64(&row, "failures") > 0) {
			check->status = "degraded";
			check->error = arena_printf(
			    op->arena, "stage %s had %lld failures", stage,
			    (long long)db_i64(&row, "failures"));
		}
	}
}

static struct check check_pipeline(struct op *op)
{
	struct check check = { .status = "ok" };
	int64_t start = clock_monotonic();
	struct db_rows rows;

	if (db_rows(
		op, &rows,
		"SELECT stage, coalesce(finished_at, started_at) AS last_at,"
		" period_s, failures FROM batch_heartbeats ORDER BY stage"))
		judge_stages(op, &rows, &check);
	else
		note_failure(op, &check);
	check.us = clock_monotonic() - start;
	return check;
}

/*
 * The model's last result in the batch. The built-in planner does the whole
 * job until one is set, and stands in whenever it fails.
 */
static struct check check_llm(struct op *op)
{
	struct check check = { .status = "not_configured", .us = -1 };
	struct db_row row;

	if (!llm_is_configured(op->config))
		return check;
	check.status = "ok";
	if (!db_opt(op, &row,
		    "SELECT trouble, latency_ms FROM model_state"
		    " WHERE name = 'planner'")) {
		note_failure(op, &check);
		return check;
	}
	if (!db_found(&row))
		return check;
	check.us = db_i64(&row, "latency_ms") * 1000;
	check.error = db_text(&row, "trouble");
	if (check.error != NULL)
		check.status = "degraded";
	return check;
}

static void write_check(struct json_out *j, const char *name,
			const struct check *check)
{
	json_key(j, name);
	json_open(j, '{');
	json_pair(j, "status", check->status);
	if (check->us >= 0) {
		json_key(j, "latency_ms");
		json_double(j, (double)check->us / 1000);
	}
	if (check->error != NULL)
		json_pair(j, "error", check->error);
	json_close(j);
}

static bool system_health(struct op *op, const struct request *rq,
			  struct response *rs)
{
	struct check database = check_database(op);
	struct check pipeline = check_pipeline(op);
	struct check llm = check_llm(op);
	bool bad = streq(database.status, "down") ||
		   streq(pipeline.status, "down") ||
		   streq(pipeline.status, "late");
	struct json_out j;

	(void)rq;
	response_json_begin(rs, bad ? 503 : 200, &j);
	json_open(&j, '{');
	json_pair(&j, "status", bad ? "degraded" : "ok");
	json_key(&j, "checks");
	json_open(&j, '{');
	write_check(&j, "database", &database);
	write_check(&j, "pipeline", &pipeline);
	write_check(&j, "llm", &llm);
	write_check(&j, "redis", &not_used);
	write_check(&j, "inngest", &not_used);
	json_close(&j);
	json_pair(&j, "version", RETIVO_VERSION);
	json_key(&j, "uptime_seconds");
	json_i64(&j, shared_uptime_s());
	json_close(&j);
	return true;
}

static bool system_openapi(struct op *op, const struct request *rq,
			   struct response *rs)
{
	(void)op;
	(void)rq;
	response_text(rs, 200, "application/json", openapi_begin,
		      (size_t)(openapi_end - openapi_begin));
	return true;
}

const struct route system_routes[] = {
	{ HTTP_GET, "/api/health", ACCESS_NONE, system_health, "getHealth",
	  ROUTE_NO_TX },
	{ HTTP_GET, "/api/openapi.json", ACCESS_NONE, system_openapi,
	  "getOpenapi", ROUTE_NO_TX },
};
const size_t system_route_count = ARRAY_LEN(system_routes);
