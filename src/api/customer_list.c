/*
 * One statement put together from literals: the filters that are given, the
 * order, and a page when a limit is. Without a limit rows go from the
 * database to the client as they come, in bounded memory.
 */
#include "api/customer_list.h"

#include "api/reply.h"
#include "engine/tenant_config.h"

#define LIMIT_MAX  1000
#define SEARCH_MAX 255
#define WORDS_MAX  16

/* How rows may be sorted. The key is never null; user_id breaks ties. */
struct order {
	const char *word;
	const char *kinds; /* of the cursor: the key, then user_id */
	struct sql_literal key;
};

static const struct order orders[] = {
	{ "created_at", "ts", SQL_LITERAL("c.created_at") },
	{ "last_activity_at", "ts",
	  SQL_LITERAL("coalesce(c.last_activity_at,"
		      " '0001-01-01T00:00:00Z'::timestamptz)") },
	{ "name", "ss",
	  SQL_LITERAL("lower(coalesce(c.name, c.email, c.user_id))"
		      " COLLATE \"C\"") },
	{ "health", "is", SQL_LITERAL("c.health::bigint") },
	{ "risk", "is", SQL_LITERAL("(c.risk_score * 1000000)::bigint") },
	{ "activation_score", "is",
	  SQL_LITERAL("(c.activation_score * 1000000)::bigint") },
	{ "engagement_score", "is",
	  SQL_LITERAL("(c.engagement_score * 1000000)::bigint") },
	{ "expansion_score", "is",
	  SQL_LITERAL("(c.expansion_score * 1000000)::bigint") },
	{ "id", "ss", SQL_LITERAL("c.user_id") },
};

static const char *const stages[] = { "new",	 "onboarding", "active",
				      "at_risk", "churned",    "recovered",
				      NULL };
static const char *const risks[] = { "low", "medium", "high", "critical",
				     NULL };

/* A checked request. */
struct list {
	const struct order *order;
	bool descending;
	struct page_spec spec;
	struct page page;
	const char *search; /* NULL: all */
	const char *stages[WORDS_MAX], *risks[WORDS_MAX];
	size_t stage_count, risk_count;
	const struct condition *segment; /* NULL: all */
};

static const struct order *find_order(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(orders); i++)
		if (streq(word, orders[i].word))
			return &orders[i];
	return NULL;
}

static bool parse_order(struct op *op, const struct request *rq,
			struct list *list)
{
	const char *sort = request_query(rq, "sort");
	const struct order *order;

	if (sort == NULL || *sort == '\0')
		sort = "-created_at";
	list->descending = *sort == '-';
	order = find_order(sort + list->descending);
	list->order = order != NULL ? order : &orders[0];
	list->spec = (struct page_spec){
		.list = arena_printf(op->arena, "customers:%s", sort),
		.kinds = list->order->kinds,
		.limit = 0, /* none: all */
		.limit_max = LIMIT_MAX,
	};
	return order != NULL ||
	       op_fail_at(op, "sort",
			  "must be created_at, last_activity_at, name, health,"
			  " risk, activation_score, engagement_score,"
			  " expansion_score or id, with a minus in front for"
			  " descending");
}

static const char *find_word(const char *const *words, const char *text,
			     size_t len)
{
	for (; *words != NULL; words++)
		if (strlen(*words) == len && memcmp(*words, text, len) == 0)
			return *words;
	return NULL;
}

