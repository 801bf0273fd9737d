/*
 * The parser of the condition language (condition.h): JSON document → tree.
 * Pure: no database, and no failure but a list of faults by path. Here are
 * the fields, the names and the groups; condition_value.c reads what stands
 * behind a field, condition_sql.c makes the SQL.
 */
#include "engine/condition_parser.h"

#include "base/parse.h"

#include <json-c/linkhash.h>

#define NAME_MAX_LEN 255

static const char *const stages[] = { "new",	 "onboarding", "active",
				      "at_risk", "churned",    "recovered",
				      NULL };
static const char *const risks[] = { "low", "medium", "high", "critical",
				     NULL };

#define NULLABLE true
#define FILLED	 false
static const struct condition_field fields[] = {
	{ "lifecycle_stage", VALUE_WORD, FILLED,
	  SQL_LITERAL("c.lifecycle_stage"), stages },
	{ "activation_score", VALUE_SCORE, FILLED,
	  SQL_LITERAL("c.activation_score"), NULL },
	{ "engagement_score", VALUE_SCORE, FILLED,
	  SQL_LITERAL("c.engagement_score"), NULL },
	{ "expansion_score", VALUE_SCORE, FILLED,
	  SQL_LITERAL("c.expansion_score"), NULL },
	{ "health", VALUE_NUMBER, FILLED, SQL_LITERAL("c.health"), NULL },
	{ "risk_level", VALUE_WORD, FILLED, SQL_LITERAL("c.risk_level"),
	  risks },
	{ "risk_score", VALUE_SCORE, FILLED, SQL_LITERAL("c.risk_score"),
	  NULL },
	{ "days_since_last_activity", VALUE_DAYS, NULLABLE,
	  SQL_LITERAL("c.last_activity_at"), NULL },
	{ "days_since_signup", VALUE_DAYS, FILLED,
	  SQL_LITERAL("coalesce(c.first_activity_at, c.created_at)"), NULL },
	{ "age", VALUE_DAYS, FILLED,
	  SQL_LITERAL("coalesce(c.first_activity_at, c.created_at)"), NULL },
	{ "user_id", VALUE_TEXT, FILLED, SQL_LITERAL("c.user_id"), NULL },
	{ "name", VALUE_TEXT, NULLABLE, SQL_LITERAL("c.name"), NULL },
	{ "email", VALUE_TEXT, NULLABLE, SQL_LITERAL("c.email"), NULL },
	{ "company", VALUE_TEXT, NULLABLE, SQL_LITERAL("c.company"), NULL },
	{ "role", VALUE_TEXT, NULLABLE, SQL_LITERAL("c.role"), NULL },
	{ "team_size", VALUE_NUMBER, NULLABLE, SQL_LITERAL("c.team_size"),
	  NULL },
	{ "locale", VALUE_TEXT, NULLABLE, SQL_LITERAL("c.locale"), NULL },
	{ "timezone", VALUE_TEXT, NULLABLE, SQL_LITERAL("c.timezone"), NULL },
	{ "plan", VALUE_TEXT, NULLABLE, SQL_LITERAL("c.plan"), NULL },
	{ "opted_out", VALUE_BOOL, FILLED, SQL_LITERAL("c.opted_out"), NULL },
	{ "events_total", VALUE_NUMBER, FILLED, SQL_LITERAL("c.events_total"),
	  NULL },
	{ "tracked", VALUE_BOOL, FILLED, SQL_LITERAL("c.tracked"), NULL },
};

#define OTHER_FIELDS                                                           \
	"properties.<name>, event, milestone, segment, any, all, not"

static bool parse_members(struct parser *p, const char *path,
			  struct json_object *doc, unsigned depth,
			  struct condition *parent);

/* A key as part of a path: a long one is cut, so that errors stay short. */
const char *parser_path(struct parser *p, const char *path, const char *key)
{
	size_t len = strlen(key);

	if (len > 80)
		len = parse_utf8_prefix(key, 80);
	return arena_printf(p->a, "%s%s%.*s", path, *path ? "." : "", (int)len,
			    key);
}

const char *parser_item(struct parser *p, const char *path, size_t i)
{
	return arena_printf(p->a, "%s[%zu]", path, i);
}

struct condition *parser_node(struct parser *p, struct condition *parent,
			      enum node_kind kind)
{
	struct condition *node = ARENA_NEW(p->a, struct condition);
	struct condition **end = &parent->children;

	node->kind = kind;
	while (*end != NULL)
		end = &(*end)->next;
	*end = node;
	return node;
}

