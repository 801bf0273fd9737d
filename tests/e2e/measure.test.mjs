/* What came of a message: every way an outcome is found, and when not. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { HookServer } from "./lib/hooks.mjs";
import { add_endpoint, new_secret } from "./lib/endpoints.mjs";
import { activate, at, drift, new_user, ok, the_intervention, unsubscribe_link, win_back, DAY } from "./lib/cases.mjs";

let stack, hooks;

before(async () => {
	hooks = await new HookServer(new_secret()).start();
	stack = await start_stack({ mail: true });
});
after(async () => {
	await stack?.stop();
	await hooks?.stop();
});

/* A tenant that is told of outcomes, a drifting customer, and a message that
 * was sent. */
async function sent(playbook = {}, config) {
	const tenant = await stack.tenant("Measure");
	tenant.endpoint = await add_endpoint(stack, tenant, hooks);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto",
		...(config && { config }) }));
	const user = await drift(tenant.ingest, new_user("measure"));
	await activate(tenant, win_back(playbook));
	const batch = (options) => stack.batch({ tenant: tenant.id, ...options });
	await batch();
	await batch();
	const { id, status } = await the_intervention(tenant, user);
	assert.ok(["sent", "delivered"].includes(status), status);
	return { tenant, user, id, batch };
}

async function outcome(tenant, id) {
	const [row] = await stack.sql("select outcome, cause, measured_at, window_ends_at" +
		" from outcomes where tenant_id = $1 and intervention_id = $2", tenant.id, id);
	return row;
}

/* The record of its playbook is the sum of what is known of it. */
async function recorded(tenant) {
	const kept = await stack.sql("select playbook_id, positive::int, measured::int" +
		" from playbook_results where tenant_id = $1 and measured > 0 order by 1", tenant.id);
	const summed = await stack.sql("select playbook_id," +
		" count(*) filter (where outcome = 'positive')::int as positive," +
		" count(*)::int as measured from outcomes where tenant_id = $1" +
		" and outcome <> 'pending' and cause <> 'not_delivered'" +
		" group by 1 order by 1", tenant.id);
	assert.deepEqual(kept, summed);
	return kept;
}

/* The outcome is this one, and it was told once. */
async function found(tenant, id, wanted, cause) {
	const row = await outcome(tenant, id);
	assert.equal(row.outcome, wanted, JSON.stringify(row));
	assert.equal(row.cause, cause);
	assert.ok(row.measured_at);
	const record = await recorded(tenant);
	assert.deepEqual(record.map(({ positive, measured }) => [positive, measured]),
		cause === "not_delivered" ? [] : [[Number(wanted === "positive"), 1]]);
	const told = await stack.sql("select payload::jsonb as body from outbox where" +
		" tenant_id = $1 and type = 'outcome.recorded'", tenant.id);
	assert.equal(told.length, 1);
	assert.equal(told[0].body.intervention_id, id);
	assert.equal(told[0].body.outcome, wanted);
	assert.equal(told[0].body.cause, cause);
	return told[0].body;
}

async function pending(tenant, id) {
	assert.equal((await outcome(tenant, id)).outcome, "pending");
	assert.deepEqual(await stack.sql("select id from outbox where tenant_id = $1" +
		" and type = 'outcome.recorded'", tenant.id), []);
}

const EXIT = { event: { name: "came_back", within_days: 30 } };
const report = (tenant, user) => tenant.ingest.track({ user_id: user, event: "report_created" });

test("nothing happened yet: pending, however often the batch looks", async () => {
	const { tenant, id, batch } = await sent({ exit_conditions: { event: "never" } });
	await batch();
	await batch({ now: at(2 * DAY) });
	await pending(tenant, id);
});

test("exit conditions met: positive, with the customer's state in the event", async () => {
	const { tenant, user, id, batch } = await sent({
		exit_conditions: { event: { name: "report_created", within_days: 1 } } });
	await pending(tenant, id);
	ok(await report(tenant, user));
	await batch();
	const body = await found(tenant, id, "positive", "exit_met");
	assert.equal(body.user_id, user);
	assert.ok(body.metadata.lifecycle_stage);
	await batch();
	await found(tenant, id, "positive", "exit_met");
});

