/*
 * How a tenant's customers and messages did over 7, 30 or 90 days. Each
 * figure is defined in openapi.json; shares are 0 to 1, and 0 of nothing.
 */
#include "api/reply.h"
#include "api/routes.h"
#include "base/clock.h"
#include "db/db.h"

#define TOP_PLAYBOOKS 10

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
	struct db_rows stages, risks, statuses, results, areas, area_outcomes,
	    playbooks;
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

/*
 * base: who was there before the range and not churned; lost: those of them
 * that are churned now. recovered: back in the range, with a message sent
 * in the attribution window before.
 */
static bool load_people(struct op *op, struct analytics *a)
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

#define MESSAGES                                                               \
	" FROM interventions i LEFT JOIN playbooks p"                          \
	" ON p.tenant_id = i.tenant_id AND p.id = i.playbook_id"               \
	" LEFT JOIN outcomes o ON o.tenant_id = i.tenant_id"                   \
	" AND o.intervention_id = i.id WHERE i.tenant_id = $1"                 \
	" AND i.planned_at >= $2 AND NOT i.shadow"                             \
	" AND i.channel <> 'escalate'"
#define POSITIVE "count(*) FILTER (WHERE o.outcome = 'positive')"
#define MEASURED "count(*) FILTER (WHERE o.outcome <> 'pending')"

static bool load_messages(struct op *op, struct analytics *a)
{
	return db_one(op, &a->messages, "SELECT count(*) AS total" MESSAGES,
		      ARG_I64(op->tenant_id), ARG_TIME(a->from_us)) &&
	       db_rows(op, &a->statuses,
		       "SELECT i.status, count(*) AS count" MESSAGES
		       " GROUP BY i.status ORDER BY i.status",
		       ARG_I64(op->tenant_id), ARG_TIME(a->from_us)) &&
	       db_rows(op, &a->areas,
		       "SELECT p.lifecycle_area, count(*) AS interventions,"
		       " count(i.sent_at) AS sent,"
		       " count(DISTINCT i.playbook_id) AS playbooks" MESSAGES
		       " GROUP BY p.lifecycle_area ORDER BY p.lifecycle_area",
		       ARG_I64(op->tenant_id), ARG_TIME(a->from_us)) &&
	       db_rows(op, &a->playbooks,
		       "SELECT i.playbook_id, p.name, count(*)"
		       " AS interventions, count(i.sent_at) AS sent, " POSITIVE
		       " AS positive, coalesce(round(" POSITIVE
		       "::numeric / nullif(" MEASURED ", 0), 4), 0)"
		       "::double precision AS success_rate" MESSAGES
		       " AND i.playbook_id IS NOT NULL"
		       " GROUP BY i.playbook_id, p.name"
		       " ORDER BY positive DESC, interventions DESC,"
		       " i.playbook_id LIMIT $3",
		       ARG_I64(op->tenant_id), ARG_TIME(a->from_us),
		       ARG_I64(TOP_PLAYBOOKS));
}

#define OUTCOMES                                                               \
	" FROM outcomes o JOIN interventions i ON i.tenant_id = o.tenant_id"   \
	" AND i.id = o.intervention_id LEFT JOIN playbooks p"                  \
	" ON p.tenant_id = o.tenant_id AND p.id = o.playbook_id"               \
	" WHERE o.tenant_id = $1 AND NOT i.shadow"                             \
	" AND i.channel <> 'escalate' AND o.measured_at >= $2"

static bool load_outcomes(struct op *op, struct analytics *a)
{
	return db_one(op, &a->outcomes,
		      "SELECT count(*) AS measured, " POSITIVE " AS positive,"
		      " count(*) FILTER (WHERE i.sent_at >= $2) AS recent,"
		      " count(*) FILTER (WHERE i.sent_at >= $2"
		      " AND o.outcome = 'positive') AS recent_positive,"
		      " coalesce(extract(epoch FROM avg(o.measured_at"
		      " - i.sent_at) FILTER (WHERE o.outcome = 'positive'))"
		      " / 86400, 0)::double precision AS days,"
		      " (SELECT count(DISTINCT l.user_id) FROM score_ledger l"
		      " WHERE l.tenant_id = $1 AND l.what = 'stage'"
		      " AND l.new_value = 'recovered' AND l.at >= $2"
		      " AND EXISTS (SELECT FROM interventions s"
		      " WHERE s.tenant_id = $1 AND s.user_id = l.user_id"
		      " AND s.sent_at < l.at AND s.sent_at >= l.at"
		      " - make_interval(days => (SELECT coalesce("
		      "(t.config->>'attribution_days')::numeric, 14)::integer"
		      " FROM tenant_settings t WHERE t.tenant_id = $1))))"
		      " AS recovered" OUTCOMES,
		      ARG_I64(op->tenant_id), ARG_TIME(a->from_us)) &&
	       db_rows(op, &a->results,
		       "SELECT o.outcome, count(*) AS count" OUTCOMES
		       " GROUP BY o.outcome ORDER BY o.outcome",
		       ARG_I64(op->tenant_id), ARG_TIME(a->from_us)) &&
	       db_rows(op, &a->area_outcomes,
		       "SELECT p.lifecycle_area, " POSITIVE " AS positive,"
		       " count(*) FILTER (WHERE o.outcome = 'negative')"
		       " AS negative, count(*) FILTER (WHERE"
		       " o.outcome = 'neutral') AS neutral" OUTCOMES
		       " GROUP BY p.lifecycle_area ORDER BY p.lifecycle_area",
		       ARG_I64(op->tenant_id), ARG_TIME(a->from_us));
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
	db_rows_member(j, "outcomes_by_lifecycle_area", &a->area_outcomes);
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
	    !load_outcomes(op, &a))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_pair(&j, "range", a.span->word);
	write_kpis(&j, &a);
	write_roi(&j, &a);
	db_rows_member(&j, "lifecycle_distribution", &a.stages);
	db_rows_member(&j, "risk_distribution", &a.risks);
	db_rows_member(&j, "intervention_stats", &a.statuses);
	db_rows_member(&j, "outcome_stats", &a.results);
	db_rows_member(&j, "top_playbooks", &a.playbooks);
	db_rows_member(&j, "lifecycle_area_breakdown", &a.areas);
	json_close(&j);
	return true;
}

const struct route analytics_routes[] = {
	{ HTTP_GET, "/api/analytics", ACCESS_VIEWER, analytics_get,
	  "getAnalytics", 0 },
};
const size_t analytics_route_count = ARRAY_LEN(analytics_routes);
