/*
 * A growable byte buffer with a maximum, always NUL-terminated.
 *
 * Writes latch: once a write would pass the maximum, the buffer is marked
 * as overflowed and every later write does nothing; check once at the end
 * with str_ok(). Memory comes from the arena when one is given (then
 * nothing is to be freed), else from the heap (str_done()).
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include "base/arena.h"
#include "base/base.h"

struct str {
	char *bytes; /* NUL-terminated; "" when empty */
	size_t len;
	size_t cap;
	size_t max;
	bool overflow;
	struct arena *arena;
};

/* arena NULL: heap, for buffers that live with the process. */
void str_init(struct str *s, struct arena *arena, size_t max);
void str_done(struct str *s);
/* Empties the buffer and clears the overflow mark; memory is kept. */
void str_reset(struct str *s);

void str_put(struct str *s, const char *bytes, size_t len);
void str_puts(struct str *s, const char *text);
void str_putc(struct str *s, char c);
void str_printf(struct str *s, const char *format, ...) PRINTF_LIKE(2, 3);
void str_put_i64(struct str *s, int64_t value);

/* False when some write did not fit. */
bool str_ok(const struct str *s);

#endif
