/*
 * retivo-admin db apply and verify. An empty database gets schema.sql, an
 * older one the numbered steps that it lacks; each step and its row of
 * schema_version are one transaction. Verify reads the catalogue: what
 * keeps tenants apart must really be there, not only in the file.
 */
#include "admin/admin.h"

#include "base/config.h"
#include "base/str.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "db/sql.h"

#include <errno.h>

#define SCHEMA_MAX_BYTES (1 << 20)
/* Two at once wait for each other: pg_advisory_xact_lock(this). */
#define APPLY_LOCK 7381923

struct step {
	int version;
	const char *name;
	const char *script; /* NULL: schema.sql itself */
	bool alone; /* cannot run in a transaction; must be repeatable */
};

/* Erased customers leave rows without a name, and logs without payload. */
static const char erasure[] =
    "ALTER TABLE decisions ALTER user_id DROP NOT NULL;\n"
    "ALTER TABLE interventions ALTER user_id DROP NOT NULL;\n"
    "ALTER TABLE outcomes ALTER user_id DROP NOT NULL;\n"
    "CREATE FUNCTION log_redact(p_user_id text, p_interventions uuid[])\n"
    "RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER\n"
    "SET search_path = public, pg_temp AS $$\n"
    "UPDATE audit_log SET object = 'erased', before = NULL, after = NULL,\n"
    "salt = NULL\n"
    "WHERE tenant_id = app_tenant() AND object = p_user_id\n"
    "AND action LIKE 'customer.%';\n"
    "UPDATE intervention_log SET reason = NULL\n"
    "WHERE tenant_id = app_tenant() AND actor <> 'batch'\n"
    "AND intervention_id = ANY (p_interventions)\n"
    "AND reason <> 'erased';\n"
    "$$;\n"
    "REVOKE ALL ON FUNCTION log_redact FROM PUBLIC;\n"
    "GRANT EXECUTE ON FUNCTION log_redact TO retivo_api, retivo_batch;\n";

/* Escalations are interventions that people end. */
static const char escalations[] =
    "ALTER TABLE interventions ADD severity text\n"
    "CHECK (severity IN ('Critical', 'High', 'Medium', 'Low')),\n"
    "ADD handled_by text, ADD escalation_id uuid,\n"
    "DROP CONSTRAINT interventions_status_check,\n"
    "ADD CONSTRAINT interventions_status_check CHECK (status IN\n"
    "('planned', 'approved', 'sending', 'sent', 'delivered', 'rejected',\n"
    "'cancelled', 'failed', 'expired', 'rolled_back', 'shadow', 'handled',\n"
    "'delegated')),\n"
    "ADD CONSTRAINT interventions_escalation\n"
    "FOREIGN KEY (tenant_id, escalation_id)\n"
    "REFERENCES interventions (tenant_id, id);\n"
    "CREATE INDEX interventions_escalated ON interventions\n"
    "(tenant_id, created_at DESC, id DESC) WHERE channel = 'escalate';\n"
    "CREATE UNIQUE INDEX interventions_delegated ON interventions\n"
    "(tenant_id, escalation_id) WHERE escalation_id IS NOT NULL;\n";

/* The report of shadow mode begins there. */
static const char shadow_since[] =
    "ALTER TABLE tenant_settings ADD shadow_since timestamptz;\n";

/*
 * What measure and analytics look up; the chain of the logs covers a hash of
 * what erasure may take, so the maintain stage seals all rows anew.
 */
