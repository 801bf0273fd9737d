/* The settings table: defaults, checks, output. */
#include "test_base.h"

#include "base/config.h"
#include "base/log.h"
#include "base/str.h"

static struct str problems;

static bool load(struct config *config)
{
	str_init(&problems, test_op.arena, 10000);
	return config_load(config, &problems);
}

static void set(const char *name, const char *value)
{
	ck_assert_int_eq(setenv(name, value, 1), 0);
}

START_TEST(defaults)
{
	struct config c;

	clearenv();
	ck_assert_msg(load(&c), "%s", problems.bytes);
	ck_assert_str_eq(problems.bytes, "");
	ck_assert_ptr_null(c.database_url);
	ck_assert_ptr_null(c.socket);
	ck_assert_ptr_null(c.master_key_file);
	ck_assert_ptr_null(c.smtp_url);
	ck_assert_str_eq(c.base_url, "https://localhost:8443");
	ck_assert_str_eq(c.templates, RETIVO_DATADIR "/templates");
	ck_assert_str_eq(c.schema, RETIVO_DATADIR "/schema.sql");
	ck_assert_str_eq(c.smtp_tls, "require");
	ck_assert_str_eq(c.outbound_allow, "");
	ck_assert_ptr_nonnull(c.mail_from);
	ck_assert_int_eq(c.workers, 4);
	ck_assert_int_eq(c.body_max_bytes, 1048576);
	ck_assert_int_eq(c.statement_timeout_ms, 5000);
	ck_assert_int_eq(c.db_connect_timeout_s, 3);
	ck_assert_int_eq(c.session_days, 14);
	ck_assert_int_eq(c.pipeline_late_s, 600);
	ck_assert_int_eq(c.batch_max_s, 600);
	ck_assert_int_eq(c.log_level, LOG_INFO);
	ck_assert(!c.testing);
	ck_assert_int_eq(c.clock_us, 0);
}
END_TEST

START_TEST(values)
{
	struct config c;

	clearenv();
	set("RETIVO_API_DATABASE_URL", "postgresql://u:p@h/d");
	set("RETIVO_WORKERS", "64");
	set("RETIVO_LOG_LEVEL", "debug");
	set("RETIVO_TESTING", "1");
	set("RETIVO_CLOCK", "2026-11-23T22:39:00.123456Z");
	set("RETIVO_OUTBOUND_ALLOW", "10.0.0.0/8,fd00::/8");
	set("RETIVO_SMTP_URL", "");
	set("RETIVO_UNKNOWN", "x");
	ck_assert_msg(load(&c), "%s", problems.bytes);
	ck_assert_str_eq(c.api_database_url, "postgresql://u:p@h/d");
	ck_assert_int_eq(c.workers, 64);
	ck_assert_int_eq(c.log_level, LOG_DEBUG);
	ck_assert(c.testing);
	ck_assert_int_eq(c.clock_us, TEST_NOW_US);
	ck_assert_str_eq(c.outbound_allow, "10.0.0.0/8,fd00::/8");
	ck_assert_ptr_null(c.smtp_url);
}
END_TEST

static const struct {
	const char *name, *value;
} good[] = {
	{ "RETIVO_BASE_URL", "http://127.0.0.1:8080" },
	{ "RETIVO_BASE_URL", "https://retivo.example.org/app" },
	{ "RETIVO_MAIL_FROM", "a@b.co" },
	{ "RETIVO_MAIL_FROM", "M\xc3\xbcller GmbH <a@b.co>" },
	{ "RETIVO_MAIL_FROM", "<a@b.co>" },
	{ "RETIVO_SMTP_URL", "smtp://localhost:1025" },
	{ "RETIVO_SMTP_URL", "smtps://mail.example.org" },
	{ "RETIVO_SMTP_TLS", "try" },
	{ "RETIVO_SMTP_TLS", "none" },
	{ "RETIVO_OUTBOUND_ALLOW", "127.0.0.1/32" },
	{ "RETIVO_OUTBOUND_ALLOW", "::1/128" },
	{ "RETIVO_OUTBOUND_ALLOW", "0.0.0.0/0" },
	{ "RETIVO_WORKERS", "1" },
	{ "RETIVO_BODY_MAX_BYTES", "1024" },
	{ "RETIVO_LOG_LEVEL", "error" },
	{ "RETIVO_TESTING", "0" },
};

