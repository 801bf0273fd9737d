/* Starts the dashboard: who is signed in, then the page of the address. */
import { html, render } from "./html.js";
import { Frame } from "./frame.js";
import { resumeSession, session, sessionUnknown } from "./session.js";
import { place } from "./router.js";
import { useStore } from "./store.js";
import { Accept, Reset, SignIn, Unreachable } from "./gate.js";
import { Questions } from "./ui/dialog.js";
import { Toasts } from "./ui/toast.js";

/* The pages that mailed links lead to need no session. */
const gates = { "/invite": Accept, "/reset": Reset };

function App() {
	const who = useStore(session);
	const gate = gates[useStore(place).path.replace(/\/$/, "")];
	const unknown = useStore(sessionUnknown);
	const view = gate ? html`<${gate} />`
		: who === undefined ? unknown && html`<${Unreachable} />`
			: who ? html`<${Frame} key=${`${who.tenant?.id}`} who=${who} />` : html`<${SignIn} />`;
	return html`${view}<${Questions} /><${Toasts} />`;
}

render(html`<${App} />`, document.getElementById("root"));
resumeSession();
