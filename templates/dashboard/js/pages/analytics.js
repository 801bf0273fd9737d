/* Whether it works: lift against the holdout, outcomes, messages by day. */
import { Bars } from "../charts/bars.js";
import { Days } from "../charts/days.js";
import { Intervals } from "../charts/intervals.js";
import { useApi } from "../data.js";
import { count, percent, plural, words } from "../format.js";
import { html } from "../html.js";
import { useQuery } from "../router.js";
import { Badge, Card, Empty, Load, Page, Tabs } from "../ui/basics.js";
import { Table } from "../ui/table.js";

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
	const tiles = [
		["Messages planned", count(kpis.total_interventions)],
		["Positive outcomes", share(kpis.positive_outcome_rate)],
		["Success of what was sent", share(roi.intervention_success_rate)],
		["Came back after a message", count(roi.recovered_users)],
		["Days to a positive outcome", roi.avg_time_to_outcome_days ? roi.avg_time_to_outcome_days.toFixed(1) : "–"],
		["Churn", percent(kpis.churn_rate, 1)],
	];
	return html`<div class="tiles">${tiles.map(([name, value]) => html`<div class="tile" key=${name}><strong>${value}</strong>${name}</div>`)}</div>`;
}

function Lift({ of }) {
	const known = of.filter((row) => row.difference !== undefined);
	return html`
		<${Card} title="Lift by playbook" actions=${html`<span class="soft">95 % intervals</span>`}>
			${of.length === 0 ? html`<${Empty} title="No trial has ended yet">Each playbook keeps a holdout that gets no message. Once the
				attribution window of the first customers is over, the difference shows here.<//>` : html`
				<${Intervals} label="Lift by playbook" rows=${known.map((row) => ({ ...row, tone: verdicts[row.verdict][0],
					note: `${percent(row.treated_positive / row.treated)} of ${count(row.treated)} written to, ${percent(row.held_out_positive / row.held_out)} of ${count(row.held_out)} held out` }))} />
				<${Table} label="Lift" of=${{ rows: of }} keyOf=${(row) => row.playbook_id} href=${(row) => `/playbooks/${row.playbook_id}`} columns=${[
					{ title: "Playbook", cell: (row) => row.name },
					{ title: "Written to", class: "number", cell: (row) => count(row.treated) },
					{ title: "Held out", class: "number", cell: (row) => count(row.held_out) },
					{ title: "Verdict", cell: (row) => html`<${Badge} tone=${verdicts[row.verdict][0]}>${verdicts[row.verdict][1]}<//>` },
				]} />`}
		<//>`;
}

function ByDay({ rows }) {
	const series = [["Sent", "accent", "sent"], ["Positive", "stage-active", "positive"], ["Negative", "stage-churned", "negative"], ["Neutral", "faint", "neutral"]];
	const total = rows.reduce((sum, row) => sum + row.sent, 0);
	const measured = rows.reduce((sum, row) => sum + row.positive + row.negative + row.neutral, 0);
	return html`
		<div class="grid">
			<${Card} title="Messages sent by day" actions=${html`<span class="soft">${plural(total, "message")}</span>`}>
				${total === 0 ? html`<p class="soft">Nothing was sent in this time.</p>` : html`<${Days} label="Messages sent by day" days=${rows.map((row) => row.day)} series=${[{ name: "Sent", colour: "accent", values: rows.map((row) => row.sent) }]} />`}<//>
			<${Card} title="Outcomes measured by day">
				${measured === 0 ? html`<p class="soft">Nothing was measured in this time.</p>` : html`<${Days} label="Outcomes by day" days=${rows.map((row) => row.day)} series=${series.slice(1).map(([name, colour, key]) =>
					({ name, colour, values: rows.map((row) => row[key]) }))} />`}<//>
		</div>`;
}

function Outcomes({ data }) {
	const byStatus = Object.fromEntries(data.intervention_stats.map((row) => [row.status, row.count]));
	const funnel = ["planned", "approved", "sent", "delivered"];
	/* Who is further has been through what lies before. */
	const through = funnel.map((status, i) => [words(status), funnel.slice(i).reduce((sum, key) => sum + (byStatus[key] ?? 0), 0)]);
	return html`
		<div class="grid">
			<${Card} title="From plan to inbox"><${Bars} label="Messages that came so far" rows=${through} /><//>
			<${Card} title="What came of it"><${Bars} label="Outcomes" rows=${["positive", "neutral", "negative"].map((name, i) =>
				[words(name), data.outcome_stats.find((row) => row.outcome === name)?.count ?? 0, ["good", "faint", "bad"][i]])} /><//>
		</div>
		<${Card} title="Playbooks" flush><${Table} label="Playbooks" of=${{ rows: data.top_playbooks.filter((row) => row.playbook_id) }}
			keyOf=${(row) => row.playbook_id} href=${(row) => `/playbooks/${row.playbook_id}`} columns=${[
				{ title: "Playbook", cell: (row) => row.name ?? "By hand" },
				{ title: "Planned", class: "number", cell: (row) => count(row.interventions) },
				{ title: "Sent", class: "number", cell: (row) => count(row.sent) },
				{ title: "Positive", class: "number", cell: (row) => count(row.positive) },
				{ title: "Success", class: "number", cell: (row) => percent(row.success_rate) },
			]} empty=${html`<${Empty} title="Nothing was planned in this time" />`} /><//>`;
}
