/* Keys and tokens. Known answers were made with openssl and b2sum. */
#include "test_base.h"

#include "base/secret.h"

#include <signal.h>

#define KEY_A "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "FFEEDDCCBBAA99887766554433221100ffeeddccbbaa99887766554433221100"

static const char *problem;

static bool init_with(const char *text, unsigned mode)
{
	problem = NULL;
	return secret_init(test_file(text, mode), &problem);
}

static void start(const char *keys)
{
	ck_assert_msg(init_with(keys, 0600), "%s", problem);
}

static const struct {
	const char *text;
	unsigned mode;
} bad_files[] = {
	{ "", 0600 },
	{ "\n\n", 0600 },
	{ "abc\n", 0600 },
	{ KEY_A "0\n", 0600 },
	{ KEY_A KEY_B "\n", 0600 },
	{ KEY_A "\nxyz\n", 0600 },
	{ "gg0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	  0600 },
	{ KEY_A "\n", 0640 },
	{ KEY_A "\n", 0604 },
	{ KEY_A "\n", 0666 },
	{ KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A "\n" KEY_A
		"\n" KEY_A "\n" KEY_A "\n" KEY_A "\n",
	  0600 },
};

START_TEST(refuses_key_files)
{
	ck_assert(!init_with(bad_files[_i].text, bad_files[_i].mode));
	ck_assert_ptr_nonnull(problem);
}
END_TEST

START_TEST(accepts_key_files)
{
	start(KEY_A);
	start("\r\n  " KEY_B "\r\n\r\n" KEY_A "  \r\n");
	ck_assert(init_with(KEY_A "\n", 0400));
	ck_assert(secret_init(NULL, &problem));
	ck_assert(!secret_init("does/not/exist", &problem));
	ck_assert_ptr_nonnull(problem);
	ck_assert(!secret_init("/", &problem));
}
END_TEST

START_TEST(hash_without_key_aborts)
{
	unsigned char hash[SECRET_HASH_LEN];

	ck_assert(secret_init(NULL, &problem));
	secret_hash(SECRET_TOKEN, "x", hash);
}
END_TEST

START_TEST(sign_without_key_aborts)
{
	ck_assert(secret_init(NULL, &problem));
	secret_sign(&test_op, SECRET_UNSUBSCRIBE, "x");
}
END_TEST

START_TEST(token_round_trip)
{
	const char *one, *two, *prefix;
	int64_t tenant_id;

	start(KEY_A);
	for (int i = 0; i < 200; i++) {
		one = secret_token_new(&test_op, "rt_live", 7);
		two = secret_token_new(&test_op, "rs", INT64_MAX);
		ck_assert_uint_eq(strlen(one), strlen("rt_live_7_") + 43);
		ck_assert(
		    secret_token_parse(&test_op, one, &prefix, &tenant_id));
		ck_assert_str_eq(prefix, "rt_live");
		ck_assert_int_eq(tenant_id, 7);
		ck_assert(
		    secret_token_parse(&test_op, two, &prefix, &tenant_id));
		ck_assert_str_eq(prefix, "rs");
		ck_assert_int_eq(tenant_id, INT64_MAX);
		ck_assert_str_ne(one + 10,
				 secret_token_new(&test_op, "rt_live", 7) + 10);
	}
}
END_TEST

#define RANDOM "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const char *const bad_tokens[] = {
	"",
	RANDOM,
	"_" RANDOM,
	"rt_live_" RANDOM,
	"rt_live_0_" RANDOM,
	"rt_live_-1_" RANDOM,
	"rt_live_07_" RANDOM,
	"rt_live_x_" RANDOM,
	"rt_live__" RANDOM,
	"_7_" RANDOM,
	"7_" RANDOM,
	"rt__7_" RANDOM,
	"RT_7_" RANDOM,
	"rt1_7_" RANDOM,
	"rt_7_" RANDOM "A",
	"rt_7_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"rt_7_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA+A",
	"rt_7_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	"rt_7_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
	"rt_7_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA A",
	"rt_9223372036854775808_" RANDOM,
	"rt_7-" RANDOM,
	"rt 7_" RANDOM,
};

