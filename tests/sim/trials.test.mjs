/*
 * Does the interval of lift cover the truth as often as it says? Hundreds of
 * small trials, each a playbook of its own with its own customers, who have
 * drifted away and come back with a planted chance, another one behind the
 * message than without it; and the real pipeline from track to analytics.
 *
 * The kinds of trial are such where a wrong interval fails: with a z of 1.64
 * it covers the truth in 84.7 of 100 of them, Wald's in 80.1, and Newcombe's
 * (engine/lift.h) in 96.7: in small arms rather more than 95. That is no guess,
 * for all possible results of two small arms can be counted, each with its
 * probability. So how many trials cover the truth is a sum of independent draws
 * whose distribution is known, and a right interval fails the test with a
 * probability of at most ALPHA, whatever RETIVO_SEED.
 *
 * Who is in which arm is the product's own draw; the test only asks so many
 * customers in that both arms have their size. So the same seed gives the
 * same counts in each run, whatever the ids.
 */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "../e2e/lib/stack.mjs";
import { Random } from "../e2e/lib/generate.mjs";
import { activate, ok, DAY, MINUTE } from "../e2e/lib/cases.mjs";

const TRIALS = Number(process.env.SIM_TRIALS ?? 40); /* of each kind */
const SEED = Number(process.env.RETIVO_SEED ?? 3);
const HOLDOUT = 0.5, ALPHA = 1e-3, PATIENCE = 20 * MINUTE;
const start = Date.now() - 60 * DAY;
const at = (days) => new Date(start + days * DAY);

/* Sizes of the arms, and the chances to come back. */
const KINDS = [
	{ name: "usual", treated: 12, held_out: 12, written: 0.55, alone: 0.3 },
	{ name: "seldom", treated: 3, held_out: 5, written: 0.45, alone: 0.1 },
	{ name: "strong", treated: 3, held_out: 4, written: 0.8, alone: 0.05 },
	{ name: "weak", treated: 4, held_out: 4, written: 0.6, alone: 0.5 },
	{ name: "no effect", treated: 4, held_out: 5, written: 0.5, alone: 0.5 },
];

/* ------------------------------------------------------ what is expected */

/* Chances of 0 to n successes. */
function binomial(n, p) {
	let choose = 1;
	return Array.from({ length: n + 1 }, (_, k) => {
		const chance = choose * p ** k * (1 - p) ** (n - k);
		choose *= (n - k) / (k + 1);
		return chance;
	});
}

/* Newcombe's method 10, from the paper that engine/lift.h names. */
function interval(x, n, y, m, z = 1.959963984540054) {
	const wilson = (k, size) => {
		const half = z * Math.sqrt(k * (size - k) / size + z * z / 4);
		return { low: (k + z * z / 2 - half) / (size + z * z), share: k / size,
			high: (k + z * z / 2 + half) / (size + z * z) };
	};
	const a = wilson(x, n), b = wilson(y, m);
	return [a.share - b.share - Math.hypot(a.share - a.low, b.high - b.share),
		a.share - b.share + Math.hypot(a.high - a.share, b.share - b.low)];
}

/* The chance that the interval of one trial covers the truth. */
function coverage({ treated, held_out, written, alone }) {
	const xs = binomial(treated, written), ys = binomial(held_out, alone);
	let sum = 0;
	for (const [x, p] of xs.entries())
		for (const [y, q] of ys.entries()) {
			const [low, high] = interval(x, treated, y, held_out);
			sum += low <= written - alone && written - alone <= high ? p * q : 0;
		}
	return sum;
}

/* Chances of 0, 1, ... covered trials, of all kinds together. */
function distribution(chances) {
	let all = [1];
	for (const chance of chances) {
		const next = new Array(all.length + 1).fill(0);
		for (const [n, p] of all.entries()) {
			next[n] += p * (1 - chance);
			next[n + 1] += p * chance;
		}
		all = next;
	}
	return all;
}

/* Fewer than the first or more than the second have a chance below alpha. */
function bounds(chances, alpha) {
	const all = distribution(chances);
	let low = 0, high = all.length - 1;
	for (let sum = all[low]; sum < alpha / 2; sum += all[++low]);
	for (let sum = all[high]; sum < alpha / 2; sum += all[--high]);
	return [low, high];
}

/* ---------------------------------------------------------- the trials */

let stack;

before(async () => {
	stack = await start_stack({ clock: at(0) });
});
after(() => stack?.stop());

/* Runs some at a time. */
async function all_of(jobs) {
	const next = async () => {
		while (jobs.length > 0)
			await jobs.shift()();
	};
	await Promise.all([next(), next(), next()]);
}

async function track(tenant, events) {
	const parts = [];
	for (let i = 0; i < events.length; i += 100)
		parts.push(events.slice(i, i + 100));
	await all_of(parts.map((part) => async () => ok(await tenant.ingest.track(...part))));
}

