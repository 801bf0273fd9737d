/* API keys: the secret is shown once. */
import { api } from "../../api.js";
import { html, useState } from "../../html.js";
import { may } from "../../session.js";
import { Badge, Button, Card, Empty, Notice, Time } from "../../ui/basics.js";
import { ask } from "../../ui/dialog.js";
import { Field, Submit, useForm } from "../../ui/form.js";
import { Table } from "../../ui/table.js";
import { attempt, toast } from "../../ui/toast.js";

const columns = [
	{ title: "Label", cell: (key) => key.label }, { title: "Begins with", cell: (key) => html`<code>${key.prefix}…</code>` },
	{ title: "Scope", cell: (key) => html`<${Badge} value=${key.scope} tone="plain" />` }, { title: "Last used", class: "mid", cell: (key) => html`<${Time} at=${key.last_used_at} />` },
];
const scopes = [["ingest", "Ingest: events only, safe in a browser"], ["read", "Read"], ["write", "Write"], ["admin", "Admin"]];

export function Keys({ data, reload }) {
	const [made, setMade] = useState(null);
	const form = useForm({ label: "", scope: "ingest" }, async (values) => {
		setMade(await api("POST", "/api/settings/api-keys", values));
		form.reset();
		await reload();
	});
	const revoke = async (key) => {
		if (await ask({ title: `Revoke ${key.label ?? key.prefix}?`, text: "What uses this key is refused from now on.", action: "Revoke", danger: true }))
			await attempt(async () => {
				await api("DELETE", `/api/settings/api-keys/${key.id}`);
				await reload();
				toast("The key is revoked.");
			});
	};
	const copy = () => attempt(async () => {
		await navigator.clipboard.writeText(made.secret);
		toast("Copied.");
	});
	return html`
		${made && html`<${Card} title="Your new key"><div class="form"><${Notice} tone="warn">Copy it now: it is not shown again.<//>
			<pre tabindex="0">${made.secret}</pre><div><${Button} icon="copy" onClick=${copy}>Copy<//></div></div><//>`}
		<${Card} title="Keys" flush><${Table} stack label="API keys" of=${{ rows: data.api_keys }} columns=${columns} empty=${html`<${Empty} title="No key yet">Your product sends events with one of scope ingest.<//>`}
			actions=${may("admin") && ((key) => html`<${Button} class="small" kind="danger" onClick=${() => revoke(key)}>Revoke<//>`)} /><//>
		${may("admin") && html`<${Card} title="New key"><form class="form narrow" onSubmit=${form.submit}>
			<${Field} form=${form} name="label" label="Label" required maxlength="200" /><${Field} form=${form} name="scope" label="Scope" options=${scopes} />
			<${Submit} form=${form}>Make the key<//></form><//>`}`;
}
