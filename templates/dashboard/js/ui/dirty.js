/*
 * What was entered and not saved. Leaving it, by a link, by Back or by another
 * row, is asked about first; so is closing the window.
 */
import { useEffect, useRef } from "../html.js";
import { guardPlace } from "../router.js";
import { ask } from "./dialog.js";

const unsaved = new Set();

/** This view holds, or no longer holds, something that would be lost. */
export function useDirty(isDirty) {
	const me = useRef({}).current;
	useEffect(() => {
		if (isDirty)
			unsaved.add(me);
		else
			unsaved.delete(me);
		return () => unsaved.delete(me);
	}, [isDirty]);
}

/** true, or a promise: may what was entered be thrown away? */
export function mayDrop() {
	if (unsaved.size === 0)
		return true;
	return ask({ title: "Leave without saving?", text: "What you changed here is not saved.", action: "Leave",
		danger: true })
		.then((yes) => {
			if (yes)
				unsaved.clear();
			return Boolean(yes);
		});
}

guardPlace(mayDrop);
addEventListener("beforeunload", (event) => {
	if (unsaved.size > 0)
		event.preventDefault();
});
