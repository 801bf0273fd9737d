/*
 * The formulas of score.h, one function a score.
 */
#include "engine/score.h"

#include "base/clock.h"

#include <math.h>

static const char *const stage_words[SCORE_STAGES] = {
	[STAGE_NEW] = "new",	     [STAGE_ONBOARDING] = "onboarding",
	[STAGE_ACTIVE] = "active",   [STAGE_AT_RISK] = "at_risk",
	[STAGE_CHURNED] = "churned", [STAGE_RECOVERED] = "recovered",
};

static const char *const risk_words[SCORE_RISKS] = {
	[RISK_LOW] = "low",
	[RISK_MEDIUM] = "medium",
	[RISK_HIGH] = "high",
	[RISK_CRITICAL] = "critical",
};

const char *score_stage_word(enum score_stage stage)
{
	return stage_words[stage];
}

const char *score_risk_word(enum score_risk risk)
{
	return risk_words[risk];
}

const char *score_health_band(int health_points)
{
	static const char *const bands[] = { "0-19", "20-39", "40-59", "60-79",
					     "80-100" };

	return bands[health_points >= 80 ? 4 : health_points / 20];
}

static double clamp(double x)
{
	return x < 0 ? 0 : x > 1 ? 1 : x;
}

static double ratio(double x, double full)
{
	return full <= 0 ? 1 : clamp(x / full);
}

static double rounded(double x)
{
	return round(x * 10000) / 10000;
}

static int64_t count_milestones(const struct tenant_config *config,
				bool retention)
{
	int64_t n = 0;

	for (size_t i = 0; i < config->milestone_count; i++) {
		const struct milestone *m = &config->milestones[i];

		n += retention ? m->retention : m->onboarding;
	}
	return n;
}

int64_t score_onboarding_count(const struct tenant_config *config)
{
	return count_milestones(config, false);
}

int64_t score_retention_count(const struct tenant_config *config)
{
	return count_milestones(config, true);
}

static void sum_add(struct score_sum *sum, const char *name, double weight,
		    double value)
{
	sum->parts[sum->part_count++] = (struct score_part){
		.name = name, .value = rounded(value), .weight = weight
	};
}

/* Weights become shares; an empty sum is 0. */
static void sum_close(struct score_sum *sum)
{
	double weights = 0, total = 0;

	for (size_t i = 0; i < sum->part_count; i++) {
		weights += sum->parts[i].weight;
		total += sum->parts[i].weight * sum->parts[i].value;
	}
	sum->value = weights > 0 ? rounded(clamp(total / weights)) : 0;
	for (size_t i = 0; i < sum->part_count; i++)
		sum->parts[i].weight =
		    weights > 0 ? rounded(sum->parts[i].weight / weights) : 0;
}

static double idle_days(const struct score_features *f)
{
	double days = (double)(f->now_us - f->last_us) / (double)US_PER_DAY;

	return days < 0 ? 0 : days;
}

static double age_days(const struct score_features *f)
{
	return (double)(f->now_us - f->first_us) / (double)US_PER_DAY;
}

static int64_t days_ago(const struct score_features *f, int64_t time_us)
{
	return f->now_us / US_PER_DAY - time_us / US_PER_DAY;
}

/*
 * Whether silence sets in while somebody is recovered, and ends that stage
 * late, only matters where recovered lasts longer than silence is let pass.
 */
int64_t score_window_days(const struct tenant_config *config)
{
	const struct lifecycle_config *c = &config->lifecycle;
	int64_t days = c->recovered_days + (c->recovered_days > c->at_risk_days
						? c->churned_days + 1
						: c->at_risk_days);

	return (days + SCORE_WORD_DAYS - 1) / SCORE_WORD_DAYS * SCORE_WORD_DAYS;
}

int64_t score_count_days(const struct tenant_config *config)
{
	int64_t window = score_window_days(config);
	int64_t drop = 2 * config->lifecycle.drop_days;

	return drop > window ? drop : window;
}

/* A churn event with no activity on a later day. */
static bool is_churned_by_event(const struct score_features *f)
{
	int64_t last = days_ago(f, f->last_us);

	return f->churn_days_ago >= 0 &&
	       (!f->has_activity || f->churn_days_ago <= (last < 0 ? 0 : last));
}

/* The latest day with activity at least n days ago, or −1. */
static int64_t active_from(const struct score_features *f, int64_t n)
{
	size_t first = (size_t)n / SCORE_WORD_DAYS;

	for (size_t w = first; w <= f->older_count; w++) {
		uint64_t word = w == 0 ? f->active_days : f->older_days[w - 1];

		if (w == first)
			word &= UINT64_MAX << n % SCORE_WORD_DAYS;
		if (word != 0)
			return (int64_t)w * SCORE_WORD_DAYS +
			       __builtin_ctzll(word);
	}
	return -1;
}

