/*
 * A day at a time: how likely the customer comes, and what they do when
 * they come, follow from the kind of life. The numbers are chosen so that
 * every lifecycle stage, risk level and playbook area has its people.
 */
#include "admin/demo.h"

#include "base/clock.h"

#include <math.h>

const char demo_config[] =
    "{\"milestones\":["
    "{\"name\":\"created_project\",\"event\":\"project_created\"},"
    "{\"name\":\"connected_data\",\"event\":\"integration_connected\"},"
    "{\"name\":\"invited_team\",\"event\":\"invite_sent\"},"
    "{\"name\":\"shared_dashboards\",\"event\":\"dashboard_shared\","
    "\"count\":3,\"onboarding\":false,\"retention\":true}],"
    "\"segments\":["
    "{\"name\":\"power-users\",\"conditions\":"
    "{\"engagement_score\":{\"gte\":0.7}}},"
    "{\"name\":\"larger-teams\",\"conditions\":{\"team_size\":{\"gte\":20}}},"
    "{\"name\":\"trial\",\"conditions\":{\"plan\":\"trial\"}}],"
    "\"lifecycle\":{\"churn_events\":[\"subscription_cancelled\"]},"
    "\"expansion\":{\"limits\":[{\"property\":\"seats_used\","
    "\"limit_property\":\"seats\"}],"
    "\"gate_events\":[\"feature_gate_hit\"]},"
    "\"channels\":[\"email\",\"in_app\"],"
    "\"quiet_hours\":null}";

const char demo_brand[] =
    "{\"product_description\":\"Acme Analytics: dashboards that a whole team"
    " reads\",\"tone_guidelines\":\"Warm, short, concrete; never pushy\","
    "\"things_to_mention\":[\"a reply reaches a person\"],"
    "\"things_to_avoid\":[\"churn\",\"last chance\"]}";

/* splitmix64: small, seedable, the same everywhere. */
struct dice {
	uint64_t state;
};

