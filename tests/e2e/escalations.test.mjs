/* Escalations: raised by playbooks and by hand, handled, delegated. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { add_endpoint, new_secret } from "./lib/endpoints.mjs";
import { HookServer } from "./lib/hooks.mjs";
import { activate, at, DAY, drift, interventions, new_user, ok, refused, the_intervention, win_back } from "./lib/cases.mjs";

const ABSENT = "01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d";
const SEVERITIES = ["Critical", "High", "Medium", "Low"];
let stack, hooks, tenant, playbook;

before(async () => {
	hooks = await new HookServer(new_secret()).start();
	stack = await start_stack({ mail: true });
	tenant = await stack.tenant();
	playbook = ok(await tenant.editor.post("/api/playbooks", win_back()), 201).id;
});
after(async () => {
	await stack?.stop();
	await hooks?.stop();
});

const someone = (shop = tenant) => drift(shop.ingest, new_user());
const raise = async (user_id, more = {}) => ok(await tenant.editor.post("/api/escalations",
	{ user_id, playbook_id: playbook, severity: "High", reason: "Asked how to leave.",
		...more }), 201);
const act = (id, verb, body, client = tenant.editor) =>
	client.put(`/api/escalations/${id}/${verb}`, body);
const list = async (query = "", shop = tenant) =>
	ok(await shop.viewer.get(`/api/escalations${query}`)).escalations;
const of_user = async (user, shop = tenant) => {
	const all = await list(`?user_id=${user}`, shop);
	assert.equal(all.length, 1, JSON.stringify(all));
	return all[0];
};
const log_of = (id, shop = tenant) => stack.sql("select from_status, to_status, actor, reason" +
	" from intervention_log where tenant_id = $1 and intervention_id = $2 order by at, id",
	shop.id, id);

test("raised by hand: open, with its severity and reason", async () => {
	for (const severity of SEVERITIES) {
		const user = await someone();
		const made = await raise(user, { severity });
		assert.equal(made.status, "open");
		const seen = await of_user(user);
		assert.equal(seen.id, made.id);
		assert.equal(seen.status, "open");
		assert.equal(seen.severity, severity);
		assert.equal(seen.reasoning, "Asked how to leave.");
		assert.equal(seen.suggested_action, "come back");
		assert.equal(seen.source, "manual");
		assert.deepEqual([seen.handled_by, seen.outcome, seen.handled_at, seen.action_taken],
			[null, null, null, null]);
		assert.ok(Date.parse(seen.created_at));
	}
});

test("an escalation is an intervention, and nothing sends or approves it", async () => {
	const user = await someone();
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const { id } = await raise(user);
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id, now: at(9 * DAY) });
	assert.equal((await of_user(user)).status, "open");
	const [row] = (await interventions(tenant, user));
	assert.deepEqual([row.id, row.channel, row.status], [id, "escalate", "planned"]);
	const only = ok(await tenant.viewer.get("/api/interventions?channel=escalate&limit=100"));
	assert.ok(only.interventions.length > 0
		&& only.interventions.every((i) => i.channel === "escalate"));
	for (const verb of ["approve", "pause", "reject", "rollback"])
		assert.equal(refused(await tenant.editor.put(`/api/interventions/${id}/${verb}`,
			{ reason: "x" }), 404).code, "is_escalation");
	ok(await tenant.editor.put(`/api/interventions/${id}/flag`, { reason: "not a case" }));
	assert.equal((await of_user(user)).flagged, true);
	assert.equal((await of_user(user)).status, "open");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "suggest_only" }));
});

test("create: bad fields are 400, unknown customer or playbook 404", async () => {
	const user = await someone();
	const good = { user_id: user, playbook_id: playbook, severity: "Low", reason: "x" };
	const post = (change) => tenant.editor.post("/api/escalations", { ...good, ...change });
	refused(await tenant.editor.post("/api/escalations", {}), 400,
		"user_id", "playbook_id", "severity", "reason");
	for (const severity of ["high", "HIGH", "Urgent", "", 1, null])
		refused(await post({ severity }), 400, "severity");
	refused(await post({ reason: "", playbook_id: "pb_1", user_id: "" }), 400,
		"reason", "playbook_id", "user_id");
	refused(await post({ user_id: "nobody" }), 404);
	refused(await post({ playbook_id: ABSENT }), 404);
	assert.equal((await list(`?user_id=${user}`)).length, 0);
});

test("a playbook hands the case to a person: same list, same rows", async () => {
	const shop = await stack.tenant("Auto");
	ok(await shop.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const id = await activate(shop, win_back({ strategy_hints: {
		escalate_when: { team_size: { gte: 50 } } } }));
	const large = await drift(shop.ingest, new_user(), { team_size: 60 });
	const small = await drift(shop.ingest, new_user(), { team_size: 3 });
	await stack.batch({ tenant: shop.id });
	await stack.batch({ tenant: shop.id });
	const seen = await of_user(large, shop);
	assert.deepEqual([seen.status, seen.source, seen.playbook_id], ["open", "automatic", id]);
	assert.match(seen.reasoning, /hands such cases to a person/);
	assert.equal(seen.suggested_action, "come back");
	const { customer } = ok(await shop.viewer.get(`/api/customers/${large}`));
	assert.equal(seen.severity.toLowerCase(), customer.risk_level);
	assert.equal((await the_intervention(shop, large)).id, seen.id);
	assert.notEqual((await the_intervention(shop, small)).channel, "escalate");
	assert.equal((await list("", shop)).length, 1);
	/* Both ways of ending work on it, and the pipeline leaves it alone after. */
	const done = ok(await act(seen.id, "handle", { action_taken: "Called them." }, shop.editor));
	assert.equal(done.status, "handled");
	await stack.batch({ tenant: shop.id });
	assert.equal((await of_user(large, shop)).status, "handled");
	assert.deepEqual((await log_of(seen.id, shop)).map((l) => [l.to_status, l.actor.split(":")[0]]),
		[["planned", "batch"], ["handled", "key"]]);
});

