/* Name and limits, what may send itself, the kill switch, and the brand. */
import { api } from "../../api.js";
import { channelName } from "../../format.js";
import { html } from "../../html.js";
import { may } from "../../session.js";
import { Button, Card, Facts, Notice } from "../../ui/basics.js";
import { ask } from "../../ui/dialog.js";
import { faultAt, Field, Submit, splitLines, useForm } from "../../ui/form.js";
import { attempt, toast } from "../../ui/toast.js";

/* A form that only admins may send; others read it. */
const AdminForm = ({ form, children, save }) => html`
	<form class="form narrow" onSubmit=${form.submit}>
		<fieldset class="form" disabled=${!may("admin")}>${children}</fieldset>
		${may("admin") ? html`<${Submit} form=${form} whenTouched>${save}<//>`
			: html`<p class="faint">An admin can change this.</p>`}
	</form>`;

export function General({ data: { tenant }, reload }) {
	const form = useForm({ name: tenant.name, timezone: tenant.timezone ?? "UTC" }, async (values) => {
		await api("PATCH", "/api/settings", { name: values.name, config: { timezone: values.timezone } });
		await reload();
		toast("The settings are saved.");
	}, { guard: true });
	return html`<${Card} title="This tenant"><${AdminForm} form=${form} save="Save">
		<${Field} form=${form} name="name" label="Name" required maxlength="200" />
		<${Field} form=${form} name="timezone" path="config.timezone" label="Time zone"
			hint="Where a customer's own is not known, such as Europe/Berlin" />
	<//><//>`;
}

const modes = [
	["suggest_only", "Suggest only: a person approves each message"],
	["semi_auto", "Semi-automatic: sure ones send themselves"],
	["full_auto", "Automatic: all that pass the checks send themselves"],
];
const channels = ["email", "in_app", "webhook", "crm"];

function quietHours({ start, end }) {
	if (Boolean(start) !== Boolean(end))
		throw faultAt(`config.quiet_hours.${start ? "end" : "start"}`, "Give both hours, or neither");
	return start ? { start, end } : null;
}

/* From here on nobody looks before it goes out: that is asked. */
const sureOf = (mode, before) => mode !== "full_auto" || before === "full_auto" || ask({
	title: "Let every message send itself?", danger: true, action: "Send without approval",
	text: "Each message that passes the checks goes out with the next run, and no person sees it before." });

export function Sending({ data: { tenant }, reload }) {
	const config = tenant.config ?? {};
	const initial = {
		mode: tenant.approvalMode, threshold: config.confidence_threshold ?? 0.8,
		start: config.quiet_hours?.start ?? "", end: config.quiet_hours?.end ?? "",
		...Object.fromEntries(channels.map((name) =>
			[name, (config.channels ?? ["email", "in_app"]).includes(name)])),
	};
	const form = useForm(initial, async (values) => {
		const quiet_hours = quietHours(values);
		if (!await sureOf(values.mode, tenant.approvalMode))
			throw new Error("Nothing was saved.");
		await api("PATCH", "/api/settings", { approvalMode: values.mode, config: { quiet_hours,
			confidence_threshold: Number(values.threshold), channels: channels.filter((name) => values[name]) } });
		await reload();
		toast("The settings are saved.");
	}, { guard: true });
	return html`
		<${KillSwitch} on=${tenant.kill_switch_active} reload=${reload} />
		<${Card} title="Approval and channels"><${AdminForm} form=${form} save="Save">
			<${Field} form=${form} name="mode" path="approvalMode" label="Who approves" options=${modes} />
			<${Field} form=${form} name="threshold" path="config.confidence_threshold" type="number" min="0" max="1" step="0.05"
				label="Confidence from which semi-automatic sends" required />
			<div class="pairs level">
				<${Field} form=${form} name="start" path="config.quiet_hours.start" also="config.quiet_hours" label="Quiet from"
					type="time"
					hint="On the customer's own clock" />
				<${Field} form=${form} name="end" path="config.quiet_hours.end" label="Quiet until" type="time" /></div>
			<fieldset class="form checks"><legend>Channels</legend>${channels.map((name) => html`
				<${Field} key=${name} form=${form} name=${name} label=${channelName(name)} type="checkbox" />`)}</fieldset>
			${form.faultsOf("config.channels").map((fault) => html`<p class="error" key=${fault.path}>${fault.message}</p>`)}
		<//><//>`;
}

function KillSwitch({ on, reload }) {
	const turn = async () => {
		const sure = await ask(on ? { title: "Let messages go out again?", action: "Release the kill switch",
			text: "Approved messages are sent with the next run of the batch." }
			: { title: "Stop every message?", action: "Stop all sending", danger: true,
				text: "Nothing leaves this tenant until the switch is released, whatever is approved." });
		if (sure)
			await attempt(async () => {
				await api("PUT", "/api/settings/kill-switch", { active: !on });
				await reload();
				toast(on ? "Messages go out again." : "Sending is stopped.");
			});
	};
	return html`<${Card} title="Kill switch"><div class="form">
		${on ? html`<${Notice} tone="bad">Sending is stopped.<//>`
			: html`<p class="soft">One press, and nothing is sent any more.</p>`}
		${may("admin") ? html`<div><${Button} class="huge" kind=${on ? "primary" : "danger-solid"} icon="stop"
			onClick=${turn}>${on ? "Release the kill switch" : "Stop all sending"}<//></div>`
			: html`<${Facts} of=${[["State", on ? "On" : "Off"]]} />`}
	</div><//>`;
}

export function Brand({ data: { brand_context: brand }, reload }) {
	const form = useForm({
		product: brand?.product_description ?? "", tone: brand?.tone_guidelines ?? "",
		mention: (brand?.things_to_mention ?? []).join("\n"), avoid: (brand?.things_to_avoid ?? []).join("\n"),
	}, async (values) => {
		await api("PATCH", "/api/settings/brand", { product_description: values.product, tone_guidelines: values.tone,
			things_to_mention: splitLines(values.mention), things_to_avoid: splitLines(values.avoid) });
		await reload();
		toast("The brand is saved.");
	}, { guard: true });
	return html`<${Card} title="How Retivo speaks for you"><${AdminForm} form=${form} save="Save">
		<${Field} form=${form} name="product" path="product_description" label="What your product does" rows=${3} />
		<${Field} form=${form} name="tone" path="tone_guidelines" label="Tone" rows=${2} />
		<${Field} form=${form} name="mention" path="things_to_mention" label="Things to mention" rows=${3}
			hint="One a line" />
		<${Field} form=${form} name="avoid" path="things_to_avoid" label="Things to avoid" rows=${3}
			hint="One a line; a message that holds one of them fails its checks" />
	<//><//>`;
}
