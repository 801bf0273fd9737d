/*
 * The built-in planner, arbitration and the quality checks: pure functions.
 */
#include "suites.h"

#include "base/parse.h"
#include "engine/arbitrate.h"
#include "engine/lift.h"
#include "engine/plan.h"
#include "engine/quality.h"

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

static const char *const both_channels[] = { "email", "in_app" };

static struct playbook playbook(const char *id, int64_t priority)
{
	return (struct playbook){
		.id = id,
		.name = id,
		.priority = priority,
		.channels = { both_channels, 2 },
		.lifecycle_area = "retention",
	};
}

START_TEST(arbitrate_takes_priority_then_lift_then_age)
{
	struct playbook a = playbook("a", 100), b = playbook("b", 200),
			c = playbook("c", 200), d = playbook("d", 200);
	struct contender all[] = {
		{ .playbook = &a, .lift = 1 },
		{ .playbook = &d, .positive = 9, .measured = 10 },
		{ .playbook = &c },
		{ .playbook = &b, .lift = 0.01 }
	};

	arbitrate(all, 4);
	ck_assert_str_eq(all[0].playbook->id, "b");
	ck_assert_str_eq(all[1].playbook->id, "c");
	ck_assert_str_eq(all[2].playbook->id, "d");
	ck_assert_str_eq(all[3].playbook->id, "a");
	ck_assert_double_eq(arbitrate_history(&all[1]), 0.5);
}
END_TEST

static struct plan_customer ada(void)
{
	return (struct plan_customer){
		.user_id = "u1",
		.name = "Ada Lovelace",
		.email = "ada@example.com",
		.lifecycle_stage = "at_risk",
		.risk_level = "high",
		.health = 31,
		.has_activity = true,
		.days_idle = 9,
	};
}

static struct plan_result plan(struct plan_customer *c, struct playbook *pb,
			       const char *runner_up, int64_t priority)
{
	static const struct plan_fact facts[] = {
		{ "entry_conditions.days_since_last_activity.gte", "gte", "7",
		  "9" },
		{ "entry_conditions.lifecycle_stage", "eq", "\"at_risk\"",
		  "\"at_risk\"" },
	};
	struct plan_tenant t = { .name = "Acme", .email_ready = true };
	struct plan_input in = {
		.customer = c,
		.tenant = &t,
		.playbook = pb,
		.facts = facts,
		.fact_count = 2,
		.runner_up = runner_up,
		.runner_up_priority = priority,
	};
	struct plan_result r;

	plan_builtin(&op, &in, &r);
	return r;
}

START_TEST(plan_fills_message_and_tells_why)
{
	struct plan_customer c = ada();
	struct playbook pb = playbook("p", 100);

	pb.subject = "Still there, {{first_name|friend}}?";
	pb.message = "Hi {{name|there}}, {{properties.x|nothing}} since"
		     " {{days_since_last_activity|some}} days.";
	struct plan_result r = plan(&c, &pb, NULL, 0);
	ck_assert_str_eq(r.action, "intervene");
	ck_assert_str_eq(r.channel, "email");
	ck_assert_str_eq(r.subject, "Still there, Ada?");
	ck_assert_str_eq(r.message, "Hi Ada Lovelace, nothing since 9 days.");
	ck_assert_ptr_nonnull(
	    strstr(r.reasoning, "days_since_last_activity is 9 (gte 7)"));
	ck_assert_ptr_nonnull(
	    strstr(r.reasoning, "lifecycle_stage is \"at_risk\" (eq"));
	ck_assert_ptr_nonnull(strstr(r.reasoning, "last active 9 days ago"));
	/* 0.5 + 0.25 * 2/4 + 0.15 + 0.1 * 1/2 */
	ck_assert_double_eq_tol(r.confidence, 0.83, 0.006);
}
END_TEST