test("handle: what was done and what came of it", async () => {
	for (const outcome of ["positive", "negative", "neutral", "pending", undefined]) {
		const user = await someone();
		const { id } = await raise(user);
		const done = ok(await act(id, "handle", { action_taken: "Called them.", outcome }));
		assert.deepEqual([done.id, done.status], [id, "handled"]);
		const seen = await of_user(user);
		assert.deepEqual([seen.status, seen.action_taken, seen.outcome],
			["handled", "Called them.", outcome ?? null]);
		assert.match(seen.handled_by, /^key:/);
		assert.ok(Date.parse(seen.handled_at));
		const log = await log_of(id);
		assert.deepEqual(log.map((l) => l.to_status), ["planned", "handled"]);
		assert.equal(log[1].actor, seen.handled_by);
		assert.equal(log[1].reason, "Called them.");
		assert.equal(refused(await act(id, "handle", { action_taken: "Again." }), 404).code,
			"not_open");
		assert.equal(refused(await act(id, "delegate", {}), 404).code, "not_open");
		assert.equal((await of_user(user)).action_taken, "Called them.");
	}
});

test("handle: bad fields are 400 and change nothing", async () => {
	const user = await someone();
	const { id } = await raise(user);
	refused(await act(id, "handle", {}), 400, "action_taken");
	refused(await act(id, "handle", { action_taken: 3, outcome: "great" }), 400,
		"action_taken", "outcome");
	refused(await act(id, "handle", { action_taken: "x".repeat(2001) }), 400, "action_taken");
	refused(await act(id, "handle", [], tenant.editor), 400);
	assert.equal((await of_user(user)).status, "open");
});

test("a known outcome is told to who listens", async () => {
	const shop = await stack.tenant("Hooks");
	await add_endpoint(stack, shop, hooks);
	const id = ok(await shop.editor.post("/api/playbooks", win_back()), 201).id;
	const user = await someone(shop);
	const made = ok(await shop.editor.post("/api/escalations", { user_id: user,
		playbook_id: id, severity: "Low", reason: "r" }), 201);
	ok(await act(made.id, "handle", { action_taken: "x", outcome: "negative" }, shop.editor));
	const [row] = await stack.sql("select payload from outbox where tenant_id = $1" +
		" and type = 'outcome.recorded'", shop.id);
	const body = JSON.parse(row.payload);
	assert.deepEqual([body.intervention_id, body.user_id, body.outcome],
		[made.id, user, "negative"]);
	/* And counts for its playbook. */
	const [{ positive, measured }] = await stack.sql("select positive::int, measured::int" +
		" from playbook_results where tenant_id = $1 and playbook_id = $2", shop.id, id);
	assert.deepEqual([positive, measured], [0, 1]);
});

