/*
 * The pages that mailed links lead to: accept an invitation, set a new
 * password. The token stays in the address and goes to the API alone.
 */

const form = document.getElementById("account-form");
const error = form.querySelector(".error");
const button = form.querySelector("button[type=submit]");
const token = new URLSearchParams(location.search).get("token");

async function post(path, body) {
	const reply = await fetch(path, {
		method: "POST",
		headers: { "Content-Type": "application/json", "X-Retivo-CSRF": "1" },
		body: JSON.stringify(body),
	}).catch(() => {
		throw new Error("The server cannot be reached.");
	});
	const answer = await reply.json().catch(() => null);
	if (!reply.ok)
		throw new Error(answer?.error ?? `The server answered ${reply.status}.`);
	return answer;
}

/* Runs work with the button held; trouble is shown. */
async function attempt(work) {
	error.textContent = "";
	button.disabled = true;
	try {
		await work();
	} catch (problem) {
		error.textContent = problem.message;
	} finally {
		button.disabled = false;
	}
}

function done(text) {
	const note = document.createElement("p");
	const link = document.createElement("a");
	note.setAttribute("role", "status");
	note.textContent = text + " ";
	link.href = "/";
	link.textContent = "Go to Retivo";
	note.append(link);
	form.replaceChildren(form.querySelector("h1"), note);
}

const pages = {
	async invite(values) {
		await post("/api/auth/accept-invitation", { token, ...values });
		location.replace("/");
	},
	async ask({ email }) {
		await post("/api/auth/password-reset", { email });
		done("If the address is known, a link is on its way. It is valid for an hour.");
	},
	async reset({ password }) {
		await post("/api/auth/password-reset/confirm", { token, password });
		done("The new password is set.");
	},
};

/* With a token the page of reset asks for the password instead. */
if (form.dataset.page === "ask" && token) {
	form.dataset.page = "reset";
	document.getElementById("ask").textContent = "Choose a new password.";
	button.textContent = "Set the password";
	for (const [id, shown] of [["email", false], ["password", true]]) {
		document.getElementById(id).hidden = !shown;
		document.getElementById(id).querySelector("input").disabled = !shown;
	}
}
form.querySelector("input:not([disabled])").focus();

form.addEventListener("submit", (event) => {
	event.preventDefault();
	attempt(() => pages[form.dataset.page](Object.fromEntries(new FormData(form))));
});
document.getElementById("join")?.addEventListener("click", () => attempt(async () => {
	await post("/api/team/accept", { token });
	location.replace("/");
}));
