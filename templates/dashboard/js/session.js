/*
 * Who is signed in, where, and what they may do. `undefined` until it is
 * known, null when nobody is. `ended` says that a session ran out.
 */
import { api, get, onSignedOut } from "./api.js";
import { forgetAnswers } from "./data.js";
import { store } from "./store.js";

export const session = store(undefined);
export const sessionEnded = store(false);

/*
 * The cookie cannot be read here. Where nobody has signed in before, asking
 * would only put a refusal into the browser's console.
 */
const TRACE = "retivo-signed-in";

const rank = { viewer: 1, editor: 2, admin: 3 };

/** May the person do what `role` may? Views offer nothing else. */
export const may = (role) => (rank[session.get()?.role] ?? 0) >= rank[role];

onSignedOut(() => {
	sessionEnded.set(Boolean(session.get()));
	leave();
});

function leave() {
	localStorage.removeItem(TRACE);
	forgetAnswers();
	session.set(null);
}

export async function resumeSession() {
	if (localStorage.getItem(TRACE))
		await loadSession();
	else
		session.set(null);
}

export async function loadSession() {
	try {
		session.set(await get("/api/auth/me", { anonymous: true }));
		localStorage.setItem(TRACE, "yes");
	} catch (error) {
		session.set(null);
		if (error.status !== 401)
			throw error;
	}
}

export async function signIn(email, password) {
	await api("POST", "/api/auth/login", { email, password }, { anonymous: true });
	sessionEnded.set(false);
	await loadSession();
}

export async function signOut() {
	await api("POST", "/api/auth/logout");
	leave();
}

/** Another tenant, or the other mode of this one: every answer is another. */
export async function switchTo(tenantId, mode) {
	await api("POST", "/api/auth/switch", { tenant_id: tenantId, mode });
	location.assign("/");
}
