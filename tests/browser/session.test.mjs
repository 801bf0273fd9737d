/* Coming, going and what lies between: sessions that end, an API that is away, modes, unsaved work. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { fill_sign_in, open, settled, sign_in, start } from "./lib/browser.mjs";

let world;
before(async () => {
	world = await start();
});
after(async () => {
	await world?.browser.close();
	await world?.stack.stop({ check: false });
});

test("a session that ends with several requests in flight is told, not silently a sign-in", async (t) => {
	const page = await open(world, t, { quiet: false });
	await sign_in(world, page, "editor");
	await page.context().clearCookies();
	await page.route("**/api/interventions?**", async (route) => {
		await new Promise((go) => setTimeout(go, 400));
		await route.continue();
	});
	await page.getByRole("link", { name: "Interventions", exact: true }).click();
	await page.getByText("Your session has ended.").waitFor();
	await page.waitForTimeout(900);
	assert.equal(await page.getByText("Your session has ended.").count(), 1);
	await page.unrouteAll();
	await fill_sign_in(page, "editor");
	await page.getByRole("heading", { name: "Interventions" }).waitFor();
});

test("with the API down at the start nobody is asked to sign in, and the page goes on by itself", async (t) => {
	const page = await open(world, t, { quiet: false });
	await sign_in(world, page, "viewer");
	await page.route("**/api/**", (route) => route.fulfill({ status: 502, body: "<html>bad gateway</html>" }));
	await page.reload();
	await page.getByRole("heading", { name: "Retivo cannot be reached" }).waitFor();
	await page.waitForTimeout(2500);
	assert.equal(await page.getByLabel("Password").count(), 0);
	await page.unrouteAll();
	await page.getByRole("heading", { name: "Overview" }).waitFor();
});

test("the days of a chart are those of the calendar, west of Greenwich too", async (t) => {
	const page = await open(world, t, { zone: "America/New_York" });
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/playbooks/${world.book.id}`);
	await page.getByLabel("Days").selectOption("7");
	const answer = page.waitForResponse(/\/backtest$/);
	await page.getByRole("button", { name: "Run it" }).click();
	const { playbooks: [{ by_day: days }] } = await (await answer).json();
	const shown = new Intl.DateTimeFormat("en-US", { dateStyle: "medium", timeZone: "UTC" });
	const main = page.locator("main");
	await page.getByText("Would have been written to").waitFor();
	const text = await main.textContent();
	assert.ok(text.includes(shown.format(new Date(days.at(-1).day))), days.at(-1).day);
});

test("test mode: the tenant stands in the switcher, and the page stays", async (t) => {
	const other = await world.stack.tenant("Beta");
	const made = await other.admin.post("/api/team/invite", { email: "viewer@example.com", role: "viewer" });
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	const token = new URL(made.body.invitation.accept_url).searchParams.get("token");
	assert.equal(await page.evaluate((text) => fetch("/api/team/accept", { method: "POST", body: JSON.stringify({ token: text }),
		headers: { "Content-Type": "application/json", "X-Retivo-CSRF": "1" } }).then((reply) => reply.status), token), 200);
	await page.reload();
	const switcher = page.getByLabel("Tenant");
	await switcher.waitFor();
	await switcher.selectOption({ label: "Acme" });
	await page.waitForFunction(() => document.querySelector("[aria-label=Tenant]")?.selectedOptions[0]?.text === "Acme");
	await page.goto(`${world.url}/customers?risk=low`);
	await page.getByRole("group", { name: "Mode" }).getByRole("button", { name: "Test" }).click();
	await page.getByText("Test mode: nothing leaves this tenant.").waitFor();
	await page.getByRole("heading", { name: "Customers" }).waitFor();
	assert.match(page.url(), /\/customers\?risk=low$/);
	assert.equal(await switcher.evaluate((node) => node.selectedOptions[0]?.text), "Acme");
	await page.goto(`${world.url}/playbooks/${world.book.id}`);
	await page.getByRole("group", { name: "Mode" }).getByRole("button", { name: "Live" }).click();
	await page.getByText("Test mode: nothing leaves this tenant.").waitFor({ state: "detached" });
	await page.getByRole("heading", { name: "Playbooks" }).waitFor();
});

test("what was written and not saved is not lost by a link, nor by Back", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/playbooks/${world.book.id}`);
	await page.getByRole("link", { name: "Edit" }).click();
	await page.getByLabel("Goal").fill("Something new");
	const question = page.getByRole("dialog", { name: "Leave without saving?" });
	await page.getByRole("link", { name: "Customers", exact: true }).click();
	await question.getByRole("button", { name: "Cancel" }).click();
	assert.equal(await page.getByLabel("Goal").inputValue(), "Something new");
	await page.goBack();
	await question.getByRole("button", { name: "Cancel" }).click();
	assert.equal(await page.getByLabel("Goal").inputValue(), "Something new");
	assert.match(page.url(), /\/edit$/);
	await page.goBack();
	await question.getByRole("button", { name: "Leave" }).click();
	await page.getByRole("heading", { name: "Say hello" }).waitFor();
	assert.doesNotMatch(page.url(), /\/edit$/);
});

