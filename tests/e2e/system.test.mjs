/* Health, the document, and what holds for every request. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { connect } from "node:tls";
import { run } from "./lib/process.mjs";
import { program } from "./lib/place.mjs";
import { document, operations } from "./lib/openapi.mjs";
import { start_stack } from "./lib/stack.mjs";
import { ok, refused } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant();
});
after(() => stack?.stop());

test("health tells of the database and the pipeline", async () => {
	await stack.batch();
	const body = ok(await stack.client.get("/api/health"));
	assert.equal(body.status, "ok");
	assert.equal(body.checks.database.status, "ok");
	assert.ok(body.checks.database.latency_ms >= 0);
	assert.equal(body.checks.pipeline.status, "ok");
	assert.equal(body.checks.llm.status, "not_configured");
	assert.equal(body.checks.redis.status, "not_used");
	assert.equal(body.checks.inngest.status, "not_used");
	assert.ok(body.uptime_seconds >= 0);
});

test("health needs no key and tells no tenant's data", async () => {
	const answer = await stack.client.get("/api/health");
	assert.equal(answer.status, 200);
	assert.ok(!answer.text.includes("Tenant"));
});

test("the document is served as it is in the source", async () => {
	assert.deepEqual(ok(await stack.client.get("/api/openapi.json")), document);
});

test("routes and document name the same operations", async () => {
	const { stdout } = await run(program("retivo-api"), ["--routes"]);
	const routes = stdout.trim().split("\n").sort();
	assert.ok(routes.every((line) => /^[A-Z]+ \/\S+ [a-z]+ [A-Za-z]+$/.test(line)),
		stdout);
	assert.deepEqual(routes, operations.map((op) =>
		`${op.method} ${op.path} ${op.access} ${op.id}`).sort());
});

test("--version names the program", async () => {
	for (const name of ["retivo-api", "retivo-batch", "retivo-admin"]) {
		const { stdout } = await run(program(name), ["--version"]);
		assert.match(stdout, /\d+\.\d+\.\d+/, name);
	}
});

test("a path that is no operation is 404", async () => {
	for (const path of ["/api/", "/api/nothing", "/api/customers/a/b/c",
		"/api/track/", "/api//track"])
		refused(await stack.client.get(path, { key: tenant.keys.admin,
			check: false }), 404);
});

test("another method is 405 with Allow", async () => {
	for (const [method, path, allow] of [["GET", "/api/track", /POST/],
		["DELETE", "/api/customers", /GET.*POST|POST.*GET/],
		["PATCH", "/api/health", /GET/], ["POST", "/api/settings", /GET/]]) {
		const answer = await stack.client.call(method, path,
			{ key: tenant.keys.admin, check: false });
		refused(answer, 405);
		assert.match(answer.headers.allow, allow);
	}
});

test("each answer carries a request id of its own and the headers", async () => {
	const [one, two] = [await stack.client.get("/api/health"),
		await stack.client.get("/api/health")];
	assert.match(one.headers["x-request-id"], /^[0-9a-f]{32}$/);
	assert.notEqual(one.headers["x-request-id"], two.headers["x-request-id"]);
	assert.equal(one.headers["x-content-type-options"], "nosniff");
	assert.equal(one.headers["cache-control"], "no-store");
	assert.match(one.headers["content-security-policy"], /frame-ancestors 'none'/);
	assert.equal(one.headers["strict-transport-security"], undefined);
	assert.doesNotMatch(one.headers.server ?? "", /\d/);
});

test("HSTS is sent on other hosts than localhost", async () => {
	const answer = await stack.client.get("/api/health",
		{ headers: { host: "retivo.example" } });
	assert.match(answer.headers["strict-transport-security"], /max-age=\d{7}/);
});

test("an error names its request", async () => {
	const answer = await stack.client.get("/api/customers");
	const body = refused(answer, 401);
	assert.equal(body.request_id, answer.headers["x-request-id"]);
	assert.ok(stack.log_text().includes(body.request_id));
});

test("TLS 1.1 is refused, 1.2 and 1.3 are not", async () => {
	const works = (version) => new Promise((resolve) => {
		const socket = connect({ host: "127.0.0.1", port: stack.site.port,
			servername: "localhost", ca: stack.site.ca, minVersion: version,
			maxVersion: version, ciphers: "ALL:@SECLEVEL=0" },
			() => resolve(socket.destroy() && true));
		socket.on("error", () => resolve(false));
	});
	assert.equal(await works("TLSv1.1"), false);
	assert.equal(await works("TLSv1.2"), true);
	assert.equal(await works("TLSv1.3"), true);
});

test("logs hold no key and no query", async () => {
	await tenant.admin.get("/api/customers?search=secret-search-word");
	const { readFileSync } = await import("node:fs");
	const text = stack.log_text() +
		readFileSync(`${stack.site.home}/access.log`, "utf8");
	for (const key of Object.values(tenant.keys))
		assert.ok(!text.includes(key));
	assert.ok(!text.includes("secret-search-word"));
	assert.match(text, /path="\/api\/customers"/);
});

test("too many requests are 429 with Retry-After", async () => {
	const slow = await start_stack({ site: { rate_key: "5r/s", burst_key: "5" } });
	try {
		const answers = await Promise.all(Array.from({ length: 40 },
			() => slow.client.get("/api/health")));
		const many = answers.filter((a) => a.status === 429);
		assert.ok(many.length >= 20, `${many.length} of 40`);
		refused(many[0], 429);
		assert.ok(Number(many[0].headers["retry-after"]) >= 1);
	} finally {
		await slow.stop();
	}
});
