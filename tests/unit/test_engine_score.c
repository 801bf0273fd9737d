/*
 * The formulas of engine/score.h: a table of lives with their stage, and
 * each score by hand.
 */
#include "suites.h"

#include "base/clock.h"
#include "engine/score.h"

#include <math.h>

#define NOON	  (20000 * US_PER_DAY + 12 * US_PER_HOUR)
#define AGO(days) (NOON - (int64_t)((days) * (double)US_PER_DAY))
#define DAY(n)	  (UINT64_C(1) << (n))
#define NEVER	  -1
#define CLOSE(a, b)                                                            \
	ck_assert_msg(fabs((a) - (b)) < 0.00006, "%f, not %f", (double)(a),    \
		      (double)(b))

static struct arena *arena;
static struct op op;

static void setup(void)
{
	arena = arena_new();
	op_init(&op, arena, NULL, NULL);
}

static void teardown(void)
{
	arena_free(arena);
}

static struct tenant_config config_of(const char *text)
{
	struct tenant_config config;
	struct json_object *doc = NULL;

	ck_assert(json_parse(&op, text, strlen(text), &doc));
	ck_assert_msg(tenant_config_parse(&op, "config", doc, NULL, 0, &config),
		      "%s", text);
	return config;
}

#define MILESTONES                                                             \
	"\"milestones\": [{\"name\": \"a\", \"event\": \"a\"},"                \
	" {\"name\": \"b\", \"event\": \"b\"}, {\"name\": \"r\","              \
	" \"event\": \"r\", \"onboarding\": false,"                            \
	" \"retention\": true}]"

struct life {
	const char *name;
	const char *config;
	double first_days, last_days; /* ago; last NEVER: no event */
	uint64_t days;
	int64_t recent, earlier, reached, ever, churn_days;
	enum score_stage stage;
	const char *reason;
};

