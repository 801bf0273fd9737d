/* The list of all customers is streamed: the worker stays small. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { start_stack } from "./lib/stack.mjs";
import { sanitized } from "./lib/place.mjs";
import { ok } from "./lib/cases.mjs";

const COUNT = 100000;
let stack, tenant;

before(async () => {
	stack = await start_stack({ settings: { RETIVO_WORKERS: "1" } });
	tenant = await stack.tenant("Many");
	await stack.sql("insert into customers (tenant_id, user_id, name, email, company," +
		" stage_since, created_at, updated_at) select $1, 'user-' || n, 'Customer ' || n," +
		" 'user-' || n || '@customer.example', 'Company ' || n % 1000, now(), now()," +
		" now() from generate_series(1, $2::int) n", tenant.id, COUNT);
});
after(() => stack?.stop());

function worker() {
	const pid = execFileSync("pgrep", ["-P", String(stack.api.pid)]).toString().trim();
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	const mib = (name) => Number(status.match(new RegExp(`${name}:\\s+(\\d+)`))[1]) / 1024;
	return { pid, peak: mib("VmHWM"), now: mib("VmRSS"), anonymous: mib("RssAnon") };
}

test("100,000 customers come whole and leave the worker small", async () => {
	ok(await tenant.viewer.get("/api/customers?limit=1"));
	const { customers } = ok(await tenant.viewer.get("/api/customers"));
	assert.equal(customers.length, COUNT);
	assert.equal(new Set(customers.map((c) => c.id)).size, COUNT);
	const { peak, pid } = worker();
	/* The sanitizer's shadow and quarantine are no memory of ours. */
	const allowed = sanitized() ? 400 : 16;
	assert.ok(peak <= allowed, `worker ${pid} peaked at ${peak} MiB`);
});

test("ten more lists leave no more behind", async () => {
	const before = worker().now;
	for (let n = 0; n < 10; n++)
		await tenant.viewer.get("/api/customers", { check: false });
	const grown = worker().now - before;
	assert.ok(grown <= (sanitized() ? 64 : 1), `${grown} MiB more`);
});

test("a client that leaves in the middle does not hold the worker", async () => {
	const { request } = await import("node:https");
	for (let n = 0; n < 5; n++)
		await new Promise((resolve) => {
			const asked = request({ host: "127.0.0.1", port: stack.site.port,
				path: "/api/customers", servername: "localhost", ca: stack.site.ca,
				headers: { host: "localhost",
					authorization: `Bearer ${tenant.keys.read}` } });
			asked.on("error", resolve);
			asked.on("response", (got) => got.once("data", () => {
				got.destroy();
				resolve();
			}));
			asked.end();
		});
	ok(await tenant.viewer.get("/api/customers?limit=1"));
});
