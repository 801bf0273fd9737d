/*
 * One past day of a chunk of customers: their state by the daily counts, and
 * all playbooks' predicates over that state instead of today's columns, in
 * one statement a day.
 */
#include "engine/backtest_parts.h"

#include "db/db.h"
#include "db/sql.h"
#include "store/intervention.h"

/* Arguments a statement may hold before the next one begins. */
#define ARGS_FULL 400

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

static void add_state(struct columns *c, const char *user_id,
		      const struct past_facts *f, const struct score *s)
{
	size_t i = c->n++;

	c->users[i] = user_id;
	c->total[i] = f->total;
	c->stages[i] = score_stage_word(s->stage);
	c->risks[i] = score_risk_word(s->risk_level);
	c->health[i] = s->health_points;
	c->last[i] =
	    f->features.has_activity ? f->features.last_us : DB_TIME_NULL;
	c->risk_score[i] = s->risk.value;
	c->activation[i] = s->activation.value;
	c->engagement[i] = s->engagement.value;
	c->expansion[i] = s->expansion.value;
}

/* Those who were not there yet have no row. */
static void make_states(struct op *op, const struct past_chunk *k,
			struct past_state *states, struct columns *c)
{
	make_columns(op, c, k->count);
	for (size_t u = 0; u < k->count; u++) {
		struct past_facts f;
		struct score s;

		if (!past_facts_at(k->past, u, op->now_us, &f))
			continue;
		score_compute(k->config, &f.features, &s);
		states[u] = (struct past_state){ true, s.stage, s.risk_level,
						 f.features.last_us };
		add_state(c, k->user_ids[u], &f, &s);
	}
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

/* 'A' and what holds of each playbook from first on, up to *ret_end. */
static void write_marks(struct sql *q, const struct condition_at *at,
			const struct past_chunk *k, size_t first,
			size_t *ret_end)
{
	size_t p = first;

	sql_add(q, "SELECT c.user_id, ''");
	for (; p < k->playbook_count && q->arg_count < ARGS_FULL; p++) {
		const struct condition *exit = k->playbooks[p].exit;

		sql_add(q, " || CASE WHEN ");
		condition_write_sql(k->playbooks[p].entry, q, at);
		if (exit == NULL || condition_is_empty(exit)) {
			sql_add(q, " THEN 'B' ELSE 'A' END");
			continue;
		}
		sql_add(q, " THEN CASE WHEN ");
		condition_write_sql(exit, q, at);
		sql_add(q, " THEN 'D' ELSE 'B' END WHEN ");
		condition_write_sql(exit, q, at);
		sql_add(q, " THEN 'C' ELSE 'A' END");
	}
	*ret_end = p;
	sql_add(q, " AS marks FROM c ORDER BY c.i");
}

/* Marks of the playbooks from first up to *ret_end, by one statement. */
static bool load_marks(struct op *op, const struct past_chunk *k,
		       const struct columns *c, size_t first, size_t *ret_end,
		       unsigned char *marks)
{
	struct condition_at at = { .past = true };
	struct db_rows rows;
	struct sql q;
	size_t u = 0;

	sql_init(&q, op->arena);
	at.tenant = sql_bind(&q, ARG_I64(op->tenant_id));
	at.now = sql_bind(&q, ARG_TIME(op->now_us));
	write_customers(&q, &at, c);
	write_marks(&q, &at, k, first, ret_end);
	if (!db_rows_sql(op, &rows, &q))
		return false;
	db_each (row, &rows) {
		const char *found = db_text(&row, "marks");

		while (!streq(k->user_ids[u], db_text(&row, "user_id")))
			u++;
		for (size_t p = first; p < *ret_end; p++)
			marks[u * k->playbook_count + p] |=
			    (unsigned char)(found[p - first] - 'A');
	}
	return true;
}

bool past_day_load(struct op *op, const struct past_chunk *k,
		   struct past_day *ret)
{
	size_t pairs = k->count * k->playbook_count;
	struct past_day day = {
		.states = ARENA_ARRAY(op->arena, struct past_state, k->count),
		.marks = ARENA_ARRAY(op->arena, unsigned char, pairs),
	};
	struct columns c;