START_TEST(refuses_tokens)
{
	const char *prefix = NULL;
	int64_t tenant_id = 42;

	ck_assert(
	    secret_token_parse(&test_op, "rt_7_" RANDOM, &prefix, &tenant_id));
	prefix = NULL;
	ck_assert_msg(
	    !secret_token_parse(&test_op, bad_tokens[_i], &prefix, &tenant_id),
	    "%s", bad_tokens[_i]);
	ck_assert_ptr_null(prefix);
	ck_assert_int_eq(tenant_id, 7);
}
END_TEST

START_TEST(hashes_are_keyed_by_use_and_key)
{
	unsigned char h[4][SECRET_HASH_LEN];

	start(KEY_A);
	secret_hash(SECRET_TOKEN, "x", h[0]);
	secret_hash(SECRET_CSRF, "x", h[1]);
	secret_hash(SECRET_TOKEN, "y", h[2]);
	start(KEY_B);
	secret_hash(SECRET_TOKEN, "x", h[3]);
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < i; k++)
			ck_assert_mem_ne(h[i], h[k], SECRET_HASH_LEN);
	}
}
END_TEST

/* A change of these would end every key and session in use. */
START_TEST(hashes_stay_the_same)
{
	unsigned char hash[SECRET_HASH_LEN];

	start(KEY_A);
	secret_hash(SECRET_TOKEN, "rt_live_7_x", hash);
	ck_assert_str_eq(secret_hex(test_op.arena, hash, sizeof(hash)),
			 "98c7be2982cdeda33174c2a7d115de17"
			 "f0233269f96bca9ba24e9a21a81506db");
	ck_assert_str_eq(secret_hash_tenant(&test_op, SECRET_ERASE, 7, "u1"),
			 "4b801092bd47a13e7dcfc2c2dedfd4de"
			 "649096fb5ae086a8725f0124ebe09c26");
}
END_TEST

START_TEST(tenant_hashes_do_not_run_together)
{
	start(KEY_A);
	ck_assert_str_ne(secret_hash_tenant(&test_op, SECRET_ERASE, 1, "2"),
			 secret_hash_tenant(&test_op, SECRET_ERASE, 12, ""));
	ck_assert_str_eq(secret_hash_tenant(&test_op, SECRET_ERASE, 1, "2"),
			 secret_hash_tenant(&test_op, SECRET_ERASE, 1, "2"));
}
END_TEST

START_TEST(digests)
{
	unsigned char d[16];

	secret_digest("abc", 3, d);
	ck_assert_str_eq(secret_hex(test_op.arena, d, 16),
			 "cf4ab791c62b8d2b2109c90275287816");
	secret_digest("", 0, d);
	ck_assert_str_eq(secret_hex(test_op.arena, d, 16),
			 "cae66941d9efbd404e4d88758ea67670");
}
END_TEST

START_TEST(signs_and_verifies)
{
	const char *token, *payload = NULL;

	start(KEY_A);
	token = secret_sign(&test_op, SECRET_UNSUBSCRIBE, "7:user \xc3\xa4");
	ck_assert_uint_eq(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"abcdefghijklmnopqrstuvwxyz"
					"0123456789-_."),
			  strlen(token));
	ck_assert(secret_verify(&test_op, SECRET_UNSUBSCRIBE, token, &payload));
	ck_assert_str_eq(payload, "7:user \xc3\xa4");
	payload = NULL;
	ck_assert(!secret_verify(&test_op, SECRET_CSRF, token, &payload));
	token = secret_sign(&test_op, SECRET_UNSUBSCRIBE, "");
	ck_assert(secret_verify(&test_op, SECRET_UNSUBSCRIBE, token, &payload));
	ck_assert_str_eq(payload, "");
	start(KEY_B);
	ck_assert(
	    !secret_verify(&test_op, SECRET_UNSUBSCRIBE, token, &payload));
}
END_TEST

