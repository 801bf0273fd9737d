/* Programs: run to the end, start in the background, wait for a condition.
 * Everything started here is killed when this process ends. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { openSync, closeSync, appendFileSync } from "node:fs";

const started = new Set();

process.on("exit", () => {
	for (const child of started)
		kill_group(child, "SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
	process.on(signal, () => process.exit(1));

function kill_group(child, signal) {
	try {
		process.kill(-child.pid, signal);
	} catch {
		/* it is gone already */
	}
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/* Calls probe until it gives something true; throws after timeout_ms. */
export async function until(what, probe, timeout_ms = 15000, step_ms = 25) {
	const end = Date.now() + timeout_ms;
	let last;
	while (Date.now() < end) {
		try {
			const value = await probe();
			if (value)
				return value;
			last = undefined;
		} catch (error) {
			last = error;
		}
		await sleep(step_ms);
	}
	throw new Error(`${what}: not within ${timeout_ms} ms` +
		(last ? ` (${last.message})` : ""));
}

/* Runs a program to its end: {code, signal, stdout, stderr}. */
export function run(command, args, options = {}) {
	const { input, check = true, timeout_ms = 120000, ...rest } = options;
	return new Promise((resolve, reject) => {
		const child = spawn(command, args, {
			stdio: ["pipe", "pipe", "pipe"], detached: true, ...rest,
		});
		const out = [], err = [];
		const timer = setTimeout(() => kill_group(child, "SIGKILL"), timeout_ms);
		started.add(child);
		options.on_start?.(child);
		child.stdin.on("error", () => {});
		child.stdin.end(input ?? "");
		child.stdout.on("data", (bytes) => out.push(bytes));
		child.stderr.on("data", (bytes) => err.push(bytes));
		child.on("error", reject);
		child.on("close", (code, signal) => {
			clearTimeout(timer);
			started.delete(child);
			const result = {
				code, signal,
				stdout: Buffer.concat(out).toString(),
				stderr: Buffer.concat(err).toString(),
			};
			if (options.log)
				appendFileSync(options.log, result.stderr);
			if (check && code !== 0)
				reject(new Error(`${command} ${args.join(" ")} ended with ` +
					`${code ?? signal}\n${result.stdout}${result.stderr}`));
			else
				resolve(result);
		});
	});
}

/* A program in the background, in its own process group, with a log file. */
export class Service {
	constructor(name, command, args, { log, env, cwd } = {}) {
		Object.assign(this, { name, command, args, log, env, cwd });
	}

	start() {
		const fd = openSync(this.log, "a");
		this.ended = false;
		this.child = spawn(this.command, this.args, {
			stdio: ["ignore", fd, fd], detached: true,
			env: this.env, cwd: this.cwd,
		});
		closeSync(fd);
		started.add(this.child);
		this.child.on("error", () => { this.ended = true; });
		this.child.on("exit", () => {
			this.ended = true;
			started.delete(this.child);
		});
		return this;
	}

	get pid() {
		return this.child?.pid;
	}

	signal(name) {
		process.kill(this.pid, name);
	}

	/* Asks first, kills the whole group after grace_ms. */
	async stop(signal = "SIGTERM", grace_ms = 10000) {
		if (!this.child || this.ended)
			return;
		try {
			this.signal(signal);
			await until(`${this.name} to end`, () => this.ended, grace_ms);
		} catch {
			kill_group(this.child, "SIGKILL");
			await until(`${this.name} to die`, () => this.ended, 5000);
		}
	}
}

/* A port of 127.0.0.1 that was free a moment ago. */
export function free_port() {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.on("error", reject);
		server.listen(0, "127.0.0.1", () => {
			const { port } = server.address();
			server.close(() => resolve(port));
		});
	});
}
