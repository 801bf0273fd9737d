/* Replay: every stored decision comes out the same, or it is told where not. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { ModelServer } from "./lib/model.mjs";
import { activate, at, drift, new_user, ok, win_back, DAY } from "./lib/cases.mjs";

let stack, model;

before(async () => {
	model = await new ModelServer().start();
	stack = await start_stack({ mail: true });
});
after(async () => {
	await stack?.stop();
	await model?.stop();
});

const replay = (...args) => stack.admin(["replay", ...args], { check: false });

/* All of the tenant's decisions, or the reason why not. */
async function all_same(tenant, count) {
	const { code, stdout } = await replay("--tenant", tenant.id);
	assert.equal(code, 0, stdout);
	assert.equal(stdout.trim(), `${count} decisions: ${count} same, 0 erased, 0 differ`);
}

/* Traits, conditions and texts that strain what is stored and read back. */
async function lived(env) {
	const tenant = await stack.tenant("Tür & Söhne \"Ltd\"");
	ok(await tenant.admin.patch("/api/settings", { config: {
		milestones: [{ name: "invited", event: "invite_sent", count: 2 }],
		segments: [{ name: "big", conditions: { "properties.seats": { gte: 3 } } }] } }));
	const traits = [{ name: "Ada Lovelace", locale: "de-DE", seats: 3.5, plan: "trial" },
		{ name: "", seats: 1e21, nested: { b: [1, { c: null }], a: "\u00e9\u{1f600}" } },
		{ company: "ACME", role: "cto", seats: 5, tags: ["x", "y"] }, {}];
	for (const more of traits)
		await drift(tenant.ingest, new_user("replay"), more);
	await activate(tenant, win_back({ name: "First “of” all", entry_conditions: {
		lifecycle_stage: ["at_risk"], days_since_last_activity: { gte: 5, lt: 40 },
		any: [{ segment: "big" }, { health: { lt: 90 } }, { "properties.tags": { contains: "x" } }],
		event: { name: "report_created", within_days: 30, count: { gte: 1 } } },
		constraints: { priority: 120, channels: ["in_app", "email"] },
		strategy_hints: { subject: "Hallo {{name|there}}", messages: { de: "Hallo {{first_name|du}}!" },
			message: "{{name|You}} at {{company|work}}: {{properties.nested.a|}} {{properties.seats|no}}" } }));
	await activate(tenant, win_back({ name: "Second" }));
	await activate(tenant, win_back({ name: "Hard cases", entry_conditions: { role: "cto" },
		constraints: { priority: 300 }, strategy_hints: { escalate_when: { health: { lt: 100 } } } }));
	await stack.batch({ tenant: tenant.id, env });
	return tenant;
}

const newest = async (tenant) => (await stack.sql("select * from decisions where tenant_id = $1" +
	" order by id", tenant.id));

test("each decision of the built-in planner comes out the same", async () => {
	const tenant = await lived();
	const made = await newest(tenant);
	assert.equal(made.length, 4);
	assert.ok(made.some((d) => d.action === "escalate"));
	await all_same(tenant, 4);
	const { stdout } = await replay(made[0].id);
	assert.match(stdout, /planner builtin: same\n {2}winner +same\n {2}draw +same\n/);
	assert.match(stdout, /message_body same/);
});

test("also when all that it came from has changed since", async () => {
	const tenant = await lived();
	for (const playbook of ok(await tenant.viewer.get("/api/playbooks")).playbooks)
		ok(await tenant.editor.put(`/api/playbooks/${playbook.id}`, { name: `New ${playbook.name}`,
			entry_conditions: { role: "nobody" }, constraints: { channels: ["webhook"], holdout: 0 },
			strategy_hints: { message: "Other text" } }));
	ok(await tenant.admin.patch("/api/settings", { name: "Renamed", config: { segments: null,
		milestones: null, channels: ["in_app"], frequency_cap: { count: 9, days: 1 } } }));
	await stack.sql("update customers set name = 'Other', properties = '{}', locale = null," +
		" health = 1, last_activity_at = now() where tenant_id = $1", tenant.id);
	for (const { id } of await stack.sql("select id from interventions where tenant_id = $1" +
		" and status = 'planned'", tenant.id))
		await tenant.editor.put(`/api/interventions/${id}/approve`);
	await all_same(tenant, 4);
	await stack.batch({ tenant: tenant.id, now: at(16 * DAY) });
	const { stdout } = await replay("--tenant", tenant.id);
	assert.match(stdout, / 0 differ/);
});

