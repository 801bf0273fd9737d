/*
 * The ready-made playbooks, to be looked at and created from.
 */
#include "engine/library.h"
#include "api/routes.h"
#include "http/response.h"

#include <json-c/linkhash.h>

static bool library_list(struct op *op, const struct request *rq,
			 struct response *rs)
{
	struct library_item *items;
	struct json_out j;
	size_t count;

	(void)rq;
	if (!library_load(op, &items, &count))
		return false;
	response_json_begin(rs, 200, &j);
	json_open(&j, '{');
	json_key(&j, "playbooks");
	json_open(&j, '[');
	for (size_t i = 0; i < count; i++) {
		json_open(&j, '{');
		json_pair(&j, "key", items[i].key);
		json_object_object_foreach (items[i].document, name, value) {
			json_key(&j, name);
			json_raw(&j, json_text(op->arena, value));
		}
		json_close(&j);
	}
	json_close(&j);
	json_close(&j);
	return true;
}

const struct route library_routes[] = {
	{ HTTP_GET, "/api/playbooks/library", ACCESS_VIEWER, library_list,
	  "listLibrary", 0 },
};
const size_t library_route_count = ARRAY_LEN(library_routes);
