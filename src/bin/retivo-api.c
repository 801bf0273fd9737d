/*
 * retivo-api: the master process of the API. This file is only options and
 * wiring: settings → master → worker → dispatcher.
 */
#include "api/dispatch.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/secret.h"
#include "db/db.h"
#include "http/env_file.h"
#include "http/master.h"
#include "http/worker.h"

#include <curl/curl.h>
#include <stdlib.h>

#define TEXT_MAX 65536

static const char usage[] =
    "usage: retivo-api [--routes] [--version]\n"
    "Serves the API on the FastCGI socket RETIVO_SOCKET, or on the one that\n"
    "systemd passes, until SIGTERM; SIGHUP reads RETIVO_ENV_FILE again.\n"
    "  --routes   print all operations and end\n";

static struct config config;
static struct router *router;
static struct db *db; /* a worker's */

/*
 * The file comes first and is asked for by name: after a bad one its values
 * are still in the environment, and config_load() refuses them.
 */
static bool load_config(struct config *ret, struct str *problems)
{
	const char *env_file = getenv("RETIVO_ENV_FILE"), *problem;
	struct config new_config;

	if (env_file != NULL && *env_file != '\0' &&
	    !env_file_load(env_file, problems))
		return false;
	if (!config_load(&new_config, problems))
		return false;
	if (new_config.api_database_url == NULL) {
		str_puts(problems, "RETIVO_API_DATABASE_URL: is not set\n");
		return false;
	}
	if (!secret_init(new_config.master_key_file, &problem)) {
		str_printf(problems, "RETIVO_MASTER_KEY_FILE: %s\n", problem);
		return false;
	}
	*ret = new_config;
	log_set_level((enum log_level)ret->log_level);
	clock_fix(ret->clock_us);
	return true;
}

static bool reload(void *ctx)
{
	struct str problems;
	bool ok;

	(void)ctx;
	str_init(&problems, NULL, TEXT_MAX);
	ok = load_config(&config, &problems);
	if (!ok) {
		struct arena *a = arena_new();

		log_write(LOG_ERROR, "reload_refused", "problems=%s",
			  log_quote(a, problems.bytes));
		arena_free(a);
	}
	str_done(&problems);
	return ok;
}

static int64_t workers(void *ctx)
{
	(void)ctx;
	return config.workers;
}

static int work(int socket, void *ctx)
{
	struct worker_setup setup = { .config = &config,
				      .handle = dispatch,
				      .ctx = router };
	int status;

	(void)ctx;
	db = db_new(config.api_database_url, "retivo-api",
		    config.db_connect_timeout_s, config.statement_timeout_ms);
	setup.db = db;
	status = worker_run(socket, &setup);
	db_free(db);
	return status;
}

static int print_routes(void)
{
	struct str out;

	str_init(&out, NULL, TEXT_MAX);
	routes_write(&out);
	fputs(out.bytes, stdout);
	str_done(&out);
	return 0;
}

static int serve(void)
{
	struct master_setup setup = {
		.workers = workers,
		.work = work,
		.reload = reload,
	};
	struct str problems;
	bool ok;
	int status = 2;

	str_init(&problems, NULL, TEXT_MAX);
	ok = load_config(&config, &problems);
	fputs(problems.bytes, stderr);
	str_done(&problems);
	if (!ok || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return status;
	setup.socket = config.socket;
	router = routes_index();
	status = master_run(&setup);
	router_free(router);
	curl_global_cleanup();
	return status;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return serve();
	if (argc == 2 && streq(argv[1], "--routes"))
		return print_routes();
	if (argc == 2 && streq(argv[1], "--version")) {
		puts("retivo-api " RETIVO_VERSION);
		return 0;
	}
	if (argc == 2 && streq(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	fputs(usage, stderr);
	return 2;
}
