/* One customer: how they are and why, what they did, what was sent, what they want. */
import { api } from "../api.js";
import { useApi, usePages } from "../data.js";
import { count, elsewhere, percent, plain, words } from "../format.js";
import { html, useState } from "../html.js";
import { navigate } from "../router.js";
import { may } from "../session.js";
import { Badge, Button, Card, Facts, Failure, Health, Icon, Load, Page, Skeleton, Time } from "../ui/basics.js";
import { ask } from "../ui/dialog.js";
import { Pager } from "../ui/table.js";
import { attempt, toast } from "../ui/toast.js";

export default function Customer({ id }) {
	const path = `/api/customers/${encodeURIComponent(id)}`;
	const answer = useApi(path);
	const name = answer.data?.customer.name ?? "Customer";
	const erase = async () => {
		const sure = await ask({ title: `Erase ${name}?`, danger: true, action: "Erase for ever",
			text: "Events, scores and messages of this customer are deleted. This cannot be undone, and the id can never be tracked again." });
		if (sure && await attempt(() => api("DELETE", path))) {
			toast(`${name} is erased.`);
			navigate("/customers");
		}
	};
	return html`
		<${Page} title=${name} back=${{ href: "/customers", text: "Customers" }} actions=${answer.data && html`
			<a class="button" href=${`${path}/export`} download=${`${id}.json`}>Export</a>
			${may("admin") && html`<${Button} kind="danger" icon="trash" onClick=${erase}>Erase<//>`}`}>
			<${Load} of=${answer} lines=${12}>${(data) => html`<${Detail} data=${data} path=${path} reload=${answer.reload} />`}<//>
		<//>`;
}

function Detail({ data: { customer }, path, reload }) {
	return html`<div class="detail"><div>
			<${Scores} of=${customer} path=${path} /><${Timeline} path=${path} zone=${customer.timezone} /></div><div>
			<${About} of=${customer} /><${Milestones} of=${customer.milestone_progress ?? []} />
			<${Preferences} of=${customer} path=${path} reload=${reload} /></div></div>`;
}

const About = ({ of }) => html`
	<${Card} title="About"><${Facts} of=${[
		["Stage", html`<${Badge} value=${of.lifecycle_stage} /> <span class="faint">since <${Time} at=${of.stage_since} /></span>`],
		["Email", of.email], ["Company", of.company], ["Role", of.role], ["Plan", of.plan],
		["Team size", of.team_size], ["Last seen", html`<${Time} at=${of.last_activity_at} zone=${of.timezone} exact />`],
		["First seen", html`<${Time} at=${of.first_activity_at} exact />`],
		["Time there", elsewhere(new Date().toISOString(), of.timezone)], ["Events", count(of.events_total ?? 0)],
		of.segment_memberships?.length && ["Segments", of.segment_memberships.join(", ")], ["Id", of.id],
		...Object.entries(of.properties ?? {}).map(([key, value]) => [key, plain(value)]),
	]} /><//>`;

/* Each score with the parts it is made of. */
function Scores({ of, path }) {
	const parts = of.score_parts ?? {};
	const rows = ["health", "risk", "engagement", "activation", "expansion"].filter((name) => parts[name]);
	return html`
		<${Card} title="Health and its parts" actions=${html`<${Health} value=${of.health} /><${Badge} value=${of.risk_level}>${words(of.risk_level)} risk<//>`}>
			${rows.length === 0 ? html`<p class="soft">The scores are made with the next run of the batch.</p>` : rows.map((name) => html`
				<details key=${name} open=${name === "health"}><summary>${words(name)}: ${percent(parts[name].value)}</summary>
					<div class="bars parts">${parts[name].parts.map((part) => html`
						<span>${words(part.name)}</span>
						<span class="track" aria-hidden="true"><span style=${{ width: `${part.value * 100}%` }}></span></span>
						<span class="number">${percent(part.value)} <span class="faint">weight ${Number(part.weight.toFixed(2))}</span></span>`)}</div>
				</details>`)}
			<${Reasons} path=${path} />
		<//>`;
}

