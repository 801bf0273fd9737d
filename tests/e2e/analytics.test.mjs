/* Analytics: each figure against rows that are counted by hand. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, days_ago, drift, interventions, new_user, ok, refused, win_back } from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop());

const get = async (tenant, range) =>
	ok(await tenant.viewer.get("/api/analytics" + (range ? `?range=${range}` : "")));
const count = (rows, key, value) => rows.find((r) => r[key] === value)?.count ?? 0;

test("an empty tenant has zeros, and no range but three", async () => {
	const tenant = await stack.tenant();
	for (const range of [undefined, "7d", "30d", "90d"]) {
		const seen = await get(tenant, range);
		assert.equal(seen.range, range ?? "30d");
		assert.deepEqual(seen.kpis, { total_users: 0, total_interventions: 0,
			positive_outcome_rate: 0, churn_rate: 0, retention_rate: 0 });
		assert.deepEqual(seen.top_playbooks, []);
	}
	for (const range of ["", "1d", "30", "all", "7D"])
		refused(await tenant.viewer.get(`/api/analytics?range=${range}`), 400, "range");
});

test("an import of history is no wave of churn", async () => {
	const tenant = await stack.tenant();
	const lived = async (...idle) => {
		const user = new_user("imported");
		ok(await tenant.ingest.track(...idle.map((days) =>
			({ user_id: user, event: "login", timestamp: days_ago(days) }))));
		return user;
	};
	const [long, lately] = [await lived(120, 100), await lived(60, 50, 35)];
	for (let i = 0; i < 3; i++)
		await lived(60, 20, 10, 1);
	/* Churned 15 days ago and came back: not lost. */
	const back = await lived(60, 45, 3);
	await stack.batch({ tenant: tenant.id });
	const since = async (user) => {
		const { customer } = ok(await tenant.viewer.get(`/api/customers/${user}`));
		assert.equal(customer.lifecycle_stage, "churned");
		return Math.round((Date.now() - new Date(customer.stage_since)) / 864e5);
	};
	assert.deepEqual([await since(long), await since(lately)], [70, 5]);
	assert.equal(ok(await tenant.viewer.get(`/api/customers/${back}`)).customer.lifecycle_stage, "recovered");
	for (const [range, rate] of [["7d", 1 / 5], ["30d", 1 / 5]])
		assert.equal((await get(tenant, range)).kpis.churn_rate, rate, range);
});

test("figures of known lives and outcomes", async () => {
	const tenant = await stack.tenant();
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const playbook = await activate(tenant, win_back());
	const users = [];
	for (let i = 0; i < 5; i++)
		users.push(await drift(tenant.ingest, new_user("figures")));
	for (let i = 0; i < 2; i++)
		await stack.batch({ tenant: tenant.id });
	const messages = await interventions(tenant);
	assert.equal(messages.length, 5);

	/* Outcomes as the pipeline would measure them, two days after sending. */
	const outcomes = ["positive", "positive", "negative", "neutral"];
	for (const [n, outcome] of outcomes.entries()) {
		await stack.sql("update outcomes set outcome = $3, measured_at = now()" +
			" where tenant_id = $1 and intervention_id = $2",
			tenant.id, messages[n].id, outcome);
		await stack.sql("update interventions set sent_at = now() - interval '2 days'" +
			" where tenant_id = $1 and id = $2", tenant.id, messages[n].id);
	}
	/* One of the five churned this week, of whom one else came back. */
	await stack.sql("update customers set lifecycle_stage = 'churned', stage_since = now()" +
		" where tenant_id = $1 and user_id = $2", tenant.id, users[4]);
	await stack.sql("insert into score_ledger (tenant_id, user_id, id, at, what, old_value," +
		" new_value, cause, stage, parts) values ($1, $2, gen_random_uuid(), now(), 'stage'," +
		" 'at_risk', 'recovered', 'events', 'recovered', '{}')", tenant.id, messages[0].user_id);

	const seen = await get(tenant, "7d");
	assert.deepEqual(seen.kpis, { total_users: 5, total_interventions: 5,
		positive_outcome_rate: 0.5, churn_rate: 0.2, retention_rate: 0.8 });
	assert.equal(seen.roi.recovered_users, 1);
	assert.equal(seen.roi.intervention_success_rate, 0.5);
	assert.ok(Math.abs(seen.roi.avg_time_to_outcome_days - 2) < 0.01);
	assert.deepEqual(seen.roi.outcomes_by_lifecycle_area.map(
		({ positive, negative, neutral }) => [positive, negative, neutral]), [[2, 1, 1]]);
	assert.equal(count(seen.lifecycle_distribution, "lifecycle_stage", "churned"), 1);
	assert.equal(seen.risk_distribution.reduce((n, r) => n + r.count, 0), 5);
	assert.equal(count(seen.intervention_stats, "status", "delivered"), 5);
	assert.equal(count(seen.outcome_stats, "outcome", "positive"), 2);
	assert.deepEqual(seen.top_playbooks, [{ playbook_id: playbook, name: "Win back",
		interventions: 5, sent: 5, positive: 2, measured: 4, success_rate: 0.5 }]);
	assert.equal(seen.lifecycle_area_breakdown[0].sent, 5);

	/* What is older than the range is not in it. */
	await stack.sql("update interventions set planned_at = now() - interval '8 days'" +
		" where tenant_id = $1", tenant.id);
	assert.equal((await get(tenant, "7d")).kpis.total_interventions, 0);
	assert.equal((await get(tenant, "30d")).kpis.total_interventions, 5);
	/* Nobody else's. */
	assert.equal((await get(await stack.tenant())).kpis.total_users, 0);
});

