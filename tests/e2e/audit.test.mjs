/* The audit log and the hash chain over it and over intervention_log. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { operations } from "./lib/openapi.mjs";
import { start_stack } from "./lib/stack.mjs";
import { activate, drift, new_user, ok, refused, the_intervention, win_back } from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop());

const list = async (tenant, query = "") =>
	ok(await tenant.admin.get(`/api/audit${query}`));

/* A tenant whose people changed things and whose batch sent a message. */
async function busy() {
	const tenant = await stack.tenant("Busy");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: true }));
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: false }));
	const user = await drift(tenant.ingest, new_user("busy"));
	const playbook = await activate(tenant, win_back());
	ok(await tenant.editor.put(`/api/customers/${user}/preferences`, { opted_out: false,
		channels: { in_app: false } }));
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id });
	return { tenant, user, playbook };
}

async function verify(tenant) {
	const { code, stdout, stderr } = await stack.admin(
		["audit", "verify", "--tenant", tenant.id], { check: false });
	return { code, text: stdout, stderr };
}

/* The command finds exactly this, and tells it by its exit code. */
async function finds(tenant, pattern) {
	const { code, text, stderr } = await verify(tenant);
	assert.notEqual(code, 0, text);
	assert.match(text, pattern);
	assert.equal(text.match(/FAULT/g).length, 1, text);
	assert.match(stderr, /hash chain/);
}

const request_id = (answer) => answer.headers["x-request-id"];
const column = (rows, name) => rows.map((row) => row[name]);

test("who changed what, with before and after, newest first", async () => {
	const { tenant, playbook } = await busy();
	const { audit } = await list(tenant, "?limit=200");
	assert.deepEqual(column(audit, "at"), column(audit, "at").toSorted().reverse());
	const [off, on] = audit.filter((row) => row.action === "settings.kill_switch");
	assert.match(on.actor, /^key:[0-9a-f-]{36}$/);
	assert.ok(on.request_id);
	assert.notDeepEqual(on.before, on.after);
	assert.deepEqual(off.before, on.after);
	assert.ok(audit.some((row) => row.object === playbook));
	for (const row of audit)
		assert.match(row.hash ?? "", /^[0-9a-f]{64}$/, row.action);
	assert.deepEqual(column(audit, "seq").toSorted((a, b) => a - b),
		audit.map((_, n) => n + 1));
});

test("the request id is the one that the answer carried", async () => {
	const tenant = await stack.tenant();
	const answer = await tenant.admin.put("/api/settings/kill-switch", { active: true });
	const { audit } = await list(tenant, "?action=settings.kill_switch");
	assert.equal(audit.length, 1);
	assert.equal(audit[0].request_id, request_id(answer));
	assert.equal(audit[0].seq, null);
	assert.equal(audit[0].hash, null);
});

test("filters and pages", async () => {
	const { tenant, playbook } = await busy();
	const all = (await list(tenant, "?limit=200")).audit;
	for (const [query, keep] of [
		[`actor=${all[0].actor}`, (row) => row.actor === all[0].actor],
		["actor=nobody", () => false],
		["action=settings.kill_switch", (row) => row.action === "settings.kill_switch"],
		[`object=${playbook}`, (row) => row.object === playbook],
		[`object=${playbook}&action=none`, () => false],
		[`from=${all[2].at}`, (row) => row.at >= all[2].at],
		[`to=${all[2].at}`, (row) => row.at < all[2].at],
		["from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z", () => false]]) {
		const { audit } = await list(tenant, `?limit=200&${query}`);
		const wanted = all.filter(keep);
		/* Times are shown to the millisecond. */
		if (/^(from|to)=\d{4}-.*Z$/.test(query) && wanted.length > 0)
			assert.ok(Math.abs(audit.length - wanted.length) <= 1, query);
		else
			assert.deepEqual(column(audit, "id"), column(wanted, "id"), query);
	}
	const seen = [];
	let next = "";
	do {
		const page = await list(tenant, `?limit=2${next && `&cursor=${next}`}`);
		assert.ok(page.audit.length <= 2);
		seen.push(...page.audit);
		next = page.next_cursor ?? "";
	} while (next);
	assert.deepEqual(column(seen, "id"), column(all, "id"));
	for (const query of ["limit=0", "limit=201", "limit=abc", "cursor=xyz",
		"from=yesterday", "to=2026-13-01T00:00:00Z"])
		refused(await tenant.admin.get(`/api/audit?${query}`), 400,
			query.slice(0, query.indexOf("=")));
});

