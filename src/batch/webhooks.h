/* The parts of the webhooks stage (stage_webhooks.c); for it alone. */
#ifndef BATCH_WEBHOOKS_H
#define BATCH_WEBHOOKS_H

#include "batch/stage.h"
#include "deliver/post.h"

/* Sends the waiting mails, each in transactions of its own. */
MUST_CHECK bool webhooks_mail(struct op *op, struct run *run);

/*
 * Writes what became of the posts inside the caller's transaction; those
 * that were not tried stay as they are. ret_more: more than fits into it
 * waits for endpoints that are not active, to be failed by another call.
 */
MUST_CHECK bool webhooks_record(struct op *op, const struct post *posts,
				size_t count, bool *ret_more);

#endif
