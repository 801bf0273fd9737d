/*
 * What `$identify` says of a user, split into the columns of customers and
 * the rest. Pure: no database.
 *
 * Known traits are name, company, role, plan, locale, timezone (texts of 1
 * to 255 bytes without control characters), email (parse_is_email) and
 * team_size (an integer from 0 to 10,000,000). null clears one. A known
 * trait of any other form is kept in the rest as it came, so nothing is
 * lost; whether a time zone exists is asked in SQL.
 */
#ifndef STORE_TRAITS_H
#define STORE_TRAITS_H

#include "base/json_in.h"

struct traits {
	struct json_object *known; /* object; only what was given */
	struct json_object *rest;  /* object */
	/* The same of $set_once: they count where the customer has none. */
	struct json_object *once_known, *once_rest;
};

/* Empty traits; their objects live until the op ends. */
void traits_init(struct op *op, struct traits *ret);

/*
 * Adds the members of properties, an object that is not changed; a later
 * value of the same trait wins.
 */
void traits_merge(struct traits *t, struct json_object *properties);

/* The same for $set_once: the first value of a trait wins. */
void traits_merge_once(struct traits *t, struct json_object *properties);

#endif
