/*
 * The condition language without a database: what is refused and by which
 * path, what SQL comes out and with which arguments, and the fuzz seeds
 * with mutations of them.
 */
#include "suites.h"

#include "engine/condition.h"

#include <dirent.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static struct arena *arena;
static struct op op;

static const char *const milestones[] = { "invited_team", "first_export" };
static const struct condition_event counted[] = { { "export", 5 } };
static struct condition_segment segments[5];
static struct condition_env env = {
	.milestones = milestones,
	.milestone_count = ARRAY_LEN(milestones),
	.events = counted,
	.event_count = ARRAY_LEN(counted),
	.segments = segments,
	.segment_count = ARRAY_LEN(segments),
};

static struct json_object *json(const char *text)
{
	struct json_object *doc = NULL;

	ck_assert_msg(json_parse(&op, text, strlen(text), &doc), "%s", text);
	return doc;
}

static void setup(void)
{
	arena = arena_new();
	op_init(&op, arena, NULL, NULL);
	segments[0] =
	    (struct condition_segment){ "power",
					json("{\"health\": {\"gte\": 80}}") };
	segments[1] =
	    (struct condition_segment){ "loop",
					json("{\"segment\": \"pool\"}") };
	segments[2] = (struct condition_segment){
		"pool", json("{\"not\": {\"segment\": \"loop\"}}")
	};
	segments[3] = (struct condition_segment){ "everybody", json("{}") };
	segments[4] = (struct condition_segment){
		"nested", json("{\"any\": [{\"segment\": \"power\"},"
			       " {\"event\": \"inner\"}]}")
	};
}

static void teardown(void)
{
	arena_free(arena);
}

/* ------------------------------------------------------------- refused -- */

