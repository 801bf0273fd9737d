/* Back-tests: against what the batch really did day by day, and by themselves. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { Random } from "./lib/generate.mjs";
import { activate_as, drift, new_user, ok, refused, win_back, DAY } from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop());

const today = Math.floor(Date.now() / DAY) * DAY;
const iso_day = (ms) => new Date(ms).toISOString().slice(0, 10);

const EVENTS = ["login", "report_created", "invite_sent", "gate_hit"];

/* Lives of some customers, event by event, for the days before today. */
function lives(random, people, days) {
	const found = [];
	for (let i = 0; i < people; i++) {
		const user_id = new_user("past");
		const start = random.below(days - 3), stop = start + 2 + random.below(days - start);
		const rhythm = 0.3 + random.below(7) / 10;
		for (let d = start; d < days; d++) {
			/* Some stop for good, some come back after a while. */
			const gone = d > stop && !(i % 3 === 0 && d > stop + 10);
			if (d !== start && (gone || random.below(100) / 100 > rhythm))
				continue;
			for (let n = 0; n <= random.below(4); n++)
				found.push({ user_id, day: d, event: i % 5 === 4 && d === stop ? "cancelled" : EVENTS[random.below(EVENTS.length)],
					timestamp: new Date(today - (days - d) * DAY + random.below(DAY - 1000)).toISOString() });
		}
	}
	return found;
}

const playbooks = [
	win_back({ name: "Win back", entry_conditions: { lifecycle_stage: ["at_risk", "churned"],
		days_since_last_activity: { gte: 7 } },
		exit_conditions: { event: { name: "login", within_days: 2 } },
		constraints: { channels: ["in_app"], cooldown_days: 9, max_per_customer: 2, holdout: 0.2 } }),
	win_back({ name: "Invite", entry_conditions: { event: { name: "login", within_days: 5, count: { gte: 2 } },
		milestone: { not_reached: "invited" }, activation_score: { lt: 1 } },
		exit_conditions: { milestone: { reached: "invited" } },
		constraints: { channels: ["in_app"], priority: 200, holdout: 0.1 } }),
	win_back({ name: "Grow", entry_conditions: { expansion_score: { gte: 0.6 },
		engagement_score: { gte: 0.5 } },
		constraints: { channels: ["in_app"], priority: 300, cooldown_days: 2, max_per_customer: 2, holdout: 0 } }),
	win_back({ name: "Lost", entry_conditions: { lifecycle_stage: "churned" },
		constraints: { channels: ["in_app"], priority: 400, max_per_customer: 1, holdout: 0 } }),
	win_back({ name: "Well done", entry_conditions: { health: { gte: 60 }, lifecycle_stage: "active" },
		constraints: { channels: ["in_app"], cooldown_days: 3, holdout: 0 } }),
];

