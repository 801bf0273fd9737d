/*
 * The batch at scale: refresh, match and decide over a tenant of SCALE
 * customers (1,000,000), each against its target, with the batch's peak
 * memory: ./dev bench scale. PostgreSQL runs in a folder of its own, with its
 * flushes on. Times depend on the machine and are only told; it fails when a
 * stage needs more than PEAK_MAX_MB, at any size.
 *
 * Made by SQL, since what is measured is the batch: customers with traits,
 * and per customer the daily counts of 8 active days of the last 40 with 5 to
 * 7 events each (that is 50 million events of a year's use at a million,
 * folded), which lie in the order in which days pass. Seven in ten were active
 * within the last week. The 10,000 that change get real events. 20 playbooks
 * cover stages, scores, counted events, milestones and properties.
 */
import { readFileSync } from "node:fs";
import { start_stack } from "../e2e/lib/stack.mjs";

const SCALE = Number(process.env.SCALE ?? 1e6), CHANGED = Math.min(1e4, SCALE / 10);
const PEAK_MAX_MB = Number(process.env.PEAK_MAX_MB ?? 64);

/* As PostgreSQL's manual advises for a machine of 16 GB or more: a quarter of it
 * for buffers, which the tables of a million customers fit into. */
const stack = await start_stack({ settings: { RETIVO_BATCH_MAX_S: "3600" }, postgres: {
	fsync: "on", shared_buffers: "4GB", max_wal_size: "8GB", checkpoint_timeout: "30min",
	wal_compression: "lz4", max_parallel_workers_per_gather: "0" } });
const sql = (text, ...values) => stack.sql(text, ...values);
const { id: tenant, viewer } = await stack.tenant("Scale");
const peaks = []; /* [stage, MB], one a run */

/* {seconds, peak_mb} of one stage, on the clock or at another time, due or not. */
async function stage(name, { now, force = true } = {}) {
	let peak = 0, look;
	const begun = performance.now();
	const words = [...(force ? ["--force"] : []), ...(now ? ["--now", now.toISOString()] : [])];
	await stack.run_batch([...words, "--tenant", String(tenant), "--stage", name], {
		timeout_ms: 3600e3,
		on_start: (child) => {
			look = setInterval(() => {
				try {
					const text = readFileSync(`/proc/${child.pid}/status`, "utf8");
					peak = Math.max(peak, Number(text.match(/VmHWM:\s+(\d+)/)?.[1] ?? 0));
				} catch {
					/* it has just ended */
				}
			}, 20);
		} });
	clearInterval(look);
	peaks.push([name, peak / 1024]);
	return { seconds: (performance.now() - begun) / 1000, peak_mb: peak / 1024 };
}