START_TEST(plan_confidence_falls_with_a_close_second)
{
	struct plan_customer c = ada();
	struct playbook pb = playbook("p", 100);

	double alone = plan(&c, &pb, NULL, 0).confidence;
	double close = plan(&c, &pb, "other", 100).confidence;
	double clear = plan(&c, &pb, "other", 0).confidence;
	ck_assert_double_eq_tol(alone - close, 0.15, 0.011);
	ck_assert_double_eq(alone, clear);
}
END_TEST

START_TEST(plan_passes_over_channels_that_do_not_reach)
{
	static const char *const off[] = { "email" };
	static const char *const all_off[] = { "email", "in_app" };
	struct plan_customer c = ada();
	struct playbook pb = playbook("p", 100);

	c.email = NULL;
	ck_assert_str_eq(plan(&c, &pb, NULL, 0).channel, "in_app");
	c = ada();
	c.channels_off = off;
	c.channel_off_count = 1;
	struct plan_result r = plan(&c, &pb, NULL, 0);
	ck_assert_str_eq(r.channel, "in_app");
	ck_assert_ptr_null(r.subject);
	c.channels_off = all_off;
	c.channel_off_count = 2;
	r = plan(&c, &pb, NULL, 0);
	ck_assert_str_eq(r.action, "wait");
	ck_assert_str_eq(r.reason, "no_channel");
	ck_assert_ptr_null(r.channel);
}
END_TEST

/* "x" and two-byte letters: every even limit falls inside a character. */
static char *umlauts(size_t bytes)
{
	char *text = arena_strdup(arena, "x");

	while (strlen(text) + 2 <= bytes)
		text = arena_printf(arena, "%s\u00fc", text);
	return text;
}

START_TEST(plan_cuts_texts_at_whole_characters)
{
	struct plan_customer c = ada();
	struct playbook pb = playbook("p", 100);

	pb.name = umlauts(400);
	pb.goal = umlauts(1000);
	struct plan_fact fact = { "entry_conditions.company", "eq",
				  umlauts(300), umlauts(300) };
	struct plan_tenant t = { .name = "Acme", .email_ready = true };
	struct plan_input in = { .customer = &c,
				 .tenant = &t,
				 .playbook = &pb,
				 .facts = &fact,
				 .fact_count = 1,
				 .runner_up = pb.name };
	struct plan_result r;

	plan_builtin(&op, &in, &r);
	ck_assert(parse_is_utf8(r.reasoning, strlen(r.reasoning)));
	ck_assert_ptr_nonnull(strstr(r.reasoning, " Goal: x"));
}
END_TEST

static const struct {
	const char *goal, *end;
} goals[] = {
	{ "win them back", " Goal: win them back." },
	{ "Win them back.", " Goal: Win them back." },
	{ "Win them back. \n", " Goal: Win them back." },
	{ "What stops them?", " Goal: What stops them?" },
	{ "Now!", " Goal: Now!" },
};

START_TEST(plan_ends_the_goal_with_one_full_stop)
{
	struct plan_customer c = ada();
	struct playbook pb = playbook("p", 100);

	pb.goal = goals[_i].goal;
	struct plan_result r = plan(&c, &pb, NULL, 0);
	size_t len = strlen(r.reasoning), end = strlen(goals[_i].end);
	ck_assert_uint_gt(len, end);
	ck_assert_str_eq(r.reasoning + len - end, goals[_i].end);
}
END_TEST

static const struct {
	int64_t days;
	const char *said;
} idle[] = {
	{ 0, ", last active today." },
	{ 1, ", last active 1 day ago." },
	{ 2, ", last active 2 days ago." },
};

START_TEST(plan_says_when_the_customer_was_active)
{
	struct plan_customer c = ada();
	struct playbook pb = playbook("p", 100);

	c.days_idle = idle[_i].days;
	struct plan_result r = plan(&c, &pb, NULL, 0);
	ck_assert_msg(strstr(r.reasoning, idle[_i].said) != NULL, "%s",
		      r.reasoning);
}
END_TEST