static const char sealed_logs[] =
    "ALTER TABLE intervention_log ADD salt bytea;\n"
    "ALTER TABLE intervention_log\n"
    "ALTER salt SET DEFAULT uuid_send(gen_random_uuid());\n"
    "CREATE INDEX outcomes_pending ON outcomes (tenant_id, intervention_id)\n"
    "WHERE outcome = 'pending';\n"
    "CREATE INDEX outcomes_measured ON outcomes (tenant_id, measured_at)\n"
    "WHERE outcome <> 'pending';\n"
    "CREATE INDEX audit_log_at ON audit_log (tenant_id, at, id);\n"
    "CREATE INDEX audit_log_unsealed ON audit_log (tenant_id, at, id)\n"
    "WHERE seq IS NULL;\n"
    "CREATE INDEX intervention_log_unsealed ON intervention_log\n"
    "(tenant_id, at, id) WHERE seq IS NULL;\n"
    "CREATE INDEX customers_churned ON customers (tenant_id, stage_since)\n"
    "WHERE lifecycle_stage = 'churned';\n"
    "CREATE INDEX score_ledger_recovered ON score_ledger (tenant_id, at)\n"
    "WHERE what = 'stage' AND new_value = 'recovered';\n"
    "CREATE TABLE log_heads (\n"
    "tenant_id bigint NOT NULL REFERENCES tenants (tenant_id),\n"
    "log text NOT NULL, seq bigint NOT NULL, hash bytea NOT NULL,\n"
    "sealed_at timestamptz NOT NULL, PRIMARY KEY (tenant_id, log));\n"
    "ALTER TABLE log_heads ENABLE ROW LEVEL SECURITY;\n"
    "ALTER TABLE log_heads FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON log_heads USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "GRANT SELECT ON log_heads TO retivo_api;\n"
    "GRANT SELECT, INSERT, UPDATE ON log_heads TO retivo_batch;\n"
    "REVOKE UPDATE ON intervention_log, audit_log FROM retivo_batch;\n"
    "GRANT UPDATE (seq, payload_hash, prev_hash, hash)\n"
    "ON intervention_log, audit_log TO retivo_batch;\n"
    "CREATE FUNCTION audit_content(salt bytea, object text, before jsonb,\n"
    "after jsonb) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE\n"
    "RETURN CASE WHEN octet_length(salt) = 32 THEN salt\n"
    "ELSE sha256(coalesce(salt, ''::bytea) || convert_to(\n"
    "jsonb_build_array(object, before, after)::text, 'UTF8')) END;\n"
    "CREATE FUNCTION transition_content(salt bytea, reason text)\n"
    "RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE\n"
    "RETURN CASE WHEN octet_length(salt) = 32 THEN salt\n"
    "ELSE sha256(coalesce(salt, ''::bytea)\n"
    "|| convert_to(coalesce(reason, ''), 'UTF8')) END;\n"
    "CREATE OR REPLACE FUNCTION log_redact(p_user_id text, p_interventions uuid[])\n"
    "RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER\n"
    "SET search_path = public, pg_temp AS $$\n"
    "UPDATE audit_log SET salt = audit_content(salt, object, before, after),\n"
    "object = 'erased', before = NULL, after = NULL\n"
    "WHERE tenant_id = app_tenant() AND object = p_user_id\n"
    "AND action LIKE 'customer.%';\n"
    "UPDATE intervention_log SET salt = transition_content(salt, reason),\n"
    "reason = NULL\n"
    "WHERE tenant_id = app_tenant() AND actor <> 'batch'\n"
    "AND intervention_id = ANY (p_interventions)\n"
    "AND reason <> 'erased';\n"
    "$$;\n"
    "REVOKE ALL ON FUNCTION audit_content, transition_content FROM PUBLIC;\n"
    "GRANT EXECUTE ON FUNCTION audit_content, transition_content\n"
    "TO retivo_api, retivo_batch;\n"
    "UPDATE audit_log SET seq = NULL, payload_hash = NULL, prev_hash = NULL,\n"
    "hash = NULL WHERE seq IS NOT NULL;\n"
    "UPDATE intervention_log SET seq = NULL, payload_hash = NULL,\n"
    "prev_hash = NULL, hash = NULL WHERE seq IS NOT NULL;\n";

/* Members, and people who set a password by themselves. */
static const char team[] =
    "CREATE FUNCTION team_add(p_person uuid, p_role text, p_now timestamptz)\n"
    "RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER\n"
    "SET search_path = public, pg_temp AS $$\n"
    "INSERT INTO memberships (tenant_id, person_id, role, created_at)\n"
    "SELECT tenant_id, p_person, p_role, p_now FROM tenants\n"
    "WHERE app_tenant() IN (tenant_id, live_tenant_id)\n"
    "ON CONFLICT (tenant_id, person_id) DO NOTHING;\n"
    "INSERT INTO token_index (kind, hash, tenant_id)\n"
    "SELECT 'member', uuid_send(p_person), tenant_id FROM tenants\n"
    "WHERE app_tenant() IN (tenant_id, live_tenant_id)\n"
    "ON CONFLICT DO NOTHING;\n"
    "$$;\n"
    "CREATE FUNCTION team_set_role(p_person uuid, p_role text)\n"
    "RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER\n"
    "SET search_path = public, pg_temp AS $$\n"
    "UPDATE memberships SET role = p_role WHERE person_id = p_person\n"
    "AND tenant_id IN (SELECT tenant_id FROM tenants\n"
    "WHERE app_tenant() IN (tenant_id, live_tenant_id));\n"
    "$$;\n"
    "CREATE FUNCTION team_remove(p_person uuid)\n"
    "RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER\n"
    "SET search_path = public, pg_temp AS $$\n"
    "DELETE FROM sessions WHERE person_id = p_person\n"
    "AND tenant_id IN (SELECT tenant_id FROM tenants\n"
    "WHERE app_tenant() IN (tenant_id, live_tenant_id));\n"
    "DELETE FROM memberships WHERE person_id = p_person\n"
    "AND tenant_id IN (SELECT tenant_id FROM tenants\n"
    "WHERE app_tenant() IN (tenant_id, live_tenant_id));\n"
    "DELETE FROM token_index WHERE kind = 'member'\n"
    "AND hash = uuid_send(p_person)\n"
    "AND tenant_id IN (SELECT tenant_id FROM tenants\n"
    "WHERE app_tenant() IN (tenant_id, live_tenant_id));\n"
    "$$;\n"
    "CREATE FUNCTION person_create(p_id uuid, p_email text, p_name text,\n"
    "p_hash text, p_now timestamptz)\n"
    "RETURNS uuid LANGUAGE sql VOLATILE SECURITY DEFINER\n"
    "SET search_path = public, pg_temp AS $$\n"
    "INSERT INTO people (id, email, name, password_hash, created_at,\n"
    "updated_at) VALUES (p_id, lower(p_email), p_name, p_hash, p_now, p_now)\n"
    "ON CONFLICT ON CONSTRAINT people_email_key DO NOTHING RETURNING id\n"
    "$$;\n"
    "CREATE FUNCTION person_set_password(p_id uuid, p_hash text, p_now timestamptz)\n"
    "RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER\n"
    "SET search_path = public, pg_temp AS $$\n"
    "UPDATE people SET password_hash = p_hash, failed_logins = 0,\n"
    "locked_until = NULL, updated_at = p_now WHERE id = p_id;\n"
    "DELETE FROM sessions WHERE person_id = p_id;\n"
    "$$;\n"
    "REVOKE ALL ON FUNCTION team_add, team_set_role, team_remove, person_create, person_set_password FROM PUBLIC;\n"
    "GRANT EXECUTE ON FUNCTION team_add, team_set_role, team_remove, person_create, person_set_password TO retivo_api, retivo_batch;\n";

