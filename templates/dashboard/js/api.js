/*
 * The one way to the API. A session that has ended is told to `session`,
 * an API that cannot be reached to `connection`; everything else is thrown
 * as ApiError to who asked.
 */
import { store } from "./store.js";

/** `down`: the last request found no API. `since` counts each recovery. */
export const connection = store({ down: false, since: 0 });

/** Set by session.js: what to do when the API says that nobody is signed in. */
let signedOut = () => {};
export const onSignedOut = (act) => {
	signedOut = act;
};

export class ApiError extends Error {
	constructor(status, body, retryAfter) {
		super(body?.error ? sentence(body.error) : `The server answered ${status}.`);
		this.status = status;
		this.code = body?.code ?? "unknown";
		this.details = body?.details ?? [];
		this.body = body;
		this.retryAfter = Number(retryAfter) || 0;
	}
}

/* The API's lines are bare facts: "no such customer". */
const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

const unreachable = () => {
	connection.set((now) => ({ ...now, down: true }));
	return new ApiError(0, { error: "Retivo cannot be reached", code: "unreachable" });
};

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 * @param {{ signal?: AbortSignal, anonymous?: boolean }} [options] anonymous:
 *   401 is an answer like any other, as at the sign-in
 */
export async function api(method, path, body, { signal, anonymous = false } = {}) {
	const headers = { Accept: "application/json", "X-Retivo-CSRF": "1" };
	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	let reply;
	try {
		reply = await fetch(path, {
			method, headers, signal,
			body: body === undefined ? undefined : JSON.stringify(body),
		});
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		throw unreachable();
	}
	const answer = await reply.json().catch(() => null);
	if (reply.status === 502 || reply.status === 504 || (reply.status === 503 && isOutage(answer)))
		throw unreachable();
	if (reply.status === 401 && !anonymous)
		signedOut();
	if (!reply.ok)
		throw new ApiError(reply.status, answer, reply.headers.get("Retry-After"));
	return answer;
}

/* A 503 of one feature (billing is not configured) is no outage. */
const isOutage = (answer) => answer === null || ["unavailable", "database_unavailable"].includes(answer.code);

export const get = (path, options) => api("GET", path, undefined, options);

/** `query({ status: "planned", cursor: null })` → "?status=planned" */
export function query(values) {
	const pairs = Object.entries(values)
		.filter(([, value]) => value !== null && value !== undefined && value !== "");
	return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs)}`;
}

/* While the API is down it is asked again every few seconds, by one timer. */
const RETRY_MS = 4000;
let timer = null;
connection.subscribe(({ down }) => {
	if (down && timer === null)
		timer = setTimeout(probe, RETRY_MS);
});

async function probe() {
	timer = null;
	const alive = await fetch("/api/health", { cache: "no-store" })
		.then((reply) => reply.status === 200 || reply.status === 503 &&
			reply.json().then((body) => Boolean(body.checks)), () => false)
		.catch(() => false);
	connection.set((now) => ({ down: !alive, since: now.since + (alive ? 1 : 0) }));
}
