/*
 * Everything that touches a key: tokens, hashes, signatures, sealing and
 * passwords. The master keys stay in this file; what leaves it was made
 * with a subkey of one purpose.
 *
 * Rotation: the key file holds the keys newest first. What is sealed or
 * signed names its key, the newest; hashes that the database looks up use
 * the oldest, so that they stay the same until that key is dropped.
 */
#include "base/secret.h"

#include "base/parse.h"
#include "base/str.h"

#include <assert.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_LEN	      crypto_kdf_KEYBYTES
#define KEYS_MAX      8
#define KEY_ID_LEN    4
#define MAC_LEN	      32
#define TOKEN_BYTES   32
#define TOKEN_TEXT    43 /* base64url of 32 bytes without padding */
#define NONCE_LEN     crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN	      crypto_aead_xchacha20poly1305_ietf_ABYTES
#define SIGN_MAX      2048 /* bytes of a signed token's text */
#define BASE64URL     sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define SEAL_HEAD_LEN (KEY_ID_LEN + NONCE_LEN)

/* argon2id with our parameters, of a password that nobody has. */
static const char dummy_hash[] =
    "$argon2id$v=19$m=65536,t=2,p=1$xS+sKevGaLZQPJ94F0J0dw"
    "$9YzObHdAuHsAP7uOD2Ip5yr6q+9O5ThvsWmlBKv69/w";

/* Separate subkeys for separate algorithms of one use. */
static const char kdf_hash[] = "rt-hash1";
static const char kdf_sign[] = "rt-sign1";
static const char kdf_seal[] = "rt-seal1";
static const char kdf_id[] = "rt-keyid";

struct master_key {
	unsigned char key[KEY_LEN];
	unsigned char id[KEY_ID_LEN]; /* derived, public */
};

static struct master_key keys[KEYS_MAX]; /* newest first */
static size_t key_count;

static const struct master_key *newest_key(void)
{
	assert(key_count > 0);
	return &keys[0];
}

static const struct master_key *oldest_key(void)
{
	assert(key_count > 0);
	return &keys[key_count - 1];
}

static void derive(const struct master_key *from, enum secret_use use,
		   const char *context, unsigned char ret[KEY_LEN])
{
	crypto_kdf_derive_from_key(ret, KEY_LEN, (uint64_t)use, context,
				   from->key);
}

static void set_key_id(struct master_key *k)
{
	unsigned char bytes[KEY_LEN];

	crypto_kdf_derive_from_key(bytes, KEY_LEN, 0, kdf_id, k->key);
	memcpy(k->id, bytes, KEY_ID_LEN);
	sodium_memzero(bytes, sizeof(bytes));
}

static const struct master_key *find_key(const unsigned char id[KEY_ID_LEN])
{
	for (size_t i = 0; i < key_count; i++) {
		if (memcmp(keys[i].id, id, KEY_ID_LEN) == 0)
			return &keys[i];
	}
	return NULL;
}

/* Lines of 64 hex digits; blanks at the ends of lines are let pass. */
static const char *parse_keys(const char *text)
{
	const char *p = text + strspn(text, " \t\r\n");

	key_count = 0;
	while (*p != '\0') {
		struct master_key *k = &keys[key_count];
		size_t digits = strcspn(p, " \t\r\n");

		if (key_count == KEYS_MAX)
			return "the master key file has more than 8 keys";
		if (digits != 2 * KEY_LEN ||
		    sodium_hex2bin(k->key, KEY_LEN, p, digits, NULL, NULL,
				   NULL) != 0)
			return "a line of the master key file is not 64 hex"
			       " digits";
		set_key_id(k);
		key_count++;
		p += digits;
		p += strspn(p, " \t\r\n");
	}
	return key_count > 0 ? NULL : "the master key file is empty";
}