static const struct {
	const char *doc, *path, *message;
} bad[] = {
	{ "[]", "e", "must be an object of conditions" },
	{ "\"x\"", "e", "must be an object" },
	{ "{\"helth\": 3}", "e.helth",
	  "unknown field; known: lifecycle_stage" },
	{ "{\"\": 3}", "e.", "unknown field" },
	{ "{\"plan; DROP TABLE x\": 3}", "e.plan; DROP TABLE x", "unknown" },
	{ "{\"health\": {\"above\": 3}}", "e.health.above",
	  "unknown operator; known here: eq, ne, gt, gte, lt, lte, in, nin, "
	  "exists" },
	{ "{\"health\": {\"reached\": 3}}", "e.health.reached", "unknown" },
	{ "{\"health\": {\"contains\": \"3\"}}", "e.health.contains",
	  "does not fit" },
	{ "{\"name\": {\"gt\": \"a\"}}", "e.name.gt", "does not fit" },
	{ "{\"health\": \"forty\"}", "e.health", "must be a number" },
	{ "{\"health\": true}", "e.health", "must be a number" },
	{ "{\"health\": null}", "e.health", "{\"exists\": false}" },
	{ "{\"health\": {}}", "e.health", "needs an operator" },
	{ "{\"health\": []}", "e.health", "list of 1 to" },
	{ "{\"health\": {\"in\": 3}}", "e.health.in", "list of 1 to" },
	{ "{\"health\": [1, \"2\"]}", "e.health[1]", "must be a number" },
	{ "{\"health\": {\"nin\": [1, null]}}", "e.health.nin[1]", "number" },
	{ "{\"health\": {\"exists\": 1}}", "e.health.exists", "true or false" },
	{ "{\"health\": {\"gt\": {}}}", "e.health.gt", "must be a number" },
	{ "{\"lifecycle_stage\": \"old\"}", "e.lifecycle_stage",
	  "one of new, onboarding, active, at_risk, churned, recovered" },
	{ "{\"risk_level\": {\"gte\": \"high\"}}", "e.risk_level.gte",
	  "does not fit" },
	{ "{\"risk_level\": [\"high\", \"huge\"]}", "e.risk_level[1]",
	  "one of low, medium, high, critical" },
	{ "{\"opted_out\": \"true\"}", "e.opted_out", "true or false" },
	{ "{\"age\": 1.5}", "e.age", "whole number of days" },
	{ "{\"age\": {\"gt\": -1}}", "e.age.gt", "whole number of days" },
	{ "{\"days_since_last_activity\": \">= 0.7\"}",
	  "e.days_since_last_activity", "whole number of days" },
	{ "{\"email\": 3}", "e.email", "must be a text" },
	{ "{\"properties\": {\"a\": 1}}", "e.properties", "properties.<name>" },
	{ "{\"properties.\": 1}", "e.properties.", "no path" },
	{ "{\"properties.a..b\": 1}", "e.properties.a..b", "no path" },
	{ "{\"properties.a\": {\"gt\": true}}", "e.properties.a.gt",
	  "a number or a text" },
	{ "{\"properties.a\": {\"starts_with\": 1}}",
	  "e.properties.a.starts_with", "must be a text" },
	{ "{\"properties.a\": {\"b\": 1}}", "e.properties.a.b",
	  "unknown operator" },
	{ "{\"event\": 3}", "e.event", "text of 1 to" },
	{ "{\"event\": {}}", "e.event.name", "is required" },
	{ "{\"event\": {\"name\": \"\"}}", "e.event.name", "text of 1 to" },
	{ "{\"event\": {\"name\": \"a\", \"days\": 3}}", "e.event.days",
	  "known here: name, within_days, count" },
	{ "{\"event\": {\"name\": \"a\", \"within_days\": 0}}",
	  "e.event.within_days", "whole number from 1" },
	{ "{\"event\": {\"name\": \"a\", \"count\": -1}}", "e.event.count",
	  "whole number from 0" },
	{ "{\"event\": {\"name\": \"a\", \"count\": {\"gt\": 1.5}}}",
	  "e.event.count.gt", "whole number from 0" },
	{ "{\"event\": {\"name\": \"a\", \"count\": {\"exists\": true}}}",
	  "e.event.count.exists", "does not fit" },
	{ "{\"milestone\": \"none\"}", "e.milestone",
	  "no such milestone; known: invited_team, first_export" },
	{ "{\"milestone\": {\"missed\": \"invited_team\"}}",
	  "e.milestone.missed", "known here: reached, not_reached" },
	{ "{\"milestone\": {}}", "e.milestone", "needs one of" },
	{ "{\"segment\": \"none\"}", "e.segment",
	  "no such segment; known: power, loop" },
	{ "{\"segment\": []}", "e.segment", "list of 1 to" },
	{ "{\"segment\": [\"power\", 3]}", "e.segment[1]", "text of 1" },
	{ "{\"segment\": \"loop\"}", "e.segment.segment.not.segment",
	  "refers to itself" },
	{ "{\"any\": {}}", "e.any", "list of 1 to" },
	{ "{\"any\": []}", "e.any", "list of 1 to" },
	{ "{\"any\": [{}]}", "e.any[0]", "must not be empty" },
	{ "{\"any\": [3]}", "e.any[0]", "must be an object" },
	{ "{\"all\": [{\"health\": 1}, {\"helth\": 1}]}", "e.all[1].helth",
	  "unknown field" },
	{ "{\"not\": {}}", "e.not", "must not be empty" },
	{ "{\"not\": []}", "e.not", "must be an object" },
	{ "{\"any\": [{\"name\": \"x\"}, {\"health\": {\"gt\": \"x\"}}]}",
	  "e.any[1].health.gt", "must be a number" },
	{ "{\"not\":{\"not\":{\"not\":{\"not\":{\"not\":{\"not\":{\"not\":"
	  "{\"not\":{\"not\":{\"health\":1}}}}}}}}}}",
	  "e.not.not.not.not.not.not.not.not.not", "nested deeper than 8" },
};

START_TEST(condition_refuses)
{
	struct condition *cond;

	ck_assert_msg(
	    !condition_parse(&op, "e", json(bad[_i].doc), &env, &cond), "%s",
	    bad[_i].doc);
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(op.fail.fields->path, bad[_i].path);
	ck_assert_msg(strstr(op.fail.fields->message, bad[_i].message),
		      "%s: %s", bad[_i].doc, op.fail.fields->message);
}
END_TEST

START_TEST(condition_tells_all_faults_at_once)
{
	static const char doc[] =
	    "{\"helth\": 1, \"health\": {\"gt\": \"x\", \"lt\": \"y\"},"
	    " \"any\": [{\"plan\": 3}], \"segment\": [\"a\", \"b\"]}";
	struct condition *cond;

	ck_assert(!condition_parse(&op, "e", json(doc), &env, &cond));
	ck_assert_uint_eq(op.fail.field_count, 6);
}
END_TEST

