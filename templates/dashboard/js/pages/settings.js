/* Settings by section. Sections that only an admin may read are not offered to others. */
import { useApi } from "../data.js";
import { html, useEffect, useRef } from "../html.js";
import { may } from "../session.js";
import { Empty, Load, Page } from "../ui/basics.js";
import { Audit } from "./settings/audit.js";
import { Connectors } from "./settings/connectors.js";
import { Definitions } from "./settings/definitions.js";
import { Brand, General, Sending } from "./settings/general.js";
import { Keys } from "./settings/keys.js";
import { Lifecycle } from "./settings/lifecycle.js";
import { Shadow } from "./settings/shadow.js";
import { Plan, Team } from "./settings/team.js";
import { Webhooks } from "./settings/webhooks.js";

const sections = [
	["general", "General", General], ["sending", "Sending", Sending], ["brand", "Brand", Brand],
	["definitions", "Definitions and limits", Definitions], ["lifecycle", "Stages and scores", Lifecycle],
	["shadow", "Shadow mode", Shadow],
	["keys", "API keys", Keys], ["connectors", "Connectors", Connectors], ["team", "Team", Team], ["plan", "Plan", Plan],
	["webhooks", "Webhooks", Webhooks, "admin"], ["audit", "Audit log", Audit, "admin"],
];

export default function Settings({ section = "general" }) {
	const settings = useApi("/api/settings");
	const offered = sections.filter(([, , , role]) => !role || may(role));
	const chosen = offered.find(([key]) => key === section);
	const strip = useRef();
	useEffect(() => {
		/* Where the sections are one line, the current one is in sight. */
		const link = strip.current?.querySelector("[aria-current]");
		strip.current?.scrollTo({ left: (link?.offsetLeft ?? 0) - strip.current.offsetLeft - 40 });
	}, [section]);
	return html`
		<${Page} title=${chosen ? `Settings: ${chosen[1]}` : "Settings"}>
			<div class="sections">
				<ul aria-label="Sections" ref=${strip}>${offered.map(([key, text]) => html`
					<li key=${key}><a href=${`/settings/${key}`}
						aria-current=${key === section ? "page" : undefined}>${text}</a></li>`)}</ul>
				<div>${chosen ? html`<${Load} of=${settings}>${(data) => html`
						<${chosen[2]} data=${data} reload=${settings.reload} />`}<//>`
					: html`<${Empty} title="There is no such section" />`}</div>
			</div>
		<//>`;
}
