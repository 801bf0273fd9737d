/*
 * The end state does not depend on how the batch got there: the same tenant
 * twice, killed at every boundary of stages, killed at random moments, and
 * with two batches at once, always comes to the same decisions, messages,
 * state and events, byte for byte but for ids and tenants.
 */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { HookServer } from "./lib/hooks.mjs";
import { add_endpoint, new_secret } from "./lib/endpoints.mjs";
import { Random } from "./lib/generate.mjs";
import { sleep } from "./lib/process.mjs";
import { activate, ok, win_back, DAY, MINUTE } from "./lib/cases.mjs";

const STAGES = ["refresh", "match", "decide", "check", "approve", "deliver", "measure", "webhooks",
	"maintain"];
const PEOPLE = 60;
/* All happens at these times, so that every tenant has the same. */
const START = Math.floor(Date.now() / DAY) * DAY;
const when = (minutes) => new Date(START + minutes * MINUTE);

let stack, usual, usual_in_app;

before(async () => {
	stack = await start_stack({ mail: true });
	usual = await finish(await populated("Usual"));
	usual_in_app = await finish(await populated("Usualb", "in_app"));
});
after(() => stack?.stop());

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
	/* Holdouts are drawn by the playbook's id: the same for everybody. */
	for (const [i, playbook] of playbooks(channel).entries())
		await stack.sql("with p as (update playbooks set id = $3 where tenant_id = $1 and id = $2)," +
			" v as (update playbook_versions set playbook_id = $3 where tenant_id = $1 and playbook_id = $2)" +
			" select 1", tenant.id, await activate(tenant, playbook),
			`0192f0c1-7d3a-7cc1-8f00-00000000000${i}`);
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
		mails: stack.mails().map((mail) => String(mail).match(/^To: .*$/m)[0])
			.filter((to) => to.includes(tenant.mail)).map((to) => to.replace(tenant.mail, "")).toSorted(),
		/* Webhooks come at least once: each id counts once. */
		called: new Set(tenant.hooks.calls.filter((c) => c.status === 200).map((c) => c.headers["webhook-id"])).size,
	};
}

function same(state, wanted = usual) {
	for (const part of Object.keys(wanted))
		assert.deepEqual(state[part], wanted[part], part);
}

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

/* In-app messages and webhooks alone: a mail whose sending is cut off is left
 * to a person (crash.test.mjs), and so would not be the same. */
for (const [i, stage] of STAGES.slice(0, -1).entries())
	test(`kill -9 between ${stage} and ${STAGES[i + 1]}`, async () => {
		const tenant = await populated(`Killed${i}`, "in_app");
		let killed = 0;
		same(await finish(tenant, async (now) => {
			killed += await killed_at(["--force", "--tenant", String(tenant.id),
				"--now", now.toISOString()], `stage_done stage=${stage} `);
			await stack.batch({ tenant: tenant.id, now });
		}), usual_in_app);
		assert.ok(killed > 0, "it was killed at least once");
	});

test("kill -9 at random moments", async () => {
	const tenant = await populated("Random", "in_app");
	const random = new Random(9);
	let killed = 0;
	same(await finish(tenant, async (now) => {
		for (let n = 0; n < 8; n++)
			killed += await killed_at(["--force", "--tenant", String(tenant.id),
				"--now", now.toISOString()], undefined, 10 + random.below(120));
		await stack.batch({ tenant: tenant.id, now });
	}), usual_in_app);
	assert.ok(killed > 10, `${killed} were killed`);
});
