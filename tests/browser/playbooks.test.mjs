/* Writing playbooks: the library, the condition builder, versions, the back-test. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { changed, documentOf, fields, Incomplete, rowsOf } from "../../templates/dashboard/js/ui/condition_rows.js";
import { source } from "../e2e/lib/place.mjs";
import { faults, open, settled, sign_in, start } from "./lib/browser.mjs";

let world;
before(async () => {
	world = await start();
});
after(async () => {
	await world?.browser.close();
	await world?.stack.stop({ check: false });
});

/* Documents of every form that the language knows. */
const documents = [
	{},
	{ lifecycle_stage: ["new", "active"] },
	{ lifecycle_stage: "new" },
	{ lifecycle_stage: { ne: "new" }, risk_level: { nin: ["low"] } },
	{ health: { gte: 10, lt: 50 } },
	{ health: ">= 70" },
	{ "properties.plan": "trial", "properties.seats": { gt: 3 } },
	{ "properties.code": "00701", "properties.codes": { in: ["007", "7"] }, "properties.beta": true, "properties.on": false },
	{ "properties.renews": { gte: "2026-01-01", lt: "2027-01-01" }, "properties.a.b": { exists: false } },
	{ event: "login" },
	{ event: { name: "login", within_days: 7, count: { gte: 3 } } },
	{ event: { name: "login", count: 0 } },
	{ event: { name: "login", count: { gte: 3, lt: 9 } } },
	{ milestone: { not_reached: "a" } },
	{ milestone: "a" },
	{ segment: "big" },
	{ segment: ["big", "small"] },
	{ any: [{ health: { lt: 40 } }, { risk_level: ["high"], any: [{ plan: "a" }, { plan: "b" }] }] },
	{ not: { opted_out: true, not: { health: { lt: 3 } } } },
	{ all: [{ event: "a" }, { event: "b", health: { lt: 9 } }], event: "c" },
	{ opted_out: false, email: { exists: true }, team_size: { exists: false }, company: { starts_with: "A", contains: "b" } },
	{ plan: ["a", "b"], locale: { nin: ["de"] }, days_since_signup: { gte: 7 }, age: 3, tracked: true },
];

test("rows say what the document said, and an untouched document stays as it is", () => {
	for (const document of documents) {
		assert.deepEqual(documentOf(rowsOf(document)), document, JSON.stringify(document));
		const rewritten = documentOf(rowsOf(document).map(touched));
		assert.deepEqual(documentOf(rowsOf(rewritten).map(touched)), rewritten, "and its long form too");
	}
	assert.deepEqual(documentOf([...rowsOf({ event: "a" }), ...rowsOf({ event: "b" })]),
		{ event: "a", all: [{ event: "b" }] });
	const all = documents.flatMap((one) => rowsOf(one)).filter((row) => row.field === "json");
	assert.deepEqual(all.map((row) => JSON.parse(row.text)), [{ event: { name: "login", count: { gte: 3, lt: 9 } } }],
		"only this one is written as JSON");
});

/* Every row as if somebody had changed it and changed it back. */
const touched = ({ kept, ...row }) => ({ ...row, ...(row.field === "json" && { kept }),
	...(row.groups && { groups: row.groups.map((rows) => rows.map(touched)) }), ...(row.rows && { rows: row.rows.map(touched) }) });

test("types stay: a text of digits is a text, and nothing is 0 because it is empty", () => {
	const [code] = rowsOf({ "properties.code": "00701" });
	assert.equal(code.type, "text");
	assert.deepEqual(documentOf([changed(code, { value: "00702" })]), { "properties.code": { eq: "00702" } });
	assert.deepEqual(documentOf([changed(changed(code, { type: "number" }), { value: "702" })]), { "properties.code": { eq: 702 } });
	assert.deepEqual(documentOf([changed(code, { type: "flag" })]), { "properties.code": { eq: true } });
	for (const [document, changes] of [[{ health: 1 }, { value: "" }], [{ event: "a" }, { value: "" }], [{ event: "a" }, { name: " " }],
		[{ plan: "a" }, { value: "" }], [{ lifecycle_stage: "new" }, { value: [] }], [{ plan: ["a"] }, { value: [] }], [{ "properties.a": 1 }, { path: "" }]])
		assert.throws(() => documentOf([changed(rowsOf(document)[0], changes)]), Incomplete, JSON.stringify(document));
	assert.throws(() => documentOf([{ field: "not", rows: [] }]), Incomplete);
	assert.throws(() => documentOf([{ field: "any", groups: [[]] }]), Incomplete);
});

