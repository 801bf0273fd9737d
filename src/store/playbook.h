/*
 * Rows of playbooks and what hangs on each change of one: its version row,
 * tenant_settings.rules_version when the playbook is or was active (match
 * then looks at everybody once), and the messages of one that stops. The
 * documents stay JSON text here; engine/playbook_doc.h checks and compiles
 * them.
 *
 * All functions run inside the caller's transaction, on op->tenant_id at
 * op->now_us. Rows are arena.
 */
#ifndef STORE_PLAYBOOK_H
#define STORE_PLAYBOOK_H

#include "base/op.h"

struct playbook_row {
	const char *id;
	const char *name;
	const char *status;	    /* draft, active, paused, archived */
	const char *lifecycle_area; /* may be NULL */
	const char *entry_conditions, *exit_conditions; /* JSON objects */
	const char *constraints, *strategy_hints;
	int64_t version;
	int64_t created_at;
};

/*
 * One row, locked against other writers. Fails: FAIL_NOT_FOUND, also for
 * an id that is no UUID.
 */
MUST_CHECK bool playbook_lock(struct op *op, const char *id,
			      struct playbook_row *ret);

/* The same without a lock. */
MUST_CHECK bool playbook_load_row(struct op *op, const char *id,
				  struct playbook_row *ret);

/* Rows with that status (NULL: all but archived), by created_at and id. */
MUST_CHECK bool playbook_load_rows(struct op *op, const char *status,
				   struct playbook_row **ret,
				   size_t *ret_count);

/*
 * Inserts a draft; sets row->id, created_at, status and version. actor as
 * in intervention_log.
 */
MUST_CHECK bool playbook_insert(struct op *op, const char *actor,
				struct playbook_row *row);

/*
 * Writes name, documents and area of a locked row as version + 1 (set in
 * row). Fails: FAIL_NOT_FOUND.
 */
MUST_CHECK bool playbook_update(struct op *op, const char *actor,
				struct playbook_row *row);

/*
 * Sets the status of a locked row (no new version: the documents stay).
 * paused, archived and draft cancel the automatic messages that are not
 * sent yet, with a log row each. The same status again changes nothing.
 */
MUST_CHECK bool playbook_set_status(struct op *op, const char *actor,
				    struct playbook_row *row,
				    const char *status);

/* arena: the row as the audit log keeps it. */
const char *playbook_json(struct op *op, const struct playbook_row *row);

/* Match looks at every customer once more. */
MUST_CHECK bool rules_touch(struct op *op);

/*
 * Marks event names as wanted in event_names, giving new ones the next
 * name_id of the tenant (race-safe). They are counted from the refresh
 * stage's backfill on, which sets counted_at.
 */
MUST_CHECK bool event_names_want(struct op *op, const char *const *names,
				 size_t count);

#endif
