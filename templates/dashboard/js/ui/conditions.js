/*
 * Condition documents as rows: `rowsOf` and `documentOf` translate, `Builder`
 * edits. Rows side by side must all hold; a group of alternatives holds rows
 * of its own. What rows cannot say is kept as it is, and shown as JSON.
 */
import { html, useId } from "../html.js";
import { words } from "../format.js";
import { Button, IconButton } from "./basics.js";

const stages = ["new", "onboarding", "active", "at_risk", "churned", "recovered"];
const risks = ["low", "medium", "high", "critical"];
const share = { kind: "number", step: "0.05", min: "0", max: "1" };
const whole = { kind: "number", step: "1" };

/* In the order in which they are offered. */
const fields = {
	lifecycle_stage: { kind: "choice", of: stages }, risk_level: { kind: "choice", of: risks },
	health: { kind: "number", step: "1", min: "0", max: "100" }, days_since_last_activity: whole,
	activation_score: share, engagement_score: share, expansion_score: share, risk_score: share,
	events_total: whole, team_size: whole, plan: { kind: "text" }, role: { kind: "text" }, company: { kind: "text" },
	email: { kind: "text" }, locale: { kind: "text" }, opted_out: { kind: "flag" },
	event: { kind: "event" }, milestone: { kind: "milestone" }, segment: { kind: "segment" }, property: { kind: "property" },
};
const operators = {
	choice: [["in", "is one of"], ["nin", "is none of"]],
	number: [["gte", "is at least"], ["lte", "is at most"], ["gt", "is over"], ["lt", "is under"], ["eq", "is"], ["ne", "is not"]],
	text: [["eq", "is"], ["ne", "is not"], ["contains", "contains"], ["starts_with", "starts with"], ["exists", "is known"]],
	flag: [["eq", "is"]],
	milestone: [["reached", "is reached"], ["not_reached", "is not reached"]],
};
operators.property = [...operators.text, ...operators.number.slice(0, 4)];

const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const raw = (key, value) => ({ field: "json", text: JSON.stringify({ [key]: value }) });

/* One member of a document → its rows. */
function rowsOfMember(key, value) {
	if (key === "all" && Array.isArray(value))
		return value.flatMap(rowsOf);
	if (key === "any" && Array.isArray(value) && value.every(isPlain))
		return [{ field: "any", groups: value.map(rowsOf) }];
	if (key === "event" && (typeof value === "string" || (isPlain(value) && typeof value.name === "string"))) {
		const [op, count] = isPlain(value?.count) ? Object.entries(value.count)[0] : ["gte", value?.count ?? 1];
		return isPlain(value?.count) && Object.keys(value.count).length > 1 ? [raw(key, value)]
			: [{ field: "event", name: value.name ?? value, days: value.within_days ?? "", op: value?.count !== undefined && !isPlain(value.count) ? "eq" : op, value: count }];
	}
	if (key === "milestone")
		return isPlain(value) ? Object.entries(value).map(([op, name]) => ({ field: "milestone", op, value: name }))
			: [{ field: "milestone", op: "reached", value }];
	if (key === "segment" && typeof value === "string")
		return [{ field: "segment", value }];
	const path = key.startsWith("properties.") ? key.slice(11) : null;
	const field = path === null ? key : "property";
	if (!fields[field] || ["event", "segment"].includes(field))
		return [raw(key, value)];
	const tests = isPlain(value) ? Object.entries(value) : [[Array.isArray(value) ? "in" : "eq", value]];
	const { kind } = fields[field];
	const known = operators[kind].map(([op]) => op);
	return tests.map(([op, wanted]) => {
		if (kind === "choice" && ["eq", "ne"].includes(op))
			return { field, op: op === "eq" ? "in" : "nin", value: [wanted] };
		return known.includes(op) && (kind === "choice") === Array.isArray(wanted) ? { field, path, op, value: wanted }
			: raw(key, { [op]: wanted });
	});
}

export function rowsOf(document) {
	return Object.entries(document ?? {}).flatMap(([key, value]) => rowsOfMember(key, value));
}

const guess = (text) => {
	if (typeof text !== "string")
		return text;
	return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text === "true" ? true : text === "false" ? false : text;
};

function memberOf(row) {
	switch (row.field) {
	case "json":
		return JSON.parse(row.text);
	case "any":
		return { any: row.groups.map(documentOf) };
	case "event":
		return { event: { name: row.name, ...(row.days !== "" && { within_days: Number(row.days) }), count: { [row.op]: Number(row.value) } } };
	case "milestone":
		return { milestone: { [row.op]: row.value } };
	case "segment":
		return { segment: row.value };
	default: {
		const { kind } = fields[row.field];
		const value = kind === "number" ? Number(row.value) : kind === "property" ? guess(row.value) : row.value;
		return { [row.field === "property" ? `properties.${row.path}` : row.field]: { [row.op]: row.op === "exists" ? true : value } };
	}
	}
}

/** Rows → document. Two tests of a field join; other clashes go into `all`. */
export function documentOf(rows) {
	const document = {}, others = [];
	for (const row of rows) {
		const [[key, value]] = Object.entries(memberOf(row));
		if (!(key in document))
			document[key] = value;
		else if (isPlain(value) && isPlain(document[key]) && !["event", "milestone"].includes(key) && !Object.keys(value).some((op) => op in document[key]))
			document[key] = { ...document[key], ...value };
		else
			others.push({ [key]: value });
	}
	return others.length > 0 ? { ...document, all: [...(document.all ?? []), ...others] } : document;
}

