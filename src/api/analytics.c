/*
 * How a tenant's customers and messages did over 7, 30 or 90 days. Each
 * figure is defined in openapi.json; shares are 0 to 1, and 0 of nothing.
 *
 * Small tenants are counted from the customers themselves, so that the first
 * one shows at once; large ones from daily_counts, which the refresh stage
 * keeps, since a scan of all customers takes too long.
 */
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "db/db.h"
#include "engine/lift.h"

#define TOP_PLAYBOOKS 10
#define MANY_PEOPLE   50000

struct span {
	const char *word;
	int64_t days;
};

static const struct span spans[] = { { "7d", 7 },
				     { "30d", 30 },
				     { "90d", 90 } };

struct analytics {
	const struct span *span;
	int64_t from_us;
	struct db_row people, messages, outcomes;
	struct db_rows stages, risks, days, trials;
};

static bool parse_span(struct op *op, const struct request *rq,
		       const struct span **ret)
{
	const char *word = request_query(rq, "range");

	if (word == NULL)
		word = "30d";
	for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
		if (streq(spans[i].word, word)) {
			*ret = &spans[i];
			return true;
		}
	}
	return op_fail_at(op, "range", "must be 7d, 30d or 90d");
}

/* The counts of the newest day, when they say that there are many people. */
static bool load_newest_day(struct op *op, struct db_row *ret)
{
	return db_opt(op, ret,
		      "SELECT d.day, sum(d.customers)::bigint AS total"
		      " FROM daily_counts d WHERE d.tenant_id = $1"
		      " AND d.what = 'stage' AND d.day = (SELECT max(day)"
		      " FROM daily_counts WHERE tenant_id = $1"
		      " AND what = 'stage') GROUP BY d.day"
		      " HAVING sum(d.customers) >= $2",
		      ARG_I64(op->tenant_id), ARG_I64(MANY_PEOPLE));
}

/*
 * base: who was there before the range and not churned; lost: those of them
 * that are churned now.
 */
static bool scan_people(struct op *op, struct analytics *a)
{
	return db_one(
		   op, &a->people,
		   "SELECT count(*) AS total, count(*) FILTER (WHERE"
		   " coalesce(c.first_activity_at, c.created_at) < $2 AND NOT"
		   " (c.lifecycle_stage = 'churned' AND c.stage_since < $2))"
		   " AS base, count(*) FILTER (WHERE"
		   " coalesce(c.first_activity_at, c.created_at) < $2"
		   " AND c.lifecycle_stage = 'churned' AND c.stage_since >= $2)"
		   " AS lost FROM customers c WHERE c.tenant_id = $1",
		   ARG_I64(op->tenant_id), ARG_TIME(a->from_us)) &&
	       db_rows(op, &a->stages,
		       "SELECT lifecycle_stage, count(*) AS count"
		       " FROM customers WHERE tenant_id = $1"
		       " GROUP BY lifecycle_stage ORDER BY lifecycle_stage",
		       ARG_I64(op->tenant_id)) &&
	       db_rows(op, &a->risks,
		       "SELECT risk_level, count(*) AS count FROM customers"
		       " WHERE tenant_id = $1 GROUP BY risk_level"
		       " ORDER BY risk_level",
		       ARG_I64(op->tenant_id));
}

/*
 * The same by the days that were counted: base is who was not churned on the
 * last day before the range (the first day kept when the range begins before
 * it), but no less than lost.
 */
static bool read_people(struct op *op, struct analytics *a,
			const struct db_row *newest)
{
	const char *day = db_text(newest, "day");

	return db_one(
		   op, &a->people,
		   "WITH l AS (SELECT count(*) AS lost FROM customers c"
		   " WHERE c.tenant_id = $1 AND c.lifecycle_stage = 'churned'"
		   " AND c.stage_since >= $2"
		   " AND coalesce(c.first_activity_at, c.created_at) < $2),"
		   " d AS (SELECT coalesce(max(day) FILTER (WHERE day <"
		   " ($2 AT TIME ZONE 'UTC')::date), min(day)) AS day"
		   " FROM daily_counts WHERE tenant_id = $1"
		   " AND what = 'stage' AND value = 'active'),"
		   " b AS (SELECT coalesce(sum(n.customers), 0)::bigint AS base"
		   " FROM daily_counts n JOIN d ON d.day = n.day"
		   " WHERE n.tenant_id = $1 AND n.what = 'stage'"
		   " AND n.value <> 'churned')"
		   " SELECT $3::bigint AS total, l.lost,"
		   " greatest(b.base, l.lost) AS base FROM l, b",
		   ARG_I64(op->tenant_id), ARG_TIME(a->from_us),
		   ARG_I64(db_i64(newest, "total"))) &&
	       db_rows(op, &a->stages,
		       "SELECT value AS lifecycle_stage, customers AS count"
		       " FROM daily_counts WHERE tenant_id = $1"
		       " AND what = 'stage' AND day = $2::text::date"
		       " AND customers > 0 ORDER BY value",
		       ARG_I64(op->tenant_id), ARG_TEXT(day)) &&
	       db_rows(op, &a->risks,
		       "SELECT value AS risk_level, customers AS count"
		       " FROM daily_counts WHERE tenant_id = $1"
		       " AND what = 'risk' AND day = $2::text::date"
		       " AND customers > 0 ORDER BY value",
		       ARG_I64(op->tenant_id), ARG_TEXT(day));
}