/* What each kind says, and its icon. */
const kinds = {
	event: ["clock", ({ event, properties }) => html`${event} <span class="faint">${Object.entries(properties).slice(0, 4).map(([key, value]) => `${key}: ${plain(value)}`).join(", ")}</span>`],
	change: ["overview", ({ what, old_value, new_value, cause }) => html`${words(what)} ${old_value === null ? "is" : html`from <${Badge} value=${old_value} /> to`} <${Badge} value=${new_value} /> <span class="faint">by ${{ events: "what they did", time: "time", config: "a change of settings" }[cause] ?? cause}</span>`],
	milestone: ["start", ({ milestone }) => html`Reached <b>${words(milestone)}</b>`],
	message: ["interventions", ({ intervention_id, subject, channel, status, playbook_name, reason }) => html`<a class="link" href=${`/interventions?status=all&selected=${intervention_id}`}>${subject ?? playbook_name ?? "Message"}</a> <${Badge} value=${status} /> <span class="faint">${words(channel)}${reason ? `, ${reason}` : ""}</span>`],
	outcome: ["check", ({ outcome, cause, playbook_name }) => html`Outcome of ${playbook_name ?? "a message"}: <${Badge} value=${outcome} /> <span class="faint">${words(cause)}</span>`],
};
const filters = [["", "Everything"], ["event", "Events"], ["change", "Stages"], ["message", "Messages"], ["milestone", "Milestones"], ["outcome", "Outcomes"]];

function Timeline({ path, zone }) {
	const [types, setTypes] = useState("");
	const list = usePages(`${path}/timeline`, "timeline", { types }, 30);
	return html`
		<${Card} title="What happened" actions=${html`<select aria-label="Kind" value=${types} onChange=${(event) => setTypes(event.target.value)}>
			${filters.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}</select>`}>
			${list.rows === undefined ? (list.error ? html`<${Failure} error=${list.error} retry=${list.reload} />` : html`<${Skeleton} />`)
				: list.rows.length === 0 ? html`<p class="soft">Nothing yet.</p>` : html`
					<ul class="list timeline">${list.rows.map((item, i) => html`
						<li key=${i} class=${`of-${item.type}`}><span><${Icon} name=${kinds[item.type][0]} /> ${kinds[item.type][1](item.data)}</span>
							<${Time} at=${item.at} zone=${zone} /></li>`)}</ul><${Pager} of=${list} />`}
		<//>`;
}

/* Why it is as it is: the rule of the stage, and when time changes it. */
function Reasons({ path }) {
	const answer = useApi(`${path}/explain`);
	const reason = answer.data?.scores?.stage?.reason;
	const next = answer.data?.next_eval_at;
	return reason ? html`<p class="soft">Stage by rule: ${words(reason).toLowerCase()}.${next ? html` Looked at again <${Time} at=${next} />.` : ""}</p>` : null;
}

const Milestones = ({ of }) => of.length > 0 && html`
	<${Card} title="Milestones"><ul class="list">${of.map((one) => html`
		<li key=${one.name}><span class=${one.reached ? "check good" : "check soft"}><${Icon} name=${one.reached ? "check" : "clock"} />${words(one.name)}</span>
			${one.reached ? html`<${Time} at=${one.reached_at} />` : html`<span class="faint">not yet</span>`}</li>`)}</ul><//>`;

function Preferences({ of, path, reload }) {
	const wants = of.preferences ?? { opted_out: of.opted_out, channels: {} };
	const put = (body) => attempt(async () => {
		await api("PUT", `${path}/preferences`, body);
		await reload();
		toast("The preferences are saved.");
	});
	const box = (label, checked, change) => html`<label class="check"><input type="checkbox" checked=${checked} disabled=${!may("editor")} onChange=${(event) => change(event.target.checked)} />${label}</label>`;
	return html`
		<${Card} title="May be contacted"><div class="form">
			${box("By Retivo at all", !wants.opted_out, (yes) => put({ opted_out: !yes }))}
			${Object.entries(wants.channels).map(([channel, on]) => html`<div key=${channel}>${box(`By ${words(channel).toLowerCase()}`, on, (yes) => put({ channels: { [channel]: yes } }))}</div>`)}
		</div><//>`;
}
