/* Lift: who is in a playbook's trial, how both arms are judged, what counts. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, activate_as, at, drift, new_user, ok, the_intervention, win_back, DAY, HOUR, MINUTE } from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop());

const EXIT = { event: { name: "came_back", within_days: 30 } };

/* A tenant with some drifting customers and one playbook, matched. */
async function trial({ holdout, people = 4, playbook = {}, mode = "full_auto", idle = 10 }) {
	const tenant = await stack.tenant("Trial");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: mode }));
	const users = [];
	for (let i = 0; i < people; i++)
		users.push(await drift(tenant.ingest, new_user("trial"), {}, idle));
	const batch = (options) => stack.batch({ tenant: tenant.id, ...options });
	const made = win_back({ exit_conditions: EXIT, ...playbook });
	made.constraints = { ...made.constraints, holdout };
	const id = await activate_as(0, stack, tenant, made);
	await batch();
	await batch();
	return { tenant, users, id, batch };
}

const exposures = (tenant) => stack.sql("select user_id, arm, outcome, cause," +
	" intervention_id from exposures where tenant_id = $1 order by user_id", tenant.id);

async function lift(tenant) {
	const { lift } = ok(await tenant.viewer.get("/api/analytics"));
	return lift;
}

const report = (tenant, user) => tenant.ingest.track({ user_id: user, event: "came_back" });

test("the draw splits the customers into two arms, and only one is written to", async () => {
	const { tenant, users } = await trial({ holdout: 0.5, people: 30 });
	const rows = await exposures(tenant);
	assert.deepEqual(rows.map((row) => row.user_id), users.toSorted());
	const arms = Object.fromEntries(["treated", "held_out"].map((arm) =>
		[arm, rows.filter((row) => row.arm === arm)]));
	assert.ok(arms.treated.length > 4 && arms.held_out.length > 4);
	const written = await stack.sql("select id, user_id from interventions" +
		" where tenant_id = $1 order by user_id", tenant.id);
	assert.deepEqual(written.map((row) => row.user_id), arms.treated.map((row) => row.user_id));
	assert.deepEqual(arms.treated.map((row) => row.intervention_id), written.map((row) => row.id));
	for (const row of arms.held_out)
		assert.equal(row.intervention_id, null);
});

test("both arms are judged alike; the sums wait for the window's end", async () => {
	const { tenant, users, id, batch } = await trial({ holdout: 0.5, people: 30 });
	const rows = await exposures(tenant);
	const of = (arm) => rows.filter((row) => row.arm === arm).map((row) => row.user_id);
	const treated = of("treated"), held_out = of("held_out");
	for (const user of [...treated.slice(0, 3), held_out[0]])
		ok(await report(tenant, user));
	ok(await tenant.editor.put(`/api/customers/${held_out[1]}/preferences`, { opted_out: true }));
	await batch();
	const judged = Object.fromEntries((await exposures(tenant))
		.map((row) => [row.user_id, row]));
	for (const user of [...treated.slice(0, 3), held_out[0]])
		assert.equal(judged[user].outcome, "positive", user);
	assert.equal(judged[held_out[0]].cause, "exit_met");
	assert.equal(judged[held_out[1]].outcome, "negative");
	assert.equal(judged[held_out[2]].outcome, "pending");
	assert.deepEqual(await lift(tenant), []);
	await batch({ now: at(15 * DAY) });
	const [row] = await lift(tenant);
	assert.deepEqual({ ...row, difference: 0, low: 0, high: 0 }, { playbook_id: id,
		name: row.name, treated: treated.length, treated_reached: treated.length,
		treated_positive: 3,
		held_out: held_out.length, held_out_positive: 1, difference: 0, low: 0, high: 0,
		verdict: "not_enough_data" });
	const difference = 3 / treated.length - 1 / held_out.length;
	assert.ok(Math.abs(row.difference - difference) < 1e-9);
	assert.ok(row.low < difference && difference < row.high);
	assert.equal(users.length, treated.length + held_out.length);
});