static const char *repeated(const char *clause, int n)
{
	struct str s;

	str_init(&s, arena, 1u << 20);
	str_puts(&s, "{\"all\": [");
	for (int i = 0; i < n; i++)
		str_printf(&s, "%s%s", i ? "," : "", clause);
	str_puts(&s, "]}");
	return s.bytes;
}

/* As many clauses, each with a time of its own. */
static const char *windows(int n)
{
	struct str s;

	str_init(&s, arena, 1u << 20);
	str_puts(&s, "{\"all\": [");
	for (int i = 0; i < n; i++)
		str_printf(&s,
			   "%s{\"event\": {\"name\": \"export\","
			   " \"within_days\": %d}}",
			   i ? "," : "", i + 1);
	str_puts(&s, "]}");
	return s.bytes;
}

START_TEST(condition_counts_clauses)
{
	struct condition *cond;
	struct condition_at at = { .tenant = 1, .now = 2 };
	struct sql q;

	/* The costliest clause, as often as it may be: it fits. */
	ck_assert(condition_parse(
	    &op, "e",
	    json(repeated("{\"event\":{\"name\":\"export\",\"within_days\":3,"
			  "\"count\":7}}",
			  200)),
	    &env, &cond));
	sql_init(&q, arena);
	condition_write_sql(cond, &q, &at);
	ck_assert(sql_ok(&q));
	ck_assert(condition_parse(&op, "e", json(windows(200)), &env, &cond));
	sql_init(&q, arena);
	condition_write_next((const struct condition *[]){ cond }, 1, &q, &at);
	ck_assert(sql_ok(&q));
	ck_assert_uint_eq(q.arg_count, 200 * 3);

	ck_assert(!condition_parse(
	    &op, "e", json(repeated("{\"health\":{\"gt\":1,\"lt\":3}}", 101)),
	    &env, &cond));
	ck_assert_uint_eq(op.fail.field_count, 1);
	ck_assert_ptr_nonnull(
	    strstr(op.fail.fields->message, "more than 200 clauses"));
}
END_TEST

START_TEST(condition_counts_the_clauses_of_segments)
{
	struct condition *cond;

	/* Each is two clauses: the segment and what it holds. */
	ck_assert(condition_parse(
	    &op, "e", json(repeated("{\"segment\":\"power\"}", 100)), &env,
	    &cond));
	ck_assert(!condition_parse(
	    &op, "e", json(repeated("{\"segment\":\"power\"}", 101)), &env,
	    &cond));
}
END_TEST

/* ------------------------------------------------------------------ SQL -- */

#define X "(c.properties #> $3)"

