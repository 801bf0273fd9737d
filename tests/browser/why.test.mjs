/* Why a customer gets a message or none, and a message by hand. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faults, fill_sign_in, open, password, settled, sign_in, start } from "./lib/browser.mjs";

let world;
before(async () => {
	world = await start();
});
after(async () => {
	await world?.browser.close();
	await world?.stack.stop({ check: false });
});

async function book_of(tenant, constraints, entry = {}) {
	const { body } = await tenant.editor.post("/api/playbooks", { name: `Book ${JSON.stringify(constraints)}`, entry_conditions: entry,
		constraints: { match_all: true, channels: ["in_app"], ...constraints }, strategy_hints: { message: "Hello {{name|there}}, all is ready for you." } });
	await tenant.editor.put(`/api/playbooks/${body.id}/status`, { status: "active" });
	return body;
}

test("the customer's page tells which gate is closed first, and what would happen now", async (t) => {
	const book = await book_of(world.tenant, { holdout: 1 }, { health: { gte: 1 }, days_since_signup: { lt: 3 } });
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/customers/u-3`);
	await page.getByLabel("Playbook").selectOption(book.id);
	await page.getByText("No message: The customer is in the holdout").waitFor();
	assert.equal(await page.getByText("First closed").count(), 1);
	assert.match(await page.locator("li[aria-current=true]").textContent(), /not in the holdout/);
	await page.getByText("Days since the sign-up").waitFor();
	assert.match(page.url(), /why=/);
	await page.getByRole("button", { name: "What would happen now?" }).click();
	await page.getByText("no active playbook is open to this customer now").waitFor();
	await settled(page);
	assert.deepEqual(await faults(page), []);
	const open_book = await book_of(world.tenant, { holdout: 0, priority: 500 }, { "properties.vip": true });
	await page.goto(`${world.url}/customers/u-3?why=${open_book.id}`);
	await page.getByText("No message: The customer does not meet the playbook's conditions.").waitFor();
	await page.getByText("Vip").waitFor();
});

test("the playbook's page tells it of a customer that is searched for", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/playbooks/${world.book.id}`);
	await page.getByLabel("Customer").fill("cem");
	await page.getByRole("button", { name: "Cem" }).click();
	await page.getByText("No message: The customer does not meet the playbook's conditions.").waitFor();
	await settled(page);
	assert.deepEqual(await faults(page), []);
});

test("an editor writes a message by hand; a viewer is not offered it", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/customers/u-3`);
	await page.getByRole("button", { name: "Write a message" }).click();
	const dialog = page.getByRole("dialog", { name: "A message to Cem" });
	await dialog.getByLabel("Channel").selectOption("in_app");
	await dialog.getByLabel("Message", { exact: true }).fill("Dear Cem, this one is from a person, not from a plan.");
	await page.keyboard.press("Escape");
	await page.getByRole("dialog", { name: "Leave without saving?" }).getByRole("button", { name: "Cancel" }).click();
	assert.deepEqual(await faults(page), []);
	await dialog.getByRole("button", { name: "Put it into the queue" }).click();
	await page.locator("#message").getByText("this one is from a person").waitFor();
	const { body } = await world.tenant.viewer.get("/api/interventions?user_id=u-3&channel=in_app");
	assert.equal(body.interventions[0].status, "planned");
	const other = await open(world, t);
	await sign_in(world, other, "viewer");
	await other.goto(`${world.url}/customers/u-3`);
	await other.getByRole("heading", { name: "Cem" }).waitFor();
	assert.equal(await other.getByRole("button", { name: "Write a message" }).count(), 0);
});

test("a reason of blanks is no reason", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/interventions`);
	await page.getByRole("button", { name: "Reject", exact: true }).click();
	const dialog = page.getByRole("dialog", { name: "Reject this message" });
	await dialog.getByLabel("Why is it not right?").fill("   ");
	await dialog.getByRole("button", { name: "Reject" }).click();
	await page.waitForTimeout(300);
	assert.equal(await dialog.count(), 1);
	await dialog.getByLabel("Why is it not right?").fill(" Too early ");
	await dialog.getByRole("button", { name: "Reject" }).click();
	await page.getByText("The message is rejected.").waitFor();
	const { body } = await world.tenant.viewer.get("/api/interventions?status=rejected");
	assert.equal(body.interventions[0].reason, "Too early");
});

test("the guide explains why no first message comes, and leads to the milestones", async (t) => {
	const tenant = await world.stack.tenant("Fresh");
	await world.stack.member(tenant, "fresh@example.com", "admin", password, "Fresh");
	await tenant.ingest.track({ user_id: "solo", event: "$identify", properties: { name: "Solo" } }, { user_id: "solo", event: "login" });
	await world.stack.batch({ tenant: tenant.id });
	await book_of(tenant, { holdout: 1 });
	await world.stack.batch({ tenant: tenant.id });
	const page = await open(world, t);
	await page.goto(world.url);
	await fill_sign_in(page, "fresh");
	await page.getByText("matches Solo, but writes no message. The customer is in the holdout").waitFor();
	assert.match(await page.locator(".tile", { hasText: "Retention" }).first().textContent(), /–/);
	assert.ok((await page.getByRole("link", { name: "See all gates" }).getAttribute("href")).startsWith("/customers/solo?why="));
	await page.getByRole("link", { name: "Say what getting started means" }).click();
	await page.getByRole("button", { name: "Add a milestone" }).waitFor();
});

test("a cut invitation link is told in words", async (t) => {
	const page = await open(world, t, { quiet: false });
	await page.goto(`${world.url}/invite?token=abc`);
	await page.getByLabel("Your name").fill("Dora");
	await page.getByLabel("Password").fill("a long enough one");
	await page.getByRole("button", { name: "Accept the invitation" }).click();
	await page.getByText("This link is not whole.").waitFor();
	assert.equal(await page.getByText("UUID").count(), 0);
});
