/*
 * Handing one message over: to the SMTP server of the settings, or into a
 * file of RETIVO_MAIL_DIR. What became of it is a result, not a failure of
 * the op. DKIM, queueing and bounces are the mail server's work.
 */
#ifndef NET_SMTP_H
#define NET_SMTP_H

#include "base/op.h"

enum mail_result {
	MAIL_DELIVERED, /* 250 after the data, or the file stands */
	MAIL_PERMANENT, /* refused for good */
	MAIL_TRANSIENT, /* surely not taken; may be tried again */
	MAIL_UNKNOWN,	/* the data went out and no answer came */
};

struct mail_outcome {
	enum mail_result result;
	int code;	   /* last SMTP reply; 0: none */
	const char *error; /* arena: one line; NULL when delivered */
};

struct smtp;

/*
 * A connection to config->smtp_url, opened with the first message and used
 * for the next ones. Registered with arena. config is borrowed.
 */
struct smtp *smtp_new(struct arena *arena, const struct config *config);

/*
 * Sends bytes (a message of net/mail.h) from and to one address each.
 * Takes at most 30 s. Fails: FAIL_INVALID "bad_address".
 */
MUST_CHECK bool smtp_send(struct op *op, struct smtp *smtp, const char *from,
			  const char *to, const char *bytes, size_t len,
			  struct mail_outcome *ret);

/*
 * Writes bytes to <dir>/<name>.eml, whole or not at all. A file that is
 * there already means that the message was sent before: delivered. name
 * holds no slash (assert). Fails: FAIL_INTERNAL "mail_dir".
 */
MUST_CHECK bool mail_file_write(struct op *op, const char *dir,
				const char *name, const char *bytes,
				size_t len);

/* What an SMTP attempt means; for smtp_send() and its test. */
enum mail_result smtp_classify(bool ok, bool login_denied, int code,
			       bool data_sent);

#endif