test("the builder offers every field that the engine knows, by its kind", () => {
	const c = readFileSync(join(source, "src", "engine", "condition.c"), "utf8");
	const table = /fields\[\] = \{\n([^]*?)\n\};/.exec(c)[1];
	const kinds = { WORD: "choice", SCORE: "number", NUMBER: "number", DAYS: "number", TEXT: "text", BOOL: "flag" };
	const engine = Object.fromEntries([...table.matchAll(/\{ "(\w+)", VALUE_(\w+),/g)].map(([, name, kind]) => [name, kinds[kind]]));
	assert.ok(Object.keys(engine).length > 20);
	assert.deepEqual(Object.fromEntries(Object.entries(fields).map(([name, { kind }]) => [name, kind])), engine);
	for (const [name, list] of [["lifecycle_stage", "stages"], ["risk_level", "risks"]]) {
		const words = [...new RegExp(`${list}\\[\\] = \\{([^}]*)`).exec(c)[1].matchAll(/"(\w+)"/g)].map(([, word]) => word);
		assert.deepEqual(fields[name].of, words);
	}
});

const library = readdirSync(join(source, "templates", "playbooks")).filter((name) => name.endsWith(".json"))
	.map((name) => [name, JSON.parse(readFileSync(join(source, "templates", "playbooks", name), "utf8"))]);

test("every playbook of the library opens fully in the builder, and is saved as it was", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	assert.ok(library.length >= 12);
	for (const [name, book] of library) {
		await page.goto(`${world.url}/playbooks/new?from=${name.slice(0, -5)}`);
		await page.getByRole("group", { name: "For whom" }).getByLabel("About").first().waitFor();
		assert.equal(await page.getByLabel("Condition as JSON").count(), 0, name);
		const sent = page.waitForRequest((one) => one.method() === "POST" && one.url().endsWith("/api/playbooks"));
		await page.getByRole("button", { name: "Create the draft" }).click();
		await page.getByRole("heading", { name: book.name, exact: true }).waitFor();
		const body = (await sent).postDataJSON();
		for (const part of ["name", "entry_conditions", "exit_conditions", "strategy_hints"])
			assert.deepEqual(body[part], book[part], `${name}: ${part}`);
		/* What the form's own fields mean where the document is silent is written out. */
		assert.deepEqual(body.constraints, { holdout: 0.1, ...book.constraints }, `${name}: constraints`);
	}
});

test("exceptions and typed properties are edited, and a number that is missing is not 0", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/playbooks/new?from=adoption-bring-the-team`);
	const whom = page.getByRole("group", { name: "For whom" });
	await whom.getByRole("group", { name: "Exception" }).getByLabel("Name of the event").fill("team_invited");
	await whom.getByRole("button", { name: "Add a condition" }).last().click();
	await whom.getByLabel("About").last().selectOption("property");
	await whom.getByLabel("Name of the property").fill("postcode");
	await whom.getByLabel("Value").last().fill("00701");
	await whom.getByRole("button", { name: "Add a condition" }).last().click();
	await whom.getByLabel("About").last().selectOption("team_size");
	await page.getByText("A condition needs a number").waitFor();
	let asked = 0;
	page.on("request", (one) => one.method() === "POST" && one.url().endsWith("/api/playbooks") && asked++);
	await page.getByRole("button", { name: "Create the draft" }).click();
	await page.waitForTimeout(300);
	assert.equal(asked, 0);
	await whom.getByLabel("Value").last().fill("2");
	const sent = page.waitForRequest((one) => one.method() === "POST" && one.url().endsWith("/api/playbooks"));
	await page.getByRole("button", { name: "Create the draft" }).click();
	const { entry_conditions: made } = (await sent).postDataJSON();
	assert.deepEqual(made.not.event, { name: "team_invited", count: { gte: 1 } });
	assert.deepEqual(made["properties.postcode"], { eq: "00701" });
	assert.deepEqual(made.team_size, { gte: 2 });
});

test("from the library to an active playbook: count, names and SQL on the way", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/playbooks`);
	await page.getByRole("link", { name: "Library" }).click();
	await page.getByRole("link", { name: "Use this one" }).first().click();
	await page.getByRole("heading", { name: "New playbook" }).waitFor();
	await page.getByLabel("Name", { exact: true }).fill("For everybody healthy");
	while (await page.getByRole("group", { name: "For whom" }).getByRole("button", { name: "Remove this condition" }).count() > 0)
		await page.getByRole("group", { name: "For whom" }).getByRole("button", { name: "Remove this condition" }).first().click();
	await page.getByRole("status").filter({ hasText: /^3$/ }).waitFor();
	await page.getByRole("group", { name: "For whom" }).getByRole("button", { name: "Add a condition" }).click();
	const about = page.getByRole("group", { name: "For whom" }).getByLabel("About");
	await about.selectOption("health");
	await page.getByRole("group", { name: "For whom" }).getByLabel("Value").fill("101");
	await page.getByText("Nobody at the moment.").waitFor();
	await page.getByRole("group", { name: "For whom" }).getByLabel("Value").fill("1");
	await page.getByRole("link", { name: "Ada" }).waitFor();
	await page.getByText("SQL", { exact: true }).click();
	await page.getByLabel("SQL").getByText(/c\.health >= \$3.*\n\n\$1 = 1/s).waitFor();
	await page.getByLabel("Holdout (%)").fill("0");
	await page.getByRole("button", { name: "Create the draft" }).click();
	await page.getByRole("heading", { name: "For everybody healthy" }).waitFor();
	await page.getByText("3 customers match now").waitFor();
	await page.getByRole("button", { name: "Who?" }).click();
	const who = page.getByRole("region", { name: "Who matches now" });
	await who.getByRole("link", { name: "Ada" }).waitFor();
	assert.equal(await who.getByRole("link").count(), 3);
	await settled(page);
	assert.deepEqual(await faults(page), []);
	await page.getByRole("button", { name: "Activate" }).click();
	await page.getByRole("button", { name: "Pause" }).waitFor();
	const { body } = await world.tenant.viewer.get("/api/playbooks");
	const book = body.playbooks.find((one) => one.name === "For everybody healthy");
	assert.deepEqual(book.entry_conditions, { health: { gte: 1 } });
	assert.equal(book.constraints.holdout, 0);
});

