/* Sign-in, a new password, an accepted invitation: what needs no session. */
import { api, ApiError } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { navigate } from "./router.js";
import { loadSession, sessionEnded, signIn } from "./session.js";
import { useStore } from "./store.js";
import { Button, Notice } from "./ui/basics.js";
import { Field, Submit, useForm } from "./ui/form.js";

const token = () => new URLSearchParams(location.search).get("token");
const post = (path, body) => api("POST", path, body, { anonymous: true });

function Gate({ title, text, children }) {
	useEffect(() => {
		document.title = `${title} – Retivo`;
		document.querySelector(".gate input")?.focus();
	}, [title]);
	return html`<main class="gate"><p class="brand">Retivo</p><div class="card"><h1>${title}</h1>
		${text && html`<p class="soft">${text}</p>`}${children}</div></main>`;
}

/* Somebody is signed in, and nobody can say who yet. */
export const Unreachable = () => html`
	<${Gate} title="Retivo cannot be reached" text="Trying again. The page goes on by itself." />`;

export function SignIn() {
	const form = useForm({ email: "", password: "" }, ({ email, password }) => signIn(email, password));
	return html`
		<${Gate} title="Sign in to Retivo" text="See who needs help and what is planned for them.">
			${useStore(sessionEnded) && html`<${Notice}>Your session has ended. Sign in to go on where you were.<//>`}
			<form class="form" onSubmit=${form.submit}>
				<${Field} form=${form} name="email" label="Email" type="email"
					autocomplete="username" required />
				<${Field} form=${form} name="password" label="Password" type="password"
					autocomplete="current-password" required />
				<${Submit} form=${form}>Sign in<//>
			</form>
			<p><a href="/reset">Forgot the password?</a></p>
		<//>`;
}

const newPassword = { type: "password", autocomplete: "new-password", minlength: 12, maxlength: 1024, required: true };

export function Reset() {
	const [done, setDone] = useState(null);
	const known = token();
	const form = useForm({ email: "", password: "" }, async ({ email, password }) => {
		if (known)
			await post("/api/auth/password-reset/confirm", { token: known, password });
		else
			await post("/api/auth/password-reset", { email });
		setDone(known ? "The new password is set."
			: "If the address is known, a link is on its way. It is valid for an hour.");
	});
	return html`
		<${Gate} title=${known ? "Choose a new password" : "Reset the password"}
			text=${known ? "Every session of yours ends." : "We send a link to your address."}>
			${done ? html`<p role="status">${done}</p>` : html`
				<form class="form" onSubmit=${form.submit}>
					${known ? html`<${Field} form=${form} name="password" label="New password"
							hint="At least 12 characters" ...${newPassword} />`
						: html`<${Field} form=${form} name="email" label="Email" type="email"
							autocomplete="username" required />`}
					<${Submit} form=${form}>${known ? "Set the password" : "Send the link"}<//>
				</form>`}
			<p><a href="/">Go to the sign-in</a></p>
		<//>`;
}

/* A link that was cut when it was copied; to its reader "token" says nothing. */
function broken(error) {
	if (error.details.some(({ path }) => path === "token"))
		throw new ApiError(400, { error: "This link is not whole. Open it from the invitation once more, " +
			"or ask who invited you for another" });
	throw error;
}

export function Accept() {
	const enter = async () => {
		await loadSession();
		navigate("/", { replace: true });
	};
	const form = useForm({ name: "", password: "" }, async (values) => {
		await post("/api/auth/accept-invitation", { token: token(), ...values }).catch(broken);
		await enter();
	});
	const join = useForm({}, async () => {
		await post("/api/team/accept", { token: token() }).catch(broken);
		await enter();
	});
	return html`
		<${Gate} title="Accept the invitation" text="Choose your name and a password.">
			<form class="form" onSubmit=${form.submit}>
				<${Field} form=${form} name="name" label="Your name" autocomplete="name" maxlength="200" required />
				<${Field} form=${form} name="password" label="Password" hint="At least 12 characters" ...${newPassword} />
				<${Submit} form=${form}>Accept the invitation<//>
			</form>
			<p class="soft">You have an account? Sign in with the address that was invited and open this link again.</p>
			${join.error && html`<p class="error" role="alert">${join.error.message}</p>`}
			<${Button} busy=${join.busy} onClick=${join.submit}>Join with the account signed in here<//>
		<//>`;
}
