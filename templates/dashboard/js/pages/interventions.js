/*
 * The queue: on the left what waits, on the right one message beside its
 * reasons, its checks and the state of the customer.
 */
import { api } from "../api.js";
import { useApi, usePages } from "../data.js";
import { channelName, percent, plural, words } from "../format.js";
import { classes, html, useEffect, useRef, useState } from "../html.js";
import { useQuery } from "../router.js";
import { may } from "../session.js";
import { Badge, Button, Card, Empty, Facts, Failure, Health, Icon, Load, Notice, Page, Skeleton, Tabs, Time } from "../ui/basics.js";
import { ask } from "../ui/dialog.js";
import { Field, Submit, useForm } from "../ui/form.js";
import { useKeys } from "../ui/keys.js";
import { Reasoning } from "../ui/reasoning.js";
import { Pager } from "../ui/table.js";
import { attempt, toast } from "../ui/toast.js";
import { lineOf } from "./overview.js";

const states = [["planned", "Waiting"], ["approved", "Approved"], ["sent", "Sent"], ["delivered", "Delivered"], ["rejected", "Rejected"], ["all", "All"]];

export default function Interventions() {
	const [{ status = "planned", channel, selected }, setQuery] = useQuery();
	const list = usePages("/api/interventions", "interventions", { status: status === "all" ? null : status, channel });
	const books = useApi("/api/playbooks").data?.playbooks ?? [];
	const names = new Map(books.map((book) => [book.id, book.name]));
	const rows = list.rows ?? [];
	const at = Math.max(0, rows.findIndex((row) => row.id === selected));
	const one = rows[at];
	const box = useRef();
	const select = (i) => rows[i] && setQuery({ selected: rows[i].id });
	/* In a narrow window the message is below the list. */
	const show = (i) => {
		select(i);
		if (matchMedia("(max-width: 900px)").matches)
			setTimeout(() => document.getElementById("shown")?.scrollIntoView({ block: "start" }));
	};
	const [picked, setPicked] = useState(new Set());
	const [editing, setEditing] = useState(null);
	const act = useActs(one, list, () => setEditing(one.id));
	const pick = (id) => setPicked((old) => new Set(old.has(id) ? [...old].filter((other) => other !== id) : [...old, id]));
	const bulk = useBulk(picked, list, () => setPicked(new Set()));
	const canPick = may("editor") && status === "planned" && channel !== "escalate";
	const keyed = (name) => () => one && act[name] && act[name]();
	useKeys([
		["j", "Next message", () => select(at + 1)], ["k", "Previous message", () => select(at - 1)],
		["Enter", "Read the message", () => document.getElementById("message")?.focus()],
		...(may("editor") ? [["a", "Approve", keyed("approve")], ["r", "Reject", keyed("reject")],
			["e", "Edit", keyed("edit")], ["p", "Pause", keyed("pause")], ["f", "Flag", keyed("flag")]] : []),
	]);
	useEffect(() => {
		box.current?.querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" });
	}, [one?.id]);
	return html`
		<${Page} title="Interventions" wide note="Messages and cases that Retivo plans, with the reasons for each.">
			<div class="filters">
				<${Tabs} label="State" items=${states} value=${status} onChange=${(next) => setQuery({ status: next, selected: null })} />
				<select aria-label="Channel" value=${channel ?? ""} onChange=${(event) => setQuery({ channel: event.target.value, selected: null })}>
					${[["", "Every channel"], ...["email", "in_app", "webhook", "crm", "escalate"].map((name) => [name, channelName(name)])].map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
				</select>
			</div>
			${canPick && rows.length > 0 && html`<${BulkBar} picked=${picked} rows=${rows} setPicked=${setPicked} bulk=${bulk} />`}
			${list.rows === undefined ? (list.error ? html`<${Failure} error=${list.error} retry=${list.reload} />` : html`<${Skeleton} lines=${10} />`)
				: rows.length === 0 ? html`<${Card}><${Empty} title=${status === "planned" ? "Nothing waits for you" : "Nothing here"}>The batch looks each minute for customers whom a playbook can help.<//><//>`
					: html`<div class="queue">
						<${Card} flush><div class="queue-list" ref=${box} role="group" aria-label="Messages" tabindex="0">${rows.map((row, i) => html`
							<div class=${classes("queue-row", i === at && "current", canPick && row.channel === "escalate" && "plain")} key=${row.id}>
								${canPick && row.channel !== "escalate" && html`<input type="checkbox" aria-label=${`Pick the message to ${row.customer_name ?? row.user_id}`} checked=${picked.has(row.id)} onChange=${() => pick(row.id)} />`}
								<button type="button" aria-current=${i === at ? "true" : undefined} onClick=${() => show(i)}>
									<strong>${lineOf(row)}</strong>
									<span class="line"><span>${row.customer_name ?? row.user_id} · ${names.get(row.playbook_id) ?? "by hand"}</span><${Time} at=${row.planned_at} /></span>
								</button></div>`)}</div><${Pager} of=${list} /><//>
						<${Detail} key=${one.id} one=${one} playbook=${names.get(one.playbook_id)} act=${act} list=${list} editing=${editing === one.id} endEdit=${() => setEditing(null)} />
					</div>`}
		<//>`;
}

