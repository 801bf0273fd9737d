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

#include <json-c/linkhash.h>

#define IDS_MAX		 200
#define REASON_MAX_BYTES 2000

static const char *const actions[] = { "approve", "reject", "pause", NULL };
static const enum intervention_verb verbs[] = { INTERVENTION_APPROVE,
						INTERVENTION_REJECT,
						INTERVENTION_PAUSE };

struct bulk_in {
	const char *action, *reason;
	struct text_list ids;
	struct json_object *versions; /* by id; NULL: of any */
};

static const struct field bulk_fields[] = {
	FIELD_ENUM(struct bulk_in, action, true, actions),
	FIELD_TEXTS(struct bulk_in, ids, true, 1, IDS_MAX),
	FIELD_TEXT(struct bulk_in, reason, false, 0, REASON_MAX_BYTES),
	FIELD_JSON(struct bulk_in, versions, false),
};

struct bulk_item {
	const char *id;
	size_t at;	  /* in the order asked */
	int64_t version;  /* that was seen; 0: any */
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

/* Of an id that comes twice both places take it. */
static bool take_version(struct op *op, struct bulk_item *items, size_t n,
			 const char *id, struct json_object *value)
{
	int64_t version = json_object_is_type(value, json_type_int)
			      ? json_object_get_int64(value)
			      : 0;
	bool known = false;

	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(items[i].id, id) != 0)
			continue;
		items[i].version = version;
		known = true;
	}
	const char *path = body_path(op, "versions", id);
	if (!known)
		return op_fail_at(op, path, "is not among the ids");
	if (version < 1 || version > INT32_MAX)
		return op_fail_at(op, path, "is no version");
	return true;
}

static bool take_versions(struct op *op, const struct bulk_in *in,
			  struct bulk_item *items)
{
	bool good = true;

	if (in->versions == NULL)
		return true;
	json_object_object_foreach (in->versions, id, value) {
		if (!take_version(op, items, in->ids.count, id, value))
			good = false;
	}
	return good;
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
	if (!take_versions(op, in, items))
		good = false;
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
	const struct intervention_call call = { .verb = verb_of(in->action),
						.id = item->id,
						.actor = auth_actor(op),
						.reason = in->reason,
						.version = item->version };

	if (intervention_move_seen(op, &call))
		return true;
	if (!intervention_was_refused(op) && op->fail.kind != FAIL_NOT_FOUND)
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
		if (item->fail.extra != NULL)
			json_members(j, item->fail.extra);
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
