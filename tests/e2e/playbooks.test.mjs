/* Playbooks: the six operations, and what their documents may hold. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import { start_stack } from "./lib/stack.mjs";
import { activate, days_ago, drift, interventions, new_user, ok, refused, win_back } from "./lib/cases.mjs";

const ABSENT = "01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d";
let stack, tenant;

before(async () => {
	stack = await start_stack({ mail: true });
	tenant = await stack.tenant();
});
after(() => stack?.stop());

const create = async (playbook) =>
	ok(await tenant.editor.post("/api/playbooks", playbook), 201);
const find = async (id) => ok(await tenant.viewer.get("/api/playbooks"))
	.playbooks.find((p) => p.id === id);

test("a playbook is created as a draft and listed", async () => {
	const made = await create(win_back({ name: "First" }));
	assert.equal(made.status, "draft");
	const listed = await find(made.id);
	assert.equal(listed.name, "First");
	assert.deepEqual(listed.entry_conditions, win_back().entry_conditions);
	assert.equal(listed.strategy_hints.subject, "We miss you");
	assert.equal(listed.success_rate, null);
});

test("only a name is needed", async () => {
	const { id } = await create({ name: "Empty" });
	assert.deepEqual((await find(id)).entry_conditions, {});
});

test("what is absent in an update stays", async () => {
	const { id } = await create(win_back());
	ok(await tenant.editor.put(`/api/playbooks/${id}`, { name: "Renamed" }));
	const listed = await find(id);
	assert.equal(listed.name, "Renamed");
	assert.deepEqual(listed.entry_conditions, win_back().entry_conditions);
	assert.equal(listed.constraints.holdout, 0);
	ok(await tenant.editor.put(`/api/playbooks/${id}`, { exit_conditions: { health: { gt: 80 } } }));
	assert.deepEqual((await find(id)).exit_conditions, { health: { gt: 80 } });
	refused(await tenant.editor.put(`/api/playbooks/${id}`, { name: "" }), 400, "name");
});

test("an edit of a stale version is 409", async () => {
	const { id } = await create(win_back());
	const { version } = await find(id);
	ok(await tenant.editor.put(`/api/playbooks/${id}`, { name: "A", version }));
	refused(await tenant.editor.put(`/api/playbooks/${id}`, { name: "B", version }), 409);
	assert.equal((await find(id)).name, "A");
});

test("of two edits of one version at once one wins", async () => {
	const { id } = await create(win_back());
	const { version } = await find(id);
	const codes = (await Promise.all(["A", "B", "C", "D"].map((name) =>
		tenant.editor.put(`/api/playbooks/${id}`, { name, version }))))
		.map((a) => a.status).sort();
	assert.deepEqual(codes, [200, 409, 409, 409]);
});

test("status goes through all values; unknown ones are refused", async () => {
	const { id } = await create(win_back());
	for (const status of ["active", "paused", "active", "archived", "draft"]) {
		const body = ok(await tenant.editor.put(`/api/playbooks/${id}/status`,
			{ status }));
		assert.deepEqual([body.id, body.status], [id, status]);
		assert.equal((await find(id)).status, status);
	}
	refused(await tenant.editor.put(`/api/playbooks/${id}/status`,
		{ status: "on" }), 400, "status");
	refused(await tenant.editor.put(`/api/playbooks/${id}/status`, {}), 400, "status");
});

test("archive sets the status", async () => {
	const { id } = await create(win_back());
	assert.deepEqual(ok(await tenant.editor.delete(`/api/playbooks/${id}`)),
		{ archived: true });
	assert.equal((await find(id)).status, "archived");
});

test("foreign, absent and malformed ids are 404", async () => {
	const other = await stack.tenant("Other");
	const { id } = ok(await other.editor.post("/api/playbooks", win_back()), 201);
	for (const bad of [id, ABSENT, "pb_abc123", "%20", "1", `${ABSENT}0`]) {
		refused(await tenant.editor.put(`/api/playbooks/${bad}`, { name: "x" }), 404);
		refused(await tenant.editor.put(`/api/playbooks/${bad}/status`,
			{ status: "active" }), 404);
		refused(await tenant.editor.delete(`/api/playbooks/${bad}`), 404);
	}
	assert.equal(ok(await other.viewer.get("/api/playbooks")).playbooks[0].status, "draft");
});

test("activating empty entry conditions needs match_all", async () => {
	const { id } = await create({ name: "All" });
	refused(await tenant.editor.put(`/api/playbooks/${id}/status`,
		{ status: "active" }), 400);
	ok(await tenant.editor.put(`/api/playbooks/${id}`,
		{ constraints: { match_all: true } }));
	ok(await tenant.editor.put(`/api/playbooks/${id}/status`, { status: "active" }));
	ok(await tenant.editor.put(`/api/playbooks/${id}/status`, { status: "archived" }));
});

test("bad documents are refused by path, all at once", async () => {
	refused(await tenant.editor.post("/api/playbooks", { name: "",
		entry_conditions: { nonsense: 1, health: { about: 3 } },
		constraints: { speed: 9 }, strategy_hints: { mood: "x" } }), 400,
		"name", /entry_conditions.*nonsense/, /entry_conditions.*health/,
		/constraints.*speed/, /strategy_hints.*mood/);
	for (const [part, doc] of Object.entries({
		holdout: { holdout: 2 }, channels: { channels: ["pigeon"] },
		cooldown_days: { cooldown_days: -1 }, priority: { priority: "high" },
		quiet_hours: { quiet_hours: { start: "25:00", end: "x" } },
		min_confidence: { min_confidence: 1.5 },
		requires_approval: { requires_approval: "yes" } }))
		refused(await tenant.editor.post("/api/playbooks",
			{ name: "x", constraints: doc }), 400, new RegExp(`constraints.*${part}`));
	for (const doc of [[], "text", 7, true])
		refused(await tenant.editor.post("/api/playbooks",
			{ name: "x", entry_conditions: doc }), 400, /^entry_conditions/);
});

const bad_conditions = {
	"unknown field": { shoe_size: 43 },
	"unknown operator": { health: { almost: 3 } },
	"wrong type": { health: { gt: "high" } },
	"wrong member type": { lifecycle_stage: ["new", 3] },
	"unknown stage": { lifecycle_stage: "asleep" },
	"event without a name": { event: { within_days: 3 } },
	"unknown milestone": { milestone: { not_reached: "no-such" } },
	"unknown segment": { segment: "no-such" },
	"any without a list": { any: { health: 3 } },
	"not without a document": { not: [1] },
	"bad operator text": { health: ">= tall" },
	"too deep": Array.from({ length: 10 }).reduce((doc) => ({ not: doc }),
		{ health: { gt: 1 } }),
	"too many clauses": { any: Array.from({ length: 250 },
		(_, n) => ({ health: { gt: n / 10 } })) },
};
for (const [name, entry_conditions] of Object.entries(bad_conditions))
	test(`conditions: ${name} is refused by its path`, async () => {
		refused(await tenant.viewer.post("/api/playbooks/preview-count",
			{ entry_conditions }), 400, /^entry_conditions/);
		refused(await tenant.editor.post("/api/playbooks",
			{ name: "x", entry_conditions }), 400, /^entry_conditions/);
	});

test("conditions: 200 clauses are taken, the 201st is named", async () => {
	/* Two clauses each. */
	const pairs = (count) => ({ any: Array.from({ length: count },
		(_, n) => ({ health: { gt: n / 10, lt: 90 } })) });
	const post = (entry_conditions) =>
		tenant.editor.post("/api/playbooks", { name: "Many", entry_conditions });
	ok(await post(pairs(100)), 201);
	const { details } = refused(await post(pairs(101)), 400,
		/^entry_conditions\.any.100.?\.health/);
	assert.equal(details.length, 1, JSON.stringify(details));
	assert.match(details[0].message, /200 clauses/);
	/* One list that is too long by itself is named as a whole. */
	refused(await post({ any: Array.from({ length: 201 },
		() => ({ health: { gt: 1 } })) }), 400, "entry_conditions.any");
});

