/*
 * Keys and tokens, by libsodium. One root secret (RETIVO_MASTER_KEY_FILE)
 * is loaded before fork; subkeys are derived by crypto_kdf and never leave
 * this module but through its functions.
 *
 * The file has a key a line, 64 hex digits, newest first, at most 8: to
 * rotate, put a new line before the others. Seals and signatures are made
 * with the first key, name it, and are read with any. Hashes are made with
 * the last: dropping that line ends every API key, session and erase mark.
 *
 * Everything but digests, hex, passwords and HMAC with a given key needs a
 * master key (assert). Randomness is libsodium's, never op->random.
 *
 * Token text: <prefix>_<tenant>_<43 characters base64url of 32 random
 * bytes>, e.g. rt_live_7_… (API key), rs_7_… (session). Only the keyed
 * hash (BLAKE2b-256 of the whole text) is stored.
 */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include "base/op.h"

#define SECRET_HASH_LEN 32

/* What a subkey is for; the number is the crypto_kdf subkey id. */
enum secret_use {
	SECRET_TOKEN = 1,   /* pepper of key and session hashes */
	SECRET_WEBHOOK = 2, /* webhook secrets at rest */
	SECRET_UNSUBSCRIBE = 3,
	SECRET_ERASE = 4, /* keyed hash of erased user ids */
	SECRET_CSRF = 5
};

/*
 * Starts libsodium and reads the master keys (file mode without group and
 * other rights). path NULL only for programs that use no key. False with a
 * line in *ret_problem (static), and then no key is loaded.
 */
MUST_CHECK bool secret_init(const char *path, const char **ret_problem);

/* arena: a new token text for tenant_id under prefix ("rt_live"). */
const char *secret_token_new(struct op *op, const char *prefix,
			     int64_t tenant_id);

/*
 * Splits a token; true when its form is right (says nothing of validity).
 * ret_prefix is arena.
 */
MUST_CHECK bool secret_token_parse(struct op *op, const char *token,
				   const char **ret_prefix,
				   int64_t *ret_tenant_id);

/* Keyed BLAKE2b-256 of text under the subkey of use. */
void secret_hash(enum secret_use use, const char *text,
		 unsigned char ret[SECRET_HASH_LEN]);

/* arena: the same, of tenant, '\0' and text; lower-case hex. */
const char *secret_hash_tenant(struct op *op, enum secret_use use,
			       int64_t tenant_id, const char *text);

/*
 * Unkeyed BLAKE2b-128: the content hash of idempotency keys and approvals.
 * Not a secret.
 */
void secret_digest(const void *bytes, size_t len, unsigned char ret[16]);

/* arena: hex of bytes. */
const char *secret_hex(struct arena *a, const unsigned char *bytes, size_t len);

/*
 * arena: base64url(key id, payload) "." base64url(MAC): a signed token that
 * needs no row (unsubscribe links). payload is a text of up to 2000 bytes,
 * readable by who has the token.
 */
const char *secret_sign(struct op *op, enum secret_use use,
			const char *payload);
/* arena payload; false when the MAC or the form is wrong. */
MUST_CHECK bool secret_verify(struct op *op, enum secret_use use,
			      const char *token, const char **ret_payload);

/*
 * Sealed secrets at rest: key id ‖ nonce ‖ XChaCha20-Poly1305, bound to
 * context ("webhook_endpoints/secret/<tenant>/<id>"). arena: hex text.
 */
const char *secret_seal(struct op *op, enum secret_use use, const char *context,
			const char *plain);
/* arena plain text. Fails: FAIL_INTERNAL "sealed_unreadable". */
MUST_CHECK bool secret_open(struct op *op, enum secret_use use,
			    const char *context, const char *sealed,
			    const char **ret_plain);

/* True when the newest key made the seal (says nothing of validity). */
bool secret_is_newest(const char *sealed);

/*
 * argon2id (INTERACTIVE, 64 MiB). arena text. Fails: FAIL_UNAVAILABLE
 * "password_busy" when memory is short.
 */
MUST_CHECK bool secret_password_hash(struct op *op, const char *password,
				     const char **ret_hash);
/*
 * True when the password fits. hash NULL verifies against a fixed dummy and
 * returns false, so that unknown people take the same time.
 */
bool secret_password_ok(const char *hash, const char *password);

/* Constant-time equality of two texts. */
bool secret_equal(const char *a, const char *b);

/* Writes the hex HMAC-SHA256 (64 characters and NUL). */
void secret_hmac_hex(const void *key, size_t key_len, const void *bytes,
		     size_t len, char ret[65]);
/* arena: standard base64 of HMAC-SHA256. */
const char *secret_hmac_base64(struct arena *a, const void *key, size_t key_len,
			       const void *bytes, size_t len);

#endif
