/*
 * The writers of customers outside the batch. Deferred statements: ingest
 * sends them in front of its own in one round trip.
 */
#include "store/customer.h"

#include "base/parse.h"
#include "base/secret.h"
#include "base/str.h"
#include "db/db.h"
#include "store/audit.h"
#include "store/match_queue.h"

const char *customer_erase_hash(struct op *op, const char *user_id)
{
	return secret_hash_tenant(op, SECRET_ERASE, op->tenant_id, user_id);
}

bool customers_add(struct op *op, const char *const *user_ids, size_t count)
{
	const char **hashes = ARENA_ARRAY(op->arena, const char *, count);

	for (size_t i = 0; i < count; i++)
		hashes[i] = customer_erase_hash(op, user_ids[i]);
	return db_defer(op,
			"INSERT INTO customers (tenant_id, user_id,"
			" stage_since, created_at, updated_at)"
			" SELECT $1, u, $2, $2, $2"
			" FROM unnest($3::text[], $4::text[]) AS t (u, h)"
			" WHERE NOT EXISTS (SELECT FROM erasures e"
			" WHERE e.tenant_id = $1"
			" AND e.user_hash = decode(h, 'hex'))"
			" ON CONFLICT DO NOTHING",
			ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
			ARG_TEXTS(user_ids, count), ARG_TEXTS(hashes, count));
}

bool customers_lock(struct op *op, const char *const *user_ids, size_t count)
{
	return db_defer(op,
			"SELECT 1 FROM customers WHERE tenant_id = $1"
			" AND user_id = ANY ($2) ORDER BY user_id FOR UPDATE",
			ARG_I64(op->tenant_id), ARG_TEXTS(user_ids, count));
}

#define TRAIT(column)                                                          \
	" " column " = CASE WHEN t.known ? '" column "'"                       \
	" THEN t.known->>'" column "'"                                         \
	" ELSE coalesce(c." column ", t.once->>'" column "') END,"

bool customers_identify(struct op *op, const char *const *user_ids,
			const struct traits *traits, size_t count)
{
	const char **known = ARENA_ARRAY(op->arena, const char *, count);
	const char **rest = ARENA_ARRAY(op->arena, const char *, count);
	const char **once = ARENA_ARRAY(op->arena, const char *, count);
	const char **once_rest = ARENA_ARRAY(op->arena, const char *, count);

	for (size_t i = 0; i < count; i++) {
		known[i] = json_text(op->arena, traits[i].known);
		rest[i] = json_text(op->arena, traits[i].rest);
		once[i] = json_text(op->arena, traits[i].once_known);
		once_rest[i] = json_text(op->arena, traits[i].once_rest);
	}
	return db_defer(
	    op,
	    "WITH w AS (UPDATE customers c SET" TRAIT("name") TRAIT("company")
		TRAIT("role") TRAIT("plan") TRAIT(
		    "locale") " team_size = CASE WHEN t.known ? 'team_size'"
			      " THEN (t.known->>'team_size')::integer"
			      " ELSE coalesce(c.team_size, (t.once->>'team_size')::integer) END,"
			      " email = CASE WHEN t.known ? 'email' AND (c.email IS NULL"
			      " OR nullif(current_setting('app.rank', true), '')::integer > 1)"
			      " THEN t.known->>'email'"
			      " ELSE coalesce(c.email, t.once->>'email') END,"
			      " timezone = CASE WHEN NOT t.known ? 'timezone'"
			      " THEN coalesce(c.timezone, o.name)"
			      " WHEN z.name IS NOT NULL OR t.known->>'timezone' IS NULL"
			      " THEN z.name ELSE c.timezone END,"
			      " properties = CASE WHEN octet_length(c.properties::text)"
			      " + octet_length(t.rest::text) + octet_length(t.once_rest::text)"
			      " > 65536 THEN c.properties"
			      " ELSE t.once_rest || c.properties || t.rest"
			      " || CASE WHEN z.name IS NULL"
			      " AND t.known->>'timezone' IS NOT NULL THEN"
			      " jsonb_build_object('timezone', t.known->'timezone')"
			      " ELSE '{}' END END,"
			      " updated_at = $2"
			      " FROM unnest($3::text[], $4::jsonb[], $5::jsonb[], $6::jsonb[],"
			      " $7::jsonb[]) AS t (user_id, known, rest, once, once_rest)"
			      " LEFT JOIN zones z ON z.name = t.known->>'timezone'"
			      " LEFT JOIN zones o ON o.name = t.once->>'timezone'"
			      " WHERE c.tenant_id = $1 AND c.user_id = t.user_id"
			      " RETURNING c.user_id)" MATCH_QUEUE_PUT,
	    ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
	    ARG_TEXTS(user_ids, count), ARG_JSONS(known, count),
	    ARG_JSONS(rest, count), ARG_JSONS(once, count),
	    ARG_JSONS(once_rest, count));
}

