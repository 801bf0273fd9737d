/*
 * Storing a chunk of decisions: one INSERT for the decisions, one for the
 * interventions, one for the exposures of both arms, outbox rows when
 * somebody listens.
 */
#include "engine/decide_parts.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/uuid.h"
#include "db/db.h"
#include "store/intervention.h"
#include "store/outbox.h"

/* Columns of the decisions, as arrays for unnest. */
struct columns {
	const char **ids, **users, **actions, **playbooks, **channels;
	const char **reasonings, **rules, **inputs, **notes;
	const char **planners, **subjects, **messages;
	int64_t *versions, *tokens;
	double *confidences, *draws;
	size_t n;
};

static void make_columns(struct op *op, struct columns *c, size_t count)
{
	const char ***texts[] = { &c->ids,	 &c->users,    &c->actions,
				  &c->playbooks, &c->channels, &c->reasonings,
				  &c->rules,	 &c->inputs,   &c->notes,
				  &c->planners,	 &c->subjects, &c->messages };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		*texts[i] = ARENA_ARRAY(op->arena, const char *, count);
	c->versions = ARENA_ARRAY(op->arena, int64_t, count);
	c->tokens = ARENA_ARRAY(op->arena, int64_t, count);
	c->confidences = ARENA_ARRAY(op->arena, double, count);
	c->draws = ARENA_ARRAY(op->arena, double, count);
	c->n = 0;
}

static bool insert_decisions(struct op *op, const struct decide_tenant *t,
			     const struct columns *c)
{
	return db_exec(
	    op, NULL,
	    "INSERT INTO decisions (tenant_id, id, user_id, created_at,"
	    " planner, action, playbook_id, playbook_version, config_version,"
	    " channel, confidence, reasoning, rules, inputs, draw, note,"
	    " shadow, tokens, subject, message_body)"
	    " SELECT $1, i, u, $2, pl, a, p, v, $3, ch, co, r, ru, inp,"
	    " d, no, $4, tok, su, me"
	    " FROM unnest($5::uuid[], $6::text[], $7::text[], $8::uuid[],"
	    " $9::bigint[], $10::text[], $11::double precision[],"
	    " $12::text[], $13::jsonb[], $14::jsonb[],"
	    " $15::double precision[], $16::text[], $17::text[],"
	    " $18::bigint[], $19::text[], $20::text[])"
	    " AS x (i, u, a, p, v, ch, co, r, ru, inp, d, no, pl, tok, su,"
	    " me)"
	    /* Match comes back every hour: the same wait is kept once a day. */
	    " WHERE a <> 'wait' OR NOT EXISTS (SELECT FROM decisions o"
	    " WHERE o.tenant_id = $1 AND o.user_id = u"
	    " AND o.created_at > $2 - interval '1 day' AND o.created_at <= $2"
	    " AND o.action = 'wait' AND o.playbook_id = p"
	    " AND o.playbook_version = v AND o.config_version = $3"
	    " AND o.note IS NOT DISTINCT FROM no AND o.shadow = $4)",
	    ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
	    ARG_I64(t->config.config_version), ARG_BOOL(t->shadow),
	    ARG_UUIDS(c->ids, c->n), ARG_TEXTS(c->users, c->n),
	    ARG_TEXTS(c->actions, c->n), ARG_UUIDS(c->playbooks, c->n),
	    ARG_I64S(c->versions, c->n), ARG_TEXTS(c->channels, c->n),
	    ARG_DOUBLES(c->confidences, c->n), ARG_TEXTS(c->reasonings, c->n),
	    ARG_JSONS(c->rules, c->n), ARG_JSONS(c->inputs, c->n),
	    ARG_DOUBLES(c->draws, c->n), ARG_TEXTS(c->notes, c->n),
	    ARG_TEXTS(c->planners, c->n), ARG_I64S(c->tokens, c->n),
	    ARG_TEXTS(c->subjects, c->n), ARG_TEXTS(c->messages, c->n));
}

static bool put_events(struct op *op, struct intervention *rows,
		       const struct decide_user *const *of, size_t n)
{
	struct outbox_event *events =
	    ARENA_ARRAY(op->arena, struct outbox_event, n);
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (!rows[i].inserted)
			continue;
		events[count++] = (struct outbox_event){
			.type = "decision.recommended",
			.intervention_id = rows[i].id,
			.user_id = rows[i].user_id,
			.playbook_id = rows[i].playbook_id,
			.channel = rows[i].channel,
			.message_body = rows[i].message_body,
			.reasoning = rows[i].reasoning,
			.has_confidence = true,
			.confidence = rows[i].confidence,
			.lifecycle_stage = of[i]->customer.lifecycle_stage,
			.activation_score = of[i]->customer.activation_score,
			.risk_level = of[i]->customer.risk_level,
		};
	}
	return count == 0 || outbox_put_events(op, events, count);
}

static struct intervention row_of(const struct decide_tenant *t,
				  const struct decide_user *user)
{
	const struct playbook *pb = user->contenders[0].playbook;

	return (struct intervention){
		.user_id = user->customer.user_id,
		.playbook_id = pb->id,
		.playbook_version = pb->version,
		.decision_id = user->id,
		.source = "automatic",
		.status = t->shadow ? "shadow" : "planned",
		.channel = user->result.channel,
		.subject = user->result.subject,
		.message_body = user->result.message,
		.reasoning = user->result.reasoning,
		.has_confidence = true,
		.confidence = user->result.confidence,
		.shadow = t->shadow,
	};
}

