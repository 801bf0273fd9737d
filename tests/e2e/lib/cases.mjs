/* Words that several test files speak: customers that drift, playbooks that
 * reach them, answers that refuse. */
import assert from "node:assert/strict";

export const DAY = 86400e3, HOUR = 3600e3, MINUTE = 60e3;

export const at = (ms_from_now) => new Date(Date.now() + ms_from_now);
export const days_ago = (days) => at(-days * DAY).toISOString();

let serial = 0;
/* A user id that no other test of the file has. */
export const new_user = (stem = "user") => `${stem}-${++serial}`;

/* The answer is an error of that status with a code, naming each path. */
export function refused(answer, status, ...paths) {
	assert.equal(answer.status, status, answer.text);
	assert.equal(typeof answer.body?.error, "string", answer.text);
	assert.match(answer.body.code, /^[a-z][a-z0-9_]*$/);
	assert.doesNotMatch(answer.body.error, /pq:|SQLSTATE|\n/);
	const named = (answer.body.details ?? []).map((d) => d.path);
	for (const path of paths)
		assert.ok(named.some((p) => path instanceof RegExp ? path.test(p) : p === path),
			`${path} is not named in ${answer.text}`);
	return answer.body;
}

export function ok(answer, status = 200) {
	assert.equal(answer.status, status, answer.text);
	return answer.body;
}

/* $identify and a few events that stop idle_days ago. */
export async function drift(client, user_id, traits = {}, idle_days = 10) {
	const event = (name, days) =>
		({ user_id, event: name, timestamp: days_ago(days) });
	ok(await client.track(
		{ ...event("$identify", idle_days + 12), properties: {
			email: `${user_id}@customer.example`, name: "Ada Example",
			...traits } },
		event("signed_up", idle_days + 12), event("report_created", idle_days + 6),
		event("report_created", idle_days + 3), event("login", idle_days)));
	return user_id;
}

/* A playbook that reaches drifting customers, without a holdout. */
export const win_back = (changes = {}) => ({
	name: "Win back",
	entry_conditions: { lifecycle_stage: ["at_risk"],
		days_since_last_activity: { gte: 5 } },
	exit_conditions: {},
	...changes,
	constraints: { holdout: 0, channels: ["email"], ...changes.constraints },
	strategy_hints: { goal: "come back", subject: "We miss you",
		message: "Hi {{name|there}}, your reports are waiting for you.",
		...changes.strategy_hints },
});

/* Creates and activates a playbook; its id. */
export async function activate(tenant, playbook) {
	const { id } = ok(await tenant.editor.post("/api/playbooks", playbook), 201);
	ok(await tenant.editor.put(`/api/playbooks/${id}/status`, { status: "active" }));
	return id;
}

/* The same under an id that is the same in every run, the n-th: holdouts are
 * drawn by the ids of playbook and customer, so who is held out is known. */
export async function activate_as(n, stack, tenant, playbook) {
	const id = `0192f0c1-7d3a-7cc1-8f00-${String(n).padStart(12, "0")}`;
	await stack.sql("with p as (update playbooks set id = $3 where tenant_id = $1 and id = $2)," +
		" v as (update playbook_versions set playbook_id = $3 where tenant_id = $1 and playbook_id = $2)" +
		" select 1", tenant.id, await activate(tenant, playbook), id);
	return id;
}

export async function interventions(tenant, user_id) {
	const { interventions: all } = ok(
		await tenant.viewer.get("/api/interventions?limit=100"));
	return user_id ? all.filter((i) => i.user_id === user_id) : all;
}

/* The one intervention of a customer. */
export async function the_intervention(tenant, user_id) {
	const all = await interventions(tenant, user_id);
	assert.equal(all.length, 1, `${user_id} has ${JSON.stringify(all)}`);
	return all[0];
}

/* Gate that closed last, by user: {user: gate}. */
export async function closed_gates(stack, tenant) {
	const rows = await stack.sql(
		"select user_id, gate from gate_results where tenant_id = $1", tenant.id);
	return Object.fromEntries(rows.map((r) => [r.user_id, r.gate]));
}

/* The unsubscribe link of a parsed mail's header. */
export function unsubscribe_link(parsed) {
	const header = parsed.headers.get("list")?.unsubscribe?.url
		?? String(parsed.headers.get("list-unsubscribe")).match(/<(https:[^>]+)>/)?.[1];
	assert.ok(header, "a mail carries List-Unsubscribe");
	return new URL(header);
}
