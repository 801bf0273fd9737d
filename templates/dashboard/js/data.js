/*
 * How views read: `useApi` for one answer, `usePages` for a list that is
 * paged by cursor. Answers are kept, so that a page seen before shows at
 * once while it is asked again.
 */
import { connection, get, query } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";
import { keep as keepPlace, kept as keptPlace } from "./router.js";
import { useStore } from "./store.js";

const KEPT_MAX = 100;
const kept = new Map();
/** Views that show an answer hear of it when another view asked again. */
const readers = new Set();

export const forgetAnswers = () => kept.clear();

function keep(path, data) {
	kept.delete(path);
	kept.set(path, data);
	if (kept.size > KEPT_MAX)
		kept.delete(kept.keys().next().value);
	for (const read of readers)
		read(path, data);
}

/**
 * @param {string | null} path null: nothing to ask yet
 * @returns {{ data, error, loading: boolean, reload: () => Promise<void> }}
 */
export function useApi(path) {
	const [state, setState] = useState({ path, data: kept.get(path), error: null });
	const { since } = useStore(connection);
	const wanted = useRef(path);
	wanted.current = path;

	const load = useCallback(async () => {
		if (path === null)
			return;
		try {
			const data = await get(path);
			keep(path, data);
		} catch (error) {
			if (wanted.current === path)
				setState((old) => ({ path, data: old.path === path ? old.data : undefined, error }));
		}
	}, [path]);

	useEffect(() => {
		const read = (changed, data) => changed === path && setState({ path, data, error: null });
		readers.add(read);
		return () => readers.delete(read);
	}, [path]);

	useEffect(() => {
		load();
	}, [load, since]);

	const current = state.path === path ? state : { data: kept.get(path), error: null };
	return {
		data: current.data,
		error: current.error,
		loading: current.data === undefined && current.error === null && path !== null,
		reload: load,
	};
}

/**
 * One page at a time with the way back remembered: a list of 100,000 costs no
 * more than one of 50.
 *
 * @param {string} path
 * @param {string} member of the answer, the list
 * @param {object} filters further query parameters
 */
export function usePages(path, member, filters = {}, limit = 50) {
	const key = path + query(filters);
	const [place, setState] = useState(() => keptPlace(path) ?? { key, cursors: [null] });
	/* Who comes back finds the page of the list that was left. */
	const setPlace = (next) => {
		keepPlace(path, next);
		setState(next);
	};
	const cursors = place.key === key ? place.cursors : [null];
	const answer = useApi(path + query({ ...filters, limit, cursor: cursors.at(-1) }));
	const next = answer.data?.next_cursor ?? null;
	return {
		...answer,
		rows: answer.data?.[member],
		page: cursors.length,
		previous: cursors.length > 1
			? () => setPlace({ key, cursors: cursors.slice(0, -1) }) : null,
		next: next === null ? null : () => setPlace({ key, cursors: [...cursors, next] }),
	};
}

/** The value as it was `ms` ago, for what is asked while somebody types. */
export function useSettled(value, ms = 250) {
	const [settled, setSettled] = useState(value);
	useEffect(() => {
		const timer = setTimeout(() => setSettled(value), ms);
		return () => clearTimeout(timer);
	}, [value, ms]);
	return settled;
}
