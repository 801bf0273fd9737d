/*
 * The dashboard: sign-in, the customers' state in four numbers, what waits
 * for a person, and the kill switch. Uses the public API alone; every text
 * from it is set as text, never as HTML.
 */

const $ = (id) => document.getElementById(id);

/* element("p", { class: "soft" }, "text", child, …) */
function element(name, attributes = {}, ...children) {
	const node = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) {
		if (key === "onclick")
			node.addEventListener("click", value);
		else if (value !== false && value !== undefined)
			node.setAttribute(key, value === true ? "" : value);
	}
	node.append(...children.filter((child) => child !== null));
	return node;
}

class ApiError extends Error {
	constructor(status, body) {
		super(body?.error ?? `The server answered ${status}.`);
		this.status = status;
	}
}

async function api(method, path, body) {
	const reply = await fetch(path, {
		method,
		headers: {
			...(body === undefined ? {} : { "Content-Type": "application/json" }),
			"X-Retivo-CSRF": "1",
		},
		body: body === undefined ? undefined : JSON.stringify(body),
	}).catch(() => {
		throw new Error("The server cannot be reached.");
	});
	const answer = await reply.json().catch(() => null);
	if (!reply.ok)
		throw new ApiError(reply.status, answer);
	return answer;
}

const rank = { viewer: 1, editor: 2, admin: 3 };
let me = null;

const may = (role) => rank[me?.role] >= rank[role];

const time = (text) => text === null ? "never"
	: new Date(text).toLocaleString(undefined,
		{ dateStyle: "medium", timeStyle: "short" });

/* Runs work; a lapsed session leads to the sign-in, other trouble is shown. */
async function attempt(work) {
	$("problem").textContent = "";
	try {
		await work();
	} catch (error) {
		if (error.status === 401)
			showSignIn();
		else
			$("problem").textContent = error.message;
	}
}

/* ------------------------------------------------------------- pages -- */

function interventionCard(item, names) {
	const escalated = item.channel === "escalate";
	const kind = escalated ? "escalations" : "interventions";
	const act = (verb, body) => attempt(async () => {
		await api("PUT", `/api/${kind}/${item.id}/${verb}`, body);
		await showPage();
	});
	const handle = () => {
		const action_taken = prompt("What did you do?");
		if (action_taken !== null)
			act("handle", { action_taken });
	};
	const reject = () => {
		const reason = prompt("Why is this message not right?");
		if (reason !== null)
			act("reject", { reason });
	};
	const checks = item.quality_checks?.checks ?? [];
	const failed = checks.filter((check) => !check.passed);
	const verdict = checks.length === 0 ? element("span", { class: "soft" }, "not checked yet")
		: failed.length === 0 ? element("span", { class: "good" }, "all checks passed")
			: element("span", { class: "bad" }, failed.map((check) =>
				`${check.name}: ${check.detail ?? "failed"}`).join("; "));
	const button = (style, text, onclick) =>
		element("button", { class: style, type: "button", onclick }, text);
	const actions = element("div", { class: "actions" }, ...(escalated
		? [button("primary", "Handled", handle),
			button("", "Write a mail instead", () => act("delegate", { channel: "email" }))]
		: [button("primary", "Approve", () => act("approve")),
			button("", "Pause", () => act("pause")),
			button("danger", "Reject", reject)]));
	return element("article", { class: "card" },
		element("div", { class: "row" },
			element("h2", {}, item.user_id),
			element("span", {}, names.get(item.playbook_id) ?? "by hand"),
			element("span", { class: "soft" }, `${item.channel} · ${item.status}` +
				(item.paused_at ? " · paused" : "") + ` · ${time(item.planned_at)}`),
			item.confidence === null ? null
				: element("span", { class: "soft" },
					`confidence ${Math.round(item.confidence * 100)} %`)),
		element("div", { class: "message" }, item.message_body ?? ""),
		element("p", { class: "soft" }, item.reasoning ?? ""),
		verdict,
		item.status === "planned" && may("editor") ? actions : "");
}

function table(heads, rows) {
	const body = element("tbody");
	for (const row of rows)
		body.append(element("tr", {}, ...row.map((cell) => element("td", {}, String(cell)))));
	return element("div", { class: "card scroll" }, element("table", {},
		element("thead", {}, element("tr", {}, ...heads.map((head) =>
			element("th", { scope: "col" }, head)))), body));
}

