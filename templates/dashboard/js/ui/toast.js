/* Short news at the edge of the page, with the way back where there is one. */
import { html } from "../html.js";
import { store, useStore } from "../store.js";

const SHOWN_MS = 7000;
const toasts = store([]);
let last = 0;

const drop = (id) => toasts.set((list) => list.filter((toast) => toast.id !== id));

/** @param {{ tone?: string, undo?: Function, undoText?: string }} [options] */
export function toast(text, { tone = "plain", undo, undoText = "Undo" } = {}) {
	const id = ++last;
	toasts.set((list) => [...list.slice(-2), { id, text, tone, undo, undoText }]);
	setTimeout(drop, SHOWN_MS, id);
}

/** Runs work and tells what went wrong; answers whether it went well. */
export async function attempt(work) {
	try {
		await work();
		return true;
	} catch (error) {
		if (error.status !== 401)
			toast(error.message, { tone: "bad" });
		return false;
	}
}

export function Toasts() {
	return html`
		<div class="toasts" role="status" aria-live="polite">
			${useStore(toasts).map(({ id, text, tone, undo, undoText }) => html`
				<div class=${`toast ${tone}`} key=${id}>
					<span>${text}</span>
					${undo && html`<button type="button" onClick=${() => {
						drop(id);
						undo();
					}}>${undoText}</button>`}
				</div>`)}
		</div>`;
}
