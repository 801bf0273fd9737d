/*
 * Layer net: which addresses may be reached, and what a mail's bytes are.
 * No socket is opened.
 */
#include "base/clock.h"
#include "base/config.h"
#include "base/op.h"
#include "net/address.h"
#include "net/http_client.h"
#include "net/mail.h"
#include "net/smtp.h"

#include "suites.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

static struct arena *arena;
static struct config config;
static struct op op;

static void setup(void)
{
	arena = arena_new();
	config = (struct config){ .outbound_allow = "" };
	op_init(&op, arena, NULL, &config);
}

static void teardown(void)
{
	arena_free(arena);
}

/* ------------------------------------------------------------- address -- */

static void sockaddr_of(const char *text, struct sockaddr_storage *ret)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons(443) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(443) };

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		memcpy(ret, &v4, sizeof(v4));
		return;
	}
	ck_assert_int_eq(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	memcpy(ret, &v6, sizeof(v6));
}

static const struct {
	const char *address;
	bool is_public;
} addresses[] = {
	{ "8.8.8.8", true },
	{ "1.1.1.1", true },
	{ "9.255.255.255", true },
	{ "11.0.0.0", true },
	{ "172.15.255.255", true },
	{ "172.32.0.0", true },
	{ "100.63.255.255", true },
	{ "100.128.0.0", true },
	{ "192.167.255.255", true },
	{ "223.255.255.255", true },
	{ "0.0.0.0", false },
	{ "10.0.0.1", false },
	{ "10.255.255.255", false },
	{ "100.64.0.1", false },
	{ "127.0.0.1", false },
	{ "127.255.255.254", false },
	{ "169.254.169.254", false },
	{ "172.16.0.1", false },
	{ "172.31.255.255", false },
	{ "192.0.0.8", false },
	{ "192.0.2.1", false },
	{ "192.31.196.1", false },
	{ "192.52.193.1", false },
	{ "192.88.99.1", false },
	{ "192.168.1.1", false },
	{ "192.175.48.1", false },
	{ "198.18.0.1", false },
	{ "198.19.255.255", false },
	{ "198.51.100.7", false },
	{ "203.0.113.7", false },
	{ "224.0.0.1", false },
	{ "240.0.0.1", false },
	{ "255.255.255.255", false },
	{ "2606:4700::1111", true },
	{ "2a00:1450:4001::1", true },
	{ "2001:4860:4860::8888", true },
	{ "::", false },
	{ "::1", false },
	{ "::ffff:127.0.0.1", false },
	{ "::ffff:8.8.8.8", true },
	{ "::10.0.0.1", false },
	{ "64:ff9b::a00:1", false },
	{ "64:ff9b::808:808", true },
	{ "64:ff9b:1::1", false },
	{ "100::1", false },
	{ "2001::1", false },
	{ "2001:1ff::1", false },
	{ "2001:200::1", true },
	{ "2001:db8::1", false },
	{ "2002:a00:1::", false },
	{ "2002:808:808::", true },
	{ "3fff::1", false },
	{ "5f00::1", false },
	{ "fc00::1", false },
	{ "fd12:3456::1", false },
	{ "fe80::1", false },
	{ "fec0::1", false },
	{ "ff02::1", false },
};

START_TEST(address_public)
{
	struct sockaddr_storage to;

	sockaddr_of(addresses[_i].address, &to);
	ck_assert_msg(address_is_public((const struct sockaddr *)&to) ==
			  addresses[_i].is_public,
		      "%s", addresses[_i].address);
	ck_assert_int_eq(address_port((const struct sockaddr *)&to), 443);
}
END_TEST

START_TEST(address_of_other_family)
{
	struct sockaddr local = { .sa_family = AF_UNIX };

	ck_assert(!address_is_public(&local));
	ck_assert(!address_is_listed(&local, "0.0.0.0/0,::/0"));
}
END_TEST

static const struct {
	const char *cidrs, *address;
	bool listed;
} lists[] = {
	{ "", "127.0.0.1", false },
	{ NULL, "127.0.0.1", false },
	{ "127.0.0.0/8", "127.0.0.1", true },
	{ "127.0.0.1", "127.0.0.1", true },
	{ "127.0.0.1", "127.0.0.2", false },
	{ "10.0.0.0/8, 127.0.0.0/8", "127.9.9.9", true },
	{ "127.0.0.0/8", "::ffff:127.0.0.1", true },
	{ "::1/128", "::1", true },
	{ "fd00::/8", "fd12::1", true },
	{ "fd00::/8", "fe12::1", false },
	{ "0.0.0.0/0", "::1", false },
	{ "0.0.0.0/0", "10.1.2.3", true },
	{ "10.0.0.0/33,10.0.0.0/x,nonsense,/8", "10.0.0.1", false },
	{ "10.1.128.0/17", "10.1.127.255", false },
	{ "10.1.128.0/17", "10.1.128.0", true },
};

