/* A webhook receiver that verifies every call with the public library. */
import { createServer } from "node:http";
import { createHmac } from "node:crypto";
import { Webhook } from "standardwebhooks";

export class HookServer {
	/* answers: a list of statuses or (request, body) => status; then 200. */
	constructor(secret) {
		this.secret = secret;
		this.calls = []; /* {headers, body, text, verified, status} */
		this.answers = [];
	}

	start() {
		this.server = createServer((asked, reply) => {
			const parts = [];
			asked.on("data", (part) => parts.push(part));
			asked.on("end", () => {
				const status = this.take(asked, Buffer.concat(parts).toString());
				reply.writeHead(status, this.reply_headers ?? {}).end("ok");
			});
		});
		return new Promise((resolve) => {
			this.server.listen(0, "127.0.0.1", () => {
				this.port = this.server.address().port;
				resolve(this);
			});
		});
	}

	take(asked, text) {
		const call = { headers: asked.headers, text, path: asked.url };
		try {
			/* Throws when the signature or the time is wrong. */
			call.body = new Webhook(this.secret).verify(text, asked.headers);
			call.verified = true;
		} catch (error) {
			call.verified = false;
			call.problem = error.message;
		}
		call.hex = createHmac("sha256", this.secret).update(text).digest("hex");
		call.status = this.answers.length ? this.answers.shift() : 200;
		this.calls.push(call);
		return call.status;
	}

	get url() {
		return `http://127.0.0.1:${this.port}/hook`;
	}

	stop() {
		this.server.closeAllConnections();
		return new Promise((resolve) => this.server.close(resolve));
	}
}