test("everybody is in the trial once, whatever happens later", async () => {
	const { tenant, users, batch } = await trial({ holdout: 0.5, people: 12,
		playbook: { constraints: { channels: ["in_app"], cooldown_days: 1 } } });
	const before = await exposures(tenant);
	await batch({ now: at(3 * DAY) });
	await batch({ now: at(3 * DAY + HOUR) });
	const after = await exposures(tenant);
	assert.deepEqual(after.map((row) => [row.user_id, row.arm]),
		before.map((row) => [row.user_id, row.arm]));
	assert.equal(after.length, users.length);
});

/* Of somebody so long away no day changes anything: nothing but the gate brings a new look. */
const LONG_AWAY = 90, churned = { lifecycle_stage: "churned" };

test("a day's budget keeps back both arms alike", async () => {
	const { tenant, users, batch } = await trial({ holdout: 0.5, people: 24, idle: LONG_AWAY,
		playbook: { entry_conditions: churned, constraints: { channels: ["in_app"], max_per_day: 3 } } });
	const arms = async () => Object.fromEntries((await stack.sql("select arm, count(*)::int as n" +
		" from exposures where tenant_id = $1 group by 1", tenant.id)).map(({ arm, n }) => [arm, n]));
	const first = await arms();
	assert.equal(first.treated, 3);
	assert.ok(first.held_out < 10, JSON.stringify(first));
	for (let day = 1; day < 8; day++)
		await batch({ now: at(day * DAY) });
	const last = await arms();
	assert.equal(last.treated + last.held_out, users.length, JSON.stringify(last));
	assert.ok(last.held_out > first.held_out, JSON.stringify([first, last]));
});

test("who was written to by hand leaves either arm; a refused message stays", async () => {
	const { tenant, id, batch } = await trial({ holdout: 0.5, people: 16, mode: "suggest_only" });
	const rows = await exposures(tenant);
	const treated = rows.filter((row) => row.arm === "treated");
	const held_out = rows.filter((row) => row.arm === "held_out");
	ok(await tenant.editor.put(`/api/interventions/${treated[0].intervention_id}/reject`,
		{ reason: "not now" }));
	for (const row of treated.slice(1))
		ok(await tenant.editor.put(`/api/interventions/${row.intervention_id}/approve`));
	for (const row of [treated[1], held_out[0]]) {
		const { id: by_hand } = ok(await tenant.editor.post("/api/interventions", {
			user_id: row.user_id, playbook_id: id, channel: "in_app",
			message_body: "A word from me." }), 201);
		ok(await tenant.editor.put(`/api/interventions/${by_hand}/approve`));
	}
	await batch();
	await batch({ now: at(15 * DAY) });
	const [row] = await lift(tenant);
	assert.equal(row.treated, treated.length - 1);
	assert.equal(row.treated_reached, treated.length - 2);
	assert.equal(row.held_out, held_out.length - 1);
});

/* suggest_only: both arms come back alike, share of the messages approved. */
async function left_waiting(share) {
	const { tenant, batch } = await trial({ holdout: 0.5, people: 90, mode: "suggest_only" });
	const rows = await exposures(tenant);
	const arms = ["treated", "held_out"].map((arm) => rows.filter((row) => row.arm === arm));
	const [treated] = arms;
	const approved = treated.slice(0, Math.floor(treated.length * share));
	for (const row of approved)
		ok(await tenant.editor.put(`/api/interventions/${row.intervention_id}/approve`));
	await batch();
	/* Every third of either arm, so that no message has to do with it. */
	const back = arms.map((arm) => arm.filter((_, n) => n % 3 === 2));
	for (const row of back.flat())
		ok(await report(tenant, row.user_id));
	await batch();
	await batch({ now: at(8 * DAY) });
	await batch({ now: at(15 * DAY) });
	const [row] = await lift(tenant);
	assert.deepEqual([row.treated, row.treated_positive, row.held_out, row.held_out_positive],
		[arms[0].length, back[0].length, arms[1].length, back[1].length]);
	assert.equal(row.treated_reached, approved.length);
	assert.equal(row.verdict, "not_enough_data");
	assert.ok(row.low < 0 && row.high > 0);
}

test("nobody approves: no message, no lift", () => left_waiting(0));

test("half is approved: what waits counts like what went", () => left_waiting(0.5));