test("only admins read it, and only their tenant's", async () => {
	const { tenant } = await busy();
	const other = await stack.tenant();
	refused(await stack.client.get("/api/audit"), 401);
	for (const role of ["ingest", "viewer", "editor"])
		refused(await tenant[role].get("/api/audit"), 403);
	const ours = column((await list(tenant, "?limit=200")).audit, "id");
	const theirs = column((await list(other, "?limit=200")).audit, "id");
	assert.ok(theirs.length > 0 && theirs.every((id) => !ours.includes(id)));
	refused(await tenant.admin.post("/api/audit", {}), 405);
	refused(await tenant.admin.delete("/api/audit"), 405);
});

test("the logs are append-only for the programs' roles", async () => {
	for (const [role, statements] of [
		["retivo_api", ["update audit_log set actor = ''", "delete from audit_log",
			"update intervention_log set actor = ''", "delete from intervention_log",
			"update log_heads set seq = 0"]],
		["retivo_batch", ["update audit_log set actor = ''", "delete from audit_log",
			"update intervention_log set reason = ''", "delete from intervention_log",
			"delete from log_heads"]]])
		for (const statement of statements)
			await assert.rejects(stack.cluster.query(role, statement),
				/permission denied/, `${role}: ${statement}`);
});

test("a whole chain verifies, and a new seal goes on from it", async () => {
	const { tenant } = await busy();
	for (let round = 0; round < 3; round++) {
		ok(await tenant.admin.put("/api/settings/kill-switch", { active: round % 2 === 0 }));
		const before = await verify(tenant);
		assert.equal(before.code, 0, before.text);
		assert.match(before.text, /log=audit_log .* unsealed=1 /);
		await stack.batch({ tenant: tenant.id });
		const { code, text } = await verify(tenant);
		assert.equal(code, 0, text);
		assert.match(text, /log=audit_log rows=\d+ unsealed=0 hash=[0-9a-f]{64}/);
		assert.match(text, /log=intervention_log rows=[1-9]\d* unsealed=0 hash=[0-9a-f]{64}/);
	}
	const { code, stdout } = await stack.admin(["audit", "verify"]);
	assert.equal(code, 0);
	assert.ok(stdout.split("\n").length > 6, stdout);
});

/* Each change by a superuser, on both logs; then it is taken back. */
const CHANGES = {
	audit_log: ["actor = 'person:x'", "action = 'x'", "object = 'x'", "after = '{\"a\": 1}'",
		"before = '{}'", "at = at + interval '1 microsecond'", "request_id = 'x'",
		"salt = sha256('x')", "salt = null", "payload_hash = sha256('x')",
		"prev_hash = sha256('x')", "hash = sha256('x')", "id = gen_random_uuid()"],
	intervention_log: ["actor = 'person:x'", "to_status = 'failed'", "from_status = 'sent'",
		"reason = 'x'", "at = at + interval '1 microsecond'", "request_id = 'x'",
		"salt = sha256('x')", "hash = sha256('x')"],
};
for (const [log, changes] of Object.entries(CHANGES))
	test(`verify finds a changed row of ${log}`, async () => {
		const { tenant } = await busy();
		const [row] = await stack.sql(`select l::text as text, id, seq from ${log} l where` +
			" tenant_id = $1 and seq = 2", tenant.id);
		for (const change of changes) {
			await stack.sql(`update ${log} set ${change} where tenant_id = $1 and seq = 2`,
				tenant.id);
			await finds(tenant, new RegExp(`log=${log} FAULT row seq=2 id=\\S+ was changed`));
			await stack.sql(`delete from ${log} where tenant_id = $1 and seq = 2`, tenant.id);
			await stack.sql(`insert into ${log} select ($1::${log}).*`, row.text);
			assert.equal((await verify(tenant)).code, 0, change);
		}
	});

