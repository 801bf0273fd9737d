/* Who did it: an actor of the API ("person:<id>", "key:<id>", "batch") by name. */
import { useApi } from "../data.js";
import { words } from "../format.js";

const others = { batch: "Retivo", operator: "The operator", customer: "The customer" };

/** @returns {(actor: string | null) => string | null} */
export function useNames() {
	const members = useApi("/api/team/members").data?.members ?? [];
	const keys = useApi("/api/settings").data?.api_keys ?? [];
	const people = new Map(members.map((one) => [one.id, one.name ?? one.email]));
	const labels = new Map(keys.map((one) => [one.id, one.label ?? one.prefix]));
	return (actor) => {
		if (!actor)
			return null;
		const [kind, id] = actor.split(":");
		if (kind === "person")
			return people.get(id) ?? "Somebody who has left";
		if (kind === "key")
			return labels.has(id) ? `API key ${labels.get(id)}` : "A revoked API key";
		return others[kind] ?? words(kind);
	};
}
