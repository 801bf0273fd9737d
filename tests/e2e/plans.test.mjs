/* What each plan allows, and what happens at its limits. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, closed_gates, days_ago, drift, interventions, new_user, ok, refused,
	win_back } from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop());

const plan = (tenant, tier) =>
	stack.admin(["tenant", "plan", "--tenant", tenant.id, tier]);

async function tenant_on(tier) {
	const tenant = await stack.tenant();
	await plan(tenant, tier);
	return tenant;
}

const create = (tenant, name = "Another") =>
	tenant.editor.post("/api/playbooks", { name });

const TIERS = [["free", 3, 1, "starter"], ["starter", 10, 3, "growth"],
	["growth", 25, 10, "scale"], ["scale", null, null, null], ["unlimited", null, null, null]];

test("retivo-admin tenant plan: sets it, with a row in the log", async () => {
	const tenant = await stack.tenant();
	const { stdout } = await plan(tenant, "growth");
	assert.equal(stdout, `tenant=${tenant.id} plan=growth\n`);
	const { tenant: seen } = ok(await tenant.viewer.get("/api/settings"));
	assert.deepEqual([seen.plan_tier, seen.plan_status, seen.tracked_user_limit],
		["growth", "active", 25000]);
	const [row] = await stack.sql("select before, after, actor from audit_log" +
		" where tenant_id = $1 and action = 'plan.set'", tenant.id);
	assert.deepEqual([row.before.plan_tier, row.after.plan_tier, row.actor],
		["unlimited", "growth", "operator"]);
	for (const words of [["--tenant", tenant.id, "gold"], ["--tenant", tenant.test_id, "free"],
		["--tenant", 999999, "free"], ["free"], ["--tenant", tenant.id]]) {
		const failed = await stack.admin(["tenant", "plan", ...words], { check: false })
			.catch((error) => error);
		assert.notEqual(failed.code ?? 1, 0, words.join(" "));
	}
	assert.equal(ok(await tenant.viewer.get("/api/settings")).tenant.plan_tier, "growth");
});

for (const [tier, playbooks, webhooks, next] of TIERS)
	test(`${tier}: playbooks and webhook endpoints`, async () => {
		const tenant = await tenant_on(tier);
		const count = playbooks ?? 27;
		for (let i = 0; i < count; i++)
			ok(await create(tenant, `Playbook ${i}`), 201);
		if (playbooks) {
			const body = refused(await create(tenant), 403);
			assert.deepEqual([body.code, body.current, body.limit, body.upgrade_to],
				["playbook_limit", playbooks, playbooks, next]);
		}
		const hook = () => tenant.admin.post("/api/webhooks/endpoints",
			{ url: "http://127.0.0.1:9/hook" });
		for (let i = 0; i < (webhooks ?? 11); i++)
			ok(await hook(), 201);
		if (webhooks) {
			const body = refused(await hook(), 403);
			assert.deepEqual([body.code, body.current, body.limit, body.upgrade_to],
				["webhook_limit", webhooks, webhooks, next]);
		}
	});

test("an archived playbook makes room, and needs room to come back", async () => {
	const tenant = await tenant_on("free");
	const made = [];
	for (let i = 0; i < 3; i++)
		made.push(ok(await create(tenant), 201).id);
	ok(await tenant.editor.delete(`/api/playbooks/${made[0]}`));
	ok(await create(tenant), 201);
	const body = refused(await tenant.editor.put(`/api/playbooks/${made[0]}/status`,
		{ status: "draft" }), 403);
	assert.deepEqual([body.current, body.limit], [3, 3]);
	await plan(tenant, "starter");
	ok(await tenant.editor.put(`/api/playbooks/${made[0]}/status`, { status: "draft" }));
});

test("two at once are not both the last one", async () => {
	const tenant = await tenant_on("free");
	ok(await create(tenant), 201);
	const answers = await Promise.all(Array.from({ length: 8 }, () => create(tenant)));
	assert.deepEqual(answers.map((a) => a.status).sort(), [201, 201, ...Array(6).fill(403)]);
	const [{ n }] = await stack.sql("select count(*) as n from playbooks" +
		" where tenant_id = $1", tenant.id);
	assert.equal(n, 3);
});

test("a smaller plan takes nothing away, and the test twin has no limits", async () => {
	const tenant = await stack.tenant();
	for (let i = 0; i < 4; i++)
		ok(await create(tenant), 201);
	await plan(tenant, "free");
	assert.equal(ok(await tenant.viewer.get("/api/playbooks")).playbooks.length, 4);
	assert.deepEqual((({ current, limit }) => [current, limit])(
		refused(await create(tenant), 403)), [4, 3]);
	const twin = stack.client.as(await stack.key(tenant.test_id, "write"));
	for (let i = 0; i < 5; i++)
		ok(await twin.post("/api/playbooks", { name: "In test" }), 201);
});

test("tracked users: the extra ones keep their events and wait for the plan", async () => {
	const tenant = await tenant_on("free");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const playbook = await activate(tenant, win_back());
	for (let first = 0; first < 250; first += 50)
		ok(await tenant.ingest.track(...Array.from({ length: 50 }, (_, i) =>
			({ user_id: `early-${first + i}`, event: "login" }))));
	await stack.batch({ tenant: tenant.id });
	const late = await drift(tenant.ingest, new_user("late"));
	await stack.batch({ tenant: tenant.id, force: false, now: new Date(Date.now() + 61e3) });
	await stack.batch({ tenant: tenant.id });
	const customer = async () => ok(await tenant.viewer.get(`/api/customers/${late}`));
	assert.equal((await stack.sql("select tracked from customers where tenant_id = $1" +
		" and user_id = $2", tenant.id, late))[0].tracked, false);
	assert.equal((await closed_gates(stack, tenant))[late], "tracked_limit");
	assert.deepEqual(await interventions(tenant, late), []);
	const [{ n }] = await stack.sql("select count(*) as n from events" +
		" where tenant_id = $1 and user_id = $2", tenant.id, late);
	assert.equal(n, 5);
	assert.ok(await customer());

	await plan(tenant, "starter");
	await stack.batch({ tenant: tenant.id });
	assert.equal((await stack.sql("select count(*) as n from customers where" +
		" tenant_id = $1 and not tracked", tenant.id))[0].n, 0);
	const [message] = await interventions(tenant, late);
	assert.equal(message?.playbook_id, playbook);
	assert.equal((await closed_gates(stack, tenant))[late] === "tracked_limit", false);
});

test("events older than the plan keeps are refused, and go", async () => {
	const tenant = await tenant_on("free");
	refused(await tenant.ingest.track({ user_id: "u", event: "e", timestamp: days_ago(91) }),
		400, /timestamp/);
	ok(await tenant.ingest.track({ user_id: "u", event: "e", timestamp: days_ago(89) }));
	await plan(tenant, "starter");
	ok(await tenant.ingest.track({ user_id: "u", event: "e", timestamp: days_ago(91) }));
	const count = async () => (await stack.sql("select count(*) as n from events" +
		" where tenant_id = $1", tenant.id))[0].n;
	await stack.sql("update events set received_at = received_at - interval '100 days'" +
		" where tenant_id = $1", tenant.id);
	await stack.batch({ tenant: tenant.id, stage: "maintain" });
	assert.equal(await count(), 2, "within 180 days");
	await plan(tenant, "free");
	const [{ old }] = await stack.sql("select count(*) filter (where received_at <" +
		" now() - interval '90 days') as old from events where tenant_id = $1", tenant.id);
	assert.equal(old, 2);
	/* Old rows go once an hour. */
	await stack.batch({ tenant: tenant.id, stage: "maintain",
		now: new Date(Date.now() + 61 * 60e3) });
	assert.equal(await count(), 0);
});
