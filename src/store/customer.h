/*
 * Rows of customers as several callers write them: made by the first
 * event, named by $identify, opted out by links. Reading them for lists
 * and pages is api/customers.c's.
 *
 * All run inside the caller's transaction on op->tenant_id.
 */
#ifndef STORE_CUSTOMER_H
#define STORE_CUSTOMER_H

#include "store/traits.h"

/*
 * arena: the hash under which erasures keep an erased user of
 * op->tenant_id, as lower-case hex (the column is bytea).
 */
const char *customer_erase_hash(struct op *op, const char *user_id);

/*
 * Queues the insert of those of the ids that have no row yet; ids without
 * twins and sorted by bytes, so that two batches at once wait for each
 * other in one order. Erased users are left out.
 */
MUST_CHECK bool customers_add(struct op *op, const char *const *user_ids,
			      size_t count);

/*
 * Queues the locking of existing customers in the order of their ids: to
 * go in front of customers_identify(), since an UPDATE of many promises no
 * order.
 */
MUST_CHECK bool customers_lock(struct op *op, const char *const *user_ids,
			       size_t count);

/*
 * Queues the update of existing customers by their traits, sorted by
 * user_id, each id once. An email that is set changes only when the key or
 * person of the transaction ranks above ingest; the rest of the traits
 * applies either way. properties stop growing at 64 KiB. Match looks at
 * the customers again.
 */
MUST_CHECK bool customers_identify(struct op *op, const char *const *user_ids,
				   const struct traits *traits, size_t count);

/* What a preference call or an unsubscribe link sets. */
struct preferences {
	bool has_opted_out, opted_out;
	const char *const *off; /* channels to switch off */
	size_t off_count;
	const char *const *on; /* channels to switch on */
	size_t on_count;
};

/*
 * Writes preferences and an audit row; what does not change anything is
 * not written. *ret_changed may be NULL. Fails: FAIL_NOT_FOUND.
 */
MUST_CHECK bool customer_set_preferences(struct op *op, const char *actor,
					 const char *user_id,
					 const struct preferences *prefs,
					 bool *ret_changed);

/* What an unsubscribe link says. Texts are arena. */
struct unsubscribe {
	int64_t tenant_id;
	const char *intervention_id; /* NULL: not of one message */
	const char *channel;
	const char *user_id;
};

/*
 * arena: the token of the link <base url>/api/unsubscribe/<token> for a
 * mail to user_id of op->tenant_id. intervention_id may be NULL.
 */
const char *unsubscribe_token(struct op *op, const char *user_id,
			      const char *intervention_id);

/* False when the token is not one of ours. Needs no transaction. */
MUST_CHECK bool unsubscribe_parse(struct op *op, const char *token,
				  struct unsubscribe *ret);

#endif
