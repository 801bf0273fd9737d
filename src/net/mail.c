/*
 * Mail messages as bytes. Sources: RFC 5322, 2045 (quoted-printable), 2047
 * (encoded words), 2369 and 8058 (one-click unsubscribe), 2919 (List-Id),
 * 3834 (Auto-Submitted).
 */
#include "net/mail.h"

#include "base/clock.h"
#include "base/parse.h"

#include <strings.h>

#include <sodium/utils.h>

#define QP_LINE_MAX	 76  /* of quoted-printable, the soft "=" included */
#define WORD_BYTES	 39  /* makes words of 64 characters: room for a name */
#define HEADER_PLAIN_MAX 900 /* of the 998 that a line may have */

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool header_ok(struct op *op, const char *name, const char *value)
{
	for (const char *p = value; *p != '\0'; p++) {
		if (is_control(*p))
			return op_fail(op, FAIL_INVALID, "bad_header",
				       "%s holds a control character", name);
	}
	if (!parse_is_utf8(value, strlen(value)))
		return op_fail(op, FAIL_INVALID, "bad_header",
			       "%s is not UTF-8", name);
	return true;
}

static bool is_plain(const char *text)
{
	if (strlen(text) > HEADER_PLAIN_MAX || strstr(text, "=?") != NULL)
		return false;
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text >= 0x7f)
			return false;
	}
	return true;
}

/* Bytes of the characters that fit into max bytes; at least one. */
static size_t whole_characters(const char *text, size_t max)
{
	size_t len = strlen(text);

	if (len <= max)
		return len;
	for (len = max; len > 1; len--) {
		if (((unsigned char)text[len] & 0xc0) != 0x80)
			break;
	}
	return len;
}

void mail_write_words(struct str *out, const char *text)
{
	char base64[sodium_base64_ENCODED_LEN(WORD_BYTES,
					      sodium_base64_VARIANT_ORIGINAL)];

	if (is_plain(text)) {
		str_puts(out, text);
		return;
	}
	for (bool first = true; *text != '\0'; first = false) {
		size_t len = whole_characters(text, WORD_BYTES);

		sodium_bin2base64(base64, sizeof(base64),
				  (const unsigned char *)text, len,
				  sodium_base64_VARIANT_ORIGINAL);
		str_printf(out, "%s=?UTF-8?B?%s?=", first ? "" : "\r\n ",
			   base64);
		text += len;
	}
}

/* "Name" <a@b>, the name quoted or encoded. */
static void write_mailbox(struct str *out, const char *name,
			  const char *address)
{
	if (name == NULL || *name == '\0') {
		str_printf(out, "<%s>", address);
		return;
	}
	if (is_plain(name)) {
		str_putc(out, '"');
		for (const char *p = name; *p != '\0'; p++) {
			if (*p == '"' || *p == '\\')
				str_putc(out, '\\');
			str_putc(out, *p);
		}
		str_putc(out, '"');
	} else {
		mail_write_words(out, name);
	}
	str_printf(out, " <%s>", address);
}

bool mail_address_parse(struct arena *a, const char *text,
			const char **ret_name, const char **ret_address)
{
	const char *open = strrchr(text, '<');
	size_t len = strlen(text);

	if (open == NULL) {
		*ret_name = NULL;
		*ret_address = arena_strdup(a, text);
		return parse_is_email(text);
	}
	if (text[len - 1] != '>')
		return false;
	const char *address =
	    arena_strndup(a, open + 1, (size_t)(text + len - 1 - open - 1));
	while (open > text && open[-1] == ' ')
		open--;
	if (open - text >= 2 && text[0] == '"' && open[-1] == '"') {
		text++;
		open--;
	}
	*ret_name =
	    open == text ? NULL : arena_strndup(a, text, (size_t)(open - text));
	*ret_address = address;
	return parse_is_email(address);
}

/* One octet, with a soft break before it when the line is full. */
static void put_quoted(struct str *out, const char *octet, size_t len,
		       size_t *column)
{
	if (*column + len > QP_LINE_MAX - 1) {
		str_puts(out, "=\r\n");
		*column = 0;
	}
	str_put(out, octet, len);
	*column += len;
}