static const struct {
	const char *doc, *sql;
} good[] = {
	{ "{}", "true" },
	{ "{\"health\": 40}", "((c.health = $3))" },
	{ "{\"health\": {\"gte\": 10, \"lt\": 40}}",
	  "((c.health >= $3)) AND ((c.health < $4))" },
	{ "{\"health\": [1, 2]}", "((c.health = ANY ($3)))" },
	{ "{\"health\": {\"nin\": [1]}}",
	  "((c.health = ANY ($3)) IS NOT TRUE)" },
	{ "{\"health\": \"<= 5\"}", "((c.health <= $3))" },
	{ "{\"health\": \"==5\"}", "((c.health = $3))" },
	{ "{\"health\": \"!= 5\"}", "((c.health = $3) IS NOT TRUE)" },
	{ "{\"activation_score\": \">= 0.7\"}",
	  "((c.activation_score >= $3::real))" },
	{ "{\"activation_score\": [0.5]}",
	  "((c.activation_score = ANY ($3::real[])))" },
	{ "{\"lifecycle_stage\": [\"new\"]}",
	  "((c.lifecycle_stage = ANY ($3)))" },
	{ "{\"opted_out\": false}", "((c.opted_out = $3))" },
	{ "{\"name\": \">= 0.7\"}", "((c.name = $3) IS TRUE)" },
	{ "{\"name\": {\"ne\": \"x\"}}", "((c.name = $3) IS NOT TRUE)" },
	{ "{\"name\": {\"exists\": false}}", "(c.name IS NULL)" },
	{ "{\"email\": {\"contains\": \"%'\"}}",
	  "((strpos(c.email, $3) > 0) IS TRUE)" },
	{ "{\"email\": {\"starts_with\": \"a\"}}",
	  "((starts_with(c.email, $3)) IS TRUE)" },
	{ "{\"team_size\": {\"gt\": 3}}", "((c.team_size > $3) IS TRUE)" },
	{ "{\"days_since_last_activity\": {\"gte\": 3}}",
	  "((c.last_activity_at <= $2 - $3 * interval '24 hours') IS TRUE)" },
	{ "{\"days_since_last_activity\": {\"lt\": 3}}",
	  "((c.last_activity_at > $2 - $3 * interval '24 hours') IS TRUE)" },
	{ "{\"days_since_last_activity\": {\"gte\": 0}}",
	  "((c.last_activity_at IS NOT NULL) IS TRUE)" },
	{ "{\"days_since_last_activity\": {\"lt\": 0}}", "((false) IS TRUE)" },
	{ "{\"properties.plan\": \"trial\"}",
	  "(((coalesce(to_jsonb(c.plan), c.properties->'plan')) = $3)"
	  " IS TRUE)" },
	{ "{\"properties.team_size\": {\"gt\": 3}}",
	  "(((coalesce(to_jsonb(c.team_size), c.properties->'team_size')) > $3"
	  " AND jsonb_typeof(coalesce(to_jsonb(c.team_size),"
	  " c.properties->'team_size')) = 'number') IS TRUE)" },
	{ "{\"properties.tier\": \"trial\"}", "((" X " = $4) IS TRUE)" },
	{ "{\"properties.tier\": {\"ne\": \"trial\"}}",
	  "((" X " = $4) IS NOT TRUE)" },
	{ "{\"properties.a.b\": [1, \"x\"]}", "((" X " = ANY ($4)) IS TRUE)" },
	{ "{\"properties.n\": {\"gt\": 3}}",
	  "((" X " > $4 AND jsonb_typeof" X " = 'number') IS TRUE)" },
	{ "{\"properties.n\": \"> 3\"}",
	  "((" X " > $4 AND jsonb_typeof" X " = 'number') IS TRUE)" },
	{ "{\"properties.n\": {\"exists\": true}}",
	  "((jsonb_typeof" X " <> 'null') IS TRUE)" },
	{ "{\"properties.n\": {\"exists\": false}}",
	  "((jsonb_typeof" X " <> 'null') IS NOT TRUE)" },
	{ "{\"event\": \"export\"}",
	  "(EXISTS (SELECT FROM customer_event_days d WHERE d.tenant_id = $1"
	  " AND d.user_id = c.user_id AND d.name_id = $3 AND d.events > 0))" },
	{ "{\"event\": {\"name\": \"export\", \"count\": 0}}",
	  "(NOT EXISTS (SELECT FROM customer_event_days d WHERE d.tenant_id ="
	  " $1 AND d.user_id = c.user_id AND d.name_id = $3"
	  " AND d.events > 0))" },
	{ "{\"event\": {\"name\": \"export\", \"within_days\": 14,"
	  " \"count\": {\"gte\": 3}}}",
	  "(coalesce((SELECT sum(d.events) FROM customer_event_days d"
	  " WHERE d.tenant_id = $1 AND d.user_id = c.user_id"
	  " AND d.name_id = $3 AND d.day > ($2 AT TIME ZONE 'UTC')::date"
	  " - $4::integer), 0) >= $5)" },
	{ "{\"event\": {\"name\": \"o'x\", \"within_days\": 14}}",
	  "(EXISTS (SELECT FROM events d WHERE d.tenant_id = $1"
	  " AND d.user_id = c.user_id AND d.event = $3"
	  " AND d.ts >= (($2 AT TIME ZONE 'UTC')::date - $4::integer + 1)"
	  "::timestamp AT TIME ZONE 'UTC'))" },
	{ "{\"milestone\": {\"not_reached\": \"invited_team\"}}",
	  "(NOT EXISTS (SELECT FROM customer_milestones m WHERE m.tenant_id ="
	  " $1 AND m.user_id = c.user_id AND m.milestone = $3))" },
	{ "{\"segment\": \"power\"}", "(((c.health >= $3)))" },
	{ "{\"segment\": \"everybody\"}", "true" },
	{ "{\"segment\": [\"power\", \"everybody\"]}",
	  "((((c.health >= $3))) OR true)" },
	{ "{\"any\": [{\"health\": 1, \"plan\": \"a\"}, {\"health\": 2}]}",
	  "((((c.health = $3)) AND ((c.plan = $4) IS TRUE)) OR"
	  " (((c.health = $5))))" },
	{ "{\"not\": {\"opted_out\": true}}",
	  "(NOT ((((c.opted_out = $3)))))" },
};

