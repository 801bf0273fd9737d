/* People: invited, joined, promoted, removed; passwords forgotten; tenants
 * and modes switched. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { ok, refused } from "./lib/cases.mjs";

const PASSWORD = "correct horse battery staple";
const ABSENT = "01938c4e-5b1a-4c3e-9f20-6d1f0a2b3c4d";
let stack, tenant, serial = 0;

before(async () => {
	stack = await start_stack({ mail: true, settings: { RETIVO_WORKERS: "6" } });
	tenant = await stack.tenant("Acme");
});
after(() => stack?.stop());

const address = (stem) => `${stem}-${++serial}@members.example`;
const login = async (email, password = PASSWORD) => ok(await stack.client.post(
	"/api/auth/login", { email, password }));
const members = async (of = tenant) => ok(await of.viewer.get("/api/team/members")).members;
const invitations = async () =>
	ok(await tenant.viewer.get("/api/team/invitations")).invitations;
const token_of = (url) => new URL(url).searchParams.get("token");

/* An admin of a tenant with a session of his own. */
async function person(role = "admin", of = tenant) {
	const email = address(role);
	await stack.member(of, email, role, PASSWORD);
	const { token, person: { id } } = await login(email);
	return { email, id, client: stack.client.as(token) };
}

async function invite(email, role = "viewer", client = tenant.admin) {
	return ok(await client.post("/api/team/invite", { email, role }), 201).invitation;
}

test("a new person: invited by mail, accepts, is signed in", async () => {
	const email = address("new");
	const made = await invite(email.toUpperCase(), "editor");
	assert.deepEqual([made.email, made.role, made.expired], [email, "editor", false]);
	assert.ok(Math.abs(new Date(made.expires_at) - Date.now() - 7 * 86400e3) < 60e3);
	assert.ok((await invitations()).some((i) => i.id === made.id && !i.accept_url));
	await stack.batch({ tenant: tenant.id, stage: "webhooks" });
	const mail = stack.mails().map(String).find((m) => m.includes(`To: ${email}`)
		|| m.includes(`<${email}>`));
	assert.ok(mail, "a mail went out");
	const token = token_of(made.accept_url);
	assert.ok(mail.replaceAll(/=\r?\n/g, "").replaceAll("=3D", "=").includes(token));
	/* Nowhere in the database once the mail is out. */
	const [{ n }] = await stack.sql("select count(*) as n from outbox o" +
		" where strpos(o::text, $1) > 0", token);
	assert.equal(Number(n), 0);

	const accept = (more) => stack.client.post("/api/auth/accept-invitation",
		{ token, name: "Grace", password: PASSWORD, ...more });
	refused(await accept({ password: "short", name: "" }), 400, "password", "name");
	refused(await accept({ token: ABSENT }), 404);
	const session = ok(await accept());
	assert.deepEqual([session.person.email, session.role, session.tenant.id],
		[email, "editor", String(tenant.id)]);
	ok(await stack.client.as(session.token).get("/api/auth/me"));
	refused(await accept(), 409);
	assert.ok((await members()).some((m) => m.email === email && m.name === "Grace"));
	assert.ok((await invitations()).every((i) => i.id !== made.id));
	assert.equal((await login(email)).role, "editor");
});

