/*
 * From one customer, the playbook that won and its facts to the texts of a
 * call, and from the model's JSON back to a plan.
 */
#include "engine/prompt.h"

#include "base/json_out.h"
#include "base/parse.h"
#include "base/str.h"
#include "base/template.h"

#include <json-c/linkhash.h>

#define DATA_MAX    (256 * 1024)
#define LIST_MAX    50
#define SUBJECT_MAX 200

bool prompt_load(struct op *op, struct prompt_texts *ret)
{
	return template_load(op, "prompt/system.txt", &ret->system) &&
	       template_load(op, "prompt/user.txt", &ret->user);
}

/* --------------------------------------------------------------- writing -- */

/* Bytes of a control character, U+0080-009F among them; 0: none. */
static size_t control_len(const unsigned char *p)
{
	if ((p[0] < ' ' && p[0] != '\n') || p[0] == 0x7f)
		return 1;
	return p[0] == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f ? 2 : 0;
}

/* arena: text without hidden characters, at most max bytes. */
static const char *clean(struct op *op, const char *text, size_t max)
{
	char *out = arena_alloc(op->arena, strnlen(text, max) + 5), *end = out;
	const unsigned char *p = (const unsigned char *)text;

	while (*p != '\0' && (size_t)(end - out) < max) {
		size_t hidden = parse_hidden_len((const char *)p);

		if (hidden > 0) {
			p += hidden;
			continue;
		}
		size_t control = control_len(p);

		*end++ = control > 0 ? ' ' : (char)*p;
		p += control > 0 ? control : 1;
	}
	*end = '\0';
	out[parse_utf8_prefix(out, (size_t)(end - out))] = '\0';
	return out;
}

/* arena: as clean() has it and without markup: < and > are ‹ and ›. */
static const char *plain(struct op *op, const char *text, size_t max)
{
	struct str out;

	str_init(&out, op->arena, 3 * max + 16);
	for (const char *p = clean(op, text, max); *p != '\0'; p++) {
		if (*p == '<')
			str_puts(&out, "\xe2\x80\xb9");
		else if (*p == '>')
			str_puts(&out, "\xe2\x80\xba");
		else
			str_putc(&out, *p);
	}
	return arena_strndup(
	    op->arena, out.bytes,
	    parse_utf8_prefix(out.bytes, strnlen(out.bytes, max)));
}

static void put_text(struct op *op, struct json_out *j, const char *key,
		     const char *text, size_t max)
{
	if (text != NULL)
		json_pair(j, key, plain(op, text, max));
}

/* Strings of a document cleaned, its depth and width bounded. */
static void put_value(struct op *op, struct json_out *j,
		      struct json_object *value, size_t max, int depth)
{
	size_t n = 0;

	if (json_object_is_type(value, json_type_string)) {
		json_string(j, plain(op, json_object_get_string(value), max));
	} else if (json_object_is_type(value, json_type_array) && depth > 0) {
		n = json_object_array_length(value);
		json_open(j, '[');
		for (size_t i = 0; i < n && i < LIST_MAX; i++)
			put_value(op, j, json_object_array_get_idx(value, i),
				  max, depth - 1);
		json_close(j);
	} else if (json_object_is_type(value, json_type_object) && depth > 0) {
		json_open(j, '{');
		json_object_object_foreach (value, key, member) {
			if (n++ == LIST_MAX)
				break;
			json_key(j, plain(op, key, max));
			put_value(op, j, member, max, depth - 1);
		}
		json_close(j);
	} else if (json_object_is_type(value, json_type_object) ||
		   json_object_is_type(value, json_type_array)) {
		json_null(j);
	} else {
		json_raw(j, json_text(op->arena, value));
	}
}

static bool may_tell(const struct prompt_input *in, const char *field)
{
	return name_list_has(in->fields, field);
}

static void put_number(const struct prompt_input *in, struct json_out *j,
		       const char *field, double value)
{
	if (!may_tell(in, field))
		return;
	json_key(j, field);
	json_double(j, value);
}

/* properties.a.b of the customer, or NULL. */
static struct json_object *property(struct op *op, struct json_object *from,
				    const char *path)
{
	char *rest = arena_strdup(op->arena, path);

	while (from != NULL && rest != NULL) {
		char *key = strsep(&rest, ".");

		from = json_object_is_type(from, json_type_object)
			   ? json_member(from, key)
			   : NULL;
	}
	return from;
}

