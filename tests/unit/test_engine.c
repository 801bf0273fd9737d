/*
 * The engine's suite: the tenant's config, playbook documents and the
 * ready-made playbooks here; conditions and the planner in their files.
 */
#include "suites.h"

#include "engine/playbook_doc.h"

#include <dirent.h>

static struct arena *arena;
static struct op op;

static void setup(void)
{
	arena = arena_new();
	op_init(&op, arena, NULL, NULL);
}

static void teardown(void)
{
	arena_free(arena);
}

static struct json_object *json(const char *text)
{
	struct json_object *doc = NULL;

	ck_assert_msg(json_parse(&op, text, strlen(text), &doc), "%s", text);
	return doc;
}

/* --------------------------------------------------------------- config -- */

static void config_of(const char *text, struct tenant_config *ret)
{
	ck_assert_msg(
	    tenant_config_parse(&op, "config", json(text), NULL, 0, ret), "%s",
	    op.fail.fields ? op.fail.fields->message : "");
}

START_TEST(config_has_defaults)
{
	struct tenant_config c;

	ck_assert(tenant_config_parse(&op, "config", NULL, NULL, 0, &c));
	ck_assert_int_eq(c.lifecycle.churned_days, 30);
	ck_assert_int_eq(c.cap_count, 3);
	ck_assert_int_eq(c.cap_days, 7);
	ck_assert_int_eq(c.attribution_days, 14);
	ck_assert(c.confidence_threshold == 0.8);
	ck_assert_uint_eq(c.channels.count, 2);
	ck_assert(!c.quiet_hours.set);
	ck_assert_int_eq(c.daily_budget, 0);
}
END_TEST

START_TEST(config_reads_everything)
{
	static const char text[] =
	    "{\"lifecycle\": {\"at_risk_days\": 5, \"churned_days\": 20,"
	    " \"churn_events\": [\"cancelled\"]},"
	    "\"milestones\": [{\"name\": \"team\", \"event\": \"invite\","
	    " \"count\": 2, \"properties\": {\"role\": \"member\"},"
	    " \"onboarding\": false, \"retention\": true}],"
	    "\"segments\": [{\"name\": \"b\", \"conditions\":"
	    " {\"segment\": \"a\", \"milestone\": \"team\"}},"
	    " {\"name\": \"a\", \"conditions\":"
	    " {\"event\": \"export\"}}],"
	    "\"engagement\": {\"frequency\": 1},"
	    "\"health\": {\"risk\": 0}, \"risk\": {\"medium\": 0.2},"
	    "\"expansion\": {\"limits\": [{\"property\": \"usage.seats\","
	    " \"limit_property\": \"seats\"}, {\"property\": \"rows\","
	    " \"max\": 1000}], \"gate_events\": [\"gate\"],"
	    " \"signals\": [{\"segment\": \"b\"}]},"
	    "\"frequency_cap\": {\"count\": 1, \"days\": 2},"
	    "\"daily_budget\": 50, \"attribution_days\": 7,"
	    "\"confidence_threshold\": 0.5,"
	    "\"quiet_hours\": {\"start\": \"21:00\", \"end\": \"08:30\"},"
	    "\"timezone\": \"Europe/Berlin\","
	    "\"allowed_domains\": [\"example.com\"],"
	    "\"channels\": [\"webhook\"], \"approval_mode\": \"semi_auto\"}";
	struct tenant_config c;
	const char *const *names;
	size_t n;

	config_of(text, &c);
	ck_assert_int_eq(c.lifecycle.at_risk_days, 5);
	ck_assert_int_eq(c.lifecycle.new_max_days, 1);
	ck_assert_uint_eq(c.milestone_count, 1);
	ck_assert_int_eq(c.milestones[0].count, 2);
	ck_assert(!c.milestones[0].onboarding && c.milestones[0].retention);
	ck_assert_ptr_nonnull(c.milestones[0].properties);
	ck_assert_uint_eq(c.expansion.limit_count, 2);
	ck_assert_str_eq(c.expansion.limits[0].property[1], "seats");
	ck_assert(c.expansion.limits[1].max == 1000);
	ck_assert_uint_eq(c.expansion.signal_count, 1);
	ck_assert_int_eq(c.quiet_hours.start_s, 21 * 3600);
	ck_assert_int_eq(c.quiet_hours.end_s, 8 * 3600 + 1800);
	ck_assert_str_eq(c.approval_mode, "semi_auto");
	tenant_config_events(arena, &c, &names, &n);
	ck_assert_uint_eq(n, 4); /* invite, cancelled, gate, export */
}
END_TEST