static const struct life lives[] = {
	{ "no event, just made", "{}", 0.2, NEVER, 0, 0, 0, 0, 0, NEVER,
	  STAGE_NEW, "just_started" },
	{ "no event, two days", "{}", 2, NEVER, 0, 0, 0, 0, 0, NEVER,
	  STAGE_ONBOARDING, "milestones_missing" },
	{ "no event, seven days", "{}", 7, NEVER, 0, 0, 0, 0, 0, NEVER,
	  STAGE_AT_RISK, "no_activity" },
	{ "no event, thirty days", "{}", 30, NEVER, 0, 0, 0, 0, 0, NEVER,
	  STAGE_CHURNED, "no_activity" },
	{ "first hour", "{" MILESTONES "}", 0.04, 0.01, DAY(0), 3, 0, 0, 0,
	  NEVER, STAGE_NEW, "just_started" },
	{ "first hour with a milestone", "{" MILESTONES "}", 0.04, 0.01, DAY(0),
	  3, 0, 1, 0, NEVER, STAGE_ONBOARDING, "milestones_missing" },
	{ "one day exactly", "{" MILESTONES "}", 1, 0.5, DAY(0) | DAY(1), 3, 0,
	  0, 0, NEVER, STAGE_ONBOARDING, "milestones_missing" },
	{ "all milestones", "{" MILESTONES "}", 2, 0.5, DAY(0) | DAY(2), 9, 0,
	  2, 0, NEVER, STAGE_ACTIVE, "in_use" },
	{ "onboarding ends by age", "{" MILESTONES "}", 14, 0.5,
	  DAY(0) | DAY(5) | DAY(9) | DAY(14), 9, 1, 1, 0, NEVER, STAGE_ACTIVE,
	  "in_use" },
	{ "without milestones: third day", "{}", 3, 0.1,
	  DAY(0) | DAY(1) | DAY(3), 3, 0, 0, 3, NEVER, STAGE_ACTIVE, "in_use" },
	{ "without milestones: two days", "{}", 3, 0.1, DAY(0) | DAY(3), 2, 0,
	  0, 2, NEVER, STAGE_ONBOARDING, "milestones_missing" },
	{ "idle just under a week", "{}", 40, 6.99, DAY(7) | DAY(10), 5, 0, 0,
	  3, NEVER, STAGE_ACTIVE, "in_use" },
	{ "idle a week", "{}", 40, 7, DAY(7) | DAY(10) | DAY(14), 5, 0, 0, 3,
	  NEVER, STAGE_AT_RISK, "no_activity" },
	{ "idle just under thirty days", "{}", 60, 29.99, DAY(30), 0, 0, 0, 3,
	  NEVER, STAGE_AT_RISK, "no_activity" },
	{ "idle thirty days", "{}", 60, 30, DAY(30), 0, 0, 0, 3, NEVER,
	  STAGE_CHURNED, "no_activity" },
	{ "own at-risk days", "{\"lifecycle\": {\"at_risk_days\": 3}}", 40, 3,
	  DAY(3) | DAY(5) | DAY(7), 5, 0, 0, 3, NEVER, STAGE_AT_RISK,
	  "no_activity" },
	{ "dropped to four of ten", "{}", 40, 1, DAY(1) | DAY(6) | DAY(12), 4,
	  10, 0, 3, NEVER, STAGE_AT_RISK, "activity_dropped" },
	{ "half is not under half", "{}", 40, 1, DAY(1) | DAY(6) | DAY(12), 5,
	  10, 0, 3, NEVER, STAGE_ACTIVE, "in_use" },
	{ "nine before are too few", "{}", 40, 1, DAY(1) | DAY(6) | DAY(12), 1,
	  9, 0, 3, NEVER, STAGE_ACTIVE, "in_use" },
	{ "seven days between are a gap", "{}", 40, 0.1, DAY(0) | DAY(8), 2, 0,
	  0, 3, NEVER, STAGE_RECOVERED, "came_back" },
	{ "six days between are none", "{}", 40, 0.1, DAY(0) | DAY(7), 2, 0, 0,
	  3, NEVER, STAGE_ACTIVE, "in_use" },
	{ "came back 13 days ago", "{}", 60, 6.5, DAY(6) | DAY(13) | DAY(30), 2,
	  0, 0, 3, NEVER, STAGE_RECOVERED, "came_back" },
	{ "came back 14 days ago", "{}", 60, 6.5,
	  DAY(6) | DAY(10) | DAY(14) | DAY(30), 9, 9, 0, 3, NEVER, STAGE_ACTIVE,
	  "in_use" },
	{ "back after longer than the window", "{}", 200, 0.1, DAY(0), 2, 0, 0,
	  3, NEVER, STAGE_RECOVERED, "came_back" },
	{ "the first day is no return", "{}", 0.9, 0.1, DAY(0), 2, 0, 0, 1,
	  NEVER, STAGE_NEW, "just_started" },
	{ "recovered comes before at risk", "{}", 60, 8, DAY(8) | DAY(30), 2, 0,
	  0, 3, NEVER, STAGE_RECOVERED, "came_back" },
	{ "churn event today", "{}", 60, 0.1, DAY(0) | DAY(1), 9, 9, 0, 3, 0,
	  STAGE_CHURNED, "churn_event" },
	{ "churn event, nothing since", "{}", 60, 3, DAY(3) | DAY(4), 9, 9, 0,
	  3, 3, STAGE_CHURNED, "churn_event" },
	{ "back the day after the churn event", "{}", 60, 2,
	  DAY(2) | DAY(3) | DAY(4), 9, 9, 0, 3, 3, STAGE_RECOVERED,
	  "came_back" },
	{ "churn event long made good", "{}", 90, 0.1,
	  DAY(0) | DAY(3) | DAY(8) | DAY(13) | DAY(18) | DAY(20), 9, 9, 0, 3,
	  20, STAGE_ACTIVE, "in_use" },
};

static struct score_features features_of(const struct life *l)
{
	bool has = l->last_days >= 0;

