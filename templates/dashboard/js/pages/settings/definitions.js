/*
 * What a tenant's words mean: milestones, segments, churn, expansion; and
 * the limits of what goes out. One form; only what was changed is sent.
 */
import { api } from "../../api.js";
import { html } from "../../html.js";
import { may } from "../../session.js";
import { Button, Card } from "../../ui/basics.js";
import { Builder, documentOf, namesOf, rowsOf } from "../../ui/conditions.js";
import { Field, Submit, splitLines, useForm } from "../../ui/form.js";
import { toast } from "../../ui/toast.js";

/* What a model is told where the tenant says nothing (engine/tenant_config.c). */
const modelFields = [
	"role", "plan", "locale", "lifecycle_stage", "risk_level", "health", "activation_score", "engagement_score",
	"expansion_score", "days_since_last_activity", "event", "milestone", "segment",
];

const renamed = (tests, name) =>
	Object.fromEntries(Object.entries(tests ?? {}).map(([key, value]) => [name(key), value]));
const prefixed = (tests) => renamed(tests, (key) => `properties.${key}`);
const bare = (tests) => renamed(tests, (key) => key.replace(/^properties\./, ""));

const freshMilestone = { name: "", event: "", count: 1, onboarding: true, retention: false, rows: [] };

/* Config → the form's values; `configOf` is the way back. */
function valuesOf(config) {
	const { expansion = {}, model = {} } = config;
	return {
		milestones: (config.milestones ?? []).map(({ properties, ...one }) =>
			({ ...freshMilestone, ...one, rows: rowsOf(prefixed(properties)) })),
		segments: (config.segments ?? []).map(({ name, conditions }) => ({ name, rows: rowsOf(conditions) })),
		churn_events: (config.lifecycle?.churn_events ?? []).join("\n"),
		limits_weight: expansion.limits_weight ?? 0.5, gates_weight: expansion.gates_weight ?? 0.3,
		signals_weight: expansion.signals_weight ?? 0.2, full_gate_hits: expansion.full_gate_hits ?? 3,
		gate_days: expansion.gate_days ?? 14,
		gate_events: (expansion.gate_events ?? []).join("\n"),
		limits: (expansion.limits ?? []).map(({ property, limit_property, max }) =>
			({ property, against: limit_property === undefined ? "max" : "limit_property", limit: limit_property ?? max })),
		signals: (expansion.signals ?? []).map((conditions) => ({ rows: rowsOf(conditions) })),
		cap_count: config.frequency_cap?.count ?? 3, cap_days: config.frequency_cap?.days ?? 7,
		daily_budget: config.daily_budget ?? "", attribution_days: config.attribution_days ?? 14,
		allowed_domains: (config.allowed_domains ?? []).join("\n"),
		model_enabled: model.enabled ?? true, daily_tokens: model.daily_tokens ?? "",
		model_fields: (model.fields ?? modelFields).join("\n"),
	};
}

const number = (text) => text === "" ? undefined : Number(text);
const filled = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

function milestoneOf({ name, event, count, onboarding, retention, rows }) {
	const properties = bare(documentOf(rows));
	if ("all" in properties)
		throw new Error(`The milestone ${name} tests a property twice in the same way.`);
	return { name, event, count: Number(count), onboarding, retention,
		...(Object.keys(properties).length > 0 && { properties }) };
}

const configOf = (v, config) => ({
	milestones: v.milestones.map(milestoneOf),
	segments: v.segments.map(({ name, rows }) => ({ name, conditions: documentOf(rows) })),
	lifecycle: { ...config.lifecycle, churn_events: splitLines(v.churn_events) },
	expansion: {
		...config.expansion, limits_weight: number(v.limits_weight), gates_weight: number(v.gates_weight),
		signals_weight: number(v.signals_weight), full_gate_hits: number(v.full_gate_hits),
		gate_days: number(v.gate_days),
		gate_events: splitLines(v.gate_events),
		limits: v.limits.map(({ property, against, limit }) =>
			({ property, [against]: against === "max" ? Number(limit) : limit })),
		signals: v.signals.map(({ rows }) => documentOf(rows)),
	},
	frequency_cap: { count: Number(v.cap_count), days: Number(v.cap_days) },
	daily_budget: v.daily_budget === "" ? null : Number(v.daily_budget),
	attribution_days: Number(v.attribution_days),
	allowed_domains: splitLines(v.allowed_domains),
	model: filled({ ...config.model, enabled: v.model_enabled, daily_tokens: number(v.daily_tokens),
		fields: splitLines(v.model_fields) }),
});

