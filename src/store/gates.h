/*
 * The gates as SQL, written once for match, dry-run (engine) and the claim
 * before sending (deliver), so that they cannot disagree.
 *
 * Each macro is a boolean expression that is true while the gate is OPEN,
 * over these FROM items, all of one tenant:
 *   c  customers
 *   p  playbooks (at the claim by LEFT JOIN: a manual row skips the
 *      gates marked "automatic only")
 *   t  tenant_settings
 *   n  one row with the op's clock, now; for no_transport also whether mail
 *      can leave, email_ready, and for model_wait whether there is a model
 *   i  interventions, only in the gates of the claim
 *
 * Names and order, as they stand in gate_results.gate and in
 * interventions.hold:
 *   kill_switch, playbook_active, entry, exit_met, tracked_limit, opted_out,
 *   paused, holdout, cooldown, max_per_customer, win_back_step,
 *   frequency_cap, open_intervention, daily_budget, channel_off, no_address,
 *   no_transport, model_wait,
 * and at the claim also
 *   shadow_mode, quiet_hours.
 * "entry" and "exit_met" are the playbook's compiled conditions. channel_off,
 * no_address and no_transport close for a playbook when they leave none of
 * its channels, at the claim when they close the message's own.
 *
 * Which rows count: a shadow row only while the tenant is in shadow mode,
 * a real row always.
 */
#ifndef STORE_GATES_H
#define STORE_GATES_H

/*
 * The columns of c that gates, conditions (engine/condition.h) and
 * strategies read, for those who copy c: score_parts is wider than all the
 * others together.
 */
#define GATE_SQL_CUSTOMER                                                      \
	"tenant_id, user_id, name, email, company, role, team_size, locale,"   \
	" timezone, plan, properties, lifecycle_stage, health, risk_level,"    \
	" risk_score, activation_score, engagement_score, expansion_score,"    \
	" first_activity_at, last_activity_at, events_total, opted_out,"       \
	" channels_off, tracked, created_at"

/* True while shadow mode lasts; it ends by itself. */
#define GATE_SQL_SHADOW_ON                                                     \
	"(t.shadow_mode AND (t.shadow_until IS NULL"                           \
	" OR t.shadow_until > n.now))"

/* An intervention o that counts for the rows being decided. */
#define GATE_SQL_COUNTS "(NOT o.shadow OR " GATE_SQL_SHADOW_ON ")"

/* Start of the day, in UTC. */
#define GATE_SQL_TODAY "date_trunc('day', n.now, 'UTC')"

#define GATE_SQL_KILL_SWITCH "(NOT t.kill_switch_active)"

/* Automatic only. */
#define GATE_SQL_PLAYBOOK_ACTIVE "(p.status = 'active')"

#define GATE_SQL_TRACKED_LIMIT "(c.tracked)"

#define GATE_SQL_OPTED_OUT "(NOT c.opted_out)"

/*
 * A person paused a message to this customer and has not let it go on.
 * Counted over the customer's own rows: with NOT EXISTS a planner that knows
 * little of the table may walk the whole queue for each customer.
 */
#define GATE_SQL_PAUSED                                                        \
	"((SELECT count(*) FILTER (WHERE o.status = 'planned'"                 \
	" AND o.paused_at IS NOT NULL AND " GATE_SQL_COUNTS ")"                \
	" FROM interventions o WHERE o.tenant_id = c.tenant_id"                \
	" AND o.user_id = c.user_id) = 0)"

/* Draw of this customer and playbook, in [0, 1). */
#define GATE_SQL_DRAW "stable_draw(p.id::text || ':' || c.user_id)"
#define GATE_SQL_HOLDOUT_SHARE                                                 \
	"coalesce((p.constraints->>'holdout')::double precision, 0.1)"

/* Open: the customer is not in the holdout. Automatic only. */
#define GATE_SQL_HOLDOUT "(" GATE_SQL_DRAW " >= " GATE_SQL_HOLDOUT_SHARE ")"

/*
 * The playbook's own rest: cooldown_days since its last message to this
 * customer was sent or, unsent, drafted (so a rejected text does not come
 * back the next minute). Cancelled rows do not count, open ones are the
 * open_intervention gate's. Automatic only.
 */
#define GATE_SQL_COOLDOWN                                                      \
	"(NOT EXISTS (SELECT FROM interventions o"                             \
	" WHERE o.tenant_id = c.tenant_id AND o.user_id = c.user_id"           \
	" AND o.playbook_id = p.id"                                            \
	" AND o.status NOT IN ('planned', 'approved', 'sending',"              \
	" 'cancelled') AND " GATE_SQL_COUNTS                                   \
	" AND greatest(o.planned_at, o.sent_at) > n.now"                       \
	" - coalesce((p.constraints->>'cooldown_days')"                        \
	"::double precision, 7) * interval '1 day'))"

