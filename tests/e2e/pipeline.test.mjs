/* From an event to a delivered message, and every gate that stops it. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { simpleParser } from "mailparser";
import { start_stack } from "./lib/stack.mjs";
import { MailServer } from "./lib/smtp.mjs";
import { HookServer } from "./lib/hooks.mjs";
import { add_endpoint, new_secret } from "./lib/endpoints.mjs";
import { activate, at, closed_gates, drift, interventions, new_user, ok, the_intervention, unsubscribe_link, win_back, DAY, HOUR, MINUTE } from "./lib/cases.mjs";

let stack, smtp;

before(async () => {
	smtp = await new MailServer().start();
	stack = await start_stack({ settings: { RETIVO_SMTP_URL: smtp.url,
		RETIVO_SMTP_TLS: "none" } });
});
after(async () => {
	await stack?.stop();
	await smtp?.stop();
});

const address = (user) => `${user}@customer.example`;
const approve = (tenant, id) => tenant.editor.put(`/api/interventions/${id}/approve`);
const mode = (tenant, approvalMode) =>
	tenant.admin.patch("/api/settings", { approvalMode });

/* A tenant, a drifting customer and an active playbook. */
async function scene({ playbook, traits, approvalMode, config, timezone } = {}) {
	const tenant = await stack.tenant("Scene", { timezone });
	if (approvalMode || config)
		ok(await tenant.admin.patch("/api/settings", { approvalMode, config }));
	const user = await drift(tenant.ingest, new_user(), traits);
	const id = await activate(tenant, win_back(playbook));
	const batch = (options) => stack.batch({ tenant: tenant.id, ...options });
	return { tenant, user, playbook: id, batch };
}

/* What the API does not show of the one intervention of a customer. */
async function row_of(tenant, user) {
	const rows = await stack.sql("select id, status, reason, hold, lapsed_at," +
		" playbook_id from interventions where tenant_id = $1 and user_id = $2",
		tenant.id, user);
	assert.equal(rows.length, 1, `${user} has ${JSON.stringify(rows)}`);
	return rows[0];
}

/* The last step of an intervention in its log: [from, to, reason]. */
async function last_step(tenant, id) {
	const rows = await stack.sql("select from_status, to_status, reason from" +
		" intervention_log where tenant_id = $1 and intervention_id = $2" +
		" order by id", tenant.id, id);
	const { from_status, to_status, reason } = rows.at(-1);
	return [from_status, to_status, reason];
}

async function sent_once(tenant, user) {
	const seen = await the_intervention(tenant, user);
	assert.ok(["sent", "delivered"].includes(seen.status), seen.status);
	assert.equal(smtp.to(address(user)).length, 1);
	return smtp.to(address(user))[0];
}

test("track → batch → planned → approve → batch → one mail", async () => {
	const { tenant, user, playbook, batch } = await scene();
	await batch();
	const planned = await the_intervention(tenant, user);
	assert.equal(planned.status, "planned");
	assert.equal(planned.playbook_id, playbook);
	assert.equal(planned.channel, "email");
	assert.match(planned.message_body, /Hi Ada/);
	assert.match(planned.reasoning, /\w+ .*\w+/);
	assert.ok(planned.confidence > 0 && planned.confidence <= 1);
	assert.ok(planned.quality_checks && typeof planned.quality_checks === "object");
	assert.equal(smtp.to(address(user)).length, 0);
	await batch();
	assert.equal(smtp.to(address(user)).length, 0);

	ok(await approve(tenant, planned.id));
	await batch();
	const mail = await sent_once(tenant, user);
	const seen = await the_intervention(tenant, user);
	assert.ok(seen.approved_at && seen.sent_at);

	const { parsed } = mail;
	assert.equal(parsed.subject, "We miss you");
	assert.match(parsed.from.text, /hello@sender\.example/);
	assert.equal(parsed.to.value[0].address, address(user));
	assert.match(parsed.text, /Hi Ada Example, your reports are waiting for you\./);
	assert.match(parsed.html, /Hi Ada/);
	assert.ok(parsed.messageId && parsed.date);
	assert.match(mail.raw.toString(), /^Content-Type: multipart\/alternative/im);
	assert.match(mail.raw.toString(), /^List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$/m);
	assert.ok(!/[^\r]\n/.test(mail.raw.toString()));

	const link = unsubscribe_link(parsed);
	assert.equal((await stack.client.call("POST", link.pathname, {
		raw: "List-Unsubscribe=One-Click",
		type: "application/x-www-form-urlencoded" })).status, 200);
	const [row] = await stack.sql("select opted_out, channels_off from customers" +
		" where tenant_id = $1 and user_id = $2", tenant.id, user);
	assert.ok(row.opted_out || row.channels_off.includes("email"));
});

test("the log tells every step with its actor", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto" });
	await batch();
	await batch();
	const { id } = await the_intervention(tenant, user);
	const steps = await stack.sql("select to_status, actor from intervention_log" +
		" where tenant_id = $1 and intervention_id = $2 order by id", tenant.id, id);
	const words = steps.map((s) => s.to_status);
	assert.deepEqual(words.filter((w, n) => w !== words[n - 1]).slice(0, 4),
		["planned", "approved", "sending", "sent"].slice(0, 4), words.join(" "));
	assert.ok(steps.every((s) => s.actor));
});

test("full_auto sends without anybody", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto" });
	await batch();
	await batch();
	await sent_once(tenant, user);
});

test("semi_auto goes by the confidence", async () => {
	const sure = await scene({ approvalMode: "semi_auto",
		config: { confidence_threshold: 0 } });
	await sure.batch();
	await sure.batch();
	await sent_once(sure.tenant, sure.user);
	const unsure = await scene({ approvalMode: "semi_auto",
		config: { confidence_threshold: 1 } });
	await unsure.batch();
	await unsure.batch();
	assert.equal((await the_intervention(unsure.tenant, unsure.user)).status, "planned");
});

test("requires_approval waits in every mode", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
		playbook: { constraints: { requires_approval: true } } });
	await batch();
	await batch();
	assert.equal((await the_intervention(tenant, user)).status, "planned");
});

