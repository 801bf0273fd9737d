/* One playbook: whom it is for, how it speaks, what holds it back. */
import { api } from "../api.js";
import { useApi, usePages, useSettled } from "../data.js";
import { channelName, plain, percent, plural, words } from "../format.js";
import { html, useState } from "../html.js";
import { useQuery } from "../router.js";
import { may } from "../session.js";
import { Backtest } from "../ui/backtest.js";
import { Badge, Button, Card, Empty, Facts, Failure, Load, Page, Skeleton, Time } from "../ui/basics.js";
import { fieldOf } from "../ui/condition_rows.js";
import { ask } from "../ui/dialog.js";
import { Pager, Table } from "../ui/table.js";
import { attempt, toast } from "../ui/toast.js";
import { Why } from "../ui/why.js";

export default function Playbook({ id }) {
	const answer = useApi("/api/playbooks");
	const book = answer.data?.playbooks.find((one) => one.id === id);
	return html`
		<${Page} title=${book?.name ?? "Playbook"} back=${{ href: "/playbooks", text: "Playbooks" }}
			actions=${book && may("editor") && html`<${Actions} book=${book} reload=${answer.reload} />`}>
			<${Load} of=${answer}>${() => book ? html`<${Detail} book=${book} reload=${answer.reload} />`
				: html`<${Card}><${Empty} title="There is no such playbook" /><//>`}<//>
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
		if (await ask({ title: `Archive ${book.name}?`, text: "Its messages that are not sent yet are cancelled.",
			action: "Archive", danger: true }))
			await set("archived");
	};
	return html`
		<a class="button" href=${`/playbooks/${book.id}/edit`}>Edit</a>
		${book.status === "active" ? html`<${Button} icon="pause" onClick=${() => set("paused")}>Pause<//>`
			: html`<${Button} kind="primary" icon="check" onClick=${() => set("active")}>Activate<//>`}
		${book.status !== "archived" && html`<${Button} kind="danger" onClick=${archive}>Archive<//>`}`;
}

const pairs = (of, leaveOut = []) => Object.entries(of ?? {}).filter(([key]) => !leaveOut.includes(key))
	.map(([key, value]) => [words(key), list(value)]);

const limitNames = {
	channels: ["Channels", (value) => value.map(channelName).join(", ")], priority: ["Priority"],
	cooldown_days: ["Waits", (n) => `${plural(n, "day")} until it writes again`],
	max_per_customer: ["Per customer", (n) => `${plural(n, "message")} at most`],
	max_per_day: ["Per day", (n) => `${plural(n, "message")} at most`],
	holdout: ["Holdout", percent], min_confidence: ["Confidence", (share) => `${percent(share)} at least`],
	requires_approval: ["Approval", (yes) => yes ? "A person approves each one" : "As the tenant's mode says"],
	quiet_hours: ["Quiet hours", ({ start, end }) => `${start} to ${end}`],
	match_all: ["Everybody", (yes) => yes ? "Yes, it is meant so" : "No"],
};
const limitsOf = (constraints) => [...Object.keys(limitNames).filter((key) => key in constraints).map((key) => {
	const [name, text = list] = limitNames[key];
	return [name, text(constraints[key])];
}), ...pairs(constraints, ["lifecycle_area", ...Object.keys(limitNames)])];

function Detail({ book, reload }) {
	const hints = book.strategy_hints ?? {};
	return html`<div class="detail"><div>
			<${Matching} key=${book.version} book=${book} />
			<${Card} title="Done when"><${Clauses} of=${book.exit_conditions ?? {}} none="No condition ends it early." /><//>
			<${Card} title="What it says"><div class="form">${hints.subject &&
				html`<p class="subject"><span class="faint">Subject</span> <strong>${hints.subject}</strong></p>`}
				${hints.message ? html`<div class="message">${hints.message}</div>`
					: html`<p class="soft">The planner writes each message.</p>`}</div><//>
			<${WhyCard} book=${book} />
			<${Backtest} path=${`/api/playbooks/${book.id}/backtest`} /></div><div>
			<${Card} title="State"><${Facts} of=${[["State", html`<${Badge} value=${book.status} />`],
				["Since", html`<${Time} at=${book.status_changed_at} />`], ["Area", words(book.lifecycle_area)],
				["Success", percent(book.success_rate)], ["Version", book.version]]} /><//>
			<${Card} title="Limits"><${Facts} of=${limitsOf(book.constraints ?? {})} /><//>
			<${Card} title="How it speaks"><${Facts} of=${pairs(hints, ["subject", "message", "messages"])} /><//>
			<${Versions} book=${book} reload=${reload} /></div></div>`;
}

/* One customer is chosen; the answer has each condition and each gate. */
function WhyCard({ book }) {
	const [{ customer }, setQuery] = useQuery();
	const [text, setText] = useState("");
	const search = useSettled(text.trim());
	const found = useApi(search ? `/api/customers?limit=6&search=${encodeURIComponent(search)}` : null);
	const choose = (one) => {
		setText("");
		setQuery({ customer: one.id }, { replace: true });
	};
	return html`
		<${Card} title="Why, or why not" actions=${customer && html`
			<a class="link" href=${`/customers/${encodeURIComponent(customer)}?why=${book.id}`}>${customer}</a>`}>
			<div class="form">
				<label class="field"><span>Customer</span>
					<input value=${text} placeholder="Name, email, company or id"
						onInput=${(event) => setText(event.target.value)} /></label>
				${search && found.data && html`<ul class="list">${found.data.customers.map((one) => html`
					<li key=${one.id}><button type="button" class="link" onClick=${() => choose(one)}>${one.name}</button>
						<span class="faint">${one.id}</span></li>`)}
					${found.data.customers.length === 0 && html`<li class="soft">No customer matches.</li>`}</ul>`}
				${customer ? html`<${Why} key=${customer} playbookId=${book.id} userId=${customer} />`
					: html`<p class="soft">Choose a customer to see which conditions and gates are open to them.</p>`}
			</div><//>`;
}