/* What was kept of each day, for charts. */
static bool load_days(struct op *op, struct analytics *a)
{
	return db_rows(op, &a->days,
		       "SELECT day, coalesce(jsonb_object_agg(value, customers)"
		       " FILTER (WHERE what = 'stage'), '{}') AS stages,"
		       " coalesce(jsonb_object_agg(value, customers)"
		       " FILTER (WHERE what = 'risk'), '{}') AS risks,"
		       " coalesce(jsonb_object_agg(value, customers)"
		       " FILTER (WHERE what = 'health'), '{}') AS health"
		       " FROM daily_counts WHERE tenant_id = $1"
		       " AND day >= ($2 AT TIME ZONE 'UTC')::date"
		       " GROUP BY day ORDER BY day",
		       ARG_I64(op->tenant_id), ARG_TIME(a->from_us));
}

static bool load_people(struct op *op, struct analytics *a)
{
	struct db_row newest;

	if (!load_newest_day(op, &newest) || !load_days(op, a))
		return false;
	return db_found(&newest) ? read_people(op, a, &newest)
				 : scan_people(op, a);
}

/* What never arrived tells nothing of the message. */
#define ARRIVED "o.cause IS DISTINCT FROM 'not_delivered'"
#define MESSAGE "NOT i.shadow AND i.channel <> 'escalate'"

#define OBJECTS(rows, order)                                                   \
	"coalesce((SELECT jsonb_agg(to_jsonb(x) ORDER BY " order               \
	") FROM (" rows ") x), '[]')"

/* Sums of the messages planned in the range, which are read once. */
#define MESSAGE_SUMS                                                           \
	"WITH s AS MATERIALIZED (SELECT i.playbook_id, i.status,"              \
	" i.sent_at IS NOT NULL AS sent, o.outcome = 'positive' AS positive,"  \
	" o.outcome <> 'pending' AND " ARRIVED " AS measured, count(*) AS n"   \
	" FROM interventions i LEFT JOIN outcomes o"                           \
	" ON o.tenant_id = i.tenant_id AND o.intervention_id = i.id"           \
	" WHERE i.tenant_id = $1 AND i.planned_at >= $2 AND " MESSAGE          \
	" GROUP BY 1, 2, 3, 4, 5),"                                            \
	" p AS MATERIALIZED (SELECT s.playbook_id, p.name, p.lifecycle_area,"  \
	" sum(s.n) AS interventions,"                                          \
	" coalesce(sum(s.n) FILTER (WHERE s.sent), 0) AS sent,"                \
	" coalesce(sum(s.n) FILTER (WHERE s.positive), 0) AS positive,"        \
	" sum(s.n) FILTER (WHERE s.measured) AS measured"                      \
	" FROM s LEFT JOIN playbooks p ON p.tenant_id = $1"                    \
	" AND p.id = s.playbook_id"                                            \
	" GROUP BY s.playbook_id, p.name, p.lifecycle_area)"

#define STATUSES                                                               \
	OBJECTS("SELECT status, sum(n) AS count FROM s GROUP BY status",       \
		"status")
#define AREAS                                                                  \
	OBJECTS("SELECT lifecycle_area, sum(interventions) AS interventions,"  \
		" sum(sent) AS sent, count(playbook_id) AS playbooks"          \
		" FROM p GROUP BY lifecycle_area",                             \
		"lifecycle_area")
#define BEST "positive DESC, interventions DESC, playbook_id"
#define PLAYBOOKS                                                              \
	OBJECTS("SELECT playbook_id, name, interventions, sent, positive,"     \
		" coalesce(measured, 0) AS measured,"                          \
		" coalesce(round(positive / measured, 4), 0) AS success_rate"  \
		" FROM p WHERE playbook_id IS NOT NULL"                        \
		" ORDER BY " BEST " LIMIT $3",                                 \
		BEST)

