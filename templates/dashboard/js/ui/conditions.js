/*
 * Edits condition documents as rows (condition_rows.js). Rows side by side
 * must all hold; groups hold rows of their own. What rows cannot say is
 * edited as JSON.
 */
import { html, useId } from "../html.js";
import { words } from "../format.js";
import { Button, IconButton } from "./basics.js";
import { changed, fieldOf, fields, isExistence, isList, newRow, operatorsOf, others } from "./condition_rows.js";
import { splitLines } from "./form.js";

export { documentOf, Incomplete, rowsOf } from "./condition_rows.js";

/* The API reads groups eight deep; more than this nobody reads. */
const DEPTH_OFFERED = 3;

/** What a tenant's rows may name: `namesOf(tenant.config)` */
export const namesOf = (config) => ({
	milestones: (config?.milestones ?? []).map((one) => one.name),
	segments: (config?.segments ?? []).map((one) => one.name),
});

/**
 * @param {object} props
 * @param {Array} props.rows
 * @param {(rows: Array) => void} props.onChange
 * @param {{ milestones: string[], segments: string[] }} props.names of the tenant
 * @param {string} [props.only] the one field that fits here, without groups
 */
export function Builder({ rows, onChange, names, label, empty, only, depth = 0 }) {
	const put = (i, row) => onChange(rows.map((old, k) => k === i ? row : old));
	const add = (...more) => onChange([...rows, ...more]);
	const start = () => [newRow(only ?? "lifecycle_stage", names)];
	return html`
		<div class="builder" role="group" aria-label=${label}>
			${rows.length === 0 && html`<p class="soft">${empty}</p>`}
			${rows.map((row, i) => html`
				<div class="builder-row" key=${i}>
					<span class="faint and">${i > 0 ? "and" : "if"}</span>
					<${Part} row=${row} put=${(next) => put(i, next)} names=${names} only=${only} depth=${depth} />
					<${IconButton} icon="close" label="Remove this condition"
						onClick=${() => onChange(rows.filter((_, k) => k !== i))} />
				</div>`)}
			<div class="actions">
				<${Button} class="small" onClick=${() => add(...start())}>Add a condition<//>
				${depth < DEPTH_OFFERED && !only && html`
					<${Button} class="small" onClick=${() => add({ field: "any", groups: [start(), start()] })}>Add alternatives<//>
					<${Button} class="small" onClick=${() => add({ field: "not", rows: start() })}>Add an exception<//>`}
			</div>
		</div>`;
}

function Part({ row, put, names, only, depth }) {
	if (row.field === "any")
		return html`<${Groups} row=${row} put=${put} names=${names} depth=${depth} />`;
	if (row.field === "not")
		return html`<${Exception} row=${row} put=${put} names=${names} depth=${depth} />`;
	return html`<div class="builder-fields">${row.field === "json" ? html`<${Json} row=${row} put=${put} />`
		: html`<${Row} row=${row} put=${put} names=${names} only=${only} />`}</div>`;
}

function Groups({ row, put, names, depth }) {
	const set = (groups) => put({ ...row, groups });
	return html`
		<div class="builder-groups" role="group" aria-label="Alternatives"><span class="soft">Any of these:</span>
			${row.groups.map((rows, i) => html`${i > 0 && html`<span class="faint or">or</span>`}
				<${Builder} key=${i} label=${`Alternative ${i + 1}`} rows=${rows} names=${names} depth=${depth + 1}
					empty="An alternative needs a condition."
					onChange=${(next) => set(row.groups.map((old, k) => k === i ? next : old))} />
				${row.groups.length > 1 && html`<div><${Button} class="small"
					onClick=${() => set(row.groups.filter((_, k) => k !== i))}>Remove alternative ${i + 1}<//></div>`}`)}
			<div class="actions"><${Button} class="small"
				onClick=${() => set([...row.groups, [newRow("lifecycle_stage", names)]])}>Another alternative<//></div>
		</div>`;
}

const Exception = ({ row, put, names, depth }) => html`
	<div class="builder-groups" role="group" aria-label="Exception">
		<span class="soft">${row.rows.length > 1 ? "Not all of these together:" : "Not this:"}</span>
		<${Builder} label="What must not be" rows=${row.rows} names=${names} depth=${depth + 1}
			empty="An exception needs a condition." onChange=${(rows) => put({ ...row, rows })} />
	</div>`;

const Json = ({ row, put }) => html`
	<textarea class="builder-json" aria-label="Condition as JSON" rows="2" value=${row.text}
		onInput=${(event) => put({ ...row, text: event.target.value, kept: undefined })}></textarea>`;

const Select = ({ label, value, options, onChange }) => html`
	<select aria-label=${label} value=${value} onChange=${(event) => onChange(event.target.value)}>
		${options.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}</select>`;

/* What the tenant has not (yet), or has no longer, is offered where it stands. */
const namesWith = (list, value) => [...new Set([...list, ...[value].flat().filter(Boolean)])];

function Row({ row, put, names, only }) {
	const set = (changes) => put(changed(row, changes));
	const { kind } = fieldOf(row.field);
	const has = { milestone: names.milestones.length > 0, segment: names.segments.length > 0 };
	const fits = (field) => field === row.field || (only ? field === only : has[field] ?? true);
	const offered = Object.entries({ ...fields, ...others }).filter(([field]) => fits(field))
		.map(([field, { label }]) => [field, label]);
	const Input = (name, label, more) => html`
		<input aria-label=${label} value=${row[name]} onInput=${(event) => set({ [name]: event.target.value })}
			...${more} />`;
	const Op = () => html`
		<${Select} label="Test" value=${row.op} options=${operatorsOf(row)} onChange=${(op) => set({ op })} />`;
	const parts = {
		event: () => html`${Input("name", "Name of the event", { placeholder: "report_created", required: true })}${Op()}
			${Input("value", "Times", { type: "number", min: "0", required: true, class: "short" })}
			<span class="soft">times within</span>
			${Input("days", "Days", { type: "number", min: "1", class: "short", placeholder: "ever" })}
			<span class="soft">days</span>`,
		milestone: () => html`<${Select} label="Milestone" value=${row.value} onChange=${(value) => set({ value })}
			options=${namesWith(names.milestones, row.value).map((name) => [name, name])} />${Op()}`,
		segment: () => html`<span class="soft">is one of</span>
			<${Choice} of=${namesWith(names.segments, row.value)} value=${row.value} plain
				onChange=${(value) => set({ value })} />`,
		property: () => html`${Input("path", "Name of the property", { placeholder: "seats", required: true })}
			<${Select} label="Type" value=${row.type} onChange=${(type) => set({ type })}
				options=${[["text", "as text"], ["number", "as number"], ["flag", "as yes or no"]]} />${Op()}
			<${Value} row=${row} type=${row.type} set=${set} />`,
	};
	return html`
		<${Select} label="About" value=${row.field} options=${offered} onChange=${(field) => put(newRow(field, names))} />
		${parts[kind]?.() ?? html`${kind !== "flag" && Op()}<${Value} row=${row} type=${kind} set=${set} />`}`;
}

/* What is compared with: by the type, one or several. */
function Value({ row, type, set }) {
	if (isExistence(row.op))
		return null;
	const { of, kind, step = "any", min, max } = fieldOf(row.field);
	if (kind === "choice")
		return html`<${Choice} of=${of} value=${row.value} onChange=${(value) => set({ value })} />`;
	if (type === "flag")
		return html`<${Select} label="Value" value=${String(row.value)} options=${[["true", "yes"], ["false", "no"]]}
			onChange=${(value) => set({ value: value === "true" })} />`;
	if (isList(row.op))
		return html`<textarea aria-label="Values, one a line" rows=${Math.min(6, row.value.length + 1)} required
			value=${row.value.join("\n")} onChange=${(event) => set({ value: splitLines(event.target.value) })}></textarea>`;
	return html`<input aria-label="Value" value=${row.value} required
		onInput=${(event) => set({ value: event.target.value })}
		...${type === "number" ? { type: "number", step, min, max, class: "short" } : {}} />`;
}

function Choice({ of, value, onChange, plain }) {
	const id = useId();
	return html`<span class="chips" role="group" aria-label="Values">${of.map((word) => html`
		<label key=${word} for=${`${id}-${word}`}><input type="checkbox" id=${`${id}-${word}`} checked=${value.includes(word)}
			onChange=${(event) => onChange(event.target.checked ? [...value, word]
				: value.filter((other) => other !== word))} />${plain ? word : words(word)}</label>`)}</span>`;
}
