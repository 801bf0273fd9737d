/* One customer: how they are and why, what they did, what was sent, what they want. */
import { api } from "../api.js";
import { useApi } from "../data.js";
import { count, elsewhere, percent, plain, words } from "../format.js";
import { html } from "../html.js";
import { navigate } from "../router.js";
import { may } from "../session.js";
import { Badge, Button, Card, Facts, Health, Icon, Load, Page, Time } from "../ui/basics.js";
import { ask } from "../ui/dialog.js";
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

function Detail({ data: { customer, events, interventions }, path, reload }) {
	return html`<div class="detail"><div>
			<${Scores} of=${customer} /><${Timeline} zone=${customer.timezone} events=${events} interventions=${interventions} /></div><div>
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
function Scores({ of }) {
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
		<//>`;
}

function Timeline({ events, interventions, zone }) {
	const items = [
		...events.map((one) => ({ at: one.timestamp, title: one.event, text: Object.entries(one.properties ?? {}).map(([key, value]) => `${key}: ${plain(value)}`).join(", ") })),
		...interventions.map((one) => ({ at: one.delivered_at ?? one.sent_at ?? one.planned_at, message: one, title: one.subject ?? "Message" })),
	].sort((a, b) => b.at.localeCompare(a.at)).slice(0, 60);
	return html`
		<${Card} title="What happened">${items.length === 0 ? html`<p class="soft">Nothing yet.</p>` : html`
			<ul class="list">${items.map((item, i) => html`
				<li key=${i}><span><${Icon} name=${item.message ? "interventions" : "clock"} /> ${item.title}
					${item.message && html` <${Badge} value=${item.message.status} />`} <span class="faint">${item.text}</span></span>
					<${Time} at=${item.at} zone=${zone} /></li>`)}</ul>`}
		<//>`;
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
