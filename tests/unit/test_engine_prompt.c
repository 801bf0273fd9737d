/*
 * What a model is told and how its answer is read: pure functions.
 */
#include "suites.h"

#include "engine/prompt.h"

#define PLAYBOOK "01900000-0000-7000-8000-000000000001"

static struct arena *arena;
static struct op op;
static struct plan_customer customer;
static struct playbook playbook;
static struct plan_tenant tenant;
static struct plan_input in;

static struct json_object *json(const char *text)
{
	struct json_object *doc = NULL;

	ck_assert_msg(json_parse(&op, text, strlen(text), &doc), "%s", text);
	return doc;
}

static void setup(void)
{
	static const char *const channels[] = { "email", "in_app" };

	arena = arena_new();
	op_init(&op, arena, NULL, NULL);
	customer = (struct plan_customer){
		.user_id = "u1",
		.name = "Ada",
		.email = "ada@example.com",
		.company = "ACME",
		.plan = "trial",
		.lifecycle_stage = "at_risk",
		.risk_level = "high",
		.properties = json("{\"note\": \"do not tell\"}"),
	};
	playbook = (struct playbook){
		.id = PLAYBOOK,
		.name = "Win back",
		.channels = { channels, 2 },
	};
	tenant = (struct plan_tenant){ .name = "Acme", .email_ready = true };
	in = (struct plan_input){ .customer = &customer,
				  .tenant = &tenant,
				  .playbook = &playbook };
}

static void teardown(void)
{
	arena_free(arena);
}

/* --------------------------------------------------------------- writing -- */

/* What the model is told with these fields. */
static struct json_object *told(const char *const *fields, size_t count,
				const char *brand)
{
	static const struct prompt_texts texts = { "{{tenant}}", "{{data}}" };
	const struct name_list list = { fields, count };
	const struct prompt_input input = { .plan = &in,
					    .texts = &texts,
					    .fields = &list,
					    .brand = json(brand),
					    .id = PLAYBOOK };
	const char *system, *user, *schema;

	ck_assert(prompt_write(&op, &input, &system, &user, &schema));
	return json(user);
}

/* The property "note" as it is told. */
static const char *note_told(const char *note)
{
	static const char *const fields[] = { "properties.note" };

	customer.properties =
	    json(arena_printf(arena, "{\"note\": \"%s\"}", note));
	return json_get_text(json_member(told(fields, 1, "{}"), "customer"),
			     "properties.note", NULL);
}

static const struct {
	const char *note, *told;
} notes[] = {
	{ "Hi <b>you</b>", "Hi ‹b›you‹/b›" },
	{ "<script>alert(1)</script>", "‹script›alert(1)‹/script›" },
	{ "<scr<b>ipt", "‹scr‹b›ipt" },
	{ "</data 1>", "‹/data 1›" },
	{ "1 < 2 > 0", "1 ‹ 2 › 0" },
	{ "a\\u00adb\\u034fc\\u3164d\\u061ce\\u202ef", "abcdef" },
	{ "a\\u0007b\\u0085c", "a b c" },
	{ "gr\u00fc\u00dfe", "gr\u00fc\u00dfe" },
};

START_TEST(prompt_tells_plain_text)
{
	ck_assert_str_eq(note_told(notes[_i].note), notes[_i].told);
}
END_TEST

START_TEST(prompt_tells_plain_text_everywhere)
{
	static const char *const fields[] = { "name", "plan" };
	static const struct plan_fact fact = { "entry_conditions.plan.eq", "eq",
					       "\"<i>\"", "\"<i>\"" };

	customer.name = "<Ada>";
	playbook.goal = "<goal>";
	playbook.message = "<p>";
	in.facts = &fact;
	in.fact_count = 1;
	ck_assert_ptr_null(
	    strpbrk(json_text(arena, told(fields, 2,
					  "{\"voice\": {\"<k>\": \"<v>\"}}")),
		    "<>"));
}
END_TEST

START_TEST(prompt_cuts_a_value_at_a_whole_character)
{
	char *note = arena_alloc(arena, PROMPT_FIELD_MAX + 1);

	memset(note, '<', PROMPT_FIELD_MAX);
	note[PROMPT_FIELD_MAX] = '\0';
	ck_assert_uint_eq(strlen(note_told(note)), PROMPT_FIELD_MAX / 3 * 3);
}
END_TEST

/* --------------------------------------------------------------- reading -- */

static const char *answer(const char *subject, const char *message,
			  struct plan_result *ret)
{
	return prompt_read(
	    &op, &in,
	    arena_printf(
		arena,
		"{\"action\": \"intervene\", \"playbook_id\": \"" PLAYBOOK
		"\", \"channel\": \"email\", \"subject\":"
		" \"%s\", \"message\": \"%s\", \"confidence\": 0.9,"
		" \"reasoning\": \"Drifts.\"}",
		subject, message),
	    ret);
}

START_TEST(prompt_fills_the_slots_that_it_offers)
{
	struct plan_result r;

	ck_assert_ptr_null(answer("For {{name}}",
				  "Hi {{ name|you }} and"
				  " {{company|all}}, {{{name}}}!",
				  &r));
	ck_assert_str_eq(r.subject, "For Ada");
	ck_assert_str_eq(r.message, "Hi Ada and ACME, Ada!");
	customer.name = customer.company = NULL;
	ck_assert_ptr_null(
	    answer("", "Hi {{name|there}} at {{company|your team}}", &r));
	ck_assert_str_eq(r.message, "Hi there at your team");
}
END_TEST

/* What the tenant's config keeps from the model, its text does not tell. */
static const char *const foreign_slots[] = {
	"{{properties.note}}",
	"{{properties.none|x}}",
	"{{email}}",
	"{{user_id|you}}",
	"{{plan}}",
	"{{first_name|you}}",
	"{{{email}}}",
	"{{ email }}",
	"{{cta_url}}",
	"{{api_key}}",
	"{{x{{email}}}}",
	"{{name}} {{email|}}",
};

START_TEST(prompt_refuses_any_other_slot)
{
	const char *slot = foreign_slots[_i];
	struct plan_result r;

	ck_assert_str_eq(answer("Hi", slot, &r), "bad_answer");
	ck_assert_str_eq(answer(slot, "Hi", &r), "bad_answer");
}
END_TEST

void prompt_cases(Suite *suite)
{
	TCase *tc = tcase_create("prompt");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, prompt_tells_plain_text, 0,
			    (int)ARRAY_LEN(notes));
	tcase_add_test(tc, prompt_tells_plain_text_everywhere);
	tcase_add_test(tc, prompt_cuts_a_value_at_a_whole_character);
	tcase_add_test(tc, prompt_fills_the_slots_that_it_offers);
	tcase_add_loop_test(tc, prompt_refuses_any_other_slot, 0,
			    (int)ARRAY_LEN(foreign_slots));
	suite_add_tcase(suite, tc);
}
