/*
 * retivo-admin demo: a tenant with a history, the ready-made playbooks, a
 * member and keys, in one transaction. Each call makes a tenant of its own;
 * what it holds is drawn from the seed (admin/demo.h). Prints KEY=value
 * lines; the keys are shown this once, the password comes from the root secret.
 */
#include "admin/accounts.h"
#include "admin/admin.h"
#include "admin/demo.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/secret.h"
#include "db/db.h"
#include "db/db_tx.h"
#include "engine/library.h"
#include "engine/playbook_doc.h"

#define DEMO_EMAIL "demo@example.com"
/* Of this installation: a second demo does not lock the first one out. */
#define PASSWORD_LEN 24
/* Customers an INSERT; events are stored with them. */
#define CHUNK 50

struct demo {
	int64_t seed, customers;
	int64_t live, test;
	int64_t events; /* stored */
};

/* Arrays for unnest. */
struct people {
	const char *ids[CHUNK], *names[CHUNK], *emails[CHUNK];
	const char *companies[CHUNK], *roles[CHUNK], *locales[CHUNK];
	const char *zones[CHUNK], *plans[CHUNK], *properties[CHUNK];
	int64_t sizes[CHUNK], created[CHUNK];
	size_t n;
};

struct happenings {
	const char **users, **names, **properties;
	int64_t *times;
	size_t n, cap;
};

static bool insert_people(struct op *op, const struct people *p)
{
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
	    ARG_I64(op->tenant_id), ARG_TEXTS(p->ids, p->n),
	    ARG_TEXTS(p->names, p->n), ARG_TEXTS(p->emails, p->n),
	    ARG_TEXTS(p->companies, p->n), ARG_TEXTS(p->roles, p->n),
	    ARG_TEXTS(p->locales, p->n), ARG_TEXTS(p->zones, p->n),
	    ARG_TEXTS(p->plans, p->n), ARG_JSONS(p->properties, p->n),
	    ARG_I64S(p->sizes, p->n), ARG_TIMES(p->created, p->n));
}

/* As if each had been received when it happened. */
static bool insert_events(struct op *op, const struct happenings *h)
{
	return h->n == 0 ||
	       db_exec(op, NULL,
		       "INSERT INTO events (tenant_id, user_id, event, ts,"
		       " received_at, properties)"
		       " SELECT $1, u, e, ts, ts, p FROM unnest($2::text[],"
		       " $3::text[], $4::timestamptz[], $5::jsonb[])"
		       " x (u, e, ts, p)",
		       ARG_I64(op->tenant_id), ARG_TEXTS(h->users, h->n),
		       ARG_TEXTS(h->names, h->n), ARG_TIMES(h->times, h->n),
		       ARG_JSONS(h->properties, h->n));
}

static void take_customer(struct people *p, const struct demo_customer *c)
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
}

static void take_events(struct happenings *h, const char *user_id,
			const struct demo_event *events, size_t count)
{
	for (size_t i = 0; i < count && h->n < h->cap; i++, h->n++) {
		h->users[h->n] = user_id;
		h->names[h->n] = events[i].name;
		h->times[h->n] = events[i].ts_us;
		h->properties[h->n] = events[i].properties;
	}
}

/* Customers from..to-1, in an arena of the chunk's own. */
static bool store_chunk(struct op *op, struct demo *demo, int64_t from,
			int64_t to)
{
	struct people *people = ARENA_NEW(op->arena, struct people);
	struct happenings h = { .cap = CHUNK * DEMO_EVENTS_MAX };

	h.users = ARENA_ARRAY(op->arena, const char *, h.cap);
	h.names = ARENA_ARRAY(op->arena, const char *, h.cap);
	h.properties = ARENA_ARRAY(op->arena, const char *, h.cap);
	h.times = ARENA_ARRAY(op->arena, int64_t, h.cap);
	for (int64_t n = from; n < to; n++) {
		struct demo_customer c;
		struct demo_event *events;
		size_t count;

		demo_make(op->arena, (uint64_t)demo->seed, n, op->now_us, &c,
			  &events, &count);
		take_customer(people, &c);
		take_events(&h, c.user_id, events, count);
	}
	demo->events += (int64_t)h.n;
	return insert_people(op, people) && insert_events(op, &h);
}

static bool store_customers(struct op *op, struct demo *demo)
{
	struct arena *outer = op->arena;
	struct arena *inner = arena_new();
	bool ok = true;

	arena_defer(outer, (arena_cleanup_fn)arena_free, inner);
	for (int64_t n = 0; ok && n < demo->customers; n += CHUNK) {
		int64_t to =
		    n + CHUNK < demo->customers ? n + CHUNK : demo->customers;

		op->arena = inner;
		ok = store_chunk(op, demo, n, to);
		op->arena = outer;
		if (ok) /* a failure's texts live in the chunk's arena */
			arena_reset(inner);
	}
	return ok;
}

