/* nginx with TLS from the project's own site text, and the test's own CA. */
import { readFileSync, writeFileSync, existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { run, Service, until, free_port } from "./process.mjs";
import { folder, source } from "./place.mjs";

/* A CA and a certificate of localhost, made once in home. */
export async function make_certificate(home) {
	if (existsSync(join(home, "ca.pem")))
		return;
	const openssl = (...args) => run("openssl", args, { cwd: home });
	writeFileSync(join(home, "san"),
		"subjectAltName=DNS:localhost,IP:127.0.0.1\n");
	await openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key",
		"-out", "ca.new", "-days", "2", "-subj", "/CN=Retivo test CA");
	await openssl("req", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "tls.key",
		"-out", "tls.csr", "-subj", "/CN=localhost");
	await openssl("x509", "-req", "-in", "tls.csr", "-CA", "ca.new",
		"-CAkey", "ca.key", "-CAcreateserial", "-out", "tls.pem",
		"-days", "2", "-extfile", "san");
	renameSync(join(home, "ca.new"), join(home, "ca.pem"));
}

async function render(template, target, values) {
	const pairs = Object.entries(values).map(([k, v]) => `${k}=${v}`);
	const { stdout } = await run(join(source, "nginx/render"), pairs,
		{ input: readFileSync(join(source, "nginx", template)) });
	writeFileSync(target, stdout);
}

export class Site {
	/* keys: the folder of make_certificate(); values override render's. */
	constructor(home, keys, socket, values = {}) {
		Object.assign(this, { home, keys, socket, values });
		this.ca = readFileSync(join(keys, "ca.pem"));
	}

	async start() {
		folder(this.home);
		for (let tries = 0; tries < 5; tries++) {
			this.port = await free_port();
			await this.write();
			this.service = new Service("nginx", "/usr/sbin/nginx",
				["-p", this.home, "-e", join(this.home, "error.log"), "-c",
					join(this.home, "nginx.conf")],
				{ log: join(this.home, "nginx.out") }).start();
			try {
				await until("nginx", () => this.service.ended || this.answers());
				if (!this.service.ended)
					return this;
			} catch (error) {
				await this.service.stop();
				throw error;
			}
		}
		throw new Error("nginx does not start: " +
			readFileSync(join(this.home, "nginx.out")));
	}

	async write() {
		const values = {
			listen: `127.0.0.1:${this.port}`, server_name: "localhost",
			tls_certificate: join(this.keys, "tls.pem"),
			tls_key: join(this.keys, "tls.key"),
			access_log: join(this.home, "access.log"),
			error_log: join(this.home, "error.log"),
			dashboard: folder(this.home, "dashboard"), socket: this.socket,
			prefix: this.home, site: join(this.home, "site.conf"),
			user: process.getuid() === 0 ? "user root;" : "",
			/* The limits have their own test; the others are not slowed. */
			rate_key: "100000r/s", burst_key: "100000",
			rate_address: "100000r/s", burst_address: "100000",
			rate_auth: "100000r/s", burst_auth: "100000",
			...this.values,
		};
		await render("retivo.conf.in", values.site, values);
		await render("standalone.conf.in", join(this.home, "nginx.conf"), values);
	}

	answers() {
		return new Promise((resolve) => {
			const socket = connect({ host: "127.0.0.1", port: this.port,
				servername: "localhost", ca: this.ca }, () => {
				socket.destroy();
				resolve(true);
			});
			socket.on("error", () => resolve(false));
		});
	}

	async stop() {
		await this.service?.stop("SIGTERM");
	}
}
