/*
 * Playbook documents → struct playbook (playbook_doc.h). The API checks a
 * request with it before it is stored; match, dry-run and explain compile
 * stored rows with the same function.
 */
#include "engine/playbook_doc.h"

#include "base/parse.h"

#include <json-c/linkhash.h>

#define TEXT_MAX     20000
#define LINE_MAX_LEN 500
#define OFFERS_MAX   50
#define LOCALES_MAX  100

struct reader {
	struct op *op;
	const struct tenant_config *config;
	struct playbook *pb;
	bool bad;
};

#define BAD(r, path, ...)                                                      \
	((r)->bad = true, op_fail_at((r)->op, (path), __VA_ARGS__))

struct key {
	const char *name;
	void (*read)(struct reader *r, const char *path, const struct key *key,
		     struct json_object *value);
	size_t offset;
	double min, max;
};

static const char *at(struct reader *r, const char *path, const char *name)
{
	size_t len = strlen(name);

	if (len > 80)
		len = parse_utf8_prefix(name, 80);
	return arena_printf(r->op->arena, "%s.%.*s", path, (int)len, name);
}

static void *member(struct reader *r, const struct key *key)
{
	return (char *)r->pb + key->offset;
}

/* -------------------------------------------------------------- readers -- */

static void read_whole(struct reader *r, const char *path,
		       const struct key *key, struct json_object *value)
{
	int64_t n;

	/* 3.0 is no integer to SQL that reads the stored text. */
	if (json_object_is_type(value, json_type_int) &&
	    json_as_i64(value, &n) && (double)n >= key->min &&
	    (double)n <= key->max)
		memcpy(member(r, key), &n, sizeof(n));
	else
		BAD(r, path, "must be a whole number from %.0f to %.0f",
		    key->min, key->max);
}

static void read_ratio(struct reader *r, const char *path,
		       const struct key *key, struct json_object *value)
{
	double n;

	if (json_as_double(value, &n) && n >= 0 && n <= 1)
		memcpy(member(r, key), &n, sizeof(n));
	else
		BAD(r, path, "must be a number from 0 to 1");
}

static void read_flag(struct reader *r, const char *path, const struct key *key,
		      struct json_object *value)
{
	bool flag = json_object_get_boolean(value);

	if (json_object_is_type(value, json_type_boolean))
		memcpy(member(r, key), &flag, sizeof(flag));
	else
		BAD(r, path, "must be true or false");
}

/* A text of at most max bytes, or NULL with a fault. */
static const char *text_of(struct reader *r, const char *path, double max,
			   struct json_object *value)
{
	const char *text = json_object_is_type(value, json_type_string)
			       ? json_object_get_string(value)
			       : "";

	if (*text != '\0' && (double)strlen(text) <= max)
		return text;
	BAD(r, path, "must be a text of 1 to %.0f bytes", max);
	return NULL;
}

/* A subject goes into a mail header: one line. */
static const char *line_of(struct reader *r, const char *path,
			   struct json_object *value)
{
	const char *text = text_of(r, path, LINE_MAX_LEN, value);

	for (const char *s = text; s != NULL && *s != '\0'; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f) {
			BAD(r, path, "must be one line");
			return NULL;
		}
	}
	return text;
}

static void read_text(struct reader *r, const char *path, const struct key *key,
		      struct json_object *value)
{
	const char *text = text_of(r, path, key->max, value);

	memcpy(member(r, key), &text, sizeof(text));
}

static void read_subject(struct reader *r, const char *path,
			 const struct key *key, struct json_object *value)
{
	(void)key;
	r->pb->subject = line_of(r, path, value);
}

static void read_channels(struct reader *r, const char *path,
			  const struct key *key, struct json_object *value)
{
	(void)key;
	if (!config_channels(r->op, path, value, &r->pb->channels))
		r->bad = true;
}

static void read_quiet_hours(struct reader *r, const char *path,
			     const struct key *key, struct json_object *value)
{
	(void)key;
	if (!config_quiet_hours(r->op, path, value, &r->pb->quiet_hours))
		r->bad = true;
}

