/* Stages, weights and thresholds, with what a change would do beside them. */
import { api } from "../../api.js";
import { count, percent, words } from "../../format.js";
import { useSettled } from "../../data.js";
import { html, useEffect, useState } from "../../html.js";
import { may } from "../../session.js";
import { Card, Failure, Notice, Skeleton } from "../../ui/basics.js";
import { Field, Submit, useForm } from "../../ui/form.js";
import { toast } from "../../ui/toast.js";

/* [section, key, label, default, step] */
const fields = [
	["lifecycle", "new_max_days", "New for at most (days)", 1, 1],
	["lifecycle", "onboarding_max_days", "Onboarding for at most (days)", 14, 1],
	["lifecycle", "at_risk_days", "At risk after (silent days)", 7, 1],
	["lifecycle", "churned_days", "Churned after (silent days)", 30, 1],
	["lifecycle", "recovered_days", "Recovered for (days)", 14, 1],
	["lifecycle", "drop_ratio", "At risk if activity falls to (share)", 0.5, 0.05],
	["lifecycle", "drop_min_events", "of at least so many events before", 10, 1],
	["lifecycle", "drop_days", "in so many days, against as many before", 14, 1],
	["health", "engagement", "Engagement", 0.5, 0.05], ["health", "activation", "Activation", 0.2, 0.05],
	["health", "risk", "Absence of risk", 0.3, 0.05],
	["engagement", "frequency", "Active days", 0.4, 0.05], ["engagement", "breadth", "Different events", 0.2, 0.05],
	["engagement", "recency", "Recency", 0.25, 0.05], ["engagement", "milestones", "Retention milestones", 0.15, 0.05],
	["engagement", "days", "Days that are looked at", 14, 1],
	["engagement", "full_frequency_days", "Active days of them that count as all", 10, 1],
	["engagement", "full_breadth_names", "Different events that count as all", 8, 1],
	["risk", "inactivity", "Inactivity", 0.5, 0.05], ["risk", "decline", "Decline", 0.3, 0.05],
	["risk", "activation", "Missing activation", 0.2, 0.05],
	["risk", "medium", "Medium from", 0.3, 0.05], ["risk", "high", "High from", 0.55, 0.05],
	["risk", "critical", "Critical from", 0.8, 0.05],
];
const sections = [["lifecycle", "Stages"], ["health", "Weights of health"], ["engagement", "Weights of engagement"],
	["risk", "Weights and levels of risk"]];

/* Whole sections, with what they hold besides these fields. */
function configOf(values, config) {
	const changed = {};
	for (const [section] of sections)
		changed[section] = { ...config[section], ...Object.fromEntries(fields.filter(([of]) => of === section)
			.map(([of, key]) => [key, Number(values[`${of}.${key}`])])) };
	return changed;
}

export function Lifecycle({ data: { tenant }, reload }) {
	const config = tenant.config ?? {};
	const form = useForm(Object.fromEntries(fields.map(([section, key, , normal]) => [`${section}.${key}`,
		config[section]?.[key] ?? normal])), async (values) => {
		await api("PATCH", "/api/settings", { config: configOf(values, config) });
		await reload();
		toast("Saved. Everybody is scored anew with the next run of the batch.");
	}, { guard: true });
	return html`
		<form class="form" onSubmit=${form.submit}>
			<div class="detail"><fieldset class="form" disabled=${!may("admin")}>${sections.map(([section, title]) => html`
				<${Card} title=${title} key=${section}><div
					class="pairs">${fields.filter(([of]) => of === section).map(([of, key, label, , step]) => html`
					<${Field} key=${key} form=${form} name=${`${of}.${key}`} path=${`config.${of}.${key}`} label=${label}
						type="number" min="0" step=${step} required />`)}</div><//>`)}</fieldset>
				<div class="stays"><${Preview} config=${configOf(form.values, config)} touched=${form.touched} /></div></div>
			<div class="foot">${may("admin") ? html`<${Submit} form=${form} whenTouched>Save<//>`
				: html`<p class="faint">An admin can change this.</p>`}</div>
		</form>`;
}

/* Asked while somebody types; nothing is stored. */
function Preview({ config, touched }) {
	const wanted = JSON.stringify(config);
	const text = useSettled(wanted, 400);
	const [seen, setSeen] = useState({});
	useEffect(() => {
		const stop = new AbortController();
		api("POST", "/api/settings/lifecycle/preview", { config: JSON.parse(text) }, { signal: stop.signal })
			.then((data) => setSeen({ text, data }), (error) => error.name !== "AbortError" && setSeen({ text, error }));
		return () => stop.abort();
	}, [text]);
	if (seen.error?.status === 400)
		return html`<${Notice} tone="warn">${seen.error.details[0]
			? `${seen.error.details[0].path}: ${seen.error.details[0].message}` : seen.error.message}<//>`;
	if (seen.error)
		return html`<${Failure} error=${seen.error} />`;
	if (!seen.data)
		return html`<${Skeleton} lines=${5} />`;
	const { now, then, changed, customers, total, sampled } = seen.data;
	const share = percent(customers ? changed / customers : 0);
	const rows = (part) => Object.keys(now[part]).filter((key) => now[part][key] || then[part][key]);
	const Line = (name, a, b) => html`<tr key=${name}><td>${words(name)}</td><td class="number">${count(a)}</td>
		<td class="number">${count(b)}</td>
		<td class="number">${b === a ? html`<span class="faint">same</span>`
			: html`<b>${b > a ? "+" : "−"}${count(Math.abs(b - a))}</b>`}</td></tr>`;
	return html`
		<${Card} title="What it would do" actions=${html`<span class="soft">${touched && seen.text !== wanted ? "Counting…"
			: touched ? `${count(changed)} of ${count(customers)} customers would change (${share})`
			: `${count(customers)} customers`}${sampled ? `, a fair sample of ${count(total)}` : ""}</span>`}>
			<div class="table-scroll" tabindex="0" role="region" aria-label="Now and then"><table>
				<thead><tr><th scope="col">Customers</th><th scope="col" class="number">Now</th><th scope="col"
					class="number">Then</th><th scope="col" class="number">Change</th></tr></thead>
				<tbody>${rows("stages").map((key) => Line(key, now.stages[key], then.stages[key]))}
					${rows("risks").map((key) => Line(`${key} risk`, now.risks[key], then.risks[key]))}
					${Line("mean health", Math.round(now.mean_health), Math.round(then.mean_health))}</tbody></table></div>
		<//>`;
}
