/*
 * The sections of the tenant's config that stages and scores are computed
 * from: plain numbers by one table a section, and the expansion's lists.
 */
#include "engine/config_reader.h"

#include <json-c/linkhash.h>

#define WHOLE(type, member, lo, hi)                                            \
	{                                                                      \
#member, offsetof(struct type, member), true, (lo), (hi)       \
	}
#define RATIO(type, member, hi)                                                \
	{                                                                      \
#member, offsetof(struct type, member), false, 0, (hi)         \
	}

static const struct number lifecycle_numbers[] = {
	WHOLE(lifecycle_config, new_max_days, 0, 3650),
	WHOLE(lifecycle_config, onboarding_max_days, 0, 3650),
	WHOLE(lifecycle_config, at_risk_days, 1, 3650),
	WHOLE(lifecycle_config, churned_days, 1, 3650),
	WHOLE(lifecycle_config, recovered_days, 0, 3650),
	RATIO(lifecycle_config, drop_ratio, 1),
	WHOLE(lifecycle_config, drop_min_events, 1, 1000000),
	WHOLE(lifecycle_config, drop_days, 1, 365),
};
static const struct number engagement_numbers[] = {
	RATIO(engagement_config, frequency, 1000),
	RATIO(engagement_config, breadth, 1000),
	RATIO(engagement_config, recency, 1000),
	RATIO(engagement_config, milestones, 1000),
	WHOLE(engagement_config, full_frequency_days, 1, 64),
	WHOLE(engagement_config, full_breadth_names, 1, 63),
	WHOLE(engagement_config, days, 1, 64),
};
static const struct number health_numbers[] = {
	RATIO(health_config, engagement, 1000),
	RATIO(health_config, activation, 1000),
	RATIO(health_config, risk, 1000),
};
static const struct number risk_numbers[] = {
	RATIO(risk_config, inactivity, 1000), RATIO(risk_config, decline, 1000),
	RATIO(risk_config, activation, 1000), RATIO(risk_config, medium, 1),
	RATIO(risk_config, high, 1),	      RATIO(risk_config, critical, 1),
};
static const struct number expansion_numbers[] = {
	RATIO(expansion_config, limits_weight, 1000),
	RATIO(expansion_config, gates_weight, 1000),
	RATIO(expansion_config, signals_weight, 1000),
	WHOLE(expansion_config, full_gate_hits, 1, 1000000),
	WHOLE(expansion_config, gate_days, 1, 365),
};

static bool weights_ok(struct reader *r, const char *path, double sum)
{
	return sum > 0 || BAD(r, path, "one weight must be above 0");
}

static bool lifecycle_member(struct reader *r, const char *path,
			     const char *key, struct json_object *value)
{
	if (!streq(key, "churn_events"))
		return false;
	reader_names(r, path, value, &r->config->lifecycle.churn_events);
	return true;
}

void config_lifecycle(struct reader *r, const char *path,
		      struct json_object *value)
{
	struct lifecycle_config *c = &r->config->lifecycle;

	reader_section(r, path, value, lifecycle_numbers,
		       ARRAY_LEN(lifecycle_numbers), c, lifecycle_member);
	if (c->churned_days <= c->at_risk_days)
		BAD(r, reader_at(r, path, "churned_days"),
		    "must be more than at_risk_days (%lld)",
		    (long long)c->at_risk_days);
	if (c->onboarding_max_days < c->new_max_days)
		BAD(r, reader_at(r, path, "onboarding_max_days"),
		    "must not be less than new_max_days (%lld)",
		    (long long)c->new_max_days);
}

void config_engagement(struct reader *r, const char *path,
		       struct json_object *value)
{
	struct engagement_config *c = &r->config->engagement;

	reader_section(r, path, value, engagement_numbers,
		       ARRAY_LEN(engagement_numbers), c, NULL);
	if (c->full_frequency_days > c->days)
		BAD(r, reader_at(r, path, "full_frequency_days"),
		    "must not be more than days (%lld)", (long long)c->days);
	weights_ok(r, path,
		   c->frequency + c->breadth + c->recency + c->milestones);
}

void config_health(struct reader *r, const char *path,
		   struct json_object *value)
{
	struct health_config *c = &r->config->health;

	reader_section(r, path, value, health_numbers,
		       ARRAY_LEN(health_numbers), c, NULL);
	weights_ok(r, path, c->engagement + c->activation + c->risk);
}

