/*
 * A value that several views look at. `useStore` renders its view again
 * whenever the value is replaced.
 */
import { useEffect, useState } from "./html.js";

export function store(value) {
	const readers = new Set();
	return {
		get: () => value,
		set(next) {
			value = typeof next === "function" ? next(value) : next;
			for (const read of readers)
				read(value);
		},
		subscribe(read) {
			readers.add(read);
			return () => readers.delete(read);
		},
	};
}

export function useStore(of) {
	const [value, setValue] = useState(of.get());
	useEffect(() => {
		setValue(of.get());
		return of.subscribe(setValue);
	}, [of]);
	return value;
}
