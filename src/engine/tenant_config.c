/*
 * Reads tenant_settings.config (tenant_config.h): the table of top-level
 * keys, milestones and segments, and the settings of gates and delivery.
 * Faults are collected by path, so that a settings form can show them all.
 */
#include "engine/config_reader.h"

#include "base/json_out.h"
#include "base/parse.h"
#include "store/intervention.h"

#include <json-c/linkhash.h>

static const struct number cap_numbers[] = {
	{ "count", offsetof(struct tenant_config, cap_count), true, 1, 1000 },
	{ "days", offsetof(struct tenant_config, cap_days), true, 1, 365 },
};

/* What a model may be told of a customer; the first are the default. */
static const char *const model_fields[] = {
	"role",
	"plan",
	"locale",
	"lifecycle_stage",
	"risk_level",
	"health",
	"activation_score",
	"engagement_score",
	"expansion_score",
	"days_since_last_activity",
	"event",
	"milestone",
	"segment",
	"name",
	"email",
	"company",
};
#define MODEL_FIELDS_DEFAULT 13

static const struct tenant_config defaults = {
	.lifecycle = { .new_max_days = 1,
		       .onboarding_max_days = 14,
		       .at_risk_days = 7,
		       .churned_days = 30,
		       .recovered_days = 14,
		       .drop_ratio = 0.5,
		       .drop_min_events = 10,
		       .drop_days = 14 },
	.engagement = { .frequency = 0.4,
			.breadth = 0.2,
			.recency = 0.25,
			.milestones = 0.15,
			.full_frequency_days = 10,
			.full_breadth_names = 8,
			.days = 14 },
	.health = { .engagement = 0.5, .activation = 0.2, .risk = 0.3 },
	.risk = { .inactivity = 0.5,
		  .decline = 0.3,
		  .activation = 0.2,
		  .medium = 0.3,
		  .high = 0.55,
		  .critical = 0.8 },
	.expansion = { .limits_weight = 0.5,
		       .gates_weight = 0.3,
		       .signals_weight = 0.2,
		       .full_gate_hits = 3,
		       .gate_days = 14 },
	.model = { .enabled = true,
		   .fields = { model_fields, MODEL_FIELDS_DEFAULT } },
	.cap_count = 3,
	.cap_days = 7,
	.attribution_days = 14,
	.confidence_threshold = 0.8,
};

bool name_list_has(const struct name_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (streq(list->items[i], text))
			return true;
	return false;
}

/* ----------------------------------------------- milestones and segments -- */

static void milestone_properties(struct reader *r, const char *path,
				 struct json_object *value,
				 struct milestone *ret)
{
	struct condition *cond;

	if (value == NULL)
		return;
	if (!condition_parse_properties(r->op, path, value, &cond))
		r->bad = true;
	else if (!condition_is_empty(cond))
		ret->properties = cond;
}

static void read_milestone(struct reader *r, const char *path,
			   struct json_object *obj, struct milestone *ret)
{
	static const struct number count = { "count",
					     offsetof(struct milestone, count),
					     true, 1, 1000000 };

	*ret = (struct milestone){
		.name = "", .event = "", .count = 1, .onboarding = true
	};
	if (!reader_object(r, path, obj))
		return;
	json_object_object_foreach (obj, key, value) {
		const char *here = reader_at(r, path, key);

		if (streq(key, "name"))
			ret->name = reader_name(r, here, value);
		else if (streq(key, "event"))
			ret->event = reader_name(r, here, value);
		else if (streq(key, "count"))
			r->bad |= value != NULL &&
				  !reader_number(r, here, value, &count, ret);
		else if (streq(key, "properties"))
			milestone_properties(r, here, value, ret);
		else if (streq(key, "onboarding"))
			r->bad |=
			    !reader_bool(r, here, value, &ret->onboarding);
		else if (streq(key, "retention"))
			r->bad |= !reader_bool(r, here, value, &ret->retention);
		else
			BAD(r, here, "unknown key");
	}
	if (!json_has(obj, "name"))
		BAD(r, reader_at(r, path, "name"), "is required");
	if (!json_has(obj, "event"))
		BAD(r, reader_at(r, path, "event"), "is required");
}

