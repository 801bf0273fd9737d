/* What people, keys and the batch changed, newest first. */
import { usePages } from "../../data.js";
import { html } from "../../html.js";
import { Card, Empty, Time } from "../../ui/basics.js";
import { Table } from "../../ui/table.js";

const columns = [
	{ title: "When", cell: (row) => html`<${Time} at=${row.at} />` }, { title: "What", cell: (row) => row.action },
	{ title: "Who", class: "wide", cell: (row) => row.actor }, { title: "Of", class: "mid", cell: (row) => row.object },
	{ title: "Sealed", class: "mid", cell: (row) => row.hash ? html`<code title=${row.hash}>${row.hash.slice(0, 10)}</code>` : "soon" },
];

export function Audit() {
	const list = usePages("/api/audit", "audit");
	return html`<${Card} title="Audit log" flush><${Table} label="Audit log" of=${list} columns=${columns} empty=${html`<${Empty} title="Nothing was changed yet" />`} /><//>`;
}
