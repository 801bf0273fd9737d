/* What stands around every page: top bar, navigation, strips, shortcuts. */
import { connection } from "./api.js";
import { useApi } from "./data.js";
import { words } from "./format.js";
import { classes, html, useEffect, useState } from "./html.js";
import { match, navigate, place } from "./router.js";
import { signOut, switchTo } from "./session.js";
import { useStore } from "./store.js";
import { Empty, Failure, Icon, IconButton, Page, Skeleton, Tabs } from "./ui/basics.js";
import { Dialog } from "./ui/dialog.js";
import { knownKeys, useKeys } from "./ui/keys.js";
import { attempt } from "./ui/toast.js";

const links = [
	["/", "Overview", "overview"], ["/customers", "Customers", "customers"],
	["/interventions", "Interventions", "interventions"], ["/escalations", "Escalations", "escalations"],
	["/playbooks", "Playbooks", "playbooks"], ["/analytics", "Analytics", "analytics"],
	["/settings", "Settings", "settings"],
];

export function Frame({ who }) {
	const { path } = useStore(place);
	const [menu, setMenu] = useState(false);
	const [help, setHelp] = useState(false);
	const { down } = useStore(connection);
	const settings = useApi("/api/settings").data?.tenant;
	useEffect(() => setMenu(false), [path]);
	useKeys([
		["?", "Show the shortcuts", () => setHelp(true)],
		["/", "Search customers", () => {
			const box = document.querySelector("input[type=search]");
			box ? box.focus() : navigate("/customers?find=1");
		}],
	]);
	return html`
		<div class="frame">
			<header class="top">
				<${IconButton} icon="menu" label="Menu" class="icon-button menu-button"
					aria-expanded=${menu ? "true" : "false"} onClick=${() => setMenu(!menu)} />
				<a class="brand wide-only" href="/">Retivo</a>
				<${Tenants} who=${who} />
				<span class="spacer"></span>
				<${Tabs} label="Mode" value=${who.tenant?.mode ?? "live"} items=${[["live", "Live"], ["test", "Test"]]}
					onChange=${(mode) => mode !== who.tenant?.mode && attempt(() => switchTo(undefined, mode, pathInBoth()))} />
				<${IconButton} icon="help" label="Shortcuts" onClick=${() => setHelp(true)} />
				<${IconButton} icon="theme" label="Light or dark" onClick=${toggleTheme} />
			</header>
			<nav class=${classes("side", menu && "open")} aria-label="Pages">
				${links.map(([href, text, icon]) => html`
					<a key=${href} href=${href} aria-current=${isCurrent(href, path) ? "page" : undefined}>
						<${Icon} name=${icon} />${text}</a>`)}
				<div class="who"><div><b>${who.person.name}</b><span>${words(who.role)}</span></div>
					<${IconButton} icon="out" label="Sign out" onClick=${() => attempt(signOut)} /></div>
			</nav>
			<main>
				${down && html`<div class="strip bad" role="alert">Retivo cannot be reached. Trying again…</div>`}
				${settings?.kill_switch_active && html`
					<div class="strip bad" role="status">The kill switch is on: nothing is sent.</div>`}
				${settings?.shadow_mode && html`
					<div class="strip warn" role="status"><span>Shadow mode: messages are recorded, none is sent.</span></div>`}
				${who.tenant?.mode === "test" && html`
					<div class="strip warn" role="status">Test mode: nothing leaves this tenant.</div>`}
				<${Content} path=${path} />
			</main>
			${help && html`<${Dialog} title="Shortcuts" onClose=${() => setHelp(false)}>
				<ul class="list">${knownKeys().map(([key, text]) => html`
					<li key=${key}><span>${text}</span><kbd>${key}</kbd></li>`)}</ul><//>`}
		</div>`;
}

const isCurrent = (href, path) => href === "/" ? path === "/" : path.startsWith(href);

function toggleTheme() {
	const root = document.documentElement;
	const dark = root.dataset.theme ? root.dataset.theme === "dark"
		: matchMedia("(prefers-color-scheme: dark)").matches;
	root.dataset.theme = dark ? "light" : "dark";
	localStorage.setItem("retivo-theme", root.dataset.theme);
}

function Tenants({ who }) {
	if (who.memberships.length < 2)
		return html`<strong>${who.tenant?.name}</strong>`;
	/* A test twin is not in the list: it shows as its live tenant. */
	return html`
		<select aria-label="Tenant" value=${who.tenant?.live_id ?? who.tenant?.id}
			onChange=${(event) => attempt(() => switchTo(event.target.value, who.tenant?.mode ?? "live"))}>
			${who.memberships.map((one) => html`
				<option key=${one.tenant_id} value=${one.tenant_id}>${one.name}</option>`)}
		</select>`;
}

/* The twin has the same pages, but ids of its own: what has one stays behind. */
function pathInBoth() {
	const parts = location.pathname.split("/");
	const own = parts.findIndex((part) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(part));
	const values = new URLSearchParams(location.search);
	values.delete("selected");
	return (own < 0 ? parts : parts.slice(0, own)).join("/") + (values.size > 0 ? `?${values}` : "");
}

/* The page's module; where it cannot be fetched it is tried anew. */
function Content({ path }) {
	const [loaded, setLoaded] = useState(null);
	const [round, setRound] = useState(0);
	const route = match(path);
	useEffect(() => {
		let current = true;
		route?.load().then((module) => current && setLoaded({ path, view: module.default }),
			(error) => current && setLoaded({ path, error }));
		return () => {
			current = false;
		};
	}, [path, round]);
	useEffect(() => {
		if (loaded?.view)
			document.getElementById("title")?.focus({ preventScroll: true });
	}, [loaded]);
	if (route === null)
		return html`<${Page} title="Not found"><${Empty} title="There is no such page"
			action=${html`<a class="link" href="/">To the overview</a>`} /><//>`;
	if (loaded?.path !== path)
		return html`<${Skeleton} />`;
	if (loaded.error)
		return html`<${Failure} error=${loaded.error} retry=${() => setRound(round + 1)} />`;
	return html`<${loaded.view} key=${path} ...${route.params} />`;
}
