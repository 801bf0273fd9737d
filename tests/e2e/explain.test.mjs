/* Why a customer is as it is, and why a playbook writes or does not. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, days_ago, drift, new_user, ok, refused, win_back } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack({ mail: true });
	tenant = await stack.tenant();
});
after(() => stack?.stop());

const explain = async (user) =>
	ok(await tenant.viewer.get(`/api/customers/${encodeURIComponent(user)}/explain`));
const why = async (playbook, user) => ok(await tenant.viewer.get(
	`/api/playbooks/${playbook}/why?user_id=${encodeURIComponent(user)}`));
const mean = ({ parts }) => parts.reduce((sum, p) => sum + p.weight * p.value, 0)
	/ parts.reduce((sum, p) => sum + p.weight, 0);

test("the parts of a customer's scores add up to what is shown", async () => {
	const user = await drift(tenant.ingest, new_user("why"));
	const fresh = await explain(user);
	assert.equal(fresh.scores, null);
	assert.deepEqual(fresh.changes, []);
	await stack.batch({ tenant: tenant.id });
	const seen = await explain(user);
	const { customer } = ok(await tenant.viewer.get(`/api/customers/${user}`));
	for (const score of ["health", "risk", "activation", "engagement"])
		assert.ok(Math.abs(mean(seen.scores[score]) - seen.scores[score].value) < 0.001,
			`${score}: ${JSON.stringify(seen.scores[score])}`);
	assert.equal(Math.round(100 * mean(seen.scores.health)), customer.health);
	assert.equal(seen.health, customer.health);
	const part = (score, name) => seen.scores[score].parts.find((p) => p.name === name).value;
	assert.ok(Math.abs(part("health", "engagement") - customer.engagement_score) < 0.0001);
	assert.ok(Math.abs(1 - part("health", "safety") - seen.risk_score) < 0.0001);
	assert.deepEqual([seen.lifecycle_stage, seen.scores.stage.value],
		[customer.lifecycle_stage, customer.lifecycle_stage]);
	assert.equal(customer.lifecycle_stage, "at_risk");
	const change = seen.changes.find((c) => c.what === "stage");
	assert.deepEqual([change.new_value, change.cause], ["at_risk", "events"]);
	/* No playbook is active: time has nothing to change. */
	assert.equal(seen.next_eval_at, null);
});

test("a change of config is told from one of events and of time", async () => {
	const user = await drift(tenant.ingest, new_user("why"));
	await stack.batch({ tenant: tenant.id });
	ok(await tenant.admin.patch("/api/settings", { config: { lifecycle:
		{ at_risk_days: 12, churned_days: 40 } } }));
	await stack.batch({ tenant: tenant.id });
	const seen = await explain(user);
	assert.deepEqual(seen.lifecycle, { new_max_days: 1, onboarding_max_days: 14, at_risk_days: 12,
		churned_days: 40, recovered_days: 14, drop_min_events: 10, drop_days: 14, drop_ratio: 0.5, churn_events: [] });
	assert.ok(seen.changes.some((c) => c.cause === "config"), JSON.stringify(seen.changes));
	ok(await tenant.admin.patch("/api/settings", { config: { lifecycle: null } }));
});

test("the numbers that decided the stage", async () => {
	ok(await tenant.admin.patch("/api/settings", { config: {
		milestones: [{ name: "created", event: "report_created" }, { name: "invited", event: "invite_sent" },
			{ name: "often", event: "login", onboarding: false, retention: true }],
		lifecycle: { churn_events: ["cancelled"] } } }));
	const user = await drift(tenant.ingest, new_user("facts"), {}, 20);
	await stack.batch({ tenant: tenant.id });
	const { stage_facts, lifecycle, scores } = await explain(user);
	assert.deepEqual(stage_facts, { days_silent: 20, days_known: 32, events: 0,
		events_before: 3, days_since_churn_event: null, milestones_missing: ["invited"] });
	assert.deepEqual([scores.stage.value, scores.stage.reason], ["at_risk", "no_activity"]);
	assert.ok(stage_facts.days_silent >= lifecycle.at_risk_days);
	ok(await tenant.ingest.track({ user_id: user, event: "cancelled", timestamp: days_ago(3) }));
	await stack.batch({ tenant: tenant.id });
	const gone = await explain(user);
	assert.deepEqual([gone.stage_facts.days_since_churn_event, gone.stage_facts.days_silent,
		gone.scores.stage.reason], [3, 3, "churn_event"]);
	ok(await tenant.admin.patch("/api/settings", { config: { milestones: null, lifecycle: null } }));
});

