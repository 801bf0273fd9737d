/* Webhook signatures; the header is the specification that we follow. */
#include "deliver/sign.h"

#include "base/secret.h"
#include "base/str.h"

#include <sodium/utils.h>

#define PREFIX	      "whsec_"
#define KEY_BYTES_MIN 16
#define KEY_BYTES_MAX 64

bool sign_standard(struct op *op, const char *secret,
		   const struct signed_body *message, const char **ret)
{
	unsigned char key[KEY_BYTES_MAX];
	size_t key_len = 0, prefix = strlen(PREFIX);
	struct str text;

	if (strncmp(secret, PREFIX, prefix) != 0 ||
	    sodium_base642bin(key, sizeof(key), secret + prefix,
			      strlen(secret + prefix), NULL, &key_len, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    key_len < KEY_BYTES_MIN)
		return op_fail(op, FAIL_INTERNAL, "bad_webhook_secret",
			       "the endpoint's secret is malformed");
	str_init(&text, op->arena, message->len + 128);
	str_printf(&text, "%s.%lld.", message->id, (long long)message->at_s);
	str_put(&text, message->body, message->len);
	*ret = arena_printf(
	    op->arena, "v1,%s",
	    secret_hmac_base64(op->arena, key, key_len, text.bytes, text.len));
	sodium_memzero(key, sizeof(key));
	return true;
}

void sign_body(const char *secret, const char *body, size_t len, char ret[65])
{
	secret_hmac_hex(secret, strlen(secret), body, len, ret);
}
