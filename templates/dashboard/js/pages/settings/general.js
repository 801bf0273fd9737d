/* Name and limits, what may send itself, the kill switch, and the brand. */
import { api } from "../../api.js";
import { channelName } from "../../format.js";
import { html } from "../../html.js";
import { may } from "../../session.js";
import { Button, Card, Facts, Notice } from "../../ui/basics.js";
import { ask } from "../../ui/dialog.js";
import { Field, Submit, splitLines, useForm } from "../../ui/form.js";
import { attempt, toast } from "../../ui/toast.js";

/* A form that only admins may send; others read it. */
const AdminForm = ({ form, children, save }) => html`
	<form class="form narrow" onSubmit=${form.submit}>
		<fieldset class="form" disabled=${!may("admin")}>${children}</fieldset>
		${may("admin") ? html`<${Submit} form=${form} whenTouched>${save}<//>` : html`<p class="faint">An admin can change this.</p>`}
	</form>`;

export function General({ data: { tenant }, reload }) {
	const config = tenant.config ?? {};
	const form = useForm({ name: tenant.name, timezone: tenant.timezone ?? "UTC", cap_count: config.frequency_cap?.count ?? 3, cap_days: config.frequency_cap?.days ?? 7 }, async (values) => {
		await api("PATCH", "/api/settings", { name: values.name, config: { timezone: values.timezone, frequency_cap: { count: Number(values.cap_count), days: Number(values.cap_days) } } });
		await reload();
		toast("The settings are saved.");
	});
	return html`<${Card} title="This tenant"><${AdminForm} form=${form} save="Save">
		<${Field} form=${form} name="name" label="Name" required maxlength="200" />
		<${Field} form=${form} name="timezone" path="config.timezone" label="Time zone" hint="Where a customer's own is not known, such as Europe/Berlin" />
		<div class="pairs"><${Field} form=${form} name="cap_count" path="config.frequency_cap.count" label="Messages a customer gets at most" type="number" min="1" max="1000" />
			<${Field} form=${form} name="cap_days" path="config.frequency_cap.days" label="within so many days" type="number" min="1" max="365" /></div>
	<//><//>`;
}

const modes = [["suggest_only", "Suggest only: a person approves each message"], ["semi_auto", "Semi-automatic: sure ones send themselves"], ["full_auto", "Automatic: all that pass the checks send themselves"]];

export function Sending({ data: { tenant }, reload }) {
	const config = tenant.config ?? {};
	const hours = config.quiet_hours;
	const form = useForm({ mode: tenant.approvalMode, threshold: config.confidence_threshold ?? 0.8, start: hours?.start ?? "", end: hours?.end ?? "", email: config.channels?.includes("email") ?? true, in_app: config.channels?.includes("in_app") ?? true, webhook: config.channels?.includes("webhook") ?? false, crm: config.channels?.includes("crm") ?? false }, async (values) => {
		await api("PATCH", "/api/settings", { approvalMode: values.mode, config: {
			confidence_threshold: Number(values.threshold), channels: ["email", "in_app", "webhook", "crm"].filter((name) => values[name]),
			quiet_hours: values.start && values.end ? { start: values.start, end: values.end } : null } });
		await reload();
		toast("The settings are saved.");
	});
	return html`
		<${KillSwitch} on=${tenant.kill_switch_active} reload=${reload} />
		<${Card} title="Approval and channels"><${AdminForm} form=${form} save="Save">
			<${Field} form=${form} name="mode" path="approvalMode" label="Who approves" options=${modes} />
			<${Field} form=${form} name="threshold" path="config.confidence_threshold" label="Confidence from which semi-automatic sends" type="number" min="0" max="1" step="0.05" />
			<div class="pairs level"><${Field} form=${form} name="start" path="config.quiet_hours" label="Quiet from" type="time" hint="On the customer's own clock" />
				<${Field} form=${form} name="end" path="config.quiet_hours.end" label="Quiet until" type="time" /></div>
			<fieldset class="form checks"><legend>Channels</legend>${["email", "in_app", "webhook", "crm"].map((name) => html`<${Field} key=${name} form=${form} name=${name} label=${channelName(name)} type="checkbox" />`)}</fieldset>
		<//><//>`;
}

function KillSwitch({ on, reload }) {
	const turn = async () => {
		const sure = await ask(on ? { title: "Let messages go out again?", text: "Approved messages are sent with the next run of the batch.", action: "Release the kill switch" }
			: { title: "Stop every message?", text: "Nothing leaves this tenant until the switch is released, whatever is approved.", action: "Stop all sending", danger: true });
		if (sure)
			await attempt(async () => {
				await api("PUT", "/api/settings/kill-switch", { active: !on });
				await reload();
				toast(on ? "Messages go out again." : "Sending is stopped.");
			});
	};
	return html`<${Card} title="Kill switch"><div class="form">
		${on ? html`<${Notice} tone="bad">Sending is stopped.<//>` : html`<p class="soft">One press, and nothing is sent any more.</p>`}
		${may("admin") ? html`<div><${Button} class="huge" kind=${on ? "primary" : "danger-solid"} icon="stop" onClick=${turn}>${on ? "Release the kill switch" : "Stop all sending"}<//></div>`
			: html`<${Facts} of=${[["State", on ? "On" : "Off"]]} />`}
	</div><//>`;
}

export function Brand({ data: { brand_context: brand }, reload }) {
	const form = useForm({ product: brand?.product_description ?? "", tone: brand?.tone_guidelines ?? "", mention: (brand?.things_to_mention ?? []).join("\n"), avoid: (brand?.things_to_avoid ?? []).join("\n") }, async (values) => {
		await api("PATCH", "/api/settings/brand", { product_description: values.product, tone_guidelines: values.tone, things_to_mention: splitLines(values.mention), things_to_avoid: splitLines(values.avoid) });
		await reload();
		toast("The brand is saved.");
	});
	return html`<${Card} title="How Retivo speaks for you"><${AdminForm} form=${form} save="Save">
		<${Field} form=${form} name="product" path="product_description" label="What your product does" rows=${3} />
		<${Field} form=${form} name="tone" path="tone_guidelines" label="Tone" rows=${2} />
		<${Field} form=${form} name="mention" path="things_to_mention" label="Things to mention" rows=${3} hint="One a line" />
		<${Field} form=${form} name="avoid" path="things_to_avoid" label="Things to avoid" rows=${3} hint="One a line; a message that holds one of them fails its checks" />
	<//><//>`;
}
