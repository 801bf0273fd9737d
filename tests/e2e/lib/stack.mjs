/* The whole of Retivo for one test file: its own PostgreSQL, nginx, API and
 * batch, in its own folder and on its own port. */
import { readFileSync, writeFileSync, existsSync, readdirSync, chmodSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Cluster } from "./database.mjs";
import { Site, make_certificate } from "./site.mjs";
import { Client } from "./client.mjs";
import { run, Service, until } from "./process.mjs";
import { folder, new_folder, program, remove, source } from "./place.mjs";

const roles = { ingest: "ingest", read: "viewer", write: "editor", admin: "admin" };

/* What all files of a run share: the certificate and a prepared cluster. */
export async function make_base(base) {
	await make_certificate(base);
	const cluster = new Cluster(join(base, "pg"));
	await cluster.create();
	await cluster.start();
	await cluster.prepare();
	await apply(cluster, settings_of(base, cluster));
	await cluster.stop();
	return cluster;
}

function settings_of(home, cluster, more = {}) {
	const key = join(home, "master.key");
	if (!existsSync(key)) {
		writeFileSync(key, randomBytes(32).toString("hex") + "\n");
		chmodSync(key, 0o600);
	}
	const settings = {
		PATH: process.env.PATH, HOME: home, TZ: "UTC", LC_ALL: "C.UTF-8",
		RETIVO_DATABASE_URL: cluster.url("retivo_admin"),
		RETIVO_API_DATABASE_URL: cluster.url("retivo_api"),
		RETIVO_BATCH_DATABASE_URL: cluster.url("retivo_batch"),
		RETIVO_SOCKET: join(home, "api.sock"),
		RETIVO_WORKERS: "3",
		RETIVO_MASTER_KEY_FILE: key,
		RETIVO_TEMPLATES: join(source, "templates"),
		RETIVO_SCHEMA: join(source, "schema.sql"),
		RETIVO_MAIL_FROM: "Retivo <hello@sender.example>",
		RETIVO_OUTBOUND_ALLOW: "127.0.0.0/8",
		RETIVO_TESTING: "1",
		...more,
	};
	for (const name of ["ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"])
		if (process.env[name])
			settings[name] = process.env[name];
	for (const [name, value] of Object.entries(settings))
		if (value === undefined || value === null)
			delete settings[name];
	return settings;
}

const apply = (cluster, env) =>
	run(program("retivo-admin"), ["db", "apply"], { env });

export class Stack {
	/*
	 * settings: environment over the defaults. mail: true for .eml files
	 * in this.mail_dir. site: values for nginx/render. postgres: settings of
	 * the database server. clock: a Date at which the API's clock stands,
	 * until set_clock().
	 */
	constructor({ settings = {}, mail = false, site = {}, postgres = {}, clock } = {}) {
		this.home = new_folder("rv-");
		this.logs = folder(this.home, "logs");
		this.options = { settings, mail, site, postgres };
		if (clock) {
			this.clock_file = join(this.home, "clock.env");
			this.write_clock(clock);
		}
	}

	write_clock(now) {
		writeFileSync(this.clock_file, `RETIVO_CLOCK=${now.toISOString()}\n`);
	}

	/* The API's clock stands at now, for whatever is asked from here on. */
	async set_clock(now) {
		const before = children(this.api.pid);
		this.write_clock(now);
		this.api.signal("SIGHUP");
		await until("workers with another clock", () => {
			const pids = children(this.api.pid);
			return pids.length === before.length && !pids.some((pid) => before.includes(pid));
		}, 15000, 3);
	}

	async start() {
		try {
			const shared = process.env.RETIVO_E2E_BASE;
			const keys = shared ?? folder(this.home, "base");
			this.cluster = new Cluster(join(this.home, "pg"), this.options.postgres);
			if (!shared)
				await make_certificate(keys);
			if (shared)
				this.cluster.copy_of(new Cluster(join(shared, "pg")));
			else
				await this.cluster.create();
			await this.cluster.start();
			this.site = new Site(join(this.home, "nginx"), keys,
				join(this.home, "api.sock"), this.options.site);
			await this.site.start();
			this.mail_dir = folder(this.home, "mail");
			this.settings = settings_of(this.home, this.cluster, {
				RETIVO_BASE_URL: `https://localhost:${this.site.port}`,
				RETIVO_MAIL_DIR: this.options.mail ? this.mail_dir : undefined,
				...this.options.settings });
			if (!shared) {
				await this.cluster.prepare();
				await apply(this.cluster, this.settings);
			}
			await this.start_api();
			this.client = new Client(this.site);
			return this;
		} catch (error) {
			const text = this.log_text();
			await this.stop({ check: false });
			throw new Error(`${error.message}\n${text.slice(-3000)}`,
				{ cause: error });
		}
	}