/* The day with activity before days_ago n, or −1. */
static int64_t day_before(const struct score_features *f, int64_t n)
{
	int64_t older = active_from(f, n + 1);
	int64_t first = f->has_activity ? days_ago(f, f->first_us) : -1;
	int64_t window = (int64_t)(f->older_count + 1) * SCORE_WORD_DAYS;

	if (older >= 0)
		return older;
	return first >= window ? first : -1;
}

/* On the active day n somebody came back, at risk or churned before. */
static bool is_return(const struct lifecycle_config *c,
		      const struct score_features *f, int64_t n)
{
	int64_t older = day_before(f, n);

	return older >= 0 &&
	       (older - n - 1 >= c->at_risk_days ||
		(f->churn_days_ago > n && f->churn_days_ago <= older));
}

/* The latest return at least n days ago, or −1. */
static int64_t return_from(const struct lifecycle_config *c,
			   const struct score_features *f, int64_t n)
{
	n = active_from(f, n);
	while (n >= 0 && !is_return(c, f, n))
		n = active_from(f, n + 1);
	return n;
}

static bool is_recovered(const struct lifecycle_config *c,
			 const struct score_features *f)
{
	int64_t n = return_from(c, f, 0);

	return n >= 0 && n < c->recovered_days;
}

static bool is_dropping(const struct lifecycle_config *c,
			const struct score_features *f)
{
	return f->earlier_events >= c->drop_min_events &&
	       (double)f->recent_events <
		   c->drop_ratio * (double)f->earlier_events;
}

