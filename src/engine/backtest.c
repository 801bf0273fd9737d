/*
 * The days of a back-test, one chunk of customers after the other: who would
 * have been written to, whom a gate keeps, and how both arms fared.
 */
#include "engine/backtest.h"

#include "base/clock.h"
#include "base/json_out.h"
#include "db/db.h"
#include "engine/backtest_parts.h"
#include "engine/decide.h"

#include <math.h>

/* Customers of a chunk, and of how many days it then holds the history. */
#define CHUNK	   2000
#define CHUNK_DAYS (BACKTEST_DAYS_MAX + SCORE_WORD_DAYS)

#define FLUSH_BYTES 65536

enum fate { FATE_PENDING, FATE_POSITIVE, FATE_NEGATIVE, FATE_NEUTRAL, FATES };
static const char *const fate_words[FATES] = { "pending", "positive",
					       "negative", "neutral" };

/* What keeps a message back, in the order of the gates. */
enum shut {
	SHUT_OPTED_OUT,
	SHUT_EXIT,
	SHUT_COOLDOWN,
	SHUT_MAX,
	SHUT_STEP,
	SHUT_CAP,
	SHUT_CHANNEL,
	SHUT_LOST, /* another playbook spoke */
	SHUT_BUDGET,
	SHUTS
};
static const char *const shut_words[SHUTS] = {
	"opted_out",	    "exit_met",	     "cooldown",
	"max_per_customer", "win_back_step", "frequency_cap",
	"no_channel",	    "lost",	     "daily_budget"
};

/* A message that would have been sent, or was held out. */
struct contact {
	const char *user_id, *playbook_id, *playbook_name;
	int64_t day; /* 0: the first */
	bool held_out;
	enum score_stage stage;
	enum score_risk risk;
	int64_t sent_us;
	enum fate fate;
	const char *cause;    /* static; NULL while pending */
	struct contact *next; /* of the same customer */
};

/* A playbook's sums over all customers. */
struct tally {
	int64_t contacted, held_out;
	int64_t fates[FATES], held_fates[FATES];
	int64_t shut[SHUTS]; /* customers whose entry held, never contacted */
	int64_t *by_day;
	int64_t *spent; /* messages of the day, for max_per_day */
};

/* One customer and playbook. */
struct pair {
	struct contact *open; /* the last contact, while pending */
	int64_t sent_day;     /* of the last message; -1: none */
	int64_t sent;
	bool reached; /* contacted or held out */
	bool matched;
	enum shut shut; /* the last that kept it back */
};

struct backtest {
	const struct backtest_options *options;
	struct decide_tenant tenant;
	struct playbook *playbooks;
	size_t playbook_count;
	struct contender *contenders; /* by playbook */
	struct tally *tallies;
	int64_t *spent; /* messages of the day, over all playbooks */
	double share;	/* of the customers that are looked at */
	int64_t all;	/* customers that there are */
	int64_t customers;
	struct json_out *j;
	int64_t listed;
};

struct contacts {
	struct contact *first, *last;
};

/* One chunk of customers over all days. */
struct chunk {
	struct op *op; /* its arena lives as long as the chunk */
	const char **ids;
	size_t count;
	struct pair *pairs;	   /* [customer × playbook_count + playbook] */
	struct contacts *contacts; /* by customer, in the order of days */
	unsigned char
	    *sent; /* [customer × days + day]: messages, for the cap */
	struct past_chunk past;
};

/* The end of the day, or now for the last. */
static int64_t day_end(const struct op *op, const struct backtest *b,
		       int64_t day)
{
	int64_t first = op->now_us / US_PER_DAY - b->options->days + 1;

	return day == b->options->days - 1 ? op->now_us
					   : (first + day + 1) * US_PER_DAY - 1;
}

/* ----------------------------------------------------------------- fates -- */

