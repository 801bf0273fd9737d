/*
 * Outbound HTTP by libcurl, under one policy: address test at each connect
 * and each request (net/address.h), no redirects, no proxy, no cookies,
 * TLS verified, time and answer size limited. https on ports 443 and 8443;
 * http and other ports only to addresses that the operator listed.
 *
 * That no answer came is a result, not a failure of the op: the caller
 * decides about retries. A client lives as long as the op or the process
 * that made it; handles are never shared over fork.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/op.h"

/* Our name in outbound requests. */
#define HTTP_USER_AGENT "Retivo/" RETIVO_VERSION

struct http_send {
	const char *method; /* NULL: POST with a body, else GET */
	const char *url;
	const char *const *headers; /* "Name: value", ends with NULL; or NULL */
	const char *body;	    /* borrowed until the answer; or NULL */
	size_t body_len;
	int connect_timeout_ms; /* 0: 5,000 */
	int timeout_ms;		/* of the whole; 0: 15,000 */
	size_t keep_bytes;	/* of the answer's body; 0: 4,096 */
	size_t answer_max;	/* abort past this; 0: 65,536 */
	bool trusted; /* the operator's own URL: no test of the address */
};

struct http_answer {
	int status;	   /* 0: no answer came */
	const char *error; /* arena: why not, one line; NULL with an answer */
	bool refused;	   /* the address policy refused */
	const char *body;  /* arena: the first keep_bytes, NUL-terminated */
	size_t body_len;
	bool cut;		  /* the body was longer than keep_bytes */
	int64_t ms;		  /* how long it took */
	bool timed_out;		  /* no answer in time */
	int64_t retry_after_s;	  /* of the answer; 0: none */
	int64_t retry_after_ms;	  /* header of that name, else Retry-After */
	const char *should_retry; /* arena: x-should-retry; or NULL */
	bool abort_message;	  /* "webhook-delivery: abort-message" */
};

struct http_client;

/* Registered with arena: freed when that is reset. config is borrowed. */
struct http_client *http_client_new(struct arena *arena,
				    const struct config *config);

/*
 * One request, blocking. Fails: FAIL_INVALID "bad_header" for a control
 * character in a header or the URL.
 */
MUST_CHECK bool http_client_send(struct op *op, struct http_client *client,
				 const struct http_send *send,
				 struct http_answer *ret);

/* Gives the next request, or false when none may start now. */
typedef bool (*http_next_fn)(struct op *op, void *ctx, struct http_send *ret,
			     void **ret_item);
/* Takes the answer of an item. */
typedef void (*http_done_fn)(struct op *op, void *ctx, void *item,
			     const struct http_answer *answer);

struct http_many {
	http_next_fn next; /* asked at the start and after each answer */
	http_done_fn done;
	void *ctx;
	size_t parallel; /* at most so many at once */
	/*
	 * May be NULL. Milliseconds until next may have more, asked when it
	 * has none now; negative: it never will.
	 */
	int64_t (*wait_ms)(struct op *op, void *ctx);
	/* May be NULL. Called at least each second; false breaks off. */
	bool (*tick)(struct op *op, void *ctx);
};

/*
 * Many at once: next is asked for more whenever there is room, so a slow
 * host only holds its own places. Ends when nothing runs and next has none,
 * or when tick breaks off: then what runs gets no answer. An item whose request
 * is malformed gets an answer with its error.
 */
MUST_CHECK bool http_client_send_many(struct op *op, struct http_client *client,
				      const struct http_many *many);

/*
 * Whether a URL that a person gives may be stored: http(s), a host, no user
 * or password, at most 2,000 bytes, no literal address that the policy
 * refuses. NULL when good, else static: what is wrong.
 */
const char *http_url_problem(const struct config *config, const char *url);

#endif
