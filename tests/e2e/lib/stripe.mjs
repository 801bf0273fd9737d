/* A stand-in for Stripe's API: as strict as the real one about what it is
 * sent (unknown and missing parameters, unknown objects, versions, repeated
 * idempotency keys), with Stripe's own error bodies. */
import { createServer } from "node:http";
import Stripe from "stripe";

export const KEY = "sk_test_standin", SECRET = "whsec_standin";
export const VERSION = "2026-10-28.endive";

const text = (value) => typeof value === "string" && value !== "" && value.length <= 5000;
const one_of = (...words) => (value) => words.includes(value);
const address = (value) => /^https?:\/\/[^/]+\//.test(value);
const number = (value) => /^[1-9][0-9]*$/.test(value);

/* What each POST takes: a test of the value by name; "!" is required. */
const takes = {
	"/v1/customers": { name: text, email: (v) => /^[^@]+@[^@]+$/.test(v),
		"metadata[tenant_id]": text },
	"/v1/checkout/sessions": { "mode!": one_of("subscription"), customer: text,
		client_reference_id: text, "line_items[0][price]!": text,
		"line_items[0][quantity]!": number, "metadata[tenant_id]": text,
		"subscription_data[metadata][tenant_id]": text,
		allow_promotion_codes: one_of("true", "false"),
		"success_url!": address, cancel_url: address },
	"/v1/billing_portal/sessions": { "customer!": text, return_url: address,
		"flow_data[type]": one_of("subscription_update_confirm"),
		"flow_data[subscription_update_confirm][subscription]": text,
		"flow_data[subscription_update_confirm][items][0][id]": text,
		"flow_data[subscription_update_confirm][items][0][price]": text,
		"flow_data[subscription_update_confirm][items][0][quantity]": number },
};

class Refusal extends Error {
	constructor(status, error) {
		super(error.message);
		Object.assign(this, { status, error });
	}
}

const invalid = (message, param, code, status = 400) =>
	new Refusal(status, { type: "invalid_request_error", code, message, param });

export class StripeServer {
	constructor(...prices) {
		this.prices = new Set(prices);
		this.calls = []; /* {method, path, headers, params, status} */
		this.answers = []; /* statuses that come before all else; 0: cut */
		this.objects = new Map();
		this.keys = new Map();
		this.serial = 0;
		this.sdk = new Stripe(KEY, { telemetry: false });
	}

	start() {
		this.server = createServer((asked, reply) => {
			const parts = [];
			asked.on("data", (part) => parts.push(part));
			asked.on("end", () => this.answer(asked, reply, Buffer.concat(parts).toString()));
		});
		return new Promise((resolve) => this.server.listen(0, "127.0.0.1", () => {
			this.port = this.server.address().port;
			resolve(this);
		}));
	}

	stop() {
		this.server.closeAllConnections();
		return new Promise((resolve) => this.server.close(resolve));
	}

	/* The settings with which retivo-api asks here. */
	get settings() {
		return { RETIVO_STRIPE_API_URL: `http://127.0.0.1:${this.port}`,
			RETIVO_STRIPE_SECRET_KEY: KEY, RETIVO_STRIPE_WEBHOOK_SECRET: SECRET };
	}

	async answer(asked, reply, body) {
		const call = { method: asked.method, path: asked.url, headers: asked.headers,
			params: Object.fromEntries(new URLSearchParams(body)), body };
		this.calls.push(call);
		await this.before?.(call);
		const planned = this.answers.length ? this.answers.shift() : undefined;
		if (planned === 0)
			return reply.socket.destroy();
		let status = 200, answer;
		try {
			if (planned !== undefined)
				throw new Refusal(planned, { type: "api_error", message: "planned" });
			answer = this.take(call);
		} catch (error) {
			if (!(error instanceof Refusal))
				throw error;
			({ status } = error);
			answer = { error: error.error };
		}
		call.status = status;
		const text = JSON.stringify(answer);
		await this.after?.(call);
		reply.writeHead(status, { "content-type": "application/json",
			"request-id": `req_${++this.serial}` }).end(text);
	}

