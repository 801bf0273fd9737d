/*
 * Chunks of memory in a list, the newest first; allocation moves a mark in
 * the newest chunk. What would waste a chunk gets one of its own behind it.
 * The oldest chunk survives a reset, so that a worker at rest serves most
 * requests without a malloc.
 */
#include "base/arena.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#define CHUNK_FIRST ((size_t)16 * 1024)
#define CHUNK_MAX   ((size_t)1024 * 1024)
#define ALIGNMENT   _Alignof(max_align_t)

struct chunk {
	struct chunk *next; /* older */
	size_t size;
	size_t used;
	_Alignas(max_align_t) char bytes[];
};

struct cleanup {
	struct cleanup *next; /* older */
	arena_cleanup_fn run;
	void *object;
};

struct arena {
	struct chunk *chunks;
	struct cleanup *cleanups;
	size_t used;
	size_t next_size;
};

static NORETURN void out_of_memory(size_t size)
{
	log_write(LOG_ERROR, "out_of_memory", "bytes=%zu", size);
	_exit(EXIT_FAILURE);
}

struct arena *arena_new(void)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		out_of_memory(sizeof(*a));
	a->next_size = CHUNK_FIRST;
	return a;
}

static struct chunk *chunk_new(size_t size)
{
	struct chunk *c;

	if (size > SIZE_MAX - sizeof(*c))
		out_of_memory(size);
	c = calloc(1, sizeof(*c) + size);
	if (c == NULL)
		out_of_memory(size);
	c->size = size;
	return c;
}

/* A chunk for one object that leaves the newest chunk in use. */
static void *alloc_alone(struct arena *a, size_t size)
{
	struct chunk *c = chunk_new(size);

	c->used = size;
	if (a->chunks == NULL) {
		a->chunks = c;
	} else {
		c->next = a->chunks->next;
		a->chunks->next = c;
	}
	return c->bytes;
}

#ifdef ARENA_EMULATE

void *arena_alloc(struct arena *a, size_t size)
{
	a->used += size;
	return alloc_alone(a, size);
}

#else

static void add_chunk(struct arena *a)
{
	struct chunk *c = chunk_new(a->next_size);

	if (a->next_size < CHUNK_MAX)
		a->next_size *= 2;
	c->next = a->chunks;
	a->chunks = c;
}

void *arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c;
	char *p;

	if (size > SIZE_MAX / 2)
		out_of_memory(size);
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (size == 0)
		size = ALIGNMENT;
	a->used += size;
	if (a->chunks == NULL)
		add_chunk(a);
	if (size > a->chunks->size - a->chunks->used) {
		if (size > a->next_size / 4)
			return alloc_alone(a, size);
		add_chunk(a);
	}
	c = a->chunks;
	p = c->bytes + c->used;
	c->used += size;
	return p;
}

#endif

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total))
		out_of_memory(SIZE_MAX);
	return arena_alloc(a, total);
}

char *arena_strndup(struct arena *a, const char *bytes, size_t len)
{
	char *copy = arena_alloc(a, len + 1);

	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

char *arena_strdup(struct arena *a, const char *text)
{
	assert(text != NULL);
	return arena_strndup(a, text, strlen(text));
}

const char *arena_lower(struct arena *a, const char *text)
{
	char *copy = arena_strdup(a, text);

	for (char *p = copy; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	return copy;
}

void *arena_memdup(struct arena *a, const void *bytes, size_t len)
{
	void *copy = arena_alloc(a, len);

	if (len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

char *arena_vprintf(struct arena *a, const char *format, va_list args)
{
	va_list again;
	int len;
	char *text;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	assert(len >= 0);
	text = arena_alloc(a, (size_t)len + 1);
	vsnprintf(text, (size_t)len + 1, format, args);
	return text;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = arena_vprintf(a, format, args);
	va_end(args);
	return text;
}

void arena_defer(struct arena *a, arena_cleanup_fn cleanup, void *object)
{
	struct cleanup *c = ARENA_NEW(a, struct cleanup);

	c->run = cleanup;
	c->object = object;
	c->next = a->cleanups;
	a->cleanups = c;
}

static void run_cleanups(struct arena *a)
{
	while (a->cleanups != NULL) {
		struct cleanup *c = a->cleanups;

		a->cleanups = c->next;
		c->run(c->object);
	}
}

/* Frees all chunks but returns one of the first size, zeroed, or NULL. */
static struct chunk *free_chunks(struct arena *a)
{
	struct chunk *kept = NULL, *next;

	for (struct chunk *c = a->chunks; c != NULL; c = next) {
		next = c->next;
#ifndef ARENA_EMULATE
		if (kept == NULL && c->size == CHUNK_FIRST) {
			kept = c;
			continue;
		}
#endif
		free(c);
	}
	if (kept != NULL) {
		memset(kept->bytes, 0, kept->used);
		kept->used = 0;
		kept->next = NULL;
	}
	return kept;
}

void arena_reset(struct arena *a)
{
	run_cleanups(a);
	a->chunks = free_chunks(a);
	a->used = 0;
	a->next_size = a->chunks ? 2 * CHUNK_FIRST : CHUNK_FIRST;
}

void arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	run_cleanups(a);
	free(free_chunks(a));
	free(a);
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
