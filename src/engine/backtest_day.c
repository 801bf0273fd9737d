/*
 * One past day of a chunk of customers: their state by the daily counts, and
 * each playbook's predicates over that state instead of today's columns.
 */
#include "engine/backtest_parts.h"

#include "base/config.h"
#include "db/db.h"
#include "db/sql.h"
#include "engine/features.h"

/* The state of the day as columns for unnest. */
struct columns {
	const char **users, **stages, **risks;
	int64_t *health, *last, *total;
	double *risk_score, *activation, *engagement, *expansion;
	size_t n;
};

static void make_columns(struct op *op, struct columns *c, size_t count)
{
	struct arena *a = op->arena;

	*c = (struct columns){
		.users = ARENA_ARRAY(a, const char *, count),
		.stages = ARENA_ARRAY(a, const char *, count),
		.risks = ARENA_ARRAY(a, const char *, count),
		.health = ARENA_ARRAY(a, int64_t, count),
		.last = ARENA_ARRAY(a, int64_t, count),
		.total = ARENA_ARRAY(a, int64_t, count),
		.risk_score = ARENA_ARRAY(a, double, count),
		.activation = ARENA_ARRAY(a, double, count),
		.engagement = ARENA_ARRAY(a, double, count),
		.expansion = ARENA_ARRAY(a, double, count),
	};
}

static void add_state(struct columns *c, const struct db_row *row,
		      const struct score_features *f, const struct score *s)
{
	size_t i = c->n++;

	c->users[i] = db_text(row, "user_id");
	c->total[i] = db_i64(row, "total");
	c->stages[i] = score_stage_word(s->stage);
	c->risks[i] = score_risk_word(s->risk_level);
	c->health[i] = s->health_points;
	c->last[i] = f->has_activity ? f->last_us : DB_TIME_NULL;
	c->risk_score[i] = s->risk.value;
	c->activation[i] = s->activation.value;
	c->engagement[i] = s->engagement.value;
	c->expansion[i] = s->expansion.value;
}

/* Both lists are sorted; those who were not there yet have no row. */
static bool load_states(struct op *op, const struct tenant_config *config,
			const char *const *user_ids, size_t count,
			struct past_state *states, struct columns *c)
{
	struct db_rows rows;
	size_t u = 0;

	if (!features_load(op, config, user_ids, count, true, &rows))
		return false;
	make_columns(op, c, rows.count);
	db_each (row, &rows) {
		const char *user_id = db_text(&row, "user_id");
		struct score_features f;
		struct score s;

		while (!streq(user_ids[u], user_id))
			u++;
		features_read(op, &row, &f);
		score_compute(config, &f, &s);
		states[u] = (struct past_state){ true, s.stage, s.risk_level,
						 f.last_us };
		add_state(c, &row, &f, &s);
	}
	return true;
}

/*
 * WITH c: the customers as they were. Every column that a condition may name
 * is here; what has no history is today's.
 */
static void write_customers(struct sql *q, const struct condition_at *at,
			    const struct columns *c)
{
	sql_add(
	    q,
	    "WITH c AS MATERIALIZED (SELECT k.tenant_id, k.user_id,"
	    " k.name, k.email, k.company, k.role, k.team_size,"
	    " k.locale, k.timezone, k.plan, k.properties,"
	    " s.stage AS lifecycle_stage, s.health::smallint AS health,"
	    " s.risk AS risk_level, s.risk_score::real AS risk_score,"
	    " s.activation::real AS activation_score,"
	    " s.engagement::real AS engagement_score,"
	    " s.expansion::real AS expansion_score,"
	    " k.first_activity_at, s.last AS last_activity_at,"
	    " s.total AS events_total, k.created_at, k.tracked, k.channels_off,"
	    " k.opted_out AND k.opted_out_at <= ");
	sql_ref(q, at->now);
	sql_add(q, " AS opted_out, s.i FROM unnest(");
	sql_arg(q, ARG_TEXTS(c->users, c->n));
	sql_add(q, "::text[], ");
	sql_arg(q, ARG_TEXTS(c->stages, c->n));
	sql_add(q, "::text[], ");
	sql_arg(q, ARG_TEXTS(c->risks, c->n));
	sql_add(q, "::text[], ");
	sql_arg(q, ARG_I64S(c->health, c->n));
	sql_add(q, "::bigint[], ");
	sql_arg(q, ARG_TIMES(c->last, c->n));
	sql_add(q, "::timestamptz[], ");
	sql_arg(q, ARG_I64S(c->total, c->n));
	sql_add(q, "::bigint[], ");
	sql_arg(q, ARG_DOUBLES(c->risk_score, c->n));
	sql_add(q, "::float8[], ");
	sql_arg(q, ARG_DOUBLES(c->activation, c->n));
	sql_add(q, "::float8[], ");
	sql_arg(q, ARG_DOUBLES(c->engagement, c->n));
	sql_add(q, "::float8[], ");
	sql_arg(q, ARG_DOUBLES(c->expansion, c->n));
	sql_add(q, "::float8[]) WITH ORDINALITY s (user_id, stage, risk,"
		   " health, last, total, risk_score, activation, engagement,"
		   " expansion, i) JOIN customers k ON k.user_id = s.user_id"
		   " WHERE k.tenant_id = ");
	sql_ref(q, at->tenant);
	sql_add(q, ") ");
}

