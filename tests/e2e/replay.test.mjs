/* Replay: every stored decision comes out the same, or it is told where not. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { appendFileSync, cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { source } from "./lib/place.mjs";
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

/* A tenant with one decision, and what of it differs after a change by hand. */
async function one(plan, env = model.settings()) {
	const tenant = await stack.tenant("One");
	ok(await tenant.admin.patch("/api/settings/brand", { product_description: "Reports <for> all" }));
	await drift(tenant.ingest, new_user("one"), { plan: "trial" });
	await activate(tenant, win_back({ entry_conditions: { plan: "trial", lifecycle_stage: ["at_risk"],
		event: { name: "login", count: { gte: 1 } } },
		strategy_hints: { escalate_when: { health: { lt: 0 } } } }));
	model.clear(...plan);
	await stack.sql("delete from model_state");
	await stack.batch({ tenant: tenant.id, env });
	const [decision] = await newest(tenant);
	return { tenant, decision };
}

/* {part: what is said of it} */
async function parts(id, env) {
	const { code, stdout } = await stack.admin(["replay", id], { check: false, env });
	const said = Object.fromEntries([...stdout.matchAll(/^ {2}(\w+) +(\S.*)$/gm)].map((m) => [m[1], m[2]]));
	assert.equal(code, Object.values(said).includes("differs") ? 1 : 0, stdout);
	return said;
}
const differing = (said) => Object.keys(said).filter((name) => said[name] === "differs");

test("what the model was told is made again, whatever the brand and the texts are now", async () => {
	for (const provider of ["anthropic", "openai"]) {
		const { tenant, decision } = await one([{}], model.settings(provider));
		assert.equal(decision.planner, "standin-1");
		ok(await tenant.admin.patch("/api/settings/brand", { product_description: "Something else" }));
		const said = await parts(decision.id);
		assert.deepEqual([said.prompt_data, said.prompt_texts, said.facts], ["same", "same", "same"]);
		const templates = mkdtempSync(join(tmpdir(), "templates-"));
		cpSync(join(source, "templates/prompt"), join(templates, "prompt"), { recursive: true });
		appendFileSync(join(templates, "prompt/system.txt"), "One rule more.\n");
		const other = await parts(decision.id, { RETIVO_TEMPLATES: templates });
		rmSync(templates, { recursive: true });
		assert.equal(other.prompt_texts, "the product's texts changed since");
		assert.deepEqual(differing(other), []);
		await stack.sql("update model_calls set sent = convert_to(replace(convert_from(sent, 'UTF8')," +
			" 'at_risk', 'healthy'), 'UTF8') where id = $1", decision.id);
		assert.deepEqual(differing(await parts(decision.id)), ["prompt_data"]);
	}
});

test("the customer's row tells the facts and escalate_when once more", async () => {
	const { decision } = await one([], {});
	const whole = await parts(decision.id);
	assert.deepEqual([whole.facts, whole.escalate, whole.note, whole.prompt_data],
		["same", "same", "same", undefined]);
	const { facts } = decision.rules;
	const tamper = (path, value) => stack.sql("update decisions set rules = jsonb_set(rules," +
		" array['facts', $2, 'value'], $3::jsonb) where id = $1", decision.id,
		String(facts.findIndex((f) => f.path.endsWith(path))), JSON.stringify(value));
	/* How many events there were is taken as stored: the reasoning tells. */
	await tamper("event.count.gte", 2);
	assert.deepEqual(differing(await parts(decision.id)), ["reasoning"]);
	await tamper("plan", "pro");
	assert.deepEqual(differing(await parts(decision.id)), ["facts", "reasoning"]);
	const other = await one([], {});
	await stack.sql("update decisions set inputs = jsonb_set(inputs, '{health}', '-1') where id = $1",
		other.decision.id);
	assert.deepEqual(differing(await parts(other.decision.id)), ["escalate", "reasoning"]);
	/* A row that cannot be read does not stop the others. */
	await stack.sql("update decisions set inputs = jsonb_set(inputs, '{health}', '\"x\"') where id = $1",
		other.decision.id);
	const { code, stdout } = await replay("--tenant", other.tenant.id);
	assert.equal(code, 1);
	assert.match(stdout, /1 decisions: 0 same, 0 erased, 1 differ/);
});

test("why the built-in planner stood in: read again from a bad answer, else as stored", async () => {
	const bad = await one([{ decide: (d) => ({ ...d, message: "" }) }]);
	assert.equal(bad.decision.note, "model_bad_answer");
	const said = await parts(bad.decision.id);
	assert.deepEqual([said.note, said.prompt_data], ["same", "same"]);
	await stack.sql("update model_calls set trouble = 'refusal' where id = $1", bad.decision.id);
	assert.equal((await parts(bad.decision.id)).note, "same");
	await stack.sql("update decisions set note = 'model_refusal' where id = $1", bad.decision.id);
	assert.deepEqual(differing(await parts(bad.decision.id)), ["note"]);
	for (const [plan, env, note] of [[{ status: 500 }, {}, "model_overloaded"],
		[{}, { RETIVO_LLM_DAILY_TOKENS: "100" }, "model_budget"]]) {
		const { decision } = await one([plan], { ...model.settings(), ...env });
		assert.equal(decision.note, note);
		assert.equal((await parts(decision.id)).note, "as stored");
		await stack.sql("update decisions set note = null where id = $1", decision.id);
		assert.deepEqual(differing(await parts(decision.id)), note === "model_budget" ? [] : ["note"]);
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