static void read_milestones(struct reader *r, const char *path,
			    struct json_object *value)
{
	struct arena *a = r->op->arena;
	size_t n = reader_count(r, path, value);
	struct milestone *milestones = ARENA_ARRAY(a, struct milestone, n);
	const char **names = ARENA_ARRAY(a, const char *, n);

	for (size_t i = 0; i < n; i++) {
		struct name_list before = { names, i };
		const char *here = reader_item(r, path, i);

		read_milestone(r, here, json_object_array_get_idx(value, i),
			       &milestones[i]);
		names[i] = milestones[i].name;
		if (*names[i] != '\0' && name_list_has(&before, names[i]))
			BAD(r, reader_at(r, here, "name"), "is there twice");
	}
	r->config->milestones = milestones;
	r->config->milestone_count = n;
	r->config->env.milestones = names;
	r->config->env.milestone_count = n;
}

static void read_segment(struct reader *r, const char *path,
			 struct json_object *obj, struct condition_segment *ret)
{
	ret->name = "";
	if (!reader_object(r, path, obj))
		return;
	json_object_object_foreach (obj, key, value) {
		const char *here = reader_at(r, path, key);

		if (streq(key, "name"))
			ret->name = reader_name(r, here, value);
		else if (!streq(key, "conditions"))
			BAD(r, here, "unknown key");
		else if (reader_object(r, here, value))
			ret->conditions = value;
	}
	if (!json_has(obj, "name"))
		BAD(r, reader_at(r, path, "name"), "is required");
	if (!json_has(obj, "conditions"))
		BAD(r, reader_at(r, path, "conditions"), "is required");
}

/* All names first: a segment may refer to one that comes later. */
static void read_segments(struct reader *r, const char *path,
			  struct json_object *value)
{
	struct arena *a = r->op->arena;
	size_t n = reader_count(r, path, value);
	struct condition_segment *segments =
	    ARENA_ARRAY(a, struct condition_segment, n);
	struct condition **compiled = ARENA_ARRAY(a, struct condition *, n);

	for (size_t i = 0; i < n; i++) {
		const char *here = reader_item(r, path, i);

		read_segment(r, here, json_object_array_get_idx(value, i),
			     &segments[i]);
		for (size_t j = 0; j < i; j++)
			if (*segments[i].name != '\0' &&
			    streq(segments[i].name, segments[j].name))
				BAD(r, reader_at(r, here, "name"),
				    "is there twice");
	}
	r->config->env.segments = segments;
	r->config->env.segment_count = n;
	for (size_t i = 0; i < n; i++)
		if (!condition_parse(
			r->op,
			reader_at(r, reader_item(r, path, i), "conditions"),
			segments[i].conditions, &r->config->env, &compiled[i]))
			r->bad = true;
	r->config->segments = compiled;
}

/* ------------------------------------------------------- the rest, by key --
 */

static bool clock_member(struct op *op, const char *path,
			 struct json_object *obj, const char *key, int *ret)
{
	const char *here = arena_printf(op->arena, "%s.%s", path, key);
	struct json_object *value = json_member(obj, key);

	if (value == NULL)
		return op_fail_at(op, here, "is required");
	if (!json_object_is_type(value, json_type_string) ||
	    !parse_clock(json_object_get_string(value), ret))
		return op_fail_at(op, here, "must be a time such as \"21:30\"");
	return true;
}

bool config_quiet_hours(struct op *op, const char *path,
			struct json_object *value, struct quiet_hours *ret)
{
	struct quiet_hours q = { .set = true };
	bool ok = true;

