/* Customers: create, list, detail, counts. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, drift, new_user, ok, refused, win_back } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack({ mail: true });
	tenant = await stack.tenant();
});
after(() => stack?.stop());

test("create answers 201, then 200 with the record unchanged", async () => {
	const user_id = new_user();
	const first = ok(await tenant.editor.post("/api/customers", { user_id,
		email: "new@customer.example", name: "New", properties: { plan: "trial" } }), 201);
	assert.equal(first.user.user_id ?? first.user.id, user_id);
	assert.equal(first.user.email, "new@customer.example");
	const again = ok(await tenant.editor.post("/api/customers", { user_id,
		email: "other@customer.example", name: "Other" }), 200);
	assert.deepEqual(again.user, first.user);
	const { customer } = ok(await tenant.viewer.get(`/api/customers/${user_id}`));
	assert.equal(customer.name, "New");
});

test("two at once create one", async () => {
	const user_id = new_user();
	const codes = (await Promise.all(Array.from({ length: 8 }, () =>
		tenant.editor.post("/api/customers", { user_id })))).map((a) => a.status).sort();
	assert.deepEqual(codes, [200, 200, 200, 200, 200, 200, 200, 201]);
});

test("create names every bad field", async () => {
	refused(await tenant.editor.post("/api/customers",
		{ user_id: "", email: "nobody", name: 1, properties: [] }), 400,
		"user_id", "email", "name", "properties");
	refused(await tenant.editor.post("/api/customers", {}), 400, "user_id");
});

test("no such customer is 404", async () => {
	refused(await tenant.viewer.get("/api/customers/nobody"), 404);
	refused(await tenant.viewer.get(`/api/customers/${"x".repeat(300)}`), 404);
	refused(await tenant.viewer.get("/api/customers/%ff%fe"), 404);
});

test("list: pages by cursor show each customer once", async () => {
	const other = await stack.tenant("Pages");
	await other.ingest.track(...Array.from({ length: 25 }, (_, n) =>
		({ user_id: `p${n}`, event: "e" })));
	assert.equal(ok(await other.viewer.get("/api/customers")).customers.length, 25);
	const seen = [];
	let cursor = "", pages = 0;
	do {
		const page = ok(await other.viewer.get("/api/customers?limit=10" +
			(cursor && `&cursor=${encodeURIComponent(cursor)}`)));
		assert.ok(page.customers.length <= 10);
		seen.push(...page.customers.map((c) => c.id));
		cursor = page.next_cursor;
	} while (cursor && ++pages < 10);
	assert.equal(seen.length, 25);
	assert.equal(new Set(seen).size, 25);
	for (const bad of ["limit=abc", "limit=0", "limit=-1", "limit=1e9", "cursor=%7Bx"])
		refused(await other.viewer.get(`/api/customers?${bad}`), 400);
});

test("list: an empty tenant has an empty list", async () => {
	const empty = await stack.tenant("Empty");
	assert.deepEqual(ok(await empty.viewer.get("/api/customers")).customers, []);
	assert.deepEqual(ok(await empty.viewer.get("/api/customers/stats")).stats,
		{ total: 0, active: 0, at_risk: 0, churned: 0 });
});

test("list: filters, search and order; counts agree", async () => {
	const shop = await stack.tenant("Shop");
	const gone = await drift(shop.ingest, "gone", { name: "Zoe", company: "Acme" }, 40);
	const drifting = await drift(shop.ingest, "drifting", { name: "Yan" }, 10);
	const fresh = await drift(shop.ingest, "fresh", { name: "Xu_%" }, 1);
	await stack.batch({ tenant: shop.id });
	const ids = async (query) => ok(await shop.viewer.get(`/api/customers?${query}`))
		.customers.map((c) => c.id).sort();
	assert.deepEqual(await ids("stage=churned"), [gone]);
	assert.deepEqual(await ids("stage=at_risk"), [drifting]);
	assert.deepEqual(await ids("search=ACME"), [gone]);
	assert.deepEqual(await ids("search=yan"), [drifting]);
	assert.deepEqual(await ids("search=" + encodeURIComponent("u_%")), [fresh]);
	assert.deepEqual(await ids("search=nothing-like-it"), []);
	const health = ok(await shop.viewer.get("/api/customers?sort=-health"))
		.customers.map((c) => c.health);
	assert.deepEqual(health, [...health].sort((a, b) => b - a));
	refused(await shop.viewer.get("/api/customers?stage=nonsense"), 400, "stage");
	refused(await shop.viewer.get("/api/customers?risk=nonsense"), 400, "risk");
	refused(await shop.viewer.get("/api/customers?sort=password"), 400, "sort");
	const { stats } = ok(await shop.viewer.get("/api/customers/stats"));
	assert.equal(stats.total, 3);
	assert.equal(stats.at_risk, 1);
	assert.equal(stats.churned, 1);
});

test("list and detail show what comes next", async () => {
	const shop = await stack.tenant("Next");
	const user = await drift(shop.ingest, new_user());
	await activate(shop, win_back());
	await stack.batch({ tenant: shop.id });
	const { customers } = ok(await shop.viewer.get("/api/customers"));
	assert.deepEqual(customers[0].next_action,
		{ channel: "email", status: "planned", playbook: "Win back" });
	const { customer, events, interventions } =
		ok(await shop.viewer.get(`/api/customers/${user}`));
	assert.equal(customer.lifecycle_stage, "at_risk");
	assert.equal(interventions.length, 1);
	const times = events.map((e) => new Date(e.timestamp ?? e.ts).getTime());
	assert.deepEqual(times, [...times].sort((a, b) => b - a));
});

test("detail tells milestones and segments of the config", async () => {
	const shop = await stack.tenant("Config");
	ok(await shop.admin.patch("/api/settings", { config: {
		milestones: [{ name: "first_report", event: "report_created" },
			{ name: "invited", event: "invite_sent" }],
		segments: [{ name: "idle", conditions: { days_since_last_activity: { gte: 5 } } }],
	} }));
	const user = await drift(shop.ingest, new_user());
	await stack.batch({ tenant: shop.id });
	const { customer } = ok(await shop.viewer.get(`/api/customers/${user}`));
	const text = JSON.stringify([customer.milestone_progress,
		customer.segment_memberships]);
	assert.match(text, /first_report/);
	assert.match(text, /idle/);
	assert.equal(ok(await shop.viewer.get("/api/customers?segment=idle"))
		.customers.length, 1);
	refused(await shop.viewer.get("/api/customers?segment=unknown"), 400, "segment");
});

test("a milestone that is defined later counts what came before", async () => {
	const shop = await stack.tenant("Later");
	const user = await drift(shop.ingest, "early");
	await stack.batch({ tenant: shop.id });
	ok(await shop.admin.patch("/api/settings", { config: {
		milestones: [{ name: "report", event: "report_created" },
			{ name: "never", event: "no_such_event" }] } }));
	await stack.batch({ tenant: shop.id });
	await stack.batch({ tenant: shop.id });
	const rows = await stack.sql("select milestone from customer_milestones where" +
		" tenant_id = $1 and user_id = $2", shop.id, user);
	assert.deepEqual(rows.map((r) => r.milestone), ["report"]);
});