START_TEST(no_forged_signature_passes)
{
	const char *payload = NULL;
	char *token;
	size_t len;

	start(KEY_A);
	token = arena_strdup(test_op.arena,
			     secret_sign(&test_op, SECRET_CSRF, "payload"));
	len = strlen(token);
	/* Leaves a good MAC on the stack for the cut ones to find. */
	ck_assert(secret_verify(&test_op, SECRET_CSRF, token, &payload));
	payload = NULL;
	for (size_t i = 0; i < len; i++) {
		char was = token[i];

		token[i] = was == 'A' ? 'B' : 'A';
		ck_assert(
		    !secret_verify(&test_op, SECRET_CSRF, token, &payload));
		token[i] = '\0';
		ck_assert(
		    !secret_verify(&test_op, SECRET_CSRF, token, &payload));
		token[i] = was;
	}
	ck_assert(!secret_verify(&test_op, SECRET_CSRF,
				 arena_printf(test_op.arena, "%sA", token),
				 &payload));
	ck_assert(!secret_verify(&test_op, SECRET_CSRF, ".", &payload));
	ck_assert(!secret_verify(&test_op, SECRET_CSRF, "", &payload));
	ck_assert(!secret_verify(
	    &test_op, SECRET_CSRF,
	    arena_printf(test_op.arena, "%05000d.%s", 0, token), &payload));
	ck_assert_ptr_null(payload);
}
END_TEST

START_TEST(seals_and_opens)
{
	const char *one, *two, *plain = NULL;

	start(KEY_A);
	one = secret_seal(&test_op, SECRET_WEBHOOK, "t/1", "whsec_abc");
	two = secret_seal(&test_op, SECRET_WEBHOOK, "t/1", "whsec_abc");
	ck_assert_str_ne(one, two);
	ck_assert_uint_eq(strlen(one), 2 * (4 + 24 + 9 + 16));
	ck_assert(secret_open(&test_op, SECRET_WEBHOOK, "t/1", one, &plain));
	ck_assert_str_eq(plain, "whsec_abc");
	ck_assert(secret_open(&test_op, SECRET_WEBHOOK, "t/1",
			      secret_seal(&test_op, SECRET_WEBHOOK, "t/1", ""),
			      &plain));
	ck_assert_str_eq(plain, "");
}
END_TEST

static void check_closed(enum secret_use use, const char *context,
			 const char *sealed)
{
	const char *plain = NULL;

	op_clear(&test_op);
	ck_assert(!secret_open(&test_op, use, context, sealed, &plain));
	ck_assert_ptr_null(plain);
	ck_assert_int_eq(test_op.fail.kind, FAIL_INTERNAL);
	ck_assert_str_eq(test_op.fail.code, "sealed_unreadable");
}

START_TEST(sealed_elsewhere_stays_closed)
{
	char *sealed;

	start(KEY_A);
	sealed = arena_strdup(
	    test_op.arena, secret_seal(&test_op, SECRET_WEBHOOK, "t/1", "abc"));
	check_closed(SECRET_WEBHOOK, "t/2", sealed);
	check_closed(SECRET_CSRF, "t/1", sealed);
	check_closed(SECRET_WEBHOOK, "t/1", "");
	check_closed(SECRET_WEBHOOK, "t/1", "00");
	check_closed(SECRET_WEBHOOK, "t/1", "zz");
	check_closed(SECRET_WEBHOOK, "t/1",
		     arena_printf(test_op.arena, "%s0", sealed));
	for (size_t i = 0; sealed[i] != '\0'; i++) {
		char was = sealed[i];

		sealed[i] = was == '0' ? '1' : '0';
		check_closed(SECRET_WEBHOOK, "t/1", sealed);
		sealed[i] = '\0';
		check_closed(SECRET_WEBHOOK, "t/1", sealed);
		sealed[i] = was;
	}
	start(KEY_B);
	check_closed(SECRET_WEBHOOK, "t/1", sealed);
}
END_TEST

START_TEST(root_key_rotates)
{
	unsigned char before[SECRET_HASH_LEN], after[SECRET_HASH_LEN];
	const char *sealed, *token, *fresh, *text;

	start(KEY_A "\n");
	sealed = secret_seal(&test_op, SECRET_WEBHOOK, "t/1", "abc");
	token = secret_sign(&test_op, SECRET_UNSUBSCRIBE, "7");
	secret_hash(SECRET_TOKEN, "x", before);
	start(KEY_B "\n" KEY_A "\n");
	ck_assert(secret_open(&test_op, SECRET_WEBHOOK, "t/1", sealed, &text));
	ck_assert_str_eq(text, "abc");
	ck_assert(secret_verify(&test_op, SECRET_UNSUBSCRIBE, token, &text));
	secret_hash(SECRET_TOKEN, "x", after);
	ck_assert_mem_eq(before, after, SECRET_HASH_LEN);
	fresh = secret_seal(&test_op, SECRET_WEBHOOK, "t/1", "abc");
	ck_assert(secret_is_newest(fresh));
	ck_assert(!secret_is_newest(sealed));
	ck_assert(!secret_is_newest(""));
	start(KEY_B "\n");
	ck_assert(secret_open(&test_op, SECRET_WEBHOOK, "t/1", fresh, &text));
	check_closed(SECRET_WEBHOOK, "t/1", sealed);
	ck_assert(!secret_verify(&test_op, SECRET_UNSUBSCRIBE, token, &text));
}
END_TEST

