/*
 * What a customer may refuse: preferences set by the tenant, and the
 * unsubscribe links of mails (RFC 8058), which need no key because their
 * token is signed for one customer of one tenant.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/json_in.h"
#include "base/template.h"
#include "db/db_tx.h"
#include "http/body.h"
#include "store/customer.h"
#include "store/intervention.h"

#include <json-c/linkhash.h>

#define PAGE_CSP                                                               \
	"default-src 'none'; style-src 'unsafe-inline'; form-action 'self';"   \
	" base-uri 'none'; frame-ancestors 'none'"

struct preferences_in {
	bool opted_out, has_opted_out;
	struct json_object *channels;
};

static const struct field preferences_fields[] = {
	FIELD_BOOL(struct preferences_in, opted_out, false,
		   FIELD_HAS(struct preferences_in, has_opted_out)),
	FIELD_JSON(struct preferences_in, channels, false),
};

/* static: the channel of that name, or NULL. */
static const char *find_channel(const char *name)
{
	for (size_t i = 0; i < INTERVENTION_CHANNELS; i++)
		if (streq(name, intervention_channels[i]))
			return intervention_channels[i];
	return NULL;
}

/* {"email": false} → the lists to switch on and off. */
static bool read_channels(struct op *op, struct json_object *in,
			  struct preferences *ret)
{
	const char **off =
	    ARENA_ARRAY(op->arena, const char *, INTERVENTION_CHANNELS);
	const char **on =
	    ARENA_ARRAY(op->arena, const char *, INTERVENTION_CHANNELS);
	bool ok = true;

	ret->off = off;
	ret->on = on;
	if (in == NULL)
		return true;
	json_object_object_foreach (in, name, value) {
		const char *channel = find_channel(name);
		const char *path = body_path(op, "channels", name);

		if (channel == NULL)
			ok = op_fail_at(op, path, "is not a channel");
		else if (!json_object_is_type(value, json_type_boolean))
			ok = op_fail_at(op, path, "must be true or false");
		else if (json_object_get_boolean(value))
			on[ret->on_count++] = channel;
		else
			off[ret->off_count++] = channel;
	}
	return ok;
}

static bool privacy_set_preferences(struct op *op, const struct request *rq,
				    struct response *rs)
{
	const char *user_id = request_path_param(rq, "id");
	struct preferences_in in = { 0 };
	struct preferences prefs = { 0 };
	struct db_row row;
	bool ok = body_decode(op, rq, preferences_fields,
			      ARRAY_LEN(preferences_fields), &in);

	if (!read_channels(op, in.channels, &prefs) || !ok)
		return false;
	prefs.has_opted_out = in.has_opted_out;
	prefs.opted_out = in.opted_out;
	if (!customer_set_preferences(op, auth_actor(op), user_id, &prefs,
				      NULL))
		return false;
	return db_one(op, &row,
		      "SELECT user_id AS id, opted_out, jsonb_build_object("
		      "'email', 'email' <> ALL (channels_off),"
		      " 'in_app', 'in_app' <> ALL (channels_off),"
		      " 'webhook', 'webhook' <> ALL (channels_off),"
		      " 'crm', 'crm' <> ALL (channels_off)) AS channels"
		      " FROM customers WHERE tenant_id = $1 AND user_id = $2",
		      ARG_I64(op->tenant_id), ARG_TEXT(user_id)) &&
	       reply_row(op, rs, 200, &row);
}

/* ----------------------------------------------------------- unsubscribe */

/* What a page may name: {{tenant}}. */
static const char *page_value(void *context, const char *name)
{
	return streq(name, "tenant") ? context : NULL;
}

static bool reply_page_html(struct op *op, struct response *rs, int status,
			    const char *template, char *tenant)
{
	const char *source;

	if (!template_load(op, template, &source))
		return false;
	template_write(op->arena, response_html(rs, status), source,
		       TEMPLATE_HTML, page_value, tenant);
	return response_header(op, rs, "Content-Security-Policy", PAGE_CSP);
}

static bool reply_invalid(struct op *op, struct response *rs)
{
	return reply_page_html(op, rs, 404, "pages/unsubscribe_invalid.html",
			       NULL);
}

/*
 * Reads the token and enters its tenant. *ret_tenant is NULL when there is
 * nothing behind it: a forged token, or a tenant that is closed.
 */
static bool open_link(struct op *op, const struct request *rq,
		      struct unsubscribe *ret, char **ret_tenant)
{
	struct db_row row;

	*ret_tenant = NULL;
	if (!unsubscribe_parse(op, request_path_param(rq, "token"), ret))
		return true;
	if (!db_set_tenant(op, ret->tenant_id) ||
	    !db_opt(op, &row,
		    "SELECT s.name FROM tenant_settings s JOIN tenants t"
		    " ON t.tenant_id = s.tenant_id"
		    " WHERE s.tenant_id = $1 AND t.closed_at IS NULL",
		    ARG_I64(ret->tenant_id)))
		return false;
	if (db_found(&row))
		*ret_tenant = arena_strdup(op->arena, db_text(&row, "name"));
	return true;
}

/* Changes nothing: mail scanners open every link. */
static bool privacy_show_unsubscribe(struct op *op, const struct request *rq,
				     struct response *rs)
{
	struct unsubscribe link;
	char *tenant;

	if (!open_link(op, rq, &link, &tenant))
		return false;
	if (tenant == NULL)
		return reply_invalid(op, rs);
	return reply_page_html(op, rs, 200, "pages/unsubscribe.html", tenant);
}

/* A customer who is gone gets no mail either: nothing is left to do. */
static bool opt_out(struct op *op, const struct unsubscribe *link, bool all)
{
	struct preferences prefs = { .has_opted_out = all,
				     .opted_out = all,
				     .off = &link->channel,
				     .off_count = 1 };
	const char *actor = "customer";

	if (link->intervention_id != NULL)
		actor = arena_printf(op->arena, "customer:link:%s",
				     link->intervention_id);
	if (customer_set_preferences(op, actor, link->user_id, &prefs, NULL))
		return true;
	if (op->fail.kind != FAIL_NOT_FOUND)
		return false;
	op_clear(op);
	return true;
}

/*
 * One click by the mail program, or a button of our page. Any body is one:
 * what the address says is what counts, and refusing would keep the mail
 * coming.
 */
static bool privacy_unsubscribe(struct op *op, const struct request *rq,
				struct response *rs)
{
	const char *scope = request_form(op, rq, "scope");
	bool all = scope != NULL && streq(scope, "all");
	struct unsubscribe link;
	char *tenant;

	if (!open_link(op, rq, &link, &tenant))
		return false;
	if (tenant == NULL)
		return reply_invalid(op, rs);
	if (!opt_out(op, &link, all))
		return false;
	return reply_page_html(op, rs, 200,
			       all ? "pages/unsubscribed_all.html"
				   : "pages/unsubscribed.html",
			       tenant);
}

const struct route privacy_routes[] = {
	{ HTTP_PUT, "/api/customers/{id}/preferences", ACCESS_EDITOR,
	  privacy_set_preferences, "setPreferences", 0 },
	{ HTTP_GET, "/api/unsubscribe/{token}", ACCESS_NONE,
	  privacy_show_unsubscribe, "showUnsubscribe", 0 },
	{ HTTP_POST, "/api/unsubscribe/{token}", ACCESS_NONE,
	  privacy_unsubscribe, "unsubscribe", 0 },
};
const size_t privacy_route_count = ARRAY_LEN(privacy_routes);
