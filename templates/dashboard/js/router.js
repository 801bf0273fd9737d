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
export const place = store(here());

addEventListener("popstate", () => place.set(here()));

export function navigate(to, { replace = false } = {}) {
	history[replace ? "replaceState" : "pushState"](null, "", to);
	const before = place.get().path;
	place.set(here());
	if (place.get().path !== before)
		scrollTo(0, 0);
}

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
	navigate(link.pathname + link.search);
});

/** The query of the address as an object, and a function that merges into it. */
export function useQuery() {
	const { path, search } = useStore(place);
	const values = Object.fromEntries(new URLSearchParams(search));
	const merge = useCallback((changes) => {
		const next = new URLSearchParams(location.search);
		for (const [key, value] of Object.entries(changes)) {
			if (value === null || value === undefined || value === "")
				next.delete(key);
			else
				next.set(key, value);
		}
		navigate(path + (next.size > 0 ? `?${next}` : ""), { replace: true });
	}, [path]);
	return [values, merge];
}
