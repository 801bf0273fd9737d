/*
 * Ids of rows: 48 bits of milliseconds, 26 bits that count within one of
 * them, and 48 random bits, around the version and variant fields. Made
 * here and not by the database, so that tests and replay know the source.
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

/*
 * RFC 9562 §6.2, method 1: within a millisecond ids count up from a random
 * start in the lower half, so that the rows of one transaction, and a batch
 * whose clock stands still, sort in the order they were made.
 */
static uint32_t count_within(uint64_t ms, const unsigned char random[4])
{
	static uint64_t last_ms;
	static uint32_t count;

	if (ms == last_ms)
		return ++count;
	last_ms = ms;
	count = ((uint32_t)random[0] << 24 | (uint32_t)random[1] << 16 |
		 (uint32_t)random[2] << 8 | random[3]) >>
		7;
	return count;
}

static void put_time(unsigned char b[16], uint64_t ms)
{
	for (int i = 0; i < 6; i++)
		b[i] = (unsigned char)(ms >> (40 - 8 * i));
}

const char *uuid_new(struct op *op)
{
	uint64_t ms = (uint64_t)(op->now_us / 1000);
	char *text = arena_alloc(op->arena, UUID_TEXT_LEN + 1);
	unsigned char b[16];
	uint32_t count;

	put_time(b, ms);
	op->random(b + 6, 10);
	count = count_within(ms, b + 6);
	b[6] = (unsigned char)(0x70 | (count >> 22 & 0x0f));
	b[7] = (unsigned char)(count >> 14);
	b[8] = (unsigned char)(0x80 | (count >> 8 & 0x3f));
	b[9] = (unsigned char)count;
	uuid_write(b, text);
	return text;
}

const char *uuid_first(struct op *op, int64_t at_us)
{
	char *text = arena_alloc(op->arena, UUID_TEXT_LEN + 1);
	unsigned char b[16] = { [6] = 0x70, [8] = 0x80 };

	put_time(b, (uint64_t)(at_us / 1000));
	uuid_write(b, text);
	return text;
}