/* Many at once: each moves by its own rules, and what did not is told. */
function useBulk(picked, list, clear) {
	const send = (action, reason, done) => attempt(async () => {
		const answer = await api("POST", "/api/interventions/bulk", { action, ids: [...picked], ...(reason && { reason }) });
		await list.reload();
		clear();
		const refused = answer.results.length - answer.done;
		toast(`${plural(answer.done, "message")} ${done}.${refused ? ` ${refused} had changed meanwhile.` : ""}`);
	});
	return {
		approve: async () => await ask({ title: `Approve ${plural(picked.size, "message")}?`, text: "They go out with the next run, within quiet hours and caps.", action: "Approve them" })
			&& send("approve", null, "approved"),
		reject: async () => {
			const reason = await ask({ title: `Reject ${plural(picked.size, "message")}`, action: "Reject them", danger: true, input: { label: "Why are they not right?" } });
			return reason && send("reject", reason, "rejected");
		},
	};
}

function BulkBar({ picked, rows, setPicked, bulk }) {
	const all = rows.filter((row) => row.channel !== "escalate").map((row) => row.id);
	const passed = rows.filter((row) => row.channel !== "escalate" && row.checks_passed && !row.paused_at).map((row) => row.id);
	return html`<div class="actions bulk" role="group" aria-label="Many at once">
		<span class="soft">${picked.size === 0 ? "Decide on many at once:" : `${picked.size} picked`}</span>
		<${Button} class="small" onClick=${() => setPicked(new Set(picked.size === all.length ? [] : all))}>${picked.size === all.length ? "None" : "All on this page"}<//>
		<${Button} class="small" onClick=${() => setPicked(new Set(passed))}>Those that passed the checks<//>
		${picked.size > 0 && html`<${Button} class="small" kind="primary" icon="check" onClick=${bulk.approve}>Approve ${picked.size}<//>
			<${Button} class="small" kind="danger" icon="close" onClick=${bulk.reject}>Reject ${picked.size}<//>`}
	</div>`;
}

/* The checks run again when it is saved. */
function Editor({ one, list, onEnd }) {
	const form = useForm({ subject: one.subject ?? "", message_body: one.message_body ?? "" }, async (values) => {
		const saved = await api("PATCH", `/api/interventions/${one.id}`, { message_body: values.message_body,
			...(one.channel === "email" && { subject: values.subject }) });
		await list.reload();
		toast(saved.checks_passed ? "Saved. All checks passed." : "Saved. A check failed: look at it before you approve.");
		onEnd();
	});
	return html`<form class="form" onSubmit=${form.submit}>
		${one.channel === "email" && html`<${Field} form=${form} name="subject" label="Subject" required maxlength="200" />`}
		<${Field} form=${form} name="message_body" label="Message" rows=${10} required />
		${one.status === "approved" && html`<${Notice} tone="warn">It is approved: with another text it needs another approval.<//>`}
		<div class="actions"><${Submit} form=${form}>Save and check again<//><${Button} onClick=${onEnd}>Cancel<//></div>
	</form>`;
}

/* What can be done with the message at hand; what its state forbids is absent. */
function useActs(one, list, edit) {
	if (!one || !may("editor"))
		return {};
	const path = one.channel === "escalate" && one.status === "planned"
		? `/api/escalations/${one.escalation_id ?? one.id}` : `/api/interventions/${one.id}`;
	const put = (verb, body, text) => attempt(async () => {
		await api("PUT", `${path}/${verb}`, body);
		await list.reload();
		toast(text);
	});
	const withText = async (question, verb, member, text) => {
		const reason = await ask({ ...question, input: { label: question.label } });
		if (reason)
			await put(verb, { [member]: reason }, text);
	};
	const acts = { flag: () => withText({ title: "Flag this message", label: "What is wrong with it?", action: "Flag" }, "flag", "reason", "The message is flagged.") };
	if (one.channel === "escalate" && one.status === "planned") {
		return {
			handle: () => withText({ title: "Handle this case", label: "What did you do?", action: "Handled" }, "handle", "action_taken", "The case is handled."),
			delegate: () => put("delegate", { channel: "email" }, "A mail is planned instead."),
		};
	}
	if (one.status === "planned") {
		acts.approve = () => put("approve", undefined, "Approved. It goes out with the next run.");
		acts.reject = () => withText({ title: "Reject this message", label: "Why is it not right?", action: "Reject", danger: true }, "reject", "reason", "The message is rejected.");
	}
	if (["planned", "approved"].includes(one.status) && one.channel !== "escalate")
		acts.edit = edit;
	if (["planned", "approved"].includes(one.status) && !one.paused_at)
		acts.pause = () => put("pause", undefined, "Paused until somebody approves it.");
	if (["approved", "sent", "delivered"].includes(one.status))
		acts.rollback = () => rollback(path, list);
	return acts;
}

async function rollback(path, list) {
	const reason = await ask({ title: "Take this message back", action: "Roll back", danger: true,
		text: "A message inside the product is withdrawn. A mail that is out stays out.", input: { label: "Reason", required: false } });
	if (reason === null)
		return;
	await attempt(async () => {
		const { note, withdrawn } = await api("PUT", `${path}/rollback`, reason ? { reason } : {});
		await list.reload();
		toast(note ?? (withdrawn ? "The message is withdrawn." : "The message is rolled back."));
	});
}

const buttons = [["approve", "Approve", "check", "primary"], ["handle", "Handled", "check", "primary"], ["delegate", "Write a mail instead", "interventions"],
	["edit", "Edit", "edit"], ["pause", "Pause", "pause"], ["flag", "Flag", "flag"], ["rollback", "Roll back", "undo", "danger"], ["reject", "Reject", "close", "danger"]];

function Detail({ one, playbook, act, list, editing, endEdit }) {
	const state = useApi(`/api/customers/${encodeURIComponent(one.user_id)}`);
	const customer = state.data?.customer;
	const checks = one.quality_checks?.checks ?? [];
	return html`<div class="detail" id="shown"><div>
		<${Card} title=${customer?.name ?? one.user_id} actions=${html`<${Badge} value=${one.status} /><${Badge} tone="plain">${channelName(one.channel)}<//>`}>
			<div class="form">
				${one.paused_at && html`<${Notice} tone="warn">Paused. It stays here until somebody approves it.<//>`}
				${one.lapsed_at && html`<${Notice} tone="warn">An earlier approval lapsed, because the text or the customer changed.<//>`}
				${one.flagged && html`<${Notice} tone="warn">Flagged: ${one.flag_reason}<//>`}
				${one.reason && html`<p class="soft">${one.reason}</p>`}
				${editing ? html`<${Editor} one=${one} list=${list} onEnd=${endEdit} />` : html`
				${one.subject && html`<p class="subject"><span class="faint">Subject</span> <strong>${one.subject}</strong></p>`}
				<div class="message" id="message" tabindex="-1">${one.message_body ?? "No text."}</div>
				<div class="actions">${buttons.filter(([name]) => act[name]).map(([name, text, icon, kind]) => html`
					<${Button} key=${name} kind=${kind} icon=${icon} onClick=${act[name]}>${text}<//>`)}</div>`}
			</div><//>
		<${Card} title="Why" actions=${one.confidence !== null && html`<span class="soft">Confidence ${percent(one.confidence)}</span>`}>
			<${Reasoning} text=${one.reasoning ?? "Written by hand."} /><//></div><div>
		<${Card} title="Customer" actions=${html`<a class="link" href=${`/customers/${encodeURIComponent(one.user_id)}`}>Open</a>`}>
			<${Load} of=${state} lines=${5}>${({ customer: c }) => html`<${Facts} of=${[
				["Company", c.company], ["Stage", html`<${Badge} value=${c.lifecycle_stage} />`], ["Health", html`<${Health} value=${c.health} />`],
				["Risk", html`<${Badge} value=${c.risk_level} />`], ["Last seen", html`<${Time} at=${c.last_activity_at} zone=${c.timezone} />`], ["Id", c.id]]} />`}<//><//>
		<${Card} title="Checks">${checks.length === 0 ? html`<p class="soft">Not checked yet.</p>` : html`<div class="form checks">${checks.map((check) => html`
			<div key=${check.name} class=${`check ${check.passed ? "good" : "bad"}`}><${Icon} name=${check.passed ? "check" : "close"} />
				<span>${words(check.name)}${!check.passed && `: ${check.detail ?? "failed"}`}</span></div>`)}</div>`}<//>
		<${Card} title="Course"><${Facts} of=${[["Playbook", playbook ?? "By hand"], ...["planned", "approved", "sent", "delivered"].filter((name) => one[`${name}_at`])
			.map((name) => [words(name), html`<${Time} at=${one[`${name}_at`]} zone=${customer?.timezone} exact />`]), one.approved_by && ["By", one.approved_by]]} /><//></div></div>`;
}
