/* What the dashboard's pages need beside the contract: many messages at once,
 * the library, connectors, counts by day, the preview of weights. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, at, drift, interventions, new_user, ok, refused, win_back, DAY } from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop());

async function queue(people = 3) {
	const tenant = await stack.tenant("Pages");
	for (let i = 0; i < people; i++)
		await drift(tenant.ingest, new_user("page"), { name: `Page ${i}` });
	await activate(tenant, win_back({ constraints: { channels: ["in_app"] } }));
	await stack.batch({ tenant: tenant.id });
	return { tenant, ids: (await interventions(tenant)).map((i) => i.id) };
}

test("many at once: each by its own rules, and told one by one", async () => {
	const { tenant, ids } = await queue();
	const bulk = (body) => tenant.editor.post("/api/interventions/bulk", body);
	const absent = "01900000-0000-7000-8000-000000000000";
	ok(await tenant.editor.put(`/api/interventions/${ids[0]}/reject`, { reason: "no" }));
	const answer = ok(await bulk({ action: "approve", ids: [...ids, absent, ids[1]] }));
	assert.equal(answer.done, 2);
	assert.deepEqual(answer.results.map((r) => r.code ?? "done"),
		["not_planned", "done", "done", "not_found", "not_planned"]);
	assert.deepEqual((await interventions(tenant)).map((i) => i.status).toSorted(),
		["approved", "approved", "rejected"]);
	assert.equal(ok(await bulk({ action: "pause", ids: ids.slice(1) })).done, 2);
	assert.equal(ok(await bulk({ action: "reject", ids, reason: "not now" })).done, 2);
	const log = await stack.sql("select actor, reason from intervention_log where tenant_id = $1" +
		" and to_status = 'rejected'", tenant.id);
	assert.ok(log.every((row) => row.actor.startsWith("key:")));
	assert.equal(log.filter((row) => row.reason === "not now").length, 2);
});

test("many at once: bad input names the field, a viewer may not, a stranger moves nothing", async () => {
	const { tenant, ids } = await queue(1);
	const bulk = (body, who = tenant.editor) => who.post("/api/interventions/bulk", body);
	refused(await bulk({ action: "approve", ids: [] }), 400, "ids");
	refused(await bulk({ action: "approve", ids: [ids[0], "x"] }), 400, "ids[1]");
	refused(await bulk({ action: "reject", ids }), 400, "reason");
	refused(await bulk({ action: "send", ids }), 400, "action");
	refused(await bulk({ action: "approve", ids: Array(201).fill(ids[0]) }), 400, "ids");
	refused(await bulk({ action: "approve", ids }, tenant.viewer), 403);
	const other = await stack.tenant("Other");
	assert.equal(ok(await bulk({ action: "approve", ids }, other.editor)).results[0].code, "not_found");
	assert.equal((await interventions(tenant))[0].status, "planned");
});

test("lists name the customer", async () => {
	const { tenant } = await queue(1);
	assert.match((await interventions(tenant))[0].customer_name, /^Page 0$/);
	const playbook = (await interventions(tenant))[0].playbook_id;
	ok(await tenant.editor.post("/api/escalations", { user_id: (await interventions(tenant))[0].user_id,
		playbook_id: playbook, severity: "Low", reason: "look" }), 201);
	assert.equal(ok(await tenant.viewer.get("/api/escalations")).escalations[0].customer_name, "Page 0");
});

test("every playbook of the library can be created, activated and back-tested", async () => {
	const { tenant } = await queue(2);
	const { playbooks } = ok(await tenant.viewer.get("/api/playbooks/library"));
	assert.ok(playbooks.length >= 10);
	assert.deepEqual([...new Set(playbooks.map((p) => p.lifecycle_area))].toSorted(),
		["activation", "adoption", "expansion", "retention", "win_back"]);
	for (const { key, name, description, entry_conditions, exit_conditions, constraints, strategy_hints }
		of playbooks) {
		assert.ok(description.length > 20, key);
		const { id } = ok(await tenant.editor.post("/api/playbooks", { name, entry_conditions,
			exit_conditions, constraints, strategy_hints }), 201);
		ok(await tenant.editor.put(`/api/playbooks/${id}/status`, { status: "active" }));
		ok(await tenant.viewer.post(`/api/playbooks/${id}/backtest`, { days: 3 }));
	}
});

test("connectors: the last event of each, noted as it comes", async () => {
	const tenant = await stack.tenant("Sources");
	const seen = async () => Object.fromEntries(ok(await tenant.viewer.get("/api/connectors")).connectors
		.map((c) => [c.name, c.last_event_at]));
	assert.deepEqual(await seen(), { track: null, segment: null, posthog: null, mixpanel: null });
	ok(await tenant.ingest.track({ user_id: "a", event: "login" }));
	ok(await tenant.ingest.post("/api/connectors/segment", { type: "track", userId: "a", event: "E",
		messageId: "m1" }));
	refused(await tenant.ingest.post("/api/connectors/mixpanel", { nonsense: true }), 400);
	const { track, segment, posthog, mixpanel } = await seen();
	assert.ok(Date.now() - new Date(track) < 60e3 && Date.now() - new Date(segment) < 60e3);
	assert.deepEqual([posthog, mixpanel], [null, null]);
});

test("connectors: the events of each in 24 hours, counted by the batch", async () => {
	const tenant = await stack.tenant("Counted sources");
	const counts = async () => ok(await tenant.viewer.get("/api/connectors")).connectors
		.map((c) => c.events_24h);
	assert.deepEqual(await counts(), [0, 0, 0, 0]);
	const segment = (id) => tenant.ingest.post("/api/connectors/segment",
		{ type: "track", userId: "a", event: "E", messageId: id });
	ok(await tenant.ingest.track(...[1, 2, 3].map((n) => ({ user_id: "a", event: `E${n}` }))));
	ok(await tenant.ingest.track({ user_id: "a", event: "E", idempotency_key: "k" }));
	ok(await tenant.ingest.track({ user_id: "a", event: "E", idempotency_key: "k" }));
	for (const id of ["m1", "m2", "m2"])
		ok(await segment(id));
	ok(await tenant.ingest.post("/api/connectors/posthog",
		{ event: "E", distinct_id: "a", properties: {} }));
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id });
	assert.deepEqual(await counts(), [4, 2, 1, 0]);
	ok(await segment("m3"));
	await stack.batch({ tenant: tenant.id });
	assert.deepEqual(await counts(), [4, 3, 1, 0]);

	/* A day later they are no longer of the day. */
	await stack.sql("update source_minutes set minute = minute - interval '24 hours'" +
		" where tenant_id = $1 and source = 'a'", tenant.id);
	assert.deepEqual(await counts(), [0, 3, 1, 0]);
	await stack.batch({ tenant: tenant.id, now: at(26 * 3600e3) });
	assert.deepEqual(await stack.sql("select 1 from source_minutes where tenant_id = $1", tenant.id), []);
});

