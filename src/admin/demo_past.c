/*
 * The loop over the days. Lives and answers come from admin/demo.h, which
 * is pure; here they are put into the database on their own day, as if each
 * event had been received when it happened.
 */
#include "admin/demo_past.h"

#include "admin/demo.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/parse.h"
#include "batch/pipeline.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "store/customer.h"
#include "store/intervention.h"
#include "store/source.h"

/* As retivo-batch has it. */
#define STATEMENT_TIMEOUT_MS 50000
/* Rows an INSERT. */
#define CHUNK 5000

/* Days. */
#define ANALYZE_EVERY 20

/* What a member does with a message, or an escalation, on a day. */
#define APPROVED 0.7
#define REJECTED 0.06
#define HANDLED	 0.3
/* How many of those who get a message opt out. */
#define OPTS_OUT 0.03

/* Events, and what answers added to them, newest list first. */
struct visits {
	struct demo_event *events;
	size_t count;
	struct visits *next;
};

struct life {
	struct demo_customer customer;
	struct visits *visits;
	bool opts_out; /* with the next day */
};

struct world {
	struct demo_past *past;
	struct life *lives;
	struct arena *arena;		/* of the whole past */
	int64_t from_us, until_us, ago; /* the day at hand, [from, until) */
	bool first;
};

static void add_visits(struct world *w, struct life *life,
		       struct demo_event *events, size_t count)
{
	struct visits *v = ARENA_NEW(w->arena, struct visits);

	*v = (struct visits){ events, count, life->visits };
	life->visits = v;
}

static void make_lives(struct world *w)
{
	w->lives =
	    ARENA_ARRAY(w->arena, struct life, (size_t)w->past->customers);
	for (int64_t n = 0; n < w->past->customers; n++) {
		struct demo_event *events;
		size_t count;

		demo_make(w->arena, (uint64_t)w->past->seed, n, w->past->now_us,
			  &w->lives[n].customer, &events, &count);
		add_visits(w, &w->lives[n], events, count);
	}
}

static bool is_today(const struct world *w, int64_t us)
{
	return us < w->until_us && (w->first || us >= w->from_us);
}

/* The customer whose user_id demo_make() wrote; NULL: another one. */
static struct life *find_life(const struct world *w, const char *user_id,
			      int64_t *ret_n)
{
	const char *number = user_id + strcspn(user_id, "123456789");

	if (!parse_i64(number, 1, w->past->customers, ret_n))
		return NULL;
	*ret_n -= 1;
	return &w->lives[*ret_n];
}

/* ----------------------------------------------------- customers, events */

/* Arrays for unnest. */
struct people {
	const char *ids[CHUNK], *names[CHUNK], *emails[CHUNK];
	const char *companies[CHUNK], *roles[CHUNK], *locales[CHUNK];
	const char *zones[CHUNK], *plans[CHUNK], *properties[CHUNK];
	int64_t sizes[CHUNK], created[CHUNK];
	size_t n;
};

struct happenings {
	const char *users[CHUNK], *names[CHUNK], *properties[CHUNK];
	int64_t times[CHUNK];
	size_t n;
};

static bool insert_people(struct op *op, struct people *p)
{
	size_t n = p->n;

	p->n = 0;
	return db_exec(
	    op, NULL,
	    "INSERT INTO customers (tenant_id, user_id, name, email, company,"
	    " role, locale, timezone, plan, properties, team_size, created_at,"
	    " updated_at, stage_since)"
	    " SELECT $1, u, n, e, c, r, l, z, p, pr, s, at, at, at"
	    " FROM unnest($2::text[], $3::text[], $4::text[], $5::text[],"
	    " $6::text[], $7::text[], $8::text[], $9::text[], $10::jsonb[],"
	    " $11::bigint[], $12::timestamptz[])"
	    " x (u, n, e, c, r, l, z, p, pr, s, at)",
	    ARG_I64(op->tenant_id), ARG_TEXTS(p->ids, n),
	    ARG_TEXTS(p->names, n), ARG_TEXTS(p->emails, n),
	    ARG_TEXTS(p->companies, n), ARG_TEXTS(p->roles, n),
	    ARG_TEXTS(p->locales, n), ARG_TEXTS(p->zones, n),
	    ARG_TEXTS(p->plans, n), ARG_JSONS(p->properties, n),
	    ARG_I64S(p->sizes, n), ARG_TIMES(p->created, n));
}