static bool load_messages(struct op *op, struct analytics *a)
{
	return db_one(op, &a->messages,
		      MESSAGE_SUMS
		      " SELECT (SELECT coalesce(sum(n), 0)::bigint FROM s)"
		      " AS total, " STATUSES " AS statuses, " AREAS
		      " AS areas, " PLAYBOOKS " AS playbooks",
		      ARG_I64(op->tenant_id), ARG_TIME(a->from_us),
		      ARG_I64(TOP_PLAYBOOKS));
}

/* Sums of the outcomes measured in the range; recent: sent in it as well. */
#define OUTCOME_SUMS                                                           \
	"WITH s AS MATERIALIZED (SELECT o.playbook_id, o.outcome,"             \
	" i.sent_at >= $2 AS recent, count(*) AS n, count(i.sent_at)"          \
	" AS timed, sum(extract(epoch FROM o.measured_at - i.sent_at))"        \
	" AS seconds FROM outcomes o JOIN interventions i"                     \
	" ON i.tenant_id = o.tenant_id AND i.id = o.intervention_id"           \
	" WHERE o.tenant_id = $1 AND o.outcome <> 'pending'"                   \
	" AND o.measured_at >= $2 AND " MESSAGE " AND " ARRIVED                \
	" GROUP BY 1, 2, 3),"                                                  \
	" g AS (SELECT coalesce(sum(n), 0)::bigint AS measured,"               \
	" coalesce(sum(n) FILTER (WHERE outcome = 'positive'), 0)::bigint"     \
	" AS positive,"                                                        \
	" coalesce(sum(n) FILTER (WHERE recent), 0)::bigint AS recent,"        \
	" coalesce(sum(n) FILTER (WHERE recent"                                \
	" AND outcome = 'positive'), 0)::bigint AS recent_positive,"           \
	" coalesce(sum(seconds) FILTER (WHERE outcome = 'positive')"           \
	" / nullif(sum(timed) FILTER (WHERE outcome = 'positive'), 0)"         \
	" / 86400, 0)::double precision AS days FROM s)"

#define RESULTS                                                                \
	OBJECTS("SELECT outcome, sum(n) AS count FROM s GROUP BY outcome",     \
		"outcome")
#define RESULT_COUNT(word)                                                     \
	", coalesce(sum(s.n) FILTER (WHERE s.outcome = '" word "'), 0)"        \
	" AS " word
#define AREA_ROWS                                                              \
	"SELECT p.lifecycle_area" RESULT_COUNT("positive")                     \
	    RESULT_COUNT("negative") RESULT_COUNT(                             \
		"neutral") " FROM s LEFT JOIN playbooks p ON p.tenant_id = $1" \
			   " AND p.id = s.playbook_id GROUP BY p.lifecycle_area"
#define AREA_RESULTS OBJECTS(AREA_ROWS, "lifecycle_area")

/* Back in the range, after a message of the attribution window before. */
#define RECOVERED                                                              \
	"(SELECT count(DISTINCT l.user_id) FROM score_ledger l"                \
	" WHERE l.tenant_id = $1 AND l.what = 'stage'"                         \
	" AND l.new_value = 'recovered' AND l.at >= $2"                        \
	" AND EXISTS (SELECT FROM interventions s"                             \
	" WHERE s.tenant_id = $1 AND s.user_id = l.user_id"                    \
	" AND s.sent_at < l.at AND s.sent_at >= l.at"                          \
	" - make_interval(days => (SELECT coalesce("                           \
	"(t.config->>'attribution_days')::numeric, 14)::integer"               \
	" FROM tenant_settings t WHERE t.tenant_id = $1))))"

static bool load_outcomes(struct op *op, struct analytics *a)
{
	return db_one(op, &a->outcomes,
		      OUTCOME_SUMS
		      " SELECT g.*, " RESULTS " AS results, " AREA_RESULTS
		      " AS areas, " RECOVERED " AS recovered FROM g",
		      ARG_I64(op->tenant_id), ARG_TIME(a->from_us));
}

static bool load_trials(struct op *op, struct analytics *a)
{
	return db_rows(op, &a->trials,
		       "SELECT l.playbook_id, p.name, l.treated,"
		       " l.treated_reached, l.treated_positive, l.held_out,"
		       " l.held_out_positive"
		       " FROM playbook_lift l JOIN playbooks p"
		       " ON p.tenant_id = l.tenant_id AND p.id = l.playbook_id"
		       " WHERE l.tenant_id = $1"
		       " ORDER BY p.created_at, p.id",
		       ARG_I64(op->tenant_id));
}