static int stage_rank(enum score_stage stage)
{
	static const int ranks[SCORE_STAGES] = {
		[STAGE_CHURNED] = 0, [STAGE_AT_RISK] = 1,
		[STAGE_NEW] = 2,     [STAGE_ONBOARDING] = 2,
		[STAGE_ACTIVE] = 3,  [STAGE_RECOVERED] = 3,
	};

	return ranks[stage];
}

/*
 * The rule of batch/measure_rule.c once more, with its order and ranks, by
 * what a past day's end knows: nothing of messages that did not arrive, of
 * erasures and of channels; and "active" stands for the ledger's cause.
 */
static void judge(struct contact *c, const struct past_state *s, unsigned marks,
		  bool is_over)
{
	bool active = s->last_us > c->sent_us;

	if (marks & PAST_OPTED_OUT) {
		c->fate = FATE_NEGATIVE;
		c->cause = "opted_out";
	} else if (s->stage == STAGE_CHURNED && c->stage != STAGE_CHURNED) {
		c->fate = FATE_NEGATIVE;
		c->cause = "churned";
	} else if (marks & PAST_EXIT) {
		c->fate = FATE_POSITIVE;
		c->cause = "exit_met";
	} else if (active && stage_rank(s->stage) > stage_rank(c->stage)) {
		c->fate = FATE_POSITIVE;
		c->cause = "stage_better";
	} else if (active && s->risk < c->risk) {
		c->fate = FATE_POSITIVE;
		c->cause = "risk_better";
	} else if (is_over) {
		c->fate = FATE_NEUTRAL;
		c->cause = "window_over";
	}
}

static void note_fate(struct tally *t, const struct contact *c)
{
	if (c->held_out)
		t->held_fates[c->fate]++;
	else
		t->fates[c->fate]++;
}

static void follow(struct backtest *b, struct pair *pair, struct tally *t,
		   const struct past_state *s, unsigned marks, int64_t day)
{
	struct contact *c = pair->open;

	if (c == NULL)
		return;
	judge(c, s, marks, day >= c->day + b->tenant.config.attribution_days);
	if (c->fate == FATE_PENDING)
		return;
	note_fate(t, c);
	pair->open = NULL;
}

/* -------------------------------------------------------------- contacts -- */

static int64_t sent_lately(const struct backtest *b, const struct chunk *k,
			   size_t user, int64_t day)
{
	int64_t from = day - b->tenant.config.cap_days + 1, n = 0;

	for (int64_t d = from < 0 ? 0 : from; d <= day; d++)
		n += k->sent[(int64_t)user * b->options->days + d];
	return n;
}

/*
 * The step before of a series, sent since the last activity. Of one playbook
 * alone nothing is known of the steps before: it is taken for sent.
 */
static bool is_next_step(const struct backtest *b, const struct chunk *k,
			 size_t user, const struct playbook *pb,
			 const struct past_state *s)
{
	if (pb->win_back_step <= 1 || b->options->playbook_id != NULL)
		return true;
	for (size_t p = 0; p < b->playbook_count; p++) {
		int64_t sent = k->pairs[user * b->playbook_count + p].sent_day;

		if (b->playbooks[p].win_back_step == pb->win_back_step - 1 &&
		    sent >= 0 && day_end(k->op, b, sent) > s->last_us)
			return true;
	}
	return false;
}

/* The first gate that is shut for a match; SHUTS: none. */
static enum shut gate_of(const struct backtest *b, const struct chunk *k,
			 size_t user, const struct playbook *pb,
			 const struct past_state *s, unsigned marks,
			 int64_t day)
{
	size_t p = (size_t)(pb - b->playbooks);
	const struct pair *pair = &k->pairs[user * b->playbook_count + p];

	if (marks & PAST_OPTED_OUT)
		return SHUT_OPTED_OUT;
	if (marks & PAST_EXIT)
		return SHUT_EXIT;
	if (pair->sent_day >= 0 && day < pair->sent_day + pb->cooldown_days)
		return SHUT_COOLDOWN;
	if (pb->max_per_customer > 0 && pair->sent >= pb->max_per_customer)
		return SHUT_MAX;
	if (!is_next_step(b, k, user, pb, s))
		return SHUT_STEP;
	if (sent_lately(b, k, user, day) >= b->tenant.config.cap_count)
		return SHUT_CAP;
	if (marks & PAST_NO_CHANNEL)
		return SHUT_CHANNEL;
	return SHUTS;
}

