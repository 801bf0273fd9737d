/*
 * Why a message was planned. The built-in planner writes its reasons in one
 * fixed form, which is shown as a list; any other text stays as it is.
 */
import { html } from "../html.js";
import { words } from "../format.js";

const signs = { eq: "is", ne: "is not", gt: "over", gte: "at least", lt: "under", lte: "at most", in: "one of", nin: "none of",
	contains: "contains", starts_with: "begins with" };

const read = (text) => {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
};
const shown = (value) => Array.isArray(value) ? value.map(shown).join(", ") : value === true ? "yes" : value === false ? "no" : typeof value === "number" ? String(Number(value.toFixed(2))) : typeof value === "string" ? words(value) : String(value);

/** { facts, rest } of the built-in planner's text, or null. A field tested twice is one fact. */
export function reasonsOf(text) {
	const [, list, rest] = /^Playbook "[^]*?" matches: ([^]*?)\. (The customer is [^]*)$/.exec(text ?? "") ?? [];
	const found = list?.split("; ").map((one) => /^(\S+) is (.+) \((\w+) (.+)\)$/.exec(one));
	if (!found?.every((one) => one && signs[one[3]]))
		return null;
	const facts = new Map();
	for (const [, path, value, op, wanted] of found) {
		const fact = facts.get(path) ?? { field: words(path.replace(/^properties\./, "")), value: shown(read(value)), wanted: [] };
		if (op !== "eq")
			fact.wanted.push(`${signs[op]} ${shown(read(wanted))}`);
		facts.set(path, fact);
	}
	return { facts: [...facts.values()], rest };
}

export function Reasoning({ text }) {
	const reasons = reasonsOf(text);
	if (!reasons)
		return html`<p>${text}</p>`;
	return html`
		<div class="form">
			<ul class="reasons">${reasons.facts.map((one) => html`
				<li key=${one.field}><span class="soft">${one.field}</span><span><b>${one.value}</b>${one.wanted.length > 0 && html` <span class="faint">wanted: ${one.wanted.join(" and ")}</span>`}</span></li>`)}</ul>
			<p>${reasons.rest.replace(/^The customer is at_risk/, "The customer is at risk")}</p>
		</div>`;
}
