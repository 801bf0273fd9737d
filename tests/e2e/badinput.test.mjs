/* Bad input: the right 4xx with a JSON body, and nothing stored. */
import { test, before, after, afterEach } from "node:test";
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { operations } from "./lib/openapi.mjs";
import { start_stack } from "./lib/stack.mjs";
import { ok, refused } from "./lib/cases.mjs";

const ABSENT = "01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d";
let stack, tenant, empty;

before(async () => {
	/* Stripe's webhook is there only with its secret. */
	stack = await start_stack({ settings: {
		RETIVO_STRIPE_WEBHOOK_SECRET: "whsec_of_a_test" } });
	tenant = await stack.tenant();
	empty = await contents();
});
after(() => stack?.stop());

/* Rows of what a request could store; the logs of people are let be. */
async function contents() {
	const [row] = await stack.sql("select (select count(*) from events) as events," +
		" (select count(*) from event_keys) as keys," +
		" (select count(*) from customers) as customers," +
		" (select count(*) from playbooks) as playbooks," +
		" (select count(*) from interventions) as interventions," +
		" (select count(*) from api_keys) as api_keys," +
		" (select sum(config_version) from tenant_settings) as config," +
		" (select count(*) from tenant_settings where kill_switch_active) as killed");
	return row;
}

afterEach(async () => {
	assert.deepEqual(await contents(), empty);
});

const raw = (text, more) => tenant.admin.call("POST", "/api/track",
	{ raw: text, ...more });
const event = { user_id: "u", event: "e" };
const many = (n) => ({ events: Array.from({ length: n }, () => event) });
const track = (body) => tenant.admin.post("/api/track", body);

const malformed = {
	"no body": "", "half an object": '{"events":[', "a comment": '{"events":[]/*x*/}',
	"single quotes": "{'events':[]}", "a trailing comma": '{"events":[],}',
	"text behind": '{"events":[{"user_id":"u","event":"e"}]} x',
	"two documents": '{"events":[{"user_id":"u","event":"e"}]}{}',
	"NaN": '{"events":[{"user_id":"u","event":"e","properties":{"n":NaN}}]}',
	"Infinity": '{"events":[{"user_id":"u","event":"e","properties":{"n":-Infinity}}]}',
	"a control character": '{"events":[{"user_id":"a\u0001b","event":"e"}]}',
	"a lone surrogate": '{"events":[{"user_id":"\\ud800","event":"e"}]}',
	"\\u0000 in a value": '{"events":[{"user_id":"a\\u0000b","event":"e"}]}',
	"\\u0000 in a property": '{"events":[{"user_id":"u","event":"e","properties":{"a":"\\u0000"}}]}',
	"\\u0000 in a key": '{"events":[{"user_id":"u","event":"e","properties":{"a\\u0000":1}}]}',
	"nesting of 1,000 arrays": `{"events":${"[".repeat(1000)}${"]".repeat(1000)}}`,
	"nesting of 1,000 in properties": '{"events":[{"user_id":"u","event":"e","properties":' +
		'{"a":'.repeat(1000) + "1" + "}".repeat(1000) + "}]}",
	"nesting that never ends": "[".repeat(500000),
	"a number without an end": `{"events":[{"user_id":"u","event":"e","properties":{"n":1e}}]}`,
};
for (const [name, text] of Object.entries(malformed))
	test(`malformed JSON: ${name}`, async () => {
		refused(await raw(text), 400);
	});

test("bytes that are not UTF-8", async () => {
	for (const bytes of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80],
		[0xf5, 0x80, 0x80, 0x80], [0x00]])
		refused(await raw(Buffer.concat([
			Buffer.from('{"events":[{"user_id":"u'), Buffer.from(bytes),
			Buffer.from('","event":"e"}]}')])), 400);
});

test("wrong types are named, all of them", async () => {
	refused(await track({ events: [{ user_id: 1, event: [], properties: "x",
		timestamp: 5, idempotency_key: {} }, event, { user_id: null }] }), 400,
		"events[0].user_id", "events[0].event", "events[0].properties",
		"events[0].timestamp", "events[0].idempotency_key",
		"events[2].user_id", "events[2].event");
	for (const events of ["x", {}, 1, null, true])
		refused(await track({ events }), 400, "events");
	for (const item of ["x", 1, null, [], true])
		refused(await track({ events: [event, item] }), 400, "events[1]");
	for (const body of ["[]", "1", '"x"', "null", "true"])
		refused(await raw(body), 400);
});

