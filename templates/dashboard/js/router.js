/*
 * Paths of the address bar → pages. Each page is a module of its own that is
 * fetched when it is first opened. nginx answers all of these paths with
 * index.html; a new first part must be named there too.
 */
import { useCallback } from "./html.js";
import { store, useStore } from "./store.js";

const routes = [
	["/", () => import("./pages/overview.js")],
	["/customers", () => import("./pages/customers.js")],
	["/customers/:id", () => import("./pages/customer.js")],
	["/interventions", () => import("./pages/interventions.js")],
	["/analytics", () => import("./pages/analytics.js")],
	["/escalations", () => import("./pages/escalations.js")],
	["/settings", () => import("./pages/settings.js")],
	["/settings/:section", () => import("./pages/settings.js")],
	["/playbooks", () => import("./pages/playbooks.js")],
	["/playbooks/new", () => import("./pages/playbook_edit.js")],
	["/playbooks/library", () => import("./pages/playbook_library.js")],
	["/playbooks/backtest", () => import("./pages/playbook_backtest.js")],
	["/playbooks/:id", () => import("./pages/playbook.js")],
	["/playbooks/:id/edit", () => import("./pages/playbook_edit.js")],
].map(([pattern, load]) => ({ parts: pattern.split("/").slice(1), load }));

const here = () => ({ path: location.pathname, search: location.search });
const hrefOf = ({ path, search }) => path + search;
export const place = store(here());

/* Asked before the page is left: true, or a promise of the person's answer. */
let mayLeave = () => true;
export const guardPlace = (guard) => {
	mayLeave = guard;
};

/* Each entry of the history remembers whence it came and how far it was read. */
history.scrollRestoration = "manual";
const remember = (more) => history.replaceState({ ...history.state, ...more }, "");

addEventListener("popstate", async () => {
	if (hrefOf(here()) === hrefOf(place.get()))
		return;
	const answer = mayLeave();
	if (answer !== true) {
		/* The address is ahead of the page: put it back until there is an answer. */
		history.pushState(history.state, "", hrefOf(place.get()));
		if (await answer)
			history.back();
		return;
	}
	place.set(here());
	scrollBack(history.state?.y ?? 0);
});

/* The page is drawn before its content is there: try until it is long enough. */
const SCROLL_TRIES = 60;
function scrollBack(y, tries = SCROLL_TRIES) {
	scrollTo(0, y);
	if (y > 0 && Math.abs(scrollY - y) > 1 && tries > 0)
		requestAnimationFrame(() => scrollBack(y, tries - 1));
}

/** @param {{ replace?: boolean, saved?: boolean }} [how] saved: nothing is lost by it */
export function navigate(to, { replace = false, saved = false } = {}) {
	const answer = saved || mayLeave();
	if (answer === true)
		go(to, replace);
	else
		answer.then((yes) => yes && go(to, replace));
}

function go(to, replace) {
	const before = place.get();
	if (replace) {
		history.replaceState(history.state, "", to);
	} else {
		remember({ y: scrollY });
		history.pushState({ from: hrefOf(before) }, "", to);
	}
	place.set(here());
	if (place.get().path !== before.path)
		scrollTo(0, 0);
}

/** To a list: where one came from it, to the same place in it. */
export function goBack(href) {
	if (cameFrom() === href)
		history.back();
	else
		navigate(href);
}

/** The path of the page before this one, or null. */
export const cameFrom = () => history.state?.from?.split("?")[0] ?? null;

/** What a view wants to find again when this entry of the history is shown again. */
export const kept = (name) => history.state?.kept?.[name];
export const keep = (name, value) => remember({ kept: { ...history.state?.kept, [name]: value } });

/** The route of a path with its parameters, or null. */
export function match(path) {
	const parts = path.replace(/\/$/, "").split("/").slice(1);
	const wanted = parts.length === 0 ? [""] : parts;
	for (const route of routes) {
		const params = {};
		if (route.parts.length === wanted.length && route.parts.every((part, i) =>
			part.startsWith(":") ? (params[part.slice(1)] = decode(wanted[i])) : part === wanted[i]))
			return { ...route, params };
	}
	return null;
}

function decode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/* Links are plain <a href>: those that lead to a page do not load anew. */
document.addEventListener("click", (event) => {
	const link = event.target.closest?.("a[href]");
	if (!link || event.defaultPrevented || event.button !== 0 || link.target || link.download ||
		event.metaKey || event.ctrlKey || event.shiftKey || event.altKey ||
		link.origin !== location.origin || match(link.pathname) === null)
		return;
	event.preventDefault();
	if (link.classList.contains("back"))
		goBack(link.pathname);
	else
		navigate(link.pathname + link.search);
});

/**
 * The query of the address as an object, and a function that merges into it:
 * `Back` undoes it, but for what is replaced.
 */
export function useQuery() {
	const { path, search } = useStore(place);
	const values = Object.fromEntries(new URLSearchParams(search));
	const merge = useCallback((changes, { replace = false } = {}) => {
		const next = new URLSearchParams(location.search);
		for (const [key, value] of Object.entries(changes)) {
			if (value === null || value === undefined || value === "")
				next.delete(key);
			else
				next.set(key, value);
		}
		navigate(path + (next.size > 0 ? `?${next}` : ""), { replace });
	}, [path]);
	return [values, merge];
}