test("back from at_risk by what the customer did: positive", async () => {
	const { tenant, user, id, batch } = await sent();
	ok(await report(tenant, user));
	await batch();
	await found(tenant, id, "positive", "stage_better");
});

test("a better risk level: positive; one that time alone brought is none", async () => {
	for (const [cause, wanted] of [["events", "positive"], ["time", "pending"]]) {
		const { tenant, user, id, batch } = await sent();
		await stack.sql("insert into score_ledger (tenant_id, user_id, id, at, what," +
			" old_value, new_value, cause, stage, parts) values ($1, $2, gen_random_uuid()," +
			" now(), 'risk', 'high', 'medium', $3, 'active', '{}')", tenant.id, user, cause);
		await batch();
		if (wanted === "pending")
			await pending(tenant, id);
		else
			await found(tenant, id, "positive", "risk_better");
	}
});

test("worse and then only half-way back is not better", async () => {
	const { tenant, user, id, batch } = await sent();
	for (const [old, now] of [["medium", "critical"], ["critical", "high"]])
		await stack.sql("insert into score_ledger (tenant_id, user_id, id, at, what," +
			" old_value, new_value, cause, stage, parts) values ($1, $2, gen_random_uuid()," +
			" clock_timestamp(), 'risk', $3, $4, 'events', 'active', '{}')", tenant.id, user, old, now);
	await batch();
	await pending(tenant, id);
});

test("opted out by the link of the mail: negative", async () => {
	const { tenant, user, id, batch } = await sent();
	ok(await tenant.editor.put(`/api/customers/${user}/preferences`, { opted_out: true }));
	await batch();
	await found(tenant, id, "negative", "opted_out");
});

test("its channel switched off: negative, another channel: not", async () => {
	const { tenant, user, id, batch } = await sent();
	ok(await tenant.editor.put(`/api/customers/${user}/preferences`,
		{ channels: { in_app: false } }));
	await batch();
	await pending(tenant, id);
	ok(await tenant.editor.put(`/api/customers/${user}/preferences`,
		{ channels: { email: false } }));
	await batch();
	await found(tenant, id, "negative", "opted_out");
});

test("churned inside the window: negative", async () => {
	const { tenant, id, batch } = await sent({}, { attribution_days: 30 });
	await batch({ now: at(25 * DAY) });
	await found(tenant, id, "negative", "churned");
});

test("the window ends: neutral, at its end, and late acts change nothing", async () => {
	const { tenant, user, id, batch } = await sent({}, { attribution_days: 3 });
	await batch({ now: at(2.9 * DAY) });
	await pending(tenant, id);
	await batch({ now: at(3.1 * DAY) });
	await found(tenant, id, "neutral", "window_over");
	const row = await outcome(tenant, id);
	assert.deepEqual(row.measured_at, row.window_ends_at);
	ok(await report(tenant, user));
	await batch({ now: at(3.2 * DAY) });
	await found(tenant, id, "neutral", "window_over");
});

test("a batch that comes late counts what happened inside the window", async () => {
	const { tenant, user, id, batch } = await sent({}, { attribution_days: 3 });
	ok(await report(tenant, user));
	await batch({ stage: "refresh" });
	await batch({ now: at(20 * DAY), stage: "measure" });
	await found(tenant, id, "positive", "stage_better");
});

test("exit conditions that hold only after the window do not count", async () => {
	const { tenant, id, batch } = await sent({ exit_conditions:
		{ days_since_last_activity: { gte: 14 } } }, { attribution_days: 2 });
	await batch({ now: at(5 * DAY), stage: "measure" });
	await found(tenant, id, "neutral", "window_over");
});

test("exit conditions met by time alone are found without an event", async () => {
	const { tenant, id, batch } = await sent({ exit_conditions:
		{ days_since_last_activity: { gte: 12 } } });
	await pending(tenant, id);
	await batch({ now: at(3 * DAY), stage: "measure", force: false });
	await found(tenant, id, "positive", "exit_met");
});

test("failed or rolled back after the sending: neutral", async () => {
	const { tenant, user, id, batch } = await sent();
	ok(await tenant.editor.put(`/api/interventions/${id}/rollback`, {}));
	ok(await report(tenant, user));
	await batch();
	await found(tenant, id, "neutral", "not_delivered");
	/* What never arrived says nothing of the playbook. */
	const [playbook] = ok(await tenant.viewer.get("/api/playbooks")).playbooks;
	assert.equal(playbook.success_rate, null);
});