async function make_people() {
	await sql("update tenant_settings set config = $2 where tenant_id = $1", tenant, {
		milestones: [{ name: "set_up", event: "profile_completed" }, { name: "invited", event: "invite_sent" }] });
	for (const [id, name] of ["login", "report_created", "profile_completed", "invite_sent", "export_made",
		"search_run"].entries())
		await sql("insert into event_names (tenant_id, name, name_id, wanted, counted_at)" +
			" values ($1, $2, $3, $3 between 1 and 3, case when $3 between 1 and 3 then now() end)",
			tenant, name, id);
	/* u % 10 < 7: active lately. The days are spread by the number. */
	await sql("insert into customers (tenant_id, user_id, name, email, plan, properties, stage_since," +
		" first_activity_at, last_activity_at, events_total, created_at, updated_at)" +
		" select $1, 'u' || u, 'Name ' || u, 'u' || u || '@customer.example'," +
		" (array['trial', 'starter', 'growth'])[1 + u % 3]," +
		" jsonb_build_object('seats', u % 40, 'team', 'team ' || u % 100), now(), now() - interval '200 days'," +
		" now() - case when u % 10 < 7 then u % 6 else 8 + u % 30 end * interval '1 day', 48, now(), now()" +
		" from generate_series(1, $2::int) u", tenant, SCALE);
	await sql("insert into customer_days (tenant_id, user_id, day, events, names, last_at)" +
		" select $1, 'u' || u, d.day, 5 + (u + n) % 3, 1 + (1 << ((u + n) % 6)), d.day + interval '12 hours'" +
		" from generate_series(1, $2::int) u, generate_series(0, 7) n, lateral (select (now() - (case when" +
		" u % 10 < 7 then u % 6 else 8 + u % 30 end + n * 3) * interval '1 day')::date as day) d" +
		" order by d.day, u on conflict do nothing", tenant, SCALE);
	await sql("insert into customer_event_days (tenant_id, user_id, name_id, day, events, first_at, last_at)" +
		" select $1, 'u' || u, 1 + u % 3, d.day, 2, d.day, d.day from generate_series(1, $2::int) u," +
		" lateral (select (now() - (2 + u % 20) * interval '1 day')::date as day) d", tenant, SCALE);
	await sql("insert into customer_milestones (tenant_id, user_id, milestone, reached_at)" +
		" select $1, 'u' || u, m, now() - interval '30 days' from generate_series(1, $2::int) u," +
		" unnest(array['set_up', 'invited']) m where u % 4 <> 0 or m = 'set_up' and u % 8 <> 0", tenant, SCALE);
	/* A tenant of this size has written before: a fifth of them, long ago. */
	await sql("insert into playbooks (tenant_id, id, name, status, created_at, updated_at) values" +
		" ($1, '01900000-0000-7000-8000-000000000001', 'Old', 'archived', now(), now())", tenant);
	await sql("with i as (insert into interventions (tenant_id, id, user_id, playbook_id, source, status, channel," +
		" message_body, created_at, planned_at, sent_at, quality_checks, checks_passed) select $1, gen_random_uuid()," +
		" 'u' || u, '01900000-0000-7000-8000-000000000001', 'automatic', 'sent', 'in_app', 'Hello.'," +
		" now() - interval '90 days', now() - interval '90 days', now() - interval '90 days', '{}', true" +
		" from generate_series(1, $2::int, 5) u returning id, user_id)," +
		" l as (insert into intervention_log (tenant_id, id, intervention_id, at, to_status, actor)" +
		" select $1, gen_random_uuid(), id, now() - interval '90 days', 'sent', 'batch' from i)" +
		" insert into decisions (tenant_id, id, user_id, created_at, planner, action, config_version, reasoning," +
		" rules, inputs) select $1, id, user_id, now() - interval '90 days', 'builtin', 'intervene', 1, '', '{}', '{}' from i",
		tenant, SCALE);
	await tidy();
}

/* As autovacuum does it some minutes after so many changes. */
async function tidy() {
	for (const table of ["customers", "customer_days", "customer_event_days", "customer_milestones",
		"interventions", "intervention_log", "decisions", "score_ledger", "candidates", "gate_results", "match_queue"])
		await stack.cluster.query("retivo_admin", `vacuum analyze ${table}`);
}

async function make_playbooks() {
	const entries = [{ lifecycle_stage: ["at_risk"] }, { lifecycle_stage: ["churned"] },
		{ risk_level: ["high", "critical"], "properties.seats": { gte: 38 } },
		{ health: { lt: 30 }, plan: "growth" }, { activation_score: { lt: 0.5 }, lifecycle_stage: ["active"] },
		{ event: { name: "report_created", within_days: 14, count: { gte: 5 } } },
		{ event: { name: "invite_sent", within_days: 7, count: { gte: 2 } }, plan: "trial" },
		{ milestone: { not_reached: "invited" }, health: { gte: 60 } },
		{ days_since_last_activity: { gte: 20, lt: 30 } }, { "properties.team": "team 7" }];
	for (let i = 0; i < 20; i++)
		await sql("insert into playbooks (tenant_id, id, name, status, entry_conditions, constraints," +
			" strategy_hints, created_at, updated_at) values ($1, gen_random_uuid(), $2, 'active', $3, $4," +
			" '{\"message\": \"Hi {{name|there}}.\"}', now(), now())", tenant, `Playbook ${i}`,
			{ ...entries[i % 10], "properties.seats": { gte: 36 + i % 4 } },
			{ channels: ["in_app"], priority: 100 + i });
	await sql("update tenant_settings set rules_version = rules_version + 1 where tenant_id = $1", tenant);
}