test("a person with an account joins a second tenant and switches", async () => {
	const other = await stack.tenant("Other");
	const known = await person("viewer", other);
	const { accept_url } = await invite(known.email, "admin");
	const token = token_of(accept_url);
	/* Not as a new person, not by a key, not by somebody else. */
	refused(await stack.client.post("/api/auth/accept-invitation",
		{ token, name: "x", password: PASSWORD }), 409);
	refused(await tenant.admin.post("/api/team/accept", { token }), 403);
	const stranger = await person("viewer", other);
	refused(await stranger.client.post("/api/team/accept", { token }), 404);
	refused(await known.client.post("/api/team/accept", { token: "x" }), 400, "token");
	assert.deepEqual(ok(await known.client.post("/api/team/accept", { token })),
		{ tenant_id: String(tenant.id), role: "admin" });
	refused(await known.client.post("/api/team/accept", { token }), 409);

	const there = ok(await known.client.post("/api/auth/switch",
		{ tenant_id: String(tenant.id) }));
	assert.deepEqual([there.tenant.id, there.role, there.tenant.mode, there.tenant.live_id],
		[String(tenant.id), "admin", "live", String(tenant.id)]);
	assert.equal(there.memberships.length, 2);
	refused(await known.client.get("/api/auth/me"), 401);
	let now = stack.client.as(there.token);
	const twin = ok(await now.post("/api/auth/switch", { mode: "test" }));
	assert.deepEqual([twin.tenant.id, twin.tenant.mode, twin.tenant.live_id],
		[String(tenant.test_id), "test", String(tenant.id)]);
	now = stack.client.as(twin.token);
	/* In the twin people are looked at only. */
	assert.ok(ok(await now.get("/api/team/members")).members.length > 0);
	refused(await now.post("/api/team/invite", { email: address("x") }), 403);
	for (const tenant_id of ["999999", String((await stack.tenant("No")).id)])
		refused(await now.post("/api/auth/switch", { tenant_id }), 403);
	refused(await now.post("/api/auth/switch", { tenant_id: "x", mode: "dead" }), 400,
		"tenant_id", "mode");
	assert.equal(ok(await now.post("/api/auth/switch", {})).tenant.id, String(tenant.id));
});

test("invitations end: revoked, replaced, after 7 days", async () => {
	const email = address("late");
	const use = (made) => stack.client.post("/api/auth/accept-invitation",
		{ token: token_of(made.accept_url), name: "x", password: PASSWORD });
	const first = await invite(email);
	const second = await invite(email);
	assert.equal((await invitations()).filter((i) => i.email === email).length, 1);
	refused(await use(first), 404);
	assert.deepEqual(ok(await tenant.admin.delete(`/api/team/invitations/${second.id}`)),
		{ revoked: true });
	refused(await use(second), 404);
	refused(await tenant.admin.delete(`/api/team/invitations/${second.id}`), 404);
	const third = await invite(email);
	await stack.sql("update invitations set expires_at = now() where tenant_id = $1" +
		" and id = $2", tenant.id, third.id);
	refused(await use(third), 410);
	assert.equal((await invitations()).find((i) => i.id === third.id).expired, true);
	/* For somebody who is known already, too. */
	const known = await person("viewer", await stack.tenant("Elsewhere"));
	const { id, accept_url } = await invite(known.email);
	await stack.sql("update invitations set expires_at = now() where tenant_id = $1" +
		" and id = $2", tenant.id, id);
	refused(await known.client.post("/api/team/accept", { token: token_of(accept_url) }), 410);
	/* A member is not invited again. */
	const { email: there } = await person("viewer");
	refused(await tenant.admin.post("/api/team/invite", { email: there }), 409);
	refused(await tenant.admin.post("/api/team/invite", { email: "x", role: "god" }), 400,
		"email", "role");
});

test("roles change at once; who is removed is out", async () => {
	const admin = await person(), other = await person("viewer");
	refused(await other.client.patch("/api/settings", { name: "x" }), 403);
	const { member } = ok(await admin.client.put(`/api/team/members/${other.id}/role`,
		{ role: "editor" }));
	assert.deepEqual([member.id, member.role], [other.id, "editor"]);
	ok(await other.client.post("/api/customers", { user_id: "by-editor" }), 201);
	const twin = await stack.sql("select role from memberships where tenant_id = $1" +
		" and person_id = $2", tenant.test_id, other.id);
	assert.equal(twin[0].role, "editor");
	refused(await admin.client.put(`/api/team/members/${other.id}/role`, { role: "x" }), 400,
		"role");
	refused(await admin.client.delete(`/api/team/members/${admin.id}`), 400);
	assert.deepEqual(ok(await admin.client.delete(`/api/team/members/${other.id}`)),
		{ removed: true });
	refused(await other.client.get("/api/auth/me"), 401);
	refused(await stack.client.post("/api/auth/login",
		{ email: other.email, password: PASSWORD }), 403);
	for (const id of [other.id, ABSENT, "int_abc123"]) {
		refused(await admin.client.delete(`/api/team/members/${id}`), 404);
		refused(await admin.client.put(`/api/team/members/${id}/role`, { role: "viewer" }),
			404);
	}
});

