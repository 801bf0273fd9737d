/* kill -9 in mid-work: the stack comes back by itself, nothing that was
 * acknowledged is lost, nothing is sent twice. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { start_stack } from "./lib/stack.mjs";
import { MailServer } from "./lib/smtp.mjs";
import { sleep, until } from "./lib/process.mjs";
import { activate, at, drift, interventions, new_user, ok, win_back, MINUTE } from "./lib/cases.mjs";

let stack, smtp;

before(async () => {
	smtp = await new MailServer().start();
	stack = await start_stack({ settings: { RETIVO_SMTP_URL: smtp.url,
		RETIVO_SMTP_TLS: "none" } });
});
after(async () => {
	await stack?.stop({ check: false });
	await smtp?.stop();
});

const children = (pid) => execFileSync("bash", ["-c", `pgrep -P ${pid} || true`])
	.toString().trim().split("\n").filter(Boolean).map(Number);

/* Tracks without pause until told to stop; the keys that were answered. */
function load(client, user_id) {
	const taken = [], statuses = {};
	let running = true, n = 0;
	const one = async () => {
		while (running) {
			const key = `${user_id}/${n++}`;
			try {
				const answer = await client.call("POST", "/api/track", { check: false,
					body: { events: [{ user_id, event: "beat", idempotency_key: key }] } });
				statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
				if (answer.status === 200)
					taken.push(key);
				else
					await sleep(20);
			} catch {
				await sleep(20); /* the connection broke: not acknowledged */
			}
		}
	};
	const all = Promise.all([one(), one(), one(), one()]);
	return { taken, statuses, end: async () => {
		running = false;
		await all;
	} };
}

async function all_stored(tenant, user_id, taken) {
	const rows = await stack.sql("select count(*) as n from events where" +
		" tenant_id = $1 and user_id = $2", tenant.id, user_id);
	assert.ok(taken.length > 0);
	assert.ok(rows[0].n >= taken.length, `${rows[0].n} stored, ${taken.length} answered`);
	/* Sent again, each is a duplicate. */
	for (let n = 0; n < taken.length; n += 100) {
		const part = taken.slice(n, n + 100);
		assert.deepEqual(ok(await tenant.ingest.track(...part.map((key) =>
			({ user_id, event: "beat", idempotency_key: key })))),
			{ accepted: 0, duplicates: part.length });
	}
}

test("workers that are killed are replaced", async () => {
	const tenant = await stack.tenant("Workers");
	const user = new_user("worker");
	const work = load(tenant.ingest, user);
	for (let n = 0; n < 6; n++) {
		await sleep(150);
		const victim = children(stack.api.pid)[0];
		process.kill(victim, "SIGKILL");
		await until("another worker", () => {
			const now = children(stack.api.pid);
			return now.length === 3 && !now.includes(victim);
		}, 10000);
	}
	await work.end();
	assert.ok(!stack.api.ended);
	for (const status of Object.keys(work.statuses))
		assert.ok(["200", "502", "503", "504"].includes(status), status);
	await all_stored(tenant, user, work.taken);
});

test("all workers killed at once come back", async () => {
	for (const pid of children(stack.api.pid))
		process.kill(pid, "SIGKILL");
	await until("health", async () =>
		(await stack.client.call("GET", "/api/openapi.json", { check: false })).status === 200);
	await until("three workers", () => children(stack.api.pid).length === 3);
});

test("PostgreSQL killed: 503 and no hang, then all is well", async () => {
	const tenant = await stack.tenant("Database");
	const user = new_user("database");
	const work = load(tenant.ingest, user);
	await sleep(400);
	await stack.cluster.crash();
	const asked = performance.now();
	const answer = await stack.client.call("GET", "/api/customers",
		{ key: tenant.keys.read, check: false });
	assert.equal(answer.status, 503, answer.text);
	assert.ok(answer.body.code);
	assert.ok(performance.now() - asked < 8000, "a hang");
	const health = await stack.client.get("/api/health");
	assert.equal(health.status, 503);
	assert.equal(health.body.status, "degraded");
	await sleep(500);
	await stack.cluster.start();
	await until("the API to reconnect", async () =>
		(await stack.client.call("GET", "/api/customers",
			{ key: tenant.keys.read, check: false })).status === 200, 20000);
	/* One worker is back; each other waits up to 2 s between attempts. */
	await sleep(2500);
	await work.end();
	assert.ok(work.statuses[503] > 0);
	assert.equal(work.statuses[500], undefined);
	await all_stored(tenant, user, work.taken);
});

test("a backend that is cut off in mid-work is 503 at most", async () => {
	const tenant = await stack.tenant("Cut");
	const user = new_user("cut");
	const work = load(tenant.ingest, user);
	for (let n = 0; n < 5; n++) {
		await sleep(100);
		await stack.cluster.query("super", "select pg_terminate_backend(pid) from" +
			" pg_stat_activity where usename = 'retivo_api'", [], "postgres");
	}
	await sleep(200);
	await work.end();
	assert.equal(work.statuses[500], undefined, JSON.stringify(work.statuses));
	await all_stored(tenant, user, work.taken);
});