static void read_area(struct reader *r, const char *path, const struct key *key,
		      struct json_object *value)
{
	static const char *const names[] = { "activation", "adoption",
					     "retention", "expansion",
					     "win_back" };
	static const struct name_list areas = { names, ARRAY_LEN(names) };
	const char *text = json_object_is_type(value, json_type_string)
			       ? json_object_get_string(value)
			       : "";

	(void)key;
	if (name_list_has(&areas, text))
		r->pb->lifecycle_area = text;
	else
		BAD(r, path,
		    "must be one of activation, adoption, retention, "
		    "expansion, win_back");
}

static void read_url(struct reader *r, const char *path, const struct key *key,
		     struct json_object *value)
{
	const char *url = text_of(r, path, key->max, value);
	const char *host = NULL;

	if (url == NULL)
		return;
	if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	else if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	for (const char *s = url; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || strchr("\"<>\\^`", *s))
			host = NULL;
	if (host != NULL && strcspn(host, "/?#") > 0)
		r->pb->cta_url = url;
	else
		BAD(r, path, "must be an http or https address");
}

static void read_offers(struct reader *r, const char *path,
			const struct key *key, struct json_object *value)
{
	size_t n = OFFERS_MAX + 1;

	(void)key;
	if (json_object_is_type(value, json_type_array))
		n = json_object_array_length(value);
	if (n > OFFERS_MAX) {
		BAD(r, path, "must be a list of at most %d texts", OFFERS_MAX);
		return;
	}
	const char **items = ARENA_ARRAY(r->op->arena, const char *, n);
	for (size_t i = 0; i < n; i++)
		items[i] =
		    text_of(r, arena_printf(r->op->arena, "%s[%zu]", path, i),
			    LINE_MAX_LEN, json_object_array_get_idx(value, i));
	r->pb->offers = (struct name_list){ items, n };
}

static bool is_locale(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789-_");

	return len >= 2 && len <= 35 && text[len] == '\0';
}

static void read_message(struct reader *r, const char *path,
			 struct json_object *value, struct playbook_text *ret)
{
	if (!json_object_is_type(value, json_type_object)) {
		ret->message = text_of(r, path, TEXT_MAX, value);
		return;
	}
	json_object_object_foreach (value, key, text) {
		if (streq(key, "subject"))
			ret->subject = line_of(r, at(r, path, key), text);
		else if (streq(key, "message"))
			ret->message =
			    text_of(r, at(r, path, key), TEXT_MAX, text);
		else
			BAD(r, at(r, path, key),
			    "unknown key; known: subject, message");
	}
	if (!json_has(value, "message"))
		BAD(r, at(r, path, "message"), "is required");
}

static void read_messages(struct reader *r, const char *path,
			  const struct key *key, struct json_object *value)
{
	struct playbook_text *texts;
	size_t n = 0;

	(void)key;
	if (!json_object_is_type(value, json_type_object) ||
	    json_object_object_length(value) > LOCALES_MAX) {
		BAD(r, path, "must be an object of locale and text");
		return;
	}
	texts = ARENA_ARRAY(r->op->arena, struct playbook_text,
			    (size_t)json_object_object_length(value));
	json_object_object_foreach (value, locale, text) {
		const char *here = at(r, path, locale);

		if (!is_locale(locale))
			BAD(r, here, "is no locale such as de or pt-BR");
		texts[n].locale = locale;
		read_message(r, here, text, &texts[n++]);
	}
	r->pb->messages = texts;
	r->pb->message_count = n;
}

static void read_escalation(struct reader *r, const char *path,
			    const struct key *key, struct json_object *value)
{
	struct condition *cond;

	(void)key;
	if (!condition_parse(r->op, path, value, &r->config->env, &cond))
		r->bad = true;
	else if (!condition_is_empty(cond))
		r->pb->escalate_when = cond;
}

/* ---------------------------------------------------------------- tables -- */

#define OFFSET(m) offsetof(struct playbook, m)

