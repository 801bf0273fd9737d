/* Interventions: by hand, their transitions, dry-run. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, drift, interventions, new_user, ok, refused, the_intervention, win_back } from "./lib/cases.mjs";

const ABSENT = "01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d";
let stack, tenant, playbook;

before(async () => {
	stack = await start_stack({ mail: true });
	tenant = await stack.tenant();
	playbook = ok(await tenant.editor.post("/api/playbooks", win_back()), 201).id;
});
after(() => stack?.stop());

const make = async (user_id, more = {}) => ok(await tenant.editor.post(
	"/api/interventions", { user_id, playbook_id: playbook, channel: "email",
		message_body: "Hello from a person.", ...more }), 201);
const someone = async () => drift(tenant.ingest, new_user());
const act = (id, verb, body) =>
	tenant.editor.put(`/api/interventions/${id}/${verb}`, body);

test("a message by hand is planned, whatever the mode", async () => {
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const user = await someone();
	const made = await make(user);
	assert.equal(made.status, "planned");
	assert.equal(made.channel, "email");
	await stack.batch({ tenant: tenant.id });
	const seen = await the_intervention(tenant, user);
	assert.equal(seen.status, "planned");
	assert.equal(seen.message_body, "Hello from a person.");
	assert.ok(seen.quality_checks);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "suggest_only" }));
});

test("without a text the planner writes one", async () => {
	const user = await someone();
	await make(user, { message_body: undefined });
	await stack.batch({ tenant: tenant.id });
	assert.match((await the_intervention(tenant, user)).message_body, /Hi Ada/);
});

test("unknown customer and playbook are 404; bad fields are 400", async () => {
	const user = await someone();
	const body = { user_id: user, playbook_id: playbook, channel: "email" };
	const post = (change) =>
		tenant.editor.post("/api/interventions", { ...body, ...change });
	refused(await post({ user_id: "nobody" }), 404);
	refused(await post({ playbook_id: ABSENT }), 404);
	refused(await post({ playbook_id: "pb_1", channel: "pigeon", user_id: "" }), 400,
		"playbook_id", "channel", "user_id");
	refused(await tenant.editor.post("/api/interventions", {}), 400,
		"user_id", "playbook_id", "channel");
});

test("approve, reject and pause: what follows on what", async () => {
	const user = await someone();
	const { id } = await make(user);
	const paused = ok(await act(id, "pause"));
	assert.deepEqual([paused.id, paused.status], [id, "planned"]);
	assert.deepEqual(pick(ok(await act(id, "approve"))), { id, status: "approved" });
	assert.equal(refused(await act(id, "approve"), 404).code, "not_planned");
	assert.equal(refused(await act(id, "reject", { reason: "late" }), 404).code,
		"not_planned");
	ok(await act(id, "pause"));
	assert.deepEqual(pick(ok(await act(id, "reject", { reason: "no" }))),
		{ id, status: "rejected" });
	for (const verb of ["approve", "pause"])
		refused(await act(id, verb), 404);
	const log = await stack.sql("select from_status, to_status, actor, reason" +
		" from intervention_log where tenant_id = $1 and intervention_id = $2" +
		" order by id", tenant.id, id);
	assert.deepEqual(log.map((l) => l.to_status),
		["planned", "planned", "approved", "planned", "rejected"]);
	assert.ok(log.every((l) => /^key:/.test(l.actor)), JSON.stringify(log));
	assert.equal(log.at(-1).reason, "no");
});

const pick = ({ id, status }) => ({ id, status });

test("reject needs a reason", async () => {
	const { id } = await make(await someone());
	refused(await act(id, "reject", {}), 400, "reason");
	refused(await act(id, "reject", { reason: 3 }), 400, "reason");
});

test("approve at once by many: one wins", async () => {
	const { id } = await make(await someone());
	const answers = await Promise.all(Array.from({ length: 8 },
		() => act(id, "approve")));
	assert.equal(answers.filter((a) => a.status === 200).length, 1);
	for (const answer of answers.filter((a) => a.status !== 200))
		assert.equal(refused(answer, 404).code, "not_planned");
});

/* What a person saw of a message: the row of the list. */
const seen_by = (user) => the_intervention(tenant, user);
const edit = (id, body) => tenant.editor.patch(`/api/interventions/${id}`, body);

function stale(answer, current) {
	const body = refused(answer, 409);
	assert.deepEqual([body.code, body.current], ["stale_version", current]);
}