/* Messages of the playbook that this customer ever got. Automatic only. */
#define GATE_SQL_MAX_PER_CUSTOMER                                              \
	"(coalesce(p.constraints->>'max_per_customer', '0') = '0'"             \
	" OR (SELECT count(*) FROM interventions o"                            \
	" WHERE o.tenant_id = c.tenant_id AND o.user_id = c.user_id"           \
	" AND o.playbook_id = p.id"                                            \
	" AND (o.sent_at IS NOT NULL OR o.status = 'shadow')"                  \
	" AND " GATE_SQL_COUNTS ")"                                            \
	" < (p.constraints->>'max_per_customer')::numeric)"

/*
 * A series of playbooks with win_back_step 1, 2, ... goes on only where the
 * step before was sent in this very absence, that is since the customer's
 * last activity. Automatic only.
 */
#define GATE_SQL_WIN_BACK_STEP                                                 \
	"(coalesce((p.constraints->>'win_back_step')::numeric, 1) <= 1"        \
	" OR EXISTS (SELECT FROM interventions o JOIN playbooks b"             \
	" ON b.tenant_id = o.tenant_id AND b.id = o.playbook_id"               \
	" WHERE o.tenant_id = c.tenant_id AND o.user_id = c.user_id"           \
	" AND (o.sent_at IS NOT NULL OR o.status = 'shadow')"                  \
	" AND " GATE_SQL_COUNTS                                                \
	" AND (b.constraints->>'win_back_step')::numeric"                      \
	" = (p.constraints->>'win_back_step')::numeric - 1"                    \
	" AND coalesce(o.sent_at, o.planned_at)"                               \
	" > coalesce(c.last_activity_at, '-infinity')))"

/*
 * Messages that reached, or may have reached, this customer over all
 * playbooks in the tenant's frequency_cap, by default 3 in 7 days. The row
 * being claimed is approved and so never counts itself. Automatic only:
 * what a person wrote and approved goes.
 */
#define GATE_SQL_FREQUENCY_CAP                                                 \
	"((SELECT count(*) FROM interventions o"                               \
	" WHERE o.tenant_id = c.tenant_id AND o.user_id = c.user_id"           \
	" AND o.channel <> 'escalate'"                                         \
	" AND (o.status IN ('sending', 'sent', 'delivered',"                   \
	" 'rolled_back', 'shadow')"                                            \
	" OR o.status = 'failed' AND o.reason = 'outcome_unknown')"            \
	" AND " GATE_SQL_COUNTS                                                \
	" AND CASE WHEN o.status = 'shadow' THEN o.planned_at"                 \
	" ELSE coalesce(o.sent_at, o.sending_at) END > n.now"                  \
	" - coalesce((t.config->'frequency_cap'->>'days')"                     \
	"::double precision, 7) * interval '1 day')"                           \
	" < coalesce((t.config->'frequency_cap'->>'count')::numeric, 3))"

/* Something for this customer waits already, of whatever playbook. */
#define GATE_SQL_OPEN_INTERVENTION                                             \
	"((SELECT count(*) FILTER (WHERE o.status IN"                          \
	" ('planned', 'approved', 'sending') AND " GATE_SQL_COUNTS ")"         \
	" FROM interventions o WHERE o.tenant_id = c.tenant_id"                \
	" AND o.user_id = c.user_id) = 0)"

/*
 * Automatic messages drafted today, over the tenant and for the playbook:
 * numbers that do not depend on the customer, so a statement over many
 * customers should compute them once.
 */
#define GATE_SQL_SPENT_TODAY                                                   \
	"(SELECT count(*) FROM interventions o"                                \
	" WHERE o.tenant_id = t.tenant_id"                                     \
	" AND o.planned_at >= " GATE_SQL_TODAY " AND o.source = 'automatic'"   \
	" AND o.status <> 'cancelled' AND " GATE_SQL_COUNTS ")"
#define GATE_SQL_PLAYBOOK_SPENT_TODAY                                          \
	"(SELECT count(*) FROM interventions o"                                \
	" WHERE o.tenant_id = t.tenant_id"                                     \
	" AND o.planned_at >= " GATE_SQL_TODAY                                 \
	" AND o.playbook_id = p.id AND o.source = 'automatic'"                 \
	" AND o.status <> 'cancelled' AND " GATE_SQL_COUNTS ")"

