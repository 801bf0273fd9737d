/* One playbook: whom it is for, how it speaks, what holds it back. */
import { api } from "../api.js";
import { useApi } from "../data.js";
import { plain, percent, plural, words } from "../format.js";
import { html, useEffect, useState } from "../html.js";
import { may } from "../session.js";
import { Badge, Button, Card, Empty, Facts, Load, Page } from "../ui/basics.js";
import { ask } from "../ui/dialog.js";
import { attempt, toast } from "../ui/toast.js";

export default function Playbook({ id }) {
	const answer = useApi("/api/playbooks");
	const book = answer.data?.playbooks.find((one) => one.id === id);
	return html`
		<${Page} title=${book?.name ?? "Playbook"} back=${{ href: "/playbooks", text: "Playbooks" }}
			actions=${book && may("editor") && html`<${Actions} book=${book} reload=${answer.reload} />`}>
			<${Load} of=${answer}>${() => book ? html`<${Detail} book=${book} />` : html`<${Card}><${Empty} title="There is no such playbook" /><//>`}<//>
		<//>`;
}

function Actions({ book, reload }) {
	const set = (status) => attempt(async () => {
		await api("PUT", `/api/playbooks/${book.id}/status`, { status });
		await reload();
		toast(`${book.name} is ${status}.`, book.status === "archived" ? {} : { undo: () => attempt(async () => {
			await api("PUT", `/api/playbooks/${book.id}/status`, { status: book.status });
			await reload();
		}) });
	});
	const archive = async () => {
		if (await ask({ title: `Archive ${book.name}?`, text: "Its messages that are not sent yet are cancelled.", action: "Archive", danger: true }))
			await set("archived");
	};
	return html`
		${book.status === "active" ? html`<${Button} icon="pause" onClick=${() => set("paused")}>Pause<//>`
			: html`<${Button} kind="primary" icon="check" onClick=${() => set("active")}>Activate<//>`}
		${book.status !== "archived" && html`<${Button} kind="danger" onClick=${archive}>Archive<//>`}`;
}

const pairs = (of, leaveOut = []) => Object.entries(of ?? {}).filter(([key]) => !leaveOut.includes(key)).map(([key, value]) => [words(key), list(value)]);

function Detail({ book }) {
	const hints = book.strategy_hints ?? {};
	return html`<div class="detail"><div>
			<${Matching} of=${book.entry_conditions ?? {}} />
			<${Card} title="Done when"><${Clauses} of=${book.exit_conditions ?? {}} none="No condition ends it early." /><//>
			<${Card} title="What it says">${hints.subject && html`<p><strong>${hints.subject}</strong></p>`}
				${hints.message ? html`<div class="message">${hints.message}</div>` : html`<p class="soft">The planner writes each message.</p>`}<//></div><div>
			<${Card} title="State"><${Facts} of=${[["State", html`<${Badge} value=${book.status} />`], ["Area", words(book.lifecycle_area)], ["Success", percent(book.success_rate)], ["Version", book.version]]} /><//>
			<${Card} title="Limits"><${Facts} of=${pairs(book.constraints, ["lifecycle_area"])} /><//>
			<${Card} title="How it speaks"><${Facts} of=${pairs(hints, ["subject", "message", "messages"])} /><//></div></div>`;
}

function Matching({ of }) {
	const [result, setResult] = useState({});
	useEffect(() => {
		let current = true;
		api("POST", "/api/playbooks/preview-count", { entry_conditions: of }).then(
			({ matching_users }) => current && setResult({ count: matching_users }),
			(error) => current && setResult({ error }));
		return () => {
			current = false;
		};
	}, [JSON.stringify(of)]);
	return html`
		<${Card} title="For whom" actions=${result.count !== undefined && html`<${Badge} tone="info">${plural(result.count, "customer")} match now<//>`}>
			${result.error && html`<p class="error">${result.error.message}</p>`}
			<${Clauses} of=${of} none="Everybody." />
		<//>`;
}

const signs = { eq: "is", ne: "is not", gt: "is over", gte: "is at least", lt: "is under", lte: "is at most", in: "is one of", nin: "is none of",
	exists: "is known:", contains: "contains", starts_with: "starts with", reached: "reached", not_reached: "not reached" };
const list = (value) => Array.isArray(value) ? value.map((one) => typeof one === "string" ? words(one) : plain(one)).join(", ") : typeof value === "string" ? value : plain(value);

/** A condition document as people read it. */
function Clauses({ of, none }) {
	const entries = Object.entries(of);
	if (entries.length === 0)
		return html`<p class="soft">${none}</p>`;
	return html`<ul class="clauses">${entries.map(([field, value]) => html`<li key=${field}><${Clause} field=${field} value=${value} /></li>`)}</ul>`;
}

function Clause({ field, value }) {
	const groups = { any: "Any of", all: "All of", not: "Not" };
	if (groups[field])
		return html`${groups[field]}${[value].flat().map((one, i) => html`<${Clauses} key=${i} of=${one} />`)}`;
	if (field === "event")
		return html`Did <strong>${value.name ?? value}</strong>${value.count !== undefined && ` (count ${plain(value.count)})`}${value.within_days && ` within ${value.within_days} days`}`;
	const tests = value !== null && typeof value === "object" && !Array.isArray(value) ? Object.entries(value) : [[Array.isArray(value) ? "in" : "eq", value]];
	return html`${words(field)} ${tests.map(([op, wanted], i) => html`${i > 0 && " and "}${signs[op] ?? op} <strong>${list(wanted)}</strong>`)}`;
}
