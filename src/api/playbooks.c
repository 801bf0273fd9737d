/*
 * Playbooks: list, create, update, archive, status, versions, and the count
 * of the customers that conditions match. What a document may hold is checked
 * by engine/playbook_doc.c; the rows are written by store/playbook.c.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/parse.h"
#include "engine/playbook_doc.h"
#include "http/body.h"
#include "http/page.h"
#include "http/router.h"
#include "store/audit.h"
#include "store/plan.h"
#include "store/playbook.h"

static const char *const statuses[] = { "draft", "active", "paused", "archived",
					NULL };

/* In POST an absent document is {}; in PUT it stays as it was. */
struct playbook_in {
	const char *name;
	struct json_object *entry_conditions, *exit_conditions;
	struct json_object *constraints, *strategy_hints;
	int64_t version;
};

#define DOCUMENTS                                                              \
	FIELD_JSON(struct playbook_in, entry_conditions, false),               \
	    FIELD_JSON(struct playbook_in, exit_conditions, false),            \
	    FIELD_JSON(struct playbook_in, constraints, false),                \
	    FIELD_JSON(struct playbook_in, strategy_hints, false)

static const struct field create_fields[] = {
	FIELD_TEXT(struct playbook_in, name, true, 1, 200, .in_chars = true,
		   .one_line = true),
	DOCUMENTS,
};
static const struct field update_fields[] = {
	FIELD_TEXT(struct playbook_in, name, false, 1, 200, .in_chars = true,
		   .one_line = true),
	DOCUMENTS,
	FIELD_I64(struct playbook_in, version, false, 1, INT32_MAX),
};

static bool playbooks_list(struct op *op, const struct request *rq,
			   struct response *rs)
{
	const char *status = NULL;
	struct db_rows rows;

	if (!request_query_enum(op, rq, "status", statuses, &status))
		return false;
	if (!db_list(op, &rows,
		     "SELECT p.id, p.name, p.status, p.lifecycle_area,"
		     " p.entry_conditions, p.exit_conditions, p.constraints,"
		     " p.strategy_hints, p.created_at, p.status_changed_at,"
		     " o.success_rate, p.version"
		     " FROM playbooks p LEFT JOIN ("
		     "SELECT playbook_id, round(avg((outcome = 'positive')"
		     "::integer), 4) AS success_rate FROM outcomes"
		     " WHERE tenant_id = $1 AND outcome <> 'pending'"
		     " AND cause IS DISTINCT FROM 'not_delivered'"
		     " GROUP BY playbook_id) o ON o.playbook_id = p.id"
		     " WHERE p.tenant_id = $1"
		     " AND ($2::text IS NULL OR p.status = $2)"
		     " ORDER BY p.created_at, p.id",
		     ARG_I64(op->tenant_id), ARG_TEXT(status)))
		return false;
	return reply_rows(op, rs, 200, "playbooks", &rows);
}

static const char *doc_text(struct op *op, struct json_object *doc,
			    const char *otherwise)
{
	return doc != NULL ? json_text(op->arena, doc) : otherwise;
}

/* An active playbook for everybody has to be meant. */
static bool match_all_check(struct op *op, const struct playbook *pb)
{
	if (!condition_is_empty(pb->entry) || pb->match_all)
		return true;
	return op_fail_at(op, "entry_conditions",
			  "empty conditions match everybody: set "
			  "constraints.match_all to true to mean it");
}

static bool playbooks_create(struct op *op, const struct request *rq,
			     struct response *rs)
{
	struct playbook_in in = { 0 };
	struct tenant_config config;
	struct playbook pb = { 0 };
	struct db_row row;
	bool good;

	if (!tenant_config_load(op, &config))
		return false;
	/* What is wrong inside the documents is told with the rest. */
	good =
	    body_decode(op, rq, create_fields, ARRAY_LEN(create_fields), &in);
	struct playbook_docs docs = { in.entry_conditions, in.exit_conditions,
				      in.constraints, in.strategy_hints };
	good = playbook_parse(op, &docs, &config, &pb) && good;
	if (!good || !plan_room(op, PLAN_PLAYBOOKS))
		return false;

