/* What the drawn charts share: their width, round steps, short days, intervals. */
import { useEffect, useRef, useState } from "../html.js";

/** The width of a node as it changes, with the ref that it is read from. */
export function useWidth() {
	const node = useRef();
	const [width, setWidth] = useState(600);
	useEffect(() => {
		const watch = new ResizeObserver(([entry]) => setWidth(Math.max(120, entry.contentRect.width)));
		watch.observe(node.current);
		return () => watch.disconnect();
	}, []);
	return [node, width];
}

/** Round values from 0 up to the first that is not under `most`. */
export function ticks(most, wanted = 5) {
	const rough = Math.max(1, most / wanted);
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= rough && Number.isInteger(n));
	return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
}

const short = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });
const brief = new Intl.NumberFormat(undefined, { notation: "compact" });

/** "Nov 26" of an ISO date; "2K" of a count. */
export const shortDay = (text) => short.format(new Date(text));
export const briefly = (n) => brief.format(n);

/** Which days get a name below them: as many as there is room for, the last one too. */
export function namedDays(days, width) {
	const every = Math.max(1, Math.ceil(days.length / Math.max(2, Math.floor(width / 84))));
	return days.map((_, i) => i).filter((i) => (days.length - 1 - i) % every === 0);
}

/**
 * The 95 % interval of a share by Wilson's score method (E. B. Wilson, 1927),
 * which stays within 0 and 1 and holds for few cases too.
 */
export function wilson(good, all) {
	const z = 1.959964;
	const share = good / all, wide = z * z / all;
	const middle = (share + wide / 2) / (1 + wide);
	const half = z * Math.sqrt(share * (1 - share) / all + wide / (4 * all)) / (1 + wide);
	return [Math.max(0, middle - half), Math.min(1, middle + half)];
}