/* What Stripe says of tenants that pay. */
static const char billing[] =
    "CREATE TABLE billing_accounts (\n"
    "tenant_id bigint PRIMARY KEY REFERENCES tenants (tenant_id),\n"
    "customer_id text NOT NULL,\n"
    "paid_tier text REFERENCES plans (plan_tier),\n"
    "version bigint NOT NULL DEFAULT 0,\n"
    "created_at timestamptz NOT NULL\n"
    ");\n"
    "CREATE TABLE subscriptions (\n"
    "tenant_id bigint NOT NULL REFERENCES billing_accounts (tenant_id),\n"
    "id text NOT NULL,\n"
    "status text NOT NULL,\n"
    "item_id text,\n"
    "price_id text,\n"
    "plan_tier text REFERENCES plans (plan_tier),\n"
    "period_ends_at timestamptz,\n"
    "cancel_at_period_end boolean NOT NULL,\n"
    "updated_at timestamptz NOT NULL,\n"
    "PRIMARY KEY (tenant_id, id)\n"
    ");\n"
    "CREATE TABLE billing_events (\n"
    "tenant_id bigint NOT NULL REFERENCES billing_accounts (tenant_id),\n"
    "id text NOT NULL,\n"
    "type text NOT NULL,\n"
    "received_at timestamptz NOT NULL,\n"
    "PRIMARY KEY (tenant_id, id)\n"
    ");\n"
    "ALTER TABLE billing_accounts ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON billing_accounts\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "ALTER TABLE subscriptions ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON subscriptions\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "ALTER TABLE billing_events ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON billing_events\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "GRANT SELECT, INSERT, UPDATE, DELETE\n"
    "ON billing_accounts, subscriptions, billing_events\n"
    "TO retivo_api, retivo_batch;\n";

/* The log of an endpoint, newest first. */
static const char delivery_log[] =
    "CREATE INDEX deliveries_endpoint ON deliveries\n"
    "(tenant_id, endpoint_id, created_at DESC, id DESC);\n";

/* Both arms of each playbook's trial. */
static const char lift[] =
    "ALTER TABLE candidates ADD held_out boolean NOT NULL DEFAULT false;\n"
    "CREATE TABLE exposures (\n"
    "tenant_id bigint NOT NULL,\n"
    "id uuid NOT NULL,\n"
    "playbook_id uuid NOT NULL,\n"
    "user_id text COLLATE \"C\",\n"
    "arm text NOT NULL CHECK (arm IN ('treated', 'held_out')),\n"
    "intervention_id uuid,\n"
    "exposed_at timestamptz NOT NULL,\n"
    "window_ends_at timestamptz NOT NULL,\n"
    "outcome text NOT NULL DEFAULT 'pending' CHECK (outcome IN\n"
    "('pending', 'positive', 'negative', 'neutral')),\n"
    "cause text,\n"
    "measured_at timestamptz,\n"
    "PRIMARY KEY (tenant_id, id),\n"
    "FOREIGN KEY (tenant_id, playbook_id)\n"
    "REFERENCES playbooks (tenant_id, id)\n"
    ");\n"
    "CREATE UNIQUE INDEX exposures_once ON exposures\n"
    "(tenant_id, playbook_id, user_id);\n"
    "CREATE INDEX exposures_user ON exposures (tenant_id, user_id);\n"
    "CREATE INDEX exposures_pending ON exposures\n"
    "(tenant_id, playbook_id, id) WHERE outcome = 'pending';\n"
    "CREATE TABLE playbook_lift (\n"
    "tenant_id bigint NOT NULL,\n"
    "playbook_id uuid NOT NULL,\n"
    "treated bigint NOT NULL,\n"
    "treated_positive bigint NOT NULL,\n"
    "held_out bigint NOT NULL,\n"
    "held_out_positive bigint NOT NULL,\n"
    "computed_at timestamptz NOT NULL,\n"
    "PRIMARY KEY (tenant_id, playbook_id),\n"
    "FOREIGN KEY (tenant_id, playbook_id)\n"
    "REFERENCES playbooks (tenant_id, id)\n"
    ");\n"
    "ALTER TABLE exposures ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON exposures\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "ALTER TABLE playbook_lift ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON playbook_lift\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "GRANT SELECT, INSERT, UPDATE, DELETE ON exposures, playbook_lift\n"
    "TO retivo_api, retivo_batch;\n";

