/*
 * Incremental is the same as full, at every moment: random lives reach two
 * tenants, on one moved clock. "step" is Retivo as it runs: the batch folds
 * what came since the last run. In "whole" the same batch has to compute
 * from the raw events alone, for everybody where product.md says that
 * everybody is computed (the first run of a UTC day, a new config), else for
 * the customers of whom something came: all that was derived of them is
 * deleted before each run, and their events count as new. After each run both
 * have the same customers, in the end everything that is derived is the same,
 * and the same as in "once", which hears of it all in another order and
 * computes a single time.
 *
 * The lives: late events, events in no order, on both sides of midnight and
 * ahead of the clock, milestones, churn, traits, opt-outs, erased people whose
 * events go on coming, and a config that changes on the way.
 *
 * stage_since stays while the stage does, and is the clock of the first run that
 * saw the stage, or, where the history tells when it began (churned, at_risk by
 * silence, recovered, new), that time. One computation of everything cannot know
 * the runs, so "once" is not asked. A stage that only shows between two phases
 * of a run is none. RETIVO_SEED=N makes other lives; a failure names its seed.
 */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { Random } from "./lib/generate.mjs";
import { ok, DAY, HOUR, MINUTE } from "./lib/cases.mjs";

const SEED = Number(process.env.RETIVO_SEED ?? 1), ROUNDS = 4, DAYS = 60, PEOPLE = 30;
const NOON = Math.floor(Date.now() / DAY) * DAY - DAY / 2;
let stack;

before(async () => {
	stack = await start_stack({ clock: new Date() });
});
after(() => stack?.stop());

const NAMES = ["login", "report_created", "profile_completed", "invite_sent", "payment",
	"feature_gate_hit", "search_run", "export_made"];

const MILESTONES = [{ name: "set_up", event: "profile_completed" },
	{ name: "invited_two", event: "invite_sent", count: 2 },
	{ name: "paid", event: "payment", properties: { plan: "pro" } },
	{ name: "reports", event: "report_created", count: 3, onboarding: false, retention: true }];
const SEGMENTS = [{ name: "big", conditions: { "properties.seats": { gte: 3 } } },
	{ name: "silent", conditions: { opted_out: true } }];

/* One after the other: names counted that were not, other milestones of the
 * same name, other thresholds and weights, keys that are gone again. */
const CONFIGS = [
	{ milestones: MILESTONES.slice(0, 2), lifecycle: { churn_events: ["cancelled"] } },
	{ milestones: MILESTONES.with(1, { ...MILESTONES[1], count: 1 }), segments: SEGMENTS,
		lifecycle: { churn_events: ["cancelled"], at_risk_days: 4, recovered_days: 10 },
		expansion: { gate_events: ["feature_gate_hit"], signals: [{ segment: "big" }] } },
	{ milestones: MILESTONES.with(2, { ...MILESTONES[2], properties: { plan: "free" } }),
		lifecycle: { at_risk_days: 21, recovered_days: 50 }, /* of more history than the default */
		engagement: { frequency: 0.7, full_breadth_names: 3, days: 30 } },
	{ milestones: null, lifecycle: null },
	{ milestones: MILESTONES, segments: SEGMENTS, engagement: null,
		lifecycle: { churn_events: ["cancelled"], recovered_days: 10, drop_days: 35 },
		expansion: { gate_events: ["feature_gate_hit"], gate_days: 20,
			signals: [{ segment: "big" }, { segment: "silent" }],
			limits: [{ property: "seats_used", limit_property: "seats" }] } },
];

/* Most come at once, some hours or days late, a few very late, a few before
 * their time: a client's clock may be ahead by up to an hour. */
function arrival(random, t) {
	const kind = random.below(20);
	if (kind < 12)
		return t;
	if (kind < 17)
		return t + random.next() * 3 * DAY;
	return kind < 19 ? t + random.next() * 30 * DAY : t - random.next() * 50 * MINUTE;
}

/* One event in eight is as near to midnight as can be. */
function own_time(random, t) {
	if (random.below(8) > 0)
		return t;
	return Math.round(t / DAY) * DAY + random.of([-1, 0, 1]);
}

/* The events of one life, each with the time at which it arrives. */
function history(random, user_id, end) {
	const events = [];
	const begin = end - (5 + random.below(DAYS - 5)) * DAY, stop = begin + random.below(DAYS) * DAY;
	const add = (arrives, event, t, properties) => events.push({ arrives: Math.min(arrives, end),
		event: { user_id, event, properties, timestamp: new Date(t).toISOString() } });
	for (let t = begin; t < Math.min(end, stop); t += random.next() ** 2 * 5 * DAY) {
		const name = random.below(40) === 0 ? "cancelled" : random.of(NAMES);
		const own = Math.min(own_time(random, t), end);
		add(arrival(random, own), name, own,
			name === "payment" ? { plan: random.of(["pro", "free"]) } : {});
	}
	for (let n = random.below(3); n > 0; n--)
		add(begin + random.next() * (end - begin), "$identify", begin, { name: `N ${user_id} ${n}`,
			seats: 1 + random.below(5), seats_used: random.below(5) });
	return events;
}