test("a message that fails a check waits for a person", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
		playbook: { strategy_hints: { message:
			"Hi {{name|there}}, see https://evil.example/offer now." } } });
	await batch();
	await batch();
	const seen = await the_intervention(tenant, user);
	assert.equal(seen.status, "planned");
	assert.match(JSON.stringify(seen.quality_checks), /link|domain/);
	assert.equal(smtp.to(address(user)).length, 0);
});

for (const [why, approvalMode, hints] of [
	["whose check had failed", "full_auto", { message: "Hi {{name|there}}, see https://evil.example/offer now." }],
	["that could go by itself", "suggest_only", {}]])
	test(`a draft ${why} waits for a person once a person edited it`, async () => {
		const { tenant, user, batch } = await scene({ approvalMode, playbook: { strategy_hints: hints } });
		await batch();
		const { id } = await the_intervention(tenant, user);
		const edited = ok(await tenant.editor.patch(`/api/interventions/${id}`,
			{ message_body: "Hi Ada, this is only half of what I" }));
		assert.equal(edited.checks_passed, true);
		assert.match(edited.edited_by, /^key:/);
		ok(await mode(tenant, "full_auto"));
		await batch();
		ok(await tenant.admin.patch("/api/settings", { config: { attribution_days: 10 } }));
		await batch();
		await batch({ now: at(HOUR) });
		const seen = await the_intervention(tenant, user);
		assert.equal(seen.status, "planned");
		assert.equal(seen.edited_by, edited.edited_by);
		assert.ok(seen.edited_at);
		assert.equal(smtp.to(address(user)).length, 0);
		ok(await approve(tenant, id));
		await batch();
		const { parsed } = await sent_once(tenant, user);
		assert.match(parsed.text, /only half of what I/);
	});

test("kill switch on: nothing is planned or sent", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto" });
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: true }));
	await batch();
	await batch();
	assert.equal(smtp.to(address(user)).length, 0);
	assert.equal((await interventions(tenant, user)).length, 0);
	assert.equal((await closed_gates(stack, tenant))[user], "kill_switch");
	/* Off again: who was kept back is looked at at once. */
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: false }));
	await batch();
	assert.equal(smtp.to(address(user)).length, 1);
});

test("kill switch after approval: held, and sent once it is off", async () => {
	const { tenant, user, batch } = await scene();
	await batch();
	const { id } = await the_intervention(tenant, user);
	ok(await approve(tenant, id));
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: true }));
	await batch();
	const { status, hold } = await row_of(tenant, user);
	assert.deepEqual([status, hold], ["approved", "kill_switch"]);
	assert.equal(smtp.to(address(user)).length, 0);
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: false }));
	await batch();
	await sent_once(tenant, user);
});

/* Each gate: how it is closed, and the name that it leaves. */
const gates = {
	opted_out: async ({ tenant, user }) =>
		ok(await tenant.editor.put(`/api/customers/${user}/preferences`,
			{ opted_out: true })),
	holdout: async ({ tenant, playbook }) =>
		ok(await tenant.editor.put(`/api/playbooks/${playbook}`,
			{ constraints: { holdout: 1, channels: ["email"] } })),
	tracked_limit: ({ tenant }) =>
		stack.sql("update customers set tracked = false where tenant_id = $1", tenant.id),
};
for (const [gate, close] of Object.entries(gates))
	test(`gate ${gate}: nothing is planned and its name is kept`, async () => {
		const it = await scene({ approvalMode: "full_auto" });
		await it.batch({ stage: "refresh" });
		await close(it);
		await it.batch();
		await it.batch();
		assert.equal((await interventions(it.tenant, it.user)).length, 0);
		assert.equal((await closed_gates(stack, it.tenant))[it.user], gate);
		assert.equal(smtp.to(address(it.user)).length, 0);
	});

test("gate daily_budget: the second customer of the day waits", async () => {
	const { tenant, batch } = await scene({ approvalMode: "full_auto",
		config: { daily_budget: 1 } });
	await drift(tenant.ingest, new_user());
	await batch();
	await batch();
	assert.equal((await interventions(tenant)).length, 1);
	assert.deepEqual(Object.values(await closed_gates(stack, tenant))
		.filter((gate) => gate === "daily_budget"), ["daily_budget"]);
});

test("who cannot be reached takes nothing from the daily budget", async () => {
	const { tenant, user, batch } = await scene({ config: { daily_budget: 1 } });
	/* Sorts, and so is decided, before the other. */
	const mute = await drift(tenant.ingest, `a-${new_user()}`, { email: undefined });
	await batch();
	assert.equal((await interventions(tenant, mute)).length, 0);
	assert.equal((await the_intervention(tenant, user)).status, "planned");
	assert.equal((await closed_gates(stack, tenant))[mute], "no_address");
});

test("a day without transport takes nothing from the daily budget", async () => {
	/* Within one day of UTC, whatever the time is now. */
	const noon = new Date(Date.now() + DAY);
	noon.setUTCHours(12, 0, 0, 0);
	const { tenant, batch } = await scene({ config: { daily_budget: 1 } });
	await drift(tenant.ingest, new_user());
	await batch({ now: noon, env: { RETIVO_SMTP_URL: "" } });
	assert.equal((await interventions(tenant)).length, 0);
	await batch({ now: new Date(noon.getTime() + 2 * HOUR) });
	assert.equal((await interventions(tenant)).length, 1);
});

test("max_per_day reached: the runner-up has its chance", async () => {
	const tenant = await stack.tenant("Day");
	const users = [];
	for (let n = 0; n < 3; n++)
		users.push(await drift(tenant.ingest, new_user("day")));
	const low = await activate(tenant, win_back({ name: "Low",
		constraints: { priority: 10 } }));
	const high = await activate(tenant, win_back({ name: "High",
		constraints: { priority: 500, max_per_day: 1 } }));
	const chosen = async (list) => (await Promise.all(list.map((user) =>
		row_of(tenant, user)))).map((row) => row.playbook_id).sort();
	/* In one pass, where the day ends between two customers ... */
	await stack.batch({ tenant: tenant.id });
	assert.deepEqual(await chosen(users), [low, low, high].sort());
	const closed = () => stack.sql("select user_id from gate_results where" +
		" tenant_id = $1 and playbook_id = $2 and gate = 'daily_budget'",
		tenant.id, high);
	assert.equal((await closed()).length, 2);
	/* ... and in the next, which finds it full. */
	const late = await drift(tenant.ingest, new_user("day"));
	await stack.batch({ tenant: tenant.id });
	assert.deepEqual(await chosen([late]), [low]);
	assert.ok((await closed()).some((row) => row.user_id === late));
});

