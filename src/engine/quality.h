/*
 * Quality checks: what must hold of every message, whoever wrote it. Pure:
 * no database. A failed check never stops a person, but such a message
 * never sends itself.
 *
 * Checks, by name: length, placeholders, things_to_avoid, links,
 * addresses, offers, repetition.
 */
#ifndef ENGINE_QUALITY_H
#define ENGINE_QUALITY_H

#include "base/op.h"
#include "engine/tenant_config.h"

struct quality_input {
	const char *channel;
	const char *subject; /* may be NULL */
	const char *message; /* NULL fails "length" */
	const char *customer_email;
	const char *mail_from;	 /* the tenant's own address; or NULL */
	const char *base_url;	 /* our own links are allowed */
	const char *cta_url;	 /* of the playbook; or NULL */
	struct name_list offers; /* of the playbook: allowed claims */
	struct name_list allowed_domains;
	struct name_list avoid;	 /* brand.things_to_avoid */
	struct name_list recent; /* bodies sent to this customer lately */
};

struct quality_result {
	bool passed;
	const char
	    *json; /* arena: {"passed":…,"checks":[{name,passed,detail}]} */
};

void quality_check(struct op *op, const struct quality_input *in,
		   struct quality_result *ret);

/*
 * arena: the members of a JSON array of texts (brand.things_to_avoid); empty
 * for anything else.
 */
struct name_list quality_texts(struct op *op, struct json_object *array);

#endif