/* One of the ready-made playbooks as an active one. */
static bool add_playbook(struct op *op, const struct library_item *item,
			 const struct tenant_config *config)
{
	struct json_object *doc = item->document;
	struct playbook pb;
	struct db_row row;
	struct playbook_docs docs = {
		.entry = json_member(doc, "entry_conditions"),
		.exit = json_member(doc, "exit_conditions"),
		.constraints = json_member(doc, "constraints"),
		.hints = json_member(doc, "strategy_hints"),
	};
	struct playbook_row in = {
		.name = json_get_text(doc, "name", item->key),
		.lifecycle_area = json_get_text(doc, "lifecycle_area", NULL),
		.entry_conditions = json_text(op->arena, docs.entry),
		.exit_conditions =
		    docs.exit ? json_text(op->arena, docs.exit) : "{}",
		.strategy_hints = json_text(op->arena, docs.hints),
	};

	/* Everybody in the demo can be written to. */
	if (!db_one(op, &row, "SELECT ($1 || '{\"holdout\": 0}')::text AS c",
		    ARG_JSON(json_text(op->arena, docs.constraints))))
		return false;
	in.constraints = db_text(&row, "c");
	return playbook_parse(op, &docs, config, &pb) &&
	       playbook_insert(op, "operator", &in) &&
	       playbook_want_events(op, &pb) &&
	       playbook_set_status(op, "operator", &in, "active");
}

static bool add_playbooks(struct op *op)
{
	struct tenant_config config;
	struct library_item *items;
	size_t count;

	if (!tenant_config_load(op, &config) ||
	    !library_load(op, &items, &count))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!add_playbook(op, &items[i], &config))
			return false;
	/* Nobody has to be led from nothing to the first message here. */
	return db_exec(op, NULL,
		       "UPDATE tenant_settings SET onboarding_completed = true"
		       " WHERE tenant_id = $1",
		       ARG_I64(op->tenant_id));
}

static bool add_partitions(struct op *op)
{
	struct db_row row;

	return db_one(op, &row, "SELECT events_add_partitions($1, $2) AS made",
		      ARG_TIME(op->now_us - (DEMO_DAYS + 31) * US_PER_DAY),
		      ARG_TIME(op->now_us + 62 * US_PER_DAY));
}

/* Keys of the live tenant and of its twin. */
static bool add_keys(struct op *op, const struct demo *demo,
		     const char **ret_live, const char **ret_test)
{
	if (!account_key_add(op, "admin", "demo", ret_live) ||
	    !db_set_tenant(op, demo->test) ||
	    !account_key_add(op, "admin", "demo", ret_test))
		return false;
	return db_set_tenant(op, demo->live);
}

static bool make_demo(struct op *op, struct demo *demo)
{
	const struct account_tenant in = {
		.name = "Acme Analytics (demo)",
		.timezone = "Europe/Berlin",
		.config = demo_config,
		.brand = demo_brand,
	};
	const char *live_key, *test_key, *password, *changed;

	password = arena_strndup(
	    op->arena,
	    secret_hash_tenant(op, SECRET_TOKEN, 0, "the demo's member"),
	    PASSWORD_LEN);
	if (!db_begin(op) ||
	    !account_tenant_add(op, &in, &demo->live, &demo->test) ||
	    !db_set_tenant(op, demo->live) || !add_partitions(op) ||
	    !account_member_add(op, DEMO_EMAIL, "Demo Admin", "admin", password,
				&changed) ||
	    !add_keys(op, demo, &live_key, &test_key) || !add_playbooks(op) ||
	    !store_customers(op, demo) || !db_commit(op))
		return false;
	fprintf(stderr, "seed %lld: %lld customers, %lld events\n",
		(long long)demo->seed, (long long)demo->customers,
		(long long)demo->events);
	printf("RETIVO_API_KEY=%s\nRETIVO_TEST_KEY=%s\nRETIVO_EMAIL=%s\n"
	       "RETIVO_PASSWORD=%s\nRETIVO_TENANT=%lld\n",
	       live_key, test_key, DEMO_EMAIL, password, (long long)demo->live);
	return true;
}

bool cmd_demo(struct op *op, int argc, char **argv)
{
	struct demo demo = { .seed = 1, .customers = 2000 };
	const struct admin_option options[] = {
		{ "--seed", .ret_number = &demo.seed },
		{ "--customers", .ret_number = &demo.customers },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), NULL, 0))
		return false;
	return make_demo(op, &demo);
}