test("the last admin stays, also when two go for each other at once", async () => {
	const shop = await stack.tenant("Two");
	const [a, b] = [await person("admin", shop), await person("admin", shop)];
	const both = await Promise.all([
		a.client.put(`/api/team/members/${b.id}/role`, { role: "viewer" }),
		b.client.put(`/api/team/members/${a.id}/role`, { role: "viewer" })]);
	const admins = (await members(shop)).filter((m) => m.role === "admin");
	assert.equal(admins.length, 1, JSON.stringify(both.map((r) => r.text)));
	assert.equal(both.filter((r) => r.status === 200).length, 1);
	/* By a key too. */
	assert.equal(refused(await shop.admin.delete(`/api/team/members/${admins[0].id}`), 409)
		.code, "last_admin");
	refused(await shop.admin.put(`/api/team/members/${admins[0].id}/role`,
		{ role: "editor" }), 409);
});

test("a plan's limit of members is 403 with what to do", async () => {
	const small = await stack.tenant("Small");
	await stack.sql("update tenants set plan_tier = 'free' where tenant_id = $1", small.id);
	await person("admin", small);
	const email = address("one");
	const { id } = await invite(email, "viewer", small.admin);
	/* The same address again takes no more room. */
	await invite(email, "viewer", small.admin);
	const limit = refused(await small.admin.post("/api/team/invite",
		{ email: address("two") }), 403);
	assert.deepEqual([limit.current, limit.limit, limit.upgrade_to], [2, 2, "starter"]);
	assert.ok(id);
});

test("a forgotten password: one link, once, and other sessions end", async () => {
	const known = await person();
	const ask = (email) => stack.client.post("/api/auth/password-reset", { email });
	assert.deepEqual(ok(await ask(known.email.toUpperCase())), { sent: true });
	assert.deepEqual(ok(await ask("nobody@members.example")), { sent: true });
	await stack.batch({ tenant: tenant.id, stage: "webhooks" });
	const mails = stack.mails().map((m) => String(m).replaceAll(/=\r?\n/g, "")
		.replaceAll("=3D", "=")).filter((m) => m.includes(known.email)
			&& m.includes("/reset?token="));
	assert.equal(mails.length, 1);
	const token = mails[0].match(/\/reset\?token=([\w-]+)/)[1];
	const confirm = (more) => stack.client.post("/api/auth/password-reset/confirm",
		{ token, password: "another long password", ...more });
	refused(await confirm({ password: "short" }), 400, "password");
	refused(await confirm({ token: `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}` }),
		404);
	assert.deepEqual(ok(await confirm()), { reset: true });
	refused(await confirm(), 404);
	refused(await known.client.get("/api/auth/me"), 401);
	refused(await stack.client.post("/api/auth/login",
		{ email: known.email, password: PASSWORD }), 401);
	await login(known.email, "another long password");
	/* The operator's link works the same way. */
	const { stdout } = await stack.admin(["member", "reset", known.email]);
	ok(await confirm({ token: token_of(stdout.trim()), password: PASSWORD }));
	await login(known.email);
	/* Five mails an hour to an address, and the answer stays the same. */
	for (let i = 0; i < 8; i++)
		ok(await ask(known.email));
	const [{ n }] = await stack.sql("select count(*) as n from password_resets r" +
		" join people p on p.id = r.person_id where p.email = $1", known.email);
	assert.equal(Number(n), 6);
});

test("only an admin changes the team", async () => {
	const { id } = await invite(address("role"));
	for (const client of [tenant.viewer, tenant.editor]) {
		refused(await client.post("/api/team/invite", { email: address("x") }), 403);
		refused(await client.delete(`/api/team/invitations/${id}`), 403);
		refused(await client.delete(`/api/team/members/${ABSENT}`), 403);
		ok(await client.get("/api/team/members"));
	}
	const audit = await stack.sql("select distinct action from audit_log where" +
		" tenant_id = $1 and action like 'team.%' order by 1", tenant.id);
	assert.deepEqual(audit.map((a) => a.action),
		["team.accept", "team.invite", "team.remove", "team.revoke", "team.role"]);
});
