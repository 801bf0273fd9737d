/*
 * Time: int64_t microseconds since 1970-01-01 UTC everywhere.
 *
 * clock_now() is the real clock, or the fixed one of RETIVO_CLOCK when
 * RETIVO_TESTING=1. Product logic takes the time from the op, never from
 * here and never from now() in SQL.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/arena.h"
#include "base/base.h"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR   (60 * US_PER_MINUTE)
#define US_PER_DAY    (24 * US_PER_HOUR)

int64_t clock_now(void);

/* Fixes clock_now() for tests; 0 gives the real clock back. */
void clock_fix(int64_t now_us);

/* Monotonic microseconds, for durations only. */
int64_t clock_monotonic(void);

/* arena: RFC 3339 in UTC with milliseconds, "2026-11-23T22:39:00.000Z". */
char *clock_write(struct arena *a, int64_t time_us);

/* arena: RFC 5322 date for mail, "Mon, 23 Nov 2026 22:39:00 +0000". */
char *clock_write_mail(struct arena *a, int64_t time_us);

/* arena: "2026-11-23" (UTC). */
char *clock_write_day(struct arena *a, int64_t time_us);

#endif
