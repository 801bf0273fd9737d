/* Writing playbooks: the library, the condition builder, versions, the back-test. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { documentOf, rowsOf } from "../../templates/dashboard/js/ui/conditions.js";
import { open, sign_in, start } from "./lib/browser.mjs";

let world;
before(async () => {
	world = await start();
});
after(async () => {
	await world?.browser.close();
	await world?.stack.stop({ check: false });
});

/* A document, and what the builder makes of it. */
const documents = [
	[{}, {}],
	[{ lifecycle_stage: ["new", "active"] }, { lifecycle_stage: { in: ["new", "active"] } }],
	[{ lifecycle_stage: "new" }, { lifecycle_stage: { in: ["new"] } }],
	[{ health: { gte: 10, lt: 50 } }, { health: { gte: 10, lt: 50 } }],
	[{ "properties.plan": "trial", "properties.seats": { gt: 3 } }, { "properties.plan": { eq: "trial" }, "properties.seats": { gt: 3 } }],
	[{ event: "login" }, { event: { name: "login", count: { gte: 1 } } }],
	[{ event: { name: "login", within_days: 7, count: { gte: 3 } } }, { event: { name: "login", within_days: 7, count: { gte: 3 } } }],
	[{ milestone: { not_reached: "a" } }, { milestone: { not_reached: "a" } }],
	[{ segment: "big" }, { segment: "big" }],
	[{ any: [{ health: { lt: 40 } }, { risk_level: ["high"] }] }, { any: [{ health: { lt: 40 } }, { risk_level: { in: ["high"] } }] }],
	[{ not: { opted_out: true } }, { not: { opted_out: true } }],
	[{ opted_out: false, email: { exists: true } }, { opted_out: { eq: false }, email: { exists: true } }],
	[{ health: ">= 70" }, { health: { eq: ">= 70" } }, "skip"],
];

test("rows say what the document said", () => {
	for (const [document, wanted, skip] of documents.filter((one) => !one[2])) {
		assert.deepEqual(documentOf(rowsOf(document)), wanted, JSON.stringify(document));
		assert.deepEqual(documentOf(rowsOf(wanted)), wanted, "and stay so");
		assert.equal(skip, undefined);
	}
	assert.deepEqual(documentOf([...rowsOf({ event: "a" }), ...rowsOf({ event: "b" })]),
		{ event: { name: "a", count: { gte: 1 } }, all: [{ event: { name: "b", count: { gte: 1 } } }] });
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