static void compute_stage(const struct tenant_config *config,
			  const struct score_features *f, struct score *s)
{
	const struct lifecycle_config *c = &config->lifecycle;
	const struct {
		bool fits;
		enum score_stage stage;
		const char *reason;
	} rules[] = {
		{ idle_days(f) >= (double)c->churned_days, STAGE_CHURNED,
		  "no_activity" },
		{ is_churned_by_event(f), STAGE_CHURNED, "churn_event" },
		{ is_recovered(c, f), STAGE_RECOVERED, "came_back" },
		{ idle_days(f) >= (double)c->at_risk_days, STAGE_AT_RISK,
		  "no_activity" },
		{ is_dropping(c, f), STAGE_AT_RISK, "activity_dropped" },
		{ f->onboarding_reached == 0 &&
		      age_days(f) < (double)c->new_max_days,
		  STAGE_NEW, "just_started" },
		{ s->activation.value < 1 &&
		      age_days(f) < (double)c->onboarding_max_days,
		  STAGE_ONBOARDING, "milestones_missing" },
		{ true, STAGE_ACTIVE, "in_use" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (rules[i].fits) {
			s->stage = rules[i].stage;
			s->stage_reason = rules[i].reason;
			return;
		}
	}
}

static void compute_activation(const struct tenant_config *config,
			       const struct score_features *f,
			       struct score_sum *sum)
{
	int64_t wanted = score_onboarding_count(config);

	if (wanted > 0)
		sum_add(sum, "milestones", 1,
			ratio((double)f->onboarding_reached, (double)wanted));
	else
		sum_add(sum, "active_days", 1,
			ratio((double)f->active_days_ever, 3));
	sum_close(sum);
}

static void compute_engagement(const struct tenant_config *config,
			       const struct score_features *f,
			       struct score_sum *sum)
{
	const struct engagement_config *c = &config->engagement;
	uint64_t days =
	    f->active_days & UINT64_MAX >> (SCORE_WORD_DAYS - c->days);
	int64_t retention = score_retention_count(config);

	sum_add(
	    sum, "frequency", c->frequency,
	    ratio(__builtin_popcountll(days), (double)c->full_frequency_days));
	sum_add(sum, "breadth", c->breadth,
		ratio((double)f->names, (double)c->full_breadth_names));
	sum_add(sum, "recency", c->recency,
		f->has_activity ? clamp(1 - idle_days(f) / (double)c->days)
				: 0);
	if (retention > 0)
		sum_add(sum, "milestones", c->milestones,
			ratio((double)f->retention_hits, (double)retention));
	sum_close(sum);
}

/* 0 at one day, ½ at at_risk_days, 1 at churned_days. */
static double inactivity(const struct lifecycle_config *c, double days)
{
	double from = 1, half = (double)c->at_risk_days;
	double full = (double)c->churned_days;

	if (days >= full)
		return 1;
	if (days >= half)
		return 0.5 +
		       (full > half ? (days - half) / (full - half) / 2 : 0.5);
	return half > from ? clamp((days - from) / (half - from) / 2) : 0;
}

static double decline(const struct lifecycle_config *c,
		      const struct score_features *f)
{
	if (!f->has_activity)
		return 0;
	if (f->recent_events == 0)
		return 1;
	if (f->earlier_events < c->drop_min_events || f->earlier_events == 0)
		return 0;
	return clamp(1 - (double)f->recent_events / (double)f->earlier_events);
}

static void compute_risk(const struct tenant_config *config,
			 const struct score_features *f, struct score *s)
{
	const struct risk_config *c = &config->risk;
	struct score_sum *sum = &s->risk;

	sum_add(sum, "inactivity", c->inactivity,
		inactivity(&config->lifecycle, idle_days(f)));
	sum_add(sum, "decline", c->decline, decline(&config->lifecycle, f));
	sum_add(sum, "activation", c->activation, 1 - s->activation.value);
	sum_close(sum);
	if (is_churned_by_event(f)) {
		*sum = (struct score_sum){ .value = 0 };
		sum_add(sum, "churn_event", 1, 1);
		sum_close(sum);
	}
	s->risk_level = sum->value >= c->critical ? RISK_CRITICAL
			: sum->value >= c->high	  ? RISK_HIGH
			: sum->value >= c->medium ? RISK_MEDIUM
						  : RISK_LOW;
}

static void compute_expansion(const struct tenant_config *config,
			      const struct score_features *f,
			      struct score_sum *sum)
{
	const struct expansion_config *c = &config->expansion;

	if (c->limit_count > 0)
		sum_add(sum, "limits", c->limits_weight,
			clamp(f->limit_nearness));
	if (c->gate_events.count > 0)
		sum_add(sum, "gates", c->gates_weight,
			ratio((double)f->gate_hits, (double)c->full_gate_hits));
	if (c->signal_count > 0)
		sum_add(
		    sum, "signals", c->signals_weight,
		    ratio((double)f->signals_true, (double)c->signal_count));
	sum_close(sum);
}

static void compute_health(const struct tenant_config *config, struct score *s)
{
	const struct health_config *c = &config->health;
	struct score_sum *sum = &s->health;

	sum_add(sum, "engagement", c->engagement, s->engagement.value);
	sum_add(sum, "activation", c->activation, s->activation.value);
	sum_add(sum, "safety", c->risk, 1 - s->risk.value);
	sum_close(sum);
	s->health_points = (int)round(sum->value * 100);
}

/* When the day n days ago began; its last activity when that is known. */
static int64_t day_began(const struct score_features *f, int64_t n)
{
	int64_t day_us = (f->now_us / US_PER_DAY - n) * US_PER_DAY;

	return days_ago(f, f->last_us) == n ? f->last_us : day_us;
}

/* The earliest return of those that still count. */
static int64_t returned_at(const struct lifecycle_config *c,
			   const struct score_features *f)
{
	int64_t first = 0;

	for (int64_t n = return_from(c, f, 0); n >= 0 && n < c->recovered_days;
	     n = return_from(c, f, n + 1))
		first = n;
	return day_began(f, first);
}

/* When silence made it at_risk: not while it still was recovered. */
static int64_t silent_since(const struct lifecycle_config *c,
			    const struct score_features *f)
{
	int64_t since = f->last_us + c->at_risk_days * US_PER_DAY;
	int64_t n = return_from(c, f, c->recovered_days);
	int64_t end =
	    (f->now_us / US_PER_DAY - n + c->recovered_days) * US_PER_DAY;

	return n >= 0 && end > since ? end : since;
}

int64_t score_stage_since(const struct tenant_config *config,
			  const struct score_features *f,
			  const struct score *score)
{
	const struct lifecycle_config *c = &config->lifecycle;
	int64_t since = f->now_us;

	if (score->stage == STAGE_CHURNED) {
		since = f->last_us + c->churned_days * US_PER_DAY;
		if (is_churned_by_event(f) &&
		    day_began(f, f->churn_days_ago) < since)
			since = day_began(f, f->churn_days_ago);
	} else if (streq(score->stage_reason, "no_activity")) {
		since = silent_since(c, f);
	} else if (score->stage == STAGE_RECOVERED) {
		since = returned_at(c, f);
	} else if (score->stage == STAGE_NEW) {
		since = f->first_us;
	}
	return since < f->now_us ? since : f->now_us;
}

void score_compute(const struct tenant_config *config,
		   const struct score_features *features, struct score *ret)
{
	*ret = (struct score){ .stage = STAGE_NEW };
	compute_activation(config, features, &ret->activation);
	compute_engagement(config, features, &ret->engagement);
	compute_stage(config, features, ret);
	compute_risk(config, features, ret);
	compute_expansion(config, features, &ret->expansion);
	compute_health(config, ret);
}

/* ------------------------------------------------------------ packed -- */

static const struct {
	const char *name;
	size_t offset;
} sums[] = {
	{ "activation", offsetof(struct score, activation) },
	{ "engagement", offsetof(struct score, engagement) },
	{ "expansion", offsetof(struct score, expansion) },
	{ "risk", offsetof(struct score, risk) },
	{ "health", offsetof(struct score, health) },
};

/* Behind the sums' values: value and weight of each, −1 when not there. */
static const struct {
	const char *sum, *name;
} slots[] = {
	{ "activation", "milestones" }, { "activation", "active_days" },
	{ "engagement", "frequency" },	{ "engagement", "breadth" },
	{ "engagement", "recency" },	{ "engagement", "milestones" },
	{ "expansion", "limits" },	{ "expansion", "gates" },
	{ "expansion", "signals" },	{ "risk", "inactivity" },
	{ "risk", "decline" },		{ "risk", "activation" },
	{ "risk", "churn_event" },	{ "health", "engagement" },
	{ "health", "activation" },	{ "health", "safety" },
};

#define PACKED_NUMBERS	 (ARRAY_LEN(sums) + 2 * ARRAY_LEN(slots))
#define PACKED_MAX_BYTES (PACKED_NUMBERS * 6 + 3)

static const struct score_sum *sum_at(const struct score *s, size_t i)
{
	return (const struct score_sum *)((const char *)s + sums[i].offset);
}

static const struct score_sum *sum_named(const struct score *s,
					 const char *name)
{
	size_t i = 0;

	while (!streq(sums[i].name, name))
		i++;
	return sum_at(s, i);
}

/* One number of a text "{…}". */
static void pack(struct str *out, double x)
{
	str_putc(out, out->len == 0 ? '{' : ',');
	str_put_i64(out, lround(x * 10000));
}

static void pack_slot(struct str *out, const struct score_sum *sum,
		      const char *name)
{
	for (size_t i = 0; i < sum->part_count; i++) {
		const struct score_part *part = &sum->parts[i];

		if (streq(part->name, name)) {
			pack(out, part->value);
			pack(out, part->weight);
			return;
		}
	}
	str_puts(out, ",-1,-1");
}

const char *score_pack(struct arena *a, const struct score *score)
{
	struct str out;

	str_init(&out, a, PACKED_MAX_BYTES);
	for (size_t i = 0; i < ARRAY_LEN(sums); i++)
		pack(&out, sum_at(score, i)->value);
	for (size_t i = 0; i < ARRAY_LEN(slots); i++)
		pack_slot(&out, sum_named(score, slots[i].sum), slots[i].name);
	str_putc(&out, '}');
	return out.bytes;
}

/* What score_pack() wrote; what a later version has more is left out. */
static void unpack(const char *text, int ret[PACKED_NUMBERS])
{
	for (size_t i = 0; i < PACKED_NUMBERS; i++) {
		char *end = NULL;

		ret[i] = *text == '\0' ? -1 : (int)strtol(text + 1, &end, 10);
		text = end == NULL ? text : end;
	}
}

static void write_number(struct json_out *j, const char *key, int packed)
{
	json_key(j, key);
	json_double(j, packed / 10000.0);
}

static void write_sum(struct json_out *j, size_t sum, const int *numbers)
{
	json_key(j, sums[sum].name);
	json_open(j, '{');
	write_number(j, "value", numbers[sum]);
	json_key(j, "parts");
	json_open(j, '[');
	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		const int *slot = &numbers[ARRAY_LEN(sums) + 2 * i];

		if (slot[0] < 0 || !streq(slots[i].sum, sums[sum].name))
			continue;
		json_open(j, '{');
		json_pair(j, "name", slots[i].name);
		write_number(j, "value", slot[0]);
		write_number(j, "weight", slot[1]);
		json_close(j);
	}
	json_close(j);
	json_close(j);
}

void score_write_parts(struct json_out *j, const char *stage,
		       const char *reason, const char *packed)
{
	int numbers[PACKED_NUMBERS];

	if (packed == NULL) {
		json_null(j);
		return;
	}
	unpack(packed, numbers);
	json_open(j, '{');
	json_key(j, "stage");
	json_open(j, '{');
	json_pair(j, "value", stage);
	json_pair(j, "reason", reason);
	json_close(j);
	for (size_t i = 0; i < ARRAY_LEN(sums); i++)
		write_sum(j, i, numbers);
	json_close(j);
}
