/* How many came to each step, and which share of the step before that is. */
import { html } from "../html.js";
import { count, percent } from "../format.js";

/** @param {{ label: string, rows: Array<[name: string, value: number, colour?: string]> }} props the widest first */
export function Funnel({ label, rows }) {
	const most = Math.max(1, rows[0][1]);
	return html`
		<ol class="funnel" aria-label=${label}>
			${rows.map(([name, value, colour = "chart"], i) => html`
				<li key=${name}>
					<span>${name}</span>
					<span class="track" aria-hidden="true"><span style=${{ width: `${(value / most) * 100}%`, background: `var(--${colour})` }}></span></span>
					<span class="number"><b>${count(value)}</b></span>
					<span class="number faint">${i === 0 ? "" : percent(rows[i - 1][1] ? value / rows[i - 1][1] : 0)}${i > 0 && html`<span class="visually-hidden"> of the step before</span>`}</span>
				</li>`)}
		</ol>`;
}
