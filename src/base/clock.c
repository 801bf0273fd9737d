/*
 * The one place that asks the system for the time, and time → text. The
 * other direction is parse_time(). Calendar arithmetic is our own: the C
 * library's depends on TZ, the locale and hidden state.
 */
#include "base/clock.h"

#include <assert.h>
#include <time.h>

struct civil {
	int year;
	int month;   /* 1 to 12 */
	int day;     /* 1 to 31 */
	int weekday; /* 0 = Sunday */
	int hour, minute, second;
	int micros;
};

static int64_t fixed_us;

static int64_t read_clock(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		abort();
	return (int64_t)t.tv_sec * US_PER_SECOND + t.tv_nsec / 1000;
}

int64_t clock_now(void)
{
	return fixed_us != 0 ? fixed_us : read_clock(CLOCK_REALTIME);
}

void clock_fix(int64_t now_us)
{
	fixed_us = now_us;
}

int64_t clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/*
 * Days since 1970 → date, by Howard Hinnant's "chrono-compatible low-level
 * date algorithms": years begin in March, eras have 400 of them.
 */
static void split_days(int64_t days, struct civil *ret)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 +
			       day_of_era / 36524 - day_of_era / 146096) /
			      365;
	int64_t day_of_year =
	    day_of_era -
	    (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t march_month = (5 * day_of_year + 2) / 153;

	ret->day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
	ret->month =
	    (int)(march_month < 10 ? march_month + 3 : march_month - 9);
	ret->year = (int)(year_of_era + era * 400 + (ret->month <= 2));
	ret->weekday = (int)(((days + 4) % 7 + 7) % 7);
}

static void split_time(int64_t time_us, struct civil *ret)
{
	int64_t days = time_us / US_PER_DAY;
	int64_t rest = time_us % US_PER_DAY;

	if (rest < 0) {
		rest += US_PER_DAY;
		days--;
	}
	split_days(days, ret);
	ret->hour = (int)(rest / US_PER_HOUR);
	ret->minute = (int)(rest / US_PER_MINUTE % 60);
	ret->second = (int)(rest / US_PER_SECOND % 60);
	ret->micros = (int)(rest % US_PER_SECOND);
}

char *clock_write(struct arena *a, int64_t time_us)
{
	struct civil c;

	split_time(time_us, &c);
	return arena_printf(a, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", c.year,
			    c.month, c.day, c.hour, c.minute, c.second,
			    c.micros / 1000);
}

char *clock_write_mail(struct arena *a, int64_t time_us)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed",
					 "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr",
					    "May", "Jun", "Jul", "Aug",
					    "Sep", "Oct", "Nov", "Dec" };
	struct civil c;

	split_time(time_us, &c);
	return arena_printf(a, "%s, %02d %s %04d %02d:%02d:%02d +0000",
			    days[c.weekday], c.day, months[c.month - 1], c.year,
			    c.hour, c.minute, c.second);
}

char *clock_write_day(struct arena *a, int64_t time_us)
{
	struct civil c;

	split_time(time_us, &c);
	return arena_printf(a, "%04d-%02d-%02d", c.year, c.month, c.day);
}
