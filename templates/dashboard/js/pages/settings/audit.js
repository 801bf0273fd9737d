/* What people, keys and the batch changed, newest first, in words. */
import { useApi, usePages } from "../../data.js";
import { plain, words } from "../../format.js";
import { html } from "../../html.js";
import { useQuery } from "../../router.js";
import { Button, Card, Empty, Time } from "../../ui/basics.js";
import { useNames } from "../../ui/names.js";
import { Table } from "../../ui/table.js";

const actions = {
	"billing.checkout": "Went to the checkout", "billing.plan": "The plan changed", "customer.create": "Made a customer",
	"customer.erase": "Erased a customer", "customer.preferences": "Changed what a customer wants",
	"intervention.edit": "Edited a message",
	"intervention.flag": "Flagged a message", "intervention.refused": "Was refused a decision",
	"key.create": "Made an API key",
	"key.revoke": "Revoked an API key", "plan.set": "Set the plan", "playbook.create": "Made a playbook",
	"playbook.status": "Changed a playbook's state", "playbook.update": "Changed a playbook", "session.login": "Signed in",
	"session.logout": "Signed out", "session.password_reset": "Set a new password", "settings.brand": "Changed the brand",
	"settings.config": "Changed settings", "settings.copied": "Settings were copied here",
	"settings.copy": "Copied the settings",
	"settings.kill_switch": "Turned the kill switch", "settings.name": "Renamed the tenant",
	"settings.shadow_mode": "Turned shadow mode",
	"team.accept": "Joined the team", "team.invite": "Invited somebody", "team.remove": "Removed a member",
	"tenant.create": "Made the tenant",
	"team.revoke": "Withdrew an invitation", "team.role": "Changed a role", "webhook.create": "Added a webhook",
	"webhook.delete": "Deleted a webhook", "webhook.redeliver": "Sent a webhook again",
	"webhook.update": "Changed a webhook",
};
const actionName = (action) => actions[action] ?? words(action.replaceAll(".", " "));

const isId = (text) => /^[0-9a-f-]{36}$/.test(text);

/* What it was done to: by name, and with a link where there is a page of it. */
function useObjects(names) {
	const hooks = new Map((useApi("/api/webhooks/endpoints").data?.endpoints ?? []).map((one) => [one.id, one.url]));
	const books = new Map((useApi("/api/playbooks").data?.playbooks ?? []).map((book) => [book.id, book.name]));
	return ({ action, object }) => {
		if (!object)
			return "";
		const [kind] = action.split(".");
		const link = (href, text) => html`<a class="link" href=${href}>${text}</a>`;
		if (kind === "playbook")
			return link(`/playbooks/${object}`, books.get(object) ?? "A playbook");
		if (kind === "customer")
			return object === "erased" ? "An erased customer" : link(`/customers/${encodeURIComponent(object)}`, object);
		if (kind === "intervention")
			return link(`/interventions?status=all&selected=${object}`, "The message");
		if (hooks.has(object))
			return html`<span class="address">${hooks.get(object)}</span>`;
		const known = names.find(`${kind === "key" ? "key" : "person"}:${object}`);
		return known ?? (isId(object) ? html`<code title=${object}>${object.slice(0, 8)}…</code>` : object);
	};
}

const shown = (value) => value === null || value === undefined ? "nothing" : plain(value);

/* Only the members that differ: "status: draft → active" */
function changesOf({ before, after }) {
	const plainObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
	if (!plainObject(before ?? {}) || !plainObject(after ?? {}))
		return [["", before, after]];
	const keys = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
	return keys.map((key) => [key, before?.[key], after?.[key]])
		.filter(([, a, b]) => JSON.stringify(a) !== JSON.stringify(b));
}

function What({ row }) {
	const changes = changesOf(row);
	return html`${actionName(row.action)}${changes.length > 0 && html`
		<details><summary>${changes.map(([key]) => words(key)).slice(0, 3).join(", ")}${changes.length > 3 && ", …"}</summary>
			<ul class="list changes">${changes.map(([key, a, b]) => html`
				<li key=${key}><span><b>${words(key)}</b> <span class="faint">${shown(a)} →</span> ${shown(b)}</span></li>`)}</ul>
		</details>`}`;
}

/* A day of the reader's calendar as a moment; the end is the day after. */
const dayStart = (text, more = 0) => {
	if (!text)
		return null;
	const [year, month, date] = text.split("-").map(Number);
	return new Date(year, month - 1, date + more).toISOString();
};

const none = { actor: null, action: null, from: null, to: null };

export function Audit() {
	const [{ actor, action, from, to }, setQuery] = useQuery();
	const names = useNames();
	const objects = useObjects(names);
	const list = usePages("/api/audit", "audit", { actor, action, from: dayStart(from), to: dayStart(to, 1) });
	const set = (name) => (event) => setQuery({ [name]: event.target.value });
	const columns = [
		{ title: "When", cell: (row) => html`<${Time} at=${row.at} />` },
		{ title: "Who", cell: (row) => names(row.actor) },
		{ title: "What", class: "wrap", cell: (row) => html`<${What} row=${row} />` },
		{ title: "Of", class: "mid", cell: objects },
		{ title: "Sealed", class: "wide",
			cell: (row) => row.hash ? html`<code title=${row.hash}>${row.hash.slice(0, 10)}</code>` : "soon" },
	];
	const filtered = actor || action || from || to;
	return html`
		<div class="filters" role="group" aria-label="Filters">
			<select aria-label="Who" value=${actor ?? ""} onChange=${set("actor")}>
				<option value="">Everybody</option>
				${names.known.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}</select>
			<select aria-label="What" value=${action ?? ""} onChange=${set("action")}>
				<option value="">Everything</option>
				${Object.entries(actions).map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}</select>
			<label>From <input type="date" value=${from ?? ""} onChange=${set("from")} /></label>
			<label>Until <input type="date" value=${to ?? ""} onChange=${set("to")} /></label>
			${filtered && html`<${Button} onClick=${() => setQuery(none)}>Show all<//>`}
		</div>
		<${Card} title="Audit log" flush><${Table} label="Audit log" of=${list} columns=${columns}
			empty=${html`<${Empty} title=${filtered ? "Nothing like this was changed" : "Nothing was changed yet"} />`} /><//>`;
}