/* As cron runs it: a forced run also counts all customers for the day's charts. */
const a_minute_later = () => ({ now: new Date(Date.now() + 2 * 6e4), force: false });

async function change_some(seed) {
	await sql("insert into events (tenant_id, user_id, event, ts, received_at, properties)" +
		" select $1, 'u' || (n * 97 + $3) % $4 + 1, (array['login', 'report_created'])[1 + n % 2], now(), now(), '{}'" +
		" from generate_series(1, $2::int) n", tenant, CHANGED, seed, SCALE);
}

const rows = [];
function note(what, measured, target, unit, more_is_better, peak_mb) {
	const ratio = more_is_better ? measured / target : target / measured;
	rows.push({ what, measured: `${measured.toPrecision(3)} ${unit}`, target: `${target} ${unit}`,
		"times the target": ratio.toFixed(2), ...(peak_mb && { "peak MB": peak_mb.toFixed(0) }) });
	console.log(`${what}: ${measured.toPrecision(3)} ${unit}` + (peak_mb ? `, ${peak_mb.toFixed(0)} MB` : ""));
}

try {
	const scale = SCALE / 1e6, begun = performance.now();
	await make_people();
	console.log(`made ${SCALE} customers in ${((performance.now() - begun) / 1000).toFixed(0)} s`);
	/* First a day ago, so that the second sweep finds everybody a day older. */
	let got = await stage("refresh", { now: new Date(Date.now() - 864e5) });
	note(`refresh: first sweep, all are written`, got.seconds, 60 * scale, "s", false, got.peak_mb);
	got = await stage("refresh");
	note("refresh: sweep of all, a day later", got.seconds, 60 * scale, "s", false, got.peak_mb);
	await tidy();
	await change_some(1);
	got = await stage("refresh", a_minute_later());
	note(`refresh: ${CHANGED} changed`, got.seconds, 3 * CHANGED / 1e4, "s", false, got.peak_mb);
	await make_playbooks();
	got = await stage("match");
	note("match: 20 playbooks over all", got.seconds, 30 * scale, "s", false, got.peak_mb);
	await tidy();
	await change_some(2);
	await stage("refresh");
	got = await stage("match");
	note(`match: ${CHANGED} changed`, got.seconds, CHANGED / 1e4, "s", false, got.peak_mb);
	const [{ n }] = await sql("select count(distinct user_id)::int as n from candidates where tenant_id = $1",
		tenant);
	got = await stage("decide");
	const [{ made }] = await sql("select count(*)::int as made from decisions where tenant_id = $1" +
		" and created_at > now() - interval '1 hour'", tenant);
	console.log(`${n} customers with candidates, ${made} decisions`);
	note("decide: built-in planner", made / got.seconds, 5000, "/s", true, got.peak_mb);
	const times = [];
	for (let i = 0; i < 9; i++) {
		const asked = performance.now();
		const { status } = await viewer.get("/api/analytics?range=30d");
		if (status !== 200)
			throw new Error(`analytics answers ${status}`);
		times.push(performance.now() - asked);
	}
	note("analytics of 30 days", times.toSorted((a, b) => a - b)[4], 100, "ms", false);
	console.table(rows);
	const wrong = peaks.filter(([, mb]) => !(mb > 1 && mb <= PEAK_MAX_MB));
	for (const [name, mb] of wrong)
		console.error(`${name} took ${mb.toFixed(1)} MB, ${PEAK_MAX_MB} are allowed`);
	process.exitCode = wrong.length > 0 ? 1 : 0;
} finally {
	await stack.stop();
}
