/* Where Retivo tells what happens, and what became of each call. */
import { api } from "../../api.js";
import { useApi, usePages } from "../../data.js";
import { count, plural } from "../../format.js";
import { html, useState } from "../../html.js";
import { Badge, Button, Card, Empty, Notice, Time } from "../../ui/basics.js";
import { ask, Dialog } from "../../ui/dialog.js";
import { mayDrop } from "../../ui/dirty.js";
import { Field, Submit, useForm } from "../../ui/form.js";
import { Table } from "../../ui/table.js";
import { attempt, toast } from "../../ui/toast.js";

const events = [
	["intervention.delivered", "A message was delivered"], ["user.stage_changed", "A customer's stage changed"],
	["user.risk_changed", "A customer's risk changed"], ["decision.recommended", "A decision was made"],
	["outcome.recorded", "An outcome was measured"],
];

const valuesOf = (one) => ({
	url: one?.url ?? "", description: one?.description ?? "",
	...Object.fromEntries(events.map(([key]) => [key, one?.subscribed_events?.includes(key) ?? true])),
});

/* All of them are "every event", those of later versions too. */
function bodyOf(values) {
	const chosen = events.map(([key]) => key).filter((key) => values[key]);
	if (chosen.length === 0)
		throw new Error("Choose an event at least.");
	return { url: values.url, description: values.description, events: chosen.length === events.length ? [] : chosen };
}

function EndpointForm({ of, send, children }) {
	const form = useForm(valuesOf(of), async (values) => {
		await send(bodyOf(values));
		if (!of)
			form.reset(valuesOf());
	}, { guard: true });
	return html`<form class="form narrow" onSubmit=${form.submit}>
		<${Field} form=${form} name="url" label="Address" type="url" required placeholder="https://" />
		<${Field} form=${form} name="description" label="What it is for" maxlength="500" />
		<fieldset class="form checks"><legend>Events</legend>${events.map(([key, text]) => html`
			<${Field} key=${key} form=${form} name=${key} path="events" label=${text} type="checkbox" />`)}</fieldset>
		<${Submit} form=${form}>${children}<//></form>`;
}

export function Webhooks() {
	const list = useApi("/api/webhooks/endpoints");
	const [shown, setShown] = useState(null);
	const [edited, setEdited] = useState(null);
	const [secret, setSecret] = useState(null);
	const [tested, setTested] = useState(null);
	const put = (one, body, text) => async () => {
		await api("PUT", `/api/webhooks/endpoints/${one.id}`, body);
		await list.reload();
		toast(text);
	};
	const create = async (body) => {
		const { endpoint } = await api("POST", "/api/webhooks/endpoints", body);
		setSecret(endpoint.secret);
		await list.reload();
	};
	const save = async (body) => {
		await put(edited, body, "The endpoint is saved.")();
		setEdited(null);
	};
	const test = (one) => attempt(async () => {
		const answer = await api("POST", `/api/webhooks/endpoints/${one.id}/test`, {});
		setTested({ url: one.url, at: new Date().toISOString(), ...answer.test });
	});
	const remove = async (one) => {
		if (await ask({ title: "Delete this endpoint?", text: one.url, action: "Delete", danger: true }))
			await attempt(async () => {
				await api("DELETE", `/api/webhooks/endpoints/${one.id}`);
				setShown(null);
				await list.reload();
			});
	};
	const act = (one) => html`
		<${Button} class="small" onClick=${() => setShown(one)}>Deliveries<//>
		<${Button} class="small" onClick=${() => test(one)}>Test<//>
		<${Button} class="small" onClick=${() => setEdited(one)}>Edit<//>
		${!one.active && html`<${Button} class="small" kind="primary"
			onClick=${() => attempt(put(one, {}, "The endpoint is active again."))}>Enable<//>`}
		<${Button} class="small" kind="danger" onClick=${() => remove(one)}>Delete<//>`;
	return html`
		${secret && html`<${Card} title="Its signing secret"><div class="form">
			<${Notice} tone="warn">Copy it now: it is not shown again.<//><pre tabindex="0">${secret}</pre></div><//>`}
		${tested && html`<${Result} of=${tested} close=${() => setTested(null)} />`}
		<${Card} title="Endpoints" flush><${Table} stack label="Endpoints" of=${{ ...list, rows: list.data?.endpoints }}
			empty=${html`<${Empty} title="No endpoint yet">
				Retivo posts each change of a customer, each message and each outcome to your endpoints, signed.<//>`}
			columns=${[
				{ title: "Address", class: "wrap", cell: (one) => html`<span class="address">${one.url}</span>` },
				{ title: "Events", cell: (one) => one.subscribed_events ? plural(one.subscribed_events.length, "event") : "All" },
				{ title: "State", cell: (one) => html`
					<${Badge} value=${one.active ? "active" : "failed"}>${one.active ? "Active" : "Disabled"}<//>` },
			]} actions=${act} /><//>
		${shown && html`<${Deliveries} key=${shown.id} of=${shown} />`}
		${edited && html`<${Dialog} title="Edit the endpoint" onClose=${async () => await mayDrop() && setEdited(null)}>
			${!edited.active && html`<p class="soft">Saving makes it active again.</p>`}
			<${EndpointForm} of=${edited} send=${save}>Save<//><//>`}
		<${Card} title="New endpoint"><${EndpointForm} send=${create}>Add the endpoint<//><//>`;
}

/* A test stands in no log: it is answered here. */
const Result = ({ of, close }) => html`
	<${Notice} tone=${of.success ? "info" : "bad"} action=${html`<${Button} class="small" onClick=${close}>Close<//>`}>
		<p><b>${of.simulated ? "Test mode: nothing was sent." : of.success ? `It answered ${of.status}.`
			: `It failed: ${of.error ?? of.status}`}</b></p>
		<p class="address">${of.url}, <${Time} at=${of.at} exact />. A test is not in the log of deliveries.</p><//>`;

function Deliveries({ of }) {
	const path = `/api/webhooks/endpoints/${of.id}/deliveries`;
	const list = usePages(path, "deliveries", {}, 20);
	const again = (one) => attempt(async () => {
		await api("POST", `${path}/${one.id}/redeliver`);
		await list.reload();
		toast("It is sent again with the next run.");
	});
	const columns = [
		{ title: "Event", cell: (one) => one.type },
		{ title: "State", cell: (one) => html`<${Badge} value=${one.status} />` },
		{ title: "Answer", cell: (one) => one.last_status ?? one.last_error ?? "–" },
		{ title: "Tries", class: "number", cell: (one) => count(one.attempts) },
		{ title: "Made", class: "mid", cell: (one) => html`<${Time} at=${one.created_at} />` },
	];
	return html`<${Card} title="Deliveries" flush actions=${html`<span class="soft address">${of.url}</span>`}>
		<${Table} stack label="Deliveries" of=${list} columns=${columns}
			empty=${html`<${Empty} title="Nothing was sent yet" />`}
			actions=${(one) => html`<${Button} class="small" onClick=${() => again(one)}>Send again<//>`} /><//>`;
}
