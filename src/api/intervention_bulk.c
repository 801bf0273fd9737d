/*
 * One decision of a person on many messages. Each moves by the same rules as
 * alone, in one transaction; those that may not are told one by one.
 */
#include "api/auth.h"
#include "api/routes.h"
#include "base/parse.h"
#include "db/db.h"
#include "http/body.h"
#include "http/response.h"
#include "store/intervention.h"

#define IDS_MAX		 200
#define REASON_MAX_BYTES 2000

static const char *const actions[] = { "approve", "reject", "pause", NULL };
static const enum intervention_verb verbs[] = { INTERVENTION_APPROVE,
						INTERVENTION_REJECT,
						INTERVENTION_PAUSE };

struct bulk_in {
	const char *action, *reason;
	struct text_list ids;
};

static const struct field bulk_fields[] = {
	FIELD_ENUM(struct bulk_in, action, true, actions),
	FIELD_TEXTS(struct bulk_in, ids, true, 1, IDS_MAX),
	FIELD_TEXT(struct bulk_in, reason, false, 0, REASON_MAX_BYTES),
};

static bool check(struct op *op, const struct bulk_in *in)
{
	bool good = true;

	for (size_t i = 0; i < in->ids.count; i++)
		if (!parse_is_uuid(in->ids.items[i]))
			good = op_fail_at(
			    op, arena_printf(op->arena, "ids[%zu]", i),
			    "is no id");
	if (streq(in->action, "reject") && in->reason == NULL)
		good = op_fail_at(op, "reason", "is required to reject");
	return good;
}

static enum intervention_verb verb_of(const char *action)
{
	size_t i = 0;

	while (!streq(actions[i], action))
		i++;
	return verbs[i];
}

/* What became of one; a refusal is an answer, not a failure. */
static bool move_one(struct op *op, struct json_out *j,
		     const struct bulk_in *in, const char *id, int64_t *moved)
{
	bool ok = intervention_move(op, verb_of(in->action), id, auth_actor(op),
				    in->reason);

	if (!ok && op->fail.kind != FAIL_NOT_FOUND)
		return false;
	json_open(j, '{');
	json_pair(j, "id", id);
	json_key(j, "done");
	json_boolean(j, ok);
	if (!ok) {
		json_pair(j, "code", op->fail.code);
		json_pair(j, "error", op->fail.message);
		op_clear(op);
	}
	json_close(j);
	*moved += ok;
	return true;
}

static bool interventions_bulk(struct op *op, const struct request *rq,
			       struct response *rs)
{
	struct bulk_in in = { 0 };
	struct json_out j;
	int64_t moved = 0;

	if (!body_decode(op, rq, bulk_fields, ARRAY_LEN(bulk_fields), &in) ||
	    !check(op, &in))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "results");
	json_open(&j, '[');
	for (size_t i = 0; i < in.ids.count; i++)
		if (!move_one(op, &j, &in, in.ids.items[i], &moved))
			return false;
	json_close(&j);
	json_key(&j, "done");
	json_i64(&j, moved);
	json_close(&j);
	return true;
}

const struct route intervention_bulk_routes[] = {
	{ HTTP_POST, "/api/interventions/bulk", ACCESS_EDITOR,
	  interventions_bulk, "bulkInterventions", 0 },
};
const size_t intervention_bulk_route_count =
    ARRAY_LEN(intervention_bulk_routes);
