/* The gates of the pipeline in plain words: what each asks, and what it means when it is closed. */
const gates = {
	kill_switch: ["The kill switch is off", "The kill switch is on: nothing is sent until an admin releases it."],
	playbook_active: ["The playbook is active", "The playbook is not active."],
	entry: ["The customer meets the conditions", "The customer does not meet the playbook's conditions."],
	exit_met: ["The playbook's goal is not reached yet", "The customer meets the playbook's exit conditions already."],
	tracked_limit: ["The customer is within the plan's limit", "The customer is beyond the number that your plan tracks."],
	opted_out: ["The customer may be contacted", "The customer does not want to be contacted."],
	paused: ["No message to them is paused",
		"A message to this customer is paused; it has to be approved or rejected first."],
	holdout: ["They are not in the holdout", "The customer is in the holdout: a share never gets the message, so that " +
		"its effect can be measured against them. With a holdout of 0 % everybody gets it."],
	cooldown: ["The playbook has rested long enough",
		"The playbook wrote to this customer not long ago."],
	max_per_customer: ["The playbook may write once more", "The playbook wrote to this customer as often as it may."],
	win_back_step: ["The step before was sent", "The step before in this series has not been sent in this absence."],
	frequency_cap: ["The customer's message limit is not reached",
		"The customer got as many messages lately as your limit allows."],
	open_intervention: ["Nothing else waits for them", "A message for this customer waits already."],
	daily_budget: ["The day's budget is not used up",
		"Today's budget of messages is used up; it begins anew at midnight UTC."],
	shadow_mode: ["Shadow mode is off", "Shadow mode is on: messages are recorded, none is sent."],
	quiet_hours: ["It is not the customer's quiet time", "It is the customer's quiet time. It goes out when that ends."],
	channel_off: ["The customer accepts the channel", "The customer switched this channel off."],
	no_address: ["There is an address", "The customer has no email address."],
	no_transport: ["There is a way to send it", "Sending mail is not set up on this server."],
	model_wait: ["The model did not choose to wait", "The model chose to wait; it is asked again a day later."],
};

export const isGate = (name) => name in gates;
export const gateAsks = (name) => gates[name]?.[0] ?? name.replaceAll("_", " ");
export const gateCloses = (name) => gates[name]?.[1] ?? `Held by ${name.replaceAll("_", " ")}.`;