	if (value == NULL) {
		*ret = (struct quiet_hours){ .set = false };
		return true;
	}
	if (!json_object_is_type(value, json_type_object))
		return op_fail_at(op, path,
				  "must be null or {\"start\", \"end\"}");
	json_object_object_foreach (value, key, time) {
		(void)time;
		if (!streq(key, "start") && !streq(key, "end"))
			ok = op_fail_at(op, path,
					"has an unknown key; known: start, "
					"end");
	}
	if (!clock_member(op, path, value, "start", &q.start_s))
		ok = false;
	if (!clock_member(op, path, value, "end", &q.end_s))
		ok = false;
	if (ok && q.start_s == q.end_s)
		ok = op_fail_at(op, path, "start and end must differ");
	if (ok)
		*ret = q;
	return ok;
}

bool config_channels(struct op *op, const char *path, struct json_object *value,
		     struct name_list *ret)
{
	static const struct name_list known = { intervention_channels,
						INTERVENTION_CHANNELS };
	size_t n = json_object_is_type(value, json_type_array)
		       ? json_object_array_length(value)
		       : 0;
	const char **items = ARENA_ARRAY(op->arena, const char *, n);
	bool ok = n >= 1 && n <= known.count;

	for (size_t i = 0; ok && i < n; i++) {
		struct json_object *item = json_object_array_get_idx(value, i);
		struct name_list before = { items, i };

		items[i] = json_object_is_type(item, json_type_string)
			       ? json_object_get_string(item)
			       : "";
		ok = name_list_has(&known, items[i]) &&
		     !name_list_has(&before, items[i]);
	}
	if (!ok)
		return op_fail_at(op, path,
				  "must be a list of some of email, in_app, "
				  "webhook, crm, each once");
	*ret = (struct name_list){ items, n };
	return true;
}

static void read_quiet_hours(struct reader *r, const char *path,
			     struct json_object *value)
{
	if (!config_quiet_hours(r->op, path, value, &r->config->quiet_hours))
		r->bad = true;
}

static void read_channels(struct reader *r, const char *path,
			  struct json_object *value)
{
	if (!config_channels(r->op, path, value, &r->config->channels))
		r->bad = true;
}

static void read_cap(struct reader *r, const char *path,
		     struct json_object *value)
{
	reader_section(r, path, value, cap_numbers, ARRAY_LEN(cap_numbers),
		       r->config, NULL);
}

static void read_plain(struct reader *r, const char *path,
		       struct json_object *value, size_t offset, bool whole,
		       double min, double max)
{
	struct number number = { path, offset, whole, min, max };

	if (!reader_number(r, path, value, &number, r->config))
		r->bad = true;
}

static void read_budget(struct reader *r, const char *path,
			struct json_object *value)
{
	read_plain(r, path, value, offsetof(struct tenant_config, daily_budget),
		   true, 1, 100000000);
}

static void read_attribution(struct reader *r, const char *path,
			     struct json_object *value)
{
	read_plain(r, path, value,
		   offsetof(struct tenant_config, attribution_days), true, 1,
		   365);
}

static void read_threshold(struct reader *r, const char *path,
			   struct json_object *value)
{
	read_plain(r, path, value,
		   offsetof(struct tenant_config, confidence_threshold), false,
		   0, 1);
}

static void read_timezone(struct reader *r, const char *path,
			  struct json_object *value)
{
	r->config->timezone = reader_name(r, path, value);
}

static void read_domains(struct reader *r, const char *path,
			 struct json_object *value)
{
	struct name_list *list = &r->config->allowed_domains;

	reader_names(r, path, value, list);
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i][strspn(list->items[i],
					  "abcdefghijklmnopqrstuvwxyz"
					  "0123456789.-")] != '\0')
			BAD(r, reader_item(r, path, i),
			    "must be a domain name in lower case");
}

