/* Preferences and the unsubscribe links of mails. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { MailServer } from "./lib/smtp.mjs";
import { activate, drift, interventions, new_user, ok, refused, the_intervention, unsubscribe_link, win_back } from "./lib/cases.mjs";

let stack, smtp, tenant, link, user;

/* One mail that was really sent gives the link of these tests. */
before(async () => {
	smtp = await new MailServer().start();
	stack = await start_stack({ settings: { RETIVO_SMTP_URL: smtp.url,
		RETIVO_SMTP_TLS: "none" } });
	tenant = await stack.tenant("Privacy");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	user = await drift(tenant.ingest, new_user());
	await activate(tenant, win_back({ constraints: { cooldown_days: 0 } }));
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id });
	assert.equal(smtp.mails.length, 1);
	link = unsubscribe_link(smtp.mails[0].parsed);
});
after(async () => {
	await stack?.stop();
	await smtp?.stop();
});

const preferences = async (of = user) => (await stack.sql("select opted_out," +
	" channels_off from customers where tenant_id = $1 and user_id = $2",
	tenant.id, of))[0];

test("the link points at this host and holds no id in clear", () => {
	assert.equal(link.origin, `https://localhost:${stack.site.port}`);
	assert.match(link.pathname, /^\/api\/unsubscribe\/[\w.~-]+$/);
	assert.ok(!link.href.includes(user));
});

test("opening the link shows a page and changes nothing", async () => {
	const answer = await stack.client.get(link.pathname);
	assert.equal(answer.status, 200);
	assert.match(answer.text, /<form[^>]+method="?post/i);
	assert.deepEqual(await preferences(), { opted_out: false, channels_off: [] });
	assert.doesNotMatch(answer.text, /<script/i);
});

test("a link that was tampered with is 404 and changes nothing", async () => {
	const token = link.pathname.split("/").pop();
	const flip = (text, n) => text.slice(0, n) + (text[n] === "A" ? "B" : "A")
		+ text.slice(n + 1);
	for (const bad of [flip(token, 3), flip(token, token.length - 2),
		token.slice(0, -4), "x", "a.b", token + token])
		for (const method of ["GET", "POST"]) {
			const answer = await stack.client.call(method, `/api/unsubscribe/${bad}`);
			assert.equal(answer.status, 404, `${method} ${bad}`);
		}
	assert.deepEqual(await preferences(), { opted_out: false, channels_off: [] });
});

test("one click unsubscribes, twice is fine", async () => {
	for (let n = 0; n < 2; n++) {
		const answer = await stack.client.call("POST", link.pathname, {
			raw: "List-Unsubscribe=One-Click",
			type: "application/x-www-form-urlencoded" });
		assert.equal(answer.status, 200, answer.text);
	}
	const seen = await preferences();
	assert.ok(seen.opted_out || seen.channels_off.includes("email"));
});

test("after that no further mail is planned for the customer", async () => {
	const before = (await interventions(tenant, user)).length;
	await stack.batch({ tenant: tenant.id, now: new Date(Date.now() + 2 * 86400e3) });
	await stack.batch({ tenant: tenant.id, now: new Date(Date.now() + 2 * 86400e3 + 6e4) });
	assert.equal((await interventions(tenant, user)).length, before);
	assert.equal(smtp.mails.length, 1);
});

test("preferences change what they name", async () => {
	const other = await drift(tenant.ingest, new_user());
	const put = (body) => tenant.editor.put(`/api/customers/${other}/preferences`, body);
	assert.deepEqual(ok(await put({ channels: { email: false } })), { id: other,
		opted_out: false,
		channels: { email: false, in_app: true, webhook: true, crm: true } });
	const second = ok(await put({ opted_out: true }));
	assert.equal(second.opted_out, true);
	assert.equal(second.channels.email, false);
	const third = ok(await put({ opted_out: false, channels: { email: true } }));
	assert.equal(third.opted_out, false);
	assert.equal(third.channels.email, true);
	refused(await put({ opted_out: "yes", channels: { pigeon: false, email: 1 } }), 400,
		"opted_out", "channels.pigeon", "channels.email");
	refused(await tenant.editor.put("/api/customers/nobody/preferences",
		{ opted_out: true }), 404);
});

test("opting out holds back what was approved already", async () => {
	const other = await drift(tenant.ingest, new_user());
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "suggest_only" }));
	await stack.batch({ tenant: tenant.id });
	const { id } = await the_intervention(tenant, other);
	ok(await tenant.editor.put(`/api/interventions/${id}/approve`));
	ok(await tenant.editor.put(`/api/customers/${other}/preferences`, { opted_out: true }));
	await stack.batch({ tenant: tenant.id });
	assert.equal(smtp.to(`${other}@customer.example`).length, 0);
	assert.ok(!["sent", "delivered"].includes((await the_intervention(tenant, other)).status));
});
