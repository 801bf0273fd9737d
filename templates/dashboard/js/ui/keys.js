/*
 * Single keys as commands. They do nothing while somebody types or while a
 * dialog is open; `?` lists those of the page at hand.
 */
import { useLayoutEffect } from "../html.js";

const commands = [];

/** @param {Array<[key: string, text: string, act: Function]>} list */
export function useKeys(list) {
	useLayoutEffect(() => {
		commands.push(list);
		return () => commands.splice(commands.indexOf(list), 1);
	});
}

export const knownKeys = () => commands.flat().map(([key, text]) => [key, text]);

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", (event) => {
	if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) ||
		document.querySelector("dialog[open]"))
		return;
	if (event.key === "Enter" && event.target.closest?.("a, button, summary"))
		return;
	const found = commands.flat().findLast(([key]) => key === event.key);
	if (found) {
		event.preventDefault();
		found[2]();
	}
});