START_TEST(address_listed)
{
	struct sockaddr_storage to;

	sockaddr_of(lists[_i].address, &to);
	ck_assert_msg(address_is_listed((const struct sockaddr *)&to,
					lists[_i].cidrs) == lists[_i].listed,
		      "%s in %s", lists[_i].address, lists[_i].cidrs);
}
END_TEST

static const struct {
	const char *allow, *url;
	bool good;
} urls[] = {
	{ "", "https://hooks.customer.dev/retivo?x=1", true },
	{ "", "https://hooks.customer.dev:8443/", true },
	{ "", "https://8.8.8.8/", true },
	{ "", "http://hooks.customer.dev/", false },
	{ "", "https://127.0.0.1/", false },
	{ "", "https://2130706433/", false },
	{ "", "https://0x7f.1/", false },
	{ "", "https://[::1]/", false },
	{ "", "https://user:secret@hooks.customer.dev/", false },
	{ "", "https://user@hooks.customer.dev/", false },
	{ "", "ftp://hooks.customer.dev/", false },
	{ "", "file:///etc/passwd", false },
	{ "", "javascript:alert(1)", false },
	{ "", "hooks.customer.dev", false },
	{ "", "https://", false },
	{ "", "", false },
	{ "", "https://a b/", false },
	{ "", "https://a/\r\nX: y", false },
	{ "127.0.0.0/8", "http://127.0.0.1:9000/hook", true },
	{ "127.0.0.0/8", "http://10.0.0.1/hook", false },
};

START_TEST(url_may_be_stored)
{
	config.outbound_allow = urls[_i].allow;
	ck_assert_msg((http_url_problem(&config, urls[_i].url) == NULL) ==
			  urls[_i].good,
		      "%s", urls[_i].url);
}
END_TEST

START_TEST(private_address_is_refused)
{
	struct http_client *client = http_client_new(arena, &config);
	struct http_answer answer;

	ck_assert(http_client_send(
	    &op, client, &(struct http_send){ .url = "https://127.0.0.1/" },
	    &answer));
	ck_assert_int_eq(answer.status, 0);
	ck_assert(answer.refused);
	ck_assert_str_eq(answer.error, "the address is not allowed");
}
END_TEST

START_TEST(header_with_line_end_is_refused)
{
	struct http_client *client = http_client_new(arena, &config);
	const char *const headers[] = { "X-A: b\r\nX-C: d", NULL };
	struct http_answer answer;

	ck_assert(
	    !http_client_send(&op, client,
			      &(struct http_send){ .url = "https://127.0.0.1/",
						   .headers = headers },
			      &answer));
	ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
}
END_TEST

/* ---------------------------------------------------------------- mail -- */

static struct mail good_mail(void)
{
	return (struct mail){
		.id = "0192aaaa-0000-7000-8000-000000000001",
		.from = "Acme <hello@acme.dev>",
		.to = "ann@customer.dev",
		.subject = "Welcome",
		.text = "Hello\n\nSee you\n",
		.html = "<p>Hello</p>\n",
		.unsubscribe = "https://r.dev/api/unsubscribe/tok",
		.list_id = "acme.r.dev",
		.date_us = INT64_C(1795473540000000),
	};
}

static const char *written(const struct mail *mail)
{
	struct str out;

	str_init(&out, arena, MAIL_MAX_BYTES);
	return mail_write(&op, mail, &out) ? out.bytes : NULL;
}

START_TEST(mail_is_whole)
{
	struct mail mail = good_mail();
	const char *const wanted =
	    "Date: Mon, 23 Nov 2026 22:39:00 +0000\r\n"
	    "From: \"Acme\" <hello@acme.dev>\r\n"
	    "To: <ann@customer.dev>\r\n"
	    "Subject: Welcome\r\n"
	    "Message-ID: <0192aaaa-0000-7000-8000-000000000001@acme.dev>\r\n"
	    "List-Id: <acme.r.dev>\r\n"
	    "List-Unsubscribe: <https://r.dev/api/unsubscribe/tok>\r\n"
	    "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
	    "Auto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/alternative;"
	    " boundary=\"=_0192aaaa-0000-7000-8000-000000000001\"\r\n"
	    "\r\n"
	    "--=_0192aaaa-0000-7000-8000-000000000001\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n"
	    "\r\n"
	    "Hello\r\n\r\nSee you\r\n"
	    "\r\n"
	    "--=_0192aaaa-0000-7000-8000-000000000001\r\n"
	    "Content-Type: text/html; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n"
	    "\r\n"
	    "<p>Hello</p>\r\n"
	    "\r\n"
	    "--=_0192aaaa-0000-7000-8000-000000000001--\r\n";

	ck_assert_str_eq(written(&mail), wanted);
}
END_TEST

