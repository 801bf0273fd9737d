/* No tenant reaches another's rows: by SQL as the API's own role, whatever a
 * handler would ask, and by the API with ids that are not its own. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { operations } from "./lib/openapi.mjs";
import { start_stack } from "./lib/stack.mjs";
import { MailServer } from "./lib/smtp.mjs";
import { add_endpoint, new_secret } from "./lib/endpoints.mjs";
import { HookServer } from "./lib/hooks.mjs";
import { activate, drift, interventions, new_user, ok, refused, win_back } from "./lib/cases.mjs";

const GLOBAL = ["tenants", "token_index", "plans", "zones", "people",
	"schema_version", "login_throttle", "batch_heartbeats", "model_state"];
let stack, smtp, hooks, ours, theirs, theirs_user, theirs_playbook, theirs_message;

before(async () => {
	smtp = await new MailServer().start();
	hooks = await new HookServer(new_secret()).start();
	stack = await start_stack({ settings: { RETIVO_SMTP_URL: smtp.url,
		RETIVO_SMTP_TLS: "none" } });
	ours = await fill("Ours");
	theirs = await fill("Theirs");
	({ theirs_user, theirs_playbook, theirs_message } = theirs.made);
});
after(async () => {
	await stack?.stop();
	await smtp?.stop();
	await hooks?.stop();
});

/* A tenant with rows in as many tables as a life brings. */
async function fill(name) {
	const tenant = await stack.tenant(name);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto",
		config: { milestones: [{ name: "report", event: "report_created" }] } }));
	const theirs_endpoint = await add_endpoint(stack, tenant, hooks);
	const theirs_user = await drift(tenant.ingest, new_user(name));
	ok(await tenant.ingest.track({ user_id: theirs_user, event: "x",
		idempotency_key: "one", timestamp: new Date(Date.now() - 11 * 86400e3).toISOString() }));
	const theirs_playbook = await activate(tenant, win_back());
	await stack.member(tenant, `${name}@members.example`, "admin", "long enough password");
	ok(await stack.client.post("/api/auth/login",
		{ email: `${name}@members.example`, password: "long enough password" }));
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id });
	const theirs_member = ok(await tenant.viewer.get("/api/team/members")).members[0].id;
	const theirs_invitation = ok(await tenant.admin.post("/api/team/invite",
		{ email: `${name}-invited@members.example` }), 201).invitation.id;
	const held = await drift(tenant.ingest, new_user(name));
	const theirs_message = ok(await tenant.editor.post("/api/interventions",
		{ user_id: held, playbook_id: theirs_playbook, channel: "in_app",
			message_body: "waiting" }), 201).id;
	tenant.made = { theirs_endpoint, theirs_member, theirs_invitation, theirs_user, theirs_playbook, theirs_message,
		theirs_escalation: ok(await tenant.editor.post("/api/escalations", { user_id: held,
			playbook_id: theirs_playbook, severity: "Low", reason: "waiting" }), 201).id };
	return tenant;
}

/* Tenant tables from the catalogue, so that a new one cannot be forgotten. */
const tenant_tables = () => stack.sql("select c.relname as name, c.relrowsecurity," +
	" c.relforcerowsecurity, c.relispartition as part," +
	" (select count(*) from pg_policies p where p.tablename = c.relname) as policies" +
	" from pg_class c join pg_attribute a on a.attrelid = c.oid and" +
	" a.attname = 'tenant_id' where c.relkind in ('r', 'p') and" +
	" c.relnamespace = 'public'::regnamespace and not c.relname = any($1)" +
	" order by 1", ["tenants", "token_index"]);

async function as_role(role, tenant_id, statement, ...values) {
	const client = await stack.cluster.connect(role);
	try {
		await client.query("begin");
		if (tenant_id !== undefined)
			await client.query(`set local app.tenant_id = '${tenant_id}'`);
		return await client.query(statement, values);
	} finally {
		await client.query("rollback").catch(() => {});
		await client.end();
	}
}

