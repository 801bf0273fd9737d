/*
 * The prefork master: owns the listening Unix socket, keeps the wanted
 * number of workers alive, and does nothing else.
 *
 * SIGTERM and SIGINT: drain. Workers finish their request; SIGTERM is
 * repeated every 100 ms (libfcgi looks at its flag only around accept), and
 * after 10 s SIGKILL. SIGHUP: reload; new workers start with the new
 * settings while the old ones drain. A worker that dies is replaced, with a
 * growing pause when it died within a second. Workers die with the master.
 */
#ifndef HTTP_MASTER_H
#define HTTP_MASTER_H

#include "base/base.h"

struct master_setup {
	/* Socket path; NULL: systemd's fd 3 is needed. */
	const char *socket;
	/* How many; asked again after a reload. 1–64. */
	int64_t (*workers)(void *ctx);
	/* The life of one worker, after fork; returns its exit status. */
	int (*work)(int socket, void *ctx);
	/* Reads the settings anew; false: keep the old ones, keep serving. */
	bool (*reload)(void *ctx);
	void *ctx;
};

/*
 * Runs until told to end; returns the exit status. A socket file left by a
 * dead master is replaced; one that somebody listens on is refused.
 */
int master_run(const struct master_setup *setup);

#endif
