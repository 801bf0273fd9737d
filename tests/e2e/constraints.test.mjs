/* Each constraint of a playbook by itself: with it and without it. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, at, closed_gates, drift, interventions, new_user, ok, refused, win_back, DAY, HOUR } from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop());

/* A tenant in full_auto with drifting customers and these playbooks. */
async function world({ people = 1, mode = "full_auto", config, traits, idle = 10 } = {}, ...playbooks) {
	const tenant = await stack.tenant("Constraints");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: mode, ...(config && { config }) }));
	const users = [];
	for (let i = 0; i < people; i++)
		users.push(await drift(tenant.ingest, new_user("held"), traits, idle));
	const ids = [];
	for (const playbook of playbooks)
		ids.push(await activate(tenant, win_back(playbook)));
	const batch = (now) => stack.batch({ tenant: tenant.id, now });
	/* The same text again would wait for a person. */
	const forget = () => stack.sql("update interventions set message_body = id::text" +
		" where tenant_id = $1 and sent_at is not null", tenant.id);
	await batch();
	await forget();
	return { tenant, users, user: users[0], ids, batch, forget };
}

const sent = async (tenant) => (await interventions(tenant)).filter((i) => i.sent_at);

test("channels: the first that reaches the customer, no other", async () => {
	for (const [channels, off, wanted] of [[["in_app", "email"], {}, "in_app"],
		[["email", "in_app"], {}, "email"], [["email", "in_app"], { email: false }, "in_app"],
		[["email"], { email: false }, undefined]]) {
		const { tenant, user } = await world();
		ok(await tenant.editor.put(`/api/customers/${user}/preferences`, { channels: off }));
		await activate(tenant, win_back({ constraints: { channels } }));
		await stack.batch({ tenant: tenant.id });
		const all = await interventions(tenant);
		assert.deepEqual(all.map((i) => i.channel), wanted ? [wanted] : [], JSON.stringify(channels));
		if (!wanted)
			assert.equal((await closed_gates(stack, tenant))[user], "channel_off");
	}
});

test("channels: who has none leaves the turn to the next playbook, a hard case goes to a person", async () => {
	const { tenant, user } = await world({ traits: { email: undefined } },
		{ name: "By mail", constraints: { priority: 300 } },
		{ name: "In the product", constraints: { channels: ["in_app"] } });
	assert.deepEqual((await interventions(tenant)).map((i) => i.channel), ["in_app"]);
	assert.equal((await closed_gates(stack, tenant))[user], "no_address");
	const hard = await world({ traits: { email: undefined } },
		{ strategy_hints: { escalate_when: { health: { lt: 101 } } } });
	assert.deepEqual((await interventions(hard.tenant)).map((i) => i.channel), ["escalate"]);
	assert.deepEqual(await closed_gates(stack, hard.tenant), {});
});

test("channels: without any, the tenant's", async () => {
	const { tenant } = await world({ config: { channels: ["in_app"] } },
		{ constraints: { channels: undefined } });
	assert.deepEqual((await interventions(tenant)).map((i) => i.channel), ["in_app"]);
	/* null is like absent, in the chain of the gates too. */
	const none = await world({ config: { channels: ["in_app"] } }, { constraints: { channels: null } });
	assert.deepEqual((await interventions(none.tenant)).map((i) => i.channel), ["in_app"]);
});

test("priority: the higher one speaks", async () => {
	const { tenant, ids } = await world({}, { constraints: { priority: 10 } },
		{ constraints: { priority: 20 } }, { constraints: { priority: 15 } });
	assert.deepEqual((await interventions(tenant)).map((i) => i.playbook_id), [ids[1]]);
});

test("cooldown_days: not again before they are over", async () => {
	const { tenant, batch, user } = await world({}, { constraints: { cooldown_days: 3, channels: ["in_app"] } });
	await batch(at(2.9 * DAY));
	assert.equal((await sent(tenant)).length, 1);
	assert.equal((await closed_gates(stack, tenant))[user], "cooldown");
	await batch(at(3.4 * DAY));
	assert.equal((await sent(tenant)).length, 2);
});

test("max_per_customer: so many and no more", async () => {
	const { tenant, batch, forget, user } = await world({}, { constraints: { cooldown_days: 1,
		max_per_customer: 2, channels: ["in_app"] } });
	for (let day = 2; day < 12; day += 2) {
		await batch(at(day * DAY));
		await forget();
	}
	assert.equal((await sent(tenant)).length, 2);
	assert.equal((await closed_gates(stack, tenant))[user], "max_per_customer");
});

test("max_per_day: so many customers, the others on the next days", async () => {
	const { tenant, batch } = await world({ people: 5 }, { constraints: { max_per_day: 2, channels: ["in_app"] } });
	assert.equal((await interventions(tenant)).length, 2);
	await batch(at(2 * HOUR));
	const today = new Date(at(2 * HOUR)).getUTCDate() === new Date().getUTCDate();
	assert.equal((await interventions(tenant)).length, today ? 2 : 4);
	await batch(at(1.2 * DAY));
	await batch(at(2.4 * DAY));
	assert.equal((await interventions(tenant)).length, 5);
});

