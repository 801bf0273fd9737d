/*
 * The built-in planner, arbitration and the quality checks: pure functions.
 */
#include "suites.h"

#include "base/parse.h"
#include "engine/arbitrate.h"
#include "engine/folded.h"
#include "engine/lift.h"
#include "engine/plan.h"
#include "engine/quality.h"

#include <locale.h>
#include <wctype.h>

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

/* The examples of docs/configuration.md. */
static const struct {
	size_t clauses;
	const char *runner_up;
	int64_t priority, positive, measured;
	double confidence;
} sure[] = {
	{ 1, NULL, 0, 0, 0, 0.76 }, { 2, NULL, 0, 0, 0, 0.83 },
	{ 4, "p", 100, 0, 0, 0.8 }, { 9, NULL, 0, 0, 0, 0.95 },
	{ 4, "p", 75, 7, 8, 0.87 }, { 4, "p", 300, 0, 8, 0.76 },
};

START_TEST(plan_is_as_sure_as_documented)
{
	static const struct plan_fact facts[9] = {
		{ "entry_conditions.health.lt", "lt", "40", "31" },
		{ "entry_conditions.health.gt", "gt", "1", "31" },
		{ "entry_conditions.health.ne", "ne", "3", "31" },
		{ "entry_conditions.health.ne", "ne", "4", "31" },
		{ "entry_conditions.health.ne", "ne", "5", "31" },
		{ "entry_conditions.health.ne", "ne", "6", "31" },
		{ "entry_conditions.health.ne", "ne", "7", "31" },
		{ "entry_conditions.health.ne", "ne", "8", "31" },
		{ "entry_conditions.health.ne", "ne", "9", "31" },
	};
	const struct plan_tenant t = { .name = "Acme", .email_ready = true };
	const struct plan_customer c = ada();
	const struct playbook pb = playbook("p", 100);
	struct plan_result r;

	plan_builtin(&op,
		     &(struct plan_input){
			 .customer = &c,
			 .tenant = &t,
			 .playbook = &pb,
			 .facts = facts,
			 .fact_count = sure[_i].clauses,
			 .runner_up = sure[_i].runner_up,
			 .runner_up_priority = sure[_i].priority,
			 .positive = sure[_i].positive,
			 .measured = sure[_i].measured,
		     },
		     &r);
	ck_assert_double_eq_tol(r.confidence, sure[_i].confidence, 1e-9);
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
static const char *const avoid[] = { "cheap", "C++", "g\303\274nstig",
				     "Don't  miss\nout", "\345\256\211" };
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
	{ "Take 50%  off when you come back to us this week.", "offers" },
	{ "Take 50%\noff when you come back to us this week.", "offers" },
	{ "Take 50\302\240%\342\200\257off when you come back to us.",
	  "offers" },
	{ "Take 50 percent\r\n off when you come back to us.", "offers" },
	{ "Take 20 EUR off when you come back this week.", "offers" },
	{ "Take \342\202\25420 off when you come back this week.", "offers" },
	{ "Take 20 \342\202\254 off when you come back this week.", "offers" },
	{ "Take 1,000.50 dollars off when you come back.", "offers" },
	{ "Take 100kr off, or 30-percent-off when you return.", "offers" },
	{ "Take a 30-percent-off when you return this week.", "offers" },
	{ "Have it with a 20%  discount when you come back.", "offers" },
	{ "Half\tprice for you when you come back this week.", "offers" },
	{ "We give your money\nback when you come to us.", "offers" },
	{ "We give your money\342\200\221back when you come.", "offers" },
	{ "A dis\302\255count is yours when you come back now.", "offers" },
	{ "\357\274\225\357\274\220\357\274\205 off when you come back now.",
	  "offers" },
	{ "Une R\303\211DUCTION pour toi quand tu reviens ici.", "offers" },
	{ "You get 20%\302\240off  until\nFRIDAY when you return.", NULL },
	{ "The 20 euros of your invoice are paid, so log off.", NULL },
	{ "You saved 20 hours, so take Friday, May 1, off now.", "offers" },
	{ "You saved 20 hours, so take the first of May off.", NULL },
	{ "This plan is che\302\255ap and does all you want.",
	  "things_to_avoid" },
	{ "This plan is \357\275\203heap and does all you want.",
	  "things_to_avoid" },
	{ "Das Angebot ist G\303\234NSTIG, sieh es dir an.",
	  "things_to_avoid" },
	{ "Das Angebot ist ung\303\274nstig, sieh es dir an.", NULL },
	{ "Das ist g\303\274nstiger als die meisten, sagt man.", NULL },
	{ "Das ist so g\303\274nstig\303\244hnlich wie noch nie.", NULL },
	{ "Log in now and don\342\200\231t\nmiss \t out on this.",
	  "things_to_avoid" },
	{ "\343\201\250\343\201\246\343\202\202\345\256\211\343\201\204"
	  "\343\201\247\343\201\231. Have a look at it.",
	  "things_to_avoid" },
	{ "HELLO there\342\200\213: it is\nquiet, here!!", "repetition" },
};