/* A leaf like proto under parent; NULL when there are too many clauses. */
struct condition *parser_leaf(struct parser *p, struct condition *parent,
			      const struct condition *proto, const char *path,
			      enum node_op op, struct json_object *wanted)
{
	if (++p->clauses > CONDITION_CLAUSES_MAX) {
		if (p->clauses == CONDITION_CLAUSES_MAX + 1)
			BAD(p, path, "more than %d clauses",
			    CONDITION_CLAUSES_MAX);
		return NULL;
	}
	struct condition *node = parser_node(p, parent, proto->kind);
	struct condition *next = node->next;

	*node = *proto;
	node->next = next;
	node->op = op;
	node->path = path;
	node->wanted = json_text(p->a, wanted);
	return node;
}

static void parse_property(struct parser *p, const char *path, const char *keys,
			   struct json_object *value, struct condition *parent)
{
	struct condition proto = { .kind = NODE_PROPERTY };
	size_t max = 1;

	for (const char *s = keys; *s != '\0'; s++)
		max += *s == '.';
	const char **parts = ARENA_ARRAY(p->a, const char *, max);
	for (size_t i = 0; i < max; i++) {
		size_t len = strcspn(keys, ".");

		parts[i] = arena_strndup(p->a, keys, len);
		if (len == 0 || len > NAME_MAX_LEN || max > 16) {
			BAD(p, path, "is no path of a property");
			return;
		}
		keys += len + 1;
	}
	proto.keys = parts;
	proto.key_count = max;
	leaf_parse(p, path, &proto, value, parent);
}

static const char *name_of(struct parser *p, const char *path,
			   struct json_object *value)
{
	const char *name = json_object_is_type(value, json_type_string)
			       ? json_object_get_string(value)
			       : "";
	size_t len = strlen(name);

	if (len >= 1 && len <= NAME_MAX_LEN)
		return name;
	BAD(p, path, "must be a text of 1 to %d bytes", NAME_MAX_LEN);
	return NULL;
}

static int64_t event_id(const struct condition_env *env, const char *name)
{
	for (size_t i = 0; env != NULL && i < env->event_count; i++)
		if (streq(env->events[i].name, name))
			return env->events[i].name_id;
	return -1;
}

static bool parse_event_members(struct parser *p, const char *path,
				struct json_object *doc,
				struct condition *proto,
				struct json_object **ret_count)
{
	bool ok = true;

	json_object_object_foreach (doc, key, value) {
		const char *at = parser_path(p, path, key);

		if (streq(key, "name")) {
			proto->name = name_of(p, at, value);
		} else if (streq(key, "count")) {
			*ret_count = value;
			if (value == NULL)
				ok = leaf_fail(p, at, NULL, VALUE_COUNT, false);
		} else if (streq(key, "within_days")) {
			if (!json_as_i64(value, &proto->within_days) ||
			    proto->within_days < 1 ||
			    proto->within_days > DAYS_MAX)
				ok = BAD(p, at,
					 "must be a whole number from 1 to %d",
					 DAYS_MAX);
		} else {
			ok = BAD(p, at,
				 "unknown member; known here: name, "
				 "within_days, count");
		}
	}
	if (!json_has(doc, "name"))
		ok = BAD(p, parser_path(p, path, "name"), "is required");
	return ok && proto->name != NULL;
}

static void parse_event(struct parser *p, const char *path,
			struct json_object *value, struct condition *parent)
{
	struct condition proto = { .kind = NODE_EVENT };
	struct json_object *count = NULL;

	if (json_object_is_type(value, json_type_object)) {
		if (!parse_event_members(p, path, value, &proto, &count))
			return;
	} else {
		proto.name = name_of(p, path, value);
		if (proto.name == NULL)
			return;
	}
	proto.name_id = event_id(p->env, proto.name);

	struct condition *last = parent->children;
	while (last != NULL && last->next != NULL)
		last = last->next;
	if (count != NULL) {
		leaf_parse(p, parser_path(p, path, "count"), &proto, count,
			   parent);
	} else {
		proto.values = ARENA_NEW(p->a, struct value);
		proto.value_count = 1;
		if (!leaf_number(p, path, NULL, VALUE_COUNT, 1, proto.values))
			p->bad = true;
		parser_leaf(p, parent, &proto, path, OP_GTE, value);
	}
	/* What is wanted of an event is all of it, not the count alone. */
	last = last != NULL ? last->next : parent->children;
	for (; last != NULL; last = last->next)
		last->wanted = json_text(p->a, value);
}

