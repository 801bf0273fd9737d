/* A back-test: a number of days, a button, and what would have happened. */
import { api } from "../api.js";
import { Bars } from "../charts/bars.js";
import { Days } from "../charts/days.js";
import { count, day, percent, plural, words } from "../format.js";
import { html, useState } from "../html.js";
import { Badge, Button, Card, Empty, Failure, Skeleton, Tiles } from "./basics.js";
import { Table } from "./table.js";

const sum = (values) => values.reduce((a, b) => a + b, 0);
const add = (all, one) => Object.fromEntries(Object.keys(one).map((key) => [key, (all[key] ?? 0) + one[key]]));
const rate = (o) => o.positive + o.negative + o.neutral === 0 ? null : o.positive / (o.positive + o.negative + o.neutral);

/** @param {{ path: string, many?: boolean }} props many: the whole set */
export function Backtest({ path, many }) {
	const [days, setDays] = useState(30);
	const [state, setState] = useState({});
	const run = async () => {
		setState({ busy: true });
		try {
			setState({ data: await api("POST", path, { days: Number(days) }) });
		} catch (error) {
			setState({ error });
		}
	};
	return html`
		<${Card} title="Back-test" actions=${html`
			<select aria-label="Days" value=${days} onChange=${(event) => setDays(event.target.value)}>${[7, 14, 30, 60, 90].map((n) => html`<option key=${n} value=${n}>${n} days</option>`)}</select>
			<${Button} busy=${state.busy} icon="clock" onClick=${run}>Run it<//>`}>
			${state.busy ? html`<${Skeleton} />` : state.error ? html`<${Failure} error=${state.error} retry=${run} />`
				: state.data ? html`<${Result} data=${state.data} many=${many} />`
					: html`<p class="soft">Runs ${many ? "all active playbooks" : "it"} over past days: who would have been contacted, when, and how those customers fared. Nothing is sent or stored.</p>`}
		<//>`;
}

const colours = ["chart", "stage-active", "stage-at_risk", "stage-onboarding", "stage-recovered"];
const reasons = { exit_met: "Exit condition met", lost: "Another playbook spoke", win_back_step: "Another step of the win-back", frequency_cap: "Cap over all playbooks",
	max_per_customer: "Cap per customer", daily_budget: "Budget of the day", no_channel: "No channel reaches them" };

/* The busiest by name, the others as one. */
function seriesOf(playbooks, many) {
	const daysOf = (one) => one.by_day.map((at) => at.contacted);
	const busiest = playbooks.toSorted((a, b) => b.contacted - a.contacted);
	const named = busiest.slice(0, colours.length).map((one, i) => ({ name: many ? one.name : "Messages", colour: colours[i], values: daysOf(one) }));
	const others = busiest.slice(colours.length).map(daysOf);
	return others.length === 0 ? named : [...named, { name: "Others", colour: "neutral", values: named[0].values.map((_, i) => sum(others.map((one) => one[i]))) }];
}

const PAGE = 25;

function Result({ data, many }) {
	const [shown, setShown] = useState(PAGE);
	const contacted = sum(data.playbooks.map((one) => one.contacted));
	const heldOut = sum(data.playbooks.map((one) => one.held_out));
	const outcomes = data.playbooks.map((one) => one.outcomes).reduce(add, {});
	const held = data.playbooks.map((one) => one.held_out_outcomes).reduce(add, {});
	const shut = data.playbooks.map((one) => one.not_contacted).reduce((all, one) => ({ ...all, ...Object.fromEntries(Object.entries(one).map(([key, n]) => [key, (all[key] ?? 0) + n])) }), {});
	if (data.playbooks.length === 0)
		return html`<${Empty} title="No playbook is active" />`;
	const rows = data.contacts.slice(0, shown);
	return html`<div class="form">
		<p class="soft">${day(data.from)} to ${day(data.to)}, ${plural(data.customers, "customer")}${data.sampled ? ", a sample" : ""}.</p>
		<${Tiles} of=${[["Would have been written to", count(contacted)], ["Held out", count(heldOut)],
			["Fared well by themselves", percent(rate(outcomes))], ["Held out and fared well", percent(rate(held))]]} />
		<${Days} columns label="Messages by day" days=${data.playbooks[0].by_day.map((one) => one.day)} series=${seriesOf(data.playbooks, many)} />
		${Object.keys(shut).length > 0 && html`<h3>Matched, not contacted</h3><${Bars} label="Matched, not contacted" rows=${Object.entries(shut).sort(([, a], [, b]) => b - a).map(([key, n]) => [reasons[key] ?? words(key), n, "neutral"])} />`}
		<${Table} label="Who would have been contacted" of=${{ rows }} keyOf=${(row) => `${row.user_id} ${row.day} ${row.playbook_id}`} href=${(row) => `/customers/${encodeURIComponent(row.user_id)}`} columns=${[
			{ title: "Customer", cell: (row) => row.user_id }, { title: "Day", cell: (row) => day(row.day) },
			...(many ? [{ title: "Playbook", class: "mid", cell: (row) => row.playbook_name }] : []),
			{ title: "Stage then", class: "wide", cell: (row) => html`<${Badge} value=${row.lifecycle_stage} />` },
			{ title: "What came", cell: (row) => html`<${Badge} value=${row.outcome} /> <span class="faint wide-only">${row.held_out ? "held out" : row.cause ? words(row.cause) : ""}</span>` },
		]} empty=${html`<${Empty} title="Nobody would have been contacted" />`} />
		${rows.length < data.contacts_total && html`<div class="actions">
			<span class="soft">${count(rows.length)} of ${count(data.contacts_total)} shown, by customer</span>
			${rows.length < data.contacts.length && html`<${Button} class="small" onClick=${() => setShown(data.contacts.length)}>
				Show ${count(data.contacts.length)}<//>`}</div>`}
	</div>`;
}
