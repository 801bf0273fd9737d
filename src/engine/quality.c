/*
 * Quality checks, one table row each. A check sees the message as the
 * customer would, and says in a few words what is wrong. What looks like a
 * link or a promise counts as one: a message too many waits for a person.
 *
 * One long file, because each check is a page and nobody else needs one.
 */
#include "engine/quality.h"

#include "base/json_out.h"
#include "base/parse.h"
#include "base/template.h"
#include "engine/folded.h"

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

static bool check_avoid(const struct quality_input *in, struct str *detail)
{
	struct arena *a = detail->arena;
	const char *message = folded_text(a, in->message);
	const char *subject = folded_text(a, in->subject ? in->subject : "");

	for (size_t i = 0; i < in->avoid.count; i++) {
		const char *word = in->avoid.items[i];
		const char *phrase = folded_text(a, word);

		if (folded_find(message, phrase) != NULL ||
		    folded_find(subject, phrase) != NULL)
			return bad(detail, "says what the brand avoids: ", word,
				   strlen(word));
	}
	return true;
}

/* ----------------------------------------------------------------- links -- */

/*
 * arena: text as a mail program reads it: wide dots are dots, and what is not
 * shown is not there.
 */
static const char *readable(struct arena *a, const char *text)
{
	static const struct {
		const char *from;
		char to;
	} signs[] = {
		{ "\xe3\x80\x82", '.' }, { "\xef\xbc\x8e", '.' },
		{ "\xef\xbd\xa1", '.' }, { "\xef\xbc\x8f", '/' },
		{ "\xef\xbc\xa0", '@' },
	};
	char *out = arena_strdup(a, text);
	size_t n = 0;

	while (*text != '\0') {
		size_t i = 0, len = parse_hidden_len(text);

		if (len > 0) {
			text += len;
			continue;
		}
		for (; i < ARRAY_LEN(signs); i++) {
			len = strlen(signs[i].from);
			if (strncmp(text, signs[i].from, len) == 0)
				break;
		}
		if (i == ARRAY_LEN(signs)) {
			out[n++] = *text++;
			continue;
		}
		out[n++] = signs[i].to;
		text += len;
	}
	out[n] = '\0';
	return out;
}

/* Host part of a link: between the scheme and the next delimiter. */
static size_t host_len(const char *host)
{
	/* A browser reads a backslash as a slash. */
	return strcspn(host, "/\\?#:\"'<>) \t\r\n");
}

static size_t link_len(const char *link)
{
	size_t len = strcspn(link, "\"'<>) \t\r\n");

	while (len > 0 && strchr(".,;!?", link[len - 1]) != NULL)
		len--;
	return len;
}

/* Behind the scheme. */
static const char *host_of(const char *url)
{
	const char *at = strstr(url, "://");

	return at != NULL ? at + 3 : url;
}

