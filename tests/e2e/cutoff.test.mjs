/*
 * The end state does not depend on how the batch got there: the same tenant
 * twice, killed at every boundary of stages, killed at random moments, and
 * with two batches at once, always comes to the same decisions, messages,
 * state and events, byte for byte but for ids and tenants.
 *
 * Mail is the one exception: of a message whose sending was cut off nobody
 * can say whether it went out. It fails as outcome_unknown for a person to
 * look at, is never sent again, and for everybody else all is the same.
 */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { HookServer } from "./lib/hooks.mjs";
import { MailServer } from "./lib/smtp.mjs";
import { add_endpoint, new_secret } from "./lib/endpoints.mjs";
import { Random } from "./lib/generate.mjs";
import { sleep } from "./lib/process.mjs";
import { activate_as, ok, win_back, DAY, MINUTE } from "./lib/cases.mjs";

const STAGES = ["refresh", "match", "decide", "check", "approve", "deliver", "measure", "webhooks",
	"maintain"];
const PEOPLE = 60;
/* All happens at these times, so that every tenant has the same. */
const START = Math.floor(Date.now() / DAY) * DAY;
const when = (minutes) => new Date(START + minutes * MINUTE);

let stack, smtp, usual, usual_in_app;

before(async () => {
	smtp = await new MailServer().start();
	stack = await start_stack({ settings: { RETIVO_SMTP_URL: smtp.url, RETIVO_SMTP_TLS: "none" } });
	usual = await finish(await populated("Usual"));
	usual_in_app = await finish(await populated("Usualb", "in_app"));
});
after(async () => {
	await stack?.stop();
	await smtp?.stop();
});

const playbooks = (channel) => [
	win_back({ constraints: { channels: [channel], priority: 200, max_per_day: 20 } }),
	win_back({ name: "In the product", constraints: { channels: ["in_app"], holdout: 0.5 },
		exit_conditions: { event: { name: "came_back", within_days: 2 } } }),
	win_back({ name: "Hard cases", entry_conditions: { "properties.vip": true },
		constraints: { priority: 300 }, strategy_hints: { escalate_when: { health: { lt: 101 } } } }),
];

/* The same people with the same past and the same playbooks. */
async function populated(name, channel = "email") {
	const tenant = await stack.tenant("Same");
	const hooks = await new HookServer(new_secret()).start();
	tenant.hooks = hooks;
	await add_endpoint(stack, tenant, hooks);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto", config: {
		milestones: [{ name: "signed", event: "signed_up" }], frequency_cap: { count: 1, days: 5 } } }));
	const random = new Random(5), events = [];
	for (let i = 0; i < PEOPLE; i++) {
		const user_id = `same-${i}`;
		events.push({ user_id, event: "$identify", timestamp: new Date(START - 30 * DAY).toISOString(),
			properties: { email: `${name.toLowerCase()}-${i}@customer.example`, name: `Ada ${i}`,
				vip: i % 9 === 0 } });
		for (let n = 0; n < 6; n++)
			events.push({ user_id, event: random.of(["signed_up", "login", "report_created"]),
				timestamp: new Date(START - (8 + random.below(14)) * DAY + random.below(DAY)).toISOString() });
	}
	for (let i = 0; i < events.length; i += 100)
		ok(await tenant.ingest.track(...events.slice(i, i + 100)));
	for (const [i, playbook] of playbooks(channel).entries())
		await activate_as(i, stack, tenant, playbook);
	tenant.mail = `${name.toLowerCase()}-`;
	return tenant;
}

/* Some come back behind the first messages; a few runs more and all is done. */
async function finish(tenant, batch = (now) => stack.batch({ tenant: tenant.id, now })) {
	await batch(when(10));
	await batch(when(12));
	ok(await tenant.ingest.track(...Array.from({ length: 8 }, (_, i) => ({ user_id: `same-${i * 5}`,
		event: "came_back", timestamp: when(14).toISOString() }))));
	await batch(when(20));
	await batch(when(40));
	await batch(when(100));
	const state = await end_state(tenant);
	await tenant.hooks.stop();
	return state;
}

