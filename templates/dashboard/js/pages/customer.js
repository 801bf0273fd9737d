/* One customer: how they are and why, what they did, what was sent, what they want. */
import { api } from "../api.js";
import { useApi, usePages } from "../data.js";
import { Activity } from "../charts/activity.js";
import { channelName, clock, clockThere, count, dayName, elsewhere, percent, plain, words } from "../format.js";
import { html, useRef, useState } from "../html.js";
import { cameFrom, navigate } from "../router.js";
import { may } from "../session.js";
import {
	Badge, Button, Card, Facts, Failure, Health, Icon, Load, Meter, Page, Skeleton, Tabs, Time,
} from "../ui/basics.js";
import { ask } from "../ui/dialog.js";
import { Pager } from "../ui/table.js";
import { attempt, toast } from "../ui/toast.js";
import { WhyCard, WriteDialog } from "./customer_why.js";

const lists = { "/escalations": "Escalations", "/interventions": "Interventions", "/playbooks": "Playbooks",
	"/": "Overview" };

export default function Customer({ id }) {
	const path = `/api/customers/${encodeURIComponent(id)}`;
	const answer = useApi(path);
	const [writing, setWriting] = useState(false);
	const customer = answer.data?.customer;
	const name = customer?.name ?? "Customer";
	const from = useRef(cameFrom()).current;
	const back = lists[from] ? { href: from, text: lists[from] } : { href: "/customers", text: "Customers" };
	const erase = async () => {
		const sure = await ask({ title: `Erase ${name}?`, danger: true, action: "Erase for ever",
			text: "Events, scores and messages of this customer are deleted. This cannot be undone, and the id can never be " +
				"tracked again." });
		if (sure && await attempt(() => api("DELETE", path))) {
			toast(`${name} is erased.`);
			navigate("/customers");
		}
	};
	return html`
		<${Page} title=${name} back=${back} actions=${customer && html`
			${may("editor") && html`<${Button} icon="interventions" onClick=${() => setWriting(true)}>Write a message<//>`}
			<a class="button" href=${`${path}/export`} download=${`${id}.json`}>Export</a>
			${may("admin") && html`<${Button} kind="danger" icon="trash" onClick=${erase}>Erase<//>`}`}>
			<${Load} of=${answer} lines=${12}>${(data) =>
				html`<${Detail} data=${data} path=${path} reload=${answer.reload} />`}<//>
			${writing && html`<${WriteDialog} customer=${customer} onClose=${() => setWriting(false)} />`}
		<//>`;
}

function Detail({ data: { customer }, path, reload }) {
	return html`<div class="detail"><div>
			<${Past} path=${path} /><${Scores} of=${customer} path=${path} />
			<${WhyCard} customer=${customer} /><${Timeline} path=${path} zone=${customer.timezone} /></div><div>
			<${About} of=${customer} /><${Milestones} of=${customer.milestone_progress ?? []} />
			<${Preferences} of=${customer} path=${path} reload=${reload} /></div></div>`;
}

function Past({ path }) {
	const [days, setDays] = useState("90");
	const answer = useApi(`${path}/activity?days=${days}`);
	return html`
		<${Card} title="Activity" actions=${html`<${Tabs} label="Days of activity" value=${days}
			items=${[["30", "30 days"], ["90", "90 days"], ["365", "A year"]]} onChange=${setDays} />`}>
			<${Load} of=${answer} lines=${6}>${(data) => html`<${Activity} data=${data} />`}<//><//>`;
}

const About = ({ of }) => html`
	<${Card} title="About"><${Facts} of=${[
		["Stage", html`<${Badge} value=${of.lifecycle_stage} /> <span class="faint">since <${Time}
			at=${of.stage_since} /></span>`],
		["Email", of.email], ["Company", of.company], ["Role", of.role && words(of.role)],
		["Plan", of.plan && words(of.plan)],
		["Team size", of.team_size], ["Last seen", html`<${Time} at=${of.last_activity_at} zone=${of.timezone} exact />`],
		["First seen", html`<${Time} at=${of.first_activity_at} exact />`],
		["Time there", elsewhere(new Date().toISOString(), of.timezone)], ["Events", count(of.events_total ?? 0)],
		of.segment_memberships?.length && ["Segments",
			of.segment_memberships.map((name) => html`<${Badge} key=${name} tone="plain">${name}<//> `)],
				["Id", html`<code>${of.id}</code>`],
		...Object.entries(of.properties ?? {}).map(([key, value]) => [words(key), plain(value)]),
	]} /><//>`;

const toneOf = (name, value) => {
	const good = name === "risk" ? 1 - value : value;
	return good < 0.4 ? "bad" : good < 0.6 ? "warn" : "good";
};

/* Each score with the parts it is made of. */
function Scores({ of, path }) {
	const parts = of.score_parts ?? {};
	const rows = ["health", "risk", "engagement", "activation", "expansion"].filter((name) => parts[name]);
	return html`
		<${Card} title="Health and its parts" actions=${html`<${Health} value=${of.health} />
			<${Badge} value=${of.risk_level}>${words(of.risk_level)} risk<//>`}>
			<${Reasons} path=${path} />
			${rows.length === 0 ? html`<p class="soft">The scores are made with the next run of the batch.</p>`
				: html`<div class="scores">${rows.map((name) => html`
				<details key=${name} open=${name === "health"}>
					<summary><span>${words(name)}</span><${Meter} share=${parts[name].value}
						tone=${["health", "risk"].includes(name) ? toneOf(name, parts[name].value) : "chart"} />
							<span class="number">${percent(parts[name].value)}</span></summary>
					${parts[name].parts.map((part) => html`
						<div class="part" key=${part.name}><span>${words(part.name)} <span
							class="faint">× ${Number(part.weight.toFixed(2))}</span></span><${Meter} share=${part.value} tone="neutral" />
								<span class="number">${percent(part.value)}</span></div>`)}
				</details>`)}</div>`}
		<//>`;
}

