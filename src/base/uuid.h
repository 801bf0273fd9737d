/*
 * UUIDv7 (RFC 9562 §5.7) from the op's clock and random source: ids of one
 * process sort in the order they were made, also within a millisecond.
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/op.h"

/* arena: 36 characters of canonical lower-case text. */
const char *uuid_new(struct op *op);

/* arena: the least id of that time: ids made before it are less. */
const char *uuid_first(struct op *op, int64_t at_us);

/* Writes 36 characters and a NUL. */
void uuid_write(const unsigned char uuid[16], char ret[37]);

#endif
