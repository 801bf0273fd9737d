/* The people of this tenant, and what its plan allows. */
import { api } from "../../api.js";
import { useApi } from "../../data.js";
import { count, words } from "../../format.js";
import { html, useState } from "../../html.js";
import { may, session } from "../../session.js";
import { Badge, Button, Card, Empty, Facts, Time } from "../../ui/basics.js";
import { ask } from "../../ui/dialog.js";
import { Field, Submit, useForm } from "../../ui/form.js";
import { Table } from "../../ui/table.js";
import { attempt, toast } from "../../ui/toast.js";

const roles = ["viewer", "editor", "admin"].map((role) => [role, words(role)]);

export function Team() {
	const members = useApi("/api/team/members");
	const open = useApi("/api/team/invitations");
	const [link, setLink] = useState(null);
	const form = useForm({ email: "", role: "viewer" }, async (values) => {
		const { invitation } = await api("POST", "/api/team/invite", values);
		setLink(invitation.accept_url);
		form.reset();
		await open.reload();
		toast(`${invitation.email} is invited.`);
	});
	const change = (work, list, text) => attempt(async () => {
		await work();
		await list.reload();
		toast(text);
	});
	const remove = async (one) => {
		if (await ask({ title: `Remove ${one.name ?? one.email}?`, text: "Their sessions here end at once.", action: "Remove", danger: true }))
			await change(() => api("DELETE", `/api/team/members/${one.id}`), members, "The member is removed.");
	};
	const role = (one) => may("admin") && one.email !== session.get().person.email ? html`
		<select aria-label=${`Role of ${one.name ?? one.email}`} value=${one.role} onChange=${(event) => change(() => api("PUT", `/api/team/members/${one.id}/role`, { role: event.target.value }), members, "The role is changed.")}>
			${roles.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}</select>` : html`<${Badge} value=${one.role} tone="plain" />`;
	return html`
		<${Card} title="Members" flush><${Table} stack label="Members" of=${{ ...members, rows: members.data?.members }} empty=${html`<${Empty} title="Nobody" />`}
			columns=${[{ title: "Name", cell: (one) => one.name ?? one.email }, { title: "Email", class: "wide", cell: (one) => one.email }, { title: "Role", cell: role }]}
			actions=${may("admin") && ((one) => one.email !== session.get().person.email && html`<${Button} class="small" kind="danger" onClick=${() => remove(one)}>Remove<//>`)} /><//>
		<${Card} title="Open invitations" flush><${Table} stack label="Open invitations" of=${{ ...open, rows: open.data?.invitations }} empty=${html`<${Empty} title="No invitation is open">People you invite get a mail with a link.<//>`}
			columns=${[{ title: "Email", cell: (one) => one.email }, { title: "Role", cell: (one) => words(one.role) }, { title: "Ends", class: "wide", cell: (one) => one.expired ? "expired" : html`<${Time} at=${one.expires_at} />` }]}
			actions=${may("admin") && ((one) => html`<${Button} class="small" onClick=${() => change(() => api("DELETE", `/api/team/invitations/${one.id}`), open, "The invitation is withdrawn.")}>Withdraw<//>`)} /><//>
		${may("admin") && html`<${Card} title="Invite somebody"><form class="form narrow" onSubmit=${form.submit}>
			<${Field} form=${form} name="email" label="Email" type="email" required /><${Field} form=${form} name="role" label="Role" options=${roles} />
			<${Submit} form=${form}>Send the invitation<//>
			${link && html`<p class="soft">The link, should the mail not arrive:</p><pre tabindex="0">${link}</pre>`}</form><//>`}`;
}

export function Plan({ data: { tenant } }) {
	const go = (work) => attempt(async () => location.assign((await work()).url));
	return html`<${Card} title="Plan" actions=${may("admin") && html`<${Button} onClick=${() => go(() => api("GET", "/api/billing/portal"))}>Invoices and payment<//>`}>
		<div class="form"><${Facts} of=${[["Plan", words(tenant.plan_tier)], ["State", html`<${Badge} value=${tenant.plan_status} />`], ["Tracked customers", tenant.tracked_user_limit === null ? "No limit" : count(tenant.tracked_user_limit)]]} />
		${may("admin") && html`<div class="actions">${["starter", "growth", "scale"].filter((plan) => plan !== tenant.plan_tier).map((plan) => html`
			<${Button} key=${plan} onClick=${() => go(() => api("POST", "/api/billing/checkout", { plan }))}>Change to ${words(plan)}<//>`)}</div>`}</div><//>`;
}
