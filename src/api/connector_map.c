/*
 * One reader for each vendor, behind one walk over the body. What a vendor
 * leaves open (numbers as ids, empty ids, null for absent) is taken; what
 * cannot be stored is named.
 */
#include "api/connector_map.h"

#include "base/clock.h"
#include "base/parse.h"

#define SECONDS_BELOW 1e11 /* of Mixpanel's time */

struct reader {
	struct op *op;
	struct connector_events *out;
	const char *path; /* of the event; "" for the body itself */
};

static const char *at(const struct reader *r, const char *name)
{
	if (*r->path == '\0')
		return name;
	return arena_printf(r->op->arena, "%s.%s", r->path, name);
}

/* arena: a text, or a number as text; NULL for anything else, also "". */
static const char *id_text(struct reader *r, struct json_object *value)
{
	const char *text;

	if (!json_object_is_type(value, json_type_string) &&
	    !json_object_is_type(value, json_type_int))
		return NULL;
	text = arena_strdup(r->op->arena, json_object_get_string(value));
	return *text != '\0' ? text : NULL;
}

static const char *id_member(struct reader *r, struct json_object *obj,
			     const char *name)
{
	return id_text(r, json_member(obj, name));
}

static struct json_object *object_member(struct json_object *obj,
					 const char *name)
{
	struct json_object *value = json_member(obj, name);

	return json_object_is_type(value, json_type_object) ? value : NULL;
}

static bool check_length(struct reader *r, const char *text, const char *name)
{
	if (strlen(text) <= EVENT_TEXT_MAX)
		return true;
	return op_fail_at(r->op, at(r, name), "is longer than %d bytes",
			  EVENT_TEXT_MAX);
}

static bool check_time(struct reader *r, int64_t time_us, const char *name)
{
	if (time_us <= r->op->now_us + EVENT_AHEAD_US)
		return true;
	return op_fail_at(r->op, at(r, name),
			  "is more than an hour in the future");
}

static bool read_time(struct reader *r, struct json_object *obj,
		      const char *name, int64_t *ret_us)
{
	struct json_object *value = json_member(obj, name);

	*ret_us = r->op->now_us;
	if (value == NULL)
		return true;
	if (!json_object_is_type(value, json_type_string) ||
	    !parse_time(json_object_get_string(value), ret_us))
		return op_fail_at(r->op, at(r, name),
				  "must be an RFC 3339 time");
	return check_time(r, *ret_us, name);
}

/* Mixpanel: seconds with a fraction, or milliseconds. */
static bool read_epoch(struct reader *r, struct json_object *obj,
		       int64_t *ret_us)
{
	struct json_object *value = json_member(obj, "time");
	double number;

	*ret_us = r->op->now_us;
	if (value == NULL)
		return true;
	if (!json_as_double(value, &number) || number < 0 || number > 1e14)
		return op_fail_at(r->op, at(r, "properties.time"),
				  "must be seconds or milliseconds since 1970");
	*ret_us = number < SECONDS_BELOW ? (int64_t)(number * 1e6)
					 : (int64_t)(number * 1e3);
	return check_time(r, *ret_us, "properties.time");
}

/* Keys that would stand twice are told apart by their part of the event. */
static bool put(struct reader *r, struct event event,
		struct json_object *properties, const char *part)
{
	struct connector_events *out = r->out;

	if (!check_length(r, event.user_id, "user") ||
	    !check_length(r, event.name, "event"))
		return false;
	if (event.key != NULL && part != NULL)
		event.key =
		    arena_printf(r->op->arena, "%s:%s", event.key, part);
	if (event.key != NULL && strlen(event.key) > EVENT_TEXT_MAX)
		return op_fail_at(r->op, at(r, "id"), "is too long");
	if (properties != NULL) {
		event.properties = json_text(r->op->arena, properties);
		if (strlen(event.properties) > EVENT_PROPERTIES_MAX)
			return op_fail_at(r->op, at(r, "properties"),
					  "is larger than 32 KiB");
	}
	if (out->count == out->cap)
		return op_fail_at(r->op, at(r, "batch"), "has too many events");
	if (event.ts_us < out->oldest_us)
		out->oldest_us = event.ts_us;
	out->events[out->count++] = event;
	return true;
}

