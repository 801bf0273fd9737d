/* Segment, PostHog and Mixpanel: the payloads that their documents and
 * libraries send become our events and traits, once. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { days_ago, new_user, ok, refused } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant();
});
after(() => stack?.stop());

const segment = (body, options) =>
	tenant.ingest.post("/api/connectors/segment", body, options);
const posthog = (body) => tenant.ingest.post("/api/connectors/posthog", body);
const mixpanel = (body) => tenant.ingest.post("/api/connectors/mixpanel", body);
const events_of = (user) => stack.sql("select event, ts, properties from events where" +
	" tenant_id = $1 and user_id = $2 order by ts, event", tenant.id, user);
const customer = async (user) =>
	ok(await tenant.viewer.get(`/api/customers/${encodeURIComponent(user)}`)).customer;

let serial = 0;
const message = (type, user, more) => ({ type, userId: user, messageId: `node-next-${++serial}`,
	timestamp: days_ago(1), context: { library: { name: "x", version: "1" } }, ...more });

test("Segment: each call, single, in an array and in a batch", async () => {
	const user = new_user("seg");
	assert.deepEqual(ok(await segment(message("identify", user,
		{ traits: { email: `${user}@customer.example`, name: "Ada", seats: 4 } }))),
		{ accepted: 1, users_upserted: 1 });
	assert.deepEqual(ok(await segment([
		message("track", user, { event: "Order Placed", properties: { total: 12.5 } }),
		message("page", user, { name: "Home", properties: { path: "/" } })])),
		{ accepted: 2, users_upserted: 0 });
	assert.deepEqual(ok(await segment({ sentAt: days_ago(0), writeKey: "x", batch: [
		message("screen", user, { name: "Start", properties: {} }),
		message("group", user, { groupId: "g", traits: { plan: "big" } }),
		message("alias", user, { previousId: "anon" })] })),
		{ accepted: 3, users_upserted: 0 });
	const seen = await events_of(user);
	assert.deepEqual(seen.map((e) => e.event).sort(), ["$create_alias", "$groupidentify",
		"$identify", "$pageview", "$screen", "Order Placed"]);
	assert.equal(seen.find((e) => e.event === "$pageview").properties.name, "Home");
	assert.equal(seen.find((e) => e.event === "Order Placed").properties.total, 12.5);
	const { email, name } = await customer(user);
	assert.deepEqual([email, name], [`${user}@customer.example`, "Ada"]);
});

test("Segment: the same messageId counts once, whichever way it comes", async () => {
	const user = new_user("seg");
	const call = message("track", user, { event: "once" });
	for (const body of [call, [call], { batch: [call, call] }])
		ok(await segment(body));
	assert.equal((await events_of(user)).length, 1);
	/* Another source may have the same id. */
	ok(await posthog({ event: "once", distinct_id: user, uuid: call.messageId }));
	assert.equal((await events_of(user)).length, 2);
});

test("Segment: anonymousId without userId, and Basic authorization", async () => {
	const user = new_user("anon");
	const basic = Buffer.from(`${tenant.keys.ingest}:`).toString("base64");
	ok(await stack.client.post("/api/connectors/segment",
		message("track", null, { anonymousId: user, event: "hello" }),
		{ headers: { authorization: `Basic ${basic}`, "content-type": "text/plain" } }));
	assert.equal((await events_of(user)).length, 1);
	for (const bad of ["", ":", "x:", `${tenant.keys.ingest}`, `${tenant.keys.ingest}x:`])
		refused(await stack.client.post("/api/connectors/segment", message("track", user,
			{ event: "e" }), { headers: { authorization:
				`Basic ${Buffer.from(bad).toString("base64")}` } }), 401);
});

