/* A tenant's webhook endpoint, stored the way the product stores it: the
 * secret sealed with a subkey of the master key (src/base/secret.h). */
import { randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import sodium from "libsodium-wrappers";

const WEBHOOK_USE = 2;
const EVENTS = ["intervention.delivered", "user.stage_changed",
	"user.risk_changed", "decision.recommended", "outcome.recorded"];

export const new_secret = () => `whsec_${randomBytes(24).toString("base64")}`;

async function seal(stack, context, plain) {
	await sodium.ready;
	const master = Buffer.from(readFileSync(
		stack.settings.RETIVO_MASTER_KEY_FILE, "utf8").trim(), "hex");
	const derive = (use, name) =>
		sodium.crypto_kdf_derive_from_key(32, use, name, master);
	const nonce = randomBytes(24);
	const sealed = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain,
		context, null, nonce, derive(WEBHOOK_USE, "rt-seal1"));
	return Buffer.concat([derive(0, "rt-keyid").slice(0, 4), nonce, sealed])
		.toString("hex");
}

/* Gives the tenant an endpoint at hooks (lib/hooks.mjs) for every event. */
export async function add_endpoint(stack, tenant, hooks) {
	const id = randomUUID();
	const secret = await seal(stack,
		`webhook_endpoints/secret/${tenant.id}/${id}`, hooks.secret);
	await stack.sql("insert into webhook_endpoints (tenant_id, id, url, events," +
		" secret, created_at, updated_at) values ($1, $2, $3, $4, $5, now(), now())",
		tenant.id, id, hooks.url, EVENTS, secret);
	return id;
}