static void put_properties(struct op *op, const struct prompt_input *in,
			   struct json_out *j)
{
	for (size_t i = 0; i < in->fields->count; i++) {
		const char *field = in->fields->items[i];
		struct json_object *value;

		if (strncmp(field, "properties.", 11) != 0)
			continue;
		value =
		    property(op, in->plan->customer->properties, field + 11);
		if (value == NULL)
			continue;
		json_key(j, field);
		put_value(op, j, value, PROMPT_FIELD_MAX, 2);
	}
}

static void put_customer(struct op *op, const struct prompt_input *in,
			 struct json_out *j)
{
	const struct plan_customer *c = in->plan->customer;
	const struct {
		const char *field, *value;
	} texts[] = {
		{ "name", c->name },
		{ "email", c->email },
		{ "company", c->company },
		{ "role", c->role },
		{ "plan", c->plan },
		{ "locale", c->locale },
		{ "lifecycle_stage", c->lifecycle_stage },
		{ "risk_level", c->risk_level },
	};

	json_key(j, "customer");
	json_open(j, '{');
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (may_tell(in, texts[i].field))
			put_text(op, j, texts[i].field, texts[i].value,
				 PROMPT_FIELD_MAX);
	put_number(in, j, "health", (double)c->health);
	put_number(in, j, "activation_score", c->activation_score);
	put_number(in, j, "engagement_score", c->engagement_score);
	put_number(in, j, "expansion_score", c->expansion_score);
	if (c->has_activity)
		put_number(in, j, "days_since_last_activity",
			   (double)c->days_idle);
	put_properties(op, in, j);
	json_close(j);
}

/*
 * True when the fact's path, "entry_conditions.any[1].health.gt" or
 * "….properties.team.eq", is about a field on the list.
 */
static bool may_tell_fact(struct op *op, const struct prompt_input *in,
			  const struct plan_fact *fact)
{
	const char *property = strstr(fact->path, ".properties.");
	char *rest = arena_strdup(op->arena, fact->path);
	size_t op_len = strlen(fact->op);
	bool told = false;

	if (property != NULL) {
		char *name = arena_strdup(op->arena, property + 1);
		size_t len = strlen(name);

		/* The operator behind it, where there is one. */
		if (len > op_len + 1 && streq(name + len - op_len, fact->op) &&
		    name[len - op_len - 1] == '.' && !may_tell(in, name))
			name[len - op_len - 1] = '\0';
		return may_tell(in, name);
	}
	/* Behind the document's own name, the first that is on the list. */
	(void)strsep(&rest, ".");
	while (rest != NULL && !told)
		told = may_tell(in, strsep(&rest, "."));
	return told;
}

static void put_facts(struct op *op, const struct prompt_input *in,
		      struct json_out *j)
{
	json_key(j, "why_now");
	json_open(j, '[');
	for (size_t i = 0; i < in->plan->fact_count; i++) {
		const struct plan_fact *f = &in->plan->facts[i];

		if (!may_tell_fact(op, in, f))
			continue;
		json_open(j, '{');
		json_pair(j, "condition", plain(op, f->path, PROMPT_FIELD_MAX));
		json_pair(j, "wanted", plain(op, f->wanted, PROMPT_FIELD_MAX));
		json_pair(j, "is", plain(op, f->value, PROMPT_FIELD_MAX));
		json_close(j);
	}
	json_close(j);
}

static void put_names(struct op *op, struct json_out *j, const char *key,
		      const struct name_list *names)
{
	json_key(j, key);
	json_open(j, '[');
	for (size_t i = 0; i < names->count && i < LIST_MAX; i++)
		json_string(j, plain(op, names->items[i], PROMPT_FIELD_MAX));
	json_close(j);
}

static void put_playbook(struct op *op, const struct prompt_input *in,
			 struct json_out *j)
{
	const struct playbook *pb = in->plan->playbook;
	const char *subject, *message;

