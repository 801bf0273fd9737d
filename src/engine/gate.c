/*
 * Match as SQL, in two steps of one statement: the chunk's customers are read
 * once, as c (materialized), with what each playbook's conditions say of them;
 * the gates stand there once, over the few pairs whose entry holds.
 */
#include "engine/gate.h"

#include "base/config.h"
#include "db/sql.h"
#include "engine/llm.h"
#include "store/gates.h"

#include <stdlib.h>

/* Arguments a statement may hold before the next one begins. */
#define ARGS_FULL 300

/*
 * What a playbook's conditions say of a customer, as bits: the others count
 * only where the entry holds.
 */
#define HIT_ENTRY    "1"
#define HIT_EXIT     "2" /* the exit conditions are met */
#define HIT_ESCALATE "4" /* such cases are handed to a person */

/* One gate: its name, its truth, and what dry-run says of it (SQL text). */
struct gate {
	const char *name;
	enum { OF_ROWS, OF_ENTRY, OF_EXIT, OF_CHANNELS } kind;
	struct sql_literal open;
	struct sql_literal closed_case; /* of match; empty for the entry */
	struct sql_literal detail;
};

#define GATE(gate_name, sql, detail_sql)                                       \
	{                                                                      \
		.name = gate_name, .open = SQL_LITERAL(sql),                   \
		.closed_case =                                                 \
		    SQL_LITERAL(" WHEN NOT " sql " THEN '" gate_name "'"),     \
		.detail = SQL_LITERAL(detail_sql)                              \
	}

/*
 * One that only a message of before can close. Most customers have none,
 * which match knows of each (c.written) before it looks at any playbook.
 */
#define MESSAGES(gate_name, sql, detail_sql)                                   \
	{                                                                      \
		.name = gate_name, .open = SQL_LITERAL(sql),                   \
		.closed_case = SQL_LITERAL(" WHEN c.written AND NOT " sql      \
					   " THEN '" gate_name "'"),           \
		.detail = SQL_LITERAL(detail_sql)                              \
	}

/* A case that is handed to a person needs no channel. */
#define CHANNELS(gate_name, sql, detail_sql)                                   \
	{                                                                      \
		.name = gate_name, .kind = OF_CHANNELS,                        \
		.open = SQL_LITERAL(sql),                                      \
		.closed_case =                                                 \
		    SQL_LITERAL(" WHEN c.hit & " HIT_ESCALATE                  \
				" = 0 AND NOT " sql " THEN '" gate_name "'"),  \
		.detail = SQL_LITERAL(detail_sql)                              \
	}

