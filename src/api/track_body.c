/*
 * The text was found to be JSON before the cutter walks over it, so here a
 * value's end is found by its brackets and quotes alone.
 */
#include "api/track_body.h"

#include "base/json_scan.h"
#include "base/parse.h"

#define DEPTH_MAX 32

/* A value of the text, without blanks around it. */
struct slice {
	const char *p; /* NULL: absent */
	size_t len;
};

/* The members of one event that matter. */
struct event_text {
	struct slice user_id, event, properties, timestamp, key;
};

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/* p is on the opening quote; returns what is behind the closing one. */
static const char *skip_string(const char *p)
{
	for (p++; *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p + 1;
}

static const char *skip_container(const char *p)
{
	size_t depth = 0;

	for (;;) {
		if (*p == '"') {
			p = skip_string(p);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if ((*p == '}' || *p == ']') && --depth == 0)
			return p + 1;
		p++;
	}
}

static const char *skip_value(const char *p)
{
	if (*p == '"')
		return skip_string(p);
	if (*p == '{' || *p == '[')
		return skip_container(p);
	return p + strcspn(p, ",}] \t\n\r");
}

/* Takes the value at *at, which is moved behind it and its blanks. */
static struct slice take_value(const char **at)
{
	const char *p = skip_blanks(*at);
	struct slice value = { p, 0 };

	p = skip_value(p);
	value.len = (size_t)(p - value.p);
	*at = skip_blanks(p);
	return value;
}

static size_t put_utf8(char *out, unsigned code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

static unsigned hex4(const char *p)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)p[i];

		value =
		    value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

/* The escape behind the backslash at *at; surrogates come in pairs. */
static size_t put_escape(char *out, const char **at)
{
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
	const char *p = *at, *name;
	unsigned code;

	*at = p + 1;
	if (*p != 'u') {
		name = strchr(names, *p);
		out[0] = name != NULL ? values[name - names] : *p;
		return 1;
	}
	code = hex4(p + 1);
	*at = p + 5;
	if (code >= 0xd800 && code <= 0xdbff) {
		code =
		    0x10000 + ((code - 0xd800) << 10) + (hex4(p + 7) - 0xdc00);
		*at = p + 11;
	}
	return put_utf8(out, code);
}

/* arena: the text of a JSON string; never longer than its source. */
static char *unescape(struct op *op, const char *p, size_t len)
{
	const char *end = p + len;
	char *text, *out;

	if (memchr(p, '\\', len) == NULL)
		return arena_strndup(op->arena, p, len);
	out = text = arena_alloc(op->arena, len + 1);
	while (p < end) {
		if (*p != '\\') {
			*out++ = *p++;
			continue;
		}
		p++;
		out += put_escape(out, &p);
	}
	*out = '\0';
	return text;
}

/* arena: the text, or NULL when the value is no string. */
static const char *string_of(struct op *op, struct slice value)
{
	if (value.p == NULL || *value.p != '"')
		return NULL;
	return unescape(op, value.p + 1, value.len - 2);
}

static bool is_null(struct slice value)
{
	return value.p == NULL || *value.p == 'n';
}

/* A place in the body, for messages only. */
static bool wrong(struct op *op, size_t index, const char *name,
		  const char *message)
{
	return op_fail_at(op,
			  arena_printf(op->arena, "events[%zu]%s%s", index,
				       *name != '\0' ? "." : "", name),
			  "%s", message);
}

static bool read_text(struct op *op, size_t index, const char *name,
		      struct slice value, const char **ret)
{
	const char *text;
	size_t len;

	if (is_null(value))
		return wrong(op, index, name, "is required");
	text = string_of(op, value);
	if (text == NULL)
		return wrong(op, index, name, "must be a string");
	len = strlen(text);
	if (len == 0)
		return wrong(op, index, name, "must not be empty");
	if (len > EVENT_TEXT_MAX)
		return wrong(op, index, name, "must have at most 255 bytes");
	*ret = text;
	return true;
}

/* {} is stored as NULL: most events carry no properties. */
static bool read_properties(struct op *op, size_t index, struct slice value,
			    const char **ret)
{
	if (is_null(value))
		return true;
	if (*value.p != '{')
		return wrong(op, index, "properties", "must be an object");
	if (value.len > EVENT_PROPERTIES_MAX)
		return wrong(op, index, "properties",
			     "must have at most 32 KiB of JSON");
	if (*skip_blanks(value.p + 1) != '}')
		*ret = arena_strndup(op->arena, value.p, value.len);
	return true;
}

static bool read_time(struct op *op, size_t index, struct slice value,
		      int64_t *ret)
{
	const char *text;
	int64_t us;

	if (is_null(value))
		return true;
	text = string_of(op, value);
	if (text == NULL || !parse_time(text, &us))
		return wrong(op, index, "timestamp",
			     "must be an RFC 3339 time");
	if (us > op->now_us + EVENT_AHEAD_US)
		return wrong(op, index, "timestamp",
			     "must be at most 1 h in the future");
	*ret = us;
	return true;
}

/* The empty key of some clients means none. */
static bool read_key(struct op *op, size_t index, struct slice value,
		     const char **ret)
{
	if (is_null(value) || (*value.p == '"' && value.len == 2))
		return true;
	return read_text(op, index, "idempotency_key", value, ret);
}

static bool read_event(struct op *op, size_t index, const struct event_text *in,
		       struct event *ret)
{
	bool ok = read_text(op, index, "user_id", in->user_id, &ret->user_id);

	ok = read_text(op, index, "event", in->event, &ret->name) && ok;
	ok = read_properties(op, index, in->properties, &ret->properties) && ok;
	ok = read_time(op, index, in->timestamp, &ret->ts_us) && ok;
	ok = read_key(op, index, in->key, &ret->key) && ok;
	return ok;
}

static struct slice *member_of(struct event_text *e, const char *key)
{
	if (streq(key, "user_id"))
		return &e->user_id;
	if (streq(key, "event"))
		return &e->event;
	if (streq(key, "properties"))
		return &e->properties;
	if (streq(key, "timestamp"))
		return &e->timestamp;
	if (streq(key, "idempotency_key"))
		return &e->key;
	return NULL;
}

/* Takes a member's key off *at, which is in an object. */
static const char *take_key(struct op *op, const char **at)
{
	struct slice key = take_value(at);

	*at = *at + 1; /* the colon */
	return string_of(op, key);
}

/* Cuts an event at its members; of twins the last one counts. */
static void cut_event(struct op *op, const char *p, struct event_text *ret)
{
	p = skip_blanks(p + 1);
	while (*p != '}') {
		struct slice *member = member_of(ret, take_key(op, &p));
		struct slice value = take_value(&p);

		if (member != NULL)
			*member = value;
		if (*p == ',')
			p = skip_blanks(p + 1);
	}
}

/* The value of the member of the root object at p; absent: p NULL. */
static struct slice find_member(struct op *op, const char *p, const char *name)
{
	struct slice found = { NULL, 0 };

	p = skip_blanks(p + 1);
	while (*p != '}') {
		bool wanted = streq(take_key(op, &p), name);
		struct slice value = take_value(&p);

		if (wanted)
			found = value;
		if (*p == ',')
			p = skip_blanks(p + 1);
	}
	return found;
}

static size_t count_items(const char *p)
{
	size_t n = 0;

	p = skip_blanks(p + 1);
	while (*p != ']') {
		take_value(&p);
		n++;
		if (*p == ',')
			p = skip_blanks(p + 1);
	}
	return n;
}

static bool find_events(struct op *op, const char *root, struct slice *ret,
			size_t *ret_count)
{
	size_t n;

	if (*root != '{')
		return op_fail(op, FAIL_INVALID, "invalid_json",
			       "the body must be a JSON object");
	*ret = find_member(op, root, "events");
	if (is_null(*ret))
		return op_fail_at(op, "events", "is required");
	if (*ret->p != '[')
		return op_fail_at(op, "events", "must be an array");
	n = count_items(ret->p);
	if (n < 1 || n > TRACK_EVENTS_MAX)
		return op_fail_at(op, "events", "must have 1 to %d items",
				  TRACK_EVENTS_MAX);
	*ret_count = n;
	return true;
}

static bool read_events(struct op *op, const char *p, struct track_body *ret)
{
	bool ok = true;

	for (size_t i = 0; i < ret->count; i++) {
		struct event *event = &ret->events[i];
		struct event_text text = { 0 };
		struct slice item;

		p = skip_blanks(p + 1); /* the bracket or comma */
		item = take_value(&p);
		event->ts_us = op->now_us;
		if (*item.p != '{') {
			ok = wrong(op, i, "", "must be an object");
			continue;
		}
		cut_event(op, item.p, &text);
		ok = read_event(op, i, &text, event) && ok;
		if (event->ts_us < ret->oldest_us)
			ret->oldest_us = event->ts_us;
	}
	return ok;
}

bool track_body_parse(struct op *op, const char *bytes, size_t len,
		      struct track_body *ret)
{
	struct json_fault fault;
	struct slice events = { NULL, 0 };
	struct str wide;

	*ret = (struct track_body){ .oldest_us = op->now_us };
	str_init(&wide, op->arena, 2 * len + 16);
	if (!json_scan(bytes, len, DEPTH_MAX, &wide, &fault)) {
		if (fault.path[0] != '\0')
			return op_fail_at(op, fault.path, "%s", fault.problem);
		return op_fail(op, FAIL_INVALID, "invalid_json",
			       "the body is not JSON: %s at byte %zu",
			       fault.problem, fault.offset);
	}
	if (!find_events(op, skip_blanks(bytes), &events, &ret->count))
		return false;
	ret->events = ARENA_ARRAY(op->arena, struct event, ret->count);
	return read_events(op, events.p, ret);
}
