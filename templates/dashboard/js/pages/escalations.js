/* Cases that a person has to look at. */
import { api } from "../api.js";
import { usePages } from "../data.js";
import { html } from "../html.js";
import { useQuery } from "../router.js";
import { may } from "../session.js";
import { Badge, Button, Card, Empty, Page, Tabs, Time } from "../ui/basics.js";
import { ask } from "../ui/dialog.js";
import { Table } from "../ui/table.js";
import { attempt, toast } from "../ui/toast.js";

const columns = [
	{ title: "Customer", cell: (one) => one.customer_name ?? one.user_id },
	{ title: "Severity", cell: (one) => html`<${Badge} value=${one.severity} />` },
	{ title: "What to do", class: "wrap", cell: (one) => one.action_taken ?? one.suggested_action ?? one.reasoning },
	{ title: "State", cell: (one) => html`<${Badge} value=${one.status} />` },
	{ title: "Raised", class: "mid", cell: (one) => html`<${Time} at=${one.created_at} />` },
];

export default function Escalations() {
	const [{ status = "open" }, setQuery] = useQuery();
	const list = usePages("/api/escalations", "escalations", { status: status === "all" ? null : status });
	const put = (one, verb, body, text) => attempt(async () => {
		await api("PUT", `/api/escalations/${one.id}/${verb}`, body);
		await list.reload();
		toast(text);
	});
	const handle = async (one) => {
		const action_taken = await ask({ title: "Handle this case", text: one.reasoning, action: "Handled", input: { label: "What did you do?" } });
		if (action_taken)
			await put(one, "handle", { action_taken }, "The case is handled.");
	};
	return html`
		<${Page} title="Escalations" note="Cases in which a person does more than a message." wide>
			<${Tabs} label="State" value=${status} onChange=${(next) => setQuery({ status: next })}
				items=${[["open", "Open"], ["handled", "Handled"], ["delegated", "Delegated"], ["all", "All"]]} />
			<${Card} flush><${Table} stack label="Escalations" of=${list} columns=${status === "all" ? columns : columns.filter((one) => one.title !== "State")} href=${(one) => `/customers/${encodeURIComponent(one.user_id)}`}
				actions=${may("editor") && status === "open" && ((one) => html`
					<${Button} class="small" onClick=${() => handle(one)}>Handled<//> <${Button} class="small" onClick=${() => put(one, "delegate", { channel: "email" }, "A mail is planned and waits in the queue.")}>Write a mail<//>`)}
				empty=${html`<${Empty} title=${status === "open" ? "No open case" : "No case here"}>Playbooks raise one where a message is not enough.<//>`} /><//>
		<//>`;
}