	playbook_texts(pb, in->plan->customer->locale, &subject, &message);
	json_key(j, "playbook");
	json_open(j, '{');
	json_pair(j, "playbook_id", pb->id);
	put_text(op, j, "name", pb->name, PROMPT_FIELD_MAX);
	put_text(op, j, "lifecycle_area", pb->lifecycle_area, PROMPT_FIELD_MAX);
	put_text(op, j, "goal", pb->goal, PROMPT_TEXT_MAX);
	put_text(op, j, "tone", pb->tone, PROMPT_TEXT_MAX);
	put_text(op, j, "subject", subject, PROMPT_FIELD_MAX);
	put_text(op, j, "message", message, PROMPT_TEXT_MAX);
	put_text(op, j, "cta_url", pb->cta_url, PROMPT_TEXT_MAX);
	put_names(op, j, "offers", &pb->offers);
	json_close(j);
}

/* NULL when it is too much. */
static const char *data_of(struct op *op, const struct prompt_input *in,
			   const struct name_list *channels, bool with_company)
{
	struct str out;
	struct json_out j;

	str_init(&out, op->arena, DATA_MAX);
	json_init(&j, &out);
	json_open(&j, '{');
	put_customer(op, in, &j);
	put_facts(op, in, &j);
	put_playbook(op, in, &j);
	put_names(op, &j, "channels", channels);
	if (with_company && in->brand != NULL) {
		json_key(&j, "company");
		put_value(op, &j, in->brand, PROMPT_TEXT_MAX, 2);
	}
	json_close(&j);
	return str_ok(&out) ? out.bytes : NULL;
}

/* What a model's text may leave to be filled: what it is not told. */
static const char *const slot_names[] = { "name", "company" };

struct slots {
	const struct prompt_input *in;
	const char *data;
};

static const char *slot(void *context, const char *name)
{
	const struct slots *s = context;

	if (streq(name, "tenant"))
		return s->in->plan->tenant->name;
	if (streq(name, "delimiter"))
		return s->in->id;
	if (streq(name, "data"))
		return s->data;
	if (streq(name, "name_slot"))
		return "{{name|there}}";
	if (streq(name, "company_slot"))
		return "{{company|your team}}";
	return NULL;
}

static const char *fill(struct op *op, const char *text, struct slots *slots)
{
	struct str out;

	str_init(&out, op->arena, 2 * DATA_MAX);
	template_write(op->arena, &out, text, TEMPLATE_TEXT, slot, slots);
	return out.bytes;
}

static void put_property(struct json_out *j, const char *name, const char *type)
{
	json_key(j, name);
	json_open(j, '{');
	json_pair(j, "type", type);
	json_close(j);
}

static void put_enum(struct json_out *j, const char *name,
		     const char *const *values, size_t count)
{
	json_key(j, name);
	json_open(j, '{');
	json_pair(j, "type", "string");
	json_key(j, "enum");
	json_open(j, '[');
	for (size_t i = 0; i < count; i++)
		json_string(j, values[i]);
	json_close(j);
	json_close(j);
}

static const char *const actions[] = { "intervene", "wait", "escalate" };
static const char *const members[] = { "action",   "playbook_id", "channel",
				       "subject",  "message",	  "confidence",
				       "reasoning" };

static const char *schema_of(struct op *op, const struct prompt_input *in,
			     const struct name_list *channels)
{
	struct str out;
	struct json_out j;

	str_init(&out, op->arena, 8192);
	json_init(&j, &out);
	json_open(&j, '{');
	json_pair(&j, "type", "object");
	json_key(&j, "additionalProperties");
	json_boolean(&j, false);
	json_key(&j, "required");
	json_open(&j, '[');
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		json_string(&j, members[i]);
	json_close(&j);
	json_key(&j, "properties");
	json_open(&j, '{');
	put_enum(&j, "action", actions, ARRAY_LEN(actions));
	put_enum(&j, "playbook_id", &in->plan->playbook->id, 1);
	put_enum(&j, "channel", channels->items, channels->count);
	put_property(&j, "subject", "string");
	put_property(&j, "message", "string");
	put_property(&j, "confidence", "number");
	put_property(&j, "reasoning", "string");
	json_close(&j);
	json_close(&j);
	return out.bytes;
}

