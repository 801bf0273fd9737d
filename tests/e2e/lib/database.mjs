/* A throw-away PostgreSQL cluster that listens on a Unix socket only.
 * PostgreSQL refuses to run as root, so root hands it to another user. */
import { existsSync, readdirSync, chownSync, cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import pg from "pg";
import { run, Service, until } from "./process.mjs";

/* bigint and numeric come as numbers: no test value is larger than 2^53. */
pg.types.setTypeParser(20, Number);
pg.types.setTypeParser(1700, Number);

const as_root = process.getuid() === 0;

function bin(name) {
	const base = "/usr/lib/postgresql";
	const versions = existsSync(base) ? readdirSync(base) : [];
	versions.sort((a, b) => Number(b) - Number(a));
	for (const version of versions) {
		const path = join(base, version, "bin", name);
		if (existsSync(path))
			return path;
	}
	return name;
}

function other_user() {
	for (const name of ["postgres", "nobody"]) {
		try {
			const id = (flag) =>
				Number(execFileSync("id", [flag, name]).toString());
			return { name, uid: id("-u"), gid: id("-g") };
		} catch {
			/* the next one */
		}
	}
	throw new Error("PostgreSQL needs a user other than root");
}

const owner = as_root ? other_user() : undefined;

function command(program, args) {
	return as_root ? ["setpriv", [`--reuid=${owner.uid}`, `--regid=${owner.gid}`,
		"--clear-groups", program, ...args]] : [program, args];
}

function owned_folder(path) {
	mkdirSync(path, { recursive: true, mode: 0o755 });
	if (as_root)
		chownSync(path, owner.uid, owner.gid);
	return path;
}

export class Cluster {
	/* home: a folder of the cluster's own, with a short path. settings:
	 * PostgreSQL's, over the defaults of start(). */
	constructor(home, settings = {}) {
		this.home = home;
		this.settings = settings;
		this.data = join(home, "data");
		this.sockets = home;
	}

	async create() {
		owned_folder(this.home);
		await run(...command(bin("initdb"), ["-D", this.data, "-U", "super",
			"-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]),
			{ env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" }, cwd: "/" });
		return this;
	}

	/* A copy of a cluster that is stopped: faster than making one. */
	copy_of(other) {
		owned_folder(this.home);
		cpSync(other.data, this.data, { recursive: true });
		if (as_root)
			execFileSync("chown", ["-R", `${owner.uid}:${owner.gid}`, this.data]);
		execFileSync("chmod", ["700", this.data]);
		return this;
	}

	async start() {
		const settings = {
			listen_addresses: "", unix_socket_directories: this.sockets,
			fsync: "off", synchronous_commit: "on", max_connections: 60,
			shared_buffers: "64MB", log_min_messages: "warning",
			/* A test that holds a transaction open fails fast. */
			idle_in_transaction_session_timeout: "60s",
			...this.settings,
		};
		const args = ["-D", this.data];
		for (const [name, value] of Object.entries(settings))
			args.push("-c", `${name}=${value}`);
		const [program, words] = command(bin("postgres"), args);
		this.service = new Service("postgres", program, words, {
			log: `${this.home}.log`, cwd: "/",
			env: { PATH: process.env.PATH, LC_ALL: "C.UTF-8" },
		}).start();
		await this.ready();
		return this;
	}

	ready() {
		return until("PostgreSQL", async () => {
			await this.query("super", "select 1", [], "postgres");
			return true;
		}, 30000);
	}

	url(role, database = "retivo") {
		return `postgresql://${role}@/${database}?host=${this.sockets}`;
	}

	async connect(role, database = "retivo") {
		const client = new pg.Client({ host: this.sockets, user: role, database });
		client.on("error", () => {});
		await client.connect();
		return client;
	}

	/* One statement as a role; the rows. */
	async query(role, text, values = [], database = "retivo") {
		const client = await this.connect(role, database);
		try {
			return (await client.query(text, values)).rows;
		} finally {
			await client.end();
		}
	}

	async prepare() {
		for (const text of [
			"create role retivo_admin login createrole bypassrls",
			"create database retivo owner retivo_admin"])
			await this.query("super", text, [], "postgres");
	}

	/* As if the machine's memory killer came by: no shutdown, no sync. */
	async crash() {
		const children = execFileSync("ps", ["-o", "pid=", "--ppid",
			String(this.service.pid)]).toString().trim().split(/\s+/);
		this.service.signal("SIGKILL");
		for (const pid of children) {
			try {
				process.kill(Number(pid), "SIGKILL");
			} catch {
				/* gone with its parent */
			}
		}
		await until("PostgreSQL to die", () => this.service.ended);
	}

	async stop() {
		await this.service?.stop("SIGINT");
	}
}
