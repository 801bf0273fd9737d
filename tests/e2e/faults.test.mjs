/* What the log says, and the client hears, when the database has a fault. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { refused } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant("Faults");
});
after(() => stack?.stop({ check: false }));

/* Runs body as a trigger of tenant_settings while work lasts. */
async function with_trigger(body, deferred, work) {
	await stack.sql(`create function test_fault() returns trigger language plpgsql
		as $$ begin ${body} return null; end $$`);
	await stack.sql(`create constraint trigger test_fault after update on
		tenant_settings ${deferred ? "deferrable initially deferred" : ""}
		for each row execute function test_fault()`);
	try {
		return await work();
	} finally {
		await stack.sql("drop function test_fault() cascade");
	}
}

const change = () => stack.client.call("PATCH", "/api/settings",
	{ key: tenant.keys.admin, body: { approvalMode: "suggest_only" }, check: false });

/* The log's lines of the request that was answered. */
const lines_of = (answer) => stack.log_text().split("\n").filter((line) =>
	line.includes(answer.headers["x-request-id"]));

const END = "perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1);";

test("a COMMIT without an answer is 503 and said to be unknown, once", async () => {
	const answer = await with_trigger(END, true, change);
	refused(answer, 503);
	assert.equal(answer.body.code, "outcome_unknown");
	assert.match(JSON.stringify(answer.body), /not known/);
	assert.ok(Number(answer.headers["retry-after"]) > 0);
	const lines = lines_of(answer);
	assert.equal(lines.length, 1, lines.join("\n"));
	assert.match(lines[0], /^<4>/);
	assert.match(lines[0], /outcome unknown after COMMIT: 57P01/);
	assert.equal((await change()).status, 200);
});

test("a backend that ends before the COMMIT has kept nothing: 503, known", async () => {
	const answer = await with_trigger(END, false, change);
	refused(answer, 503);
	assert.equal(answer.body.code, "database_unavailable");
	assert.doesNotMatch(lines_of(answer).join("\n"), /outcome unknown/);
	assert.equal((await change()).status, 200);
});

test("a COMMIT that is refused is known too", async () => {
	const answer = await with_trigger("raise exception 'no' using errcode = '23514';",
		true, change);
	refused(answer, 400);
	assert.equal(answer.body.details?.length ?? 0, 0);
	assert.doesNotMatch(lines_of(answer).join("\n"), /outcome unknown/);
});

test("a failed statement's line holds nothing of its rows", async () => {
	for (const deferred of [false, true]) {
		const answer = await with_trigger(`raise exception 'broken part' using
			errcode = 'XX000', detail = 'Key (email)=(ada@people.example)',
			hint = 'ask ada@people.example', constraint = 'some_rule';`, deferred, change);
		refused(answer, 500);
		const [line, ...more] = lines_of(answer);
		assert.deepEqual(more, []);
		assert.match(line, /XX000 broken part constraint some_rule/);
		assert.doesNotMatch(stack.log_text(), /ada@|PL\/pgSQL|CONTEXT|DETAIL|HINT/);
	}
});

test("a wrong method's line names the path's pattern", async () => {
	const answer = await stack.client.call("PATCH", "/api/customers/ada%40people.example",
		{ key: tenant.keys.admin, body: {}, check: false });
	refused(answer, 405);
	const [line] = lines_of(answer);
	assert.match(line, / route=\/api\/customers\/\{\w+\} status=405 /);
	const none = await stack.client.call("GET", "/api/nowhere/ada%40people.example",
		{ key: tenant.keys.admin, check: false });
	assert.match(lines_of(none)[0], / route=- status=404 /);
	assert.doesNotMatch(stack.log_text(), /ada(@|%40)/);
});