for (const log of Object.keys(CHANGES))
	test(`verify finds a removed or inserted row of ${log}`, async () => {
		const { tenant } = await busy();
		const rows = await stack.sql(`select l::text as text, seq::int as seq from ${log} l` +
			" where tenant_id = $1 order by seq", tenant.id);
		const last = rows.length;
		assert.ok(last >= 3);
		for (const { text, seq } of [rows[0], rows[1], rows[last - 1]]) {
			await stack.sql(`delete from ${log} where tenant_id = $1 and seq = $2`,
				tenant.id, seq);
			await finds(tenant, new RegExp(`log=${log} FAULT row seq=${seq} was removed`));
			await stack.sql(`insert into ${log} select ($1::${log}).*`, text);
		}
		await stack.sql(`delete from ${log} where tenant_id = $1`, tenant.id);
		await finds(tenant, new RegExp(`log=${log} FAULT row seq=1 was removed`));
		for (const { text } of rows)
			await stack.sql(`insert into ${log} select ($1::${log}).*`, text);
		assert.equal((await verify(tenant)).code, 0);

		/* Behind the end, even with hashes that fit. */
		await stack.sql(`insert into ${log} select (jsonb_populate_record($2::${log},` +
			" jsonb_build_object('id', gen_random_uuid(), 'seq', $3::int))).* where $1 > 0",
			tenant.id, rows[last - 1].text, last + 1);
		await finds(tenant, new RegExp(`log=${log} FAULT row seq=${last + 1} .*(changed|inserted)`));
		await stack.sql(`with l as (select * from ${log} where tenant_id = $1 and seq = $2)` +
			` update ${log} n set prev_hash = l.hash, hash = sha256(l.hash || n.payload_hash ||` +
			" int8send(n.seq)) from l where n.tenant_id = $1 and n.seq = $3",
			tenant.id, last, last + 1);
		const { code, text } = await verify(tenant);
		assert.notEqual(code, 0, text);
		/* A row in the middle moves the others. */
		await stack.sql(`delete from ${log} where tenant_id = $1 and seq > $2`, tenant.id, last);
		assert.equal((await verify(tenant)).code, 0);
		for (let seq = last; seq >= 2; seq--)
			await stack.sql(`update ${log} set seq = seq + 1 where tenant_id = $1 and seq = $2`,
				tenant.id, seq);
		await finds(tenant, new RegExp(`log=${log} FAULT row seq=2 was removed`));
	});

test("a row that fits the chain behind its end was inserted", async () => {
	const { tenant } = await busy();
	await stack.sql("update log_heads set seq = seq - 1 where tenant_id = $1" +
		" and log = 'audit_log'", tenant.id);
	await finds(tenant, /log=audit_log FAULT row seq=\d+ id=\S+ was inserted/);
	await stack.sql("update log_heads set seq = seq + 1, hash = sha256('x')" +
		" where tenant_id = $1 and log = 'audit_log'", tenant.id);
	await finds(tenant, /log=audit_log FAULT row seq=\d+ id=\S+ was changed/);
});

test("an erased customer leaves the chain whole and its rows empty", async () => {
	const { tenant, user } = await busy();
	const { id } = await the_intervention(tenant, user);
	ok(await tenant.editor.put(`/api/interventions/${id}/rollback`, { reason: `of ${user}` }));
	await stack.batch({ tenant: tenant.id });
	assert.equal((await verify(tenant)).code, 0);
	ok(await tenant.admin.delete(`/api/customers/${user}`));
	const { code, text } = await verify(tenant);
	assert.equal(code, 0, text);
	const left = await stack.sql("select l::text as t from audit_log l where tenant_id = $1" +
		" union all select l::text from intervention_log l where tenant_id = $1", tenant.id);
	assert.ok(left.length > 0 && !left.some((row) => row.t.includes(user)));
	await stack.batch({ tenant: tenant.id });
	assert.equal((await verify(tenant)).code, 0);

	/* What is left of an erased row is still held. */
	for (const change of ["actor = 'x'", "after = '{}'", "object = 'x'", "salt = null"]) {
		const [row] = await stack.sql("select l::text as text, seq from audit_log l where" +
			" tenant_id = $1 and object = 'erased' order by seq limit 1", tenant.id);
		await stack.sql(`update audit_log set ${change} where tenant_id = $1 and seq = $2`,
			tenant.id, row.seq);
		await finds(tenant, new RegExp(`log=audit_log FAULT row seq=${row.seq} .*changed`));
		await stack.sql("delete from audit_log where tenant_id = $1 and seq = $2",
			tenant.id, row.seq);
		await stack.sql("insert into audit_log select ($1::audit_log).*", row.text);
	}
});

test("verify refuses a tenant that is none", async () => {
	for (const words of [["--tenant", "999999"], ["--tenant", "x"], ["word"]]) {
		const { code } = await stack.admin(["audit", "verify", ...words], { check: false });
		assert.ok(code > 0, words.join(" "));
	}
});

