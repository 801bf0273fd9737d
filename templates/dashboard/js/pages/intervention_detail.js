/* One message: its text, why it is so, its checks, its customer, its course. */
import { api, get } from "../api.js";
import { useApi } from "../data.js";
import { channelName, percent, words } from "../format.js";
import { html, useRef, useState } from "../html.js";
import { may } from "../session.js";
import { Badge, Button, Card, Facts, Health, Icon, Load, Notice, Time } from "../ui/basics.js";
import { mayDrop } from "../ui/dirty.js";
import { Field, Submit, useForm } from "../ui/form.js";
import { gateCloses, isGate } from "../ui/gates.js";
import { useNames } from "../ui/names.js";
import { Reasoning } from "../ui/reasoning.js";
import { toast } from "../ui/toast.js";

const buttons = [
	["approve", "Approve", "check", "primary"], ["handle", "Handled", "check", "primary"],
	["delegate", "Write a mail instead", "interventions"], ["edit", "Edit", "edit"], ["pause", "Pause", "pause"],
	["resend", "Send again", "copy", "primary"], ["flag", "Flag", "flag"],
	["rollback", "Roll back", "undo", "danger"], ["reject", "Reject", "close", "danger"],
];

export function Detail({ one, playbook, acts, busy, editing, endEdit, reload }) {
	const state = useApi(`/api/customers/${encodeURIComponent(one.user_id)}`);
	const customer = state.data?.customer;
	const end = async () => {
		if (await mayDrop())
			endEdit();
	};
	return html`<div class="detail" id="shown"><div>
		<${Card} title=${customer?.name ?? one.user_id}
			actions=${html`<${Badge} value=${one.status} /><${Badge} tone="plain">${channelName(one.channel)}<//>`}>
			<div class="form">
				${acts.stale && html`<${Changed} before=${acts.stale} />`}
				<${Notices} one=${one} />
				${editing ? html`<${Editor} one=${one} onSaved=${endEdit} onEnd=${end} reload=${reload} />` : html`
				${one.subject && html`<p class="subject"><span class="faint">Subject</span> <strong>${one.subject}</strong></p>`}
				<div class="message" id="message" tabindex="-1">${one.message_body ?? "No text."}</div>
				<div class="actions">${buttons.filter(([name]) => acts.of[name]).map(([name, text, icon, kind]) => html`
					<${Button} key=${name} kind=${kind} icon=${icon} busy=${busy} onClick=${acts.of[name]}>${text}<//>`)}</div>`}
			</div><//>
		<${Card} title="Why" actions=${one.confidence !== null &&
			html`<span class="soft">Confidence ${percent(one.confidence)}</span>`}>
			<${Reasoning} text=${one.reasoning ?? "Written by hand."} /><//></div><div>
		<${Customer} id=${one.user_id} state=${state} />
		<${Checks} of=${one.quality_checks?.checks ?? []} />
		<${Course} one=${one} playbook=${playbook} zone=${customer?.timezone ?? one.customer_timezone} /></div></div>`;
}

const reasons = {
	outcome_unknown: "It was being sent when the server stopped: nobody knows whether it went out, " +
		"so it was not sent twice.",
	exit_met: "The customer had reached the goal before it went out.",
};

const reasonOf = (reason) => reasons[reason] ?? (isGate(reason) ? gateCloses(reason) : reason);

const Notices = ({ one }) => html`
	${one.status === "planned" && one.edited_at && html`<${Edited} by=${one.edited_by} />`}
	${one.paused_at && html`<${Notice} tone="warn">Paused. It stays here until somebody approves it.<//>`}
	${one.lapsed_at && html`
		<${Notice} tone="warn">An earlier approval lapsed, because the text or the customer changed.<//>`}
	${one.flagged && html`<${Notice} tone="warn">Flagged: ${one.flag_reason}<//>`}
	${one.status === "approved" && one.hold && html`<${Notice} tone="warn"><b>Held.</b> ${gateCloses(one.hold)}<//>`}
	${one.reason && html`<p class="soft">${reasonOf(one.reason)}</p>`}`;

/* Nothing that a person wrote goes by itself, in no mode. */
function Edited({ by }) {
	const names = useNames();
	return html`<${Notice} tone="warn">Edited by ${names(by) ?? "a person"}: it waits for an approval in every mode.<//>`;
}

/* Somebody decided on a text that had changed: nothing was done, both are shown. */
function Changed({ before }) {
	const names = useNames();
	const edits = useApi(may("admin") ? `/api/audit?action=intervention.edit&object=${before.id}&limit=1` : null);
	const who = names(edits.data?.audit[0]?.actor) ?? "Somebody";
	return html`<${Notice} tone="bad">
		<p><b>${who} changed this message while it was on your screen.</b> Nothing was approved.
			Below is the text as it is now.</p>
		<details><summary>The text that you had read</summary>
			${before.subject && html`<p><strong>${before.subject}</strong></p>`}
			<div class="message">${before.message_body}</div></details><//>`;
}

/* The checks run again when it is saved; a newer text of somebody else is not written over unseen. */
function Editor({ one, onSaved, onEnd, reload }) {
	const version = useRef(one.version);
	const [newer, setNewer] = useState(null);
	const form = useForm({ subject: one.subject ?? "", message_body: one.message_body ?? "" }, async (values) => {
		let saved;
		try {
			saved = await api("PATCH", `/api/interventions/${one.id}`, { message_body: values.message_body,
				version: version.current, ...(one.channel === "email" && { subject: values.subject }) });
		} catch (error) {
			if (error.code !== "stale_version")
				throw error;
			setNewer(await get(`/api/interventions/${one.id}`));
			throw new Error("Somebody saved another text meanwhile.");
		}
		await reload();
		toast(saved.checks_passed ? "Saved. All checks passed." : "Saved. A check failed: look at it before you approve.");
		onSaved();
	}, { guard: true });
	const load = () => {
		version.current = newer.version;
		form.reset({ subject: newer.subject ?? "", message_body: newer.message_body ?? "" });
		setNewer(null);
	};
	const keep = () => {
		version.current = newer.version;
		setNewer(null);
		form.submit();
	};
	return html`<form class="form" onSubmit=${form.submit}>
		${newer && html`<${Notice} tone="bad"><p>This is the text as somebody saved it meanwhile:</p>
			${newer.subject && html`<p><strong>${newer.subject}</strong></p>`}<div class="message">${newer.message_body}</div>
			<div class="actions"><${Button} onClick=${load}>Take theirs, drop mine<//>
				<${Button} kind="primary" onClick=${keep}>Save mine over it<//></div><//>`}
		${one.channel === "email" && html`<${Field} form=${form} name="subject" label="Subject" required maxlength="200" />`}
		<${Field} form=${form} name="message_body" label="Message" rows=${10} required />
		${one.status === "approved" && html`
			<${Notice} tone="warn">It is approved: with another text it needs another approval.<//>`}
		<div class="actions"><${Submit} form=${form}>Save and check again<//><${Button} onClick=${onEnd}>Cancel<//></div>
	</form>`;
}

const Customer = ({ id, state }) => html`
	<${Card} title="Customer" actions=${html`<a class="link" href=${`/customers/${encodeURIComponent(id)}`}>Open</a>`}>
		<${Load} of=${state} lines=${5}>${({ customer: c }) => html`<${Facts} of=${[
			["Company", c.company], ["Stage", html`<${Badge} value=${c.lifecycle_stage} />`],
			["Health", html`<${Health} value=${c.health} />`],
			["Risk", html`<${Badge} value=${c.risk_level} />`],
			["Last seen", html`<${Time} at=${c.last_activity_at} zone=${c.timezone} />`], ["Id", c.id]]} />`}<//><//>`;

const Checks = ({ of }) => html`
	<${Card} title="Checks">${of.length === 0 ? html`<p class="soft">Not checked yet.</p>`
		: html`<div class="form checks">${of.map((check) => html`
		<div key=${check.name} class=${`check ${check.passed ? "good" : "bad"}`}>
			<${Icon} name=${check.passed ? "check" : "close"} />
			<span>${words(check.name)}${!check.passed && `: ${check.detail ?? "failed"}`}</span></div>`)}</div>`}<//>`;

function Course({ one, playbook, zone }) {
	const names = useNames();
	const times = ["planned", "approved", "sent", "delivered"].filter((name) => one[`${name}_at`])
		.map((name) => [words(name), html`<${Time} at=${one[`${name}_at`]} zone=${zone} exact />`]);
	return html`<${Card} title="Course"><${Facts} of=${[["Playbook", playbook ?? "By hand"], ...times,
		one.approved_by && ["Approved by", names(one.approved_by)]]} /><//>`;
}
