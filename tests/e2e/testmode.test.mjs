/* Test mode: the twin of a tenant, out of which nothing is sent, and the way
 * of settings and playbooks there and back. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { start_stack } from "./lib/stack.mjs";
import { MailServer } from "./lib/smtp.mjs";
import { activate, drift, interventions, new_user, ok, refused, win_back }
	from "./lib/cases.mjs";

let stack, smtp, listener, connections = 0;

before(async () => {
	smtp = await new MailServer().start();
	smtp.server.server.on("connection", () => connections++);
	listener = createServer((socket) => {
		connections++;
		socket.destroy();
	});
	await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
	stack = await start_stack({ settings: { RETIVO_SMTP_URL: smtp.url,
		RETIVO_SMTP_TLS: "none" } });
});
after(async () => {
	await stack?.stop();
	await smtp?.stop();
	listener?.close();
});

/* A tenant and clients of its twin, each under the name of its role. */
async function scene() {
	const tenant = await stack.tenant();
	const twin = { id: tenant.test_id };
	for (const [scope, role] of [["ingest", "ingest"], ["read", "viewer"],
		["write", "editor"], ["admin", "admin"]])
		twin[role] = stack.client.as(await stack.key(tenant.test_id, scope));
	return { tenant, twin };
}

test("no channel and no webhook of the twin opens a connection", async () => {
	const { twin } = await scene();
	const url = `http://127.0.0.1:${listener.address().port}/hook`;
	const before = connections;
	ok(await twin.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const { endpoint } = ok(await twin.admin.post("/api/webhooks/endpoints", { url }), 201);
	for (const channel of ["email", "webhook", "crm"]) {
		ok(await twin.admin.patch("/api/settings", { config: { channels: [channel] } }));
		const playbook = await activate(twin, win_back({ name: channel,
			constraints: { channels: [channel] } }));
		const user = await drift(twin.ingest, new_user(channel));
		for (let i = 0; i < 2; i++)
			await stack.batch({ tenant: twin.id });
		const [message, ...others] = await interventions(twin, user);
		assert.deepEqual(others, []);
		assert.deepEqual([message?.channel, message?.status, message?.simulated],
			[channel, "delivered", true]);
		ok(await twin.editor.delete(`/api/playbooks/${playbook}`));
	}
	const { test: sent } = ok(await twin.admin.post(
		`/api/webhooks/endpoints/${endpoint.id}/test`));
	assert.deepEqual([sent.success, sent.simulated], [true, true]);
	await stack.batch({ tenant: twin.id });
	const deliveries = await stack.sql("select distinct status from deliveries" +
		" where tenant_id = $1", twin.id);
	assert.deepEqual(deliveries.map((d) => d.status), ["simulated"]);
	assert.equal(connections, before);
	assert.deepEqual(smtp.mails, []);
});

const COPY = "/api/settings/copy";
const list = async (who) => ok(await who.viewer.get("/api/playbooks")).playbooks;
const config_of = async (who) => ok(await who.viewer.get("/api/settings"));

test("settings and playbooks go to the twin and back", async () => {
	const { tenant, twin } = await scene();
	ok(await tenant.admin.patch("/api/settings", { name: "Acme", approvalMode: "semi_auto",
		config: { attribution_days: 10, timezone: "Europe/Berlin" } }));
	ok(await tenant.admin.patch("/api/settings/brand", { tone_guidelines: "warm" }));
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: true }));
	const playbook = await activate(tenant, win_back());
	const name = (await config_of(twin)).tenant.name;
	assert.deepEqual(ok(await tenant.admin.post(COPY, { from: "live" })),
		{ from: "live", to: "test", settings: true,
			playbooks: { created: 1, updated: 0, unchanged: 0 } });

	const seen = await config_of(twin);
	assert.equal(seen.tenant.name, name);
	assert.equal(seen.tenant.kill_switch_active, false);
	assert.deepEqual([seen.tenant.config.attribution_days, seen.tenant.config.timezone,
		seen.tenant.config.approval_mode, seen.brand_context.tone_guidelines],
	[10, "Europe/Berlin", "semi_auto", "warm"]);
	assert.equal(seen.api_keys.length, 4, "its own keys");
	const [copy] = await list(twin);
	assert.notEqual(copy.id, playbook);
	assert.deepEqual([copy.name, copy.status], ["Win back", "draft"]);
	assert.deepEqual(ok(await tenant.admin.post(COPY, { from: "live" })).playbooks,
		{ created: 0, updated: 0, unchanged: 1 });

	ok(await twin.editor.put(`/api/playbooks/${copy.id}`,
		{ strategy_hints: { message: "Tried out in test mode." } }));
	ok(await twin.admin.patch("/api/settings", { config: { attribution_days: 5 } }));
	assert.deepEqual(ok(await tenant.admin.post(COPY, { from: "test", settings: false })),
		{ from: "test", to: "live", settings: false,
			playbooks: { created: 0, updated: 1, unchanged: 0 } });
	const [back] = await list(tenant);
	assert.deepEqual([back.id, back.status, back.strategy_hints, back.version],
		[playbook, "active", { message: "Tried out in test mode." }, 2]);
	assert.equal((await config_of(tenant)).tenant.config.attribution_days, 10);

	const log = (id) => stack.sql("select action, after from audit_log where tenant_id = $1" +
		" and action in ('settings.copy', 'settings.copied') order by at, id", id);
	assert.deepEqual((await log(tenant.id)).map((r) => [r.action, r.after.to]),
		[["settings.copied", "test"], ["settings.copied", "test"]]);
	assert.deepEqual((await log(twin.id)).map((r) => r.action),
		["settings.copy", "settings.copy", "settings.copied"]);
});

