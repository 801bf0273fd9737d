/* Lying bars: a name, its share of the largest, and the number itself. */
import { html } from "../html.js";
import { count } from "../format.js";

/** @param {{ label: string, rows: Array<[name: string, value: number, colour?: string]> }} props */
export function Bars({ label, rows }) {
	const most = Math.max(1, ...rows.map(([, value]) => value));
	return html`
		<div class="bars" role="group" aria-label=${label}>
			${rows.map(([name, value, colour]) => html`
				<span>${name}</span>
				<span class="track" aria-hidden="true"><span style=${{
					width: `${(value / most) * 100}%`, ...(colour && { background: `var(--${colour})` }),
				}}></span></span>
				<span class="number">${count(value)}</span>`)}
		</div>`;
}
