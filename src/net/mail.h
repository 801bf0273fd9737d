/*
 * One mail message as bytes: RFC 5322 with multipart/alternative in
 * quoted-printable, CRLF line ends, every header ours. The same bytes go to
 * SMTP (net/smtp.h) or into a file.
 *
 * Nothing that a customer or a tenant wrote can add a header or a
 * recipient: a control character in any header value fails.
 */
#ifndef NET_MAIL_H
#define NET_MAIL_H

#include "base/op.h"
#include "base/str.h"

#define MAIL_MAX_BYTES ((size_t)2 << 20)

/* All borrowed. Texts are UTF-8 with LF or CRLF line ends. */
struct mail {
	const char *id;	     /* unique: Message-ID and boundary */
	const char *from;    /* "Name <a@b.example>" or "a@b.example" */
	const char *to;	     /* one address */
	const char *to_name; /* or NULL */
	const char *subject;
	const char *text;	 /* text/plain */
	const char *html;	 /* text/html; or NULL */
	const char *unsubscribe; /* https link for List-Unsubscribe; or NULL */
	const char *list_id;	 /* "onboarding.acme"; or NULL */
	int64_t date_us;
};

/*
 * Writes the message to out, which the caller initialised with at least
 * MAIL_MAX_BYTES. Fails: FAIL_INVALID "bad_address", "bad_header",
 * "mail_too_large".
 */
MUST_CHECK bool mail_write(struct op *op, const struct mail *mail,
			   struct str *out);

/*
 * Splits "Name <a@b>" or "a@b". arena; *ret_name is NULL when there is none.
 * False when the address is not one that parse_is_email() takes.
 */
MUST_CHECK bool mail_address_parse(struct arena *a, const char *text,
				   const char **ret_name,
				   const char **ret_address);

/*
 * Writes a header value of people's words: ASCII as it is, else RFC 2047
 * words of at most 75 characters, cut between characters and folded.
 */
void mail_write_words(struct str *out, const char *text);

/* Quoted-printable of a text, its line ends made CRLF. */
void mail_write_quoted(struct str *out, const char *text);

/* True for addresses at example.com, .org and .net, which nobody has. */
bool mail_is_demo(const char *address);

#endif
