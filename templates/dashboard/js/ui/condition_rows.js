/*
 * Condition documents ↔ the rows that the builder shows. `fields` is the one
 * list of what can be asked; it names what src/engine/condition.c knows, and
 * a test compares them. Rows side by side must all hold; `any` holds groups
 * of rows, `not` rows that must not all hold.
 *
 * A row that nobody touched goes back as it was written (`kept`), short forms
 * included; so a document that is only looked at does not change.
 */
const stages = ["new", "onboarding", "active", "at_risk", "churned", "recovered"];
const risks = ["low", "medium", "high", "critical"];
const share = { kind: "number", step: "any", min: "0", max: "1" };
const whole = { kind: "number", step: "1", min: "0" };
const text = { kind: "text" };
const flag = { kind: "flag" };

/* In the order in which they are offered. */
export const fields = {
	lifecycle_stage: { label: "Stage", kind: "choice", of: stages },
	risk_level: { label: "Risk", kind: "choice", of: risks },
	health: { label: "Health", kind: "number", step: "any", min: "0", max: "100" },
	days_since_last_activity: { label: "Days since the last activity", ...whole },
	days_since_signup: { label: "Days since the sign-up", ...whole },
	age: { label: "Age in days", ...whole },
	activation_score: { label: "Activation score", ...share },
	engagement_score: { label: "Engagement score", ...share },
	expansion_score: { label: "Expansion score", ...share },
	risk_score: { label: "Risk score", ...share },
	events_total: { label: "Events in all", ...whole },
	team_size: { label: "Team size", kind: "number", step: "any" },
	plan: { label: "Plan", ...text }, role: { label: "Role", ...text }, company: { label: "Company", ...text },
	name: { label: "Name", ...text }, email: { label: "Email", ...text }, user_id: { label: "Customer id", ...text },
	locale: { label: "Locale", ...text }, timezone: { label: "Time zone", ...text },
	opted_out: { label: "Opted out", ...flag }, tracked: { label: "Within the tracked limit", ...flag },
};

/* What is no column of a customer. */
export const others = {
	event: { label: "Event", kind: "event" }, milestone: { label: "Milestone", kind: "milestone" },
	segment: { label: "Segment", kind: "segment" }, property: { label: "Property", kind: "property" },
};
const all = { ...fields, ...others };
export const fieldOf = (name) => all[name];

const known = [["exists", "is known"], ["missing", "is not known"]];
const compared = [["gte", "is at least"], ["lte", "is at most"], ["gt", "is over"], ["lt", "is under"]];
const equal = [["eq", "is"], ["ne", "is not"]];
const listed = [["in", "is one of"], ["nin", "is none of"]];
export const operators = {
	choice: listed,
	number: [...compared, ...equal, ...listed, ...known],
	text: [...equal, ["contains", "contains"], ["starts_with", "starts with"], ...listed, ...known],
	flag: [["eq", "is"]],
	count: [...compared, ...equal],
	milestone: [["reached", "is reached"], ["not_reached", "is not reached"]],
};
/* Texts of properties may be dates and the like, which have an order. */
const ordered = [["gte", "is from"], ["lte", "is up to"], ["gt", "comes after"], ["lt", "comes before"]];

/** The tests that a row offers: [[operator, words], …] */
export function operatorsOf(row) {
	const { kind } = fieldOf(row.field);
	if (kind !== "property")
		return operators[kind === "event" ? "count" : kind] ?? [];
	return row.type === "number" ? operators.number
		: row.type === "flag" ? [...equal, ...known] : [...operators.text, ...ordered];
}

export const isList = (op) => op === "in" || op === "nin";
export const isExistence = (op) => op === "exists" || op === "missing";

/* ------------------------------------------------------ document → rows -- */

const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const raw = (key, value) => ({ field: "json", text: JSON.stringify({ [key]: value }), kept: { [key]: value } });

const types = { string: "text", number: "number", boolean: "flag" };
const fits = { number: "number", text: "text", flag: "flag" };
const signs = { ">=": "gte", "<=": "lte", ">": "gt", "<": "lt", "=": "eq", "==": "eq", "!=": "ne" };

/* ">= 0.7", as it may be written where numbers are compared */
function signed(value) {
	const found = typeof value === "string" && /^([<>=!]{1,2}) *(-?\d+(?:\.\d+)?)$/.exec(value);
	return found && signs[found[1]] ? [signs[found[1]], Number(found[2])] : null;
}

