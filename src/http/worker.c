/*
 * Between the master's socket and the dispatcher: accept, read the whole
 * request, hand it over, send, empty the arena, finish.
 *
 * libfcgi looks at signals only around accept, a signal during a read cuts
 * a body short, and a kept connection would hold the worker. So SIGTERM
 * stays blocked and comes as an event, the socket does not block, and each
 * connection carries one request.
 */
#include "http/worker.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/parse.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX_DEFAULT (1 << 20)
/* After SIGTERM, requests that already wait are served for so long. */
#define DRAIN_US (2 * US_PER_SECOND)
/* A peer that takes nothing for so long is given up. */
#define SEND_TIMEOUT_S 30
#define ID_MIN	       8
#define ID_MAX	       64
#define CONTENT_MAX    INT64_C(0x7fffffff)

struct worker {
	const struct worker_setup *setup;
	struct arena *arena;
	FCGX_Request request;
	int events; /* epoll: the socket and SIGTERM */
	int signals;
	int64_t stop_us; /* 0: not told to stop */
};

/* A CGI parameter; NULL when absent, empty or not UTF-8. */
static const char *param(const FCGX_Request *request, const char *name)
{
	const char *text = FCGX_GetParam(name, request->envp);

	if (text == NULL || *text == '\0' || !parse_is_utf8(text, strlen(text)))
		return NULL;
	return text;
}

static bool is_request_id(const char *text)
{
	size_t len = text == NULL ? 0 : strlen(text);

	if (len < ID_MIN || len > ID_MAX)
		return false;
	return strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == len;
}

static const char *request_id(struct op *op, const FCGX_Request *request)
{
	const char *given = param(request, "RETIVO_REQUEST_ID");
	unsigned char bytes[16];
	char *text, *at;

	if (is_request_id(given))
		return given;
	op->random(bytes, sizeof(bytes));
	at = text = arena_alloc(op->arena, 2 * sizeof(bytes) + 1);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		*at++ = "0123456789abcdef"[bytes[i] >> 4];
		*at++ = "0123456789abcdef"[bytes[i] & 15];
	}
	return text;
}

static const char *or_empty(const char *text)
{
	return text == NULL ? "" : text;
}

/* Parameters are borrowed from libfcgi: the op ends before they do. */
static void read_head(struct op *op, const FCGX_Request *request,
		      struct request *rq)
{
	request_parse_target(op, rq, or_empty(param(request, "REQUEST_METHOD")),
			     or_empty(param(request, "REQUEST_URI")));
	rq->authorization = param(request, "HTTP_AUTHORIZATION");
	rq->cookie = param(request, "HTTP_COOKIE");
	rq->content_type = param(request, "CONTENT_TYPE");
	rq->origin = param(request, "HTTP_ORIGIN");
	rq->csrf = param(request, "HTTP_X_RETIVO_CSRF");
	rq->user_agent = param(request, "HTTP_USER_AGENT");
	rq->idempotency_key = param(request, "HTTP_IDEMPOTENCY_KEY");
	rq->signature = param(request, "HTTP_X_SIGNATURE");
	if (rq->signature == NULL)
		rq->signature = param(request, "HTTP_STRIPE_SIGNATURE");
	rq->remote_addr = or_empty(param(request, "REMOTE_ADDR"));
	rq->body = "";
}

/* Reads until len bytes came or the stream ends. */
static size_t read_bytes(FCGX_Stream *in, char *bytes, size_t len)
{
	size_t used = 0;

	while (used < len) {
		int got = FCGX_GetStr(bytes + used, (int)(len - used), in);

		if (got <= 0)
			break;
		used += (size_t)got;
	}
	return used;
}

/*
 * A body is taken only when it is whole: as long as announced, no error of
 * the stream, and nothing behind it.
 */
static bool read_body(struct op *op, const struct worker *w, struct request *rq)
{
	const struct config *config = w->setup->config;
	const char *text = param(&w->request, "CONTENT_LENGTH");
	FCGX_Stream *in = w->request.in;
	int64_t max =
	    config == NULL ? BODY_MAX_DEFAULT : config->body_max_bytes;
	int64_t len = 0;
	char *body, extra;

	if (text != NULL && !parse_i64(text, 0, CONTENT_MAX, &len))
		return op_fail(op, FAIL_INVALID, "bad_content_length",
			       "Content-Length is not a number of bytes");
	if (len > max)
		return op_fail(op, FAIL_TOO_LARGE, "body_too_large",
			       "the body is larger than %lld bytes",
			       (long long)max);
	body = arena_alloc(op->arena, (size_t)len + 1);
	rq->body_len = read_bytes(in, body, (size_t)len);
	if (rq->body_len != (size_t)len || FCGX_GetStr(&extra, 1, in) != 0 ||
	    FCGX_GetError(in) != 0) {
		rq->body_len = 0;
		return op_fail(op, FAIL_INVALID, "body_cut_short",
			       "the body was not received whole");
	}
	rq->body = body;
	return true;
}