/* A sample has its share of them. */
static bool has_budget(const struct backtest *b, const struct tally *t,
		       const struct playbook *pb, int64_t day)
{
	double all = (double)b->tenant.config.daily_budget * b->share;
	double own = (double)pb->max_per_day * b->share;

	return (all == 0 || (double)b->spent[day] < all) &&
	       (own == 0 || (double)t->spent[day] < own);
}

static struct contact *new_contact(struct chunk *k, size_t user)
{
	struct contact *c = ARENA_NEW(k->op->arena, struct contact);

	if (k->contacts[user].last == NULL)
		k->contacts[user].first = c;
	else
		k->contacts[user].last->next = c;
	k->contacts[user].last = c;
	return c;
}

static void contact(struct backtest *b, struct chunk *k, size_t user, size_t p,
		    const struct past_state *s, int64_t day, bool held_out)
{
	struct pair *pair = &k->pairs[user * b->playbook_count + p];
	struct tally *t = &b->tallies[p];
	struct contact *c = new_contact(k, user);

	*c = (struct contact){
		.user_id = k->ids[user],
		.playbook_id = b->playbooks[p].id,
		.playbook_name = b->playbooks[p].name,
		.day = day,
		.held_out = held_out,
		.stage = s->stage,
		.risk = s->risk,
		.sent_us = day_end(k->op, b, day),
	};
	/* One that is still open ends as it stands. */
	if (pair->open != NULL)
		note_fate(t, pair->open);
	pair->open = c;
	pair->reached = true;
	if (held_out) {
		t->held_out++;
		return;
	}
	pair->sent_day = day;
	pair->sent++;
	t->contacted++;
	t->by_day[day]++;
	t->spent[day]++;
	b->spent[day]++;
	k->sent[(int64_t)user * b->options->days + day]++;
}

/* The playbooks are in the order of arbitration: the first one speaks. */
static void decide_user(struct backtest *b, struct chunk *k, size_t user,
			const struct past_state *s, const unsigned char *marks,
			int64_t day)
{
	bool spoken = false;

	for (size_t n = 0; n < b->playbook_count; n++) {
		size_t p = (size_t)(b->contenders[n].playbook - b->playbooks);
		struct pair *pair = &k->pairs[user * b->playbook_count + p];
		const struct playbook *pb = &b->playbooks[p];

		if (!(marks[p] & PAST_ENTRY))
			continue;
		pair->matched = true;
		pair->shut = gate_of(b, k, user, pb, s, marks[p], day);
		if (pair->shut != SHUTS)
			continue;
		if (spoken) {
			pair->shut = SHUT_LOST;
		} else if (!has_budget(b, &b->tallies[p], pb, day)) {
			pair->shut = SHUT_BUDGET;
		} else if (marks[p] & PAST_HELD_OUT) {
			/* Once; the next playbook has its chance. */
			if (!pair->reached)
				contact(b, k, user, p, s, day, true);
		} else {
			contact(b, k, user, p, s, day, false);
			spoken = true;
		}
	}
}

/* ------------------------------------------------------------------ days -- */

static void walk_day(struct backtest *b, struct chunk *k,
		     const struct past_day *past, int64_t day)
{
	for (size_t u = 0; u < k->count; u++) {
		const unsigned char *marks =
		    &past->marks[u * b->playbook_count];

		if (!past->states[u].there)
			continue;
		for (size_t p = 0; p < b->playbook_count; p++)
			follow(b, &k->pairs[u * b->playbook_count + p],
			       &b->tallies[p], &past->states[u], marks[p], day);
		decide_user(b, k, u, &past->states[u], marks, day);
	}
}