/* The tenant's daily_budget and the playbook's max_per_day; 0: none. */
#define GATE_SQL_TENANT_BUDGET                                                 \
	"CASE WHEN coalesce(t.config->>'daily_budget', '0') = '0'"             \
	" THEN true ELSE " GATE_SQL_SPENT_TODAY                                \
	" < (t.config->>'daily_budget')::numeric END"
#define GATE_SQL_PLAYBOOK_BUDGET                                               \
	"CASE WHEN coalesce(p.constraints->>'max_per_day', '0')"               \
	" = '0' THEN true ELSE " GATE_SQL_PLAYBOOK_SPENT_TODAY                 \
	" < (p.constraints->>'max_per_day')::numeric END"
#define GATE_SQL_DAILY_BUDGET                                                  \
	"(" GATE_SQL_TENANT_BUDGET " AND " GATE_SQL_PLAYBOOK_BUDGET ")"

/*
 * Some channel of the playbook is left that the customer did not switch off,
 * that has an address, that is set up: each looks at what the one before
 * leaves. Automatic only; not for cases that the playbook hands to a person.
 */
#define GATE_SQL_SOME_CHANNEL                                                  \
	"EXISTS (SELECT FROM jsonb_array_elements_text("                       \
	"coalesce(nullif(p.constraints->'channels', 'null'),"                  \
	" nullif(t.config->'channels', 'null'),"                               \
	" '[\"email\", \"in_app\"]')) x (name)"                                \
	" WHERE x.name <> ALL (c.channels_off)"
#define GATE_SQL_SOME_CHANNEL_ON "(" GATE_SQL_SOME_CHANNEL "))"
#define GATE_SQL_SOME_ADDRESS                                                  \
	"(" GATE_SQL_SOME_CHANNEL                                              \
	" AND (x.name <> 'email' OR c.email IS NOT NULL)))"
#define GATE_SQL_SOME_TRANSPORT                                                \
	"(" GATE_SQL_SOME_CHANNEL                                              \
	" AND (x.name <> 'email' OR c.email IS NOT NULL AND n.email_ready)))"

/*
 * A model that chose to wait is asked again after a day, or when the
 * playbook or the config changes.
 */
#define GATE_SQL_MODEL_WAIT                                                    \
	"(NOT n.model OR (SELECT count(*) FROM decisions d"                    \
	" WHERE d.tenant_id = c.tenant_id AND d.user_id = c.user_id"           \
	" AND d.created_at > n.now - interval '1 day'"                         \
	" AND d.playbook_id = p.id AND d.playbook_version = p.version"         \
	" AND d.config_version = t.config_version AND d.action = 'wait'"       \
	" AND d.planner <> 'builtin'"                                          \
	" AND d.shadow = " GATE_SQL_SHADOW_ON ") = 0)"

/* ------------------------------------------------- only at the claim -- */

#define GATE_SQL_SHADOW_MODE "(NOT " GATE_SQL_SHADOW_ON ")"

/* The customer's local time: their zone, the tenant's, UTC. */
#define GATE_SQL_LOCAL_TIME                                                    \
	"((n.now AT TIME ZONE coalesce(c.timezone, t.timezone, 'UTC'))"        \
	"::time)"

/* {"start": "22:00", "end": "07:00"}; the playbook's null means none. */
#define GATE_SQL_QUIET                                                         \
	"(CASE WHEN p.constraints ? 'quiet_hours'"                             \
	" THEN p.constraints->'quiet_hours'"                                   \
	" ELSE t.config->'quiet_hours' END)"

/* From start up to, not including, end; start = end is never quiet. */
#define GATE_SQL_QUIET_HOURS                                                   \
	"(SELECT CASE WHEN q.s IS NULL OR q.e IS NULL THEN true"               \
	" WHEN q.s < q.e THEN q.l < q.s OR q.l >= q.e"                         \
	" WHEN q.s > q.e THEN q.l >= q.e AND q.l < q.s"                        \
	" ELSE true END FROM (SELECT"                                          \
	" (" GATE_SQL_QUIET "->>'start')::time AS s,"                          \
	" (" GATE_SQL_QUIET "->>'end')::time AS e,"                            \
	" " GATE_SQL_LOCAL_TIME " AS l) q)"

/* The customer refused this channel. */
#define GATE_SQL_CHANNEL_OFF "(NOT (i.channel = ANY (c.channels_off)))"

/* A mail needs an address. */
#define GATE_SQL_NO_ADDRESS "(i.channel <> 'email' OR c.email IS NOT NULL)"

#endif
