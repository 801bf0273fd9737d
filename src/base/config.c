/*
 * The table of settings. A new setting is one row here, one member of
 * struct config and one line in README's list (a lint compares them).
 */
#include "base/config.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/str.h"

#include <arpa/inet.h>

enum setting_kind {
	SETTING_TEXT,
	SETTING_INT,
	SETTING_LEVEL, /* word of log_level, kept as int64_t */
	SETTING_FLAG,
	SETTING_TIME,
};

typedef bool (*check_fn)(const char *text);

struct setting {
	const char *name;
	enum setting_kind kind;
	size_t offset;
	const char *otherwise; /* default in text form; NULL: none */
	const char *unit;
	int64_t min, max; /* of SETTING_INT */
	check_fn check;	  /* of SETTING_TEXT; may be NULL */
	const char *wanted;
	bool secret;
	const char *prose;
};

/* Where a setting goes; a member of another type does not compile. */
#define INTO(its_kind, type, member)                                           \
	.kind = (its_kind),                                                    \
	.offset = _Generic(((struct config *)0)->member, type                  \
			   : offsetof(struct config, member))
#define IN_TEXT(member)	 INTO(SETTING_TEXT, const char *, member)
#define IN_INT(member)	 INTO(SETTING_INT, int64_t, member)
#define IN_LEVEL(member) INTO(SETTING_LEVEL, int64_t, member)
#define IN_FLAG(member)	 INTO(SETTING_FLAG, bool, member)
#define IN_TIME(member)	 INTO(SETTING_TIME, int64_t, member)

/* Printable, without the characters that end a header or an attribute. */
static bool is_url_rest(const char *text)
{
	if (*text == '\0' || *text == '/')
		return false;
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text >= 0x7f ||
		    strchr("\"'<>\\`{}", *text) != NULL)
			return false;
	}
	return true;
}

static const char *after_scheme(const char *text, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncmp(text, scheme, len) == 0 ? text + len : NULL;
}

static bool is_base_url(const char *text)
{
	const char *rest = after_scheme(text, "https://");

	if (rest == NULL)
		rest = after_scheme(text, "http://");
	return rest != NULL && is_url_rest(rest) &&
	       strpbrk(rest, "?#@") == NULL && rest[strlen(rest) - 1] != '/';
}

static bool is_smtp_url(const char *text)
{
	const char *rest = after_scheme(text, "smtp://");

	if (rest == NULL)
		rest = after_scheme(text, "smtps://");
	return rest != NULL && is_url_rest(rest);
}

static bool is_smtp_tls(const char *text)
{
	return streq(text, "require") || streq(text, "try") ||
	       streq(text, "none");
}

/* "a@b.example" or "Name <a@b.example>". */
static bool is_mail_from(const char *text)
{
	const char *open = strrchr(text, '<');
	char address[256];
	size_t len;

	for (const char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	if (open == NULL)
		return parse_is_email(text);
	len = strlen(++open);
	if (len < 2 || len > sizeof(address) || open[len - 1] != '>' ||
	    !parse_is_utf8(text, strlen(text)))
		return false;
	memcpy(address, open, len - 1);
	address[len - 1] = '\0';
	return parse_is_email(address);
}

static bool is_cidr(const char *text, size_t len)
{
	char address[INET6_ADDRSTRLEN + 4], *slash;
	unsigned char bytes[16];
	int64_t bits;

	if (len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	slash = strchr(address, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	if (inet_pton(AF_INET, address, bytes) == 1)
		return parse_i64(slash + 1, 0, 32, &bits);
	return inet_pton(AF_INET6, address, bytes) == 1 &&
	       parse_i64(slash + 1, 0, 128, &bits);
}

static bool is_cidr_list(const char *text)
{
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (!is_cidr(text, len))
			return false;
		if (text[len] == '\0')
			return true;
	}
}

/* Ids of Stripe's prices, separated by commas. */
static bool is_price_list(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

	for (;; text++) {
		size_t len = strspn(text, letters);

		text += len;
		if (len == 0 || (*text != ',' && *text != '\0'))
			return false;
		if (*text == '\0')
			return true;
	}
}

/* A token that a header can hold. */
static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text >= 0x7f)
			return false;
	}
	return true;
}