/* Each day has an arena of its own, or a year of rows would pile up. */
static bool load_day(struct backtest *b, struct chunk *k, struct arena *scratch,
		     int64_t day)
{
	struct op op = *k->op;
	struct past_day past;
	bool ok;

	arena_reset(scratch);
	op.arena = scratch;
	op.now_us = day_end(k->op, b, day);
	ok = past_day_load(&op, &k->past, &past);
	if (ok)
		walk_day(b, k, &past, day);
	else
		op_fail(k->op, op.fail.kind, op.fail.code, "%s",
			op.fail.message);
	return ok;
}

static const char *day_word(struct op *op, const struct backtest *b,
			    int64_t day)
{
	return clock_write_day(op->arena, day_end(op, b, day));
}

static void write_contact(struct op *op, struct json_out *j,
			  const struct backtest *b, const struct contact *c)
{
	json_open(j, '{');
	json_pair(j, "user_id", c->user_id);
	json_pair(j, "playbook_id", c->playbook_id);
	json_pair(j, "playbook_name", c->playbook_name);
	json_pair(j, "day", day_word(op, b, c->day));
	json_key(j, "held_out");
	json_boolean(j, c->held_out);
	json_pair(j, "lifecycle_stage", score_stage_word(c->stage));
	json_pair(j, "risk_level", score_risk_word(c->risk));
	json_pair(j, "outcome", fate_words[c->fate]);
	json_pair(j, "cause", c->cause);
	json_close(j);
}

/* All contacts of a chunk's customer, now that their fates are known. */
static void list_contacts(struct backtest *b, struct chunk *k, size_t user)
{
	struct str *out = b->j->out;
	const struct contact *c = k->contacts[user].first;

	for (; c != NULL && b->listed < b->options->listed_max; c = c->next) {
		if (b->options->flush != NULL && out->len > FLUSH_BYTES)
			b->options->flush(out);
		if (out->len > BACKTEST_LIST_MAX_BYTES)
			return;
		write_contact(k->op, b->j, b, c);
		b->listed++;
	}
}

static void close_chunk(struct backtest *b, struct chunk *k)
{
	for (size_t i = 0; i < k->count * b->playbook_count; i++) {
		const struct pair *pair = &k->pairs[i];
		struct tally *t = &b->tallies[i % b->playbook_count];

		if (pair->open != NULL)
			note_fate(t, pair->open);
		if (pair->matched && !pair->reached && pair->shut < SHUTS)
			t->shut[pair->shut]++;
	}
	for (size_t u = 0; u < k->count; u++)
		list_contacts(b, k, u);
}

static void free_arena(void *arena)
{
	arena_free(arena);
}

static bool walk_chunk(struct op *op, struct backtest *b, struct chunk *k)
{
	size_t pairs = k->count * b->playbook_count;
	int64_t last = op->now_us / US_PER_DAY;
	struct arena *scratch = arena_new();
	bool ok;

	arena_defer(op->arena, free_arena, scratch);
	k->op = op;
	k->pairs = ARENA_ARRAY(op->arena, struct pair, pairs);
	k->contacts = ARENA_ARRAY(op->arena, struct contacts, k->count);
	k->sent = ARENA_ARRAY(op->arena, unsigned char,
			      k->count *(size_t)b->options->days);
	for (size_t i = 0; i < pairs; i++)
		k->pairs[i].sent_day = -1;
	k->past =
	    (struct past_chunk){ .config = &b->tenant.config,
				 .playbooks = b->playbooks,
				 .playbook_count = b->playbook_count,
				 .email_ready = b->tenant.plan.email_ready,
				 .user_ids = k->ids,
				 .count = k->count };
	ok = past_chunk_load(op, last - b->options->days + 1, last, &k->past);
	for (int64_t day = 0; ok && day < b->options->days; day++)
		ok = load_day(b, k, scratch, day);
	if (ok)
		close_chunk(b, k);
	return ok;
}

