/*
 * The planner without a model: channel by preference, message by the
 * playbook's hints, confidence by the formula in the header, reasoning from
 * the facts that made the playbook match.
 */
#include "engine/plan.h"

#include "base/parse.h"
#include "base/str.h"
#include "base/template.h"

#include <math.h>

#define MESSAGE_MAX   200000
#define REASONING_MAX 4000

/* What a playbook without a text of its own says. */
static const struct {
	const char *area; /* NULL: any other */
	const char *subject, *message;
} defaults[] = {
	{ "activation", "Can we help you get started, {{name|there}}?",
	  "Hi {{name|there}},\n\nThe first steps are the ones that pay off"
	  " most. If something stands in your way, just reply and we will sort"
	  " it out together." },
	{ "adoption", "Getting more out of {{tenant|our product}}",
	  "Hi {{name|there}},\n\nThere is a part of {{tenant|our product}} that"
	  " people who work like you tend to find useful. Reply if you would"
	  " like us to show you." },
	{ "retention", "Is everything all right, {{name|there}}?",
	  "Hi {{name|there}},\n\nWe noticed that you use {{tenant|our product}}"
	  " less than before. If something does not work the way you need it,"
	  " tell us: a reply reaches a person." },
	{ "expansion", "Room to grow",
	  "Hi {{name|there}},\n\nYou are making good use of {{tenant|our"
	  " product}} and coming close to the limits of your plan. Reply if you"
	  " would like to talk about what fits you best." },
	{ "win_back", "We would like to have you back, {{name|there}}",
	  "Hi {{name|there}},\n\nIt has been a while. Your work is still here;"
	  " if something made you leave, we would like to hear it." },
	{ NULL, "A word from {{tenant|us}}",
	  "Hi {{name|there}},\n\nWe are here if you need anything: just reply"
	  " to this message." },
};

struct values {
	struct op *op;
	const struct plan_customer *customer;
	const struct plan_tenant *tenant;
	const struct playbook *playbook;
	const struct name_list *allowed; /* NULL: all */
	bool refused;			 /* one that is not allowed */
};

static const char *first_word(struct op *op, const char *text)
{
	return text == NULL
		   ? NULL
		   : arena_strndup(op->arena, text, strcspn(text, " "));
}

/* properties.a.b → its text; objects and arrays have none. */
static const char *property_value(struct values *v, const char *path)
{
	struct json_object *at = v->customer->properties;
	char *rest = arena_strdup(v->op->arena, path);

	while (at != NULL && rest != NULL) {
		char *key = strsep(&rest, ".");

		if (!json_object_is_type(at, json_type_object))
			return NULL;
		at = json_member(at, key);
	}
	if (at == NULL || json_object_is_type(at, json_type_object) ||
	    json_object_is_type(at, json_type_array))
		return NULL;
	return json_object_get_string(at);
}

