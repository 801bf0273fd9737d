/* Standing columns: how a whole is spread over bands. */
import { html } from "../html.js";
import { count, percent } from "../format.js";

/** @param {{ label: string, rows: Array<[name: string, value: number, colour: string]> }} props */
export function Columns({ label, rows }) {
	const most = Math.max(1, ...rows.map(([, value]) => value));
	const all = rows.reduce((sum, [, value]) => sum + value, 0);
	return html`
		<ul class="columns" aria-label=${label}>
			${rows.map(([name, value, colour]) => html`
				<li key=${name}>
					<span class="number"><b>${count(value)}</b> <span class="faint">${percent(all ? value / all : 0)}</span></span>
					<span class="stand" aria-hidden="true"><span style=${{ height: `${(value / most) * 100}%`, background: `var(--${colour})` }}></span></span>
					<span class="soft">${name}</span>
				</li>`)}
		</ul>`;
}