static bool preferences_row(struct op *op, const char *user_id,
			    const struct preferences *prefs, struct db_row *ret)
{
	return db_one(
	    op, ret,
	    "WITH was AS (SELECT opted_out, channels_off FROM customers"
	    " WHERE tenant_id = $1 AND user_id = $2 FOR UPDATE),"
	    " next AS (SELECT coalesce($4, opted_out) AS opted_out,"
	    " coalesce((SELECT array_agg(DISTINCT x ORDER BY x)"
	    " FROM unnest(channels_off || coalesce($5::text[], '{}')) x"
	    " WHERE x <> ALL (coalesce($6::text[], '{}'))), '{}')"
	    " AS channels_off FROM was)"
	    " UPDATE customers c SET opted_out = next.opted_out,"
	    " channels_off = next.channels_off, opted_out_at ="
	    " CASE WHEN next.opted_out AND NOT was.opted_out THEN $3"
	    " WHEN next.opted_out THEN c.opted_out_at END,"
	    " updated_at = $3 FROM was, next"
	    " WHERE c.tenant_id = $1 AND c.user_id = $2"
	    " RETURNING to_jsonb(was) AS before, to_jsonb(next) AS after,"
	    " was IS DISTINCT FROM next AS changed",
	    ARG_I64(op->tenant_id), ARG_TEXT(user_id), ARG_TIME(op->now_us),
	    ARG_BOOL_IF(prefs->has_opted_out, prefs->opted_out),
	    ARG_TEXTS(prefs->off, prefs->off_count),
	    ARG_TEXTS(prefs->on, prefs->on_count));
}

bool customer_set_preferences(struct op *op, const char *actor,
			      const char *user_id,
			      const struct preferences *prefs,
			      bool *ret_changed)
{
	struct db_row row;
	bool changed;

	if (!preferences_row(op, user_id, prefs, &row))
		return false;
	changed = db_bool(&row, "changed");
	if (ret_changed != NULL)
		*ret_changed = changed;
	if (!changed)
		return true;
	return match_queue_put(op, &user_id, 1) &&
	       audit_put(op, actor, "customer.preferences", user_id,
			 db_text(&row, "before"), db_text(&row, "after"));
}

/* The user id is last: it alone may hold a colon. */
const char *unsubscribe_token(struct op *op, const char *user_id,
			      const char *intervention_id)
{
	return secret_sign(
	    op, SECRET_UNSUBSCRIBE,
	    arena_printf(
		op->arena, "%lld:%s:email:%s", (long long)op->tenant_id,
		intervention_id != NULL ? intervention_id : "-", user_id));
}

/* arena: the text up to the next colon, which is taken off; or NULL. */
static const char *take_part(struct op *op, const char **at)
{
	const char *colon = strchr(*at, ':'), *part;

	if (colon == NULL)
		return NULL;
	part = arena_strndup(op->arena, *at, (size_t)(colon - *at));
	*at = colon + 1;
	return part;
}

bool unsubscribe_parse(struct op *op, const char *token,
		       struct unsubscribe *ret)
{
	const char *at, *tenant, *intervention, *channel;
	struct unsubscribe link = { 0 };

	if (!secret_verify(op, SECRET_UNSUBSCRIBE, token, &at))
		return false;
	tenant = take_part(op, &at);
	intervention = tenant != NULL ? take_part(op, &at) : NULL;
	channel = intervention != NULL ? take_part(op, &at) : NULL;
	if (channel == NULL || *at == '\0' ||
	    !parse_i64(tenant, 1, INT64_MAX, &link.tenant_id))
		return false;
	link.intervention_id =
	    parse_is_uuid(intervention) ? intervention : NULL;
	link.channel = channel;
	link.user_id = at;
	*ret = link;
	return true;
}
