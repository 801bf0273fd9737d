/* A server of language models: Anthropic's Messages and OpenAI's chat
 * completions, strict about what it is sent, and as bad as a test wants. */
import { createServer } from "node:http";

export const KEY = "sk-model-standin";
const VERSIONS = ["2026-10-21", "2023-06-01"];

class Refusal extends Error {
	constructor(status, message, type = "invalid_request_error") {
		super(message);
		Object.assign(this, { status, type });
	}
}

function need(holds, message) {
	if (!holds)
		throw new Refusal(400, message);
}

const only = (object, ...keys) => {
	for (const key of Object.keys(object))
		need(keys.includes(key), `${key}: Extra inputs are not permitted`);
};

/* The subset of JSON Schema that both vendors force answers by. */
function check_schema(schema) {
	need(schema?.type === "object", "schema: must be an object");
	need(schema.additionalProperties === false, "schema: additionalProperties must be false");
	need(Object.keys(schema.properties).every((key) => schema.required.includes(key)),
		"schema: every property must be required");
	const text = JSON.stringify(schema);
	for (const word of ["minimum", "maximum", "minLength", "maxLength"])
		need(!text.includes(`"${word}"`), `schema: ${word} is not supported`);
}

const VENDORS = {
	"/v1/messages": {
		check(body, headers) {
			need(VERSIONS.includes(headers["anthropic-version"]), "anthropic-version");
			if (headers["x-api-key"] !== KEY && headers.authorization !== `Bearer ${KEY}`)
				throw new Refusal(401, "invalid x-api-key", "authentication_error");
			only(body, "model", "max_tokens", "system", "messages", "output_config", "tools",
				"tool_choice");
			need(Number.isInteger(body.max_tokens), "max_tokens: Field required");
			need(body.messages.every((m) => ["user", "assistant"].includes(m.role)), "role");
			if (body.output_config)
				check_schema(body.output_config.format.schema);
			for (const tool of body.tools ?? []) {
				check_schema(tool.input_schema);
				need(body.tool_choice.name === tool.name, "tool_choice");
			}
		},
		user: (body) => body.messages.at(-1).content,
		system: (body) => body.system,
		answer(body, decision) {
			const content = [{ type: "thinking", thinking: "Let me see.", signature: "x" }];
			if (body.tools)
				content.push({ type: "tool_use", id: "toolu_1", name: body.tools[0].name,
					input: decision });
			else
				content.push({ type: "text", text: typeof decision === "string" ? decision
					: JSON.stringify(decision) });
			return { id: "msg_1", type: "message", role: "assistant", model: body.model, content,
				stop_reason: body.tools ? "tool_use" : "end_turn", stop_sequence: null,
				usage: { input_tokens: 300, output_tokens: 50,
					cache_creation_input_tokens: null, cache_read_input_tokens: 7 } };
		},
		error: (type, message, more) => ({ type: "error", error: { type, message, ...more },
			request_id: "req_1" }),
	},
	"/v1/chat/completions": {
		check(body, headers) {
			if (headers.authorization && headers.authorization !== `Bearer ${KEY}`)
				throw new Refusal(401, "Incorrect API key provided");
			only(body, "model", "messages", "response_format", "max_completion_tokens",
				"max_tokens", "tools", "tool_choice");
			need(body.messages[0].role === "system", "messages[0]");
			const { type, json_schema } = body.response_format ?? {};
			if (type === "json_schema") {
				need(/^[a-zA-Z0-9_-]+$/.test(json_schema.name), "response_format.json_schema.name");
				need(json_schema.strict === true, "strict");
				check_schema(json_schema.schema);
			} else if (type === "json_object") {
				need(JSON.stringify(body.messages).includes("JSON"),
					"'messages' must contain the word 'json' in some form");
			} else {
				check_schema(body.tools[0].function.parameters);
			}
		},
		user: (body) => body.messages.at(-1).content,
		system: (body) => body.messages[0].content,
		answer(body, decision) {
			const text = typeof decision === "string" ? decision : JSON.stringify(decision);
			const message = { role: "assistant", content: text, refusal: null };
			if (body.tools)
				Object.assign(message, { content: null, tool_calls: [{ id: "call_1",
					type: "function", function: { name: "decide", arguments: text } }] });
			return { id: "chatcmpl-1", object: "chat.completion", model: body.model,
				choices: [{ index: 0, message,
					finish_reason: body.tools ? "tool_calls" : "stop" }],
				usage: { prompt_tokens: 300, completion_tokens: 50, total_tokens: 350 } };
		},
		error: (type, message, more) => ({ error: { message, type, param: null, code: null,
			...more } }),
	},
};