static bool put_traits(struct reader *r, struct event event,
		       struct json_object *set, struct json_object *once)
{
	if (set != NULL) {
		event.name = EVENT_IDENTIFY;
		if (!put(r, event, set, "set"))
			return false;
	}
	if (once != NULL) {
		event.name = EVENT_SET_ONCE;
		return put(r, event, once, "set_once");
	}
	return true;
}

/* -------------------------------------------------------------- Segment -- */

/* The properties with the page's or screen's name among them. */
static struct json_object *named(struct json_object *call,
				 struct json_object *properties)
{
	struct json_object *name = json_member(call, "name");

	if (name != NULL && properties != NULL && !json_has(properties, "name"))
		json_object_object_add(properties, "name",
				       json_object_get(name));
	return properties;
}

static bool segment_call(struct reader *r, struct json_object *call,
			 const char *type, struct event event)
{
	struct json_object *properties = object_member(call, "properties");
	struct json_object *traits = object_member(call, "traits");

	if (streq(type, "track")) {
		event.name = id_member(r, call, "event");
		if (event.name == NULL)
			return op_fail_at(r->op, at(r, "event"), "is required");
		return put(r, event, properties, NULL);
	}
	if (streq(type, "identify")) {
		event.name = EVENT_IDENTIFY;
		return put(r, event, traits, NULL);
	}
	if (streq(type, "page") || streq(type, "screen")) {
		event.name = streq(type, "page") ? "$pageview" : "$screen";
		return put(r, event, named(call, properties), NULL);
	}
	event.name = streq(type, "group") ? "$groupidentify" : "$create_alias";
	return put(r, event, traits, NULL);
}

static bool segment_event(struct reader *r, struct json_object *call)
{
	static const char *const types[] = { "track",  "identify", "page",
					     "screen", "group",	   "alias" };
	const char *type = id_member(r, call, "type");
	struct event event = { .key = id_member(r, call, "messageId") };
	bool known = false;

	for (size_t i = 0; type != NULL && i < ARRAY_LEN(types); i++)
		known = known || streq(type, types[i]);
	if (!known)
		return op_fail_at(r->op, at(r, "type"),
				  "must be track, identify, page, screen, "
				  "group or alias");
	if (!read_time(r, call, "timestamp", &event.ts_us))
		return false;
	event.user_id = id_member(r, call, "userId");
	if (event.user_id == NULL)
		event.user_id = id_member(r, call, "anonymousId");
	if (event.user_id == NULL)
		return op_fail_at(r->op, at(r, "userId"),
				  "is required, or anonymousId");
	r->out->accepted++;
	return segment_call(r, call, type, event);
}

/* -------------------------------------------------------------- PostHog -- */

static struct json_object *posthog_traits(struct json_object *call,
					  struct json_object *properties,
					  const char *name)
{
	struct json_object *traits = object_member(call, name);

	return traits != NULL ? traits : object_member(properties, name);
}

/* A webhook's body wraps the event, and shows the person as it is now. */
static bool posthog_event(struct reader *r, struct json_object *body)
{
	struct json_object *call = object_member(body, "event");
	struct json_object *person = object_member(body, "person");
	struct event event = { 0 };

	if (call == NULL)
		call = body;
	struct json_object *properties = object_member(call, "properties");
	event.key = id_member(r, call, "uuid");
	event.name = id_member(r, call, "event");
	event.user_id = id_member(r, call, "distinct_id");
	if (event.user_id == NULL)
		event.user_id = id_member(r, properties, "distinct_id");
	if (event.name == NULL)
		return op_fail_at(r->op, at(r, "event"), "is required");
	if (event.user_id == NULL)
		return op_fail_at(r->op, at(r, "distinct_id"), "is required");
	if (!read_time(r, call, "timestamp", &event.ts_us))
		return false;
	r->out->accepted++;
	/* Its distinct_id is made up of the group: no user. */
	if (streq(event.name, "$groupidentify"))
		return true;

	struct json_object *set = posthog_traits(call, properties, "$set");
	struct json_object *once =
	    posthog_traits(call, properties, "$set_once");
	struct event own = event;

	if (set == NULL && person != NULL)
		set = object_member(person, "properties");
	if (streq(own.name, EVENT_IDENTIFY) || streq(own.name, EVENT_SET_ONCE))
		own.name = "$set"; /* its properties are no traits */
	return put(r, own, properties, NULL) && put_traits(r, event, set, once);
}

