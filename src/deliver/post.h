/*
 * Posting webhook events to endpoints, many at once: both signatures, the
 * same bytes each try, and what an answer means. The rows are the caller's
 * (batch/stage_webhooks.c).
 *
 * Fair: an endpoint has at most POST_PER_ENDPOINT requests on their way,
 * and one that does not answer, or asks for rest, gets no more of them in
 * this call. So a slow one holds up nobody but itself.
 */
#ifndef DELIVER_POST_H
#define DELIVER_POST_H

#include "base/op.h"
#include "net/http_client.h"

#define POST_PARALLEL	  32
#define POST_PER_ENDPOINT 4

struct post_endpoint {
	const char *id, *url;
	const char *sealed; /* the secret as stored */
	/* Kept by post_all(). */
	const char *secret;
	size_t running;
	bool resting;	    /* gets no more now */
	int64_t rest_s;	    /* how long its other events should wait */
	bool answered_well; /* some 2xx */
	bool failed;	    /* some other end */
	bool gone;	    /* 410: to be disabled */
	bool recorded;	    /* for the caller, who writes its row once */
};

enum post_result {
	POST_UNTRIED, /* still due: no time, or the endpoint rests */
	POST_DELIVERED,
	POST_RETRY,  /* at next_us */
	POST_FAILED, /* for good */
};

struct post {
	const char *id;	      /* of the delivery */
	const char *event_id; /* webhook-id */
	const char *type;
	const char *body;
	int64_t tries;	/* this one included */
	int timeout_ms; /* 0: as net/http_client.h */
	struct post_endpoint *endpoint;
	/* What became of it. */
	enum post_result result;
	struct http_answer answer;
	const char *error; /* arena or NULL; not for an HTTP status */
	int64_t next_us;
};

/*
 * Sends the posts in their order; starts none after start_ms. Signatures
 * carry the real time of the attempt. Takes at most start_ms + 15 s.
 */
MUST_CHECK bool post_all(struct op *op, struct post *posts, size_t count,
			 int64_t start_ms);

/* Sets result, error, next_us and the endpoint's marks from post->answer. */
void post_judge(struct op *op, struct post *post);

#endif
