/*
 * Forms: `useForm` holds the values, sends them once at a time, and puts the
 * API's details beside the fields that they name.
 */
import { html, useId, useState } from "../html.js";
import { Button } from "./basics.js";
import { useDirty } from "./dirty.js";

/**
 * @param {object} initial values by field name
 * @param {(values: object) => Promise<void>} send throws ApiError
 * @param {{ guard?: boolean }} [options] guard: ask before changes are left behind
 */
export function useForm(initial, send, { guard = false } = {}) {
	const [values, setValues] = useState(initial);
	const [touched, setTouched] = useState(false);
	const [busy, setBusy] = useState(false);
	const [error, setError] = useState(null);
	useDirty(guard && touched);
	const submit = async (event) => {
		event?.preventDefault();
		if (busy)
			return;
		setBusy(true);
		setError(null);
		try {
			await send(values);
			setTouched(false);
		} catch (problem) {
			setError(problem);
		}
		setBusy(false);
	};
	const faults = (error?.details ?? []).map(({ path, message }) => ({ path, message }));
	return {
		values, busy, error, submit, touched,
		/** Something beside the fields was changed. */
		touch: () => setTouched(true),
		set: (name, value) => {
			setTouched(true);
			setValues((old) => ({ ...old, [name]: value }));
		},
		reset: (next = initial) => {
			setValues(next);
			setTouched(false);
			setError(null);
		},
		faultsOf: (path) => faults.filter((fault) => fault.path === path || fault.path.startsWith(`${path}.`) ||
			fault.path.startsWith(`${path}[`)),
	};
}

/**
 * One field with its label, hint and faults. `path` is the API's name of it
 * where that is not `name`, `also` one whose faults are shown here too; `options` makes a select: [[value, text], …].
 */
export function Field({ form, name, path = name, also, label, hint, type = "text", options, rows, ...rest }) {
	const id = useId();
	const faults = [...form.faultsOf(path), ...form.faultsOf(also).filter((fault) => fault.path === also)];
	const told = (fault) => fault.path === path || fault.path === also ? fault.message
		: `${fault.path.slice(path.length + 1)}: ${fault.message}`;
	const shared = {
		id, name, value: form.values[name] ?? "",
		"aria-invalid": faults.length > 0 ? "true" : undefined,
		"aria-describedby": hint || faults.length > 0 ? `${id}-note` : undefined,
		...rest,
	};
	const change = (event) => form.set(name, event.target.value);
	if (type === "checkbox")
		return html`
			<div class="field check">
				<input id=${id} type="checkbox" checked=${Boolean(form.values[name])} ...${rest}
					onChange=${(event) => form.set(name, event.target.checked)} />
				<label for=${id}>${label}</label>
				${hint && html`<p class="hint">${hint}</p>`}
			</div>`;
	return html`
		<div class="field">
			<label for=${id}>${label}</label>
			${options ? html`<select ...${shared} onChange=${change}>${options.map(([value, text]) => html`
					<option key=${value} value=${value}>${text}</option>`)}</select>`
				: rows ? html`<textarea ...${shared} rows=${rows} onInput=${change}></textarea>`
					: html`<input ...${shared} type=${type} onInput=${change} />`}
			${(hint || faults.length > 0) && html`<p class=${faults.length > 0 ? "hint error" : "hint"} id=${`${id}-note`}>
				${faults.length > 0 ? faults.map(told).join("; ") : hint}</p>`}
		</div>`;
}

/** A fault that the form finds itself, as the API would tell it. */
export const faultAt = (path, message) => Object.assign(new Error("Some of it is not right yet."),
	{ details: [{ path, message }] });

/** What belongs to no field, and the button. */
export const Submit = ({ form, children, kind = "primary", whenTouched = false }) => html`
	<div class="submit">
		${form.error && html`<p class="error" role="alert">${form.error.message}</p>`}
		<${Button} type="submit" kind=${kind} busy=${form.busy || (whenTouched && !form.touched)}>${children}<//>
	</div>`;

/** Lines ↔ a list */
export const splitLines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