static void write_sql(const char *doc, struct sql *q)
{
	struct condition_at at = { 0 };
	struct condition *cond;

	ck_assert_msg(condition_parse(&op, "e", json(doc), &env, &cond), "%s",
		      doc);
	ck_assert(!op_failed(&op));
	sql_init(q, arena);
	at.tenant = sql_bind(q, ARG_I64(7));
	at.now = sql_bind(q, ARG_TIME(0));
	condition_write_sql(cond, q, &at);
	ck_assert(sql_ok(q));
}

START_TEST(condition_writes_sql)
{
	struct sql q;

	write_sql(good[_i].doc, &q);
	const char *got = q.text.bytes, *want = good[_i].sql;
	if (strcmp(good[_i].doc, "{}") != 0)
		want = arena_printf(arena, "(%s)", want);
	ck_assert_str_eq(got, want);
}
END_TEST

/* Whatever a text holds, the statement stays the same. */
START_TEST(condition_keeps_text_out_of_sql)
{
	static const char plain[] = "x", evil[] = "'; DROP TABLE events; --";
	static const char *const forms[] = {
		"{\"name\": \"%s\"}",
		"{\"name\": [\"%s\"]}",
		"{\"properties.%s\": 1}",
		"{\"properties.a\": {\"contains\": \"%s\"}}",
		"{\"event\": \"%s\"}",
	};
	struct sql a, b;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		const char *split = strstr(forms[i], "%s");
		int head = (int)(split - forms[i]);

		write_sql(arena_printf(arena, "%.*s%s%s", head, forms[i], plain,
				       split + 2),
			  &a);
		write_sql(arena_printf(arena, "%.*s%s%s", head, forms[i], evil,
				       split + 2),
			  &b);
		ck_assert_str_eq(a.text.bytes, b.text.bytes);
		ck_assert_ptr_null(strstr(b.text.bytes, "DROP"));
	}
}
END_TEST

START_TEST(condition_binds_typed_values)
{
	struct sql q;

	write_sql("{\"risk_score\": {\"gt\": 0.7}, \"properties.a.b\": 0.10,"
		  " \"age\": {\"gt\": 3}}",
		  &q);
	ck_assert_uint_eq(q.arg_count, 6);
	ck_assert_int_eq(q.args[2].kind, DB_DOUBLE);
	ck_assert(q.args[2].v.f64 == 0.7);
	/* More than 3 whole days: from the fourth on. Columns come first. */
	ck_assert(q.args[3].v.f64 == 4);
	ck_assert_int_eq(q.args[4].kind, DB_TEXTS);
	ck_assert_uint_eq(q.args[4].len, 2);
	ck_assert_str_eq(((const char *const *)q.args[4].v.ptr)[1], "b");
	ck_assert_int_eq(q.args[5].kind, DB_JSON);
	ck_assert_str_eq(q.args[5].v.ptr, "0.1");
}
END_TEST

START_TEST(condition_asks_the_cheap_clauses_first)
{
	static const struct {
		const char *doc, *before, *after;
	} want[] = {
		{ "{\"event\": \"export\", \"health\": 3}", "c.health",
		  "SELECT" },
		{ "{\"milestone\": \"invited_team\", \"properties.x\": 3}",
		  "c.properties", "customer_milestones" },
		{ "{\"not\": {\"event\": \"export\"}, \"milestone\":"
		  " \"invited_team\"}",
		  "customer_milestones", "customer_event_days" },
	};

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct sql q;

		write_sql(want[i].doc, &q);
		ck_assert(strstr(q.text.bytes, want[i].before) <
			  strstr(q.text.bytes, want[i].after));
		ck_assert_ptr_nonnull(strstr(q.text.bytes, want[i].before));
	}
}
END_TEST