async function send(tenant, events) {
	for (let i = 0; i < events.length; i += 100)
		ok(await tenant.ingest.track(...events.slice(i, i + 100)));
}

const refresh = (tenant, clock, force = true) =>
	stack.batch({ tenant: tenant.id, stage: "refresh", force, now: new Date(clock) });

/* Nothing is left of what was derived of them (undefined: of anybody), and
 * their events, no others, are new to refresh. */
async function forget(tenant, users, clock) {
	const rows = (text, ...values) => stack.sql(text, tenant.id, ...values);
	for (const table of ["customer_days", "customer_event_days", "customer_milestones"])
		await rows(`delete from ${table} where tenant_id = $1` +
			" and ($2::text[] is null or user_id = any ($2))", users);
	await rows("update customers set first_activity_at = null, last_activity_at = null," +
		" events_total = 0 where tenant_id = $1 and ($2::text[] is null or user_id = any ($2))", users);
	if (users) {
		await rows("update events set received_at = $3 where tenant_id = $1 and user_id = any ($2)" +
			" and received_at < $3", users, new Date(clock));
		return;
	}
	await rows("delete from event_names where tenant_id = $1");
	await rows("update batch_leases set watermark = null, cursor = null, version = 0," +
		" swept_at = null where tenant_id = $1 and stage = 'refresh'");
}

/* Before the overlap that refresh reads again, as far as an event may come
 * before its time. */
const put_by = (tenant) => stack.sql("update events set received_at = ts - interval '1 hour'" +
	" where tenant_id = $1 and received_at > ts - interval '1 hour'", tenant.id);

const customers = (tenant) => stack.sql("select user_id, name, properties, lifecycle_stage," +
	" stage_reason, stage_since, health, risk_level, risk_score, activation_score," +
	" engagement_score, expansion_score, score_parts, first_activity_at, last_activity_at," +
	" events_total, opted_out, channels_off from customers where tenant_id = $1 order by 1",
	tenant.id);

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
		customers: await customers(tenant),
		days,
		event_days: await rows("select d.user_id, n.name, d.day::text, d.events, d.first_at, d.last_at" +
			" from customer_event_days d join event_names n on n.tenant_id = d.tenant_id" +
			" and n.name_id = d.name_id where d.tenant_id = $1 and d.events > 0 order by 1, 2, 3"),
		milestones: await rows("select user_id, milestone, reached_at from customer_milestones" +
			" where tenant_id = $1 order by 1, 2"),
		/* Those of erased people are gone. */
		events: await rows("select user_id, count(*) as n from events where tenant_id = $1" +
			" group by 1 order by 1"),
	};
}

/* The first that differs, so that a failure can be read. */
function same(a, b, where) {
	const of = new Map(b.map((row) => [row.user_id, row]));
	for (const row of a)
		assert.deepEqual(row, of.get(row.user_id), where);
	assert.equal(a.length, b.length, where);
}

/* Both tenants on their way through the same random history. */
class Run {
	constructor(round) {
		this.random = new Random(SEED * 1000 + round);
		this.where = `seed ${SEED}, history ${round}`;
		this.end = NOON - this.random.below(3) * DAY;
		this.waiting = Array.from({ length: PEOPLE }, (_, i) =>
			history(this.random, `p${i}`, this.end)).flat().toSorted((a, b) => a.arrives - b.arrives);
		/* The rest of a config comes at its own time; the last one early enough. */
		this.configs = CONFIGS.map((config) => ({ config,
			at: this.end - (2 + this.random.below(DAYS - 10)) * DAY })).toSorted((a, b) => a.at - b.at)
			.map(({ at }, i) => ({ at, config: CONFIGS[i] }));
		this.told = []; /* in the order in which it was sent */
		this.erased = new Set();
		this.opted_out = new Map();
		this.since = new Map(); /* user_id → {stage, since} by what the runs left */
		this.runs = this.stages = 0;
	}

	async start() {
		[this.step, this.whole, this.once] = [await stack.tenant("Step"), await stack.tenant("Whole"),
			await stack.tenant("Once")];
		this.clock = this.end - (DAYS + 1) * DAY;
		this.day = undefined;
		this.traits = []; /* [clock, users] of the runs before */
	}