/* What was sent to a model and came back; how it stands. */
static const char model_planner[] =
    "ALTER TABLE decisions DROP sent, DROP received,\n"
    "ADD subject text, ADD message_body text;\n"
    "CREATE TABLE model_calls (\n"
    "tenant_id bigint NOT NULL,\n"
    "id uuid NOT NULL,\n"
    "user_id text COLLATE \"C\",\n"
    "at timestamptz NOT NULL,\n"
    "purpose text NOT NULL CHECK (purpose IN ('decide', 'dry_run')),\n"
    "model text NOT NULL,\n"
    "sent bytea,\n"
    "received bytea,\n"
    "status integer,\n"
    "trouble text,\n"
    "attempts integer NOT NULL,\n"
    "tokens_in bigint NOT NULL,\n"
    "tokens_out bigint NOT NULL,\n"
    "ms bigint NOT NULL,\n"
    "PRIMARY KEY (tenant_id, id)\n"
    ");\n"
    "CREATE INDEX model_calls_at ON model_calls (tenant_id, at);\n"
    "CREATE INDEX model_calls_user ON model_calls (tenant_id, user_id);\n"
    "ALTER TABLE model_calls ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON model_calls\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "GRANT SELECT, INSERT, UPDATE, DELETE ON model_calls\n"
    "TO retivo_api, retivo_batch;\n"
    "CREATE TABLE model_state (\n"
    "name text PRIMARY KEY CHECK (name = 'planner'),\n"
    "at timestamptz NOT NULL,\n"
    "trouble text,\n"
    "latency_ms bigint NOT NULL,\n"
    "failures bigint NOT NULL,\n"
    "open_until timestamptz\n"
    ");\n"
    "GRANT SELECT ON model_state TO retivo_api, retivo_batch;\n"
    "GRANT INSERT, UPDATE ON model_state TO retivo_batch;\n";

/* When each connector last brought something. */
static const char event_sources[] =
    "CREATE TABLE event_sources (\n"
    "tenant_id bigint NOT NULL REFERENCES tenants (tenant_id),\n"
    "source text NOT NULL,\n"
    "last_event_at timestamptz NOT NULL,\n"
    "PRIMARY KEY (tenant_id, source)\n"
    ");\n"
    "ALTER TABLE event_sources ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON event_sources\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "GRANT SELECT, INSERT, UPDATE, DELETE ON event_sources\n"
    "TO retivo_api, retivo_batch;\n";

/* When match looks next, apart from the wide rows of customers. */
static const char match_queue[] =
    "CREATE TABLE match_queue (\n"
    "tenant_id bigint NOT NULL,\n"
    "user_id text COLLATE \"C\" NOT NULL,\n"
    "due_at timestamptz NOT NULL,\n"
    "changes bigint NOT NULL,\n"
    "PRIMARY KEY (tenant_id, user_id)\n"
    ");\n"
    "INSERT INTO match_queue (tenant_id, user_id, due_at, changes)\n"
    "SELECT tenant_id, user_id, eval_at, 1 FROM customers\n"
    "WHERE eval_at < 'infinity';\n"
    "CREATE INDEX match_queue_due ON match_queue (tenant_id, due_at,\n"
    "user_id) WHERE due_at < 'infinity';\n"
    "ALTER TABLE customers DROP eval_at;\n"
    "ALTER TABLE match_queue ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON match_queue\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "GRANT SELECT, INSERT, UPDATE, DELETE ON match_queue\n"
    "TO retivo_api, retivo_batch;\n";

/* The next sweep of refresh fills them. */
static const char narrow_scores[] =
    "ALTER TABLE customers DROP score_parts, ADD stage_reason text,\n"
    "ADD score_parts smallint[];\n"
    "UPDATE batch_leases SET swept_at = NULL WHERE stage = 'refresh';\n";

