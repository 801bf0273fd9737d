/*
 * One request from route to log: route, key, access, handler, commit,
 * answer, log line. The only place of the API that reads an op's failure.
 */
#ifndef API_DISPATCH_H
#define API_DISPATCH_H

#include "http/router.h"

/* worker_handle_fn; ctx is the struct router. */
void dispatch(struct op *op, struct request *rq, struct response *rs,
	      void *ctx);

#endif
