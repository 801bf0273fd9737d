/* retivo-admin: what an operator types. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { join } from "node:path";
import { source } from "./lib/place.mjs";
import { start_stack } from "./lib/stack.mjs";
import { activate, drift, new_user, ok, refused, win_back } from "./lib/cases.mjs";

let stack, tenant;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant("Admin");
});
after(() => stack?.stop());

const admin = (...args) => stack.admin(args);

test("db apply a second time changes nothing; db verify is content", async () => {
	const catalogue = () => stack.sql("select table_name, column_name, data_type," +
		" is_nullable, column_default from information_schema.columns where" +
		" table_schema = 'public' order by 1, 2");
	const before = await catalogue();
	await admin("db", "apply");
	assert.deepEqual(await catalogue(), before);
	await admin("db", "verify");
});

/* What a database is made of, in an order of its own. */
const catalogue = async (database) => {
	const query = (text) => stack.cluster.query("retivo_admin", text, [], database);
	const ours = "relnamespace = 'public'::regnamespace";
	/* Partitions are named by the month of the day. */
	const lists = await Promise.all([
		`select relname, relkind, relrowsecurity, relforcerowsecurity, relacl::text
			from pg_class where ${ours} and not relispartition`,
		`select relname, attname, atttypid::regtype::text, attnotnull, attidentity::text,
			collname, pg_get_expr(adbin, adrelid) as default_is, attacl::text
			from pg_class c join pg_attribute a on attrelid = c.oid and attnum > 0
			and not attisdropped left join pg_attrdef d on adrelid = c.oid
			and adnum = attnum left join pg_collation l on l.oid = attcollation
			where c.${ours} and not relispartition`,
		`select relname, conname, pg_get_constraintdef(k.oid) from pg_constraint k
			join pg_class c on c.oid = conrelid where c.${ours} and not relispartition`,
		`select pg_get_indexdef(indexrelid) from pg_index join pg_class c
			on c.oid = indexrelid where ${ours} and not relispartition`,
		`select relname, polname, polcmd::text, pg_get_expr(polqual, polrelid),
			pg_get_expr(polwithcheck, polrelid) from pg_policy
			join pg_class c on c.oid = polrelid where not relispartition`,
		`select proname, pg_get_functiondef(oid), proacl::text from pg_proc
			where pronamespace = 'public'::regnamespace and prokind = 'f'`,
		"select version, name from schema_version",
		"select plans::text from plans",
		`select relname, reloptions::text from pg_class c where c.${ours}
			and reloptions is not null and not relispartition`,
	].map(query));
	/* Layout of a script is no difference. */
	return lists.flat().map((row) => JSON.stringify(row).replaceAll(/(\\[nt]|\s)+/g, " "))
		.sort();
};

test("an upgraded database is like a fresh one", async () => {
	await stack.cluster.query("super",
		"create database upgraded owner retivo_admin", [], "postgres");
	const { code, stderr } = await stack.admin(["db", "apply"], { env: {
		RETIVO_DATABASE_URL: stack.cluster.url("retivo_admin", "upgraded"),
		RETIVO_SCHEMA: join(source, "tests/e2e/lib/schema-1.sql") } });
	assert.equal(code, 0, stderr);
	const upgraded = await catalogue("upgraded"), fresh = await catalogue("retivo");
	assert.ok(fresh.length > 500, `${fresh.length} facts`);
	assert.deepEqual(upgraded.filter((fact) => !fresh.includes(fact)), [], "only upgraded");
	assert.deepEqual(fresh.filter((fact) => !upgraded.includes(fact)), [], "only fresh");
});

test("db verify finds a table that was changed by hand", async () => {
	await stack.sql("alter table playbooks disable row level security");
	const found = await stack.admin(["db", "verify"], { check: false });
	await stack.sql("alter table playbooks enable row level security");
	assert.notEqual(found.code, 0);
	assert.match(found.stdout + found.stderr, /playbooks/);
	await admin("db", "verify");
});

test("a key is made, works, and ends", async () => {
	const { stdout } = await admin("key", "create", "--tenant", tenant.id,
		"--scope", "write", "--label", "By hand");
	assert.match(stdout, /^rt_live_\d+_[\w-]{43}\n$/);
	const client = stack.client.as(stdout.trim());
	ok(await client.track({ user_id: "u", event: "e" }));
	const { id } = ok(await tenant.viewer.get("/api/settings"))
		.api_keys.find((k) => k.label === "By hand");
	await admin("key", "revoke", "--tenant", tenant.id, id);
	refused(await client.track({ user_id: "u", event: "e" }), 401);
});