test("two people edit one playbook: the second may load the newer, or keep theirs", async (t) => {
	const page = await open(world, t, { quiet: false });
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/playbooks/${world.book.id}/edit`);
	await page.getByLabel("Goal").fill("Mine");
	await world.tenant.editor.put(`/api/playbooks/${world.book.id}`, { strategy_hints: { goal: "Theirs", message: "Hello" } });
	await page.getByRole("button", { name: "Save", exact: true }).click();
	await page.getByText(/Version \d+ was saved while you wrote/).waitFor();
	assert.equal(await page.getByLabel("Goal").inputValue(), "Mine");
	await page.getByRole("button", { name: /^Load version/ }).click();
	await page.waitForFunction(() => document.querySelector("[name=goal]").value === "Theirs");
	await page.getByLabel("Goal").fill("Mine again");
	await world.tenant.editor.put(`/api/playbooks/${world.book.id}`, { strategy_hints: { goal: "Theirs 2", message: "Hello" } });
	await page.getByRole("button", { name: "Save", exact: true }).click();
	await page.getByRole("button", { name: "Save mine over it" }).click();
	await page.getByRole("heading", { name: "Say hello" }).waitFor();
	const { body } = await world.tenant.viewer.get("/api/playbooks");
	assert.equal(body.playbooks.find((one) => one.id === world.book.id).strategy_hints.goal, "Mine again");
});

test("Back from a customer returns to the same list, and a filter is undone by Back", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.getByRole("link", { name: "Customers", exact: true }).click();
	await page.getByLabel("Order").selectOption("name");
	await page.getByRole("link", { name: "Ben" }).click();
	await page.getByRole("heading", { name: "Ben" }).waitFor();
	await page.locator("a.back").click();
	await page.getByRole("heading", { name: "Customers" }).waitFor();
	assert.match(page.url(), /sort=name/);
	await page.goBack();
	await page.waitForFunction(() => location.search === "");
	assert.equal(await page.getByLabel("Order").inputValue(), "health");
	await settled(page);
});

test("a long list is found again at the page and the place where it was left", async (t) => {
	const { tenant, stack } = world;
	for (let from = 0; from < 120; from += 60)
		await tenant.ingest.track(...Array.from({ length: 60 }, (_, i) => ({ user_id: `many-${from + i}`, event: "login" })));
	await stack.batch({ tenant: tenant.id });
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	await page.goto(`${world.url}/customers?sort=name`);
	await page.getByRole("button", { name: "Next" }).click();
	await page.getByText("Page 2").waitFor();
	const link = page.locator("tbody a").nth(40);
	const name = await link.textContent();
	await link.scrollIntoViewIfNeeded();
	const y = await page.evaluate(() => scrollY);
	assert.ok(y > 200);
	await link.click();
	await page.getByRole("heading", { name, exact: true }).waitFor();
	await page.locator("a.back").click();
	await page.getByText("Page 2").waitFor();
	await page.waitForFunction((was) => Math.abs(scrollY - was) < 2, y);
	await page.getByRole("link", { name, exact: true }).waitFor();
	await page.getByRole("link", { name: "Customers", exact: true }).click();
	await page.getByText("Page 1").waitFor();
});
