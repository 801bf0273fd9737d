/*
 * What a chunk of decisions reads: the tenant, its playbooks with their
 * record, the customers, and the facts that made each playbook match.
 */
#include "engine/decide_parts.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/parse.h"
#include "engine/lift.h"
#include "store/gates.h"

/*
 * The gates of the customer alone are looked at once more: time went by
 * since the match, and only decide, under its lease, makes messages, so
 * that here two playbooks cannot both speak.
 */
#define COLUMNS                                                                \
	"c.user_id, c.name, c.email, c.company, c.role, c.locale, c.plan,"     \
	" c.lifecycle_stage, c.risk_level, c.properties, c.health,"            \
	" c.activation_score, c.engagement_score, c.expansion_score,"          \
	" c.last_activity_at, to_json(c.channels_off) AS channels_off,"        \
	" to_jsonb(c) - 'refreshed_at' - 'score_parts' - 'noted_health'"       \
	" AS inputs,"                                                          \
	" CASE WHEN NOT " GATE_SQL_KILL_SWITCH " THEN 'kill_switch'"           \
	" WHEN NOT " GATE_SQL_TRACKED_LIMIT " THEN 'tracked_limit'"            \
	" WHEN NOT " GATE_SQL_OPTED_OUT " THEN 'opted_out'"                    \
	" WHEN NOT " GATE_SQL_PAUSED " THEN 'paused'"                          \
	" WHEN NOT " GATE_SQL_FREQUENCY_CAP " THEN 'frequency_cap'"            \
	" WHEN NOT " GATE_SQL_OPEN_INTERVENTION " THEN 'open_intervention'"    \
	" END AS closed"

static bool load_settings(struct op *op, struct decide_tenant *t)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT t.name, t.brand, t.mail_from, g.mode,"
		    " " GATE_SQL_SHADOW_ON " AS shadow,"
		    " CASE WHEN t.config->>'daily_budget' IS NULL THEN NULL"
		    " ELSE greatest((t.config->>'daily_budget')::numeric"
		    " - " GATE_SQL_SPENT_TODAY ", 0)::bigint END AS budget,"
		    " EXISTS (SELECT FROM webhook_endpoints w"
		    " WHERE w.tenant_id = t.tenant_id"
		    " AND w.status = 'active') AS has_endpoints"
		    " FROM tenant_settings t"
		    " JOIN tenants g ON g.tenant_id = t.tenant_id,"
		    " (SELECT $2 AS now) n WHERE t.tenant_id = $1",
		    ARG_I64(op->tenant_id), ARG_TIME(op->now_us)))
		return false;
	t->plan.name = db_text(&row, "name");
	t->mail_from = db_text(&row, "mail_from");
	t->test = streq(db_text(&row, "mode"), "test");
	t->shadow = db_bool(&row, "shadow");
	t->has_endpoints = db_bool(&row, "has_endpoints");
	t->budget_left =
	    db_is_null(&row, "budget") ? INT64_MAX : db_i64(&row, "budget");
	const char *brand = db_text(&row, "brand");
	if (brand != NULL && !json_parse(op, brand, strlen(brand), &t->brand))
		return false;
	t->plan.product = json_get_text(t->brand, "product_description", NULL);
	t->plan.email_ready = t->test || op->config->smtp_url != NULL ||
			      op->config->mail_dir != NULL;
	return true;
}

static struct lift_counts counts_of(const struct db_row *row)
{
	return (struct lift_counts){
		.treated = db_i64(row, "treated"),
		.treated_positive = db_i64(row, "treated_positive"),
		.held_out = db_i64(row, "held_out"),
		.held_out_positive = db_i64(row, "held_out_positive"),
	};
}

/* Share of good ends over all trials, 1/2 before there is any. */
static double usual_share(const struct db_rows *rows)
{
	int64_t good = 1, all = 2;

	db_each (row, rows) {
		struct lift_counts c = counts_of(&row);

		good += c.treated_positive + c.held_out_positive;
		all += c.treated + c.held_out;
	}
	return (double)good / (double)all;
}