/* Each member in turn tries to add a header or a recipient. */
static const char *const injections[] = {
	"x\r\nBcc: eve@evil.dev",
	"x\nBcc: eve@evil.dev",
	"x\rBcc: eve@evil.dev",
	"x\x01y",
	"x\x7fy",
	"bad \xff utf-8",
};

START_TEST(mail_refuses_injection)
{
	const char *bad = injections[_i];

	for (int member = 0; member < 6; member++) {
		struct mail mail = good_mail();
		const char **const members[] = {
			&mail.id,      &mail.from,	  &mail.to_name,
			&mail.subject, &mail.unsubscribe, &mail.list_id,
		};

		*members[member] = bad;
		ck_assert_ptr_null(written(&mail));
		ck_assert_int_eq(op.fail.kind, FAIL_INVALID);
		ck_assert_str_eq(op.fail.code, "bad_header");
		op_clear(&op);
	}
}
END_TEST

static const char *const bad_recipients[] = {
	"ann@customer.dev\r\nRCPT TO:<eve@evil.dev>",
	"ann@customer.dev,eve@evil.dev",
	"<ann@customer.dev>",
	"ann @customer.dev",
	"ann@@customer.dev",
	"ann",
	"",
};

START_TEST(mail_refuses_recipient)
{
	struct mail mail = good_mail();

	mail.to = bad_recipients[_i];
	ck_assert_ptr_null(written(&mail));
	ck_assert_str_eq(op.fail.code, "bad_address");
}
END_TEST

static const char *words_of(const char *text)
{
	struct str out;

	str_init(&out, arena, 4096);
	mail_write_words(&out, text);
	return out.bytes;
}

START_TEST(words_are_encoded)
{
	ck_assert_str_eq(words_of("Plain text, 100%"), "Plain text, 100%");
	ck_assert_str_eq(words_of("Grüße"), "=?UTF-8?B?R3LDvMOfZQ==?=");
	ck_assert_str_eq(words_of("=?UTF-8?B?eA==?="),
			 "=?UTF-8?B?PT9VVEYtOD9CP2VBPT0/PQ==?=");
	/* 39 bytes would end inside the 20th character: the word is cut. */
	const char *twice = words_of("ääääääääääääääääääääääää");
	ck_assert_str_eq(twice,
			 "=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6"
			 "TDpMOkw6Q=?=\r\n =?UTF-8?B?w6TDpMOkw6TDpA==?=");
	ck_assert_uint_le(strcspn(twice, "\r"), 75);
}
END_TEST

static const struct {
	const char *text, *quoted;
} quotes[] = {
	{ "", "" },
	{ "a", "a\r\n" },
	{ "a\nb", "a\r\nb\r\n" },
	{ "a\r\nb\r\n", "a\r\nb\r\n" },
	{ "1 = 1", "1 =3D 1\r\n" },
	{ "trailing \nx", "trailing=20\r\nx\r\n" },
	{ "tab\t", "tab=09\r\n" },
	{ "ü", "=C3=BC\r\n" },
	{ "lone\rcr", "lone=0Dcr\r\n" },
	{ ".dot", ".dot\r\n" },
};

static const char *quoted(const char *text)
{
	struct str out;

	str_init(&out, arena, 65536);
	mail_write_quoted(&out, text);
	return out.bytes;
}

START_TEST(text_is_quoted)
{
	ck_assert_str_eq(quoted(quotes[_i].text), quotes[_i].quoted);
}
END_TEST

START_TEST(quoted_lines_are_short)
{
	char text[2001];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 7 == 0 ? '=' : 'x';
	text[sizeof(text) - 1] = '\0';
	const char *line = quoted(text);
	while (*line != '\0') {
		size_t len = strcspn(line, "\r");

		ck_assert_uint_le(len, 76);
		line += len + 2;
	}
}
END_TEST

static const struct {
	const char *text, *name, *address;
} mailboxes[] = {
	{ "a@b.dev", NULL, "a@b.dev" },
	{ "Acme <a@b.dev>", "Acme", "a@b.dev" },
	{ "\"Acme, Inc\" <a@b.dev>", "Acme, Inc", "a@b.dev" },
	{ "<a@b.dev>", NULL, "a@b.dev" },
	{ "Acme <a@b.dev", NULL, NULL },
	{ "Acme <>", NULL, NULL },
	{ "", NULL, NULL },
	{ ">", NULL, NULL },
};

