/* The vendors' own libraries, with nothing changed but host, path and key:
 * what they send arrives, once. And the odd ways they have of saying it. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { start_stack } from "./lib/stack.mjs";
import { days_ago, new_user, ok, refused } from "./lib/cases.mjs";

const here = dirname(fileURLToPath(import.meta.url));
let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant();
});
after(() => stack?.stop());

/* Runs a program that has host, port, key, user and when; the libraries
 * trust our certificate only when it is there as their process starts. */
async function run_sdk(program, values) {
	const ca = join(stack.home, "sdk-ca.pem");
	writeFileSync(ca, stack.site.ca);
	const given = { port: stack.site.port, host: `https://localhost:${stack.site.port}`,
		key: tenant.keys.ingest, ...values };
	const text = `const { host, port, key, user, when } = ${JSON.stringify(given)};\n${program}`;
	await promisify(execFile)(process.execPath, ["--input-type=module", "-e", text],
		{ cwd: here, env: { ...process.env, NODE_EXTRA_CA_CERTS: ca }, timeout: 60000 });
}

const events_of = (user) => stack.sql("select event, ts, properties from events where" +
	" tenant_id = $1 and user_id = $2 order by event", tenant.id, user);
const names_of = async (user) => (await events_of(user)).map((e) => e.event);
const customer = async (user) =>
	ok(await tenant.viewer.get(`/api/customers/${encodeURIComponent(user)}`)).customer;
const base64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64");

test("Segment's analytics-node", async () => {
	const user = new_user("segment"), when = days_ago(2);
	await run_sdk(`
		import { Analytics } from "@segment/analytics-node";
		const segment = new Analytics({ writeKey: key, host,
			path: "/api/connectors/segment" });
		segment.on("error", (error) => { throw error; });
		segment.identify({ userId: user, traits: { email: user + "@customer.example",
			name: "Grace", seats: 5 } });
		segment.track({ userId: user, event: "Report Viewed", timestamp: new Date(when),
			properties: { pages: 3 } });
		segment.page({ userId: user, name: "Home" });
		await segment.closeAndFlush();`, { user, when });
	const seen = await events_of(user);
	assert.deepEqual(seen.map((e) => e.event), ["$identify", "$pageview", "Report Viewed"]);
	const viewed = seen.find((e) => e.event === "Report Viewed");
	assert.equal(viewed.ts.toISOString(), when);
	assert.equal(viewed.properties.pages, 3);
	const { name, email } = await customer(user);
	assert.deepEqual([name, email], ["Grace", `${user}@customer.example`]);
});

test("PostHog's posthog-node: gzip, and the key only in the body", async () => {
	const user = new_user("posthog"), when = days_ago(2);
	await run_sdk(`
		import { PostHog } from "posthog-node";
		const posthog = new PostHog(key, { host: host + "/api/connectors/posthog" });
		posthog.on("error", (error) => { throw error; });
		posthog.identify({ distinctId: user, properties: { $set: { name: "Alan",
			email: user + "@customer.example" }, $set_once: { first: "yes" } } });
		posthog.capture({ distinctId: user, event: "report viewed",
			timestamp: new Date(when), properties: { pages: 4 } });
		posthog.groupIdentify({ groupType: "company", groupKey: "c1" });
		await posthog.isFeatureEnabled("anything", user);
		await posthog.shutdown();`, { user, when });
	const seen = await events_of(user);
	const viewed = seen.find((e) => e.event === "report viewed");
	assert.equal(viewed.ts.toISOString(), when);
	assert.equal(viewed.properties.pages, 4);
	const { name, email, properties } = await customer(user);
	assert.deepEqual([name, email, properties.first],
		["Alan", `${user}@customer.example`, "yes"]);
	const made_up = await stack.sql("select user_id from customers where tenant_id = $1" +
		" and user_id like '$company%'", tenant.id);
	assert.deepEqual(made_up, []);
});