static bool load_records(struct op *op, struct decide_tenant *t)
{
	struct decide_record *records =
	    ARENA_ARRAY(op->arena, struct decide_record, t->playbook_count);
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT p.id, coalesce(l.treated, 0) AS treated,"
		     " coalesce(l.treated_positive, 0) AS treated_positive,"
		     " coalesce(l.held_out, 0) AS held_out,"
		     " coalesce(l.held_out_positive, 0) AS held_out_positive,"
		     " coalesce(o.positive, 0) AS positive,"
		     " coalesce(o.measured, 0) AS measured,"
		     " CASE WHEN p.constraints->>'max_per_day' IS NULL"
		     " THEN NULL ELSE greatest("
		     "(p.constraints->>'max_per_day')::numeric"
		     " - " GATE_SQL_PLAYBOOK_SPENT_TODAY
		     ", 0)::bigint END AS day_left"
		     " FROM playbooks p JOIN tenant_settings t"
		     " ON t.tenant_id = p.tenant_id"
		     " LEFT JOIN playbook_lift l ON l.tenant_id = $1"
		     " AND l.playbook_id = p.id"
		     " LEFT JOIN playbook_results o ON o.tenant_id = $1"
		     " AND o.playbook_id = p.id,"
		     " (SELECT $2 AS now) n"
		     " WHERE p.tenant_id = $1 AND p.status = 'active'",
		     ARG_I64(op->tenant_id), ARG_TIME(op->now_us)))
		return false;
	double usual = usual_share(&rows);
	db_each (row, &rows) {
		size_t i = decide_playbook_index(t, db_text(&row, "id"));
		struct lift_counts counts = counts_of(&row);

		if (i == DECIDE_NONE)
			continue;
		records[i].lift = lift_expected(&counts, usual);
		records[i].positive = db_i64(&row, "positive");
		records[i].measured = db_i64(&row, "measured");
		records[i].day_left = db_is_null(&row, "day_left")
					  ? INT64_MAX
					  : db_i64(&row, "day_left");
	}
	t->records = records;
	return true;
}

size_t decide_playbook_index(const struct decide_tenant *t, const char *id)
{
	for (size_t i = 0; i < t->playbook_count; i++)
		if (streq(t->playbooks[i].id, id))
			return i;
	return DECIDE_NONE;
}

/* Nothing of a test twin leaves the host. */
static bool load_model(struct op *op, struct decide_tenant *t)
{
	int64_t limit = t->config.model.daily_tokens;
	struct db_row row;

	t->model = llm_is_configured(op->config) && !t->test &&
		   t->config.model.enabled;
	t->tokens_left = INT64_MAX;
	if (!t->model)
		return true;
	if (limit == 0 || (op->config->llm_daily_tokens > 0 &&
			   op->config->llm_daily_tokens < limit))
		limit = op->config->llm_daily_tokens;
	if (!prompt_load(op, &t->prompt) ||
	    !db_one(op, &row,
		    "SELECT coalesce(sum(tokens_in + tokens_out), 0)::bigint"
		    " AS used FROM model_calls WHERE tenant_id = $1"
		    " AND at >= date_trunc('day', $2::timestamptz, 'UTC')",
		    ARG_I64(op->tenant_id), ARG_TIME(op->now_us)))
		return false;
	if (limit > 0)
		t->tokens_left = limit - db_i64(&row, "used");
	return true;
}

bool decide_load(struct op *op, struct decide_tenant *ret)
{
	struct decide_tenant t = { .test = false };

	if (!load_settings(op, &t) || !tenant_config_load(op, &t.config) ||
	    !playbook_load_active(op, &t.config, &t.playbooks,
				  &t.playbook_count, NULL) ||
	    !load_records(op, &t) || !load_model(op, &t))
		return false;
	*ret = t;
	return true;
}

static bool take_customer(struct op *op, const struct db_row *row,
			  struct decide_user *ret)
{
	struct plan_customer *c = &ret->customer;
	const char *properties = db_text(row, "properties");
	const char *off = db_text(row, "channels_off");
	struct json_object *list;

	c->user_id = db_text(row, "user_id");
	c->name = db_text(row, "name");
	c->email = db_text(row, "email");
	c->company = db_text(row, "company");
	c->role = db_text(row, "role");
	c->locale = db_text(row, "locale");
	c->plan = db_text(row, "plan");
	c->lifecycle_stage = db_text(row, "lifecycle_stage");
	c->risk_level = db_text(row, "risk_level");
	c->health = db_i64(row, "health");
	c->activation_score = db_double(row, "activation_score");
	c->engagement_score = db_double(row, "engagement_score");
	c->expansion_score = db_double(row, "expansion_score");
	c->has_activity = !db_is_null(row, "last_activity_at");
	if (c->has_activity)
		c->days_idle = (op->now_us - db_time(row, "last_activity_at")) /
			       US_PER_DAY;
	/*
	 * jsonb writes 1e400 as 401 digits, which json_parse() refuses: such
	 * properties fill no placeholder, and stop nobody else's decision.
	 */
	if (!streq(properties, "{}") &&
	    !json_parse(op, properties, strlen(properties), &c->properties)) {
		c->properties = NULL;
		op_clear(op);
	}
	if (!streq(off, "[]")) {
		if (!json_parse(op, off, strlen(off), &list))
			return false;
		struct name_list names = quality_texts(op, list);
		c->channels_off = names.items;
		c->channel_off_count = names.count;
	}
	ret->inputs = db_text(row, "inputs");
	ret->closed = db_text(row, "closed");
	return true;
}

