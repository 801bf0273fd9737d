/* The playbooks, and whether they run. */
import { useApi } from "../data.js";
import { percent, words } from "../format.js";
import { html } from "../html.js";
import { useQuery } from "../router.js";
import { may } from "../session.js";
import { Badge, Card, Empty, Page, Tabs, Time } from "../ui/basics.js";
import { Table } from "../ui/table.js";

const columns = [
	{ title: "Playbook", cell: (book) => book.name },
	{ title: "State", cell: (book) => html`<${Badge} value=${book.status} />` },
	{ title: "Area", class: "wide", cell: (book) => words(book.lifecycle_area) },
	{ title: "Priority", class: "number mid", cell: (book) => book.constraints?.priority ?? 100 },
	{ title: "Success", class: "number", cell: (book) => book.success_rate === null ? html`<span class="faint" title="Not measured yet">–</span>` : percent(book.success_rate) },
	{ title: "Since", class: "mid", cell: (book) => html`<${Time} at=${book.status_changed_at} />` },
];

export default function Playbooks() {
	const [{ status }, setQuery] = useQuery();
	const list = useApi(`/api/playbooks${status ? `?status=${encodeURIComponent(status)}` : ""}`);
	return html`
		<${Page} title="Playbooks" actions=${html`<a class="button" href="/playbooks/backtest">Back-test all</a><a class="button" href="/playbooks/library">Library</a>
			${may("editor") && html`<a class="button primary" href="/playbooks/new">New playbook</a>`}`}>
			<${Tabs} label="State" value=${status ?? ""} onChange=${(next) => setQuery({ status: next })}
				items=${[["", "All"], ["active", "Active"], ["draft", "Draft"], ["paused", "Paused"], ["archived", "Archived"]]} />
			<${Card} flush><${Table} label="Playbooks" of=${{ ...list, rows: list.data?.playbooks }} columns=${columns}
				href=${(book) => `/playbooks/${book.id}`} empty=${html`<${Empty} title="No playbook here" action=${html`<a class="link" href="/playbooks/library">Take one of the library</a>`}>A playbook says whom to help, when, and how.<//>`} /><//>
		<//>`;
}
