/*
 * email: one personal mail by templates/email/message.{txt,html}, with the
 * headers of one-click unsubscribe (RFC 8058). Also the notices to members
 * (invitation, password reset), which are no mailing-list mail.
 */
#include "base/config.h"
#include "base/json_in.h"
#include "base/parse.h"
#include "base/template.h"
#include "deliver/channel.h"
#include "net/mail.h"
#include "net/smtp.h"
#include "store/customer.h"

#define TEXT_MAX_BYTES ((size_t)512 << 10)

/* The values of a template. */
struct value {
	const char *name;
	const char *text;
};

struct values {
	const struct value *items;
	size_t count;
};

static const char *value_find(void *context, const char *name)
{
	const struct values *values = context;

	for (size_t i = 0; i < values->count; i++) {
		if (streq(values->items[i].name, name))
			return values->items[i].text;
	}
	return NULL;
}

static bool render(struct op *op, const char *template, struct values *values,
		   enum template_format format, const char **ret)
{
	const char *source;
	struct str out;

	if (!template_load(op, template, &source))
		return false;
	str_init(&out, op->arena, TEXT_MAX_BYTES);
	template_write(op->arena, &out, source, format, value_find, values);
	if (!str_ok(&out))
		return op_fail(op, FAIL_INVALID, "mail_too_large",
			       "the mail is too large");
	*ret = out.bytes;
	return true;
}

/* Bytes of the URL at the start of text; 0 when there is none. */
static size_t url_len(const char *text)
{
	size_t len;

	if (strncmp(text, "https://", 8) != 0 &&
	    strncmp(text, "http://", 7) != 0)
		return 0;
	len = strcspn(text, " \t\r\n<>\"'");
	while (len > 0 && strchr(".,;:!?)", text[len - 1]) != NULL)
		len--;
	return len;
}

/* One line of text as HTML, its URLs made links. */
static void line_write(struct arena *a, struct str *out, const char *line,
		       size_t len)
{
	const char *p = arena_strndup(a, line, len);

	while (*p != '\0') {
		size_t link = url_len(p), plain = 0;

		while (p[plain] != '\0' && url_len(p + plain) == 0)
			plain++;
		if (link == 0) {
			template_escape_html(out, arena_strndup(a, p, plain));
			p += plain;
			continue;
		}
		const char *url = arena_strndup(a, p, link);
		str_puts(out, "<a href=\"");
		template_escape_html(out, url);
		str_puts(out, "\">");
		template_escape_html(out, url);
		str_puts(out, "</a>");
		p += link;
	}
}

/* Empty lines part paragraphs; single line ends stay line ends. */
static const char *paragraphs(struct op *op, const char *text)
{
	struct str out;
	bool open = false;

	str_init(&out, op->arena, TEXT_MAX_BYTES);
	for (;;) {
		size_t len = strcspn(text, "\n");
		size_t shown = len > 0 && text[len - 1] == '\r' ? len - 1 : len;

		if (shown == 0 && open)
			str_puts(&out, "</p>\n");
		else if (shown > 0)
			str_puts(&out, open ? "<br>\n" : "<p>");
		open = shown > 0;
		line_write(op->arena, &out, text, shown);
		if (text[len] == '\0')
			break;
		text += len + 1;
	}
	if (open)
		str_puts(&out, "</p>\n");
	return out.bytes;
}

static const char *button(struct op *op, const char *url, const char *label)
{
	struct str out;

	if (url == NULL)
		return NULL;
	str_init(&out, op->arena, TEXT_MAX_BYTES);
	str_puts(&out, "<p class=\"action\"><a class=\"button\" href=\"");
	template_escape_html(&out, url);
	str_puts(&out, "\">");
	template_escape_html(&out, label);
	str_puts(&out, "</a></p>\n");
	return out.bytes;
}

/* A header value: controls become spaces, for texts that people wrote. */
static const char *one_line(struct op *op, const char *text)
{
	char *line = arena_strdup(op->arena, text);

	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	}
	return line;
}

/* "acme.app.example": the list of one tenant's messages. */
static const char *list_id(struct op *op, const struct sender *sender)
{
	const char *host = strstr(op->config->base_url, "://");
	const char *slug = sender->slug;

	host = host == NULL ? op->config->base_url : host + 3;
	if (slug == NULL || *slug == '\0')
		slug = arena_printf(op->arena, "tenant-%lld",
				    (long long)op->tenant_id);
	return arena_printf(op->arena, "%s.%.*s", one_line(op, slug),
			    (int)strcspn(host, ":/"), host);
}

static bool email_ready(const struct sender *sender)
{
	return sender->mail_out;
}

static enum send_result result_of(enum mail_result result)
{
	switch (result) {
	case MAIL_DELIVERED:
		return SEND_DELIVERED;
	case MAIL_TRANSIENT:
		return SEND_TRANSIENT;
	case MAIL_UNKNOWN:
		return SEND_UNKNOWN;
	case MAIL_PERMANENT:
	default:
		return SEND_PERMANENT;
	}
}

/*
 * Hands the message over. Mail to addresses of demos, which nobody has,
 * never goes to a server. No server: a file. Neither: nothing was sent.
 */