const fresh = {
	choice: (field) => ({ op: "in", value: [fields[field].of[0]] }), number: () => ({ op: "gte", value: 1 }),
	text: () => ({ op: "eq", value: "" }), flag: () => ({ op: "eq", value: true }), event: () => ({ name: "", days: 14, op: "gte", value: 1 }),
	milestone: (_, names) => ({ op: "not_reached", value: names.milestones[0] ?? "" }), segment: (_, names) => ({ value: names.segments[0] ?? "" }),
	property: () => ({ path: "", op: "eq", value: "" }),
};
const newRow = (field, names) => ({ field, ...fresh[fields[field].kind](field, names) });

/**
 * @param {object} props
 * @param {Array} props.rows
 * @param {(rows: Array) => void} props.onChange
 * @param {{ milestones: string[], segments: string[] }} props.names of the tenant
 */
export function Builder({ rows, onChange, names, label, empty, depth = 0 }) {
	const put = (i, row) => onChange(rows.map((old, k) => k === i ? row : old));
	return html`
		<div class="builder" role="group" aria-label=${label}>
			${rows.length === 0 && html`<p class="soft">${empty}</p>`}
			${rows.map((row, i) => html`
				<div class="builder-row" key=${i}>
					<span class="faint and">${i > 0 ? "and" : "if"}</span>
					${row.field === "any" ? html`<${Groups} row=${row} put=${(next) => put(i, next)} names=${names} depth=${depth} />`
						: html`<div class="builder-fields">${row.field === "json" ? html`<code class="builder-json">${row.text}</code>`
							: html`<${Row} row=${row} put=${(next) => put(i, next)} names=${names} />`}</div>`}
					<${IconButton} icon="close" label="Remove this condition" onClick=${() => onChange(rows.filter((_, k) => k !== i))} />
				</div>`)}
			<div class="actions">
				<${Button} class="small" onClick=${() => onChange([...rows, newRow("lifecycle_stage", names)])}>Add a condition<//>
				${depth < 2 && html`<${Button} class="small" onClick=${() => onChange([...rows, { field: "any", groups: [[newRow("health", names)], [newRow("risk_level", names)]] }])}>Add alternatives<//>`}
			</div>
		</div>`;
}

const Groups = ({ row, put, names, depth }) => html`
	<div class="builder-groups"><span class="soft">Any of these:</span>
		${row.groups.map((rows, i) => html`${i > 0 && html`<span class="faint or">or</span>`}<${Builder} key=${i} label=${`Alternative ${i + 1}`} rows=${rows} names=${names} depth=${depth + 1} empty="This alternative is always true."
			onChange=${(next) => put({ ...row, groups: row.groups.map((old, k) => k === i ? next : old) })} />`)}
		<div class="actions"><${Button} class="small" onClick=${() => put({ ...row, groups: [...row.groups, [newRow("health", names)]] })}>Another alternative<//></div>
	</div>`;

function Row({ row, put, names }) {
	const { kind, of, ...limits } = fields[row.field];
	const set = (changes) => put({ ...row, ...changes });
	const offered = Object.keys(fields).filter((field) => (field !== "milestone" || names.milestones.length > 0) && (field !== "segment" || names.segments.length > 0) || field === row.field);
	const Op = (list) => html`<select aria-label="Test" value=${row.op} onChange=${(event) => set({ op: event.target.value })}>${list.map(([op, text]) => html`<option key=${op} value=${op}>${text}</option>`)}</select>`;
	const Input = (name, label, more) => html`<input aria-label=${label} value=${row[name]} onInput=${(event) => set({ [name]: event.target.value })} ...${more} />`;
	const Name = (list, label) => html`<select aria-label=${label} value=${row.value} onChange=${(event) => set({ value: event.target.value })}>${list.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}</select>`;
	return html`
		<select aria-label="About" value=${row.field} onChange=${(event) => put(newRow(event.target.value, names))}>
			${offered.map((field) => html`<option key=${field} value=${field}>${words(field)}</option>`)}</select>
		${kind === "property" && Input("path", "Name of the property", { placeholder: "seats", required: true })}
		${kind === "event" ? html`${Input("name", "Name of the event", { placeholder: "report_created", required: true })}
				${Op(operators.number)}${Input("value", "Times", { type: "number", min: "0", class: "short" })}<span class="soft">times within</span>
				${Input("days", "Days", { type: "number", min: "1", class: "short", placeholder: "ever" })}<span class="soft">days</span>`
			: kind === "milestone" ? html`${Name(names.milestones, "Milestone")}${Op(operators.milestone)}`
				: kind === "segment" ? html`<span class="soft">is</span>${Name(names.segments, "Segment")}`
					: kind === "flag" ? html`<select aria-label="Value" value=${String(row.value)} onChange=${(event) => set({ value: event.target.value === "true" })}><option value="true">yes</option><option value="false">no</option></select>`
						: html`${Op(operators[kind])}${kind === "choice" ? html`<${Choice} of=${of} value=${row.value} onChange=${(value) => set({ value })} />`
							: row.op !== "exists" && Input("value", "Value", kind === "number" ? { type: "number", class: "short", required: true, ...limits } : { required: true })}`}`;
}

function Choice({ of, value, onChange }) {
	const id = useId();
	return html`<span class="chips" role="group" aria-label="Values">${of.map((word) => html`
		<label key=${word} for=${`${id}-${word}`}><input type="checkbox" id=${`${id}-${word}`} checked=${value.includes(word)}
			onChange=${(event) => onChange(event.target.checked ? [...value, word] : value.filter((other) => other !== word))} />${words(word)}</label>`)}</span>`;
}
