/* Settings: what words mean, what is asked first, who did what, where it is told. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
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
const config_of = async () => (await world.tenant.viewer.get("/api/settings")).body.tenant.config;

test("definitions: milestones, segments and limits are made and kept, the rest stays at its default", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/definitions`);
	const before_it = await config_of();
	await page.getByRole("button", { name: "Add a milestone" }).click();
	const milestone = page.getByRole("group", { name: "Milestone 1" });
	await milestone.getByLabel("Name", { exact: true }).fill("first_report");
	await milestone.getByLabel("Event", { exact: true }).fill("report_created");
	await milestone.getByLabel("Reached at its n-th time").fill("2");
	await milestone.getByRole("button", { name: "Add a condition" }).click();
	await milestone.getByLabel("Name of the property").fill("kind");
	await milestone.getByLabel("Value").fill("007");
	await page.getByRole("button", { name: "Add a segment" }).click();
	const segment = page.getByRole("group", { name: "Segment 1" });
	await segment.getByLabel("Name", { exact: true }).fill("started");
	await segment.getByRole("button", { name: "Add a condition" }).click();
	await segment.getByLabel("About").selectOption("milestone");
	await segment.getByLabel("Test").selectOption("reached");
	await page.getByLabel("Events that mean that somebody has left").fill("account_closed\ncancelled");
	await page.getByLabel("Automatic messages a day").fill("50");
	await page.getByLabel("Domains that links may lead to").fill("example.com");
	await page.getByRole("button", { name: "Add a limit" }).click();
	const limit = page.getByRole("group", { name: "Limit 1" });
	await limit.getByLabel("Property", { exact: true }).fill("seats_used");
	await limit.getByLabel("Against").selectOption("max");
	await limit.getByLabel("Limit", { exact: true }).fill("10");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByText("Saved. It counts from the next run").waitFor();
	const config = await config_of();
	assert.deepEqual(config.milestones, [{ name: "first_report", event: "report_created", count: 2, onboarding: true, retention: false,
		properties: { kind: { eq: "007" } } }]);
	assert.deepEqual(config.segments, [{ name: "started", conditions: { milestone: { reached: "first_report" } } }]);
	assert.deepEqual(config.lifecycle.churn_events, ["account_closed", "cancelled"]);
	assert.deepEqual([config.daily_budget, config.allowed_domains], [50, ["example.com"]]);
	assert.deepEqual(config.expansion.limits, [{ property: "seats_used", max: 10 }]);
	for (const untouched of ["frequency_cap", "attribution_days", "model"])
		assert.deepEqual(config[untouched], before_it[untouched], untouched);
	await page.reload();
	await milestone.getByLabel("Value").waitFor();
	assert.equal(await milestone.getByLabel("Value").inputValue(), "007");
	await page.getByLabel("Automatic messages a day").fill("");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByText("Saved. It counts from the next run").waitFor();
	assert.equal((await config_of()).daily_budget, undefined);
	assert.deepEqual((await config_of()).segments, config.segments);
});

test("definitions: what the API refuses stands at its field, and a changed form is not left unasked", async (t) => {
	const page = await open(world, t, { quiet: false });
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/definitions`);
	await page.getByRole("button", { name: "Add a segment" }).click();
	const segment = page.getByRole("group", { name: /^Segment \d/ }).last();
	await segment.getByLabel("Name", { exact: true }).fill("started");
	await page.getByLabel("Domains that links may lead to").fill("NOT A DOMAIN");
	const number = await page.getByRole("group", { name: /^Segment \d/ }).count();
	if (number === 1) {
		await page.getByRole("button", { name: "Add a segment" }).click();
		await page.getByRole("group", { name: "Segment 2" }).getByLabel("Name", { exact: true }).fill("started");
	}
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByText("is there twice", { exact: true }).waitFor();
	await page.locator("[name=allowed_domains][aria-invalid=true]").waitFor();
	await page.getByRole("link", { name: "Brand" }).click();
	await page.getByRole("dialog", { name: "Leave without saving?" }).getByRole("button", { name: "Leave" }).click();
	await page.getByRole("heading", { name: "Settings: Brand" }).waitFor();
});

test("sending: full automation is asked, and one quiet hour alone is a fault", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/sending`);
	await page.getByLabel("Quiet from").fill("22:00");
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByText("Give both hours, or neither").waitFor();
	assert.equal(await page.getByLabel("Quiet until").getAttribute("aria-invalid"), "true");
	await page.getByLabel("Quiet until").fill("07:00");
	await page.getByLabel("Who approves").selectOption("full_auto");
	await page.getByRole("button", { name: "Save" }).click();
	const question = page.getByRole("dialog", { name: "Let every message send itself?" });
	await question.getByRole("button", { name: "Cancel" }).click();
	await page.getByText("Nothing was saved.").waitFor();
	assert.notEqual((await world.tenant.viewer.get("/api/settings")).body.tenant.approvalMode, "full_auto");
	await page.getByRole("button", { name: "Save" }).click();
	await question.getByRole("button", { name: "Send without approval" }).click();
	await page.getByText("The settings are saved.").waitFor();
	const { tenant } = (await world.tenant.viewer.get("/api/settings")).body;
	assert.equal(tenant.approvalMode, "full_auto");
	assert.deepEqual(tenant.config.quiet_hours, { start: "22:00", end: "07:00" });
});

test("stages: while the effect is counted no number is claimed", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/lifecycle`);
	await page.getByText("3 customers").waitFor();
	await page.route("**/lifecycle/preview", async (route) => {
		await new Promise((go) => setTimeout(go, 800));
		await route.continue();
	});
	await page.getByLabel("New for at most (days)").fill("0");
	await page.getByText("Counting…").waitFor();
	assert.equal(await page.getByText("customers would change").count(), 0);
	await page.getByText("customers would change").waitFor();
});