/* ------------------------------------------------------------- Mixpanel -- */

/* /engage: {"$distinct_id", "$set": {…}, "$set_once": {…}} */
static bool mixpanel_profile(struct reader *r, struct json_object *call)
{
	struct event event = { .user_id = id_member(r, call, "$distinct_id"),
			       .name = EVENT_IDENTIFY,
			       .ts_us = r->op->now_us };

	if (event.user_id == NULL)
		return op_fail_at(r->op, at(r, "$distinct_id"), "is required");
	r->out->accepted++;
	return put_traits(r, event, object_member(call, "$set"),
			  object_member(call, "$set_once"));
}

/* Words that Mixpanel itself does not take for a user. */
static bool is_nobody(const char *id)
{
	static const char *const nobody[] = {
		"anon",	 "anonymous", "nil",	 "none",      "null",
		"n/a",	 "na",	      "0",	 "undefined", "true",
		"false", "-1",	      "unknown", "[]",	      "{}",
	};

	for (size_t i = 0; i < ARRAY_LEN(nobody); i++)
		if (streq(id, nobody[i]))
			return true;
	return false;
}

static bool mixpanel_event(struct reader *r, struct json_object *call)
{
	struct json_object *properties = object_member(call, "properties");
	struct event event = { .name = id_member(r, call, "event") };

	if (json_has(call, "$distinct_id"))
		return mixpanel_profile(r, call);
	if (event.name == NULL)
		return op_fail_at(r->op, at(r, "event"), "is required");
	event.user_id = id_member(r, properties, "$user_id");
	if (event.user_id == NULL)
		event.user_id = id_member(r, properties, "distinct_id");
	event.key = id_member(r, properties, "$insert_id");
	if (!read_epoch(r, properties, &event.ts_us))
		return false;
	r->out->accepted++;
	if (event.user_id == NULL || is_nobody(event.user_id))
		return true;
	if (streq(event.name, EVENT_IDENTIFY) ||
	    streq(event.name, EVENT_SET_ONCE))
		event.name = "$set"; /* its properties are no traits */
	return put(r, event, properties, NULL);
}

/* ----------------------------------------------------------------- walk -- */

static bool read_event(struct reader *r, enum connector connector,
		       struct json_object *call)
{
	static bool (*const readers[])(struct reader *,
				       struct json_object *) = {
		[CONNECTOR_SEGMENT] = segment_event,
		[CONNECTOR_POSTHOG] = posthog_event,
		[CONNECTOR_MIXPANEL] = mixpanel_event,
	};

	if (!json_object_is_type(call, json_type_object))
		return op_fail_at(r->op, *r->path ? r->path : "body",
				  "must be an object");
	return readers[connector](r, call);
}

static bool read_list(struct reader *r, enum connector connector,
		      struct json_object *list, const char *path)
{
	size_t n = json_object_array_length(list);

	if (n == 0 || n > CONNECTOR_EVENTS_MAX)
		return op_fail_at(r->op, *path ? path : "body",
				  "must hold 1 to %d events",
				  CONNECTOR_EVENTS_MAX);
	for (size_t i = 0; i < n; i++) {
		r->path = arena_printf(r->op->arena, "%s[%zu]", path, i);
		if (!read_event(r, connector,
				json_object_array_get_idx(list, i)) &&
		    op_failed(r->op) && r->op->fail.kind != FAIL_INVALID)
			return false;
	}
	return !op_failed(r->op);
}

bool connector_map(struct op *op, enum connector connector,
		   struct json_object *root, struct connector_events *ret)
{
	struct json_object *batch = json_member(root, "batch");
	struct reader r = { .op = op, .out = ret, .path = "" };
	struct json_object *list =
	    json_object_is_type(root, json_type_array) ? root : batch;
	bool many = json_object_is_type(list, json_type_array);

	ret->count = 0;
	ret->accepted = 0;
	ret->oldest_us = op->now_us;
	/* An event may bring two kinds of traits. */
	ret->cap = 3 * (many ? json_object_array_length(list) : 1);
	if (many && ret->cap > 3 * CONNECTOR_EVENTS_MAX)
		ret->cap = 0; /* refused below */
	ret->events = ARENA_ARRAY(op->arena, struct event, ret->cap);
	if (many)
		return read_list(&r, connector, list,
				 list == batch ? "batch" : "");
	return read_event(&r, connector, root);
}
