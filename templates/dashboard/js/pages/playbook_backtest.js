/* The whole set of active playbooks over past days, with arbitration between them. */
import { html } from "../html.js";
import { Page } from "../ui/basics.js";
import { Backtest } from "../ui/backtest.js";

export default function PlaybooksBacktest() {
	return html`<${Page} title="Back-test of all playbooks" back=${{ href: "/playbooks", text: "Playbooks" }}
		note="All active playbooks together: the frequency cap and the arbitration between them count."><${Backtest} path="/api/playbooks/backtest" many /><//>`;
}
