/*
 * Outbound HTTP. All requests run in a curl multi handle, one alone too,
 * so there is one way through the policy below.
 */
#include "net/http_client.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/parse.h"
#include "base/str.h"
#include "net/address.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <strings.h>
#include <unistd.h>

#define URL_MAX_BYTES 2000
#define POLL_MS	      1000

struct http_client {
	CURLM *multi;
	const struct config *config;
};

/* One request on its way. */
struct transfer {
	struct http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	struct http_send send;
	void *item;
	struct str body;
	size_t received;
	bool plain; /* http */
	bool refused;
	bool cut;
	int64_t started_us;
	char error[CURL_ERROR_SIZE];
};

static void client_free(void *object)
{
	struct http_client *client = object;

	curl_multi_cleanup(client->multi);
}

struct http_client *http_client_new(struct arena *arena,
				    const struct config *config)
{
	struct http_client *client = ARENA_NEW(arena, struct http_client);

	client->multi = curl_multi_init();
	if (client->multi == NULL)
		abort(); /* out of memory: as the arena does */
	arena_defer(arena, client_free, client);
	client->config = config;
	return client;
}

/* The policy on one address; plain text and odd ports only to listed ones. */
static bool may_connect(const struct transfer *t, const struct sockaddr *to)
{
	if (t->send.trusted ||
	    address_is_listed(to, t->client->config->outbound_allow))
		return true;
	int port = address_port(to);
	return !t->plain && (port == 443 || port == 8443) &&
	       address_is_public(to);
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose,
				    struct curl_sockaddr *to)
{
	struct transfer *t = ctx;

	if (purpose != CURLSOCKTYPE_IPCXN || !may_connect(t, &to->addr)) {
		t->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* A connection that is used again is not opened again: look once more. */
static int on_request(void *ctx, char *peer_ip, char *local_ip, int peer_port,
		      int local_port)
{
	struct transfer *t = ctx;
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	bool ok = false;

	(void)local_ip;
	(void)local_port;
	if (inet_pton(AF_INET, peer_ip, &v4.sin_addr) == 1) {
		v4.sin_port = htons((uint16_t)peer_port);
		ok = may_connect(t, (const struct sockaddr *)&v4);
	} else if (inet_pton(AF_INET6, peer_ip, &v6.sin6_addr) == 1) {
		v6.sin6_port = htons((uint16_t)peer_port);
		ok = may_connect(t, (const struct sockaddr *)&v6);
	}
	t->refused = t->refused || !ok;
	return ok ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * count;
	size_t keep = t->send.keep_bytes - t->body.len;

	t->received += len;
	if (len > keep)
		t->cut = true;
	str_put(&t->body, bytes, len < keep ? len : keep);
	return t->received > t->send.answer_max ? 0 : len;
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

static bool is_malformed(const struct http_send *send)
{
	if (has_control(send->url))
		return true;
	for (size_t i = 0; send->headers && send->headers[i]; i++) {
		if (has_control(send->headers[i]))
			return true;
	}
	return false;
}

static void set_policy(struct transfer *t)
{
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_USERAGENT, HTTP_USER_AGENT);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_request);
	curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)t->send.connect_timeout_ms);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)t->send.timeout_ms);
}

static void set_request(struct transfer *t)
{
	const struct http_send *send = &t->send;
	CURL *e = t->easy;

	curl_easy_setopt(e, CURLOPT_URL, send->url);
	if (send->body != NULL) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, send->body);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
				 (curl_off_t)send->body_len);
	}
	if (send->method != NULL)
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, send->method);
	for (size_t i = 0; send->headers && send->headers[i]; i++)
		t->headers = curl_slist_append(t->headers, send->headers[i]);
	/* No "Expect: 100-continue": it costs a second at plain servers. */
	t->headers = curl_slist_append(t->headers, "Expect:");
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error);
	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
}

/* The op's arena frees what a broken-off op leaves behind. */
static void transfer_free(void *object)
{
	struct transfer *t = object;

	if (t->easy == NULL)
		return;
	curl_multi_remove_handle(t->client->multi, t->easy);
	curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	t->easy = NULL;
}

