/* What pages make of figures, times and reasons; no browser is needed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ticks, wilson } from "../../templates/dashboard/js/charts/scale.js";
import { reasonsOf } from "../../templates/dashboard/js/ui/reasoning.js";

test("a day without a time is the same day west of Greenwich", async () => {
	const zone = process.env.TZ;
	process.env.TZ = "America/Los_Angeles";
	const { day } = await import("../../templates/dashboard/js/format.js?west");
	assert.match(day("2026-11-26"), /26/);
	assert.match(day("2026-11-26T03:00:00Z"), /25/);
	if (zone === undefined)
		delete process.env.TZ;
	else
		process.env.TZ = zone;
});

test("intervals of shares by Wilson's score method", () => {
	/* Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20. */
	for (const [good, all, low, high] of [[81, 263, 0.2553, 0.3662], [15, 148, 0.0624, 0.1605], [0, 20, 0, 0.1611]]) {
		const found = wilson(good, all);
		assert.ok(Math.abs(found[0] - low) < 0.0001 && Math.abs(found[1] - high) < 0.0001, `${good} of ${all}: ${found}`);
	}
});

test("steps of an axis are round and reach the largest value", () => {
	for (const most of [1, 2, 7, 15, 23, 99, 1234, 48210]) {
		const steps = ticks(most);
		assert.ok(steps.at(-1) >= most && steps.at(-2) < most, `${most}: ${steps}`);
		assert.ok(steps.length >= 2 && steps.length <= 7 && steps.every(Number.isInteger), `${most}: ${steps}`);
	}
});

test("the built-in planner's reasons become a list; other texts stay", () => {
	const text = 'Playbook "Go on; now" matches: team_size is 46 (gte 20); risk_level is "high" (in ["high","critical"]);' +
		" days_since_last_activity is 3 (lt 7); days_since_last_activity is 3 (gte 1); properties.plan is \"trial\" (eq \"trial\"); activation_score is 0.33333 (lt 0.5)." +
		" The customer is at_risk with health 28 and high risk. Goal: They stay.";
	assert.deepEqual(reasonsOf(text), {
		facts: [
			{ field: "Team size", value: "46", wanted: ["at least 20"] },
			{ field: "Risk level", value: "High", wanted: ["one of High, Critical"] },
			{ field: "Days since last activity", value: "3", wanted: ["under 7", "at least 1"] },
			{ field: "Plan", value: "Trial", wanted: [] },
			{ field: "Activation score", value: "0.33", wanted: ["under 0.5"] },
		],
		rest: "The customer is at_risk with health 28 and high risk. Goal: They stay.",
	});
	for (const other of [undefined, null, "", "The customer drifts away.", 'Playbook "A" matches. The customer is new.', 'Playbook "A" matches: b is c. The customer is new.'])
		assert.equal(reasonsOf(other), null);
});