/* Fewer where the config looks back further: memory stays the same. */
static int64_t chunk_size(const struct backtest *b)
{
	int64_t days = b->options->days + score_count_days(&b->tenant.config);

	return days <= CHUNK_DAYS ? CHUNK : CHUNK * CHUNK_DAYS / days;
}

/* The next customers of the sample behind after. */
static bool next_chunk(struct op *op, const struct backtest *b,
		       const char *after, struct chunk *ret)
{
	struct db_rows rows;

	if (!db_list(op, &rows,
		     "SELECT user_id FROM customers WHERE tenant_id = $1"
		     " AND user_id > $2 AND tracked AND ($3 >= 1"
		     " OR stable_draw('backtest:' || user_id) < $3)"
		     " ORDER BY user_id LIMIT $4",
		     ARG_I64(op->tenant_id), ARG_TEXT(after),
		     ARG_DOUBLE(b->share), ARG_I64(chunk_size(b))))
		return false;
	*ret = (struct chunk){
		.ids = ARENA_ARRAY(op->arena, const char *, rows.count),
	};
	db_each (row, &rows)
		ret->ids[ret->count++] = db_text(&row, "user_id");
	return true;
}

static bool walk_all(struct op *op, struct backtest *b)
{
	struct arena *arena = arena_new();
	const char *after = "";
	struct chunk k;

	arena_defer(op->arena, free_arena, arena);
	do {
		struct op chunk_op = *op;

		chunk_op.arena = arena;
		if (!next_chunk(&chunk_op, b, after, &k) ||
		    !walk_chunk(&chunk_op, b, &k))
			return op_fail(op, chunk_op.fail.kind,
				       chunk_op.fail.code, "%s",
				       chunk_op.fail.message);
		b->customers += (int64_t)k.count;
		if (k.count > 0)
			after = arena_strdup(op->arena, k.ids[k.count - 1]);
		arena_reset(arena);
	} while (k.count == (size_t)chunk_size(b));
	return true;
}

/* --------------------------------------------------------------- loading -- */

/* One of any status, or the active ones, in the order of arbitration. */
static bool load_playbooks(struct op *op, struct backtest *b)
{
	size_t n = b->tenant.playbook_count;

	b->playbooks = b->tenant.playbooks;
	if (b->options->playbook_id != NULL) {
		n = 1;
		b->playbooks = ARENA_NEW(op->arena, struct playbook);
		if (!playbook_load(op, b->options->playbook_id,
				   &b->tenant.config, b->playbooks))
			return false;
	}
	b->playbook_count = n;
	b->contenders = ARENA_ARRAY(op->arena, struct contender, n);
	b->tallies = ARENA_ARRAY(op->arena, struct tally, n);
	for (size_t p = 0; p < n; p++) {
		size_t days = (size_t)b->options->days;

		b->contenders[p].playbook = &b->playbooks[p];
		if (b->options->playbook_id == NULL)
			b->contenders[p].lift = b->tenant.records[p].lift;
		b->tallies[p].by_day = ARENA_ARRAY(op->arena, int64_t, days);
		b->tallies[p].spent = ARENA_ARRAY(op->arena, int64_t, days);
	}
	arbitrate(b->contenders, n);
	return true;
}

static int64_t count_clauses(struct op *op, const struct condition *cond)
{
	struct condition_clause *clauses;
	size_t n = 0;

	if (cond != NULL)
		condition_clauses(op->arena, cond, &clauses, &n);
	return (int64_t)n;
}

