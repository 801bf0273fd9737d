/*
 * Quality checks, one table row each. A check sees the message as the
 * customer would, and says in a few words what is wrong.
 */
#include "engine/quality.h"

#include "base/json_out.h"
#include "base/parse.h"
#include "base/template.h"

#include <ctype.h>
#include <strings.h>

#define DETAIL_MAX 300

/* Length in characters that a channel carries well. */
static const struct {
	const char *channel;
	size_t min, max;
} lengths[] = {
	{ "email", 20, 5000 },	  { "in_app", 1, 600 },
	{ "webhook", 1, 20000 },  { "crm", 1, 60000 },
	{ "escalate", 1, 20000 },
};

#define SUBJECT_MAX 150

/* Fails a check: notes the detail and returns false. */
static bool bad(struct str *detail, const char *what, const char *value,
		size_t len)
{
	str_puts(detail, what);
	if (value != NULL)
		str_put(detail, value,
			parse_utf8_prefix(value, len > 120 ? 120 : len));
	return false;
}

static bool check_length(const struct quality_input *in, struct str *detail)
{
	size_t n = in->message != NULL ? parse_utf8_len(in->message) : 0;

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		if (!streq(in->channel, lengths[i].channel))
			continue;
		if (n < lengths[i].min)
			return bad(detail, "the message is too short", NULL, 0);
		if (n > lengths[i].max)
			return bad(detail, "the message is too long for ",
				   in->channel, strlen(in->channel));
	}
	if (!streq(in->channel, "email"))
		return true;
	if (in->subject == NULL || in->subject[0] == '\0')
		return bad(detail, "a mail needs a subject", NULL, 0);
	if (parse_utf8_len(in->subject) > SUBJECT_MAX)
		return bad(detail, "the subject is too long", NULL, 0);
	return true;
}

static bool check_placeholders(const struct quality_input *in,
			       struct str *detail)
{
	if (template_has_placeholder(in->message) ||
	    (in->subject != NULL && template_has_placeholder(in->subject)))
		return bad(detail, "a placeholder was not filled", NULL, 0);
	return true;
}

/* Case-insensitive, and at word boundaries where needle has letters there. */
static const char *find_word(const char *text, const char *needle)
{
	size_t len = strlen(needle);

	if (len == 0)
		return NULL;
	for (const char *at = text; (at = strcasestr(at, needle)) != NULL;
	     at++) {
		bool left = at == text || !isalnum((unsigned char)at[-1]) ||
			    !isalnum((unsigned char)needle[0]);
		bool right = !isalnum((unsigned char)at[len]) ||
			     !isalnum((unsigned char)needle[len - 1]);

		if (left && right)
			return at;
	}
	return NULL;
}

static bool check_avoid(const struct quality_input *in, struct str *detail)
{
	for (size_t i = 0; i < in->avoid.count; i++) {
		const char *word = in->avoid.items[i];

		if (find_word(in->message, word) != NULL ||
		    (in->subject != NULL &&
		     find_word(in->subject, word) != NULL))
			return bad(detail, "says what the brand avoids: ", word,
				   strlen(word));
	}
	return true;
}

/* Host part of a link: between the scheme and the next delimiter. */
static size_t host_len(const char *host)
{
	/* A browser reads a backslash as a slash. */
	return strcspn(host, "/\\?#:\"'<>) \t\r\n");
}

static bool is_link_allowed(const struct quality_input *in, const char *link,
			    size_t len, const char *host)
{
	size_t hlen = host_len(host);
	const char *base = in->base_url ? strstr(in->base_url, "://") : NULL;

	if (memchr(host, '@', strcspn(host, "/ \t\r\n")) != NULL)
		return false;
	if (in->cta_url != NULL && strlen(in->cta_url) == len &&
	    strncmp(in->cta_url, link, len) == 0)
		return true;
	if (base != NULL && host_len(base + 3) == hlen &&
	    strncasecmp(base + 3, host, hlen) == 0)
		return true;
	for (size_t i = 0; i < in->allowed_domains.count; i++) {
		const char *domain = in->allowed_domains.items[i];
		size_t dlen = strlen(domain);

		/* The domain itself, or one below it. */
		if (hlen >= dlen &&
		    strncasecmp(host + hlen - dlen, domain, dlen) == 0 &&
		    (hlen == dlen || host[hlen - dlen - 1] == '.'))
			return true;
	}
	return false;
}

static bool check_links(const struct quality_input *in, struct str *detail)
{
	static const char *const starts[] = { "https://", "http://", "www." };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		const char *at = in->message;

		for (; (at = strcasestr(at, starts[i])) != NULL; at++) {
			const char *host = i < 2 ? at + strlen(starts[i]) : at;
			size_t len = strcspn(at, "\"'<>) \t\r\n");

			if (i == 2 && at > in->message && at[-1] == '/')
				continue; /* seen with its scheme */
			while (len > 0 && strchr(".,;!?", at[len - 1]) != NULL)
				len--;
			if (!is_link_allowed(in, at, len, host))
				return bad(detail, "links to ", at, len);
		}
	}
	return true;
}