	both(change) {
		return Promise.all([change(this.step), change(this.whole)]);
	}

	next_clock() {
		const { random, end } = this;
		/* Some runs begin within the overlap of the one before. */
		this.clock += random.below(8) === 0 ? 70e3 : Math.max(2 * MINUTE, random.next() ** 2 * 5 * DAY);
		/* Decay is for everybody once a day: "once" agrees with the day's first run. */
		if (this.clock >= Math.floor(end / DAY) * DAY)
			this.clock = end;
	}

	/* What came since the last run; the users that it is about. */
	async tell() {
		const due = this.waiting.findIndex((e) => e.arrives > this.clock);
		const now = this.waiting.splice(0, due < 0 ? this.waiting.length : due).map((e) => e.event);
		if (this.random.below(3) === 0)
			now.reverse();
		await this.both((tenant) => send(tenant, now));
		this.told.push(...now);
		return now;
	}

	/* What people decide; true when the config is another one. */
	async decide() {
		const { random } = this;
		const known = (await customers(this.step)).map((row) => row.user_id);
		/* By chance, but not without each once. */
		const due = this.runs === 12;
		if (known.length > 0 && (due || random.below(5) === 0)) {
			const user = random.of(known), preferences = random.of([{ opted_out: true },
				{ opted_out: false }, { channels: { email: false } }]);
			await this.both(async (tenant) =>
				ok(await tenant.editor.put(`/api/customers/${user}/preferences`, preferences)));
			this.opted_out.set(user, [...this.opted_out.get(user) ?? [], preferences]);
		}
		if (known.length > 0 && (due || random.below(12) === 0)) {
			const user = random.of(known);
			await this.both(async (tenant) => ok(await tenant.admin.delete(`/api/customers/${user}`)));
			this.erased.add(user);
		}
		const next = this.configs.filter(({ at }) => at <= this.clock);
		this.configs.splice(0, next.length);
		for (const { config } of next)
			await this.both(async (tenant) =>
				ok(await tenant.admin.patch("/api/settings", { config })));
		return next.length > 0;
	}

	async run_both(now, reconfigured) {
		const day = Math.floor(this.clock / DAY);
		const everybody = day !== this.day || reconfigured;
		const fresh = new Set([...now.map((e) => e.user_id), ...this.read_again()]
			.filter((user) => !this.erased.has(user)));
		await forget(this.whole, everybody ? undefined : [...fresh], this.clock);
		await Promise.all([refresh(this.step, this.clock, this.random.below(4) === 0),
			refresh(this.whole, this.clock)]);
		await put_by(this.whole);
		if (now.length > 0)
			this.traits.unshift([this.clock, now.filter((e) => e.event === "$identify")
				.map((e) => e.user_id)]);
		this.day = day;
		this.ran = this.clock;
	}

	/* Traits within the two minutes before the last events are read again, until
	 * the last run is an hour younger. */
	read_again() {
		const [last] = this.traits[0] ?? [];
		const from = Math.max(last, this.ran - HOUR) - 2 * MINUTE;
		return this.traits.filter(([at]) => at >= from).flatMap(([, users]) => users);
	}

	async take_step() {
		this.next_clock();
		await stack.set_clock(new Date(this.clock));
		const reconfigured = await this.decide();
		const now = await this.tell();
		await this.run_both(now, reconfigured);
		const [a, b] = [await customers(this.step), await customers(this.whole)];
		const where = `${this.where}, ${new Date(this.clock).toISOString()}`;
		same(a, b, where);
		this.note_stages(a, where);
		this.runs++;
	}

	note_stages(all, where) {
		for (const row of all) {
			const { user_id, lifecycle_stage: stage, stage_since } = row;
			if (this.since.get(user_id)?.stage !== stage) {
				this.began(row, where);
				this.since.set(user_id, { stage, since: stage_since });
				this.stages++;
			}
			assert.deepEqual({ user_id, stage_since }, { user_id,
				stage_since: this.since.get(user_id).since }, where);
		}
	}

	/* A stage that this run is the first to see. */
	began(row, where) {
		const seen = new Date(this.clock), told = `${where}: ${JSON.stringify(row)}`;
		assert.ok(row.stage_since <= seen, told);
		if (["onboarding", "active"].includes(row.lifecycle_stage) || row.stage_reason === "activity_dropped")
			assert.deepEqual(row.stage_since, seen, told);
		/* Silent for 30 days, or a churn event before. */
		if (row.lifecycle_stage === "churned")
			assert.ok(row.stage_since <= new Date(Math.min(seen, row.last_activity_at.getTime() + 30 * DAY)), told);
		if (row.lifecycle_stage === "at_risk" && row.stage_reason === "no_activity")
			assert.ok(row.stage_since > row.last_activity_at, told);
	}