static const char *read_keys(int fd)
{
	char text[KEYS_MAX * (2 * KEY_LEN + 2) + 2];
	struct stat st;
	ssize_t len;
	const char *problem;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return "the master key file is not a regular file";
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return "the master key file may be read by others: chmod 600";
	if (st.st_size >= (off_t)sizeof(text))
		return "the master key file is too long";
	len = read(fd, text, sizeof(text) - 1);
	if (len < 0)
		return "the master key file cannot be read";
	text[len] = '\0';
	problem = parse_keys(text);
	sodium_memzero(text, sizeof(text));
	return problem;
}

bool secret_init(const char *path, const char **ret_problem)
{
	const char *problem;
	int fd;

	if (sodium_init() < 0) {
		*ret_problem = "libsodium does not start";
		return false;
	}
	if (path == NULL)
		return true;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		*ret_problem = "the master key file cannot be opened";
		return false;
	}
	problem = read_keys(fd);
	close(fd);
	if (problem != NULL) {
		sodium_memzero(keys, sizeof(keys));
		key_count = 0;
		*ret_problem = problem;
	}
	return problem == NULL;
}

static const char *base64url(struct arena *a, const void *bytes, size_t len)
{
	size_t cap = sodium_base64_ENCODED_LEN(len, BASE64URL);
	char *text = arena_alloc(a, cap);

	return sodium_bin2base64(text, cap, bytes, len, BASE64URL);
}

/*
 * Randomness straight from libsodium and not from op->random: a fixed
 * source of tests or replay may never make a token that works.
 */
const char *secret_token_new(struct op *op, const char *prefix,
			     int64_t tenant_id)
{
	unsigned char bytes[TOKEN_BYTES];
	const char *token;

	randombytes_buf(bytes, sizeof(bytes));
	token =
	    arena_printf(op->arena, "%s_%lld_%s", prefix, (long long)tenant_id,
			 base64url(op->arena, bytes, sizeof(bytes)));
	sodium_memzero(bytes, sizeof(bytes));
	return token;
}

static bool is_prefix(const char *text)
{
	const char *p = text;

	while ((*p >= 'a' && *p <= 'z') || *p == '_')
		p++;
	return *text >= 'a' && *p == '\0' && p[-1] != '_';
}

/* The random part may hold '_' too, so it is measured from the end. */
bool secret_token_parse(struct op *op, const char *token,
			const char **ret_prefix, int64_t *ret_tenant_id)
{
	size_t len = strlen(token);
	unsigned char bytes[TOKEN_BYTES];
	int64_t tenant_id;
	size_t bytes_len;
	char *head, *tenant;
	bool good;

	if (len <= TOKEN_TEXT || token[len - TOKEN_TEXT - 1] != '_')
		return false;
	good = sodium_base642bin(bytes, sizeof(bytes), token + len - TOKEN_TEXT,
				 TOKEN_TEXT, NULL, &bytes_len, NULL,
				 BASE64URL) == 0 &&
	       bytes_len == TOKEN_BYTES;
	sodium_memzero(bytes, sizeof(bytes));
	head = arena_strndup(op->arena, token, len - TOKEN_TEXT - 1);
	tenant = strrchr(head, '_');
	if (!good || tenant == NULL)
		return false;
	*tenant++ = '\0';
	if (!is_prefix(head) || !parse_i64(tenant, 1, INT64_MAX, &tenant_id))
		return false;
	*ret_prefix = head;
	*ret_tenant_id = tenant_id;
	return true;
}

static void keyed_hash(enum secret_use use, const void *bytes, size_t len,
		       unsigned char ret[SECRET_HASH_LEN])
{
	unsigned char key[KEY_LEN];

	derive(oldest_key(), use, kdf_hash, key);
	crypto_generichash(ret, SECRET_HASH_LEN, bytes, len, key, KEY_LEN);
	sodium_memzero(key, sizeof(key));
}

void secret_hash(enum secret_use use, const char *text,
		 unsigned char ret[SECRET_HASH_LEN])
{
	keyed_hash(use, text, strlen(text), ret);
}

