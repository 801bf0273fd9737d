/*
 * Counts by day, one band on the other. The numbers of a day show under the
 * pointer, and all of them in a table for who would rather read.
 */
import { html, useEffect, useRef, useState } from "../html.js";
import { count, day } from "../format.js";

const HEIGHT = 180;

function useWidth() {
	const node = useRef();
	const [width, setWidth] = useState(600);
	useEffect(() => {
		const watch = new ResizeObserver(([entry]) => setWidth(entry.contentRect.width));
		watch.observe(node.current);
		return () => watch.disconnect();
	}, []);
	return [node, width];
}

/**
 * @param {object} props
 * @param {string} props.label
 * @param {string[]} props.days ISO dates, oldest first, two at least
 * @param {Array<{ name: string, colour: string, values: number[] }>} props.series
 */
export function Days({ label, days, series }) {
	const [node, width] = useWidth();
	const [at, setAt] = useState(null);
	const totals = days.map((_, i) => series.reduce((sum, one) => sum + one.values[i], 0));
	const most = Math.max(1, ...totals);
	const x = (i) => (i / (days.length - 1)) * width;
	const y = (value) => HEIGHT - (value / most) * HEIGHT;
	const base = days.map(() => 0);
	const bands = series.map((one) => {
		const low = [...base];
		one.values.forEach((value, i) => {
			base[i] += value;
		});
		const up = base.map((value, i) => `${x(i)},${y(value)}`);
		const down = low.map((value, i) => `${x(i)},${y(value)}`).reverse();
		return { ...one, points: [...up, ...down].join(" ") };
	});
	const shown = at ?? days.length - 1;
	return html`
		<figure class="days" ref=${node}>
			<svg viewBox=${`0 0 ${width} ${HEIGHT}`} width=${width} height=${HEIGHT} role="img" aria-label=${label}
				onPointerMove=${(event) => setAt(Math.round((event.offsetX / width) * (days.length - 1)))}
				onPointerLeave=${() => setAt(null)}>
				${bands.map((band) => html`<polygon key=${band.name} points=${band.points} style=${{ fill: `var(--${band.colour})` }} />`)}
				${at !== null && html`<line x1=${x(at)} x2=${x(at)} y1="0" y2=${HEIGHT} />`}
			</svg>
			<figcaption>
				<span class="faint">${day(days[shown])}</span>
				${series.map((one) => html`<span key=${one.name}><i style=${{ background: `var(--${one.colour})` }}></i>${one.name} <b>${count(one.values[shown])}</b></span>`)}
			</figcaption>
			<details><summary>As a table</summary>
				<div class="table-scroll" tabindex="0" role="region" aria-label=${`${label}, table`}><table>
					<thead><tr><th scope="col">Day</th>${series.map((one) => html`<th scope="col" class="number" key=${one.name}>${one.name}</th>`)}</tr></thead>
					<tbody>${days.map((text, i) => html`<tr key=${text}><td>${day(text)}</td>${series.map((one) => html`<td class="number" key=${one.name}>${count(one.values[i])}</td>`)}</tr>`)}</tbody>
				</table></div></details>
		</figure>`;
}