/* The same rules hold of the subject. */
static const struct quality_case subject_table[] = {
	{ "Your week", NULL },
	{ "Reset at https://evil.test/a", "links" },
	{ "Reset at evil-login.com", "links" },
	{ "Ask bob@other.test", "addresses" },
	{ "A discount for you", "offers" },
	{ "20% off until Friday", NULL },
	{ "20%  off", "offers" },
	{ "Che\302\255ap", "things_to_avoid" },
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
		.avoid = { avoid, ARRAY_LEN(avoid) },
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

/* Text that a property may fill in: each took the square of its length. */
START_TEST(quality_takes_long_texts_of_one_kind)
{
	static const char *const kinds[] = { "@", "x", "1 ", "a@b", "//" };
	char *text = arena_alloc(arena, 120001);
	size_t len = strlen(kinds[_i]);
	struct quality_result r;

	for (size_t n = 0; n < 120000; n++)
		text[n] = kinds[_i][n % len];
	text[120000] = '\0';
	quality_check(
	    &op,
	    &(struct quality_input){ .channel = "in_app", .message = text },
	    &r);
	ck_assert(!r.passed);
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

static const struct {
	const char *text, *folded;
} folded_table[] = {
	{ "", "" },
	{ " \t\r\n\v\f\302\240\343\200\200", "" },
	{ "  A \n\n b\342\200\250c ", "a b c" },
	{ "a \342\200\213 b", "a b" },
	{ "o\302\255f\342\200\256f\357\273\277\363\240\201\201", "off" },
	{ "\357\274\221\357\274\205 \357\274\257FF", "1% off" },
	{ "GRO\303\237 GRO\341\272\236 GROSS", "gross gross gross" },
	{ "\316\243\317\202\317\203", "\317\203\317\203\317\203" },
	{ "\304\260I\304\261\305\277", "ii\304\261s" },
	{ "\342\200\230a\342\200\231 \342\200\234b\342\200\235 c\342\200\223d",
	  "'a' \"b\" c-d" },
	{ "\345\256\211\360\237\230\200", "\345\256\211\360\237\230\200" },
	{ "\xff\xc3\xe2\x80 A\xf0\x9f", "\xff\xc3\xe2\x80 a\xf0\x9f" },
};

START_TEST(folded_is_what_a_reader_sees)
{
	ck_assert_str_eq(folded_text(arena, folded_table[_i].text),
			 folded_table[_i].folded);
	ck_assert_str_eq(folded_text(arena, folded_table[_i].folded),
			 folded_table[_i].folded);
}
END_TEST

static const char *utf8(wint_t c)
{
	return c < 0x800 ? arena_printf(arena, "%c%c", (int)(0xc0 | c >> 6),
					(int)(0x80 | (c & 0x3f)))
			 : arena_printf(arena, "%c%c%c", (int)(0xe0 | c >> 12),
					(int)(0x80 | (c >> 6 & 0x3f)),
					(int)(0x80 | (c & 0x3f)));
}

/* Letters of Europe as the C library makes them small. */
START_TEST(folded_has_the_small_letters_of_the_c_library)
{
	static const struct {
		wint_t first, last;
	} blocks[] = { { 0xc0, 0xde },	  { 0xe0, 0x12f },  { 0x131, 0x17e },
		       { 0x1cd, 0x1ef },  { 0x1f8, 0x21f }, { 0x222, 0x233 },
		       { 0x386, 0x3c1 },  { 0x3c3, 0x3ce }, { 0x400, 0x482 },
		       { 0x48a, 0x52f },  { 0x531, 0x586 }, { 0x1e00, 0x1e95 },
		       { 0x1ea0, 0x1eff } };
	locale_t plain = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

	ck_assert(plain != (locale_t)0);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		for (wint_t c = blocks[i].first; c <= blocks[i].last; c++)
			ck_assert_msg(streq(folded_text(arena, utf8(c)),
					    utf8(towlower_l(c, plain))),
				      "U+%04X: %s", (unsigned)c,
				      folded_text(arena, utf8(c)));
	freelocale(plain);
}
END_TEST

/* Words of their own, beyond ASCII too. */
static const struct {
	const char *text, *phrase;
	bool found;
} find_table[] = {
	{ "a b c", "b", true },
	{ "abc", "b", false },
	{ "ab b", "b", true },
	{ "b", "b", true },
	{ "anything", "", false },
	{ "c++11", "c++", true },
	{ "vc++", "c++", false },
	{ "\303\274b", "b", false },
	{ "b\303\274", "b", false },
	{ "(\303\274b)", "\303\274b", true },
	{ "a\303\274b", "\303\274b", false },
	{ "\342\202\254b\342\202\254", "b", true },
	{ "\343\201\246\345\256\211\343\201\204", "\345\256\211", true },
};

START_TEST(folded_finds_words_of_their_own)
{
	const char *text = find_table[_i].text;

	ck_assert((folded_find(text, find_table[_i].phrase) != NULL) ==
		  find_table[_i].found);
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
	tcase_add_loop_test(tc, plan_is_as_sure_as_documented, 0,
			    (int)ARRAY_LEN(sure));
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
	tcase_add_loop_test(tc, folded_is_what_a_reader_sees, 0,
			    (int)ARRAY_LEN(folded_table));
	tcase_add_test(tc, folded_has_the_small_letters_of_the_c_library);
	tcase_add_loop_test(tc, folded_finds_words_of_their_own, 0,
			    (int)ARRAY_LEN(find_table));
	tcase_add_loop_test(tc, quality_takes_long_texts_of_one_kind, 0, 5);
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