test("which daily budget is spent", async () => {
	const [one, two] = [await drift(tenant.ingest, new_user("budget")),
		await drift(tenant.ingest, new_user("budget"))];
	const only = win_back({ constraints: { max_per_day: 1, channels: ["in_app"] },
		entry_conditions: { "properties.day": "x" } });
	for (const user of [one, two])
		ok(await tenant.ingest.track({ user_id: user, event: "$identify", properties: { day: "x" } }));
	const id = await activate(tenant, only);
	for (let i = 0; i < 2; i++)
		await stack.batch({ tenant: tenant.id });
	const detail = async () => {
		const all = [await why(id, one), await why(id, two)];
		const closed = all.find((w) => w.closed_by === "daily_budget");
		assert.ok(closed, JSON.stringify(all.map((w) => w.closed_by)));
		return closed.gates.find((g) => g.name === "daily_budget").detail;
	};
	assert.equal(await detail(), "playbook: 1 a day, spent");
	ok(await tenant.admin.patch("/api/settings", { config: { daily_budget: 1000 } }));
	assert.equal(await detail(), "tenant: 1000 a day; playbook: 1 a day, spent");
	ok(await tenant.admin.patch("/api/settings", { config: { daily_budget: 1 } }));
	assert.equal(await detail(), "tenant: 1 a day, spent; playbook: 1 a day, spent");
	ok(await tenant.admin.patch("/api/settings", { config: { daily_budget: null } }));
	ok(await tenant.editor.put(`/api/playbooks/${id}/status`, { status: "archived" }));
});

test("why names the first gate that is closed", async () => {
	const user = await drift(tenant.ingest, new_user("why"));
	const other = new_user("busy");
	ok(await tenant.ingest.track({ user_id: other, event: "opened" }));
	await stack.batch({ tenant: tenant.id });
	const made = ok(await tenant.editor.post("/api/playbooks", win_back()), 201);
	const id = (made.playbook ?? made).id;
	assert.equal((await why(id, user)).closed_by, "playbook_active");
	ok(await tenant.editor.put(`/api/playbooks/${id}/status`, { status: "active" }));
	const open = await why(id, user);
	assert.deepEqual([open.closed_by, open.matched, open.playbook.status, open.user_id],
		[null, true, "active", user]);
	assert.ok(open.clauses.length > 0 && open.clauses.every((c) => c.result));
	assert.ok(open.gates.every((g) => g.open));
	assert.equal(open.last_intervention, null);
	const miss = await why(id, other);
	assert.deepEqual([miss.closed_by, miss.matched], ["entry", false]);
	assert.ok(miss.clauses.some((c) => !c.result && c.wanted !== undefined
		&& c.value !== undefined));

	for (let i = 0; i < 2; i++)
		await stack.batch({ tenant: tenant.id });
	const after_it = await why(id, user);
	assert.equal(after_it.last_intervention.status, "planned");
	assert.equal(after_it.closed_by, "open_intervention");
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: true }));
	assert.equal((await why(id, user)).closed_by, "kill_switch");
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: false }));
	ok(await tenant.editor.put(`/api/customers/${user}/preferences`, { opted_out: true }));
	assert.equal((await why(id, user)).closed_by, "opted_out");
});

test("what is not there, and what is not said", async () => {
	const user = await drift(tenant.ingest, new_user("why"));
	const id = await activate(tenant, win_back());
	refused(await tenant.viewer.get("/api/customers/nobody/explain"), 404);
	refused(await tenant.viewer.get(`/api/playbooks/${id}/why`), 400, "user_id");
	refused(await tenant.viewer.get(`/api/playbooks/${id}/why?user_id=`), 400, "user_id");
	refused(await tenant.viewer.get(`/api/playbooks/${id}/why?user_id=nobody`), 404);
	refused(await tenant.viewer.get(`/api/playbooks/int_1/why?user_id=${user}`), 404);
	refused(await tenant.ingest.get(`/api/customers/${user}/explain`), 403);
	refused(await tenant.ingest.get(`/api/playbooks/${id}/why?user_id=${user}`), 403);
});
