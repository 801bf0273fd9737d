/* How the customers are, and what waits for a person. */
import { Bars } from "../charts/bars.js";
import { Days } from "../charts/days.js";
import { useApi } from "../data.js";
import { count, percent, words } from "../format.js";
import { html } from "../html.js";
import { useQuery } from "../router.js";
import { Guide } from "./guide.js";
import { Badge, Card, Empty, Load, Page, Tabs, Time } from "../ui/basics.js";

export const stages = ["new", "onboarding", "active", "recovered", "at_risk", "churned"];
const risks = [["low", "good"], ["medium", "warn"], ["high", "warn"], ["critical", "bad"]];
const healthBands = ["0-19", "20-39", "40-59", "60-79", "80-100"];

export default function Overview() {
	const [{ range = "30d" }, setQuery] = useQuery();
	const analytics = useApi(`/api/analytics?range=${range}`);
	const waiting = useApi("/api/interventions?status=planned&limit=6");
	return html`
		<${Page} title="Overview" actions=${html`<${Tabs} label="Range" value=${range}
			items=${[["7d", "7 days"], ["30d", "30 days"], ["90d", "90 days"]]} onChange=${(next) => setQuery({ range: next })} />`}>
			<${Guide} />
			<${Load} of=${analytics} lines=${10}>${(data) => data.kpis.total_users === 0
				? html`<${Card}><${Empty} title="No customers yet">They appear with their first event.<//><//>`
				: html`<${Numbers} data=${data} /><${Charts} data=${data} />`}<//>
			<${Card} title="Waiting for you" actions=${html`<a class="link" href="/interventions">Open the queue</a>`}>
				<${Load} of=${waiting}>${({ interventions }) => interventions.length === 0
					? html`<p class="soft">Nothing waits for approval.</p>`
					: html`<ul class="list">${interventions.map((one) => html`
						<li key=${one.id}><a href=${`/interventions?selected=${one.id}`}>${one.subject ?? one.message_body?.slice(0, 80) ?? "No text"}</a>
							<span class="actions wide-only"><${Badge} value=${one.channel} tone="plain" /><${Time} at=${one.planned_at} /></span></li>`)}</ul>`}<//>
			<//>
		<//>`;
}

function Numbers({ data }) {
	const at = Object.fromEntries(data.lifecycle_distribution.map((row) => [row.lifecycle_stage, row.count]));
	const planned = data.intervention_stats.find((row) => row.status === "planned")?.count ?? 0;
	const tiles = [
		["Customers", count(data.kpis.total_users), "/customers"],
		["At risk", count(at.at_risk ?? 0), "/customers?stage=at_risk"],
		["Churned", count(at.churned ?? 0), "/customers?stage=churned"],
		["Retention", percent(data.kpis.retention_rate, 1), null],
		["Waiting for approval", count(planned), "/interventions"],
		["Positive outcomes", data.outcome_stats.length === 0 ? "–" : percent(data.kpis.positive_outcome_rate), null],
	];
	return html`<div class="tiles">${tiles.map(([name, value, href]) => href
		? html`<a class="tile" href=${href} key=${name}><strong>${value}</strong>${name}</a>`
		: html`<div class="tile" key=${name}><strong>${value}</strong>${name}</div>`)}</div>`;
}

function Charts({ data }) {
	const counts = (rows, key) => Object.fromEntries(rows.map((row) => [row[key], row.count]));
	const byStage = counts(data.lifecycle_distribution, "lifecycle_stage");
	const byRisk = counts(data.risk_distribution, "risk_level");
	const byStatus = counts(data.intervention_stats, "status");
	const newest = data.daily.at(-1);
	return html`
		${data.daily.length > 1 && html`
			<${Card} title="Lifecycle over time"><${Days} label="Customers by stage and day" days=${data.daily.map((row) => row.day)}
				series=${stages.map((stage) => ({ name: words(stage), colour: `stage-${stage}`, values: data.daily.map((row) => row.stages[stage] ?? 0) }))} /><//>`}
		<div class="grid">
			<${Card} title="Lifecycle now"><${Bars} label="Customers by stage" rows=${stages.map((stage) => [words(stage), byStage[stage] ?? 0, `stage-${stage}`])} /><//>
			<${Card} title="Risk now"><${Bars} label="Customers by risk" rows=${risks.map(([risk, colour]) => [words(risk), byRisk[risk] ?? 0, colour])} /><//>
			${newest && html`<${Card} title="Health now"><${Bars} label="Customers by health" rows=${healthBands.map((band, i) =>
				[band.replace("-", " to "), newest.health[band] ?? 0, i < 2 ? "bad" : i === 2 ? "warn" : "good"])} /><//>`}
			<${Card} title="Interventions by state"><${Bars} label="Interventions by state"
				rows=${["planned", "approved", "sent", "delivered", "failed"].map((status) => [words(status), byStatus[status] ?? 0])} /><//>
			<${Card} title="Busiest playbooks">${data.top_playbooks.length === 0 ? html`<p class="soft">No playbook has planned anything yet.</p>`
				: html`<${Bars} label="Interventions by playbook" rows=${data.top_playbooks.slice(0, 6).map((book) => [book.name ?? "By hand", book.interventions])} />`}<//>
		</div>`;
}