const parts = ["name", "entry_conditions", "exit_conditions", "constraints", "strategy_hints"];
const differ = (a, b) => parts.filter((part) => JSON.stringify(a[part]) !== JSON.stringify(b[part]))
	.map((part) => words(part).toLowerCase());

/* Each as it was saved; going back saves it again as the newest. */
function Versions({ book, reload }) {
	const list = usePages(`/api/playbooks/${book.id}/versions`, "versions", {}, 10);
	const restore = async (one) => {
		if (await ask({ title: `Go back to version ${one.version}?`,
			text: `Its conditions, limits and texts are saved as version ${book.version + 1}.`, action: "Go back" }))
			await attempt(async () => {
				await api("PUT", `/api/playbooks/${book.id}`,
					{ ...Object.fromEntries(parts.map((part) => [part, one[part]])), version: book.version });
				await Promise.all([reload(), list.reload()]);
				toast(`Version ${one.version} is back.`);
			});
	};
	const rows = list.rows ?? [];
	return html`<${Card} title="Versions">
		${list.rows === undefined ? (list.error ? html`<${Failure} error=${list.error} retry=${list.reload} />`
			: html`<${Skeleton} />`) : html`
		<ul class="list">${rows.map((one, i) => html`<li key=${one.version}><span>
			<b>Version ${one.version}</b> <${Time} at=${one.created_at} />
			<br /><span class="faint">${rows[i + 1] ? `${differ(one, rows[i + 1]).join(", ") || "nothing"} changed`
				: one.version === 1 ? "created" : " "}</span></span>
			${one.version === book.version ? html`<span class="faint">in use</span>` : may("editor") &&
				html`<${Button} class="small" onClick=${() => restore(one)}>Go back<//>`}</li>`)}</ul>
		<${Pager} of=${list} />`}<//>`;
}

/* Counts and names those of now; the names when somebody asks for them. */
function Matching({ book }) {
	const path = `/api/playbooks/${book.id}/preview`;
	const first = useApi(`${path}?limit=1`);
	const [shown, setShown] = useState(false);
	const total = first.data?.matching_users;
	return html`
		<${Card} title="For whom" actions=${total !== undefined && html`
			<${Badge} tone="info">${plural(total, "customer")} match now<//>
			${total > 0 && html`<${Button} class="small" onClick=${() => setShown(!shown)}>${shown ? "Hide them" : "Who?"}<//>`}`}>
			${first.error && html`<p class="error">${first.error.message}</p>`}
			<${Clauses} of=${book.entry_conditions ?? {}} none="Everybody." />
			${shown && html`<${Who} path=${path} />`}
		<//>`;
}

const Who = ({ path }) => html`<${Table} label="Who matches now" of=${usePages(path, "customers", {}, 20)}
	keyOf=${(one) => one.user_id} href=${(one) => `/customers/${encodeURIComponent(one.user_id)}`} columns=${[
		{ title: "Customer", cell: (one) => one.name },
		{ title: "Stage", cell: (one) => html`<${Badge} value=${one.lifecycle_stage} />` },
		{ title: "Health", class: "number", cell: (one) => one.health },
		{ title: "Last seen", class: "wide", cell: (one) => html`<${Time} at=${one.last_activity_at} />` },
	]} empty=${html`<${Empty} title="Nobody matches now" />`} />`;

const signs = { eq: "is", ne: "is not", gt: "is over", gte: "is at least", lt: "is under", lte: "is at most",
	in: "is one of", nin: "is none of",
	exists: "is known:", contains: "contains", starts_with: "starts with", reached: "reached",
	not_reached: "not reached" };
const list = (value) => Array.isArray(value)
	? value.map((one) => typeof one === "string" ? words(one) : plain(one)).join(", ") : typeof value === "string"
		? value : plain(value);

/** A condition document as people read it. */
function Clauses({ of, none }) {
	const entries = Object.entries(of);
	if (entries.length === 0)
		return html`<p class="soft">${none}</p>`;
	return html`<ul class="clauses">${entries.map(([field, value]) =>
		html`<li key=${field}><${Clause} field=${field} value=${value} /></li>`)}</ul>`;
}

function Clause({ field, value }) {
	const groups = { any: "Any of", all: "All of", not: "Not" };
	if (groups[field])
		return html`${groups[field]}${[value].flat().map((one, i) => html`<${Clauses} key=${i} of=${one} />`)}`;
	if (field === "event")
		return html`Did <strong>${value.name ?? value}</strong>${value.count !== undefined &&
			` (count ${plain(value.count)})`}${value.within_days && ` within ${value.within_days} days`}`;
	const tests = value !== null && typeof value === "object" && !Array.isArray(value) ? Object.entries(value)
		: [[Array.isArray(value) ? "in" : "eq", value]];
	return html`${fieldOf(field)?.label ?? words(field)} ${tests.map(([op, wanted], i) =>
		html`${i > 0 && " and "}${signs[op] ?? op} <strong>${list(wanted)}</strong>`)}`;
}
