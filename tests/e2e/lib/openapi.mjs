/* The served document: which operation a request is, whether an answer is
 * as it and the contract say, and which operations this run has called. */
import { readFileSync, appendFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { check_contract } from "./contract.mjs";
import { source } from "./place.mjs";

export const document = JSON.parse(
	readFileSync(join(source, "src/api/openapi.json"), "utf8"));

/* Answers hold no field that the document does not name, unless it says so. */
function closed(schema) {
	if (Array.isArray(schema))
		return schema.map(closed);
	if (schema === null || typeof schema !== "object")
		return schema;
	const copy = Object.fromEntries(Object.entries(schema).map(
		([key, value]) => [key, key === "example" ? value : closed(value)]));
	if (copy.properties && Object.keys(copy.properties).length
		&& [copy.type].flat().includes("object"))
		copy.additionalProperties ??= false;
	return copy;
}

const ajv = new Ajv({ strict: false, allErrors: true });
formats(ajv);
ajv.addSchema(closed(document), "doc");

const METHODS = ["get", "put", "post", "delete", "patch"];

/* {method, path, id, access, responses, pointer, match} of every operation. */
export const operations = Object.entries(document.paths).flatMap(
	([path, item]) => METHODS.filter((m) => item[m]).map((m) => ({
		method: m.toUpperCase(), path, id: item[m].operationId,
		access: item[m]["x-retivo-access"], operation: item[m],
		pointer: `/paths/${escape_pointer(path)}/${m}`,
		match: new RegExp("^" + path.replaceAll(/\{[^}]+\}/g, "[^/]+") + "$"),
		named: (path.match(/\{/g) ?? []).length,
	})));
/* /api/customers/stats comes before /api/customers/{id}. */
operations.sort((a, b) => a.named - b.named);

function escape_pointer(text) {
	return encodeURIComponent(text.replaceAll("~", "~0").replaceAll("/", "~1"));
}

export const operation_by_id = (id) => {
	const found = operations.find((o) => o.id === id);
	if (!found)
		throw new Error(`openapi.json has no operation ${id}`);
	return found;
};

export const operation_of = (method, target) => {
	const path = target.split("?")[0];
	const first = operations.find((o) => o.match.test(path));
	return first && operations.find(
		(o) => o.path === first.path && o.method === method);
};

const compiled = new Map();

function validator(pointer) {
	if (!compiled.has(pointer))
		compiled.set(pointer, ajv.compile({ $ref: `doc#${pointer}` }));
	return compiled.get(pointer);
}

const error_schema = "/components/schemas/Error";

function problems(errors) {
	return errors.map((e) => `${e.instancePath || "/"} ${e.message} ` +
		(e.params.additionalProperty ?? "")).join("\n  ");
}

function check_schema(pointer, body, what) {
	const validate = validator(pointer);
	if (!validate(body))
		throw new Error(`${what} does not fit openapi.json: ` +
			problems(validate.errors) +
			`\n${JSON.stringify(body).slice(0, 2000)}`);
}

/* Throws unless the answer is one that the document allows. */
export function check_answer(method, target, answer) {
	const what = `${method} ${target.split("?")[0]} → ${answer.status}`;
	const op = operation_of(method, target);
	const type = (answer.headers["content-type"] ?? "").split(";")[0];

	if (!op || answer.status === 405) {
		if (answer.status < 400 || answer.status > 499)
			throw new Error(`${what}: not an operation of openapi.json`);
		return check_schema(error_schema, answer.body, what);
	}
	let described = op.operation.responses[answer.status];
	let pointer = `${op.pointer}/responses/${answer.status}`;
	if (!described)
		throw new Error(`${what}: a status that openapi.json does not name` +
			`\n${answer.text.slice(0, 1000)}`);
	if (described.$ref) {
		pointer = described.$ref.slice(1);
		described = document.components.responses[pointer.split("/").pop()];
	}
	if (!described.content[type])
		throw new Error(`${what}: content type ${type} is not in openapi.json`);
	if (type === "application/json")
		check_schema(`${pointer}/content/application~1json/schema`,
			answer.body, what);
	check_contract(method, op.path, answer);
	note_hit(`${op.id} ${answer.status}`);
}

/* Appends to the run's list of operations and the statuses they answered. */
const noted = new Set();

function note_hit(hit) {
	const file = process.env.RETIVO_E2E_HITS;
	if (!file || noted.has(hit))
		return;
	noted.add(hit);
	appendFileSync(file, `${hit}\n`);
}
