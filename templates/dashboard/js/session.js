/*
 * Who is signed in, where, and what they may do. `undefined` until it is
 * known, null when nobody is. `ended` says that a session ran out.
 */
import { api, connection, get, onSignedOut } from "./api.js";
import { forgetAnswers } from "./data.js";
import { store } from "./store.js";

export const session = store(undefined);
export const sessionEnded = store(false);
/** Asked once without an answer, and asked again. */
export const sessionUnknown = store(false);

/*
 * The cookie cannot be read here. Where nobody has signed in before, asking
 * would only put a refusal into the browser's console.
 */
const TRACE = "retivo-signed-in";
const AGAIN_MS = 2000;

const rank = { viewer: 1, editor: 2, admin: 3 };

/** May the person do what `role` may? Views offer nothing else. */
export const may = (role) => (rank[session.get()?.role] ?? 0) >= rank[role];

/* Of several requests in flight each hears a 401; the first ended the session. */
onSignedOut(() => {
	if (!session.get())
		return;
	sessionEnded.set(true);
	leave();
});

function leave() {
	localStorage.removeItem(TRACE);
	forgetAnswers();
	session.set(null);
}

/** Who is signed in is asked until there is an answer: `session` stays undefined. */
export async function resumeSession() {
	if (!localStorage.getItem(TRACE)) {
		session.set(null);
		return;
	}
	try {
		await loadSession();
	} catch {
		sessionUnknown.set(true);
		setTimeout(resumeSession, AGAIN_MS);
	}
}

/** Throws what is no answer to the question: an API that is down is not a sign-out. */
export async function loadSession() {
	try {
		session.set(await get("/api/auth/me", { anonymous: true }));
		localStorage.setItem(TRACE, "yes");
		connection.set((now) => ({ ...now, down: false }));
	} catch (error) {
		if (error.status !== 401)
			throw error;
		localStorage.removeItem(TRACE);
		session.set(null);
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

/**
 * Another tenant, or the other mode of this one: every answer is another.
 *
 * @param {string} [path] where to go on
 */
export async function switchTo(tenantId, mode, path = "/") {
	await api("POST", "/api/auth/switch", { tenant_id: tenantId, mode });
	location.assign(path);
}