/* How each operation that editors and admins may call changes something; null
 * where it changes nothing that lasts. Those of people and money are logged in
 * tests of their own. */
const escalation = (t) => made(t, "/api/escalations", { user_id: t.user,
	playbook_id: t.playbook, severity: "Low", reason: "look" });
const message = (t) => made(t, "/api/interventions", { user_id: t.user,
	playbook_id: t.playbook, channel: "in_app", message_body: "Hello" });
const sent_message = async (t) => {
	const id = await message(t);
	ok(await t.editor.put(`/api/interventions/${id}/approve`));
	return id;
};
const endpoint = async (t) => ok(await t.admin.post("/api/webhooks/endpoints",
	{ url: "http://127.0.0.1:9/" }), 201).endpoint.id;
const made = async (t, path, body) => ok(await t.editor.post(path, body), 201).id;
const acts = {
	createCustomer: () => ({ user_id: new_user("acts") }),
	eraseCustomer: async (t) => drift(t.ingest, new_user("acts")),
	setPreferences: (t) => [t.user, { opted_out: true }],
	createPlaybook: () => win_back(),
	updatePlaybook: (t) => [t.playbook, { name: "Other" }],
	archivePlaybook: (t) => made(t, "/api/playbooks", win_back()),
	setPlaybookStatus: (t) => [t.playbook, { status: "active" }],
	createIntervention: (t) => ({ user_id: t.user, playbook_id: t.playbook,
		channel: "in_app", message_body: "Hello" }),
	approveIntervention: message, pauseIntervention: message,
	rejectIntervention: async (t) => [await message(t), { reason: "too soon" }],
	rollbackIntervention: async (t) => [await sent_message(t), { reason: "wrong" }],
	resendIntervention: async (t) => {
		const id = await message(t);
		await stack.sql("update interventions set status = 'failed' where id = $1", id);
		return id;
	},
	flagIntervention: async (t) => [await message(t), { reason: "odd" }],
	bulkInterventions: async (t) => ({ action: "approve", ids: [await message(t)] }),
	editIntervention: async (t) => [await message(t), { message_body: "Other" }],
	createEscalation: (t) => ({ user_id: t.user, playbook_id: t.playbook,
		severity: "Low", reason: "look" }),
	handleEscalation: async (t) => [await escalation(t), { action_taken: "called" }],
	delegateEscalation: async (t) => [await escalation(t), { channel: "in_app" }],
	updateSettings: () => ({ name: "Renamed" }),
	copySettings: () => ({ from: "test" }),
	setKillSwitch: () => ({ active: true }),
	updateBrand: () => ({ product_description: "Reports" }),
	setShadowMode: () => ({ active: true }),
	createApiKey: () => ({ label: "x", scope: "read" }),
	revokeApiKey: async (t) => ok(await t.admin.post("/api/settings/api-keys",
		{ label: "x", scope: "read" }), 201).id,
	createWebhookEndpoint: () => ({ url: "http://127.0.0.1:9/" }),
	updateWebhookEndpoint: async (t) => [await endpoint(t), { url: "http://127.0.0.1:9/b" }],
	deleteWebhookEndpoint: endpoint,
	testWebhookEndpoint: null, redeliver: null,
};

test("every operation that changes something leaves a row with its request id", async () => {
	for (const op of operations.filter((o) => o.method !== "GET"
		&& ["editor", "admin"].includes(o.access)
		&& !/^\/api\/(team|billing)\//.test(o.path))) {
		assert.ok(op.id in acts, `${op.id}: tell here how it changes something`);
		if (acts[op.id] === null)
			continue;
		const t = await stack.tenant("Acts");
		t.user = await drift(t.ingest, new_user("acts"));
		t.playbook = await made(t, "/api/playbooks", win_back());
		const words = await acts[op.id](t);
		const [id, body] = Array.isArray(words) ? words
			: typeof words === "string" ? [words] : [undefined, words];
		const answer = await t.admin.call(op.method, op.path.replace(/\{\w+\}/, id), { body });
		assert.ok(answer.status < 300, `${op.id}: ${answer.text}`);
		const rows = await stack.sql("select actor from audit_log where tenant_id = $1 and" +
			" request_id = $2 union all select actor from intervention_log where" +
			" tenant_id = $1 and request_id = $2", t.id, request_id(answer));
		assert.ok(rows.length > 0, `${op.id} leaves no row`);
		for (const { actor } of rows)
			assert.match(actor, /^key:[0-9a-f-]{36}$/, op.id);
	}
});
