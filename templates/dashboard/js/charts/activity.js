/*
 * One customer over the past days: what they did each day, the stage that
 * they were in below it, and the messages above the day they went out on. The
 * list of what happened says the same in words.
 */
import { html, useState } from "../html.js";
import { channelName, count, day, plural, words } from "../format.js";
import { Icon } from "../ui/icons.js";
import { briefly, namedDays, shortDay, ticks, useWidth } from "./scale.js";

const HEIGHT = 108, LEFT = 32, TOP = 6, BAND = 20, GAP = 8, BOTTOM = 20;
const MS_PER_DAY = 86400e3;
const startOf = (text) => Date.parse(`${text}T00:00:00Z`);

/* From when to when they were in each stage, as far back as it is known. */
function spansOf({ days, stages, lifecycle_stage: now, first_activity_at: first }) {
	const from = startOf(days[0].day), to = startOf(days.at(-1).day) + MS_PER_DAY;
	const known = stages.map((row) => ({ stage: row.stage, at: Date.parse(row.at) }));
	if (stages[0]?.from_stage)
		known.unshift({ stage: stages[0].from_stage, at: from });
	if (known.length === 0)
		known.push({ stage: now, at: first ? Date.parse(first) : from });
	return known.map((row, i) => ({ stage: row.stage, from: Math.max(from, row.at), to: Math.min(to, known[i + 1]?.at ?? to) }))
		.filter((row) => row.to > row.from);
}

/** @param {{ data: object }} props what /api/customers/{id}/activity answers */
export function Activity({ data }) {
	const [node, width] = useWidth();
	const [at, setAt] = useState(null);
	const { days, messages } = data;
	const room = width - LEFT, slot = room / days.length;
	const start = startOf(days[0].day);
	const x = (ms) => LEFT + ((ms - start) / MS_PER_DAY) * slot;
	const steps = ticks(Math.max(1, ...days.map((row) => row.events)), 3);
	const y = (value) => TOP + (HEIGHT - TOP) * (1 - value / steps.at(-1));
	const spans = spansOf(data);
	const wide = Math.max(1, Math.min(16, slot * 0.7));
	const shown = at === null ? null : days[at];
	const stageOn = (text) => spans.findLast((row) => row.from < startOf(text) + MS_PER_DAY)?.stage;
	const total = days.reduce((sum, row) => sum + row.events, 0);
	const label = `${plural(total, "event")} in ${days.length} days. ${spans.map((row) => `${words(row.stage)} from ${day(row.from)}`).join(", ")}. ${plural(messages.length, "message")} sent.`;
	return html`
		<figure class="days activity" ref=${node}>
			<figcaption>${shown ? html`<span>${day(shown.day)}</span><span><b>${count(shown.events)}</b> ${shown.events === 1 ? "event" : "events"}</span>${stageOn(shown.day) && html`<span>${words(stageOn(shown.day))}</span>`}`
				: html`<span><b>${count(total)}</b> events in ${days.length} days</span><span><b>${count(messages.length)}</b> ${messages.length === 1 ? "message" : "messages"}</span>`}</figcaption>
			<div class="pins">${messages.map((one) => html`
				<a key=${one.intervention_id} class=${`pin ${{ positive: "good", negative: "bad" }[one.outcome] ?? ""}`} style=${{ left: `${x(Date.parse(one.at))}px` }}
					href=${`/interventions?status=all&selected=${one.intervention_id}`} title=${`${day(one.at)}: ${one.subject ?? one.playbook_name ?? "Message"}`}
					aria-label=${`${channelName(one.channel)}, ${day(one.at)}: ${one.subject ?? one.playbook_name ?? "message"}${one.outcome ? `, outcome ${one.outcome}` : ""}`}><${Icon} name="interventions" /></a>`)}</div>
			<svg viewBox=${`0 0 ${width} ${HEIGHT + GAP + BAND + BOTTOM}`} width=${width} height=${HEIGHT + GAP + BAND + BOTTOM} role="img" aria-label=${label}
				onPointerMove=${(event) => setAt(Math.max(0, Math.min(days.length - 1, Math.floor((event.offsetX - LEFT) / slot))))} onPointerLeave=${() => setAt(null)}>
				${steps.map((step) => html`<g key=${step}><line class="rule" x1=${LEFT} x2=${width} y1=${y(step)} y2=${y(step)} /><text x=${LEFT - 8} y=${y(step) + 4} text-anchor="end">${briefly(step)}</text></g>`)}
				${messages.map((one) => html`<line key=${one.intervention_id} class="here" x1=${x(Date.parse(one.at))} x2=${x(Date.parse(one.at))} y1="0" y2=${HEIGHT + GAP + BAND} />`)}
				<g style=${{ fill: "var(--chart)" }}>${days.map((row, i) => row.events > 0 && html`<rect key=${row.day} x=${LEFT + (i + 0.5) * slot - wide / 2} y=${y(row.events)} width=${wide} height=${HEIGHT - y(row.events)} rx="1" opacity=${at === null || at === i ? 1 : 0.45} />`)}</g>
				<rect class="unknown" x=${LEFT} y=${HEIGHT + GAP} width=${room} height=${BAND} rx="4" />
				${spans.map((row) => html`<g key=${row.from}><rect x=${x(row.from)} y=${HEIGHT + GAP} width=${Math.max(1, x(row.to) - x(row.from) - 1)} height=${BAND} rx="3" style=${{ fill: `var(--stage-${row.stage})` }} />
					${x(row.to) - x(row.from) > words(row.stage).length * 7 + 12 && html`<text class="on" x=${x(row.from) + 7} y=${HEIGHT + GAP + 14}>${words(row.stage)}</text>`}</g>`)}
				${namedDays(days, room).map((i) => html`<text key=${i} x=${LEFT + (i + 0.5) * slot} y=${HEIGHT + GAP + BAND + 16} text-anchor=${i === days.length - 1 ? "end" : "middle"}>${shortDay(days[i].day)}</text>`)}
			</svg>
		</figure>`;
}
