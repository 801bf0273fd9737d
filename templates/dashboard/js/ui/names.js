/* Who did it: an actor of the API ("person:<id>", "key:<id>", "batch") by name. */
import { useApi } from "../data.js";
import { words } from "../format.js";

const others = { batch: "Retivo", operator: "The operator", customer: "The customer" };
const gone = { person: "Somebody who has left", key: "A revoked API key" };

/**
 * @returns {((actor: string | null) => string | null) & { known: Array<[string, string]>, find: Function }}
 *   known: every actor with a name; find: the name, or undefined
 */
export function useNames() {
	const members = useApi("/api/team/members").data?.members ?? [];
	const keys = useApi("/api/settings").data?.api_keys ?? [];
	const known = [
		...members.map((one) => [`person:${one.id}`, one.name ?? one.email]),
		...keys.map((one) => [`key:${one.id}`, `API key ${one.label ?? one.prefix}`]),
		...Object.entries(others),
	];
	const names = new Map(known);
	const of = (actor) => {
		if (!actor)
			return null;
		const kind = actor.split(":")[0];
		return names.get(actor) ?? gone[kind] ?? words(kind);
	};
	return Object.assign(of, { known, find: (actor) => names.get(actor) });
}
