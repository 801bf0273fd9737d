/*
 * Attributes and small macros that every file may use, and the list of
 * C functions that this tree does not call.
 *
 * Not for types or functions of our own: those have a header each.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The caller must look at the result. */
#define MUST_CHECK	  __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NORETURN	  __attribute__((noreturn))
#define UNUSED		  __attribute__((unused))

/* True when both strings are equal; neither may be NULL. */
static inline bool streq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/*
 * Calls that truncate, overflow, depend on the locale or on hidden state
 * do not compile. Use arena_*, str_*, parse_* and clock_* instead. The
 * system headers that declare them are included above, because a poisoned
 * name may not even be declared afterwards.
 */
#ifndef BASE_ALLOW_BANNED
#undef sprintf /* a macro with clang and _FORTIFY_SOURCE */
#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok atoi atol atoll
#pragma GCC poison atof localtime gmtime ctime asctime strncat
#endif

#endif