static uint64_t roll(struct dice *d)
{
	uint64_t z = (d->state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

/* Dice of customer n: what is 0 for the life, else a day of it. */
static struct dice dice_of(uint64_t seed, int64_t n, int64_t what)
{
	return (struct dice){ seed * UINT64_C(0x2545F4914F6CDD1D) +
			      (uint64_t)n +
			      (uint64_t)what * UINT64_C(0xD1342543DE82EF95) };
}

static double unit(struct dice *d)
{
	return (double)(roll(d) >> 11) / 9007199254740992.0;
}

/* Whole number in [low, high]. */
static int64_t between(struct dice *d, int64_t low, int64_t high)
{
	return low + (int64_t)(roll(d) % (uint64_t)(high - low + 1));
}

static const char *const given[] = {
	"Ada",	  "Bruno", "Chiara", "Dmitri", "Elif",	   "Femi",  "Greta",
	"Hiro",	  "Ines",  "Jonas",  "Kavya",  "Liam",	   "Marta", "Noor",
	"Olga",	  "Pavel", "Quinn",  "Rosa",   "Sven",	   "Tariq", "Uma",
	"Viktor", "Wanda", "Ximena", "Yusuf",  "Zo\u00eb", "Aiko",  "Bela",
};
static const char *const family[] = {
	"Abel",	  "Bergmann", "Costa",	 "Dubois",  "Eriksen",	"Farah",
	"Gupta",  "Hansen",   "Ivanova", "Jensen",  "Kowalski", "Lindqvist",
	"Moreau", "Novak",    "Okafor",	 "Pereira", "Quist",	"Rossi",
	"Sato",	  "Tanaka",   "Ueda",	 "Vargas",  "Weber",	"Yilmaz",
};
static const char *const companies[] = {
	"Northwind",   "Blue Harbor", "Kestrel Labs", "Oak & Iron", "Lumen",
	"Paper Kite",  "Tidewater",   "Granite",      "Silverline", "Meadow",
	"Copperfield", "Ninth Wave",  "Fjord Works",  "Halcyon",    "Juniper",
};
static const char *const roles[] = { "owner", "analyst", "manager", "engineer",
				     "marketer" };
static const struct {
	const char *locale, *timezone;
} places[] = {
	{ "en-US", "America/New_York" },  { "en-US", "America/Los_Angeles" },
	{ "en-GB", "Europe/London" },	  { "de-DE", "Europe/Berlin" },
	{ "fr-FR", "Europe/Paris" },	  { "es-ES", "Europe/Madrid" },
	{ "pt-BR", "America/Sao_Paulo" }, { "ja-JP", "Asia/Tokyo" },
	{ "en-IN", "Asia/Kolkata" },	  { "en-AU", "Australia/Sydney" },
};

#define PICK(d, list) (list)[(size_t)between((d), 0, ARRAY_LEN(list) - 1)]

/* 40 % steady, 20 % drifting, 15 % gone, 15 % growing, 10 % new. */
static enum demo_life life_of(struct dice *d)
{
	int64_t n = between(d, 0, 99);

	return n < 40	? DEMO_STEADY
	       : n < 60 ? DEMO_DRIFTING
	       : n < 75 ? DEMO_GONE
	       : n < 90 ? DEMO_GROWING
			: DEMO_NEW;
}

/* When the customer came, and the day behind which their life turned. */
struct course {
	int64_t joined;	   /* days ago */
	int64_t turned;	   /* days ago */
	int64_t last;	   /* no visit in the last so many days */
	double eagerness;  /* chance of a visit on a good weekday */
	bool half_hearted; /* never finished setting up */
	bool cancelled;
};

static struct course course_of(struct dice *d, enum demo_life life)
{
	struct course c = { .joined = between(d, 13, DEMO_DAYS - 1),
			    .eagerness = 0.55 + 0.4 * unit(d) };

	c.half_hearted = unit(d) < 0.25;
	if (life == DEMO_DRIFTING) {
		c.joined = between(d, 40, DEMO_DAYS - 1);
		c.turned = between(d, 15, c.joined - 14);
		c.last = between(d, 1, 20);
	}
	if (life == DEMO_GONE) {
		c.joined = between(d, 70, DEMO_DAYS - 1);
		c.last = between(d, 30, 65);
		c.cancelled = unit(d) < 0.3;
	}
	if (life == DEMO_NEW) {
		c.joined = between(d, 0, 12);
		c.half_hearted = unit(d) < 0.5;
		c.last = c.half_hearted ? c.joined / 2 : 0;
	}
	return c;
}

/* Chance of a visit so many days ago. */
static double visit_chance(enum demo_life life, const struct course *c,
			   int64_t day, bool weekend)
{
	double chance = weekend ? 0.15 * c->eagerness : c->eagerness;

	if (day > c->joined || day < c->last)
		return 0;
	if (day == c->joined)
		return 1;
	switch (life) {
	case DEMO_DRIFTING:
		return day > c->turned ? chance
				       : chance * 0.5 * (double)(day + 1) /
					     (double)(c->turned + 1);
	case DEMO_GROWING:
		return fmin(1, chance * (0.5 + 0.6 * (double)(c->joined - day) /
						   (double)(c->joined + 1)));
	case DEMO_GONE:
	case DEMO_STEADY:
	case DEMO_NEW:
		break;
	}
	return chance;
}

struct events {
	struct demo_event *list;
	size_t count;
	int64_t now_us;
};

static void add(struct events *e, const char *name, int64_t ts_us,
		const char *properties)
{
	if (e->count < DEMO_EVENTS_MAX && ts_us < e->now_us)
		e->list[e->count++] =
		    (struct demo_event){ name, ts_us, properties };
}

static void events_take(struct arena *a, const struct events *e,
			struct demo_event **ret, size_t *ret_count)
{
	*ret = ARENA_ARRAY(a, struct demo_event, e->count);
	for (size_t i = 0; i < e->count; i++)
		(*ret)[i] = e->list[i];
	*ret_count = e->count;
}

/* One day's visit: a login and some work, minutes apart. */
static void add_visit(struct dice *d, struct events *e, enum demo_life life,
		      const struct course *c, int64_t start_us, int64_t age)
{
	static const char *const work[] = {
		"report_viewed", "report_viewed",    "report_viewed",
		"export",	 "dashboard_shared", "filter_saved",
	};
	int64_t steps = between(d, 1, life == DEMO_GROWING ? 8 : 5);
	int64_t ts = start_us;

	add(e, "login", ts, NULL);
	if (age == 0)
		add(e, "project_created",
		    ts += between(d, 1, 30) * US_PER_MINUTE,
		    "{\"template\":\"blank\"}");
	if (age >= 1 && age <= 4 && !c->half_hearted) {
		if (unit(d) < 0.5)
			add(e, "integration_connected",
			    ts += between(d, 1, 30) * US_PER_MINUTE,
			    "{\"source\":\"postgresql\"}");
		if (unit(d) < 0.4)
			add(e, "invite_sent",
			    ts += between(d, 1, 30) * US_PER_MINUTE,
			    "{\"role\":\"member\"}");
	}
	for (int64_t i = 0; i < steps; i++)
		add(e, PICK(d, work), ts += between(d, 1, 25) * US_PER_MINUTE,
		    NULL);
	if (life == DEMO_GROWING && unit(d) < 0.3)
		add(e, "feature_gate_hit", ts += US_PER_MINUTE,
		    "{\"feature\":\"scheduled_reports\"}");
}

static void make_events(struct dice *d, struct events *e, enum demo_life life,
			const struct course *c)
{
	int64_t today = e->now_us - e->now_us % US_PER_DAY;

	for (int64_t day = c->joined; day >= 0; day--) {
		int64_t midnight = today - day * US_PER_DAY;
		/* 1970-01-01 was a Thursday. */
		int64_t weekday = (midnight / US_PER_DAY + 4) % 7;
		bool weekend = weekday == 0 || weekday == 6;
		double draw = unit(d);
		int64_t minute = between(d, 7 * 60, 17 * 60);

		if (draw < visit_chance(life, c, day, weekend))
			add_visit(d, e, life, c,
				  midnight + minute * US_PER_MINUTE,
				  c->joined - day);
	}
	if (c->cancelled && e->count > 0)
		add(e, "subscription_cancelled",
		    e->list[e->count - 1].ts_us + US_PER_HOUR,
		    "{\"reason\":\"too_expensive\"}");
}

static void make_person(struct arena *a, struct dice *d, int64_t n,
			struct demo_customer *c)
{
	const char *first = PICK(d, given), *last = PICK(d, family);
	size_t place = (size_t)between(d, 0, ARRAY_LEN(places) - 1);
	int64_t seats;

	c->user_id = arena_printf(a, "demo-%04lld", (long long)n + 1);
	c->name = arena_printf(a, "%s %s", first, last);
	c->email =
	    arena_printf(a, "customer%lld@example.com", (long long)n + 1);
	c->company = PICK(d, companies);
	c->role = PICK(d, roles);
	c->locale = places[place].locale;
	c->timezone = places[place].timezone;
	c->team_size = between(d, 1, 60);
	c->plan = c->life == DEMO_NEW ? "trial"
		  : c->team_size > 25 ? "business"
				      : "team";
	seats = c->team_size + between(d, 0, c->life == DEMO_GROWING ? 2 : 30);
	c->properties = arena_printf(
	    a, "{\"seats\":%lld,\"seats_used\":%lld,\"industry\":\"%s\"}",
	    (long long)seats, (long long)c->team_size,
	    n % 3 == 0	 ? "retail"
	    : n % 3 == 1 ? "software"
			 : "media");
}

void demo_make(struct arena *a, uint64_t seed, int64_t n, int64_t now_us,
	       struct demo_customer *ret, struct demo_event **ret_events,
	       size_t *ret_count)
{
	struct dice d = dice_of(seed, n, 0);
	struct demo_event list[DEMO_EVENTS_MAX];
	struct events e = { .list = list, .now_us = now_us };

	*ret = (struct demo_customer){ .life = life_of(&d) };
	struct course c = course_of(&d, ret->life);
	make_person(a, &d, n, ret);
	make_events(&d, &e, ret->life, &c);
	ret->created_us =
	    e.count > 0 ? e.list[0].ts_us : now_us - US_PER_MINUTE;
	events_take(a, &e, ret_events, ret_count);
}

/* They come back the same day, do what they left undone, and stay a while. */
void demo_answer(struct arena *a, uint64_t seed, int64_t n, int64_t written_us,
		 int64_t now_us, struct demo_event **ret_events,
		 size_t *ret_count)
{
	int64_t ago = (now_us - written_us) / US_PER_DAY;
	struct dice d = dice_of(seed, n, ago + 1);
	struct demo_event list[DEMO_EVENTS_MAX];
	struct events e = { .list = list, .now_us = now_us };
	const struct course c = { .half_hearted = false };
	bool answers = unit(&d) < DEMO_ANSWERS;
	int64_t days = between(&d, 7, 35);

	for (int64_t day = 0; answers && day < days; day++) {
		int64_t start_us = written_us + day * US_PER_DAY +
				   between(&d, 60, 600) * US_PER_MINUTE;

		if (day == 0 || unit(&d) < 0.6)
			add_visit(&d, &e, DEMO_STEADY, &c, start_us, day + 1);
	}
	events_take(a, &e, ret_events, ret_count);
}

double demo_chance(uint64_t seed, int64_t n, int64_t ago)
{
	struct dice d = dice_of(seed, n, -ago - 1);

	return unit(&d);
}