	return (struct score_features){
		.now_us = NOON,
		.first_us = AGO(l->first_days),
		.last_us = AGO(has ? l->last_days : l->first_days),
		.has_activity = has,
		.active_days = l->days,
		.active_days_ever = l->ever,
		.recent_events = l->recent,
		.earlier_events = l->earlier,
		.onboarding_reached = l->reached,
		.churn_days_ago = l->churn_days,
	};
}

START_TEST(stage_of_each_life)
{
	const struct life *l = &lives[_i];
	struct tenant_config config = config_of(l->config);
	struct score_features f = features_of(l);
	struct score s;

	score_compute(&config, &f, &s);
	ck_assert_msg(s.stage == l->stage, "%s: %s", l->name,
		      score_stage_word(s.stage));
	ck_assert_str_eq(s.stage_reason, l->reason);
	ck_assert(s.health_points >= 0 && s.health_points <= 100);
}
END_TEST

/* Ten of 14 days, eight names, seen now. */
static struct score_features best(void)
{
	return (struct score_features){
		.now_us = NOON,
		.first_us = AGO(50),
		.last_us = NOON,
		.has_activity = true,
		.active_days = 0x3ff | DAY(13) | DAY(18) | DAY(24),
		.active_days_ever = 3,
		.recent_events = 100,
		.earlier_events = 90,
		.names = 8,
		.churn_days_ago = NEVER,
		.onboarding_reached = 2,
		.retention_hits = 1,
	};
}

START_TEST(the_best_customer_has_full_scores)
{
	struct tenant_config config = config_of("{" MILESTONES "}");
	struct score_features f = best();
	struct score s;

	score_compute(&config, &f, &s);
	CLOSE(s.activation.value, 1);
	CLOSE(s.engagement.value, 1);
	CLOSE(s.risk.value, 0);
	CLOSE(s.expansion.value, 0);
	ck_assert_int_eq(s.health_points, 100);
	ck_assert_int_eq(s.risk_level, RISK_LOW);
	ck_assert_int_eq(s.stage, STAGE_ACTIVE);
}
END_TEST

START_TEST(engagement_is_the_weighted_sum)
{
	struct tenant_config config = config_of("{" MILESTONES "}");
	struct score_features f = best();
	struct score s;

	f.active_days = 0x1f; /* 5 of 10 */
	f.names = 2;	      /* 2 of 8 */
	f.last_us = AGO(7);   /* half of 14 */
	f.retention_hits = 0;
	score_compute(&config, &f, &s);
	CLOSE(s.engagement.value,
	      0.4 * 0.5 + 0.2 * 0.25 + 0.25 * 0.5 + 0.15 * 0);
	/* Without retention milestones that part leaves the sum. */
	config = config_of("{}");
	score_compute(&config, &f, &s);
	CLOSE(s.engagement.value, (0.2 + 0.05 + 0.125) / 0.85);
	ck_assert_uint_eq(s.engagement.part_count, 3);
}
END_TEST

START_TEST(engagement_looks_at_its_own_days)
{
	struct tenant_config config = config_of(
	    "{\"engagement\": {\"days\": 28, \"full_frequency_days\": 20}}");
	struct score_features f = best();
	struct score s;

	f.active_days = 0x3ff | DAY(20) | DAY(27) | DAY(28) | DAY(63);
	f.last_us = AGO(7);
	score_compute(&config, &f, &s);
	CLOSE(s.engagement.parts[0].value, 12.0 / 20);
	CLOSE(s.engagement.parts[2].value, 0.75);
	config = config_of("{\"engagement\": {\"days\": 64}}");
	f.active_days = DAY(0) | DAY(63);
	score_compute(&config, &f, &s);
	CLOSE(s.engagement.parts[0].value, 2.0 / 10);
}
END_TEST

