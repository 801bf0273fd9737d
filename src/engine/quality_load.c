/*
 * The brand, the playbook's link and offers, and what the customer got
 * lately: one statement for all messages of a chunk.
 */
#include "engine/quality_load.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json_in.h"
#include "db/db.h"

static bool parse(struct op *op, const char *text, struct json_object **ret)
{
	*ret = NULL;
	return text == NULL || json_parse(op, text, strlen(text), ret);
}

/* What all messages of the tenant share. */
static bool load_tenant(struct op *op, struct quality_input *in)
{
	struct json_object *avoid, *domains;
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT mail_from, brand->'things_to_avoid' AS avoid,"
		    " config->'allowed_domains' AS domains"
		    " FROM tenant_settings WHERE tenant_id = $1",
		    ARG_I64(op->tenant_id)) ||
	    !parse(op, db_text(&row, "avoid"), &avoid) ||
	    !parse(op, db_text(&row, "domains"), &domains))
		return false;
	in->mail_from = db_text(&row, "mail_from");
	if (in->mail_from == NULL)
		in->mail_from = op->config->mail_from;
	in->base_url = op->config->base_url;
	in->avoid = quality_texts(op, avoid);
	in->allowed_domains = quality_texts(op, domains);
	return true;
}

static bool check_one(struct op *op, const struct db_row *row,
		      const struct quality_input *shared,
		      struct quality_subject *s)
{
	struct quality_input in = *shared;
	struct json_object *offers, *recent;

	if (!parse(op, db_text(row, "offers"), &offers) ||
	    !parse(op, db_text(row, "recent"), &recent))
		return false;
	in.channel = s->channel;
	in.subject = s->subject;
	in.message = s->message;
	in.customer_email = db_text(row, "email");
	in.cta_url = db_text(row, "cta_url");
	in.offers = quality_texts(op, offers);
	in.recent = quality_texts(op, recent);
	quality_check(op, &in, &s->result);
	return true;
}

bool quality_check_many(struct op *op, struct quality_subject *all,
			size_t count)
{
	const char **users = ARENA_ARRAY(op->arena, const char *, count);
	const char **playbooks = ARENA_ARRAY(op->arena, const char *, count);
	const char **ids = ARENA_ARRAY(op->arena, const char *, count);
	struct quality_input shared = { .channel = NULL };
	struct db_rows rows;

	for (size_t i = 0; i < count; i++) {
		users[i] = all[i].user_id;
		playbooks[i] = all[i].playbook_id;
		ids[i] = all[i].id;
	}
	if (!load_tenant(op, &shared) ||
	    !db_rows(
		op, &rows,
		"SELECT x.i, c.email, p.strategy_hints->>'cta_url' AS cta_url,"
		" p.strategy_hints->'offers' AS offers, r.recent"
		" FROM unnest($2::text[], $3::uuid[], $4::uuid[])"
		" WITH ORDINALITY x (u, p, id, i)"
		" JOIN customers c ON c.tenant_id = $1 AND c.user_id = x.u"
		" LEFT JOIN playbooks p ON p.tenant_id = $1 AND p.id = x.p"
		" CROSS JOIN LATERAL (SELECT to_json(array_agg(m))"
		" AS recent FROM (SELECT o.message_body AS m"
		" FROM interventions o WHERE o.tenant_id = $1"
		" AND o.user_id = x.u AND o.id IS DISTINCT FROM x.id"
		" AND o.planned_at > $5 AND o.message_body IS NOT NULL"
		" AND o.status IN ('approved', 'sending', 'sent', 'delivered')"
		" ORDER BY o.planned_at DESC LIMIT $6) l) r ORDER BY x.i",
		ARG_I64(op->tenant_id), ARG_TEXTS(users, count),
		ARG_UUIDS(playbooks, count), ARG_UUIDS(ids, count),
		ARG_TIME(op->now_us - QUALITY_RECENT_DAYS * US_PER_DAY),
		ARG_I64(QUALITY_RECENT_MAX)))
		return false;
	if (rows.count != count)
		return op_fail(op, FAIL_NOT_FOUND, "user_not_found",
			       "no such user");
	db_each (row, &rows)
		if (!check_one(op, &row, &shared,
			       &all[(size_t)db_i64(&row, "i") - 1]))
			return false;
	return true;
}