static bool send_bytes(void *ctx, const char *bytes, size_t len)
{
	FCGX_Stream *out = ctx;

	while (len > 0) {
		int piece = (int)(len > RESPONSE_PIECE ? RESPONSE_PIECE : len);

		if (FCGX_PutStr(bytes, piece, out) != piece)
			return false;
		bytes += piece;
		len -= (size_t)piece;
	}
	return true;
}

/*
 * Ends a half-sent answer so that it does not look whole. nginx takes a
 * mere close for the end of the answer, but a record of no known version
 * for the fault that it is.
 */
static void cut(struct worker *w)
{
	static const char bad_record[8];

	(void)!write(w->request.ipcFd, bad_record, sizeof(bad_record));
	FCGX_Free(&w->request, 1);
}

static void serve(struct worker *w)
{
	const struct timeval patience = { .tv_sec = SEND_TIMEOUT_S };
	struct request rq = { .started_us = clock_monotonic() };
	struct response rs;
	struct op op;
	bool broken;

	(void)setsockopt(w->request.ipcFd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			 sizeof(patience));
	(void)setsockopt(w->request.ipcFd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience));
	op_init(&op, w->arena, w->setup->db, w->setup->config);
	rq.id = op.tag = request_id(&op, &w->request);
	read_head(&op, &w->request, &rq);
	response_init(&rs, w->arena, rq.head, send_bytes, w->request.out);
	if (!read_body(&op, w, &rq))
		log_write(LOG_DEBUG, "bad_body", "request=%s", rq.id);
	w->setup->handle(&op, &rq, &rs, w->setup->ctx);
	broken = rs.broken;
	arena_reset(w->arena);
	if (broken)
		cut(w);
	else
		FCGX_Finish_r(&w->request);
}

static bool watch(int events, int fd, uint32_t how)
{
	struct epoll_event event = { .events = how, .data.fd = fd };

	return epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool worker_init(struct worker *w, int socket)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	/* The terminal's ^C and hang-up are the master's business. */
	if (signal(SIGINT, SIG_IGN) == SIG_ERR ||
	    signal(SIGHUP, SIG_IGN) == SIG_ERR ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return false;
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w->events = epoll_create1(EPOLL_CLOEXEC);
	if (w->signals < 0 || w->events < 0 ||
	    fcntl(socket, F_SETFL, O_NONBLOCK) != 0)
		return false;
	/* Exclusive: a connection wakes one worker, not all of them. */
	return watch(w->events, socket, EPOLLIN | EPOLLEXCLUSIVE) &&
	       watch(w->events, w->signals, EPOLLIN) && FCGX_Init() == 0 &&
	       FCGX_InitRequest(&w->request, socket, 0) == 0;
}

/* Waits for a connection or the end; false only on a broken system. */
static bool wait_for_work(struct worker *w)
{
	struct epoll_event ready[2];
	int count = epoll_wait(w->events, ready, 2, w->stop_us != 0 ? 0 : -1);

	if (count < 0)
		return errno == EINTR;
	for (int i = 0; i < count; i++)
		if (ready[i].data.fd == w->signals && w->stop_us == 0)
			w->stop_us = clock_monotonic() + DRAIN_US;
	return true;
}

int worker_run(int socket, const struct worker_setup *setup)
{
	struct worker w = { .setup = setup, .arena = arena_new() };
	int status = 0;

	if (!worker_init(&w, socket)) {
		log_write(LOG_ERROR, "worker_start_failed", "errno=%d", errno);
		return 1;
	}
	for (;;) {
		if (!wait_for_work(&w))
			break;
		if (w.stop_us != 0 && clock_monotonic() > w.stop_us)
			break;
		int accepted = FCGX_Accept_r(&w.request);

		if (accepted == 0) {
			serve(&w);
		} else if (accepted != -EAGAIN) {
			log_write(LOG_ERROR, "accept_failed", "result=%d",
				  accepted);
			status = 1;
			break;
		} else if (w.stop_us != 0) {
			break; /* nobody waits any more */
		}
	}
	FCGX_Free(&w.request, 1);
	arena_free(w.arena);
	close(w.events);
	close(w.signals);
	return status;
}
