/*
 * measure: the rule by which messages and both arms of trials are judged.
 * engine/backtest.c has it once more, for the ends of past days.
 */
#include "batch/measure.h"

/* Greater is better; what time alone brings is no step. */
#define STAGE_RANK(v)                                                          \
	"CASE " v " WHEN 'churned' THEN 0 WHEN 'at_risk' THEN 1"               \
	" WHEN 'new' THEN 2 WHEN 'onboarding' THEN 2 ELSE 3 END"
#define RISK_RANK(v)                                                           \
	"CASE " v " WHEN 'critical' THEN 0 WHEN 'high' THEN 1"                 \
	" WHEN 'medium' THEN 2 ELSE 3 END"
#define BETTER(what, rank)                                                     \
	" bool_or(l.what = '" what "' AND l.cause = 'events'"                  \
	" AND " rank("l.new_value") " > " rank("l.was") ") AS " what "_better"

/*
 * FROM item d (churned, stage_better, risk_better): what the ledger says of
 * the time of t.
 */
static void write_ledger(struct sql *q, const struct condition_at *at)
{
	sql_add(q, "(SELECT bool_or(l.what = 'stage'"
		   " AND l.new_value = 'churned') AS churned,");
	sql_add(q, BETTER("stage", STAGE_RANK) ",");
	sql_add(q, BETTER("risk", RISK_RANK));
	sql_add(q, " FROM (SELECT s.what, s.cause, s.new_value,"
		   " first_value(s.old_value) OVER (PARTITION BY s.what"
		   " ORDER BY s.at, s.id) AS was FROM score_ledger s"
		   " WHERE s.user_id = e.user_id"
		   " AND s.what IN ('stage', 'risk')"
		   " AND s.at > t.since AND s.at <= t.until"
		   " AND s.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, ") l) d");
}

/* The causes in their order: the first that holds is the one. */
static void write_cause(struct sql *q)
{
	sql_add(q, "CASE WHEN e.not_delivered THEN 'not_delivered'"
		   " WHEN c.user_id IS NULL THEN 'erased'"
		   " WHEN c.opted_out AND c.opted_out_at > t.since"
		   " AND c.opted_out_at <= t.until THEN 'opted_out'"
		   " WHEN e.channel_off THEN 'opted_out'"
		   " WHEN d.churned THEN 'churned'"
		   " WHEN e.exit_met THEN 'exit_met'"
		   " WHEN d.stage_better THEN 'stage_better'"
		   " WHEN d.risk_better THEN 'risk_better'"
		   " WHEN t.over THEN 'window_over' END");
}

void measure_write_judged(struct sql *q, const struct condition_at *at)
{
	sql_add(q, ", judged AS (SELECT j.id, j.until, j.cause, CASE"
		   " WHEN j.cause IN ('exit_met', 'stage_better',"
		   " 'risk_better') THEN 'positive'"
		   " WHEN j.cause IN ('opted_out', 'churned')"
		   " THEN 'negative' ELSE 'neutral' END AS outcome"
		   " FROM (SELECT e.id, t.until, ");
	write_cause(q);
	sql_add(q, " AS cause FROM due e LEFT JOIN customers c"
		   " ON c.user_id = e.user_id AND c.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " CROSS JOIN LATERAL (SELECT e.since, least(");
	sql_ref(q, at->now);
	sql_add(q, ", e.window_ends_at) AS until, e.window_ends_at <= ");
	sql_ref(q, at->now);
	sql_add(q, " AS over) t CROSS JOIN LATERAL ");
	write_ledger(q, at);
	sql_add(q, ") j WHERE j.cause IS NOT NULL)");
}
