/*
 * What can be done with the message at hand; what its state forbids is
 * absent. Each decision says which version of the text it is about.
 */
import { api } from "../api.js";
import { useState } from "../html.js";
import { may } from "../session.js";
import { ask } from "../ui/dialog.js";
import { words } from "../format.js";
import { attempt, toast } from "../ui/toast.js";

/**
 * @param {object} at
 * @param {object | undefined} at.one the message that is shown
 * @param {{ take: Function }} at.turn one decision at a time
 * @param {() => void} at.edit
 * @param {() => Promise} at.reload
 * @param {() => void} at.goOn to the next one, because this one leaves the list
 * @returns {{ of: Record<string, Function>, stale: object | null }} stale: the
 *   message as it was when somebody decided on it too late
 */
export function useActs({ one, turn, edit, reload, goOn }) {
	const [stale, setStale] = useState(null);
	if (!one || !may("editor"))
		return { of: {}, stale: null };
	const isCase = one.channel === "escalate" && one.status === "planned";
	const path = isCase ? `/api/escalations/${one.escalation_id ?? one.id}` : `/api/interventions/${one.id}`;
	const put = (verb, body, text, leaves) => attempt(async () => {
		try {
			await api("PUT", `${path}/${verb}`, body);
		} catch (error) {
			if (error.code !== "stale_version")
				throw error;
			setStale(one);
			await reload();
			return;
		}
		setStale(null);
		toast(text);
		if (leaves)
			goOn();
		await reload();
	});
	const withText = (question, verb, member, text, leaves) => async () => {
		const reason = await ask({ ...question, input: { label: question.label } });
		if (reason)
			await put(verb, { [member]: reason }, text, leaves);
	};
	const of = actsOf({ one, isCase, path, put, withText, reload, goOn });
	const taken = Object.fromEntries(Object.entries(of).map(([name, act]) => [name, () => turn.take(act)]));
	if (["planned", "approved"].includes(one.status) && !isCase && one.channel !== "escalate")
		taken.edit = edit;
	return { of: taken, stale: stale?.id === one.id ? stale : null };
}

function actsOf({ one, isCase, path, put, withText, reload, goOn }) {
	if (isCase)
		return {
			handle: withText({ title: "Handle this case", label: "What did you do?", action: "Handled" },
				"handle", "action_taken", "The case is handled.", true),
			delegate: () => put("delegate", { channel: "email" }, "A mail is planned instead.", true),
		};
	const acts = {
		flag: withText({ title: "Flag this message", label: "What is wrong with it?", action: "Flag" },
			"flag", "reason", "The message is flagged."),
	};
	if (one.status === "planned") {
		acts.approve = () => approve(one, put);
		acts.reject = withText(
			{ title: "Reject this message", label: "Why is it not right?", action: "Reject", danger: true }, "reject",
			"reason", "The message is rejected.", true);
	}
	if (["planned", "approved"].includes(one.status) && !one.paused_at)
		acts.pause = () => put("pause", undefined, "Paused until somebody approves it.", one.status === "approved");
	if (["approved", "sent", "delivered"].includes(one.status))
		acts.rollback = () => rollback(path, reload, goOn);
	if (one.status === "failed" && one.channel !== "escalate")
		acts.resend = () => resend(one, path, reload);
	return acts;
}

/* What may have arrived is not repeated unasked. */
async function resend(one, path, reload) {
	const sure = one.reason !== "outcome_unknown" || await ask({
		title: "Send it again?", action: "Plan a copy", danger: true,
		text: "It was being sent when the server stopped, so it may have arrived. Then the customer gets it twice." });
	if (!sure)
		return;
	await attempt(async () => {
		await api("POST", `${path}/resend`);
		await reload();
		toast("A copy waits for approval.");
	});
}

/* A failed check is a reason to ask; whoever knows better may send it. */
async function approve(one, put) {
	const failed = (one.quality_checks?.checks ?? []).filter((check) => !check.passed)
		.map((check) => `${words(check.name)}: ${check.detail ?? "failed"}`);
	const sure = one.checks_passed !== false || await ask({
		title: "A check failed. Approve it all the same?", action: "Approve it", danger: true,
		text: failed.join("; ") || "Look at the checks beside the message." });
	if (!sure)
		return;
	await put("approve", { version: one.version }, "Approved. It goes out with the next run.", true);
}

async function rollback(path, reload, goOn) {
	const reason = await ask({ title: "Take this message back", action: "Roll back", danger: true,
		text: "A message inside the product is withdrawn. A mail that is out stays out.",
		input: { label: "Reason", required: false } });
	if (reason === null)
		return;
	await attempt(async () => {
		const { note, withdrawn } = await api("PUT", `${path}/rollback`, reason ? { reason } : {});
		goOn();
		await reload();
		toast(note ?? (withdrawn ? "The message is withdrawn." : "The message is rolled back."));
	});
}
