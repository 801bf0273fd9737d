/* Shadow mode: everything is planned, nothing is sent; and what would have been. */
import { api } from "../../api.js";
import { useApi } from "../../data.js";
import { channelName, count, moment } from "../../format.js";
import { html } from "../../html.js";
import { may } from "../../session.js";
import { Button, Card, Empty, Load, Tiles } from "../../ui/basics.js";
import { ask } from "../../ui/dialog.js";
import { Table } from "../../ui/table.js";
import { left, useNow } from "../../ui/now.js";
import { attempt, toast } from "../../ui/toast.js";

/* Ticks for the eye; read aloud it is the time of the end. */
function Countdown({ until }) {
	const now = useNow();
	return html`<div class="countdown" role="timer" aria-label=${`Ends at ${moment(until)}`}>
		<strong class="number">${left(until, now)}</strong>
		<span class="soft">left. It ends by itself at ${moment(until)}.</span></div>`;
}

const columns = (name) => [
	{ title: "Of", cell: name }, { title: "Messages", class: "number", cell: (row) => count(row.messages) },
	{ title: "Customers", class: "number", cell: (row) => count(row.customers) },
	{ title: "Checks failed", class: "number", cell: (row) => count(row.checks_failed) },
];

export function Shadow({ reload }) {
	const report = useApi("/api/settings/shadow-mode");
	const turn = async (active) => {
		const sure = await ask(active ? { title: "Start shadow mode?", action: "Start it",
			text: "For 72 hours messages are planned and recorded as if they were sent, and none goes out. Approved ones wait." }
			: { title: "End shadow mode?", action: "End it, send again", danger: true,
				text: "From the next run on messages go out again, by themselves where the approval mode says so." });
		return sure && attempt(() => put(active));
	};
	const put = async (active) => {
		await api("PUT", "/api/settings/shadow-mode", { active });
		await Promise.all([report.reload(), reload()]);
		toast(active ? "Shadow mode is on for 72 hours." : "Shadow mode is off.");
	};
	return html`<${Load} of=${report}>${(data) => html`
		<${Card} title="Shadow mode" actions=${may("admin") && html`
			<${Button} kind=${data.shadow_mode ? "" : "primary"} onClick=${() => turn(!data.shadow_mode)}>
				${data.shadow_mode ? "End it now" : "Start for 72 hours"}<//>`}>
			${data.shadow_mode ? html`<${Countdown} until=${data.shadow_until} />`
				: html`<p class="soft">The pipeline records what it would send, sends nothing, and ends by itself
					after 72 hours.</p>`}<//>
		${data.shadow_since && html`
			<${Tiles} of=${[["Messages", data.totals.messages], ["Customers", data.totals.customers],
				["Passed the checks", data.totals.checks_passed], ["Failed a check", data.totals.checks_failed]]
				.map(([name, value]) => [name, count(value)])} />
			<${Card} title="By playbook" flush><${Table} label="By playbook" of=${{ rows: data.by_playbook }}
				keyOf=${(row) => row.playbook_id} columns=${columns((row) => row.name ?? "By hand")}
				empty=${html`<${Empty} title="Nothing would have been sent yet" />`} /><//>
			<${Card} title="By channel" flush><${Table} label="By channel" of=${{ rows: data.by_channel }}
				keyOf=${(row) => row.channel} columns=${columns((row) => channelName(row.channel))}
				empty=${html`<${Empty} title="Nothing yet" />`} /><//>`}`}<//>`;
}