/* What nobody touched keeps its default, also when that changes one day. */
function changesOf(values, config) {
	const before = configOf(valuesOf(config), config);
	return Object.fromEntries(Object.entries(configOf(values, config))
		.filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(before[key])));
}

export function Definitions({ data: { tenant }, reload }) {
	const config = tenant.config ?? {};
	const form = useForm(valuesOf(config), async (values) => {
		await api("PATCH", "/api/settings", { config: changesOf(values, config) });
		await reload();
		toast("Saved. It counts from the next run of the batch on.");
	}, { guard: true });
	const names = namesOf(form.values);
	const parts = { form, names };
	return html`
		<form class="form" onSubmit=${form.submit}>
			<fieldset class="form" disabled=${!may("admin")}>
				<${Milestones} ...${parts} /><${Segments} ...${parts} /><${Churn} form=${form} /><${Limits} form=${form} />
				<${Expansion} ...${parts} /><${Model} form=${form} />
			</fieldset>
			${may("admin") ? html`<${Submit} form=${form} whenTouched>Save<//>`
				: html`<p class="faint">An admin can change this.</p>`}
		</form>`;
}

/* A list in the form: each item with fields of its own, by the paths of the API. */
function Items({ form, name, path, one, fresh, empty, children }) {
	const items = form.values[name];
	const put = (next) => form.set(name, next);
	return html`<div class="form">
		${items.length === 0 && html`<p class="soft">${empty}</p>`}
		${items.map((item, i) => {
			const at = `${path}[${i}]`;
			const set = (key, value) => put(items.map((old, k) => k === i ? { ...old, [key]: value } : old));
			return html`<div class="builder-groups" role="group" aria-label=${`${one} ${i + 1}`} key=${i}>
				${children({ values: item, set, faultsOf: form.faultsOf }, at)}
				<div><${Button} class="small" kind="danger" onClick=${() => put(items.filter((_, k) => k !== i))}>
					Remove ${one.toLowerCase()} ${i + 1}<//></div></div>`;
		})}
		<div><${Button} class="small" onClick=${() => put([...items, fresh])}>Add a ${one.toLowerCase()}<//></div></div>`;
}

/* Faults inside a condition, which has no fields of its own to put them at. */
const Faults = ({ form, path }) => form.faultsOf(path).map((fault) => html`
	<p class="error" key=${fault.path}>${fault.path.slice(path.length + 1) || "It"}: ${fault.message}</p>`);

const Milestones = ({ form, names }) => html`
	<${Card} title="Milestones"><div class="form">
		<p class="soft">What somebody who gets started does. Those of onboarding make the activation score;
			those that are done again and again make engagement.</p>
		<${Items} form=${form} name="milestones" path="config.milestones" one="Milestone" fresh=${freshMilestone}
			empty="None yet. Without them activation is three active days.">${(one, at) => html`
			<div class="pairs level">
				<${Field} form=${one} name="name" path=${`${at}.name`} label="Name" required maxlength="200" />
				<${Field} form=${one} name="event" path=${`${at}.event`} label="Event" required placeholder="report_created" />
				<${Field} form=${one} name="count" path=${`${at}.count`} label="Reached at its n-th time" type="number"
					min="1" required />
			</div>
			<${Field} form=${one} name="onboarding" path=${`${at}.onboarding`} label="Part of getting started" type="checkbox" />
			<${Field} form=${one} name="retention" path=${`${at}.retention`} label="A sign of staying" type="checkbox" />
			<${Builder} label="Properties of the event" rows=${one.values.rows} names=${names} only="property"
				onChange=${(rows) => one.set("rows", rows)} empty="Every such event counts." />
			<${Faults} form=${one} path=${`${at}.properties`} />`}<//></div><//>`;

const Segments = ({ form, names }) => html`
	<${Card} title="Segments"><div class="form">
		<p class="soft">Groups of customers with a name, for conditions and filters.</p>
		<${Items} form=${form} name="segments" path="config.segments" one="Segment" fresh=${{ name: "", rows: [] }}
			empty="None yet.">${(one, at) => html`
			<${Field} form=${one} name="name" path=${`${at}.name`} label="Name" required maxlength="200" />
			<${Builder} label="Who is in it" rows=${one.values.rows} names=${names} empty="Everybody."
				onChange=${(rows) => one.set("rows", rows)} />
			<${Faults} form=${one} path=${`${at}.conditions`} />`}<//></div><//>`;