	take(call) {
		const { headers, method, path } = call;
		if (headers.authorization !== `Bearer ${KEY}`)
			throw new Refusal(401, { type: "invalid_request_error",
				message: "Invalid API Key provided" });
		if (headers["stripe-version"] !== VERSION)
			throw invalid(`Invalid Stripe API version: ${headers["stripe-version"]}`);
		if (method === "GET")
			return this.find(path);
		if (method !== "POST" || !takes[path])
			throw invalid(`Unrecognized request URL (${method}: ${path})`, undefined,
				undefined, 404);
		if (!/^application\/x-www-form-urlencoded/.test(headers["content-type"]))
			throw invalid("Invalid content type");
		const key = headers["idempotency-key"];
		if (!key || key.length > 255)
			throw invalid("Invalid idempotency key");
		const known = this.keys.get(key);
		if (known && (known.path !== path || known.body !== call.body))
			throw new Refusal(400, { type: "idempotency_error", message: "Keys for idempotent" +
				" requests can only be used with the same parameters" });
		if (known)
			return known.answer;
		this.check(path, call.params);
		const answer = this.make(path, call.params);
		this.keys.set(key, { path, body: call.body, answer });
		return answer;
	}

	check(path, params) {
		const tests = {};
		for (const [name, test] of Object.entries(takes[path])) {
			const bare = name.replace("!", "");
			tests[bare] = test;
			if (name !== bare && !(bare in params))
				throw invalid(`Missing required param: ${bare}.`, bare, "parameter_missing");
		}
		for (const [name, value] of Object.entries(params)) {
			if (!Object.hasOwn(tests, name))
				throw invalid(`Received unknown parameter: ${name}`, name, "parameter_unknown");
			if (!tests[name](value))
				throw invalid(`Invalid ${name}`, name, "parameter_invalid");
			if (name.endsWith("[price]") && !this.prices.has(value))
				throw invalid(`No such price: '${value}'`, name, "resource_missing");
		}
		if (params.customer && !this.objects.has(params.customer))
			throw invalid(`No such customer: '${params.customer}'`, "customer",
				"resource_missing");
		const confirm = "flow_data[subscription_update_confirm]";
		if (!("flow_data[type]" in params))
			return;
		const sub = this.objects.get(params[`${confirm}[subscription]`]);
		if (sub?.customer !== params.customer)
			throw invalid("No such subscription", `${confirm}[subscription]`, "resource_missing");
		if (sub.items.data[0].id !== params[`${confirm}[items][0][id]`])
			throw invalid("No such subscription item", `${confirm}[items][0][id]`,
				"resource_missing");
	}

	make(path, params) {
		const id = ++this.serial;
		if (path === "/v1/customers")
			return this.keep({ id: `cus_${id}`, object: "customer", ...params });
		if (path === "/v1/checkout/sessions")
			return this.keep({ id: `cs_test_${id}`, object: "checkout.session",
				mode: params.mode, customer: params.customer, status: "open",
				client_reference_id: params.client_reference_id,
				price: params["line_items[0][price]"],
				url: `https://checkout.stripe.example/c/pay/cs_test_${id}` });
		return { id: `bps_${id}`, object: "billing_portal.session",
			url: `https://billing.stripe.example/p/session/bps_${id}` };
	}

	keep(object) {
		this.objects.set(object.id, object);
		return object;
	}

	find(path) {
		const id = path.match(/^\/v1\/subscriptions\/(sub_\w+)$/)?.[1];
		const found = id && this.objects.get(id);
		if (!found)
			throw invalid(`No such subscription: '${id}'`, "id", "resource_missing", 404);
		return found;
	}

	/* A person pays on the page of that session: the subscription. */
	subscribe(customer, price, status = "active") {
		const id = ++this.serial;
		return this.keep({ id: `sub_${id}`, object: "subscription", customer, status,
			cancel_at_period_end: false, metadata: {}, items: { object: "list", data: [
				{ id: `si_${id}`, object: "subscription_item", quantity: 1,
					price: { id: price, object: "price" },
					current_period_end: Math.floor(Date.now() / 1000) + 30 * 86400 }] } });
	}

	event(type, object, id = `evt_${++this.serial}`) {
		return JSON.stringify({ id, object: "event", type, api_version: VERSION,
			created: Math.floor(Date.now() / 1000), livemode: false,
			data: { object } });
	}

	/* The header that Stripe's own library makes. */
	sign(payload, more = {}) {
		return this.sdk.webhooks.generateTestHeaderString({ payload, secret: SECRET, ...more });
	}
}