test("preview-count, dry-run and batch agree for every form", async () => {
	const shop = await stack.tenant("Forms");
	ok(await shop.admin.patch("/api/settings", { config: {
		milestones: [{ name: "invited_team", event: "invite_sent" }],
		segments: [{ name: "reporters", conditions: {
			event: { name: "report_created", within_days: 30 } } }] } }));
	await drift(shop.ingest, "a", { plan: "trial", seats: 3, name: "Ann" }, 10);
	await drift(shop.ingest, "b", { plan: "pro", seats: 30, locale: "de" }, 1);
	await drift(shop.ingest, "c", { plan: "pro" }, 45);
	ok(await shop.ingest.track({ user_id: "b", event: "invite_sent",
		timestamp: days_ago(1) }));
	ok(await shop.editor.put("/api/customers/c/preferences", { opted_out: true }));
	await stack.batch({ tenant: shop.id });

	const forms = [
		[{}, "abc"],
		[{ lifecycle_stage: "at_risk" }, "a"],
		[{ lifecycle_stage: ["at_risk", "churned"] }, "ac"],
		[{ lifecycle_stage: { nin: ["churned"] } }, "ab"],
		[{ days_since_last_activity: { gte: 3, lt: 14 } }, "a"],
		[{ days_since_last_activity: ">= 3" }, "ac"],
		[{ "properties.seats": { gt: 3 } }, "b"],
		[{ "properties.seats": 3 }, "a"],
		[{ "properties.seats": { exists: false } }, "c"],
		[{ plan: "pro" }, "bc"],
		[{ plan: { ne: "pro" } }, "a"],
		[{ name: { contains: "nn" } }, "a"],
		[{ name: { starts_with: "An" } }, "a"],
		[{ event: { name: "report_created", within_days: 14, count: { gte: 2 } } }, "b"],
		[{ milestone: { reached: "invited_team" } }, "b"],
		[{ milestone: { not_reached: "invited_team" } }, "ac"],
		[{ segment: "reporters" }, "ab"],
		[{ not: { segment: "reporters" } }, "c"],
		[{ any: [{ "properties.seats": 3 }, { lifecycle_stage: "churned" }] }, "ac"],
		[{ opted_out: true }, "c"],
		[{ plan: "pro", not: { opted_out: true } }, "b"],
		[{ health: { lte: 100 }, activation_score: { gte: 0 } }, "abc"],
	];
	for (const [entry_conditions, who] of forms) {
		const text = JSON.stringify(entry_conditions);
		assert.equal(ok(await shop.viewer.post("/api/playbooks/preview-count",
			{ entry_conditions })).matching_users, who.length, text);
		if (!Object.keys(entry_conditions).length)
			continue;
		const id = await activate(shop, win_back({ entry_conditions }));
		const preview = ok(await shop.viewer.get(`/api/playbooks/${id}/preview`));
		assert.deepEqual([preview.matching_users, preview.customers.map((c) => c.user_id).join("")],
			[who.length, who], text);
		for (const user_id of "abc") {
			const { rules } = ok(await shop.viewer.post(
				"/api/interventions/dry-run", { user_id }));
			const seen = rules.playbooks.find((p) => p.id === id);
			assert.equal(seen.matched, who.includes(user_id), `${text} of ${user_id}`);
		}
		ok(await shop.editor.delete(`/api/playbooks/${id}`));
	}
});