static const char inlined_draw[] =
    "CREATE OR REPLACE FUNCTION stable_draw(key text)\n"
    "RETURNS double precision LANGUAGE sql STABLE PARALLEL SAFE\n"
    "RETURN (('x' || encode(substr(sha256(convert_to(key, 'UTF8')), 1, 6),\n"
    "'hex'))::bit(48)::bigint) / 281474976710656.0::double precision;\n";

/*
 * The numbers stand as score_pack() wrote them at this version: the values of
 * the sums, then value and weight of each part, -1 where it is missing.
 */
static const char narrow_ledger[] =
    "ALTER TABLE customers ADD noted_health smallint;\n"
    "UPDATE customers c SET noted_health = (SELECT l.new_value::smallint\n"
    "FROM score_ledger l WHERE l.tenant_id = c.tenant_id\n"
    "AND l.user_id = c.user_id AND l.what = 'health'\n"
    "ORDER BY l.id DESC LIMIT 1);\n"
    "CREATE INDEX customers_untracked ON customers (tenant_id)\n"
    "WHERE NOT tracked;\n"
    "ALTER TABLE score_ledger ADD stage text, ADD reason text;\n"
    "ALTER TABLE score_ledger RENAME parts TO long_parts;\n"
    "ALTER TABLE score_ledger ADD parts smallint[];\n"
    "UPDATE score_ledger l SET stage = l.long_parts->'stage'->>'value',\n"
    "reason = l.long_parts->'stage'->>'reason', parts = ARRAY(\n"
    "SELECT round((l.long_parts->s->>'value')::numeric * 10000)::smallint\n"
    "FROM unnest('{activation,engagement,expansion,risk,health}'::text[])\n"
    "WITH ORDINALITY x (s, i) ORDER BY i) || ARRAY(\n"
    "SELECT coalesce(round((p->>k)::numeric * 10000), -1)::smallint\n"
    "FROM (VALUES (1, 'activation', 'milestones'),\n"
    "(2, 'activation', 'active_days'), (3, 'engagement', 'frequency'),\n"
    "(4, 'engagement', 'breadth'), (5, 'engagement', 'recency'),\n"
    "(6, 'engagement', 'milestones'), (7, 'expansion', 'limits'),\n"
    "(8, 'expansion', 'gates'), (9, 'expansion', 'signals'),\n"
    "(10, 'risk', 'inactivity'), (11, 'risk', 'decline'),\n"
    "(12, 'risk', 'activation'), (13, 'risk', 'churn_event'),\n"
    "(14, 'health', 'engagement'), (15, 'health', 'activation'),\n"
    "(16, 'health', 'safety')) x (i, s, name)\n"
    "LEFT JOIN LATERAL jsonb_array_elements(l.long_parts->x.s->'parts') p\n"
    "ON p->>'name' = x.name,\n"
    "(VALUES (1, 'value'), (2, 'weight')) y (o, k) ORDER BY i, o);\n"
    "ALTER TABLE score_ledger DROP long_parts,\n"
    "ALTER stage SET NOT NULL, ALTER parts SET NOT NULL;\n";

/* Of the treated: who had the message. The next walk of measure fills it. */
static const char lift_reach[] =
    "ALTER TABLE playbook_lift\n"
    "ADD treated_reached bigint NOT NULL DEFAULT 0;\n";

/* An approval is of the text that was seen. */
static const char message_versions[] =
    "ALTER TABLE interventions ADD version integer NOT NULL DEFAULT 1;\n";

/* Which way events came in, and how many of late. */
static const char source_minutes[] =
    "ALTER TABLE events ADD source \"char\" NOT NULL DEFAULT 'a';\n"
    "CREATE TABLE source_minutes (\n"
    "tenant_id bigint NOT NULL REFERENCES tenants (tenant_id),\n"
    "minute timestamptz NOT NULL,\n"
    "source \"char\" NOT NULL,\n"
    "events bigint NOT NULL,\n"
    "PRIMARY KEY (tenant_id, minute, source)\n"
    ");\n"
    "ALTER TABLE source_minutes ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON source_minutes\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "GRANT SELECT, INSERT, UPDATE, DELETE ON source_minutes\n"
    "TO retivo_api, retivo_batch;\n";

/* A failed message is repeated by a person. */
static const char resends[] =
    "ALTER TABLE interventions ADD resend_of uuid,\n"
    "ADD CONSTRAINT interventions_resend FOREIGN KEY (tenant_id, resend_of)\n"
    "REFERENCES interventions (tenant_id, id);\n"
    "CREATE UNIQUE INDEX interventions_resent ON interventions\n"
    "(tenant_id, resend_of) WHERE resend_of IS NOT NULL;\n";

/* Pages are filled so from now on; who wants the old ones so runs VACUUM FULL.
 */
static const char room[] = "ALTER TABLE customers SET (fillfactor = 50);\n";

/* What a run changed is counted by a later one. */
static const char changes_to_count[] =
    "ALTER TABLE batch_leases ADD changed_at timestamptz;\n";

