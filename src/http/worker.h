/*
 * A worker process: accepts one FastCGI request at a time on the inherited
 * socket, reads it whole, gives it to a callback, and starts over with an
 * emptied arena. Knows nothing of routes or databases.
 */
#ifndef HTTP_WORKER_H
#define HTTP_WORKER_H

#include "http/request.h"
#include "http/response.h"

/*
 * Handles one request: writes and sends the answer (response_send()), logs
 * it, and leaves op->db idle. op may have failed already: the body was too
 * large, or cut short. Then only the error is to be answered.
 */
typedef void (*worker_handle_fn)(struct op *op, struct request *rq,
				 struct response *rs, void *ctx);

struct worker_setup {
	const struct config *config;
	struct db *db; /* opened by this worker; NULL in tests */
	worker_handle_fn handle;
	void *ctx;
};

/*
 * Serves until SIGTERM; the request in hand is finished. Returns the exit
 * status of the process.
 */
int worker_run(int socket, const struct worker_setup *setup);

#endif
