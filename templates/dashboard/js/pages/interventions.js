/*
 * The queue: on the left what waits, on the right one message beside its
 * reasons, its checks and the state of the customer. What is decided on is
 * always what is shown: the next decision waits until the next message has
 * been on the screen for a moment.
 */
import { api } from "../api.js";
import { useApi, usePages } from "../data.js";
import { channelName, plural } from "../format.js";
import { classes, html, useEffect, useRef, useState } from "../html.js";
import { useQuery } from "../router.js";
import { may } from "../session.js";
import { Button, Card, Empty, Failure, Notice, Page, Skeleton, Tabs, Time } from "../ui/basics.js";
import { ask } from "../ui/dialog.js";
import { useKeys } from "../ui/keys.js";
import { Pager } from "../ui/table.js";
import { attempt, toast } from "../ui/toast.js";
import { useActs } from "./intervention_acts.js";
import { Detail } from "./intervention_detail.js";
import { lineOf } from "./overview.js";

const states = [
	["planned", "Waiting"], ["approved", "Approved"], ["sent", "Sent"], ["delivered", "Delivered"],
	["rejected", "Rejected"], ["failed", "Failed"], ["expired", "Expired"], ["cancelled", "Cancelled"], ["all", "All"],
];
const channels = [["", "Every channel"],
	...["email", "in_app", "webhook", "crm", "escalate"].map((name) => [name, channelName(name)])];

export default function Interventions() {
	const [{ status = "planned", channel, selected }, setQuery] = useQuery();
	const list = usePages("/api/interventions", "interventions", { status: status === "all" ? null : status, channel });
	const books = useApi("/api/playbooks").data?.playbooks ?? [];
	const names = new Map(books.map((book) => [book.id, book.name]));
	const rows = list.rows ?? [];
	const place = rows.findIndex((row) => row.id === selected);
	/* A link may lead to a message that is not on this page of the list. */
	const lone = useApi(selected && list.rows && place < 0 ? `/api/interventions/${encodeURIComponent(selected)}` : null);
	const one = place >= 0 ? rows[place] : selected ? lone.data : rows[0];
	const at = selected ? place : 0;
	const show = (id) => setQuery({ selected: id }, { replace: true });
	const choose = (id) => {
		turn.choose();
		show(id);
	};
	const step = (by) => {
		const row = rows[at < 0 ? 0 : at + by];
		if (row)
			choose(row.id);
	};
	const [editing, setEditing] = useState(false);
	useEffect(() => setEditing(false), [one?.id]);
	const [picked, setPicked] = useState(new Map());
	const reload = () => Promise.all([list.reload(), lone.reload()]);
	const turn = useTurn(one && `${one.id} ${one.version} ${one.status}`);
	const acts = useActs({
		one, turn, reload, edit: () => setEditing(true),
		/* What left this list gives way to the row after it. */
		goOn: () => place >= 0 && status !== "all" && show((rows[place + 1] ?? rows[place - 1])?.id ?? null),
	});
	const keyed = (name) => () => acts.of[name]?.();
	useKeys([
		["j", "Next message", () => step(1)], ["k", "Previous message", () => step(-1)],
		["Enter", "Read the message", () => document.getElementById("message")?.focus()],
		...(may("editor") ? [["a", "Approve", keyed("approve")], ["r", "Reject", keyed("reject")],
			["e", "Edit", keyed("edit")], ["p", "Pause", keyed("pause")], ["f", "Flag", keyed("flag")]] : []),
	]);
	const canPick = may("editor") && status === "planned" && channel !== "escalate";
	const filter = (changes) => setQuery({ ...changes, selected: null });
	return html`
		<${Page} title="Interventions" wide note="Messages and cases that Retivo plans, with the reasons for each.">
			<div class="filters">
				<${Tabs} label="State" items=${states} value=${status} onChange=${(next) => filter({ status: next })} />
				<select aria-label="Channel" value=${channel ?? ""} onChange=${(event) => filter({ channel: event.target.value })}>
					${channels.map(([key, text]) => html`<option key=${key} value=${key}>${text}</option>`)}
				</select>
			</div>
			${canPick && rows.length > 0 && html`
				<${Bulk} picked=${picked} setPicked=${setPicked} rows=${rows} reload=${list.reload} show=${choose} />`}
			${list.rows === undefined ? html`<${Waiting} of=${list} />`
				: rows.length === 0 && !selected ? html`<${Nothing} status=${status} />`
					: html`<div class="queue">
						<${List} list=${list} rows=${rows} at=${at} names=${names} show=${choose}
							picked=${canPick && picked} setPicked=${setPicked} />
						${one ? html`<${Detail} key=${one.id} one=${one} playbook=${names.get(one.playbook_id)} acts=${acts}
								busy=${turn.busy} editing=${editing} endEdit=${() => setEditing(false)} reload=${reload} />`
							: lone.error?.status === 404 ? html`<${Missing} />` : html`<${Waiting} of=${lone} />`}
					</div>`}
		<//>`;
}

const Waiting = ({ of }) => of.error ? html`<${Failure} error=${of.error} retry=${of.reload} />`
	: html`<${Skeleton} lines=${10} />`;

const Nothing = ({ status }) => html`
	<${Card}><${Empty} title=${status === "planned" ? "Nothing waits for you" : "Nothing here"}>
		The batch looks each minute for customers whom a playbook can help.<//><//>`;

const Missing = () => html`
	<${Card}><${Empty} title="There is no such message">
		It may have been erased with its customer, or be of another tenant or mode.<//><//>`;

/* How long a message has to be shown before it can be decided on. */
const READ_MS = 600;

/**
 * One decision at a time. After it the next one is taken only when what it
 * is about has been shown: a key that is pressed three times decides once.
 *
 * @param {string | undefined} shown what is on the screen
 */
