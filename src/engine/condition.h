/*
 * The condition language: a JSON document → a checked tree → one
 * parameterised SQL predicate over customers. Entry and exit conditions,
 * segments, preview-count, dry-run, explain and why all use the predicate
 * made here, so they cannot disagree.
 *
 *   { "lifecycle_stage": ["new", "onboarding"], "health": { "lt": 40 },
 *     "properties.plan": "trial",
 *     "event": { "name": "export", "within_days": 14, "count": 3 },
 *     "milestone": { "not_reached": "invited_team" },
 *     "segment": "power-users", "any": [ {...}, {...} ], "not": {...} }
 *
 * Keys side by side are AND. A bare value is equality, an array membership,
 * an object holds operators: eq ne gt gte lt lte in nin exists contains
 * starts_with. For numbers a string such as ">= 0.7" is an operator too.
 * {} is always true, but only at the top. At most CONDITION_DEPTH_MAX
 * levels of any, all and not, and CONDITION_CLAUSES_MAX clauses, those of
 * the segments referred to included.
 *
 * A missing value (SQL null, no such property, JSON null, no activity yet):
 * ne, nin and exists:false are true, every other operator is false. Days
 * are whole days of 24 hours that have passed; "lt 1" is the first day.
 * days_since_signup (also "age") counts from the first event, or from the
 * customer's creation when there is none. Text is compared exactly, with
 * its case. properties.a.b is the member b of the object a, and
 * properties.plan, like the other known traits, its column; numbers compare
 * as numbers, strings as text, and a value of another type is not equal.
 *
 * Event counts: with within_days N the events of the UTC days after
 * (today − N), today included; without it all. From customer_event_days
 * when the environment says that the name is counted, else from events.
 *
 * All text of the user travels as an argument, never as SQL. Trees are
 * arena and borrow the document and the environment for the op.
 */
#ifndef ENGINE_CONDITION_H
#define ENGINE_CONDITION_H

#include "base/json_in.h"
#include "base/op.h"
#include "db/sql.h"

#define CONDITION_DEPTH_MAX   8
#define CONDITION_CLAUSES_MAX 200

struct condition;

struct condition_segment {
	const char *name;
	struct json_object *conditions;
};

/* An event name whose days are counted (event_names.counted_at is set). */
struct condition_event {
	const char *name;
	int64_t name_id;
};

/* What names may be referred to; all borrowed. */
struct condition_env {
	const struct condition_segment *segments;
	size_t segment_count;
	const char *const *milestones;
	size_t milestone_count;
	const struct condition_event *events;
	size_t event_count;
};

/*
 * arena: the tree of doc, an object (NULL: as {}). path goes in front of
 * the paths of errors: "entry_conditions". env NULL: no names are known.
 * Fails: FAIL_INVALID with one detail a fault, all of them at once.
 */
MUST_CHECK bool condition_parse(struct op *op, const char *path,
				struct json_object *doc,
				const struct condition_env *env,
				struct condition **ret);

/* True for {}, the condition that everybody meets. NULL: true. */
bool condition_is_empty(const struct condition *cond);

/*
 * True when it reads nothing but the customer's row and the time: no events
 * and no milestones, segments included. NULL: true.
 */
bool condition_is_of_row(const struct condition *cond);

/*
 * Numbers of arguments that the caller bound with sql_bind(): the tenant
 * (ARG_I64) and the time (ARG_TIME of the op's clock).
 */
struct condition_at {
	size_t tenant;
	size_t now;
	/* Nothing behind now counts: for a time that is past (back-test). */
	bool past;
};

/*
 * Appends a parenthesised boolean expression over the alias c (customers);
 * never null, never an error whatever the rows hold. At most three
 * arguments a clause. NULL: true.
 */
void condition_write_sql(const struct condition *cond, struct sql *q,
			 const struct condition_at *at);

/*
 * Appends a timestamptz expression over c: the earliest time after now at
 * which one of the conditions (NULL among them: {}) can change by time
 * alone, as long as what does not depend on time stays as it is; 'infinity'
 * when none can; never null. For match_queue.due_at.
 */
void condition_write_next(const struct condition *const *conds, size_t count,
			  struct sql *q, const struct condition_at *at);

/* One clause (a leaf of the tree) in the order of the document. */
struct condition_clause {
	const char *path;   /* "entry_conditions.any[1].health.gt" */
	const char *op;	    /* "gt"; also "reached", "not_reached" */
	const char *wanted; /* JSON text */
	const struct condition *node;
};

/* arena: the clauses; a segment is one clause. */
void condition_clauses(struct arena *a, const struct condition *cond,
		       struct condition_clause **ret, size_t *ret_count);

/* Appends the truth of one clause (as condition_write_sql). */
void condition_write_clause(const struct condition_clause *clause,
			    struct sql *q, const struct condition_at *at);

/* Appends the clause's current value as JSON text; null when missing. */
void condition_write_value(const struct condition_clause *clause, struct sql *q,
			   const struct condition_at *at);

struct clause_result {
	const char *path, *op, *wanted; /* as struct condition_clause */
	const char *value;		/* JSON text; "null" when missing */
	bool result;
};

/*
 * One statement for one customer of op->tenant_id at op->now_us: each
 * clause's value and truth, and whether the whole condition holds.
 * arena results. Fails: FAIL_NOT_FOUND when there is no such customer.
 */
MUST_CHECK bool condition_evaluate(struct op *op, const struct condition *cond,
				   const char *user_id,
				   struct clause_result **ret,
				   size_t *ret_count, bool *ret_holds);

/* arena: the event names referred to (segments included), without twins. */
void condition_events(struct arena *a, const struct condition *cond,
		      const char *const **ret, size_t *ret_count);

/*
 * The test of a milestone on the properties of one event: an object of
 * property paths → value, array or operators. Written over e.properties.
 */
MUST_CHECK bool condition_parse_properties(struct op *op, const char *path,
					   struct json_object *doc,
					   struct condition **ret);

/* Appends it over the alias e (events); as condition_write_sql. */
void condition_write_properties(const struct condition *cond, struct sql *q);

#endif