const char *secret_hash_tenant(struct op *op, enum secret_use use,
			       int64_t tenant_id, const char *text)
{
	unsigned char hash[SECRET_HASH_LEN];
	struct str s;

	str_init(&s, op->arena, SIZE_MAX);
	str_put_i64(&s, tenant_id);
	str_putc(&s, '\0');
	str_puts(&s, text);
	keyed_hash(use, s.bytes, s.len, hash);
	return secret_hex(op->arena, hash, sizeof(hash));
}

void secret_digest(const void *bytes, size_t len, unsigned char ret[16])
{
	crypto_generichash(ret, 16, bytes, len, NULL, 0);
}

const char *secret_hex(struct arena *a, const unsigned char *bytes, size_t len)
{
	char *text = arena_alloc(a, 2 * len + 1);

	return sodium_bin2hex(text, 2 * len + 1, bytes, len);
}

static void sign_bytes(const struct master_key *with, enum secret_use use,
		       const void *bytes, size_t len,
		       unsigned char ret[MAC_LEN])
{
	unsigned char key[KEY_LEN];

	derive(with, use, kdf_sign, key);
	crypto_generichash(ret, MAC_LEN, bytes, len, key, KEY_LEN);
	sodium_memzero(key, sizeof(key));
}

const char *secret_sign(struct op *op, enum secret_use use, const char *payload)
{
	size_t len = KEY_ID_LEN + strlen(payload);
	const struct master_key *k = newest_key();
	char *bytes = arena_alloc(op->arena, len);
	unsigned char mac[MAC_LEN];

	assert(len <= SIGN_MAX);
	memcpy(bytes, k->id, KEY_ID_LEN);
	memcpy(bytes + KEY_ID_LEN, payload, len - KEY_ID_LEN);
	sign_bytes(k, use, bytes, len, mac);
	return arena_printf(op->arena, "%s.%s",
			    base64url(op->arena, bytes, len),
			    base64url(op->arena, mac, MAC_LEN));
}

static bool mac_fits(enum secret_use use, const unsigned char *bytes,
		     size_t len, const unsigned char mac[MAC_LEN])
{
	const struct master_key *k = find_key(bytes);
	unsigned char expected[MAC_LEN];

	if (k == NULL)
		return false;
	sign_bytes(k, use, bytes, len, expected);
	return sodium_memcmp(mac, expected, MAC_LEN) == 0;
}

bool secret_verify(struct op *op, enum secret_use use, const char *token,
		   const char **ret_payload)
{
	const char *dot = strchr(token, '.');
	unsigned char bytes[SIGN_MAX], mac[MAC_LEN];
	size_t len, mac_len;

	assert(key_count > 0);
	if (dot == NULL ||
	    sodium_base642bin(bytes, sizeof(bytes), token,
			      (size_t)(dot - token), NULL, &len, NULL,
			      BASE64URL) != 0 ||
	    sodium_base642bin(mac, sizeof(mac), dot + 1, strlen(dot + 1), NULL,
			      &mac_len, NULL, BASE64URL) != 0)
		return false;
	if (len < KEY_ID_LEN || mac_len != MAC_LEN ||
	    !mac_fits(use, bytes, len, mac))
		return false;
	*ret_payload = arena_strndup(
	    op->arena, (const char *)bytes + KEY_ID_LEN, len - KEY_ID_LEN);
	return true;
}

const char *secret_seal(struct op *op, enum secret_use use, const char *context,
			const char *plain)
{
	size_t len = strlen(plain);
	size_t sealed_len = SEAL_HEAD_LEN + len + TAG_LEN;
	const struct master_key *k = newest_key();
	unsigned char *sealed = arena_alloc(op->arena, sealed_len);
	unsigned char *nonce = sealed + KEY_ID_LEN;
	unsigned char key[KEY_LEN];

	derive(k, use, kdf_seal, key);
	memcpy(sealed, k->id, KEY_ID_LEN);
	/* Not from op->random: a nonce that repeats would give the text away.
	 */
	randombytes_buf(nonce, NONCE_LEN);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
	    sealed + SEAL_HEAD_LEN, NULL, (const unsigned char *)plain, len,
	    (const unsigned char *)context, strlen(context), NULL, nonce, key);
	sodium_memzero(key, sizeof(key));
	return secret_hex(op->arena, sealed, sealed_len);
}

