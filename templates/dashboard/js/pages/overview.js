/* How the customers are, and what waits for a person. */
import { Bars } from "../charts/bars.js";
import { Columns } from "../charts/columns.js";
import { Days } from "../charts/days.js";
import { Funnel } from "../charts/funnel.js";
import { useApi } from "../data.js";
import { channelName, count, percent, words } from "../format.js";
import { html } from "../html.js";
import { useQuery } from "../router.js";
import { Guide } from "./guide.js";
import { Card, Empty, Load, Page, Tabs, Tiles, Time } from "../ui/basics.js";

export const stages = ["new", "onboarding", "active", "recovered", "at_risk", "churned"];
const risks = ["low", "medium", "high", "critical"];
const healthBands = ["0-19", "20-39", "40-59", "60-79", "80-100"];
const bandColours = ["risk-critical", "risk-high", "risk-medium", "risk-low", "risk-low"];
const steps = ["planned", "approved", "sent", "delivered"];

export default function Overview() {
	const [{ range = "30d" }, setQuery] = useQuery();
	const analytics = useApi(`/api/analytics?range=${range}`);
	return html`
		<${Page} title="Overview" actions=${html`<${Tabs} label="Range" value=${range}
			items=${[["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"]]} onChange=${(next) => setQuery({ range: next })} />`}>
			<${Guide} />
			<${Load} of=${analytics} lines=${10}>${(data) => data.kpis.total_users === 0
				? html`<${Card}><${Empty} title="No customers yet" action=${html`<a class="button" href="/settings/connectors">Connect your product</a>`}>They appear with their first event.<//><//>`
				: html`<${Numbers} data=${data} /><${Charts} data=${data} />`}<//>
		<//>`;
}

/* The first line of a message that says more than a greeting. */
export function lineOf({ subject, message_body: body }) {
	const line = subject ?? body?.split("\n").find((text) => text.length > 24) ?? body ?? "No text";
	return line[0].toUpperCase() + line.slice(1);
}

function Waiting() {
	const waiting = useApi("/api/interventions?status=planned&limit=5");
	return html`
		<${Card} title="Waiting for you" actions=${html`<a class="link" href="/interventions">Open the queue</a>`}>
			<${Load} of=${waiting}>${({ interventions }) => interventions.length === 0
				? html`<p class="soft">Nothing waits for approval.</p>`
				: html`<ul class="list waiting">${interventions.map((one) => html`
					<li key=${one.id}><a href=${`/interventions?selected=${one.id}`}>${lineOf(one)}</a>
						<span class="line"><span>${one.customer_name ?? one.user_id} · ${channelName(one.channel)}</span><${Time} at=${one.planned_at} /></span></li>`)}</ul>`}<//>
		<//>`;
}

/* "+12 in 30 days" of some stages or risks, where the first of these days was counted. */
function since({ daily, range }, part, names) {
	const of = (row) => names.reduce((sum, name) => sum + (row[part][name] ?? 0), 0);
	const change = daily.length > 1 ? of(daily.at(-1)) - of(daily[0]) : 0;
	return change === 0 ? null : `${change > 0 ? "+" : "−"}${count(Math.abs(change))} in ${Math.min(parseInt(range, 10), daily.length)} days`;
}

/* Who was there at the beginning is kept or lost; of nobody neither can be said. */
export const nobody = (kpis) => kpis.retention_rate === 0 && kpis.churn_rate === 0;

function Numbers({ data }) {
	const at = Object.fromEntries(data.lifecycle_distribution.map((row) => [row.lifecycle_stage, row.count]));
	const planned = data.intervention_stats.find((row) => row.status === "planned")?.count ?? 0;
	return html`<${Tiles} of=${[
		["Customers", count(data.kpis.total_users), { href: "/customers" }],
		["At risk", count(at.at_risk ?? 0), { href: "/customers?stage=at_risk", note: since(data, "stages", ["at_risk"]) }],
		["Churned", count(at.churned ?? 0), { href: "/customers?stage=churned", note: since(data, "stages", ["churned"]) }],
		["Retention", nobody(data.kpis) ? "–" : percent(data.kpis.retention_rate, 1)],
		["To approve", count(planned), { href: "/interventions" }],
		["Positive outcomes", data.outcome_stats.length === 0 ? "–" : percent(data.kpis.positive_outcome_rate)],
	]} />`;
}

/* Over time once two days were counted; before that as they are now. */
function ByDay({ daily, part, label, names }) {
	if (daily.length > 1)
		return html`<${Days} label=${label} days=${daily.map((row) => row.day)}
			series=${names.map(([name, colour]) => ({ name: words(name), colour, values: daily.map((row) => row[part][name] ?? 0) }))} />`;
	return html`<${Bars} label=${label} rows=${names.map(([name, colour]) => [words(name), daily[0]?.[part][name] ?? 0, colour])} />`;
}

function Charts({ data }) {
	const { daily } = data;
	const newest = daily.at(-1);
	const byStatus = Object.fromEntries(data.intervention_stats.map((row) => [row.status, row.count]));
	const moved = since(data, "risks", ["high", "critical"]);
	const positive = data.outcome_stats.find((row) => row.outcome === "positive")?.count ?? 0;
	return html`
		<div class="split">
			<${Card} title=${daily.length > 1 ? "Lifecycle over time" : "Lifecycle"}><${ByDay} daily=${daily} part="stages" label="Customers by stage and day"
				names=${stages.map((stage) => [stage, `stage-${stage}`])} /><//>
			<${Waiting} />
		</div>
		<div class="split">
			<${Card} title=${daily.length > 1 ? "Risk over time" : "Risk"} actions=${moved && html`<span class="faint">High and critical: ${moved}</span>`}><${ByDay} daily=${daily} part="risks" label="Customers by risk and day" names=${risks.map((risk) => [risk, `risk-${risk}`])} /><//>
			${newest && html`<${Card} title="Health now"><${Columns} label="Customers by health"
				rows=${healthBands.map((band, i) => [band.replace("-", "–"), newest.health[band] ?? 0, bandColours[i]])} /><//>`}
		</div>
		<div class="grid">
			<${Card} title="From plan to outcome"><${Funnel} label="Interventions that came so far" rows=${[...through(byStatus), ["Positive", positive, "good"]]} /><//>
			<${Card} title="Busiest playbooks">${data.top_playbooks.length === 0 ? html`<p class="soft">No playbook has planned anything yet.</p>`
				: html`<${Bars} label="Interventions by playbook" rows=${data.top_playbooks.slice(0, 5).map((book) => [book.name ?? "By hand", book.interventions])} />`}<//>
		</div>`;
}

/* Who is further has been through what lies before. */
export const through = (byStatus) => steps.map((status, i) =>
	[words(status), steps.slice(i).reduce((sum, key) => sum + (byStatus[key] ?? 0), 0)]);