static bool is_llm_provider(const char *text)
{
	return streq(text, "anthropic") || streq(text, "openai");
}

static bool is_llm_format(const char *text)
{
	return streq(text, "schema") || streq(text, "tool") ||
	       streq(text, "object");
}

static bool is_tokens_field(const char *text)
{
	return streq(text, "max_completion_tokens") ||
	       streq(text, "max_tokens");
}

#define PRICE(name_, member, prose_)                                           \
	{                                                                      \
		name_, IN_TEXT(member),                                        \
		    .check = is_price_list,                                    \
		    .wanted = "price ids separated by commas",                 \
		    .prose = (prose_)                                          \
	}

static const struct setting settings[] = {
	{ "RETIVO_DATABASE_URL", IN_TEXT(database_url), .secret = true,
	  .prose = "PostgreSQL as the role that owns the schema; read by"
		   " retivo-admin" },
	{ "RETIVO_API_DATABASE_URL", IN_TEXT(api_database_url), .secret = true,
	  .prose = "PostgreSQL as the role of retivo-api" },
	{ "RETIVO_BATCH_DATABASE_URL", IN_TEXT(batch_database_url),
	  .secret = true, .prose = "PostgreSQL as the role of retivo-batch" },
	{ "RETIVO_BASE_URL", IN_TEXT(base_url),
	  .otherwise = "https://localhost:8443", .check = is_base_url,
	  .wanted = "an http or https URL without a final slash",
	  .prose = "where people reach the site; start of every link sent" },
	{ "RETIVO_ENV_FILE", IN_TEXT(env_file),
	  .prose = "file of KEY=value settings that retivo-api reads at start"
		   " and on SIGHUP" },
	{ "RETIVO_SOCKET", IN_TEXT(socket),
	  .prose = "path of the FastCGI socket that nginx connects to" },
	{ "RETIVO_TEMPLATES", IN_TEXT(templates),
	  .otherwise = RETIVO_DATADIR "/templates",
	  .prose = "directory of mail and page templates" },
	{ "RETIVO_SCHEMA", IN_TEXT(schema),
	  .otherwise = RETIVO_DATADIR "/schema.sql",
	  .prose = "file that retivo-admin db apply reads" },
	{ "RETIVO_MASTER_KEY_FILE", IN_TEXT(master_key_file),
	  .prose = "file of mode 0600 with the root secret, 64 hex digits a"
		   " line, newest first" },
	{ "RETIVO_MAIL_DIR", IN_TEXT(mail_dir),
	  .prose =
	      "directory that gets mails as files: without RETIVO_SMTP_URL,"
	      " and those to demo addresses" },
	{ "RETIVO_MAIL_FROM", IN_TEXT(mail_from),
	  .otherwise = "Retivo <noreply@localhost.localdomain>",
	  .check = is_mail_from,
	  .wanted = "an address, or a name and <address>",
	  .prose = "sender of mails of tenants without an address" },
	{ "RETIVO_SMTP_URL", IN_TEXT(smtp_url), .check = is_smtp_url,
	  .wanted = "smtp://host:port or smtps://host:port",
	  .prose = "mail server; none and no RETIVO_MAIL_DIR: no mail" },
	{ "RETIVO_SMTP_USER", IN_TEXT(smtp_user),
	  .prose = "user name at the mail server" },
	{ "RETIVO_SMTP_PASSWORD", IN_TEXT(smtp_password), .secret = true,
	  .prose = "password at the mail server" },
	{ "RETIVO_SMTP_TLS", IN_TEXT(smtp_tls), .otherwise = "require",
	  .check = is_smtp_tls, .wanted = "require, try or none",
	  .prose = "whether smtp:// must change to TLS" },
	{ "RETIVO_OUTBOUND_ALLOW", IN_TEXT(outbound_allow), .otherwise = "",
	  .check = is_cidr_list,
	  .wanted = "address/bits, several separated by commas",
	  .prose = "private networks that webhooks may reach" },
	{ "RETIVO_STRIPE_API_URL", IN_TEXT(stripe_api_url),
	  .otherwise = "https://api.stripe.com", .check = is_base_url,
	  .wanted = "an http or https URL without a final slash",
	  .prose = "where Stripe's API is" },
	{ "RETIVO_STRIPE_SECRET_KEY", IN_TEXT(stripe_secret_key),
	  .check = is_printable, .wanted = "a key without spaces",
	  .secret = true,
	  .prose = "key of Stripe's API; none: billing answers 503" },
	{ "RETIVO_STRIPE_WEBHOOK_SECRET", IN_TEXT(stripe_webhook_secret),
	  .check = is_printable, .wanted = "a secret without spaces",
	  .secret = true,
	  .prose = "signing secret of the endpoint at Stripe that calls"
		   " /api/billing/webhook" },
	PRICE(
	    "RETIVO_STRIPE_STARTER_MONTHLY", stripe_starter_monthly,
	    "prices of starter, monthly: the one that is sold, then older ones"),
	PRICE(
	    "RETIVO_STRIPE_STARTER_ANNUAL", stripe_starter_annual,
	    "prices of starter, annual: the one that is sold, then older ones"),
	PRICE(
	    "RETIVO_STRIPE_GROWTH_MONTHLY", stripe_growth_monthly,
	    "prices of growth, monthly: the one that is sold, then older ones"),
	PRICE(
	    "RETIVO_STRIPE_GROWTH_ANNUAL", stripe_growth_annual,
	    "prices of growth, annual: the one that is sold, then older ones"),
	PRICE(
	    "RETIVO_STRIPE_SCALE_MONTHLY", stripe_scale_monthly,
	    "prices of scale, monthly: the one that is sold, then older ones"),
	PRICE("RETIVO_STRIPE_SCALE_ANNUAL", stripe_scale_annual,
	      "prices of scale, annual: the one that is sold, then older ones"),
	{ "RETIVO_LLM_PROVIDER", IN_TEXT(llm_provider),
	  .check = is_llm_provider, .wanted = "anthropic or openai",
	  .prose = "API of the model that plans messages; openai: any server"
		   " compatible with it; none: the built-in planner" },
	{ "RETIVO_LLM_URL", IN_TEXT(llm_url), .check = is_base_url,
	  .wanted = "an http or https URL without a final slash",
	  .prose = "where the model's server is; none: the provider's own" },
	{ "RETIVO_LLM_API_KEY", IN_TEXT(llm_api_key), .check = is_printable,
	  .wanted = "a key without spaces", .secret = true,
	  .prose = "key of the model's server; a local one may need none" },
	{ "RETIVO_LLM_MODEL", IN_TEXT(llm_model), .check = is_printable,
	  .wanted = "a name without spaces",
	  .prose = "the model's name at its server" },
	{ "RETIVO_LLM_VERSION", IN_TEXT(llm_version), .otherwise = "2026-10-21",
	  .check = is_printable, .wanted = "a version such as 2026-10-21",
	  .prose = "anthropic-version that is sent" },
	{ "RETIVO_LLM_FORMAT", IN_TEXT(llm_format), .otherwise = "schema",
	  .check = is_llm_format, .wanted = "schema, tool or object",
	  .prose = "how JSON is forced: by a schema, by one tool, or as any"
		   " object" },
	{ "RETIVO_LLM_TOKENS_FIELD", IN_TEXT(llm_tokens_field),
	  .otherwise = "max_completion_tokens", .check = is_tokens_field,
	  .wanted = "max_completion_tokens or max_tokens",
	  .prose = "openai: the field of the answer's limit; older servers"
		   " read max_tokens" },
	{ "RETIVO_LLM_MAX_TOKENS", IN_INT(llm_max_tokens), .otherwise = "2048",
	  .min = 64, .max = 65536, .unit = "tokens",
	  .prose = "limit of one answer of the model" },
	{ "RETIVO_LLM_TIMEOUT_MS", IN_INT(llm_timeout_ms), .otherwise = "60000",
	  .min = 100, .max = 600000, .unit = "ms",
	  .prose = "longest wait for one answer of the model" },
	{ "RETIVO_LLM_PARALLEL", IN_INT(llm_parallel), .otherwise = "8",
	  .min = 1, .max = 64, .unit = "calls",
	  .prose = "calls to the model at once" },
	{ "RETIVO_LLM_DAILY_TOKENS", IN_INT(llm_daily_tokens),
	  .otherwise = "1000000", .min = 0, .max = INT64_MAX / 2,
	  .unit = "tokens",
	  .prose = "what one tenant may use in a UTC day; 0: no limit" },
	{ "RETIVO_WORKERS", IN_INT(workers), .otherwise = "4", .min = 1,
	  .max = 64, .unit = "processes",
	  .prose = "API processes, one request at a time each" },
	{ "RETIVO_BODY_MAX_BYTES", IN_INT(body_max_bytes),
	  .otherwise = "1048576", .min = 1024, .max = 64 * 1024 * 1024,
	  .unit = "bytes", .prose = "largest request body" },
	{ "RETIVO_STATEMENT_TIMEOUT_MS", IN_INT(statement_timeout_ms),
	  .otherwise = "5000", .min = 100, .max = 600000, .unit = "ms",
	  .prose = "longest database statement of a request" },
	{ "RETIVO_DB_CONNECT_TIMEOUT_S", IN_INT(db_connect_timeout_s),
	  .otherwise = "3", .min = 1, .max = 60, .unit = "s",
	  .prose = "longest wait for a database connection" },
	{ "RETIVO_SESSION_DAYS", IN_INT(session_days), .otherwise = "14",
	  .min = 1, .max = 365, .unit = "days",
	  .prose = "how long a sign-in lasts" },
	{ "RETIVO_PIPELINE_LATE_S", IN_INT(pipeline_late_s), .otherwise = "600",
	  .min = 60, .max = 86400, .unit = "s",
	  .prose = "health answers 503 when a stage is later than this" },
	{ "RETIVO_BATCH_MAX_S", IN_INT(batch_max_s), .otherwise = "600",
	  .min = 10, .max = 86400, .unit = "s",
	  .prose = "longest run of retivo-batch" },
	{ "RETIVO_LOG_LEVEL", IN_LEVEL(log_level), .otherwise = "info",
	  .wanted = "error, warn, info or debug",
	  .prose = "least urgent log lines written" },
	{ "RETIVO_TESTING", IN_FLAG(testing), .otherwise = "0",
	  .wanted = "0 or 1", .prose = "1 allows RETIVO_CLOCK and --now" },
	{ "RETIVO_CLOCK", IN_TIME(clock_us),
	  .wanted = "an RFC 3339 time after 1970",
	  .prose = "stops the clock at this time; for tests only" },
};