static const struct {
	const char *name, *value;
} bad[] = {
	{ "RETIVO_BASE_URL", "localhost" },
	{ "RETIVO_BASE_URL", "ftp://localhost" },
	{ "RETIVO_BASE_URL", "https://" },
	{ "RETIVO_BASE_URL", "https:///x" },
	{ "RETIVO_BASE_URL", "https://localhost/" },
	{ "RETIVO_BASE_URL", "https://a b" },
	{ "RETIVO_BASE_URL", "https://a\"b" },
	{ "RETIVO_BASE_URL", "https://a?b" },
	{ "RETIVO_BASE_URL", "https://u@a" },
	{ "RETIVO_BASE_URL", "https://\xc3\xa4" },
	{ "RETIVO_MAIL_FROM", "nobody" },
	{ "RETIVO_MAIL_FROM", "X <nobody>" },
	{ "RETIVO_MAIL_FROM", "X <a@b.co" },
	{ "RETIVO_MAIL_FROM", "X <a@b.co> y" },
	{ "RETIVO_MAIL_FROM", "X\r\nBcc: c@d.co <a@b.co>" },
	{ "RETIVO_MAIL_FROM", "\xff <a@b.co>" },
	{ "RETIVO_MAIL_FROM", "<>" },
	{ "RETIVO_MAIL_FROM", "X <" },
	{ "RETIVO_SMTP_URL", "http://x" },
	{ "RETIVO_SMTP_URL", "smtp://" },
	{ "RETIVO_SMTP_TLS", "yes" },
	{ "RETIVO_OUTBOUND_ALLOW", "10.0.0.0" },
	{ "RETIVO_OUTBOUND_ALLOW", "10.0.0.0/33" },
	{ "RETIVO_OUTBOUND_ALLOW", "10.0.0/8" },
	{ "RETIVO_OUTBOUND_ALLOW", "10.0.0.0/8," },
	{ "RETIVO_OUTBOUND_ALLOW", ",10.0.0.0/8" },
	{ "RETIVO_OUTBOUND_ALLOW", "10.0.0.0/8 " },
	{ "RETIVO_OUTBOUND_ALLOW", "fd00::/129" },
	{ "RETIVO_OUTBOUND_ALLOW",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	{ "RETIVO_WORKERS", "0" },
	{ "RETIVO_WORKERS", "65" },
	{ "RETIVO_WORKERS", "4 " },
	{ "RETIVO_WORKERS", "four" },
	{ "RETIVO_BODY_MAX_BYTES", "1M" },
	{ "RETIVO_STATEMENT_TIMEOUT_MS", "99" },
	{ "RETIVO_DB_CONNECT_TIMEOUT_S", "-1" },
	{ "RETIVO_SESSION_DAYS", "366" },
	{ "RETIVO_PIPELINE_LATE_S", "59" },
	{ "RETIVO_BATCH_MAX_S", "9" },
	{ "RETIVO_LOG_LEVEL", "INFO" },
	{ "RETIVO_TESTING", "yes" },
	{ "RETIVO_CLOCK", "2026-11-23T22:39:00Z" },
	{ "RETIVO_CLOCK", "tomorrow" },
};

START_TEST(accepts)
{
	struct config c;

	clearenv();
	set(good[_i].name, good[_i].value);
	ck_assert_msg(load(&c), "%s", problems.bytes);
}
END_TEST

START_TEST(refuses)
{
	struct config c = { .workers = -7 };
	size_t len = strlen(bad[_i].name);

	clearenv();
	set(bad[_i].name, bad[_i].value);
	ck_assert_msg(!load(&c), "%s=%s", bad[_i].name, bad[_i].value);
	ck_assert_int_eq(c.workers, -7);
	ck_assert_int_eq(strncmp(problems.bytes, bad[_i].name, len), 0);
	ck_assert_int_eq(problems.bytes[len], ':');
	ck_assert_int_eq(problems.bytes[problems.len - 1], '\n');
}
END_TEST

START_TEST(names_every_problem)
{
	struct config c;

	clearenv();
	set("RETIVO_WORKERS", "0");
	set("RETIVO_SMTP_TLS", "maybe");
	set("RETIVO_CLOCK", "2026-11-23T22:39:00Z");
	ck_assert(!load(&c));
	ck_assert_str_eq(problems.bytes,
			 "RETIVO_SMTP_TLS: must be require, try or none\n"
			 "RETIVO_WORKERS: must be a whole number from 1 to 64\n"
			 "RETIVO_CLOCK: needs RETIVO_TESTING=1 beside it\n");
}
END_TEST

START_TEST(clock_before_1970_is_refused)
{
	struct config c;

	clearenv();
	set("RETIVO_TESTING", "1");
	set("RETIVO_CLOCK", "1970-01-01T00:00:00Z");
	ck_assert(!load(&c));
	set("RETIVO_CLOCK", "1969-01-01T00:00:00Z");
	ck_assert(!load(&c));
}
END_TEST

START_TEST(writes_without_secrets)
{
	struct config c;
	struct str out;

	clearenv();
	set("RETIVO_DATABASE_URL", "postgresql://u:hunter2@h/d");
	set("RETIVO_SMTP_PASSWORD", "hunter2");
	set("RETIVO_LOG_LEVEL", "warn");
	set("RETIVO_TESTING", "1");
	set("RETIVO_CLOCK", "2026-11-23T22:39:00Z");
	ck_assert(load(&c));
	str_init(&out, test_op.arena, 10000);
	config_write(&c, &out);
	ck_assert(str_ok(&out));
	ck_assert_ptr_null(strstr(out.bytes, "hunter2"));
	ck_assert_ptr_nonnull(
	    strstr(out.bytes, "\nRETIVO_DATABASE_URL\t(secret)\t-\t-\t"));
	ck_assert_ptr_nonnull(
	    strstr(out.bytes, "\nRETIVO_API_DATABASE_URL\t-\t-\t-\t"));
	ck_assert_ptr_nonnull(
	    strstr(out.bytes, "\nRETIVO_WORKERS\t4\tprocesses\t4\t"));
	ck_assert_ptr_nonnull(
	    strstr(out.bytes, "\nRETIVO_LOG_LEVEL\twarn\t-\tinfo\t"));
	ck_assert_ptr_nonnull(
	    strstr(out.bytes, "\nRETIVO_CLOCK\t2026-11-23T22:39:00.000Z\t-\t"));
	ck_assert_ptr_nonnull(strstr(out.bytes, "\nRETIVO_TESTING\t1\t-\t0\t"));
}
END_TEST

void base_add_config(Suite *suite)
{
	TCase *tc = base_case("config");

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, values);
	tcase_add_loop_test(tc, accepts, 0, ARRAY_LEN(good));
	tcase_add_loop_test(tc, refuses, 0, ARRAY_LEN(bad));
	tcase_add_test(tc, names_every_problem);
	tcase_add_test(tc, clock_before_1970_is_refused);
	tcase_add_test(tc, writes_without_secrets);
	suite_add_tcase(suite, tc);
}