START_TEST(condition_lists_clauses_in_order)
{
	static const char doc[] =
	    "{\"health\": {\"gt\": 3, \"lt\": 9},"
	    " \"event\": {\"name\": \"export\", \"within_days\": 2},"
	    " \"any\": [{\"plan\": [\"a\", \"b\"]}, {\"segment\": \"power\"}],"
	    " \"milestone\": {\"not_reached\": \"invited_team\"}}";
	static const struct {
		const char *path, *op, *wanted;
	} want[] = {
		{ "e.health.gt", "gt", "3" },
		{ "e.health.lt", "lt", "9" },
		{ "e.event", "gte", "{\"name\":\"export\",\"within_days\":2}" },
		{ "e.any[0].plan", "in", "[\"a\",\"b\"]" },
		{ "e.any[1].segment", "segment", "\"power\"" },
		{ "e.milestone.not_reached", "not_reached",
		  "\"invited_team\"" },
	};
	struct condition_clause *clauses;
	struct condition *cond;
	size_t n;

	ck_assert(condition_parse(&op, "e", json(doc), &env, &cond));
	condition_clauses(arena, cond, &clauses, &n);
	ck_assert_uint_eq(n, ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++) {
		ck_assert_str_eq(clauses[i].path, want[i].path);
		ck_assert_str_eq(clauses[i].op, want[i].op);
		ck_assert_str_eq(clauses[i].wanted, want[i].wanted);
	}
}
END_TEST