static const struct {
	const char *word;
	enum log_level level;
} levels[] = {
	{ "error", LOG_ERROR },
	{ "warn", LOG_WARN },
	{ "info", LOG_INFO },
	{ "debug", LOG_DEBUG },
};

static bool parse_level(const char *text, int64_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (streq(text, levels[i].word)) {
			*ret = levels[i].level;
			return true;
		}
	}
	return false;
}

static bool parse_setting(const struct setting *s, const char *text,
			  struct config *config)
{
	void *at = (char *)config + s->offset;
	bool flag;

	switch (s->kind) {
	case SETTING_TEXT:
		*(const char **)at = text;
		return s->check == NULL || *text == '\0' || s->check(text);
	case SETTING_INT:
		return parse_i64(text, s->min, s->max, at);
	case SETTING_LEVEL:
		return parse_level(text, at);
	case SETTING_FLAG:
		flag = streq(text, "1");
		*(bool *)at = flag;
		return flag || streq(text, "0");
	case SETTING_TIME:
		return parse_time(text, at) && *(int64_t *)at > 0;
	}
	return false;
}

static void write_problem(struct str *problems, const struct setting *s)
{
	str_printf(problems, "%s: must be ", s->name);
	if (s->kind == SETTING_INT)
		str_printf(problems, "a whole number from %lld to %lld\n",
			   (long long)s->min, (long long)s->max);
	else
		str_printf(problems, "%s\n", s->wanted);
}