test("an exit met before the message left counts, as it does for the holdout", async () => {
	const { tenant, batch } = await trial({ holdout: 0.5, people: 12, mode: "suggest_only" });
	const rows = await exposures(tenant);
	const [treated] = rows.filter((row) => row.arm === "treated");
	ok(await report(tenant, treated.user_id));
	await batch();
	await batch();
	const { status, reason } = await the_intervention(tenant, treated.user_id);
	assert.deepEqual([status, reason], ["cancelled", "exit_met"]);
	await batch({ now: at(15 * DAY) });
	const [row] = await lift(tenant);
	assert.equal(row.treated_positive, 1);
	assert.equal(row.treated, rows.filter((r) => r.arm === "treated").length);
	assert.equal(row.treated_reached, 0);
});

/* A tenant with two trials of the same people: the first playbook, and one with
 * more priority that is held out from all. */
async function two_trials(people) {
	const tenant = await stack.tenant("Trial");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	for (let i = 0; i < people; i++)
		await drift(tenant.ingest, new_user("trial"));
	const book = (n, constraints) => activate_as(n, stack, tenant,
		win_back({ exit_conditions: EXIT, constraints }));
	const ids = [await book(0, { holdout: 0.5 }), await book(1, { holdout: 1, priority: 900 })];
	const batch = (options) => stack.batch({ tenant: tenant.id, ...options });
	await batch();
	await batch();
	return { tenant, ids, batch };
}

test("a run that ends among the sums is gone on with by the next", async () => {
	const { tenant, ids: [first, second], batch } = await two_trials(6);
	await batch({ now: at(15 * DAY) });
	const renewed = () => stack.sql("select playbook_id as id, computed_at from playbook_lift" +
		" where tenant_id = $1 order by 1", tenant.id);
	const before = await renewed();
	await stack.sql("update batch_leases set cursor = $2 where tenant_id = $1 and stage = 'measure'",
		tenant.id, `s${first}`);
	await batch({ now: at(15 * DAY + 2 * MINUTE), force: false });
	const after = await renewed();
	assert.deepEqual(after.map((row) => row.id), [first, second]);
	assert.deepEqual(after[0], before[0]);
	assert.ok(after[1].computed_at > before[1].computed_at);
	const [lease] = await stack.sql("select cursor from batch_leases where tenant_id = $1" +
		" and stage = 'measure'", tenant.id);
	assert.equal(lease.cursor, null);
});

test("an erased customer leaves both arms, and no name stays", async () => {
	const { tenant, batch } = await trial({ holdout: 0.5, people: 10 });
	const rows = await exposures(tenant);
	const [gone] = rows.filter((row) => row.arm === "held_out");
	ok(await tenant.admin.delete(`/api/customers/${gone.user_id}`));
	await batch({ now: at(15 * DAY) });
	const [row] = await lift(tenant);
	assert.equal(row.held_out, rows.filter((r) => r.arm === "held_out").length - 1);
	assert.equal((await exposures(tenant)).filter((r) => r.user_id === gone.user_id).length, 0);
});

test("a closed gate puts nobody into a trial", async () => {
	const tenant = await stack.tenant("Trial");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: true }));
	await drift(tenant.ingest, new_user("trial"));
	const made = win_back();
	made.constraints = { ...made.constraints, holdout: 1 };
	await activate(tenant, made);
	await stack.batch({ tenant: tenant.id });
	assert.deepEqual(await exposures(tenant), []);
});

test("shadow mode puts nobody into a trial, in neither arm", async () => {
	const tenant = await stack.tenant("Trial");
	ok(await tenant.admin.put("/api/settings/shadow-mode", { active: true }));
	for (let i = 0; i < 12; i++)
		await drift(tenant.ingest, new_user("trial"));
	await activate_as(0, stack, tenant, win_back({ constraints: { holdout: 0.5 } }));
	const batch = () => stack.batch({ tenant: tenant.id });
	await batch();
	/* Some would have been written to, and some held out. */
	const shadows = await stack.sql("select id from interventions where tenant_id = $1" +
		" and status = 'shadow'", tenant.id);
	assert.ok(shadows.length > 0 && shadows.length < 12, `${shadows.length} shadows`);
	assert.deepEqual(await exposures(tenant), []);
	/* Afterwards the trial begins. */
	ok(await tenant.admin.put("/api/settings/shadow-mode", { active: false }));
	await batch();
	const arms = (await exposures(tenant)).map((row) => row.arm);
	assert.ok(arms.includes("held_out"), `${arms}`);
});