test("max_per_day reached without a runner-up: nothing is planned", async () => {
	const { tenant, batch } = await scene({
		playbook: { constraints: { max_per_day: 1 } } });
	await drift(tenant.ingest, new_user());
	await batch();
	await batch();
	assert.equal((await interventions(tenant)).length, 1);
	assert.ok(Object.values(await closed_gates(stack, tenant))
		.includes("daily_budget"));
});

const opt_out = async (tenant, user) =>
	ok(await tenant.editor.put(`/api/customers/${user}/preferences`,
		{ opted_out: true }));

test("opt-out between match and decide: nothing is planned", async () => {
	const { tenant, user, batch } = await scene();
	await batch({ stage: "refresh" });
	await batch({ stage: "match" });
	const [{ n }] = await stack.sql("select count(*) as n from candidates where" +
		" tenant_id = $1 and user_id = $2", tenant.id, user);
	assert.equal(n, 1);
	await opt_out(tenant, user);
	await batch({ stage: "decide" });
	assert.equal((await interventions(tenant, user)).length, 0);
	assert.equal((await closed_gates(stack, tenant))[user], "opted_out");
});

test("opt-out between approval and delivery: nothing is sent", async () => {
	const { tenant, user, batch } = await scene();
	await batch();
	ok(await approve(tenant, (await the_intervention(tenant, user)).id));
	await opt_out(tenant, user);
	await batch({ stage: "deliver" });
	await batch();
	const { status, hold } = await row_of(tenant, user);
	assert.deepEqual([status, hold], ["approved", "opted_out"]);
	assert.equal(smtp.to(address(user)).length, 0);
});

for (const status of ["paused", "archived"])
	for (const approved of [false, true])
		test(`playbook ${status}: its ${approved ? "approved" : "planned"} draft is cancelled`, async () => {
			const { tenant, user, playbook, batch } = await scene();
			await batch();
			const { id } = await the_intervention(tenant, user);
			if (approved)
				ok(await approve(tenant, id));
			ok(await tenant.editor.put(`/api/playbooks/${playbook}/status`, { status }));
			await batch();
			const row = await row_of(tenant, user);
			assert.deepEqual([row.status, row.reason],
				["cancelled", "playbook_inactive"]);
			assert.deepEqual(await last_step(tenant, id),
				[approved ? "approved" : "planned", "cancelled", "playbook_inactive"]);
			assert.equal(smtp.to(address(user)).length, 0);
		});

/* A draft that the API could not see yet when the playbook stopped. */
for (const [step, stage] of [["planned", "approve"], ["approved", "deliver"]])
	test(`stage ${stage} cancels what a stopped playbook left ${step}`, async () => {
		const { tenant, user, playbook, batch } = await scene();
		await batch();
		if (step === "approved")
			ok(await approve(tenant, (await the_intervention(tenant, user)).id));
		await stack.sql("update playbooks set status = 'paused' where" +
			" tenant_id = $1 and id = $2", tenant.id, playbook);
		await batch({ stage });
		const row = await row_of(tenant, user);
		assert.deepEqual([row.status, row.reason], ["cancelled", "playbook_inactive"]);
		assert.equal(smtp.to(address(user)).length, 0);
	});

test("what waits goes on once the mode or the kill switch lets it", async () => {
	const { tenant, user, batch } = await scene();
	const status = async () => (await row_of(tenant, user)).status;
	/* As the timer runs it: only what is due, and what is new. */
	const tick = (hours) => batch({ force: false, now: at(hours * HOUR) });
	await tick(0);
	await tick(1);
	assert.equal(await status(), "planned");
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: true }));
	ok(await mode(tenant, "full_auto"));
	await tick(2);
	assert.equal(await status(), "planned");
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: false }));
	await tick(3);
	await sent_once(tenant, user);
});

test("a draft that was checked late is approved still", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto" });
	const tick = (stage, hours) => batch({ force: false, stage, now: at(hours * HOUR) });
	for (const stage of ["refresh", "match", "decide"])
		await tick(stage, 0);
	await tick("approve", 0);
	await tick("approve", 1);
	assert.equal((await row_of(tenant, user)).status, "planned");
	await tick("check", 2);
	await tick("approve", 2);
	assert.equal((await row_of(tenant, user)).status, "approved");
});

test("gate cooldown: the playbook waits its days, then comes again", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
		playbook: { constraints: { cooldown_days: 5 } } });
	const runs = async (days) => {
		for (let n = 0; n < 2; n++)
			await batch({ now: at(days * DAY + n * MINUTE) });
		return (await interventions(tenant, user)).length;
	};
	assert.equal(await runs(0), 1);
	assert.equal(await runs(3), 1);
	assert.equal((await closed_gates(stack, tenant))[user], "cooldown");
	assert.equal(await runs(6), 2);
	/* The same words again within days: that one waits for a person. */
	const [second] = await interventions(tenant, user);
	assert.equal(second.status, "planned");
	assert.match(JSON.stringify(second.quality_checks), /repe/);
	assert.equal(smtp.to(address(user)).length, 1);
});

test("gate frequency_cap: over all playbooks", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
		config: { frequency_cap: { count: 1, days: 7 } } });
	await batch();
	await batch();
	await sent_once(tenant, user);
	await activate(tenant, win_back({ name: "Second" }));
	await batch({ now: at(DAY) });
	await batch({ now: at(DAY + MINUTE) });
	assert.equal((await interventions(tenant, user)).length, 1);
	const rows = await stack.sql("select gate from gate_results where tenant_id = $1" +
		" and user_id = $2", tenant.id, user);
	assert.ok(rows.some((r) => r.gate === "frequency_cap"), JSON.stringify(rows));
});

