/* The small parts that every page is made of. */
import { classes, html, useEffect } from "../html.js";
import { ago, clockThere, elsewhere, moment, words } from "../format.js";
import { Icon } from "./icons.js";

export { Icon };

/** A page: its title in the tab and on top, what can be done, its content. */
export function Page({ title, back, note, actions, children, wide }) {
	useEffect(() => {
		document.title = `${title} – Retivo`;
	}, [title]);
	return html`
		<div class=${classes("page", wide && "wide")}>
			<div class="page-head">
				<div>
					${back && html`<a class="back" href=${back.href}><${Icon} name="left" />${back.text}</a>`}
					<h1 id="title" tabindex="-1">${title}</h1>
					${note && html`<p class="soft">${note}</p>`}
				</div>
				${actions && html`<div class="actions">${actions}</div>`}
			</div>
			${children}
		</div>`;
}

export function Button({ kind, icon, busy, children, class: extra, type = "button", ...rest }) {
	return html`
		<button type=${type} class=${classes("button", kind, extra)} disabled=${busy} ...${rest}>
			${icon && html`<${Icon} name=${icon} />`}${children}
		</button>`;
}

export const IconButton = ({ icon, label, ...rest }) => html`
	<button type="button" class="icon-button" aria-label=${label} title=${label} ...${rest}>
		<${Icon} name=${icon} />
	</button>`;

export function Card({ title, actions, children, flush, class: extra }) {
	return html`
		<section class=${classes("card", flush && "flush", extra)}>
			${title && html`
				<div class="card-head"><h2>${title}</h2>${actions && html`<div class="actions">${actions}</div>`}</div>`}
			${children}
		</section>`;
}

const tones = {
	good: ["active", "delivered", "sent", "positive", "handled", "low", "approved", "recovered", "sending"],
	warn: ["at_risk", "medium", "paused", "High", "high", "expired", "pending", "Medium", "shadow"],
	bad: ["churned", "critical", "failed", "rejected", "negative", "Critical"],
	info: ["planned", "onboarding", "new", "open", "delegated"],
};
const toneOf = (value) => Object.keys(tones).find((tone) => tones[tone].includes(value)) ?? "plain";

/** A word of the API with the colour of its meaning. */
export const Badge = ({ value, tone, children }) => html`
	<span class=${`badge ${tone ?? toneOf(value)}`}>${children ?? words(value)}</span>`;

/** Health 0–100: the number, and a bar for those who would rather look. */
export const Health = ({ value }) => html`
	<span class="health">
		<span class=${`health-bar ${value < 40 ? "bad" : value < 60 ? "warn" : "good"}`} aria-hidden="true">
			<span style=${{ width: `${value}%` }}></span>
		</span>
		<span class="number">${Math.round(value)}</span>
	</span>`;

/** Health as a bar of its colour, for where the number stands beside it. */
export const Meter = ({ share, tone = "chart" }) => html`
	<span class="track" aria-hidden="true"><span style=${{ width: `${share * 100}%`, background: `var(--${tone})` }}></span></span>`;

/**
 * "3 days ago" with the exact time in the reader's zone, and the customer's:
 * on hovering, or where it matters (`exact`, `beside`) to be read.
 */
export function Time({ at, zone, exact, beside }) {
	if (!at)
		return html`<span class="faint">never</span>`;
	const there = elsewhere(at, zone);
	const shown = exact ? there : beside && clockThere(at, zone);
	return html`
		<time datetime=${at} title=${moment(at) + (there ? ` · ${there}` : "")}>
			${exact ? moment(at) : ago(at)}${shown && html` <span class="faint there">${shown}</span>`}
		</time>`;
}

export const Skeleton = ({ lines = 4 }) => html`
	<div class="skeleton" role="status" aria-label="Loading">
		${Array.from({ length: lines }, (_, i) => html`<span key=${i}></span>`)}
	</div>`;

export const Empty = ({ title, children, action }) => html`
	<div class="empty"><strong>${title}</strong>${children && html`<p>${children}</p>`}${action}</div>`;

export const Failure = ({ error, retry }) => html`
	<div class="failure" role="alert">
		<strong>${error.status === 404 ? "This is not here" : "This could not be loaded"}</strong>
		<p>${error.status === 404 ? "It was deleted, or the address is wrong." : error.message}</p>
		${retry && error.status !== 404 && html`<${Button} onClick=${retry}>Try again<//>`}
	</div>`;

/** Loading, trouble or content: `<${Load} of=${useApi(…)}>${(data) => …}<//>` */
export function Load({ of, lines, children }) {
	if (of.data !== undefined)
		return children(of.data);
	return of.error ? html`<${Failure} error=${of.error} retry=${of.reload} />`
		: html`<${Skeleton} lines=${lines} />`;
}

/** Figures side by side, each with its name: [name, value, { href, note }] */
export const Tiles = ({ of }) => html`
	<div class="tiles">
		${of.map(([name, value, { href, note } = {}]) => {
			const inside = html`<span>${name}</span><strong>${value}</strong>${note && html`<small>${note}</small>`}`;
			return href ? html`<a class="tile" href=${href} key=${name}>${inside}</a>` : html`<div class="tile" key=${name}>${inside}</div>`;
		})}
	</div>`;

/** A list of names and values. */
export const Facts = ({ of }) => html`
	<dl class="facts">
		${of.filter(Boolean).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value ?? html`<span class="faint">–</span>`}</dd></div>`)}
	</dl>`;

export const Notice = ({ tone = "info", children, action }) => html`
	<div class=${`notice ${tone}`} role=${tone === "bad" ? "alert" : "note"}><div>${children}</div>${action}</div>`;

/** Links or buttons of which one is current. */
export const Tabs = ({ label, items, value, onChange }) => html`
	<div class="tabs" role="group" aria-label=${label}>
		${items.map(([key, text]) => html`
			<button type="button" key=${key} aria-pressed=${key === value ? "true" : "false"}
				onClick=${() => onChange(key)}>${text}</button>`)}
	</div>`;
