/* The pages where people work: the queue in bulk, analytics, connectors, weights, the guide. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { open, settled, sign_in, start } from "./lib/browser.mjs";

let world;
before(async () => {
	world = await start();
});
after(async () => {
	await world?.browser.close();
	await world?.stack.stop({ check: false });
});

test("a message is edited, checked again, and then many are approved at once", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/interventions`);
	await page.getByRole("button", { name: /News for u-1/ }).click();
	await page.getByRole("button", { name: "Edit", exact: true }).click();
	await page.getByLabel("Message", { exact: true }).fill("Hello {{nobody}}, write to bob@elsewhere.example");
	await page.getByRole("button", { name: "Save and check again" }).click();
	await page.getByText("A check failed").waitFor();
	await page.getByText(/^Placeholders: /).waitFor();
	await page.keyboard.press("e");
	await page.getByLabel("Message", { exact: true }).fill("Dear Ada, all your reports are ready for you.");
	await page.getByRole("button", { name: "Save and check again" }).click();
	await page.getByText("All checks passed.").waitFor();
	await page.getByRole("button", { name: "All on this page" }).click();
	await page.getByText("2 picked").waitFor();
	await page.getByLabel("Pick the message to Ben").uncheck();
	await page.getByLabel("Pick the message to Ben").check();
	await page.getByRole("button", { name: "Approve 2" }).click();
	await page.getByRole("dialog").getByRole("button", { name: "Approve them" }).click();
	await page.getByText("2 messages approved.").waitFor();
	const { body } = await world.tenant.viewer.get("/api/interventions?status=approved");
	assert.deepEqual(body.interventions.map((one) => one.message_body).toSorted(), [
		"Dear Ada, all your reports are ready for you.", "Dear u-2, there is something new that you will like."]);
});

test("analytics: lift with its interval and verdict", async (t) => {
	await world.stack.sql("insert into playbook_lift values ($1, $2, 70, 56, 80, 48, now(), 66)", world.tenant.id, world.book.id);
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.getByRole("link", { name: "Analytics" }).click();
	await page.getByRole("list", { name: "Lift by playbook" }).getByText("+20.0 points").waitFor();
	await page.getByText("(+5.2 to +33.4)").waitFor();
	await page.getByText("80% of 70 chosen (66 reached), 60% of 80 held out").waitFor();
	await page.getByText("Better", { exact: true }).waitFor();
	await page.getByRole("button", { name: "7 days" }).click();
	await page.getByText("Messages sent by day").waitFor();
	assert.match(page.url(), /range=7d/);
});

test("connectors: the page shows the first event when it comes", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/settings/connectors`);
	const row = page.getByRole("listitem").filter({ hasText: "Mixpanel" });
	await row.getByText("No event yet").waitFor();
	await page.getByRole("button", { name: "Mixpanel" }).click();
	await page.getByLabel("Snippet").getByText("/api/connectors/mixpanel").waitFor();
	const answer = await world.tenant.ingest.post("/api/connectors/mixpanel/track?verbose=1", [{ event: "E",
		properties: { distinct_id: "u-1", $insert_id: "i-1", time: Math.floor(Date.now() / 1000) } }]);
	assert.equal(answer.status, 200, answer.text);
	await row.getByText("Receiving").waitFor({ timeout: 15000 });
});

test("stages and scores: a change is previewed, then saved", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/lifecycle`);
	await page.getByText("3 customers").waitFor();
	await page.getByLabel("New for at most (days)").fill("0");
	await page.getByText(/3 of 3 customers would change|[1-3] of 3 customers would change/).waitFor();
	await page.getByRole("button", { name: "Save" }).click();
	await page.getByText("Saved. Everybody is scored anew").waitFor();
	const { body } = await world.tenant.viewer.get("/api/settings");
	assert.equal(body.tenant.config.lifecycle.new_max_days, 0);
	assert.equal(body.tenant.config.health.engagement, 0.5);
});

test("a customer's page tells why and what happened", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/customers/u-1`);
	await page.getByText("Stage by rule:").waitFor();
	await page.getByRole("link", { name: /News for u-1/ }).first().waitFor();
	await page.getByText("login", { exact: false }).first().waitFor();
	await page.getByLabel("Kind").selectOption("message");
	await page.getByText("login", { exact: false }).first().waitFor({ state: "detached" });
});

test("a customer's past days are drawn: events, stages and messages", async (t) => {
	const { stack, tenant } = world;
	const { body: { interventions: [{ id, user_id, subject }] } } = await tenant.viewer.get("/api/interventions?channel=in_app");
	await stack.sql("update interventions set status = 'delivered', sent_at = now() - interval '2 hours' where tenant_id = $1 and id = $2", tenant.id, id);
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/customers/${user_id}`);
	const chart = page.getByRole("img", { name: /^1 event in 90 days\. New from .*\. 1 message sent\.$/ });
	await chart.hover({ position: { x: 400, y: 40 } });
	await page.locator(".activity figcaption").getByText("0 events").waitFor();
	await page.getByRole("button", { name: "30 days" }).click();
	await page.getByRole("img", { name: /in 30 days/ }).waitFor();
	await page.locator(".timeline").getByText(/ there$/).first().waitFor();
	await page.locator(".pins").getByRole("link", { name: new RegExp(`: ${subject}$`) }).click();
	await page.getByRole("heading", { name: "Interventions" }).waitFor();
});

test("analytics: each playbook's share of positive outcomes with its interval", async (t) => {
	const { stack, tenant, book } = world;
	await stack.sql("insert into outcomes (tenant_id, intervention_id, user_id, playbook_id, outcome, cause, window_ends_at, measured_at)" +
		" select tenant_id, id, user_id, playbook_id, 'positive', 'exit_met', now(), now() from interventions where tenant_id = $1 and playbook_id = $2" +
		" and status = 'delivered' limit 1 on conflict do nothing", tenant.id, book.id);
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/analytics`);
	const row = page.getByRole("list", { name: "Outcomes by playbook" }).getByRole("listitem").filter({ hasText: "Say hello" });
	await row.getByText("1 of 1 outcomes").waitFor();
	await row.getByText("100% (21% to 100%)").waitFor();
});

test("getting started: from an empty tenant to the first planned message", async (t) => {
	const { stack } = world;
	const tenant = await stack.tenant("Fresh");
	await stack.sql("delete from api_keys where tenant_id = $1 and scope <> 'ingest'", tenant.id);
	await stack.member(tenant, "fresh@example.com", "admin", "correct horse battery", "Fresh");
	const page = await open(world, t);
	await page.goto(world.url);
	await page.getByLabel("Email").fill("fresh@example.com");
	await page.getByLabel("Password").fill("correct horse battery");
	await page.getByRole("button", { name: "Sign in" }).click();
	const bar = page.getByRole("progressbar", { name: "Getting started" });
	await bar.waitFor();
	assert.equal(await bar.getAttribute("aria-valuenow"), "1");
	const old = (days) => new Date(Date.now() - days * 86400e3).toISOString();
	await tenant.ingest.track({ user_id: "a", event: "login", timestamp: old(12) },
		{ user_id: "a", event: "login", timestamp: old(9) });
	await page.evaluate(() => 0);
	const api = (path, method, body) => page.evaluate(([p, m, b]) => fetch(p, { method: m, headers: {
		"Content-Type": "application/json", "X-Retivo-CSRF": "1" }, body: JSON.stringify(b) }).then((r) => r.json()), [path, method, body]);
	await api("/api/settings", "PATCH", { config: { milestones: [{ name: "logged_in", event: "login" }] } });
	const { id } = await api("/api/playbooks", "POST", { name: "Hello", entry_conditions: { lifecycle_stage: ["at_risk"] },
		constraints: { channels: ["in_app"], holdout: 0 }, strategy_hints: { message: "Hello" } });
	await api(`/api/playbooks/${id}/status`, "PUT", { status: "active" });
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id });
	await page.reload();
	await page.waitForFunction(() => document.querySelector("[role=progressbar]")?.getAttribute("aria-valuenow") === "5");
	await page.getByRole("button", { name: "Done" }).click();
	await bar.waitFor({ state: "detached" });
	await settled(page);
});

test("shadow mode counts down, second by second", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/shadow`);
	await page.getByRole("button", { name: "Start for 72 hours" }).click();
	await page.getByRole("dialog").getByRole("button", { name: "Start it" }).click();
	const timer = page.getByRole("timer");
	await timer.getByText(/^71:59:\d\d$/).waitFor();
	const first = await timer.locator("strong").textContent();
	await page.waitForFunction((text) => document.querySelector("[role=timer] strong").textContent !== text, first);
	await page.getByRole("button", { name: "End it now" }).click();
	const question = page.getByRole("dialog", { name: "End shadow mode?" });
	await question.getByRole("button", { name: "Cancel" }).click();
	await timer.waitFor();
	await page.getByRole("button", { name: "End it now" }).click();
	await question.getByRole("button", { name: "End it, send again" }).click();
	await page.getByText("Shadow mode is off.").waitFor();
});
