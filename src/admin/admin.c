/*
 * The command table and its edge: settings, one op, one connection, and the
 * failure printed once.
 */
#include "admin/admin.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/secret.h"
#include "base/str.h"
#include "db/db.h"

/* People wait for these; a schema step may take its time. */
#define STATEMENT_TIMEOUT_MS 600000

static const struct admin_command commands[] = {
	{ "audit", "verify", cmd_audit_verify, .usage = "[--tenant N]" },
	{ "config", NULL, cmd_config, .usage = "", .no_database = true },
	{ "db", "apply", cmd_db_apply, .usage = "" },
	{ "db", "verify", cmd_db_verify, .usage = "" },
	{ "demo", NULL, cmd_demo, .usage = "[--seed N] [--customers 400]" },
	{ "egress", NULL, cmd_egress,
	  .usage = "DECISION [--received | --attempt N | --attempts]" },
	{ "explain", NULL, cmd_explain,
	  .usage = "--tenant N PLAYBOOK [--user U]" },
	{ "key", "create", cmd_key_create,
	  .usage = "--tenant N --scope ingest|read|write|admin --label L" },
	{ "key", "revoke", cmd_key_revoke, .usage = "--tenant N ID" },
	{ "master-key", "rotate", cmd_master_key_rotate, .usage = "" },
	{ "member", "create", cmd_member_create,
	  .usage = "--tenant N EMAIL --role viewer|editor|admin --name NAME"
		   " [--password-stdin]" },
	{ "member", "reset", cmd_member_reset, .usage = "EMAIL" },
	{ "replay", NULL, cmd_replay,
	  .usage = "DECISION | --tenant N [--limit 1000]" },
	{ "tenant", "create", cmd_tenant_create,
	  .usage = "NAME [--slug S] [--timezone Z]" },
	{ "tenant", "plan", cmd_tenant_plan,
	  .usage = "--tenant N free|starter|growth|scale|unlimited" },
	{ "webhook", "add", cmd_webhook_add,
	  .usage = "--tenant N URL [--events a,b]" },
};

bool admin_usage(struct op *op, const char *format, ...)
{
	va_list args;
	const char *line;

	va_start(args, format);
	line = arena_vprintf(op->arena, format, args);
	va_end(args);
	return op_fail(op, FAIL_INVALID, "usage", "%s", line);
}

static const struct admin_option *find_option(
    const struct admin_option *options, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (streq(options[i].name, name))
			return &options[i];
	}
	return NULL;
}

static bool read_option(struct op *op, const struct admin_option *option,
			int argc, char **argv, int *i)
{
	if (option->ret_flag != NULL) {
		*option->ret_flag = true;
		return true;
	}
	if (*i + 1 >= argc)
		return admin_usage(op, "%s needs a value", option->name);
	*i += 1;
	if (option->ret_text != NULL) {
		*option->ret_text = argv[*i];
		return true;
	}
	if (!parse_i64(argv[*i], 1, INT64_MAX, option->ret_number))
		return admin_usage(op, "%s needs a number", option->name);
	return true;
}

bool admin_parse(struct op *op, int argc, char **argv,
		 const struct admin_option *options, size_t option_count,
		 const char **words, size_t word_max)
{
	size_t word_count = 0;

	for (int i = 1; i < argc; i++) {
		const struct admin_option *option;

		if (strncmp(argv[i], "--", 2) != 0) {
			if (word_count == word_max)
				return admin_usage(op, "too many words: %s",
						   argv[i]);
			words[word_count++] = argv[i];
			continue;
		}
		option = find_option(options, option_count, argv[i]);
		if (option == NULL)
			return admin_usage(op, "no such option: %s", argv[i]);
		if (!read_option(op, option, argc, argv, &i))
			return false;
	}
	return true;
}