export class ModelServer {
	constructor() {
		this.clear();
	}

	/* plan: one entry a call, the last for all that follow; see act(). */
	clear(...plan) {
		this.calls = []; /* {path, headers, text, body, user, data, system, status} */
		this.plan = plan;
		this.plans = {}; /* by the playbook's name, before the plan */
		this.most = this.now = 0;
	}

	start() {
		this.server = createServer((asked, reply) => {
			const parts = [];
			asked.on("data", (part) => parts.push(part));
			asked.on("end", () => this.take(asked, reply, Buffer.concat(parts).toString()));
		});
		return new Promise((resolve) => this.server.listen(0, "127.0.0.1", () => {
			this.url = `http://127.0.0.1:${this.server.address().port}`;
			resolve(this);
		}));
	}

	stop() {
		this.server.closeAllConnections();
		return new Promise((resolve) => this.server.close(resolve));
	}

	settings(provider = "anthropic", more = {}) {
		return { RETIVO_LLM_PROVIDER: provider, RETIVO_LLM_URL: this.url,
			RETIVO_LLM_API_KEY: KEY, RETIVO_LLM_MODEL: "standin-1",
			RETIVO_LLM_TIMEOUT_MS: "1500", ...more };
	}

	async take(asked, reply, text) {
		const vendor = VENDORS[asked.url];
		const call = { path: asked.url, headers: asked.headers, text, at: Date.now() };
		let plan = this.plan.length > 1 ? this.plan.shift() : this.plan[0] ?? {};
		this.calls.push(call);
		this.most = Math.max(this.most, ++this.now);
		reply.on("close", () => this.now--);
		try {
			call.body = JSON.parse(text);
			vendor.check(call.body, asked.headers);
			call.user = vendor.user(call.body);
			call.system = vendor.system(call.body);
			call.data = JSON.parse(call.user.match(/<data ([^>]+)>\n(.*)\n<\/data \1>/s)[2]);
		} catch (error) {
			call.status = error.status ?? 500;
			reply.writeHead(call.status, { "content-type": "application/json" })
				.end(JSON.stringify(VENDORS["/v1/messages"].error(error.type, error.message)));
			return;
		}
		plan = this.plans[call.data.playbook.name] ?? plan;
		await this.act(call, vendor, reply, plan);
	}

	/* plan: {delay, status, headers, error, raw, cut, drip, endless, short,
	 * decide, change} */
	async act(call, vendor, reply, plan) {
		if (plan.delay)
			await new Promise((done) => setTimeout(done, plan.delay));
		if (plan.cut)
			return reply.socket.destroy();
		if (plan.drip || plan.endless)
			return pour(reply, plan.drip ? " " : " ".repeat(65536), plan.drip ? 50 : 0);
		call.status = plan.status ?? 200;
		const decision = { action: "intervene", playbook_id: call.data.playbook.playbook_id,
			channel: call.data.channels[0], subject: "From the model",
			message: "Hi {{name|there}}, the model wrote this.", confidence: 0.91,
			reasoning: "The customer drifts away." };
		const decided = plan.decide?.(decision, call) ?? decision;
		let answer = call.status === 200 ? vendor.answer(call.body, decided)
			: vendor.error(plan.type ?? "api_error", "planned", plan.error);
		answer = plan.change?.(answer) ?? answer;
		const bytes = plan.raw ?? JSON.stringify(answer);
		reply.writeHead(call.status, { "content-type": "application/json",
			"request-id": "req_1", ...plan.short && { "content-length": bytes.length },
			...plan.headers });
		if (plan.short)
			reply.write(bytes.slice(0, bytes.length / 2), () => reply.socket.destroy());
		else
			reply.end(bytes);
	}
}

/* An answer that never ends, as long as somebody reads it. */
async function pour(reply, bytes, pause_ms) {
	reply.writeHead(200, { "content-type": "application/json" });
	while (!reply.destroyed && !reply.closed) {
		reply.write(bytes);
		await new Promise((done) => setTimeout(done, pause_ms));
	}
}