test("PostHog: webhook body, bare event, batch; $set and $set_once", async () => {
	const user = new_user("hog");
	assert.deepEqual(ok(await posthog({
		event: { uuid: "01938c4e-0000-7c3e-9f20-6d1f0a2b3c4d", event: "$pageview",
			distinct_id: user, timestamp: days_ago(1), elements_chain: "", url: "x",
			properties: { $current_url: "https://app.example.com/a" } },
		person: { id: "x", name: "x", properties: { email: `${user}@customer.example` } } })),
		{ accepted: 1, users_upserted: 1 });
	ok(await posthog({ event: "$identify", distinct_id: user, properties: {
		$set: { name: "Ada", plan: "trial" }, $set_once: { name: "Never", first_page: "/a" } } }));
	ok(await posthog({ api_key: "x", sent_at: days_ago(0), batch: [
		{ event: "$set", distinct_id: user, properties: {
			$set: { plan: "pro" }, $set_once: { first_page: "/b", company: "Acme" } } },
		{ event: "$groupidentify", distinct_id: "$company_acme", properties: {} },
		{ event: "clicked", distinct_id: user, timestamp: days_ago(2), uuid: "" }] }));
	const seen = await customer(user);
	assert.deepEqual([seen.name, seen.plan, seen.company, seen.email],
		["Ada", "pro", "Acme", `${user}@customer.example`]);
	assert.equal(seen.properties.first_page, "/a");
	const names = (await events_of(user)).map((e) => e.event);
	assert.ok(names.includes("$pageview") && names.includes("clicked"));
	refused(await tenant.viewer.get(`/api/customers/${encodeURIComponent("$company_acme")}`),
		404);
	/* A number as id is a text. */
	ok(await posthog({ event: "e", distinct_id: 4711 }));
	assert.equal((await events_of("4711")).length, 1);
});

test("Mixpanel: seconds, fractions and milliseconds; profiles; nobody", async () => {
	const user = new_user("mix");
	const ms = Date.now() - 86400e3;
	const event = (time, id) => ({ event: `at ${time}`, properties: { token: "t",
		distinct_id: user, time, $insert_id: id, mp_lib: "node" } });
	const times = [Math.floor(ms / 1000), ms / 1000, ms];
	assert.deepEqual(ok(await mixpanel(times.map((t, n) => event(t, `i-${n}`)))),
		{ accepted: 3, users_upserted: 0 });
	for (const { ts } of await events_of(user))
		assert.ok(Math.abs(new Date(ts) - ms) < 1001, ts);
	ok(await mixpanel(event(times[2], "i-2")));
	assert.equal((await events_of(user)).length, 3);
	assert.deepEqual(ok(await mixpanel([
		{ $token: "t", $distinct_id: user, $set: { name: "Ada" } },
		{ $token: "t", $distinct_id: user, $set_once: { name: "Never", city: "Bonn" } }])),
		{ accepted: 2, users_upserted: 1 });
	const seen = await customer(user);
	assert.deepEqual([seen.name, seen.properties.city], ["Ada", "Bonn"]);
	/* $user_id goes before a device; what is nobody makes nobody. */
	ok(await mixpanel({ event: "e", properties: { distinct_id: "$device:1", $user_id: user } }));
	assert.equal((await events_of(user)).filter((e) => e.event === "e").length, 1);
	assert.deepEqual(ok(await mixpanel([{ event: "e", properties: { distinct_id: "anonymous" } },
		{ event: "e", properties: {} }])), { accepted: 2, users_upserted: 0 });
	assert.equal((await events_of("anonymous")).length, 0);
});

test("one bad event refuses the body, by its path", async () => {
	const user = new_user("bad");
	const good = message("track", user, { event: "e" });
	refused(await segment({ batch: [good, message("track", user, {}),
		message("dance", user), message("track", null, { event: "e" }),
		message("track", user, { event: "e", timestamp: "yesterday" })] }), 400,
		"batch[1].event", "batch[2].type", "batch[3].userId", "batch[4].timestamp");
	refused(await segment([good, 7]), 400, "[1]");
	refused(await posthog({ event: { event: "e" } }), 400, "distinct_id");
	refused(await posthog([{ distinct_id: user }]), 400, "[0].event");
	refused(await mixpanel({ event: "e", properties: { distinct_id: user, time: "now" } }),
		400, "properties.time");
	refused(await mixpanel({ $distinct_id: "", $set: {} }), 400, "$distinct_id");
	for (const connector of [segment, posthog, mixpanel]) {
		for (const body of [[], {}, { batch: [] }, "x", 7, null, [null], { batch: {} }])
			refused(await connector(body), 400);
		refused(await connector(Array(4001).fill({})), 400);
	}
	refused(await segment(message("track", "u".repeat(256), { event: "e" })), 400);
	refused(await segment(message("track", user, { event: "e",
		timestamp: new Date(Date.now() + 7200e3).toISOString() })), 400, "timestamp");
	refused(await segment(message("track", user, { event: "e",
		timestamp: "1999-01-01T00:00:00Z" })), 400, "timestamp");
	assert.equal((await events_of(user)).length, 0);
});

test("an ingest key gives an email, and changes none", async () => {
	const user = new_user("keep");
	for (const email of ["first@customer.example", "second@customer.example"])
		ok(await segment(message("identify", user, { traits: { email } })));
	assert.equal((await customer(user)).email, "first@customer.example");
});
