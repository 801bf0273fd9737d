/* Where things are: the source tree, the built programs, the run's folder. */
import { existsSync, mkdtempSync, mkdirSync, rmSync, chmodSync } from "node:fs";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const source = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
export const build = resolve(process.env.BUILD_DIR ?? source);

/* Path of a built program, found by its name below BUILD_DIR. */
export function program(name) {
	const found = [join(build, "src/bin", name), join(build, "bin", name),
		join(build, name)].find(existsSync) ?? search(build, name, 5);
	if (!found)
		throw new Error(`no program ${name} below ${build}: set BUILD_DIR`);
	return found;
}

function search(dir, name, depth) {
	for (const entry of readdirSync(dir, { withFileTypes: true })) {
		const path = join(dir, entry.name);
		if (entry.isFile() && entry.name === name)
			return path;
		if (!entry.isDirectory() || depth === 0 || entry.name === "node_modules"
			|| entry.name.startsWith("."))
			continue;
		const below = search(path, name, depth - 1);
		if (below)
			return below;
	}
	return undefined;
}

/* True for a build with the address sanitizer, which needs more of all. */
export const sanitized = () =>
	readFileSync(program("retivo-api")).includes("__asan_init");

/* A new folder with a short path: a socket's path must fit 107 bytes. */
export function new_folder(prefix) {
	const base = tmpdir().length < 40 ? tmpdir() : "/tmp";
	const path = mkdtempSync(join(base, prefix));
	chmodSync(path, 0o755);
	return path;
}

export function folder(...parts) {
	const path = join(...parts);
	mkdirSync(path, { recursive: true });
	return path;
}

export function remove(path) {
	rmSync(path, { recursive: true, force: true, maxRetries: 5 });
}