test("an empty batch and 101 events", async () => {
	refused(await track({ events: [] }), 400, "events");
	refused(await track({}), 400, "events");
	refused(await track(many(101)), 400, "events");
	refused(await track(many(5000)), 400, "events");
});

test("one bad event refuses the batch", async () => {
	const batch = many(100);
	batch.events[99] = { user_id: "u", event: "" };
	refused(await track(batch), 400, "events[99].event");
});

test("timestamps that are none", async () => {
	for (const timestamp of ["yesterday", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
		"2026-01-01", "2026-01-01T00:00:00", "2026-01-01T25:00:00Z", "1e999", "",
		"9999-12-31T23:59:59Z", "2026-01-01T00:00:00+99:00", "2026-01-01T00:00:00Z\u0007"])
		refused(await track({ events: [{ ...event, timestamp }] }), 400,
			"events[0].timestamp");
});

test("unknown condition fields", async () => {
	refused(await tenant.admin.post("/api/playbooks", { name: "x",
		entry_conditions: { horoscope: "aries" } }), 400, /horoscope/);
	refused(await tenant.admin.post("/api/playbooks/preview-count",
		{ entry_conditions: { "'; drop table customers; --": 1 } }), 400);
});

test("conditions are never SQL", async () => {
	for (const text of ["'; drop table customers; --", "\\", "%", "_", "$1", "{{x}}"]) {
		ok(await tenant.admin.post("/api/playbooks/preview-count",
			{ entry_conditions: { "properties.a": text, name: { contains: text } } }));
		const answer = await tenant.admin.post("/api/playbooks/preview-count",
			{ entry_conditions: { [`properties.${text}`]: { exists: true } } });
		assert.ok([200, 400].includes(answer.status), answer.text);
	}
});

test("a body of 2 MiB is 413", async () => {
	const answer = await raw(JSON.stringify({ events: [{ ...event,
		properties: { text: "x".repeat(2 << 20) } }] }));
	refused(answer, 413);
});

test("a body under 1 MiB with one event too big is 400", async () => {
	refused(await track({ events: [{ ...event,
		properties: { text: "x".repeat(900 << 10) } }] }), 400, "events[0].properties");
});

test("another content type is 415", async () => {
	for (const type of ["text/plain", "application/x-www-form-urlencoded",
		"application/xml", "multipart/form-data; boundary=x"])
		refused(await raw(JSON.stringify(many(1)), { type }), 415);
});

test("numbers that no double holds are named, in playbooks as in events", async () => {
	for (const number of ["1e-400", "-1e-400", "1e400", "5e-324", "1e-99999", "1e99999"]) {
		refused(await tenant.admin.call("POST", "/api/playbooks", { raw: '{"name":"x",' +
			`"type":"other","constraints":{"match_all":true,"holdout":${number}}}` }),
			400, "constraints.holdout");
		refused(await tenant.admin.call("POST", "/api/track", { raw: '{"events":[' +
			`{"user_id":"u","event":"e"},{"user_id":"u","event":"e","properties":` +
			`{"cart":{"total":${number}}}}]}` }), 400, "events[1].properties.cart.total");
	}
});

test("wrong methods are 405 for every path", async () => {
	const all = ["GET", "POST", "PUT", "PATCH", "DELETE"];
	for (const path of new Set(operations.map((op) => op.path))) {
		const has = operations.filter((op) => op.path === path).map((op) => op.method);
		const target = path.replaceAll(/\{[^}]+\}/g, ABSENT);
		for (const method of all.filter((m) => !has.includes(m))) {
			/* To PUT, preview-count may be the {id} of a playbook. */
			const doubtful = operations.some((op) =>
				op.method === method && op.match.test(target));
			const answer = await tenant.admin.call(method, target,
				{ check: false, body: method === "GET" ? undefined : {} });
			refused(answer, doubtful && answer.status === 404 ? 404 : 405);
			assert.ok(answer.status === 404 || has.every((m) => answer.headers.allow.includes(m)),
				`${method} ${path}: ${answer.headers.allow}`);
		}
	}
});

