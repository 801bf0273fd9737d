/* What people do all day: sign in, look, decide, set. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { faults, fill_sign_in, open, pages, settled, sign_in, start } from "./lib/browser.mjs";

let world;
before(async () => {
	world = await start();
});
after(async () => {
	await world?.browser.close();
	await world?.stack.stop({ check: false });
});

/* A first visit: nothing is in the browser's cache. */
async function first_load(t) {
	const page = await open(world, t, { quiet: false });
	const cdp = await page.context().newCDPSession(page), load = { page, bytes: 0 };
	await cdp.send("Network.enable");
	cdp.on("Network.loadingFinished", (end) => {
		load.bytes += end.encodedDataLength;
	});
	const began = Date.now();
	await page.goto(world.url);
	await page.getByRole("heading", { name: "Sign in to Retivo" }).waitFor();
	load.took = Date.now() - began;
	await page.waitForLoadState("networkidle");
	return load;
}

test("the first load is small and quick, and refuses a wrong password", async (t) => {
	let load = await first_load(t);
	/* What else the machine does is not the page's doing. */
	for (let n = 0; n < 5 && load.took >= 1000; n++)
		load = await first_load(t);
	const { page } = load;
	assert.ok(load.bytes > 10000 && load.bytes < 120 * 1024, `${load.bytes} bytes`);
	assert.ok(load.took < 1000, `${load.took} ms`);
	await page.getByLabel("Email").fill("admin@example.com");
	await page.getByLabel("Password").fill("not this one");
	await page.getByRole("button", { name: "Sign in" }).click();
	await page.getByRole("alert").waitFor();
	await fill_sign_in(page, "admin");
	await page.getByRole("heading", { name: "Overview" }).waitFor();
	await settled(page);
	assert.ok(load.bytes < 120 * 1024, `${load.bytes} bytes with the overview`);
});

test("customers: found by name, opened by keyboard, preferences kept", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.getByRole("navigation").getByRole("link", { name: "Customers" }).click();
	await page.getByRole("link", { name: "Ada" }).waitFor();
	await page.keyboard.press("/");
	await page.keyboard.type("ben");
	await page.getByRole("link", { name: "Ada" }).waitFor({ state: "detached" });
	await page.getByRole("heading", { name: "Customers" }).focus();
	await page.keyboard.press("j");
	await page.keyboard.press("Enter");
	await page.getByRole("heading", { name: "Ben" }).waitFor();
	await page.getByLabel("By email").click();
	await page.getByText("The preferences are saved.").waitFor();
	const { body } = await world.tenant.viewer.get("/api/customers/u-2");
	assert.equal(body.customer.preferences.channels.email, false);
});

test("interventions: one approved, one rejected with a reason", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.getByRole("link", { name: "Interventions", exact: true }).click();
	await page.getByRole("button", { name: /News for u-1/ }).click();
	await page.getByText("Dear u-1").waitFor();
	await page.getByText("Written by hand.").or(page.getByRole("heading", { name: "Why" })).first().waitFor();
	await page.getByRole("button", { name: "Approve", exact: true }).click();
	await page.getByText("Approved. It goes out").waitFor();
	await page.getByRole("button", { name: /News for u-2/ }).click();
	await page.locator("button.danger:enabled", { hasText: "Reject" }).waitFor();
	await page.keyboard.press("r");
	/* The dialog opens with the cursor where the answer goes. */
	await page.getByLabel("Why is it not right?").waitFor();
	await page.keyboard.type("Too early");
	await page.getByRole("dialog").getByRole("button", { name: "Reject" }).click();
	await page.getByText("The message is rejected.").waitFor();
	const { body } = await world.tenant.viewer.get("/api/interventions");
	const states = Object.fromEntries(body.interventions.filter((one) => one.channel === "in_app").map((one) => [one.user_id, one.status]));
	assert.deepEqual(states, { "u-1": "approved", "u-2": "rejected" });
});

test("escalations: a case is handled", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.getByRole("link", { name: "Escalations", exact: true }).click();
	await page.getByRole("button", { name: "Handled" }).nth(1).click();
	await page.getByLabel("What did you do?").fill("Called them");
	await page.getByRole("dialog").getByRole("button", { name: "Handled" }).click();
	await page.getByText("No open case").waitFor();
});

test("playbooks: paused, and back by undo", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "editor");
	await page.getByRole("link", { name: "Playbooks", exact: true }).click();
	await page.getByRole("link", { name: "Say hello" }).click();
	await page.getByText("0 customers match now").waitFor();
	await page.getByRole("button", { name: "Pause" }).click();
	await page.getByRole("button", { name: "Activate" }).waitFor();
	await page.getByRole("button", { name: "Undo" }).click();
	await page.getByRole("button", { name: "Pause" }).waitFor();
});

