/*
 * retivo-admin demo: a tenant with the ready-made playbooks, a member and
 * keys, that then lives its past (admin/demo_past.h). Each call makes a
 * tenant of its own; what it holds is drawn from the seed (admin/demo.h).
 * Prints KEY=value lines; the keys are shown this once, the password comes
 * from the root secret.
 */
#include "admin/accounts.h"
#include "admin/admin.h"
#include "admin/demo.h"
#include "admin/demo_past.h"
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

struct demo {
	int64_t live, test;
	struct demo_past past;
};

/*
 * Who is held out is drawn from the playbook's id: with ids from the seed,
 * the same seed has the same trials.
 */
static uint64_t id_state;

static void id_random(void *bytes, size_t len)
{
	unsigned char *b = bytes;

	for (size_t i = 0; i < len; i++) {
		id_state = id_state * UINT64_C(6364136223846793005) +
			   UINT64_C(1442695040888963407);
		b[i] = (unsigned char)(id_state >> 56);
	}
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

	/* So many that a tenant of this size sees lift. */
	if (!db_one(op, &row, "SELECT ('{\"holdout\": 0.3}' || $1)::text AS c",
		    ARG_JSON(json_text(op->arena, docs.constraints))))
		return false;
	in.constraints = db_text(&row, "c");
	return playbook_parse(op, &docs, config, &pb) &&
	       playbook_insert(op, "operator", &in) &&
	       playbook_want_events(op, &pb) &&
	       playbook_set_status(op, "operator", &in, "active");
}

static bool add_playbooks(struct op *op, int64_t seed)
{
	void (*random)(void *, size_t) = op->random;
	struct tenant_config config;
	struct library_item *items;
	size_t count;

	if (!tenant_config_load(op, &config) ||
	    !library_load(op, &items, &count))
		return false;
	/* Ids count on from others of their millisecond (base/uuid.c). */
	op->now_us += 1000;
	id_state = (uint64_t)seed;
	op->random = id_random;
	for (size_t i = 0; i < count; i++)
		if (!add_playbook(op, &items[i], &config))
			return false;
	op->random = random;
	/* Nobody has to be led from nothing to the first message here. */
	return db_exec(op, NULL,
		       "UPDATE tenant_settings SET onboarding_completed = true"
		       " WHERE tenant_id = $1",
		       ARG_I64(op->tenant_id));
}

static bool add_partitions(struct op *op, int64_t now_us)
{
	struct db_row row;

	return db_one(op, &row, "SELECT events_add_partitions($1, $2) AS made",
		      ARG_TIME(now_us - (DEMO_DAYS + 31) * US_PER_DAY),
		      ARG_TIME(now_us + 62 * US_PER_DAY));
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

/* "person:<id>", as the API names the member in the logs. */
static bool find_actor(struct op *op, const char **ret)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT 'person:' || id AS actor FROM people"
		    " WHERE email = $1",
		    ARG_TEXT(DEMO_EMAIL)))
		return false;
	*ret = db_text(&row, "actor");
	return true;
}

/* The tenant as it was when its past began. */
static bool make_tenant(struct op *op, struct demo *demo, const char *password,
			const char **ret_live_key, const char **ret_test_key)
{
	const struct account_tenant in = {
		.name = "Acme Analytics (demo)",
		.timezone = "Europe/Berlin",
		.config = demo_config,
		.brand = demo_brand,
	};
	const char *changed;

	op->now_us = demo->past.now_us - DEMO_PAST * US_PER_DAY;
	return db_begin(op) &&
	       account_tenant_add(op, &in, &demo->live, &demo->test) &&
	       db_set_tenant(op, demo->live) &&
	       add_partitions(op, demo->past.now_us) &&
	       account_member_add(op, DEMO_EMAIL, "Demo Admin", "admin",
				  password, &changed) &&
	       find_actor(op, &demo->past.actor) &&
	       add_keys(op, demo, ret_live_key, ret_test_key) &&
	       add_playbooks(op, demo->past.seed) && db_commit(op);
}

static bool make_demo(struct op *op, struct demo *demo)
{
	const char *live_key, *test_key, *password;

	password = arena_strndup(
	    op->arena,
	    secret_hash_tenant(op, SECRET_TOKEN, 0, "the demo's member"),
	    PASSWORD_LEN);
	if (!make_tenant(op, demo, password, &live_key, &test_key))
		return false;
	op->tenant_id = demo->live;
	if (!demo_live(op, &demo->past))
		return false;
	fprintf(stderr,
		"seed %lld: %lld customers, %lld events, %lld messages sent\n",
		(long long)demo->past.seed, (long long)demo->past.customers,
		(long long)demo->past.events, (long long)demo->past.sent);
	printf("RETIVO_API_KEY=%s\nRETIVO_TEST_KEY=%s\nRETIVO_EMAIL=%s\n"
	       "RETIVO_PASSWORD=%s\nRETIVO_TENANT=%lld\n",
	       live_key, test_key, DEMO_EMAIL, password, (long long)demo->live);
	return true;
}

bool cmd_demo(struct op *op, int argc, char **argv)
{
	struct demo demo = {
		.past = { .seed = 1, .customers = 400, .now_us = op->now_us },
	};
	const struct admin_option options[] = {
		{ "--seed", .ret_number = &demo.past.seed },
		{ "--customers", .ret_number = &demo.past.customers },
	};

	if (!admin_parse(op, argc, argv, options, ARRAY_LEN(options), NULL, 0))
		return false;
	return make_demo(op, &demo);
}