test("gate exit_met: no message while the exit holds, and one when it does not", async () => {
	const tenant = await stack.tenant("Exit");
	/* So long away that no day but that of the exit changes anything. */
	const user = await drift(tenant.ingest, new_user("exit"), {}, 90);
	await activate(tenant, win_back({ entry_conditions: { lifecycle_stage: "churned" },
		exit_conditions: { event: { name: "login", within_days: 92 } } }));
	const batch = ({ now }) => stack.batch({ tenant: tenant.id, now });
	for (const hours of [0, 2, 4])
		await batch({ now: at(hours * HOUR) });
	assert.equal((await interventions(tenant, user)).length, 0);
	assert.equal((await closed_gates(stack, tenant))[user], "exit_met");
	assert.deepEqual(await stack.sql("select id from decisions where tenant_id = $1", tenant.id), []);
	/* The login leaves the window: nothing else happens to the customer. */
	await batch({ now: at(3 * DAY) });
	assert.equal((await interventions(tenant, user)).length, 1);
});

test("gate open_intervention: one message at a time", async () => {
	const { tenant, user, batch } = await scene();
	await batch();
	await activate(tenant, win_back({ name: "Second" }));
	await batch({ now: at(HOUR) });
	assert.equal((await interventions(tenant, user)).length, 1);
	const rows = await stack.sql("select gate from gate_results where tenant_id = $1" +
		" and user_id = $2", tenant.id, user);
	assert.ok(rows.some((r) => r.gate === "open_intervention"), JSON.stringify(rows));
});

test("priority decides between playbooks, and the loser is told", async () => {
	const tenant = await stack.tenant("Two");
	const user = await drift(tenant.ingest, new_user());
	await activate(tenant, win_back({ name: "Low", constraints: { priority: 10 } }));
	const high = await activate(tenant, win_back({ name: "High",
		constraints: { priority: 500 } }));
	await activate(tenant, win_back({ name: "As high", constraints: { priority: 500 } }));
	await stack.batch({ tenant: tenant.id });
	assert.equal((await the_intervention(tenant, user)).playbook_id, high);
	const [{ rules }] = await stack.sql("select rules from decisions where" +
		" tenant_id = $1 and user_id = $2", tenant.id, user);
	assert.deepEqual(rules.offered.map(({ name, lost_by }) => [name, lost_by]),
		[["High", undefined], ["As high", "age"], ["Low", "priority"]]);
});

test("customers with long properties are decided, and their texts checked, a few at a time", async () => {
	const tenant = await stack.tenant("Long");
	const long = "x".repeat(50_000), people = 90;
	await activate(tenant, win_back({ strategy_hints: { message: "Hi {{name|there}}: {{properties.long|no}}" } }));
	for (let i = 0; i < people; i++)
		await drift(tenant.ingest, new_user("long"));
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	await stack.sql("update customers set properties = jsonb_build_object('long', $2::text) where tenant_id = $1",
		tenant.id, long);
	await stack.batch({ tenant: tenant.id });
	const parts = async (table, where = "true") => (await stack.sql("select count(*)::int as n from " + table +
		" where tenant_id = $1 and " + where + " group by xmin::text", tenant.id)).map((row) => row.n);
	const decided = await parts("decisions"), checked = await parts("interventions", "not checks_passed");
	for (const [all, most] of [[decided, 2 * 1024 * 1024 / long.length], [checked, 1024 * 1024 / long.length]]) {
		assert.equal(all.reduce((a, b) => a + b), people);
		assert.ok(Math.max(...all) <= most + 1, `${all}`);
	}
});

test("a customer with long properties and many playbooks is decided as a whole", async () => {
	const tenant = await stack.tenant("Both");
	const user = await drift(tenant.ingest, new_user("both"));
	const ids = [];
	for (let i = 0; i < 45; i++)
		ids.push(await activate(tenant, win_back({ name: `Book ${i}`, constraints: { priority: i + 1 } })));
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	await stack.sql("update customers set properties = jsonb_build_object('long', repeat('x', 60000))" +
		" where tenant_id = $1", tenant.id);
	await stack.batch({ tenant: tenant.id });
	assert.equal((await the_intervention(tenant, user)).playbook_id, ids.at(-1));
});

test("conditions as long as they may be, in entry, exit and escalate_when, of several playbooks", async () => {
	const tenant = await stack.tenant("Wide");
	const user = await drift(tenant.ingest, new_user("wide"));
	const all = (more) => ({ all: Array.from({ length: 199 }, (_, i) => ({ event:
		{ name: `seen_${i % 40}`, within_days: 5 + i, count: { lt: 3 + i } } })), ...more });
	for (let i = 0; i < 5; i++)
		await activate(tenant, win_back({ name: `Wide ${i}`, entry_conditions: all({ lifecycle_stage: "at_risk" }),
			exit_conditions: all({ health: { gt: 100 } }), constraints: { priority: i + 1 },
			strategy_hints: { escalate_when: all({ health: { gt: 100 } }) } }));
	await stack.batch({ tenant: tenant.id });
	assert.equal((await the_intervention(tenant, user)).channel, "email");
});

test("at the same priority the proven lift decides, not the share of good ends", async () => {
	const tenant = await stack.tenant("Lift");
	const user = await drift(tenant.ingest, new_user());
	const trials = {};
	for (const [name, ...counts] of [["Popular", 100, 80, 100, 80], ["Useful", 100, 30, 100, 10]])
		await stack.sql("insert into playbook_lift (tenant_id, playbook_id, treated, treated_positive," +
			" held_out, held_out_positive, computed_at) values ($1, $2, $3, $4, $5, $6, now())",
			tenant.id, trials[name] = await activate(tenant, win_back({ name })), ...counts);
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	const { rules: { winner } } = ok(await tenant.viewer.post("/api/interventions/dry-run", { user_id: user }));
	assert.equal(winner, trials.Useful);
	await stack.batch({ tenant: tenant.id });
	const [{ rules: { offered } }] = await stack.sql("select rules from decisions where tenant_id = $1", tenant.id);
	assert.deepEqual(offered.map((o) => [o.id, o.lost_by]),
		[[trials.Useful, undefined], [trials.Popular, "lift"]]);
	const { stdout } = await stack.admin(["replay", "--tenant", String(tenant.id)]);
	assert.match(stdout, / 0 differ/);
});