test("settings: the kill switch, a key, faults beside their fields", async (t) => {
	const page = await open(world, t, { quiet: false });
	await sign_in(world, page, "admin");
	await page.goto(`${world.url}/settings/sending`);
	await page.getByRole("button", { name: "Stop all sending" }).click();
	await page.getByRole("dialog").getByRole("button", { name: "Stop all sending" }).click();
	await page.getByText("The kill switch is on: nothing is sent.").waitFor();
	assert.equal((await world.tenant.viewer.get("/api/settings")).body.tenant.kill_switch_active, true);
	await page.getByRole("button", { name: "Release the kill switch" }).click();
	await page.getByRole("dialog").getByRole("button", { name: "Release" }).click();
	await page.getByText("Messages go out again.").waitFor();
	await page.goto(`${world.url}/settings/keys`);
	await page.getByLabel("Label").fill("Shop");
	await page.getByRole("button", { name: "Make the key" }).click();
	await page.locator("pre", { hasText: "rt_live_" }).waitFor();
	await page.goto(`${world.url}/settings/general`);
	await page.getByLabel("Time zone").fill("Mars/Olympus");
	await page.getByRole("button", { name: "Save" }).click();
	await page.locator("[aria-invalid=true]").waitFor();
});

test("a viewer is offered nothing that the API would refuse", async (t) => {
	const page = await open(world, t);
	await sign_in(world, page, "viewer");
	const refused = /Approve|Reject|Pause|Flag|Erase|Archive|Activate|Handled|Save|Revoke|Invite|Make the key|Stop all|Start for|Remove|Withdraw/;
	for (const path of [...pages.filter((one) => !/webhooks|audit/.test(one)), `/playbooks/${world.book.id}`]) {
		await page.goto(world.url + path);
		await settled(page);
		const names = await page.locator("main").getByRole("button").allTextContents();
		assert.deepEqual(names.filter((name) => refused.test(name) && !/^(Approved|Rejected|Paused|Handled|Archived)$/.test(name.trim())), [], path);
	}
	await page.goto(`${world.url}/settings`);
	await settled(page);
	assert.equal(await page.getByRole("link", { name: "Audit log" }).count(), 0);
});

test("a session that ends leads to the sign-in, and back to the same page", async (t) => {
	const page = await open(world, t, { quiet: false });
	await sign_in(world, page, "editor");
	await page.goto(`${world.url}/customers/u-1`);
	await page.getByRole("heading", { name: "Ada" }).waitFor();
	await page.context().clearCookies();
	await page.getByRole("link", { name: "Escalations", exact: true }).click();
	await page.getByText("Your session has ended.").waitFor();
	await fill_sign_in(page, "editor");
	await page.getByRole("heading", { name: "Escalations" }).waitFor();
});

test("while the API is down the page says so, and goes on by itself", async (t) => {
	const page = await open(world, t, { quiet: false });
	await sign_in(world, page, "viewer");
	await world.stack.api.stop();
	await page.getByRole("link", { name: "Playbooks", exact: true }).click();
	await page.getByText("Retivo cannot be reached. Trying again").waitFor();
	await world.stack.start_api();
	await page.getByRole("link", { name: "Say hello" }).waitFor();
	await page.getByText("Retivo cannot be reached. Trying again").waitFor({ state: "detached" });
});

test("from an invitation to an approved message", async (t) => {
	const made = await world.tenant.admin.post("/api/team/invite", { email: "dora@example.com", role: "editor" });
	await world.tenant.editor.post("/api/interventions", { user_id: "u-3", playbook_id: world.book.id, channel: "in_app", subject: "For Cem", message_body: "Dear Cem, here is what you asked for last week." });
	const page = await open(world, t);
	await page.goto(made.body.invitation.accept_url);
	await page.getByLabel("Your name").fill("Dora");
	await page.getByLabel("Password").fill("a long enough one");
	await page.getByRole("button", { name: "Accept the invitation" }).click();
	await page.getByRole("heading", { name: "Overview" }).waitFor();
	await page.getByRole("link", { name: "For Cem" }).click();
	await page.getByRole("button", { name: "Approve", exact: true }).click();
	await page.getByText("Approved. It goes out").waitFor();
});

/* Tables that hide a part of their rows at the side. */
const hidden_cells = () => [...document.querySelectorAll(".table-scroll")].filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth)
	.map((one) => one.ariaLabel);

for (const scheme of ["light", "dark"]) {
	for (const width of [1280, 390]) {
		test(`no page has a fault that axe knows, nor runs over: ${scheme}, ${width} px`, async (t) => {
			const page = await open(world, t, { scheme, width });
			await page.goto(`${world.url}/reset`);
			assert.deepEqual(await faults(page), []);
			await sign_in(world, page, "admin");
			for (const path of [...pages, `/playbooks/${world.book.id}`]) {
				await page.goto(world.url + path);
				await settled(page);
				assert.deepEqual(await faults(page), [], path);
				assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, path);
				assert.deepEqual(await page.evaluate(hidden_cells), [], path);
			}
		});
	}
}