test("the audit log: names, words, what changed, and its filters", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/audit`);
	const table = page.getByRole("region", { name: "Audit log" });
	await table.getByText("Changed settings").first().waitFor();
	await table.getByText("The admin").first().waitFor();
	assert.doesNotMatch(await table.textContent(), /person:|[0-9a-f]{8}-[0-9a-f]{4}-/);
	await page.getByLabel("What", { exact: true }).selectOption("session.login");
	await page.waitForFunction(() => [...document.querySelectorAll("tbody tr")].every((row) => row.textContent.includes("Signed in")));
	await page.getByLabel("Who", { exact: true }).selectOption({ label: "The admin" });
	await page.getByLabel("Until").fill("2020-01-01");
	await page.getByText("Nothing like this was changed").waitFor();
	await page.getByRole("button", { name: "Show all" }).click();
	await table.getByText("Changed settings").first().waitFor();
	await settled(page);
	assert.deepEqual(await faults(page), []);
});

test("webhooks: events are chosen, edited, enabled again; a test is answered on the page", async (t) => {
	const heard = [];
	const server = createServer((request, reply) => {
		heard.push(request.url);
		reply.end("ok");
	}).listen(0, "127.0.0.1");
	t.after(() => server.close());
	const page = await open(world, t, { width: 390 });
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/webhooks`);
	const long = `http://127.0.0.1:${server.address().port}/${"long".repeat(60)}`;
	await page.getByLabel("Address").fill(long);
	await page.getByLabel("A decision was made").uncheck();
	await page.getByRole("button", { name: "Add the endpoint" }).click();
	await page.getByText("Copy it now").waitFor();
	const endpoint = async () => (await world.tenant.admin.get("/api/webhooks/endpoints")).body.endpoints[0];
	assert.deepEqual((await endpoint()).subscribed_events, ["intervention.delivered", "user.stage_changed", "user.risk_changed", "outcome.recorded"]);
	await page.getByRole("button", { name: "Test", exact: true }).last().click();
	await page.getByText("It answered 200.").waitFor();
	assert.equal(heard.length, 1);
	await world.stack.sql("update webhook_endpoints set status = 'disabled' where tenant_id = $1", world.tenant.id);
	await page.reload();
	await page.getByRole("button", { name: "Enable" }).click();
	await page.getByText("The endpoint is active again.").waitFor();
	await page.getByRole("button", { name: "Edit" }).click();
	const dialog = page.getByRole("dialog", { name: "Edit the endpoint" });
	await dialog.getByLabel("A decision was made").check();
	await dialog.getByRole("button", { name: "Save" }).click();
	await page.getByText("The endpoint is saved.").waitFor();
	assert.equal((await endpoint()).subscribed_events, null);
	await page.getByRole("button", { name: "Deliveries" }).click();
	await page.getByText("Nothing was sent yet").waitFor();
	assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
	assert.deepEqual(await faults(page), []);
});