bool prompt_write(struct op *op, const struct prompt_input *in,
		  const char **ret_system, const char **ret_user,
		  const char **ret_schema)
{
	struct name_list channels = plan_channels(op, in->plan);
	struct slots slots = { in, data_of(op, in, &channels, true) };

	/* The company's texts may be very long: better without than not. */
	if (slots.data == NULL)
		slots.data = data_of(op, in, &channels, false);
	if (slots.data == NULL)
		return false;
	*ret_system = fill(op, in->texts->system, &slots);
	*ret_user = fill(op, in->texts->user, &slots);
	*ret_schema = schema_of(op, in, &channels);
	return true;
}

/* One line, and put_customer() comes first in it. */
const char *prompt_data(struct op *op, const char *user)
{
	const char *data = strstr(user, "{\"customer\":");

	return data == NULL
		   ? NULL
		   : arena_strndup(op->arena, data, strcspn(data, "\n"));
}

/* --------------------------------------------------------------- reading -- */

static bool is_among(const char *text, const char *const *items, size_t count)
{
	const struct name_list list = { items, count };

	return text != NULL && name_list_has(&list, text);
}

/* No control characters but line ends and tabs, and none that hide. */
static bool is_clean(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if ((*p < ' ' && *p != '\n' && *p != '\t') || *p == 0x7f ||
		    parse_hidden_len((const char *)p) > 0)
			return false;
	return true;
}

static bool is_good_text(const char *text, size_t max)
{
	return text != NULL && strlen(text) <= max && is_clean(text);
}

static const char *trimmed(struct op *op, const char *text)
{
	size_t len;

	if (text == NULL)
		return NULL;
	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	return arena_strndup(op->arena, text, len);
}

static bool read_message(struct op *op, const struct plan_input *in,
			 struct json_object *root, struct plan_result *ret)
{
	const char *message = trimmed(op, json_get_text(root, "message", NULL));
	const char *subject = trimmed(op, json_get_text(root, "subject", NULL));
	const struct name_list slots = { slot_names, ARRAY_LEN(slot_names) };

	if (!is_good_text(message, PROMPT_MESSAGE_MAX) || *message == '\0')
		return false;
	ret->message = plan_fill(op, in, message, &slots, false);
	if (!streq(ret->channel, "email"))
		return ret->message != NULL;
	if (subject == NULL || *subject == '\0') {
		const char *unused;

		plan_message(op, in->customer, in->tenant, in->playbook,
			     "email", &ret->subject, &unused);
		return ret->message != NULL;
	}
	if (!is_good_text(subject, SUBJECT_MAX) || strchr(subject, '\n'))
		return false;
	ret->subject = plan_fill(op, in, subject, &slots, true);
	return ret->message != NULL && ret->subject != NULL;
}

static bool read_action(struct op *op, const struct plan_input *in,
			struct json_object *root, struct plan_result *ret)
{
	struct name_list channels = plan_channels(op, in);
	const char *action = json_get_text(root, "action", NULL);
	const char *channel = json_get_text(root, "channel", NULL);

	if (!is_among(action, actions, ARRAY_LEN(actions)))
		return false;
	if (streq(action, "wait")) {
		ret->action = "wait";
		ret->reason = "model_wait";
		return true;
	}
	if (!is_among(json_get_text(root, "playbook_id", NULL),
		      &in->playbook->id, 1))
		return false;
	if (streq(action, "escalate")) {
		ret->action = ret->channel = "escalate";
		plan_message(op, in->customer, in->tenant, in->playbook,
			     ret->channel, &ret->subject, &ret->message);
		return true;
	}
	if (!is_among(channel, channels.items, channels.count))
		return false;
	ret->action = "intervene";
	ret->channel = channel;
	return read_message(op, in, root, ret);
}

const char *prompt_read(struct op *op, const struct plan_input *in,
			const char *json, struct plan_result *ret)
{
	struct plan_result r = { .action = NULL };
	const char *reasoning;
	struct json_object *root;

	if (!json_parse(op, json, strlen(json), &root)) {
		op_clear(op);
		return "bad_answer";
	}
	if (!json_object_is_type(root, json_type_object))
		return "bad_answer";
	r.confidence = json_get_double(root, "confidence", -1);
	reasoning = trimmed(op, json_get_text(root, "reasoning", NULL));
	if (r.confidence < 0 || r.confidence > 1 || reasoning == NULL ||
	    *reasoning == '\0' || !read_action(op, in, root, &r))
		return "bad_answer";
	r.reasoning = clean(op, reasoning, PROMPT_TEXT_MAX);
	*ret = r;
	return NULL;
}