static const struct {
	const char *doc, *path, *message;
} bad_configs[] = {
	{ "[]", "config", "must be an object" },
	{ "{\"lifecycel\": {}}", "config.lifecycel",
	  "unknown key; known: milestones, segments, lifecycle" },
	{ "{\"lifecycle\": {\"days\": 1}}", "config.lifecycle.days",
	  "unknown key" },
	{ "{\"lifecycle\": {\"at_risk_days\": 1.5}}",
	  "config.lifecycle.at_risk_days", "whole number from 1" },
	{ "{\"lifecycle\": {\"at_risk_days\": 40}}",
	  "config.lifecycle.churned_days", "more than at_risk_days" },
	{ "{\"lifecycle\": {\"churn_events\": [3]}}",
	  "config.lifecycle.churn_events[0]", "must be a text" },
	{ "{\"engagement\": {\"days\": 7}}",
	  "config.engagement.full_frequency_days", "more than days (7)" },
	{ "{\"engagement\": {\"days\": 65}}", "config.engagement.days",
	  "from 1 to 64" },
	{ "{\"expansion\": {\"gate_days\": 0}}", "config.expansion.gate_days",
	  "from 1 to 365" },
	{ "{\"lifecycle\": {\"drop_days\": 366}}", "config.lifecycle.drop_days",
	  "from 1 to 365" },
	{ "{\"health\": {\"engagement\": 0, \"activation\": 0, \"risk\": 0}}",
	  "config.health", "one weight" },
	{ "{\"risk\": {\"high\": 0.9}}", "config.risk", "must rise" },
	{ "{\"milestones\": {}}", "config.milestones", "must be a list" },
	{ "{\"milestones\": [{\"name\": \"a\"}]}", "config.milestones[0].event",
	  "is required" },
	{ "{\"milestones\": [{\"name\": \"a\", \"event\": \"x\"},"
	  " {\"name\": \"a\", \"event\": \"y\"}]}",
	  "config.milestones[1].name", "twice" },
	{ "{\"milestones\": [{\"name\": \"a\", \"event\": \"x\","
	  " \"properties\": {\"b\": {\"near\": 1}}}]}",
	  "config.milestones[0].properties.b.near", "unknown operator" },
	{ "{\"segments\": [{\"name\": \"a\", \"conditions\":"
	  " {\"not\": {\"segment\": \"a\"}}}]}",
	  "config.segments[0].conditions.not.segment", "itself" },
	{ "{\"segments\": [{\"name\": \"a\", \"conditions\":"
	  " {\"segment\": \"b\"}}, {\"name\": \"b\", \"conditions\":"
	  " {\"segment\": \"a\"}}]}",
	  "config.segments[0].conditions.segment.segment", "itself" },
	{ "{\"segments\": [{\"name\": \"a\", \"conditions\":"
	  " {\"helth\": 1}}]}",
	  "config.segments[0].conditions.helth", "unknown field" },
	{ "{\"expansion\": {\"limits\": [{\"property\": \"a\"}]}}",
	  "config.expansion.limits[0]", "limit_property or max" },
	{ "{\"expansion\": {\"signals\": [{}]}}", "config.expansion.signals[0]",
	  "must not be empty" },
	{ "{\"frequency_cap\": {\"count\": 0}}", "config.frequency_cap.count",
	  "whole number from 1" },
	{ "{\"frequency_cap\": 3}", "config.frequency_cap", "an object" },
	{ "{\"daily_budget\": -1}", "config.daily_budget", "whole number" },
	{ "{\"confidence_threshold\": 2}", "config.confidence_threshold",
	  "from 0 to 1" },
	{ "{\"quiet_hours\": {\"start\": \"25:00\", \"end\": \"1:00\"}}",
	  "config.quiet_hours.start", "must be a time" },
	{ "{\"quiet_hours\": {\"start\": \"21:00\"}}", "config.quiet_hours.end",
	  "is required" },
	{ "{\"channels\": [\"fax\"]}", "config.channels", "list of some" },
	{ "{\"channels\": []}", "config.channels", "list of some" },
	{ "{\"allowed_domains\": [\"Not a domain\"]}",
	  "config.allowed_domains[0]", "domain name" },
	{ "{\"approval_mode\": \"always\"}", "config.approval_mode",
	  "must be one of" },
};