static const char *names_join(struct parser *p, const char *const *names,
			      size_t count)
{
	struct str s;

	str_init(&s, p->a, 8192);
	for (size_t i = 0; i < count && i < 50; i++)
		str_printf(&s, "%s%s", i ? ", " : "", names[i]);
	return count ? s.bytes : "none";
}

static void parse_milestone_name(struct parser *p, const char *path,
				 enum node_op op, struct json_object *value,
				 struct condition *parent)
{
	const struct condition_env *env = p->env;
	struct condition proto = { .kind = NODE_MILESTONE };
	const char *name = name_of(p, path, value);

	if (name == NULL)
		return;
	for (size_t i = 0; env != NULL && i < env->milestone_count; i++)
		if (streq(env->milestones[i], name))
			proto.name = env->milestones[i];
	if (proto.name != NULL)
		parser_leaf(p, parent, &proto, path, op, value);
	else
		BAD(p, path, "no such milestone; known: %s",
		    env ? names_join(p, env->milestones, env->milestone_count)
			: "none");
}

static void parse_milestone(struct parser *p, const char *path,
			    struct json_object *value, struct condition *parent)
{
	if (!json_object_is_type(value, json_type_object)) {
		parse_milestone_name(p, path, OP_REACHED, value, parent);
		return;
	}
	if (json_object_object_length(value) == 0)
		BAD(p, path, "needs one of: reached, not_reached");
	json_object_object_foreach (value, key, name) {
		const char *at = parser_path(p, path, key);

		if (streq(key, "reached"))
			parse_milestone_name(p, at, OP_REACHED, name, parent);
		else if (streq(key, "not_reached"))
			parse_milestone_name(p, at, OP_NOT_REACHED, name,
					     parent);
		else
			BAD(p, at,
			    "unknown operator; known here: reached, "
			    "not_reached");
	}
}

/* ------------------------------------------------------------- segments -- */

static const struct condition_segment *segment_find(
    const struct condition_env *env, const char *name)
{
	for (size_t i = 0; env != NULL && i < env->segment_count; i++)
		if (streq(env->segments[i].name, name))
			return &env->segments[i];
	return NULL;
}

static const char *segments_join(struct parser *p)
{
	size_t n = p->env != NULL ? p->env->segment_count : 0;
	const char **names = ARENA_ARRAY(p->a, const char *, n);

	for (size_t i = 0; i < n; i++)
		names[i] = p->env->segments[i].name;
	return names_join(p, names, n);
}

static void parse_segment_name(struct parser *p, const char *path,
			       struct json_object *value,
			       struct condition *parent)
{
	struct condition proto = { .kind = NODE_SEGMENT };
	const char *name = name_of(p, path, value);
	const struct condition_segment *segment;

	if (name == NULL)
		return;
	segment = segment_find(p->env, name);
	if (segment == NULL) {
		BAD(p, path, "no such segment; known: %s", segments_join(p));
		return;
	}
	for (size_t i = 0; i < p->open_count; i++) {
		if (streq(p->open[i], name)) {
			BAD(p, path, "the segment refers to itself");
			return;
		}
	}
	if (p->open_count == ARRAY_LEN(p->open)) {
		BAD(p, path, "segments nested deeper than %zu",
		    ARRAY_LEN(p->open));
		return;
	}
	proto.name = segment->name;
	struct condition *node =
	    parser_leaf(p, parent, &proto, path, OP_IN, value);
	if (node == NULL)
		return;
	p->open[p->open_count++] = segment->name;
	if (!parse_members(p, path, segment->conditions, 1, node))
		p->bad = true;
	p->open_count--;
}

static void parse_segment(struct parser *p, const char *path,
			  struct json_object *value, struct condition *parent)
{
	if (!json_object_is_type(value, json_type_array)) {
		parse_segment_name(p, path, value, parent);
		return;
	}
	size_t n = json_object_array_length(value);
	if (n == 0 || n > LIST_MAX) {
		BAD(p, path, "must be a list of 1 to %d segments", LIST_MAX);
		return;
	}
	struct condition *any = parser_node(p, parent, NODE_ANY);
	for (size_t i = 0; i < n; i++)
		parse_segment_name(p, parser_item(p, path, i),
				   json_object_array_get_idx(value, i), any);
}

/* ----------------------------------------------------------------- tree -- */

/* One object below any, all or not. */
static void parse_inner(struct parser *p, const char *path,
			struct json_object *doc, unsigned depth,
			struct condition *parent)
{
	if (!json_object_is_type(doc, json_type_object))
		BAD(p, path, "must be an object of conditions");
	else if (json_object_object_length(doc) == 0)
		BAD(p, path, "must not be empty");
	else if (!parse_members(p, path, doc, depth,
				parser_node(p, parent, NODE_ALL)))
		p->bad = true;
}