START_TEST(plan_keeps_a_subject_on_one_line)
{
	struct plan_customer c = ada();
	struct playbook pb = playbook("p", 100);

	c.name = "Ada\r\nBcc: eve@evil.test";
	pb.subject = "Hello {{name|there}}";
	pb.message = "Hi {{name|there}}, a line of yours.";
	struct plan_result r = plan(&c, &pb, NULL, 0);
	ck_assert_str_eq(r.subject, "Hello Ada  Bcc: eve@evil.test");
}
END_TEST

START_TEST(plan_drops_a_message_that_grew_too_long)
{
	struct plan_customer c = ada();
	struct playbook pb = playbook("p", 100);
	struct str text;

	str_init(&text, arena, SIZE_MAX);
	for (int i = 0; i < 1000; i++)
		str_puts(&text, "{{company}} ");
	c.company = umlauts(255);
	pb.message = text.bytes;
	ck_assert_ptr_null(plan(&c, &pb, NULL, 0).message);
}
END_TEST

START_TEST(plan_has_a_text_for_every_area)
{
	static const char *const areas[] = { "activation", "adoption",
					     "retention",  "expansion",
					     "win_back",   NULL };
	struct plan_customer c = ada();

	c.name = NULL;
	for (size_t i = 0; i < ARRAY_LEN(areas); i++) {
		struct playbook pb = playbook("p", 100);
		struct quality_result q;

		pb.lifecycle_area = areas[i];
		struct plan_result r = plan(&c, &pb, NULL, 0);
		quality_check(&op,
			      &(struct quality_input){
				  .channel = "email",
				  .subject = r.subject,
				  .message = r.message,
			      },
			      &q);
		ck_assert_msg(q.passed, "%s: %s", areas[i], q.json);
	}
}
END_TEST

static const char *const domains[] = { "example.com" };
static const char *const avoid[] = { "cheap", "C++" };
static const char *const offers[] = { "20% off until Friday" };
static const char *const recent[] = { "Hello  there: it is quiet, here!" };

