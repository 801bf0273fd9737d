/*
 * One answer. It is built whole in a bounded buffer and sent at its end, so
 * that a failure half-way becomes a clean error; the one exception is a
 * list without limit, which streams in bounded memory.
 *
 * A handler ends with one of response_json_begin() … return true,
 * response_html(), response_empty(); or it fails the op, and the dispatcher
 * writes the error. Security and cache headers are nginx's.
 */
#ifndef HTTP_RESPONSE_H
#define HTTP_RESPONSE_H

#include "base/json_out.h"
#include "base/str.h"
#include "http/request.h"

#define RESPONSE_BODY_MAX    (8u << 20)
#define RESPONSE_PIECE	     (64u << 10)
#define RESPONSE_HEADERS_MAX 16

/* Where the bytes go; false when the peer is gone. */
typedef bool (*response_write_fn)(void *ctx, const char *bytes, size_t len);

struct response_header {
	const char *name;
	const char *value;
};

struct response {
	int status;
	const char *content_type;
	struct response_header headers[RESPONSE_HEADERS_MAX];
	size_t header_count;
	struct str body;
	bool head; /* send no body */

	response_write_fn write;
	void *write_ctx;
	bool in_pieces; /* response_stream_begin() was called */
	bool streaming; /* headers are out */
	bool broken;	/* cut the connection: the client must see a cut */
	size_t sent;	/* body bytes given to write */
};

/* Makes *rs ready: 500 with an empty body until something is written. */
void response_init(struct response *rs, struct arena *arena, bool head,
		   response_write_fn write, void *ctx);

/*
 * Starts a JSON answer; the caller writes one value through *j. When it
 * outgrows RESPONSE_BODY_MAX the dispatcher answers 500.
 */
void response_json_begin(struct response *rs, int status, struct json_out *j);

/* Starts an HTML page; returns the buffer to write it to. */
struct str *response_html(struct response *rs, int status);

/* A body that is there already, copied. type is static. */
void response_text(struct response *rs, int status, const char *type,
		   const char *bytes, size_t len);

/* No body: 204. */
void response_empty(struct response *rs, int status);

/*
 * Adds a header. name is static; value is borrowed for the op.
 * Fails: FAIL_INTERNAL when value holds a control character.
 */
MUST_CHECK bool response_header(struct op *op, struct response *rs,
				const char *name, const char *value);

/*
 * Set-Cookie with HttpOnly, Secure, SameSite=Strict, Path=/. max_age_s 0
 * deletes the cookie. value: token characters only.
 */
MUST_CHECK bool response_cookie(struct op *op, struct response *rs,
				const char *name, const char *value,
				int64_t max_age_s);

/*
 * Streams a JSON answer in bounded memory. response_stream_begin() starts
 * it like response_json_begin(); response_stream_flush(), called after each
 * row, sends what was written once it is RESPONSE_PIECE bytes. The headers
 * go with the first piece, so that an earlier failure is a clean error;
 * after that a failure cuts the connection, so that the client sees a cut.
 * Nothing but reading may happen in between.
 * Fails: FAIL_UNAVAILABLE "client_gone"; FAIL_INTERNAL for a row that does
 * not fit RESPONSE_BODY_MAX.
 */
MUST_CHECK bool response_stream_begin(struct op *op, struct response *rs,
				      int status, struct json_out *j);
MUST_CHECK bool response_stream_flush(struct op *op, struct response *rs);

/*
 * Replaces what was written by the op's failure: status by kind,
 * {"error","code","details","request_id", extra members}, Retry-After,
 * WWW-Authenticate, and Allow from rq->allow. While streaming it only
 * marks the answer broken.
 */
void response_fail(struct op *op, const struct request *rq,
		   struct response *rs);

/* static: HTTP status of a failure; the one table. */
int response_status(enum fail_kind kind);

/*
 * Sends what is not sent yet. False when the peer is gone or the answer is
 * broken: the connection is to be cut. To be called once, at the end.
 */
MUST_CHECK bool response_send(struct op *op, struct response *rs);

#endif
