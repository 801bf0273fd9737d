/*
 * Signatures of outbound webhooks: two schemes, sent together.
 *
 *   webhook-signature    Standard Webhooks: "v1," and the base64 of
 *                        HMAC-SHA256 over "<id>.<unix seconds>.<body>"; the
 *                        key is what the base64 after "whsec_" decodes to.
 *   X-Retivo-Signature   hex HMAC-SHA256 of the body; the key is the whole
 *                        text of the secret as it was shown.
 */
#ifndef DELIVER_SIGN_H
#define DELIVER_SIGN_H

#include "base/op.h"

struct signed_body {
	const char *id; /* of the event; without a dot */
	int64_t at_s;	/* unix seconds of this attempt */
	const char *body;
	size_t len;
};

/*
 * arena: "v1,…". Fails: FAIL_INTERNAL "bad_webhook_secret" when secret is
 * not "whsec_" and base64 of 16 to 64 bytes.
 */
MUST_CHECK bool sign_standard(struct op *op, const char *secret,
			      const struct signed_body *message,
			      const char **ret);

/* Writes 64 hex digits and a NUL. */
void sign_body(const char *secret, const char *body, size_t len, char ret[65]);

#endif