/* What the batch looks up again and again. */
static const char batch_indexes[] =
    "DROP INDEX deliveries_due;\n"
    "CREATE INDEX deliveries_due ON deliveries\n"
    "(tenant_id, endpoint_id, next_attempt_at, id)\n"
    "WHERE status = 'pending';\n"
    "CREATE INDEX score_ledger_at ON score_ledger (tenant_id, at);\n";

/*
 * The sums of the messages; and what those of the trials need, which the
 * walks of measure fill.
 */
static const char outcome_sums[] =
    "ALTER TABLE exposures ADD reached boolean, ADD by_hand boolean;\n"
    "CREATE INDEX exposures_unsettled ON exposures\n"
    "(tenant_id, playbook_id, window_ends_at)\n"
    "WHERE by_hand IS NULL AND outcome <> 'pending';\n"
    "CREATE TABLE playbook_results (\n"
    "tenant_id bigint NOT NULL,\n"
    "playbook_id uuid NOT NULL,\n"
    "positive bigint NOT NULL,\n"
    "measured bigint NOT NULL,\n"
    "PRIMARY KEY (tenant_id, playbook_id),\n"
    "FOREIGN KEY (tenant_id, playbook_id)\n"
    "REFERENCES playbooks (tenant_id, id)\n"
    ");\n"
    "INSERT INTO playbook_results\n"
    "SELECT tenant_id, playbook_id,\n"
    "count(*) FILTER (WHERE outcome = 'positive'), count(*)\n"
    "FROM outcomes WHERE outcome <> 'pending'\n"
    "AND cause IS DISTINCT FROM 'not_delivered'\n"
    "AND playbook_id IS NOT NULL GROUP BY tenant_id, playbook_id;\n"
    "ALTER TABLE playbook_results ENABLE ROW LEVEL SECURITY,\n"
    "FORCE ROW LEVEL SECURITY;\n"
    "CREATE POLICY tenant ON playbook_results\n"
    "USING (tenant_id = app_tenant())\n"
    "WITH CHECK (tenant_id = app_tenant());\n"
    "GRANT SELECT, INSERT, UPDATE, DELETE ON playbook_results\n"
    "TO retivo_api, retivo_batch;\n";

/* What was edited before is known by its version; who did it, by the audit. */
static const char edited_messages[] =
    "ALTER TABLE interventions ADD edited_at timestamptz,\n"
    "ADD edited_by text;\n"
    "UPDATE interventions i SET edited_at = coalesce(a.at, i.planned_at),\n"
    "edited_by = a.actor FROM interventions o LEFT JOIN (\n"
    "SELECT DISTINCT ON (tenant_id, object) tenant_id, object, at, actor\n"
    "FROM audit_log WHERE action = 'intervention.edit'\n"
    "ORDER BY tenant_id, object, id DESC) a\n"
    "ON a.tenant_id = o.tenant_id AND a.object = o.id::text\n"
    "WHERE o.version > 1 AND o.status = 'planned'\n"
    "AND i.tenant_id = o.tenant_id AND i.id = o.id;\n";

/*
 * There was one answer a call: the last that came. Where the last attempt had
 * none it was that of an earlier one.
 */
static const char model_attempts[] =
    "ALTER TABLE model_calls ALTER received TYPE bytea[] USING CASE\n"
    "WHEN received IS NOT NULL AND status IS NULL AND attempts > 1\n"
    "THEN array_fill(NULL::bytea, ARRAY[attempts - 2]) || received\n"
    "|| NULL::bytea WHEN received IS NOT NULL\n"
    "THEN array_fill(NULL::bytea, ARRAY[attempts - 1]) || received\n"
    "WHEN user_id IS NOT NULL\n"
    "THEN array_fill(NULL::bytea, ARRAY[attempts]) END;\n";

/*
 * Once released a step never changes. schema.sql holds the sum of all steps
 * and inserts every version's row.
 */
static const struct step steps[] = {
	{ 1, "first schema", NULL, false },
	{ 2, "erasure", erasure, false },
	{ 3, "escalations", escalations, false },
	{ 4, "start of shadow mode", shadow_since, false },
	{ 5, "outcomes and sealed logs", sealed_logs, false },
	{ 6, "team", team, false },
	{ 7, "billing", billing, false },
	{ 8, "log of deliveries", delivery_log, false },
	{ 9, "lift", lift, false },
	{ 10, "model planner", model_planner, false },
	{ 11, "sources of events", event_sources, false },
	{ 12, "queue of match", match_queue, false },
	{ 13, "narrow scores", narrow_scores, false },
	{ 14, "inlined draw", inlined_draw, false },
	{ 15, "narrow ledger", narrow_ledger, false },
	{ 16, "reach of trials", lift_reach, false },
	{ 17, "versions of messages", message_versions, false },
	{ 18, "events by source", source_minutes, false },
	{ 19, "repeated messages", resends, false },
	{ 20, "room in customers", room, false },
	{ 21, "changes to count", changes_to_count, false },
	{ 22, "indexes of the batch", batch_indexes, false },
	{ 23, "sums of outcomes", outcome_sums, false },
	{ 24, "answers of each attempt", model_attempts, false },
	{ 25, "edited messages", edited_messages, false },
};