test("every table is a tenant table with a forced policy, or named global", async () => {
	const tables = await tenant_tables();
	assert.ok(tables.length >= 25, `${tables.length} tables`);
	for (const t of tables)
		assert.ok(t.relrowsecurity && t.relforcerowsecurity && t.policies === 1, t.name);
	const all = await stack.sql("select relname as name from pg_class where" +
		" relkind in ('r', 'p') and relnamespace = 'public'::regnamespace");
	const known = new Set([...tables.map((t) => t.name), ...GLOBAL]);
	assert.deepEqual(all.map((t) => t.name).filter((n) => !known.has(n)), []);
});

test("the tenant leads every primary, unique and foreign key", async () => {
	const bad = await stack.sql("select c.conrelid::regclass::text as t, c.conname," +
		" a.attname from pg_constraint c join pg_attribute a on" +
		" a.attrelid = c.conrelid and a.attnum = c.conkey[1] join pg_class r on" +
		" r.oid = c.conrelid where c.contype in ('p', 'u', 'f') and" +
		" r.relnamespace = 'public'::regnamespace and not r.relispartition and" +
		" exists (select from pg_attribute b where b.attrelid = c.conrelid and" +
		" b.attname = 'tenant_id') and a.attname <> 'tenant_id' and not (c.contype = 'f'" +
		" and c.confrelid::regclass::text = any($1))" +
		" and r.relname <> all($2)", GLOBAL, ["tenants", "token_index"]);
	assert.deepEqual(bad, []);
});

test("neither role may step round the policies or owns a table", async () => {
	const roles = await stack.sql("select rolname, rolsuper, rolbypassrls, rolcreaterole" +
		" from pg_roles where rolname in ('retivo_api', 'retivo_batch')");
	assert.equal(roles.length, 2);
	for (const r of roles)
		assert.ok(!r.rolsuper && !r.rolbypassrls && !r.rolcreaterole, r.rolname);
	const owned = await stack.sql("select 1 from pg_class c join pg_roles r on" +
		" r.oid = c.relowner where r.rolname in ('retivo_api', 'retivo_batch')");
	assert.equal(owned.length, 0);
	for (const role of ["retivo_api", "retivo_batch"])
		await assert.rejects(as_role(role, ours.id, "set role retivo_admin"));
});

test("the tables hold rows of both tenants, so that the next tests mean something", async () => {
	let filled = 0;
	for (const { name, part } of await tenant_tables()) {
		if (part)
			continue;
		const [{ n }] = await stack.sql(`select count(distinct tenant_id) as n from ${name}` +
			" where tenant_id = any($1)", [ours.id, theirs.id]);
		filled += n === 2;
	}
	assert.ok(filled >= 15, `${filled} tables`);
});

for (const role of ["retivo_api", "retivo_batch"]) {
	test(`${role} sees only the tenant that is set, in every table`, async () => {
		for (const { name, part } of await tenant_tables()) {
			const count = (id) => as_role(role, id, `select count(*) as n,` +
				` count(*) filter (where tenant_id is distinct from` +
				` nullif(current_setting('app.tenant_id', true), '')::bigint) as foreign_rows` +
				` from ${name}`);
			if (part) {
				await assert.rejects(count(ours.id), /permission denied/, name);
				continue;
			}
			assert.equal((await count(ours.id)).rows[0].foreign_rows, 0, name);
			assert.equal((await count(undefined)).rows[0].n, 0, `${name} without a tenant`);
			assert.equal((await count("")).rows[0].n, 0, `${name} with an empty tenant`);
		}
	});

	test(`${role} cannot change or add another tenant's rows`, async () => {
		for (const { name, part } of await tenant_tables()) {
			if (part)
				continue;
			const before = await stack.sql(`select * from ${name} where tenant_id = $1` +
				" order by 1", theirs.id);
			for (const statement of [
				`update ${name} set tenant_id = tenant_id where tenant_id = $1`,
				`delete from ${name} where tenant_id = $1`]) {
				const done = await as_role(role, ours.id, statement, theirs.id)
					.catch((error) => error);
				assert.ok(done.rowCount === 0 || /permission denied/.test(done.message),
					`${name}: ${statement}: ${done.message ?? done.rowCount}`);
			}
			if (before.length) {
				await assert.rejects(as_role(role, ours.id, `insert into ${name}` +
					` select * from jsonb_populate_record(null::${name}, $1)`,
					JSON.stringify(before[0])),
					/row-level security|permission denied/, name);
				/* Nor move an own row over. */
				const moved = await as_role(role, ours.id,
					`update ${name} set tenant_id = $1`, theirs.id).catch((e) => e);
				assert.ok(moved.rowCount === 0 ||
					/row-level security|permission denied/.test(moved.message), name);
			}
		}
	});
}

