/* Writing a playbook: whom it is for, with a live count; limits; what it says. */
import { api } from "../api.js";
import { useApi, useSettled } from "../data.js";
import { channelName, count, words } from "../format.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { navigate, useQuery } from "../router.js";
import { may } from "../session.js";
import { Badge, Button, Card, Empty, Load, Notice, Page } from "../ui/basics.js";
import { Builder, documentOf, namesOf, rowsOf } from "../ui/conditions.js";
import { Field, Submit, splitLines, useForm } from "../ui/form.js";
import { toast } from "../ui/toast.js";

const areas = [["", "None"],
	...["activation", "adoption", "retention", "expansion", "win_back"].map((area) => [area, words(area)])];
const channels = ["email", "in_app", "webhook", "crm"].map((name) => [name, channelName(name)]);
const blank = { name: "", entry_conditions: { lifecycle_stage: ["at_risk"] }, exit_conditions: {},
	constraints: { priority: 100, cooldown_days: 7 }, strategy_hints: {} };

export default function PlaybookEdit({ id }) {
	const [{ from }] = useQuery();
	const [round, setRound] = useState(0);
	const books = useApi(id ? "/api/playbooks" : null);
	const library = useApi(from ? "/api/playbooks/library" : null);
	const settings = useApi("/api/settings");
	const source = id ? books : from ? library : { data: {} };
	const book = id ? books.data?.playbooks.find((one) => one.id === id)
		: from ? library.data?.playbooks.find((one) => one.key === from) : blank;
	const reload = async () => {
		await books.reload();
		setRound(round + 1);
	};
	const back = id ? { href: `/playbooks/${id}`, text: book?.name ?? "Playbook" }
		: { href: "/playbooks", text: "Playbooks" };
	return html`
		<${Page} title=${id ? `Edit ${book?.name ?? "playbook"}` : "New playbook"} back=${back}>
			${!may("editor") ? html`<${Card}><${Empty} title="An editor can write playbooks" /><//>` : html`
			<${Load} of=${source} lines=${12}>${() => html`<${Load} of=${settings}>${({ tenant }) => book
				? html`<${Form} key=${round} book=${book} id=${id} config=${tenant.config ?? {}} reload=${reload} />`
				: html`<${Card}><${Empty} title="There is no such playbook" /><//>`}<//>`}<//>`}
		<//>`;
}

/* Fields ↔ constraints and hints; what has no field is kept. */
const number = (text) => text === "" || text === null || text === undefined ? undefined : Number(text);
const isEmpty = (value) => value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
const filled = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => !isEmpty(value)));

function valuesOf({ name, constraints: c = {}, strategy_hints: h = {} }) {
	return {
		name, priority: c.priority ?? "", cooldown_days: c.cooldown_days ?? "",
		max_per_customer: c.max_per_customer ?? "", max_per_day: c.max_per_day ?? "",
		holdout: Number(((c.holdout ?? 0.1) * 100).toFixed(4)), requires_approval: c.requires_approval ?? false,
		lifecycle_area: c.lifecycle_area ?? "", match_all: c.match_all ?? false,
		...Object.fromEntries(channels.map(([key]) =>
			[key, c.channels ? c.channels.includes(key) : ["email", "in_app"].includes(key)])),
		goal: h.goal ?? "", tone: h.tone ?? "", subject: h.subject ?? "", message: h.message ?? "", cta_url: h.cta_url ?? "",
		offers: (h.offers ?? []).join("\n"),
	};
}

const bodyOf = (book, v, entry, exit) => ({
	name: v.name, entry_conditions: documentOf(entry), exit_conditions: documentOf(exit),
	constraints: filled({ ...book.constraints, channels: orderOf(book, v), priority: number(v.priority),
		cooldown_days: number(v.cooldown_days), max_per_customer: number(v.max_per_customer),
		max_per_day: number(v.max_per_day),
		holdout: Number((Number(v.holdout) / 100).toFixed(6)), requires_approval: v.requires_approval || undefined,
		lifecycle_area: v.lifecycle_area, match_all: v.match_all || undefined }),
	strategy_hints: filled({ ...book.strategy_hints, goal: v.goal, tone: v.tone, subject: v.subject, message: v.message,
		cta_url: v.cta_url, offers: splitLines(v.offers) }),
});

/* The order of channels is the order of preference: what was there stays first. */
function orderOf(book, values) {
	const before = book.constraints?.channels ?? [];
	const others = channels.map(([key]) => key).filter((key) => !before.includes(key));
	return [...before, ...others].filter((key) => values[key]);
}

/* The fields of a playbook: [name, path, label, further properties] */
const hints = [
	["goal", "Goal", { hint: "One line, for the reasoning and for a model" }], ["tone", "Tone", {}],
	["subject", "Subject", { hint: "Of emails; other channels have none" }],
	["message", "Message", { rows: 8, hint: "{{first_name|there}} and other placeholders are filled for each customer. " +
		"Empty: a text of the area." }],
	["cta_url", "Link", { hint: "The only link that a message may hold, besides your own domains" }],
	["offers", "Offers", { rows: 2, hint: "One a line; no other may be made" }],
];
const limits = [
	["lifecycle_area", "Area", { options: areas }],
	["priority", "Priority", { type: "number", hint: "When several playbooks match, the highest one speaks" }],
	["cooldown_days", "Days until it writes to the same customer again", { type: "number", min: "0" }],
	["max_per_customer", "Messages a customer gets at most", { type: "number", min: "1" }],
	["max_per_day", "Messages a day at most", { type: "number", min: "1" }],
	["holdout", "Holdout (%)", { type: "number", min: "0", max: "100", step: "any", required: true,
		hint: "This share never gets it: lift is measured against them" }],
	["requires_approval", "A person approves each message", { type: "checkbox" }],
];

