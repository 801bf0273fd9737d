/* The queue: what is decided on is what was read. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faults, open, settled, sign_in, start } from "./lib/browser.mjs";

let world;
before(async () => {
	world = await start();
});
after(async () => {
	await world?.browser.close();
	await world?.stack.stop({ check: false });
});

const text = (n) => `Message ${n}: there is something new that you will like.`;
async function make(n, more = {}) {
	const answer = await world.tenant.editor.post("/api/interventions", { user_id: "u-1", playbook_id: world.book.id,
		channel: "in_app", subject: `Subject ${n}`, message_body: text(n), ...more });
	assert.equal(answer.status, 201, answer.text);
	return answer.body.id;
}
const status_of = async (id) => (await world.tenant.viewer.get(`/api/interventions/${id}`)).body.status;

test("a link to a message that is not on the first page shows that message and no other", async (t) => {
	const page = await open(world, t, { quiet: false });
	const first = await make("far away");
	for (let n = 0; n < 51; n++)
		await make(`near ${n}`);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/interventions?selected=${first}`);
	await page.getByText(text("far away")).waitFor();
	await page.locator("main").focus().catch(() => {});
	await page.keyboard.press("a");
	await page.getByText("Approved. It goes out").waitFor();
	assert.equal(await status_of(first), "approved");
	const { body } = await world.tenant.viewer.get("/api/interventions?status=approved&limit=100");
	assert.deepEqual(body.interventions.map((one) => one.id), [first]);
	await page.goto(`${world.url}/interventions?selected=01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d`);
	await page.getByText("There is no such message").waitFor();
	await page.keyboard.press("a");
	await page.waitForTimeout(500);
	assert.equal((await world.tenant.viewer.get("/api/interventions?status=approved&limit=100")).body.interventions.length, 1);
});

test("after a decision comes the next row, and three quick presses decide once", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/interventions`);
	const rows = page.getByRole("group", { name: "Messages" }).getByRole("button");
	await rows.nth(4).waitFor();
	const names = await rows.locator("strong").allTextContents();
	await rows.nth(2).click();
	await page.locator("#message").getByText(names[2].replace("Subject", "Message")).waitFor();
	const moves = [];
	page.on("request", (one) => one.method() === "PUT" && moves.push(one.url()));
	for (let i = 0; i < 3; i++)
		await page.keyboard.press("a");
	await page.locator("#message").getByText(names[3].replace("Subject", "Message")).waitFor();
	await page.waitForTimeout(1000);
	assert.equal(moves.length, 1, moves.join(" "));
	await page.keyboard.press("a");
	await page.locator("#message").getByText(names[4].replace("Subject", "Message")).waitFor();
	assert.equal(moves.length, 2);
});

test("a text that changed meanwhile is shown, not approved; and no edit is lost", async (t) => {
	const page = await open(world, t, { quiet: false });
	const id = await make("first words");
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/interventions?selected=${id}`);
	await page.getByText(text("first words")).waitFor();
	const edit = (words) => world.tenant.editor.patch(`/api/interventions/${id}`, { message_body: words });
	await edit(text("second words"));
	await page.getByRole("button", { name: "Approve", exact: true }).click();
	await page.getByText(/changed this message while it was on your screen/).waitFor();
	await page.locator("#message").getByText(text("second words")).waitFor();
	await page.getByText(/^API key .* changed this message/).waitFor();
	assert.equal(await status_of(id), "planned");
	await page.getByRole("button", { name: "Edit", exact: true }).click();
	await page.getByLabel("Message", { exact: true }).fill(text("mine"));
	await edit(text("third words"));
	await page.getByRole("button", { name: "Save and check again" }).click();
	await page.getByText("This is the text as somebody saved it meanwhile").waitFor();
	await page.getByText(text("third words")).waitFor();
	assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), text("mine"));
	await page.getByRole("button", { name: "Save mine over it" }).click();
	await page.locator("#message").getByText(text("mine")).waitFor();
	await page.getByText("Edited by The admin: it waits for an approval in every mode.").waitFor();
	await page.getByRole("group", { name: "Messages" }).getByText("· edited").first().waitFor();
	await page.getByLabel("Pick the message to Ada").first().check();
	await edit(text("fourth words"));
	await page.getByRole("button", { name: "Approve 1" }).click();
	await page.getByRole("dialog").getByRole("button", { name: "Approve them" }).click();
	await page.getByText("has another text now").waitFor();
	assert.equal(await status_of(id), "planned");
});

test("a message that failed a check is approved only after a question", async (t) => {
	const page = await open(world, t);
	const id = await make("unfilled", { message_body: "Hello {{nobody}}, this was never filled in for you." });
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/interventions?selected=${id}`);
	await page.getByText("this was never filled in").waitFor();
	await page.keyboard.press("a");
	const question = page.getByRole("dialog", { name: /A check failed/ });
	await question.getByRole("button", { name: "Cancel" }).click();
	assert.equal(await status_of(id), "planned");
	await page.getByRole("button", { name: "Approve", exact: true }).click();
	await question.getByRole("button", { name: "Approve it" }).click();
	await page.getByText("Approved. It goes out").waitFor();
	assert.equal(await status_of(id), "approved");
});

test("another row is not opened over an edit that is not saved", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/interventions`);
	const rows = page.getByRole("group", { name: "Messages" }).getByRole("button");
	await rows.first().click();
	await page.getByRole("button", { name: "Edit", exact: true }).click();
	await page.getByLabel("Message", { exact: true }).fill("Half of a thought");
	await rows.nth(1).click();
	const question = page.getByRole("dialog", { name: "Leave without saving?" });
	await question.getByRole("button", { name: "Cancel" }).click();
	assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "Half of a thought");
	await rows.nth(1).click();
	await question.getByRole("button", { name: "Leave" }).click();
	await page.getByLabel("Message", { exact: true }).waitFor({ state: "detached" });
});

test("held and failed messages say why, people have names, times are the customer's too", async (t) => {
	const { stack, tenant } = world;
	const id = await make("held"), failed = await make("failed"), lapsed = await make("expired");
	const [{ id: person }] = await stack.sql("select id from people where email = 'editor@example.com'");
	await stack.sql("update interventions set status = 'approved', hold = 'quiet_hours', approved_at = now(), approved_by = $3" +
		" where tenant_id = $1 and id = $2", tenant.id, id, `person:${person}`);
	await stack.sql("update interventions set status = 'failed', reason = 'outcome_unknown' where tenant_id = $1 and id = $2", tenant.id, failed);
	await stack.sql("update interventions set status = 'expired' where tenant_id = $1 and id = $2", tenant.id, lapsed);
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/interventions?status=approved&selected=${id}`);
	await page.getByText("It is the customer's quiet time.").waitFor();
	await page.getByText("The editor").waitFor();
	assert.ok(await page.getByRole("group", { name: "Messages" }).getByText(/\d.* there$/).count() > 0);
	const states = page.getByRole("group", { name: "State" });
	await states.getByRole("button", { name: "Failed" }).click();
	await page.getByText("nobody knows whether it went out").waitFor();
	await states.getByRole("button", { name: "Expired" }).click();
	await page.getByText(text("expired")).waitFor();
	await page.goBack();
	await page.getByText("nobody knows whether it went out").waitFor();
	await settled(page);
	assert.deepEqual(await faults(page), []);
});

test("a message that may have gone out is sent again only after a question", async (t) => {
	const { stack, tenant } = world;
	const id = await make("again");
	await stack.sql("update interventions set status = 'failed', reason = 'outcome_unknown'" +
		" where tenant_id = $1 and id = $2", tenant.id, id);
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/interventions?status=failed&selected=${id}`);
	await page.getByText(text("again")).waitFor();
	await page.getByRole("button", { name: "Send again" }).click();
	await page.getByRole("dialog").getByText("the customer gets it twice").waitFor();
	await page.getByRole("button", { name: "Plan a copy" }).click();
	await page.getByText("A copy waits for approval.").waitFor();
	const [copy] = await stack.sql("select status, message_body from interventions" +
		" where tenant_id = $1 and resend_of = $2", tenant.id, id);
	assert.deepEqual(copy, { status: "planned", message_body: text("again") });
	await settled(page);
	assert.deepEqual(await faults(page), []);
});