static const struct key constraint_keys[] = {
	{ "channels", read_channels, 0, 0, 0 },
	{ "priority", read_whole, OFFSET(priority), -1000000, 1000000 },
	{ "cooldown_days", read_whole, OFFSET(cooldown_days), 0, 3650 },
	{ "max_per_customer", read_whole, OFFSET(max_per_customer), 1, 1000 },
	{ "max_per_day", read_whole, OFFSET(max_per_day), 1, 100000000 },
	{ "holdout", read_ratio, OFFSET(holdout), 0, 1 },
	{ "quiet_hours", read_quiet_hours, 0, 0, 0 },
	{ "min_confidence", read_ratio, OFFSET(min_confidence), 0, 1 },
	{ "requires_approval", read_flag, OFFSET(requires_approval), 0, 0 },
	{ "lifecycle_area", read_area, 0, 0, 0 },
	{ "win_back_step", read_whole, OFFSET(win_back_step), 1, 10 },
	{ "match_all", read_flag, OFFSET(match_all), 0, 0 },
};

static const struct key hint_keys[] = {
	{ "goal", read_text, OFFSET(goal), 0, 2000 },
	{ "tone", read_text, OFFSET(tone), 0, 2000 },
	{ "subject", read_subject, 0, 0, 0 },
	{ "message", read_text, OFFSET(message), 0, TEXT_MAX },
	{ "messages", read_messages, 0, 0, 0 },
	{ "cta_url", read_url, 0, 0, 2000 },
	{ "offers", read_offers, 0, 0, 0 },
	{ "escalate_when", read_escalation, 0, 0, 0 },
};

/* null is like absent, but for quiet_hours, where it means none. */
static void read_keys(struct reader *r, const char *path,
		      struct json_object *doc, const struct key *keys,
		      size_t count)
{
	struct str known;

	if (doc == NULL)
		return;
	str_init(&known, r->op->arena, 2048);
	for (size_t i = 0; i < count; i++)
		str_printf(&known, "%s%s", i ? ", " : "", keys[i].name);
	json_object_object_foreach (doc, name, value) {
		const char *here = at(r, path, name);
		size_t i = 0;

		while (i < count && !streq(keys[i].name, name))
			i++;
		if (i == count)
			BAD(r, here, "unknown key; known: %s", known.bytes);
		else if (value != NULL || keys[i].read == read_quiet_hours)
			keys[i].read(r, here, &keys[i], value);
	}
}

bool playbook_parse(struct op *op, const struct playbook_docs *docs,
		    const struct tenant_config *config, struct playbook *ret)
{
	struct playbook pb = {
		.id = ret->id,
		.name = ret->name,
		.status = ret->status,
		.version = ret->version,
		.channels = config->channels,
		.priority = 100,
		.cooldown_days = 7,
		.holdout = 0.1,
		.quiet_hours = config->quiet_hours,
		.min_confidence = config->confidence_threshold,
	};
	struct reader r = { .op = op, .config = config, .pb = &pb };
	struct condition *entry = NULL, *leave = NULL;

	if (!condition_parse(op, "entry_conditions", docs->entry, &config->env,
			     &entry))
		r.bad = true;
	if (!condition_parse(op, "exit_conditions", docs->exit, &config->env,
			     &leave))
		r.bad = true;
	read_keys(&r, "constraints", docs->constraints, constraint_keys,
		  ARRAY_LEN(constraint_keys));
	read_keys(&r, "strategy_hints", docs->hints, hint_keys,
		  ARRAY_LEN(hint_keys));
	if (r.bad)
		return false;
	pb.entry = entry;
	pb.exit = condition_is_empty(leave) ? NULL : leave;
	*ret = pb;
	return true;
}

static bool doc_parse(struct op *op, const char *text, struct json_object **ret)
{
	*ret = NULL;
	return text == NULL || json_parse(op, text, strlen(text), ret);
}

bool playbook_compile(struct op *op, const struct playbook_row *row,
		      const struct tenant_config *config, struct playbook *ret)
{
	struct playbook_docs docs;
	struct playbook pb = { .id = row->id,
			       .name = row->name,
			       .status = row->status,
			       .version = row->version };

	if (!doc_parse(op, row->entry_conditions, &docs.entry) ||
	    !doc_parse(op, row->exit_conditions, &docs.exit) ||
	    !doc_parse(op, row->constraints, &docs.constraints) ||
	    !doc_parse(op, row->strategy_hints, &docs.hints) ||
	    !playbook_parse(op, &docs, config, &pb))
		return false;
	*ret = pb;
	return true;
}