void config_risk(struct reader *r, const char *path, struct json_object *value)
{
	struct risk_config *c = &r->config->risk;

	reader_section(r, path, value, risk_numbers, ARRAY_LEN(risk_numbers), c,
		       NULL);
	weights_ok(r, path, c->inactivity + c->decline + c->activation);
	if (c->medium <= 0 || c->high <= c->medium || c->critical <= c->high)
		BAD(r, path,
		    "medium, high and critical must rise from above 0");
}

/* "usage.seats" → { "usage", "seats" } */
static bool read_property(struct reader *r, const char *path,
			  struct json_object *value, const char *const **ret,
			  size_t *ret_len)
{
	const char *text = reader_name(r, path, value);
	size_t n = 1;

	for (const char *s = text; *s != '\0'; s++)
		n += *s == '.';
	const char **parts = ARENA_ARRAY(r->op->arena, const char *, n);
	for (size_t i = 0; i < n; i++) {
		size_t len = strcspn(text, ".");

		if (len == 0)
			return BAD(r, path, "is no path of a property");
		parts[i] = arena_strndup(r->op->arena, text, len);
		text += len + 1;
	}
	*ret = parts;
	*ret_len = n;
	return true;
}

static void read_limit(struct reader *r, const char *path,
		       struct json_object *obj, struct expansion_limit *ret)
{
	if (!reader_object(r, path, obj))
		return;
	json_object_object_foreach (obj, key, value) {
		const char *here = reader_at(r, path, key);

		if (streq(key, "property")) {
			if (!read_property(r, here, value, &ret->property,
					   &ret->property_len))
				r->bad = true;
		} else if (streq(key, "limit_property")) {
			if (!read_property(r, here, value, &ret->limit_property,
					   &ret->limit_property_len))
				r->bad = true;
		} else if (streq(key, "max")) {
			if (!json_as_double(value, &ret->max) || ret->max <= 0)
				BAD(r, here, "must be a number above 0");
		} else {
			BAD(r, here, "unknown key");
		}
	}
	if (!json_has(obj, "property"))
		BAD(r, reader_at(r, path, "property"), "is required");
	if (json_has(obj, "max") == json_has(obj, "limit_property"))
		BAD(r, path, "needs either limit_property or max");
}

static void read_limits(struct reader *r, const char *path,
			struct json_object *value)
{
	size_t n = value != NULL ? reader_count(r, path, value) : 0;
	struct expansion_limit *limits =
	    ARENA_ARRAY(r->op->arena, struct expansion_limit, n);

	for (size_t i = 0; i < n; i++)
		read_limit(r, reader_item(r, path, i),
			   json_object_array_get_idx(value, i), &limits[i]);
	r->config->expansion.limits = limits;
	r->config->expansion.limit_count = n;
}

static void read_signals(struct reader *r, const char *path,
			 struct json_object *value)
{
	size_t n = value != NULL ? reader_count(r, path, value) : 0;
	struct condition **signals =
	    ARENA_ARRAY(r->op->arena, struct condition *, n);

	for (size_t i = 0; i < n; i++) {
		struct json_object *doc = json_object_array_get_idx(value, i);

		if (doc == NULL ||
		    (json_object_is_type(doc, json_type_object) &&
		     json_object_object_length(doc) == 0))
			BAD(r, reader_item(r, path, i), "must not be empty");
		else if (!condition_parse(r->op, reader_item(r, path, i), doc,
					  &r->config->env, &signals[i]))
			r->bad = true;
	}
	r->config->expansion.signals = signals;
	r->config->expansion.signal_count = n;
}

static bool expansion_member(struct reader *r, const char *path,
			     const char *key, struct json_object *value)
{
	if (streq(key, "limits"))
		read_limits(r, path, value);
	else if (streq(key, "gate_events"))
		reader_names(r, path, value, &r->config->expansion.gate_events);
	else if (streq(key, "signals"))
		read_signals(r, path, value);
	else
		return false;
	return true;
}

void config_expansion(struct reader *r, const char *path,
		      struct json_object *value)
{
	struct expansion_config *c = &r->config->expansion;

	reader_section(r, path, value, expansion_numbers,
		       ARRAY_LEN(expansion_numbers), c, expansion_member);
	weights_ok(r, path,
		   c->limits_weight + c->gates_weight + c->signals_weight);
}