static struct transfer *transfer_start(struct op *op,
				       struct http_client *client,
				       const struct http_send *send, void *item)
{
	struct transfer *t = ARENA_NEW(op->arena, struct transfer);

	t->client = client;
	t->send = *send;
	t->item = item;
	if (t->send.connect_timeout_ms == 0)
		t->send.connect_timeout_ms = 5000;
	if (t->send.timeout_ms == 0)
		t->send.timeout_ms = 15000;
	if (t->send.keep_bytes == 0)
		t->send.keep_bytes = 4096;
	if (t->send.answer_max == 0)
		t->send.answer_max = 65536;
	t->plain = strncasecmp(send->url, "https:", 6) != 0;
	t->started_us = clock_monotonic();
	str_init(&t->body, op->arena, t->send.keep_bytes + 1);
	t->easy = curl_easy_init();
	if (t->easy == NULL)
		abort();
	arena_defer(op->arena, transfer_free, t);
	set_policy(t);
	set_request(t);
	curl_multi_add_handle(client->multi, t->easy);
	return t;
}

/* Borrowed until the handle goes; NULL: no such header. */
static const char *header_of(struct transfer *t, const char *name)
{
	struct curl_header *header;

	return curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &header) ==
		       CURLHE_OK
		   ? header->value
		   : NULL;
}

static void read_retry(struct op *op, struct transfer *t,
		       struct http_answer *ret)
{
	const char *ms = header_of(t, "retry-after-ms");
	const char *should = header_of(t, "x-should-retry");

	ret->retry_after_ms = ret->retry_after_s * 1000;
	if (ms != NULL)
		(void)!parse_i64(ms, 0, 86400000, &ret->retry_after_ms);
	if (should != NULL)
		ret->should_retry = arena_strdup(op->arena, should);
}

static void answer_read(struct op *op, struct transfer *t, CURLcode code,
			struct http_answer *ret)
{
	const char *abort_message = header_of(t, "webhook-delivery");
	long status = 0;
	curl_off_t wait = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &wait);
	/* An answer that was cut for its length is an answer. */
	bool answered = status > 0 && (code == CURLE_OK || t->cut);
	*ret = (struct http_answer){
		.status = answered ? (int)status : 0,
		.refused = t->refused && !answered,
		.body = t->body.bytes,
		.body_len = t->body.len,
		.cut = t->cut,
		.ms = (clock_monotonic() - t->started_us) / 1000,
		.retry_after_s = wait > 0 ? (int64_t)wait : 0,
	};
	if (!answered && t->refused)
		ret->error = "the address is not allowed";
	else if (!answered)
		ret->error = arena_strdup(
		    op->arena,
		    t->error[0] != '\0' ? t->error : curl_easy_strerror(code));
	ret->timed_out = !answered && code == CURLE_OPERATION_TIMEDOUT;
	ret->abort_message = abort_message != NULL &&
			     strcasecmp(abort_message, "abort-message") == 0;
	read_retry(op, t, ret);
}

/* Starts what there is room for. Returns how many started. */
static size_t many_fill(struct op *op, struct http_client *client,
			const struct http_many *many, size_t running)
{
	size_t started = 0;

	while (running + started < many->parallel) {
		struct http_send send = { 0 };
		void *item = NULL;

		if (!many->next(op, many->ctx, &send, &item))
			break;
		if (is_malformed(&send)) {
			struct http_answer bad = { .error = "bad URL or header",
						   .body = "" };
			many->done(op, many->ctx, item, &bad);
			continue;
		}
		transfer_start(op, client, &send, item);
		started++;
	}
	return started;
}

/* Hands over what has ended. Returns how many. */
static size_t many_collect(struct op *op, struct http_client *client,
			   const struct http_many *many)
{
	struct http_answer answer;
	size_t ended = 0;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(client->multi, &left)) != NULL) {
		char *private = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		CURLcode code = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
		struct transfer *t = (struct transfer *)(void *)private;
		answer_read(op, t, code, &answer);
		transfer_free(t); /* msg is gone with it */
		many->done(op, many->ctx, t->item, &answer);
		ended++;
	}
	return ended;
}