static const struct quality_case {
	const char *message;
	const char *failed; /* NULL: passes */
} quality_table[] = {
	{ "A friendly note about your week.", NULL },
	{ "short", "length" },
	{ "Hello {{name}}, welcome to the product.", "placeholders" },
	{ "This plan is Cheap and does everything.", "things_to_avoid" },
	{ "Cheaper words are fine at a boundary.", NULL },
	{ "Have a look at https://example.com/a?b=c now.", NULL },
	{ "Have a look at https://docs.example.com/a now.", NULL },
	{ "Have a look at https://cta.test/x now, please.", NULL },
	{ "Have a look at https://cta.test/other now, ok?", "links" },
	{ "Have a look at https://evil.test/a now please.", "links" },
	{ "Look at https://example.com.evil.test/a, please.", "links" },
	{ "Look at https://example.com@evil.test/a please.", "links" },
	{ "Look at https://evil.test\\.example.com/ please.", "links" },
	{ "Look at https://notexample.com/path now please.", "links" },
	{ "Look at www.evil.test for more information now.", "links" },
	{ "Write to ada@example.com when you have time.", NULL },
	{ "Write to bob@other.test when you have time.", "addresses" },
	{ "You get a discount of ten when you come back.", "offers" },
	{ "You get 20% off until Friday when you return.", NULL },
	{ "hello there it is QUIET here", "repetition" },
	{ "Sign in at evil-login.com/reset to keep your data.", "links" },
	{ "Sign in at Evil-Login.com to keep your data, ok.", "links" },
	{ "Sign in at evil-login.bank/reset to keep your data.", "links" },
	{ "Sign in at (evil-login.co.uk), to keep your data.", "links" },
	{ "Fetch ftp://example.com/file to keep your data.", "links" },
	{ "Open //evil.test/path to keep all of your data.", "links" },
	{ "Open 10.1.2.3/path to keep all of your data now.", "links" },
	{ "Open example.com@evil.test/x to keep your data.", "links" },
	{ "Go https://example.com/?to=https://evil.test/a now", "links" },
	{ "Sign in at evil\xe3\x80\x82"
	  "com to keep your data.",
	  "links" },
	{ "Sign in at evil.\xe2\x80\x8b"
	  "com to keep all of it.",
	  "links" },
	{ "Have a look at example.com/a or docs.example.com.", NULL },
	{ "Have a look at cta.test/x or //example.com/a now.", NULL },
	{ "Go https://example.com/?to=evil.test/a if you like", NULL },
	{ "We, e.g. Node.js v1.2.3 users, like and/or reports.", NULL },
	{ "It is done... Read on/off the record, i.e. nothing.", NULL },
	{ "Write to ada@example.com, or ada.l@example.com/x.", "addresses" },
	{ "Write to lo@retivo.example when you have time.", "addresses" },
	{ "Write to hello@retivo.example when you have time.", NULL },
	{ "Get 30 days for free and we waive your invoice.", "offers" },
	{ "We will waive the invoice of the last month, ok.", "offers" },
	{ "Take 20% off until Friday, or even 90% off now.", "offers" },
	{ "Take 120% off until Friday when you come back.", "offers" },
	{ "Take $50 off when you come back to us this week.", "offers" },
	{ "Take 20% off until Fridays when you come back.", "offers" },
	{ "20% off until Friday: 20% OFF UNTIL FRIDAY, really.", NULL },
	{ "Feel free to reply; an error-free import is near.", NULL },
	{ "You used 90% of the free plan, switch 2 seats off.", NULL },
	{ "Are you free on Monday, for a free quarter of an hour?", NULL },
	{ "Come back and you get a free upgrade of your seats.", "offers" },
};

/* The same rules hold of the subject. */
static const struct quality_case subject_table[] = {
	{ "Your week", NULL },
	{ "Reset at https://evil.test/a", "links" },
	{ "Reset at evil-login.com", "links" },
	{ "Ask bob@other.test", "addresses" },
	{ "A discount for you", "offers" },
	{ "20% off until Friday", NULL },
};

static void check_case(const char *subject, const char *message,
		       const char *failed)
{
	struct quality_input in = {
		.channel = "email",
		.subject = subject,
		.message = message,
		.customer_email = "ada@example.com",
		.mail_from = "Retivo <hello@retivo.example>",
		.cta_url = "https://cta.test/x",
		.offers = { offers, 1 },
		.allowed_domains = { domains, 1 },
		.avoid = { avoid, 2 },
		.recent = { recent, 1 },
	};
	struct quality_result r;

	quality_check(&op, &in, &r);
	ck_assert_msg(r.passed == (failed == NULL), "%s: %s → %s", subject,
		      message, r.json);
	if (failed != NULL) {
		const char *want = arena_printf(
		    arena, "{\"name\":\"%s\",\"passed\":false", failed);
		ck_assert_msg(strstr(r.json, want) != NULL, "%s", r.json);
	}
}

START_TEST(quality_finds_each_fault)
{
	check_case("A subject", quality_table[_i].message,
		   quality_table[_i].failed);
}
END_TEST

START_TEST(quality_finds_each_fault_in_a_subject)
{
	check_case(subject_table[_i].message,
		   "A friendly note about your week.",
		   subject_table[_i].failed);
}
END_TEST

