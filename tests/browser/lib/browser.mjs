/*
 * A browser before a stack. Whatever the page asks of another host, and
 * every error in its console, fails the test that owns the page.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { source } from "../../e2e/lib/place.mjs";
import { start_stack } from "../../e2e/lib/stack.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const password = "correct horse battery";

export const pages = ["/", "/customers", "/customers/u-1", "/interventions", "/interventions?status=all", "/escalations", "/playbooks", "/playbooks/new", "/playbooks/new?from=win-back-7-days", "/playbooks/library", "/playbooks/backtest", "/analytics",
	...["general", "sending", "brand", "definitions", "lifecycle", "shadow", "keys", "connectors", "team", "plan", "webhooks", "audit"].map((name) => `/settings/${name}`)];

/* A tenant with three customers, a playbook, two messages and a case. */
export async function start() {
	const stack = await start_stack({ mail: true, site: { dashboard: join(source, "templates", "dashboard") } });
	const tenant = await stack.tenant("Acme");
	for (const role of ["viewer", "editor", "admin"])
		await stack.member(tenant, `${role}@example.com`, role, password, `The ${role}`);
	await tenant.ingest.track(...["Ada", "Ben", "Cem"].flatMap((name, i) => [
		{ user_id: `u-${i + 1}`, event: "$identify", properties: { name, email: `${name}@example.com`.toLowerCase(), timezone: "Asia/Tokyo" } },
		{ user_id: `u-${i + 1}`, event: "login" }]));
	await stack.batch();
	const { body: book } = await tenant.editor.post("/api/playbooks", { name: "Say hello", entry_conditions: { health: { lt: 0 } }, strategy_hints: { goal: "They come back", message: "Hello {{name|there}}" } });
	await tenant.editor.put(`/api/playbooks/${book.id}/status`, { status: "active" });
	for (const user_id of ["u-1", "u-2"])
		await tenant.editor.post("/api/interventions", { user_id, playbook_id: book.id, channel: "in_app", subject: `News for ${user_id}`, message_body: `Dear ${user_id}, there is something new that you will like.` });
	await tenant.editor.post("/api/escalations", { user_id: "u-3", playbook_id: book.id, severity: "High", reason: "Nobody answers the phone." });
	return { stack, tenant, book, browser: await launch(), url: `https://localhost:${stack.site.port}` };
}

const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });

/* A page of its own session. quiet: false where trouble is part of the test. */
export async function open(world, t, { scheme = "light", width = 1280, quiet = true, zone } = {}) {
	const context = await world.browser.newContext({ ignoreHTTPSErrors: true, colorScheme: scheme, viewport: { width, height: 800 },
		...(zone && { timezoneId: zone }) });
	context.setDefaultTimeout(10000);
	const page = await context.newPage();
	const trouble = [];
	page.on("console", (line) => ["error", "warning"].includes(line.type()) && trouble.push(line.text()));
	page.on("pageerror", (error) => trouble.push(error.message));
	page.on("request", (asked) => !asked.url().startsWith(world.url) && !asked.url().startsWith("data:") && trouble.push(`asked ${asked.url()}`));
	t.after(async () => {
		await context.close();
		if (quiet)
			assert.deepEqual(trouble, []);
	});
	return page;
}

export async function sign_in(world, page, role) {
	await page.goto(world.url);
	await fill_sign_in(page, role);
	await page.getByRole("heading", { name: "Overview" }).waitFor();
}

export async function fill_sign_in(page, role) {
	await page.getByLabel("Email").fill(`${role}@example.com`);
	await page.getByLabel("Password").fill(password);
	await page.getByRole("button", { name: "Sign in" }).click();
}

export async function settled(page) {
	await page.waitForLoadState("networkidle");
	await page.waitForFunction(() => !document.querySelector(".skeleton"));
}

/* What axe-core holds against the page: "rule: where". */
export async function faults(page) {
	await page.evaluate(axe);
	const { violations } = await page.evaluate(() => globalThis.axe.run());
	return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target.join(" ")}`));
}
