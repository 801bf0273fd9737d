/* Billing by calls to Stripe (a strict stand-in), and what Stripe's events
 * make of a tenant's plan. Signatures are made by Stripe's own library. */
import { test, before, after } from "node:test";
import assert from "node:assert/strict";
import Stripe from "stripe";
import { start_stack } from "./lib/stack.mjs";
import { KEY, SECRET, StripeServer, VERSION } from "./lib/stripe.mjs";
import { ok, refused, win_back } from "./lib/cases.mjs";

const CHECKOUT = "/api/billing/checkout", PORTAL = "/api/billing/portal";
const PASSWORD = "correct horse battery staple";
let stack, stripe;

before(async () => {
	stripe = await new StripeServer("price_sm", "price_sm_old", "price_gm", "price_ga",
		"price_xm").start();
	stack = await start_stack({ settings: { ...stripe.settings, RETIVO_WORKERS: "4",
		RETIVO_STRIPE_STARTER_MONTHLY: "price_sm,price_sm_old",
		RETIVO_STRIPE_GROWTH_MONTHLY: "price_gm",
		RETIVO_STRIPE_GROWTH_ANNUAL: "price_ga",
		RETIVO_STRIPE_SCALE_MONTHLY: "price_nowhere" } });
});
after(async () => {
	await stack?.stop();
	await stripe?.stop();
});

/* A tenant on the free plan; its customer once it began to pay. */
async function tenant_of(name) {
	const tenant = await stack.tenant(name);
	await stack.sql("update tenants set plan_tier = 'free' where tenant_id = $1", tenant.id);
	return tenant;
}

async function paying(name) {
	const tenant = await tenant_of(name);
	ok(await tenant.admin.post(CHECKOUT, { plan: "starter" }));
	tenant.customer = stripe.calls.at(-1).params.customer;
	return tenant;
}

const plan_of = async (tenant) => {
	const [row] = await stack.sql("select plan_tier, plan_status from tenants" +
		" where tenant_id = $1", tenant.id);
	return [row.plan_tier, row.plan_status];
};

/* Stripe sends an event, signed now unless told otherwise. */
function send(payload, header = stripe.sign(payload)) {
	return stack.client.post("/api/billing/webhook", undefined, { raw: payload,
		headers: header === null ? {} : { "stripe-signature": header } });
}

const tell = async (type, object, id) =>
	assert.deepEqual(ok(await send(stripe.event(type, object, id))), { received: true });

test("the stand-in takes what Stripe's own library sends, and no more", async () => {
	const sdk = new Stripe(KEY, { host: "127.0.0.1", port: stripe.port, protocol: "http",
		apiVersion: VERSION, maxNetworkRetries: 0, telemetry: false });
	const customer = await sdk.customers.create({ name: "Ada", metadata: { tenant_id: "1" } });
	const good = { mode: "subscription", customer: customer.id,
		line_items: [{ price: "price_sm", quantity: 1 }], success_url: "https://x.example/" };
	assert.match((await sdk.checkout.sessions.create(good)).url, /^https:/);
	const fails = (params, code, param) => assert.rejects(sdk.checkout.sessions.create(params),
		(error) => error.code === code && error.param === param);
	await fails({ ...good, colour: "red" }, "parameter_unknown", "colour");
	await fails({ ...good, mode: "payment" }, "parameter_invalid", "mode");
	await fails({ ...good, line_items: [{ price: "price_none", quantity: 1 }] },
		"resource_missing", "line_items[0][price]");
	await fails({ ...good, success_url: undefined }, "parameter_missing", "success_url");
	await fails({ ...good, customer: "cus_none" }, "resource_missing", "customer");
});