	make_states(op, k, day.states, &c);
	memcpy(day.marks, k->fixed, pairs);
	for (size_t u = 0; u < k->count; u++)
		if (k->opted_out_us[u] <= op->now_us)
			for (size_t p = 0; p < k->playbook_count; p++)
				day.marks[u * k->playbook_count + p] |=
				    PAST_OPTED_OUT;
	for (size_t p = 0; c.n > 0 && p < k->playbook_count;)
		if (!load_marks(op, k, &c, p, &p, day.marks))
			return false;
	*ret = day;
	return true;
}

/* -------------------------------------------------- what no day changes -- */

static bool load_held_out(struct op *op, struct past_chunk *k)
{
	const char **ids =
	    ARENA_ARRAY(op->arena, const char *, k->playbook_count);
	double *shares = ARENA_ARRAY(op->arena, double, k->playbook_count);
	struct db_rows rows;
	size_t u = 0;

	for (size_t p = 0; p < k->playbook_count; p++) {
		ids[p] = k->playbooks[p].id;
		shares[p] = k->playbooks[p].holdout;
	}
	if (!db_rows(op, &rows,
		     "SELECT u.user_id, x.i FROM unnest($1::text[])"
		     " WITH ORDINALITY u (user_id, i), unnest($2::text[],"
		     " $3::float8[]) WITH ORDINALITY x (id, share, i)"
		     " WHERE x.share > 0"
		     " AND stable_draw(x.id || ':' || u.user_id) < x.share"
		     " ORDER BY u.i",
		     ARG_TEXTS(k->user_ids, k->count),
		     ARG_TEXTS(ids, k->playbook_count),
		     ARG_DOUBLES(shares, k->playbook_count)))
		return false;
	db_each (row, &rows) {
		while (!streq(k->user_ids[u], db_text(&row, "user_id")))
			u++;
		k->fixed[u * k->playbook_count + (size_t)db_i64(&row, "i") -
			 1] |= PAST_HELD_OUT;
	}
	return true;
}

/* Bits of the channels that a playbook may take. */
static int64_t channels_of(const struct playbook *pb)
{
	int64_t bits = 0;

	for (size_t i = 0; i < pb->channels.count; i++)
		for (size_t n = 0; n < INTERVENTION_CHANNELS; n++)
			if (streq(pb->channels.items[i],
				  intervention_channels[n]))
				bits |= INT64_C(1) << n;
	return bits;
}

/* Who cannot be reached by a playbook, and since when who is opted out. */
static bool load_reach(struct op *op, struct past_chunk *k)
{
	struct db_rows rows;
	size_t u = 0;

	for (size_t i = 0; i < k->count; i++)
		k->opted_out_us[i] = INT64_MAX;
	if (!db_rows(
		op, &rows,
		"SELECT user_id, CASE WHEN opted_out THEN opted_out_at END"
		" AS opted_out_at, (SELECT coalesce(sum(1 << (x.i - 1)"
		"::integer), 0) FROM unnest($3::text[])"
		" WITH ORDINALITY x (name, i)"
		" WHERE x.name <> ALL (channels_off) AND (x.name <> 'email'"
		" OR $4 AND email IS NOT NULL)) AS reach FROM customers"
		" WHERE tenant_id = $1 AND user_id = ANY ($2)"
		" ORDER BY user_id",
		ARG_I64(op->tenant_id), ARG_TEXTS(k->user_ids, k->count),
		ARG_TEXTS(intervention_channels, INTERVENTION_CHANNELS),
		ARG_BOOL(k->email_ready)))
		return false;
	db_each (row, &rows) {
		while (!streq(k->user_ids[u], db_text(&row, "user_id")))
			u++;
		if (!db_is_null(&row, "opted_out_at"))
			k->opted_out_us[u] = db_time(&row, "opted_out_at");
		for (size_t p = 0; p < k->playbook_count; p++)
			if ((db_i64(&row, "reach") &
			     channels_of(&k->playbooks[p])) == 0)
				k->fixed[u * k->playbook_count + p] |=
				    PAST_NO_CHANNEL;
	}
	return true;
}

bool past_chunk_load(struct op *op, int64_t first, int64_t last,
		     struct past_chunk *k)
{
	k->fixed =
	    ARENA_ARRAY(op->arena, unsigned char, k->count * k->playbook_count);
	k->opted_out_us = ARENA_ARRAY(op->arena, int64_t, k->count);
	return past_load(op, k->config, k->user_ids, k->count, first, last,
			 &k->past) &&
	       load_held_out(op, k) && load_reach(op, k);
}
