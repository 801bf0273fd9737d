/* The refresh stage where it is cut, raced, idle or flooded. That its results
 * are right is property.test.mjs's. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { until } from "./lib/process.mjs";
import { ok, DAY, HOUR, MINUTE } from "./lib/cases.mjs";

/* Behind the real time, so that nothing here is ahead of it. */
const NOON = Math.floor(Date.now() / DAY) * DAY - DAY / 2;
let stack;

before(async () => {
	stack = await start_stack({ clock: new Date(NOON) });
});
after(() => stack?.stop());

const refresh = (tenant, clock, options) =>
	stack.batch({ tenant: tenant.id, stage: "refresh", now: new Date(clock), ...options });

const event = (user_id, name, time, properties) =>
	({ user_id, event: name, timestamp: new Date(time).toISOString(), properties });

async function send(tenant, events) {
	for (let i = 0; i < events.length; i += 100)
		ok(await tenant.ingest.track(...events.slice(i, i + 100)));
}

const milestone = (name) => ({ milestones: [{ name: `did_${name}`, event: name }] });
const set_config = async (tenant, config) =>
	ok(await tenant.admin.patch("/api/settings", { config }));

test("thousands of new event names at once are all counted", async () => {
	const tenant = await stack.tenant("Names");
	await stack.set_clock(new Date(NOON));
	await refresh(tenant, NOON - MINUTE); /* the day's sweep: not of these */
	await send(tenant, Array.from({ length: 3500 }, (_, i) =>
		event(`reader-${i}`, `view /item/${i}`, NOON - HOUR)));
	await refresh(tenant, NOON);
	const [counted] = await stack.sql("select count(*) as customers, sum(events_total) as events," +
		" count(refreshed_at) as scored, (select count(*) from customer_days d" +
		" where d.tenant_id = c.tenant_id and names <> 0) as days," +
		" (select count(distinct name_id) from event_names n where n.tenant_id = c.tenant_id) as names" +
		" from customers c where tenant_id = $1 group by tenant_id", tenant.id);
	assert.deepEqual(counted, { customers: 3500, events: 3500, scored: 3500, days: 3500, names: 3500 });
});

const milestones = async (tenant) => (await stack.sql("select user_id, milestone" +
	" from customer_milestones where tenant_id = $1 order by 1, 2", tenant.id))
	.map((row) => `${row.user_id} ${row.milestone}`);

/* Of no activity, more than a chunk of a sweep has. */
const crowd = (tenant) => stack.sql("insert into customers (tenant_id, user_id, name, created_at," +
	" updated_at, stage_since) select $1, 'crowd-' || n, 'Crowd', $2, $2, $2" +
	" from generate_series(1, 4100) n", tenant.id, new Date(NOON - DAY));

/* Calls during() while the batch waits to write a customer. */
async function while_writing(tenant, user_id, batch, during) {
	const holder = await stack.cluster.connect("retivo_admin");
	try {
		await holder.query("begin");
		await holder.query("select 1 from customers where tenant_id = $1 and user_id = $2 for update",
			[tenant.id, user_id]);
		const done = batch();
		await until("the batch to wait", async () =>
			(await stack.sql("select 1 from pg_locks where not granted")).length > 0, 30000);
		await during();
		await holder.query("commit");
		await done;
	} finally {
		await holder.end();
	}
}

test("a config that is saved while a sweep runs finds the milestones of the past", async () => {
	const tenant = await stack.tenant("Midway");
	await stack.set_clock(new Date(NOON));
	await set_config(tenant, milestone("invited"));
	await send(tenant, [event("a-past", "paid", NOON - 3 * DAY), event("a-past", "login", NOON - HOUR)]);
	await crowd(tenant);
	await refresh(tenant, NOON - DAY);
	/* So that the next day's sweep has something to write of its first chunk. */
	await stack.sql("update customers set health = 1 where tenant_id = $1 and user_id = 'a-past'", tenant.id);
	await stack.sql("update batch_leases set watermark = $2 where tenant_id = $1 and stage = 'refresh'",
		tenant.id, new Date(NOON + HOUR));
	await while_writing(tenant, "a-past", () => refresh(tenant, NOON), () =>
		set_config(tenant, milestone("paid")));
	await refresh(tenant, NOON + MINUTE);
	assert.deepEqual(await milestones(tenant), ["a-past did_paid"]);
});

/* What a run that scored them would put right. */
const spoil = (tenant) => stack.sql("update customers set health = 1 where tenant_id = $1", tenant.id);
const spoiled = async (tenant) => Number((await stack.sql("select count(*) as n from customers" +
	" where tenant_id = $1 and health = 1", tenant.id))[0].n);

