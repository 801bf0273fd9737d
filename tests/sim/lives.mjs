/*
 * Hidden lives: a generative model of a product's customers. The simulation
 * knows each life; Retivo sees only the events.
 *
 * A customer signs up on a day drawn evenly over the first 70 % of the time
 * and is then, day by day, in one of these phases:
 *
 *   setup    active on a day with chance 0.75; on an active day one of the two
 *            milestones still missing is reached with chance 0.3. A customer
 *            in eight never reaches the second ("stuck") and goes over to
 *            regular after 14 days without it.
 *   regular  a weekly rhythm: active with chance 0.8 on weekdays, 0.35 on
 *            weekends, with 1 to 5 events on an active day. Each day the
 *            chance to lapse is LAPSE.
 *   lapsed   no event at all. Comes back with a chance a day of BACK, and of
 *            BACK_WRITTEN in the 14 days after a message of the playbook
 *            "Come back" was really delivered: that is the planted effect.
 *            After 60 days the customer is gone for good.
 *   gone     nothing more.
 *
 * Besides, each customer opts out, or refuses the one channel, on any day
 * with chance opt_out_chance(): 0.0003, more where few people live few days,
 * that there be some. The last day of activity before a lapse is an active one.
 *
 * Two things are held against what Retivo sees. truth() is the stage that
 * product and config define for such a life: new on the first day, onboarding up
 * to 14 days or both milestones, recovered for 14 days after coming back from 7
 * or more silent days, at_risk from 7 and churned from 30 days of a lapse on,
 * else active. It says that the rules are followed. hidden() is where the life
 * itself stands, and knows of no rule: whether it is settled, how long ago it
 * lapsed, that it came back. It says that the rules find what is there to be
 * found, and when.
 */
export const LAPSE = 0.012, BACK = 0.02, BACK_WRITTEN = 0.05;
export const WINDOW = 14;
/* In hidden(): when a lapse should have been noticed, and when be over. */
export const NOTICED = 10, LOST = 35;
export const HIDDEN = ["setup", "settled", "unsettled", "back", "lapsed", "drifting", "lost", "gone"];
export const STAGES = ["new", "onboarding", "active", "at_risk", "churned", "recovered"];
const MILESTONES = ["profile_completed", "teammate_invited"];

export const opt_out_chance = (people, days) => Math.max(0.0003, 20 / (people * days));

/* The chance to come back within the window, from one message on. */
export const chance_of = (a_day) => 1 - (1 - a_day) ** WINDOW;

class Life {
	constructor(random, user_id, signup) {
		Object.assign(this, { random, user_id, signup, phase: "unborn", reached: 0,
			since: -Infinity, away: 0, silent: 0, back: -Infinity, written: -Infinity, opted_out: false });
		this.stuck = random.below(8) === 0;
	}

	/* One day: the names of its events. weekday 0 is Sunday. */
	live(day, weekday) {
		const before = this.phase, began = this.since;
		const names = this.next(day, weekday);
		if (this.phase !== before) {
			this.since = day;
			this.away = before === "lapsed" ? day - began : 0;
		}
		return names;
	}

	next(day, weekday) {
		if (this.phase === "unborn" && day === this.signup) {
			this.phase = "setup";
			return this.act(["signed_up"]);
		}
		if (this.phase === "setup")
			return this.set_up(day);
		if (this.phase === "regular")
			return this.be_regular(day, weekday);
		if (this.phase === "lapsed")
			return this.be_lapsed(day);
		return [];
	}

	act(names) {
		this.silent = 0;
		return names;
	}

	set_up(day) {
		if (day - this.signup >= 14 || this.reached === 2)
			this.phase = "regular";
		if (this.random.next() > 0.75) {
			this.silent++;
			return [];
		}
		const names = ["login"];
		if (this.reached < (this.stuck ? 1 : 2) && this.random.next() < 0.3)
			names.push(MILESTONES[this.reached++]);
		return this.act(names);
	}

	be_regular(day, weekday) {
		if (this.random.next() < LAPSE) {
			this.phase = "lapsed";
			this.silent++;
			return [];
		}
		if (this.random.next() > (weekday % 6 === 0 ? 0.35 : 0.8)) {
			this.silent++;
			return [];
		}
		const names = ["login"];
		for (let n = this.random.below(5); n > 0; n--)
			names.push(this.random.of(["report_created", "report_shared", "comment_added",
				"search_run", "export_made"]));
		return this.act(names);
	}

	be_lapsed(day) {
		const written = day - this.written <= WINDOW;
		if (this.random.next() < (written ? BACK_WRITTEN : BACK)) {
			if (this.silent >= 7)
				this.back = day;
			this.phase = "regular";
			return this.act(["login", "report_created"]);
		}
		if (++this.silent > 60)
			this.phase = "gone";
		return [];
	}

	/*
	 * By the phase and its days alone. A lapse is one of "lapsed", "drifting" and
	 * "lost" by its length, gone for good or not; who lapsed for as long as it
	 * should have been noticed is "back" for some days; "unsettled" is a rhythm of
	 * less than two weeks, "settled" a longer one.
	 */
	hidden(day) {
		const days = day - this.since;
		if (this.phase === "lapsed")
			return days < NOTICED ? "lapsed" : days < LOST ? "drifting" : "lost";
		if (this.phase !== "regular")
			return this.phase;
		if (this.away >= NOTICED && days < NOTICED)
			return "back";
		return days < 14 ? "unsettled" : "settled";
	}

	/* The stage at the end of the day; undefined before the first. */
	truth(day) {
		if (this.phase === "unborn")
			return undefined;
		if (this.silent >= 30)
			return "churned";
		if (day - this.back < 14 && this.silent < 7)
			return "recovered";
		if (this.silent >= 7)
			return "at_risk";
		if (day === this.signup && this.reached === 0)
			return "new";
		return day - this.signup < 14 && this.reached < 2 ? "onboarding" : "active";
	}
}

export function make_lives(random, people, days) {
	return Array.from({ length: people }, (_, i) =>
		new Life(random, `life-${i + 1}`, random.below(Math.ceil(days * 0.7))));
}