test("what the API refuses stands where it is wrong", async (t) => {
	const page = await open(world, t, { quiet: false });
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/playbooks/new`);
	await page.getByLabel("Name", { exact: true }).fill("Wrong");
	await page.getByLabel("Link").fill("javascript:alert(1)");
	await page.getByRole("button", { name: "Create the draft" }).click();
	await page.locator("[name=cta_url][aria-invalid=true]").waitFor();
});

test("an edit makes a version, and the one before can come back", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/playbooks/${world.book.id}`);
	await page.getByRole("link", { name: "Edit" }).click();
	await page.getByLabel("Message", { exact: true }).fill("Good day {{name|there}}");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByText("Good day {{name|there}}").waitFor();
	await page.getByText("strategy hints changed").waitFor();
	await page.getByRole("button", { name: "Go back" }).last().click();
	await page.getByRole("dialog").getByRole("button", { name: "Go back" }).click();
	await page.getByText("Version 1 is back.").waitFor();
	await page.getByText("Hello {{name|there}}").waitFor();
});

test("a back-test that reaches many says how many of them are shown", async (t) => {
	const { stack, tenant } = world;
	await stack.sql("insert into customers (tenant_id, user_id, stage_since, first_activity_at, last_activity_at," +
		" created_at, updated_at) select $1, 'crowd' || n, now(), now(), now(), now(), now()" +
		" from generate_series(1, 1234) n", tenant.id);
	t.after(() => stack.sql("delete from customers where tenant_id = $1 and user_id like 'crowd%'", tenant.id));
	const { body } = await tenant.editor.post("/api/playbooks", { name: "Everybody new", entry_conditions: { lifecycle_stage: "new" },
		exit_conditions: {}, constraints: { channels: ["in_app"], holdout: 0 }, strategy_hints: { message: "Hello" } });
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/playbooks/${body.id}`);
	await page.getByRole("button", { name: "Run it" }).click();
await page.getByText(/25 of 1,23\d shown/).waitFor();
	await page.getByRole("button", { name: "Show 200" }).click();
	await page.getByText(/200 of 1,23\d shown/).waitFor();
	assert.equal(await page.getByRole("region", { name: "Who would have been contacted" }).getByRole("link").count(), 200);
	await settled(page);
	assert.deepEqual(await faults(page), []);
});

test("a back-test, of one and of all", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	for (const path of [`/playbooks/${world.book.id}`, "/playbooks/backtest"]) {
		await page.goto(world.url + path);
		await page.getByLabel("Days").selectOption("7");
		await page.getByRole("button", { name: "Run it" }).click();
		await page.getByText("Would have been written to").waitFor();
		await page.getByText(/3 customers/).first().waitFor();
	}
});