#define NEWEST steps[ARRAY_LEN(steps) - 1].version

static bool read_schema(struct op *op, const char **ret)
{
	const char *path = op->config->schema;
	FILE *file = fopen(path, "re");
	char *text = arena_alloc(op->arena, SCHEMA_MAX_BYTES + 1);
	size_t len;
	bool bad;

	if (file == NULL)
		return op_fail(op, FAIL_INTERNAL, "schema_unreadable",
			       "%s: %s (RETIVO_SCHEMA)", path, strerror(errno));
	len = fread(text, 1, SCHEMA_MAX_BYTES + 1, file);
	bad = ferror(file) != 0 || len > SCHEMA_MAX_BYTES;
	fclose(file);
	if (bad || len == 0)
		return op_fail(op, FAIL_INTERNAL, "schema_unreadable",
			       "%s: cannot be read whole", path);
	text[len] = '\0';
	*ret = text;
	return true;
}

/* Inside a transaction under the lock; 0 for an empty database. */
static bool current_version(struct op *op, int64_t *ret)
{
	struct db_row row;

	if (!db_exec(op, NULL, "SELECT pg_advisory_xact_lock($1)",
		     ARG_I64(APPLY_LOCK)) ||
	    !db_one(op, &row,
		    "SELECT to_regclass('public.schema_version') IS NOT NULL"
		    " AS found, (SELECT count(*) FROM pg_class WHERE"
		    " relnamespace = 'public'::regnamespace"
		    " AND relkind IN ('r', 'p')) AS tables"))
		return false;
	if (!db_bool(&row, "found")) {
		if (db_i64(&row, "tables") > 0)
			return op_fail(op, FAIL_CONFLICT, "foreign_database",
				       "the database has tables, but none of"
				       " ours: it is not Retivo's");
		*ret = 0;
		return true;
	}
	if (!db_one(op, &row,
		    "SELECT coalesce(max(version), 0) AS version"
		    " FROM schema_version"))
		return false;
	*ret = db_i64(&row, "version");
	return true;
}

static bool note_step(struct op *op, const struct step *step)
{
	return db_exec(op, NULL,
		       "INSERT INTO schema_version (version, name)"
		       " VALUES ($1, $2) ON CONFLICT DO NOTHING",
		       ARG_I64(step->version), ARG_TEXT(step->name));
}

static bool apply_step(struct op *op, const struct step *step)
{
	if (step->alone)
		return db_script(op, step->script) && db_begin(op) &&
		       note_step(op, step) && db_commit(op);
	return db_script(op, step->script) && note_step(op, step) &&
	       db_commit(op);
}

static const struct step *step_after(int64_t version)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].version > version)
			return &steps[i];
	}
	return NULL;
}

static bool apply_schema(struct op *op)
{
	const char *script = NULL;

	return read_schema(op, &script) && db_script(op, script) &&
	       db_commit(op);
}

/* One step further; *ret_done when the newest is reached. */
static bool apply_next(struct op *op, bool *ret_done)
{
	const struct step *step;
	int64_t version;

	if (!db_begin(op) || !current_version(op, &version))
		return false;
	step = step_after(version);
	*ret_done = step == NULL;
	if (version > NEWEST)
		return op_fail(op, FAIL_CONFLICT, "newer_schema",
			       "the database is at version %lld, this program"
			       " knows %d",
			       (long long)version, NEWEST);
	if (step == NULL)
		return db_commit(op);
	if (version == 0) {
		printf("creating the schema, version %d\n", NEWEST);
		return apply_schema(op);
	}
	printf("step %d: %s\n", step->version, step->name);
	if (step->alone && !db_commit(op))
		return false;
	return apply_step(op, step);
}

bool cmd_db_apply(struct op *op, int argc, char **argv)
{
	bool done = false;

	if (!admin_parse(op, argc, argv, NULL, 0, NULL, 0))
		return false;
	while (!done) {
		if (!apply_next(op, &done))
			return false;
	}
	printf("database is at version %d\n", NEWEST);
	return true;
}

/* Each statement gives one row a problem, in the column problem. */
#define GLOBAL_TABLES "'tenants', 'token_index'"
#define TENANT_TABLES                                                          \
	"WITH t AS (SELECT c.oid, c.relname, c.relrowsecurity,"                \
	" c.relforcerowsecurity FROM pg_class c JOIN pg_attribute a"           \
	" ON a.attrelid = c.oid AND a.attname = 'tenant_id'"                   \
	" WHERE c.relnamespace = 'public'::regnamespace"                       \
	" AND c.relkind IN ('r', 'p') AND c.relname NOT IN (" GLOBAL_TABLES    \
	")) "

