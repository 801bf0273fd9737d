/*
 * What the tenant says of itself: the planner writes by it, and the quality
 * checks refuse a message that says what is to be avoided.
 */
#include "api/auth.h"
#include "api/reply.h"
#include "api/routes.h"
#include "base/str.h"
#include "db/db.h"
#include "http/body.h"
#include "store/audit.h"
#include "store/tenant.h"

#define TEXT_MAX  10000
#define ITEMS_MAX 100
#define ITEM_MAX  500

struct brand_in {
	const char *product_description, *tone_guidelines;
	struct text_list things_to_mention, things_to_avoid;
};

static const struct field brand_fields[] = {
	FIELD_TEXT(struct brand_in, product_description, false, 0, TEXT_MAX),
	FIELD_TEXT(struct brand_in, tone_guidelines, false, 0, TEXT_MAX),
	FIELD_TEXTS(struct brand_in, things_to_mention, false, 0, ITEMS_MAX,
		    .item_max = ITEM_MAX),
	FIELD_TEXTS(struct brand_in, things_to_avoid, false, 0, ITEMS_MAX,
		    .item_max = ITEM_MAX),
};

static void write_text(struct json_out *j, const char *key, const char *text)
{
	if (text != NULL)
		json_pair(j, key, text);
}

static void write_list(struct json_out *j, const char *key,
		       const struct text_list *list)
{
	if (list->items == NULL)
		return;
	json_key(j, key);
	json_open(j, '[');
	for (size_t i = 0; i < list->count; i++)
		json_string(j, list->items[i]);
	json_close(j);
}

/* arena: the members that were given; the others stay as they are. */
static const char *change_json(struct op *op, const struct brand_in *in)
{
	struct json_out j;
	struct str s;

	str_init(&s, op->arena, 1 << 20);
	json_init(&j, &s);
	json_open(&j, '{');
	write_text(&j, "product_description", in->product_description);
	write_text(&j, "tone_guidelines", in->tone_guidelines);
	write_list(&j, "things_to_mention", &in->things_to_mention);
	write_list(&j, "things_to_avoid", &in->things_to_avoid);
	json_close(&j);
	return s.bytes;
}

static bool brand_update(struct op *op, const struct request *rq,
			 struct response *rs)
{
	struct brand_in in = { 0 };
	struct tenant tenant;
	struct db_row row;

	if (!body_decode(op, rq, brand_fields, ARRAY_LEN(brand_fields), &in) ||
	    !tenant_load(op, true, &tenant))
		return false;
	return db_one(op, &row,
		      "UPDATE tenant_settings SET brand ="
		      " coalesce(brand, '{}') || $3, updated_at = $2"
		      " WHERE tenant_id = $1 RETURNING brand",
		      ARG_I64(op->tenant_id), ARG_TIME(op->now_us),
		      ARG_JSON(change_json(op, &in))) &&
	       audit_put(op, auth_actor(op), "settings.brand", NULL,
			 tenant.brand, db_text(&row, "brand")) &&
	       reply_true(op, rs, 200, "updated");
}

const struct route brand_routes[] = {
	{ HTTP_PATCH, "/api/settings/brand", ACCESS_ADMIN, brand_update,
	  "updateBrand", 0 },
};
const size_t brand_route_count = ARRAY_LEN(brand_routes);
