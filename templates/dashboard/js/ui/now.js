/* The present time, anew each `ms`, for what counts down. */
import { useEffect, useState } from "../html.js";

export function useNow(ms = 1000) {
	const [now, setNow] = useState(Date.now());
	useEffect(() => {
		const timer = setInterval(() => setNow(Date.now()), ms);
		return () => clearInterval(timer);
	}, [ms]);
	return now;
}

/** "71:59:08" until a time; "0:00:00" once it is over. */
export function left(until, now) {
	const seconds = Math.max(0, Math.floor((new Date(until).getTime() - now) / 1000));
	const two = (n) => String(n).padStart(2, "0");
	return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