bool decide_users_load(struct op *op, const char *const *user_ids, size_t count,
		       struct decide_user **ret, size_t *ret_count)
{
	struct decide_user *users =
	    ARENA_ARRAY(op->arena, struct decide_user, count);
	struct db_rows rows;
	size_t n = 0;

	if (!db_rows(op, &rows,
		     "SELECT " COLUMNS " FROM customers c,"
		     " tenant_settings t, (SELECT $3 AS now) n"
		     " WHERE c.tenant_id = $1 AND t.tenant_id = $1"
		     " AND c.user_id = ANY ($2) ORDER BY c.user_id",
		     ARG_I64(op->tenant_id), ARG_TEXTS(user_ids, count),
		     ARG_TIME(op->now_us)))
		return false;
	db_each (row, &rows)
		if (!take_customer(op, &row, &users[n++]))
			return false;
	*ret = users;
	*ret_count = n;
	return true;
}

struct decide_user *decide_user_find(struct decide_user *users, size_t count,
				     const char *user_id)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int order = strcmp(users[mid].customer.user_id, user_id);

		if (order == 0)
			return &users[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* "SELECT c.user_id, escalate, v0, v1, …" for the users of one playbook. */
static void write_facts_sql(struct op *op, struct sql *q,
			    const struct playbook *pb,
			    const struct condition_clause *clauses,
			    size_t clause_count, const char *const *ids,
			    size_t id_count)
{
	struct condition_at at = { 0 };

	at.tenant = sql_bind(q, ARG_I64(op->tenant_id));
	at.now = sql_bind(q, ARG_TIME(op->now_us));
	sql_add(q, "SELECT c.user_id, ");
	if (pb->escalate_when != NULL)
		condition_write_sql(pb->escalate_when, q, &at);
	else
		sql_add(q, "false");
	sql_add(q, " AS escalate, " GATE_SQL_DRAW " AS draw,"
		   " to_json(ARRAY[NULL::text");
	for (size_t i = 0; i < clause_count; i++) {
		sql_add(q, ", (");
		condition_write_value(&clauses[i], q, &at);
		sql_add(q, ")::text");
	}
	sql_add(q, "]) AS facts FROM customers c, playbooks p"
		   " WHERE c.tenant_id = ");
	sql_ref(q, at.tenant);
	sql_add(q, " AND p.tenant_id = ");
	sql_ref(q, at.tenant);
	sql_add(q, " AND p.id = ");
	sql_arg(q, ARG_UUID(pb->id));
	sql_add(q, " AND c.user_id = ANY (");
	sql_arg(q, ARG_TEXTS(ids, id_count));
	sql_add(q, ")");
}

/* More than any planner tells of a value. */
#define FACT_MAX 600

const char *decide_fact_value(struct op *op, const char *value)
{
	size_t len = strlen(value);
	struct json_out j;
	struct str out;

	if (len <= FACT_MAX)
		return value;
	str_init(&out, op->arena, 8 * FACT_MAX);
	json_init(&j, &out);
	json_string_len(&j, value, parse_utf8_prefix(value, FACT_MAX));
	return out.bytes;
}

/* The values of one row, told from a json array of texts. */
static bool take_facts(struct op *op, const struct db_row *row,
		       const struct condition_clause *clauses, size_t count,
		       struct decide_user *user)
{
	const char *text = db_text(row, "facts");
	struct json_object *values;

	if (!json_parse(op, text, strlen(text), &values))
		return false;
	struct plan_fact *facts =
	    ARENA_ARRAY(op->arena, struct plan_fact, count);
	for (size_t i = 0; i < count; i++) {
		struct json_object *value =
		    json_object_array_get_idx(values, i + 1);

		facts[i] = (struct plan_fact){
			clauses[i].path, clauses[i].op, clauses[i].wanted,
			value ? decide_fact_value(op,
						  json_object_get_string(value))
			      : "null"
		};
	}
	user->facts = facts;
	user->fact_count = count;
	user->escalate = db_bool(row, "escalate");
	user->draw = db_double(row, "draw");
	return true;
}

bool decide_facts_load(struct op *op, const struct playbook *pb,
		       const char *const *ids, size_t id_count,
		       struct decide_user *users, size_t user_count)
{
	struct condition_clause *clauses;
	struct db_rows rows;
	size_t count;
	struct sql q;

	condition_clauses(op->arena, pb->entry, &clauses, &count);
	if (count > DECIDE_FACTS_MAX)
		count = DECIDE_FACTS_MAX;
	sql_init(&q, op->arena);
	sql_keep(&q);
	write_facts_sql(op, &q, pb, clauses, count, ids, id_count);
	if (!db_rows_sql(op, &rows, &q))
		return false;
	db_each (row, &rows) {
		struct decide_user *user = decide_user_find(
		    users, user_count, db_text(&row, "user_id"));

		if (user != NULL && !take_facts(op, &row, clauses, count, user))
			return false;
	}
	return true;
}