test("delegate: a linked message that waits for approval", async () => {
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	for (const [body, channel] of [[undefined, "email"], [{}, "email"],
		[{ channel: "email" }, "email"], [{ channel: "in_app" }, "in_app"],
		[{ channel: "webhook" }, "webhook"], [{ channel: "crm" }, "crm"]]) {
		const user = await someone();
		const { id } = await raise(user);
		const done = ok(await act(id, "delegate", body));
		assert.deepEqual([done.id, done.status], [id, "delegated"]);
		await stack.batch({ tenant: tenant.id });
		const seen = await of_user(user);
		assert.deepEqual([seen.status, seen.intervention_id, seen.outcome],
			["delegated", done.intervention_id, null]);
		assert.match(seen.handled_by, /^key:/);
		const all = await interventions(tenant, user);
		assert.equal(all.length, 2);
		const message = all.find((i) => i.id === done.intervention_id);
		assert.deepEqual([message.status, message.channel, message.escalation_id,
			message.playbook_id], ["planned", channel, id, playbook]);
		assert.match(message.message_body, /Hi Ada/);
		assert.ok(message.quality_checks);
		assert.deepEqual((await log_of(id)).map((l) => l.to_status), ["planned", "delegated"]);
		assert.deepEqual((await log_of(message.id)).map((l) => l.to_status), ["planned"]);
		assert.equal(refused(await act(id, "delegate", body), 404).code, "not_open");
		assert.equal(refused(await act(id, "handle", { action_taken: "x" }), 404).code, "not_open");
	}
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "suggest_only" }));
});

test("a delegated message is approved and sent like any other", async () => {
	const user = await someone();
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	const { intervention_id } = ok(await act((await raise(user)).id, "delegate"));
	ok(await tenant.editor.put(`/api/interventions/${intervention_id}/approve`));
	await stack.batch({ tenant: tenant.id });
	const message = (await interventions(tenant, user)).find((i) => i.id === intervention_id);
	assert.match(message.status, /^(sent|delivered)$/);
	assert.equal((await of_user(user)).outcome, "pending");
});

test("an unknown channel is 400 and changes nothing", async () => {
	const user = await someone();
	const { id } = await raise(user);
	for (const channel of ["pigeon", "escalate", "", "EMAIL", 5, []])
		refused(await act(id, "delegate", { channel }), 400, "channel");
	assert.equal((await of_user(user)).status, "open");
	assert.equal((await interventions(tenant, user)).length, 1);
});

test("many at once: one handles or delegates, the others get 404", async () => {
	const PASSWORD = "correct horse battery staple";
	const people = [];
	for (const name of ["cid", "dee"]) {
		await stack.member(tenant, `${name}@members.example`, "editor", PASSWORD);
		people.push(stack.client.as({ key: ok(await stack.client.post("/api/auth/login",
			{ email: `${name}@members.example`, password: PASSWORD })).token }));
	}
	for (const verbs of [["handle", "handle"], ["handle", "delegate"], ["delegate", "delegate"]])
		for (let round = 0; round < 4; round++) {
			const user = await someone();
			const { id } = await raise(user);
			const answers = await Promise.all([0, 1, 0, 1].map((n) => act(id, verbs[n],
				{ action_taken: `by ${n}`, outcome: "positive", channel: "in_app" }, people[n])));
			const won = answers.filter((a) => a.status === 200);
			assert.equal(won.length, 1, verbs.join());
			for (const answer of answers.filter((a) => a.status !== 200))
				assert.equal(refused(answer, 404).code, "not_open");
			const log = await log_of(id);
			assert.deepEqual(log.map((l) => l.to_status), ["planned", won[0].body.status]);
			assert.match(log[1].actor, /^person:/);
			const lost = await stack.sql("select actor from audit_log where tenant_id = $1" +
				" and object = $2 and action = 'intervention.refused'", tenant.id, id);
			assert.equal(lost.length, 3);
			assert.ok(lost.some((l) => l.actor !== log[1].actor));
			const messages = (await interventions(tenant, user)).filter((i) => i.id !== id);
			assert.equal(messages.length, won[0].body.status === "delegated" ? 1 : 0);
		}
});

test("absent, foreign and malformed ids are 404, and nothing changes", async () => {
	const other = await stack.tenant("Other");
	const their = ok(await other.editor.post("/api/playbooks", win_back()), 201).id;
	const user = await someone(other);
	const { id } = ok(await other.editor.post("/api/escalations", { user_id: user,
		playbook_id: their, severity: "Low", reason: "theirs" }), 201);
	const message = ok(await tenant.editor.post("/api/interventions", { user_id: await someone(),
		playbook_id: playbook, channel: "in_app", message_body: "Hi" }), 201).id;
	for (const bad of [id, ABSENT, message, "esc_abc123", "%20", "x".repeat(500)]) {
		assert.equal(refused(await act(bad, "handle", { action_taken: "x" }), 404).code, "not_found");
		assert.equal(refused(await act(bad, "delegate", {}), 404).code, "not_found");
	}
	assert.equal((await of_user(user, other)).status, "open");
	assert.deepEqual((await log_of(id, other)).map((l) => l.to_status), ["planned"]);
	assert.equal((await list(`?user_id=${user}`)).length, 0);
	refused(await tenant.editor.post("/api/escalations", { user_id: user, playbook_id: their,
		severity: "Low", reason: "x" }), 404);
	refused(await tenant.editor.post("/api/escalations", { user_id: await someone(),
		playbook_id: their, severity: "Low", reason: "x" }), 404);
});

