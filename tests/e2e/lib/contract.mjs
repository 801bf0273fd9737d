/* The contract that clients were written against: each answer must fit it
 * too, and openapi.json may add to it but neither drop nor narrow. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { source } from "./place.mjs";

const METHODS = ["get", "put", "post", "delete", "patch"];

/* OpenAPI 3.0's nullable, which JSON Schema does not know. */
function modern(schema) {
	if (Array.isArray(schema))
		return schema.map(modern);
	if (schema === null || typeof schema !== "object")
		return schema;
	const { nullable, ...copy } = Object.fromEntries(Object.entries(schema).map(
		([key, value]) => [key, key === "example" ? value : modern(value)]));
	if (nullable === true && typeof copy.type === "string")
		copy.type = [copy.type, "null"];
	if (nullable === true && copy.enum && !copy.enum.includes(null))
		copy.enum = [...copy.enum, null];
	return copy;
}

export const contract = modern(JSON.parse(
	readFileSync(join(source, "tests/contract/retivo-openapi.json"), "utf8")));

const ajv = new Ajv({ strict: false, allErrors: true });
formats(ajv);
ajv.addSchema(contract, "contract");

/* The same path, whatever its parameters are called. */
const shape = (path) => path.replaceAll(/\{[^}]+\}/g, "{}");

/* {method, path, shape, operation} of the contract's operations. */
export const contracted = Object.entries(contract.paths).flatMap(
	([path, item]) => METHODS.filter((m) => item[m]).map((m) => ({
		method: m.toUpperCase(), path, shape: shape(path), operation: item[m] })));

const schemas = new Map(contracted.map((op) => [`${op.method} ${op.shape}`,
	Object.fromEntries(Object.entries(op.operation.responses).map(([status, r]) =>
		[status, r.content?.["application/json"]?.schema]))]));
const compiled = new Map();

/* Throws when the contract describes this status and the body differs. */
export function check_contract(method, path, answer) {
	const key = `${method} ${shape(path)}`;
	const schema = schemas.get(key)?.[answer.status];
	/* Its only 403 is the plan's limit; ours is also a right that lacks. */
	if (!schema || (answer.status === 403 && answer.body.limit === undefined))
		return;
	const name = `${key} ${answer.status}`;
	if (!compiled.has(name))
		compiled.set(name, ajv.compile(resolve(contract, schema)));
	const validate = compiled.get(name);
	if (!validate(answer.body))
		throw new Error(`${name} does not fit the contract: ` +
			ajv.errorsText(validate.errors, { separator: "\n  " }) +
			`\n${JSON.stringify(answer.body).slice(0, 2000)}`);
}

/* The schema with its references put in. */
export function resolve(document, schema) {
	if (Array.isArray(schema))
		return schema.map((one) => resolve(document, one));
	if (schema === null || typeof schema !== "object")
		return schema;
	if (schema.$ref) {
		const found = schema.$ref.slice(2).split("/")
			.reduce((at, key) => at[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);
		return resolve(document, found);
	}
	return Object.fromEntries(Object.entries(schema).map(([key, value]) =>
		[key, ["example", "examples", "enum"].includes(key) ? value
			: resolve(document, value)]));
}

const KINDS = ["string", "number", "integer", "boolean", "object", "array", "null"];

/* What kinds of value a schema takes; integers are numbers too. */
function kinds(schema) {
	const types = schema.type ? [schema.type].flat()
		: schema.properties ? ["object"] : KINDS;
	const all = new Set(types.includes("number") ? [...types, "integer"] : types);
	if (schema.enum && !schema.enum.includes(null))
		all.delete("null");
	return all;
}

const BOUNDS = [["minimum", 1], ["minLength", 1], ["minItems", 1], ["maximum", -1],
	["maxLength", -1], ["maxItems", -1]];

/*
 * Lists where a value of the schema small could be none of the schema wide.
 * For an answer ours is small and the contract's wide; for a request it is
 * the other way round. Alternatives (oneOf) are left to the answers' checks.
 */
export function faults(small, wide, at, found = []) {
	for (const kind of kinds(small))
		if (!kinds(wide).has(kind))
			found.push(`${at}: may be ${kind}`);
	if (wide.enum && !small.enum && small.const === undefined)
		found.push(`${at}: any value where ${wide.enum} are known`);
	if (wide.enum)
		for (const word of small.enum ?? [])
			if (!wide.enum.includes(word))
				found.push(`${at}: ${word} is not known`);
	for (const [bound, sign] of BOUNDS)
		if (wide[bound] !== undefined && small[bound] !== undefined
			&& sign * small[bound] < sign * wide[bound])
			found.push(`${at}: ${bound} ${small[bound]} where ${wide[bound]} is`);
	for (const name of wide.required ?? [])
		if (!small.required?.includes(name))
			found.push(`${at}.${name}: may be absent`);
	for (const [name, one] of Object.entries(wide.properties ?? {}))
		if (small.properties?.[name])
			faults(small.properties[name], one, `${at}.${name}`, found);
	if (wide.items && small.items)
		faults(small.items, wide.items, `${at}[]`, found);
	return found;
}

/* Lists the properties, at any depth, that the contract has and ours lacks. */
export function dropped(ours, theirs, at, found = []) {
	for (const [name, one] of Object.entries(theirs.properties ?? {}))
		if (ours.properties?.[name])
			dropped(ours.properties[name], one, `${at}.${name}`, found);
		else
			found.push(`${at}.${name}: is gone`);
	if (theirs.items)
		if (ours.items)
			dropped(ours.items, theirs.items, `${at}[]`, found);
		else
			found.push(`${at}: its items are gone`);
	return found;
}