static void parse_group(struct parser *p, const char *path,
			struct json_object *value, unsigned depth,
			struct condition *group)
{
	size_t n = json_object_is_type(value, json_type_array)
		       ? json_object_array_length(value)
		       : 0;

	if (depth > CONDITION_DEPTH_MAX) {
		BAD(p, path, "nested deeper than %d", CONDITION_DEPTH_MAX);
	} else if (group->kind == NODE_NOT) {
		parse_inner(p, path, value, depth, group);
	} else if (n == 0 || n > CONDITION_CLAUSES_MAX) {
		BAD(p, path, "must be a list of 1 to %d objects",
		    CONDITION_CLAUSES_MAX);
	} else {
		for (size_t i = 0; i < n; i++)
			parse_inner(p, parser_item(p, path, i),
				    json_object_array_get_idx(value, i), depth,
				    group);
	}
}

static void parse_field(struct parser *p, const char *path, const char *key,
			struct json_object *value, struct condition *parent)
{
	struct condition proto = { .kind = NODE_FIELD };
	struct str known;

	for (size_t i = 0; i < ARRAY_LEN(fields) && proto.field == NULL; i++)
		if (streq(fields[i].name, key))
			proto.field = &fields[i];
	if (proto.field != NULL) {
		leaf_parse(p, path, &proto, value, parent);
		return;
	}
	str_init(&known, p->a, 4096);
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		str_printf(&known, "%s, ", fields[i].name);
	BAD(p, path, "unknown field; known: %s%s", known.bytes, OTHER_FIELDS);
}

static void parse_member(struct parser *p, const char *path, const char *key,
			 struct json_object *value, unsigned depth,
			 struct condition *parent)
{
	static const char properties[] = "properties.";

	if (p->properties_only)
		parse_property(p, path, key, value, parent);
	else if (streq(key, "any"))
		parse_group(p, path, value, depth + 1,
			    parser_node(p, parent, NODE_ANY));
	else if (streq(key, "all"))
		parse_group(p, path, value, depth + 1,
			    parser_node(p, parent, NODE_ALL));
	else if (streq(key, "not"))
		parse_group(p, path, value, depth + 1,
			    parser_node(p, parent, NODE_NOT));
	else if (streq(key, "event"))
		parse_event(p, path, value, parent);
	else if (streq(key, "milestone"))
		parse_milestone(p, path, value, parent);
	else if (streq(key, "segment"))
		parse_segment(p, path, value, parent);
	else if (strncmp(key, properties, strlen(properties)) == 0)
		parse_property(p, path, key + strlen(properties), value,
			       parent);
	else
		parse_field(p, path, key, value, parent);
}

static bool parse_members(struct parser *p, const char *path,
			  struct json_object *doc, unsigned depth,
			  struct condition *parent)
{
	bool was_bad = p->bad;

	p->bad = false;
	json_object_object_foreach (doc, key, value) {
		if (p->clauses > CONDITION_CLAUSES_MAX)
			break;
		parse_member(p, parser_path(p, path, key), key, value, depth,
			     parent);
	}
	bool ok = !p->bad;
	p->bad = p->bad || was_bad;
	return ok;
}

static bool parse_root(struct parser *p, const char *path,
		       struct json_object *doc, struct condition **ret)
{
	struct condition *root = ARENA_NEW(p->a, struct condition);

	root->kind = NODE_ALL;
	if (doc != NULL && !json_object_is_type(doc, json_type_object))
		return BAD(p, path, "must be an object of conditions");
	if (doc != NULL && !parse_members(p, path, doc, 0, root))
		return false;
	*ret = root;
	return true;
}

bool condition_parse(struct op *op, const char *path, struct json_object *doc,
		     const struct condition_env *env, struct condition **ret)
{
	struct parser p = { .op = op, .a = op->arena, .env = env };

	/* A segment's own document may not come back to the segment. */
	for (size_t i = 0; env != NULL && i < env->segment_count; i++)
		if (doc != NULL && env->segments[i].conditions == doc &&
		    p.open_count == 0)
			p.open[p.open_count++] = env->segments[i].name;
	return parse_root(&p, path, doc, ret);
}

bool condition_parse_properties(struct op *op, const char *path,
				struct json_object *doc, struct condition **ret)
{
	struct parser p = { .op = op, .a = op->arena, .properties_only = true };

	return parse_root(&p, path, doc, ret);
}

bool condition_is_empty(const struct condition *cond)
{
	return cond == NULL || cond->children == NULL;
}