/* As if each had been received when it happened. */
static bool insert_events(struct op *op, struct happenings *h)
{
	size_t n = h->n;

	h->n = 0;
	return db_exec(op, NULL,
		       "INSERT INTO events (tenant_id, user_id, event, ts,"
		       " received_at, properties)"
		       " SELECT $1, u, e, ts, ts, p FROM unnest($2::text[],"
		       " $3::text[], $4::timestamptz[], $5::jsonb[])"
		       " x (u, e, ts, p)",
		       ARG_I64(op->tenant_id), ARG_TEXTS(h->users, n),
		       ARG_TEXTS(h->names, n), ARG_TIMES(h->times, n),
		       ARG_JSONS(h->properties, n));
}

static bool take_customer(struct op *op, struct people *p,
			  const struct demo_customer *c)
{
	p->ids[p->n] = c->user_id;
	p->names[p->n] = c->name;
	p->emails[p->n] = c->email;
	p->companies[p->n] = c->company;
	p->roles[p->n] = c->role;
	p->locales[p->n] = c->locale;
	p->zones[p->n] = c->timezone;
	p->plans[p->n] = c->plan;
	p->properties[p->n] = c->properties;
	p->sizes[p->n] = c->team_size;
	p->created[p->n++] = c->created_us;
	return p->n < CHUNK || insert_people(op, p);
}

static bool take_event(struct op *op, struct happenings *h, const char *user_id,
		       const struct demo_event *event)
{
	h->users[h->n] = user_id;
	h->names[h->n] = event->name;
	h->times[h->n] = event->ts_us;
	h->properties[h->n++] = event->properties;
	return h->n < CHUNK || insert_events(op, h);
}

static bool put_customers(struct op *op, const struct world *w)
{
	struct people *p = ARENA_NEW(op->arena, struct people);

	for (int64_t n = 0; n < w->past->customers; n++) {
		const struct demo_customer *c = &w->lives[n].customer;

		if (is_today(w, c->created_us) && !take_customer(op, p, c))
			return false;
	}
	return insert_people(op, p);
}

static bool put_events(struct op *op, struct world *w)
{
	struct happenings *h = ARENA_NEW(op->arena, struct happenings);

	for (int64_t n = 0; n < w->past->customers; n++) {
		const char *user_id = w->lives[n].customer.user_id;

		for (struct visits *v = w->lives[n].visits; v; v = v->next)
			for (size_t i = 0; i < v->count; i++) {
				if (!is_today(w, v->events[i].ts_us))
					continue;
				w->past->events++;
				if (!take_event(op, h, user_id, &v->events[i]))
					return false;
			}
	}
	return insert_events(op, h) && source_seen(op, "track");
}

/* ------------------------------------------------------- what people do */

/* What the member does with a row of the queue; false: leaves it. */
static bool judge(const struct world *w, const struct db_row *row,
		  enum intervention_verb *ret)
{
	bool escalation = streq(db_text(row, "channel"), "escalate");
	double chance;
	int64_t n;

	if (find_life(w, db_text(row, "user_id"), &n) == NULL)
		return false;
	chance = demo_chance((uint64_t)w->past->seed, n, w->ago);
	if (escalation) {
		*ret = INTERVENTION_HANDLE;
		return chance < HANDLED;
	}
	if (chance < REJECTED)
		*ret = INTERVENTION_REJECT;
	else if (!db_is_null(row, "checks_passed") &&
		 db_bool(row, "checks_passed"))
		*ret = INTERVENTION_APPROVE;
	else
		return false;
	return chance < REJECTED + APPROVED;
}

/* The member reads the queue. */
static bool work_queue(struct op *op, const struct world *w)
{
	static const struct {
		enum intervention_verb verb;
		const char *reason;
	} moves[] = {
		{ INTERVENTION_APPROVE, NULL },
		{ INTERVENTION_REJECT, "We spoke to them this week" },
		{ INTERVENTION_HANDLE, "Called them, a new owner is named" },
	};
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT id, user_id, channel, checks_passed"
		     " FROM interventions WHERE tenant_id = $1"
		     " AND status = 'planned' ORDER BY id",
		     ARG_I64(op->tenant_id)))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		struct intervention_move move = { .verb = moves[i].verb,
						  .actor = w->past->actor,
						  .reason = moves[i].reason };
		const char **ids =
		    ARENA_ARRAY(op->arena, const char *, rows.count);

		move.ids = ids;
		db_each (row, &rows) {
			enum intervention_verb verb;

			if (judge(w, &row, &verb) && verb == move.verb)
				ids[move.n++] = db_text(&row, "id");
		}
		if (move.n > 0 && !interventions_move(op, &move, NULL))
			return false;
	}
	return true;
}

static bool opt_out(struct op *op, const struct world *w)
{
	const struct preferences prefs = { .has_opted_out = true,
					   .opted_out = true };

	for (int64_t n = 0; n < w->past->customers; n++) {
		struct life *life = &w->lives[n];

		if (life->opts_out &&
		    !customer_set_preferences(
			op, "customer", life->customer.user_id, &prefs, NULL))
			return false;
		life->opts_out = false;
	}
	return true;
}