	/* The whole history at once, in another order but for the traits. */
	async tell_once() {
		const { once, random } = this;
		const traits = this.told.filter((e) => e.event === "$identify");
		const others = this.told.filter((e) => e.event !== "$identify")
			.map((e) => [random.next(), e]).toSorted((a, b) => a[0] - b[0]).map(([, e]) => e);
		for (const user_id of this.erased) {
			await send(once, [{ user_id, event: "login" }]);
			ok(await once.admin.delete(`/api/customers/${user_id}`));
		}
		await send(once, [...traits, ...others]);
		for (const [user, all] of this.opted_out)
			for (const preferences of this.erased.has(user) ? [] : all)
				ok(await once.editor.put(`/api/customers/${user}/preferences`, preferences));
		for (const config of CONFIGS)
			ok(await once.admin.patch("/api/settings", { config }));
		await refresh(once, this.end);
	}
}

for (let round = 0; round < ROUNDS; round++)
	test(`history ${round}: increments and recomputations agree`, async () => {
		const run = new Run(round);
		await run.start();
		while (run.clock < run.end)
			await run.take_step();
		await run.tell_once();
		const [a, b, c] = [await state(run.step), await state(run.whole), await state(run.once)];
		assert.ok(b.customers.length > PEOPLE / 2 && b.milestones.length > 10);
		assert.ok(run.erased.size > 0 && run.opted_out.size > 0 && run.runs > 15 && run.stages > PEOPLE);
		for (const part of Object.keys(a))
			assert.deepEqual(a[part], b[part], `${run.where}, ${part}`);
		/* Of whom only traits are known is as old as their row. */
		const timeless = ({ customers: all, ...rest }) => ({ ...rest, customers: all
			.filter((row) => row.events_total > 0).map((row) => ({ ...row, stage_since: undefined })) });
		assert.ok(timeless(a).customers.length > PEOPLE / 2);
		for (const part of Object.keys(a))
			assert.deepEqual(timeless(a)[part], timeless(c)[part], `${run.where}, once, ${part}`);
	});

test("a late event counts on its own day, and moves a milestone back", async () => {
	await stack.set_clock(new Date());
	const tenant = await stack.tenant("Late");
	ok(await tenant.admin.patch("/api/settings", { config: { milestones: [
		{ name: "set_up", event: "profile_completed" }] } }));
	const now = Date.now(), at = (days) => new Date(now - days * DAY);
	await send(tenant, [{ user_id: "late", event: "profile_completed", timestamp: at(3).toISOString() }]);
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	await send(tenant, [{ user_id: "late", event: "profile_completed", timestamp: at(20).toISOString() },
		{ user_id: "late", event: "login", timestamp: at(40).toISOString() }]);
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	const { days, milestones, customers: [customer] } = await state(tenant);
	assert.deepEqual(days.map((d) => d.day), [40, 20, 3].map((d) => at(d).toISOString().slice(0, 10)));
	assert.equal(milestones[0].reached_at.getTime(), at(20).getTime());
	assert.equal(customer.first_activity_at.getTime(), at(40).getTime());
	assert.equal(customer.events_total, 3);
});

test("a new config takes nobody through a stage that is not theirs", async () => {
	const tenant = await stack.tenant("Through");
	const milestones = MILESTONES.slice(0, 2);
	const now = NOON, event = (name, days) =>
		({ user_id: "young", event: name, timestamp: new Date(now - days * DAY).toISOString() });
	await stack.set_clock(new Date(now - HOUR));
	ok(await tenant.admin.patch("/api/settings", { config: { milestones: milestones.slice(0, 1) } }));
	await send(tenant, [event("profile_completed", 5), event("invite_sent", 3), event("invite_sent", 2)]);
	await refresh(tenant, now - HOUR);
	await stack.set_clock(new Date(now - HOUR / 2));
	await send(tenant, [event("login", 1)]);
	await refresh(tenant, now - HOUR / 2);
	await stack.set_clock(new Date(now));
	/* What invited_two counts was not counted yet, and something comes. */
	ok(await tenant.admin.patch("/api/settings", { config: { milestones } }));
	await send(tenant, [event("login", 0)]);
	await refresh(tenant, now);
	const [customer] = await customers(tenant);
	assert.equal(customer.lifecycle_stage, "active");
	assert.deepEqual(await stack.sql("select old_value, new_value from score_ledger" +
		" where tenant_id = $1 and what = 'stage' order by id", tenant.id),
		[{ old_value: null, new_value: "active" }]);
	assert.equal(customer.stage_since.getTime(), now - HOUR);
});
