/*
 * Ids of rows: 48 bits of milliseconds, then 74 random bits around the
 * version and variant fields. Made here and not by the database, so that
 * tests and replay get the same ids again.
 */
#include "base/uuid.h"

#include "base/clock.h"
#include "base/parse.h"

void uuid_write(const unsigned char uuid[16], char ret[37])
{
	static const char digits[] = "0123456789abcdef";
	char *p = ret;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = digits[uuid[i] >> 4];
		*p++ = digits[uuid[i] & 15];
	}
	*p = '\0';
}

const char *uuid_new(struct op *op)
{
	uint64_t ms = (uint64_t)(op->now_us / 1000);
	char *text = arena_alloc(op->arena, UUID_TEXT_LEN + 1);
	unsigned char b[16];

	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(ms >> (40 - 8 * i));
	op->random(b + 6, 10);
	b[6] = (unsigned char)(0x70 | (b[6] & 0x0f));
	b[8] = (unsigned char)(0x80 | (b[8] & 0x3f));
	uuid_write(b, text);
	return text;
}
