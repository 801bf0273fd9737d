/* The whole run: what all files share is made once, every *.test.mjs is
 * run, and the run fails when an operation was never answered with success,
 * or an operation of the contract not with each status that it names, or
 * fewer tests ran than there should be. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { new_folder, remove } from "./place.mjs";
import { make_base } from "./stack.mjs";
import { contracted } from "./contract.mjs";
import { operation_of, operations } from "./openapi.mjs";

const here = join(dirname(fileURLToPath(import.meta.url)), "..");
const wanted = process.argv.slice(2);
const all = readdirSync(here).filter((name) => name.endsWith(".test.mjs")).sort();
const files = wanted.length === 0 ? all : all.filter((name) =>
	wanted.some((word) => name === word || name === `${word}.test.mjs`));
if (files.length === 0) {
	console.error(`no such tests; there are: ${all.join(" ")}`);
	process.exit(2);
}

const base = new_folder("rvb-");
process.on("exit", () => remove(base));
for (const signal of ["SIGINT", "SIGTERM"])
	process.on(signal, () => process.exit(1));

await make_base(base);
const hits = join(base, "hits");
const tap = join(base, "tap");
writeFileSync(hits, "");

const jobs = process.env.RETIVO_E2E_JOBS ?? "2";
const env = { ...process.env, RETIVO_E2E_BASE: base, RETIVO_E2E_HITS: hits };
delete env.NODE_TEST_CONTEXT;
const code = await new Promise((resolve) => {
	spawn(process.execPath, ["--test", `--test-concurrency=${jobs}`,
		"--test-reporter=spec", "--test-reporter-destination=stdout",
		"--test-reporter=tap", `--test-reporter-destination=${tap}`,
		...files.map((name) => join(here, name))],
		{ stdio: "inherit", env }).on("close", (n) => resolve(n ?? 1));
});

/* A key or session always has its tenant: of a closed one it is unknown. */
const impossible = new Set(["getSettings 404", "updateSettings 404",
	"setKillSwitch 404", "setShadowMode 404"]);

const problems = [];
const total = (word) => {
	const text = existsSync(tap) ? readFileSync(tap, "utf8") : "";
	return Number(text.match(new RegExp(`^# ${word} (\\d+)$`, "m"))?.[1] ?? 0);
};
if (code !== 0)
	problems.push(`${total("fail")} tests failed`);
if (process.env.RETIVO_TESTS_STRICT && total("skipped") > 0)
	problems.push(`${total("skipped")} tests were skipped`);
if (files.length === all.length) {
	const hit = new Set(readFileSync(hits, "utf8").split("\n"));
	const succeeded = new Set([...hit].map((line) => line.split(" "))
		.filter(([, status]) => status < 400).map(([id]) => id));
	const missed = operations.filter((op) => !succeeded.has(op.id));
	const unseen = contracted.flatMap((op) => Object.keys(op.operation.responses)
		.map((status) => `${operation_of(op.method, op.path).id} ${status}`))
		.filter((line) => !hit.has(line) && !impossible.has(line));
	if (unseen.length)
		problems.push(`never answered as the contract says: ${unseen.join(", ")}`);
	if (missed.length)
		problems.push("never answered with success: " +
			missed.map((op) => op.id).join(" "));
	const least = Number(readFileSync(join(here, "least-tests"), "utf8"));
	if (total("tests") < least)
		problems.push(`${total("tests")} tests ran, at least ${least} should`);
}
for (const problem of problems)
	console.error(`tests/e2e: ${problem}`);
process.exit(problems.length ? 1 : 0);