static bool hand_over(struct op *op, struct sender *sender,
		      const struct mail *mail, struct sent *ret)
{
	const struct config *config = op->config;
	bool demo = mail_is_demo(mail->to);
	bool by_smtp = config->smtp_url != NULL && !demo;
	const char *name, *from;
	struct mail_outcome outcome;
	struct str bytes;

	str_init(&bytes, op->arena, MAIL_MAX_BYTES);
	if (!mail_write(op, mail, &bytes))
		return false;
	ret->result = SEND_DELIVERED;
	ret->simulated = demo && config->smtp_url != NULL;
	if (!by_smtp && config->mail_dir != NULL)
		return mail_file_write(op, config->mail_dir, mail->id,
				       bytes.bytes, bytes.len);
	if (!by_smtp) {
		if (!demo)
			ret->result = SEND_TRANSIENT;
		return true;
	}
	if (!mail_address_parse(op->arena, mail->from, &name, &from))
		return op_fail(op, FAIL_INVALID, "bad_address",
			       "the sender is no address");
	if (sender->smtp == NULL)
		sender->smtp = smtp_new(op->arena, config);
	if (!smtp_send(op, sender->smtp, from, mail->to, bytes.bytes, bytes.len,
		       &outcome))
		return false;
	ret->result = result_of(outcome.result);
	ret->error = outcome.error;
	return true;
}

static const char *sender_from(struct op *op, const struct sender *sender)
{
	return sender->from != NULL ? sender->from : op->config->mail_from;
}

static bool email_send(struct op *op, struct sender *sender,
		       const struct outgoing *out, struct sent *ret)
{
	const char *token = unsubscribe_token(op, out->user_id, out->id);
	const char *link = arena_printf(op->arena, "%s/api/unsubscribe/%s",
					op->config->base_url, token);
	const char *label = arena_printf(op->arena, "Open %s", sender->tenant);
	const char *body = out->message_body == NULL ? "" : out->message_body;
	const char *subject = out->subject;

	if (subject == NULL || *subject == '\0')
		subject = arena_printf(op->arena, "A message from %s",
				       sender->tenant);
	/* A link that the text has already needs no second place. */
	bool linked = out->cta_url == NULL || strstr(body, out->cta_url);
	struct value items[] = {
		{ "message", body },
		{ "paragraphs", paragraphs(op, body) },
		{ "subject", subject },
		{ "tenant", sender->tenant },
		{ "link",
		  linked ? NULL
			 : arena_printf(op->arena, "\n\n%s", out->cta_url) },
		{ "button", linked ? NULL : button(op, out->cta_url, label) },
		{ "unsubscribe", link },
		{ "language", out->locale },
	};
	struct values values = { items, ARRAY_LEN(items) };
	struct mail mail = {
		.id = out->id,
		.from = sender_from(op, sender),
		.to = out->email == NULL ? "" : out->email,
		.to_name = out->name == NULL ? NULL : one_line(op, out->name),
		.subject = one_line(op, subject),
		.unsubscribe = link,
		.list_id = list_id(op, sender),
		.date_us = op->now_us,
	};

	return render(op, "email/message.txt", &values, TEMPLATE_TEXT,
		      &mail.text) &&
	       render(op, "email/message.html", &values, TEMPLATE_HTML,
		      &mail.html) &&
	       hand_over(op, sender, &mail, ret);
}

const struct channel channel_email = {
	.name = "email",
	.ready = email_ready,
	.send = email_send,
};

/* Kinds of notices: the outbox type, its templates and subject. */
static const struct {
	const char *type, *text, *html, *subject, *label;
} notices[] = {
	{ "mail.invitation", "email/invitation.txt", "email/notice.html",
	  "You are invited to Retivo", "Accept the invitation" },
	{ "mail.password_reset", "email/password_reset.txt",
	  "email/notice.html", "Set a new password", "Set a new password" },
};

bool deliver_notice(struct op *op, struct sender *sender, const char *id,
		    const char *type, const char *payload, struct sent *ret)
{
	struct json_object *doc;
	size_t kind = 0;

	*ret = (struct sent){ .result = SEND_PERMANENT };
	while (kind < ARRAY_LEN(notices) && !streq(notices[kind].type, type))
		kind++;
	if (kind == ARRAY_LEN(notices)) {
		ret->error = "the kind of mail is unknown";
		return true;
	}
	if (!json_parse(op, payload, strlen(payload), &doc))
		return false;
	const char *url = json_get_text(doc, "url", "");
	const char *name = json_get_text(doc, "name", NULL);
	struct value items[] = {
		{ "name", name },
		{ "tenant", json_get_text(doc, "tenant", sender->tenant) },
		{ "url", url },
		{ "expires", json_get_text(doc, "expires", NULL) },
		{ "subject", notices[kind].subject },
		{ "paragraphs", NULL },
		{ "button", button(op, url, notices[kind].label) },
	};
	struct values values = { items, ARRAY_LEN(items) };
	struct mail mail = {
		.id = id,
		.from = op->config->mail_from,
		.to = json_get_text(doc, "to", ""),
		.to_name = name == NULL ? NULL : one_line(op, name),
		.subject = notices[kind].subject,
		.date_us = op->now_us,
	};

	if (!render(op, notices[kind].text, &values, TEMPLATE_TEXT, &mail.text))
		return false;
	items[5].text = paragraphs(op, mail.text);
	return render(op, notices[kind].html, &values, TEMPLATE_HTML,
		      &mail.html) &&
	       hand_over(op, sender, &mail, ret);
}