START_TEST(config_refuses)
{
	struct tenant_config c;

	ck_assert(!tenant_config_parse(&op, "config", json(bad_configs[_i].doc),
				       NULL, 0, &c));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(op.fail.fields->path, bad_configs[_i].path);
	ck_assert_msg(strstr(op.fail.fields->message, bad_configs[_i].message),
		      "%s", op.fail.fields->message);
}
END_TEST

START_TEST(config_merges_by_top_level_key)
{
	const char *text;

	tenant_config_merge(&op, json("{\"a\": {\"x\": 1}, \"b\": 2}"),
			    json("{\"a\": {\"y\": 3}, \"b\": null, \"c\": []}"),
			    &text);
	ck_assert_str_eq(text, "{\"a\":{\"y\":3},\"c\":[]}");
	tenant_config_merge(&op, NULL, NULL, &text);
	ck_assert_str_eq(text, "{}");
}
END_TEST

/* ------------------------------------------------------------- playbooks -- */

static bool parse(const char *constraints, const char *hints,
		  struct playbook *ret)
{
	struct playbook_docs docs = { .constraints = json(constraints),
				      .hints = json(hints) };
	struct tenant_config config;

	config_of("{\"channels\": [\"in_app\"], \"confidence_threshold\": 0.6,"
		  " \"quiet_hours\": {\"start\": \"22:00\","
		  " \"end\": \"07:00\"}}",
		  &config);
	*ret = (struct playbook){ .id = "p" };
	return playbook_parse(&op, &docs, &config, ret);
}

START_TEST(playbook_takes_defaults_from_the_tenant)
{
	struct playbook pb;

	ck_assert(parse("{}", "{}", &pb));
	ck_assert_str_eq(pb.id, "p");
	ck_assert(condition_is_empty(pb.entry) && pb.exit == NULL);
	ck_assert_str_eq(pb.channels.items[0], "in_app");
	ck_assert_int_eq(pb.priority, 100);
	ck_assert_int_eq(pb.cooldown_days, 7);
	ck_assert(pb.holdout == 0.1 && pb.min_confidence == 0.6);
	ck_assert(pb.quiet_hours.set);
	ck_assert(
	    parse("{\"quiet_hours\": null, \"max_per_day\": null}", "{}", &pb));
	ck_assert(!pb.quiet_hours.set);
	ck_assert_int_eq(pb.max_per_day, 0);
}
END_TEST

