/* openapi.json against the contract, operation by operation: a client that
 * was written against the contract needs only another base URL. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { document, operations } from "./lib/openapi.mjs";
import { contract, contracted, dropped, faults, resolve } from "./lib/contract.mjs";

const json = (part) => part?.content?.["application/json"]?.schema;
const full = (schema) => resolve(document, schema);
const theirs_of = (schema) => resolve(contract, schema);

/* The contract's answers with a body, beside ours of the same status. */
const answers = (ours, theirs) => Object.entries(theirs.operation.responses)
	.filter(([, response]) => json(response))
	.map(([status, response]) => [status, theirs_of(json(response)),
		full(json(resolve(document, ours.operation.responses[status] ?? {})))]);

const parameters = (doc, path, operation) =>
	resolve(doc, [...(doc.paths[path].parameters ?? []), ...(operation.parameters ?? [])]);

test("the contract has 47 operations", () => {
	assert.equal(contracted.length, 47);
});

const ours_of = (theirs) => operations.find((op) => op.method === theirs.method
	&& op.path.replaceAll(/\{[^}]+\}/g, "{}") === theirs.shape);

for (const theirs of contracted)
	test(`${theirs.method} ${theirs.path}`, () => {
		const ours = ours_of(theirs);
		const found = [];
		assert.ok(ours, "is in openapi.json");
		for (const [status, wide, small] of answers(ours, theirs)) {
			if (!small) {
				found.push(`${status}: is gone`);
				continue;
			}
			/* 403 may be for the right that is lacking, or for the plan. */
			const each = (small.anyOf ?? [small]).map((one) =>
				faults(one, wide, status, dropped(one, wide, status)));
			found.push(...each.sort((a, b) => a.length - b.length)[0]);
		}
		const asked = json(theirs.operation.requestBody);
		if (asked) {
			const taken = full(json(ours.operation.requestBody) ?? {});
			dropped(taken, theirs_of(asked), "body", found);
			faults(theirs_of(asked), taken, "body", found);
		}
		const known = parameters(document, ours.path, ours.operation);
		for (const p of parameters(contract, theirs.path, theirs.operation)) {
			if (p.in === "path")
				continue;
			const same = known.find((k) => k.name === p.name && k.in === p.in);
			if (!same)
				found.push(`${p.in} ${p.name}: is gone`);
			else
				faults(p.schema, same.schema, `${p.in} ${p.name}`, found);
		}
		for (const p of known)
			if (p.required && p.in !== "path")
				found.push(`${p.in} ${p.name}: was not required`);
		assert.deepEqual(found, []);
	});