test("who may copy, and bad values", async () => {
	const { tenant, twin } = await scene();
	refused(await tenant.admin.post(COPY, {}), 400, "from");
	refused(await tenant.admin.post(COPY, { from: "moon", settings: 1, playbooks: "x" }), 400,
		"from", "settings", "playbooks");
	refused(await tenant.editor.post(COPY, { from: "live" }), 403);
	for (const from of ["live", "test"])
		assert.equal(refused(await twin.admin.post(COPY, { from }), 403).code,
			"live_required");
});

test("what cannot be copied changes nothing on either side", async () => {
	const { tenant, twin } = await scene();
	const segment = { name: "big", conditions: { team_size: { gte: 50 } } };
	ok(await twin.admin.patch("/api/settings", { config: { segments: [segment] } }));
	ok(await twin.editor.post("/api/playbooks", { name: "First" }), 201);
	ok(await twin.editor.post("/api/playbooks", win_back({ name: "For big ones",
		entry_conditions: { segment: "big" } })), 201);
	refused(await tenant.admin.post(COPY, { from: "test", settings: false }), 400);
	assert.deepEqual(await list(tenant), []);

	await stack.admin(["tenant", "plan", "--tenant", tenant.id, "free"]);
	for (let i = 0; i < 2; i++)
		ok(await tenant.editor.post("/api/playbooks", { name: `Own ${i}` }), 201);
	const body = refused(await tenant.admin.post(COPY, { from: "test" }), 403);
	assert.deepEqual([body.code, body.current, body.limit, body.upgrade_to],
		["playbook_limit", 3, 3, "starter"]);
	assert.equal((await list(tenant)).length, 2);
	assert.equal((await config_of(tenant)).tenant.config.segments, undefined);
	const rows = await stack.sql("select 1 from audit_log where tenant_id = any ($1)" +
		" and action like 'settings.cop%'", [tenant.id, twin.id]);
	assert.deepEqual(rows, []);
});

test("both ways at once: one after the other", async () => {
	const { tenant, twin } = await scene();
	ok(await tenant.editor.post("/api/playbooks", { name: "From live" }), 201);
	ok(await twin.editor.post("/api/playbooks", { name: "From test" }), 201);
	for (const answer of await Promise.all(["live", "test", "live", "test"].map((from) =>
		tenant.admin.post(COPY, { from }))))
		ok(answer);
	for (const who of [tenant, twin])
		assert.deepEqual((await list(who)).map((p) => p.name).sort(),
			["From live", "From test"]);
});