/* Pieces that the checks cut at, in any order: nothing is read beyond. */
START_TEST(quality_survives_any_text)
{
	static const char *const pieces[] = {
		"://", "//",	   ".",	   "@",	   "/",	  "www.", "http",
		"a",   "com",	   "free", "% of", "off", " ",	  "20",
		"<",   "\xe3\x80", "-",	   "xn--", "\\",
	};
	uint32_t seed = 7;

	for (int n = 0; n < 1500; n++) {
		struct str text;

		str_init(&text, arena, SIZE_MAX);
		for (int i = 0; i < 12; i++) {
			seed = seed * 1664525 + 1013904223;
			str_puts(&text,
				 pieces[(seed >> 16) % ARRAY_LEN(pieces)]);
		}
		struct quality_result r;
		quality_check(&op,
			      &(struct quality_input){
				  .channel = "in_app",
				  .message = text.bytes,
				  .mail_from = "a@a.com",
				  .offers = { offers, 1 },
				  .allowed_domains = { domains, 1 },
			      },
			      &r);
		ck_assert(parse_is_utf8(r.json, strlen(r.json)) ||
			  strstr(text.bytes, "\xe3") != NULL);
	}
}
END_TEST

START_TEST(quality_needs_a_subject_in_mails_only)
{
	struct quality_input in = {
		.channel = "email",
		.message = "A friendly note about your week.",
	};
	struct quality_result r;

	quality_check(&op, &in, &r);
	ck_assert(!r.passed);
	in.channel = "in_app";
	quality_check(&op, &in, &r);
	ck_assert(r.passed);
	in.message = NULL;
	quality_check(&op, &in, &r);
	ck_assert(!r.passed);
}
END_TEST

START_TEST(quality_cuts_details_at_whole_characters)
{
	const char *long_word = umlauts(255);
	struct quality_input in = {
		.channel = "in_app",
		.message = long_word,
		.avoid = { &long_word, 1 },
	};
	struct quality_result r;

	quality_check(&op, &in, &r);
	ck_assert(!r.passed);
	ck_assert(parse_is_utf8(r.json, strlen(r.json)));
}
END_TEST

/* Newcombe 1998, table II: method 10 for each of his eight pairs (a-h). */
static const struct {
	struct lift_counts counts;
	double low, high;
	const char *verdict;
} lifts[] = {
	{ { 70, 56, 1, 80, 48 }, 0.0524, 0.3339, "better" },
	{ { 10, 9, 1, 10, 3 }, 0.1705, 0.8090, "not_enough_data" },
	{ { 7, 6, 1, 7, 2 }, 0.0582, 0.8062, "not_enough_data" },
	{ { 56, 5, 1, 29, 0 }, -0.0381, 0.1926, "not_enough_data" },
	{ { 10, 0, 1, 20, 0 }, -0.1611, 0.2775, "not_enough_data" },
	{ { 10, 0, 1, 10, 0 }, -0.2775, 0.2775, "not_enough_data" },
	{ { 10, 10, 1, 20, 0 }, 0.6791, 1.0, "not_enough_data" },
	{ { 10, 10, 1, 10, 0 }, 0.6075, 1.0, "not_enough_data" },
	{ { 80, 48, 1, 70, 56 }, -0.3339, -0.0524, "worse" },
	{ { 70, 56, 0, 80, 48 }, 0.0524, 0.3339, "not_enough_data" },
};

START_TEST(lift_is_newcombes_interval)
{
	struct lift l = lift_of(&lifts[_i].counts);

	ck_assert(l.known);
	ck_assert_double_eq_tol(l.low, lifts[_i].low, 0.00006);
	ck_assert_double_eq_tol(l.high, lifts[_i].high, 0.00006);
	ck_assert_str_eq(l.verdict, lifts[_i].verdict);
}
END_TEST

/* 20 in each arm, and 5 good and 5 bad ends to expect in the smaller one. */
static const struct {
	struct lift_counts counts;
	const char *verdict;
} verdicts[] = {
	{ { 2, 2, 2, 2, 0 }, "not_enough_data" },
	{ { 19, 19, 19, 500, 100 }, "not_enough_data" },
	{ { 500, 400, 500, 19, 2 }, "not_enough_data" },
	{ { 20, 18, 20, 20, 3 }, "better" },
	{ { 20, 3, 20, 20, 18 }, "worse" },
	{ { 180, 20, 180, 20, 0 }, "not_enough_data" },
	{ { 2000, 70, 2000, 200, 0 }, "better" },
	{ { 2000, 40, 2000, 200, 0 }, "not_enough_data" },
	{ { 2000, 1960, 2000, 200, 200 }, "not_enough_data" },
	{ { 2000, 1930, 2000, 200, 200 }, "worse" },
};