test("an approval is of the text that was seen", async () => {
	const user = await someone();
	const { id, version } = await make(user);
	assert.equal(version, 1);
	assert.equal((await seen_by(user)).version, 1);
	assert.equal(ok(await edit(id, { message_body: "Another text of a person." })).version, 2);
	stale(await act(id, "approve", { version: 1 }), 2);
	const now = await seen_by(user);
	assert.deepEqual([now.status, now.version], ["planned", 2]);
	const [log] = await stack.sql("select after from audit_log where tenant_id = $1" +
		" and object = $2 and action = 'intervention.refused'", tenant.id, id);
	assert.deepEqual(log.after, { verb: "approve", code: "stale_version" });
	assert.equal(ok(await act(id, "approve", { version: 2 })).version, 2);
	assert.equal(refused(await act(id, "approve", { version: 1 }), 404).code, "not_planned");
	ok(await act(id, "pause"));
	assert.equal(ok(await act(id, "approve")).version, 2);
	for (const bad of [0, -1, 1.5, "2", 2 ** 40])
		refused(await act(id, "approve", { version: bad }), 400, "version");
});

test("an edit is of the text that was seen; of two at once one is stale", async () => {
	const user = await someone();
	const { id } = await make(user);
	ok(await edit(id, { message_body: "The second text of it.", version: 1 }));
	stale(await edit(id, { message_body: "Built on the first one.", version: 1 }), 2);
	assert.equal((await seen_by(user)).message_body, "The second text of it.");
	ok(await edit(id, { subject: "Without a version" }));
	const both = await Promise.all(["One of two.", "Two of two."].map((message_body) =>
		edit(id, { message_body, version: 3 })));
	assert.deepEqual(both.map((answer) => answer.status).sort(), [200, 409]);
	stale(both.find((answer) => answer.status === 409), 4);
	refused(await edit(id, { message_body: "x", version: 0 }), 400, "version");
});

test("many are approved at once by what was seen of each", async () => {
	const made = [await make(await someone()), await make(await someone()),
		await make(await someone())];
	const ids = made.map((m) => m.id);
	ok(await edit(ids[1], { message_body: "Changed meanwhile by somebody." }));
	const bulk = (body) => tenant.editor.post("/api/interventions/bulk", body);
	const answer = ok(await bulk({ action: "approve", ids,
		versions: { [ids[0].toUpperCase()]: 1, [ids[1]]: 1 } }));
	assert.deepEqual(answer.results.map(({ id, done, code, current }) => ({ id, done, code, current })), [
		{ id: ids[0], done: true, code: undefined, current: undefined },
		{ id: ids[1], done: false, code: "stale_version", current: 2 },
		{ id: ids[2], done: true, code: undefined, current: undefined }]);
	assert.equal(answer.done, 2);
	assert.equal((await stack.sql("select from audit_log where tenant_id = $1" +
		" and object = $2 and action = 'intervention.refused'", tenant.id, ids[1])).length, 1);
	assert.equal(ok(await bulk({ action: "reject", reason: "no", ids: [ids[1]],
		versions: { [ids[1]]: 2 } })).done, 1);
	refused(await bulk({ action: "approve", ids: [ids[0]], versions: { [ids[1]]: 1 } }), 400,
		`versions.${ids[1]}`);
	refused(await bulk({ action: "approve", ids: [ids[0]], versions: { [ids[0]]: "1" } }), 400,
		`versions.${ids[0]}`);
	refused(await bulk({ action: "approve", ids: [ids[0]], versions: [1] }), 400, "versions");
});

test("approve against reject at once: one wins", async () => {
	const { id } = await make(await someone());
	const codes = (await Promise.all([act(id, "approve"),
		act(id, "reject", { reason: "x" })])).map((a) => a.status).sort();
	assert.deepEqual(codes, [200, 404]);
});

test("absent, foreign and malformed ids are 404", async () => {
	const other = await stack.tenant("Other");
	const user = await drift(other.ingest, new_user());
	const their = ok(await other.editor.post("/api/playbooks", win_back()), 201).id;
	const { id } = ok(await other.editor.post("/api/interventions",
		{ user_id: user, playbook_id: their, channel: "in_app" }), 201);
	for (const bad of [id, ABSENT, "int_abc123", "%20", "x".repeat(500)])
		for (const verb of ["approve", "pause", "reject", "rollback", "flag"])
			assert.equal(refused(await act(bad, verb, { reason: "x" }), 404).code,
				"not_found");
	const untouched = await the_intervention(other, user);
	assert.deepEqual([untouched.status, untouched.flagged], ["planned", false]);
	refused(await tenant.editor.post("/api/interventions", { user_id: await someone(),
		playbook_id: their, channel: "email" }), 404);
});

