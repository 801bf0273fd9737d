/*
 * Incremental is the same as full: random histories, folded in random
 * portions on a moved clock, with late and out-of-order events, leave exactly
 * the state that one recomputation of everything makes. RETIVO_SEED=N makes
 * other histories; a failure names its seed.
 */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { Random } from "./lib/generate.mjs";
import { ok, DAY, HOUR } from "./lib/cases.mjs";

const SEED = Number(process.env.RETIVO_SEED ?? 1), ROUNDS = 4, DAYS = 60, PEOPLE = 30;
let stack;

before(async () => {
	stack = await start_stack();
});
after(() => stack?.stop());

const CONFIG = {
	milestones: [{ name: "set_up", event: "profile_completed" },
		{ name: "invited_two", event: "invite_sent", count: 2 },
		{ name: "paid", event: "payment", properties: { plan: "pro" } },
		{ name: "reports", event: "report_created", count: 3, onboarding: false, retention: true }],
	segments: [{ name: "big", conditions: { "properties.seats": { gte: 3 } } }],
	lifecycle: { churn_events: ["cancelled"], recovered_days: 10 },
	expansion: { gate_events: ["feature_gate_hit"], signals: [{ segment: "big" }],
		limits: [{ property: "seats_used", limit_property: "seats" }] },
};
const NAMES = ["login", "report_created", "profile_completed", "invite_sent", "payment",
	"feature_gate_hit", "search_run", "export_made"];

/* The events of one life, each with the time at which it arrives. */
function history(random, user_id, end) {
	const events = [];
	const begin = end - (5 + random.below(DAYS - 5)) * DAY, stop = begin + random.below(DAYS) * DAY;
	for (let t = begin; t < Math.min(end, stop); t += random.next() * 2.5 * DAY) {
		const name = random.below(60) === 0 ? "cancelled" : random.of(NAMES);
		const properties = name === "payment" ? { plan: random.of(["pro", "free"]) } : {};
		/* Most come at once, some hours or days late, a few very late. */
		const late = random.below(10) < 7 ? 0 : random.below(10) < 7 ? random.next() * 3 * DAY
			: random.next() * 30 * DAY;
		events.push({ arrives: Math.min(t + late, end), event: { user_id, event: name, properties,
			timestamp: new Date(t).toISOString() } });
	}
	if (random.below(3) === 0 && events.length > 0)
		events.push({ arrives: events[random.below(events.length)].arrives, event: { user_id,
			event: "$identify", properties: { name: `N ${user_id}`, seats: 1 + random.below(5),
				seats_used: random.below(5) }, timestamp: new Date(begin).toISOString() } });
	return events;
}

async function send(tenant, events) {
	for (let i = 0; i < events.length; i += 100)
		ok(await tenant.ingest.track(...events.slice(i, i + 100)));
}

/* Everything that is derived from events, by names instead of their ids. */
async function state(tenant) {
	const rows = (text) => stack.sql(text, tenant.id);
	const names = new Map((await rows("select name_id, name from event_names where tenant_id = $1"))
		.map((row) => [row.name_id, row.name]));
	const days = await rows("select user_id, day::text, events, names::text, last_at" +
		" from customer_days where tenant_id = $1 and events > 0 order by 1, 2");
	for (const row of days) {
		const mask = BigInt.asUintN(64, BigInt(row.names));
		row.names = [...names].filter(([id]) => mask >> BigInt(id) & 1n).map(([, n]) => n).toSorted();
	}
	return {
		customers: await rows("select user_id, name, properties, lifecycle_stage, health, risk_level," +
			" risk_score, activation_score, engagement_score, expansion_score, score_parts," +
			" first_activity_at, last_activity_at, events_total" +
			" from customers where tenant_id = $1 order by 1"),
		days,
		event_days: await rows("select d.user_id, n.name, d.day::text, d.events, d.first_at, d.last_at" +
			" from customer_event_days d join event_names n on n.tenant_id = d.tenant_id" +
			" and n.name_id = d.name_id where d.tenant_id = $1 and d.events > 0 order by 1, 2, 3"),
		milestones: await rows("select user_id, milestone, reached_at from customer_milestones" +
			" where tenant_id = $1 order by 1, 2"),
	};
}

for (let round = 0; round < ROUNDS; round++)
	test(`history ${round}: increments and one recomputation agree`, async () => {
		const random = new Random(SEED * 1000 + round);
		const end = Math.floor(Date.now() / HOUR) * HOUR - random.below(3) * DAY;
		const all = Array.from({ length: PEOPLE }, (_, i) => history(random, `p${i}`, end)).flat()
			.toSorted((a, b) => a.arrives - b.arrives);
		const [step, whole] = [await stack.tenant("Step"), await stack.tenant("Whole")];
		/* The config comes at some time in between, or before all. */
		const config_at = random.below(2) === 0 ? 0 : end - random.below(40) * DAY;
		let configured = false;

		for (let clock = end - (DAYS + 1) * DAY; clock < end; ) {
			clock += random.next() * 4 * DAY;
			/* Decay is for everybody once a day: the last day has one run. */
			if (clock >= Math.floor((end - 1) / DAY) * DAY)
				clock = end;
			if (!configured && clock >= config_at) {
				ok(await step.admin.patch("/api/settings", { config: CONFIG }));
				configured = true;
			}
			const due = all.findIndex((e) => e.arrives > clock);
			const now = all.splice(0, due < 0 ? all.length : due).map((e) => e.event);
			if (random.below(3) === 0)
				now.reverse();
			await send(step, now);
			/* Received when they arrived: what is behind the watermark is not folded again. */
			await stack.sql("update events set received_at = $2 where tenant_id = $1 and received_at > $3",
				step.id, new Date(clock), new Date(end));
			await stack.batch({ tenant: step.id, stage: "refresh", force: random.below(4) === 0,
				now: new Date(clock) });
			(whole.events ??= []).push(...now);
		}

		ok(await whole.admin.patch("/api/settings", { config: CONFIG }));
		await send(whole, whole.events);
		await stack.batch({ tenant: whole.id, stage: "refresh", now: new Date(end) });
		await stack.batch({ tenant: whole.id, stage: "refresh", now: new Date(end) });
		const [a, b] = [await state(step), await state(whole)];
		assert.ok(b.customers.length > PEOPLE / 2 && b.milestones.length > 10);
		for (const part of Object.keys(b))
			assert.deepEqual(a[part], b[part], `seed ${SEED}, ${part}`);
	});

test("a late event counts on its own day, and moves a milestone back", async () => {
	const tenant = await stack.tenant("Late");
	ok(await tenant.admin.patch("/api/settings", { config: { milestones: [
		{ name: "set_up", event: "profile_completed" }] } }));
	const now = Date.now(), at = (days) => new Date(now - days * DAY);
	await send(tenant, [{ user_id: "late", event: "profile_completed", timestamp: at(3).toISOString() }]);
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	await send(tenant, [{ user_id: "late", event: "profile_completed", timestamp: at(20).toISOString() },
		{ user_id: "late", event: "login", timestamp: at(40).toISOString() }]);
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	const { days, milestones, customers } = await state(tenant);
	assert.deepEqual(days.map((d) => d.day), [40, 20, 3].map((d) => at(d).toISOString().slice(0, 10)));
	assert.equal(milestones[0].reached_at.getTime(), at(20).getTime());
	assert.equal(customers[0].first_activity_at.getTime(), at(40).getTime());
	assert.equal(customers[0].events_total, 3);
});
