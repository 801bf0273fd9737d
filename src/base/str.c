/*
 * Bounded buffers: JSON answers, mails, log lines, problem lists. Growth
 * doubles; in an arena the smaller blocks stay behind until its reset.
 */
#include "base/str.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#define CAP_FIRST ((size_t)256)

/* What an empty buffer points to; never written, as its cap is 0. */
static char empty[1];

void str_init(struct str *s, struct arena *arena, size_t max)
{
	*s = (struct str){ .bytes = empty, .max = max, .arena = arena };
}

void str_done(struct str *s)
{
	if (s->arena == NULL && s->cap > 0)
		free(s->bytes);
	str_init(s, s->arena, s->max);
}

void str_reset(struct str *s)
{
	s->len = 0;
	s->overflow = false;
	if (s->cap > 0)
		s->bytes[0] = '\0';
}

static void set_cap(struct str *s, size_t cap)
{
	char *bytes;

	if (s->arena != NULL) {
		bytes = arena_alloc(s->arena, cap);
		memcpy(bytes, s->bytes, s->len);
	} else {
		bytes = realloc(s->cap > 0 ? s->bytes : NULL, cap);
		if (bytes == NULL) {
			log_write(LOG_ERROR, "out_of_memory", "bytes=%zu", cap);
			_exit(EXIT_FAILURE);
		}
	}
	bytes[s->len] = '\0';
	s->bytes = bytes;
	s->cap = cap;
}

/* Makes room for len bytes and a NUL; false latches the overflow. */
static bool reserve(struct str *s, size_t len)
{
	size_t cap;

	if (s->overflow)
		return false;
	if (len > s->max - s->len) {
		s->overflow = true;
		return false;
	}
	if (s->cap - s->len > len)
		return true;
	cap = s->cap > 0 ? s->cap : CAP_FIRST;
	while (cap - s->len <= len)
		cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
	if (cap > s->max && s->max < SIZE_MAX)
		cap = s->max + 1;
	set_cap(s, cap);
	return true;
}

void str_put(struct str *s, const char *bytes, size_t len)
{
	if (!reserve(s, len) || len == 0)
		return;
	memcpy(s->bytes + s->len, bytes, len);
	s->len += len;
	s->bytes[s->len] = '\0';
}

void str_puts(struct str *s, const char *text)
{
	str_put(s, text, strlen(text));
}

void str_putc(struct str *s, char c)
{
	str_put(s, &c, 1);
}

static void str_vprintf(struct str *s, const char *format, va_list args)
    PRINTF_LIKE(2, 0);

static void str_vprintf(struct str *s, const char *format, va_list args)
{
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	assert(len >= 0);
	if (!reserve(s, (size_t)len) || len == 0)
		return;
	vsnprintf(s->bytes + s->len, (size_t)len + 1, format, args);
	s->len += (size_t)len;
}

void str_printf(struct str *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	str_vprintf(s, format, args);
	va_end(args);
}

void str_put_i64(struct str *s, int64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do
		digits[--at] = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (value < 0)
		digits[--at] = '-';
	str_put(s, digits + at, sizeof(digits) - at);
}

bool str_ok(const struct str *s)
{
	return !s->overflow;
}