const Churn = ({ form }) => html`
	<${Card} title="Churn"><${Field} form=${form} name="churn_events" path="config.lifecycle.churn_events" rows=${2}
		label="Events that mean that somebody has left" hint="One a line, such as account_closed" /><//>`;

const Limits = ({ form }) => html`
	<${Card} title="Limits"><div class="form">
		<div class="pairs level">
			<${Field} form=${form} name="cap_count" path="config.frequency_cap.count" label="Messages a customer gets at most"
				type="number" min="1" max="1000" required />
			<${Field} form=${form} name="cap_days" path="config.frequency_cap.days" label="within so many days"
				type="number" min="1" max="365" required />
			<${Field} form=${form} name="daily_budget" path="config.daily_budget" label="Automatic messages a day"
				type="number" min="1" placeholder="no limit" />
			<${Field} form=${form} name="attribution_days" path="config.attribution_days" label="Days in which an outcome counts"
				type="number" min="1" max="365" required />
		</div>
		<${Field} form=${form} name="allowed_domains" path="config.allowed_domains" rows=${2}
			label="Domains that links may lead to" hint="One a line, such as example.com; besides a playbook's own link" />
	</div><//>`;

const weights = [["limits_weight", "Nearness to limits"], ["gates_weight", "Features they bumped into"],
	["signals_weight", "Signals"]];
const against = [["limit_property", "Limit in the property"], ["max", "Limit of always"]];

const Expansion = ({ form, names }) => html`
	<${Card} title="Expansion"><div class="form">
		<p class="soft">Who is ready for more: near a limit of the plan, stopped by a feature that is not in it,
			or with a sign of yours.</p>
		<div class="pairs level">${weights.map(([name, label]) => html`
			<${Field} key=${name} form=${form} name=${name} path=${`config.expansion.${name}`}
				label=${`Weight: ${label.toLowerCase()}`}
				type="number" min="0" step="any" required />`)}</div>
		<h3>Limits of the plan</h3>
		<${Items} form=${form} name="limits" path="config.expansion.limits" one="Limit" empty="None yet."
			fresh=${{ property: "", against: "limit_property", limit: "" }}>${(one, at) => html`<div class="pairs level">
				<${Field} form=${one} name="property" path=${`${at}.property`} label="Property" required placeholder="seats_used" />
				<${Field} form=${one} name="against" path=${at} label="Against" options=${against} />
				<${Field} form=${one} name="limit" path=${`${at}.${one.values.against}`} required
					...${one.values.against === "max" ? { label: "Limit", type: "number", min: "0", step: "any" }
						: { label: "Property of the limit", placeholder: "seats" }} /></div>`}<//>
		<h3>Features they bumped into</h3>
		<div class="pairs level">
			<${Field} form=${form} name="gate_events" path="config.expansion.gate_events" rows=${2} label="Events"
				hint="One a line" />
			<${Field} form=${form} name="full_gate_hits" path="config.expansion.full_gate_hits"
				label="Times that count as all" type="number" min="1" required />
			<${Field} form=${form} name="gate_days" path="config.expansion.gate_days"
				label="In so many days" type="number" min="1" required /></div>
		<h3>Signals</h3>
		<${Items} form=${form} name="signals" path="config.expansion.signals" one="Signal" fresh=${{ rows: [] }}
			empty="None yet.">${(one, at) => html`
			<${Builder} label="When it holds" rows=${one.values.rows} names=${names} empty="A signal needs a condition."
				onChange=${(rows) => one.set("rows", rows)} /><${Faults} form=${one} path=${at} />`}<//>
		<${Faults} form=${form} path="config.expansion" />
	</div><//>`;

const Model = ({ form }) => html`
	<${Card} title="Language model"><div class="form">
		<${Field} form=${form} name="model_enabled" path="config.model.enabled"
			label="A model may plan, where the server has one" type="checkbox"
			hint="Without it the built-in planner does all of it" />
		<${Field} form=${form} name="daily_tokens" path="config.model.daily_tokens" label="Tokens a day" type="number" min="1"
			placeholder="no limit" />
		<${Field} form=${form} name="model_fields" path="config.model.fields" rows=${6} label="What it is told of a customer"
			hint="One a line; properties.<name> too. Nothing else leaves this server." />
	</div><//>`;