START_TEST(condition_knows_its_events)
{
	const char *const *names;
	struct condition *cond;
	size_t n;

	ck_assert(condition_parse(
	    &op, "e",
	    json("{\"segment\": \"nested\", \"not\": {\"any\": ["
		 "{\"event\": \"a\"}, {\"event\": {\"name\": \"a\","
		 " \"count\": {\"gt\": 1, \"lt\": 5}}}]}}"),
	    &env, &cond));
	condition_events(arena, cond, &names, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(names[0], "inner");
	ck_assert_str_eq(names[1], "a");
}
END_TEST

static const struct {
	const char *doc, *next;
} nexts[] = {
	{ "{\"health\": 3}", "least('infinity'::timestamptz)" },
	{ "{\"event\": \"export\"}", "least('infinity'::timestamptz)" },
	{ "{\"days_since_last_activity\": {\"gte\": 3}}",
	  "least('infinity'::timestamptz, CASE WHEN c.last_activity_at + $1"
	  " * interval '24 hours' > $2 THEN c.last_activity_at + $1"
	  " * interval '24 hours' END)" },
	{ "{\"not\": {\"event\": {\"name\": \"export\","
	  " \"within_days\": 7}}}",
	  "least('infinity'::timestamptz, (SELECT (min(d.day) + $1::integer)"
	  "::timestamp AT TIME ZONE 'UTC' FROM customer_event_days d WHERE"
	  " d.tenant_id = $1 AND d.user_id = c.user_id AND d.name_id = $2"
	  " AND d.day > ($2 AT TIME ZONE 'UTC')::date - $3::integer))" },
	/* Time matters only while the rest holds. */
	{ "{\"days_since_last_activity\": {\"gte\": 3}, \"opted_out\": false}",
	  "least('infinity'::timestamptz, CASE WHEN ((c.opted_out = $1))"
	  " THEN least('infinity'::timestamptz, CASE WHEN"
	  " c.last_activity_at + $2 * interval '24 hours' > $2 THEN"
	  " c.last_activity_at + $2 * interval '24 hours' END) END"
	  ", CASE WHEN ((c.opted_out = $3)) THEN"
	  " least('infinity'::timestamptz, CASE WHEN"
	  " c.last_activity_at + $4 * interval '24 hours' > $2 THEN"
	  " c.last_activity_at + $4 * interval '24 hours' END) END)" },
	/* Nothing stands beside what time changes. */
	{ "{\"any\": [{\"health\": 3}, {\"age\": {\"lt\": 3}}]}",
	  "least('infinity'::timestamptz, CASE WHEN"
	  " coalesce(c.first_activity_at, c.created_at) + $1 * interval"
	  " '24 hours' > $2 THEN coalesce(c.first_activity_at, c.created_at)"
	  " + $1 * interval '24 hours' END)" },
};

START_TEST(condition_writes_the_next_time)
{
	struct condition_at at = { .tenant = 1, .now = 2 };
	struct condition *cond;
	struct sql q;

	ck_assert(condition_parse(&op, "e", json(nexts[_i].doc), &env, &cond));
	sql_init(&q, arena);
	/* Of three that change at the same time it is written once. */
	condition_write_next((const struct condition *[]){ cond, NULL, cond },
			     3, &q, &at);
	ck_assert_str_eq(q.text.bytes, nexts[_i].next);
}
END_TEST

START_TEST(condition_reads_tests_on_event_properties)
{
	struct condition *cond;
	struct sql q;

	ck_assert(condition_parse_properties(
	    &op, "m", json("{\"role\": \"member\", \"size\": {\"gt\": 2}}"),
	    &cond));
	sql_init(&q, arena);
	condition_write_properties(cond, &q);
	ck_assert_str_eq(
	    q.text.bytes,
	    "((((e.properties #> $1) = $2) IS TRUE) AND (((e.properties #> $3)"
	    " > $4 AND jsonb_typeof(e.properties #> $3) = 'number')"
	    " IS TRUE))");
	ck_assert(
	    !condition_parse_properties(&op, "m", json("{\"a.\": 1}"), &cond));
}
END_TEST

/* ----------------------------------------------------------------- fuzz -- */

static size_t read_seed(const char *name, uint8_t *bytes, size_t max)
{
	FILE *f = fopen(
	    arena_printf(arena, "%s/fuzz/condition/%s", TESTS_SRCDIR, name),
	    "rb");

	ck_assert_ptr_nonnull(f);
	size_t len = fread(bytes, 1, max, f);
	fclose(f);
	return len;
}

static void mutate(uint8_t *bytes, size_t len, uint64_t *state)
{
	static const char alphabet[] = "{}[]\":,0-9.eE<>= \\ntx";

	for (int i = 0; i < 3 && len > 0; i++) {
		*state = *state * 6364136223846793005u + 1442695040888963407u;
		bytes[(*state >> 33) % len] =
		    (uint8_t)alphabet[(*state >> 20) % (sizeof(alphabet) - 1)];
	}
}

START_TEST(condition_survives_seeds_and_mutations)
{
	DIR *dir = opendir(TESTS_SRCDIR "/fuzz/condition");
	uint8_t seed[4096], bytes[4096];
	uint64_t state = 1;
	int seeds = 0;

	ck_assert_ptr_nonnull(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		size_t len = read_seed(e->d_name, seed, sizeof(seed));
		LLVMFuzzerTestOneInput(seed, len);
		for (int i = 0; i < 500; i++) {
			memcpy(bytes, seed, len);
			mutate(bytes, len, &state);
			LLVMFuzzerTestOneInput(bytes, len);
		}
		seeds++;
	}
	closedir(dir);
	ck_assert_int_ge(seeds, 10);
}
END_TEST

void condition_cases(Suite *suite)
{
	TCase *tc = tcase_create("condition");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, condition_refuses, 0, (int)ARRAY_LEN(bad));
	tcase_add_test(tc, condition_tells_all_faults_at_once);
	tcase_add_test(tc, condition_counts_clauses);
	tcase_add_test(tc, condition_counts_the_clauses_of_segments);
	tcase_add_loop_test(tc, condition_writes_sql, 0, (int)ARRAY_LEN(good));
	tcase_add_test(tc, condition_keeps_text_out_of_sql);
	tcase_add_test(tc, condition_binds_typed_values);
	tcase_add_test(tc, condition_asks_the_cheap_clauses_first);
	tcase_add_test(tc, condition_lists_clauses_in_order);
	tcase_add_test(tc, condition_knows_its_events);
	tcase_add_loop_test(tc, condition_writes_the_next_time, 0,
			    (int)ARRAY_LEN(nexts));
	tcase_add_test(tc, condition_reads_tests_on_event_properties);
	tcase_add_test(tc, condition_survives_seeds_and_mutations);
	suite_add_tcase(suite, tc);
}