const nothing = (text) => element("p", { class: "card soft" }, text);

const pages = {
	async interventions() {
		const [list, books] = await Promise.all([
			api("GET", "/api/interventions?limit=50"), api("GET", "/api/playbooks")]);
		const names = new Map(books.playbooks.map((book) => [book.id, book.name]));
		const order = (item) => item.status === "planned" ? 0 : 1;
		const cards = list.interventions.sort((a, b) => order(a) - order(b))
			.map((item) => interventionCard(item, names));
		return cards.length > 0 ? cards
			: [nothing("Nothing is planned. The batch looks each minute.")];
	},
	async customers() {
		const { customers } = await api("GET", "/api/customers?limit=100&sort=health");
		return [customers.length === 0 ? nothing("No customers yet: send a first event.")
			: table(["Customer", "Company", "Stage", "Health", "Risk", "Last seen"],
				customers.map((c) => [c.name, c.company ?? "", c.lifecycle_stage,
					c.health, c.risk_level, time(c.last_activity_at)]))];
	},
	async playbooks() {
		const { playbooks } = await api("GET", "/api/playbooks");
		return [playbooks.length === 0 ? nothing("No playbooks yet.")
			: table(["Playbook", "Area", "Status", "Success"], playbooks.map((book) => [
				book.name, book.lifecycle_area ?? "", book.status,
				book.success_rate === null ? "not measured"
					: `${Math.round(book.success_rate * 100)} %`]))];
	},
};

async function showPage() {
	const name = location.hash.slice(1) in pages ? location.hash.slice(1) : "interventions";
	$("title").textContent = name[0].toUpperCase() + name.slice(1);
	for (const link of document.querySelectorAll("nav a"))
		link.setAttribute("aria-current", link.hash === `#${name}` ? "page" : "false");
	await attempt(async () => {
		$("page").replaceChildren(...await pages[name]());
	});
}

/* ------------------------------------------------------------- frame -- */

async function showStats() {
	const { stats } = await api("GET", "/api/customers/stats");
	const labels = { total: "customers", active: "active", at_risk: "at risk", churned: "churned" };
	$("stats").replaceChildren(...Object.entries(labels).map(([key, label]) =>
		element("div", { class: "card" },
			element("b", {}, stats[key].toLocaleString()), label)));
}

async function showKillSwitch() {
	const { tenant } = await api("GET", "/api/settings");
	const on = tenant.kill_switch_active;
	const button = $("kill-switch");
	button.hidden = !may("admin") && !on;
	button.disabled = !may("admin");
	button.className = "danger";
	button.textContent = on ? "Kill switch is ON: nothing is sent" : "Stop all sending";
	button.onclick = () => attempt(async () => {
		if (!confirm(on ? "Let messages go out again?" : "Stop every message of this tenant now?"))
			return;
		await api("PUT", "/api/settings/kill-switch", { active: !on });
		await showKillSwitch();
	});
}

function showSignIn() {
	me = null;
	$("app").hidden = true;
	$("sign-in").hidden = false;
	$("sign-in-form").elements.email.focus();
}

async function start() {
	me = await api("GET", "/api/auth/me");
	$("sign-in").hidden = true;
	$("app").hidden = false;
	$("tenant").textContent = me.tenant?.name ?? "";
	$("person").textContent = `${me.person.name} (${me.role})`;
	await attempt(() => Promise.all([showStats(), showKillSwitch(), showPage()]));
}

$("sign-in-form").addEventListener("submit", async (event) => {
	event.preventDefault();
	const form = event.target;
	const error = form.querySelector(".error");
	error.textContent = "";
	try {
		await api("POST", "/api/auth/login", {
			email: form.elements.email.value,
			password: form.elements.password.value,
		});
		form.reset();
		await start();
	} catch (failure) {
		error.textContent = failure.message;
	}
});

$("sign-out").addEventListener("click", () => attempt(async () => {
	await api("POST", "/api/auth/logout");
	showSignIn();
}));

addEventListener("hashchange", showPage);

start().catch(showSignIn);