test("quiet hours hold in the customer's own zone", async () => {
	/* 12:00 in Tokyo is 03:00 UTC: quiet in UTC, not in Tokyo. */
	const noon = new Date(Date.now() + DAY);
	noon.setUTCHours(3, 0, 0, 0);
	const quiet = { playbook: { constraints: {
		quiet_hours: { start: "21:00", end: "08:00" } } }, approvalMode: "full_auto" };
	const tokyo = await scene({ ...quiet, traits: { timezone: "Asia/Tokyo" } });
	const utc = await scene({ ...quiet, traits: { timezone: "UTC" } });
	for (const { batch } of [tokyo, utc])
		for (let n = 0; n < 2; n++)
			await batch({ now: new Date(noon.getTime() + n * MINUTE) });
	await sent_once(tokyo.tenant, tokyo.user);
	assert.equal(smtp.to(address(utc.user)).length, 0);
	const { status, hold } = await row_of(utc.tenant, utc.user);
	assert.deepEqual([status, hold], ["approved", "quiet_hours"]);
	await utc.batch({ now: new Date(noon.getTime() + 6 * HOUR) });
	await sent_once(utc.tenant, utc.user);
});

test("the tenant's zone holds where the customer's is unknown", async () => {
	const night = new Date(Date.now() + DAY);
	night.setUTCHours(3, 0, 0, 0);
	const { user, batch } = await scene({ approvalMode: "full_auto",
		timezone: "America/Los_Angeles",
		playbook: { constraints: { quiet_hours: { start: "19:00", end: "09:00" } } } });
	for (let n = 0; n < 2; n++)
		await batch({ now: new Date(night.getTime() + n * MINUTE) });
	assert.equal(smtp.to(address(user)).length, 0);
});

test("twice the batch is one mail", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto" });
	for (let n = 0; n < 5; n++)
		await batch();
	await sent_once(tenant, user);
});

test("many batches at once are one mail for each customer", async () => {
	const tenant = await stack.tenant("Race");
	ok(await mode(tenant, "full_auto"));
	const users = [];
	for (let n = 0; n < 20; n++)
		users.push(await drift(tenant.ingest, new_user("race")));
	await activate(tenant, win_back());
	for (let round = 0; round < 3; round++)
		await Promise.all(Array.from({ length: 4 },
			() => stack.batch({ tenant: tenant.id })));
	for (const user of users)
		await sent_once(tenant, user);
	const rows = await stack.sql("select count(*) as n from interventions" +
		" where tenant_id = $1", tenant.id);
	assert.equal(rows[0].n, users.length);
});

for (const approved of [false, true])
	test(`exit met: what is ${approved ? "approved" : "planned"} is cancelled`, async () => {
		const { tenant, user, batch } = await scene({ playbook: {
			exit_conditions: { days_since_last_activity: { lt: 1 } } } });
		await batch();
		const { id } = await the_intervention(tenant, user);
		if (approved)
			ok(await approve(tenant, id));
		ok(await tenant.ingest.track({ user_id: user, event: "login" }));
		await batch();
		const row = await row_of(tenant, user);
		assert.deepEqual([row.status, row.reason], ["cancelled", "exit_met"]);
		assert.deepEqual(await last_step(tenant, id),
			[approved ? "approved" : "planned", "cancelled", "exit_met"]);
		assert.equal(smtp.to(address(user)).length, 0);
	});

test("an approval lapses after 48 h", async () => {
	const { tenant, user, batch } = await scene();
	await batch();
	const { id } = await the_intervention(tenant, user);
	ok(await approve(tenant, id));
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: true }));
	await batch({ now: at(47 * HOUR) });
	assert.equal((await row_of(tenant, user)).status, "approved");
	await batch({ now: at(49 * HOUR) });
	ok(await tenant.admin.put("/api/settings/kill-switch", { active: false }));
	await batch({ now: at(49 * HOUR + MINUTE) });
	const { status, lapsed_at } = await row_of(tenant, user);
	assert.equal(status, "planned");
	assert.ok(Math.abs(lapsed_at - at(49 * HOUR)) < 5 * MINUTE, String(lapsed_at));
	assert.deepEqual(await last_step(tenant, id),
		["approved", "planned", "approval_expired"]);
	assert.equal(smtp.to(address(user)).length, 0);
});

test("what nobody approves in 7 days expires", async () => {
	const { tenant, user, batch } = await scene({
		playbook: { constraints: { cooldown_days: 30 } } });
	await batch();
	await batch({ now: at(6 * DAY) });
	assert.equal((await row_of(tenant, user)).status, "planned");
	await batch({ now: at(7 * DAY + MINUTE) });
	const { id, status, reason } = await row_of(tenant, user);
	assert.deepEqual([status, reason], ["expired", "not_approved_in_time"]);
	assert.deepEqual(await last_step(tenant, id),
		["planned", "expired", "not_approved_in_time"]);
});

test("SMTP 550 fails for good", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto" });
	smtp.refuse.set(address(user), { code: 550, times: 99 });
	await batch();
	await batch();
	await batch({ now: at(HOUR) });
	assert.equal((await interventions(tenant, user)).at(-1).status, "failed");
	assert.equal(smtp.tries.filter((a) => a === address(user)).length, 1);
});

test("SMTP 451 is tried again later and then goes out", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto" });
	smtp.refuse.set(address(user), { code: 451, times: 1 });
	await batch();
	await batch();
	const waiting = await the_intervention(tenant, user);
	assert.ok(["approved", "sending"].includes(waiting.status), waiting.status);
	const tries = () => smtp.tries.filter((a) => a === address(user)).length;
	assert.equal(tries(), 1);
	await batch({ now: at(12 * HOUR) });
	await sent_once(tenant, user);
	assert.equal(tries(), 2);
});