test("checkout makes one customer and a page to pay on", async () => {
	const tenant = await tenant_of("Ada & Söhne");
	await stack.member(tenant, "boss@members.example", "admin", PASSWORD);
	const { token } = ok(await stack.client.post("/api/auth/login",
		{ email: "boss@members.example", password: PASSWORD }));
	refused(await tenant.admin.get(PORTAL), 404);
	stripe.calls.length = 0;
	const { url } = ok(await stack.client.as(token).post(CHECKOUT,
		{ plan: "growth", interval: "annual" }));
	assert.match(url, /^https:\/\/checkout\.stripe\.example\/c\/pay\/cs_test_/);
	const [customer, session] = stripe.calls;
	assert.deepEqual([customer.path, session.path],
		["/v1/customers", "/v1/checkout/sessions"]);
	assert.deepEqual(customer.params, { name: "Ada & Söhne", email: "boss@members.example",
		"metadata[tenant_id]": String(tenant.id) });
	assert.equal(session.params["line_items[0][price]"], "price_ga");
	assert.equal(session.params.client_reference_id, String(tenant.id));
	assert.ok(session.params.success_url.startsWith(stack.settings.RETIVO_BASE_URL));
	assert.equal(customer.headers["stripe-version"], VERSION);
	/* Nothing is paid yet. */
	assert.deepEqual(await plan_of(tenant), ["free", "active"]);

	stripe.calls.length = 0;
	ok(await tenant.admin.post(CHECKOUT, { plan: "starter" }));
	assert.deepEqual(stripe.calls.map((c) => c.path), ["/v1/checkout/sessions"]);
	assert.equal(stripe.calls[0].params.customer, session.params.customer);
	assert.equal(stripe.calls[0].params["line_items[0][price]"], "price_sm");
	assert.match(ok(await tenant.admin.get(PORTAL)).url, /^https:\/\/billing\.stripe\.example\//);
	const audit = await stack.sql("select action, object from audit_log where tenant_id = $1" +
		" and action like 'billing.%' order by at, id", tenant.id);
	assert.deepEqual(audit.map((a) => a.object), ["growth", "starter"]);
});

test("two checkouts at once make one customer", async () => {
	const tenant = await tenant_of("Twice");
	for (const answer of await Promise.all([1, 2].map(() =>
		tenant.admin.post(CHECKOUT, { plan: "starter" }))))
		ok(answer);
	const sessions = stripe.calls.filter((c) =>
		c.params.client_reference_id === String(tenant.id));
	assert.equal(new Set(sessions.map((c) => c.params.customer)).size, 1);
	const [{ n }] = await stack.sql("select count(*)::int as n from billing_accounts" +
		" where tenant_id = $1", tenant.id);
	assert.equal(n, 1);
});

test("bad plans, test tenants and lesser keys", async () => {
	const tenant = await tenant_of("Strict");
	for (const body of [{}, { plan: "free" }, { plan: "unlimited" }, { plan: 7 }, { plan: null }])
		refused(await tenant.admin.post(CHECKOUT, body), 400, "plan");
	refused(await tenant.admin.post(CHECKOUT, { plan: "pro", interval: "weekly" }), 400,
		"plan", "interval");
	const secret = ok(await tenant.admin.post("/api/settings/api-keys",
		{ label: "twin", scope: "admin", mode: "test" }), 201).secret;
	refused(await stack.client.as(secret).post(CHECKOUT, { plan: "starter" }), 404);
	refused(await stack.client.as(secret).get(PORTAL), 404);
	for (const role of ["ingest", "viewer", "editor"]) {
		refused(await tenant[role].post(CHECKOUT, { plan: "starter" }), 403);
		refused(await tenant[role].get(PORTAL), 403);
	}
	refused(await stack.client.post(CHECKOUT, { plan: "starter" }), 401);
});

test("no price, or one that Stripe does not know: 503", async () => {
	const tenant = await paying("Prices");
	assert.equal(refused(await tenant.admin.post(CHECKOUT,
		{ plan: "starter", interval: "annual" }), 503).code, "billing_not_configured");
	assert.equal(refused(await tenant.admin.post(CHECKOUT, { plan: "scale" }), 503).code,
		"billing_refused");
	assert.match(stack.log_text(), /resource_missing.*No such price/);
	assert.doesNotMatch(stack.log_text(), new RegExp(`${KEY}|${SECRET}`));
});

test("Stripe stumbles: one more try with the same key, then 503 with Retry-After", async () => {
	const tenant = await paying("Stumble");
	for (const bad of [500, 409, 0]) {
		stripe.calls.length = 0;
		stripe.answers.push(bad);
		ok(await tenant.admin.post(CHECKOUT, { plan: "starter" }));
		assert.equal(stripe.calls.length, 2);
		assert.equal(stripe.calls[0].headers["idempotency-key"],
			stripe.calls[1].headers["idempotency-key"]);
	}
	stripe.answers.push(503, 503);
	const down = await tenant.admin.get(PORTAL);
	assert.equal(refused(down, 503).code, "billing_unavailable");
	assert.ok(Number(down.headers["retry-after"]) > 0);
	stripe.calls.length = 0;
	stripe.answers.push(429);
	refused(await tenant.admin.get(PORTAL), 503);
	assert.equal(stripe.calls.length, 1, "429 is not tried again at once");
	stripe.answers.push(401);
	assert.equal(refused(await tenant.admin.get(PORTAL), 503).code, "billing_refused");
});

test("Stripe hangs: 8 seconds, half of the workers, no row locked", async () => {
	const tenant = await paying("Hangs");
	let release, held = 0;
	const gate = new Promise((resolve) => { release = resolve; });
	stripe.before = () => { held++; return gate; };
	const started = Date.now();
	const slow = [1, 2].map(() => tenant.admin.get(PORTAL));
	while (held < 2)
		await new Promise((resolve) => setTimeout(resolve, 20));
	const third = await tenant.admin.get(PORTAL);
	assert.equal(refused(third, 503).code, "busy");
	assert.equal(third.headers["retry-after"], "1");
	ok(await tenant.viewer.get("/api/customers/stats"));
	const [{ n }] = await stack.sql("select count(*)::int as n from pg_stat_activity" +
		" where usename = 'retivo_api' and state like 'idle in transaction%'");
	assert.equal(n, 0);
	for (const answer of await Promise.all(slow))
		assert.equal(refused(answer, 503).code, "billing_unavailable");
	const took = Date.now() - started;
	assert.ok(took > 7000 && took < 10000, `${took} ms`);
	delete stripe.before;
	release();
});

test("a paid plan takes effect, and ends with the subscription", async () => {
	const tenant = await paying("Life");
	for (let i = 0; i < 3; i++)
		ok(await tenant.editor.post("/api/playbooks", win_back({ name: `p${i}` })), 201);
	refused(await tenant.editor.post("/api/playbooks", win_back()), 403);

	const sub = stripe.subscribe(tenant.customer, "price_sm", "incomplete");
	await tell("customer.subscription.created", sub);
	assert.deepEqual(await plan_of(tenant), ["free", "active"], "not paid yet");
	sub.status = "active";
	await tell("checkout.session.completed", { id: "cs_1", object: "checkout.session",
		mode: "subscription", customer: tenant.customer, subscription: sub.id,
		payment_status: "paid" });
	assert.deepEqual(await plan_of(tenant), ["starter", "active"]);
	ok(await tenant.editor.post("/api/playbooks", win_back()), 201);
	const settings = ok(await tenant.viewer.get("/api/settings"));
	assert.match(JSON.stringify(settings), /"plan_tier":"starter"/);

	/* Who pays confirms a change; there is no second subscription. */
	refused(await tenant.admin.post(CHECKOUT, { plan: "starter" }), 409);
	assert.match(ok(await tenant.admin.post(CHECKOUT, { plan: "growth" })).url, /billing\.stripe/);
	assert.equal(stripe.calls.at(-1).params[
		"flow_data[subscription_update_confirm][items][0][price]"], "price_gm");
	sub.items.data[0].price.id = "price_gm";
	await tell("customer.subscription.updated", sub);
	assert.deepEqual(await plan_of(tenant), ["growth", "active"]);

	/* A payment fails: Stripe tries for a while, then gives up. */
	const invoice = { id: "in_1", object: "invoice", customer: tenant.customer,
		parent: { type: "subscription_details",
			subscription_details: { subscription: sub.id } } };
	sub.status = "past_due";
	await tell("invoice.payment_failed", invoice);
	assert.deepEqual(await plan_of(tenant), ["growth", "past_due"]);
	sub.status = "unpaid";
	await tell("customer.subscription.updated", sub);
	assert.deepEqual(await plan_of(tenant), ["free", "unpaid"]);
	refused(await tenant.editor.post("/api/playbooks", win_back()), 403);
	sub.status = "active";
	await tell("invoice.paid", { ...invoice, parent: undefined, subscription: sub.id,
		customer: { id: tenant.customer, object: "customer" } });
	assert.deepEqual(await plan_of(tenant), ["growth", "active"]);
	sub.status = "canceled";
	await tell("customer.subscription.deleted", sub);
	assert.deepEqual(await plan_of(tenant), ["free", "canceled"]);
	const audit = await stack.sql("select after from audit_log where tenant_id = $1 and" +
		" action = 'billing.plan' and actor = 'stripe' order by at, id", tenant.id);
	assert.deepEqual(audit.map((a) => a.after.plan_tier),
		["starter", "growth", "growth", "free", "growth", "free"]);
});

test("an event counts once, and late ones change nothing", async () => {
	const tenant = await paying("Order");
	const sub = stripe.subscribe(tenant.customer, "price_sm_old");
	const active = stripe.event("customer.subscription.created", sub);
	ok(await send(active));
	assert.deepEqual(await plan_of(tenant), ["starter", "active"]);
	stripe.calls.length = 0;
	ok(await send(active));
	assert.equal(stripe.calls.length, 0, "dealt with: Stripe is not asked");
	/* The end overtakes an update that still says active. */
	const late = stripe.event("customer.subscription.updated", sub);
	sub.status = "canceled";
	await tell("customer.subscription.deleted", sub);
	ok(await send(late));
	assert.deepEqual(await plan_of(tenant), ["free", "canceled"]);
	/* The end of an old subscription does not end a new one. */
	const next = stripe.subscribe(tenant.customer, "price_gm");
	await tell("customer.subscription.created", next);
	await tell("customer.subscription.deleted", sub);
	assert.deepEqual(await plan_of(tenant), ["growth", "active"]);
	const rows = await stack.sql("select id, status, plan_tier from subscriptions" +
		" where tenant_id = $1 order by id", tenant.id);
	assert.equal(rows.length, 2);
});

test("of two events at once the newer state stays", async () => {
	const tenant = await paying("Race");
	const sub = stripe.subscribe(tenant.customer, "price_sm");
	let release, asked = 0;
	const gate = new Promise((resolve) => { release = resolve; });
	/* The first answer was read while active and comes back last. */
	stripe.after = () => { if (++asked === 1) return gate; };
	const first = send(stripe.event("customer.subscription.updated", sub));
	while (asked < 1)
		await new Promise((resolve) => setTimeout(resolve, 10));
	sub.status = "canceled";
	await tell("customer.subscription.deleted", sub);
	release();
	ok(await first);
	delete stripe.after;
	assert.equal(asked, 3, "the first one asked again");
	const [row] = await stack.sql("select status from subscriptions where tenant_id = $1",
		tenant.id);
	assert.equal(row.status, "canceled");
	assert.deepEqual(await plan_of(tenant), ["free", "active"], "was never paid");
});

test("only Stripe's signature of just now opens the door", async () => {
	const tenant = await paying("Door");
	const sub = stripe.subscribe(tenant.customer, "price_gm");
	const payload = stripe.event("customer.subscription.created", sub);
	const now = Math.floor(Date.now() / 1000);
	const good = stripe.sign(payload);
	const bad = [null, "", "t=,v1=", good.replace("v1=", "v0="), good.replace(/^t=\d+,/, ""),
		`${good},t=${now}`, good.slice(0, -1), good.toUpperCase(),
		stripe.sign(payload, { secret: "whsec_other" }), stripe.sign(`${payload} `),
		stripe.sign(payload, { timestamp: now - 301 - 5 }),
		stripe.sign(payload, { timestamp: now + 301 + 5 }),
		good.replace(/^t=\d+/, `t=${now - 1}`), `t=${"9".repeat(30)},v1=${"0".repeat(64)}`];
	for (const header of bad)
		assert.equal(refused(await send(payload, header), 400).code, "bad_signature", header);
	assert.deepEqual(await plan_of(tenant), ["free", "active"]);
	/* One of several is enough, as while a secret is changed. */
	ok(await send(payload, good.replace(",v1=", `,v1=${"0".repeat(64)},v1=`)));
	assert.deepEqual(await plan_of(tenant), ["growth", "active"]);
	stripe.sdk.webhooks.constructEvent(payload, good, SECRET);
});

test("what is not ours is taken and left", async () => {
	const tenant = await paying("Left"), other = await paying("Right");
	const sub = stripe.subscribe(other.customer, "price_gm");
	stripe.calls.length = 0;
	for (const payload of [
		stripe.event("customer.subscription.created", { id: "sub_x", customer: "cus_stranger" }),
		stripe.event("charge.succeeded", { id: "ch_1", customer: tenant.customer }),
		stripe.event("invoice.paid", { id: "in_2", customer: tenant.customer }),
		stripe.event("customer.subscription.created",
			{ id: "../customers", customer: tenant.customer }),
		'{"object":"v2.core.event","type":"x"}', "{}", '{"id":7,"type":[],"data":null}'])
		ok(await send(payload));
	assert.equal(stripe.calls.length, 0);
	for (const payload of ["", "[]", "{", "null", "\u0000"])
		refused(await send(payload), 400);
	/* Another customer's subscription under this one's name. */
	await tell("customer.subscription.created", { id: sub.id, customer: tenant.customer });
	assert.deepEqual(await plan_of(tenant), ["free", "active"]);
	assert.deepEqual(await plan_of(other), ["free", "active"]);
});

test("while Stripe or a setting is missing the event is asked for again", async () => {
	const tenant = await paying("Again");
	const sub = stripe.subscribe(tenant.customer, "price_xm");
	const payload = stripe.event("customer.subscription.created", sub);
	assert.equal(refused(await send(payload), 503).code, "price_not_configured");
	stripe.answers.push(500, 500);
	refused(await send(payload), 503);
	sub.items.data[0].price.id = "price_gm";
	ok(await send(payload));
	assert.deepEqual(await plan_of(tenant), ["growth", "active"]);
});

test("a plan that an operator set stays", async () => {
	const tenant = await paying("Gift");
	const sub = stripe.subscribe(tenant.customer, "price_sm");
	await tell("customer.subscription.created", sub);
	await stack.sql("update tenants set plan_tier = 'unlimited', plan_status = 'gift'" +
		" where tenant_id = $1", tenant.id);
	sub.status = "canceled";
	await tell("customer.subscription.deleted", sub);
	assert.deepEqual(await plan_of(tenant), ["unlimited", "gift"]);
});

test("without Stripe's settings everything is 503, and secrets are masked", async () => {
	const bare = await start_stack();
	try {
		const tenant = await bare.tenant();
		for (const answer of [await tenant.admin.post(CHECKOUT, { plan: "starter" }),
			await tenant.admin.get(PORTAL),
			await bare.client.post("/api/billing/webhook", {})])
			assert.equal(refused(answer, 503).code, "billing_not_configured");
	} finally {
		await bare.stop();
	}
	const { stdout } = await stack.admin(["config"]);
	assert.match(stdout, /RETIVO_STRIPE_SECRET_KEY\t\(secret\)/);
	assert.match(stdout, /RETIVO_STRIPE_STARTER_MONTHLY\tprice_sm,price_sm_old/);
	assert.doesNotMatch(stdout, new RegExp(`${KEY}|${SECRET}`));
	const bad = await stack.admin(["config"], { check: false,
		env: { RETIVO_STRIPE_STARTER_MONTHLY: "price 1" } });
	assert.notEqual(bad.code, 0);
});