test("of an erased customer the outcome is kept and nothing is told", async () => {
	const { tenant, user, id, batch } = await sent();
	ok(await tenant.admin.delete(`/api/customers/${user}`));
	await batch();
	const row = await outcome(tenant, id);
	assert.deepEqual([row.outcome, row.cause], ["neutral", "erased"]);
	assert.deepEqual(await stack.sql("select id from outbox where tenant_id = $1" +
		" and type = 'outcome.recorded'", tenant.id), []);
});

test("where nobody listens to outcomes none is told", async () => {
	const { tenant, user, id, batch } = await sent();
	await stack.sql("update webhook_endpoints set events = '{intervention.delivered}'" +
		" where id = $1", tenant.endpoint);
	ok(await report(tenant, user));
	await batch();
	assert.equal((await outcome(tenant, id)).outcome, "positive");
	assert.deepEqual(await stack.sql("select id from outbox where tenant_id = $1" +
		" and type = 'outcome.recorded'", tenant.id), []);
});

test("changes since the last run are enough for a run that is due", async () => {
	const { tenant, user, id, batch } = await sent();
	await batch();
	ok(await report(tenant, user));
	await batch({ now: at(60e3), force: false });
	await batch({ now: at(120e3), force: false });
	await found(tenant, id, "positive", "stage_better");
	const [lease] = await stack.sql("select cursor, error from batch_leases where" +
		" tenant_id = $1 and stage = 'measure'", tenant.id);
	assert.deepEqual(lease, { cursor: null, error: null });
});

test("a decision goes by the record that is kept", async () => {
	const { tenant, user, batch } = await sent({ exit_conditions: EXIT });
	ok(await tenant.ingest.track({ user_id: user, event: "came_back" }));
	const [{ playbook_id }] = await stack.sql("select playbook_id from interventions where tenant_id = $1", tenant.id);
	await batch();
	assert.deepEqual(await recorded(tenant), [{ playbook_id, positive: 1, measured: 1 }]);
	const record_of_next = async () => {
		const next = await drift(tenant.ingest, new_user("measure"));
		await batch();
		const [{ rules: { offered: [{ positive, measured }] } }] = await stack.sql("select rules from decisions" +
			" where tenant_id = $1 and user_id = $2", tenant.id, next);
		return { positive, measured };
	};
	assert.deepEqual(await record_of_next(), { positive: 1, measured: 1 });
	await stack.sql("update playbook_results set positive = 2, measured = 5 where tenant_id = $1", tenant.id);
	assert.deepEqual(await record_of_next(), { positive: 2, measured: 5 });
});

test("many are measured in chunks, each once", async () => {
	const { tenant, user, id } = await sent({}, { attribution_days: 1 });
	const COUNT = 2500;
	await stack.sql("insert into interventions (tenant_id, id, user_id, playbook_id, source," +
		" status, channel, created_at, planned_at, sent_at) select $1, gen_random_uuid()," +
		" user_id, playbook_id, 'manual', 'sent', 'email', now(), now(), now()" +
		" from interventions, generate_series(1, $3) where tenant_id = $1 and id = $2",
		tenant.id, id, COUNT);
	await stack.sql("insert into outcomes (tenant_id, intervention_id, user_id, playbook_id," +
		" outcome, window_ends_at) select $1, id, user_id, playbook_id, 'pending'," +
		" now() + interval '1 day' from interventions where tenant_id = $1" +
		" and source = 'manual'", tenant.id);
	await stack.batch({ tenant: tenant.id, now: at(2 * DAY), stage: "measure" });
	const [sum] = await stack.sql("select count(*)::int as n from outcomes where" +
		" tenant_id = $1 and outcome = 'neutral' and cause = 'window_over'", tenant.id);
	const [told] = await stack.sql("select count(*)::int as n, count(distinct" +
		" payload::jsonb->>'intervention_id')::int as d from outbox where tenant_id = $1" +
		" and type = 'outcome.recorded'", tenant.id);
	assert.deepEqual([sum.n, told.n, told.d], [COUNT + 1, COUNT + 1, COUNT + 1], user);
	assert.deepEqual((await recorded(tenant)).map((row) => row.measured), [COUNT + 1]);
});