test("an address that SMTP must not see fails and sends nothing", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto" });
	await stack.sql("update customers set email = $3 where tenant_id = $1" +
		" and user_id = $2", tenant.id, user,
		"a@b.example>\r\nRCPT TO:<victim@customer.example");
	await batch();
	await batch();
	assert.ok((await interventions(tenant, user)).every((i) =>
		!["sent", "delivered"].includes(i.status)));
	assert.equal(smtp.to("victim@customer.example").length, 0);
});

for (const [key, value] of [["name", "Eve\u2028<b>x</b>&amp;"],
	["properties.nick", "Eve\r\nBcc: eve@customer.example\r\n\r\n<b>x</b>&amp;"]])
	test(`no header and no markup comes from a customer's ${key}`, async () => {
		const { tenant, user, batch } = await scene({ traits: { [key.replace("properties.", "")]: value },
			playbook: { strategy_hints: { subject: `Hello {{${key}|there}}`, message: `Hi {{${key}|there}}.` } } });
		await batch();
		const seen = await the_intervention(tenant, user);
		assert.equal(seen.status, "planned");
		ok(await approve(tenant, seen.id));
		await batch();
		const { parsed, raw } = await sent_once(tenant, user);
		assert.match(parsed.html, /&lt;b&gt;x&lt;\/b&gt;&amp;amp;\./);
		assert.doesNotMatch(parsed.html, /<b>x<\/b>/);
		assert.match(parsed.subject, /^Hello Eve[^\r\n]*<b>x<\/b>&amp;$/);
		assert.deepEqual(parsed.to.value.map((one) => one.address), [address(user)]);
		const head = String(raw).split("\r\n\r\n")[0].split(/\r\n(?!\s)/);
		assert.deepEqual(head.map((line) => line.split(":")[0]), ["Date", "From", "To", "Subject",
			"Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted",
			"MIME-Version", "Content-Type"]);
		assert.deepEqual(smtp.to("eve@customer.example"), []);
	});

test("non-ASCII text arrives as it is", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
		traits: { name: "Łucja 日本" }, playbook: { strategy_hints: {
			subject: "Grüße, {{name|there}} – ein sehr langer Betreff, der in mehrere Wörter zerfällt",
			message: "Grüß dich {{name|there}}.\nZweite Zeile." } } });
	await batch();
	await batch();
	const { parsed } = await sent_once(tenant, user);
	assert.equal(parsed.subject, "Grüße, Łucja 日本 – ein sehr langer Betreff, " +
		"der in mehrere Wörter zerfällt");
	assert.match(parsed.text, /Grüß dich Łucja 日本\.\nZweite Zeile\./);
});

test("in_app is stored for the customer", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
		playbook: { constraints: { channels: ["in_app"] } } });
	await batch();
	await batch();
	const seen = await the_intervention(tenant, user);
	assert.equal(seen.channel, "in_app");
	assert.equal(seen.status, "sent");
	assert.equal(smtp.to(address(user)).length, 0);
});

test("webhook is delivered signed in both ways, once", async () => {
	const hooks = await new HookServer(new_secret()).start();
	try {
		const { tenant, user, batch, playbook } = await scene({ approvalMode: "full_auto",
			playbook: { constraints: { channels: ["webhook"] } } });
		await add_endpoint(stack, tenant, hooks);
		for (let n = 0; n < 3; n++)
			await batch();
		const seen = await the_intervention(tenant, user);
		assert.ok(["sent", "delivered"].includes(seen.status), seen.status);
		const calls = hooks.calls.filter((c) => c.body?.intervention_id === seen.id
			&& c.body.type === "intervention.delivered");
		assert.equal(calls.length, 1, JSON.stringify(hooks.calls));
		const [{ headers, body, verified, hex, problem }] = calls;
		assert.ok(verified, problem);
		assert.equal(headers["x-retivo-signature"], hex);
		assert.equal(body.user_id, user);
		assert.equal(body.playbook_id, playbook);
		assert.equal(body.channel, "webhook");
		assert.match(body.message_body, /Hi Ada/);
		assert.equal(body.metadata.lifecycle_stage, "at_risk");
		assert.ok(body.type && body.id && body.timestamp);
		assert.ok(hooks.calls.every((c) => c.verified));
	} finally {
		await hooks.stop();
	}
});

test("a webhook that answers 500 is tried again with the same id", async () => {
	const hooks = await new HookServer(new_secret()).start();
	try {
		const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
			playbook: { constraints: { channels: ["webhook"] } } });
		await add_endpoint(stack, tenant, hooks);
		hooks.answers = Array.from({ length: 50 }, () => 500);
		await batch();
		await batch();
		assert.ok(hooks.calls.length >= 1);
		assert.notEqual((await the_intervention(tenant, user)).status, "delivered");
		hooks.answers = [];
		await batch({ now: at(6 * MINUTE) });
		await batch({ now: at(2 * HOUR) });
		const { id } = await the_intervention(tenant, user);
		const ids = hooks.calls.filter((c) => c.text.includes(id)
			&& c.text.includes("intervention.delivered"))
			.map((c) => c.headers["webhook-id"]);
		assert.ok(ids.length >= 2, `${ids.length} calls`);
		assert.equal(new Set(ids).size, 1);
	} finally {
		await hooks.stop();
	}
});

test("a private address is refused unless the operator allows it", async () => {
	const hooks = await new HookServer(new_secret()).start();
	try {
		const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
			playbook: { constraints: { channels: ["webhook"] } } });
		await add_endpoint(stack, tenant, hooks);
		const env = { RETIVO_OUTBOUND_ALLOW: "" };
		await batch({ env });
		await batch({ env });
		assert.equal(hooks.calls.length, 0);
		assert.ok(!["sent", "delivered"].includes(
			(await the_intervention(tenant, user)).status));
	} finally {
		await hooks.stop();
	}
});