test("quiet_hours: the playbook's own, and null for none", async () => {
	const hour = new Date().getUTCHours(), clock = (h) => `${String((h + 24) % 24).padStart(2, "0")}:00`;
	const now_quiet = { start: clock(hour - 1), end: clock(hour + 2) };
	const config = { quiet_hours: now_quiet };
	const held = await world({}, { constraints: { quiet_hours: now_quiet } });
	assert.equal((await interventions(held.tenant))[0].hold, "quiet_hours");
	assert.equal((await sent(held.tenant)).length, 0);
	await held.batch(at(3 * HOUR));
	assert.equal((await sent(held.tenant)).length, 1);
	assert.equal((await sent((await world({ config }, {})).tenant)).length, 0);
	assert.equal((await sent((await world({ config }, { constraints: { quiet_hours: null } })).tenant)).length, 1);
	/* The customer's local hour counts. */
	const far = await world({ traits: { timezone: hour < 12 ? "Etc/GMT-8" : "Etc/GMT+8" } },
		{ constraints: { quiet_hours: now_quiet } });
	assert.equal((await sent(far.tenant)).length, 1);
});

test("min_confidence: under it a message waits, in semi_auto alone", async () => {
	const one = async (mode, min_confidence) =>
		(await sent((await world({ mode }, { constraints: { min_confidence, channels: ["in_app"] } })).tenant)).length;
	assert.deepEqual([await one("semi_auto", 0.99), await one("semi_auto", 0.3),
		await one("full_auto", 0.99)], [0, 1, 1]);
});

test("requires_approval: a person lets it go, in every mode", async () => {
	const { tenant, batch } = await world({}, { constraints: { requires_approval: true, channels: ["in_app"] } });
	await batch();
	const [message] = await interventions(tenant);
	assert.equal(message.status, "planned");
	ok(await tenant.editor.put(`/api/interventions/${message.id}/approve`));
	await batch();
	assert.equal((await sent(tenant)).length, 1);
});

test("holdout: nobody under the draw, everybody without", async () => {
	const all = await world({ people: 12 }, { constraints: { holdout: 1 } });
	assert.equal((await interventions(all.tenant)).length, 0);
	assert.ok(Object.values(await closed_gates(stack, all.tenant)).every((gate) => gate === "holdout"));
	const none = await world({ people: 3 }, { constraints: { holdout: 0 } });
	assert.equal((await interventions(none.tenant)).length, 3);
});

test("lifecycle_area: the text without one of its own, and analytics by area", async () => {
	const texts = new Set();
	for (const lifecycle_area of ["activation", "retention", "expansion", "win_back"]) {
		const { tenant } = await world({}, { constraints: { lifecycle_area, channels: ["in_app"] },
			strategy_hints: { message: undefined } });
		const [message] = ok(await tenant.viewer.get("/api/interventions")).interventions;
		texts.add(message.message_body);
		const { lifecycle_area_breakdown: areas } = ok(await tenant.viewer.get("/api/analytics"));
		assert.deepEqual(areas.map((a) => a.lifecycle_area), [lifecycle_area]);
	}
	assert.equal(texts.size, 4);
});

test("win_back_step: the next only after the one before, within one absence", async () => {
	const step = (n, days) => ({ name: `Step ${n}`, entry_conditions: {
		days_since_last_activity: { gte: days } }, constraints: { win_back_step: n, channels: ["in_app"],
		cooldown_days: 30 } });
	const { tenant, batch, forget, user, ids } = await world({ idle: 16 }, step(1, 14), step(2, 18), step(3, 22));
	const steps = async () => (await sent(tenant)).map((i) => ids.indexOf(i.playbook_id) + 1).toSorted();
	assert.deepEqual(await steps(), [1]);
	for (const day of [1, 3, 7]) {
		await batch(at(day * DAY));
		await forget();
	}
	assert.deepEqual(await steps(), [1, 2, 3]);

	/* Twenty days away from the start: the second step has none before it. */
	const late = await world({ idle: 20 }, step(2, 18));
	assert.deepEqual(await interventions(late.tenant), []);
	assert.equal((await closed_gates(stack, late.tenant))[late.user], "win_back_step");
	const chain = ok(await late.tenant.viewer.get(`/api/playbooks/${late.ids[0]}/why?user_id=${late.user}`));
	assert.equal(chain.closed_by, "win_back_step");
	assert.ok(user);
});

test("match_all: empty conditions have to be meant", async () => {
	const { tenant } = await world({ people: 3 });
	const { id } = ok(await tenant.editor.post("/api/playbooks", win_back({ entry_conditions: {} })), 201);
	refused(await tenant.editor.put(`/api/playbooks/${id}/status`, { status: "active" }), 400, "entry_conditions");
	ok(await tenant.editor.put(`/api/playbooks/${id}`, { constraints: { match_all: true, holdout: 0,
		channels: ["in_app"] } }));
	ok(await tenant.editor.put(`/api/playbooks/${id}/status`, { status: "active" }));
	await stack.batch({ tenant: tenant.id });
	assert.equal((await interventions(tenant)).length, 3);
});

test("exit conditions: met before it leaves, the message is cancelled", async () => {
	const { tenant, user, batch } = await world({ mode: "suggest_only" }, { exit_conditions: {
		event: { name: "came_back", within_days: 2 } } });
	ok(await tenant.ingest.track({ user_id: user, event: "came_back" }));
	await batch();
	const [message] = await interventions(tenant);
	assert.deepEqual([message.status, message.reason], ["cancelled", "exit_met"]);
});