static const struct {
	double idle;
	int64_t recent, earlier, reached;
	double risk;
	enum score_risk level;
} risks[] = {
	{ 0.5, 20, 20, 2, 0, RISK_LOW },     { 1, 20, 20, 2, 0, RISK_LOW },
	{ 4, 20, 20, 2, 0.125, RISK_LOW },   { 7, 20, 20, 2, 0.25, RISK_LOW },
	{ 7, 20, 20, 1, 0.35, RISK_MEDIUM }, { 7, 10, 20, 0, 0.6, RISK_HIGH },
	{ 30, 0, 0, 2, 0.8, RISK_CRITICAL }, { 300, 0, 0, 0, 1, RISK_CRITICAL },
	{ 0.5, 1, 9, 2, 0, RISK_LOW },	     { 0.5, 30, 20, 0, 0.2, RISK_LOW },
};

START_TEST(risk_of_each_case)
{
	struct tenant_config config = config_of("{" MILESTONES "}");
	struct score_features f = best();
	struct score s;

	f.first_us = AGO(400);
	f.last_us = AGO(risks[_i].idle);
	f.recent_events = risks[_i].recent;
	f.earlier_events = risks[_i].earlier;
	f.onboarding_reached = risks[_i].reached;
	score_compute(&config, &f, &s);
	CLOSE(s.risk.value, risks[_i].risk);
	ck_assert_int_eq(s.risk_level, risks[_i].level);
}
END_TEST

START_TEST(a_churn_event_is_full_risk)
{
	struct tenant_config config = config_of("{" MILESTONES "}");
	struct score_features f = best();
	struct score s;

	f.churn_days_ago = 0;
	score_compute(&config, &f, &s);
	CLOSE(s.risk.value, 1);
	ck_assert_int_eq(s.risk_level, RISK_CRITICAL);
	ck_assert_str_eq(s.risk.parts[0].name, "churn_event");
	ck_assert_int_eq(s.health_points, 70);
}
END_TEST

START_TEST(expansion_counts_what_is_configured)
{
	struct tenant_config config = config_of(
	    "{\"expansion\": {\"limits\": [{\"property\": \"seats_used\","
	    " \"max\": 10}], \"gate_events\": [\"gate\"]}}");
	struct score_features f = best();
	struct score s;

	f.limit_nearness = 0.9;
	f.gate_hits = 1;
	score_compute(&config, &f, &s);
	CLOSE(s.expansion.value, (0.5 * 0.9 + 0.3 / 3) / 0.8);
	f.limit_nearness = 40;
	f.gate_hits = 900;
	score_compute(&config, &f, &s);
	CLOSE(s.expansion.value, 1);
}
END_TEST

START_TEST(weights_are_the_tenants)
{
	struct tenant_config config = config_of(
	    "{\"health\": {\"engagement\": 0, \"activation\": 1, \"risk\": 0}," MILESTONES
	    "}");
	struct score_features f = best();
	struct score s;

	f.onboarding_reached = 1;
	score_compute(&config, &f, &s);
	ck_assert_int_eq(s.health_points, 50);
	config = config_of("{\"risk\": {\"medium\": 0.01, \"high\": 0.02,"
			   " \"critical\": 0.03}," MILESTONES "}");
	f.last_us = AGO(3);
	score_compute(&config, &f, &s);
	ck_assert_int_eq(s.risk_level, RISK_CRITICAL);
}
END_TEST

static const struct score_sum *sum_of(const struct score *s, const char *name)
{
	return streq(name, "activation")   ? &s->activation
	       : streq(name, "engagement") ? &s->engagement
	       : streq(name, "risk")	   ? &s->risk
					   : &s->health;
}