/* A tenant with all trials of a kind: {tenant, kind, trials: [{id, people}]}. */
async function make_kind(kind) {
	const tenant = await stack.tenant(kind.name), trials = [];
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	await all_of(Array.from({ length: TRIALS }, (_, i) => async () => {
		trials[i] = { id: await activate(tenant, { name: `Come back ${i}`,
			entry_conditions: { "properties.trial": i, lifecycle_stage: ["at_risk"] },
			exit_conditions: { event: { name: "came_back", within_days: 14 } },
			constraints: { holdout: HOLDOUT, channels: ["in_app"] },
			strategy_hints: { message: "Your reports are waiting for you." } }) };
	}));
	for (const trial of trials)
		trial.people = await invite(trial.id, kind);
	await track(tenant, trials.flatMap(({ people }, i) => people.flatMap(({ user_id }) => [
		{ user_id, event: "$identify", properties: { trial: i }, timestamp: at(-12).toISOString() },
		...[-12, -11, -10].map((day) => ({ user_id, event: "login",
			timestamp: at(day).toISOString() }))])));
	return { tenant, kind, trials };
}

/* As many of both arms as the kind wants, in the order of their numbers. */
async function invite(id, kind) {
	const drawn = await stack.sql("select i, stable_draw($1 || ':' || u) < $2 as held_out, u as user_id" +
		" from (select i, left($1, 8) || right($1, 6) || '-' || i as u from generate_series(1, 200) i) x" +
		" order by i", id, HOLDOUT);
	const held_out = drawn.filter((row) => row.held_out).slice(0, kind.held_out);
	const treated = drawn.filter((row) => !row.held_out).slice(0, kind.treated);
	assert.ok(held_out.length === kind.held_out && treated.length === kind.treated);
	return [...treated, ...held_out];
}

/* Both arms are as drawn, and whoever is treated got the message. */
async function check_arms({ tenant, trials }) {
	const arms = new Map((await stack.sql("select e.user_id, e.arm, i.sent_at is not null as sent" +
		" from exposures e left join interventions i on i.tenant_id = e.tenant_id" +
		" and i.id = e.intervention_id where e.tenant_id = $1", tenant.id))
		.map((row) => [row.user_id, row]));
	for (const { user_id, held_out } of trials.flatMap(({ people }) => people))
		assert.deepEqual(arms.get(user_id), { user_id, arm: held_out ? "held_out" : "treated",
			sent: !held_out });
}

/* Who comes back, and when. */
function draw_lives({ kind, trials }, random) {
	return trials.flatMap(({ people }) => people
		.filter((who) => random.next() < (who.held_out ? kind.alone : kind.written))
		.map(({ user_id }) => ({ user_id, event: "came_back",
			timestamp: at(1 + random.below(11) + random.next()).toISOString() })));
}

/* As docs/configuration.md has it: 20 in each arm, and 5 good and 5 bad ends
 * to expect in the smaller one. */
function verdict_of(row) {
	const all = row.treated + row.held_out, arm = Math.min(row.treated, row.held_out);
	const good = row.treated_positive + row.held_out_positive;
	if (arm < 20 || arm * Math.min(good, all - good) / all < 5)
		return "not_enough_data";
	return row.low > 0 ? "better" : row.high < 0 ? "worse" : "not_enough_data";
}

test("the interval covers the planted effect as often as it should", async () => {
	const kinds = [], random = new Random(SEED);
	for (const kind of KINDS)
		kinds.push(await make_kind(kind));
	const batch = (day) => stack.batch({ now: at(day), timeout_ms: PATIENCE });
	await batch(0);
	for (const made of kinds) {
		await check_arms(made);
		made.lives = draw_lives(made, random);
	}
	await stack.set_clock(at(13));
	for (const { tenant, lives } of kinds)
		await track(tenant, lives);
	await batch(13);
	await batch(15);

	let covered = 0;
	const chances = [];
	for (const { tenant, kind } of kinds) {
		const { lift } = ok(await tenant.viewer.get("/api/analytics"));
		const truth = kind.written - kind.alone, chance = coverage(kind);
		assert.equal(lift.length, TRIALS);
		let hits = 0, sum = 0;
		for (const row of lift) {
			assert.deepEqual([row.treated, row.held_out], [kind.treated, kind.held_out]);
			assert.equal(row.verdict, verdict_of(row), JSON.stringify(row));
			hits += row.low <= truth && truth <= row.high;
			sum += row.difference;
		}
		console.log(`${kind.name}: planted ${truth.toFixed(3)}, mean measured` +
			` ${(sum / TRIALS).toFixed(3)}; covered in ${hits} of ${TRIALS},` +
			` ${(chance * TRIALS).toFixed(1)} expected`);
		/* 4.2 standard errors: for five kinds a chance of 1 in 7,000. */
		const variance = kind.written * (1 - kind.written) / kind.treated +
			kind.alone * (1 - kind.alone) / kind.held_out;
		assert.ok(Math.abs(sum / TRIALS - truth) < 4.2 * Math.sqrt(variance / TRIALS), kind.name);
		covered += hits;
		chances.push(...Array(TRIALS).fill(chance));
	}
	const [low, high] = bounds(chances, ALPHA);
	console.log(`covered in ${covered} of ${chances.length}; ${low} to ${high} would do`);
	assert.ok(covered >= low && covered <= high, `${covered} is not within ${low} and ${high}`);
});
