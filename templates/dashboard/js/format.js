/* Numbers, times and the API's words as people read them. */

const number = new Intl.NumberFormat();
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const fromNow = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });

export const count = (n) => number.format(n);
export const percent = (share, digits = 0) =>
	share === null || share === undefined ? "–" : `${(share * 100).toFixed(digits)} %`;
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export const day = (text) => date.format(new Date(text));
export const moment = (text) => dateTime.format(new Date(text));

const steps = [
	["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600],
	["minute", 60],
];

/** "3 days ago", "in 2 hours", "now" */
export function ago(text, now = Date.now()) {
	const seconds = (new Date(text).getTime() - now) / 1000;
	for (const [unit, length] of steps) {
		if (Math.abs(seconds) >= length)
			return fromNow.format(Math.trunc(seconds / length), unit);
	}
	return "just now";
}

export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The same moment on the customer's clock: "22:20, Tokyo". */
export function elsewhere(text, zone) {
	if (!zone || zone === ownZone)
		return null;
	try {
		const clock = new Intl.DateTimeFormat(undefined,
			{ timeZone: zone, weekday: "short", hour: "2-digit", minute: "2-digit" });
		return `${clock.format(new Date(text))} in ${zone.split("/").at(-1).replaceAll("_", " ")}`;
	} catch {
		return null;
	}
}

/** "at_risk" → "At risk" */
export function words(slug) {
	if (!slug)
		return "–";
	const text = slug.replaceAll("_", " ");
	return text[0].toUpperCase() + text.slice(1);
}

/** A value of a JSON document in one line. */
export const plain = (value) => typeof value === "string" ? value : JSON.stringify(value);