START_TEST(parts_name_their_shares)
{
	struct tenant_config config = config_of("{" MILESTONES "}");
	struct score_features f = best();
	struct json_object *doc = NULL;
	struct json_out j;
	struct score s;
	struct str out;

	score_compute(&config, &f, &s);
	str_init(&out, arena, 8192);
	json_init(&j, &out);
	score_write_parts(&j, score_stage_word(s.stage), s.stage_reason,
			  score_pack(arena, &s));
	ck_assert(str_ok(&out));
	ck_assert(json_parse(&op, out.bytes, out.len, &doc));
	ck_assert_str_eq(json_get_text(json_member(doc, "stage"), "reason", ""),
			 "in_use");
	for (const char *const *name =
		 (const char *const[]){ "activation", "engagement", "risk",
					"health", NULL };
	     *name != NULL; name++) {
		struct json_object *sum = json_member(doc, *name);
		struct json_object *parts = json_member(sum, "parts");
		double weights = 0;

		ck_assert_double_eq(json_get_double(sum, "value", -1),
				    sum_of(&s, *name)->value);
		ck_assert_uint_eq(json_object_array_length(parts),
				  sum_of(&s, *name)->part_count);
		for (size_t i = 0; i < json_object_array_length(parts); i++) {
			const struct score_part *part =
			    &sum_of(&s, *name)->parts[i];
			struct json_object *seen =
			    json_object_array_get_idx(parts, i);

			ck_assert_str_eq(json_get_text(seen, "name", ""),
					 part->name);
			ck_assert_double_eq(json_get_double(seen, "value", -1),
					    part->value);
			weights += json_get_double(seen, "weight", 0);
		}
		ck_assert_msg(fabs(weights - 1) < 0.001, "%s", *name);
	}
}
END_TEST

/* Whatever the facts, scores stay in their ranges. */
START_TEST(scores_stay_in_range)
{
	struct tenant_config config = config_of("{" MILESTONES "}");
	uint64_t x = (uint64_t)_i * UINT64_C(0x9E3779B97F4A7C15) + 1;
	struct score s;

	for (int n = 0; n < 2000; n++) {
		struct score_features f = best();

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		f.active_days = x;
		f.last_us = AGO((double)(x % 100));
		f.first_us = f.last_us - (int64_t)(x >> 40) * US_PER_HOUR;
		f.recent_events = (int64_t)(x >> 8 & 63);
		f.earlier_events = (int64_t)(x >> 16 & 63);
		f.onboarding_reached = (int64_t)(x >> 24 & 3);
		f.churn_days_ago = (int64_t)(x >> 28 & 127) - 1;
		score_compute(&config, &f, &s);
		ck_assert(s.health_points >= 0 && s.health_points <= 100);
		ck_assert(s.risk.value >= 0 && s.risk.value <= 1);
		ck_assert(s.engagement.value >= 0 && s.engagement.value <= 1);
		ck_assert(s.stage < SCORE_STAGES);
	}
}
END_TEST

START_TEST(bands_cover_all_points)
{
	ck_assert_str_eq(score_health_band(0), "0-19");
	ck_assert_str_eq(score_health_band(19), "0-19");
	ck_assert_str_eq(score_health_band(20), "20-39");
	ck_assert_str_eq(score_health_band(79), "60-79");
	ck_assert_str_eq(score_health_band(80), "80-100");
	ck_assert_str_eq(score_health_band(100), "80-100");
}
END_TEST

