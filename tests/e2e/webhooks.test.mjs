/* A tenant's webhook endpoints by the API: made, changed, tested, ended. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { start_stack } from "./lib/stack.mjs";
import { HookServer } from "./lib/hooks.mjs";
import { activate, drift, new_user, ok, refused, win_back } from "./lib/cases.mjs";

const ABSENT = "01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d";
const PATH = "/api/webhooks/endpoints";
let stack, tenant, hooks;

before(async () => {
	stack = await start_stack({ settings: { RETIVO_WORKERS: "4" } });
	tenant = await stack.tenant();
	hooks = await new HookServer("unset").start();
});
after(async () => {
	await stack?.stop();
	await hooks?.stop();
});

/* An endpoint at hooks, which then knows its secret. */
async function endpoint(client = tenant.admin, more = {}) {
	const made = ok(await client.post(PATH, { url: hooks.url, ...more }), 201).endpoint;
	hooks.secret = made.secret;
	hooks.calls.length = 0;
	hooks.answers.length = 0;
	return made;
}

test("registered, listed without its secret, changed, deleted", async () => {
	const made = await endpoint(tenant.admin,
		{ description: "CRM", events: ["intervention.delivered"] });
	assert.match(made.secret, /^whsec_[A-Za-z0-9+/=]{44}$/);
	assert.deepEqual([made.active, made.description, made.subscribed_events],
		[true, "CRM", ["intervention.delivered"]]);
	const list = async () => ok(await tenant.admin.get(PATH)).endpoints;
	const [listed] = await list();
	assert.equal(listed.id, made.id);
	assert.equal(listed.secret, undefined);
	assert.equal(JSON.stringify(await stack.sql("select * from webhook_endpoints"))
		.includes(made.secret), false, "sealed at rest");

	const changed = ok(await tenant.admin.put(`${PATH}/${made.id}`,
		{ description: "Warehouse", events: null })).endpoint;
	assert.deepEqual([changed.description, changed.subscribed_events, changed.url],
		["Warehouse", null, hooks.url]);
	ok(await tenant.admin.put(`${PATH}/${made.id}`, {}));
	assert.equal((await list())[0].description, "Warehouse");

	assert.deepEqual(ok(await tenant.admin.delete(`${PATH}/${made.id}`)), { deleted: true });
	assert.deepEqual(await list(), []);
	for (const again of [tenant.admin.delete(`${PATH}/${made.id}`),
		tenant.admin.put(`${PATH}/${made.id}`, { description: "x" }),
		tenant.admin.post(`${PATH}/${made.id}/test`)])
		refused(await again, 404);
	const audit = await stack.sql("select action from audit_log where tenant_id = $1" +
		" and object = $2 order by at, id", tenant.id, made.id);
	assert.deepEqual(audit.map((a) => a.action),
		["webhook.create", "webhook.update", "webhook.update", "webhook.delete"]);
});

test("bad fields are named, all of them", async () => {
	refused(await tenant.admin.post(PATH, {}), 400, "url");
	refused(await tenant.admin.post(PATH, { url: "ftp://x.example/", description: 7,
		events: ["webhook.test", "user.born"] }), 400, "url", "description", "events[1]");
	refused(await tenant.admin.post(PATH, { url: "https://x.example/", events: [7, [], null] }),
		400, "events[0]", "events[1]", "events[2]");
	for (const url of ["", "hooks.example.com", "http://", "https://user:pw@x.example/",
		"https://10.0.0.1/", "https://169.254.169.254/latest", "https://[::1]/",
		`https://x.example/${"a".repeat(2000)}`, "javascript:alert(1)"])
		refused(await tenant.admin.post(PATH, { url }), 400, "url");
	assert.deepEqual(ok(await tenant.admin.get(PATH)).endpoints, []);
});

test("a test is sent, signed, and its result told", async () => {
	const { id } = await endpoint();
	const send = async () => ok(await tenant.admin.post(`${PATH}/${id}/test`)).test;
	assert.deepEqual(await send(), { success: true, status: 200, simulated: false });
	assert.equal(hooks.calls.length, 1);
	const [call] = hooks.calls;
	assert.ok(call.verified, call.problem);
	assert.equal(call.headers["x-retivo-signature"], call.hex);
	assert.equal(call.body.type, "webhook.test");
	assert.equal(call.body.id, call.headers["webhook-id"]);

	hooks.answers.push(503);
	const failed = await send();
	assert.deepEqual([failed.success, failed.status], [false, 503]);
	assert.match(failed.error, /2xx/);
	/* A redirect is not followed. */
	hooks.reply_headers = { location: hooks.url };
	hooks.answers.push(302);
	hooks.calls.length = 0;
	assert.equal((await send()).success, false);
	assert.equal(hooks.calls.length, 1);
	delete hooks.reply_headers;
	/* Nobody answers. */
	ok(await tenant.admin.put(`${PATH}/${id}`, { url: "http://127.0.0.1:9/" }));
	const lost = await send();
	assert.equal(lost.success, false);
	assert.equal(lost.status, undefined);
	assert.match(lost.error, /connect|refused/i);
	ok(await tenant.admin.delete(`${PATH}/${id}`));
});