static const char *value_of(void *context, const char *name)
{
	struct values *v = context;
	const struct plan_customer *c = v->customer;
	const struct {
		const char *name, *value;
	} texts[] = {
		{ "name", c->name },
		{ "first_name", first_word(v->op, c->name) },
		{ "email", c->email },
		{ "company", c->company },
		{ "role", c->role },
		{ "plan", c->plan },
		{ "user_id", c->user_id },
		{ "tenant", v->tenant->name },
		{ "cta_url", v->playbook->cta_url },
	};

	if (v->allowed != NULL && !name_list_has(v->allowed, name)) {
		v->refused = true;
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (streq(name, texts[i].name))
			return texts[i].value;
	if (streq(name, "days_since_last_activity") && c->has_activity)
		return arena_printf(v->op->arena, "%lld",
				    (long long)c->days_idle);
	if (strncmp(name, "properties.", 11) == 0)
		return property_value(v, name + 11);
	return NULL;
}

/*
 * NULL when the values make it too long: a text cut short is no text; or a
 * placeholder is not allowed.
 */
static char *fill(struct op *op, struct values *v, const char *source)
{
	struct str out;

	str_init(&out, op->arena, MESSAGE_MAX);
	template_write(op->arena, &out, source, TEMPLATE_TEXT, value_of, v);
	return str_ok(&out) && !v->refused ? arena_strdup(op->arena, out.bytes)
					   : NULL;
}

/* A subject goes into a mail header: values may hold line ends. */
static char *fill_line(struct op *op, struct values *v, const char *source)
{
	char *line = fill(op, v, source);

	for (char *c = line; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	return line;
}

const char *plan_fill(struct op *op, const struct plan_input *in,
		      const char *text, const struct name_list *allowed,
		      bool one_line)
{
	struct values v = { .op = op,
			    .customer = in->customer,
			    .tenant = in->tenant,
			    .playbook = in->playbook,
			    .allowed = allowed };

	return one_line ? fill_line(op, &v, text) : fill(op, &v, text);
}

void plan_message(struct op *op, const struct plan_customer *customer,
		  const struct plan_tenant *tenant, const struct playbook *pb,
		  const char *channel, const char **ret_subject,
		  const char **ret_message)
{
	struct values v = {
		.op = op, .customer = customer, .tenant = tenant, .playbook = pb
	};
	const char *subject, *message;
	size_t i = 0;

	playbook_texts(pb, customer->locale, &subject, &message);
	while (defaults[i].area != NULL &&
	       (pb->lifecycle_area == NULL ||
		!streq(defaults[i].area, pb->lifecycle_area)))
		i++;
	if (message == NULL)
		message = defaults[i].message;
	if (subject == NULL)
		subject = defaults[i].subject;
	*ret_subject =
	    streq(channel, "email") ? fill_line(op, &v, subject) : NULL;
	*ret_message = fill(op, &v, message);
}

static bool channel_usable(const struct plan_input *in, const char *channel)
{
	const struct plan_customer *c = in->customer;

	for (size_t i = 0; i < c->channel_off_count; i++)
		if (streq(c->channels_off[i], channel))
			return false;
	if (streq(channel, "email"))
		return c->email != NULL && in->tenant->email_ready;
	return true;
}

static const char *choose_channel(const struct plan_input *in)
{
	for (size_t i = 0; i < in->playbook->channels.count; i++)
		if (channel_usable(in, in->playbook->channels.items[i]))
			return in->playbook->channels.items[i];
	return NULL;
}

struct name_list plan_channels(struct op *op, const struct plan_input *in)
{
	const struct name_list *all = &in->playbook->channels;
	const char **items = ARENA_ARRAY(op->arena, const char *, all->count);
	size_t n = 0;

	for (size_t i = 0; i < all->count; i++)
		if (channel_usable(in, all->items[i]))
			items[n++] = all->items[i];
	return (struct name_list){ items, n };
}

static double confidence_of(const struct plan_input *in)
{
	double specificity = fmin(1, (double)in->fact_count / 4);
	double margin = 1;
	double history =
	    (double)(in->positive + 1) / (double)(in->measured + 2);

	if (in->runner_up != NULL) {
		margin =
		    (double)(in->playbook->priority - in->runner_up_priority) /
		    100;
		margin = fmax(0, fmin(1, margin));
	}
	return round(100 * (0.5 + 0.25 * specificity + 0.15 * margin +
			    0.1 * history)) /
	       100;
}

/* At most max bytes of text, ending with a whole character. */
static void put_cut(struct str *out, const char *text, size_t max)
{
	str_put(out, text, parse_utf8_prefix(text, strnlen(text, max)));
}

/* A sentence of a person's own, with a full stop unless it has an end. */
static void put_sentence(struct str *out, const char *text, size_t max)
{
	size_t len = parse_utf8_prefix(text, strnlen(text, max));

	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	str_put(out, text, len);
	if (len == 0 || strchr(".!?", text[len - 1]) == NULL)
		str_putc(out, '.');
}

static void write_last_active(struct str *out, int64_t days)
{
	if (days <= 0)
		str_puts(out, ", last active today");
	else
		str_printf(out, ", last active %lld day%s ago", (long long)days,
			   days == 1 ? "" : "s");
}

/* "days_since_last_activity is 9 (gte 7)" */
static void write_facts(struct str *out, const struct plan_input *in)
{
	for (size_t i = 0; i < in->fact_count; i++) {
		const struct plan_fact *f = &in->facts[i];
		const char *path = strchr(f->path, '.');
		size_t len = 0;

		/* Without "entry_conditions." and the operator at the end. */
		path = path != NULL ? path + 1 : f->path;
		len = strlen(path);
		if (len > strlen(f->op) + 1 &&
		    streq(path + len - strlen(f->op), f->op) &&
		    path[len - strlen(f->op) - 1] == '.')
			len -= strlen(f->op) + 1;
		str_printf(out, "%s%.*s is ", i == 0 ? "" : "; ", (int)len,
			   path);
		put_cut(out, f->value, 80);
		str_printf(out, " (%s ", f->op);
		put_cut(out, f->wanted, 120);
		str_putc(out, ')');
	}
}

static const char *reasoning_of(struct op *op, const struct plan_input *in,
				const char *end)
{
	const struct plan_customer *c = in->customer;
	struct str out;

	str_init(&out, op->arena, REASONING_MAX);
	str_puts(&out, "Playbook \"");
	put_cut(&out, in->playbook->name, 200);
	str_puts(&out, "\" matches");
	if (in->fact_count > 0) {
		str_puts(&out, ": ");
		write_facts(&out, in);
	}
	str_printf(&out, ". The customer is %s with health %lld and %s risk",
		   c->lifecycle_stage, (long long)c->health, c->risk_level);
	if (c->has_activity)
		write_last_active(&out, c->days_idle);
	str_putc(&out, '.');
	if (in->runner_up != NULL) {
		str_puts(&out, " Chosen before \"");
		put_cut(&out, in->runner_up, 200);
		str_printf(&out, "\" (priority %lld against %lld).",
			   (long long)in->playbook->priority,
			   (long long)in->runner_up_priority);
	}
	if (in->playbook->goal != NULL) {
		str_puts(&out, " Goal: ");
		put_sentence(&out, in->playbook->goal, 300);
	}
	str_puts(&out, end);
	return out.bytes;
}

void plan_builtin(struct op *op, const struct plan_input *in,
		  struct plan_result *ret)
{
	*ret = (struct plan_result){ .action = "wait",
				     .confidence = confidence_of(in) };
	if (in->escalate) {
		ret->action = "escalate";
		ret->channel = "escalate";
		ret->reasoning = reasoning_of(
		    op, in, " The playbook hands such cases to a person.");
	} else {
		ret->channel = choose_channel(in);
		if (ret->channel == NULL) {
			ret->reason = "no_channel";
			ret->reasoning = reasoning_of(
			    op, in,
			    " None of the playbook's channels reaches this"
			    " customer.");
			return;
		}
		ret->action = "intervene";
		ret->reasoning = reasoning_of(op, in, "");
	}
	plan_message(op, in->customer, in->tenant, in->playbook, ret->channel,
		     &ret->subject, &ret->message);
}
