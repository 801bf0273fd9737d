/* What has run out goes: sign-ins, invitations, resets, throttles, and what was told. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { start_stack } from "./lib/stack.mjs";
import { at, DAY, HOUR } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant("Maintain");
	await stack.member(tenant, "ada@members.example", "admin", "a long password 1");
});
after(() => stack?.stop());

const hash = (name) => Buffer.from(name.padEnd(32, "."));

/* One row over since `ago` and one that is not, by name. */
async function add(text, rows) {
	for (const [name, time] of Object.entries(rows))
		await stack.sql(text, hash(name), time);
}

test("maintain drops what is over and keeps what is not", async () => {
	const [{ id: person }] = await stack.sql("select id from people");
	const long_ago = at(-40 * DAY), month = at(-31 * DAY);
	await add(`insert into sessions select ${tenant.id}, gen_random_uuid(), $1,
		'${person}', now(), $2, now()`,
		{ over: at(-2 * DAY), alive: at(DAY), just_over: at(-HOUR) });
	await add(`insert into password_resets select ${tenant.id}, $1, '${person}', now(), $2`,
		{ over: at(-2 * DAY), alive: at(HOUR) });
	await add(`insert into invitations select ${tenant.id}, gen_random_uuid(),
		encode($1::bytea, 'hex') || '@invited.example', 'viewer', $1, null, now(), $2`,
		{ over: month, alive: at(DAY) });
	await stack.sql("update invitations set created_at = $1 where expires_at < now()",
		long_ago);
	await add("insert into login_throttle values ($1, 9, $2, $2)",
		{ over: at(-2 * DAY), alive: at(HOUR) });
	await stack.batch({ tenant: tenant.id, stage: "maintain" });
	const left = async (table, column) => (await stack.sql(
		`select ${column} as h from ${table} order by 1`)).map((row) =>
		row.h.toString().replaceAll(".", ""));
	assert.deepEqual(await left("sessions", "token_hash"), ["alive", "just_over"]);
	assert.deepEqual(await left("password_resets", "token_hash"), ["alive"]);
	assert.deepEqual(await left("invitations", "token_hash"), ["alive"]);
	assert.deepEqual(await left("login_throttle", "address_hash"), ["alive"]);
});

test("what was told a month ago goes, but not what still waits", async () => {
	const told = (ago, fanned) => {
		/* The time in front, as in all our ids. */
		const hex = at(-ago).getTime().toString(16).padStart(12, "0");
		const id = `${hex.slice(0, 8)}-${hex.slice(8)}-7${randomUUID().slice(15)}`;
		return stack.sql("insert into outbox (tenant_id, id, type, payload, created_at," +
			" fanned_at) values ($1, $2, 'user.risk_changed', '{}', $3, $4)", tenant.id, id,
			at(-ago), fanned ? at(-ago) : null);
	};
	await told(31 * DAY, true);
	await told(31 * DAY, false);
	await told(29 * DAY, true);
	await stack.batch({ tenant: tenant.id, stage: "maintain", now: at(2 * HOUR) });
	const rows = await stack.sql("select created_at < now() - interval '30 days' as old from outbox" +
		" where tenant_id = $1 order by 1", tenant.id);
	assert.deepEqual(rows.map((row) => row.old), [false, true]);
});