/* A variable that is empty counts as unset, as env files have such lines. */
static bool load_setting(const struct setting *s, struct config *config,
			 struct str *problems)
{
	const char *text = getenv(s->name);

	if (text == NULL || *text == '\0')
		text = s->otherwise;
	if (text == NULL || parse_setting(s, text, config))
		return true;
	write_problem(problems, s);
	return false;
}

bool config_load(struct config *ret, struct str *problems)
{
	struct config config = { .testing = false };
	bool good = true;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (!load_setting(&settings[i], &config, problems))
			good = false;
	}
	if (config.clock_us != 0 && !config.testing) {
		str_puts(problems,
			 "RETIVO_CLOCK: needs RETIVO_TESTING=1 beside it\n");
		good = false;
	}
	if (config.llm_provider != NULL && config.llm_model == NULL) {
		str_puts(problems, "RETIVO_LLM_MODEL: must be set with"
				   " RETIVO_LLM_PROVIDER\n");
		good = false;
	}
	if (good)
		*ret = config;
	return good;
}

static void write_text(const struct setting *s, const char *text,
		       struct str *out)
{
	if (text == NULL || *text == '\0')
		str_puts(out, "-");
	else
		str_puts(out, s->secret ? "(secret)" : text);
}

static const char *level_word(int64_t level)
{
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if ((int64_t)levels[i].level == level)
			return levels[i].word;
	}
	return "-";
}

