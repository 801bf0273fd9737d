/*
 * A picture of each page of a running ./dev up, from top to end, at two widths
 * and in both themes: node shots.mjs FOLDER [NAME], with var/env in the
 * environment. NAME takes only the pictures whose names hold it. Nothing that
 * is shown is changed: dialogs are opened and left.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [, , out, only = ""] = process.argv;
const { RETIVO_URL: url, RETIVO_EMAIL: email, RETIVO_PASSWORD: password } = process.env;
const press = (name, within = "main") => (page) => page.locator(within).getByRole("button", { name, exact: true }).first().click();
const shows = (text) => (page) => page.getByText(text).first().waitFor();
const all = (...steps) => async (page) => {
	for (const step of steps)
		await step(page);
};

/* Enough of a long list. */
const TALLEST = 2600;

/* Before somebody is signed in. */
const gates = [["sign-in", "/"], ["reset", "/reset"], ["reset-password", "/reset?token=x"], ["invitation", "/invite?token=x"]];

/* Name, address, and what is done there before the picture. */
const pages = [
	["overview", "/"], ["menu", "/", async (page) => {
		if (await page.getByRole("button", { name: "Menu" }).isVisible())
			await page.getByRole("button", { name: "Menu" }).click();
	}], ["overview-keys", "/", all(press("Shortcuts", "header"), shows("Search customers"))],
	["customers", "/customers"], ["customers-none", "/customers?search=nobody-at-all"], ["customer", "/customers/demo-0082"],
	["customer-erase", "/customers/demo-0082", press("Erase")],
	["interventions", "/interventions"], ["interventions-picked", "/interventions", press("All on this page")],
	["interventions-edit", "/interventions?channel=email", press("Edit")], ["interventions-reject", "/interventions?channel=email", press("Reject")],
	["interventions-sent", "/interventions?status=delivered"], ["interventions-all", "/interventions?status=all"],
	["escalations", "/escalations"], ["escalations-all", "/escalations?status=all"],
	["playbooks", "/playbooks"], ["playbooks-none", "/playbooks?status=archived"], ["playbook", "/playbooks", async (page) => {
		await page.locator("tbody a").first().click();
		await page.getByText(/match now/).waitFor();
	}],
	["playbook-edit", "/playbooks", async (page) => {
		await page.locator("tbody a").first().click();
		await page.getByRole("link", { name: "Edit" }).click();
		await page.getByText("Matches now").waitFor();
	}],
	["playbook-new", "/playbooks/new?from=win-back-7-days"], ["playbook-builder", "/playbooks/new", async (page) => {
		const whom = page.getByRole("group", { name: "For whom" });
		await whom.getByRole("button", { name: "Add a condition" }).click();
		await whom.getByLabel("About").last().selectOption("event");
		await whom.getByLabel("Name of the event").fill("report_created");
		await whom.getByRole("button", { name: "Add a condition" }).click();
		await whom.getByLabel("About").last().selectOption("property");
		await whom.getByLabel("Name of the property").fill("seats");
		await whom.getByLabel("Value", { exact: true }).last().fill("3");
		await whom.getByRole("button", { name: "Add alternatives" }).click();
		await page.getByText("SQL", { exact: true }).click();
		await page.getByLabel("SQL").getByText("report_created").waitFor();
	}],
	["library", "/playbooks/library"], ["backtest", "/playbooks/backtest", all((page) => page.getByLabel("Days").selectOption("7"), press("Run it"), shows("Would have been written to"))],
	["analytics", "/analytics"], ["analytics-90", "/analytics?range=90d"],
	...["general", "sending", "brand", "definitions", "lifecycle", "shadow", "keys", "connectors", "team", "plan", "webhooks", "audit"].map((name) => [`settings-${name}`, `/settings/${name}`]),
	["settings-stop", "/settings/sending", press("Stop all sending")], ["not-found", "/customers/nobody"],
];

mkdirSync(out, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const colorScheme of ["light", "dark"]) {
	for (const [width, height] of [[1280, 800], [390, 844]]) {
		const context = await browser.newContext({ ignoreHTTPSErrors: true, colorScheme, reducedMotion: "reduce", viewport: { width, height } });
		/* A back-test takes its time where others work too. */
		context.setDefaultTimeout(180000);
		const page = await context.newPage();
		const shot = async ([name, path, act]) => {
			if (!name.includes(only))
				return;
			await page.goto(url + path);
			await settled(page);
			await act?.(page);
			await settled(page);
			if (!await page.locator("dialog[open]").count())
				await page.setViewportSize({ width, height: Math.min(TALLEST, Math.max(height, await page.evaluate(() => document.documentElement.scrollHeight))) });
			await page.evaluate(() => scrollTo(0, 0));
			await page.screenshot({ path: join(out, `${name}-${width}-${colorScheme}.png`) });
			await page.setViewportSize({ width, height });
		};
		for (const one of gates)
			await shot(one);
		await page.goto(url);
		await page.getByLabel("Email").fill(email);
		await page.getByLabel("Password").fill(password);
		await page.getByRole("button", { name: "Sign in" }).click();
		await page.locator("header").waitFor();
		for (const one of pages)
			await shot(one);
		/* The twin for tests is as empty as on the first day. */
		await page.goto(url);
		await press("Test", "header")(page);
		await page.getByText("Test mode:").waitFor();
		for (const one of [["empty-overview", "/"], ["empty-customers", "/customers"], ["empty-interventions", "/interventions"], ["empty-analytics", "/analytics"]])
			await shot(one);
		await context.close();
	}
}
await browser.close();

async function settled(page) {
	await page.waitForLoadState("networkidle");
	await page.waitForFunction(() => !document.querySelector(".skeleton"));
}