START_TEST(lift_to_expect_is_drawn_towards_the_usual)
{
	const struct lift_counts none = { 0 },
				 alone = { .treated = 90,
					   .treated_positive = 45 },
				 both = { .treated = 190,
					  .treated_positive = 90,
					  .held_out = 10,
					  .held_out_positive = 2 },
				 harm = { .treated = 40,
					  .treated_positive = 2,
					  .held_out = 40,
					  .held_out_positive = 20 };

	ck_assert_double_eq(lift_expected(&none, 0.3), 0);
	ck_assert_double_eq_tol(lift_expected(&alone, 0.3), 0.48 - 0.3, 1e-9);
	ck_assert_double_eq_tol(lift_expected(&both, 0.3), 0.465 - 0.25, 1e-9);
	ck_assert_double_eq_tol(lift_expected(&harm, 0.3), 0.1 - 0.46, 1e-9);
}
END_TEST

START_TEST(lift_gives_no_verdict_on_little)
{
	ck_assert_str_eq(lift_of(&verdicts[_i].counts).verdict,
			 verdicts[_i].verdict);
}
END_TEST

START_TEST(lift_needs_both_arms)
{
	struct lift a = lift_of(&(struct lift_counts){ .treated = 9 });
	struct lift b = lift_of(&(struct lift_counts){ .held_out = 9 });

	ck_assert(!a.known && !b.known);
	ck_assert_str_eq(a.verdict, "not_enough_data");
	ck_assert_str_eq(b.verdict, "not_enough_data");
}
END_TEST

void plan_cases(Suite *suite)
{
	TCase *tc = tcase_create("plan");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, arbitrate_takes_priority_then_lift_then_age);
	tcase_add_test(tc, plan_fills_message_and_tells_why);
	tcase_add_test(tc, plan_confidence_falls_with_a_close_second);
	tcase_add_test(tc, plan_passes_over_channels_that_do_not_reach);
	tcase_add_test(tc, plan_cuts_texts_at_whole_characters);
	tcase_add_loop_test(tc, plan_ends_the_goal_with_one_full_stop, 0,
			    (int)ARRAY_LEN(goals));
	tcase_add_loop_test(tc, plan_says_when_the_customer_was_active, 0,
			    (int)ARRAY_LEN(idle));
	tcase_add_test(tc, plan_keeps_a_subject_on_one_line);
	tcase_add_test(tc, plan_drops_a_message_that_grew_too_long);
	tcase_add_test(tc, plan_has_a_text_for_every_area);
	tcase_add_loop_test(tc, quality_finds_each_fault, 0,
			    (int)ARRAY_LEN(quality_table));
	tcase_add_loop_test(tc, quality_finds_each_fault_in_a_subject, 0,
			    (int)ARRAY_LEN(subject_table));
	tcase_add_test(tc, quality_survives_any_text);
	tcase_add_test(tc, quality_needs_a_subject_in_mails_only);
	tcase_add_test(tc, quality_cuts_details_at_whole_characters);
	tcase_add_loop_test(tc, lift_is_newcombes_interval, 0,
			    (int)ARRAY_LEN(lifts));
	tcase_add_test(tc, lift_to_expect_is_drawn_towards_the_usual);
	tcase_add_loop_test(tc, lift_gives_no_verdict_on_little, 0,
			    (int)ARRAY_LEN(verdicts));
	tcase_add_test(tc, lift_needs_both_arms);
	suite_add_tcase(suite, tc);
}