static void write_time(int64_t time_us, struct str *out)
{
	struct arena *a = arena_new();

	str_puts(out, time_us != 0 ? clock_write(a, time_us) : "-");
	arena_free(a);
}

static void write_value(const struct setting *s, const struct config *config,
			struct str *out)
{
	const void *at = (const char *)config + s->offset;

	switch (s->kind) {
	case SETTING_TEXT:
		write_text(s, *(const char *const *)at, out);
		break;
	case SETTING_INT:
		str_put_i64(out, *(const int64_t *)at);
		break;
	case SETTING_LEVEL:
		str_puts(out, level_word(*(const int64_t *)at));
		break;
	case SETTING_FLAG:
		str_puts(out, *(const bool *)at ? "1" : "0");
		break;
	case SETTING_TIME:
		write_time(*(const int64_t *)at, out);
		break;
	}
}

static void put_or_dash(struct str *out, const char *text)
{
	str_puts(out, text != NULL && *text != '\0' ? text : "-");
}

void config_write(const struct config *config, struct str *out)
{
	str_puts(out, "name\tvalue\tunit\tdefault\tmeaning\n");
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *s = &settings[i];

		str_printf(out, "%s\t", s->name);
		write_value(s, config, out);
		str_putc(out, '\t');
		put_or_dash(out, s->unit);
		str_putc(out, '\t');
		put_or_dash(out, s->otherwise);
		str_printf(out, "\t%s\n", s->prose);
	}
}
