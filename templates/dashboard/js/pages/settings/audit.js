/* What people, keys and the batch changed, newest first. */
import { useApi, usePages } from "../../data.js";
import { words } from "../../format.js";
import { html } from "../../html.js";
import { Card, Empty, Time } from "../../ui/basics.js";
import { Table } from "../../ui/table.js";

/* "person:<id>" → the name of who is still a member; ids are shown in short. */
const short = (id) => /^[0-9a-f-]{36}$/.test(id ?? "") ? html`<code title=${id}>${id.slice(0, 8)}…</code>` : id;

function actor(text, names) {
	const [kind, id] = text.split(":");
	return names.get(id) ?? html`${words(kind)}${id && html` ${short(id)}`}`;
}

const columnsOf = (names) => [
	{ title: "When", cell: (row) => html`<${Time} at=${row.at} />` }, { title: "What", cell: (row) => words(row.action.replaceAll(".", " ")) },
	{ title: "Who", cell: (row) => actor(row.actor, names) }, { title: "Of", class: "wide", cell: (row) => short(row.object) },
	{ title: "Sealed", class: "mid", cell: (row) => row.hash ? html`<code title=${row.hash}>${row.hash.slice(0, 10)}</code>` : "soon" },
];

export function Audit() {
	const list = usePages("/api/audit", "audit");
	const members = useApi("/api/team/members").data?.members ?? [];
	const names = new Map(members.map((one) => [one.user_id, one.name ?? one.email]));
	return html`<${Card} title="Audit log" flush><${Table} label="Audit log" of=${list} columns=${columnsOf(names)} empty=${html`<${Empty} title="Nothing was changed yet" />`} /><//>`;
}