function Form({ book, id, config, reload }) {
	const [entry, setEntry] = useState(() => rowsOf(book.entry_conditions));
	const [exit, setExit] = useState(() => rowsOf(book.exit_conditions));
	const version = useRef(book.version);
	const names = namesOf(config);
	const form = useForm(valuesOf(book), async (values) => {
		const body = bodyOf(book, values, entry, exit);
		const saved = id ? await api("PUT", `/api/playbooks/${id}`, { ...body, version: version.current })
			: await api("POST", "/api/playbooks", body);
		toast(id ? "The playbook is saved." : "The playbook is a draft. Back-test it, then activate it.");
		navigate(`/playbooks/${saved.id}`, { saved: true });
	}, { guard: true });
	const edit = (set) => (rows) => {
		form.touch();
		set(rows);
	};
	const faults = (form.error?.details ?? []).filter(({ path }) => /^(entry|exit)_conditions/.test(path));
	const saveMine = () => {
		version.current = form.error.body.current;
		form.submit();
	};
	return html`
		<form class="detail" onSubmit=${form.submit}><div>
			${form.error?.code === "stale_version" && html`<${Stale} error=${form.error} load=${reload} keep=${saveMine} />`}
			<${Card}><${Field} form=${form} name="name" label="Name" required maxlength="200" /><//>
			<${Card} title="For whom"><div class="form">
				<${Builder} label="For whom" rows=${entry} onChange=${edit(setEntry)} names=${names}
					empty="Everybody: this has to be meant." />
				${entry.length === 0 && html`<${Field} form=${form} name="match_all" path="constraints.match_all"
					label="Yes, it is for everybody" type="checkbox" />`}
				${faults.map((fault) => html`<p class="error" key=${fault.path}>${fault.path}: ${fault.message}</p>`)}</div><//>
			<${Card} title="Done when"><${Builder} label="Done when" rows=${exit} onChange=${edit(setExit)} names=${names}
				empty="No condition ends it early." /><//>
			<${Card} title="What it says"><div class="form">${hints.map(([name, label, more]) => html`
				<${Field} key=${name} form=${form} name=${name} path=${`strategy_hints.${name}`} label=${label}
					...${more} />`)}</div><//>
		</div><div>
			<${Preview} rows=${entry} />
			<${Card} title="Limits"><div class="form">
				<fieldset class="form checks"><legend>Channels</legend>${channels.map(([key, label]) => html`
					<${Field} key=${key} form=${form} name=${key} path="constraints.channels" label=${label}
						type="checkbox" />`)}</fieldset>
				${limits.map(([name, label, more]) => html`
					<${Field} key=${name} form=${form} name=${name} path=${`constraints.${name}`} label=${label} ...${more} />`)}
			</div><//>
		</div>
		<div class="foot"><${Submit} form=${form}>${id ? "Save" : "Create the draft"}<//></div></form>`;
}

/* Somebody else saved first: nothing of either is lost without a word. */
const Stale = ({ error, load, keep }) => html`
	<${Notice} tone="bad"><p>Version ${error.body.current} was saved while you wrote. Yours is not saved yet.</p>
		<div class="actions"><${Button} onClick=${load}>Load version ${error.body.current}, drop mine<//>
			<${Button} kind="primary" onClick=${keep}>Save mine over it<//></div><//>`;

/* Who it would be now: counted while somebody builds. */
function Preview({ rows }) {
	let text = null, lacks = null;
	try {
		text = JSON.stringify(documentOf(rows));
	} catch (error) {
		lacks = error.message;
	}
	const settled = useSettled(text, 350);
	const [seen, setSeen] = useState({});
	useEffect(() => {
		if (settled === null)
			return undefined;
		const stop = new AbortController();
		api("POST", "/api/playbooks/preview-count", { entry_conditions: JSON.parse(settled) }, { signal: stop.signal })
			.then((data) => setSeen({ data }), (error) => error.name !== "AbortError" && setSeen({ error }));
		return () => stop.abort();
	}, [settled]);
	const { data, error } = seen;
	return html`
		<${Card} title="Matches now" actions=${data && text !== null &&
			html`<strong class="number big" role="status">${count(data.matching_users)}</strong>`}>
			${lacks && html`<p class="soft">${lacks}.</p>`}
			${!lacks && error && html`<${Notice} tone="warn">${error.details[0]
				? `${error.details[0].path}: ${error.details[0].message}` : error.message}<//>`}
			${!lacks && data && (data.customers.length === 0 ? html`<p class="soft">Nobody at the moment.</p>` : html`
				<ul class="list">${data.customers.slice(0, 8).map((one) => html`<li key=${one.user_id}>
					<a class="link" href=${`/customers/${encodeURIComponent(one.user_id)}`} target="_blank">${one.name}</a>
					<${Badge} value=${one.lifecycle_stage} /></li>`)}
					${data.matching_users > 8 && html`<li class="faint">and ${count(data.matching_users - 8)} more</li>`}</ul>`)}
			${!lacks && data && html`<details><summary>SQL</summary>
				<pre class="sql" tabindex="0" aria-label="SQL">${`${data.sql.text}\n\n${data.sql.parameters
					.map((one, i) => `$${i + 1} = ${JSON.stringify(one.value)}`).join("\n")}`}</pre></details>`}
		<//>`;
}
