/* All customers, by what matters: search, stage, risk, order. */
import { usePages, useSettled } from "../data.js";
import { words } from "../format.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { useQuery } from "../router.js";
import { Badge, Button, Card, Empty, Health, Page, Time } from "../ui/basics.js";
import { Table } from "../ui/table.js";
import { stages } from "./overview.js";

const choice = (values, every) => [["", every], ...values.map((value) => [value, words(value)])];
const orders = [["health", "Lowest health first"], ["-health", "Highest health first"],
	["-last_activity_at", "Last seen first"], ["name", "By name"]];

const columns = [
	{ title: "Customer", cell: (one) => one.name },
	{ title: "Company", class: "wide", cell: (one) => one.company ?? "" },
	{ title: "Stage", cell: (one) => html`<${Badge} value=${one.lifecycle_stage} />` },
	{ title: "Health", cell: (one) => html`<${Health} value=${one.health} />` },
	{ title: "Risk", class: "wide", cell: (one) => html`<${Badge} value=${one.risk_level} />` },
	{ title: "Last seen", class: "mid", cell: (one) => html`<${Time} at=${one.last_activity_at} zone=${one.timezone} />` },
	{ title: "Next", class: "mid", cell: (one) => one.next_action
		? `${words(one.next_action.status)}: ${one.next_action.playbook ?? "by hand"}` : "" },
];

export default function Customers() {
	const [{ search, stage, risk, sort = "health", find }, setQuery] = useQuery();
	const [text, setText] = useState(search ?? "");
	const box = useRef();
	const settled = useSettled(text);
	useEffect(() => {
		if (settled !== (search ?? ""))
			setQuery({ search: settled }, { replace: true });
	}, [settled]);
	useEffect(() => {
		/* The address changed by other hands: a link, or Back. */
		if (settled !== (search ?? ""))
			setText(search ?? "");
	}, [search]);
	useEffect(() => {
		if (find)
			box.current.focus();
	}, [find]);
	const list = usePages("/api/customers", "customers", { search, stage, risk, sort });
	const filtered = search || stage || risk;
	const pick = (name, value, label, options) => html`
		<select aria-label=${label} value=${value ?? ""} onChange=${(event) => setQuery({ [name]: event.target.value })}>
			${options.map(([key, shown]) => html`<option key=${key} value=${key}>${shown}</option>`)}</select>`;
	return html`
		<${Page} title="Customers" wide>
			<div class="filters">
				<input type="search" ref=${box} aria-label="Search customers" placeholder="Name, email, company or id"
					value=${text} onInput=${(event) => setText(event.target.value)} />
				${pick("stage", stage, "Stage", choice(stages, "Every stage"))}
				${pick("risk", risk, "Risk", choice(["low", "medium", "high", "critical"], "Every risk"))}
				${pick("sort", sort, "Order", orders)}
			</div>
			<${Card} flush><${Table} label="Customers" of=${list} columns=${columns}
				href=${(one) => `/customers/${encodeURIComponent(one.id)}`}
				empty=${html`<${Empty} title=${filtered ? "No customer matches" : "No customers yet"}
					action=${filtered && html`<${Button} onClick=${() => {
					setText("");
					setQuery({ search: null, stage: null, risk: null });
				}}>Show all<//>`}>${filtered ? "Another word or fewer filters may help."
					: "Customers appear with their first event."}<//>`} /><//>
		<//>`;
}
