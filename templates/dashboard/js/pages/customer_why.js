/*
 * On a customer's page: why a playbook writes to them, or does not; what the
 * pipeline would do now, tried without a trace; and a message by hand.
 */
import { api } from "../api.js";
import { useApi } from "../data.js";
import { channelName, percent, words } from "../format.js";
import { html, useState } from "../html.js";
import { navigate, useQuery } from "../router.js";
import { Button, Card, Failure, Notice, Skeleton } from "../ui/basics.js";
import { Dialog } from "../ui/dialog.js";
import { mayDrop } from "../ui/dirty.js";
import { Field, Submit, useForm } from "../ui/form.js";
import { toast } from "../ui/toast.js";
import { Why } from "../ui/why.js";

const usable = (books) => (books ?? []).filter((book) => book.status !== "archived");

export function WhyCard({ customer }) {
	const [{ why = "" }, setQuery] = useQuery();
	const books = usable(useApi("/api/playbooks").data?.playbooks);
	const [tried, setTried] = useState({});
	const dryRun = async () => {
		setTried({ busy: true });
		try {
			setTried({ data: await api("POST", "/api/interventions/dry-run", { user_id: customer.id }) });
		} catch (error) {
			setTried({ error });
		}
	};
	return html`
		<${Card} title="Why, or why not" actions=${html`
			<${Button} class="small" busy=${tried.busy} onClick=${dryRun}>What would happen now?<//>`}>
			<div class="form">
				${tried.busy ? html`<${Skeleton} lines=${2} />` : tried.error
					? html`<${Failure} error=${tried.error} retry=${dryRun} />`
					: tried.data && html`<${Tried} of=${tried.data} />`}
				<label class="field"><span>Playbook</span>
					<select value=${why} onChange=${(event) => setQuery({ why: event.target.value }, { replace: true })}>
						<option value="">Choose one to see its gates for ${customer.name}</option>
						${books.map((book) => html`<option key=${book.id} value=${book.id}>${book.name}</option>`)}</select></label>
				${why && html`<${Why} key=${why} playbookId=${why} userId=${customer.id} name=${customer.name} />`}
			</div><//>`;
}

/* What a dry run answers: its decision, and the words that it would send. */
function Tried({ of: { decision, rules } }) {
	const book = rules.playbooks.find((one) => one.id === decision.playbook_id);
	if (decision.action === "wait")
		return html`<${Notice}>Nothing: ${book ? decision.reasoning ?? "it would wait."
			: "no active playbook is open to this customer now."}<//>`;
	const what = decision.action === "escalate" ? "would raise a case for a person"
		: `would write: ${channelName(decision.channel)}`;
	return html`<div class="form" role="status">
		<${Notice}><b>${book?.name}</b> ${what}. Confidence ${percent(decision.confidence)}. Nothing was stored or sent.<//>
		${decision.subject && html`<p><strong>${decision.subject}</strong></p>`}
		${decision.message_body && html`<div class="message">${decision.message_body}</div>`}
		${decision.quality_checks?.passed === false && html`<p class="error">It would fail a check: ${
			decision.quality_checks.checks.filter((check) => !check.passed).map((check) => words(check.name)).join(", ")}.</p>`}
	</div>`;
}

const channels = ["email", "in_app", "webhook", "crm"].map((name) => [name, channelName(name)]);

/** A message of a person's own words; it waits in the queue as any other. */
export function WriteDialog({ customer, onClose }) {
	const books = usable(useApi("/api/playbooks").data?.playbooks);
	return html`
		<${Dialog} title=${`A message to ${customer.name}`} wide onClose=${async () => await mayDrop() && onClose()}>
			${books.length === 0 ? html`<p class="soft">It needs a playbook that it belongs to, and there is none yet.</p>`
				: html`<${WriteForm} customer=${customer} books=${books} />`}<//>`;
}

function WriteForm({ customer, books }) {
	const form = useForm({ playbook_id: books[0].id, channel: "email", subject: "", message_body: "" }, async (values) => {
		const made = await api("POST", "/api/interventions", { user_id: customer.id, playbook_id: values.playbook_id,
			channel: values.channel, ...(values.message_body.trim() && { message_body: values.message_body }),
			...(values.channel === "email" && values.subject.trim() && { subject: values.subject }) });
		toast("The message waits for approval.");
		navigate(`/interventions?selected=${made.id}`, { saved: true });
	}, { guard: true });
	return html`<form class="form" onSubmit=${form.submit}>
		${customer.opted_out && html`
			<${Notice} tone="warn">This customer does not want to be contacted: it would be held.<//>`}
		<${Field} form=${form} name="playbook_id" label="Playbook" options=${books.map((book) => [book.id, book.name])}
			hint="Whose goal it serves; its conditions and its holdout do not apply to a message by hand" />
		<${Field} form=${form} name="channel" label="Channel" options=${channels} />
		${form.values.channel === "email" && html`<${Field} form=${form} name="subject" label="Subject" maxlength="200" />`}
		<${Field} form=${form} name="message_body" label="Message" rows=${8}
			hint="Empty: the planner writes it from the playbook" />
		<${Submit} form=${form}>Put it into the queue<//>
	</form>`;
}