test("an endpoint that hangs costs 8 seconds and one slot, not the others", async () => {
	const { id } = await endpoint();
	const held = [];
	hooks.server.removeAllListeners("request");
	hooks.server.on("request", (asked, reply) => held.push(reply));
	const started = Date.now();
	const slow = [1, 2].map(() => tenant.admin.post(`${PATH}/${id}/test`));
	while (held.length < 2)
		await new Promise((resolve) => setTimeout(resolve, 20));
	/* Half of the workers wait; a third call is told so at once. */
	const third = await tenant.admin.post(`${PATH}/${id}/test`);
	refused(third, 503);
	assert.equal(third.headers["retry-after"], "1");
	ok(await tenant.viewer.get("/api/customers/stats"));
	/* Nor does a row stay locked meanwhile. */
	ok(await tenant.admin.put(`${PATH}/${id}`, { description: "meanwhile" }));
	for (const answer of await Promise.all(slow)) {
		assert.equal(ok(answer).test.success, false);
		assert.match(answer.body.test.error, /time|8/i);
	}
	const took = Date.now() - started;
	assert.ok(took < 12000, `${took} ms`);
	for (const reply of held)
		reply.destroy();
	ok(await tenant.admin.delete(`${PATH}/${id}`));
	await hooks.stop();
	hooks = await new HookServer("unset").start();
});

/* The endpoint's log of the one call, which is then sent once more. */
async function log_of(shop, id, call, user) {
	const log = `${PATH}/${id}/deliveries`;
	const list = async (query = "") => ok(await shop.admin.get(log + query)).deliveries;
	const [first, ...others] = await list();
	assert.equal(others.length, 0);
	assert.deepEqual([first.event_id, first.type, first.status, first.attempts,
		first.last_status, first.next_attempt_at],
		[call.headers["webhook-id"], "intervention.delivered", "delivered", 1, 200, null]);
	assert.deepEqual(await list("?status=failed"), []);
	refused(await shop.admin.get(`${log}?status=lost&limit=0`), 400, "status", "limit");

	hooks.calls.length = 0;
	hooks.answers.push(500);
	const due = ok(await shop.admin.post(`${log}/${first.id}/redeliver`));
	assert.deepEqual([due.id, due.status], [first.id, "pending"]);
	await stack.batch({ tenant: shop.id });
	const [again] = await list("?status=pending&limit=1");
	assert.deepEqual([again.attempts, again.last_status], [2, 500]);
	ok(await shop.admin.post(`${log}/${first.id}/redeliver`));
	await stack.batch({ tenant: shop.id });
	assert.deepEqual((await list()).map((d) => [d.status, d.attempts]), [["delivered", 3]]);
	assert.deepEqual(hooks.calls.map((c) => [c.verified, c.text, c.headers["webhook-id"]]),
		Array(2).fill([true, call.text, first.event_id]));
	assert.equal(hooks.calls[0].body.user_id, user);

	for (const path of [`${log}/${ABSENT}`, `${log}/x`, `${PATH}/${ABSENT}/deliveries/${first.id}`])
		refused(await shop.admin.post(`${path}/redeliver`), 404);
	for (const stranger of [tenant.admin, shop.editor]) {
		const status = stranger === tenant.admin ? 404 : 403;
		refused(await stranger.get(log), status);
		refused(await stranger.post(`${log}/${first.id}/redeliver`), status);
	}
	await stack.sql("update webhook_endpoints set status = 'disabled' where id = $1", id);
	assert.equal(refused(await shop.admin.post(`${log}/${first.id}/redeliver`), 409).code,
		"endpoint_disabled");
	ok(await shop.admin.put(`${PATH}/${id}`, {}));
}