/* host and what follows, len bytes in all. */
static bool is_link_allowed(const struct quality_input *in, const char *host,
			    size_t len)
{
	size_t hlen = host_len(host);

	/* The full stop of a sentence is not the host's. */
	if (hlen > len)
		hlen = len;
	if (memchr(host, '@', strcspn(host, "/ \t\r\n")) != NULL)
		return false;
	if (in->cta_url != NULL && strlen(host_of(in->cta_url)) == len &&
	    strncmp(host_of(in->cta_url), host, len) == 0)
		return true;
	if (in->base_url != NULL && host_len(host_of(in->base_url)) == hlen &&
	    strncasecmp(host_of(in->base_url), host, hlen) == 0)
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

static bool is_label(char c)
{
	return isalnum((unsigned char)c) || c == '-' ||
	       (unsigned char)c >= 0x80;
}

/* Domains that are no country's and that mail programs make links of. */
static const char *const endings[] = {
	"com",	"net",	"org",	   "info", "biz",    "app",    "dev",
	"xyz",	"shop", "site",	   "club", "online", "top",    "live",
	"link", "page", "website", "tech", "store",  "cloud",  "space",
	"pro",	"name", "mobi",	   "work", "world",  "agency", "test",
};

/* The countries'. */
static const char countries[] =
    "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd "
    "be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg "
    "ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz "
    "ec ee eg er es et eu fi fj fk fm fo fr ga gb gd ge gf gg gh "
    "gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie "
    "il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr "
    "kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mg mh "
    "mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf "
    "ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps "
    "pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm "
    "sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn "
    "to tr tt tv tw tz ua ug uk us uy uz va vc ve vg vi vn vu wf "
    "ws ye yt za zm zw ";

static bool is_ending(const char *label, size_t len)
{
	if (len == 2) {
		for (const char *at = countries; *at != '\0'; at += 3)
			if (strncasecmp(at, label, 2) == 0)
				return true;
		return false;
	}
	if (len > 4 && strncasecmp(label, "xn--", 4) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (strlen(endings[i]) == len &&
		    strncasecmp(label, endings[i], len) == 0)
			return true;
	return false;
}

/*
 * Length of a domain without a scheme at text, 0 when there is none: labels
 * with dots that end like a domain, or that a path follows. A mail program
 * makes links of both.
 */
static size_t bare_domain(const char *text)
{
	size_t len = 0, dots = 0, last = 0;

	while (is_label(text[len]) || (text[len] == '.' && len > last)) {
		if (text[len] == '.') {
			if (!is_label(text[len + 1]))
				break;
			dots++;
			last = len + 1;
		}
		len++;
	}
	/* An address is not a link; check_addresses() looks at it. */
	if (dots == 0 || text[len] == '@')
		return 0;
	if (strchr("/\\", text[len]) != NULL && text[len] != '\0')
		return len - last >= 2 || dots == 3 ? len : 0;
	if (strncasecmp(text, "www.", 4) == 0)
		return len;
	return is_ending(text + last, len - last) ? len : 0;
}

/* A link that begins at text + at: where its host does, else NULL. */
static const char *link_host(const char *text, size_t at, bool *ret_web)
{
	const char *from = text + at;

	*ret_web = true;
	if (strncmp(from, "://", 3) == 0) {
		while (from > text && (isalnum((unsigned char)from[-1]) ||
				       strchr("+.-", from[-1]) != NULL))
			from--;
		size_t len = (size_t)(text + at - from);

		*ret_web = (len == 4 && strncasecmp(from, "http", 4) == 0) ||
			   (len == 5 && strncasecmp(from, "https", 5) == 0);
		return text + at + 3;
	}
	if (strncmp(from, "//", 2) == 0 && (at == 0 || from[-1] != ':'))
		return bare_domain(from + 2) > 0 ? from + 2 : NULL;
	if (at > 0 && (is_label(from[-1]) || from[-1] == '.'))
		return NULL;
	size_t len = bare_domain(from);
	/* The domain of an address, unless a path makes a link of it. */
	if (at > 0 && from[-1] == '@' && from[len] != '/')
		return NULL;
	return len > 0 ? from : NULL;
}

static bool links_allowed(const struct quality_input *in, const char *text,
			  struct str *detail)
{
	const char *end = text; /* of the last link */

	for (size_t i = 0; text[i] != '\0'; i++) {
		bool web, inside = text + i < end;
		const char *host;

		/* In a link only another whole one counts. */
		if (inside && strncmp(text + i, "://", 3) != 0)
			continue;
		host = link_host(text, i, &web);
		if (host == NULL)
			continue;
		size_t len = link_len(host);

		if (!web || (host > text && host[-1] == '@') ||
		    !is_link_allowed(in, host, len))
			return bad(detail, "links to ", host, len);
		end = host + len;
	}
	return true;
}

/* True when holds() does so of the message and of the subject. */
static bool of_both(const struct quality_input *in, struct str *detail,
		    bool (*holds)(const struct quality_input *in,
				  const char *text, struct str *detail))
{
	return holds(in, readable(detail->arena, in->message), detail) &&
	       (in->subject == NULL ||
		holds(in, readable(detail->arena, in->subject), detail));
}

static bool check_links(const struct quality_input *in, struct str *detail)
{
	return of_both(in, detail, links_allowed);
}

/* ------------------------------------------------------------- addresses -- */

/* Longer than any address on either side of the '@'. */
#define ADDRESS_SIDE 256

/*
 * The address around an '@' in text; no address when a side is too long, so
 * that a text of nothing else costs no more than its length.
 */
static void address_at(const char *text, const char *at,
		       char ret[2 * ADDRESS_SIDE + 2])
{
	static const char marks[] = "<>()[],;:\"' \t\r\n";
	const char *from = at, *to = at;

	while (from > text && at - from < ADDRESS_SIDE &&
	       strchr(marks, from[-1]) == NULL)
		from--;
	while (to[1] != '\0' && to - at < ADDRESS_SIDE && to[1] != '/' &&
	       to[1] != '?' && strchr(marks, to[1]) == NULL)
		to++;
	while (to > at && strchr(".!?", *to) != NULL)
		to--;
	memcpy(ret, from, (size_t)(to - from) + 1);
	ret[to - from + 1] = '\0';
}

/* mail_from is an address, or a name and "<address>". */
static bool is_own_address(const char *mail_from, const char *address)
{
	const char *at = mail_from ? strcasestr(mail_from, address) : NULL;

	if (at == NULL || (at > mail_from && at[-1] != '<' && at[-1] != ' '))
		return false;
	return strchr("> ", at[strlen(address)]) != NULL;
}

static bool addresses_allowed(const struct quality_input *in, const char *text,
			      struct str *detail)
{
	const char *at = text;

	for (; (at = strchr(at, '@')) != NULL; at++) {
		char address[2 * ADDRESS_SIDE + 2];

		address_at(text, at, address);
		if (!parse_is_email(address) ||
		    (in->customer_email != NULL &&
		     strcasecmp(address, in->customer_email) == 0) ||
		    is_own_address(in->mail_from, address))
			continue;
		return bad(detail, "names another address: ", address,
			   strlen(address));
	}
	return true;
}

static bool check_addresses(const struct quality_input *in, struct str *detail)
{
	return of_both(in, detail, addresses_allowed);
}

/* ---------------------------------------------------------------- offers -- */

/*
 * Words that promise something, wherever they stand in a word. As all here
 * they are folded, and so is the text that they are looked for in.
 */
static const char *const promises[] = {
	"discount",	  "% off",	    "percent off",	"free month",
	"free trial",	  "money back",	    "money-back",	"refund",
	"voucher",	  "coupon",	    "promo code",	"special price",
	"half price",	  "half-price",	    "half off",		"cashback",
	"cash back",	  "free of charge", "no charge",	"no cost",
	"without charge", "on the house",   "complimentary",	"waive",
	"waiving",	  "account credit", "bonus month",	"extra month",
	"reduced price",  "lower price",    "% less",		"% cheaper",
	"% lower",	  "rabatt",	    "gutschein",	"kostenlos",
	"geschenkt",	  "erstatt",	    "gratis",		"code promo",
	"gratuit",	  "rembours",	    "descuento",	"reembols",
	"sconto",	  "korting",	    "r\303\251duction",
};

/* The same where a word begins. */
static const char *const promise_words[] = { "rebate", "remise", "offert",
					     "umsonst" };

struct promise {
	const char *at;
	size_t len;
};

/* What money and shares are counted in, as a word behind the number. */
static const char *const units[] = {
	"%",	    "percent",	    "per cent",
	"prozent",  "eur",	    "euro",
	"euros",    "usd",	    "dollar",
	"dollars",  "gbp",	    "pound",
	"pounds",   "chf",	    "franken",
	"francs",   "sek",	    "nok",
	"dkk",	    "pln",	    "jpy",
	"yen",	    "inr",	    "rupees",
	"\302\243", "\342\202\254", "$",
	"\302\245", "\342\202\271",
};

/* Bytes of a space and the unit behind it; 0: there is none. */
static size_t unit_len(const char *text)
{
	for (size_t i = 0; *text != '\0' && i < ARRAY_LEN(units); i++) {
		size_t len = 1 + strlen(units[i]);

		if (strncmp(text + 1, units[i], len - 1) == 0 &&
		    strchr(" -", text[len]) != NULL)
			return len;
	}
	return 0;
}

/* An amount before "off": "$50 off", "20 EUR off", "a 90%-off sale". */
static size_t amount_off(const char *text, const char *at)
{
	size_t len;

	if (!isdigit((unsigned char)at[0]) || !folded_is_left_edge(text, at))
		return 0;
	len = strcspn(at, " -");
	len += unit_len(at + len);
	if ((strncmp(at + len, " off", 4) != 0 &&
	     strncmp(at + len, "-off", 4) != 0) ||
	    !folded_is_right_edge(at + len + 4))
		return 0;
	return len + 4;
}

static bool is_one_of(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strncmp(text, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

/* "free" without a price, not "feel free", "a free hour" or "error-free". */
static size_t free_word(const char *text, const char *at)
{
	static const char *const before[] = { "feel ", " you ", "u're ",
					      " are ", "e you " };
	static const char *const behind[] = {
		" to ",	    " up ",   " plan",	 " tier", " version",
		" account", "-form",  " minute", " hour", " quarter of",
		" moment",  " time ", " slot"
	};

	if (strncmp(at, "free", 4) != 0 || !folded_is_left_edge(text, at) ||
	    !folded_is_right_edge(at + 4) || (at > text && at[-1] == '-') ||
	    is_one_of(at + 4, behind, ARRAY_LEN(behind)) ||
	    (at - text >= 5 && is_one_of(at - 5, before, ARRAY_LEN(before))))
		return 0;
	return 4;
}

/* Length of a promise that begins at `at`; 0: none does. */
static size_t promise_at(const char *text, const char *at)
{
	size_t len = amount_off(text, at);

	if (len == 0)
		len = free_word(text, at);
	for (size_t i = 0; i < ARRAY_LEN(promises) && len == 0; i++)
		if (strncmp(at, promises[i], strlen(promises[i])) == 0)
			len = strlen(promises[i]);
	for (size_t i = 0; i < ARRAY_LEN(promise_words) && len == 0; i++)
		if (folded_is_left_edge(text, at) &&
		    strncmp(at, promise_words[i], strlen(promise_words[i])) ==
			0)
			len = strlen(promise_words[i]);
	return len;
}

/* Some offer stands in the text, word for word, around the promise. */
static bool is_offered(const struct name_list *offers, const char *text,
		       const struct promise *promise)
{
	for (size_t i = 0; i < offers->count; i++) {
		const char *offer = offers->items[i], *at = text;
		size_t len = strlen(offer);

		/* One that began before would end before the promise does. */
		if ((size_t)(promise->at - text) + promise->len > len)
			at = promise->at + promise->len - len;
		for (; len > 0 && (at = strstr(at, offer)) != NULL &&
		       at <= promise->at;
		     at++)
			if (at + len >= promise->at + promise->len &&
			    folded_is_left_edge(text, at) &&
			    folded_is_right_edge(at + len))
				return true;
	}
	return false;
}

/* arena: the texts, each folded. */
static struct name_list fold_all(struct arena *a, const struct name_list *given)
{
	const char **items = ARENA_ARRAY(a, const char *, given->count);

	for (size_t i = 0; i < given->count; i++)
		items[i] = folded_text(a, given->items[i]);
	return (struct name_list){ items, given->count };
}

static bool offers_known(const struct quality_input *in, const char *given,
			 struct str *detail)
{
	const char *text = folded_text(detail->arena, given);
	struct name_list offers = fold_all(detail->arena, &in->offers);

	for (const char *at = text; *at != '\0'; at++) {
		const struct promise promise = { at, promise_at(text, at) };

		if (promise.len > 0 && !is_offered(&offers, text, &promise))
			return bad(detail, "promises what was not offered: ",
				   promise.at, promise.len);
	}
	return true;
}

static bool check_offers(const struct quality_input *in, struct str *detail)
{
	return of_both(in, detail, offers_known);
}

/* ------------------------------------------------------------ repetition -- */

/* Letters and digits only, folded: what a reader would remember. */
static const char *essence(struct arena *a, const char *text)
{
	const char *folded = folded_text(a, text);
	char *out = arena_strdup(a, folded);
	size_t n = 0;

	for (const char *p = folded; *p != '\0'; p++)
		if (isalnum((unsigned char)*p) || (unsigned char)*p >= 0x80)
			out[n++] = *p;
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
