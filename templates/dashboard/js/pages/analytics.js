/* Whether it works: lift against the holdout, outcomes, messages by day. */
import { Days } from "../charts/days.js";
import { Funnel } from "../charts/funnel.js";
import { Intervals } from "../charts/intervals.js";
import { wilson } from "../charts/scale.js";
import { Bars } from "../charts/bars.js";
import { useApi } from "../data.js";
import { count, percent, plural, words } from "../format.js";
import { html } from "../html.js";
import { useQuery } from "../router.js";
import { Badge, Card, Empty, Load, Page, Tabs, Tiles } from "../ui/basics.js";
import { nobody, through } from "./overview.js";

const ranges = { "7d": 7, "30d": 30, "90d": 90 };
const verdicts = { better: ["good", "Better"], worse: ["bad", "Worse"], not_enough_data: ["plain", "Not enough data yet"] };

export default function Analytics() {
	const [{ range = "30d" }, setQuery] = useQuery();
	const answer = useApi(`/api/analytics?range=${range}`);
	const days = useApi(`/api/analytics/timeseries?days=${ranges[range] ?? 30}`);
	return html`
		<${Page} title="Analytics" note="What the messages did, measured against those who got none."
			actions=${html`<${Tabs} label="Range" value=${range} items=${[["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"]]}
				onChange=${(next) => setQuery({ range: next })} />`}>
			<${Load} of=${answer} lines=${10}>${(data) => html`<${Numbers} data=${data} /><${Lift} of=${data.lift} />`}<//>
			<${Load} of=${days} lines=${6}>${({ days: rows }) => html`<${ByDay} rows=${rows} />`}<//>
			<${Load} of=${answer} lines=${6}>${(data) => html`<${Outcomes} data=${data} />`}<//>
		<//>`;
}

function Numbers({ data: { kpis, roi, outcome_stats: outcomes } }) {
	const share = (value) => outcomes.length === 0 ? "–" : percent(value);
	return html`<${Tiles} of=${[
		["Messages planned", count(kpis.total_interventions)],
		["Positive outcomes", share(kpis.positive_outcome_rate)],
		["Success when sent", share(roi.intervention_success_rate), { note: "of messages sent in this time" }],
		["Won back", count(roi.recovered_users), { note: "recovered after a message" }],
		["Days to success", roi.avg_time_to_outcome_days ? roi.avg_time_to_outcome_days.toFixed(1) : "–", { note: "from sending, on average" }],
		["Churn", nobody(kpis) ? "–" : percent(kpis.churn_rate, 1)],
	]} />`;
}

const bookLink = (row) => html`<a href=${`/playbooks/${row.playbook_id}`}>${row.name}</a>`;

function Lift({ of }) {
	const note = (row) => row.difference === undefined ? `${plural(row.treated, "customer")} chosen, ${count(row.treated_reached)} reached, ${count(row.held_out)} held out`
		: `${percent(row.treated_positive / row.treated)} of ${count(row.treated)} chosen (${count(row.treated_reached)} reached), ` +
			`${percent(row.held_out_positive / row.held_out)} of ${count(row.held_out)} held out`;
	return html`
		<${Card} title="Lift by playbook" actions=${html`<span class="faint">Percentage points over the holdout, 95% interval</span>`}>
			${of.length === 0 ? html`<${Empty} title="No trial has ended yet">Each playbook keeps a holdout that gets no message. Once the
				attribution window of the first customers is over, the difference shows here.<//>` : html`
				<${Intervals} kind="difference" label="Lift by playbook" rows=${of.map((row) => ({ ...row, key: row.playbook_id, name: bookLink(row), value: row.difference, tone: verdicts[row.verdict][0],
					note: note(row), end: html`<${Badge} tone=${verdicts[row.verdict][0]}>${verdicts[row.verdict][1]}<//>` }))} />`}
		<//>`;
}

function ByDay({ rows }) {
	const outcomes = [["Positive", "stage-active", "positive"], ["Neutral", "neutral", "neutral"], ["Negative", "stage-churned", "negative"]];
	const total = rows.reduce((sum, row) => sum + row.sent, 0);
	const measured = rows.reduce((sum, row) => sum + row.positive + row.negative + row.neutral, 0);
	const days = rows.map((row) => row.day);
	return html`
		<div class="grid">
			<${Card} title="Messages sent by day" actions=${html`<span class="faint">${plural(total, "message")}</span>`}>
				${total === 0 ? html`<p class="soft">Nothing was sent in this time.</p>`
					: html`<${Days} columns label="Messages sent by day" days=${days} series=${[{ name: "Sent", colour: "chart", values: rows.map((row) => row.sent) }]} />`}<//>
			<${Card} title="Outcomes by day" actions=${html`<span class="faint">${count(measured)} measured</span>`}>
				${measured === 0 ? html`<p class="soft">Nothing was measured in this time.</p>`
					: html`<${Days} columns label="Outcomes by day" days=${days} series=${outcomes.map(([name, colour, key]) => ({ name, colour, values: rows.map((row) => row[key]) }))} />`}<//>
		</div>`;
}

function Outcomes({ data }) {
	const byStatus = Object.fromEntries(data.intervention_stats.map((row) => [row.status, row.count]));
	const outcome = (name) => data.outcome_stats.find((row) => row.outcome === name)?.count ?? 0;
	const books = data.top_playbooks.filter((row) => row.playbook_id);
	return html`
		<div class="grid">
			<${Card} title="From plan to outcome"><${Funnel} label="Messages that came so far" rows=${[...through(byStatus), ["Positive", outcome("positive"), "good"]]} /><//>
			<${Card} title="What came of it"><${Bars} label="Outcomes" rows=${[["positive", "stage-active"], ["neutral", "neutral"], ["negative", "stage-churned"]].map(([name, colour]) => [words(name), outcome(name), colour])} /><//>
		</div>
		<${Card} title="Outcomes by playbook" actions=${html`<span class="faint">Share of positive outcomes, 95% interval</span>`}>
			${books.length === 0 ? html`<${Empty} title="Nothing was planned in this time" />`
				: html`<${Intervals} kind="share" label="Outcomes by playbook" rows=${books.map((row) => {
					const [low, high] = row.measured > 0 ? wilson(row.positive, row.measured) : [];
					return { key: row.playbook_id, name: bookLink(row), tone: "info", value: row.measured > 0 ? row.success_rate : undefined, low, high,
						note: row.measured > 0 ? `${count(row.positive)} of ${count(row.measured)} outcomes` : "no outcome yet",
						end: html`<span class="soft number">${count(row.sent)} sent</span>` };
				})} />`}<//>`;
}