function useTurn(shown) {
	const taken = useRef(false);
	const [busy, setBusy] = useState(false);
	const [ended, setEnded] = useState(0);
	const [chosen, setChosen] = useState(0);
	const quick = useRef(false);
	useEffect(() => {
		if (!taken.current || ended === 0)
			return undefined;
		const timer = setTimeout(() => {
			taken.current = false;
			setBusy(false);
		}, quick.current ? 0 : READ_MS);
		return () => clearTimeout(timer);
	}, [ended, shown, chosen]);
	return {
		busy,
		/** A person asked to see this one: it need not be guarded. */
		choose: () => {
			quick.current = true;
			setChosen((n) => n + 1);
		},
		take: async (work) => {
			if (taken.current)
				return;
			taken.current = true;
			quick.current = false;
			setEnded(0);
			setBusy(true);
			await work();
			setEnded((n) => n + 1);
		},
	};
}

function List({ list, rows, at, names, show, picked, setPicked }) {
	const box = useRef();
	useEffect(() => {
		box.current?.querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" });
	}, [rows[at]?.id]);
	/* In a narrow window the message is below the list. */
	const open = (id) => {
		show(id);
		if (matchMedia("(max-width: 900px)").matches)
			setTimeout(() => document.getElementById("shown")?.scrollIntoView({ block: "start" }));
	};
	const pick = (row) => setPicked((old) => {
		const next = new Map(old);
		if (!next.delete(row.id))
			next.set(row.id, row);
		return next;
	});
	return html`
		<${Card} flush><div class="queue-list" ref=${box} role="group" aria-label="Messages" tabindex="0">
			${rows.length === 0 && html`<p class="soft queue-none">Nothing in this list.</p>`}
			${rows.map((row, i) => html`
			<div class=${classes("queue-row", i === at && "current", picked && row.channel === "escalate" && "plain")}
				key=${row.id}>
				${picked && row.channel !== "escalate" && html`
					<input type="checkbox" aria-label=${`Pick the message to ${row.customer_name ?? row.user_id}`}
						checked=${picked.has(row.id)} onChange=${() => pick(row)} />`}
				<button type="button" aria-current=${i === at ? "true" : undefined} onClick=${() => open(row.id)}>
					<strong>${lineOf(row)}</strong>
					<span class="line"><span>${row.customer_name ?? row.user_id} · ${names.get(row.playbook_id) ?? "by hand"}${
						row.status === "planned" && row.edited_at && " · edited"}</span>
						<${Time} at=${row.planned_at} zone=${row.customer_timezone} beside /></span>
				</button></div>`)}</div><${Pager} of=${list} /><//>`;
}

/*
 * Many at once: each moves by its own rules, in the version that was picked;
 * what did not move is named, and can be read anew.
 */
function Bulk({ picked, setPicked, rows, reload, show }) {
	const [refused, setRefused] = useState([]);
	const mine = rows.filter((row) => row.channel !== "escalate");
	const all = new Map(mine.map((row) => [row.id, row]));
	const passed = new Map(mine.filter((row) => row.checks_passed && !row.paused_at).map((row) => [row.id, row]));
	const failed = [...picked.values()].filter((row) => row.checks_passed === false).length;
	const send = (action, reason, done) => attempt(async () => {
		const versions = Object.fromEntries([...picked.values()].map((row) => [row.id, row.version]));
		const answer = await api("POST", "/api/interventions/bulk",
			{ action, ids: [...picked.keys()], versions, ...(reason && { reason }) });
		setRefused(answer.results.filter((one) => !one.done).map((one) => ({ ...one, row: picked.get(one.id) })));
		setPicked(new Map());
		await reload();
		toast(`${plural(answer.done, "message")} ${done}.`);
	});
	const warning = failed === 0 ? "" : ` ${failed === 1 ? "One of them" : `${failed} of them`} failed a check.`;
	const approve = async () => {
		const sure = await ask({ title: `Approve ${plural(picked.size, "message")}?`, action: "Approve them",
			danger: failed > 0, text: `They go out with the next run, within quiet hours and caps.${warning}` });
		return sure && send("approve", null, "approved");
	};
	const reject = async () => {
		const reason = await ask({ title: `Reject ${plural(picked.size, "message")}`, action: "Reject them", danger: true,
			input: { label: "Why are they not right?" } });
		return reason && send("reject", reason, "rejected");
	};
	return html`
		<div class="actions bulk" role="group" aria-label="Many at once">
			<span class="soft">${picked.size === 0 ? "Decide on many at once:" : `${picked.size} picked`}</span>
			<${Button} class="small" onClick=${() => setPicked(picked.size === all.size ? new Map() : all)}>
				${picked.size === all.size ? "None" : "All on this page"}<//>
			<${Button} class="small" onClick=${() => setPicked(passed)}>Those that passed the checks<//>
			${picked.size > 0 && html`
				<${Button} class="small" kind="primary" icon="check" onClick=${approve}>Approve ${picked.size}<//>
				<${Button} class="small" kind="danger" icon="close" onClick=${reject}>Reject ${picked.size}<//>`}
		</div>
		${refused.length > 0 && html`
			<${Notice} tone="warn" action=${html`<${Button} class="small" onClick=${() => setRefused([])}>Close<//>`}>
				<p>Not done, because they changed after you had seen them:</p>
				<ul class="list">${refused.map(({ id, code, row }) => html`<li key=${id}>
					<button type="button" class="link" onClick=${() => show(id)}>${row?.customer_name ?? row?.user_id ?? id}</button>
					<span>${code === "stale_version" ? "has another text now" : "somebody decided on it already"}</span>
				</li>`)}</ul><//>`}`;
}