START_TEST(passwords)
{
	const char *hash;

	ck_assert(secret_init(NULL, &problem));
	ck_assert(secret_password_hash(&test_op, "correct horse", &hash));
	ck_assert_int_eq(strncmp(hash, "$argon2id$v=19$m=65536,t=2,p=1$", 31),
			 0);
	ck_assert(secret_password_ok(hash, "correct horse"));
	ck_assert(!secret_password_ok(hash, "correct hors"));
	ck_assert(!secret_password_ok(hash, ""));
	ck_assert(!secret_password_ok("", "correct horse"));
	ck_assert(!secret_password_ok("garbage", "correct horse"));
	ck_assert(!secret_password_ok(NULL, "correct horse"));
	ck_assert(!secret_password_ok(NULL, ""));
}
END_TEST

START_TEST(compares)
{
	ck_assert(secret_equal("", ""));
	ck_assert(secret_equal("abc", "abc"));
	ck_assert(!secret_equal("abc", "abd"));
	ck_assert(!secret_equal("abc", "ab"));
	ck_assert(!secret_equal("", "a"));
}
END_TEST

/* RFC 4231, cases 2 and 6 (a key longer than the block). */
START_TEST(hmacs)
{
	const char *fox = "The quick brown fox jumps over the lazy dog";
	const char *large = "Test Using Larger Than Block-Size Key - "
			    "Hash Key First";
	char hex[65], key[131];

	secret_hmac_hex("key", 3, fox, strlen(fox), hex);
	ck_assert_str_eq(hex, "f7bc83f430538424b13298e6aa6fb143"
			      "ef4d59a14946175997479dbc2d1a3cd8");
	secret_hmac_hex("Jefe", 4, "what do ya want for nothing?", 28, hex);
	ck_assert_str_eq(hex, "5bdcc146bf60754e6a042426089575c7"
			      "5a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	secret_hmac_hex(key, sizeof(key), large, strlen(large), hex);
	ck_assert_str_eq(hex, "60e431591ee0b67f0d8a26aacbf5b77f"
			      "8e0bc6213728c5140546040f0ee37f54");
	ck_assert_str_eq(
	    secret_hmac_base64(test_op.arena, "key", 3, fox, strlen(fox)),
	    "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=");
}
END_TEST

static TCase *key_case(void)
{
	TCase *tc = base_case("key");

	tcase_add_loop_test(tc, refuses_key_files, 0, ARRAY_LEN(bad_files));
	tcase_add_test(tc, accepts_key_files);
	tcase_add_test_raise_signal(tc, hash_without_key_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, sign_without_key_aborts, SIGABRT);
	tcase_add_test(tc, token_round_trip);
	tcase_add_loop_test(tc, refuses_tokens, 0, ARRAY_LEN(bad_tokens));
	tcase_add_test(tc, hashes_are_keyed_by_use_and_key);
	tcase_add_test(tc, hashes_stay_the_same);
	tcase_add_test(tc, tenant_hashes_do_not_run_together);
	tcase_add_test(tc, root_key_rotates);
	return tc;
}

static TCase *secret_case(void)
{
	TCase *tc = base_case("secret");

	tcase_add_test(tc, digests);
	tcase_add_test(tc, signs_and_verifies);
	tcase_add_test(tc, no_forged_signature_passes);
	tcase_add_test(tc, seals_and_opens);
	tcase_add_test(tc, sealed_elsewhere_stays_closed);
	tcase_add_test(tc, passwords);
	tcase_add_test(tc, compares);
	tcase_add_test(tc, hmacs);
	return tc;
}

void base_add_secret(Suite *suite)
{
	suite_add_tcase(suite, key_case());
	suite_add_tcase(suite, secret_case());
}
