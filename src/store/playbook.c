/*
 * Playbook rows. The API writes them; match, explain and the API read them
 * through engine/playbook_doc.c.
 */
#include "store/playbook.h"

#include "base/parse.h"
#include "base/uuid.h"
#include "db/db.h"
#include "store/intervention.h"

#define COLUMNS                                                                \
	"id, name, status, lifecycle_area, entry_conditions, exit_conditions," \
	" constraints, strategy_hints, version, created_at"

static void row_read(const struct db_row *row, struct playbook_row *ret)
{
	*ret = (struct playbook_row){
		.id = db_text(row, "id"),
		.name = db_text(row, "name"),
		.status = db_text(row, "status"),
		.lifecycle_area = db_text(row, "lifecycle_area"),
		.entry_conditions = db_text(row, "entry_conditions"),
		.exit_conditions = db_text(row, "exit_conditions"),
		.constraints = db_text(row, "constraints"),
		.strategy_hints = db_text(row, "strategy_hints"),
		.version = db_i64(row, "version"),
		.created_at = db_time(row, "created_at"),
	};
}

static bool not_found(struct op *op)
{
	return op_fail(op, FAIL_NOT_FOUND, "not_found", "no such playbook");
}

bool playbook_lock(struct op *op, const char *id, struct playbook_row *ret)
{
	struct db_row row;

	if (!parse_is_uuid(id))
		return not_found(op);
	if (!db_opt(op, &row,
		    "SELECT " COLUMNS " FROM playbooks"
		    " WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	if (!db_found(&row))
		return not_found(op);
	row_read(&row, ret);
	return true;
}

bool playbook_load_row(struct op *op, const char *id, struct playbook_row *ret)
{
	struct db_row row;

	if (!parse_is_uuid(id))
		return not_found(op);
	if (!db_opt(op, &row,
		    "SELECT " COLUMNS " FROM playbooks"
		    " WHERE tenant_id = $1 AND id = $2",
		    ARG_I64(op->tenant_id), ARG_UUID(id)))
		return false;
	if (!db_found(&row))
		return not_found(op);
	row_read(&row, ret);
	return true;
}

bool playbook_load_rows(struct op *op, const char *status,
			struct playbook_row **ret, size_t *ret_count)
{
	struct db_rows rows;
	size_t n = 0;

	if (!db_rows(op, &rows,
		     "SELECT " COLUMNS " FROM playbooks WHERE tenant_id = $1"
		     " AND status <> 'archived'"
		     " AND ($2::text IS NULL OR status = $2)"
		     " ORDER BY created_at, id",
		     ARG_I64(op->tenant_id), ARG_TEXT(status)))
		return false;
	*ret = ARENA_ARRAY(op->arena, struct playbook_row, rows.count);
	db_each (row, &rows)
		row_read(&row, &(*ret)[n++]);
	*ret_count = n;
	return true;
}

/* Every version has its row, the newest too. */
static bool version_insert(struct op *op, const char *actor,
			   const struct playbook_row *row)
{
	return db_exec(
	    op, NULL,
	    "INSERT INTO playbook_versions (tenant_id, playbook_id, version,"
	    " document, actor, created_at)"
	    " SELECT p.tenant_id, p.id, p.version, jsonb_build_object("
	    "'name', p.name, 'status', p.status,"
	    " 'lifecycle_area', p.lifecycle_area,"
	    " 'entry_conditions', p.entry_conditions,"
	    " 'exit_conditions', p.exit_conditions,"
	    " 'constraints', p.constraints,"
	    " 'strategy_hints', p.strategy_hints), $3, $4"
	    " FROM playbooks p WHERE p.tenant_id = $1 AND p.id = $2",
	    ARG_I64(op->tenant_id), ARG_UUID(row->id), ARG_TEXT(actor),
	    ARG_TIME(op->now_us));
}

bool playbook_insert(struct op *op, const char *actor, struct playbook_row *row)
{
	row->id = uuid_new(op);
	row->status = "draft";
	row->version = 1;
	row->created_at = op->now_us;
	return db_exec(op, NULL,
		       "INSERT INTO playbooks (tenant_id, id, name,"
		       " lifecycle_area, entry_conditions, exit_conditions,"
		       " constraints, strategy_hints, created_at, updated_at)"
		       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
		       ARG_I64(op->tenant_id), ARG_UUID(row->id),
		       ARG_TEXT(row->name), ARG_TEXT(row->lifecycle_area),
		       ARG_JSON(row->entry_conditions),
		       ARG_JSON(row->exit_conditions),
		       ARG_JSON(row->constraints),
		       ARG_JSON(row->strategy_hints), ARG_TIME(op->now_us)) &&
	       version_insert(op, actor, row);
}

bool playbook_update(struct op *op, const char *actor, struct playbook_row *row)
{
	struct db_row done;

	if (!db_opt(op, &done,
		    "UPDATE playbooks SET name = $3, lifecycle_area = $4,"
		    " entry_conditions = $5, exit_conditions = $6,"
		    " constraints = $7, strategy_hints = $8,"
		    " version = version + 1, updated_at = $9"
		    " WHERE tenant_id = $1 AND id = $2 RETURNING version",
		    ARG_I64(op->tenant_id), ARG_UUID(row->id),
		    ARG_TEXT(row->name), ARG_TEXT(row->lifecycle_area),
		    ARG_JSON(row->entry_conditions),
		    ARG_JSON(row->exit_conditions), ARG_JSON(row->constraints),
		    ARG_JSON(row->strategy_hints), ARG_TIME(op->now_us)))
		return false;
	if (!db_found(&done))
		return not_found(op);
	row->version = db_i64(&done, "version");
	if (!version_insert(op, actor, row))
		return false;
	return !streq(row->status, "active") || rules_touch(op);
}

/* What match found for it and what waits to be sent ends with it. */
static bool playbook_stop(struct op *op, const char *actor, const char *id)
{
	return db_exec(op, NULL,
		       "DELETE FROM candidates"
		       " WHERE tenant_id = $1 AND playbook_id = $2",
		       ARG_I64(op->tenant_id), ARG_UUID(id)) &&
	       interventions_cancel_of_playbook(op, id, actor);
}

bool playbook_set_status(struct op *op, const char *actor,
			 struct playbook_row *row, const char *status)
{
	bool was_active = streq(row->status, "active");

	if (streq(row->status, status))
		return true;
	if (!db_exec(op, NULL,
		     "UPDATE playbooks SET status = $3, status_changed_at = $4,"
		     " updated_at = $4 WHERE tenant_id = $1 AND id = $2",
		     ARG_I64(op->tenant_id), ARG_UUID(row->id),
		     ARG_TEXT(status), ARG_TIME(op->now_us)))
		return false;
	row->status = status;
	if (streq(status, "active"))
		return rules_touch(op);
	return playbook_stop(op, actor, row->id) &&
	       (!was_active || rules_touch(op));
}

const char *playbook_json(struct op *op, const struct playbook_row *row)
{
	struct str s;
	struct json_out j;

	str_init(&s, op->arena, 4u << 20);
	json_init(&j, &s);
	json_open(&j, '{');
	json_pair(&j, "name", row->name);
	json_pair(&j, "status", row->status);
	json_key(&j, "version");
	json_i64(&j, row->version);
	json_key(&j, "entry_conditions");
	json_raw(&j, row->entry_conditions);
	json_key(&j, "exit_conditions");
	json_raw(&j, row->exit_conditions);
	json_key(&j, "constraints");
	json_raw(&j, row->constraints);
	json_key(&j, "strategy_hints");
	json_raw(&j, row->strategy_hints);
	json_close(&j);
	return s.bytes;
}

bool rules_touch(struct op *op)
{
	return db_exec(op, NULL,
		       "UPDATE tenant_settings SET rules_version ="
		       " rules_version + 1 WHERE tenant_id = $1",
		       ARG_I64(op->tenant_id));
}

/*
 * Others take ids at the same time (refresh): a row whose name or id was
 * taken meanwhile is left out and tried again, now that the taker's commit
 * is visible.
 */
bool event_names_want(struct op *op, const char *const *names, size_t count)
{
	int64_t missing = (int64_t)count;

	for (int tries = 0; missing > 0 && tries < 8; tries++) {
		struct db_row row;

		if (!db_exec(op, NULL,
			     "INSERT INTO event_names (tenant_id, name,"
			     " name_id, wanted)"
			     " SELECT $1, t.name, (SELECT coalesce(max(name_id)"
			     ", -1) FROM event_names WHERE tenant_id = $1)"
			     " + row_number() OVER (ORDER BY t.name), true"
			     " FROM (SELECT DISTINCT unnest($2::text[])"
			     " COLLATE \"C\" AS name) t"
			     " WHERE NOT EXISTS (SELECT FROM event_names e"
			     " WHERE e.tenant_id = $1 AND e.name = t.name)"
			     " ON CONFLICT DO NOTHING",
			     ARG_I64(op->tenant_id), ARG_TEXTS(names, count)) ||
		    !db_one(op, &row,
			    "SELECT count(*) AS n FROM (SELECT DISTINCT"
			    " unnest($2::text[]) COLLATE \"C\" AS name) t"
			    " WHERE NOT EXISTS (SELECT FROM event_names e"
			    " WHERE e.tenant_id = $1 AND e.name = t.name)",
			    ARG_I64(op->tenant_id), ARG_TEXTS(names, count)))
			return false;
		missing = db_i64(&row, "n");
	}
	if (missing > 0)
		return op_fail(op, FAIL_UNAVAILABLE, "busy",
			       "event names are being added, try again");
	return count == 0 ||
	       db_exec(op, NULL,
		       "UPDATE event_names SET wanted = true"
		       " WHERE tenant_id = $1 AND name = ANY ($2)"
		       " AND NOT wanted",
		       ARG_I64(op->tenant_id), ARG_TEXTS(names, count));
}