static void read_approval(struct reader *r, const char *path,
			  struct json_object *value)
{
	static const char *const modes[] = { "suggest_only", "semi_auto",
					     "full_auto" };
	static const struct name_list known = { modes, ARRAY_LEN(modes) };
	const char *mode = json_object_is_type(value, json_type_string)
			       ? json_object_get_string(value)
			       : "";

	if (name_list_has(&known, mode))
		r->config->approval_mode = mode;
	else
		BAD(r, path,
		    "must be one of suggest_only, semi_auto, full_auto");
}

static bool is_model_field(const char *field)
{
	const struct name_list known = { model_fields,
					 ARRAY_LEN(model_fields) };

	return name_list_has(&known, field) ||
	       (strncmp(field, "properties.", 11) == 0 && field[11] != '\0');
}

static bool read_model_member(struct reader *r, const char *path,
			      const char *key, struct json_object *value)
{
	struct model_config *model = &r->config->model;

	if (streq(key, "enabled")) {
		r->bad |= !reader_bool(r, path, value, &model->enabled);
		return true;
	}
	if (!streq(key, "fields"))
		return false;
	reader_names(r, path, value, &model->fields);
	for (size_t i = 0; i < model->fields.count; i++)
		if (!is_model_field(model->fields.items[i]))
			BAD(r, reader_item(r, path, i),
			    "must be properties.<name> or one of: role, plan,"
			    " locale, lifecycle_stage, risk_level, health,"
			    " activation_score, engagement_score,"
			    " expansion_score, days_since_last_activity,"
			    " event, milestone, segment, name, email,"
			    " company");
	return true;
}

static void read_model(struct reader *r, const char *path,
		       struct json_object *value)
{
	static const struct number numbers[] = {
		{ "daily_tokens", offsetof(struct model_config, daily_tokens),
		  true, 1, 1e12 },
	};

	reader_section(r, path, value, numbers, ARRAY_LEN(numbers),
		       &r->config->model, read_model_member);
}

/* In the order of reading: conditions need milestones and segments. */
static const struct {
	const char *key;
	void (*read)(struct reader *r, const char *path,
		     struct json_object *value);
} keys[] = {
	{ "milestones", read_milestones },
	{ "segments", read_segments },
	{ "lifecycle", config_lifecycle },
	{ "engagement", config_engagement },
	{ "health", config_health },
	{ "risk", config_risk },
	{ "expansion", config_expansion },
	{ "frequency_cap", read_cap },
	{ "daily_budget", read_budget },
	{ "attribution_days", read_attribution },
	{ "confidence_threshold", read_threshold },
	{ "quiet_hours", read_quiet_hours },
	{ "timezone", read_timezone },
	{ "allowed_domains", read_domains },
	{ "channels", read_channels },
	{ "approval_mode", read_approval },
	{ "model", read_model },
};

static void refuse_unknown(struct reader *r, const char *path,
			   struct json_object *config)
{
	struct str known;

	str_init(&known, r->op->arena, 2048);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		str_printf(&known, "%s%s", i ? ", " : "", keys[i].key);
	json_object_object_foreach (config, key, value) {
		size_t i = 0;

		(void)value;
		while (i < ARRAY_LEN(keys) && !streq(keys[i].key, key))
			i++;
		if (i == ARRAY_LEN(keys))
			BAD(r, reader_at(r, path, key),
			    "unknown key; known: %s", known.bytes);
	}
}

bool tenant_config_parse(struct op *op, const char *path,
			 struct json_object *config,
			 const struct condition_event *events,
			 size_t event_count, struct tenant_config *ret)
{
	static const char *const channels[] = { "email", "in_app" };
	struct tenant_config c = defaults;
	struct reader r = { .op = op, .config = &c };

	c.channels = (struct name_list){ channels, ARRAY_LEN(channels) };
	c.env.events = events;
	c.env.event_count = event_count;
	if (config != NULL && !reader_object(&r, path, config))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		struct json_object *value = json_member(config, keys[i].key);

		if (value != NULL)
			keys[i].read(&r, reader_at(&r, path, keys[i].key),
				     value);
	}
	if (config != NULL)
		refuse_unknown(&r, path, config);
	if (r.bad)
		return false;
	*ret = c;
	return true;
}

