/*
 * Dialogs are the browser's own: focus stays inside, Escape closes. `ask`
 * puts one question and answers what was entered, or null.
 */
import { html, useEffect, useRef, useState } from "../html.js";
import { store, useStore } from "../store.js";
import { Button, IconButton } from "./basics.js";

export function Dialog({ title, onClose, children, wide }) {
	const node = useRef();
	useEffect(() => {
		node.current.showModal();
	}, []);
	return html`
		<dialog ref=${node} class=${wide ? "wide" : ""} aria-label=${title} onClose=${onClose}
			onCancel=${(event) => {
				event.preventDefault();
				onClose();
			}}
			onClick=${(event) => event.target === node.current && onClose()}>
			<div class="dialog"><div class="dialog-head"><h2>${title}</h2>
				<${IconButton} icon="close" label="Close" onClick=${onClose} /></div>${children}</div>
		</dialog>`;
}

const question = store(null);

/**
 * @param {{ title: string, text?: string, action: string, danger?: boolean,
 *   input?: { label: string, value?: string, required?: boolean, rows?: number } }} what
 * @returns {Promise<string | true | null>} the text, true without input, null: no
 */
export const ask = (what) => new Promise((answer) => question.set({ ...what, answer }));

export function Questions() {
	const asked = useStore(question);
	return asked && html`<${Question} key=${asked.title} ...${asked} />`;
}

function Question({ title, text, action, danger, input, answer }) {
	const [value, setValue] = useState(input?.value ?? "");
	const end = (result) => {
		question.set(null);
		answer(result);
	};
	return html`
		<${Dialog} title=${title} onClose=${() => end(null)}>
			<form class="form" onSubmit=${(event) => {
				event.preventDefault();
				end(input ? value.trim() : true);
			}}>
				${text && html`<p class="soft">${text}</p>`}
				${input && html`
					<label class="field"><span>${input.label}</span>
						<textarea autofocus rows=${input.rows ?? 3} value=${value} required=${input.required ?? true}
							onInput=${(event) => {
								/* Blanks are no reason. */
								event.target.setCustomValidity(event.target.value && !event.target.value.trim() ? "Say it in words" : "");
								setValue(event.target.value);
							}}></textarea>
					</label>`}
				<div class="actions end">
					<${Button} autofocus=${!input} onClick=${() => end(null)}>Cancel<//>
					<${Button} type="submit" kind=${danger ? "danger-solid" : "primary"}>${action}<//>
				</div>
			</form>
		<//>`;
}
