/* Settings, kill switch and API keys. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { ok, refused } from "./lib/cases.mjs";

const ABSENT = "01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d";
let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant("Acme");
});
after(() => stack?.stop());

const settings = async () => ok(await tenant.viewer.get("/api/settings"));
const patch = (body) => tenant.admin.patch("/api/settings", body);

test("settings of a new tenant", async () => {
	const { tenant: seen, brand_context, api_keys } = await settings();
	assert.equal(seen.id, String(tenant.id));
	assert.equal(seen.name, "Acme");
	assert.equal(seen.plan_tier, "unlimited");
	assert.equal(seen.tracked_user_limit, null);
	assert.equal(seen.kill_switch_active, false);
	assert.equal(brand_context, null);
	assert.deepEqual(api_keys.map((k) => k.scope).sort(),
		["admin", "ingest", "read", "write"]);
});

test("no secret is ever shown again", async () => {
	const { text } = await tenant.admin.get("/api/settings");
	for (const key of Object.values(tenant.keys)) {
		assert.ok(!text.includes(key));
		assert.ok(!text.includes(key.slice(-20)));
	}
});

test("patch changes what it names and merges config by key", async () => {
	const body = ok(await patch({ name: "Acme Ltd", config: { timezone: "Europe/Berlin",
		confidence_threshold: 0.7, frequency_cap: { count: 2, days: 7 } } }));
	assert.equal(body.name, "Acme Ltd");
	assert.equal(body.config.timezone, "Europe/Berlin");
	ok(await patch({ config: { confidence_threshold: null, attribution_days: 10 } }));
	const { config } = (await settings()).tenant;
	assert.equal(config.timezone, "Europe/Berlin");
	assert.equal(config.attribution_days, 10);
	assert.deepEqual(config.frequency_cap, { count: 2, days: 7 });
	assert.notEqual(config.confidence_threshold, 0.7);
	assert.equal((await settings()).tenant.name, "Acme Ltd");
});

test("each save is a numbered version", async () => {
	const versions = async () => (await stack.sql("select count(*) as n from" +
		" config_versions where tenant_id = $1", tenant.id))[0].n;
	const before = await versions();
	ok(await patch({ config: { attribution_days: 12 } }));
	assert.equal(await versions(), before + 1);
});

test("the approval mode is set by approvalMode", async () => {
	for (const approvalMode of ["semi_auto", "full_auto", "suggest_only"]) {
		ok(await patch({ approvalMode, onboardingCompleted: true }));
		assert.equal((await settings()).tenant.config.approval_mode, approvalMode);
	}
});

test("bad settings are refused by path and change nothing", async () => {
	const before = (await settings()).tenant;
	refused(await patch({ name: "", approvalMode: "yolo", onboardingCompleted: "yes",
		config: { colour: "red" } }), 400, "name", "approvalMode",
		"onboardingCompleted", "config.colour");
	for (const [path, config] of [
		["timezone", { timezone: "Mars/Base" }],
		["confidence_threshold", { confidence_threshold: 3 }],
		["frequency_cap", { frequency_cap: { count: "x", days: 7 } }],
		["milestones", { milestones: [{ nothing: 1 }] }],
		["milestones", { milestones: "many" }],
		["segments", { segments: [{ name: "a", conditions: { nonsense: 1 } }] }],
		["segments", { segments: [{ name: "a", conditions: { segment: "b" } },
			{ name: "b", conditions: { segment: "a" } }] }]])
		refused(await patch({ config }), 400, new RegExp(`config.*${path}`));
	refused(await patch({ config: [] }), 400, "config");
	assert.deepEqual((await settings()).tenant, before);
});

test("the kill switch goes on and off", async () => {
	for (const active of [true, true, false]) {
		assert.deepEqual(ok(await tenant.admin.put("/api/settings/kill-switch",
			{ active })), { kill_switch_active: active });
		assert.equal((await settings()).tenant.kill_switch_active, active);
	}
	refused(await tenant.admin.put("/api/settings/kill-switch", {}), 400, "active");
	refused(await tenant.admin.put("/api/settings/kill-switch", { active: "on" }), 400, "active");
	const rows = await stack.sql("select action from audit_log where tenant_id = $1" +
		" and action like '%kill%'", tenant.id);
	assert.ok(rows.length >= 2);
});

test("a key is made, works by its scope, and ends when revoked", async () => {
	const made = ok(await tenant.admin.post("/api/settings/api-keys",
		{ label: "Browser", scope: "ingest" }), 201);
	assert.match(made.secret, new RegExp(`^rt_live_${tenant.id}_[A-Za-z0-9_-]{43}$`));
	assert.ok(made.secret.startsWith(made.prefix));
	const holder = stack.client.as(made.secret);
	ok(await holder.track({ user_id: "k", event: "e" }));
	refused(await holder.get("/api/customers"), 403);
	const listed = (await settings()).api_keys.find((k) => k.id === made.id);
	assert.equal(listed.label, "Browser");
	assert.equal(listed.secret, undefined);
	assert.deepEqual(ok(await tenant.admin.delete(`/api/settings/api-keys/${made.id}`)),
		{ revoked: true });
	refused(await holder.track({ user_id: "k", event: "later" }), 401);
	assert.ok(!(await settings()).api_keys.some((k) => k.id === made.id));
	const rows = await stack.sql("select 1 from events where tenant_id = $1 and" +
		" event = 'later'", tenant.id);
	assert.equal(rows.length, 0);
});

test("only the hash of a key is stored", async () => {
	const { secret } = ok(await tenant.admin.post("/api/settings/api-keys",
		{ label: "Stored", scope: "read" }), 201);
	const rows = await stack.sql("select to_jsonb(k)::text as t from api_keys k");
	assert.ok(!rows.some((r) => r.t.includes(secret.slice(-20))));
	assert.ok(!stack.log_text().includes(secret));
	const audit = await stack.sql("select to_jsonb(a)::text as t from audit_log a");
	assert.ok(!audit.some((r) => r.t.includes(secret.slice(-20))));
});

test("bad keys: fields, foreign and malformed ids", async () => {
	refused(await tenant.admin.post("/api/settings/api-keys", { scope: "root",
		label: 7 }), 400, "scope", "label");
	refused(await tenant.admin.post("/api/settings/api-keys", {}), 400, "scope");
	const other = await stack.tenant("Other");
	const [{ id }] = ok(await other.viewer.get("/api/settings")).api_keys;
	for (const bad of [id, ABSENT, "key_1"])
		refused(await tenant.admin.delete(`/api/settings/api-keys/${bad}`), 404);
	assert.equal(ok(await other.viewer.get("/api/settings")).api_keys.length, 4);
});

test("a test key reaches the twin only", async () => {
	const secret = await stack.key(tenant.test_id, "admin");
	assert.match(secret, /^rt_test_/);
	const twin = stack.client.as(secret);
	ok(await twin.track({ user_id: "only-in-test", event: "e" }));
	refused(await tenant.viewer.get("/api/customers/only-in-test"), 404);
	ok(await twin.get("/api/customers/only-in-test"));
	const body = ok(await twin.get("/api/settings"));
	assert.equal(body.tenant.id, String(tenant.test_id));
});