/* In product order; the first closed one is the reason. */
static const struct gate gates[] = {
	GATE("kill_switch", GATE_SQL_KILL_SWITCH,
	     "'the kill switch is ' || CASE WHEN t.kill_switch_active"
	     " THEN 'on' ELSE 'off' END"),
	GATE("playbook_active", GATE_SQL_PLAYBOOK_ACTIVE,
	     "'the playbook is ' || p.status"),
	{ .name = "entry",
	  .kind = OF_ENTRY,
	  .closed_case = SQL_LITERAL(""),
	  .detail = SQL_LITERAL("'the entry conditions'") },
	{ .name = "exit_met",
	  .kind = OF_EXIT,
	  .closed_case =
	      SQL_LITERAL(" WHEN c.hit & " HIT_EXIT " > 0 THEN 'exit_met'"),
	  .detail = SQL_LITERAL("'the exit conditions'") },
	GATE("tracked_limit", GATE_SQL_TRACKED_LIMIT,
	     "CASE WHEN c.tracked THEN 'within the plan'"
	     " ELSE 'over the plan''s tracked users' END"),
	GATE("opted_out", GATE_SQL_OPTED_OUT,
	     "CASE WHEN c.opted_out THEN 'opted out'"
	     " ELSE 'may be written to' END"),
	MESSAGES("paused", GATE_SQL_PAUSED,
		 "'a message that a person paused closes it'"),
	GATE("holdout", GATE_SQL_HOLDOUT,
	     "'draw ' || round((" GATE_SQL_DRAW ")::numeric, 4)"
	     " || ', holdout ' || (" GATE_SQL_HOLDOUT_SHARE ")"),
	MESSAGES("cooldown", GATE_SQL_COOLDOWN,
		 "'rest of ' || coalesce(p.constraints->>'cooldown_days', '7')"
		 " || ' days after this playbook''s last message'"),
	MESSAGES("max_per_customer", GATE_SQL_MAX_PER_CUSTOMER,
		 "coalesce('at most '"
		 " || nullif(p.constraints->>'max_per_customer', '0')"
		 " || ' messages in all', 'as many as it takes')"),
	GATE("win_back_step", GATE_SQL_WIN_BACK_STEP,
	     "coalesce('step ' || (p.constraints->>'win_back_step')"
	     " || ' of a series', 'no series')"),
	MESSAGES(
	    "frequency_cap", GATE_SQL_FREQUENCY_CAP,
	    "'at most ' || coalesce(t.config->'frequency_cap'->>'count', '3')"
	    " || ' messages in '"
	    " || coalesce(t.config->'frequency_cap'->>'days', '7')"
	    " || ' days'"),
	MESSAGES("open_intervention", GATE_SQL_OPEN_INTERVENTION,
		 "'a message that still waits closes it'"),
	{ .name = "daily_budget",
	  /* The same for all customers: known beforehand. */
	  .closed_case = SQL_LITERAL(" WHEN NOT c.budget THEN 'daily_budget'"),
	  .open = SQL_LITERAL(GATE_SQL_DAILY_BUDGET),
	  .detail = SQL_LITERAL(
	      "coalesce(nullif(concat_ws('; ',"
	      " 'tenant: ' || nullif(t.config->>'daily_budget', '0')"
	      " || ' a day' || CASE WHEN " GATE_SQL_TENANT_BUDGET
	      " THEN '' ELSE ', spent' END,"
	      " 'playbook: ' || nullif(p.constraints->>'max_per_day', '0')"
	      " || ' a day' || CASE WHEN " GATE_SQL_PLAYBOOK_BUDGET
	      " THEN '' ELSE ', spent' END), ''), 'no daily budget')") },
	CHANNELS("channel_off", GATE_SQL_SOME_CHANNEL_ON,
		 "'switched off: ' || coalesce(nullif(array_to_string("
		 "c.channels_off, ', '), ''), 'nothing')"),
	CHANNELS("no_address", GATE_SQL_SOME_ADDRESS,
		 "CASE WHEN c.email IS NULL THEN 'no email address'"
		 " ELSE 'an email address' END"),
	CHANNELS("no_transport", GATE_SQL_SOME_TRANSPORT,
		 "'mail is ' || CASE WHEN n.email_ready THEN '' ELSE 'not '"
		 " END || 'set up'"),
	GATE("model_wait", GATE_SQL_MODEL_WAIT,
	     "'asked again a day after a model chose to wait'"),
};

/* In the playbook's trial. */
#define EXPOSED                                                                \
	"EXISTS (SELECT FROM exposures e"                                      \
	" WHERE e.tenant_id = c.tenant_id AND e.playbook_id = p.id"            \
	" AND e.user_id = c.user_id)"

static struct condition_at bind_at(struct op *op, struct sql *q)
{
	struct condition_at at = { 0 };

	at.tenant = sql_bind(q, ARG_I64(op->tenant_id));
	at.now = sql_bind(q, ARG_TIME(op->now_us));
	return at;
}

/* "(SELECT …) n", see store/gates.h. In a test twin nothing really leaves. */
static void write_now(struct op *op, struct sql *q,
		      const struct condition_at *at)
{
	const struct config *config = op->config;

	sql_add(q, "(SELECT ");
	sql_ref(q, at->now);
	sql_add(q, " AS now, ");
	sql_arg(q,
		ARG_BOOL(config->smtp_url != NULL || config->mail_dir != NULL));
	sql_add(q, " OR EXISTS (SELECT FROM tenants g WHERE g.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND g.mode = 'test') AS email_ready, ");
	sql_arg(q, ARG_BOOL(llm_is_configured(config)));
	sql_add(q, "::boolean AS model) n");
}

/* "FROM c, playbooks p, …" with everything bound to the tenant. */
static void write_from(struct op *op, struct sql *q,
		       const struct condition_at *at, const char *playbook_id)
{
	sql_add(q, " FROM c, playbooks p, tenant_settings t, ");
	write_now(op, q, at);
	sql_add(q, " WHERE p.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND t.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND p.id = ");
	sql_arg(q, ARG_UUID(playbook_id));
}

