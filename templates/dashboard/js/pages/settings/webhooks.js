/* Where Retivo tells what happens, and what became of each call. */
import { api } from "../../api.js";
import { useApi, usePages } from "../../data.js";
import { html, useState } from "../../html.js";
import { Badge, Button, Card, Empty, Notice, Time } from "../../ui/basics.js";
import { ask } from "../../ui/dialog.js";
import { Field, Submit, useForm } from "../../ui/form.js";
import { Table } from "../../ui/table.js";
import { attempt, toast } from "../../ui/toast.js";

export function Webhooks() {
	const list = useApi("/api/webhooks/endpoints");
	const [shown, setShown] = useState(null);
	const [secret, setSecret] = useState(null);
	const form = useForm({ url: "", description: "" }, async (values) => {
		const { endpoint } = await api("POST", "/api/webhooks/endpoints", values);
		setSecret(endpoint.secret);
		form.reset();
		await list.reload();
	});
	const test = (one) => attempt(async () => {
		const { test: result } = await api("POST", `/api/webhooks/endpoints/${one.id}/test`, {});
		toast(result.simulated ? "Test mode: nothing was sent." : result.success ? `It answered ${result.status}.` : `It failed: ${result.error ?? result.status}`, { tone: result.success ? "plain" : "bad" });
	});
	const remove = async (one) => {
		if (await ask({ title: "Delete this endpoint?", text: one.url, action: "Delete", danger: true }))
			await attempt(async () => {
				await api("DELETE", `/api/webhooks/endpoints/${one.id}`);
				setShown(null);
				await list.reload();
			});
	};
	return html`
		${secret && html`<${Card} title="Its signing secret"><div class="form"><${Notice} tone="warn">Copy it now: it is not shown again.<//><pre tabindex="0">${secret}</pre></div><//>`}
		<${Card} title="Endpoints" flush><${Table} stack label="Endpoints" of=${{ ...list, rows: list.data?.endpoints }} empty=${html`<${Empty} title="No endpoint yet">Retivo posts each change of a customer, each message and each outcome to your endpoints, signed.<//>`}
			columns=${[{ title: "Address", cell: (one) => one.url }, { title: "State", cell: (one) => html`<${Badge} value=${one.active ? "active" : "failed"}>${one.active ? "Active" : "Disabled"}<//>` }]}
			actions=${(one) => html`<${Button} class="small" onClick=${() => setShown(one)}>Deliveries<//><${Button} class="small" onClick=${() => test(one)}>Test<//><${Button} class="small" kind="danger" onClick=${() => remove(one)}>Delete<//>`} /><//>
		${shown && html`<${Deliveries} key=${shown.id} of=${shown} />`}
		<${Card} title="New endpoint"><form class="form narrow" onSubmit=${form.submit}>
			<${Field} form=${form} name="url" label="Address" type="url" required placeholder="https://" /><${Field} form=${form} name="description" label="What it is for" maxlength="500" />
			<${Submit} form=${form}>Add the endpoint<//></form><//>`;
}

function Deliveries({ of }) {
	const path = `/api/webhooks/endpoints/${of.id}/deliveries`;
	const list = usePages(path, "deliveries", {}, 20);
	const again = (one) => attempt(async () => {
		await api("POST", `${path}/${one.id}/redeliver`);
		await list.reload();
		toast("It is sent again with the next run.");
	});
	return html`<${Card} title=${`Deliveries to ${of.url}`} flush><${Table} stack label="Deliveries" of=${list} empty=${html`<${Empty} title="Nothing was sent yet" />`}
		columns=${[{ title: "Event", cell: (one) => one.type }, { title: "State", cell: (one) => html`<${Badge} value=${one.status} />` },
			{ title: "Answer", cell: (one) => one.last_status ?? one.last_error ?? "–" }, { title: "Tries", class: "number", cell: (one) => one.attempts }, { title: "Made", class: "mid", cell: (one) => html`<${Time} at=${one.created_at} />` }]}
		actions=${(one) => html`<${Button} class="small" onClick=${() => again(one)}>Send again<//>`} /><//>`;
}