test("a decision of the model, and one where the built-in planner stood in", async () => {
	const env = model.settings();
	model.clear({});
	const tenant = await lived(env);
	assert.ok((await newest(tenant)).some((d) => d.planner === "standin-1"));
	await all_same(tenant, 4);
	model.clear({ status: 400 });
	await stack.sql("delete from model_state");
	const other = await lived(env);
	assert.ok((await newest(other)).some((d) => d.note === "model_bad_request"));
	await all_same(other, 4);
	model.clear({ decide: (d) => ({ ...d, action: "wait", message: "" }) });
	await stack.sql("delete from model_state");
	await all_same(await lived(env), 4);
});

test("values that are lists or documents come out as they were told", async () => {
	const env = model.settings();
	const tenant = await stack.tenant("Lists");
	const traits = { tags: ["x", "y z"], team: { size: 3.50, of: ["a"] }, rate: 0.00001 };
	ok(await tenant.admin.patch("/api/settings", { config: { model: {
		fields: ["properties.tags", "properties.team", "health"] } } }));
	await drift(tenant.ingest, new_user("lists"), traits);
	await activate(tenant, win_back({ entry_conditions: { "properties.tags": { contains: "x" },
		"properties.team": { exists: true }, "properties.rate": { lt: 1 }, health: { lt: 101 } } }));
	await stack.batch({ tenant: tenant.id });
	await all_same(tenant, 1);
	model.clear({});
	await stack.sql("delete from model_state");
	await drift(tenant.ingest, new_user("lists"), traits);
	await stack.batch({ tenant: tenant.id, env });
	assert.equal(model.calls.length, 1);
	await all_same(tenant, 2);
});

test("long conditions, long values and many contenders are kept as well", async () => {
	const tenant = await stack.tenant("Long");
	const note = `${"é".repeat(400)} "quoted" ${"z".repeat(9000)}`;
	await drift(tenant.ingest, new_user("long"), { note, words: { deep: note } });
	const clauses = Array.from({ length: 90 }, (_, n) => n % 2
		? { [`properties.${"long".repeat(50)}${n}`]: { in: ["w".repeat(250), "v".repeat(250)] } }
		: { "properties.note": { contains: `${"q".repeat(200)}${n}` } });
	await activate(tenant, win_back({ name: "Long", entry_conditions: { lifecycle_stage: ["at_risk"],
		"properties.words": { exists: true }, any: [{ health: { lt: 101 } }, ...clauses] },
		constraints: { priority: 500 } }));
	for (let n = 0; n < 40; n++)
		await activate(tenant, win_back({ name: `${n} ${"playbook ".repeat(20)}` }));
	await stack.batch({ tenant: tenant.id });
	const [{ rules, reasoning }] = await newest(tenant);
	assert.match(reasoning, /Playbook "Long" matches/);
	assert.equal(rules.facts.length, 40);
	assert.ok(JSON.stringify(rules).length < 60000);
	await all_same(tenant, 1);
});

test("a row that was tampered with differs, and the part is named", async () => {
	const tenant = await lived();
	const [first, second, third] = await newest(tenant);
	await stack.sql("update decisions set message_body = message_body || '.' where id = $1", first.id);
	await stack.sql("update decisions set confidence = 0.99 where id = $1", second.id);
	await stack.sql("update decisions set draw = 0.5 where id = $1", third.id);
	const { code, stdout } = await replay("--tenant", tenant.id);
	assert.equal(code, 1);
	assert.match(stdout, /4 decisions: 1 same, 0 erased, 3 differ/);
	for (const [id, part] of [[first.id, "message_body"], [second.id, "confidence"],
		[third.id, "draw"]]) {
		const one = await replay(id);
		assert.equal(one.code, 1);
		assert.match(one.stdout, new RegExp(`  ${part} +differs\n    stored: `));
		assert.equal(one.stdout.match(/differs\n {4}/g).length, 1);
	}
});

test("of an erased customer: erased; an unknown id: not found", async () => {
	const tenant = await lived();
	const [first] = await newest(tenant);
	ok(await tenant.admin.delete(`/api/customers/${first.user_id}`));
	const { code, stdout } = await replay(first.id);
	assert.equal(code, 0);
	assert.equal(stdout, `decision ${first.id}: erased\n`);
	assert.equal((await replay("01900000-0000-7000-8000-000000000000")).code, 1);
	assert.equal((await replay("x")).code, 2);
});