test("the API role reads people and the token index only by functions", async () => {
	for (const name of ["people", "token_index"])
		await assert.rejects(as_role("retivo_api", ours.id, `select * from ${name}`),
			/permission denied/);
	await assert.rejects(as_role("retivo_api", ours.id,
		"update tenants set tenant_id = tenant_id"), /permission denied/);
});

test("a key with a forged tenant part is 401 and stores nothing", async () => {
	for (const [scope, key] of Object.entries(ours.keys)) {
		const forged = key.replace(`_${ours.id}_`, `_${theirs.id}_`);
		assert.notEqual(forged, key);
		const client = stack.client.as(forged);
		refused(await client.track({ user_id: "forged", event: "e" }), 401);
		refused(await client.get("/api/customers"), 401);
		assert.ok(scope);
	}
	const rows = await stack.sql("select 1 from events where user_id = 'forged'");
	const people = await stack.sql("select 1 from customers where user_id = 'forged'");
	assert.equal(rows.length + people.length, 0);
});

test("every operation with an id gives 404 for another tenant's", async () => {
	const [{ id: key_id }] = ok(await theirs.viewer.get("/api/settings")).api_keys;
	const ids = { customers: theirs_user, playbooks: theirs_playbook,
		interventions: theirs_message,
		escalations: theirs.made.theirs_escalation, "settings/api-keys": key_id,
		"webhooks/endpoints": theirs.made.theirs_endpoint,
		"team/members": theirs.made.theirs_member,
		"team/invitations": theirs.made.theirs_invitation };
	const snapshot = async () => JSON.stringify(await Promise.all(["customers",
		"playbooks", "interventions", "api_keys", "webhook_endpoints", "memberships", "invitations"].map((name) => stack.sql(
		`select * from ${name} where tenant_id = $1 order by 2`, theirs.id))));
	const before = await snapshot();
	/* Unsubscribe tokens are signed for their customer (privacy); the calls
	 * of vendors' libraries are words. */
	const named = operations.filter((op) => op.path.includes("{")
		&& !/\{(token|call)\}/.test(op.path));
	assert.ok(named.length >= 9);
	for (const op of named) {
		const kind = Object.keys(ids).find((k) => op.path.startsWith(`/api/${k}/{`));
		assert.ok(kind, `no foreign id for ${op.path}`);
		const body = { name: "Stolen", status: "archived", reason: "stolen", opted_out: true,
			action_taken: "stolen", channel: "email", role: "viewer" };
		refused(await ours.admin.call(op.method, op.path.replace(/\{[^}]+\}/, ids[kind]),
			{ body: ["GET", "DELETE"].includes(op.method) ? undefined : body }), 404);
	}
	refused(await ours.admin.post("/api/interventions/dry-run", { user_id: theirs_user }), 404);
	refused(await ours.admin.post("/api/interventions", { user_id: theirs_user,
		playbook_id: ours.made.theirs_playbook, channel: "email" }), 404);
	assert.equal(await snapshot(), before);
});

test("lists and counts hold only the own tenant's", async () => {
	const { customers } = ok(await ours.viewer.get("/api/customers"));
	assert.ok(!customers.some((c) => c.id === theirs_user));
	assert.ok((await interventions(ours)).every((i) => i.id !== theirs_message));
	const { playbooks } = ok(await ours.viewer.get("/api/playbooks"));
	assert.ok(playbooks.every((p) => p.id !== theirs_playbook));
	assert.equal(ok(await ours.viewer.get("/api/customers/stats")).stats.total,
		customers.length);
	assert.equal(ok(await ours.viewer.post("/api/playbooks/preview-count",
		{ entry_conditions: {} })).matching_users, customers.length);
});