static const struct {
	const char *name;
	struct life life;
	double since; /* days ago */
} sinces[] = {
	{ "silent for 40 days",
	  { "", "{}", 90, 40, DAY(40), 0, 0, 0, 3, NEVER, STAGE_CHURNED, "" },
	  10 },
	{ "silent for 100 days",
	  { "", "{}", 200, 100, 0, 0, 0, 0, 3, NEVER, STAGE_CHURNED, "" },
	  70 },
	{ "no event, made 45 days ago",
	  { "", "{}", 45, NEVER, 0, 0, 0, 0, 0, NEVER, STAGE_CHURNED, "" },
	  15 },
	{ "a churn event with the last activity, 3 days ago",
	  { "", "{}", 90, 3.2, DAY(3) | DAY(4), 5, 0, 0, 3, 3, STAGE_CHURNED,
	    "" },
	  3.2 },
	{ "a churn event and silent since, for 50 days",
	  { "", "{}", 90, 50, DAY(50), 0, 0, 0, 3, 50, STAGE_CHURNED, "" },
	  50 },
	{ "silent for 9 days",
	  { "", "{}", 10.2, 9.3, DAY(9) | DAY(10), 5, 5, 0, 3, NEVER,
	    STAGE_AT_RISK, "" },
	  2.3 },
	{ "back 15 days ago, silent for 13: recovered until yesterday",
	  { "", "{}", 90, 13, DAY(13) | DAY(15) | DAY(40), 2, 2, 0, 3, NEVER,
	    STAGE_AT_RISK, "" },
	  1.5 },
	{ "back 6 days ago",
	  { "", "{}", 90, 1, DAY(1) | DAY(6) | DAY(30), 5, 0, 0, 3, NEVER,
	    STAGE_RECOVERED, "" },
	  6.5 },
	{ "back today",
	  { "", "{}", 90, 0.1, DAY(0) | DAY(30), 5, 0, 0, 3, NEVER,
	    STAGE_RECOVERED, "" },
	  0.1 },
	{ "new",
	  { "", "{}", 0.3, 0.1, DAY(0), 5, 0, 0, 1, NEVER, STAGE_NEW, "" },
	  0.3 },
	{ "in use",
	  { "", "{}", 3.4, 0.1, DAY(0) | DAY(1) | DAY(2) | DAY(3), 5, 5, 0, 3,
	    NEVER, STAGE_ACTIVE, "" },
	  0 },
};

START_TEST(stage_begins_where_the_history_tells)
{
	const struct life *life = &sinces[_i].life;
	struct tenant_config config = config_of(life->config);
	struct score_features f = features_of(life);
	struct score s;

	score_compute(&config, &f, &s);
	ck_assert_msg(s.stage == life->stage, "%s: %s", sinces[_i].name,
		      score_stage_word(s.stage));
	int64_t since = score_stage_since(&config, &f, &s);
	ck_assert_msg(llabs(since - AGO(sinces[_i].since)) < US_PER_SECOND,
		      "%s: %f days ago", sinces[_i].name,
		      (double)(NOON - since) / (double)US_PER_DAY);
}
END_TEST

#define DAYS(from, to) (UINT64_MAX >> (63 - (to)) & UINT64_MAX << (from))
#define SIXTY	       "{\"lifecycle\": {\"at_risk_days\": 60, \"churned_days\": 90}}"
#define BACK_FOR_80    "{\"lifecycle\": {\"recovered_days\": 80}}"
#define A_YEAR	       "{\"lifecycle\": {\"churned_days\": 365}}"

/* Beyond the 64 days that the default config looks back. */
static const struct {
	struct life life;
	uint64_t older; /* bit n: 64 + n days ago */
	double since;	/* days ago */
} long_lives[] = {
	{ { "55 silent days of 60", SIXTY, 120, 0.1, DAYS(0, 8), 9, 0, 0, 3,
	    NEVER, STAGE_ACTIVE, "in_use" },
	  DAYS(0, 56),
	  0 },
	{ { "60 silent days of 60", SIXTY, 140, 0.1, DAYS(0, 8), 9, 0, 0, 3,
	    NEVER, STAGE_RECOVERED, "came_back" },
	  DAYS(5, 60),
	  8.5 },
	{ { "back 79 days ago, recovered for 80", BACK_FOR_80, 120, 0.1,
	    DAYS(0, 63), 9, 9, 0, 3, NEVER, STAGE_RECOVERED, "came_back" },
	  DAYS(0, 15) | DAYS(23, 26),
	  79.5 },
	{ { "back 80 days ago, recovered for 80", BACK_FOR_80, 120, 0.1,
	    DAYS(0, 63), 9, 9, 0, 3, NEVER, STAGE_ACTIVE, "in_use" },
	  DAYS(0, 16) | DAYS(24, 26),
	  0 },
	{ { "churn event 80 days ago, in use ten days more", A_YEAR, 300, 70, 0,
	    0, 0, 0, 3, 80, STAGE_AT_RISK, "no_activity" },
	  DAYS(6, 26),
	  63 },
	{ { "churn event 80 days ago, the last day of all", A_YEAR, 300, 80, 0,
	    0, 0, 0, 3, 80, STAGE_CHURNED, "churn_event" },
	  DAYS(16, 26),
	  80 },
	{ { "back 100 days ago, recovered for 90, silent for 70 of 30",
	    "{\"lifecycle\": {\"at_risk_days\": 30, \"churned_days\": 200,"
	    " \"recovered_days\": 90}}",
	    400, 70, 0, 0, 0, 0, 3, NEVER, STAGE_AT_RISK, "no_activity" },
	  DAYS(6, 36),
	  10.5 },
};

