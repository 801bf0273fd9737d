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
	tcase_add_test(tc, prompt_fills_the_slots_that_it_offers);
	tcase_add_loop_test(tc, prompt_refuses_any_other_slot, 0,
			    (int)ARRAY_LEN(foreign_slots));
	suite_add_tcase(suite, tc);
}