START_TEST(playbook_reads_everything)
{
	struct playbook pb;
	const char *subject, *message;

	ck_assert(parse(
	    "{\"channels\": [\"email\", \"webhook\"], \"priority\": -3,"
	    " \"cooldown_days\": 0, \"max_per_customer\": 2,"
	    " \"max_per_day\": 9, \"holdout\": 0, \"quiet_hours\":"
	    " {\"start\": \"20:00\", \"end\": \"06:00\"},"
	    " \"min_confidence\": 0.9, \"requires_approval\": true,"
	    " \"lifecycle_area\": \"win_back\", \"win_back_step\": 2,"
	    " \"match_all\": true}",
	    "{\"goal\": \"g\", \"tone\": \"t\", \"subject\": \"s\","
	    " \"message\": \"m\", \"messages\": {\"de\": \"d\", \"pt-BR\":"
	    " {\"subject\": \"ps\", \"message\": \"pm\"}},"
	    " \"cta_url\": \"https://example.com/x\","
	    " \"offers\": [\"one month\"],"
	    " \"escalate_when\": {\"team_size\": {\"gte\": 50}}}",
	    &pb));
	ck_assert_int_eq(pb.priority, -3);
	ck_assert_int_eq(pb.win_back_step, 2);
	ck_assert_str_eq(pb.lifecycle_area, "win_back");
	ck_assert(pb.match_all && pb.requires_approval && pb.holdout == 0);
	ck_assert_ptr_nonnull(pb.escalate_when);
	playbook_texts(&pb, "DE_at", &subject, &message);
	ck_assert_str_eq(message, "d");
	ck_assert_str_eq(subject, "s");
	playbook_texts(&pb, "pt-br", &subject, &message);
	ck_assert_str_eq(subject, "ps");
	playbook_texts(&pb, "pt", &subject, &message);
	ck_assert_str_eq(message, "m");
	playbook_texts(&pb, NULL, &subject, &message);
	ck_assert_str_eq(message, "m");
}
END_TEST

static const struct {
	const char *constraints, *hints, *path;
} bad_playbooks[] = {
	{ "{\"colour\": 1}", "{}", "constraints.colour" },
	{ "{\"channels\": \"email\"}", "{}", "constraints.channels" },
	{ "{\"channels\": [\"escalate\"]}", "{}", "constraints.channels" },
	{ "{\"priority\": \"high\"}", "{}", "constraints.priority" },
	{ "{\"priority\": 1.0}", "{}", "constraints.priority" },
	{ "{\"cooldown_days\": -1}", "{}", "constraints.cooldown_days" },
	{ "{\"max_per_customer\": 0}", "{}", "constraints.max_per_customer" },
	{ "{\"holdout\": 1.1}", "{}", "constraints.holdout" },
	{ "{\"quiet_hours\": {\"start\": \"x\", \"end\": \"06:00\"}}", "{}",
	  "constraints.quiet_hours.start" },
	{ "{\"requires_approval\": 1}", "{}", "constraints.requires_approval" },
	{ "{\"lifecycle_area\": \"acquisition\"}", "{}",
	  "constraints.lifecycle_area" },
	{ "{\"win_back_step\": 11}", "{}", "constraints.win_back_step" },
	{ "{}", "{\"text\": \"x\"}", "strategy_hints.text" },
	{ "{}", "{\"goal\": \"\"}", "strategy_hints.goal" },
	{ "{}", "{\"subject\": \"a\\nBcc: b\"}", "strategy_hints.subject" },
	{ "{}", "{\"message\": 3}", "strategy_hints.message" },
	{ "{}", "{\"messages\": {\"d\": \"x\"}}", "strategy_hints.messages.d" },
	{ "{}", "{\"messages\": {\"de\": {\"subject\": \"x\"}}}",
	  "strategy_hints.messages.de.message" },
	{ "{}", "{\"messages\": {\"de\": {\"message\": \"x\", \"to\": 1}}}",
	  "strategy_hints.messages.de.to" },
	{ "{}", "{\"cta_url\": \"javascript:alert(1)\"}",
	  "strategy_hints.cta_url" },
	{ "{}", "{\"cta_url\": \"https://\"}", "strategy_hints.cta_url" },
	{ "{}", "{\"offers\": [\"a\", 3]}", "strategy_hints.offers[1]" },
	{ "{}", "{\"escalate_when\": {\"helth\": 1}}",
	  "strategy_hints.escalate_when.helth" },
};