/* One test of a field, or null where a row cannot say it. */
function rowOfTest(field, path, op, wanted) {
	const { kind, of } = all[field];
	const row = { field, ...(path !== null && { path }) };
	if (op === "exists")
		return typeof wanted === "boolean" && kind !== "choice" && kind !== "flag"
			? { ...row, op: wanted ? "exists" : "missing", value: "", ...(path !== null && { type: "text" }) } : null;
	if (kind === "choice") {
		const values = ["eq", "ne"].includes(op) ? [wanted] : wanted;
		const many = { eq: "in", ne: "nin", in: "in", nin: "nin" }[op];
		return many && Array.isArray(values) && values.every((one) => of.includes(one))
			? { ...row, op: many, value: values } : null;
	}
	const values = isList(op) ? wanted : [wanted];
	if (!Array.isArray(values) || values.length === 0)
		return null;
	const type = kind === "property" ? types[typeof values[0]] : fits[kind];
	const made = { ...row, op, value: isList(op) ? wanted.map(String) : wanted, ...(path !== null && { type }) };
	return type && values.every((one) => types[typeof one] === type && !String(one).includes("\n")) &&
		operatorsOf(made).some(([name]) => name === op) ? made : null;
}

function rowsOfEvent(value) {
	if (typeof value === "string")
		return [{ field: "event", name: value, days: "", op: "gte", value: 1 }];
	const { name, within_days: days = "", count = 1, ...more } = isPlain(value) ? value : {};
	const tests = isPlain(count) ? Object.entries(count) : [[value?.count === undefined ? "gte" : "eq", count]];
	const [op, wanted] = tests[0] ?? [];
	const sign = isPlain(count) ? null : signed(count);
	if (typeof name !== "string" || tests.length !== 1 || Object.keys(more).length > 0)
		return null;
	const row = { field: "event", name, days, op: sign?.[0] ?? op, value: sign?.[1] ?? wanted };
	return typeof row.value === "number" && operatorsOf(row).some(([one]) => one === row.op) ? [row] : null;
}

function rowsOfField(key, value) {
	const path = key.startsWith("properties.") ? key.slice(11) : null;
	const field = path === null ? key : "property";
	if (!all[field] || (path === null && others[field]))
		return null;
	const { kind } = all[field];
	const sign = kind === "number" || kind === "property" ? signed(value) : null;
	if (!isPlain(value)) {
		const [op, wanted] = sign ?? [Array.isArray(value) ? "in" : "eq", value];
		const row = rowOfTest(field, path, op, wanted);
		return row && [{ ...row, kept: { [key]: value } }];
	}
	const rows = Object.entries(value).map(([op, wanted]) => {
		const row = rowOfTest(field, path, op, wanted);
		return row ? { ...row, kept: { [key]: { [op]: wanted } } } : raw(key, { [op]: wanted });
	});
	return rows.length > 0 ? rows : null;
}

/* One member of a document → its rows. */
function rowsOfMember(key, value) {
	if (key === "all" && Array.isArray(value) && value.every(isPlain))
		return value.flatMap((one, i) => rowsOf(one).map((row) => ({ ...row, all: [i, ...row.all ?? []] })));
	if (key === "any" && Array.isArray(value) && value.every(isPlain))
		return [{ field: "any", groups: value.map(rowsOf) }];
	if (key === "not" && isPlain(value))
		return [{ field: "not", rows: rowsOf(value) }];
	if (key === "milestone" && typeof value === "string")
		return [{ field: "milestone", op: "reached", value, kept: { milestone: value } }];
	if (key === "milestone" && isPlain(value) && Object.values(value).every((name) => typeof name === "string") &&
		Object.keys(value).length === 1) {
		const [[op, name]] = Object.entries(value);
		return [{ field: "milestone", op, value: name, kept: { milestone: value } }];
	}
	if (key === "segment" && [value].flat().every((one) => typeof one === "string"))
		return [{ field: "segment", value: [value].flat(), kept: { segment: value } }];
	if (key === "event")
		return rowsOfEvent(value)?.map((row) => ({ ...row, kept: { event: value } })) ?? [raw(key, value)];
	return rowsOfField(key, value) ?? [raw(key, value)];
}

export function rowsOf(document) {
	return Object.entries(document ?? {}).flatMap(([key, value]) => rowsOfMember(key, value));
}

/* ------------------------------------------------------ rows → document -- */

/** A row still lacks something; the message says what. */
export class Incomplete extends Error {}

function scalar(value, type) {
	const entered = String(value ?? "").trim();
	if (type === "flag")
		return value === true || value === "true";
	if (type === "text") {
		if (entered === "")
			throw new Incomplete("A condition has no value yet");
		return String(value);
	}
	if (entered === "" || !Number.isFinite(Number(entered)))
		throw new Incomplete("A condition needs a number");
	return Number(entered);
}

