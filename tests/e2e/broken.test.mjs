/*
 * One thing of a stage that fails, on purpose, by a trigger: it is told in the
 * log, and neither what follows in that run nor the next run waits for it.
 */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, activate_as, at, drift, new_user, ok, the_intervention, win_back, DAY, HOUR, MINUTE } from "./lib/cases.mjs";

let stack;

before(async () => {
	stack = await start_stack({ mail: true });
});
after(() => stack?.stop({ check: false }));

/* Makes statements (when: "before insert") on such rows fail; gives the end of it. */
async function broken(table, when, condition, error = "'broken'") {
	await stack.sql("create function broken() returns trigger language plpgsql as $$ begin" +
		` if ${condition} then raise exception ${error}; end if;` +
		` return ${when.includes("delete") ? "old" : "new"}; end $$`);
	await stack.sql(`create trigger broken ${when} on ${table}` +
		" for each row execute function broken()");
	return () => stack.sql("drop function broken cascade");
}

/* The lines of the log about a stage that failed, by item. */
const told = () => [...new Set([...stack.log_text().matchAll(/stage_failed .* item="([^"]*)"/g)]
	.map(([, item]) => item))];

async function lift(tenant, id) {
	const { lift } = ok(await tenant.viewer.get("/api/analytics"));
	return lift.find((row) => row.playbook_id === id);
}

/* A tenant with two trials of the same people: the first playbook, and one with
 * more priority that is held out from all. */
async function two_trials(people) {
	const tenant = await stack.tenant("Trial");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	for (let i = 0; i < people; i++)
		await drift(tenant.ingest, new_user("trial"));
	const book = (n, constraints) => activate_as(n, stack, tenant, win_back({ constraints }));
	const ids = [await book(0, { holdout: 0.5 }), await book(1, { holdout: 1, priority: 900 })];
	const batch = (options) => stack.batch({ tenant: tenant.id, ...options });
	await batch();
	await batch();
	return { tenant, ids, batch };
}

/* A message whose window is over is as if it had not been measured yet. */
async function one_more(tenant) {
	const [{ id }] = await stack.sql("update outcomes set outcome = 'pending', cause = null," +
		" measured_at = null where tenant_id = $1 and intervention_id = (select" +
		" min(intervention_id::text)::uuid from outcomes where tenant_id = $1)" +
		" returning intervention_id as id", tenant.id);
	return async () => (await stack.sql("select outcome from outcomes where tenant_id = $1" +
		" and intervention_id = $2", tenant.id, id))[0].outcome;
}

test("a sum of a trial stops neither the other sums nor any measuring", async () => {
	const { tenant, ids: [bad, good], batch } = await two_trials(12);
	const mend = await broken("playbook_lift", "before insert or update",
		`new.tenant_id = ${tenant.id} and new.playbook_id = '${bad}'`);
	const later = (ms) => batch({ now: at(15 * DAY + ms), force: false });
	try {
		await batch({ now: at(15 * DAY) });
		assert.ok(told().includes(`lift of playbook ${bad}`), told());
		assert.equal(await lift(tenant, bad), undefined);
		assert.equal((await lift(tenant, good)).held_out, 12);
		const outcome = await one_more(tenant);
		await later(2 * MINUTE);
		assert.equal(await outcome(), "neutral");
	} finally {
		await mend();
	}
	await later(2 * HOUR);
	const { treated, treated_reached, held_out } = await lift(tenant, bad);
	assert.ok(treated > 0 && treated === treated_reached && treated + held_out === 12);
});

test("a trial that cannot be judged stops neither the other nor any message", async () => {
	const { tenant, ids: [bad, good], batch } = await two_trials(8);
	const mend = await broken("exposures", "before update",
		`new.tenant_id = ${tenant.id} and new.playbook_id = '${bad}'`);
	const later = (ms) => batch({ now: at(15 * DAY + ms), force: false });
	try {
		await batch({ now: at(15 * DAY) });
		assert.ok(told().includes(`trial of playbook ${bad}`), told());
		assert.equal((await lift(tenant, good)).held_out, 8);
		const outcome = await one_more(tenant);
		await later(2 * MINUTE);
		assert.equal(await outcome(), "neutral");
	} finally {
		await mend();
	}
	await later(2 * HOUR);
	const { treated, held_out } = await lift(tenant, bad);
	assert.equal(treated + held_out, 8);
});

test("what maintain cannot drop stops nothing else, and is tried again in an hour", async () => {
	const tenant = await stack.tenant("Maintain");
	await stack.sql("insert into people (id, email, name, created_at, updated_at) values" +
		" (gen_random_uuid(), 'left@members.example', 'Left', now(), now())");
	await stack.sql("insert into score_ledger (tenant_id, user_id, id, at, what, new_value," +
		" cause, stage, parts) values ($1, 'u', gen_random_uuid(), now() - interval '11 years'," +
		" 'stage', 'new', 'events', 'new', '{}')", tenant.id);
	await stack.sql("insert into sessions select $1, gen_random_uuid(), 'over', id, now()," +
		" now() - interval '2 days', now() from people where email = 'left@members.example'",
		tenant.id);
	const left = async () => (await stack.sql("select (select count(*) from score_ledger" +
		" where tenant_id = $1)::int as ledger, (select count(*) from sessions" +
		" where tenant_id = $1)::int as sessions", tenant.id))[0];
	const batch = (ms) => stack.batch({ tenant: tenant.id, stage: "maintain", force: false,
		now: at(ms) });
	const mend = await broken("score_ledger", "before delete", "true");
	try {
		await batch(0);
		assert.ok(told().includes("drop_ledger"), told());
		assert.deepEqual(await left(), { ledger: 1, sessions: 0 });
	} finally {
		await mend();
	}
	await batch(2 * MINUTE);
	assert.equal((await left()).ledger, 1);
	await batch(2 * HOUR);
	assert.equal((await left()).ledger, 0);
});

test("a result that comes between others' changes is written down at the second try", async () => {
	const tenant = await stack.tenant("Deliver");
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	const user = await drift(tenant.ingest, new_user("deliver"));
	await activate(tenant, win_back());
	/* A sequence counts on when its transaction is rolled back. */
	await stack.sql("create sequence once; grant usage on once to retivo_batch");
	const mend = await broken("interventions", "before update",
		`old.status = 'sending' and nextval('once') = 1`, "using errcode = '40P01'");
	const batch = () => stack.batch({ tenant: tenant.id });
	try {
		await batch();
		await batch();
	} finally {
		await mend();
		await stack.sql("drop sequence once");
	}
	const { status, reason } = await the_intervention(tenant, user);
	assert.deepEqual([["sent", "delivered"].includes(status), reason], [true, null], status);
	assert.equal(stack.mails().filter((mail) => mail.includes(user)).length, 1);
});

test("the code that a stage failed with is kept with its lease", async () => {
	const tenant = await stack.tenant("Decide");
	await drift(tenant.ingest, new_user("decide"));
	await activate(tenant, win_back());
	const mend = await broken("candidates", "before delete", "true",
		"'a database that says why' using errcode = 'RT409', hint = 'made_up_by_a_trigger'");
	try {
		await stack.batch({ tenant: tenant.id });
	} finally {
		await mend();
	}
	const [{ error }] = await stack.sql("select error from batch_leases where tenant_id = $1" +
		" and stage = 'decide'", tenant.id);
	assert.equal(error, "made_up_by_a_trigger");
});
