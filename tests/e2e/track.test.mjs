/* POST /api/track: what is stored, what counts as a duplicate. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { at, days_ago, new_user, ok, refused, HOUR, MINUTE } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant();
});
after(() => stack?.stop());

const stored = async (user_id) => stack.sql(
	"select * from events where tenant_id = $1 and user_id = $2 order by ts",
	tenant.id, user_id);
const detail = async (user_id) =>
	ok(await tenant.viewer.get(`/api/customers/${encodeURIComponent(user_id)}`));

test("events are stored with what they say", async () => {
	const user_id = new_user();
	const when = days_ago(2);
	assert.deepEqual(ok(await tenant.ingest.track(
		{ user_id, event: "opened", timestamp: when, properties: { n: 1.5, "ü": [null, "✓"] } },
		{ user_id, event: "closed" })), { accepted: 2, duplicates: 0 });
	const rows = await stored(user_id);
	assert.deepEqual(rows.map((r) => r.event), ["opened", "closed"]);
	assert.equal(rows[0].ts.toISOString(), when);
	assert.deepEqual(rows[0].properties, { n: 1.5, "ü": [null, "✓"] });
	assert.ok(Math.abs(rows[1].ts - Date.now()) < MINUTE);
});

test("the customer is there at once with defaults", async () => {
	const user_id = new_user();
	ok(await tenant.ingest.track({ user_id, event: "opened" }));
	const { customer, events } = await detail(user_id);
	assert.equal(customer.id, user_id);
	assert.equal(customer.name, user_id);
	assert.equal(customer.email, null);
	assert.equal(customer.lifecycle_stage, "new");
	assert.equal(customer.health, 50);
	assert.equal(customer.risk_level, "low");
	assert.equal(customer.engagement_score, 0);
	assert.equal(events.length, 1);
	assert.equal(events[0].event, "opened");
	const { customers } = ok(await tenant.viewer.get("/api/customers"));
	assert.ok(customers.some((c) => c.id === user_id && c.next_action === null));
});

test("$identify sets traits; the rest goes to properties", async () => {
	const user_id = new_user();
	ok(await tenant.editor.track({ user_id, event: "$identify", properties: {
		email: "Grace@customer.example" } }));
	assert.equal((await detail(user_id)).customer.name, "Grace@customer.example");
	ok(await tenant.editor.track({ user_id, event: "$identify", properties: {
		name: "Grace", company: "Navy", role: "admin", team_size: 7, locale: "en-US",
		timezone: "America/New_York", plan: "trial", seats: 3 } }));
	const { customer } = await detail(user_id);
	assert.equal(customer.name, "Grace");
	assert.equal(customer.email, "Grace@customer.example");
	assert.equal(customer.company, "Navy");
	assert.equal(customer.role, "admin");
	assert.equal(customer.team_size, 7);
	assert.equal(customer.locale, "en-US");
	const [row] = await stack.sql("select timezone, plan, properties from customers" +
		" where tenant_id = $1 and user_id = $2", tenant.id, user_id);
	assert.equal(row.timezone, "America/New_York");
	assert.equal(row.plan, "trial");
	assert.equal(row.properties.seats, 3);
});

test("a trait of the wrong type is kept under properties", async () => {
	const user_id = new_user();
	ok(await tenant.editor.track({ user_id, event: "$identify", properties: {
		name: "Linus", team_size: "many", timezone: "Mars/Base", email: 12 } }));
	const { customer } = await detail(user_id);
	assert.equal(customer.name, "Linus");
	assert.equal(customer.team_size, null);
	assert.equal(customer.email, null);
	const [{ properties }] = await stack.sql("select properties from customers" +
		" where tenant_id = $1 and user_id = $2", tenant.id, user_id);
	assert.equal(properties.team_size, "many");
	assert.equal(properties.timezone, "Mars/Base");
	assert.equal(properties.email, 12);
});

test("an ingest key may set an email and may not change one", async () => {
	const user_id = new_user();
	const identify = (client, email) => client.track(
		{ user_id, event: "$identify", properties: { email } });
	ok(await identify(tenant.ingest, "first@customer.example"));
	await identify(tenant.ingest, "thief@elsewhere.example");
	assert.equal((await detail(user_id)).customer.email, "first@customer.example");
	ok(await identify(tenant.editor, "second@customer.example"));
	assert.equal((await detail(user_id)).customer.email, "second@customer.example");
});

test("the same key twice is one event, in one batch and in two", async () => {
	const user_id = new_user();
	const event = { user_id, event: "paid", idempotency_key: `k-${user_id}` };
	assert.deepEqual(ok(await tenant.ingest.track(event, event)),
		{ accepted: 1, duplicates: 1 });
	assert.deepEqual(ok(await tenant.ingest.track(event,
		{ ...event, idempotency_key: `l-${user_id}` })), { accepted: 1, duplicates: 1 });
	assert.equal((await stored(user_id)).length, 2);
});

test("twenty at once with the same keys store each once", async () => {
	const user_id = new_user();
	const batch = Array.from({ length: 50 }, (_, n) =>
		({ user_id, event: "raced", idempotency_key: `${user_id}/${n}` }));
	const sums = (await Promise.all(Array.from({ length: 20 }, (_, n) =>
		tenant.ingest.track(...(n % 2 ? batch : [...batch].reverse())))))
		.map((a) => ok(a));
	assert.equal(sums.reduce((n, s) => n + s.accepted, 0), 50);
	assert.equal(sums.reduce((n, s) => n + s.duplicates, 0), 950);
	assert.equal((await stored(user_id)).length, 50);
});

test("another tenant's key does not make a duplicate", async () => {
	const other = await stack.tenant("Other");
	const event = { user_id: new_user(), event: "paid", idempotency_key: "shared" };
	assert.equal(ok(await tenant.ingest.track(event)).accepted, 1);
	assert.equal(ok(await other.ingest.track(event)).accepted, 1);
});

test("any offset is understood", async () => {
	const user_id = new_user();
	const when = at(-2 * HOUR);
	const local = new Date(when.getTime() + 5.5 * HOUR).toISOString()
		.replace("Z", "+05:30");
	ok(await tenant.ingest.track({ user_id, event: "e", timestamp: local }));
	assert.equal((await stored(user_id))[0].ts.toISOString(), when.toISOString());
});

test("a timestamp may be an hour ahead and not more", async () => {
	const user_id = new_user();
	ok(await tenant.ingest.track({ user_id, event: "e",
		timestamp: at(59 * MINUTE).toISOString() }));
	refused(await tenant.ingest.track({ user_id, event: "e",
		timestamp: at(62 * MINUTE).toISOString() }), 400, "events[0].timestamp");
	refused(await tenant.ingest.track({ user_id, event: "e",
		timestamp: "1999-01-01T00:00:00Z" }), 400, "events[0].timestamp");
	assert.equal((await stored(user_id)).length, 1);
});

test("limits count bytes", async () => {
	const long = "ü".repeat(127) + "x";
	ok(await tenant.ingest.track({ user_id: long, event: long, idempotency_key: long }));
	assert.equal((await detail(long)).customer.id, long);
	refused(await tenant.ingest.track({ user_id: "ü".repeat(128), event: "ü".repeat(128),
		idempotency_key: "ü".repeat(128) }), 400, "events[0].user_id",
		"events[0].event", "events[0].idempotency_key");
	ok(await tenant.ingest.track({ user_id: "u", event: "e",
		properties: { text: "x".repeat(32 * 1024 - 20) } }));
	refused(await tenant.ingest.track({ user_id: "u", event: "e",
		properties: { text: "x".repeat(33 * 1024) } }), 400, "events[0].properties");
});

test("one hundred events are one batch", async () => {
	const user_id = new_user();
	const events = Array.from({ length: 100 }, (_, n) => ({ user_id, event: `e${n}` }));
	assert.equal(ok(await tenant.ingest.track(...events)).accepted, 100);
});

test("a user id may hold anything that is text", async () => {
	for (const user_id of ["a/b?c#d", "per cent %41", "O'Neil; drop table", "✓ – 日本",
		"a\u202eb", "{\"x\":1}"]) {
		ok(await tenant.ingest.track({ user_id, event: "e" }));
		assert.equal((await detail(user_id)).customer.id, user_id);
	}
});

test("a key in use shows when it was used", async () => {
	const { api_keys } = ok(await tenant.admin.get("/api/settings"));
	const used = api_keys.find((k) => k.scope === "ingest");
	assert.ok(Math.abs(new Date(used.last_used_at) - Date.now()) < 5 * MINUTE);
});
