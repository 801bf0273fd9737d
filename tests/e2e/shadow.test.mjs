/* Brand and shadow mode: what the pipeline writes by, and how a tenant sees
 * what it would do before it does it. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, drift, HOUR, interventions, new_user, ok, refused, win_back }
	from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop());

const PATH = "/api/settings/shadow-mode";

/* A tenant that sends by itself, with a customer who needs help. */
async function scene(playbook = {}) {
	const tenant = await stack.tenant();
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	tenant.playbook = await activate(tenant, win_back(playbook));
	tenant.user = await drift(tenant.ingest, new_user("shadow"));
	return tenant;
}

const mails_to = (user) => stack.mails().filter((m) => m.includes(`${user}@`)).length;

async function batch(tenant, now) {
	for (let i = 0; i < 2; i++)
		await stack.batch({ tenant: tenant.id, now });
}

test("brand: what is given is kept, what is absent stays", async () => {
	const tenant = await stack.tenant();
	const patch = (body) => tenant.admin.patch("/api/settings/brand", body);
	const brand = async () => ok(await tenant.viewer.get("/api/settings")).brand_context;
	assert.equal(await brand(), null);
	assert.deepEqual(ok(await patch({ product_description: "Reports",
		things_to_avoid: ["cheap", "free money"] })), { updated: true });
	ok(await patch({ tone_guidelines: "warm", things_to_mention: ["support"] }));
	assert.deepEqual(await brand(), { product_description: "Reports", tone_guidelines: "warm",
		things_to_mention: ["support"], things_to_avoid: ["cheap", "free money"] });
	ok(await patch({ things_to_avoid: [] }));
	assert.deepEqual((await brand()).things_to_avoid, []);
	refused(await patch({ product_description: 7, things_to_mention: [1],
		things_to_avoid: "x" }), 400,
		"product_description", "things_to_mention[0]", "things_to_avoid");
	refused(await patch({ things_to_avoid: Array(101).fill("x") }), 400, "things_to_avoid");
	refused(await tenant.editor.patch("/api/settings/brand", {}), 403);
});

test("brand: what is to be avoided waits for a person", async () => {
	const tenant = await scene({ strategy_hints: { message: "Hi, it is so CHEAP now." } });
	ok(await tenant.admin.patch("/api/settings/brand", { things_to_avoid: ["cheap"] }));
	await batch(tenant);
	const [message] = await interventions(tenant, tenant.user);
	assert.equal(message.status, "planned");
	assert.equal(message.checks_passed, false);
	assert.match(JSON.stringify(message.quality_checks), /cheap/i);
	assert.equal(mails_to(tenant.user), 0);
});

test("shadow mode: decides and sends nothing, and reports", async () => {
	const tenant = await scene();
	const on = ok(await tenant.admin.put(PATH, { active: true }));
	assert.equal(on.shadow_mode, true);
	assert.ok(Math.abs(new Date(on.shadow_until) - Date.now() - 72 * HOUR) < 60e3);
	assert.equal(ok(await tenant.viewer.get("/api/settings")).tenant.shadow_mode, true);
	await batch(tenant);
	const [message] = await interventions(tenant, tenant.user);
	assert.equal(message.status, "shadow");
	assert.equal(mails_to(tenant.user), 0);

	const report = ok(await tenant.viewer.get(PATH));
	assert.equal(report.shadow_mode, true);
	assert.deepEqual(report.totals,
		{ messages: 1, customers: 1, checks_passed: 1, checks_failed: 0 });
	assert.deepEqual(report.by_playbook.map((p) => [p.playbook_id, p.messages]),
		[[tenant.playbook, 1]]);
	assert.deepEqual(report.by_channel.map((c) => [c.channel, c.messages]), [["email", 1]]);
	assert.equal(report.latest[0].user_id, tenant.user);
	assert.equal(report.latest[0].message_body, message.message_body);

	/* On again does not make it longer; off lets the real one go out. */
	assert.equal(ok(await tenant.admin.put(PATH, { active: true })).shadow_until,
		on.shadow_until);
	assert.equal(ok(await tenant.admin.put(PATH, { active: false })).shadow_mode, false);
	await batch(tenant);
	assert.equal(mails_to(tenant.user), 1);
	const after = ok(await tenant.viewer.get(PATH));
	assert.deepEqual([after.shadow_mode, after.totals.messages], [false, 1]);
});

test("shadow mode ends by itself after 72 hours", async () => {
	const tenant = await scene();
	ok(await tenant.admin.put(PATH, { active: true }));
	const at = (ms) => new Date(Date.now() + ms);
	await batch(tenant, at(71 * HOUR));
	assert.equal(mails_to(tenant.user), 0);
	await batch(tenant, at(73 * HOUR));
	await batch(tenant, at(73 * HOUR + 120e3));
	assert.equal(mails_to(tenant.user), 1);
	const [{ shadow_mode }] = await stack.sql(
		"select shadow_mode from tenant_settings where tenant_id = $1", tenant.id);
	assert.equal(shadow_mode, false);
	const audit = await stack.sql("select actor from audit_log where tenant_id = $1 and" +
		" action = 'settings.shadow_mode' order by at, id", tenant.id);
	assert.deepEqual(audit.map((a) => a.actor.split(":")[0]), ["key", "batch"]);
});

test("what was approved before waits while shadow mode is on", async () => {
	const tenant = await scene();
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "suggest_only" }));
	await batch(tenant);
	const [{ id }] = await interventions(tenant, tenant.user);
	ok(await tenant.editor.put(`/api/interventions/${id}/approve`));
	ok(await tenant.admin.put(PATH, { active: true }));
	await batch(tenant);
	const [held] = (await interventions(tenant, tenant.user)).filter((i) => i.id === id);
	assert.deepEqual([held.status, held.hold], ["approved", "shadow_mode"]);
	assert.equal(mails_to(tenant.user), 0);
});

test("bad values and too little right", async () => {
	const tenant = await stack.tenant();
	refused(await tenant.admin.put(PATH, {}), 400, "active");
	refused(await tenant.admin.put(PATH, { active: "yes" }), 400, "active");
	refused(await tenant.editor.put(PATH, { active: true }), 403);
	const report = ok(await tenant.viewer.get(PATH));
	assert.deepEqual([report.shadow_mode, report.shadow_since, report.totals.messages],
		[false, null, 0]);
});