	struct playbook_row new = {
		.name = in.name,
		.lifecycle_area = pb.lifecycle_area,
		.entry_conditions = doc_text(op, in.entry_conditions, "{}"),
		.exit_conditions = doc_text(op, in.exit_conditions, "{}"),
		.constraints = doc_text(op, in.constraints, "{}"),
		.strategy_hints = doc_text(op, in.strategy_hints, "{}"),
	};
	if (!playbook_insert(op, auth_actor(op), &new) ||
	    !playbook_want_events(op, &pb) ||
	    !audit_put(op, auth_actor(op), "playbook.create", new.id, NULL,
		       playbook_json(op, &new)) ||
	    !db_one(op, &row,
		    "SELECT id, name, status, created_at, version"
		    " FROM playbooks WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(new.id)))
		return false;
	return reply_row(op, rs, 201, &row);
}

static bool version_check(struct op *op, const struct playbook_in *in,
			  const struct playbook_row *row)
{
	if (in->version == 0 || in->version == row->version)
		return true;
	op_fail(op, FAIL_CONFLICT, "stale_version",
		"the playbook is at version %lld, the edit is of version %lld",
		(long long)row->version, (long long)in->version);
	return op_fail_extra(op, arena_printf(op->arena, "\"current\":%lld",
					      (long long)row->version));
}

static bool reply_playbook(struct op *op, struct response *rs, const char *id)
{
	struct db_row row;

	return db_one(op, &row,
		      "SELECT id, name, status, version FROM playbooks"
		      " WHERE tenant_id = $1 AND id = $2",
		      ARG_I64(op->tenant_id), ARG_UUID(id)) &&
	       reply_row(op, rs, 200, &row);
}

static bool playbooks_update(struct op *op, const struct request *rq,
			     struct response *rs)
{
	struct playbook_in in = { 0 };
	struct playbook_row old, new;
	struct tenant_config config;
	struct playbook pb;
	const char *id;
	bool good;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !playbook_lock(op, id, &old) || !tenant_config_load(op, &config))
		return false;
	good =
	    body_decode(op, rq, update_fields, ARRAY_LEN(update_fields), &in);
	if (good && !version_check(op, &in, &old))
		return false;
	new = old;
	if (in.name != NULL)
		new.name = in.name;
	new.entry_conditions =
	    doc_text(op, in.entry_conditions, old.entry_conditions);
	new.exit_conditions =
	    doc_text(op, in.exit_conditions, old.exit_conditions);
	new.constraints = doc_text(op, in.constraints, old.constraints);
	new.strategy_hints =
	    doc_text(op, in.strategy_hints, old.strategy_hints);
	good = playbook_compile(op, &new, &config, &pb) && good;
	if (!good || (streq(old.status, "active") && !match_all_check(op, &pb)))
		return false;
	new.lifecycle_area = pb.lifecycle_area;
	if (!playbook_update(op, auth_actor(op), &new) ||
	    !playbook_want_events(op, &pb) ||
	    !audit_put(op, auth_actor(op), "playbook.update", id,
		       playbook_json(op, &old), playbook_json(op, &new)))
		return false;
	return reply_playbook(op, rs, id);
}

/* {"status": "…"} for the audit log. */
static const char *status_json(struct op *op, const char *status)
{
	return arena_printf(op->arena, "{\"status\":\"%s\"}", status);
}

static bool status_set(struct op *op, struct playbook_row *row,
		       const char *status)
{
	const char *before = row->status;

	return playbook_set_status(op, auth_actor(op), row, status) &&
	       (streq(before, status) ||
		audit_put(op, auth_actor(op), "playbook.status", row->id,
			  status_json(op, before), status_json(op, status)));
}

struct status_in {
	const char *status;
};

static const struct field status_fields[] = {
	FIELD_ENUM(struct status_in, status, true, statuses),
};

static bool playbooks_status(struct op *op, const struct request *rq,
			     struct response *rs)
{
	struct status_in in = { 0 };
	struct playbook_row row;
	struct tenant_config config;
	struct playbook pb;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !body_decode(op, rq, status_fields, ARRAY_LEN(status_fields),
			 &in) ||
	    !playbook_lock(op, id, &row))
		return false;
	if (streq(row.status, "archived") && !streq(in.status, "archived") &&
	    !plan_room(op, PLAN_PLAYBOOKS))
		return false;
	if (streq(in.status, "active") &&
	    (!tenant_config_load(op, &config) ||
	     !playbook_compile(op, &row, &config, &pb) ||
	     !match_all_check(op, &pb)))
		return false;
	return status_set(op, &row, in.status) && reply_playbook(op, rs, id);
}

static bool playbooks_archive(struct op *op, const struct request *rq,
			      struct response *rs)
{
	struct playbook_row row;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !playbook_lock(op, id, &row) || !status_set(op, &row, "archived"))
		return false;
	return reply_true(op, rs, 200, "archived");
}

/* ------------------------------------------------------------- versions -- */

static bool playbooks_versions(struct op *op, const struct request *rq,
			       struct response *rs)
{
	static const struct page_spec spec = { "playbook_versions", "i", 20,
					       100 };
	static const char *const keys[] = { "version" };
	struct playbook_row playbook;
	struct db_rows rows;
	struct page page;
	const char *id;

	if (!request_path_uuid(op, rq, "id", &id) ||
	    !playbook_load_row(op, id, &playbook) ||
	    !page_parse(op, rq, &spec, &page) ||
	    !db_list(op, &rows,
		     "SELECT version, document->>'name' AS name,"
		     " document->>'lifecycle_area' AS lifecycle_area,"
		     " document->'entry_conditions' AS entry_conditions,"
		     " document->'exit_conditions' AS exit_conditions,"
		     " document->'constraints' AS constraints,"
		     " document->'strategy_hints' AS strategy_hints,"
		     " actor, created_at FROM playbook_versions"
		     " WHERE tenant_id = $1 AND playbook_id = $2"
		     " AND ($3::bigint IS NULL OR version < $3)"
		     " ORDER BY version DESC LIMIT $4",
		     ARG_I64(op->tenant_id), ARG_UUID(id),
		     ARG_I64_IF(page.has_cursor, page.keys[0].i64),
		     ARG_I64(page.limit + 1)))
		return false;
	return reply_page(op, rs, "versions", &rows, &spec, &page, keys);
}

const struct route playbooks_routes[] = {
	{ HTTP_GET, "/api/playbooks", ACCESS_VIEWER, playbooks_list,
	  "listPlaybooks", ROUTE_READ },
	{ HTTP_POST, "/api/playbooks", ACCESS_EDITOR, playbooks_create,
	  "createPlaybook", 0 },
	{ HTTP_PUT, "/api/playbooks/{id}", ACCESS_EDITOR, playbooks_update,
	  "updatePlaybook", 0 },
	{ HTTP_DELETE, "/api/playbooks/{id}", ACCESS_EDITOR, playbooks_archive,
	  "archivePlaybook", 0 },
	{ HTTP_PUT, "/api/playbooks/{id}/status", ACCESS_EDITOR,
	  playbooks_status, "setPlaybookStatus", 0 },
	{ HTTP_GET, "/api/playbooks/{id}/versions", ACCESS_VIEWER,
	  playbooks_versions, "listPlaybookVersions", 0 },
};
const size_t playbooks_route_count = ARRAY_LEN(playbooks_routes);