static void write_users(struct sql *q, const struct condition_at *at,
			const struct user_set *users)
{
	static const struct sql_literal alias = SQL_LITERAL("c");

	sql_add(q, " FROM customers c WHERE c.tenant_id = ");
	sql_ref(q, at->tenant);
	user_set_write(users, q, &alias);
}

/* Whether the day's budgets are open, for each playbook. */
static bool load_budgets(struct op *op, const struct playbook *playbooks,
			 size_t count, bool **ret)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, count);
	bool *open = ARENA_ARRAY(op->arena, bool, count);
	struct db_rows rows;

	for (size_t i = 0; i < count; i++)
		ids[i] = playbooks[i].id;
	if (!db_rows(op, &rows,
		     "SELECT x.i, " GATE_SQL_DAILY_BUDGET " AS open"
		     " FROM unnest($3::uuid[]) WITH ORDINALITY x (id, i)"
		     " JOIN playbooks p ON p.tenant_id = $1 AND p.id = x.id,"
		     " tenant_settings t, (SELECT $2 AS now) n"
		     " WHERE t.tenant_id = $1",
		     ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		     ARG_UUIDS(ids, count)))
		return false;
	db_each (row, &rows)
		open[db_i64(&row, "i") - 1] = db_bool(&row, "open");
	*ret = open;
	return true;
}

/* Playbooks that one statement asks for: all[first] up to all[end - 1]. */
struct asked {
	const struct playbook *all;
	const bool *budgets; /* the day's are open */
	size_t first, end;
};

/* CASE of the bits of one playbook; those it has no conditions for are 0. */
static void write_hit(struct sql *q, const struct condition_at *at,
		      const struct playbook *pb)
{
	sql_add(q, "CASE WHEN ");
	condition_write_sql(pb->entry, q, at);
	sql_add(q, " THEN " HIT_ENTRY);
	if (!condition_is_empty(pb->exit)) {
		sql_add(q, " + " HIT_EXIT " * ");
		condition_write_sql(pb->exit, q, at);
		sql_add(q, "::integer");
	}
	if (pb->escalate_when != NULL) {
		sql_add(q, " + " HIT_ESCALATE " * ");
		condition_write_sql(pb->escalate_when, q, at);
		sql_add(q, "::integer");
	}
	sql_add(q, " ELSE 0 END");
}

/*
 * Columns of c: hits, the bits of as many playbooks from a->first up to count
 * as one statement holds, which sets a->end; and entry_next, when time alone
 * can change any of their entries.
 */
static void write_hits(struct sql *q, const struct condition_at *at,
		       size_t count, struct asked *a)
{
	const struct condition **entries =
	    ARENA_ARRAY(q->arena, const struct condition *, count);
	size_t n = 0;

	sql_add(q, ", ARRAY[");
	for (a->end = a->first; a->end < count && q->arg_count < ARGS_FULL;
	     a->end++) {
		if (n > 0)
			sql_add(q, ", ");
		write_hit(q, at, &a->all[a->end]);
		entries[n++] = a->all[a->end].entry;
	}
	sql_add(q, "] AS hits, ");
	condition_write_next(entries, n, q, at);
	sql_add(q, " AS entry_next");
}

/* Column of c: next, when time alone can change an entry or a met exit. */
static void write_next(struct sql *q, const struct condition_at *at,
		       const struct asked *a)
{
	sql_add(q, "least(c.entry_next");
	for (size_t i = a->first; i < a->end; i++) {
		const struct condition *exit = a->all[i].exit;

		if (condition_is_empty(exit))
			continue;
		sql_add(q, ", CASE WHEN c.hits[");
		sql_arg(q, ARG_I64((int64_t)(i - a->first + 1)));
		sql_add(q, "::bigint] & " HIT_EXIT " > 0 THEN ");
		condition_write_next(&exit, 1, q, at);
		sql_add(q, " END");
	}
	sql_add(q, ") AS next");
}