const named = (value, what) => {
	if (!String(value ?? "").trim())
		throw new Incomplete(`A condition needs the name of ${what}`);
	return value;
};
const some = (list, what) => {
	if (list.length === 0)
		throw new Incomplete(`A condition needs ${what}`);
	return list;
};

function json(text) {
	let value;
	try {
		value = JSON.parse(text);
	} catch {
		throw new Incomplete("A condition is no JSON");
	}
	if (!isPlain(value))
		throw new Incomplete("A condition must be an object of JSON");
	return value;
}

function memberOfField(row) {
	const { kind } = all[row.field];
	const key = row.field === "property" ? `properties.${named(row.path, "a property")}` : row.field;
	if (isExistence(row.op))
		return { [key]: { exists: row.op === "exists" } };
	if (kind === "choice")
		return { [key]: { [row.op]: some(row.value, "a value") } };
	const type = kind === "property" ? row.type : kind;
	return { [key]: { [row.op]: isList(row.op)
		? some(row.value, "a value").map((one) => scalar(one, type)) : scalar(row.value, type) } };
}

function memberOf(row) {
	if (row.kept)
		return row.kept;
	switch (row.field) {
	case "json":
		return json(row.text);
	case "any":
		return { any: row.groups.map((rows) => documentOf(some(rows, "something in each alternative"))) };
	case "not":
		return { not: documentOf(some(row.rows, "something that must not be")) };
	case "event":
		return { event: { name: named(row.name, "an event"),
			...(row.days !== "" && { within_days: scalar(row.days, "number") }),
			count: { [row.op]: scalar(row.value, "number") } } };
	case "milestone":
		return { milestone: { [row.op]: named(row.value, "a milestone") } };
	case "segment":
		return { segment: some(row.value, "a segment").length === 1 ? row.value[0] : row.value };
	default:
		return memberOfField(row);
	}
}

const joins = (key, into, value) => isPlain(into) && isPlain(value) &&
	!["event", "milestone", "not"].includes(key) && !Object.keys(value).some((op) => op in into);

/**
 * Rows → document. Two tests of a field join; what stood in `all`, and what
 * would stand twice, goes into `all`.
 *
 * @throws {Incomplete}
 */
export function documentOf(rows) {
	const document = {}, clashes = [], lists = new Map();
	for (const row of rows) {
		if (row.all?.length > 0) {
			const [place, ...rest] = row.all;
			lists.set(place, [...lists.get(place) ?? [], { ...row, all: rest }]);
			continue;
		}
		for (const [key, value] of Object.entries(memberOf(row))) {
			if (!(key in document))
				document[key] = value;
			else if (joins(key, document[key], value))
				document[key] = { ...document[key], ...value };
			else
				clashes.push({ [key]: value });
		}
	}
	const inAll = [...[...lists.values()].map(documentOf), ...clashes];
	return inAll.length > 0 ? { ...document, all: [...document.all ?? [], ...inAll] } : document;
}

/* ------------------------------------------------------------ new rows -- */

const fresh = {
	choice: (field) => ({ op: "in", value: [fields[field].of[0]] }), number: () => ({ op: "gte", value: "" }),
	text: () => ({ op: "eq", value: "" }), flag: () => ({ op: "eq", value: true }),
	event: () => ({ name: "", days: 14, op: "gte", value: 1 }),
	milestone: (_, names) => ({ op: "not_reached", value: names.milestones[0] ?? "" }),
	segment: (_, names) => ({ value: names.segments.slice(0, 1) }),
	property: () => ({ path: "", type: "text", op: "eq", value: "" }),
};
export const newRow = (field, names) => ({ field, ...fresh[fieldOf(field).kind](field, names) });

/** The row with changes, which is no longer what was written. */
export function changed(row, changes) {
	const { kept: _, ...rest } = { ...row, ...changes };
	if ("op" in changes || "type" in changes) {
		const offered = operatorsOf(rest).map(([op]) => op);
		if (offered.length > 0 && !offered.includes(rest.op))
			rest.op = offered[0];
		if (fieldOf(rest.field).kind !== "choice" && isList(rest.op) !== Array.isArray(rest.value))
			rest.value = isList(rest.op) ? [rest.value].flat().map(String).filter(Boolean) : [rest.value].flat()[0] ?? "";
		if ("type" in changes && rest.type === "flag")
			rest.value = true;
	}
	return rest;
}