test("a test tenant sends nothing outside", async () => {
	const tenant = await stack.tenant("Twin");
	const twin = { id: tenant.test_id };
	for (const [role, scope] of Object.entries({ ingest: "ingest", viewer: "read",
		editor: "write", admin: "admin" }))
		twin[role] = stack.client.as(await stack.key(tenant.test_id, scope));
	ok(await twin.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const user = await drift(twin.ingest, new_user("twin"));
	await activate(twin, win_back());
	await stack.batch({ tenant: twin.id });
	await stack.batch({ tenant: twin.id });
	const seen = await the_intervention(twin, user);
	assert.equal(seen.status, "delivered");
	assert.equal(seen.simulated, true);
	assert.equal(smtp.to(address(user)).length, 0);
});

test("example.com never leaves the host", async () => {
	const { tenant, user, batch } = await scene({ approvalMode: "full_auto",
		traits: { email: "someone@example.com" } });
	await batch();
	await batch();
	assert.equal(smtp.to("someone@example.com").length, 0);
	assert.ok((await interventions(tenant, user)).length <= 1);
});

test("without SMTP and folder email is closed by its name", async () => {
	const { tenant, user, batch } = await scene();
	const env = Object.fromEntries(Object.entries(stack.settings)
		.filter(([name]) => name.startsWith("RETIVO_SMTP")).map(([name]) => [name, ""]));
	/* Nothing is planned for a channel that is not there ... */
	await batch({ env });
	assert.equal((await interventions(tenant, user)).length, 0);
	assert.equal((await closed_gates(stack, tenant))[user], "no_transport");
	/* ... and what was approved before is held. */
	const other = await drift(tenant.ingest, new_user());
	await batch();
	ok(await approve(tenant, (await the_intervention(tenant, other)).id));
	await batch({ env });
	const [row] = await stack.sql("select status, hold from interventions where" +
		" tenant_id = $1 and user_id = $2", tenant.id, other);
	assert.deepEqual(row, { status: "approved", hold: "no_transport" });
});

test("mail folder: one .eml a message, and never twice", async () => {
	const own = await start_stack({ mail: true });
	try {
		const tenant = await own.tenant("Files");
		ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
		const user = await drift(tenant.ingest, new_user());
		await activate(tenant, win_back());
		await Promise.all([own.batch(), own.batch()]);
		await own.batch();
		const mails = own.mails();
		assert.equal(mails.length, 1);
		const parsed = await simpleParser(mails[0]);
		assert.equal(parsed.to.value[0].address, address(user));
		const link = unsubscribe_link(parsed);
		assert.equal((await own.client.get(link.pathname)).status, 200);
		assert.equal((await the_intervention(tenant, user)).status, "delivered");
	} finally {
		await own.stop();
	}
});

test("mail folder: text of every script is encoded as RFC 2047 and UTF-8", async () => {
	const own = await start_stack({ mail: true, settings: {
		RETIVO_MAIL_FROM: "Grüße – Team <hello@sender.example>" } });
	const name = "Łucja 日本語 🚀";
	const subject = "Привет, أهلا 日本 ".repeat(6).trim();
	const line = "Schön, dass du zurückkommst 🚀. ".repeat(40).trim();
	const goal = "Zurückgewinnen 日本語 🚀.";
	try {
		const tenant = await own.tenant("Müller & Söhne");
		ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
		const user = await drift(tenant.ingest, new_user(), { name });
		await activate(tenant, win_back({ name: "Rückkehr", strategy_hints: {
			goal, subject, message: `Hej {{name|there}},\n${line}` } }));
		await own.batch();
		await own.batch();
		const { reasoning, status } = await the_intervention(tenant, user);
		assert.equal(status, "delivered");
		assert.ok(reasoning.startsWith('Playbook "Rückkehr" '), reasoning);
		assert.ok(reasoning.endsWith(` Goal: ${goal}`), reasoning);
		const [mail, ...more] = own.mails();
		assert.equal(more.length, 0);

		/* The header is ASCII, and no encoded word is longer than 75. */
		const raw = mail.toString("latin1");
		const header = raw.slice(0, raw.indexOf("\r\n\r\n"));
		assert.match(header, /^[\x20-\x7e\r\n]+$/);
		const words = header.match(/=\?utf-8\?[bq]\?[^?\s]*\?=/gi);
		assert.ok(words.length > 3 && words.every((word) => word.length <= 75), header);
		assert.ok(raw.split("\r\n").every((l) => l.length <= 998));
		for (const word of words) {
			/* No character is split between two of them. */
			const [, , how, text] = word.split("?");
			const bytes = how.toLowerCase() === "b" ? Buffer.from(text, "base64")
				: Buffer.from(text.replace(/_/g, " ").replace(/=([0-9a-f]{2})/gi,
					(_, hex) => String.fromCharCode(parseInt(hex, 16))), "latin1");
			new TextDecoder("utf-8", { fatal: true }).decode(bytes);
		}

		const parsed = await simpleParser(mail);
		assert.equal(parsed.subject, subject);
		assert.equal(parsed.from.value[0].name, "Grüße – Team");
		assert.equal(parsed.to.value[0].address, address(user));
		assert.ok(parsed.text.includes(`Hej ${name},\n${line}`), parsed.text);
		assert.ok(parsed.html.includes(name), parsed.html);
	} finally {
		await own.stop();
	}
});

test("heartbeats are written, and a stage that is not due is left", async () => {
	const { tenant, batch } = await scene();
	await stack.batch();
	const beats = await stack.sql("select stage, finished_at from batch_heartbeats");
	for (const stage of ["refresh", "match", "decide", "check", "approve", "deliver",
		"measure", "webhooks", "maintain"])
		assert.ok(beats.some((b) => b.stage === stage && b.finished_at), stage);
	const when = async () => (await stack.sql("select started_at from batch_leases" +
		" where tenant_id = $1 and stage = 'maintain'", tenant.id))[0].started_at;
	const before = await when();
	await batch({ force: false });
	assert.deepEqual(await when(), before);
});

/* The rules' version, and who is queued because they changed. */
async function looks(tenant) {
	const [{ rules_version }] = await stack.sql("select rules_version::int from" +
		" tenant_settings where tenant_id = $1", tenant.id);
	const queued = await stack.sql("select user_id from match_queue where" +
		" tenant_id = $1 and due_at = '-infinity' order by 1", tenant.id);
	return { rules_version, queued: queued.map((row) => row.user_id) };
}

/* A tenant with customers who were last seen so many days ago, up to date. */
async function swept(...idle_days) {
	const tenant = await stack.tenant("Swept"), users = [];
	for (const days of idle_days)
		users.push(await drift(tenant.ingest, new_user(), {}, days));
	await activate(tenant, win_back());
	await stack.batch({ tenant: tenant.id });
	/* What is new of the last two minutes is folded, and scored, once more. */
	await stack.sql("update batch_leases set watermark = now() + interval '3 minutes'" +
		" where tenant_id = $1 and stage = 'refresh'", tenant.id);
	return { tenant, users, refresh: (now) =>
		stack.batch({ tenant: tenant.id, stage: "refresh", now }) };
}

test("a day that changes most customers makes match look at all of them", async () => {
	const { tenant, users, refresh } = await swept(0, 0.1, 300);
	const before = await looks(tenant);
	assert.deepEqual(before.queued, []);
	await refresh(at(10 * DAY));
	assert.deepEqual(await looks(tenant),
		{ rules_version: before.rules_version + 1, queued: [] });
	await stack.batch({ tenant: tenant.id, now: at(10 * DAY) });
	assert.deepEqual((await interventions(tenant)).map((i) => i.user_id).toSorted(),
		users.slice(0, 2).toSorted());
});

test("a day that changes few customers queues just them", async () => {
	const { tenant, users, refresh } = await swept(300, 0, 300, 300);
	const before = await looks(tenant);
	await refresh(at(DAY));
	assert.deepEqual(await looks(tenant),
		{ rules_version: before.rules_version, queued: [users[1]] });
});

test("what a broken-off sweep changed is looked at, whatever comes between", async () => {
	const versions = [];
	for (const cursor of ["t::user", "t:m:user"]) {
		const { tenant, refresh } = await swept(300, 300);
		await stack.sql("update batch_leases set cursor = $2 where tenant_id = $1" +
			" and stage = 'refresh'", tenant.id, cursor);
		ok(await tenant.admin.patch("/api/settings", { config: {
			milestones: [{ name: "far", event: "never_sent", onboarding: false }] } }));
		const { rules_version } = await looks(tenant);
		await refresh();
		versions.push((await looks(tenant)).rules_version - rules_version);
	}
	assert.deepEqual(versions, [versions[0], versions[0] + 1]);
});

test("an event that the backfill counted before the fold reaches its milestone", async () => {
	const config = { milestones: [{ name: "set_up", event: "profile_completed" }] };
	const { tenant, user } = await scene({ config });
	await stack.batch({ tenant: tenant.id });
	ok(await tenant.ingest.track({ user_id: user, event: "profile_completed",
		timestamp: at(-HOUR).toISOString() }));
	/* As it does for an event that comes while a tenant's first run goes on. */
	await stack.sql("insert into customer_event_days (tenant_id, user_id, name_id, day, events," +
		" first_at, last_at) select $1, e.user_id, n.name_id, (e.ts at time zone 'UTC')::date, 1, e.ts, e.ts" +
		" from events e join event_names n on n.tenant_id = e.tenant_id and n.name = e.event" +
		" where e.tenant_id = $1 and e.event = 'profile_completed'", tenant.id);
	await stack.batch({ tenant: tenant.id, stage: "refresh" });
	assert.deepEqual((await stack.sql("select milestone from customer_milestones" +
		" where tenant_id = $1 and user_id = $2", tenant.id, user)).map((m) => m.milestone), ["set_up"]);
});

test("stage and risk changes reach subscribers", async () => {
	const hooks = await new HookServer(new_secret()).start();
	try {
		const tenant = await stack.tenant("Changes");
		await add_endpoint(stack, tenant, hooks);
		const user = await drift(tenant.ingest, new_user(), {}, 1);
		await stack.batch({ tenant: tenant.id });
		const told = () => hooks.calls.splice(0).filter((c) => c.body?.type.startsWith("user."))
			.map((c) => [c.verified, c.body.type, c.body.user_id, c.body.previous, c.body.current]).sort();
		/* Until the first batch a new customer is shown as new, at low risk. */
		assert.deepEqual(told(), [[true, "user.stage_changed", user, "new", "active"]]);
		await stack.batch({ tenant: tenant.id, now: at(15 * DAY) });
		assert.deepEqual(told(), [[true, "user.risk_changed", user, "low", "high"],
			[true, "user.stage_changed", user, "active", "at_risk"]]);
		const silent = await drift(tenant.ingest, new_user(), {}, 40);
		await stack.batch({ tenant: tenant.id, now: at(15 * DAY) });
		assert.deepEqual(told(), [[true, "user.risk_changed", silent, "low", "critical"],
			[true, "user.stage_changed", silent, "new", "churned"]]);
	} finally {
		await hooks.stop();
	}
});

test("changes that nobody hears are not put in the outbox", async () => {
	const hooks = await new HookServer(new_secret()).start();
	try {
		const tenant = await stack.tenant("Unheard");
		const put = async () => (await stack.sql("select type, count(*) as n from outbox" +
			" where tenant_id = $1 and type like 'user.%' group by 1", tenant.id))
			.map((row) => [row.type, row.n]);
		const two = async () => {
			await drift(tenant.ingest, new_user(), {}, 40);
			await drift(tenant.ingest, new_user(), {}, 40);
			await stack.batch({ tenant: tenant.id });
		};
		await two();
		assert.deepEqual(await put(), []);
		const id = await add_endpoint(stack, tenant, hooks);
		await stack.sql("update webhook_endpoints set events = '{user.risk_changed}'" +
			" where tenant_id = $1 and id = $2", tenant.id, id);
		await two();
		assert.deepEqual(await put(), [["user.risk_changed", 2]]);
	} finally {
		await hooks.stop();
	}
});
