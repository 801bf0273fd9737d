/*
 * A chunk of users from candidates to decisions: arbitrate, hold back what
 * the day's budgets no longer cover, read the winners' facts, plan, store.
 */
#include "engine/decide_parts.h"

#include "base/json_out.h"
#include "base/uuid.h"
#include "store/gate_result.h"
#include "store/match_queue.h"

#define RULES_MAX 16384
/* What replay needs fits into this, whatever the playbooks are. */
#define RULES_SHORT_MAX	  (512u << 10)
#define OFFERED_SHORT_MAX 32

/* arena: the distinct user ids of sorted candidates. */
static const char *const *distinct_users(struct op *op,
					 const struct candidate *candidates,
					 size_t count, size_t *ret_count)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, count);
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (n == 0 || !streq(ids[n - 1], candidates[i].user_id))
			ids[n++] = candidates[i].user_id;
	*ret_count = n;
	return ids;
}

/* Gives each user its contenders, the winner first. */
static void contend(struct op *op, const struct decide_tenant *tenant,
		    const struct candidate *candidates, size_t count,
		    struct decide_user *users, size_t user_count)
{
	for (size_t i = 0; i < count; i++) {
		const struct candidate *c = &candidates[i];
		size_t p = decide_playbook_index(tenant, c->playbook_id);
		struct decide_user *user =
		    decide_user_find(users, user_count, c->user_id);

		if (p == DECIDE_NONE || user == NULL ||
		    tenant->playbooks[p].version != c->playbook_version)
			continue;
		if (user->contenders == NULL)
			user->contenders =
			    ARENA_ARRAY(op->arena, struct contender,
					tenant->playbook_count);
		user->contenders[user->contender_count++] = (struct contender){
			.playbook = &tenant->playbooks[p],
			.lift = tenant->records[p].lift,
			.positive = tenant->records[p].positive,
			.measured = tenant->records[p].measured,
			.held_out = c->held_out,
		};
	}
	for (size_t i = 0; i < user_count; i++)
		arbitrate(users[i].contenders, users[i].contender_count);
}

/* The first contender leaves; the others move up. */
static struct contender take_first(struct decide_user *user)
{
	const struct contender first = user->contenders[0];

	user->contender_count--;
	memmove(user->contenders, user->contenders + 1,
		(user->contender_count + user->spent_count) * sizeof(first));
	return first;
}

/*
 * Takes one message from the tenant's and the playbook's day. False when
 * the playbook has none left: it then stands behind the contenders, and
 * the next of them, if any, has its chance.
 */
static bool spend(struct decide_tenant *tenant, struct decide_record *records,
		  struct decide_user *user)
{
	size_t p = (size_t)(user->contenders[0].playbook - tenant->playbooks);

	if (tenant->budget_left <= 0) {
		user->closed = "daily_budget";
		return true;
	}
	if (records[p].day_left <= 0) {
		const struct contender won = take_first(user);

		user->contenders[user->contender_count + user->spent_count++] =
		    won;
		return false;
	}
	if (tenant->budget_left != INT64_MAX)
		tenant->budget_left--;
	if (records[p].day_left != INT64_MAX)
		records[p].day_left--;
	return true;
}

/* Both budgets have something left for the user's winner. */
static bool has_room(const struct decide_tenant *tenant,
		     const struct decide_record *records,
		     const struct decide_user *user)
{
	size_t p = (size_t)(user->contenders[0].playbook - tenant->playbooks);

	return tenant->budget_left > 0 && records[p].day_left > 0;
}

/*
 * The winner is held out: it is noted where its message would have been
 * made, and the next contender has its chance.
 */
static void hold_out(struct op *op, const struct decide_tenant *tenant,
		     const struct decide_record *records,
		     struct decide_user *user)
{
	const struct contender won = take_first(user);
	size_t p = (size_t)(won.playbook - tenant->playbooks);

	if (user->held == NULL)
		user->held = ARENA_ARRAY(op->arena, const struct playbook *,
					 tenant->playbook_count);
	/* Counted or not, it need not be matched again at once. */
	user->passed_over = true;
	if (!streq(user->result.action, "wait") && tenant->budget_left > 0 &&
	    records[p].day_left > 0)
		user->held[user->held_count++] = won.playbook;
}

bool decide_is_open(const struct decide_user *user)
{
	return user->contender_count > 0 && user->closed == NULL &&
	       user->id == NULL && !user->changed;
}

static bool load_winners_facts(struct op *op,
			       const struct decide_tenant *tenant,
			       struct decide_user *users, size_t count)
{
	const char **ids = ARENA_ARRAY(op->arena, const char *, count);