test("the whole set: who, when and which playbook, as the batch really did", async () => {
	const days = 24, random = new Random(11);
	const tenant = await stack.tenant("Past");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto", config: {
		milestones: [{ name: "invited", event: "invite_sent", count: 2 },
			{ name: "regular", event: "login", count: 3, onboarding: false, retention: true },
			{ name: "loud", event: "gate_hit", onboarding: false, retention: true,
				properties: { never: true } }],
		lifecycle: { churn_events: ["cancelled"], recovered_days: 5, drop_days: 9 },
		engagement: { days: 10 }, expansion: { gate_events: ["gate_hit"], gate_days: 20 },
		frequency_cap: { count: 2, days: 7 }, attribution_days: 5 } }));
	for (const [i, playbook] of playbooks.entries())
		await activate_as(i, stack, tenant, playbook);
	const events = lives(random, 40, days);
	for (let d = 0; d < days; d++) {
		const list = events.filter((e) => e.day === d).map(({ day, ...event }) => event);
		while (list.length > 0)
			ok(await tenant.ingest.track(...list.splice(0, 100)));
		await stack.batch({ tenant: tenant.id, now: new Date(today - (days - d - 1) * DAY - 1) });
		/* The same text again would wait for a person. */
		await stack.sql("update interventions set message_body = id::text" +
			" where tenant_id = $1 and sent_at is not null", tenant.id);
	}
	const real = (await stack.sql("select user_id, p.name, planned_at from interventions i" +
		" join playbooks p on p.tenant_id = i.tenant_id and p.id = i.playbook_id" +
		" where i.tenant_id = $1 and i.sent_at is not null", tenant.id))
		.map((i) => `${i.user_id} ${iso_day(new Date(i.planned_at))} ${i.name}`).toSorted();
	const held = (await stack.sql("select user_id, p.name, exposed_at from exposures e" +
		" join playbooks p on p.tenant_id = e.tenant_id and p.id = e.playbook_id" +
		" where e.tenant_id = $1 and arm = 'held_out'", tenant.id))
		.map((e) => `${e.user_id} ${iso_day(new Date(e.exposed_at))} ${e.name}`).toSorted();
	assert.ok(real.length > 30 && held.length > 2, `${real.length} ${held.length}`);
	for (const { name } of playbooks)
		assert.ok(real.some((line) => line.endsWith(name)), `nobody got ${name}`);
	const test = ok(await tenant.viewer.post("/api/playbooks/backtest", { days: days + 1 }));
	const of = (held_out) => test.contacts.filter((c) => c.held_out === held_out &&
		c.day !== iso_day(today)).map((c) => `${c.user_id} ${c.day} ${c.playbook_name}`).toSorted();
	assert.deepEqual(of(false), real);
	assert.deepEqual(of(true), held);
	const { stdout } = await stack.run_batch(["backtest", "--tenant", String(tenant.id),
		"--days", String(days + 1)]);
	assert.deepEqual(JSON.parse(stdout), test);
	const order = test.contacts.map((c) => `${c.user_id} ${c.day}`);
	assert.deepEqual(order, order.toSorted());
	assert.equal(test.contacts_total, test.contacts.length);
	for (const contacts of [0, 1, 7])
		assert.deepEqual(ok(await tenant.viewer.post("/api/playbooks/backtest", { days: days + 1, contacts })),
			{ ...test, contacts: test.contacts.slice(0, contacts) });
	for (const playbook of test.playbooks) {
		const sum = (o) => Object.values(o).reduce((a, b) => a + b, 0);
		assert.equal(sum(playbook.outcomes), playbook.contacted);
		assert.equal(sum(playbook.held_out_outcomes), playbook.held_out);
		assert.equal(playbook.by_day.reduce((n, d) => n + d.contacted, 0), playbook.contacted);
	}
});

test("a draft: when it would have written, how they fared, and nothing is stored", async () => {
	const tenant = await stack.tenant("Draft");
	const back = await drift(tenant.ingest, new_user("back"), {}, 12);
	const gone = await drift(tenant.ingest, new_user("gone"), {}, 12);
	const out = await drift(tenant.ingest, new_user("out"), {}, 12);
	ok(await tenant.ingest.track({ user_id: back, event: "login",
		timestamp: new Date(today - 2 * DAY + 1000).toISOString() }));
	await stack.batch({ tenant: tenant.id });
	ok(await tenant.editor.put(`/api/customers/${out}/preferences`, { opted_out: true }));
	await stack.sql("update customers set opted_out_at = now() - interval '30 days'" +
		" where tenant_id = $1 and opted_out", tenant.id);
	const { id } = ok(await tenant.editor.post("/api/playbooks", win_back()), 201);
	const before = await stack.sql("select count(*) from decisions, interventions");
	const test = ok(await tenant.viewer.post(`/api/playbooks/${id}/backtest`, { days: 20 }));
	const [{ contacted, outcomes, not_contacted, status }] = test.playbooks;
	assert.equal(status, "draft");
	assert.equal(test.customers, 3);
	assert.deepEqual(not_contacted, { opted_out: 1 });
	const of = (user) => test.contacts.find((c) => c.user_id === user);
	assert.equal(of(back).outcome, "positive");
	assert.equal(of(back).cause, "stage_better");
	assert.equal(of(gone).outcome, "pending");
	assert.equal(of(gone).lifecycle_stage, "at_risk");
	assert.equal(of(gone).day, of(back).day);
	assert.equal(outcomes.positive, 1);
	assert.ok(contacted >= 2);
	assert.deepEqual(await stack.sql("select count(*) from decisions, interventions"), before);
});