test("events are read again for an hour, for what commits late, and then no more", async () => {
	const tenant = await stack.tenant("Idle");
	await stack.set_clock(new Date(NOON));
	await send(tenant, [event("idle", "$identify", NOON, { seats: 3 })]);
	await refresh(tenant, NOON);
	for (const [minutes, again] of [[1, true], [59, true], [63, true], [64, false], [600, false]]) {
		await spoil(tenant);
		await refresh(tenant, NOON + minutes * MINUTE);
		assert.equal(await spoiled(tenant), again ? 0 : 1, `${minutes} minutes later`);
	}
	/* Received before the last run, seen only now. */
	await stack.set_clock(new Date(NOON + 550 * MINUTE));
	await send(tenant, [event("idle", "login", NOON)]);
	await refresh(tenant, NOON + 601 * MINUTE);
	assert.equal(await spoiled(tenant), 0);
	/* A batch ahead of the clock that events are received by loses none. */
	const ahead = Date.now() + 9 * DAY;
	await refresh(tenant, ahead);
	await stack.set_clock(new Date());
	await send(tenant, [event("idle", "logout", Date.now())]);
	await refresh(tenant, ahead);
	assert.equal((await stack.sql("select events_total from customers where tenant_id = $1",
		tenant.id))[0].events_total, 2);
});

test("an erased user's late event is not counted by a backfill", async () => {
	const tenant = await stack.tenant("Erased");
	await stack.set_clock(new Date(NOON));
	await send(tenant, ["gone", "kept"].map((user) => event(user, "paid", NOON - HOUR)));
	await refresh(tenant, NOON);
	ok(await tenant.admin.delete("/api/customers/gone"));
	/* Out of the fold's sight, as one that comes while the run goes on. */
	await stack.sql("insert into events (tenant_id, user_id, event, ts, received_at, properties)" +
		" select tenant_id, 'gone', event, ts, received_at - interval '1 day', properties from events" +
		" where tenant_id = $1 and user_id = 'kept'", tenant.id);
	await set_config(tenant, milestone("paid"));
	await refresh(tenant, NOON + MINUTE);
	assert.deepEqual((await stack.sql("select user_id from customer_event_days where tenant_id = $1",
		tenant.id)).map((row) => row.user_id), ["kept"]);
	assert.deepEqual(await milestones(tenant), ["kept did_paid"]);
});

test("a change is in the day's counts ten minutes later, whatever else happens", async () => {
	const tenant = await stack.tenant("Counts");
	const counted = async () => Number((await stack.sql("select sum(customers) as n from daily_counts" +
		" where tenant_id = $1 and what = 'stage' and day = $2", tenant.id,
	new Date(NOON).toISOString().slice(0, 10)))[0].n);
	const run = (minutes) => refresh(tenant, NOON + minutes * MINUTE, { force: false });
	await stack.set_clock(new Date(NOON + 3 * MINUTE));
	await send(tenant, [event("first", "login", NOON)]);
	await run(3);
	assert.equal(await counted(), 1);
	await stack.set_clock(new Date(NOON + 63 * MINUTE));
	await send(tenant, [event("second", "login", NOON)]);
	await run(63);
	assert.equal(await counted(), 1, "not with every change");
	await run(65);
	assert.equal(await counted(), 1);
	await run(80);
	assert.equal(await counted(), 2);
});

/* Who is in a stage, by the batch and by a back-test of its day. */
async function those_in(tenant, stage) {
	const { id } = ok(await tenant.editor.post("/api/playbooks", { name: "Those",
		entry_conditions: { lifecycle_stage: stage }, constraints: { holdout: 0, channels: ["in_app"] } }), 201);
	const { contacts } = ok(await tenant.viewer.post(`/api/playbooks/${id}/backtest`, { days: 1 }));
	const found = (await stack.sql("select user_id from customers where tenant_id = $1" +
		" and lifecycle_stage = $2 order by 1", tenant.id, stage)).map((row) => row.user_id);
	assert.deepEqual(contacts.map((c) => c.user_id).toSorted(), found);
	return found;
}

const days = (user, ...spans) => spans.flatMap(([from, to]) => Array.from({ length: to - from + 1 },
	(_, i) => event(user, "login", NOON - (from + i) * DAY)));

test("a lifecycle that is longer than two months", async () => {
	const tenant = await stack.tenant("Slow");
	await stack.set_clock(new Date(NOON));
	const lifecycle = { at_risk_days: 60, churned_days: 400, recovered_days: 100 };
	await set_config(tenant, { lifecycle });
	await refresh(tenant, NOON - 2 * MINUTE);
	await send(tenant, [...days("paused", [0, 8], [64, 140]), ...days("returned", [0, 8], [69, 140]),
		...days("returned-long-ago", [0, 99], [160, 170]), ...days("settled", [0, 100], [161, 170]),
		...days("silent", [75, 90], [151, 155]), ...days("silent-before", [71, 72], [200, 201], [261, 262])]);
	const wanted = ["returned", "returned-long-ago", "silent", "silent-before"];
	await refresh(tenant, NOON - MINUTE);
	assert.deepEqual(await those_in(tenant, "recovered"), wanted, "as they came, one by one");
	/* All of them anew. */
	await set_config(tenant, { lifecycle: { ...lifecycle, at_risk_days: 30 } });
	await refresh(tenant, NOON);
	await set_config(tenant, { lifecycle });
	await refresh(tenant, NOON + MINUTE);
	assert.deepEqual(await those_in(tenant, "recovered"), wanted, "as a range");
});