test("Mixpanel's library: one event by GET, a batch by POST, a profile", async () => {
	const user = new_user("mixpanel"), when = days_ago(2);
	await run_sdk(`
		import Mixpanel from "mixpanel";
		import { promisify } from "node:util";
		const mixpanel = Mixpanel.init(key, { host: "localhost:" + port,
			path: "/api/connectors/mixpanel" });
		const call = (on, name, ...args) => promisify(on[name].bind(on))(...args);
		await call(mixpanel, "track", "one", { distinct_id: user, time: new Date(when),
			$insert_id: user + "-1", note: "??>>" });
		await call(mixpanel, "track_batch", [
			{ event: "two", properties: { distinct_id: user, time: new Date(when),
				$insert_id: user + "-2", note: "~~??>>" } },
			{ event: "one", properties: { distinct_id: user, time: new Date(when),
				$insert_id: user + "-1" } }]);
		await call(mixpanel.people, "set", user, { name: "Edsger" });
		const importer = Mixpanel.init(key, { host: "localhost:" + port,
			path: "/api/connectors/mixpanel", secret: key });
		await call(importer, "import", "old", new Date(when), { distinct_id: user });
		await call(mixpanel.groups, "set", "company", "c1", { size: 3 });`, { user, when });
	const seen = await events_of(user);
	assert.deepEqual(seen.map((e) => e.event), ["$identify", "old", "one", "two"]);
	assert.equal(seen.find((e) => e.event === "two").properties.note, "~~??>>");
	assert.equal(seen.find((e) => e.event === "one").ts.toISOString(), when);
	assert.equal((await customer(user)).name, "Edsger");
});

/* ---------------------------------------------------- by hand, and odd -- */

/* The document names paths without the libraries' final slash. */
const post = (path, raw, options = {}) => stack.client.call("POST", path,
	{ raw, type: "text/plain", check: !/\/(\?|$)/.test(path), ...options });

test("gzip is told by its bytes; base64 keeps its plus", async () => {
	const user = new_user("odd"), { ingest: key } = tenant.keys;
	const event = (name) => ({ event: name, distinct_id: user, properties: { token: key } });
	assert.equal(ok(await post("/api/connectors/posthog/e",
		gzipSync(JSON.stringify([event("packed")])))).status, 1);
	ok(await post("/api/connectors/posthog/e/?compression=base64",
		`data=${encodeURIComponent(base64(event("form")))}`,
		{ type: "application/x-www-form-urlencoded" }));
	const plus = { event: "plus", properties: { token: key, distinct_id: user, x: "~~~>>>" } };
	assert.match(base64(plus), /\+/);
	assert.equal((await post("/api/connectors/mixpanel/track/", `data=${base64(plus)}`)).text, "1");
	const plain = { event: "a plain one", properties: { token: key, distinct_id: user } };
	assert.deepEqual(ok(await post("/api/connectors/mixpanel/track?verbose=1",
		`data=${encodeURIComponent(JSON.stringify(plain)).replaceAll("%20", "+")}`)),
		{ status: 1, error: null });
	const query = encodeURIComponent(base64({ event: "query", properties: { token: key,
		distinct_id: user } }));
	assert.equal((await stack.client.get(`/api/connectors/mixpanel/track?data=${query}`)).text,
		"1");
	ok(await post("/api/connectors/segment/t", JSON.stringify({ type: "track", event: "letter",
		userId: user, writeKey: key })));
	assert.deepEqual(await names_of(user), ["a plain one", "form", "letter", "packed", "plus",
		"query"]);
});

test("what cannot be read is refused, and so is a wrong key", async () => {
	const user = new_user("odd"), { ingest: key } = tenant.keys;
	const event = (token) => JSON.stringify({ event: "x", distinct_id: user,
		properties: { token } });
	const path = "/api/connectors/posthog/e";
	for (const token of [undefined, "", 7, "phc_other", `${key}x`])
		refused(await post(path, event(token)), 401);
	refused(await post(path, gzipSync(event(`${key}x`))), 401);
	refused(await post(path, gzipSync(event(key)).subarray(0, 30)), 401);
	refused(await post(path, gzipSync(event(key)).subarray(0, 30), { key }), 400, "body");
	refused(await post(path, "data=%%%", { key }), 400, "data");
	refused(await post("/api/connectors/mixpanel/track", "data=@@@", { key }), 400, "data");
	refused(await stack.client.get("/api/connectors/mixpanel/track", { key }), 400, "data");
	refused(await post(path, "", { key }), 400);
	for (const call of ["segment/x", "posthog/other", "mixpanel/other", "mixpanel/track/more"])
		refused(await post(`/api/connectors/${call}`, event(key), { key,
			check: false }), 404);
	/* 5 MiB of blanks are 5 kB on the way. */
	const bomb = gzipSync(Buffer.alloc(5 << 20, " "));
	refused(await post(path, bomb), 401);
	refused(await post(path, bomb, { key }), 413);
	assert.deepEqual(await names_of(user), []);
});
