/* From an empty tenant to the first planned message, as a list of what is done. */
import { api } from "../api.js";
import { useApi } from "../data.js";
import { html, useEffect, useState } from "../html.js";
import { may } from "../session.js";
import { Button, Card, Icon } from "../ui/basics.js";
import { gateCloses } from "../ui/gates.js";
import { attempt } from "../ui/toast.js";

const POLL_MS = 10000;

export function Guide() {
	const settings = useApi("/api/settings");
	const tenant = settings.data?.tenant;
	return tenant && !tenant.onboardingCompleted && html`<${Steps} settings=${settings} />`;
}

function Steps({ settings }) {
	const sources = useApi("/api/connectors");
	const books = useApi("/api/playbooks");
	const messages = useApi("/api/interventions?limit=1");
	const asked = [settings, sources, books, messages];
	const known = asked.every((one) => one.data !== undefined);
	const config = settings.data?.tenant.config;
	const active = books.data?.playbooks.filter((one) => one.status === "active") ?? [];
	const steps = known ? [
		["Make an API key", "/settings/keys", settings.data.api_keys?.length > 0, "Your product sends events with it."],
		["Send the first event", "/settings/connectors", sources.data.connectors.some((one) => one.last_event_at),
			"Copy a snippet; the page shows when something arrives."],
		["Say what getting started means", "/settings/definitions", Boolean(config?.milestones?.length || config?.lifecycle),
			"Milestones and thresholds make the stages yours."],
		["Activate a playbook", "/playbooks", active.length > 0, "Take one of the library, or write your own."],
		["See the first message", "/interventions", messages.data.interventions.length > 0,
			active.length > 0 && messages.data.interventions.length === 0 ? html`<${WhyNone} book=${active[0]} />`
				: "The batch looks each minute. Nothing is sent before you approve it."],
	] : [];
	const done = steps.filter(([, , yes]) => yes).length;
	useEffect(() => {
		const timer = setInterval(() => asked.forEach((one) => one.reload()), POLL_MS);
		return () => clearInterval(timer);
	}, [settings.reload, sources.reload, books.reload, messages.reload]);
	const hide = () => attempt(async () => {
		await api("PATCH", "/api/settings", { onboardingCompleted: true });
		await settings.reload();
	});
	return known && html`
		<${Card} title="Getting started" actions=${html`<span class="soft">${done} of ${steps.length}</span>
			${may("admin") && html`<${Button} onClick=${hide}>${done === steps.length ? "Done" : "Hide this"}<//>`}`}>
			<div class="progress" role="progressbar" aria-label="Getting started" aria-valuemin="0" aria-valuemax=${steps.length}
				aria-valuenow=${done}><span style=${{ width: `${(done / steps.length) * 100}%` }}></span></div>
			<ol class="steps">${steps.map(([title, href, yes, text]) => html`
				<li key=${title} class=${yes ? "done" : ""}>
					<span class="mark" aria-hidden="true"><${Icon} name=${yes ? "check" : "circle"} /></span>
					<span><a class="link" href=${href}>${title}</a>${yes && html`<span class="visually-hidden"> (done)</span>`}
						<br /><span class="soft">${text}</span></span></li>`)}</ol>
		<//>`;
}

/* A playbook is active and nothing is planned: whom does it match, and what keeps it from them? */
function WhyNone({ book }) {
	const [matching, setMatching] = useState(null);
	useEffect(() => {
		api("POST", "/api/playbooks/preview-count", { entry_conditions: book.entry_conditions ?? {} })
			.then(setMatching, () => {});
	}, [book.id, book.version]);
	const first = matching?.customers[0];
	const why = useApi(first ? `/api/playbooks/${book.id}/why?user_id=${encodeURIComponent(first.user_id)}` : null).data;
	const link = (href, text) => html`<a class="link" href=${href}>${text}</a>`;
	if (!matching || (first && !why))
		return "The batch looks each minute. Nothing is sent before you approve it.";
	if (!first)
		return html`No customer meets the conditions of ${link(`/playbooks/${book.id}`, book.name)} yet.
			It writes as soon as one does.`;
	if (why.closed_by === null)
		return html`${book.name} matches ${first.name}: the batch looks each minute. Nothing is sent before you approve it.`;
	return html`${book.name} matches ${first.name}, but writes no message. ${gateCloses(why.closed_by)}${" "}
		${link(`/customers/${encodeURIComponent(first.user_id)}?why=${book.id}`, "See all gates")}`;
}