static double share(const struct db_row *row, const char *part,
		    const char *whole)
{
	int64_t all = db_i64(row, whole);

	return all == 0 ? 0 : (double)db_i64(row, part) / (double)all;
}

static void write_number(struct json_out *j, const char *key, double value)
{
	json_key(j, key);
	json_double(j, value);
}

static void write_count(struct json_out *j, const char *key, int64_t value)
{
	json_key(j, key);
	json_i64(j, value);
}

/* A column that is JSON already. */
static void write_list(struct json_out *j, const char *key,
		       const struct db_row *row, const char *column)
{
	json_key(j, key);
	json_raw(j, db_text(row, column));
}

static void write_kpis(struct json_out *j, const struct analytics *a)
{
	double churn = share(&a->people, "lost", "base");
	bool nobody = db_i64(&a->people, "base") == 0;

	json_key(j, "kpis");
	json_open(j, '{');
	write_count(j, "total_users", db_i64(&a->people, "total"));
	write_count(j, "total_interventions", db_i64(&a->messages, "total"));
	write_number(j, "positive_outcome_rate",
		     share(&a->outcomes, "positive", "measured"));
	write_number(j, "churn_rate", churn);
	write_number(j, "retention_rate", nobody ? 0 : 1 - churn);
	json_close(j);
}

static void write_roi(struct json_out *j, const struct analytics *a)
{
	json_key(j, "roi");
	json_open(j, '{');
	write_count(j, "recovered_users", db_i64(&a->outcomes, "recovered"));
	write_number(j, "intervention_success_rate",
		     share(&a->outcomes, "recent_positive", "recent"));
	write_number(j, "avg_time_to_outcome_days",
		     db_double(&a->outcomes, "days"));
	write_list(j, "outcomes_by_lifecycle_area", &a->outcomes, "areas");
	json_close(j);
}

static void write_trial(struct json_out *j, const struct db_row *row)
{
	const struct lift_counts n = {
		.treated = db_i64(row, "treated"),
		.reached = db_i64(row, "treated_reached"),
		.treated_positive = db_i64(row, "treated_positive"),
		.held_out = db_i64(row, "held_out"),
		.held_out_positive = db_i64(row, "held_out_positive"),
	};
	const struct lift lift = lift_of(&n);

	json_open(j, '{');
	json_pair(j, "playbook_id", db_text(row, "playbook_id"));
	json_pair(j, "name", db_text(row, "name"));
	write_count(j, "treated", n.treated);
	write_count(j, "treated_reached", n.reached);
	write_count(j, "treated_positive", n.treated_positive);
	write_count(j, "held_out", n.held_out);
	write_count(j, "held_out_positive", n.held_out_positive);
	if (lift.known) {
		write_number(j, "difference", lift.difference);
		write_number(j, "low", lift.low);
		write_number(j, "high", lift.high);
	}
	json_pair(j, "verdict", lift.verdict);
	json_close(j);
}

static void write_trials(struct json_out *j, const struct analytics *a)
{
	json_key(j, "lift");
	json_open(j, '[');
	db_each (row, &a->trials)
		write_trial(j, &row);
	json_close(j);
}

static bool analytics_get(struct op *op, const struct request *rq,
			  struct response *rs)
{
	struct analytics a;
	struct json_out j;

	if (!parse_span(op, rq, &a.span))
		return false;
	a.from_us = op->now_us - a.span->days * US_PER_DAY;
	if (!load_people(op, &a) || !load_messages(op, &a) ||
	    !load_outcomes(op, &a) || !load_trials(op, &a))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_pair(&j, "range", a.span->word);
	write_kpis(&j, &a);
	write_roi(&j, &a);
	db_rows_member(&j, "lifecycle_distribution", &a.stages);
	db_rows_member(&j, "risk_distribution", &a.risks);
	write_list(&j, "intervention_stats", &a.messages, "statuses");
	write_list(&j, "outcome_stats", &a.outcomes, "results");
	write_list(&j, "top_playbooks", &a.messages, "playbooks");
	write_list(&j, "lifecycle_area_breakdown", &a.messages, "areas");
	write_trials(&j, &a);
	db_rows_member(&j, "daily", &a.days);
	json_close(&j);
	return true;
}

const struct route analytics_routes[] = {
	{ HTTP_GET, "/api/analytics", ACCESS_VIEWER, analytics_get,
	  "getAnalytics", ROUTE_READ },
};
const size_t analytics_route_count = ARRAY_LEN(analytics_routes);