/* So many customers are as much work as there may be; at least one. */
static int64_t customers_max(struct op *op, const struct backtest *b)
{
	int64_t day = BACKTEST_WORK_DAY, most;

	for (size_t p = 0; p < b->playbook_count; p++)
		day += count_clauses(op, b->playbooks[p].entry) +
		       count_clauses(op, b->playbooks[p].exit);
	most = b->options->work_max /
	       (BACKTEST_WORK_CUSTOMER + b->options->days * day);
	return most > 0 ? most : 1;
}

static bool load_share(struct op *op, struct backtest *b)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT count(*) AS all FROM customers"
		    " WHERE tenant_id = $1 AND tracked",
		    ARG_I64(op->tenant_id)))
		return false;
	b->all = db_i64(&row, "all");
	b->share = 1;
	if (b->options->work_max > 0 && b->all > 0)
		b->share =
		    fmin(1, (double)customers_max(op, b) / (double)b->all);
	return true;
}

/* --------------------------------------------------------------- writing -- */

static void write_count(struct json_out *j, const char *key, int64_t value)
{
	json_key(j, key);
	json_i64(j, value);
}

static void write_fates(struct json_out *j, const char *key,
			const int64_t fates[FATES])
{
	json_key(j, key);
	json_open(j, '{');
	for (size_t f = 0; f < FATES; f++)
		write_count(j, fate_words[f], fates[f]);
	json_close(j);
}

static void write_tally(struct op *op, struct json_out *j,
			const struct backtest *b, size_t p)
{
	const struct playbook *pb = &b->playbooks[p];
	const struct tally *t = &b->tallies[p];

	json_open(j, '{');
	json_pair(j, "id", pb->id);
	json_pair(j, "name", pb->name);
	json_pair(j, "status", pb->status);
	write_count(j, "contacted", t->contacted);
	write_count(j, "held_out", t->held_out);
	write_fates(j, "outcomes", t->fates);
	write_fates(j, "held_out_outcomes", t->held_fates);
	json_key(j, "not_contacted");
	json_open(j, '{');
	for (size_t s = 0; s < SHUTS; s++)
		if (t->shut[s] > 0)
			write_count(j, shut_words[s], t->shut[s]);
	json_close(j);
	json_key(j, "by_day");
	json_open(j, '[');
	for (int64_t day = 0; day < b->options->days; day++) {
		json_open(j, '{');
		json_pair(j, "day", day_word(op, b, day));
		write_count(j, "contacted", t->by_day[day]);
		json_close(j);
	}
	json_close(j);
	json_close(j);
}

static void write_head(struct op *op, struct json_out *j,
		       const struct backtest *b)
{
	write_count(j, "days", b->options->days);
	json_pair(j, "from", day_word(op, b, 0));
	json_pair(j, "to", day_word(op, b, b->options->days - 1));
	write_count(j, "customers_total", b->all);
	json_key(j, "sampled");
	json_boolean(j, b->share < 1);
}

static void write_sums(struct op *op, struct json_out *j,
		       const struct backtest *b)
{
	int64_t contacts = 0;

	for (size_t p = 0; p < b->playbook_count; p++)
		contacts += b->tallies[p].contacted + b->tallies[p].held_out;
	write_count(j, "contacts_total", contacts);
	write_count(j, "customers", b->customers);
	json_key(j, "playbooks");
	json_open(j, '[');
	for (size_t p = 0; p < b->playbook_count; p++)
		write_tally(op, j, b, p);
	json_close(j);
}

/* The contacts are written while the chunks pass, and held nowhere. */
bool backtest_run(struct op *op, const struct backtest_options *options,
		  struct json_out *j)
{
	struct backtest b = {
		.options = options,
		.spent = ARENA_ARRAY(op->arena, int64_t, (size_t)options->days),
		.j = j,
	};

	if (!decide_load(op, &b.tenant) || !load_playbooks(op, &b) ||
	    !load_share(op, &b))
		return false;
	write_head(op, j, &b);
	json_key(j, "contacts");
	json_open(j, '[');
	if (!walk_all(op, &b))
		return false;
	json_close(j);
	write_sums(op, j, &b);
	return true;
}
