/* One table says what right each operation needs (x-retivo-access); every
 * operation is called with every right and each cell compared. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { operations } from "./lib/openapi.mjs";
import { start_stack } from "./lib/stack.mjs";
import { ok } from "./lib/cases.mjs";

const ABSENT = "01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d";
const PASSWORD = "correct horse battery staple";
const RANK = { none: 0, ingest: 1, viewer: 2, editor: 3, admin: 4 };
let stack, tenant;
const people = {};

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant();
	for (const role of ["viewer", "editor", "admin"]) {
		await stack.member(tenant, `${role}@members.example`, role, PASSWORD);
		people[role] = ok(await stack.client.post("/api/auth/login",
			{ email: `${role}@members.example`, password: PASSWORD })).token;
	}
});
after(() => stack?.stop());

/* Statuses that say: the right was enough. */
const through = (status) => status !== 401 && status !== 403;

function call(op, key) {
	const target = op.path.replaceAll(/\{[^}]+\}/g, ABSENT);
	return stack.client.call(op.method, target, { key,
		body: op.operation.requestBody?.content["application/json"] ? {} : undefined });
}

test("the table knows every operation", () => {
	for (const op of operations)
		assert.ok(op.access in RANK || op.access === "member", op.id);
});

/* These two end the session that asks. */
for (const op of operations.filter((o) => !["logout", "switchTenant"].includes(o.id)))
	test(`${op.method} ${op.path} needs ${op.access}`, async () => {
		const holders = { none: undefined, ingest: tenant.keys.ingest,
			viewer: tenant.keys.read, editor: tenant.keys.write,
			admin: tenant.keys.admin };
		for (const [right, key] of Object.entries(holders)) {
			const { status, text } = await call(op, key);
			let wanted;
			if (op.access === "none")
				/* A wrong sign-in is 401 of its own. */
				wanted = op.id === "login" ? status === 400 : through(status);
			else if (right === "none")
				wanted = status === 401;
			else if (op.access === "member")
				wanted = status === 403;
			else
				wanted = RANK[right] >= RANK[op.access] ? through(status)
					: status === 403;
			assert.ok(wanted, `with a key of ${right}: ${status} ${text}`);
		}
		for (const [role, session] of Object.entries(people)) {
			const { status, text } = await call(op, session);
			const enough = ["none", "member"].includes(op.access)
				|| RANK[role] >= RANK[op.access];
			assert.equal(through(status), enough,
				`as a person that is ${role}: ${status} ${text}`);
		}
	});