test("missing, wrong and malformed keys are 401", async () => {
	const key = tenant.keys.admin;
	const forged = [undefined, "x", "rt_live_1_short", key.slice(0, -1), key + "x",
		key.replace(/.$/, (c) => (c === "A" ? "B" : "A")), key.toUpperCase(),
		key.replace("rt_live", "rt_test"), key.replace(/_\d+_/, "_999999_"),
		key.replace(/_\d+_/, "_-1_"), key.replace(/_\d+_/, "_99999999999999999999_"),
		key.replace(/_\d+_/, "_1;drop_"), "rt_live__", "x".repeat(4000)];
	for (const bad of forged)
		for (const op of operations.filter((o) => !["none"].includes(o.access))) {
			const target = op.path.replaceAll(/\{[^}]+\}/g, ABSENT);
			const answer = await stack.client.call(op.method, target, { key: bad,
				body: op.method === "GET" ? undefined : {} });
			refused(answer, 401);
			if (bad !== undefined && op.id !== "trackEvents")
				break; /* every operation without a key; two with each bad one */
		}
	for (const authorization of ["", "Bearer", "Bearer ", `Basic ${key}`, key,
		`Bearer ${key} x`, `Bearer  \t`])
		refused(await stack.client.get("/api/customers", { headers: { authorization } }), 401);
});

test("a revoked key is 401 and stores nothing", async () => {
	const secret = await stack.key(tenant.id, "admin", "short-lived");
	const [{ id }] = await stack.sql("select id from api_keys where label = 'short-lived'");
	await stack.admin(["key", "revoke", "--tenant", tenant.id, id]);
	refused(await stack.client.as(secret).track(event), 401);
	await stack.sql("delete from api_keys where label = 'short-lived'");
});

test("ids that are none are 404", async () => {
	const ids = ["int_abc123", "0", "-1", ABSENT.toUpperCase() + "x", "%27", "%2e%2e",
		"%ff", "{id}", "a%2Fb", "1 or 1=1".replaceAll(" ", "%20"), "x".repeat(2000)];
	for (const op of operations.filter((o) => o.path.includes("{id}")))
		for (const id of ids) {
			const body = { status: "draft", reason: "r", name: "n", opted_out: true };
			const answer = await tenant.admin.call(op.method,
				op.path.replace("{id}", id),
				{ body: ["GET", "DELETE"].includes(op.method) ? undefined : body });
			assert.equal(answer.status, 404, `${op.method} ${op.path} ${id}: ${answer.text}`);
		}
});

test("every operation with a body refuses what is no object", async () => {
	for (const op of operations.filter((o) =>
		o.operation.requestBody?.content["application/json"] && o.access !== "member"))
		for (const bytes of ["", "{", "[]", "7", '"x"', "null", "\u00ff{"]) {
			const answer = await tenant.admin.call(op.method,
				op.path.replaceAll(/\{[^}]+\}/g, ABSENT), { raw: bytes });
			assert.ok([400, 404].includes(answer.status),
				`${op.method} ${op.path} ${bytes}: ${answer.status} ${answer.text}`);
		}
});

test("a request with a bad length or none is no 5xx", async () => {
	const talk = (text) => new Promise((resolve, reject) => {
		const socket = connect({ host: "127.0.0.1", port: stack.site.port,
			servername: "localhost", ca: stack.site.ca }, () => socket.write(text));
		let got = "";
		socket.setTimeout(20000, () => socket.destroy());
		socket.on("data", (part) => {
			got += part;
			if (/^HTTP\/1.1 \d+/.test(got))
				socket.end();
		});
		socket.on("close", () => resolve(got));
		socket.on("error", reject);
	});
	const head = `POST /api/track HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ` +
		`${tenant.keys.admin}\r\nContent-Type: application/json\r\nConnection: close\r\n`;
	for (const rest of ["\r\n", "Content-Length: -5\r\n\r\n{}", "Content-Length: x\r\n\r\n{}",
		"Content-Length: 0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"])
		assert.match(await talk(head + rest), /^HTTP\/1.1 4\d\d /, rest);
});