const few = (properties) => Object.entries(properties).slice(0, 4)
	.map(([key, value]) => `${key}: ${plain(value)}`).join(", ");
const causes = { events: "what they did", time: "time", config: "a change of settings" };

/* What each kind says, and its icon. */
const kinds = {
	event: ["clock", ({ event, properties }) => html`<code>${event}</code> <span class="faint">${few(properties)}</span>`],
	change: ["flow", ({ what, old_value, new_value, cause }) => html`
		${words(what)} ${old_value === null ? "is" : html`from <${Badge} value=${old_value} /> to`}${" "}
		<${Badge} value=${new_value} /> <span class="faint">by ${causes[cause] ?? cause}</span>`],
	milestone: ["start", ({ milestone }) => html`Reached <b>${words(milestone)}</b>`],
	message: ["interventions", ({ intervention_id, subject, channel, status, playbook_name, reason }) => html`
		<a class="link" href=${`/interventions?status=all&selected=${intervention_id}`}>
			${subject ?? playbook_name ?? "Message"}</a>${" "}
		<${Badge} value=${status} /> <span class="faint">${channelName(channel)}${reason ? `, ${reason}` : ""}</span>`],
	outcome: ["check", ({ outcome, cause, playbook_name }) => html`
		Outcome of ${playbook_name ?? "a message"}: <${Badge} value=${outcome} /> <span
			class="faint">${words(cause)}</span>`],
};
const filters = [["", "Everything"], ["event", "Events"], ["change", "Stages"], ["message", "Messages"],
	["milestone", "Milestones"], ["outcome", "Outcomes"]];

function Timeline({ path, zone }) {
	const [types, setTypes] = useState("");
	const list = usePages(`${path}/timeline`, "timeline", { types }, 30);
	const byDay = new Map();
	for (const item of list.rows ?? [])
		byDay.set(dayName(item.at), [...(byDay.get(dayName(item.at)) ?? []), item]);
	return html`
		<${Card} title="What happened" actions=${html`<select aria-label="Kind" value=${types}
			onChange=${(event) => setTypes(event.target.value)}>
			${filters.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}</select>`}>
			${list.rows === undefined ? (list.error ? html`<${Failure} error=${list.error} retry=${list.reload} />`
				: html`<${Skeleton} />`)
				: list.rows.length === 0 ? html`<p class="soft">Nothing yet.</p>` : html`
					<div class="timeline">${[...byDay].map(([name, items]) => html`<section key=${name}><h3>${name}</h3>
						<ul class="list">${items.map((item, i) => html`
						<li key=${i} class=${`of-${item.type}`}><${Icon} name=${kinds[item.type][0]} />
							<span>${kinds[item.type][1](item.data)}</span>
							<${At} at=${item.at} zone=${zone} /></li>`)}</ul></section>`)}</div><${Pager} of=${list} />`}
		<//>`;
}

/* The reader's clock with the customer's beside it. */
const At = ({ at, zone }) => html`<time datetime=${at} title=${elsewhere(at, zone) ?? undefined}>${clock(at)}
	${clockThere(at, zone) && html`<span class="faint wide-only"> · ${clockThere(at, zone)}</span>`}</time>`;

/* Why it is as it is: the rule of the stage, and when time changes it. */
function Reasons({ path }) {
	const answer = useApi(`${path}/explain`);
	const reason = answer.data?.scores?.stage?.reason;
	const next = answer.data?.next_eval_at;
	return reason ? html`<p class="soft">Stage by rule: ${words(reason).toLowerCase()}.${next
		? html` Looked at again <${Time} at=${next} />.` : ""}</p>` : null;
}

const Milestones = ({ of }) => of.length > 0 && html`
	<${Card} title="Milestones"><ul class="list">${of.map((one) => html`
		<li key=${one.name}><span class=${one.reached ? "check good" : "check soft"}>
			<${Icon} name=${one.reached ? "check" : "clock"} />${words(one.name)}</span>
			${one.reached ? html`<${Time} at=${one.reached_at} />` : html`<span class="faint">not yet</span>`}</li>`)}</ul><//>`;

const order = ["email", "in_app", "webhook", "crm"];
const channelWants = { email: "By email", in_app: "In the product", webhook: "By webhook", crm: "Through the CRM" };

function Preferences({ of, path, reload }) {
	const wants = of.preferences ?? { opted_out: of.opted_out, channels: {} };
	const put = (body) => attempt(async () => {
		await api("PUT", `${path}/preferences`, body);
		await reload();
		toast("The preferences are saved.");
	});
	const box = (label, checked, change) => html`<label class="check"><input type="checkbox" checked=${checked}
		disabled=${!may("editor")} onChange=${(event) => change(event.target.checked)} />${label}</label>`;
	const channels = Object.entries(wants.channels).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
	return html`
		<${Card} title="May be contacted"><div class="form">
			${box("At all", !wants.opted_out, (yes) => put({ opted_out: !yes }))}
			${channels.map(([channel, on]) => html`<div key=${channel}>${box(channelWants[channel] ?? `By ${channel}`, on,
				(yes) => put({ channels: { [channel]: yes } }))}</div>`)}
		</div><//>`;
}
