/*
 * Bodies as the libraries of Segment, PostHog and Mixpanel send them → JSON
 * text. Nothing about what the JSON means: that is connector_map.h's.
 *
 *   gzip          told by its first two bytes, since not all of them say so
 *   data=…        a form, or a query with GET: base64 of JSON, or JSON
 *   anything else JSON as it is
 *
 * base64 in a form may hold a raw '+', which is no space there.
 */
#ifndef API_VENDOR_BODY_H
#define API_VENDOR_BODY_H

#include "http/request.h"

#define VENDOR_BODY_MAX (4 << 20) /* bytes, unpacked */

/*
 * arena: the JSON text. rq->query must be parsed. Fails: FAIL_INVALID
 * naming "body" or "data"; FAIL_TOO_LARGE "body_too_large" when it unpacks
 * to more than VENDOR_BODY_MAX.
 */
MUST_CHECK bool vendor_body_read(struct op *op, const struct request *rq,
				 const char **ret, size_t *ret_len);

/*
 * Without an Authorization header, takes the key that the body holds
 * (api_key, writeKey, token, $token, properties.token of the first event)
 * for one. A body that cannot be read holds none: never fails.
 */
void vendor_body_key(struct op *op, struct request *rq);

#endif