START_TEST(playbook_refuses)
{
	struct playbook pb;

	ck_assert(!parse(bad_playbooks[_i].constraints, bad_playbooks[_i].hints,
			 &pb));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
	ck_assert_str_eq(op.fail.fields->path, bad_playbooks[_i].path);
}
END_TEST

/* ------------------------------------------------------------- templates -- */

static struct json_object *template(const char *name)
{
	char *bytes = arena_alloc(arena, 65536);
	struct json_object *doc;
	FILE *f = fopen(arena_printf(arena, "%s/../templates/playbooks/%s",
				     TESTS_SRCDIR, name),
			"rb");

	ck_assert_ptr_nonnull(f);
	size_t len = fread(bytes, 1, 65535, f);
	fclose(f);
	ck_assert_msg(json_parse(&op, bytes, len, &doc), "%s: %s", name,
		      op.fail.message);
	return doc;
}

/* Each compiles in a tenant without any setting, and is ready to be used. */
START_TEST(templates_are_ready_playbooks)
{
	DIR *dir = opendir(TESTS_SRCDIR "/../templates/playbooks");
	struct tenant_config config;
	int count = 0, steps[4] = { 0 };

	ck_assert_ptr_nonnull(dir);
	config_of("{}", &config);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		struct playbook pb = { 0 };

		if (strstr(e->d_name, ".json") == NULL)
			continue;
		struct json_object *doc = template(e->d_name);
		struct playbook_docs docs = {
			json_member(doc, "entry_conditions"),
			json_member(doc, "exit_conditions"),
			json_member(doc, "constraints"),
			json_member(doc, "strategy_hints"),
		};
		ck_assert_msg(playbook_parse(&op, &docs, &config, &pb),
			      "%s: %s %s", e->d_name, op.fail.fields->path,
			      op.fail.fields->message);
		ck_assert(json_object_object_length(doc) == 7);
		ck_assert_ptr_nonnull(json_get_text(doc, "name", NULL));
		ck_assert_ptr_nonnull(json_get_text(doc, "description", NULL));
		ck_assert_str_eq(json_get_text(doc, "lifecycle_area", ""),
				 pb.lifecycle_area);
		ck_assert(!condition_is_empty(pb.entry) && pb.exit != NULL);
		ck_assert(pb.goal && pb.tone && pb.message);
		ck_assert(pb.subject != NULL ||
			  !name_list_has(&pb.channels, "email"));
		ck_assert(strlen(pb.message) <= 600);
		steps[pb.win_back_step]++;
		count++;
	}
	closedir(dir);
	ck_assert_int_ge(count, 9);
	ck_assert(steps[1] == 1 && steps[2] == 1 && steps[3] == 1);
}
END_TEST

Suite *layer_suite(void)
{
	Suite *suite = suite_create("engine");
	TCase *tc = tcase_create("documents");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, config_has_defaults);
	tcase_add_test(tc, config_reads_everything);
	tcase_add_loop_test(tc, config_refuses, 0, (int)ARRAY_LEN(bad_configs));
	tcase_add_test(tc, config_merges_by_top_level_key);
	tcase_add_test(tc, playbook_takes_defaults_from_the_tenant);
	tcase_add_test(tc, playbook_reads_everything);
	tcase_add_loop_test(tc, playbook_refuses, 0,
			    (int)ARRAY_LEN(bad_playbooks));
	tcase_add_test(tc, templates_are_ready_playbooks);
	suite_add_tcase(suite, tc);
	condition_cases(suite);
	score_cases(suite);
	plan_cases(suite);
	prompt_cases(suite);
	return suite;
}