void mail_write_quoted(struct str *out, const char *text)
{
	size_t column = 0;

	for (const char *p = text; *p != '\0'; p++) {
		char hex[4];
		unsigned char c = (unsigned char)*p;

		if (c == '\r' && p[1] == '\n')
			continue;
		if (c == '\n') {
			str_puts(out, "\r\n");
			column = 0;
			continue;
		}
		bool ends_line = p[1] == '\0' || p[1] == '\n' || p[1] == '\r';
		bool safe = c > 0x20 && c < 0x7f && c != '=';
		if (safe || ((c == ' ' || c == '\t') && !ends_line)) {
			put_quoted(out, p, 1, &column);
			continue;
		}
		snprintf(hex, sizeof(hex), "=%02X", c);
		put_quoted(out, hex, 3, &column);
	}
	if (column > 0)
		str_puts(out, "\r\n");
}

static void write_part(struct str *out, const struct mail *mail,
		       const char *type, const char *text)
{
	str_printf(out,
		   "--=_%s\r\n"
		   "Content-Type: %s; charset=utf-8\r\n"
		   "Content-Transfer-Encoding: quoted-printable\r\n"
		   "\r\n",
		   mail->id, type);
	mail_write_quoted(out, text);
	str_puts(out, "\r\n");
}

static void write_list_headers(struct str *out, const struct mail *mail)
{
	if (mail->list_id != NULL)
		str_printf(out, "List-Id: <%s>\r\n", mail->list_id);
	if (mail->unsubscribe == NULL)
		return;
	str_printf(out,
		   "List-Unsubscribe: <%s>\r\n"
		   "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
		   mail->unsubscribe);
}

static bool headers_ok(struct op *op, const struct mail *mail)
{
	const struct {
		const char *name, *value;
	} checks[] = {
		{ "Message-ID", mail->id },
		{ "From", mail->from },
		{ "the recipient's name", mail->to_name },
		{ "Subject", mail->subject },
		{ "List-Unsubscribe", mail->unsubscribe },
		{ "List-Id", mail->list_id },
	};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		if (checks[i].value != NULL &&
		    !header_ok(op, checks[i].name, checks[i].value))
			return false;
	}
	return true;
}

bool mail_write(struct op *op, const struct mail *mail, struct str *out)
{
	const char *name, *address;

	if (!headers_ok(op, mail))
		return false;
	if (!mail_address_parse(op->arena, mail->from, &name, &address) ||
	    !parse_is_email(mail->to))
		return op_fail(op, FAIL_INVALID, "bad_address",
			       "the sender or the recipient is no address");
	str_printf(out, "Date: %s\r\nFrom: ",
		   clock_write_mail(op->arena, mail->date_us));
	write_mailbox(out, name, address);
	str_puts(out, "\r\nTo: ");
	write_mailbox(out, mail->to_name, mail->to);
	str_puts(out, "\r\nSubject: ");
	mail_write_words(out, mail->subject);
	str_printf(out, "\r\nMessage-ID: <%s%s>\r\n", mail->id,
		   strrchr(address, '@'));
	write_list_headers(out, mail);
	str_printf(out,
		   "Auto-Submitted: auto-generated\r\n"
		   "MIME-Version: 1.0\r\n"
		   "Content-Type: multipart/alternative; boundary=\"=_%s\"\r\n"
		   "\r\n",
		   mail->id);
	write_part(out, mail, "text/plain", mail->text);
	if (mail->html != NULL)
		write_part(out, mail, "text/html", mail->html);
	str_printf(out, "--=_%s--\r\n", mail->id);
	if (!str_ok(out))
		return op_fail(op, FAIL_INVALID, "mail_too_large",
			       "the mail is too large");
	return true;
}

bool mail_is_demo(const char *address)
{
	static const char *const domains[] = { "example.com", "example.org",
					       "example.net" };
	const char *at = strrchr(address, '@');

	if (at == NULL)
		return false;
	size_t len = strlen(at + 1);
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		size_t tail = strlen(domains[i]);

		if (len < tail ||
		    strcasecmp(at + 1 + len - tail, domains[i]) != 0)
			continue;
		if (len == tail || at[len - tail] == '.')
			return true;
	}
	return false;
}
