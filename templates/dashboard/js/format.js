/* Numbers, times and the API's words as people read them. */

const number = new Intl.NumberFormat();
const shares = [0, 1].map((digits) => new Intl.NumberFormat(undefined,
	{ style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }));
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const utcDate = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short", month: "short", day: "numeric", year: "numeric" });
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const dayFromNow = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });
const fromNow = new Intl.RelativeTimeFormat(undefined, { numeric: "always", style: "narrow" });

export const count = (n) => number.format(n);
export const percent = (share, digits = 0) =>
	share === null || share === undefined ? "–" : shares[digits].format(share);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/* A date without a time is a UTC day wherever it is read. */
export const day = (text) => (String(text).length === 10 ? utcDate : date).format(new Date(text));
export const moment = (text) => dateTime.format(new Date(text));
/** The parts of a list by day: "Mon, Nov 2, 2026" and "2:35 PM". */
export const dayName = (text) => weekday.format(new Date(text));
export const clock = (text) => time.format(new Date(text));

const steps = [
	["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600],
	["minute", 60],
];

/** "3 days ago", "in 2 hours", "now" */
export function ago(text, now = Date.now()) {
	const seconds = (new Date(text).getTime() - now) / 1000;
	for (const [unit, length] of steps) {
		if (Math.abs(seconds) >= length)
			return (unit === "day" ? dayFromNow : fromNow).format(Math.trunc(seconds / length), unit);
	}
	return "just now";
}

export const ownZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

const city = (zone) => zone.split("/").at(-1).replaceAll("_", " ");

function inZone(text, zone, options) {
	if (!zone || zone === ownZone)
		return null;
	try {
		return new Intl.DateTimeFormat(undefined, { timeZone: zone, ...options }).format(new Date(text));
	} catch {
		return null;
	}
}

/** The same moment on the customer's clock: "Mon 22:20 in Tokyo". */
export function elsewhere(text, zone) {
	const there = inZone(text, zone, { weekday: "short", hour: "2-digit", minute: "2-digit" });
	return there && `${there} in ${city(zone)}`;
}

/** Only the clock: "22:20 there". */
export function clockThere(text, zone) {
	const there = inZone(text, zone, { timeStyle: "short" });
	return there && `${there} there`;
}

/** "at_risk" → "At risk" */
export function words(slug) {
	if (!slug)
		return "–";
	const text = slug.replaceAll("_", " ");
	return text[0].toUpperCase() + text.slice(1);
}

const channels = { email: "Email", in_app: "In the product", webhook: "Webhook", crm: "CRM", escalate: "For a person" };

/** A way to reach somebody, by its name. */
export const channelName = (channel) => channels[channel] ?? words(channel);

/** A value of a JSON document in one line. */
export const plain = (value) => typeof value === "string" ? value : JSON.stringify(value);