static const struct sql_literal checks[] = {
	SQL_LITERAL(TENANT_TABLES
		    "SELECT relname || ': row-level security is not forced'"
		    " AS problem FROM t"
		    " WHERE NOT (relrowsecurity AND relforcerowsecurity)"),
	SQL_LITERAL(TENANT_TABLES
		    "SELECT relname || ': no policy by app_tenant()' AS problem"
		    " FROM t WHERE NOT EXISTS (SELECT FROM pg_policy p"
		    " WHERE p.polrelid = t.oid AND p.polpermissive"
		    " AND p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid)"
		    " = '(tenant_id = app_tenant())'"
		    " AND pg_get_expr(p.polwithcheck, p.polrelid)"
		    " = '(tenant_id = app_tenant())')"),
	SQL_LITERAL(TENANT_TABLES
		    "SELECT relname || ': a second policy, ' || p.polname"
		    " AS problem FROM t JOIN pg_policy p ON p.polrelid = t.oid"
		    " WHERE p.polname <> 'tenant'"),
	SQL_LITERAL(TENANT_TABLES
		    "SELECT i.indexrelid::regclass || ': tenant_id does not"
		    " lead this key' AS problem FROM t"
		    " JOIN pg_index i ON i.indrelid = t.oid"
		    " JOIN pg_attribute a ON a.attrelid = t.oid"
		    " AND a.attnum = i.indkey[0]"
		    " WHERE i.indisunique AND a.attname <> 'tenant_id'"),
	SQL_LITERAL(
	    TENANT_TABLES
	    "SELECT f.conname || ': tenant_id does not lead this"
	    " foreign key' AS problem FROM t"
	    " JOIN pg_constraint f ON f.conrelid = t.oid"
	    " AND f.contype = 'f' AND f.confrelid IN (SELECT oid FROM t)"
	    " JOIN pg_attribute a ON a.attrelid = t.oid"
	    " AND a.attnum = f.conkey[1] JOIN pg_attribute b"
	    " ON b.attrelid = f.confrelid AND b.attnum = f.confkey[1]"
	    " WHERE a.attname <> 'tenant_id'"
	    " OR b.attname <> 'tenant_id'"),
	SQL_LITERAL("SELECT w.name || ': ' || CASE WHEN r.oid IS NULL"
		    " THEN 'the role is missing' ELSE 'the role may pass"
		    " row-level security' END AS problem"
		    " FROM (VALUES ('retivo_api'), ('retivo_batch')) w (name)"
		    " LEFT JOIN pg_roles r ON r.rolname = w.name"
		    " WHERE r.oid IS NULL OR r.rolsuper OR r.rolbypassrls"),
	SQL_LITERAL("SELECT m.rolname || ': is a member of ' || g.rolname"
		    " AS problem FROM pg_auth_members x"
		    " JOIN pg_roles m ON m.oid = x.member"
		    " JOIN pg_roles g ON g.oid = x.roleid"
		    " WHERE m.rolname IN ('retivo_api', 'retivo_batch')"),
	SQL_LITERAL("SELECT c.relname || ': belongs to ' || r.rolname"
		    " AS problem FROM pg_class c JOIN pg_roles r"
		    " ON r.oid = c.relowner"
		    " WHERE c.relnamespace = 'public'::regnamespace"
		    " AND r.rolname IN ('retivo_api', 'retivo_batch')"),
	SQL_LITERAL("SELECT c.relname || ': reachable past its parent by '"
		    " || r.rolname AS problem FROM pg_class c,"
		    " pg_roles r WHERE c.relispartition AND c.relkind = 'r'"
		    " AND r.rolname IN ('retivo_api', 'retivo_batch')"
		    " AND has_table_privilege(r.oid, c.oid, 'SELECT')"),
};

static bool verify_version(struct op *op, int64_t *ret_problems)
{
	int64_t version;

	if (!db_begin(op) || !current_version(op, &version) || !db_commit(op))
		return false;
	if (version == NEWEST)
		return true;
	printf("schema_version: %lld instead of %d\n", (long long)version,
	       NEWEST);
	*ret_problems += 1;
	return true;
}

bool cmd_db_verify(struct op *op, int argc, char **argv)
{
	int64_t problems = 0;

	if (!admin_parse(op, argc, argv, NULL, 0, NULL, 0) ||
	    !verify_version(op, &problems))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		struct db_rows rows;
		struct sql q;

		sql_init(&q, op->arena);
		sql_add_literal(&q, &checks[i]);
		if (!db_rows_sql(op, &rows, &q))
			return false;
		db_each (row, &rows)
			puts(db_text(&row, "problem"));
		problems += (int64_t)rows.count;
	}
	if (problems > 0)
		return op_fail(op, FAIL_INTERNAL, "schema_wrong",
			       "%lld problems with the schema",
			       (long long)problems);
	printf("the schema is right, version %d\n", NEWEST);
	return true;
}
