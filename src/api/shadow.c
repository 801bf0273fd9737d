/*
 * Shadow mode: the pipeline decides, writes and checks as ever, and sends
 * nothing. It ends by itself; what it would have sent is the report.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "db/db.h"
#include "http/body.h"
#include "store/audit.h"
#include "store/playbook.h"
#include "store/tenant.h"

#define SHADOW_HOURS   "72 hours"
#define REPORT_SAMPLES 20

struct shadow_in {
	bool active;
};

static const struct field shadow_fields[] = {
	FIELD_BOOL(struct shadow_in, active, true),
};

/* On again while it is on: it lasts as it did. */
static bool shadow_set(struct op *op, const struct request *rq,
		       struct response *rs)
{
	struct shadow_in in = { 0 };
	struct tenant tenant;
	struct db_row row;

	if (!body_decode(op, rq, shadow_fields, ARRAY_LEN(shadow_fields),
			 &in) ||
	    !tenant_load(op, true, &tenant))
		return false;
	if (tenant.shadow_mode != in.active &&
	    (!audit_put(op, auth_actor(op), "settings.shadow_mode", NULL,
			in.active ? "{\"shadow_mode\":false}"
				  : "{\"shadow_mode\":true}",
			in.active ? "{\"shadow_mode\":true}"
				  : "{\"shadow_mode\":false}") ||
	     !rules_touch(op)))
		return false;
	return db_one(op, &row,
		      "UPDATE tenant_settings SET shadow_mode = $3,"
		      " shadow_until = CASE WHEN $3 AND NOT $4 THEN"
		      " $2 + interval '" SHADOW_HOURS "'"
		      " WHEN $3 THEN shadow_until"
		      " ELSE least(shadow_until, $2) END,"
		      " shadow_since = CASE WHEN $3 AND NOT $4 THEN $2"
		      " ELSE shadow_since END, updated_at = $2"
		      " WHERE tenant_id = $1 RETURNING shadow_mode,"
		      " CASE WHEN shadow_mode THEN shadow_until END"
		      " AS shadow_until",
		      ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		      ARG_BOOL(in.active), ARG_BOOL(tenant.shadow_mode)) &&
	       reply_row(op, rs, 200, &row);
}

/* ---------------------------------------------------------------- report -- */

#define OF_SHADOW                                                              \
	" FROM interventions i JOIN tenant_settings s"                         \
	" ON s.tenant_id = i.tenant_id"                                        \
	" LEFT JOIN playbooks p ON p.tenant_id = i.tenant_id"                  \
	" AND p.id = i.playbook_id"                                            \
	" WHERE i.tenant_id = $1 AND i.shadow"                                 \
	" AND i.created_at >= s.shadow_since"
#define COUNTS                                                                 \
	"count(*) AS messages, count(DISTINCT i.user_id) AS customers,"        \
	" count(*) FILTER (WHERE i.checks_passed) AS checks_passed,"           \
	" count(*) FILTER (WHERE NOT i.checks_passed) AS checks_failed"

struct report {
	struct db_row mode, totals;
	struct db_rows playbooks, channels, samples;
};

static bool load_report(struct op *op, struct report *ret)
{
	return db_one(op, &ret->mode,
		      "SELECT shadow_mode AND coalesce(shadow_until > $2, true)"
		      " AS shadow_mode,"
		      " shadow_since, shadow_until FROM tenant_settings"
		      " WHERE tenant_id = $1",
		      ARG_I64(op->tenant_id), ARG_TIME(op->now_us)) &&
	       db_one(op, &ret->totals, "SELECT " COUNTS OF_SHADOW,
		      ARG_I64(op->tenant_id)) &&
	       db_rows(op, &ret->playbooks,
		       "SELECT i.playbook_id, p.name, " COUNTS OF_SHADOW
		       " GROUP BY i.playbook_id, p.name"
		       " ORDER BY messages DESC, i.playbook_id",
		       ARG_I64(op->tenant_id)) &&
	       db_rows(op, &ret->channels,
		       "SELECT i.channel, " COUNTS OF_SHADOW
		       " GROUP BY i.channel ORDER BY i.channel",
		       ARG_I64(op->tenant_id)) &&
	       db_rows(op, &ret->samples,
		       "SELECT i.id, coalesce(i.user_id, 'erased') AS user_id,"
		       " i.playbook_id, i.channel, i.subject, i.message_body,"
		       " i.reasoning, i.confidence, i.checks_passed,"
		       " i.planned_at" OF_SHADOW
		       " ORDER BY i.planned_at DESC, i.id DESC LIMIT $2",
		       ARG_I64(op->tenant_id), ARG_I64(REPORT_SAMPLES));
}

static bool shadow_report(struct op *op, const struct request *rq,
			  struct response *rs)
{
	struct report report;
	struct json_out j;

	(void)rq;
	if (!load_report(op, &report))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	db_row_members(&j, &report.mode);
	json_key(&j, "totals");
	db_row_json(&j, &report.totals);
	db_rows_member(&j, "by_playbook", &report.playbooks);
	db_rows_member(&j, "by_channel", &report.channels);
	db_rows_member(&j, "latest", &report.samples);
	json_close(&j);
	return true;
}

const struct route shadow_routes[] = {
	{ HTTP_PUT, "/api/settings/shadow-mode", ACCESS_ADMIN, shadow_set,
	  "setShadowMode", 0 },
	{ HTTP_GET, "/api/settings/shadow-mode", ACCESS_VIEWER, shadow_report,
	  "getShadowReport", 0 },
};
const size_t shadow_route_count = ARRAY_LEN(shadow_routes);
