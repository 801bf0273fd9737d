/* Ready-made playbooks, to begin from. */
import { useApi } from "../data.js";
import { words } from "../format.js";
import { html } from "../html.js";
import { may } from "../session.js";
import { Badge, Card, Load, Page } from "../ui/basics.js";

export default function Library() {
	const answer = useApi("/api/playbooks/library");
	return html`
		<${Page} title="Library" back=${{ href: "/playbooks", text: "Playbooks" }} note="Playbooks that work for many products. Take one as a draft and make it yours.">
			<${Load} of=${answer} lines=${12}>${({ playbooks }) => html`<div class="grid cards">${playbooks.map((one) => html`
				<${Card} key=${one.key} title=${one.name} actions=${html`<${Badge} tone="info">${words(one.lifecycle_area)}<//>`}>
					<p class="soft">${one.description}</p>
						${one.strategy_hints.subject && html`<p class="faint">“${one.strategy_hints.subject}”</p>`}
						${may("editor") && html`<div><a class="button" href=${`/playbooks/new?from=${one.key}`}>Use this one</a></div>`}<//>`)}</div>`}<//>
		<//>`;
}
