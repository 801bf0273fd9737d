/* Calls the API through nginx over TLS and checks each answer against
 * openapi.json before a test sees it. */
import { Agent, request } from "node:https";
import { check_answer } from "./openapi.mjs";

export class Client {
	/* defaults: {key} or {session} or {headers} sent with each request. */
	constructor(site, defaults = {}, agent) {
		this.site = site;
		this.defaults = defaults;
		this.agent = agent ?? new Agent({ keepAlive: true, ca: site.ca,
			servername: "localhost", maxSockets: 64 });
	}

	/* The same connections with another key, session or headers. */
	as(defaults) {
		const next = typeof defaults === "string" ? { key: defaults } : defaults;
		return new Client(this.site, next, this.agent);
	}

	close() {
		this.agent.destroy();
	}

	/*
	 * One request: {status, headers, body, text}. options: body (sent as
	 * JSON), raw (sent as it is), type, headers, key, check: false for
	 * answers that the document does not describe.
	 */
	async call(method, target, options = {}) {
		const settings = { ...this.defaults, ...options };
		const headers = { ...this.defaults.headers, ...options.headers };
		let bytes;

		if (options.raw !== undefined)
			bytes = Buffer.from(options.raw);
		else if (options.body !== undefined)
			bytes = Buffer.from(JSON.stringify(options.body));
		if (settings.key)
			headers.authorization ??= `Bearer ${settings.key}`;
		if (bytes) {
			headers["content-type"] ??= options.type ?? "application/json";
			headers["content-length"] ??= bytes.length;
		}
		const answer = await this.exchange(method, target, headers, bytes);
		if (options.check !== false)
			check_answer(method, target, answer);
		return answer;
	}

	exchange(method, target, headers, bytes) {
		return new Promise((resolve, reject) => {
			const sent = request({ agent: this.agent, host: "127.0.0.1",
				port: this.site.port, servername: "localhost", method,
				path: target, headers: { host: "localhost", ...headers },
				timeout: 60000 });
			sent.on("timeout", () => sent.destroy(new Error("no answer in 60 s")));
			sent.on("error", reject);
			sent.on("response", (got) => {
				const parts = [];
				got.on("error", reject);
				got.on("data", (part) => parts.push(part));
				got.on("end", () => resolve(read(got, Buffer.concat(parts))));
			});
			sent.end(bytes);
		});
	}

	get = (target, options) => this.call("GET", target, options);
	post = (target, body, options) => this.call("POST", target, { body, ...options });
	put = (target, body, options) => this.call("PUT", target, { body, ...options });
	patch = (target, body, options) => this.call("PATCH", target, { body, ...options });
	delete = (target, options) => this.call("DELETE", target, options);

	track(...events) {
		return this.post("/api/track", { events });
	}
}

function read(got, bytes) {
	const text = bytes.toString();
	const answer = { status: got.statusCode, headers: got.headers, text, bytes };
	if ((got.headers["content-type"] ?? "").startsWith("application/json"))
		answer.body = JSON.parse(text);
	return answer;
}
