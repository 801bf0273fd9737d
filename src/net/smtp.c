/*
 * SMTP by libcurl. The message is ours to the last byte; libcurl does the
 * dialogue, STARTTLS and the dot-stuffing.
 */
#include "net/smtp.h"

#include "base/config.h"
#include "base/parse.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CONNECT_MS 10000L
#define TOTAL_MS   30000L /* under the batch's lease time */

struct smtp {
	CURL *easy;
	const struct config *config;
};

/* The message on its way out. */
struct upload {
	const char *bytes;
	size_t left;
	bool ended; /* libcurl saw the end: the final dot may be out */
};

static void smtp_free(void *object)
{
	struct smtp *smtp = object;

	curl_easy_cleanup(smtp->easy);
}

struct smtp *smtp_new(struct arena *arena, const struct config *config)
{
	struct smtp *smtp = ARENA_NEW(arena, struct smtp);

	smtp->easy = curl_easy_init();
	if (smtp->easy == NULL)
		abort(); /* out of memory: as the arena does */
	arena_defer(arena, smtp_free, smtp);
	smtp->config = config;
	return smtp;
}

static size_t on_read(char *buffer, size_t size, size_t count, void *ctx)
{
	struct upload *up = ctx;
	size_t room = size * count;
	size_t len = up->left < room ? up->left : room;

	memcpy(buffer, up->bytes, len);
	up->bytes += len;
	up->left -= len;
	if (len == 0)
		up->ended = true;
	return len;
}

/* EHLO says the sender's domain, unless the setting names a path. */
static void set_url(CURL *easy, struct arena *a, const char *url,
		    const char *from)
{
	const char *host = strstr(url, "://");

	host = host == NULL ? url : host + 3;
	const char *slash = strchr(host, '/');
	if (slash != NULL && slash[1] != '\0') {
		curl_easy_setopt(easy, CURLOPT_URL, url);
		return;
	}
	int len = (int)(slash == NULL ? strlen(url) : (size_t)(slash - url));
	curl_easy_setopt(
	    easy, CURLOPT_URL,
	    arena_printf(a, "%.*s/%s", len, url, strrchr(from, '@') + 1));
}

static void set_security(CURL *easy, const struct config *config)
{
	long tls = CURLUSESSL_ALL;

	if (streq(config->smtp_tls, "try"))
		tls = CURLUSESSL_TRY;
	else if (streq(config->smtp_tls, "none"))
		tls = CURLUSESSL_NONE;
	curl_easy_setopt(easy, CURLOPT_USE_SSL, tls);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	if (config->smtp_user != NULL) {
		curl_easy_setopt(easy, CURLOPT_USERNAME, config->smtp_user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, config->smtp_password);
	}
}

enum mail_result smtp_classify(bool ok, bool login_denied, int code,
			       bool data_sent)
{
	/* Replies about us and not about the message: RFC 4954. */
	bool about_us = login_denied || code == 421 || code == 530 ||
			code == 534 || code == 535 || code == 538;

	if (ok)
		return MAIL_DELIVERED;
	if (about_us || (code >= 400 && code < 500))
		return MAIL_TRANSIENT;
	if (code >= 500)
		return MAIL_PERMANENT;
	return data_sent ? MAIL_UNKNOWN : MAIL_TRANSIENT;
}

bool smtp_send(struct op *op, struct smtp *smtp, const char *from,
	       const char *to, const char *bytes, size_t len,
	       struct mail_outcome *ret)
{
	struct upload up = { .bytes = bytes, .left = len };
	char error[CURL_ERROR_SIZE] = "";
	struct curl_slist *rcpt;
	long code = 0;

	/* libcurl filters nothing: a line end would be a second command. */
	if (!parse_is_email(from) || !parse_is_email(to))
		return op_fail(op, FAIL_INVALID, "bad_address",
			       "the sender or the recipient is no address");
	curl_easy_reset(smtp->easy);
	set_url(smtp->easy, op->arena, smtp->config->smtp_url, from);
	set_security(smtp->easy, smtp->config);
	rcpt = curl_slist_append(NULL, arena_printf(op->arena, "<%s>", to));
	curl_easy_setopt(smtp->easy, CURLOPT_MAIL_FROM,
			 arena_printf(op->arena, "<%s>", from));
	curl_easy_setopt(smtp->easy, CURLOPT_MAIL_RCPT, rcpt);
	curl_easy_setopt(smtp->easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(smtp->easy, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(smtp->easy, CURLOPT_READDATA, &up);
	curl_easy_setopt(smtp->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(smtp->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(smtp->easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
	curl_easy_setopt(smtp->easy, CURLOPT_ERRORBUFFER, error);

	CURLcode done = curl_easy_perform(smtp->easy);
	curl_easy_getinfo(smtp->easy, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_setopt(smtp->easy, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(rcpt);
	ret->code = (int)code;
	ret->result = smtp_classify(
	    done == CURLE_OK, done == CURLE_LOGIN_DENIED, (int)code, up.ended);
	ret->error = NULL;
	if (done != CURLE_OK)
		ret->error = arena_strdup(
		    op->arena,
		    error[0] != '\0' ? error : curl_easy_strerror(done));
	return true;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

bool mail_file_write(struct op *op, const char *dir, const char *name,
		     const char *bytes, size_t len)
{
	assert(strchr(name, '/') == NULL);
	const char *path = arena_printf(op->arena, "%s/%s.eml", dir, name);
	const char *part =
	    arena_printf(op->arena, "%s/.%s.%ld", dir, name, (long)getpid());
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	/*
	 * link() is the exclusive step: the name appears once, with the whole
	 * message behind it.
	 */
	bool ok = fd >= 0 && write_all(fd, bytes, len) && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		ok = false;
	if (ok && link(part, path) != 0 && errno != EEXIST)
		ok = false;
	int error = errno;
	if (fd >= 0)
		unlink(part);
	if (ok)
		return true;
	op_fail(op, FAIL_INTERNAL, "mail_dir", "the mail cannot be written");
	return op_fail_detail(op, "%s: %s", path, strerror(error));
}
