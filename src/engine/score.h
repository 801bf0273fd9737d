/*
 * A customer's state from counted facts: stage, four scores, health, risk,
 * each with its named parts. Pure: no database, no clock of its own, and
 * the same features always give the same result.
 *
 * All numbers come from struct tenant_config. w is a weight of it; a part
 * that is not configured (no retention milestones, no limits …) leaves
 * both sums of its score. clamp() is to [0, 1], days are 24 hours, a "day
 * ago" is a UTC day (0: today); of so many days today is the last.
 *
 *   activation  reached / configured onboarding milestones; without any,
 *               min(days with activity, 3) / 3
 *   engagement  Σ w·part / Σ w of
 *     frequency   min(1, active days of `days` / full_frequency_days)
 *     breadth     min(1, event names of them / full_breadth_names)
 *     recency     clamp(1 − days without activity / `days`)
 *     milestones  retention milestones repeated in them / configured
 *   risk_score  Σ w·part / Σ w of
 *     inactivity  0 up to one day without activity, 0.5 at at_risk_days, 1
 *                 at churned_days, straight lines between
 *     decline     1 when there was activity, but none in drop_days; else,
 *                 with drop_min_events in as many days before, clamp(1 −
 *                 events of drop_days / events of those before); else 0
 *     activation  1 − activation
 *               and 1 whenever a churn event made the customer churned
 *   risk        the highest level whose threshold risk_score reaches
 *   expansion   Σ w·part / Σ w of
 *     limits      the largest clamp(value / limit)
 *     gates       min(1, gate events of gate_days / full_gate_hits)
 *     signals     conditions that hold / configured
 *               and 0 when none is configured
 *   health      round(100 · Σ w·part / Σ w) of engagement, activation and
 *               1 − risk_score
 *
 * Stage, the first that fits:
 *   churned     no activity for churned_days, or the last day with activity
 *               is that of a churn event
 *   recovered   in the last recovered_days came back after a gap: at least
 *               at_risk_days whole UTC days without activity, or a churn
 *               event. Seen from the days alone, whenever the batch ran
 *   at_risk     no activity for at_risk_days, or events of drop_days under
 *               drop_ratio × those of as many days before (of which there
 *               were at least drop_min_events)
 *   new         no onboarding milestone yet and younger than new_max_days
 *   onboarding  activation under 1 and younger than onboarding_max_days
 *   active      otherwise
 * Age counts from the earliest event; without any event age and inactivity
 * count from the customer's creation.
 *
 * Scores are rounded to four decimals, so that float and text agree.
 */
#ifndef ENGINE_SCORE_H
#define ENGINE_SCORE_H

#include "base/json_out.h"
#include "engine/tenant_config.h"

/* Days that are bits of one word. */
#define SCORE_WORD_DAYS 64
/* A change of health by this much goes to the ledger. */
#define SCORE_HEALTH_STEP 5

enum score_stage {
	STAGE_NEW,
	STAGE_ONBOARDING,
	STAGE_ACTIVE,
	STAGE_AT_RISK,
	STAGE_CHURNED,
	STAGE_RECOVERED,
	SCORE_STAGES
};

enum score_risk {
	RISK_LOW,
	RISK_MEDIUM,
	RISK_HIGH,
	RISK_CRITICAL,
	SCORE_RISKS
};

struct score_features {
	int64_t now_us;
	int64_t first_us; /* earliest event, or creation */
	int64_t last_us;  /* latest event, or creation */
	bool has_activity;
	/*
	 * Bit n: activity n UTC days ago; word w of older_days has those of
	 * 64 · (w + 1) days before that, as far as score_window_days() asks.
	 */
	uint64_t active_days;
	const uint64_t *older_days; /* borrowed */
	size_t older_count;	    /* words */
	int64_t active_days_ever;   /* need not count beyond 3 */
	int64_t recent_events;	    /* of drop_days */
	int64_t earlier_events;	    /* of as many before those */
	int64_t names;		    /* distinct, of engagement's days */
	int64_t churn_days_ago; /* day of the last churn event; −1: none */
	int64_t onboarding_reached;
	int64_t retention_hits;
	double limit_nearness; /* the largest value / limit; not clamped */
	int64_t gate_hits;
	int64_t signals_true;
};

struct score_part {
	const char *name; /* static */
	double value;	  /* [0, 1] */
	double weight;	  /* share of its score, [0, 1] */
};

#define SCORE_PARTS_MAX 4

struct score_sum {
	double value;
	struct score_part parts[SCORE_PARTS_MAX];
	size_t part_count;
};

struct score {
	enum score_stage stage;
	const char *stage_reason; /* static slug: "no_activity" … */
	struct score_sum activation, engagement, expansion, risk, health;
	enum score_risk risk_level;
	int health_points; /* 0–100 */
};

/* Onboarding and retention milestones that config has. */
int64_t score_onboarding_count(const struct tenant_config *config);
int64_t score_retention_count(const struct tenant_config *config);

/*
 * Days of history that stages are found from, a multiple of 64: those in
 * which somebody may have come back, and a gap before them.
 */
int64_t score_window_days(const struct tenant_config *config);

/* Days whose counts the features are read from: that, or what a drop needs. */
int64_t score_count_days(const struct tenant_config *config);

void score_compute(const struct tenant_config *config,
		   const struct score_features *features, struct score *ret);

/*
 * Since when the stage that score_compute() found holds, as far as the
 * features tell, never behind now_us: churned by silence when churned_days
 * were over, or with the churn event if that was before; at_risk by silence
 * likewise; recovered with the day of the return; new with the first event.
 * The others begin when they are seen: now_us.
 */
int64_t score_stage_since(const struct tenant_config *config,
			  const struct score_features *features,
			  const struct score *score);

/*
 * arena: the scores and their parts as text of a smallint[], in
 * ten-thousandths, as customers.score_parts keeps them: a sixth of the JSON,
 * in rows that every sweep reads and compares. score.c has the order; what
 * is new goes to the end. Nothing in it changes by time alone while the
 * scores stay.
 */
const char *score_pack(struct arena *a, const struct score *score);

/*
 * Writes packed scores as one JSON object: {"stage": {"value", "reason"},
 * "engagement": {"value": …, "parts": [{"name", "value", "weight"}]}, …};
 * null when packed is NULL.
 */
void score_write_parts(struct json_out *j, const char *stage,
		       const char *reason, const char *packed);

/* static: "new", "at_risk"; "low" … */
const char *score_stage_word(enum score_stage stage);
const char *score_risk_word(enum score_risk risk);

/* static: the band of daily_counts: "0-19", "20-39", … "80-100". */
const char *score_health_band(int health_points);

#endif