START_TEST(mailbox_is_split)
{
	const char *name = "unset", *address = "unset";
	bool ok =
	    mail_address_parse(arena, mailboxes[_i].text, &name, &address);

	ck_assert(ok == (mailboxes[_i].address != NULL));
	if (!ok)
		return;
	ck_assert_pstr_eq(name, mailboxes[_i].name);
	ck_assert_str_eq(address, mailboxes[_i].address);
}
END_TEST

START_TEST(display_names_are_quoted)
{
	struct mail mail = good_mail();

	mail.to_name = "O\"Neil \\ Ann";
	ck_assert_ptr_nonnull(strstr(
	    written(&mail), "To: \"O\\\"Neil \\\\ Ann\" <ann@customer.dev>"));
	mail.to_name = "Jürgen";
	ck_assert_ptr_nonnull(strstr(
	    written(&mail), "To: =?UTF-8?B?SsO8cmdlbg==?= <ann@customer.dev>"));
}
END_TEST

static const struct {
	const char *address;
	bool demo;
} demos[] = {
	{ "a@example.com", true },	{ "a@EXAMPLE.org", true },
	{ "a@mail.example.net", true }, { "a@example.com.evil.dev", false },
	{ "a@notexample.com", false },	{ "a@customer.dev", false },
	{ "example.com", false },
};

START_TEST(demo_addresses)
{
	ck_assert_msg(mail_is_demo(demos[_i].address) == demos[_i].demo, "%s",
		      demos[_i].address);
}
END_TEST

static const struct {
	bool ok, login;
	int code;
	bool sent;
	enum mail_result result;
} attempts[] = {
	{ true, false, 250, true, MAIL_DELIVERED },
	{ false, false, 0, false, MAIL_TRANSIENT },
	{ false, false, 550, false, MAIL_PERMANENT },
	{ false, false, 451, false, MAIL_TRANSIENT },
	{ false, false, 421, false, MAIL_TRANSIENT },
	{ false, false, 554, true, MAIL_PERMANENT },
	{ false, false, 452, true, MAIL_TRANSIENT },
	{ false, false, 354, false, MAIL_TRANSIENT },
	{ false, false, 354, true, MAIL_UNKNOWN },
	{ false, false, 0, true, MAIL_UNKNOWN },
	{ false, false, 530, false, MAIL_TRANSIENT },
	{ false, true, 535, false, MAIL_TRANSIENT },
};

START_TEST(smtp_answers)
{
	ck_assert_int_eq(smtp_classify(attempts[_i].ok, attempts[_i].login,
				       attempts[_i].code, attempts[_i].sent),
			 attempts[_i].result);
}
END_TEST

START_TEST(mail_file_is_written_once)
{
	char dir[] = "/tmp/retivo-mail-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert(mail_file_write(&op, dir, "one", "first", 5));
	ck_assert(mail_file_write(&op, dir, "one", "second", 6));
	const char *path = arena_printf(arena, "%s/one.eml", dir);
	FILE *file = fopen(path, "r");
	char text[16] = "";
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(text, 1, sizeof(text) - 1, file), 5);
	fclose(file);
	ck_assert_str_eq(text, "first");
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0); /* no parts are left */
	ck_assert(!mail_file_write(&op, dir, "one", "x", 1));
	ck_assert_str_eq(op.fail.code, "mail_dir");
}
END_TEST

Suite *layer_suite(void)
{
	Suite *s = suite_create("net");
	TCase *t = tcase_create("address");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, address_public, 0, ARRAY_LEN(addresses));
	tcase_add_test(t, address_of_other_family);
	tcase_add_loop_test(t, address_listed, 0, ARRAY_LEN(lists));
	tcase_add_loop_test(t, url_may_be_stored, 0, ARRAY_LEN(urls));
	tcase_add_test(t, private_address_is_refused);
	tcase_add_test(t, header_with_line_end_is_refused);
	suite_add_tcase(s, t);

	t = tcase_create("mail");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, mail_is_whole);
	tcase_add_loop_test(t, mail_refuses_injection, 0,
			    ARRAY_LEN(injections));
	tcase_add_loop_test(t, mail_refuses_recipient, 0,
			    ARRAY_LEN(bad_recipients));
	tcase_add_test(t, words_are_encoded);
	tcase_add_loop_test(t, text_is_quoted, 0, ARRAY_LEN(quotes));
	tcase_add_test(t, quoted_lines_are_short);
	tcase_add_loop_test(t, mailbox_is_split, 0, ARRAY_LEN(mailboxes));
	tcase_add_test(t, display_names_are_quoted);
	tcase_add_loop_test(t, demo_addresses, 0, ARRAY_LEN(demos));
	tcase_add_loop_test(t, smtp_answers, 0, ARRAY_LEN(attempts));
	tcase_add_test(t, mail_file_is_written_once);
	suite_add_tcase(s, t);
	return s;
}