test("a drop of a config's own days", async () => {
	const tenant = await stack.tenant("Drop");
	await stack.set_clock(new Date(NOON));
	const lifecycle = { drop_days: 40, drop_min_events: 30, recovered_days: 0, at_risk_days: 20, churned_days: 90 };
	await set_config(tenant, { lifecycle });
	await refresh(tenant, NOON - 2 * MINUTE);
	await send(tenant, [...days("dropped", [1, 10], [40, 70]), ...days("more before", [1, 10], [40, 75]),
		...days("less before", [1, 10], [50, 90]), ...days("steady", [1, 20], [40, 79])]);
	await refresh(tenant, NOON - MINUTE);
	assert.deepEqual(await those_in(tenant, "at_risk"), ["dropped", "less before", "more before"]);
	await set_config(tenant, { lifecycle: { ...lifecycle, drop_min_events: 32 } });
	await refresh(tenant, NOON);
	assert.deepEqual(await those_in(tenant, "at_risk"), ["more before"]);
	const { stage_facts } = ok(await tenant.viewer.get("/api/customers/less%20before/explain"));
	assert.deepEqual([stage_facts.events, stage_facts.events_before], [10, 30]);
	await set_config(tenant, { lifecycle: { ...lifecycle, drop_days: 14 } });
	await refresh(tenant, NOON + MINUTE);
	assert.deepEqual(await those_in(tenant, "at_risk"), []);
	const refused = await tenant.admin.patch("/api/settings", { config: { lifecycle: { drop_days: 366 } } });
	assert.deepEqual([refused.status, refused.body.details?.[0].path], [400, "config.lifecycle.drop_days"]);
});

test("engagement and expansion look at a config's own days", async () => {
	const tenant = await stack.tenant("Days");
	await stack.set_clock(new Date(NOON));
	const config = (days, gate_days) => ({ engagement: { days, full_frequency_days: 20 },
		expansion: { gate_events: ["gate"], gate_days, full_gate_hits: 4 },
		milestones: [{ name: "regular", event: "login", count: 15, onboarding: false, retention: true }] });
	const parts = async () => {
		const { scores } = ok(await tenant.viewer.get("/api/customers/often/explain"));
		const of = (score, name) => scores[score].parts.find((part) => part.name === name).value;
		return [of("engagement", "frequency"), of("engagement", "breadth"), of("engagement", "milestones"),
			of("expansion", "gates")];
	};
	await set_config(tenant, config(40, 50));
	await refresh(tenant, NOON - 2 * MINUTE);
	await send(tenant, [...days("often", [20, 35]), ...[38, 49, 50].map((n) =>
		event("often", "gate", NOON - n * DAY)), event("often", "export", NOON - 41 * DAY)]);
	await refresh(tenant, NOON - MINUTE);
	assert.deepEqual(await parts(), [17 / 20, 2 / 8, 1, 2 / 4]);
	await set_config(tenant, config(64, 39));
	await refresh(tenant, NOON);
	assert.deepEqual(await parts(), [1, 3 / 8, 1, 1 / 4]);
	await set_config(tenant, config(20, 365));
	await refresh(tenant, NOON + MINUTE);
	assert.deepEqual(await parts(), [0, 0, 0, 3 / 4]);
});

test("a first import, which PostgreSQL knows nothing of yet, is read a few times and no more", async () => {
	const own = await start_stack();
	try {
		const tenant = await own.tenant("Import"), customers = 1200, days = 3;
		await set_config(tenant, { lifecycle: { churn_events: ["gone"] }, milestones: [
			{ name: "in", event: "login" }, { name: "on", event: "login", retention: true }] });
		await send(tenant, Array.from({ length: customers * days }, (_, i) =>
			event(`import-${i % customers}`, "login", NOON - (i / customers) * DAY)));
		await own.batch({ tenant: tenant.id, stage: "refresh" });
		const [{ fetched }] = await own.sql("select sum(idx_tup_fetch + coalesce(seq_tup_read, 0))::bigint as fetched" +
			" from pg_stat_user_tables where relname in ('customer_days', 'customer_event_days', 'customer_milestones')");
		assert.ok(fetched < 30 * customers * days, `${fetched} rows for ${customers * days} days`);
	} finally {
		await own.stop();
	}
});
