/*
 * Counts by day, one band on the other, or as columns where each day stands
 * for itself. The numbers of a day show under the pointer, and all of them in
 * a table for who would rather read.
 */
import { html, useState } from "../html.js";
import { count, day } from "../format.js";
import { briefly, namedDays, shortDay, ticks, useWidth } from "./scale.js";

const HEIGHT = 180, LEFT = 40, TOP = 8, BOTTOM = 22;

/**
 * @param {object} props
 * @param {string} props.label
 * @param {string[]} props.days ISO dates, oldest first, two at least
 * @param {Array<{ name: string, colour: string, values: number[] }>} props.series
 * @param {boolean} [props.columns] a column a day, for what happens on a day
 */
export function Days({ label, days, series, columns }) {
	const [node, width] = useWidth();
	const [at, setAt] = useState(null);
	const steps = ticks(Math.max(1, ...days.map((_, i) => series.reduce((sum, one) => sum + one.values[i], 0))));
	const room = width - LEFT;
	const slot = room / days.length;
	const x = (i) => LEFT + (columns ? (i + 0.5) * slot : (i / (days.length - 1)) * room);
	const y = (value) => TOP + (HEIGHT - TOP) * (1 - value / steps.at(-1));
	const Shapes = columns ? Columns : Bands;
	const find = (event) => {
		const i = columns ? Math.floor((event.offsetX - LEFT) / slot) : Math.round(((event.offsetX - LEFT) / room) * (days.length - 1));
		setAt(Math.max(0, Math.min(days.length - 1, i)));
	};
	/* The last name keeps to the edge where it would run over it. */
	const ends = (i) => i === days.length - 1 && (!columns || slot < 60);
	const shown = at ?? days.length - 1;
	return html`
		<figure class="days" ref=${node}>
			<figcaption>
				<span class="faint">${day(days[shown])}</span>
				${series.map((one) => html`<span key=${one.name}><i style=${{ background: `var(--${one.colour})` }}></i>${one.name} <b>${count(one.values[shown])}</b></span>`)}
			</figcaption>
			<svg viewBox=${`0 0 ${width} ${HEIGHT + BOTTOM}`} width=${width} height=${HEIGHT + BOTTOM} role="img" aria-label=${label}
				onPointerMove=${find} onPointerLeave=${() => setAt(null)}>
				${steps.map((step) => html`<g key=${step}><line class="rule" x1=${LEFT} x2=${width} y1=${y(step)} y2=${y(step)} />
					<text x=${LEFT - 8} y=${y(step) + 4} text-anchor="end">${briefly(step)}</text></g>`)}
				<${Shapes} days=${days} series=${series} x=${x} y=${y} slot=${slot} at=${at} />
				${namedDays(days, room).map((i) => html`<text key=${days[i]} x=${ends(i) ? width : x(i)} y=${HEIGHT + 17}
					text-anchor=${ends(i) ? "end" : i === 0 && !columns ? "start" : "middle"}>${shortDay(days[i])}</text>`)}
				${at !== null && !columns && html`<line class="here" x1=${x(at)} x2=${x(at)} y1=${TOP} y2=${HEIGHT} />`}
			</svg>
			<details><summary>As a table</summary>
				<div class="table-scroll" tabindex="0" role="region" aria-label=${`${label}, table`}><table>
					<thead><tr><th scope="col">Day</th>${series.map((one) => html`<th scope="col" class="number" key=${one.name}>${one.name}</th>`)}</tr></thead>
					<tbody>${days.map((text, i) => html`<tr key=${text}><td>${day(text)}</td>${series.map((one) => html`<td class="number" key=${one.name}>${count(one.values[i])}</td>`)}</tr>`)}</tbody>
				</table></div></details>
		</figure>`;
}

/* Each series with where it begins and ends on every day. */
function stacked(days, series) {
	const base = days.map(() => 0);
	return series.map((one) => {
		const low = [...base];
		one.values.forEach((value, i) => {
			base[i] += value;
		});
		return { ...one, low, high: [...base] };
	});
}

function Bands({ days, series, x, y }) {
	return html`<g>${stacked(days, series).map(({ name, colour, low, high }) => {
		const up = high.map((value, i) => `${x(i)},${y(value)}`);
		const down = low.map((value, i) => `${x(i)},${y(value)}`).reverse();
		return html`<g key=${name} style=${{ fill: `var(--${colour})`, stroke: `var(--${colour})` }}>
			<polygon points=${[...up, ...down].join(" ")} /><polyline points=${up.join(" ")} /></g>`;
	})}</g>`;
}

function Columns({ days, series, x, y, slot, at }) {
	const wide = Math.max(1, Math.min(22, slot * 0.7));
	return html`<g>${stacked(days, series).map(({ name, colour, values, low, high }) => html`
		<g key=${name} style=${{ fill: `var(--${colour})` }}>${days.map((text, i) => values[i] > 0 && html`
			<rect key=${text} x=${x(i) - wide / 2} y=${y(high[i])} width=${wide} height=${Math.max(1, y(low[i]) - y(high[i]))} rx="1" opacity=${at === null || at === i ? 1 : 0.45} />`)}</g>`)}</g>`;
}
