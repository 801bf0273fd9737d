/* Generated requests: whatever comes in, no operation answers with a 5xx,
 * and each answer is one that openapi.json describes. RETIVO_SEED=N makes
 * other requests; a failure names its seed and request. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { check_answer, operations } from "./lib/openapi.mjs";
import { nearly, Random } from "./lib/generate.mjs";
import { start_stack } from "./lib/stack.mjs";
import { drift, new_user, ok, win_back } from "./lib/cases.mjs";

const EACH = 300, AT_ONCE = 6;
const PASSWORD = "correct horse battery staple";
const seed = Number(process.env.RETIVO_SEED ?? 1);
let stack, tenant, session;

before(async () => {
	stack = await start_stack();
	tenant = await stack.tenant();
	await stack.member(tenant, "admin@members.example", "admin", PASSWORD);
	await sign_in();
});
after(() => stack?.stop());

async function sign_in() {
	session = ok(await stack.client.post("/api/auth/login",
		{ email: "admin@members.example", password: PASSWORD })).token;
}

/* A row of the tenant for each kind of path: made new, as some end it. */
const makers = {
	"/api/customers/{id}": () => drift(tenant.ingest, new_user("generated")),
	"/api/playbooks/{id}": async () =>
		ok(await tenant.editor.post("/api/playbooks", win_back()), 201).id,
	"/api/interventions/{id}": async () => ok(await tenant.editor.post("/api/interventions", {
		user_id: await drift(tenant.ingest, new_user("generated")),
		playbook_id: ok(await tenant.editor.post("/api/playbooks", win_back()), 201).id,
		channel: "in_app", message_body: "Hello" }), 201).id,
	"/api/escalations/{id}": async () => ok(await tenant.editor.post("/api/escalations", {
		user_id: await drift(tenant.ingest, new_user("generated")),
		playbook_id: ok(await tenant.editor.post("/api/playbooks", win_back()), 201).id,
		severity: "Low", reason: "generated" }), 201).id,
	/* Nobody answers there. */
	"/api/webhooks/endpoints/{id}": async () => ok(await tenant.admin.post(
		"/api/webhooks/endpoints", { url: "http://127.0.0.1:9/" }), 201).endpoint.id,
	"/api/team/invitations/{invitationId}": async () => ok(await tenant.admin.post(
		"/api/team/invite", { email: `${new_user("invited")}@members.example` }), 201)
		.invitation.id,
	"/api/team/members/{memberId}": async () =>
		ok(await tenant.admin.get("/api/team/members")).members[0].id,
	"/api/settings/api-keys/{id}": async () => ok(await tenant.admin.post(
		"/api/settings/api-keys", { label: "x", scope: "read" }), 201).id,
};

async function ids_of(path) {
	const kind = Object.keys(makers).find((prefix) => path.startsWith(prefix));
	const name = path.match(/\{([^}]+)\}/)?.[1];
	return kind ? { [name]: await makers[kind]() } : {};
}

/* Put in for the ids of the document's examples, so that they reach rows. */
async function fitting(example, ids) {
	if (example?.user_id === undefined && example?.playbook_id === undefined)
		return example;
	ids.user_id ??= await makers["/api/customers/{id}"]();
	ids.playbook_id ??= await makers["/api/playbooks/{id}"]();
	return { ...example, ...(example.user_id && { user_id: ids.user_id }),
		...(example.playbook_id && { playbook_id: ids.playbook_id }) };
}

/* What no operation sees: nginx refuses it with an error of the same form. */
const by_nginx = (answer) => [413, 414, 431].includes(answer.status)
	&& typeof answer.body?.error === "string";

for (const [at, op] of operations.filter((o) => o.id !== "logout").entries())
	test(`${op.method} ${op.path}: ${EACH} generated requests`, async () => {
		const random = new Random(seed * 1000 + at);
		/* A switch ends the session that asks. */
		if (op.id === "switchTenant")
			await sign_in();
		const key = op.access === "none" ? undefined
			: op.access === "member" ? session : tenant.keys.admin;
		const ids = await ids_of(op.path);
		const [type, content] = Object.entries(op.operation.requestBody?.content ?? {})[0] ?? [];
		const example = await fitting(content?.example
			?? Object.values(content?.examples ?? {})[0]?.value, {});
		const seen = new Map();
		let left = EACH;

		assert.ok(!content || example !== undefined, "its body has an example");
		const worker = async () => {
			while (left-- > 0) {
				const { target, ...request } = nearly(random, op.path, ids, type, example);
				const what = `seed ${seed}: ${op.method} ${target} ` +
					`${JSON.stringify(request).slice(0, 2000)}`;
				const answer = await stack.client.call(op.method, target,
					{ key, ...request, check: false }).catch((error) => {
					throw new Error(`${what}: ${error.message}`);
				});
				seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
				assert.ok(answer.status < 500 || unconfigured(op, answer),
					`${what}: ${answer.status} ${answer.text}`);
				if (!by_nginx(answer))
					described(op, target, answer, what);
			}
		};
		/* What is costly is busy with more than one at once. */
		const workers = op.operation.responses["503"] ? 1 : AT_ONCE;
		await Promise.all(Array.from({ length: workers }, worker));
		if (op.id === "switchTenant")
			await sign_in();
		assert.ok([...seen.values()].reduce((a, b) => a + b) === EACH);
	});

function described(op, target, answer, what) {
	try {
		check_answer(op.method, target, answer);
	} catch (error) {
		throw new Error(`${what}: ${error.message}`);
	}
}

/* What this stack was not set up for says so. */
const unconfigured = (op, answer) => answer.status === 503
	&& op.operation.responses["503"] && /not_configured/.test(answer.body?.code);