bool playbook_load(struct op *op, const char *id,
		   const struct tenant_config *config, struct playbook *ret)
{
	struct playbook_row row;

	return playbook_load_row(op, id, &row) &&
	       playbook_compile(op, &row, config, ret);
}

static int by_priority(const void *a, const void *b)
{
	const struct playbook *p = a, *q = b;

	if (p->priority != q->priority)
		return p->priority > q->priority ? -1 : 1;
	return strcmp(p->id, q->id);
}

bool playbook_load_active(struct op *op, const struct tenant_config *config,
			  struct playbook **ret, size_t *ret_count,
			  size_t *ret_broken)
{
	struct playbook_row *rows;
	size_t n, good = 0;

	if (!playbook_load_rows(op, "active", &rows, &n))
		return false;
	struct playbook *playbooks = ARENA_ARRAY(op->arena, struct playbook, n);
	for (size_t i = 0; i < n; i++) {
		if (playbook_compile(op, &rows[i], config, &playbooks[good]))
			good++;
		else
			op_clear(op);
	}
	qsort(playbooks, good, sizeof(*playbooks), by_priority);
	*ret = playbooks;
	*ret_count = good;
	if (ret_broken != NULL)
		*ret_broken = n - good;
	return true;
}

bool playbook_check_all(struct op *op, const struct tenant_config *config)
{
	struct playbook_row *rows;
	struct playbook pb;
	const char **names, **faults;
	size_t n, bad = 0;

	if (!playbook_load_rows(op, NULL, &rows, &n))
		return false;
	names = ARENA_ARRAY(op->arena, const char *, n);
	faults = ARENA_ARRAY(op->arena, const char *, n);
	for (size_t i = 0; i < n; i++) {
		if (playbook_compile(op, &rows[i], config, &pb))
			continue;
		const struct fail_detail *f = op->fail.fields;
		names[bad] = rows[i].name;
		faults[bad++] = f != NULL ? arena_printf(op->arena, "%s: %s",
							 f->path, f->message)
					  : op->fail.message;
		op_clear(op);
	}
	for (size_t i = 0; i < bad; i++)
		op_fail_at(op, "config",
			   "the playbook \"%s\" would not work any more: %s",
			   names[i], faults[i]);
	return bad == 0;
}

bool playbook_want_events(struct op *op, const struct playbook *pb)
{
	const struct condition *conds[] = { pb->entry, pb->exit,
					    pb->escalate_when };

	for (size_t i = 0; i < ARRAY_LEN(conds); i++) {
		const char *const *names;
		size_t n;

		condition_events(op->arena, conds[i], &names, &n);
		if (!event_names_want(op, names, n))
			return false;
	}
	return true;
}

/* Case and '_' for '-' do not matter in locales. */
static bool same_locale(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char x = a[i] == '_' ? '-' : a[i];
		char y = b[i] == '_' ? '-' : b[i];

		if (x >= 'A' && x <= 'Z')
			x = (char)(x - 'A' + 'a');
		if (y >= 'A' && y <= 'Z')
			y = (char)(y - 'A' + 'a');
		if (x != y || x == '\0')
			return false;
	}
	return true;
}

static const struct playbook_text *text_find(const struct playbook *pb,
					     const char *locale, size_t len)
{
	for (size_t i = 0; i < pb->message_count; i++)
		if (strlen(pb->messages[i].locale) == len &&
		    same_locale(pb->messages[i].locale, locale, len))
			return &pb->messages[i];
	return NULL;
}

void playbook_texts(const struct playbook *pb, const char *locale,
		    const char **ret_subject, const char **ret_message)
{
	const struct playbook_text *text = NULL;

	if (locale != NULL) {
		text = text_find(pb, locale, strlen(locale));
		if (text == NULL)
			text = text_find(pb, locale, strcspn(locale, "-_"));
	}
	*ret_subject = pb->subject;
	*ret_message = pb->message;
	if (text != NULL) {
		*ret_message = text->message;
		if (text->subject != NULL)
			*ret_subject = text->subject;
	}
}
