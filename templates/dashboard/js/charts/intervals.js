/* Differences with their intervals around nought, one line each. */
import { html } from "../html.js";

const WIDTH = 400, HEIGHT = 22;
const points = (share) => `${share > 0 ? "+" : ""}${(share * 100).toFixed(1)}`;

/**
 * @param {object} props
 * @param {string} props.label
 * @param {Array<{ name: string, note: string, difference: number, low: number, high: number, tone: string }>} props.rows
 *   shares, −1 to 1
 */
export function Intervals({ label, rows }) {
	const reach = Math.max(0.05, ...rows.flatMap((row) => [Math.abs(row.low), Math.abs(row.high)])) * 1.05;
	const x = (share) => WIDTH / 2 + (share / reach) * (WIDTH / 2);
	return html`
		<div class="intervals" role="list" aria-label=${label}>
			${rows.map((row) => html`
				<div role="listitem" key=${row.name}>
					<span class="name"><b>${row.name}</b><span class="faint">${row.note}</span></span>
					<svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true" class=${row.tone}>
						<line class="zero" x1=${WIDTH / 2} x2=${WIDTH / 2} y1="0" y2=${HEIGHT} />
						<rect x=${x(row.low)} width=${Math.max(2, x(row.high) - x(row.low))} y="8" height="6" rx="3" />
						<rect class="dot" x=${x(row.difference) - 2} width="4" y="4" height="14" rx="2" />
					</svg>
					<span class="number">${points(row.difference)} points <span class="faint">(${points(row.low)} to ${points(row.high)})</span></span>
				</div>`)}
		</div>`;
}
