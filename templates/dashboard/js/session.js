/*
 * Who is signed in, where, and what they may do. `undefined` until it is
 * known, null when nobody is. `ended` says that a session ran out.
 */
import { api, get, onSignedOut } from "./api.js";
import { forgetAnswers } from "./data.js";
import { store } from "./store.js";

export const session = store(undefined);
export const sessionEnded = store(false);

const rank = { viewer: 1, editor: 2, admin: 3 };

/** May the person do what `role` may? Views offer nothing else. */
export const may = (role) => (rank[session.get()?.role] ?? 0) >= rank[role];

onSignedOut(() => {
	sessionEnded.set(Boolean(session.get()));
	forgetAnswers();
	session.set(null);
});

export async function loadSession() {
	try {
		session.set(await get("/api/auth/me", { anonymous: true }));
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
	forgetAnswers();
	session.set(null);
}

/** Another tenant, or the other mode of this one: every answer is another. */
export async function switchTo(tenantId, mode) {
	await api("POST", "/api/auth/switch", { tenant_id: tenantId, mode });
	location.assign("/");
}