/* Whom the pipeline has just written to: what that changes. */
static bool take_answers(struct op *op, struct world *w)
{
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT user_id FROM interventions WHERE tenant_id = $1"
		     " AND sent_at = $2 ORDER BY user_id",
		     ARG_I64(op->tenant_id), ARG_TIME(w->until_us)))
		return false;
	db_each (row, &rows) {
		struct demo_event *events;
		size_t count;
		int64_t n;
		struct life *life = find_life(w, db_text(&row, "user_id"), &n);

		w->past->sent++;
		if (life == NULL)
			continue;
		demo_answer(w->arena, (uint64_t)w->past->seed, n, w->until_us,
			    w->past->now_us, &events, &count);
		add_visits(w, life, events, count);
		life->opts_out = demo_chance((uint64_t)w->past->seed, n,
					     w->ago) > 1 - OPTS_OUT;
	}
	return true;
}

/* ---------------------------------------------------------------- the days */

/* Autovacuum looks each minute, and here that is the whole past. */
static bool analyze(struct op *op)
{
	struct db_rows none;

	return db_list(op, &none,
		       "ANALYZE customers, customer_days, customer_event_days,"
		       " score_ledger, events, match_queue, candidates,"
		       " gate_results, decisions, interventions,"
		       " intervention_log, outcomes, exposures, outbox");
}

static bool open_day(struct op *op, struct world *w)
{
	return db_begin(op) && put_customers(op, w) && put_events(op, w) &&
	       (w->ago < DEMO_QUEUE || work_queue(op, w)) && opt_out(op, w) &&
	       db_commit(op);
}

static bool close_day(struct op *op, struct world *w)
{
	return db_begin(op) && take_answers(op, w) &&
	       (w->ago % ANALYZE_EVERY != 0 || analyze(op)) && db_commit(op);
}

/* In an arena of the day's own. */
static bool live_day(struct op *op, struct world *w, struct db *batch,
		     const struct config *config)
{
	const struct pipeline_options options = {
		.tenant_id = op->tenant_id,
		.now_us = w->until_us,
		.force = true,
	};

	/* The member is half an hour before the pipeline. */
	op->now_us = w->until_us - US_PER_HOUR / 2;
	if (!open_day(op, w))
		return false;
	if (!pipeline_run(batch, config, &options))
		return op_fail(op, FAIL_UNAVAILABLE, "pipeline_failed",
			       "the pipeline could not run");
	return close_day(op, w);
}

/* A crash would spoil the whole demo anyway. */
static bool open_batch(struct op *op, struct db **ret)
{
	const char *url = op->config->batch_database_url;
	struct db_row row;
	struct op batch;

	if (url == NULL)
		return op_fail(op, FAIL_INVALID, "not_configured",
			       "RETIVO_BATCH_DATABASE_URL is not set");
	*ret = db_new(url, "retivo-admin demo",
		      op->config->db_connect_timeout_s, STATEMENT_TIMEOUT_MS);
	arena_defer(op->arena, (arena_cleanup_fn)db_free, *ret);
	op_init(&batch, op->arena, *ret, op->config);
	if (db_one(&batch, &row,
		   "SELECT set_config('synchronous_commit', 'off', false)")) {
		db_finish(&batch);
		return true;
	}
	op->fail = batch.fail;
	return false;
}

static bool live_days(struct op *op, struct world *w, struct db *batch)
{
	/* Mails to demo addresses are simulated where there is a server. */
	struct config config = *op->config;
	struct arena *outer = op->arena;
	struct arena *inner = arena_new();
	bool ok = true;

	config.smtp_url = "smtp://localhost";
	config.mail_dir = NULL;
	config.llm_provider = NULL;
	arena_defer(outer, (arena_cleanup_fn)arena_free, inner);
	for (int64_t ago = DEMO_PAST; ok && ago >= 0; ago--) {
		w->ago = ago;
		w->first = ago == DEMO_PAST;
		w->until_us = w->past->now_us - ago * US_PER_DAY;
		w->from_us = w->until_us - US_PER_DAY;
		op->arena = inner;
		ok = live_day(op, w, batch, &config);
		op->arena = outer;
		if (ok) /* a failure's texts live in the day's arena */
			arena_reset(inner);
	}
	return ok;
}

bool demo_live(struct op *op, struct demo_past *past)
{
	struct world w = { .past = past, .arena = op->arena };
	struct db *batch = NULL;

	if (!open_batch(op, &batch))
		return false;
	make_lives(&w);
	log_set_level(LOG_WARN);
	return live_days(op, &w, batch);
}
