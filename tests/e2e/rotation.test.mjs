/* The master key is changed: what was made before goes on working. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { start_stack } from "./lib/stack.mjs";
import { HookServer } from "./lib/hooks.mjs";
import { MailServer } from "./lib/smtp.mjs";
import { activate, drift, new_user, ok, refused, unsubscribe_link, win_back } from "./lib/cases.mjs";

let stack, smtp, hooks, tenant, endpoint, link, user;

before(async () => {
	smtp = await new MailServer().start();
	hooks = await new HookServer("unset").start();
	stack = await start_stack({ settings: { RETIVO_SMTP_URL: smtp.url,
		RETIVO_SMTP_TLS: "none" } });
	tenant = await stack.tenant("Rotation");
	const { stdout } = await stack.admin(["webhook", "add", "--tenant", tenant.id,
		hooks.url]);
	[, endpoint, hooks.secret] = stdout.match(/id=(\S+)\nsecret=(\S+)/);
	ok(await tenant.admin.patch("/api/settings", { approvalMode: "full_auto" }));
	user = await drift(tenant.ingest, new_user());
	await activate(tenant, win_back({ constraints: { cooldown_days: 0 } }));
	await stack.batch({ tenant: tenant.id });
	await stack.batch({ tenant: tenant.id });
	assert.equal(smtp.mails.length, 1);
	link = unsubscribe_link(smtp.mails[0].parsed);
});
after(async () => {
	await stack?.stop();
	await smtp?.stop();
	await hooks?.stop();
});

const keys = () => readFileSync(stack.settings.RETIVO_MASTER_KEY_FILE, "utf8")
	.trim().split("\n");

/* The API reads the file anew as after a restart. */
async function use_keys(...lines) {
	writeFileSync(stack.settings.RETIVO_MASTER_KEY_FILE, `${lines.join("\n")}\n`);
	await stack.api.stop();
	await stack.start_api();
}

const rotate = async () => {
	const { stdout } = await stack.admin(["master-key", "rotate"]);
	return stdout.trim().split("\n");
};

const sealed = async () => (await stack.sql("select secret from webhook_endpoints" +
	" where tenant_id = $1 and id = $2", tenant.id, endpoint))[0].secret;

async function webhook_is_signed() {
	hooks.calls.length = 0;
	const { test: sent } = ok(await tenant.admin.post(
		`/api/webhooks/endpoints/${endpoint}/test`));
	assert.equal(sent.success, true);
	assert.equal(hooks.calls.length, 1);
	assert.ok(hooks.calls[0].verified, hooks.calls[0].problem);
}

async function old_things_work() {
	ok(await tenant.viewer.get("/api/customers"));
	ok(await stack.client.call("GET", link.pathname, { check: false }));
	await webhook_is_signed();
}

test("with a new key in front the old things work, and are sealed anew", async () => {
	const [first] = keys();
	const before = await sealed();
	const second = randomBytes(32).toString("hex");
	await use_keys(second, first);
	await old_things_work();
	assert.equal(await sealed(), before);
	assert.deepEqual(await rotate(), ["resealed=1", "kept=0"]);
	const after = await sealed();
	assert.notEqual(after.slice(0, 8), before.slice(0, 8));
	await old_things_work();
	/* A second time there is nothing to do. */
	assert.deepEqual(await rotate(), ["resealed=0", "kept=1"]);
	assert.equal(await sealed(), after);
});

test("after the next one no secret needs the key between", async () => {
	const [second, first] = keys();
	const third = randomBytes(32).toString("hex");
	await use_keys(third, second, first);
	assert.deepEqual(await rotate(), ["resealed=1", "kept=0"]);
	await use_keys(third, first);
	await old_things_work();
	const fresh = await stack.key(tenant.id, "read", "fresh");
	ok(await stack.client.as(fresh).get("/api/customers"));
});

test("a key that is still needed is missed, and nothing is changed", async () => {
	const good = keys();
	const other = await stack.tenant("Other");
	await stack.admin(["webhook", "add", "--tenant", other.id, hooks.url]);
	const before = await stack.sql("select secret from webhook_endpoints order by id");
	writeFileSync(stack.settings.RETIVO_MASTER_KEY_FILE,
		`${randomBytes(32).toString("hex")}\n${good[1]}\n`);
	const missed = await stack.admin(["master-key", "rotate"], { check: false });
	assert.equal(missed.code, 1);
	assert.match(missed.stderr, /cannot be read\n.*webhook_endpoints\/secret\/\d+\//);
	assert.deepEqual(await stack.sql("select secret from webhook_endpoints order by id"),
		before);
	await use_keys(...good);
	await old_things_work();
});

test("the last line holds the hashes: without it keys and links end", async () => {
	const good = keys();
	await use_keys(good[0]);
	refused(await tenant.viewer.get("/api/customers"), 401);
	const gone = await stack.client.call("GET", link.pathname, { check: false });
	assert.equal(gone.status, 404);
	await use_keys(...good);
	await old_things_work();
	assert.ok(user);
});

test("master-key rotate wants a key file and no words", async () => {
	const words = await stack.admin(["master-key", "rotate", "now"], { check: false });
	assert.equal(words.code, 2);
	const none = await stack.admin(["master-key", "rotate"],
		{ check: false, env: { RETIVO_MASTER_KEY_FILE: "" } });
	assert.equal(none.code, 2);
	assert.match(none.stderr, /RETIVO_MASTER_KEY_FILE/);
});