test("list: newest first, 20 by default, at most 100", async () => {
	const shop = await stack.tenant("List");
	const id = ok(await shop.editor.post("/api/playbooks", win_back()), 201).id;
	const user = await drift(shop.ingest, new_user());
	for (let n = 0; n < 23; n++)
		ok(await shop.editor.post("/api/interventions", { user_id: user,
			playbook_id: id, channel: "in_app", message_body: `n${n}` }), 201);
	const get = async (query = "") =>
		ok(await shop.viewer.get(`/api/interventions${query}`));
	const first = await get();
	assert.equal(first.interventions.length, 20);
	assert.equal(first.interventions[0].message_body, "n22");
	assert.equal((await get("?limit=100")).interventions.length, 23);
	assert.equal((await get("?limit=1")).interventions.length, 1);
	const rest = await get(`?cursor=${encodeURIComponent(first.next_cursor)}`);
	assert.deepEqual(rest.interventions.map((i) => i.message_body), ["n2", "n1", "n0"]);
	for (const bad of ["abc", "0", "-5", "1.5", "", "99999999999999999999"])
		refused(await shop.viewer.get(`/api/interventions?limit=${bad}`), 400, "limit");
});

test("one by its id is the row of the list, for viewers and of the own tenant", async () => {
	const user = await someone();
	const { id } = await make(user);
	const get = (name, who = tenant.viewer) => who.get(`/api/interventions/${name}`);
	assert.deepEqual(ok(await get(id)), await the_intervention(tenant, user));
	assert.equal(ok(await get(id)).customer_timezone, null);
	ok(await tenant.ingest.track({ user_id: user, event: "$identify", properties: { timezone: "Asia/Tokyo" } }));
	assert.equal(ok(await get(id)).customer_timezone, "Asia/Tokyo");
	const { id: escalation } = ok(await tenant.editor.post("/api/escalations",
		{ user_id: user, playbook_id: playbook, severity: "Low", reason: "asked" }), 201);
	assert.equal(ok(await get(escalation)).channel, "escalate");
	const other = await stack.tenant("Other");
	assert.equal(refused(await get(id, other.admin), 404).code, "not_found");
	for (const bad of [ABSENT, "int_abc123", "%20"])
		assert.equal(refused(await get(bad), 404).code, "not_found");
	refused(await get(id, tenant.ingest), 403);
	ok(await tenant.admin.delete(`/api/customers/${user}`));
	await stack.batch({ tenant: tenant.id });
	assert.deepEqual([ok(await get(id)).user_id, ok(await get(id)).message_body], ["erased", null]);
});

test("list: filters, and cursors that do not fit", async () => {
	const user = await someone();
	const { id } = await make(user, { channel: "in_app" });
	const ids = async (query) => ok(await tenant.viewer.get(
		`/api/interventions?user_id=${user}&${query}`)).interventions.map((i) => i.id);
	for (const hit of ["", "channel=in_app", "status=planned", "status=sent,planned",
		`playbook_id=${playbook}`, "status=&channel="])
		assert.deepEqual(await ids(hit), [id], hit);
	for (const miss of ["channel=email", "status=approved", `playbook_id=${ABSENT}`])
		assert.deepEqual(await ids(miss), [], miss);
	refused(await tenant.viewer.get("/api/interventions?status=open&channel=pigeon" +
		"&playbook_id=x&limit=abc&cursor=x"), 400, "status", "channel", "playbook_id", "limit");
	refused(await tenant.viewer.get("/api/interventions?cursor=x"), 400, "cursor");
});

/* One message by hand, approved and sent. */
async function sent(channel, more = {}) {
	const user = await someone();
	/* An approval is bound to the stage, which must be known first. */
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	const { id } = await make(user, { channel, subject: "A subject",
		message_body: "Hello from a person, long enough.", ...more });
	ok(await act(id, "approve"));
	await stack.batch({ tenant: tenant.id });
	return { id, user };
}

test("rollback: a mail cannot be taken back, and the answer says so", async () => {
	const { id, user } = await sent("email");
	assert.match((await the_intervention(tenant, user)).status, /^(sent|delivered)$/);
	const back = ok(await act(id, "rollback", { reason: "wrong link" }));
	assert.deepEqual([back.id, back.status, back.withdrawn], [id, "rolled_back", false]);
	assert.match(back.note, /cannot be taken back/);
	const [log] = await stack.sql("select from_status, actor, reason from intervention_log" +
		" where tenant_id = $1 and intervention_id = $2 and to_status = 'rolled_back'",
		tenant.id, id);
	assert.match(log.from_status, /^(sent|delivered)$/);
	assert.match(log.actor, /^key:/);
	assert.equal(log.reason, "wrong link");
	assert.equal((await the_intervention(tenant, user)).reason, "wrong link");
	assert.equal(refused(await act(id, "rollback"), 404).code, "not_delivered");
});

