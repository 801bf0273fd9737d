/* A real SMTP server that keeps what it gets, and refuses on demand. */
import { SMTPServer } from "smtp-server";
import { simpleParser } from "mailparser";

export class MailServer {
	constructor() {
		this.mails = [];     /* {to, from, parsed} */
		this.refuse = new Map(); /* address → {code, times} */
		this.tries = [];     /* every RCPT TO */
	}

	start() {
		this.server = new SMTPServer({
			authOptional: true, disabledCommands: ["STARTTLS", "AUTH"],
			disableReverseLookup: true, logger: false, closeTimeout: 1000,
			onRcptTo: async (address, _session, done) => {
				this.tries.push(address.address);
				if (this.before_rcpt)
					await this.before_rcpt(address.address);
				const rule = this.refuse.get(address.address);
				if (rule && rule.times-- > 0)
					return done(Object.assign(new Error("refused by the test"),
						{ responseCode: rule.code }));
				done();
			},
			onData: (stream, session, done) => {
				const parts = [];
				stream.on("data", (part) => parts.push(part));
				stream.on("end", async () => {
					const raw = Buffer.concat(parts);
					this.mails.push({ raw,
						from: session.envelope.mailFrom.address,
						to: session.envelope.rcptTo.map((r) => r.address),
						parsed: await simpleParser(raw) });
					if (this.before_answer)
						await this.before_answer(this.mails.at(-1));
					done();
				});
			},
		});
		this.server.on("error", () => {});
		return new Promise((resolve) => {
			this.server.listen(0, "127.0.0.1", () => {
				this.port = this.server.server.address().port;
				resolve(this);
			});
		});
	}

	get url() {
		return `smtp://127.0.0.1:${this.port}`;
	}

	to(address) {
		return this.mails.filter((mail) => mail.to.includes(address));
	}

	stop() {
		return new Promise((resolve) => this.server.close(resolve));
	}
}