	async start_api() {
		const clock = this.clock_file ? { RETIVO_ENV_FILE: this.clock_file } : {};
		this.api = new Service("retivo-api", program("retivo-api"), [], {
			log: join(this.logs, "api.log"), env: { ...this.settings, ...clock }, cwd: "/",
		}).start();
		await until("retivo-api's socket", () => {
			if (this.api.ended)
				throw new Error("retivo-api ended");
			return existsSync(this.settings.RETIVO_SOCKET);
		});
	}

	/* Runs retivo-admin: {code, stdout, stderr}. */
	admin(args, options = {}) {
		return run(program("retivo-admin"), args.map(String), {
			env: { ...this.settings, ...options.env }, cwd: "/",
			log: join(this.logs, "admin.log"), ...without_env(options) });
	}

	/*
	 * One pass of retivo-batch, every stage whether due or not unless
	 * force: false. now: a Date or RFC 3339 text.
	 */
	batch({ now, stage, tenant, force = true, ...options } = {}) {
		const args = [];
		if (force)
			args.push("--force");
		if (stage)
			args.push("--stage", stage);
		if (tenant)
			args.push("--tenant", String(tenant));
		if (now)
			args.push("--now", now instanceof Date ? now.toISOString() : now);
		return run(program("retivo-batch"), args, {
			env: { ...this.settings, ...options.env }, cwd: "/",
			log: join(this.logs, "batch.log"), ...without_env(options) });
	}

	/* retivo-batch with these words: {code, stdout, stderr}. */
	run_batch(args, options = {}) {
		return run(program("retivo-batch"), args, { env: this.settings, cwd: "/",
			log: join(this.logs, "admin.log"), ...options });
	}

	/* SQL as the role that row-level security does not bind. */
	sql(text, ...values) {
		return this.cluster.query("retivo_admin", text, values);
	}

	async key(tenant, scope, label = scope) {
		const { stdout } = await this.admin(["key", "create", "--tenant", tenant,
			"--scope", scope, "--label", label]);
		return stdout.trim();
	}

	/*
	 * A new tenant with a key of each scope: {id, test_id, keys, and a
	 * client of each role: ingest, viewer, editor, admin}.
	 */
	async tenant(name = "Tenant", { timezone, config } = {}) {
		const words = timezone ? ["--timezone", timezone] : [];
		const { stdout } = await this.admin(["tenant", "create", name, ...words]);
		const [, id, test_id] = stdout.match(/tenant=(\d+)\s+test_tenant=(\d+)/)
			?? [undefined, undefined, undefined];
		if (!id)
			throw new Error(`tenant create says: ${stdout}`);
		const tenant = { id: Number(id), test_id: Number(test_id), name, keys: {} };
		for (const [scope, role] of Object.entries(roles)) {
			tenant.keys[scope] = await this.key(id, scope);
			tenant[role] = this.client.as(tenant.keys[scope]);
		}
		if (config)
			await tenant.admin.patch("/api/settings", config);
		return tenant;
	}

	member(tenant, email, role, password, name = "Member") {
		return this.admin(["member", "create", "--tenant", tenant.id, email,
			"--role", role, "--name", name, "--password-stdin"],
			{ input: password });
	}

	mails() {
		return readdirSync(this.mail_dir).filter((n) => n.endsWith(".eml"))
			.sort().map((name) => readFileSync(join(this.mail_dir, name)));
	}

	log_text() {
		return readdirSync(this.logs).map((name) =>
			readFileSync(join(this.logs, name), "utf8")).join("");
	}

	/* check: false where the test broke something on purpose. */
	async stop({ check = true } = {}) {
		this.client?.close();
		await this.api?.stop();
		await this.site?.stop();
		await this.cluster?.stop();
		const text = this.log_text();
		const bad = text.split("\n").filter((line) =>
			/AddressSanitizer|LeakSanitizer|runtime error:|assertion/i.test(line)
			|| (check && /^<[0-3]>/.test(line)));
		if (!process.env.RETIVO_E2E_KEEP)
			remove(this.home);
		if (bad.length)
			throw new Error(`the logs tell of trouble:\n${bad.slice(0, 20).join("\n")}`);
	}
}

const children = (pid) =>
	readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);

function without_env({ env, ...rest }) {
	return rest;
}

export const start_stack = (options) => new Stack(options).start();

