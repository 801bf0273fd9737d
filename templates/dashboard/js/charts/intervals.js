/* Figures with their 95 % intervals on one common scale, one line each. */
import { html } from "../html.js";
import { percent } from "../format.js";

const signed = (share) => `${share > 0 ? "+" : ""}${(share * 100).toFixed(1)}`;
const kinds = {
	/* Around nought, in percentage points. */
	difference: { from: (reach) => -reach, text: ({ value, low, high }) => html`${signed(value)} points <span class="faint">(${signed(low)} to ${signed(high)})</span>`, mark: (at) => signed(at) },
	share: { from: () => 0, text: ({ value, low, high }) => html`${percent(value)} <span class="faint">(${percent(low)} to ${percent(high)})</span>`, mark: (at) => percent(at) },
};

/**
 * @param {object} props
 * @param {string} props.label
 * @param {"difference" | "share"} props.kind
 * @param {Array<{ key: string, name, note: string, tone: string, value?: number, low: number, high: number, end? }>} props.rows
 *   shares, −1 to 1; without a value there is no bar; end stands last
 */
export function Intervals({ label, kind, rows }) {
	const { from, text, mark } = kinds[kind];
	const most = Math.max(0.1, ...rows.filter((row) => row.value !== undefined).flatMap((row) => [Math.abs(row.low), Math.abs(row.high)]));
	const reach = Math.min(1, Math.ceil(most * 10 + 0.2) / 10);
	const start = from(reach);
	const x = (share) => `${((share - start) / (reach - start)) * 100}%`;
	const marks = [start, (start + reach) / 2, reach];
	return html`
		<div class="intervals" role="list" aria-label=${label}>
			${rows.map((row) => html`
				<div role="listitem" key=${row.key}>
					<span class="name">${row.name}<span class="faint">${row.note}</span></span>
					<span class=${`range ${row.tone}`} aria-hidden="true">
						<i class="zero" style=${{ left: x(kind === "difference" ? 0 : start) }}></i>
						${row.value !== undefined && html`<i class="span" style=${{ left: x(row.low), right: `calc(100% - ${x(row.high)})` }}></i><i class="dot" style=${{ left: x(row.value) }}></i>`}
					</span>
					<span class="number">${row.value === undefined ? "" : text(row)}</span>
					<span class="end">${row.end}</span>
				</div>`)}
			<div class="axis" aria-hidden="true"><span></span><span class="marks">${marks.map((at) => html`<span key=${at}>${mark(at)}</span>`)}</span></div>
		</div>`;
}
