/* People: sign-in, sessions, cookies. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { new_user, ok, refused } from "./lib/cases.mjs";

const PASSWORD = "correct horse battery staple";
let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant("People");
});
after(() => stack?.stop());

async function person(role = "admin") {
	const email = `${new_user("person")}@members.example`;
	await stack.member(tenant, email, role, PASSWORD, "Pat Person");
	return email;
}
const login = (email, password = PASSWORD) =>
	stack.client.post("/api/auth/login", { email, password });
const cookie_of = (answer) => {
	const line = [answer.headers["set-cookie"]].flat().find((c) => c?.includes("="));
	return { line, pair: line.split(";")[0] };
};

test("login answers who it is, a token and a strict cookie", async () => {
	const email = await person();
	const answer = await login(email.toUpperCase());
	const body = ok(answer);
	assert.equal(body.person.email, email);
	assert.equal(body.tenant.id, String(tenant.id));
	assert.equal(body.role, "admin");
	assert.deepEqual(body.memberships.map((m) => m.tenant_id), [String(tenant.id)]);
	const { line } = cookie_of(answer);
	for (const word of [/; *HttpOnly/i, /; *Secure/i, /; *SameSite=Strict/i, /; *Path=\//i])
		assert.match(line, word);
	const me = ok(await stack.client.get("/api/auth/me", { key: body.token }));
	assert.equal(me.person.email, email);
	assert.ok(new Date(body.expires_at) > new Date());
});

test("only a hash of the session is stored", async () => {
	const { token } = ok(await login(await person()));
	const rows = await stack.sql("select to_jsonb(s)::text as t from sessions s");
	assert.ok(rows.length && !rows.some((r) => r.t.includes(token.slice(-20))));
	const people = await stack.sql("select password_hash from people");
	assert.ok(people.every((p) => p.password_hash.startsWith("$argon2id$")));
});

test("a cookie reads, and needs the header to write", async () => {
	const { pair } = cookie_of(await login(await person("editor")));
	const headers = { cookie: pair };
	ok(await stack.client.get("/api/auth/me", { headers }));
	ok(await stack.client.get("/api/customers", { headers }));
	refused(await stack.client.post("/api/customers", { user_id: "csrf" }, { headers }), 403);
	ok(await stack.client.post("/api/customers", { user_id: "csrf" },
		{ headers: { ...headers, "x-retivo-csrf": "1" } }), 201);
});

test("a session acts with the role of its person", async () => {
	const viewer = stack.client.as(ok(await login(await person("viewer"))).token);
	ok(await viewer.get("/api/playbooks"));
	refused(await viewer.post("/api/customers", { user_id: "x" }), 403);
	const editor = stack.client.as(ok(await login(await person("editor"))).token);
	ok(await editor.post("/api/customers", { user_id: new_user() }), 201);
	refused(await editor.put("/api/settings/kill-switch", { active: true }), 403);
});

test("logout ends the session at once", async () => {
	const { token } = ok(await login(await person()));
	const holder = stack.client.as(token);
	const answer = await holder.post("/api/auth/logout");
	ok(answer);
	assert.match(cookie_of(answer).line, /Max-Age=0|expires=Thu, 01 Jan 1970/i);
	refused(await holder.get("/api/auth/me"), 401);
	refused(await holder.get("/api/customers"), 401);
	refused(await holder.post("/api/auth/logout"), 401);
});

test("a session that expired is 401", async () => {
	const { token } = ok(await login(await person()));
	await stack.sql("update sessions set expires_at = now() - interval '1 second'");
	refused(await stack.client.get("/api/auth/me", { key: token }), 401);
});

test("wrong address and wrong password are answered alike", async () => {
	const email = await person();
	const strip = ({ error, code, details }) => ({ error, code, details });
	const wrong = refused(await login(email, "not it"), 401);
	const unknown = refused(await login("nobody@members.example", "not it"), 401);
	assert.deepEqual(strip(wrong), strip(unknown));
	const took = async (email_) => {
		const times = [];
		for (let n = 0; n < 3; n++) {
			const start = performance.now();
			await login(email_, "not it either");
			times.push(performance.now() - start);
		}
		return times.sort((a, b) => a - b)[1];
	};
	const [known, other] = [await took(await person()), await took("no@members.example")];
	assert.ok(other > known * 0.4 && other < known * 2.5, `${known} and ${other} ms`);
});

test("failures lock the account for a while, the right password too", async () => {
	const email = await person();
	let locked;
	for (let n = 0; n < 12 && !locked; n++) {
		const answer = await login(email, "guess");
		if (answer.status === 429)
			locked = answer;
		else
			refused(answer, 401);
	}
	assert.ok(locked, "twelve guesses never lock");
	assert.ok(Number(locked.headers["retry-after"]) > 0);
	refused(await login(email), 429);
	await stack.sql("update people set locked_until = null, failed_logins = 0");
	await stack.sql("delete from login_throttle");
	ok(await login(email));
});

test("a key is no person", async () => {
	refused(await tenant.admin.get("/api/auth/me"), 403);
	refused(await tenant.admin.post("/api/auth/logout"), 403);
	refused(await stack.client.get("/api/auth/me"), 401);
});

test("bad fields of login are named", async () => {
	await stack.sql("delete from login_throttle");
	refused(await stack.client.post("/api/auth/login", { email: 3 }), 400,
		"email", "password");
	refused(await stack.client.post("/api/auth/login", {}), 400, "email", "password");
});

test("a member that is removed is out", async () => {
	const email = await person();
	const { token } = ok(await login(email));
	await stack.sql("delete from memberships where person_id =" +
		" (select id from people where email = $1)", email);
	refused(await stack.client.get("/api/customers", { key: token }), 401);
});