test("rollback: what is in the product is withdrawn, what waits is not sent", async () => {
	const shown = await sent("in_app");
	const back = ok(await act(shown.id, "rollback", {}));
	assert.deepEqual([back.status, back.withdrawn], ["rolled_back", true]);
	assert.match(back.note, /no longer shown/);

	const user = await someone();
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	const { id } = await make(user);
	assert.equal(refused(await act(id, "rollback"), 404).code, "not_delivered");
	ok(await act(id, "approve"));
	const early = ok(await act(id, "rollback"));
	assert.deepEqual([early.status, early.withdrawn], ["rolled_back", true]);
	await stack.batch({ tenant: tenant.id });
	assert.equal((await the_intervention(tenant, user)).status, "rolled_back");
	assert.ok(!stack.mails().some((mail) => mail.includes(`${user}@`)));
	refused(await act(id, "rollback", { reason: 7 }), 400, "reason");
	refused(await act(id, "rollback", { reason: "x".repeat(2001) }), 400, "reason");
});

test("flag: any status, a reason is needed, the log names who", async () => {
	const fresh = await someone();
	const planned = await make(fresh);
	const gone = await sent("email");
	for (const [id, user] of [[planned.id, fresh], [gone.id, gone.user]]) {
		const { status } = await the_intervention(tenant, user);
		assert.deepEqual(ok(await act(id, "flag", { reason: "too pushy" })), { id, flagged: true });
		ok(await act(id, "flag", { reason: "wrong name" }));
		const seen = await the_intervention(tenant, user);
		assert.deepEqual([seen.flagged, seen.flag_reason, seen.status],
			[true, "wrong name", status]);
		const log = await stack.sql("select actor, after from audit_log where tenant_id = $1" +
			" and action = 'intervention.flag' and object = $2", tenant.id, id);
		assert.equal(log.length, 2);
		assert.match(log[0].actor, /^key:/);
		assert.ok(!JSON.stringify(log).includes("pushy"));
	}
	refused(await act(planned.id, "flag", {}), 400, "reason");
	refused(await act(planned.id, "flag", { reason: "" }), 400, "reason");
	refused(await act(planned.id, "flag", { reason: ["x"] }), 400, "reason");
});

test("a failed message is sent again as a copy, once, when somebody approves", async () => {
	const resend = (id, who = tenant.editor) => who.post(`/api/interventions/${id}/resend`);
	const gone = await sent("email");
	assert.equal(refused(await resend(gone.id), 404).code, "not_failed");
	await stack.sql("update interventions set status = 'failed', reason = 'outcome_unknown'" +
		" where id = $1", gone.id);
	refused(await resend(gone.id, tenant.viewer), 403);
	const copy = ok(await resend(gone.id), 201);
	assert.deepEqual([copy.status, copy.version, copy.channel, copy.resend_of],
		["planned", 1, "email", gone.id]);
	assert.equal(refused(await resend(gone.id), 404).code, "already_resent");
	const seen = ok(await tenant.viewer.get(`/api/interventions/${copy.id}`));
	const old = ok(await tenant.viewer.get(`/api/interventions/${gone.id}`));
	assert.deepEqual([seen.subject, seen.message_body, seen.source, seen.resend_of],
		[old.subject, old.message_body, "manual", gone.id]);
	assert.deepEqual([old.status, old.resend_of], ["failed", null]);
	const mails = () => stack.mails().filter((mail) => mail.includes(`${gone.user}@`)).length;
	const before = mails();
	await stack.batch({ tenant: tenant.id });
	assert.equal(mails(), before);
	ok(await act(copy.id, "approve", { version: 1 }));
	await stack.batch({ tenant: tenant.id });
	assert.equal(mails(), before + 1);
	const { id: escalation } = ok(await tenant.editor.post("/api/escalations",
		{ user_id: gone.user, playbook_id: playbook, severity: "Low", reason: "asked" }), 201);
	assert.equal(refused(await resend(escalation), 404).code, "is_escalation");
	for (const bad of [ABSENT, "int_abc123"])
		assert.equal(refused(await resend(bad), 404).code, "not_found");
});

test("viewers and ingest keys may not move or flag", async () => {
	const { id } = await make(await someone());
	for (const client of [tenant.viewer, tenant.ingest])
		for (const verb of ["approve", "pause", "reject", "rollback", "flag"])
			refused(await client.put(`/api/interventions/${id}/${verb}`, { reason: "x" }), 403);
});