test("pausing or archiving cancels what is not sent", async () => {
	const shop = await stack.tenant("Cancel");
	const user = await drift(shop.ingest, new_user());
	const id = await activate(shop, win_back());
	await stack.batch({ tenant: shop.id });
	assert.equal((await interventions(shop, user))[0].status, "planned");
	ok(await shop.editor.put(`/api/playbooks/${id}/status`, { status: "paused" }));
	assert.equal((await interventions(shop, user))[0].status, "cancelled");
});

test("who matches a playbook now, page by page", async () => {
	const shop = await stack.tenant("Preview");
	const users = Array.from({ length: 7 }, (_, n) => `p${n}`);
	for (const user of users)
		await drift(shop.ingest, user, { name: user === "p3" ? "" : `Name of ${user}` }, 10);
	await drift(shop.ingest, "other", {}, 1);
	await stack.batch({ tenant: shop.id });
	/* A draft, too. */
	const { id } = ok(await shop.editor.post("/api/playbooks", win_back()), 201);
	const path = `/api/playbooks/${id}/preview`;
	const all = ok(await shop.viewer.get(path));
	assert.equal(all.matching_users, 7);
	assert.equal(all.next_cursor, undefined);
	assert.deepEqual(all.customers.map((c) => c.user_id), users);
	const [first] = all.customers;
	assert.deepEqual([first.name, first.lifecycle_stage], ["Name of p0", "at_risk"]);
	assert.ok(first.health >= 0 && first.risk_level && first.last_activity_at);
	const pages = [];
	for (let cursor = ""; cursor !== undefined;) {
		const page = ok(await shop.viewer.get(`${path}?limit=3${cursor && `&cursor=${cursor}`}`));
		assert.equal(page.matching_users, cursor ? undefined : 7);
		pages.push(page.customers);
		cursor = page.next_cursor;
	}
	assert.deepEqual(pages.map((page) => page.length), [3, 3, 1]);
	assert.deepEqual(pages.flat(), all.customers);
	const { id: second } = ok(await shop.editor.post("/api/playbooks", win_back()), 201);
	const { next_cursor } = ok(await shop.viewer.get(`/api/playbooks/${second}/preview?limit=1`));
	refused(await shop.viewer.get(`${path}?cursor=${next_cursor}`), 400, "cursor");
	for (const limit of [0, 101, "x"])
		refused(await shop.viewer.get(`${path}?limit=${limit}`), 400, "limit");
	refused(await shop.ingest.get(path), 403);
	const stranger = await stack.tenant("Stranger");
	for (const [client, of] of [[stranger.viewer, id], [shop.viewer, "nothing"],
		[shop.viewer, "01938c4e-5b1a-7c3e-9f20-6d1f0a2b3c4d"]])
		refused(await client.get(`/api/playbooks/${of}/preview`), 404);
});