/* All that the pipeline wrote, without ids, as text. */
async function end_state(tenant) {
	const text = (value) => JSON.stringify(value).replaceAll(tenant.mail, "");
	const rows = async (sql) => (await stack.sql(sql, tenant.id)).map(text);
	return {
		customers: await rows("select user_id, lifecycle_stage, stage_since, health, risk_level, score_parts" +
			" from customers where tenant_id = $1 order by 1"),
		decisions: await rows("select d.user_id, d.created_at, planner, action, playbook_id, playbook_version," +
			" channel, confidence, reasoning, rules, note, subject, message_body, d.shadow," +
			" inputs - 'tenant_id' - 'created_at' - 'updated_at' as inputs" +
			" from decisions d where tenant_id = $1 order by d.user_id, d.created_at, playbook_id"),
		messages: await rows("select user_id, playbook_id, status, channel, subject, message_body, reason," +
			" quality_checks, planned_at, sent_at is not null as sent, checks_passed, hold from interventions" +
			" where tenant_id = $1 order by user_id, planned_at, channel"),
		/* That a sending was cut off and begun again is told, and the same in the end. */
		log: await rows("select i.user_id, l.from_status, l.to_status, l.actor, l.reason," +
			" case when l.to_status <> 'sending' then count(*) end from intervention_log l join interventions i on i.tenant_id = l.tenant_id" +
			" and i.id = l.intervention_id where l.tenant_id = $1" +
			" and l.reason is distinct from 'interrupted' group by 1, 2, 3, 4, 5, l.to_status order by 1, 2, 3, 5"),
		ledger: await rows("select user_id, what, old_value, new_value, cause, parts from score_ledger" +
			" where tenant_id = $1 order by user_id, at, what, new_value"),
		gates: await rows("select user_id, playbook_id, gate from gate_results where tenant_id = $1" +
			" order by 1, gate, 2").then((all) => all.toSorted()),
		trials: (await rows("select user_id, playbook_id, arm, outcome, cause from exposures" +
			" where tenant_id = $1")).toSorted(),
		outcomes: (await rows("select user_id, playbook_id, outcome, cause from outcomes" +
			" where tenant_id = $1")).toSorted(),
		told: (await rows("select type, payload::jsonb - 'id' - 'timestamp' - 'intervention_id' as body" +
			" from outbox where tenant_id = $1")).toSorted(),
		mails: mailed(tenant).map((user_id) => JSON.stringify({ mail_to: user_id })).toSorted(),
		/* Webhooks come at least once: each id counts once. */
		called: new Set(tenant.hooks.calls.filter((c) => c.status === 200).map((c) => c.headers["webhook-id"])).size,
	};
}

/* Whom the mail server took a mail for, one entry a mail. */
const mailed = (tenant) => smtp.mails.flatMap((mail) => mail.to)
	.filter((to) => to.startsWith(tenant.mail)).map((to) => `same-${to.match(/-(\d+)@/)[1]}`);

function same(state, wanted = usual) {
	for (const part of Object.keys(wanted))
		assert.deepEqual(state[part], wanted[part], part);
}

/* Whose mail was cut off: each has one failed message and one mail at most. */
async function unknown(tenant) {
	const rows = await stack.sql("select user_id, status, channel from interventions" +
		" where tenant_id = $1 and reason = 'outcome_unknown'", tenant.id);
	for (const row of rows) {
		assert.deepEqual([row.status, row.channel], ["failed", "email"]);
		const mails = mailed(tenant).filter((user) => user === row.user_id);
		assert.ok(mails.length <= 1, `${row.user_id} got ${mails.length} mails`);
	}
	return rows.map((row) => row.user_id).toSorted();
}

/* All is as usual for everybody but these users; every call came. */
function same_but(state, users) {
	const others = (rows) => rows.filter((row) => !users.some((user) => row.includes(`"${user}"`)));
	for (const [part, rows] of Object.entries(usual))
		if (part !== "called")
			assert.deepEqual(others(state[part]), others(rows), part);
	assert.equal(state.told.length - state.called, usual.told.length - usual.called);
}

const batch_args = (tenant, now) =>
	["--force", "--tenant", String(tenant.id), "--now", now.toISOString()];

/* kill -9 as soon as the words are on its stderr; true when it was hit. */
async function killed_at(args, words, after_ms = 0) {
	let child, text = "";
	const run = stack.run_batch(args, { check: false, on_start: (started) => {
		child = started;
		child.stderr.on("data", (bytes) => {
			text += bytes;
			if (words && text.includes(words))
				process.kill(-child.pid, "SIGKILL");
		});
	} });
	if (!words) {
		await sleep(after_ms);
		try {
			process.kill(-child.pid, "SIGKILL");
		} catch {
			/* it was done before */
		}
	}
	return (await run).signal === "SIGKILL";
}

test("there is something to compare", () => {
	const count = (part, word) => usual[part].filter((row) => row.includes(word)).length;
	assert.ok(usual.decisions.length > 30, `${usual.decisions.length} decisions`);
	assert.ok(count("messages", '"email"') > 10 && count("messages", '"in_app"') > 3);
	assert.ok(count("messages", '"escalate"') > 3 && count("gates", "holdout") + count("gates", "cap") > 3);
	assert.ok(count("outcomes", "positive") > 0 && usual.mails.length > 10 && usual.called > 50);
});