/* A playbook whose channels cannot reach the customer. */
static void write_no_channel(struct sql *q, const struct playbook *pb,
			     bool email_ready)
{
	sql_add(q, "(NOT EXISTS (SELECT FROM unnest(");
	sql_arg(q, ARG_TEXTS(pb->channels.items, pb->channels.count));
	sql_add(q, "::text[]) h WHERE h <> ALL (c.channels_off)");
	if (email_ready)
		sql_add(q, " AND (h <> 'email' OR c.email IS NOT NULL)))");
	else
		sql_add(q, " AND h <> 'email'))");
}

static void write_marks(struct sql *q, const struct condition_at *at,
			const struct playbook *pb, bool email_ready)
{
	sql_add(q, "chr(64 + CASE WHEN ");
	condition_write_sql(pb->entry, q, at);
	sql_add(q, " THEN 1 ELSE 0 END + CASE WHEN ");
	if (pb->exit != NULL && !condition_is_empty(pb->exit))
		condition_write_sql(pb->exit, q, at);
	else
		sql_add(q, "false");
	sql_add(q, " THEN 2 ELSE 0 END + CASE WHEN stable_draw(");
	sql_arg(q, ARG_TEXT(pb->id));
	sql_add(q, "::text || ':' || c.user_id) < ");
	sql_arg(q, ARG_DOUBLE(pb->holdout));
	sql_add(q, " THEN 4 ELSE 0 END"
		   " + CASE WHEN c.opted_out THEN 8 ELSE 0 END + CASE WHEN ");
	write_no_channel(q, pb, email_ready);
	sql_add(q, " THEN 16 ELSE 0 END)");
}

static bool load_marks(struct op *op, const struct playbook *playbooks,
		       size_t playbook_count, const struct columns *c,
		       struct db_rows *ret)
{
	bool email_ready =
	    op->config->smtp_url != NULL || op->config->mail_dir != NULL;
	struct condition_at at = { .past = true };
	struct sql q;

	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	write_customers(&q, &at, c);
	sql_add(&q, "SELECT c.user_id, ''");
	for (size_t p = 0; p < playbook_count; p++) {
		sql_add(&q, " || ");
		write_marks(&q, &at, &playbooks[p], email_ready);
	}
	sql_add(&q, " AS marks FROM c ORDER BY c.i");
	return db_rows_sql(op, ret, &q);
}

bool past_day_load(struct op *op, const struct tenant_config *config,
		   const struct playbook *playbooks, size_t playbook_count,
		   const char *const *user_ids, size_t user_count,
		   struct past_day *ret)
{
	struct past_day day = {
		.states = ARENA_ARRAY(op->arena, struct past_state, user_count),
		.marks = ARENA_ARRAY(op->arena, unsigned char,
				     user_count *playbook_count),
	};
	struct db_rows rows;
	struct columns c;
	size_t u = 0;

	if (!load_states(op, config, user_ids, user_count, day.states, &c) ||
	    !load_marks(op, playbooks, playbook_count, &c, &rows))
		return false;
	db_each (row, &rows) {
		const char *marks = db_text(&row, "marks");

		while (!streq(user_ids[u], db_text(&row, "user_id")))
			u++;
		for (size_t p = 0; p < playbook_count; p++)
			day.marks[u * playbook_count + p] =
			    (unsigned char)(marks[p] - 64);
	}
	*ret = day;
	return true;
}
