/*
 * retivo-batch: one pass over the stages, then the end; cron starts it each
 * minute. Or a back-test. This file is only options and wiring.
 */
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/secret.h"
#include "base/str.h"
#include "batch/backtest.h"
#include "batch/pipeline.h"
#include "db/db.h"
#include "engine/backtest.h"

#include <curl/curl.h>
#include <getopt.h>
#include <signal.h>

/* Under LEASE_SECONDS, so that a slow statement cannot outlive its lease. */
#define STATEMENT_TIMEOUT_MS 50000

static const char usage[] =
    "usage: retivo-batch [--stage NAME] [--tenant N] [--force] [--once]\n"
    "                    [--now TIME] [--version]\n"
    "One pass over all stages that are due, then exit.\n"
    "  --stage NAME  only this stage\n"
    "  --tenant N    only this tenant\n"
    "  --force       every stage now, whether due or not\n"
    "  --once        as without it: one pass\n"
    "  --now TIME    the clock; needs RETIVO_TESTING=1\n"
    "usage: retivo-batch backtest --tenant N [--playbook ID] [--days 30]\n"
    "                             [--contacts 200|all]\n"
    "What a playbook, or the whole set, would have done over past days, as\n"
    "JSON.\n";

enum {
	OPT_STAGE = 1,
	OPT_TENANT,
	OPT_NOW,
	OPT_ONCE,
	OPT_FORCE,
	OPT_VERSION,
	OPT_HELP,
	OPT_PLAYBOOK,
	OPT_CONTACTS,
	OPT_DAYS
};

static const struct option long_options[] = {
	{ "stage", required_argument, NULL, OPT_STAGE },
	{ "tenant", required_argument, NULL, OPT_TENANT },
	{ "now", required_argument, NULL, OPT_NOW },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static const struct option backtest_options[] = {
	{ "tenant", required_argument, NULL, OPT_TENANT },
	{ "playbook", required_argument, NULL, OPT_PLAYBOOK },
	{ "days", required_argument, NULL, OPT_DAYS },
	{ "contacts", required_argument, NULL, OPT_CONTACTS },
	{ NULL, 0, NULL, 0 },
};

static void on_signal(int signal_number)
{
	(void)signal_number;
	pipeline_stop();
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
}

static int usage_error(const char *problem)
{
	if (problem != NULL)
		fprintf(stderr, "retivo-batch: %s\n", problem);
	fputs(usage, stderr);
	return 2;
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct pipeline_options *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case OPT_STAGE:
			if (!pipeline_has_stage(optarg))
				return usage_error("no such stage");
			ret->stage = optarg;
			break;
		case OPT_TENANT:
			if (!parse_i64(optarg, 1, INT64_MAX, &ret->tenant_id))
				return usage_error("--tenant needs a number");
			break;
		case OPT_NOW:
			if (!parse_time(optarg, &ret->now_us) ||
			    ret->now_us <= 0)
				return usage_error("--now needs an RFC 3339"
						   " time after 1970");
			break;
		case OPT_FORCE:
			ret->force = true;
			break;
		case OPT_ONCE:
			break;
		case OPT_VERSION:
			puts("retivo-batch " RETIVO_VERSION);
			return 0;
		case OPT_HELP:
			fputs(usage, stdout);
			return 0;
		default:
			return usage_error(NULL);
		}
	}
	return optind == argc ? -1 : usage_error("too many arguments");
}

static int read_backtest(int argc, char **argv, struct backtest_request *ret)
{
	int c;

	while ((c = getopt_long(argc, argv, "", backtest_options, NULL)) !=
	       -1) {
		switch (c) {
		case OPT_TENANT:
			if (!parse_i64(optarg, 1, INT64_MAX, &ret->tenant_id))
				return usage_error("--tenant needs a number");
			break;
		case OPT_PLAYBOOK:
			ret->playbook_id = optarg;
			break;
		case OPT_DAYS:
			if (!parse_i64(optarg, 1, INT32_MAX, &ret->days))
				return usage_error("--days needs a number");
			break;
		case OPT_CONTACTS:
			if (streq(optarg, "all"))
				ret->contacts = INT64_MAX;
			else if (!parse_i64(optarg, 0, INT64_MAX,
					    &ret->contacts))
				return usage_error(
				    "--contacts needs a number or \"all\"");
			break;
		default:
			return usage_error(NULL);
		}
	}
	if (ret->tenant_id == 0)
		return usage_error("--tenant N is missing");
	return optind == argc ? -1 : usage_error("too many arguments");
}

static bool load_config(struct config *ret)
{
	struct str problems;
	const char *problem;
	bool ok;

	str_init(&problems, NULL, 65536);
	ok = config_load(ret, &problems);
	if (ok && ret->batch_database_url == NULL) {
		str_puts(&problems, "RETIVO_BATCH_DATABASE_URL: is not set\n");
		ok = false;
	}
	if (ok && !secret_init(ret->master_key_file, &problem)) {
		str_printf(&problems, "RETIVO_MASTER_KEY_FILE: %s\n", problem);
		ok = false;
	}
	fputs(problems.bytes, stderr);
	str_done(&problems);
	return ok;
}

int main(int argc, char **argv)
{
	struct pipeline_options options = { .stage = NULL };
	struct backtest_request request = { .contacts = BACKTEST_LISTED };
	bool backtest = argc > 1 && streq(argv[1], "backtest");
	int status = backtest ? read_backtest(argc - 1, argv + 1, &request)
			      : read_options(argc, argv, &options);
	struct config config;
	struct db *db;
	bool ok;

	if (status >= 0)
		return status;
	if (!load_config(&config))
		return 2;
	if (options.now_us != 0 && !config.testing)
		return usage_error("--now needs RETIVO_TESTING=1");
	log_set_level((enum log_level)config.log_level);
	clock_fix(config.clock_us);
	catch_signals();
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	db = db_new(config.batch_database_url, "retivo-batch",
		    config.db_connect_timeout_s, STATEMENT_TIMEOUT_MS);
	ok = backtest ? batch_backtest(db, &config, &request)
		      : pipeline_run(db, &config, &options);
	db_free(db);
	curl_global_cleanup();
	return ok ? 0 : 1;
}
