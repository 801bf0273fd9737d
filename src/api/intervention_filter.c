/*
 * Every wrong filter is reported in one answer, like the fields of a body.
 */
#include "api/intervention_filter.h"

#include "base/parse.h"

/* static: the status that the len bytes at text name, or NULL. */
static const char *status_find(const struct status_word *words,
			       const char *text, size_t len)
{
	for (; words->word != NULL; words++) {
		if (strlen(words->word) == len &&
		    memcmp(words->word, text, len) == 0)
			return words->status;
	}
	return NULL;
}

/* One status, or several separated by commas. */
static bool parse_statuses(struct op *op, const struct status_word *words,
			   const char *text, struct intervention_filter *ret)
{
	while (text != NULL && *text != '\0') {
		size_t len = strcspn(text, ",");
		const char *status = status_find(words, text, len);

		if (status == NULL || ret->status_count == FILTER_STATUSES_MAX)
			return op_fail_at(op, "status",
					  "must be statuses of this list,"
					  " separated by commas");
		ret->statuses[ret->status_count++] = status;
		text += len + (text[len] == ',');
	}
	return true;
}

bool intervention_filter_parse(struct op *op, const struct request *rq,
			       const struct status_word *words,
			       struct intervention_filter *ret)
{
	const char *limit = request_query(rq, "limit");
	const char *playbook_id = request_query(rq, "playbook_id");
	const char *user_id = request_query(rq, "user_id");
	bool ok;

	*ret = (struct intervention_filter){ 0 };
	ok = parse_statuses(op, words, request_query(rq, "status"), ret);
	if (limit != NULL && *limit == '\0')
		ok =
		    op_fail_at(op, "limit", "must be an integer from 1 to 100");
	if (playbook_id != NULL && *playbook_id != '\0') {
		if (!parse_is_uuid(playbook_id))
			ok = op_fail_at(op, "playbook_id", "must be a UUID");
		ret->playbook_id = playbook_id;
	}
	if (user_id != NULL && *user_id != '\0')
		ret->user_id = user_id;
	return ok;
}
