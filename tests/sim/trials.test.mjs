/*
 * Does the interval of lift cover the truth as often as it says? Many small
 * trials, each a tenant: customers that have drifted away, a playbook with a
 * holdout, a planted chance to come back (P_WRITTEN with the message,
 * P_ALONE without), and the real pipeline from match to measure. The interval
 * should hold the planted difference in about 95 of 100.
 */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "../e2e/lib/stack.mjs";
import { Random } from "../e2e/lib/generate.mjs";
import { activate, ok, DAY } from "../e2e/lib/cases.mjs";

const TRIALS = Number(process.env.SIM_TRIALS ?? 12), PEOPLE = 120, HOLDOUT = 0.4;
const P_WRITTEN = 0.55, P_ALONE = 0.3;
const SEED = Number(process.env.RETIVO_SEED ?? 3);
const start = Date.now() - 60 * DAY;

let stack;

before(async () => {
	stack = await start_stack();
});
after(() => stack?.stop());

const at = (days) => new Date(start + days * DAY);

async function put(tenant, rows) {
	await stack.sql("insert into events (tenant_id, user_id, event, ts, received_at, properties)" +
		" select $1, u, e, t, t, '{}' from unnest($2::text[], $3::text[], $4::timestamptz[])" +
		" x (u, e, t)", tenant.id, rows.map((r) => r[0]), rows.map((r) => r[1]), rows.map((r) => r[2]));
}

async function make_trial(i) {
	const tenant = await stack.tenant(`Trial ${i}`);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	await activate(tenant, { name: "Come back", entry_conditions: { lifecycle_stage: ["at_risk"] },
		exit_conditions: { event: { name: "came_back", within_days: 14 } },
		constraints: { holdout: HOLDOUT, channels: ["in_app"] },
		strategy_hints: { message: "Your reports are waiting for you." } });
	const rows = [];
	for (let p = 0; p < PEOPLE; p++)
		for (const day of [-20, -19, -17, -16, -13, -10])
			rows.push([`p${p}`, "login", at(day)]);
	await put(tenant, rows);
	return tenant;
}

/* Who comes back on which day of the window. */
async function live_on(tenant, random) {
	const rows = await stack.sql("select user_id, arm from exposures where tenant_id = $1", tenant.id);
	assert.ok(rows.length > PEOPLE * 0.9, `${rows.length} are in the trial`);
	return rows.filter((row) => random.next() < (row.arm === "treated" ? P_WRITTEN : P_ALONE))
		.map((row) => [row.user_id, "came_back", at(1 + random.below(11) + random.next())]);
}

test("the interval covers the planted effect as often as it should", async () => {
	const random = new Random(SEED), tenants = [], acts = [];
	for (let i = 0; i < TRIALS; i++)
		tenants.push(await make_trial(i));
	await stack.batch({ now: at(0) });
	for (const tenant of tenants)
		acts.push(await live_on(tenant, random));
	for (const [from, to] of [[0, 4], [4, 8], [8, 13]]) {
		for (const [i, tenant] of tenants.entries())
			await put(tenant, acts[i].filter(([, , t]) => t > at(from) && t <= at(to)));
		await stack.batch({ now: at(to) });
	}
	await stack.batch({ now: at(15) });
	const truth = P_WRITTEN - P_ALONE, verdicts = {};
	let covered = 0, sum = 0;
	for (const tenant of tenants) {
		const { lift: [row] } = ok(await tenant.viewer.get("/api/analytics"));
		assert.ok(row.treated > 40 && row.held_out > 25, JSON.stringify(row));
		covered += row.low <= truth && truth <= row.high;
		sum += row.difference;
		verdicts[row.verdict] = (verdicts[row.verdict] ?? 0) + 1;
	}
	console.log(`planted ${truth.toFixed(3)}, mean measured ${(sum / TRIALS).toFixed(3)}; the interval` +
		` covers it in ${covered} of ${TRIALS}; verdicts ${JSON.stringify(verdicts)}`);
	/* 99.8 % of binomial draws at 95 % lie within these. */
	const spread = 3.1 * Math.sqrt(TRIALS * 0.95 * 0.05);
	assert.ok(covered >= TRIALS * 0.95 - spread, `${covered}`);
	assert.ok(Math.abs(sum / TRIALS - truth) < 4 * Math.sqrt(0.0075 / TRIALS));
	assert.equal(verdicts.worse, undefined);
});
