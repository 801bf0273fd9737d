/*
 * Memory and clean-up for one op (one HTTP request or one batch item).
 *
 * An arena hands out zeroed memory that lives until arena_reset() or
 * arena_free(); nothing is freed singly. A foreign object (PGresult,
 * json-c root, open file) is registered with arena_defer() on the line
 * that makes it; clean-ups run newest first, before the memory goes.
 *
 * No function here returns NULL: when memory is out, the process logs one
 * line and ends (the master or cron starts another). Not for objects that
 * live with the process, and not thread-safe.
 *
 * Built with --enable-asan each allocation is a malloc of its own, so that
 * the sanitizer sees every overrun.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

#include <stdarg.h>

struct arena;

typedef void (*arena_cleanup_fn)(void *object);

/* owned: free with arena_free(). */
struct arena *arena_new(void);

/* Runs the clean-ups and frees the arena. NULL is allowed. */
void arena_free(struct arena *a);

/* Runs the clean-ups and takes all memory back; one block is kept. */
void arena_reset(struct arena *a);

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *a);

/* arena: zeroed memory of size bytes, aligned for any type. 0 is allowed. */
void *arena_alloc(struct arena *a, size_t size);

/* arena: zeroed array of count elements; ends the process on overflow. */
void *arena_calloc(struct arena *a, size_t count, size_t size);

#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, len)                                              \
	((type *)arena_calloc((a), (len), sizeof(type)))

/* arena: copies; arena_strndup copies len bytes and adds a NUL. */
char *arena_strdup(struct arena *a, const char *text);
char *arena_strndup(struct arena *a, const char *bytes, size_t len);
/* arena: a copy with ASCII letters in lower case, as addresses are kept. */
const char *arena_lower(struct arena *a, const char *text);
void *arena_memdup(struct arena *a, const void *bytes, size_t len);

/* arena: formatted text. */
char *arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *a, const char *format, va_list args)
    PRINTF_LIKE(2, 0);

/* Calls cleanup(object) at the next reset or free, newest first. */
void arena_defer(struct arena *a, arena_cleanup_fn cleanup, void *object);

#endif
