/*
 * What a change of weights and thresholds would do: the stages and risks of a
 * fair and stable sample of customers as they would come out with the config as
 * it is and with the proposal. Writes nothing.
 */
#include "api/routes.h"
#include "db/db.h"
#include "engine/features.h"
#include "http/body.h"
#include "http/response.h"

#define SAMPLE	    4000
#define MANY_PEOPLE 50000

struct preview_in {
	struct json_object *config;
};

static const struct field preview_fields[] = {
	FIELD_JSON(struct preview_in, config, true),
};

/* How a sample comes out under one config. */
struct view {
	int64_t stages[SCORE_STAGES], risks[SCORE_RISKS];
	int64_t health; /* the sum */
};

/* The stored config with the proposal merged in, as PATCH would do. */
static bool load_proposal(struct op *op, const struct preview_in *in,
			  struct tenant_config *ret)
{
	struct json_object *old, *merged;
	const char *text, *stored;
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT config FROM tenant_settings WHERE tenant_id = $1",
		    ARG_I64(op->tenant_id)))
		return false;
	stored = db_text(&row, "config");
	if (!json_parse(op, stored, strlen(stored), &old))
		return false;
	tenant_config_merge(op, old, in->config, &text);
	return json_parse(op, text, strlen(text), &merged) &&
	       tenant_config_parse(op, "config", merged, NULL, 0, ret);
}

/*
 * How many there are. Of many, as the newest day was counted: a scan of all
 * takes too long.
 */
static bool load_total(struct op *op, int64_t *ret)
{
	struct db_row row;

	if (!db_one(op, &row,
		    "SELECT coalesce((SELECT sum(customers)::bigint"
		    " FROM daily_counts WHERE tenant_id = $1"
		    " AND what = 'stage' AND day = (SELECT max(day)"
		    " FROM daily_counts WHERE tenant_id = $1"
		    " AND what = 'stage') HAVING sum(customers) >= $2),"
		    " (SELECT count(*) FROM customers WHERE tenant_id = $1))"
		    " AS total",
		    ARG_I64(op->tenant_id), ARG_I64(MANY_PEOPLE)))
		return false;
	*ret = db_i64(&row, "total");
	return true;
}

/*
 * By the hash of the id, which knows neither age nor state: the same people
 * each time. Reads the ids of all from the primary key (0.3 s a million); an
 * index in this order would be paid for by each write of a customer.
 */
static bool load_sample(struct op *op, int64_t total, const char ***ret,
			size_t *ret_count)
{
	double share = total <= SAMPLE ? 1 : (double)SAMPLE / (double)total;
	struct db_rows rows;

	if (!db_rows(op, &rows,
		     "SELECT user_id FROM customers WHERE tenant_id = $1"
		     " AND (hashtextextended(user_id, 0) & 4294967295)"
		     " < $2 * 4294967296 ORDER BY user_id LIMIT $3",
		     ARG_I64(op->tenant_id), ARG_DOUBLE(share),
		     /* The day's count may be old: never many more. */
		     ARG_I64(2 * SAMPLE)))
		return false;
	*ret = ARENA_ARRAY(op->arena, const char *, rows.count);
	*ret_count = 0;
	db_each (row, &rows)
		(*ret)[(*ret_count)++] = db_text(&row, "user_id");
	return true;
}

static bool look(struct op *op, const struct tenant_config *config,
		 const char *const *ids, size_t count, struct score *scores,
		 struct view *ret)
{
	struct db_rows rows;

	*ret = (struct view){ .health = 0 };
	if (!features_load(op, config,
			   &(struct user_set){ .ids = ids, .count = count },
			   &rows))
		return false;
	db_each (row, &rows) {
		struct score *s = &scores[row.index];
		struct score_features f;

		features_read(op, config, &row, &f);
		score_compute(config, &f, s);
		ret->stages[s->stage]++;
		ret->risks[s->risk_level]++;
		ret->health += s->health_points;
	}
	return true;
}

static void write_view(struct json_out *j, const char *key,
		       const struct view *v, size_t count)
{
	json_key(j, key);
	json_open(j, '{');
	json_key(j, "stages");
	json_open(j, '{');
	for (int s = 0; s < SCORE_STAGES; s++) {
		json_key(j, score_stage_word((enum score_stage)s));
		json_i64(j, v->stages[s]);
	}
	json_close(j);
	json_key(j, "risks");
	json_open(j, '{');
	for (int r = 0; r < SCORE_RISKS; r++) {
		json_key(j, score_risk_word((enum score_risk)r));
		json_i64(j, v->risks[r]);
	}
	json_close(j);
	json_key(j, "mean_health");
	json_double(j, count == 0 ? 0 : (double)v->health / (double)count);
	json_close(j);
}

static int64_t count_changed(const struct score *a, const struct score *b,
			     size_t count)
{
	int64_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += a[i].stage != b[i].stage ||
		     a[i].risk_level != b[i].risk_level;
	return n;
}

static bool settings_preview(struct op *op, const struct request *rq,
			     struct response *rs)
{
	struct tenant_config now, then;
	struct preview_in in = { 0 };
	struct view a, b;
	const char **ids;
	struct json_out j;
	int64_t total;
	size_t count;

	if (!body_decode(op, rq, preview_fields, ARRAY_LEN(preview_fields),
			 &in) ||
	    !tenant_config_load(op, &now) || !load_proposal(op, &in, &then) ||
	    !load_total(op, &total) || !load_sample(op, total, &ids, &count))
		return false;
	struct score *as = ARENA_ARRAY(op->arena, struct score, count);
	struct score *bs = ARENA_ARRAY(op->arena, struct score, count);
	if (!look(op, &now, ids, count, as, &a) ||
	    !look(op, &then, ids, count, bs, &b))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "customers");
	json_i64(&j, (int64_t)count);
	json_key(&j, "total");
	json_i64(&j, total);
	json_key(&j, "sampled");
	json_boolean(&j, total > SAMPLE);
	json_key(&j, "changed");
	json_i64(&j, count_changed(as, bs, count));
	write_view(&j, "now", &a, count);
	write_view(&j, "then", &b, count);
	json_close(&j);
	return true;
}

const struct route settings_preview_routes[] = {
	{ HTTP_POST, "/api/settings/lifecycle/preview", ACCESS_VIEWER,
	  settings_preview, "previewLifecycle", 0 },
};
const size_t settings_preview_route_count = ARRAY_LEN(settings_preview_routes);