test("wrong words are told on stderr with an exit code", async () => {
	for (const args of [[], ["nonsense"], ["db"], ["key", "create"],
		["key", "create", "--tenant", "x", "--scope", "read"],
		["key", "create", "--tenant", "999999", "--scope", "read", "--label", "l"],
		["key", "create", "--tenant", String(tenant.id), "--scope", "god", "--label", "l"],
		["tenant", "create"], ["explain", "--tenant", String(tenant.id), "no-such"],
		["key", "revoke", "--tenant", String(tenant.id), "no-such"]]) {
		const { code, stderr } = await stack.admin(args, { check: false });
		assert.ok(code > 0, args.join(" "));
		assert.ok(stderr.trim().length > 10, args.join(" "));
	}
});

test("config prints every setting with secrets masked", async () => {
	const { stdout } = await stack.admin(["config"], { env: {
		RETIVO_SMTP_URL: "smtp://mail.example:25",
		RETIVO_SMTP_PASSWORD: "a-very-secret-word" } });
	assert.doesNotMatch(stdout, /a-very-secret-word/);
	for (const name of ["RETIVO_DATABASE_URL", "RETIVO_WORKERS", "RETIVO_SMTP_PASSWORD",
		"RETIVO_BASE_URL"])
		assert.ok(stdout.includes(name), name);
	const url = "postgresql://someone:hunter22@localhost/retivo";
	const second = await stack.admin(["config"], { check: false,
		env: { RETIVO_DATABASE_URL: url } });
	assert.doesNotMatch(second.stdout + second.stderr, /hunter22/);
});

test("a bad setting is refused before anything starts", async () => {
	const { run } = await import("./lib/process.mjs");
	const { program } = await import("./lib/place.mjs");
	for (const [name, value] of [["RETIVO_WORKERS", "many"], ["RETIVO_WORKERS", "0"],
		["RETIVO_SMTP_TLS", "perhaps"]]) {
		const got = await run(program("retivo-api"), [], { check: false,
			timeout_ms: 10000, env: { ...stack.settings, [name]: value,
				RETIVO_SOCKET: `${stack.home}/other.sock` } });
		assert.ok(got.code > 0, `${name}=${value}`);
		assert.match(got.stderr, new RegExp(name));
	}
});

test("a moved clock is refused outside tests", async () => {
	const got = await stack.batch({ now: "2030-01-01T00:00:00Z", check: false,
		env: { RETIVO_TESTING: "" } });
	assert.notEqual(got.code, 0);
});

test("explain shows the SQL and, for a user, each clause", async () => {
	const user = await drift(tenant.ingest, new_user());
	const id = await activate(tenant, win_back());
	await stack.batch({ tenant: tenant.id });
	const plain = await admin("explain", "--tenant", tenant.id, id);
	assert.match(plain.stdout, /lifecycle_stage/);
	assert.match(plain.stdout, /\$\d/);
	const { stdout } = await admin("explain", "--tenant", tenant.id, id, "--user", user);
	assert.match(stdout, /entry_conditions\.lifecycle_stage.*true|true.*entry_conditions\.lifecycle_stage/);
	assert.match(stdout, /days_since_last_activity/);
});

test("member reset prints a link of this host", async () => {
	await stack.member(tenant, "reset@members.example", "viewer", "long enough password");
	const { stdout } = await admin("member", "reset", "reset@members.example");
	assert.ok(stdout.includes(stack.settings.RETIVO_BASE_URL), stdout);
	assert.notEqual((await stack.admin(["member", "reset", "nobody@members.example"],
		{ check: false })).code, 0);
});

/* What a demo stored, without ids and keys that are drawn anew. */
async function life(on, tenant_id) {
	return on.sql("select c.user_id, c.name, c.email, c.plan, c.lifecycle_stage," +
		" c.health, c.risk_level, (select count(*) from events e where" +
		" e.tenant_id = c.tenant_id and e.user_id = c.user_id) as events," +
		" (select md5(string_agg(e.event || e.ts::text, ',' order by e.ts, e.event))" +
		" from events e where e.tenant_id = c.tenant_id and e.user_id = c.user_id) as sum" +
		" from customers c where c.tenant_id = $1 order by 1", tenant_id);
}

const DEMO_CLOCK = "2026-11-01T12:00:00Z";