test("counts by day: planned, sent and measured, no day left out", async () => {
	const { tenant } = await queue(3);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id, now: at(15 * DAY) });
	const { days } = ok(await tenant.viewer.get("/api/analytics/timeseries?days=7"));
	assert.equal(days.length, 7);
	const last = days.at(-1);
	assert.deepEqual([last.day, last.planned, last.sent], [new Date().toISOString().slice(0, 10), 3, 3]);
	assert.equal(days.reduce((n, d) => n + d.planned, 0), 3);
	refused(await tenant.viewer.get("/api/analytics/timeseries?days=0"), 400, "days");
});

test("the preview of weights is what the refresh then makes of them", async () => {
	const { tenant } = await queue(4);
	const counts = async () => Object.fromEntries((await stack.sql("select lifecycle_stage, count(*)" +
		" from customers where tenant_id = $1 group by 1", tenant.id)).map((r) => [r.lifecycle_stage, r.count]));
	const preview = (config) => tenant.viewer.post("/api/settings/lifecycle/preview", { config });
	const non_zero = (o) => Object.fromEntries(Object.entries(o).filter(([, n]) => n));
	const config = { lifecycle: { at_risk_days: 12, onboarding_max_days: 40, drop_ratio: 0 } };
	const seen = ok(await preview(config));
	assert.equal(seen.customers, 4);
	assert.deepEqual(non_zero(seen.now.stages), await counts());
	assert.equal(seen.changed, 4);
	ok(await tenant.admin.patch("/api/settings", { config }));
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	assert.deepEqual(non_zero(seen.then.stages), await counts());
	assert.equal(ok(await preview({})).changed, 0);
	refused(await preview({ lifecycle: { at_risk_days: -1 } }), 400, "config.lifecycle.at_risk_days");
	refused(await tenant.viewer.post("/api/settings/lifecycle/preview", {}), 400, "config");
});

test("the preview looks at a fair sample of many customers, and says so", async () => {
	const many = await stack.tenant("Many");
	/* The old are silent for long, the young came today. */
	await stack.sql("insert into customers (tenant_id, user_id, created_at, updated_at, stage_since)" +
		" select $1, 'u' || n, at, at, at from (select n, case when n <= 4500 then" +
		" now() - interval '100 days' else now() end as at from generate_series(1, 9000) n) x", many.id);
	const preview = async () => ok(await many.viewer.post("/api/settings/lifecycle/preview", { config: {} }));
	const seen = await preview();
	assert.deepEqual([seen.total, seen.sampled], [9000, true]);
	/* 4,000 of them, half of it new; five standard deviations are 236 and 170. */
	assert.ok(Math.abs(seen.customers - 4000) < 236, JSON.stringify(seen));
	assert.ok(Math.abs(seen.now.stages.new - seen.customers / 2) < 170, JSON.stringify(seen.now));
	assert.deepEqual(await preview(), seen);

	await stack.sql("delete from customers where tenant_id = $1 and user_id not in (select 'u' || n" +
		" from generate_series(2501, 6500) n)", many.id);
	const all = await preview();
	assert.deepEqual([all.customers, all.total, all.sampled, all.now.stages.new], [4000, 4000, false, 2000]);
});

test("bulk calls at once wait in no ring, and log what they refuse", async () => {
	const t = await stack.tenant("Ring");
	const user = await drift(t.ingest, new_user("ring"));
	const book = ok(await t.editor.post("/api/playbooks", win_back()), 201).id;
	for (let round = 0; round < 5; round++) {
		const ids = await Promise.all(Array.from({ length: 40 }, async () =>
			ok(await t.editor.post("/api/interventions", { user_id: user,
				playbook_id: book, channel: "in_app", message_body: "Hello" }), 201).id));
		const answers = (await Promise.all([ids, ids.slice().reverse()].map((list) =>
			t.editor.post("/api/interventions/bulk", { action: "approve", ids: list }))))
			.map((answer) => ok(answer));
		assert.equal(answers[0].done + answers[1].done, ids.length);
		assert.deepEqual(answers[0].results.map((r) => r.id), ids);
	}
	const [{ n }] = await stack.sql("select count(*)::integer as n from audit_log where" +
		" tenant_id = $1 and action = 'intervention.refused'", t.id);
	assert.equal(n, 5 * 40);
});