test("the same inputs give byte-identical decisions", async () => {
	const state = await finish(await populated("Again"));
	assert.equal(state.decisions.join("\n"), usual.decisions.join("\n"));
	same(state);
});

test("two batches at once, three times over", async () => {
	const tenant = await populated("Two");
	same(await finish(tenant, (now) => Promise.all([1, 2, 3].map(() =>
		stack.batch({ tenant: tenant.id, now })))));
});

/* In-app messages and webhooks alone: with them all is the same. */
for (const [i, stage] of STAGES.slice(0, -1).entries())
	test(`kill -9 between ${stage} and ${STAGES[i + 1]}`, async () => {
		const tenant = await populated(`Killed${i}`, "in_app");
		let killed = 0;
		same(await finish(tenant, async (now) => {
			killed += await killed_at(batch_args(tenant, now), `stage_done stage=${stage} `);
			await stack.batch({ tenant: tenant.id, now });
		}), usual_in_app);
		assert.ok(killed > 0, "it was killed at least once");
	});

for (const [stage, next] of [["approve", "deliver"], ["deliver", "measure"]])
	test(`with mail: kill -9 between ${stage} and ${next}`, async () => {
		const tenant = await populated(`Mail${stage}`);
		let killed = 0;
		const state = await finish(tenant, async (now) => {
			killed += await killed_at(batch_args(tenant, now), `stage_done stage=${stage} `);
			await stack.batch({ tenant: tenant.id, now });
		});
		const users = await unknown(tenant);
		/* deliver may have begun when the kill comes, measure is behind it. */
		assert.ok(users.length <= (stage === "approve" ? killed : 0), `${users} after ${killed} kills`);
		same_but(state, users);
		assert.ok(killed > 0, "it was killed at least once");
	});

/* when: "before", the server has not heard the mail yet; "behind", it has it
 * and its answer is never read. */
for (const [when, mails] of [["before", 0], ["behind", 1]])
	test(`with mail: kill -9 ${when} the server takes it`, async () => {
		const tenant = await populated(`Smtp${when}`);
		const hit = [];
		let child;
		/* Not those who come back: the planner learns from their outcomes. */
		const strike = async (to) => {
			const user = `same-${to.match(/-(\d+)@/)[1]}`;
			if (!to.startsWith(tenant.mail) || hit.length === 6 || user.match(/[05]$/) ||
				to.length % 2 === hit.length % 2)
				return;
			hit.push(user);
			process.kill(-child.pid, "SIGKILL");
			await sleep(50);
		};
		smtp.before_rcpt = when === "before" ? strike : undefined;
		smtp.before_answer = when === "behind" ? (mail) => strike(mail.to[0]) : undefined;
		const state = await finish(tenant, async (now) => {
			let run;
			do
				run = await stack.run_batch(batch_args(tenant, now), { check: false,
					on_start: (started) => { child = started; } });
			while (run.signal === "SIGKILL");
		});
		smtp.before_rcpt = smtp.before_answer = undefined;
		assert.ok(hit.length > 3, `${hit.length} were hit`);
		assert.deepEqual(await unknown(tenant), hit.toSorted());
		for (const user of hit)
			assert.equal(mailed(tenant).filter((to) => to === user).length, mails, user);
		same_but(state, hit);
	});

test("with mail: kill -9 at random moments", async () => {
	const tenant = await populated("Mailrandom");
	const random = new Random(11);
	let killed = 0;
	const state = await finish(tenant, async (now) => {
		for (let n = 0; n < 8; n++)
			killed += await killed_at(batch_args(tenant, now), undefined, 10 + random.below(120));
		await stack.batch({ tenant: tenant.id, now });
	});
	const users = await unknown(tenant);
	assert.ok(users.length <= killed, `${users} after ${killed} kills`);
	same_but(state, users);
	assert.ok(killed > 10, `${killed} were killed`);
});

test("kill -9 at random moments", async () => {
	const tenant = await populated("Random", "in_app");
	const random = new Random(9);
	let killed = 0;
	same(await finish(tenant, async (now) => {
		for (let n = 0; n < 8; n++)
			killed += await killed_at(batch_args(tenant, now), undefined, 10 + random.below(120));
		await stack.batch({ tenant: tenant.id, now });
	}), usual_in_app);
	assert.ok(killed > 10, `${killed} were killed`);
});