/* The address around an '@' in text. */
static const char *address_at(struct arena *a, const char *text, const char *at)
{
	static const char marks[] = "<>()[],;:\"' \t\r\n";
	const char *from = at, *to = at;

	while (from > text && strchr(marks, from[-1]) == NULL)
		from--;
	while (to[1] != '\0' && strchr(marks, to[1]) == NULL)
		to++;
	while (to > at && strchr(".!?", *to) != NULL)
		to--;
	return arena_strndup(a, from, (size_t)(to - from) + 1);
}

static bool check_addresses(const struct quality_input *in, struct str *detail)
{
	const char *at = in->message;

	for (; (at = strchr(at, '@')) != NULL; at++) {
		const char *address =
		    address_at(detail->arena, in->message, at);

		if (!parse_is_email(address) ||
		    (in->customer_email != NULL &&
		     strcasecmp(address, in->customer_email) == 0) ||
		    (in->mail_from != NULL &&
		     strcasestr(in->mail_from, address) != NULL))
			continue;
		return bad(detail, "names another address: ", address,
			   strlen(address));
	}
	return true;
}

/* Words that promise something; only the playbook's offers may. */
static const char *const promises[] = {
	"discount",   "% off",	    "percent off",   "free month",
	"free trial", "money back", "refund",	     "voucher",
	"coupon",     "promo code", "special price", "half price",
	"rabatt",     "gutschein",  "kostenlos",     "gratis",
	"remise",     "code promo", "gratuit",	     "descuento",
};

static bool is_offered(const struct quality_input *in, const char *promise)
{
	for (size_t i = 0; i < in->offers.count; i++)
		if (strcasestr(in->offers.items[i], promise) != NULL &&
		    strcasestr(in->message, in->offers.items[i]) != NULL)
			return true;
	return false;
}

static bool check_offers(const struct quality_input *in, struct str *detail)
{
	for (size_t i = 0; i < ARRAY_LEN(promises); i++) {
		const char *p = promises[i];

		if ((strcasestr(in->message, p) != NULL ||
		     (in->subject != NULL &&
		      strcasestr(in->subject, p) != NULL)) &&
		    !is_offered(in, p))
			return bad(detail, "promises what was not offered: ", p,
				   strlen(p));
	}
	return true;
}

/* Letters and digits only, lower case: what a reader would remember. */
static const char *essence(struct arena *a, const char *text)
{
	char *out = arena_strdup(a, text);
	size_t n = 0;

	for (const char *p = text; *p != '\0'; p++)
		if (isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80)
			out[n++] = (char)tolower((unsigned char)*p);
	out[n] = '\0';
	return out;
}

static bool check_repetition(const struct quality_input *in, struct str *detail)
{
	const char *now = essence(detail->arena, in->message);

	for (size_t i = 0; i < in->recent.count; i++)
		if (in->recent.items[i] != NULL &&
		    streq(now, essence(detail->arena, in->recent.items[i])))
			return bad(detail,
				   "the customer got the same text lately",
				   NULL, 0);
	return true;
}

static const struct {
	const char *name;
	bool (*holds)(const struct quality_input *in, struct str *detail);
} checks[] = {
	{ "length", check_length },
	{ "placeholders", check_placeholders },
	{ "things_to_avoid", check_avoid },
	{ "links", check_links },
	{ "addresses", check_addresses },
	{ "offers", check_offers },
	{ "repetition", check_repetition },
};

void quality_check(struct op *op, const struct quality_input *given,
		   struct quality_result *ret)
{
	struct quality_input in = *given;
	struct str out;
	struct json_out j;

	if (in.message == NULL)
		in.message = "";
	str_init(&out, op->arena, 16384);
	json_init(&j, &out);
	json_open(&j, '{');
	json_key(&j, "checks");
	json_open(&j, '[');
	ret->passed = true;
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct str detail;

		str_init(&detail, op->arena, DETAIL_MAX);
		bool holds = checks[i].holds(&in, &detail);
		json_open(&j, '{');
		json_pair(&j, "name", checks[i].name);
		json_key(&j, "passed");
		json_boolean(&j, holds);
		if (!holds)
			json_pair(&j, "detail", detail.bytes);
		json_close(&j);
		ret->passed = ret->passed && holds;
	}
	json_close(&j);
	json_key(&j, "passed");
	json_boolean(&j, ret->passed);
	json_close(&j);
	ret->json = out.bytes;
}

struct name_list quality_texts(struct op *op, struct json_object *array)
{
	struct name_list list = { NULL, 0 };

	if (array == NULL || !json_object_is_type(array, json_type_array))
		return list;
	size_t len = json_object_array_length(array);
	const char **items = ARENA_ARRAY(op->arena, const char *, len + 1);
	for (size_t i = 0; i < len; i++) {
		struct json_object *item = json_object_array_get_idx(array, i);

		if (json_object_is_type(item, json_type_string))
			items[list.count++] = json_object_get_string(item);
	}
	list.items = items;
	return list;
}
