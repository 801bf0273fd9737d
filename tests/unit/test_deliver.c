/*
 * Layer deliver: signatures against known vectors, the schedule of
 * retries, what an answer means, and a mail from row to file.
 */
#include "base/clock.h"
#include "base/config.h"
#include "base/secret.h"
#include "deliver/deliver.h"
#include "deliver/post.h"
#include "deliver/sign.h"

#include "suites.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct arena *arena;
static struct config config;
static struct op op;

static void setup(void)
{
	arena = arena_new();
	config = (struct config){
		.outbound_allow = "",
		.base_url = "https://r.dev:8443",
		.mail_from = "Retivo <noreply@r.dev>",
		.templates = TESTS_SRCDIR "/../templates",
	};
	op_init(&op, arena, NULL, &config);
	op.tenant_id = 7;
	op.now_us = INT64_C(1795473540000000);
}

static void teardown(void)
{
	arena_free(arena);
}

/* ---------------------------------------------------------- signatures -- */

START_TEST(sign_known_vector)
{
	/* The example of the Standard Webhooks libraries. */
	const char *body = "{\"test\": 2432232314}";
	struct signed_body message = {
		.id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
		.at_s = 1614265330,
		.body = body,
		.len = strlen(body),
	};
	const char *signature;

	ck_assert(sign_standard(&op, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
				&message, &signature));
	ck_assert_str_eq(signature,
			 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}
END_TEST

START_TEST(sign_hex_vector)
{
	char hex[65];

	/* RFC 4231, case 2: the key is the text itself. */
	sign_body("Jefe", "what do ya want for nothing?", 28, hex);
	ck_assert_str_eq(hex, "5bdcc146bf60754e6a042426089575c7"
			      "5a003f089d2739839dec58b964ec3843");
}
END_TEST

static const char *const bad_secrets[] = {
	"",
	"whsec_",
	"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"whsec_not base64!",
	"whsec_c2hvcnQ=",
};

START_TEST(sign_refuses_secret)
{
	struct signed_body message = { .id = "m", .body = "", .len = 0 };
	const char *signature;

	ck_assert(!sign_standard(&op, bad_secrets[_i], &message, &signature));
	ck_assert_str_eq(op.fail.code, "bad_webhook_secret");
}
END_TEST

/* ------------------------------------------------------------- retries -- */

static void no_luck(void *bytes, size_t len)
{
	memset(bytes, 0, len);
}

static const int64_t waits_s[] = { 5, 300, 1800, 7200, 18000, 36000, 36000 };

START_TEST(retry_schedule)
{
	int64_t wait_us = waits_s[_i] * US_PER_SECOND;

	for (int n = 0; n < 50; n++) {
		int64_t drawn = retry_delay_us(&op, _i + 1);

		ck_assert_int_ge(drawn, wait_us);
		ck_assert_int_le(drawn, wait_us + wait_us / 5);
	}
	op.random = no_luck;
	ck_assert_int_eq(retry_delay_us(&op, _i + 1), wait_us);
}
END_TEST

START_TEST(retry_ends)
{
	ck_assert_int_eq(retry_delay_us(&op, RETRY_TRIES), -1);
	ck_assert_int_eq(retry_delay_us(&op, RETRY_TRIES + 1), -1);
	ck_assert_int_eq(retry_delay_us(&op, 0), -1);
}
END_TEST

static const struct {
	struct http_answer answer;
	int64_t tries;
	enum post_result result;
	bool resting, gone;
	int64_t wait_s; /* of POST_RETRY, without the draw */
} verdicts[] = {
	{ { .status = 200 }, 1, POST_DELIVERED, false, false, 0 },
	{ { .status = 204 }, 8, POST_DELIVERED, false, false, 0 },
	{ { .status = 301 }, 1, POST_RETRY, false, false, 5 },
	{ { .status = 400 }, 2, POST_RETRY, false, false, 300 },
	{ { .status = 500 }, 1, POST_RETRY, false, false, 5 },
	{ { .status = 500 }, 8, POST_FAILED, false, false, 0 },
	{ { .status = 410 }, 1, POST_FAILED, true, true, 0 },
	{ { .status = 429, .retry_after_s = 90 },
	  1,
	  POST_RETRY,
	  true,
	  false,
	  90 },
	{ { .status = 503, .retry_after_s = 10 },
	  2,
	  POST_RETRY,
	  true,
	  false,
	  300 },
	{ { .status = 503, .retry_after_s = INT64_MAX / 2 },
	  1,
	  POST_RETRY,
	  true,
	  false,
	  86400 },
	{ { .status = 0, .error = "timeout" }, 1, POST_RETRY, true, false, 5 },
	{ { .status = 0, .refused = true }, 1, POST_FAILED, true, false, 0 },
	{ { .status = 500, .abort_message = true },
	  1,
	  POST_FAILED,
	  false,
	  false,
	  0 },
};

START_TEST(post_verdict)
{
	struct post_endpoint endpoint = { .id = "e" };
	struct post post = { .answer = verdicts[_i].answer,
			     .tries = verdicts[_i].tries,
			     .endpoint = &endpoint };

	op.random = no_luck;
	post_judge(&op, &post);
	ck_assert_int_eq(post.result, verdicts[_i].result);
	ck_assert(endpoint.resting == verdicts[_i].resting);
	ck_assert(endpoint.gone == verdicts[_i].gone);
	ck_assert(endpoint.answered_well ==
		  (verdicts[_i].result == POST_DELIVERED));
	if (post.result == POST_RETRY)
		ck_assert_int_eq(post.next_us, op.now_us + verdicts[_i].wait_s *
							       US_PER_SECOND);
}
END_TEST

/* ------------------------------------------------------------ channels -- */

static struct outgoing good_message(void)
{
	return (struct outgoing){
		.id = "0192aaaa-0000-7000-8000-000000000001",
		.user_id = "u1",
		.channel = "email",
		.subject = "We miss you",
		.message_body = "Hi <Ann>,\n\nsee https://acme.dev/x?a=1&b=2.",
		.attempts = 1,
		.name = "Ann",
		.email = "ann@customer.dev",
		.cta_url = "https://acme.dev/reports",
	};
}

static struct sender good_sender(void)
{
	return (struct sender){ .tenant = "Acme & Co",
				.slug = "acme",
				.mail_out = true,
				.from = "Acme <hello@acme.dev>",
				.attribution_days = 14 };
}

/* Starts base/secret.h with a key of its own, for the unsubscribe link. */
static void start_secrets(const char *dir)
{
	const char *path = arena_printf(arena, "%s/key", dir), *problem;
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(write(fd, "7", 1), 1);
	close(fd);
	ck_assert_msg(secret_init(path, &problem), "key file");
	unlink(path);
}

static const char *read_all(const char *path)
{
	char *text = arena_alloc(arena, 65536);
	FILE *file = fopen(path, "r");

	ck_assert_msg(file != NULL, "%s", path);
	ck_assert_uint_lt(fread(text, 1, 65535, file), 65535);
	fclose(file);
	return text;
}

START_TEST(email_to_file)
{
	char dir[] = "/tmp/retivo-deliver-XXXXXX";
	struct sender sender = good_sender();
	struct outgoing out = good_message();
	struct sent sent;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	start_secrets(dir);
	config.mail_dir = dir;
	ck_assert(deliver_send(&op, &sender, &out, &sent));
	ck_assert_int_eq(sent.result, SEND_DELIVERED);
	ck_assert(!sent.simulated);
	const char *path = arena_printf(arena, "%s/%s.eml", dir, out.id);
	const char *mail = read_all(path);
	ck_assert_ptr_nonnull(strstr(mail, "From: \"Acme\" <hello@acme.dev>"));
	ck_assert_ptr_nonnull(
	    strstr(mail, "To: \"Ann\" <ann@customer.dev>\r\n"));
	ck_assert_ptr_nonnull(strstr(mail, "Subject: We miss you\r\n"));
	ck_assert_ptr_nonnull(strstr(mail, "List-Id: <acme.r.dev>\r\n"));
	ck_assert_ptr_nonnull(
	    strstr(mail, "List-Unsubscribe: <https://r.dev:8443/api/"
			 "unsubscribe/"));
	/* The message is text: its markup is escaped, its link is one. */
	ck_assert_ptr_nonnull(strstr(mail, "<p>Hi &lt;Ann&gt;,</p>"));
	ck_assert_ptr_nonnull(
	    strstr(mail, "href=3D\"https://acme.dev/x?a=3D1&amp;b=3D2\""));
	ck_assert_ptr_nonnull(
	    strstr(mail, "<p class=3D\"brand\">Acme &amp; Co</p>"));
	ck_assert_ptr_null(strstr(mail, "{{"));
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(email_with_bad_address_fails_for_good)
{
	struct sender sender = good_sender();
	struct outgoing out = good_message();
	struct sent sent;
	char dir[] = "/tmp/retivo-deliver-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	start_secrets(dir);
	config.mail_dir = dir;
	out.email = "a@b.dev>\r\nRCPT TO:<victim@customer.dev";
	ck_assert(deliver_send(&op, &sender, &out, &sent));
	ck_assert_int_eq(sent.result, SEND_PERMANENT);
	ck_assert(!op_failed(&op));
	ck_assert_int_eq(rmdir(dir), 0); /* nothing was written */
}
END_TEST

START_TEST(demo_mail_never_leaves)
{
	struct sender sender = good_sender();
	struct outgoing out = good_message();
	struct sent sent;
	char dir[] = "/tmp/retivo-deliver-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	start_secrets(dir);
	rmdir(dir);
	config.smtp_url = "smtp://127.0.0.1:1";
	config.smtp_tls = "none";
	out.email = "someone@example.com";
	ck_assert(deliver_send(&op, &sender, &out, &sent));
	ck_assert_int_eq(sent.result, SEND_DELIVERED);
	ck_assert(sent.simulated);
	/* Anybody else would be tried, and nobody listens there. */
	out.email = "ann@customer.dev";
	ck_assert(deliver_send(&op, &sender, &out, &sent));
	ck_assert_int_eq(sent.result, SEND_TRANSIENT);
}
END_TEST

START_TEST(test_twin_sends_nothing)
{
	struct sender sender = { .test = true, .tenant = "Acme" };
	struct outgoing out = good_message();
	const char *const channels[] = { "email", "in_app", "webhook", "crm" };
	struct sent sent;

	for (size_t i = 0; i < ARRAY_LEN(channels); i++) {
		out.channel = channels[i];
		ck_assert(deliver_ready(&sender, channels[i]));
		ck_assert(deliver_send(&op, &sender, &out, &sent));
		ck_assert_int_eq(sent.result, SEND_DELIVERED);
		ck_assert(sent.simulated);
	}
}
END_TEST

START_TEST(channels_need_a_transport)
{
	struct sender none = { .tenant = "Acme" };
	struct sender all = { .mail_out = true, .has_endpoints = true };

	ck_assert(!deliver_ready(&none, "email"));
	ck_assert(!deliver_ready(&none, "webhook"));
	ck_assert(!deliver_ready(&none, "crm"));
	ck_assert(!deliver_ready(&all, "crm"));
	ck_assert(!deliver_ready(&all, "pigeon"));
	ck_assert(deliver_ready(&none, "in_app"));
	ck_assert(deliver_ready(&all, "email"));
	ck_assert(deliver_ready(&all, "webhook"));
}
END_TEST

Suite *layer_suite(void)
{
	Suite *s = suite_create("deliver");
	TCase *t = tcase_create("sign");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, sign_known_vector);
	tcase_add_test(t, sign_hex_vector);
	tcase_add_loop_test(t, sign_refuses_secret, 0, ARRAY_LEN(bad_secrets));
	suite_add_tcase(s, t);

	t = tcase_create("retry");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, retry_schedule, 0, ARRAY_LEN(waits_s));
	tcase_add_test(t, retry_ends);
	tcase_add_loop_test(t, post_verdict, 0, ARRAY_LEN(verdicts));
	suite_add_tcase(s, t);

	t = tcase_create("channels");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, email_to_file);
	tcase_add_test(t, email_with_bad_address_fails_for_good);
	tcase_add_test(t, demo_mail_never_leaves);
	tcase_add_test(t, test_twin_sends_nothing);
	tcase_add_test(t, channels_need_a_transport);
	suite_add_tcase(s, t);
	return s;
}
