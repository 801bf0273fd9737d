/*
 * Settings: one table (name, type, unit, default, range, secret, prose),
 * read from the environment once, checked before fork, borrowed by ops.
 * README's list and `retivo-admin config` come from the same table.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/base.h"

struct config {
	const char *database_url;	/* admin role; may be NULL */
	const char *api_database_url;	/* may be NULL */
	const char *batch_database_url; /* may be NULL */
	const char *base_url;		/* no final slash */
	const char *env_file;		/* settings file; may be NULL */
	const char *socket;		/* FastCGI socket path; may be NULL */
	const char *templates;		/* directory */
	const char *schema;		/* path of schema.sql */
	const char *master_key_file;	/* may be NULL */
	const char *mail_dir;		/* may be NULL */
	const char *mail_from;		/* "Name <a@b>" or "a@b" */
	const char *smtp_url;		/* may be NULL */
	const char *smtp_user;
	const char *smtp_password;     /* secret */
	const char *smtp_tls;	       /* require | try | none */
	const char *outbound_allow;    /* CIDRs, comma-separated; "" = none */
	const char *stripe_api_url;    /* no final slash */
	const char *stripe_secret_key; /* secret; NULL: no billing */
	const char *stripe_webhook_secret; /* secret; may be NULL */
	/* Price ids, comma-separated, the one that is sold first; or NULL. */
	const char *stripe_starter_monthly, *stripe_starter_annual;
	const char *stripe_growth_monthly, *stripe_growth_annual;
	const char *stripe_scale_monthly, *stripe_scale_annual;
	/* The model: NULL provider, no model. */
	const char *llm_provider;     /* anthropic | openai */
	const char *llm_url;	      /* no final slash; NULL: the provider's */
	const char *llm_api_key;      /* secret; may be NULL with openai */
	const char *llm_model;	      /* set with a provider */
	const char *llm_version;      /* anthropic-version */
	const char *llm_format;	      /* schema | tool | object */
	const char *llm_tokens_field; /* max_completion_tokens | max_tokens */
	int64_t llm_max_tokens;	      /* of an answer */
	int64_t llm_timeout_ms;	      /* of one attempt */
	int64_t llm_parallel;	      /* calls at once */
	int64_t llm_daily_tokens;     /* a tenant and UTC day; 0: no limit */
	int64_t workers;
	int64_t body_max_bytes;
	int64_t statement_timeout_ms;
	int64_t db_connect_timeout_s;
	int64_t session_days;
	int64_t pipeline_late_s; /* health is 503 when a stage is later */
	int64_t batch_max_s;	 /* one retivo-batch run ends after this */
	int64_t log_level;
	bool testing;
	int64_t clock_us; /* RETIVO_CLOCK; 0 = real clock */
};

struct str;

/*
 * Reads and checks every setting. On a bad one writes a line naming it to
 * problems and goes on, so that all are seen at once; false when any was
 * bad. Strings are borrowed from the environment or static. An empty
 * variable counts as unset; unknown RETIVO_* variables are left alone.
 *
 * It changes nothing else: main calls log_set_level(config.log_level) and
 * clock_fix(config.clock_us) after it.
 */
MUST_CHECK bool config_load(struct config *ret, struct str *problems);

/*
 * Writes the table, a line a setting, columns separated by tabs: name,
 * value (secrets masked), unit, default, meaning. "-" stands for none.
 */
void config_write(const struct config *config, struct str *out);

#endif
