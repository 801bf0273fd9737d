/* A customer's timeline, a playbook's versions, preview, and editing a message. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, drift, interventions, new_user, ok, refused, the_intervention, win_back } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack({ mail: true });
	tenant = await stack.tenant();
});
after(() => stack?.stop());

async function planned(playbook, other = tenant) {
	const user = await drift(other.ingest, new_user("edit"));
	const id = await activate(other, win_back(playbook));
	await stack.batch({ tenant: other.id });
	const message = await the_intervention(other, user);
	return { user, playbook: id, message };
}

async function all_pages(path) {
	const found = [];
	let cursor = "";
	do {
		const page = ok(await tenant.viewer.get(`${path}${cursor}`));
		found.push(...Object.values(page).find(Array.isArray));
		cursor = page.next_cursor ? `&cursor=${page.next_cursor}` : undefined;
	} while (cursor);
	return found;
}

test("the timeline: every kind, newest first, page by page the same", async () => {
	ok(await tenant.admin.patch("/api/settings", { config: { milestones: [
		{ name: "report", event: "report_created" }] } }));
	const { user, message } = await planned();
	ok(await tenant.editor.put(`/api/interventions/${message.id}/approve`));
	await stack.batch({ tenant: tenant.id });
	ok(await tenant.ingest.track({ user_id: user, event: "report_created" }));
	await stack.batch({ tenant: tenant.id });
	const path = `/api/customers/${user}/timeline`;
	const all = await all_pages(`${path}?limit=200`);
	assert.deepEqual(all.map((row) => row.at), all.map((row) => row.at).toSorted().reverse());
	const of = (type) => all.filter((row) => row.type === type).map((row) => row.data);
	assert.deepEqual(of("event").map((e) => e.event).toSorted(),
		["login", "report_created", "report_created", "report_created", "signed_up"]);
	assert.deepEqual(of("message").map((m) => m.status), ["delivered", "sent", "approved", "planned"]);
	assert.equal(of("message")[0].playbook_name, "Win back");
	assert.deepEqual(of("milestone"), [{ milestone: "report" }]);
	assert.ok(of("change").some((c) => c.what === "stage" && c.new_value === "at_risk"));
	assert.deepEqual(of("outcome").map((o) => o.outcome), ["positive"]);
	assert.deepEqual(await all_pages(`${path}?limit=2`), all);
	const some = await all_pages(`${path}?limit=3&types=message,event`);
	assert.deepEqual(some, all.filter((row) => ["message", "event"].includes(row.type)));
	refused(await tenant.viewer.get(`${path}?types=message,nothing`), 400, "types");
	refused(await tenant.viewer.get("/api/customers/nobody/timeline"), 404);
	await tenant.admin.patch("/api/settings", { config: { milestones: null } });
});

test("the past days of a customer: events, stages and messages", async () => {
	const { user, message } = await planned();
	ok(await tenant.editor.put(`/api/interventions/${message.id}/approve`));
	await stack.batch({ tenant: tenant.id });
	const path = `/api/customers/${user}/activity`;
	const seen = ok(await tenant.viewer.get(path));
	assert.equal(seen.days.length, 90);
	assert.equal(seen.days.at(-1).day, new Date().toISOString().slice(0, 10));
	const all = await all_pages(`/api/customers/${user}/timeline?limit=200`);
	const events = all.filter((row) => row.type === "event");
	for (const { day, events: n } of seen.days)
		assert.equal(n, events.filter((row) => row.at.startsWith(day)).length, day);
	assert.ok(events.length > 0);
	assert.deepEqual(seen.stages.map((row) => [row.from_stage, row.stage]), [[null, "at_risk"]]);
	assert.equal(seen.lifecycle_stage, "at_risk");
	assert.deepEqual(seen.messages.map((row) => [row.intervention_id, row.channel, row.playbook_name, row.outcome]),
		[[message.id, "email", "Win back", "pending"]]);
	/* Of the changes before the first day only the last one counts. */
	const shift = (days) => stack.sql("update score_ledger set at = at - make_interval(days => $3)" +
		" where tenant_id = $1 and user_id = $2", tenant.id, user, days);
	await shift(20);
	await stack.sql("insert into score_ledger (tenant_id, user_id, id, at, what, old_value, new_value, cause," +
		" stage, parts) select tenant_id, user_id, gen_random_uuid(), at - interval '1 day', what, old_value," +
		" 'active', cause, 'active', parts" +
		" from score_ledger where tenant_id = $1 and user_id = $2 and what = 'stage'", tenant.id, user);
	const week = ok(await tenant.viewer.get(`${path}?days=7`));
	assert.deepEqual([week.days.length, week.stages.map((row) => row.stage)], [7, ["at_risk"]]);
	assert.equal(ok(await tenant.viewer.get(path)).stages.length, 2);
	refused(await tenant.viewer.get(`${path}?days=6`), 400, "days");
	refused(await tenant.viewer.get("/api/customers/nobody/activity"), 404);
	const stranger = await stack.tenant("Passer-by");
	refused(await stranger.viewer.get(path), 404);
});

