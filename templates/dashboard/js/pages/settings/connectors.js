/* How events come in: a snippet to copy for each way, and when one came last. */
import { useApi } from "../../data.js";
import { plural } from "../../format.js";
import { html, useEffect, useState } from "../../html.js";
import { Badge, Button, Card, Load, Tabs, Time } from "../../ui/basics.js";
import { attempt, toast } from "../../ui/toast.js";

const host = location.origin;
const snippets = {
	track: ["Any language", "POST to /api/track, up to 100 events at once.", `curl ${host}/api/track \\
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{"events": [{"user_id": "u-1", "event": "report_created"}]}'`],
	segment: ["Segment", "Segment's own library with another host, or a webhook destination to the same path.",
		`const analytics = new Analytics({ writeKey: KEY,\n  host: "${host}", path: "/api/connectors/segment" });\n\nanalytics.track({ userId: "u-1", event: "Report Created" });`],
	posthog: ["PostHog", "PostHog's own library with another host, or its webhook destination.",
		`const posthog = new PostHog(KEY, { host: "${host}/api/connectors/posthog" });\n\nposthog.capture({ distinctId: "u-1", event: "report created" });`],
	mixpanel: ["Mixpanel", "Mixpanel's own library with another host and path.",
		`const mixpanel = Mixpanel.init(KEY, { host: "${location.host}",\n  path: "/api/connectors/mixpanel" });\n\nmixpanel.track("Report Created", { distinct_id: "u-1" });`],
};
const POLL_MS = 5000;

export function Connectors() {
	const answer = useApi("/api/connectors");
	const [shown, setShown] = useState("track");
	useEffect(() => {
		const timer = setInterval(answer.reload, POLL_MS);
		return () => clearInterval(timer);
	}, [answer.reload]);
	const [title, text, code] = snippets[shown];
	const copy = () => attempt(async () => {
		await navigator.clipboard.writeText(code);
		toast("Copied.");
	});
	return html`
		<${Card} title="Where events come from" actions=${html`<span class="soft">Looks again every 5 seconds</span>`}>
			<${Load} of=${answer}>${({ connectors }) => html`<ul class="list connectors">${connectors.map((one) => html`
				<li key=${one.name}><span><b>${snippets[one.name][0]}</b> <code>${one.path}</code></span>
					<span class="actions">${one.last_event_at ? html`<${Badge} tone="good">Receiving<//><span class="soft">${plural(one.events_24h, "event")} in 24 hours, last <${Time} at=${one.last_event_at} /></span>`
						: html`<${Badge} tone="plain">No event yet<//>`}</span></li>`)}</ul>`}<//>
		<//>
		<${Card} title="Connect" actions=${html`<${Button} icon="copy" onClick=${copy}>Copy<//>`}>
			<div class="form">
				<${Tabs} label="Source" value=${shown} items=${Object.entries(snippets).map(([key, [name]]) => [key, name])} onChange=${setShown} />
				<p class="soft">${text} ${title === "Any language" ? "" : "The key may be one of scope ingest, which is safe in a browser."}</p>
				<pre tabindex="0" aria-label="Snippet">${code}</pre>
				<p class="faint">KEY is one of your <a class="link" href="/settings/keys">API keys</a>.</p>
			</div><//>`;
}
