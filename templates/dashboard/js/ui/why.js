/*
 * Why a customer gets, or does not get, a playbook's message: its conditions
 * one by one and its gates in order, the first that is closed marked.
 */
import { useApi } from "../data.js";
import { plain, words } from "../format.js";
import { html } from "../html.js";
import { Badge, Icon, Load, Notice, Time } from "./basics.js";
import { fieldOf } from "./condition_rows.js";
import { gateAsks, gateCloses } from "./gates.js";

const signs = {
	eq: "is", ne: "is not", gt: "over", gte: "at least", lt: "under", lte: "at most", in: "one of", nin: "none of",
	exists: "is known",
	contains: "contains", starts_with: "starts with", reached: "reached", not_reached: "not reached",
};

const listed = (value) => value === undefined || value === null ? "nothing" : [value].flat().map(plain).join(", ");
/* "entry_conditions.any[0].health.lt" → "Health" */
const aside = ["entry_conditions", "any", "all", "not", "count"];
const about = (path) => {
	const parts = path.replace(/\[\d+\]/g, "").split(".").filter((part) => !signs[part] && !aside.includes(part));
	return parts[0] === "properties" ? words(parts.slice(1).join(" "))
		: fieldOf(parts[0])?.label ?? words(parts.join(" "));
};

const Mark = ({ good }) => html`
	<${Icon} name=${good ? "check" : "close"} /><span class="visually-hidden">${good ? "Yes: " : "No: "}</span>`;

const Clause = ({ clause: { path, op, wanted, value, result } }) => html`
	<li class=${`check ${result ? "good" : "bad"}`}>
		<span><${Mark} good=${result} /> ${about(path)} ${signs[op] ?? op} <b>${listed(wanted)}</b>${
			value !== undefined && html` <span class="faint">it is ${listed(value)}</span>`}</span></li>`;

export const Clauses = ({ of }) => of.length === 0 ? html`<p class="soft">It is for everybody.</p>`
	: html`<ul class="list">${of.map((clause, i) => html`<${Clause} key=${i} clause=${clause} />`)}</ul>`;

/** The chain of gates; the first closed one is what keeps the message back. */
export function Gates({ of }) {
	const first = of.find((gate) => !gate.open)?.name;
	return html`<ol class="list">${of.map((gate) => html`
		<li key=${gate.name} class=${`check ${gate.open ? "good" : "bad"}`}
			aria-current=${gate.name === first ? "true" : undefined}>
			<span><${Mark} good=${gate.open} /> ${gate.name === first ? html`<b>${gateAsks(gate.name)}</b>`
				: gateAsks(gate.name)}
				${/\d/.test(gate.detail ?? "") && html` <span class="faint">${gate.detail}</span>`}</span>
			${gate.name === first && html`<${Badge} tone="bad">First closed<//>`}</li>`)}</ol>`;
}

/** @param {{ playbookId: string, userId: string, name?: string }} props */
export function Why({ playbookId, userId, name = "The customer" }) {
	const answer = useApi(`/api/playbooks/${playbookId}/why?user_id=${encodeURIComponent(userId)}`);
	return html`<${Load} of=${answer}>${(why) => html`<div class="form">
		${why.closed_by === null
			? html`<${Notice}>Every gate is open: ${name} gets this message when the batch looks next,
				unless another playbook comes first.<//>`
			: html`<${Notice} tone="warn">No message: ${gateCloses(why.closed_by)}<//>`}
		<h3>Conditions</h3><${Clauses} of=${why.clauses} />
		<h3>Gates, in order</h3><${Gates} of=${why.gates} />
		${why.last_intervention && html`<${Newest} of=${why.last_intervention} />`}
	</div>`}<//>`;
}

const Newest = ({ of: { id, status, planned_at, hold } }) => html`
	<p class="soft">Its newest message to them:${" "}
		<a class="link" href=${`/interventions?status=all&selected=${id}`}>${words(status)}</a>${" "}
		<${Time} at=${planned_at} />${hold && `. ${gateCloses(hold)}`}</p>`;