/* How long there is nothing to do but wait, up to a second; -1: all done. */
static int idle_ms(struct op *op, const struct http_many *many, size_t running)
{
	int64_t wait = -1;

	if (running == many->parallel)
		return POLL_MS; /* nothing can begin before one ends */
	if (many->wait_ms != NULL)
		wait = many->wait_ms(op, many->ctx);
	if (wait < 0)
		return running > 0 ? POLL_MS : -1;
	return wait < POLL_MS ? (int)wait : POLL_MS;
}

bool http_client_send_many(struct op *op, struct http_client *client,
			   const struct http_many *many)
{
	size_t running = many_fill(op, client, many, 0);
	int wait;

	while ((wait = idle_ms(op, many, running)) >= 0) {
		int active;
		CURLMcode code = curl_multi_perform(client->multi, &active);

		size_t ended = many_collect(op, client, many);
		running -= ended;
		size_t started = many_fill(op, client, many, running);
		running += started;
		if (many->tick != NULL && !many->tick(op, many->ctx))
			return true;
		/* Only wait when there is nothing to do at once. */
		if (code == CURLM_OK && ended + started == 0)
			code =
			    curl_multi_poll(client->multi, NULL, 0, wait, NULL);
		if (code != CURLM_OK)
			return op_fail(op, FAIL_INTERNAL, "http_client",
				       "the HTTP client failed");
	}
	return true;
}

/* A list of one. */
struct single {
	const struct http_send *send;
	struct http_answer *answer;
	bool given;
};

static bool single_next(struct op *op, void *ctx, struct http_send *ret,
			void **ret_item)
{
	struct single *one = ctx;

	(void)op;
	if (one->given)
		return false;
	one->given = true;
	*ret = *one->send;
	*ret_item = one;
	return true;
}

static void single_done(struct op *op, void *ctx, void *item,
			const struct http_answer *answer)
{
	struct single *one = ctx;

	(void)op;
	(void)item;
	*one->answer = *answer;
}

bool http_client_send(struct op *op, struct http_client *client,
		      const struct http_send *send, struct http_answer *ret)
{
	struct single one = { .send = send, .answer = ret };
	struct http_many many = { .next = single_next,
				  .done = single_done,
				  .ctx = &one,
				  .parallel = 1 };

	if (is_malformed(send))
		return op_fail(op, FAIL_INVALID, "bad_header",
			       "a URL or header holds a control character");
	return http_client_send_many(op, client, &many);
}

static const char *literal_problem(const struct config *config,
				   const char *host)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	const struct sockaddr *literal = NULL;
	char bare[INET6_ADDRSTRLEN] = "";
	size_t len = strlen(host);

	if (len > 2 && host[0] == '[' && len - 2 < sizeof(bare))
		memcpy(bare, host + 1, len - 2);
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		literal = (const struct sockaddr *)&v4;
	else if (inet_pton(AF_INET6, bare, &v6.sin6_addr) == 1)
		literal = (const struct sockaddr *)&v6;
	if (literal == NULL || address_is_public(literal) ||
	    address_is_listed(literal, config->outbound_allow))
		return NULL;
	return "the address is private";
}

static const char *parts_problem(const struct config *config, CURLU *u)
{
	char *scheme = NULL, *host = NULL, *user = NULL;
	const char *problem = NULL;

	curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
	curl_url_get(u, CURLUPART_HOST, &host, 0);
	curl_url_get(u, CURLUPART_USER, &user, 0);
	if (scheme == NULL || host == NULL)
		problem = "not a URL";
	else if (!streq(scheme, "https") &&
		 !(streq(scheme, "http") && config->outbound_allow[0] != '\0'))
		problem = "must begin with https://";
	else if (user != NULL)
		problem = "may not hold a user or password";
	else
		problem = literal_problem(config, host);
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	return problem;
}

const char *http_url_problem(const struct config *config, const char *url)
{
	const char *problem = "not a URL";

	if (strlen(url) > URL_MAX_BYTES)
		return "longer than 2,000 bytes";
	if (has_control(url) || strchr(url, ' ') != NULL)
		return "not a URL";
	CURLU *u = curl_url();
	if (u == NULL)
		abort();
	if (curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK)
		problem = parts_problem(config, u);
	curl_url_cleanup(u);
	return problem;
}