test("viewers may look, ingest keys may not", async () => {
	const { id } = await raise(await someone());
	const body = { user_id: "u", playbook_id: playbook, severity: "Low", reason: "x" };
	for (const client of [tenant.viewer, tenant.ingest]) {
		refused(await client.post("/api/escalations", body), 403);
		refused(await act(id, "handle", { action_taken: "x" }, client), 403);
		refused(await act(id, "delegate", {}, client), 403);
	}
	refused(await tenant.ingest.get("/api/escalations"), 403);
	refused(await stack.client.get("/api/escalations"), 401);
	ok(await tenant.viewer.get("/api/escalations"));
});

test("list: newest first, 20 by default, at most 100, filters", async () => {
	const shop = await stack.tenant("List");
	const id = ok(await shop.editor.post("/api/playbooks", win_back()), 201).id;
	const users = [await someone(shop), await someone(shop)];
	const made = [];
	for (let n = 0; n < 23; n++)
		made.push(ok(await shop.editor.post("/api/escalations", { user_id: users[n % 2],
			playbook_id: id, severity: SEVERITIES[n % 4], reason: `n${n}` }), 201).id);
	const get = async (query) => ok(await shop.viewer.get(`/api/escalations${query}`));
	const first = await get("");
	assert.equal(first.escalations.length, 20);
	assert.equal(first.escalations[0].reasoning, "n22");
	const rest = await get(`?cursor=${encodeURIComponent(first.next_cursor)}`);
	assert.deepEqual(rest.escalations.map((e) => e.reasoning), ["n2", "n1", "n0"]);
	assert.equal(rest.next_cursor ?? null, null);
	assert.equal((await get("?limit=100")).escalations.length, 23);
	assert.equal((await get("?limit=1")).escalations.length, 1);
	ok(await act(made[0], "handle", { action_taken: "x" }, shop.editor));
	ok(await act(made[1], "delegate", {}, shop.editor));
	const count = async (query) => (await get(`?limit=100&${query}`)).escalations.length;
	assert.equal(await count("status=open"), 21);
	assert.equal(await count("status=handled"), 1);
	assert.equal(await count("status=handled,delegated"), 2);
	assert.equal(await count("severity=Critical"), 6);
	assert.equal(await count(`user_id=${users[0]}`), 12);
	assert.equal(await count(`playbook_id=${id}`), 23);
	assert.equal(await count(`playbook_id=${ABSENT}`), 0);
	for (const bad of ["abc", "0", "-5", "1.5", "", "101", "99999999999999999999"])
		refused(await shop.viewer.get(`/api/escalations?limit=${bad}`), 400, "limit");
	refused(await shop.viewer.get("/api/escalations?status=planned&severity=low&playbook_id=x"),
		400, "status", "severity", "playbook_id");
	refused(await shop.viewer.get("/api/escalations?cursor=x"), 400, "cursor");
	/* A cursor of another list is none of this one. */
	const other = ok(await shop.viewer.get("/api/interventions?limit=1")).next_cursor;
	refused(await shop.viewer.get(`/api/escalations?cursor=${encodeURIComponent(other)}`), 400, "cursor");
});

test("an open one ends when its customer meets the exit conditions", async () => {
	const shop = await stack.tenant("Exit");
	await activate(shop, win_back({ exit_conditions: { event: { name: "came_back" } },
		strategy_hints: { escalate_when: { lifecycle_stage: "at_risk" } } }));
	const user = await someone(shop);
	await stack.batch({ tenant: shop.id });
	assert.equal((await of_user(user, shop)).status, "open");
	ok(await shop.ingest.track({ user_id: user, event: "came_back" }));
	await stack.batch({ tenant: shop.id });
	const seen = await of_user(user, shop);
	assert.equal(seen.status, "cancelled");
	assert.equal(refused(await act(seen.id, "handle", { action_taken: "x" }, shop.editor), 404).code,
		"not_open");
});