bool admin_use_tenant(struct op *op, int64_t tenant_id)
{
	struct db_row row;

	if (tenant_id == 0)
		return admin_usage(op, "--tenant N is missing");
	if (!db_opt(op, &row, "SELECT 1 FROM tenants WHERE tenant_id = $1",
		    ARG_I64(tenant_id)))
		return false;
	if (!db_found(&row))
		return op_fail(op, FAIL_NOT_FOUND, "not_found",
			       "there is no tenant %lld", (long long)tenant_id);
	op->tenant_id = tenant_id;
	return true;
}

static void write_usage(FILE *to)
{
	fputs("usage: retivo-admin <group> <command> ...\n", to);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %s%s%s %s\n", commands[i].group,
			commands[i].name == NULL ? "" : " ",
			commands[i].name == NULL ? "" : commands[i].name,
			commands[i].usage);
}

/* ret_words: how many words of argv name the command. */
static const struct admin_command *find_command(int argc, char **argv,
						int *ret_words)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const struct admin_command *c = &commands[i];

		if (argc < 2 || !streq(argv[1], c->group))
			continue;
		if (c->name == NULL) {
			*ret_words = 1;
			return c;
		}
		if (argc >= 3 && streq(argv[2], c->name)) {
			*ret_words = 2;
			return c;
		}
	}
	return NULL;
}

static bool load_settings(struct config *ret, bool no_database)
{
	struct str problems;
	const char *problem;
	bool ok;

	str_init(&problems, NULL, 65536);
	ok = config_load(ret, &problems);
	if (ok && !no_database && ret->database_url == NULL) {
		str_puts(&problems, "RETIVO_DATABASE_URL: is not set\n");
		ok = false;
	}
	if (ok &&
	    !secret_init(no_database ? NULL : ret->master_key_file, &problem)) {
		str_printf(&problems, "RETIVO_MASTER_KEY_FILE: %s\n", problem);
		ok = false;
	}
	fputs(problems.bytes, stderr);
	str_done(&problems);
	return ok;
}

static int report(const struct op *op, const struct admin_command *command)
{
	const struct fail *fail = &op->fail;

	fprintf(stderr, "retivo-admin: %s\n", fail->message);
	if (fail->detail != NULL)
		fprintf(stderr, "  %s\n", fail->detail);
	for (const struct fail_detail *f = fail->fields; f != NULL; f = f->next)
		fprintf(stderr, "  %s: %s\n", f->path, f->message);
	if (!streq(fail->code, "usage"))
		return 1;
	fprintf(stderr, "usage: retivo-admin %s%s%s %s\n", command->group,
		command->name == NULL ? "" : " ",
		command->name == NULL ? "" : command->name, command->usage);
	return 2;
}

static int run_command(const struct admin_command *command,
		       const struct config *config, int argc, char **argv)
{
	struct arena *arena = arena_new();
	struct db *db = NULL;
	struct op op;
	int status = 0;

	if (!command->no_database)
		db = db_new(config->database_url, "retivo-admin",
			    config->db_connect_timeout_s, STATEMENT_TIMEOUT_MS);
	op_init(&op, arena, db, config);
	op.tag = command->group;
	if (!command->run(&op, argc, argv) || op_failed(&op))
		status = report(&op, command);
	if (db != NULL)
		db_finish(&op);
	if (status == 0 && fflush(stdout) != 0) {
		fputs("retivo-admin: stdout cannot be written\n", stderr);
		status = 1;
	}
	arena_free(arena);
	db_free(db);
	return status;
}

int admin_main(int argc, char **argv)
{
	const struct admin_command *command;
	struct config config;
	int words = 0;

	if (argc >= 2 && streq(argv[1], "--version")) {
		puts("retivo-admin " RETIVO_VERSION);
		return 0;
	}
	if (argc >= 2 && (streq(argv[1], "--help") || streq(argv[1], "help"))) {
		write_usage(stdout);
		return 0;
	}
	command = find_command(argc, argv, &words);
	if (command == NULL) {
		write_usage(stderr);
		return 2;
	}
	if (!load_settings(&config, command->no_database))
		return 2;
	log_set_level((enum log_level)config.log_level);
	clock_fix(config.clock_us);
	return run_command(command, &config, argc - words, argv + words);
}
