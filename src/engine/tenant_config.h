/*
 * tenant_settings.config → struct: every number of the product that a
 * tenant can set, with its default. The only reader of that document; the
 * gates, the scores and the settings operation use the struct.
 *
 *   { "lifecycle": { "new_max_days": 1, ..., "churn_events": ["cancelled"] },
 *     "milestones": [ { "name": "invited_team", "event": "invite_sent",
 *                       "count": 2, "properties": { "role": "member" },
 *                       "onboarding": true, "retention": false } ],
 *     "segments": [ { "name": "power-users", "conditions": {...} } ],
 *     "engagement": { "frequency": 0.4, ... }, "health": {...},
 *     "risk": { ..., "medium": 0.3, "high": 0.55, "critical": 0.8 },
 *     "expansion": { "limits": [ { "property": "seats_used",
 *                                  "limit_property": "seats" } ],
 *                    "gate_events": ["feature_gate_hit"],
 *                    "signals": [ {condition}, ... ] },
 *     "frequency_cap": { "count": 3, "days": 7 }, "daily_budget": 500,
 *     "attribution_days": 14, "confidence_threshold": 0.8,
 *     "quiet_hours": { "start": "21:00", "end": "08:00" } or null,
 *     "timezone": "Europe/Berlin", "allowed_domains": ["example.com"],
 *     "channels": ["email", "in_app"], "approval_mode": "suggest_only",
 *     "model": { "enabled": true, "daily_tokens": 200000,
 *                "fields": ["plan", "role", "properties.team"] } }
 *
 * Everything is optional. Unknown keys, at the top and inside, are refused
 * by path. Structs are arena and borrow the document for the op.
 */
#ifndef ENGINE_TENANT_CONFIG_H
#define ENGINE_TENANT_CONFIG_H

#include "engine/condition.h"

struct name_list {
	const char *const *items;
	size_t count;
};

/* True when the list holds text. */
bool name_list_has(const struct name_list *list, const char *text);

/* Seconds since local midnight; end before start goes over midnight. */
struct quiet_hours {
	bool set; /* false: messages may go at any hour */
	int start_s, end_s;
};

struct milestone {
	const char *name, *event;
	int64_t count;			    /* events needed; default 1 */
	const struct condition *properties; /* NULL: any */
	bool onboarding;		    /* default true */
	bool retention;			    /* default false */
};

struct lifecycle_config {
	int64_t new_max_days;	     /* 1 */
	int64_t onboarding_max_days; /* 14 */
	int64_t at_risk_days;	     /* 7 */
	int64_t churned_days;	     /* 30 */
	int64_t recovered_days;	     /* 14 */
	double drop_ratio;	     /* 0.5 */
	int64_t drop_min_events;     /* 10, in the earlier days */
	int64_t drop_days;	     /* 14, against the 14 before */
	struct name_list churn_events;
};

/* Weights need not sum to 1: the scores divide by their sum. */
struct engagement_config {
	double frequency;	     /* 0.4: active days */
	double breadth;		     /* 0.2: distinct events */
	double recency;		     /* 0.25 */
	double milestones;	     /* 0.15: retention milestones */
	int64_t full_frequency_days; /* 10: active days that count as 1 */
	int64_t full_breadth_names;  /* 8: event names that count as 1 */
	int64_t days;		     /* 14: of which all this is, up to 64 */
};

struct health_config {
	double engagement; /* 0.5 */
	double activation; /* 0.2 */
	double risk;	   /* 0.3, of 1 − risk_score */
};

struct risk_config {
	double inactivity; /* 0.5: days without activity */
	double decline;	   /* 0.3: drop_days against those before */
	double activation; /* 0.2: of 1 − activation_score */
	/* risk_score from which the level holds; rising, in (0, 1]. */
	double medium, high, critical; /* 0.3, 0.55, 0.8 */
};

/* Nearness to a limit: a number in properties against another or a max. */
struct expansion_limit {
	const char *const *property; /* path, for properties #> text[] */
	size_t property_len;
	const char *const *limit_property; /* NULL: max */
	size_t limit_property_len;
	double max;
};

struct expansion_config {
	double limits_weight;	/* 0.5 */
	double gates_weight;	/* 0.3 */
	double signals_weight;	/* 0.2 */
	int64_t full_gate_hits; /* 3: hits in gate_days that count as 1 */
	int64_t gate_days;	/* 14 */
	const struct expansion_limit *limits;
	size_t limit_count;
	struct name_list gate_events;
	struct condition *const *signals;
	size_t signal_count;
};

/*
 * The model planner. fields: all that leaves the host about a customer;
 * the default leaves out what names a person (name, email, company).
 */
struct model_config {
	bool enabled;	      /* true, where the operator has set a model */
	int64_t daily_tokens; /* 0: the operator's limit */
	struct name_list fields;
};

struct tenant_config {
	struct model_config model;
	struct lifecycle_config lifecycle;
	struct engagement_config engagement;
	struct health_config health;
	struct risk_config risk;
	struct expansion_config expansion;
	const struct milestone *milestones;
	size_t milestone_count;
	int64_t cap_count, cap_days; /* 3 in 7 */
	int64_t daily_budget;	     /* messages a UTC day; 0: no limit */
	int64_t attribution_days;    /* 14 */
	double confidence_threshold; /* 0.8 */
	struct quiet_hours quiet_hours;
	const char *timezone; /* NULL: tenant_settings.timezone; unchecked */
	struct name_list allowed_domains;
	struct name_list channels; /* email, in_app */
	const char *approval_mode; /* NULL: not set here */
	/* For condition_parse(): segments, milestones, counted events. */
	struct condition_env env;
	struct condition *const *segments; /* as env.segments, compiled */
	/* Set by tenant_config_load() only. */
	int64_t config_version, rules_version;
};

/*
 * Checks and reads config (NULL: {}) with the defaults above. path goes in
 * front of error paths: "config". ret->env.events is empty unless the
 * caller sets events before (see tenant_config_load()).
 * Fails: FAIL_INVALID with one detail a fault.
 */
MUST_CHECK bool tenant_config_parse(struct op *op, const char *path,
				    struct json_object *config,
				    const struct condition_event *events,
				    size_t event_count,
				    struct tenant_config *ret);

/*
 * Reads the settings and the counted event names of op->tenant_id, inside
 * an open transaction. Fails: FAIL_NOT_FOUND without such a tenant;
 * FAIL_INVALID for a stored config that no longer reads.
 */
MUST_CHECK bool tenant_config_load(struct op *op, struct tenant_config *ret);

/*
 * PATCH: members of patch replace those of config, null removes one.
 * ret: arena JSON text of the merged object. Does not check it. config and
 * patch may be NULL and are not changed.
 */
void tenant_config_merge(struct op *op, struct json_object *config,
			 struct json_object *patch, const char **ret);

/* arena: names that milestones, segments, scores need: to be counted. */
void tenant_config_events(struct arena *a, const struct tenant_config *config,
			  const char *const **ret, size_t *ret_count);

/* Readers that playbook_doc.c shares; all name the path when they fail. */
MUST_CHECK bool config_quiet_hours(struct op *op, const char *path,
				   struct json_object *value,
				   struct quiet_hours *ret);
MUST_CHECK bool config_channels(struct op *op, const char *path,
				struct json_object *value,
				struct name_list *ret);

#endif
