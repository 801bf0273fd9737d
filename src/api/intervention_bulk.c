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
#include "store/audit.h"
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

struct bulk_item {
	const char *id;
	size_t at;	  /* in the order asked */
	struct fail fail; /* code NULL: it moved */
};

static int by_at(const void *a, const void *b)
{
	size_t x = ((const struct bulk_item *)a)->at;
	size_t y = ((const struct bulk_item *)b)->at;

	return (x > y) - (x < y);
}

/* An id that comes twice is moved by its first place. */
static int by_id(const void *a, const void *b)
{
	int order = strcasecmp(((const struct bulk_item *)a)->id,
			       ((const struct bulk_item *)b)->id);

	return order != 0 ? order : by_at(a, b);
}

/* Locked in the order of their ids: two calls at once wait in no ring. */
static bool check(struct op *op, const struct bulk_in *in,
		  struct bulk_item *items)
{
	size_t n = in->ids.count;
	bool good = true;

	for (size_t i = 0; i < n; i++) {
		items[i] =
		    (struct bulk_item){ .id = in->ids.items[i], .at = i };
		if (!parse_is_uuid(items[i].id))
			good = op_fail_at(
			    op, arena_printf(op->arena, "ids[%zu]", i),
			    "is no id");
	}
	if (streq(in->action, "reject") && in->reason == NULL)
		good = op_fail_at(op, "reason", "is required to reject");
	qsort(items, n, sizeof(*items), by_id);
	return good;
}

static enum intervention_verb verb_of(const char *action)
{
	size_t i = 0;

	while (!streq(actions[i], action))
		i++;
	return verbs[i];
}

/* A refusal is an answer, and logged as that of a single call. */
static bool move_one(struct op *op, const struct bulk_in *in,
		     struct bulk_item *item)
{
	if (intervention_move(op, verb_of(in->action), item->id, auth_actor(op),
			      in->reason))
		return true;
	if (op->fail.kind != FAIL_NOT_FOUND)
		return false;
	item->fail = op->fail;
	op_clear(op);
	return streq(item->fail.code, "not_found") ||
	       audit_put(
		   op, auth_actor(op), "intervention.refused", item->id, NULL,
		   arena_printf(op->arena, "{\"verb\":\"%s\",\"code\":\"%s\"}",
				in->action, item->fail.code));
}

static void write_item(struct json_out *j, const struct bulk_item *item)
{
	json_open(j, '{');
	json_pair(j, "id", item->id);
	json_key(j, "done");
	json_boolean(j, item->fail.code == NULL);
	if (item->fail.code != NULL) {
		json_pair(j, "code", item->fail.code);
		json_pair(j, "error", item->fail.message);
	}
	json_close(j);
}

static bool interventions_bulk(struct op *op, const struct request *rq,
			       struct response *rs)
{
	struct bulk_item items[IDS_MAX];
	struct bulk_in in = { .action = NULL };
	struct json_out j;
	int64_t moved = 0;

	if (!body_decode(op, rq, bulk_fields, ARRAY_LEN(bulk_fields), &in) ||
	    !check(op, &in, items))
		return false;
	for (size_t i = 0; i < in.ids.count; i++) {
		if (!move_one(op, &in, &items[i]))
			return false;
		moved += items[i].fail.code == NULL;
	}
	qsort(items, in.ids.count, sizeof(*items), by_at);
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "results");
	json_open(&j, '[');
	for (size_t i = 0; i < in.ids.count; i++)
		write_item(&j, &items[i]);
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