/* Many customers in full_auto, so that a batch has work for a while. */
async function crowd(name, count) {
	const tenant = await stack.tenant(name);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const users = [];
	for (let n = 0; n < count; n++)
		users.push(await drift(tenant.ingest, new_user(name.toLowerCase())));
	await activate(tenant, win_back());
	return { tenant, users };
}

const mails_of = (user) => smtp.to(`${user}@customer.example`).length;

test("the batch killed at any moment: nothing is sent twice, it goes on", async () => {
	const { tenant, users } = await crowd("Batch", 40);
	let killed = 0;
	for (let n = 0; n < 12; n++) {
		let child;
		const run = stack.batch({ tenant: tenant.id, check: false, now: at(n * 3 * MINUTE),
			on_start: (started) => { child = started; } });
		await sleep(10 + n * 12);
		try {
			process.kill(-child.pid, "SIGKILL");
		} catch {
			/* it was done before */
		}
		killed += (await run).signal === "SIGKILL";
	}
	assert.ok(killed >= 3, `${killed} of 12 were killed in time`);
	/* Leases of the dead have to run out: the clock is moved. */
	for (let n = 0; n < 4; n++)
		await stack.batch({ tenant: tenant.id, now: at((120 + n * 10) * MINUTE) });
	let unknown = 0;
	for (const user of users) {
		assert.ok(mails_of(user) <= 1, `${user} got ${mails_of(user)} mails`);
		const [seen, ...more] = await interventions(tenant, user);
		assert.equal(more.length, 0);
		if (seen.status === "failed") {
			unknown++; /* sending when it died: a person decides */
			const [row] = await stack.sql("select reason from interventions" +
				" where tenant_id = $1 and id = $2", tenant.id, seen.id);
			assert.equal(row.reason, "outcome_unknown");
		} else {
			assert.ok(["sent", "delivered"].includes(seen.status), seen.status);
			assert.equal(mails_of(user), 1, user);
		}
	}
	assert.ok(unknown <= killed, `${unknown} unknown after ${killed} kills`);
});

test("killed between the server's taking a mail and our note: not sent again", async () => {
	const { tenant, users: [user] } = await crowd("Middle", 1);
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	for (const stage of ["match", "decide", "check", "approve"])
		await stack.batch({ tenant: tenant.id, stage });
	let child, caught = false;
	smtp.before_answer = async () => {
		if (!caught) {
			caught = true;
			process.kill(-child.pid, "SIGKILL");
			await sleep(100);
		}
	};
	await stack.batch({ tenant: tenant.id, check: false,
		on_start: (started) => { child = started; } });
	smtp.before_answer = undefined;
	assert.ok(caught);
	for (let n = 1; n <= 3; n++)
		await stack.batch({ tenant: tenant.id, now: at(n * 40 * MINUTE) });
	assert.equal(mails_of(user), 1);
	const [seen] = await interventions(tenant, user);
	assert.equal(seen.status, "failed");
});

test("PostgreSQL killed under the batch: it ends, the next one goes on", async () => {
	const { tenant, users } = await crowd("Under", 20);
	const run = stack.batch({ tenant: tenant.id, check: false });
	await sleep(60);
	await stack.cluster.crash();
	await stack.cluster.start();
	await run;
	for (let n = 0; n < 4; n++)
		await stack.batch({ tenant: tenant.id, now: at((60 + n * 10) * MINUTE) });
	for (const user of users)
		assert.ok(mails_of(user) <= 1, user);
	assert.ok(users.filter((u) => mails_of(u) === 1).length >= users.length - 1);
});

test("SIGTERM drains: requests in flight are answered", async () => {
	const own = await start_stack();
	try {
		const tenant = await own.tenant("Drain");
		const user = new_user("drain");
		const work = load(tenant.ingest, user);
		await sleep(300);
		own.api.signal("SIGTERM");
		await until("the API to end", () => own.api.ended, 10000);
		await work.end();
		const rows = await own.sql("select count(*) as n from events where user_id = $1", user);
		assert.ok(rows[0].n >= work.taken.length);
		assert.equal(own.api.child.exitCode, 0);
	} finally {
		await own.stop();
	}
});

test("SIGHUP takes new workers and drops no request", async () => {
	const own = await start_stack();
	try {
		const tenant = await own.tenant("Reload");
		const before = children(own.api.pid);
		const work = load(tenant.ingest, new_user("reload"));
		await sleep(200);
		own.api.signal("SIGHUP");
		await until("new workers", () => {
			const now = children(own.api.pid);
			return now.length === 3 && !now.some((pid) => before.includes(pid));
		}, 10000);
		await sleep(200);
		await work.end();
		assert.deepEqual(Object.keys(work.statuses), ["200"], JSON.stringify(work.statuses));
	} finally {
		await own.stop();
	}
});