	for (size_t p = 0; p < tenant->playbook_count; p++) {
		const struct playbook *pb = &tenant->playbooks[p];
		size_t n = 0;

		for (size_t i = 0; i < count; i++)
			if (decide_is_open(&users[i]) &&
			    users[i].contenders[0].playbook == pb)
				ids[n++] = users[i].customer.user_id;
		if (n > 0 && !decide_facts_load(op, pb, ids, n, users, count))
			return false;
	}
	return true;
}

struct plan_input decide_input(const struct decide_tenant *tenant,
			       const struct decide_user *user)
{
	const struct contender *won = &user->contenders[0];
	struct plan_input in = {
		.customer = &user->customer,
		.tenant = &tenant->plan,
		.playbook = won->playbook,
		.facts = user->facts,
		.fact_count = user->fact_count,
		.escalate = user->escalate,
		.positive = won->positive,
		.measured = won->measured,
	};

	for (size_t i = 1; i < user->contender_count && !in.runner_up; i++) {
		if (won[i].held_out)
			continue;
		in.runner_up = won[i].playbook->name;
		in.runner_up_priority = won[i].playbook->priority;
	}
	return in;
}

void decide_plan(struct op *op, const struct decide_tenant *tenant,
		 struct decide_user *user)
{
	struct plan_input in = decide_input(tenant, user);

	plan_builtin(op, &in, &user->result);
}

static void write_contender(struct json_out *j, const struct decide_user *user,
			    size_t i)
{
	const struct contender *c = &user->contenders[i];
	const struct contender *won = &user->contenders[0];

	json_open(j, '{');
	json_pair(j, "id", c->playbook->id);
	json_pair(j, "name", c->playbook->name);
	json_key(j, "version");
	json_i64(j, c->playbook->version);
	json_key(j, "priority");
	json_i64(j, c->playbook->priority);
	json_key(j, "lift");
	json_double(j, c->lift);
	json_key(j, "history");
	json_double(j, arbitrate_history(c));
	json_key(j, "positive");
	json_i64(j, c->positive);
	json_key(j, "measured");
	json_i64(j, c->measured);
	if (i > 0)
		json_pair(j, "lost_by",
			  c->playbook->priority < won->playbook->priority
			      ? "priority"
			  : c->lift < won->lift ? "lift"
						: "age");
	json_close(j);
}

/* At most `most` of those that were offered, the winner first. */
static void write_offered(struct json_out *j, const struct decide_user *user,
			  size_t most)
{
	json_key(j, "offered");
	json_open(j, '[');
	for (size_t i = 0, n = 0; i < user->contender_count && n < most; i++) {
		if (user->contenders[i].held_out)
			continue;
		write_contender(j, user, i);
		n++;
	}
	json_close(j);
}

/* The clauses are the playbook's, too: only the values are not. */
static void write_facts(struct json_out *j, const struct decide_user *user,
			bool whole)
{
	json_key(j, "facts");
	json_open(j, '[');
	for (size_t i = 0; i < user->fact_count; i++) {
		json_open(j, '{');
		if (whole) {
			json_pair(j, "path", user->facts[i].path);
			json_pair(j, "op", user->facts[i].op);
			json_key(j, "wanted");
			json_raw(j, user->facts[i].wanted);
		}
		json_key(j, "value");
		json_raw(j, user->facts[i].value);
		json_close(j);
	}
	json_close(j);
}

static void write_rules(struct json_out *j, const struct decide_tenant *tenant,
			const struct decide_user *user, bool whole)
{
	json_open(j, '{');
	json_pair(j, "winner", user->contenders[0].playbook->id);
	write_offered(j, user, whole ? SIZE_MAX : OFFERED_SHORT_MAX);
	if (user->held_count > 0) {
		json_key(j, "held_out");
		json_open(j, '[');
		for (size_t i = 0; i < user->held_count; i++)
			json_string(j, user->held[i]->id);
		json_close(j);
	}
	json_key(j, "escalate");
	json_boolean(j, user->escalate);
	json_key(j, "tenant");
	json_open(j, '{');
	json_pair(j, "name", tenant->plan.name);
	json_key(j, "email_ready");
	json_boolean(j, tenant->plan.email_ready);
	json_close(j);
	write_facts(j, user, whole);
	json_close(j);
}

/* Rules too long to keep are cut to what replay needs. */
const char *decide_rules_json(struct op *op, const struct decide_tenant *tenant,
			      const struct decide_user *user)
{
	struct json_out j;
	struct str out;

	str_init(&out, op->arena, RULES_MAX);
	json_init(&j, &out);
	write_rules(&j, tenant, user, true);
	if (str_ok(&out))
		return out.bytes;
	str_init(&out, op->arena, RULES_SHORT_MAX);
	json_init(&j, &out);
	write_rules(&j, tenant, user, false);
	return out.bytes;
}

