/* Templates: filling, escaping, loading. */
#include "test_base.h"

#include "base/config.h"
#include "base/template.h"

#include <sys/stat.h>
#include <unistd.h>

static const char *value_of(void *context, const char *name)
{
	ck_assert_str_eq(context, "ctx");
	if (streq(name, "name"))
		return "Ann & <Bo> \"'";
	if (streq(name, "trait.plan-1_x"))
		return "pro";
	if (streq(name, "inject"))
		return "{{name}}";
	if (streq(name, "empty"))
		return "";
	return NULL;
}

static const struct {
	const char *source;
	const char *text;
	const char *html; /* NULL: as text */
} cases[] = {
	{ "", "", NULL },
	{ "plain } { text <b>", "plain } { text <b>", NULL },
	{ "Hi {{name}}!", "Hi Ann & <Bo> \"'!",
	  "Hi Ann &amp; &lt;Bo&gt; &quot;&#39;!" },
	{ "Hi {{{name}}}!", "Hi Ann & <Bo> \"'!", NULL },
	{ "{{trait.plan-1_x}}{{trait.plan-1_x}}", "propro", NULL },
	{ "{{ name }}", "Ann & <Bo> \"'", "Ann &amp; &lt;Bo&gt; &quot;&#39;" },
	{ "{{unknown|there}}", "there", NULL },
	{ "{{empty|there}}", "there", NULL },
	{ "{{name|there}}", "Ann & <Bo> \"'",
	  "Ann &amp; &lt;Bo&gt; &quot;&#39;" },
	{ "{{unknown|}}.", ".", NULL },
	{ "{{unknown|a<b}}", "a<b", "a&lt;b" },
	{ "{{{unknown|a<b}}}", "a<b", NULL },
	{ "{{unknown}} {{empty}}", "{{unknown}} {{empty}}", NULL },
	{ "{{{unknown}}}", "{{{unknown}}}", NULL },
	{ "{{inject}}", "{{name}}", NULL },
	{ "{{", "{{", NULL },
	{ "{{name", "{{name", NULL },
	{ "{{name}", "{{name}", NULL },
	{ "{{}}", "{{}}", NULL },
	{ "{{a b}}", "{{a b}}", NULL },
	{ "{{#if x}}", "{{#if x}}", NULL },
	{ "{{x {{trait.plan-1_x}}", "{{x pro", NULL },
	{ "{{{{trait.plan-1_x}}}}", "{pro}", NULL },
};

START_TEST(fills)
{
	char context[] = "ctx";
	struct str out;

	str_init(&out, test_op.arena, 1000);
	template_write(test_op.arena, &out, cases[_i].source, TEMPLATE_TEXT,
		       value_of, context);
	ck_assert_str_eq(out.bytes, cases[_i].text);
	str_reset(&out);
	template_write(test_op.arena, &out, cases[_i].source, TEMPLATE_HTML,
		       value_of, context);
	ck_assert_str_eq(out.bytes,
			 cases[_i].html ? cases[_i].html : cases[_i].text);
}
END_TEST

START_TEST(finds_placeholders)
{
	ck_assert(template_has_placeholder("a {{b}} c"));
	ck_assert(template_has_placeholder("{{ first name }}"));
	ck_assert(!template_has_placeholder(""));
	ck_assert(!template_has_placeholder("a { b } c }}"));
	ck_assert(!template_has_placeholder("}} {{"));
}
END_TEST

START_TEST(loads)
{
	struct config config = { .templates = "." };
	const char *name, *text = NULL;

	test_op.config = &config;
	name = test_file("Hi {{name}}\n", 0600);
	ck_assert(template_load(&test_op, name, &text));
	ck_assert_str_eq(text, "Hi {{name}}\n");
	name = test_file("", 0600);
	ck_assert(template_load(&test_op, name, &text));
	ck_assert_str_eq(text, "");
}
END_TEST

static const char *const bad_names[] = {
	"",
	".",
	"..",
	"/etc/passwd",
	"../x",
	"a/../../etc/passwd",
	"missing.txt",
};

START_TEST(does_not_load)
{
	struct config config = { .templates = "." };
	const char *text = NULL;

	test_op.config = &config;
	ck_assert(!template_load(&test_op, bad_names[_i], &text));
	ck_assert_ptr_null(text);
	ck_assert_int_eq(test_op.fail.kind, FAIL_INTERNAL);
	ck_assert_str_eq(test_op.fail.code, "template_unreadable");
	ck_assert_ptr_null(strstr(test_op.fail.message, "/"));
	ck_assert_ptr_nonnull(test_op.fail.detail);
}
END_TEST

START_TEST(does_not_load_a_directory)
{
	struct config config = { .templates = "/" };
	const char *text = NULL;

	test_op.config = &config;
	ck_assert(!template_load(&test_op, "tmp", &text));
}
END_TEST

START_TEST(does_not_climb)
{
	struct config config = { .templates = "/" };
	const char *text = NULL;

	test_op.config = &config;
	ck_assert(template_load(&test_op, "etc/passwd", &text));
	ck_assert(!template_load(&test_op, "usr/../etc/passwd", &text));
}
END_TEST

void base_add_text(Suite *suite)
{
	TCase *tc = base_case("template");

	tcase_add_loop_test(tc, fills, 0, ARRAY_LEN(cases));
	tcase_add_test(tc, finds_placeholders);
	tcase_add_test(tc, loads);
	tcase_add_loop_test(tc, does_not_load, 0, ARRAY_LEN(bad_names));
	tcase_add_test(tc, does_not_load_a_directory);
	tcase_add_test(tc, does_not_climb);
	suite_add_tcase(suite, tc);
}
