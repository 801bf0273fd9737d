/*
 * What the ingest statement does alone: events_store() on libpq, without
 * nginx, FastCGI, JSON and the key check. tests/load/run puts it beside
 * the whole way.
 *
 * usage: ingest TENANT BATCH CONNECTIONS SECONDS → events per second
 * The database is RETIVO_API_DATABASE_URL.
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/parse.h"
#include "base/secret.h"
#include "base/str.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define USERS 20000

struct job {
	const struct config *config;
	int64_t tenant_id, batch, seconds;
	int64_t *stored; /* shared with the children, one a child */
};

static struct event event_of(struct arena *a, int64_t child, int64_t n)
{
	static const char *const names[] = { "login", "report_viewed", "export",
					     "invite_sent" };

	return (struct event){
		.user_id = arena_printf(a, "load-%lld",
					(long long)((n * 7919) % USERS)),
		.name = names[n % 4],
		.ts_us = clock_now(),
		.properties = "{\"source\":\"load\",\"n\":1}",
		.key = arena_printf(a, "%d-%lld-%lld", getpid(),
				    (long long)child, (long long)n),
	};
}

static bool store_batch(struct op *op, const struct job *job, int64_t child,
			int64_t *n)
{
	struct event *events =
	    ARENA_ARRAY(op->arena, struct event, (size_t)job->batch);
	int64_t accepted, duplicates;

	for (int64_t i = 0; i < job->batch; i++)
		events[i] = event_of(op->arena, child, (*n)++);
	return db_begin(op) &&
	       events_store(op, "load", events, (size_t)job->batch, &accepted,
			    &duplicates);
}

/* One connection until the time is over. */
static int child_main(const struct job *job, int64_t child)
{
	struct arena *arena = arena_new();
	struct db *db =
	    db_new(job->config->api_database_url, "retivo-load", 3, 30000);
	int64_t until = clock_monotonic() + job->seconds * US_PER_SECOND;
	int64_t n = 0;
	bool ok = true;

	while (ok && clock_monotonic() < until) {
		struct op op;

		op_init(&op, arena, db, job->config);
		op.tenant_id = job->tenant_id;
		ok = store_batch(&op, job, child, &n);
		if (!ok)
			fprintf(stderr, "ingest: %s %s\n", op.fail.message,
				op.fail.detail ? op.fail.detail : "");
		else
			job->stored[child] += job->batch;
		db_finish(&op);
		arena_reset(arena);
	}
	db_free(db);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct config config;
	struct str problems;
	struct job job = { .config = &config };
	const char *problem;
	int64_t connections, sum = 0;
	int status, bad = 0;

	if (argc != 5 || !parse_i64(argv[1], 1, INT64_MAX, &job.tenant_id) ||
	    !parse_i64(argv[2], 1, 1000, &job.batch) ||
	    !parse_i64(argv[3], 1, 64, &connections) ||
	    !parse_i64(argv[4], 1, 600, &job.seconds)) {
		fputs("usage: ingest TENANT BATCH CONNECTIONS SECONDS\n",
		      stderr);
		return 2;
	}
	str_init(&problems, NULL, 4096);
	if (!config_load(&config, &problems) ||
	    !secret_init(config.master_key_file, &problem)) {
		fprintf(stderr, "ingest: settings: %s\n", problems.bytes);
		return 2;
	}
	job.stored =
	    mmap(NULL, 64 * sizeof(*job.stored), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (job.stored == MAP_FAILED)
		return 2;
	for (int64_t i = 0; i < connections; i++)
		if (fork() == 0)
			_exit(child_main(&job, i));
	while (wait(&status) > 0)
		bad |= status;
	for (int64_t i = 0; i < connections; i++)
		sum += job.stored[i];
	printf("%lld\n", (long long)(sum / job.seconds));
	return bad == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
