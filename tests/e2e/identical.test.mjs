/*
 * The same inputs give byte-identical decisions: two installations, each with
 * its own database, secret and processes, hear the same of the same customers
 * at the same times and decide for some days. What they stored is compared as
 * PostgreSQL writes it, each column of each decision but its own random id.
 *
 * Only the ids of the playbooks, which the holdouts are drawn by, are made
 * equal by SQL; all else comes through the API, whose clock is set.
 */
import { test, before } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { Random } from "./lib/generate.mjs";
import { activate_as, ok, win_back, DAY } from "./lib/cases.mjs";

const PEOPLE = 50, DAYS = 6;
const START = Math.floor(Date.now() / DAY) * DAY - 30 * DAY;
const at = (days) => new Date(START + days * DAY);

const playbooks = [
	win_back({ constraints: { holdout: 0.2, cooldown_days: 2, channels: ["email", "in_app"] },
		strategy_hints: { messages: { de: "Hallo {{name|du}}, {{properties.seats|alle}} Plätze sind frei." } } }),
	/* As good as the one before: the older one speaks. */
	win_back({ name: "The same again", constraints: { cooldown_days: 1, channels: ["in_app"] } }),
	win_back({ name: "Hard cases", entry_conditions: { "properties.seats": { gte: 4 } },
		constraints: { priority: 300, max_per_day: 4, holdout: 0 },
		strategy_hints: { escalate_when: { health: { lt: 55 } } } }),
	win_back({ name: "Many reports", entry_conditions: { event: { name: "report_created",
		within_days: 9, count: { gte: 1 } } }, constraints: { cooldown_days: 3, channels: ["in_app"] },
	exit_conditions: { days_since_last_activity: { lt: 1 } } }),
];

/* What happens on a day; -1: the past. */
function happens(random, day) {
	const events = [];
	for (let i = 0; i < PEOPLE; i++) {
		const user_id = `u${i}`;
		if (day < 0)
			events.push({ user_id, event: "$identify", timestamp: at(-30).toISOString(), properties: {
				email: `${user_id}@customer.example`, name: i % 4 ? `Ada ${i}` : undefined,
				seats: random.below(6), locale: random.of(["de", "en", "fr"]) } });
		for (let n = day < 0 ? 4 + random.below(5) : random.below(6) === 0 ? 1 : 0; n > 0; n--)
			events.push({ user_id, event: random.of(["login", "report_created", "invite_sent"]),
				timestamp: at(day < 0 ? -6 - random.next() * 20 : day + random.next() * 0.4).toISOString() });
	}
	return events;
}

/* An installation that has decided for DAYS days; what it stored. */
async function decided(seed) {
	const stack = await start_stack({ mail: true, clock: at(0) });
	try {
		const random = new Random(seed), tenant = await stack.tenant("Same");
		ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto", config: {
			milestones: [{ name: "invited", event: "invite_sent" }], frequency_cap: { count: 2, days: 3 } } }));
		for (const [i, playbook] of playbooks.entries())
			await activate_as(10 + i, stack, tenant, playbook);
		for (let day = -1; day < DAYS; day++) {
			const events = happens(random, day);
			await stack.set_clock(at(Math.max(day, 0) + 0.5));
			for (let i = 0; i < events.length; i += 100)
				ok(await tenant.ingest.track(...events.slice(i, i + 100)));
			await stack.batch({ tenant: tenant.id, now: at(Math.max(day, 0) + 0.5 + Number(day >= 0) / 8) });
		}
		const rows = async (sql) => (await stack.sql(sql, tenant.id)).map((row) => row.line);
		return {
			decisions: await rows("select (to_jsonb(d) - 'id')::text as line from decisions d" +
				" where tenant_id = $1 order by user_id, created_at, playbook_id, action"),
			messages: await rows("select (to_jsonb(i) - '{id,decision_id,salt}'::text[])::text as line" +
				" from interventions i where tenant_id = $1 order by user_id, planned_at, playbook_id"),
			arms: await rows("select concat_ws(' ', user_id, playbook_id, arm, exposed_at, outcome) as line" +
				" from exposures where tenant_id = $1 order by 1"),
			gates: await rows("select concat_ws(' ', user_id, playbook_id, gate, since) as line" +
				" from gate_results where tenant_id = $1 order by 1"),
		};
	} finally {
		await stack.stop();
	}
}

let one, other, unlike;

before(async () => {
	[one, other] = await Promise.all([decided(1), decided(1)]);
	unlike = await decided(2);
});

test("two installations with the same inputs decide the same, byte by byte", () => {
	for (const part of Object.keys(one))
		assert.equal(one[part].join("\n"), other[part].join("\n"), part);
});

test("and there was something to decide", () => {
	const all = one.decisions.map((line) => JSON.parse(line));
	assert.ok(all.length > 60, `${all.length} decisions`);
	const kinds = (key) => new Set(all.map((d) => d[key]));
	assert.ok(kinds("playbook_id").size === playbooks.length, [...kinds("playbook_id")].join());
	assert.deepEqual([...kinds("action")].toSorted(), ["escalate", "intervene"]);
	assert.deepEqual([...kinds("channel")].toSorted(), ["email", "escalate", "in_app"]);
	assert.ok(kinds("message_body").size > 20 && kinds("confidence").size > 3);
	assert.equal(kinds("created_at").size, DAYS + 1);
	assert.ok(one.arms.some((line) => line.includes("held_out")));
	assert.ok(new Set(one.gates.map((line) => line.split(" ")[2])).size > 2);
	/* Other inputs give other bytes: what is compared depends on them. */
	assert.notEqual(one.decisions.join("\n"), unlike.decisions.join("\n"));
});