async function demo(on, seed, customers) {
	const { stdout } = await on.admin(["demo", "--seed", seed, "--customers", customers],
		{ env: { RETIVO_CLOCK: DEMO_CLOCK, RETIVO_MAIL_DIR: on.mail_dir } });
	const values = Object.fromEntries(stdout.trim().split("\n").map((line) =>
		[line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
	for (const name of ["RETIVO_API_KEY", "RETIVO_TEST_KEY", "RETIVO_EMAIL",
		"RETIVO_PASSWORD", "RETIVO_TENANT"])
		assert.ok(values[name], name);
	return values;
}

const count_of = (rows, key) => Object.fromEntries(rows.map((row) => [row[key], row.count]));

test("demo makes lives that differ, and a past with outcomes", async () => {
	const made = await demo(stack, 7, 300);
	const lives = await life(stack, made.RETIVO_TENANT);
	assert.equal(lives.length, 300);
	assert.ok(new Set(lives.map((c) => c.events)).size > 20);
	assert.ok(lives.every((c) => !c.email || c.email.endsWith("@example.com")));
	const client = stack.client.as(made.RETIVO_API_KEY);
	const { playbooks } = ok(await client.get("/api/playbooks"));
	assert.ok(playbooks.length >= 9, `${playbooks.length} playbooks`);
	assert.ok(new Set(playbooks.map((p) => p.lifecycle_area)).size >= 5);
	ok(await stack.client.post("/api/auth/login", { email: made.RETIVO_EMAIL,
		password: made.RETIVO_PASSWORD }));
	const { stats } = ok(await client.get("/api/customers/stats"));
	assert.equal(stats.total, 300);
	assert.ok(stats.active > 20 && stats.at_risk > 5 && stats.churned > 5,
		JSON.stringify(stats));
	ok(await stack.client.as(made.RETIVO_TEST_KEY).get("/api/customers/stats"));

	/* The API's clock is the real one, so what hangs on a range is not asked. */
	const [{ sent, simulated, days: written }] = await stack.sql("select count(*) as sent," +
		" count(*) filter (where simulated) as simulated, count(distinct sent_at) as days" +
		" from interventions where tenant_id = $1 and sent_at is not null" +
		" and approved_by like 'person:%'", made.RETIVO_TENANT);
	assert.ok(sent > 100 && simulated > 20 && written > 30, `${sent}, ${simulated}, ${written}`);
	assert.deepEqual(stack.mails(), []);
	const outcomes = count_of(await stack.sql("select outcome, count(*) from outcomes" +
		" where tenant_id = $1 group by 1", made.RETIVO_TENANT), "outcome");
	assert.ok(outcomes.positive > 20 && outcomes.neutral > 20 && outcomes.negative > 0 &&
		outcomes.pending > 0, JSON.stringify(outcomes));
	const { lift } = ok(await client.get("/api/analytics?range=90d"));
	assert.ok(lift.some((row) => row.verdict === "better"), JSON.stringify(lift));
	const [{ days }] = await stack.sql("select count(distinct day) as days from daily_counts" +
		" where tenant_id = $1 and what = 'stage'", made.RETIVO_TENANT);
	assert.equal(days, 46);

	const settings = ok(await client.get("/api/settings"));
	assert.equal(settings.tenant.config.approval_mode, "suggest_only");
	const open = count_of(await stack.sql("select channel = 'escalate' as called, count(*)" +
		" from interventions where tenant_id = $1 and status = 'planned'" +
		" and planned_at > $2::timestamptz - interval '3 days' group by 1",
		made.RETIVO_TENANT, DEMO_CLOCK), "called");
	assert.ok(open.false > 5 && open.true > 0, JSON.stringify(open));

	await admin("audit", "verify", "--tenant", made.RETIVO_TENANT);
	const { stdout } = await admin("replay", "--tenant", made.RETIVO_TENANT, "--limit", "5000");
	assert.match(stdout, / 0 differ/);
});

test("demo of one seed is the same anywhere, of another it is not", async () => {
	const others = [await start_stack(), await start_stack(), await start_stack()];
	try {
		const [one, two, three] = await Promise.all([7, 7, 8].map(async (seed, n) =>
			life(others[n], (await demo(others[n], seed, 30)).RETIVO_TENANT)));
		assert.equal(one.length, 30);
		assert.deepEqual(one, two);
		assert.notDeepEqual(one, three);
	} finally {
		for (const other of others)
			await other.stop();
	}
});