/* Words between commas. */
static bool parse_words(struct op *op, const struct request *rq,
			const char *name, const char *const *words,
			const char **ret, size_t *ret_count)
{
	const char *at = request_query(rq, name);
	size_t n = 0;

	if (at == NULL || *at == '\0')
		return true;
	for (;;) {
		size_t len = strcspn(at, ",");
		const char *word = find_word(words, at, len);

		if (word == NULL || n == WORDS_MAX)
			return op_fail_at(op, name,
					  "is not a list of known words");
		ret[n++] = word;
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
	*ret_count = n;
	return true;
}

static bool parse_search(struct op *op, const struct request *rq,
			 struct list *list)
{
	const char *text = request_query(rq, "search");

	if (text == NULL || *text == '\0')
		return true;
	if (strlen(text) > SEARCH_MAX)
		return op_fail_at(op, "search", "must have at most %d bytes",
				  SEARCH_MAX);
	list->search = text;
	return true;
}

/* Needs the database, so it comes when the rest is good. */
static bool parse_segment(struct op *op, const struct request *rq,
			  struct list *list)
{
	const char *name = request_query(rq, "segment");
	const struct condition_segment *found = NULL;
	struct tenant_config config;
	struct condition *cond;

	if (name == NULL || *name == '\0')
		return true;
	if (!tenant_config_load(op, &config))
		return false;
	for (size_t i = 0; i < config.env.segment_count; i++)
		if (streq(config.env.segments[i].name, name))
			found = &config.env.segments[i];
	if (found == NULL)
		return op_fail_at(op, "segment", "is not a segment of config");
	if (!condition_parse(op, "segment", found->conditions, &config.env,
			     &cond))
		return false;
	list->segment = cond;
	return true;
}

static bool parse_list(struct op *op, const struct request *rq,
		       struct list *ret)
{
	struct list list = { 0 };
	bool ok = parse_order(op, rq, &list);

	ok = parse_words(op, rq, "stage", stages, list.stages,
			 &list.stage_count) &&
	     ok;
	ok = parse_words(op, rq, "risk", risks, list.risks, &list.risk_count) &&
	     ok;
	ok = parse_search(op, rq, &list) && ok;
	ok = page_parse(op, rq, &list.spec, &list.page) && ok;
	if (!ok || !parse_segment(op, rq, &list))
		return false;
	*ret = list;
	return true;
}

static void add_filters(struct sql *q, const struct list *list,
			const struct condition_at *at)
{
	if (list->stage_count > 0) {
		sql_add(q, " AND c.lifecycle_stage = ANY (");
		sql_arg(q, ARG_TEXTS(list->stages, list->stage_count));
		sql_add(q, ")");
	}
	if (list->risk_count > 0) {
		sql_add(q, " AND c.risk_level = ANY (");
		sql_arg(q, ARG_TEXTS(list->risks, list->risk_count));
		sql_add(q, ")");
	}
	if (list->search != NULL) {
		sql_add(q, " AND strpos(lower(concat_ws(E'\\n', c.user_id,"
			   " c.name, c.email, c.company)), lower(");
		sql_arg(q, ARG_TEXT(list->search));
		sql_add(q, ")) > 0");
	}
	if (list->segment != NULL) {
		sql_add(q, " AND ");
		condition_write_sql(list->segment, q, at);
	}
}

/* Rows behind the cursor, in either direction. */
static void add_cursor(struct sql *q, const struct list *list)
{
	const struct page_key *key = &list->page.keys[0];

	if (!list->page.has_cursor)
		return;
	sql_add(q, " AND (");
	sql_add_literal(q, &list->order->key);
	if (list->descending)
		sql_add(q, ", c.user_id) < (");
	else
		sql_add(q, ", c.user_id) > (");
	if (list->order->kinds[0] == 't')
		sql_arg(q, ARG_TIME(key->i64));
	else if (list->order->kinds[0] == 'i')
		sql_arg(q, ARG_I64(key->i64));
	else
		sql_arg(q, ARG_TEXT(key->text));
	sql_add(q, ", ");
	sql_arg(q, ARG_TEXT(list->page.keys[1].text));
	sql_add(q, ")");
}

static void add_order(struct sql *q, const struct list *list)
{
	sql_add(q, " ORDER BY ");
	sql_add_literal(q, &list->order->key);
	if (list->descending)
		sql_add(q, " DESC, c.user_id DESC");
	else
		sql_add(q, ", c.user_id");
}

/*
 * The newest open intervention of a customer. For a page it is looked up
 * row by row; for all customers the open ones are read once.
 */
#define NEXT_COLUMNS                                                           \
	"i.user_id, i.channel, i.status, coalesce(p.name, '') AS playbook"     \
	" FROM interventions i LEFT JOIN playbooks p"                          \
	" ON p.tenant_id = i.tenant_id AND p.id = i.playbook_id"               \
	" WHERE i.status IN ('planned', 'approved', 'sending')"

static void add_next(struct sql *q, const struct list *list, size_t tenant)
{
	if (list->page.limit > 0) {
		sql_add(q, " LEFT JOIN LATERAL (SELECT " NEXT_COLUMNS
			   " AND i.user_id = c.user_id AND i.tenant_id = ");
		sql_ref(q, tenant);
		sql_add(q, " ORDER BY i.planned_at DESC, i.id DESC LIMIT 1)"
			   " n ON true");
		return;
	}
	sql_add(q, " LEFT JOIN (SELECT DISTINCT ON (i.user_id) " NEXT_COLUMNS
		   " AND i.tenant_id = ");
	sql_ref(q, tenant);
	sql_add(q, " ORDER BY i.user_id, i.planned_at DESC, i.id DESC)"
		   " n ON n.user_id = c.user_id");
}

static void write_statement(struct op *op, const struct list *list,
			    struct sql *q)
{
	struct condition_at at = { 0 };

	sql_init(q, op->arena);
	at.tenant = sql_bind(q, ARG_I64(op->tenant_id));
	at.now = sql_bind(q, ARG_TIME(op->now_us));
	sql_add(q, "SELECT " CUSTOMER_COLUMNS ", ");
	sql_add_literal(q, &list->order->key);
	sql_add(q, " AS _key, CASE WHEN n.channel IS NOT NULL THEN"
		   " json_build_object('channel', n.channel, 'status',"
		   " n.status, 'playbook', n.playbook) END AS next_action"
		   " FROM (SELECT c.* FROM customers c WHERE c.tenant_id = ");
	sql_ref(q, at.tenant);
	/* Both bound arguments need a place whose type is known. */
	sql_add(q, " AND ");
	sql_ref(q, at.now);
	sql_add(q, "::timestamptz IS NOT NULL");
	add_filters(q, list, &at);
	add_cursor(q, list);
	if (list->page.limit > 0) {
		add_order(q, list);
		sql_add(q, " LIMIT ");
		sql_count(q, list->page.limit + 1);
	}
	sql_add(q, ") c");
	add_next(q, list, at.tenant);
	add_order(q, list);
}

/* What is written so far goes out each time that a piece is full. */
struct stream {
	struct response *rs;
	struct json_out j;
};

static bool stream_row(struct op *op, const struct db_row *row, void *ctx)
{
	struct stream *s = ctx;

	db_row_json(&s->j, row);
	return response_stream_flush(op, s->rs);
}

/* The statement lasts as long as its reader, whom nothing else waits for. */
static bool stream_all(struct op *op, struct response *rs, const struct sql *q)
{
	struct stream s = { .rs = rs };

	if (!db_defer(op, "SET LOCAL statement_timeout = '120s'") ||
	    !response_stream_begin(op, rs, 200, &s.j))
		return false;
	json_open(&s.j, '{');
	json_key(&s.j, "customers");
	json_open(&s.j, '[');
	if (!db_stream_sql(op, stream_row, &s, q))
		return false;
	json_close(&s.j);
	json_close(&s.j);
	return true;
}

bool customer_list(struct op *op, const struct request *rq, struct response *rs)
{
	static const char *const key_columns[] = { "_key", "id" };
	struct db_rows rows;
	struct list list;
	struct sql q;

	if (!parse_list(op, rq, &list))
		return false;
	write_statement(op, &list, &q);
	/* Segments have no end of texts, and limits hardly one. */
	if (list.segment == NULL && list.search == NULL)
		sql_keep(&q);
	if (list.page.limit == 0)
		return stream_all(op, rs, &q);
	if (!db_rows_sql(op, &rows, &q))
		return false;
	return reply_page(op, rs, "customers", &rows, &list.spec, &list.page,
			  key_columns);
}