test("each version of a playbook is kept as it was saved", async () => {
	const id = ok(await tenant.editor.post("/api/playbooks", win_back()), 201).id;
	for (const goal of ["second", "third"])
		ok(await tenant.editor.put(`/api/playbooks/${id}`, { strategy_hints: { goal } }));
	const all = await all_pages(`/api/playbooks/${id}/versions?limit=1`);
	assert.deepEqual(all.map((v) => [v.version, v.strategy_hints.goal]),
		[[3, "third"], [2, "second"], [1, "come back"]]);
	assert.match(all[0].actor, /^key:/);
	const [, , first] = all;
	ok(await tenant.editor.put(`/api/playbooks/${id}`, { strategy_hints: first.strategy_hints }));
	const [back] = await all_pages(`/api/playbooks/${id}/versions?limit=100`);
	assert.deepEqual([back.version, back.strategy_hints], [4, first.strategy_hints]);
	refused(await tenant.viewer.get("/api/playbooks/x/versions"), 404);
});

test("preview names those whom it counts, and shows the statement", async () => {
	const other = await stack.tenant("Preview");
	const users = [];
	for (let i = 0; i < 23; i++)
		users.push(await drift(other.ingest, new_user("seen"), { name: `Name ${i}` }));
	await drift(other.ingest, new_user("fresh"), {}, 1);
	await stack.batch({ tenant: other.id, stage: "refresh" });
	const entry_conditions = { lifecycle_stage: ["at_risk"], days_since_last_activity: { gte: 5 } };
	const seen = ok(await other.viewer.post("/api/playbooks/preview-count", { entry_conditions }));
	assert.equal(seen.matching_users, 23);
	assert.deepEqual(seen.customers.map((c) => c.user_id), users.toSorted().slice(0, 20));
	assert.match(seen.customers[0].name, /^Name /);
	/* What is shown is what runs. */
	const { text, parameters } = seen.sql;
	assert.deepEqual(parameters[0], { type: "bigint", value: other.id });
	const [{ matching_users }] = await stack.sql(
		text.replaceAll(/\$(\d+)/g, (n, i) => `(${n}::${parameters[i - 1].type})`),
		...parameters.map((p) => p.value));
	assert.equal(Number(matching_users), 23);
});

test("an edited message is checked again, sent as it is, and logged", async () => {
	const { user, message } = await planned();
	const path = `/api/interventions/${message.id}`;
	const bad = ok(await tenant.editor.patch(path, { message_body: "Hi {{name}}, call bob@evil.example" }));
	assert.equal(bad.checks_passed, false);
	assert.deepEqual(bad.quality_checks.checks.filter((c) => !c.passed).map((c) => c.name),
		["placeholders", "addresses"]);
	const good = ok(await tenant.editor.patch(path, { subject: "Hello", message_body: "Hi Ada, all is well." }));
	assert.equal(good.checks_passed, true);
	assert.deepEqual([good.subject, good.message_body], ["Hello", "Hi Ada, all is well."]);
	ok(await tenant.editor.put(`${path}/approve`));
	await stack.batch({ tenant: tenant.id });
	const [mail] = stack.mails().filter((text) => text.includes(`${user}@customer.example`));
	assert.match(String(mail), /Subject: Hello/);
	assert.match(String(mail), /all is well/);
	refused(await tenant.editor.patch(path, { message_body: "Too late" }), 404);
	const { audit } = ok(await tenant.admin.get("/api/audit?action=intervention.edit"));
	assert.equal(audit.length, 2);
	assert.deepEqual(audit[0].after, { subject: true, message_body: true });
});

test("an approval is for the text that was read: with another it lapses", async () => {
	const { message } = await planned();
	const path = `/api/interventions/${message.id}`;
	ok(await tenant.editor.put(`${path}/approve`));
	const edited = ok(await tenant.editor.patch(path, { message_body: "Another text." }));
	assert.equal(edited.status, "planned");
	assert.ok(edited.lapsed_at);
	await stack.batch({ tenant: tenant.id });
	assert.equal((await interventions(tenant)).find((i) => i.id === message.id).status, "planned");
	const log = await stack.sql("select to_status, reason from intervention_log" +
		" where tenant_id = $1 and intervention_id = $2 order by id", tenant.id, message.id);
	assert.deepEqual(log.at(-1), { to_status: "planned", reason: "edited" });
});

test("what may not be edited, and by whom", async () => {
	const tenant = await stack.tenant("Others");
	const { message } = await planned({ constraints: { channels: ["in_app"] } }, tenant);
	const path = `/api/interventions/${message.id}`;
	refused(await tenant.editor.patch(path, {}), 400, "message_body");
	refused(await tenant.editor.patch(path, { subject: "Hello" }), 400, "subject");
	refused(await tenant.editor.patch(path, { message_body: "" }), 400, "message_body");
	refused(await tenant.viewer.patch(path, { message_body: "x" }), 403);
	ok(await tenant.editor.put(`${path}/reject`, { reason: "no" }));
	refused(await tenant.editor.patch(path, { message_body: "x" }), 404);
	refused(await tenant.editor.patch("/api/interventions/nothing", { message_body: "x" }), 404);
	const stranger = await stack.tenant("Stranger");
	refused(await stranger.editor.patch(path, { message_body: "x" }), 404);
});