test("a sample when there are too many, and what is refused", async () => {
	const tenant = await stack.tenant("Many");
	const { id } = ok(await tenant.editor.post("/api/playbooks", win_back()), 201);
	await stack.sql("insert into customers (tenant_id, user_id, stage_since, first_activity_at," +
		" last_activity_at, created_at, updated_at) select $1, 'm' || n, now(), now(), now(), now(), now()" +
		" from generate_series(1, 6000) n", tenant.id);
	const test = ok(await tenant.viewer.post(`/api/playbooks/${id}/backtest`, { days: 90 }));
	assert.equal(test.sampled, true);
	assert.equal(test.customers_total, 6000);
	assert.ok(test.customers > 3500 && test.customers < 4500, `${test.customers}`);
	/* Clauses cost as days do. */
	const clause = { event: { name: "login", within_days: 30 } };
	const { id: long } = ok(await tenant.editor.post("/api/playbooks",
		win_back({ entry_conditions: { any: Array(190).fill(clause) } })), 201);
	const few = ok(await tenant.viewer.post(`/api/playbooks/${long}/backtest`, { days: 30 }));
	assert.ok(few.customers > 700 && few.customers < 1100, `${few.customers}`);
	assert.equal(ok(await tenant.viewer.post(`/api/playbooks/${id}/backtest`, { days: 5 })).sampled,
		false);
	const again = ok(await tenant.viewer.post(`/api/playbooks/${id}/backtest`, { days: 90 }));
	assert.deepEqual(again, test);
	refused(await tenant.viewer.post(`/api/playbooks/${id}/backtest`, { days: 91 }), 400, "days");
	for (const contacts of [-1, 10001, "all", 1.5])
		refused(await tenant.viewer.post(`/api/playbooks/${id}/backtest`, { days: 2, contacts }), 400, "contacts");
	refused(await tenant.viewer.post("/api/playbooks/x/backtest", { days: 2 }), 404);
	const other = await stack.tenant("Other");
	refused(await other.viewer.post(`/api/playbooks/${id}/backtest`, {}), 404);
	const bad = await stack.run_batch(["backtest", "--tenant", String(tenant.id), "--playbook", "x"],
		{ check: false });
	assert.equal(bad.code, 1);
});

test("who is listed: the first customers, as many as asked for, or all of them", async () => {
	const tenant = await stack.tenant("Long list");
	const { id } = ok(await tenant.editor.post("/api/playbooks", win_back({ entry_conditions: {},
		constraints: { channels: ["in_app"], match_all: true, holdout: 0.3 } })), 201);
	/* More than one chunk. */
	await stack.sql("insert into customers (tenant_id, user_id, stage_since, first_activity_at," +
		" last_activity_at, created_at, updated_at) select $1, 'm' || n, now(), now(), now(), now(), now()" +
		" from generate_series(1, 4500) n", tenant.id);
	const users = Array.from({ length: 4500 }, (_, n) => `m${n + 1}`).toSorted();
	const listed = (test) => test.contacts.map((c) => c.user_id);
	const path = `/api/playbooks/${id}/backtest`;
	const test = ok(await tenant.viewer.post(path, { days: 2 }));
	assert.deepEqual([test.customers, test.contacts_total, test.sampled], [4500, 4500, false]);
	assert.deepEqual(listed(test), users.slice(0, 200));
	assert.deepEqual(listed(ok(await tenant.viewer.post(path, { days: 2, contacts: 10000 }))), users);
	const run = (...args) => stack.run_batch(["backtest", "--tenant", String(tenant.id), "--playbook", id,
		"--days", "2", ...args], { check: false });
	const all = JSON.parse((await run("--contacts", "all")).stdout);
	assert.deepEqual(listed(all), users);
	assert.deepEqual({ ...all, contacts: test.contacts }, test);
	assert.deepEqual(listed(JSON.parse((await run("--contacts", "3000")).stdout)), users.slice(0, 3000));
	for (const bad of ["many", "-1", ""])
		assert.equal((await run("--contacts", bad)).code, 2, bad);
});

test("without a transport a test twin's mails are simulated, in a back-test too", async () => {
	const tenant = await stack.tenant("Twin");
	const contacted = async (id, role) => {
		const client = stack.client.as(await stack.key(id, role));
		await drift(client, new_user("twin"), {}, 12);
		const { id: playbook } = ok(await client.post("/api/playbooks", win_back()), 201);
		await stack.batch({ tenant: id });
		const { stdout } = await stack.run_batch(["backtest", "--tenant", String(id), "--playbook", playbook],
			{ env: { ...stack.settings, RETIVO_MAIL_DIR: undefined } });
		const [one] = JSON.parse(stdout).playbooks;
		return [one.contacted > 0, one.not_contacted];
	};
	assert.deepEqual(await contacted(tenant.id, "write"), [false, { no_channel: 1 }]);
	assert.deepEqual(await contacted(tenant.test_id, "write"), [true, {}]);
});