START_TEST(history_is_as_long_as_the_config_asks)
{
	const struct life *life = &long_lives[_i].life;
	struct tenant_config config = config_of(life->config);
	struct score_features f = features_of(life);
	uint64_t older[8] = { long_lives[_i].older };
	struct score s;

	f.older_days = older;
	f.older_count =
	    (size_t)score_window_days(&config) / SCORE_WORD_DAYS - 1;
	ck_assert(f.older_count >= 1 && f.older_count <= ARRAY_LEN(older));
	score_compute(&config, &f, &s);
	ck_assert_msg(s.stage == life->stage, "%s: %s", life->name,
		      score_stage_word(s.stage));
	ck_assert_str_eq(s.stage_reason, life->reason);
	int64_t since = score_stage_since(&config, &f, &s);
	ck_assert_msg(llabs(since - AGO(long_lives[_i].since)) < US_PER_SECOND,
		      "%s: %f days ago", life->name,
		      (double)(NOON - since) / (double)US_PER_DAY);
}
END_TEST

START_TEST(the_default_config_looks_back_64_days)
{
	struct tenant_config config = config_of("{}");

	ck_assert_int_eq(score_window_days(&config), SCORE_WORD_DAYS);
	config = config_of(SIXTY);
	ck_assert_int_eq(score_window_days(&config), 2 * SCORE_WORD_DAYS);
	config =
	    config_of("{\"lifecycle\": {\"at_risk_days\": 3649,"
		      " \"churned_days\": 3650, \"recovered_days\": 3650}}");
	ck_assert_int_eq(score_window_days(&config) % SCORE_WORD_DAYS, 0);
	ck_assert_int_gt(score_window_days(&config), 7300);
}
END_TEST

void score_cases(Suite *suite)
{
	TCase *tc = tcase_create("score");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, stage_of_each_life, 0, (int)ARRAY_LEN(lives));
	tcase_add_loop_test(tc, stage_begins_where_the_history_tells, 0,
			    (int)ARRAY_LEN(sinces));
	tcase_add_loop_test(tc, history_is_as_long_as_the_config_asks, 0,
			    (int)ARRAY_LEN(long_lives));
	tcase_add_test(tc, the_default_config_looks_back_64_days);
	tcase_add_test(tc, the_best_customer_has_full_scores);
	tcase_add_test(tc, engagement_is_the_weighted_sum);
	tcase_add_test(tc, engagement_looks_at_its_own_days);
	tcase_add_loop_test(tc, risk_of_each_case, 0, (int)ARRAY_LEN(risks));
	tcase_add_test(tc, a_churn_event_is_full_risk);
	tcase_add_test(tc, expansion_counts_what_is_configured);
	tcase_add_test(tc, weights_are_the_tenants);
	tcase_add_test(tc, parts_name_their_shares);
	tcase_add_loop_test(tc, scores_stay_in_range, 0, 5);
	tcase_add_test(tc, bands_cover_all_points);
	suite_add_tcase(suite, tc);
}