/* A new one, or that of the call, which is added while none was asked. */
static const char *decide_id(struct op *op, const struct decide_tenant *tenant,
			     struct decide_calls *calls,
			     struct decide_user *user)
{
	const char *id = uuid_new(op);

	if (calls->asked)
		return user->asked_id != NULL ? user->asked_id : id;
	if (tenant->model)
		decide_question(op, tenant, calls, user, id);
	return id;
}

/*
 * Plans and pays for each user that has no decision yet; *ret_again when
 * some have a new winner.
 */
static bool plan_round(struct op *op, struct decide_tenant *tenant,
		       struct decide_record *records, struct decide_user *users,
		       size_t count, struct decide_calls *calls,
		       bool *ret_again)
{
	bool again = false;

	if (!load_winners_facts(op, tenant, users, count))
		return false;
	for (size_t i = 0; i < count; i++) {
		struct decide_user *user = &users[i];

		if (!decide_is_open(user))
			continue;
		decide_plan(op, tenant, user);
		if (user->contenders[0].held_out) {
			hold_out(op, tenant, records, user);
			again = true;
			continue;
		}
		/*
		 * A model that waits takes nothing from the day either. Who has
		 * no room was not asked about.
		 */
		if (calls->asked && has_room(tenant, records, user) &&
		    !decide_answer(op, tenant, calls, user)) {
			user->changed = true;
			continue;
		}
		/* Who cannot be reached takes nothing from the day. */
		if (!streq(user->result.action, "wait") &&
		    !spend(tenant, records, user))
			again = true;
		else if (user->closed == NULL)
			user->id = decide_id(op, tenant, calls, user);
	}
	*ret_again = again;
	return true;
}

/* Closed gates of users and playbooks, as columns. */
struct shut {
	const char **users, **playbooks, **names;
	size_t n;
};

static void shut_add(struct shut *s, const struct decide_user *user,
		     const struct contender *c, const char *gate)
{
	s->users[s->n] = user->customer.user_id;
	s->playbooks[s->n] = c->playbook->id;
	s->names[s->n++] = gate;
}

/* What kept playbooks from users; users without a contender: match again. */
static bool settle_undecided(struct op *op, struct decide_user *users,
			     size_t count)
{
	const char **stale = ARENA_ARRAY(op->arena, const char *, count);
	size_t stale_n = 0, most = count;
	struct shut shut = { .n = 0 };

	for (size_t i = 0; i < count; i++)
		most += users[i].spent_count;
	shut.users = ARENA_ARRAY(op->arena, const char *, most);
	shut.playbooks = ARENA_ARRAY(op->arena, const char *, most);
	shut.names = ARENA_ARRAY(op->arena, const char *, most);
	for (size_t i = 0; i < count; i++) {
		const struct decide_user *u = &users[i];

		for (size_t n = 0; n < u->spent_count; n++)
			shut_add(&shut, u,
				 &u->contenders[u->contender_count + n],
				 "daily_budget");
		if (u->changed)
			stale[stale_n++] = u->customer.user_id;
		else if (u->contender_count > 0 && u->closed != NULL)
			shut_add(&shut, u, &u->contenders[0], u->closed);
		else if (u->contender_count == 0 && u->spent_count == 0 &&
			 !u->passed_over)
			stale[stale_n++] = u->customer.user_id;
	}
	if (stale_n > 0 && !match_queue_put(op, stale, stale_n))
		return false;
	return gate_results_put(op, shut.users, shut.playbooks, shut.names,
				shut.n);
}

bool decide_chunk(struct op *op, struct decide_tenant *tenant,
		  const struct candidate *candidates, size_t count,
		  struct decide_calls *calls, int64_t *ret_decisions)
{
	/* The chunk's own copy: what is left of the day shrinks as it goes. */
	struct decide_record *records =
	    arena_memdup(op->arena, tenant->records,
			 tenant->playbook_count * sizeof(*records));
	const char *const *ids;
	struct decide_user *users;
	size_t id_count, user_count;
	bool again = true;

	*ret_decisions = 0;
	ids = distinct_users(op, candidates, count, &id_count);
	if (!decide_users_load(op, ids, id_count, &users, &user_count))
		return false;
	if (calls->items == NULL)
		calls->items =
		    ARENA_ARRAY(op->arena, struct decide_call, user_count);
	contend(op, tenant, candidates, count, users, user_count);
	/* Each round takes a playbook from each user that goes on. */
	while (again)
		if (!plan_round(op, tenant, records, users, user_count, calls,
				&again))
			return false;
	if (!calls->asked && calls->to_send > 0)
		return true;
	if (!settle_undecided(op, users, user_count))
		return false;
	return decide_store(op, tenant, users, user_count, ret_decisions);
}