bool tenant_config_load(struct op *op, struct tenant_config *ret)
{
	struct condition_event *events;
	struct json_object *config;
	struct tenant_config c;
	struct db_row row;
	struct db_rows names;
	size_t n = 0;

	if (!db_one(op, &row,
		    "SELECT config, config_version, rules_version"
		    " FROM tenant_settings WHERE tenant_id = $1",
		    ARG_I64(op->tenant_id)) ||
	    !db_rows(op, &names,
		     "SELECT name, name_id FROM event_names"
		     " WHERE tenant_id = $1 AND counted_at IS NOT NULL",
		     ARG_I64(op->tenant_id)))
		return false;
	events = ARENA_ARRAY(op->arena, struct condition_event, names.count);
	db_each (name, &names) {
		events[n].name = db_text(&name, "name");
		events[n++].name_id = db_i64(&name, "name_id");
	}
	const char *text = db_text(&row, "config");
	if (!json_parse(op, text, strlen(text), &config) ||
	    !tenant_config_parse(op, "config", config, events, n, &c))
		return false;
	c.config_version = db_i64(&row, "config_version");
	c.rules_version = db_i64(&row, "rules_version");
	*ret = c;
	return true;
}

void tenant_config_merge(struct op *op, struct json_object *config,
			 struct json_object *patch, const char **ret)
{
	struct str s;
	struct json_out j;

	str_init(&s, op->arena, 4u << 20);
	json_init(&j, &s);
	json_open(&j, '{');
	if (config != NULL) {
		json_object_object_foreach (config, key, value) {
			if (value == NULL || json_has(patch, key))
				continue;
			json_key(&j, key);
			json_raw(&j, json_text(op->arena, value));
		}
	}
	if (patch != NULL) {
		json_object_object_foreach (patch, name, change) {
			if (change == NULL)
				continue;
			json_key(&j, name);
			json_raw(&j, json_text(op->arena, change));
		}
	}
	json_close(&j);
	*ret = s.bytes;
}

/* --------------------------------------------------------- event names -- */

struct names {
	struct arena *a;
	const char **items;
	size_t count, cap;
};

static void names_add(struct names *n, const char *name)
{
	struct name_list list = { n->items, n->count };

	if (name_list_has(&list, name))
		return;
	if (n->count == n->cap) {
		size_t cap = n->cap == 0 ? 32 : 2 * n->cap;
		const char **items = ARENA_ARRAY(n->a, const char *, cap);

		for (size_t i = 0; i < n->count; i++)
			items[i] = n->items[i];
		n->items = items;
		n->cap = cap;
	}
	n->items[n->count++] = name;
}

static void names_add_list(struct names *n, const char *const *items,
			   size_t count)
{
	for (size_t i = 0; i < count; i++)
		names_add(n, items[i]);
}

static void names_add_conditions(struct names *n,
				 struct condition *const *conditions,
				 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *const *items;
		size_t found;

		condition_events(n->a, conditions[i], &items, &found);
		names_add_list(n, items, found);
	}
}

void tenant_config_events(struct arena *a, const struct tenant_config *config,
			  const char *const **ret, size_t *ret_count)
{
	const struct expansion_config *e = &config->expansion;
	struct names n = { .a = a };

	for (size_t i = 0; i < config->milestone_count; i++)
		names_add(&n, config->milestones[i].event);
	names_add_list(&n, config->lifecycle.churn_events.items,
		       config->lifecycle.churn_events.count);
	names_add_list(&n, e->gate_events.items, e->gate_events.count);
	names_add_conditions(&n, e->signals, e->signal_count);
	names_add_conditions(&n, config->segments, config->env.segment_count);
	*ret = n.items;
	*ret_count = n.count;
}