/* h: each pair whose entry holds, with what is known of the playbook. */
static void write_pairs(struct sql *q, const struct asked *a)
{
	size_t n = a->end - a->first;
	const char **ids = ARENA_ARRAY(q->arena, const char *, n);

	for (size_t i = 0; i < n; i++)
		ids[i] = a->all[a->first + i].id;
	sql_add(q, ", h AS MATERIALIZED (SELECT c.*, x.id AS playbook_id,"
		   " x.hit, x.budget, x.i FROM (SELECT c.*, (SELECT count(*)"
		   " FROM interventions o WHERE o.tenant_id = c.tenant_id"
		   " AND o.user_id = c.user_id) > 0 AS written"
		   " FROM c WHERE 0 < ANY (c.hits) OFFSET 0) c"
		   " CROSS JOIN LATERAL unnest(c.hits, ");
	sql_arg(q, ARG_UUIDS(ids, n));
	sql_add(q, "::uuid[], ");
	sql_arg(q, ARG_BOOLS(a->budgets + a->first, n));
	sql_add(q, "::boolean[]) WITH ORDINALITY x (hit, id, budget, i)"
		   " WHERE x.hit > 0) ");
}

/*
 * The first closed gate of each pair whose entry holds, and of those in the
 * holdout what else keeps them from the trial.
 */
static void write_gates(struct op *op, struct sql *q,
			const struct condition_at *at)
{
	size_t holdout = 0;

	sql_add(q, "SELECT c.user_id, c.i - 1 AS playbook, CASE");
	for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
		sql_add_literal(q, &gates[i].closed_case);
		if (streq(gates[i].name, GATE_HOLDOUT))
			holdout = i;
	}
	sql_add(q, " END AS gate, CASE WHEN " GATE_SQL_HOLDOUT " THEN NULL"
		   " WHEN " EXPOSED " THEN '" GATE_EXPOSED "'");
	for (size_t i = holdout + 1; i < ARRAY_LEN(gates); i++)
		sql_add_literal(q, &gates[i].closed_case);
	sql_add(q, " END AS behind, NULL::timestamptz AS next"
		   " FROM h c JOIN playbooks p ON p.id = c.playbook_id,"
		   " tenant_settings t, ");
	write_now(op, q, at);
	sql_add(q, " WHERE p.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, " AND t.tenant_id = ");
	sql_ref(q, at->tenant);
}

static int by_user(const void *left, const void *right)
{
	const struct gate_match *a = left, *b = right;
	int order = strcmp(a->user_id, b->user_id);

	if (order != 0)
		return order;
	return (a->playbook > b->playbook) - (a->playbook < b->playbook);
}

/* Rows of one statement, in order of user_id, added to *ret. */
static void take_matches(struct op *op, const struct db_rows *rows,
			 const struct playbook *playbooks,
			 const struct user_set *users, struct gate_matches *ret)
{
	struct gate_match *all =
	    ARENA_ARRAY(op->arena, struct gate_match, ret->count + rows->count);
	size_t user = 0;

	if (ret->count > 0)
		memcpy(all, ret->all, ret->count * sizeof(*all));
	ret->all = all;
	db_each (row, rows) {
		const char *user_id = db_text(&row, "user_id");
		int64_t next_us;

		while (user < users->count &&
		       strcmp(users->ids[user], user_id) < 0)
			user++;
		/* Who came since is not among them. */
		if (user == users->count || !streq(users->ids[user], user_id))
			continue;
		if (!db_is_null(&row, "playbook")) {
			all[ret->count++] = (struct gate_match){
				.user_id = user_id,
				.playbook =
				    &playbooks[db_i64(&row, "playbook")],
				.gate = db_text(&row, "gate"),
				.behind = db_text(&row, "behind"),
			};
			continue;
		}
		next_us = db_time(&row, "next");
		if (next_us < ret->next_us[user])
			ret->next_us[user] = next_us;
	}
}

/* As many playbooks from a->first as one statement holds. */
static bool ask_matches(struct op *op, size_t count,
			const struct user_set *users, struct asked *a,
			struct db_rows *ret)
{
	struct sql q;