test("two people at once: one wins, the log shows both", async () => {
	const PASSWORD = "correct horse battery staple";
	const people = [];
	for (const name of ["ann", "bob"]) {
		await stack.member(tenant, `${name}@members.example`, "editor", PASSWORD);
		people.push(stack.client.as({ key: ok(await stack.client.post("/api/auth/login",
			{ email: `${name}@members.example`, password: PASSWORD })).token }));
	}
	for (const [verbs, codes] of [
		[["approve", "approve"], ["not_planned"]],
		[["approve", "reject"], ["not_planned"]],
		[["reject", "reject"], ["not_planned"]],
		[["rollback", "rollback"], ["not_delivered"]]])
		for (let round = 0; round < 4; round++) {
			const { id } = await make(await someone());
			if (verbs[0] === "rollback")
				ok(await act(id, "approve"));
			const answers = await Promise.all(people.map((person, n) => person.put(
				`/api/interventions/${id}/${verbs[n]}`, { reason: "x" })));
			const lost = answers.findIndex((a) => a.status !== 200);
			assert.equal(answers.filter((a) => a.status === 200).length, 1, verbs.join());
			assert.ok(codes.includes(refused(answers[lost], 404).code));
			const won = await stack.sql("select actor from intervention_log where" +
				" tenant_id = $1 and intervention_id = $2 order by at desc, id desc limit 1",
				tenant.id, id);
			const refusals = await stack.sql("select actor, after from audit_log where" +
				" tenant_id = $1 and object = $2 and action = 'intervention.refused'",
				tenant.id, id);
			assert.equal(refusals.length, 1);
			assert.deepEqual(refusals[0].after, { verb: verbs[lost].replace("rollback", "roll_back"),
				code: answers[lost].body.code });
			assert.match(won[0].actor, /^person:/);
			assert.match(refusals[0].actor, /^person:/);
			assert.notEqual(won[0].actor, refusals[0].actor);
		}
});

test("dry-run shows clauses and gates, and stores nothing", async () => {
	const shop = await stack.tenant("Dry");
	const user = await drift(shop.ingest, new_user());
	const id = await activate(shop, win_back());
	await stack.batch({ tenant: shop.id, stage: "refresh" });
	const count = async () => (await stack.sql("select" +
		" (select count(*) from decisions where tenant_id = $1) +" +
		" (select count(*) from interventions where tenant_id = $1) +" +
		" (select count(*) from candidates where tenant_id = $1) +" +
		" (select count(*) from gate_results where tenant_id = $1) as n", shop.id))[0].n;
	const before = await count();
	const run = ok(await shop.viewer.post("/api/interventions/dry-run", { user_id: user }));
	assert.equal(run.dry_run, true);
	assert.equal(run.decision.action, "intervene");
	assert.equal(run.decision.playbook_id, id);
	assert.equal(run.decision.channel, "email");
	assert.ok(run.decision.confidence > 0 && run.decision.confidence <= 1);
	assert.ok(run.decision.reasoning.length > 10);
	const seen = run.rules.playbooks.find((p) => p.id === id);
	assert.equal(seen.matched, true);
	assert.ok(seen.clauses.length >= 2 && seen.clauses.every((c) => c.result));
	for (const gate of ["kill_switch", "opted_out", "cooldown", "frequency_cap"])
		assert.ok(seen.gates.some((g) => g.name === gate && g.open), gate);
	assert.equal(run.context.lifecycle_stage, "at_risk");
	assert.equal(run.context.matched_playbooks, 1);
	assert.equal(await count(), before);

	ok(await shop.editor.put(`/api/customers/${user}/preferences`, { opted_out: true }));
	const out = ok(await shop.viewer.post("/api/interventions/dry-run", { user_id: user }));
	assert.notEqual(out.decision.action, "intervene");
	assert.ok(!("channel" in out.decision));
	assert.ok(out.rules.playbooks[0].gates.some((g) => g.name === "opted_out" && !g.open));
	refused(await shop.viewer.post("/api/interventions/dry-run", { user_id: "nobody" }), 404);
	refused(await shop.viewer.post("/api/interventions/dry-run", { user_id: 7 }), 400, "user_id");
});

test("a decision repeats itself to the byte", async () => {
	const shop = await stack.tenant("Same");
	const user = await drift(shop.ingest, new_user());
	await activate(shop, win_back());
	await stack.batch({ tenant: shop.id, stage: "refresh" });
	const ask = async () => (await shop.viewer.post("/api/interventions/dry-run",
		{ user_id: user })).body;
	const [one, two] = [await ask(), await ask()];
	assert.deepEqual(one.decision, two.decision);
	assert.equal((await interventions(shop)).length, 0);
});