/* bytes: a whole sealed secret; plain has room for what is inside. */
static bool unseal(enum secret_use use, const char *context,
		   const unsigned char *bytes, size_t len, unsigned char *plain)
{
	const struct master_key *k = find_key(bytes);
	unsigned char key[KEY_LEN];
	int failed;

	if (k == NULL)
		return false;
	derive(k, use, kdf_seal, key);
	failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
	    plain, NULL, NULL, bytes + SEAL_HEAD_LEN, len - SEAL_HEAD_LEN,
	    (const unsigned char *)context, strlen(context), bytes + KEY_ID_LEN,
	    key);
	sodium_memzero(key, sizeof(key));
	return failed == 0;
}

bool secret_open(struct op *op, enum secret_use use, const char *context,
		 const char *sealed, const char **ret_plain)
{
	size_t max = strlen(sealed) / 2, len;
	unsigned char *bytes = arena_alloc(op->arena, max + 1);
	unsigned char *plain = arena_alloc(op->arena, max + 1);

	assert(key_count > 0);
	if (sodium_hex2bin(bytes, max, sealed, strlen(sealed), NULL, &len,
			   NULL) != 0 ||
	    len < SEAL_HEAD_LEN + TAG_LEN ||
	    !unseal(use, context, bytes, len, plain)) {
		op_fail_detail(op, "context %s", context);
		return op_fail(op, FAIL_INTERNAL, "sealed_unreadable",
			       "a stored secret cannot be read");
	}
	*ret_plain = (const char *)plain;
	return true;
}

bool secret_is_newest(const char *sealed)
{
	char id[2 * KEY_ID_LEN + 1];

	sodium_bin2hex(id, sizeof(id), newest_key()->id, KEY_ID_LEN);
	return strncmp(sealed, id, 2 * KEY_ID_LEN) == 0;
}

bool secret_password_hash(struct op *op, const char *password,
			  const char **ret_hash)
{
	char *hash = arena_alloc(op->arena, crypto_pwhash_STRBYTES);

	if (crypto_pwhash_str(hash, password, strlen(password),
			      crypto_pwhash_OPSLIMIT_INTERACTIVE,
			      crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
		return op_fail(op, FAIL_UNAVAILABLE, "password_busy",
			       "passwords cannot be checked at the moment");
	*ret_hash = hash;
	return true;
}

bool secret_password_ok(const char *hash, const char *password)
{
	bool fits = crypto_pwhash_str_verify(hash != NULL ? hash : dummy_hash,
					     password, strlen(password)) == 0;

	return fits && hash != NULL;
}

bool secret_equal(const char *a, const char *b)
{
	size_t len = strlen(a);

	return strlen(b) == len && sodium_memcmp(a, b, len) == 0;
}

/* Not the one-shot call, which always reads 32 bytes of key. */
static void hmac_sha256(const void *key, size_t key_len, const void *bytes,
			size_t len,
			unsigned char ret[crypto_auth_hmacsha256_BYTES])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_len);
	crypto_auth_hmacsha256_update(&state, bytes, len);
	crypto_auth_hmacsha256_final(&state, ret);
	sodium_memzero(&state, sizeof(state));
}

void secret_hmac_hex(const void *key, size_t key_len, const void *bytes,
		     size_t len, char ret[65])
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];

	hmac_sha256(key, key_len, bytes, len, mac);
	sodium_bin2hex(ret, 65, mac, sizeof(mac));
}

const char *secret_hmac_base64(struct arena *a, const void *key, size_t key_len,
			       const void *bytes, size_t len)
{
	unsigned char mac[crypto_auth_hmacsha256_BYTES];
	size_t cap = sodium_base64_ENCODED_LEN(sizeof(mac),
					       sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(a, cap);

	hmac_sha256(key, key_len, bytes, len, mac);
	return sodium_bin2base64(text, cap, mac, sizeof(mac),
				 sodium_base64_VARIANT_ORIGINAL);
}