	sql_init(&q, op->arena);
	sql_keep(&q);
	struct condition_at at = bind_at(op, &q);
	/* Most customers are done with here: few are kept for the rest. */
	sql_add(&q, "WITH c AS MATERIALIZED (SELECT c.*, x.next FROM"
		    " (SELECT " GATE_SQL_CUSTOMER);
	write_hits(&q, &at, count, a);
	write_users(&q, &at, users);
	sql_add(&q, " OFFSET 0) c CROSS JOIN LATERAL (SELECT ");
	write_next(&q, &at, a);
	sql_add(&q, ") x WHERE 0 < ANY (c.hits)"
		    " OR c.entry_next < 'infinity')");
	write_pairs(&q, a);
	write_gates(op, &q, &at);
	/* One more row a customer whom time alone can change. */
	sql_add(&q, " UNION ALL SELECT c.user_id, NULL, NULL, NULL, c.next"
		    " FROM c WHERE c.next < 'infinity' ORDER BY 1, 2");
	return db_rows_sql(op, ret, &q);
}

bool gate_match(struct op *op, const struct playbook *playbooks,
		size_t playbook_count, const struct user_set *users,
		struct gate_matches *ret)
{
	struct asked a = { .all = playbooks };
	size_t statements = 0;
	bool *budgets;

	ret->count = 0;
	ret->next_us = ARENA_ARRAY(op->arena, int64_t, users->count);
	for (size_t u = 0; u < users->count; u++)
		ret->next_us[u] = INT64_MAX;
	if (!load_budgets(op, playbooks, playbook_count, &budgets))
		return false;
	a.budgets = budgets;
	for (; a.first < playbook_count && users->count > 0; a.first = a.end) {
		struct db_rows rows;

		if (!ask_matches(op, playbook_count, users, &a, &rows))
			return false;
		take_matches(op, &rows, playbooks + a.first, users, ret);
		statements++;
	}
	/* Each statement's rows are in order, all of them are not. */
	if (statements > 1 && ret->count > 0)
		qsort(ret->all, ret->count, sizeof(*ret->all), by_user);
	return true;
}

/* Whether a gate of a playbook is open for the customer c. */
static void write_open(struct sql *q, const struct condition_at *at,
		       const struct playbook *pb, const struct gate *gate)
{
	if (gate->kind == OF_ENTRY) {
		condition_write_sql(pb->entry, q, at);
		return;
	}
	if (gate->kind == OF_EXIT) {
		sql_add(q, "NOT ");
		if (condition_is_empty(pb->exit))
			sql_add(q, "false");
		else
			condition_write_sql(pb->exit, q, at);
		return;
	}
	if (gate->kind == OF_CHANNELS && pb->escalate_when != NULL) {
		condition_write_sql(pb->escalate_when, q, at);
		sql_add(q, " OR ");
	}
	sql_add_literal(q, &gate->open);
}

bool gate_chain(struct op *op, const struct playbook *pb, const char *user_id,
		struct gate_result **ret, size_t *ret_count)
{
	struct gate_result *all =
	    ARENA_ARRAY(op->arena, struct gate_result, ARRAY_LEN(gates));
	struct db_rows rows;
	struct sql q;

	sql_init(&q, op->arena);
	struct condition_at at = bind_at(op, &q);
	sql_add(&q, "WITH c AS MATERIALIZED (SELECT " GATE_SQL_CUSTOMER);
	write_users(&q, &at, &(struct user_set){ .ids = &user_id, .count = 1 });
	sql_add(&q, ") ");
	for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
		if (i > 0)
			sql_add(&q, " UNION ALL ");
		sql_add(&q, "SELECT ");
		sql_arg(&q, ARG_I64((int64_t)i));
		sql_add(&q, "::bigint AS i, ");
		write_open(&q, &at, pb, &gates[i]);
		sql_add(&q, " AS open, ");
		sql_add_literal(&q, &gates[i].detail);
		sql_add(&q, " AS detail");
		write_from(op, &q, &at, pb->id);
	}
	if (!db_rows_sql(op, &rows, &q))
		return false;
	if (rows.count != ARRAY_LEN(gates))
		return op_fail(op, FAIL_NOT_FOUND, "user_not_found",
			       "no such user");
	db_each (row, &rows) {
		size_t i = (size_t)db_i64(&row, "i");

		all[i] = (struct gate_result){
			.name = gates[i].name,
			.open = db_bool(&row, "open"),
			.detail = db_text(&row, "detail"),
		};
	}
	*ret = all;
	*ret_count = ARRAY_LEN(gates);
	return true;
}