/* Columns of the exposures. */
struct exposures {
	const char **ids, **playbooks, **users, **arms, **interventions;
	size_t n;
};

static void expose(struct op *op, struct exposures *e,
		   const struct playbook *pb, const struct decide_user *user,
		   const char *arm, const char *intervention_id)
{
	e->ids[e->n] = uuid_new(op);
	e->playbooks[e->n] = pb->id;
	e->users[e->n] = user->customer.user_id;
	e->arms[e->n] = arm;
	e->interventions[e->n++] = intervention_id;
}

/*
 * Everybody is in a playbook's trial once, from the first time on. With
 * shadow mode there is no trial: nobody gets anything.
 */
static bool put_exposures(struct op *op, const struct decide_tenant *t,
			  const struct exposures *e)
{
	int64_t window_us = t->config.attribution_days * US_PER_DAY;

	return e->n == 0 || t->shadow ||
	       db_exec(op, NULL,
		       "INSERT INTO exposures (tenant_id, id, playbook_id,"
		       " user_id, arm, intervention_id, exposed_at,"
		       " window_ends_at) SELECT $1, i, p, u, a, v, $2, $3"
		       " FROM unnest($4::uuid[], $5::uuid[], $6::text[],"
		       " $7::text[], $8::uuid[]) x (i, p, u, a, v)"
		       " ON CONFLICT DO NOTHING",
		       ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		       ARG_TIME(op->now_us + window_us),
		       ARG_UUIDS(e->ids, e->n), ARG_UUIDS(e->playbooks, e->n),
		       ARG_TEXTS(e->users, e->n), ARG_TEXTS(e->arms, e->n),
		       ARG_UUIDS(e->interventions, e->n));
}

/* rows[n] belong to of[n], as decide_store() made them. */
static bool store_exposures(struct op *op, const struct decide_tenant *t,
			    const struct decide_user *users, size_t count,
			    const struct intervention *rows,
			    const struct decide_user *const *of, size_t n)
{
	struct exposures e = { .n = 0 };
	const char ***columns[] = { &e.ids, &e.playbooks, &e.users, &e.arms,
				    &e.interventions };
	size_t most = count;

	for (size_t i = 0; i < count; i++)
		most += users[i].held_count;
	for (size_t i = 0; i < ARRAY_LEN(columns); i++)
		*columns[i] = ARENA_ARRAY(op->arena, const char *, most);
	/* Chosen for a message that the model then held back: treated. */
	for (size_t i = 0; i < count; i++)
		if (users[i].id != NULL && users[i].by_model &&
		    streq(users[i].result.action, "wait"))
			expose(op, &e, users[i].contenders[0].playbook,
			       &users[i], "treated", NULL);
	for (size_t i = 0; i < n; i++)
		if (rows[i].inserted)
			expose(op, &e, of[i]->contenders[0].playbook, of[i],
			       "treated", rows[i].id);
	for (size_t i = 0; i < count; i++)
		for (size_t h = 0; h < users[i].held_count; h++)
			expose(op, &e, users[i].held[h], &users[i], "held_out",
			       NULL);
	return put_exposures(op, t, &e);
}

/* Why it waits, or "model_<trouble>" where the built-in planner stood in. */
static const char *note_of(struct op *op, const struct decide_user *u)
{
	return u->trouble == NULL
		   ? u->result.reason
		   : arena_printf(op->arena, "model_%s", u->trouble);
}

static void add_decision(struct op *op, const struct decide_tenant *t,
			 struct columns *c, const struct decide_user *u)
{
	const struct playbook *pb = u->contenders[0].playbook;

	c->ids[c->n] = u->id;
	c->users[c->n] = u->customer.user_id;
	c->actions[c->n] = u->result.action;
	c->playbooks[c->n] = pb->id;
	c->versions[c->n] = pb->version;
	c->channels[c->n] = u->result.channel;
	c->confidences[c->n] = u->result.confidence;
	c->reasonings[c->n] = u->result.reasoning;
	c->rules[c->n] = decide_rules_json(op, t, u);
	c->inputs[c->n] = u->inputs;
	c->draws[c->n] = u->draw;
	c->planners[c->n] = u->by_model ? op->config->llm_model : "builtin";
	c->tokens[c->n] = u->tokens;
	c->subjects[c->n] = u->result.subject;
	c->messages[c->n] = u->result.message;
	c->notes[c->n++] = note_of(op, u);
}

bool decide_store(struct op *op, const struct decide_tenant *tenant,
		  struct decide_user *users, size_t count,
		  int64_t *ret_decisions)
{
	struct intervention *rows =
	    ARENA_ARRAY(op->arena, struct intervention, count);
	const struct decide_user **of =
	    ARENA_ARRAY(op->arena, const struct decide_user *, count);
	struct columns c;
	size_t n = 0;

	make_columns(op, &c, count);
	for (size_t i = 0; i < count; i++) {
		const struct decide_user *u = &users[i];

		if (u->id == NULL)
			continue;
		add_decision(op, tenant, &c, u);
		if (streq(u->result.action, "wait"))
			continue;
		of[n] = u;
		rows[n++] = row_of(tenant, u);
	}
	*ret_decisions = (int64_t)c.n;
	if (c.n > 0 && !insert_decisions(op, tenant, &c))
		return false;
	if (n > 0 && !interventions_insert(op, rows, n, "batch"))
		return false;
	if (!store_exposures(op, tenant, users, count, rows, of, n))
		return false;
	return n == 0 || !tenant->has_endpoints || tenant->shadow ||
	       put_events(op, rows, of, n);
}
