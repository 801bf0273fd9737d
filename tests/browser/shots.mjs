/*
 * A picture of each page of a running ./dev up, at two widths and in both
 * themes: node shots.mjs FOLDER, with var/env in the environment.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const out = process.argv[2];
const { RETIVO_URL: url, RETIVO_EMAIL: email, RETIVO_PASSWORD: password } = process.env;
const settings = ["general", "sending", "brand", "lifecycle", "shadow", "keys", "connectors", "team", "plan", "webhooks", "audit"];
const pages = [["overview", "/"], ["customers", "/customers"], ["customer", "/customers/demo-1999"],
	["interventions", "/interventions"], ["escalations", "/escalations"], ["playbooks", "/playbooks"], ["playbook-new", "/playbooks/new?from=win-back-7-days"], ["library", "/playbooks/library"], ["backtest", "/playbooks/backtest"], ["analytics", "/analytics"],
	...settings.map((name) => [`settings-${name}`, `/settings/${name}`])];

mkdirSync(out, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const colorScheme of ["light", "dark"]) {
	for (const [width, height] of [[1280, 800], [390, 844]]) {
		const context = await browser.newContext({ ignoreHTTPSErrors: true, colorScheme, viewport: { width, height } });
		const page = await context.newPage();
		const shot = async (name) => {
			await page.waitForLoadState("networkidle");
			await page.screenshot({ path: join(out, `${name}-${width}-${colorScheme}.png`) });
		};
		await page.goto(url);
		await shot("sign-in");
		await page.getByLabel("Email").fill(email);
		await page.getByLabel("Password").fill(password);
		await page.getByRole("button", { name: "Sign in" }).click();
		await page.locator("header").waitFor();
		for (const [name, path] of pages) {
			await page.goto(url + path);
			if (name === "backtest") {
				await page.getByRole("button", { name: "Run it" }).click();
				await page.getByText("Would have been written to").waitFor();
			}
			await shot(name);
		}
		await page.goto(`${url}/playbooks`);
		await page.locator("tbody a").first().click();
		await page.getByText(/match now/).waitFor();
		await shot("playbook");
		await context.close();
	}
}
await browser.close();