test("a config that is odd but allowed does not break it", async () => {
	const tenant = await stack.tenant();
	ok(await tenant.admin.patch("/api/settings", { config: { attribution_days: 14.0 } }));
	await stack.sql("update tenant_settings set config = config ||" +
		" '{\"attribution_days\": 14.0}' where tenant_id = $1", tenant.id);
	ok(await tenant.viewer.get("/api/analytics"));
});

test("the batch keeps a count of each day, and charts have it", async () => {
	const tenant = await stack.tenant();
	for (let i = 0; i < 3; i++)
		await drift(tenant.ingest, new_user("daily"));
	await stack.batch({ tenant: tenant.id });
	await stack.sql("insert into daily_counts select tenant_id, day - 1, what, value," +
		" customers + 1 from daily_counts where tenant_id = $1", tenant.id);
	await stack.sql("insert into daily_counts select tenant_id, day - 60, what, value," +
		" customers from daily_counts where tenant_id = $1", tenant.id);
	const { daily } = await get(tenant, "7d");
	assert.equal(daily.length, 2);
	assert.ok(daily[0].day < daily[1].day);
	const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);
	for (const counts of [daily[1].stages, daily[1].risks, daily[1].health])
		assert.equal(sum(counts), 3);
	assert.ok(sum(daily[0].stages) > 3);
	assert.equal((await get(tenant, "90d")).daily.length, 4);
});

test("a large tenant is counted by its days", async () => {
	const tenant = await stack.tenant();
	const put = (days, what, counts) => Promise.all(Object.entries(counts).map(
		([value, n]) => stack.sql("insert into daily_counts values ($1," +
			" (now() at time zone 'UTC')::date - $2::int, $3, $4, $5)",
			tenant.id, days, what, value, n)));
	await put(8, "stage", { active: 40000, churned: 1000 });
	await put(0, "stage", { active: 59000, churned: 1000, recovered: 0 });
	await put(0, "risk", { low: 59999, critical: 1 });
	const user = await drift(tenant.ingest, new_user("large"));
	await stack.sql("update customers set lifecycle_stage = 'churned', stage_since = now()," +
		" first_activity_at = now() - interval '20 days'" +
		" where tenant_id = $1 and user_id = $2", tenant.id, user);
	for (const [range, base] of [["7d", 40000], ["30d", 40000]]) {
		const seen = await get(tenant, range);
		assert.equal(seen.kpis.total_users, 60000);
		/* In 30 days the customer was not there before the range. */
		assert.equal(seen.kpis.churn_rate, range === "7d" ? 1 / base : 0);
		assert.deepEqual(seen.lifecycle_distribution.map((r) => [r.lifecycle_stage, r.count]),
			[["active", 59000], ["churned", 1000]]);
		assert.equal(count(seen.risk_distribution, "risk_level", "critical"), 1);
	}
});

test("a message that never arrived counts for nothing", async () => {
	const tenant = await stack.tenant();
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	await activate(tenant, win_back());
	await drift(tenant.ingest, new_user("undelivered"));
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id });
	const [{ id }] = await interventions(tenant);
	ok(await tenant.editor.put(`/api/interventions/${id}/rollback`, {}));
	await stack.batch({ tenant: tenant.id });
	const seen = await get(tenant);
	assert.deepEqual(seen.outcome_stats, []);
	assert.equal(count(seen.intervention_stats, "status", "rolled_back"), 1);
	assert.equal(seen.top_playbooks[0].success_rate, 0);
});
