/* Export and erasure: what is given out is all there is, and what is erased
 * is nowhere in the database, and stays away. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, drift, interventions, new_user, ok, refused, the_intervention, win_back }
	from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack({ mail: true });
	tenant = await stack.tenant();
	ok(await tenant.admin.patch("/api/settings", { config: {
		milestones: [{ name: "report", event: "report_created" }] } }));
	await activate(tenant, win_back());
});
after(() => stack?.stop());

const MARK = "zebrafish";

/* A customer with a life: state, decision, message, outcome, log. */
async function lived(mode = "full_auto") {
	const user = new_user(MARK);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: mode }));
	await drift(tenant.ingest, user, { name: `${user} Example`, company: `${user} Ltd` });
	ok(await tenant.editor.put(`/api/customers/${user}/preferences`,
		{ channels: { crm: false } }));
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id });
	return user;
}

/* {table: rows that hold the word anywhere}, over all tenant tables. */
async function traces(word) {
	const tables = await stack.sql("select c.relname as name from pg_class c" +
		" join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'" +
		" where c.relkind in ('r', 'p') and not c.relispartition" +
		" and c.relnamespace = 'public'::regnamespace");
	const found = {};
	for (const { name } of tables) {
		const [{ n }] = await stack.sql(`select count(*) as n from ${name} t` +
			" where strpos(t::text, $1) > 0", word);
		if (Number(n))
			found[name] = Number(n);
	}
	return found;
}

test("export holds all that is kept", async () => {
	const user = await lived();
	const answer = await tenant.viewer.get(`/api/customers/${user}/export`);
	const copy = ok(answer);
	assert.match(answer.headers["content-disposition"], /attachment/);
	assert.equal(copy.customer.id, user);
	assert.equal(copy.customer.email, `${user}@customer.example`);
	assert.equal(copy.events.length, 5);
	assert.deepEqual(copy.milestones.map((m) => m.milestone), ["report"]);
	assert.equal(copy.daily_counts.reduce((n, d) => n + d.events, 0), 4);
	assert.equal(copy.decisions.length, 1);
	assert.equal(copy.interventions[0].message_body.includes(user), true);
	assert.ok(copy.intervention_log.some((l) => l.to_status === "delivered"));
	assert.ok(copy.score_history.length > 0);
	assert.deepEqual(copy.trials.map((t) => t.arm), ["treated"]);
	/* Each table that knows the customer is in the copy or a queue. */
	const told = new Set(["customers", "events", "customer_milestones", "customer_days",
		"score_ledger", "decisions", "interventions", "exposures",
		"model_calls",
		/* inside the others: by name of the event, by intervention */
		"customer_event_days", "outcomes",
		/* what waits, and who did what */
		"gate_results", "candidates", "match_queue", "outbox", "audit_log"]);
	assert.deepEqual(Object.keys(await traces(user)).filter((t) => !told.has(t)), []);
	refused(await tenant.viewer.get("/api/customers/nobody/export"), 404);
});

test("erased: nowhere in the database, and a receipt of the rows", async () => {
	const user = await lived();
	const kept = await lived();
	const { id } = await the_intervention(tenant, user);
	assert.ok(Object.keys(await traces(user)).length >= 8);
	const others = await traces(kept);

	const receipt = ok(await tenant.admin.delete(`/api/customers/${user}`));
	assert.equal(receipt.rows.customers, 1);
	assert.equal(receipt.rows.events, 5);
	assert.equal(receipt.rows.interventions, 1);
	assert.equal(receipt.rows.decisions, 1);
	assert.deepEqual(await traces(user), {});
	assert.deepEqual(await traces(kept), others);

	refused(await tenant.viewer.get(`/api/customers/${user}`), 404);
	refused(await tenant.viewer.get(`/api/customers/${user}/export`), 404);
	const left = (await interventions(tenant)).find((i) => i.id === id);
	assert.deepEqual([left.user_id, left.message_body, left.status],
		["erased", null, "delivered"]);
	/* Asked again: the same receipt. */
	assert.deepEqual(ok(await tenant.admin.delete(`/api/customers/${user}`)), receipt);
	const audit = await stack.sql("select object, after from audit_log where" +
		" tenant_id = $1 and action = 'customer.erase'", tenant.id);
	assert.equal(audit.length, 1);
	assert.doesNotMatch(JSON.stringify(audit), new RegExp(MARK));
});

test("an erased user stays away, whatever comes", async () => {
	const user = await lived();
	ok(await tenant.admin.delete(`/api/customers/${user}`));
	refused(await tenant.editor.post("/api/customers", { user_id: user, name: "x" }), 410);
	await drift(tenant.ingest, user);
	for (let i = 0; i < 2; i++)
		await stack.batch({ tenant: tenant.id });
	assert.deepEqual(await traces(user), {});
	refused(await tenant.viewer.get(`/api/customers/${user}`), 404);
});

test("what was not sent is never sent", async () => {
	const user = await lived("suggest_only");
	const { id } = await the_intervention(tenant, user);
	ok(await tenant.editor.put(`/api/interventions/${id}/approve`));
	ok(await tenant.admin.delete(`/api/customers/${user}`));
	await stack.batch({ tenant: tenant.id });
	const left = (await interventions(tenant)).find((i) => i.id === id);
	assert.equal(left.status, "cancelled");
	assert.ok(!stack.mails().some((mail) => mail.includes(user)));
	assert.deepEqual(await traces(user), {});
});

test("erasing beside a running batch leaves nothing", async () => {
	const users = [];
	for (let i = 0; i < 12; i++)
		users.push(await drift(tenant.ingest, new_user(MARK)));
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const running = stack.batch({ tenant: tenant.id });
	for (const user of users)
		ok(await tenant.admin.delete(`/api/customers/${user}`));
	await running;
	await stack.batch({ tenant: tenant.id });
	for (const user of users)
		assert.deepEqual(await traces(user), {}, user);
});

test("only an admin erases, and only of the own tenant", async () => {
	const user = await drift(tenant.ingest, new_user("kept"));
	const other = await stack.tenant("Other");
	refused(await tenant.editor.delete(`/api/customers/${user}`), 403);
	refused(await other.admin.delete(`/api/customers/${user}`), 404);
	refused(await other.admin.get(`/api/customers/${user}/export`), 404);
	refused(await tenant.admin.delete("/api/customers/nobody"), 404);
	ok(await tenant.viewer.get(`/api/customers/${user}`));
});