test("events reach those that listen to them", async () => {
	const shop = await stack.tenant("Shop");
	ok(await shop.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const deaf = await endpoint(shop.admin, { events: ["outcome.recorded"] });
	const listens = await endpoint(shop.admin, { events: ["intervention.delivered"] });
	await activate(shop, win_back({ constraints: { channels: ["webhook"] } }));
	const user = await drift(shop.ingest, new_user("hooked"));
	for (let i = 0; i < 2; i++)
		await stack.batch({ tenant: shop.id });
	assert.equal(hooks.calls.length, 1);
	const [call] = hooks.calls;
	assert.ok(call.verified, call.problem);
	assert.equal(call.body.type, "intervention.delivered");
	assert.equal(call.body.user_id, user);
	await log_of(shop, listens.id, call, user);
	assert.deepEqual(ok(await shop.admin.get(`${PATH}/${deaf.id}/deliveries`)).deliveries, []);
	/* Deleted: nothing more. */
	ok(await shop.admin.delete(`${PATH}/${listens.id}`));
	ok(await shop.admin.delete(`${PATH}/${deaf.id}`));
	hooks.calls.length = 0;
	await drift(shop.ingest, new_user("hooked"));
	await stack.batch({ tenant: shop.id });
	assert.equal(hooks.calls.length, 0);
});

/* n events that are due at an endpoint, as if told at once. */
async function due(shop, endpoint_id, n) {
	await stack.sql("with o as (insert into outbox (tenant_id, id, type, payload, created_at," +
		" fanned_at) select $1, gen_random_uuid(), 'user.stage_changed', '{\"n\":' || g || '}'," +
		" now(), now() from generate_series(1, $3::integer) g returning id)" +
		" insert into deliveries (tenant_id, id, outbox_id, endpoint_id, status," +
		" next_attempt_at, created_at) select $1, gen_random_uuid(), id, $2, 'pending'," +
		" now(), now() from o", shop.id, endpoint_id, n);
}

const delivered = async (shop, endpoint_id) => (await stack.sql("select count(*)::integer as n" +
	" from deliveries where tenant_id = $1 and endpoint_id = $2 and status = 'delivered'",
	shop.id, endpoint_id))[0].n;

test("all that is due at an endpoint goes in one run, beside one that is slow", async () => {
	const shop = await stack.tenant("Busy");
	const quick = await endpoint(shop.admin);
	await due(shop, quick.id, 350);
	await stack.batch({ tenant: shop.id, stage: "webhooks" });
	assert.equal(await delivered(shop, quick.id), 350);
	assert.equal(hooks.calls.length, 350);
	assert.ok(hooks.calls.every((call) => call.verified), "signed");

	/* It answers, but gets no further than some dozens in a round. */
	const slow = createServer((asked, reply) => {
		asked.resume();
		setTimeout(() => reply.end("ok"), 1500);
	});
	await new Promise((resolve) => slow.listen(0, "127.0.0.1", resolve));
	const { id } = ok(await shop.admin.post(PATH,
		{ url: `http://127.0.0.1:${slow.address().port}/` }), 201).endpoint;
	await due(shop, id, 350);
	await due(shop, quick.id, 350);
	const started = Date.now();
	await stack.batch({ tenant: shop.id, stage: "webhooks" });
	const took = Date.now() - started;
	assert.equal(await delivered(shop, quick.id), 700);
	const some = await delivered(shop, id);
	assert.ok(some > 0 && some < 100, `${some} of the slow one`);
	assert.ok(took < 30000, `${took} ms`);
	slow.closeAllConnections();
	slow.close();
});

test("what waits for an endpoint that is disabled fails, some at a time", async () => {
	const shop = await stack.tenant("Silent");
	const { id } = await endpoint(shop.admin);
	await due(shop, id, 2500);
	await stack.sql("update webhook_endpoints set status = 'disabled' where id = $1", id);
	await stack.batch({ tenant: shop.id, stage: "webhooks" });
	const chunks = await stack.sql("select count(*)::integer as n, min(last_error) as error" +
		" from deliveries where tenant_id = $1 and status = 'failed' group by xmin::text",
		shop.id);
	assert.equal(chunks.reduce((sum, chunk) => sum + chunk.n, 0), 2500);
	assert.ok(chunks.every(({ n }) => n <= 1000), JSON.stringify(chunks));
	assert.equal(chunks[0].error, "the endpoint is disabled");
	assert.equal(hooks.calls.length, 0);
});

test("test mode sends nothing", async () => {
	const secret = ok(await tenant.admin.post("/api/settings/api-keys",
		{ label: "twin", scope: "admin", mode: "test" }), 201).secret;
	const twin = stack.client.as(secret);
	const { id } = await endpoint(twin);
	assert.deepEqual(ok(await twin.post(`${PATH}/${id}/test`)).test,
		{ success: true, simulated: true });
	assert.equal(hooks.calls.length, 0);
});

test("a plan's limit is 403 with what to do, also for two at once", async () => {
	const small = await stack.tenant("Small");
	await stack.sql("update tenants set plan_tier = 'free' where tenant_id = $1", small.id);
	const both = await Promise.all([1, 2, 3].map(() =>
		small.admin.post(PATH, { url: hooks.url })));
	assert.deepEqual(both.map((a) => a.status).sort(), [201, 403, 403]);
	const limit = refused(both.find((a) => a.status === 403), 403);
	assert.deepEqual([limit.current, limit.limit, limit.upgrade_to], [1, 1, "starter"]);
	const [{ id }] = ok(await small.admin.get(PATH)).endpoints;
	ok(await small.admin.delete(`${PATH}/${id}`));
	ok(await small.admin.post(PATH, { url: hooks.url }), 201);
});

test("another tenant's endpoint, and none, is 404", async () => {
	const other = await stack.tenant("Other");
	const { id } = await endpoint(other.admin);
	for (const one of [id, ABSENT, "int_abc123"]) {
		refused(await tenant.admin.put(`${PATH}/${one}`, { description: "x" }), 404);
		refused(await tenant.admin.delete(`${PATH}/${one}`), 404);
		refused(await tenant.admin.post(`${PATH}/${one}/test`), 404);
	}
	assert.equal(ok(await other.admin.get(PATH)).endpoints[0].description, null);
	assert.equal(hooks.calls.length, 0);
});
