/*
 * Which of the matching playbooks may speak to a customer.
 */
#include "engine/arbitrate.h"

#include <stdlib.h>

double arbitrate_history(const struct contender *c)
{
	return (double)(c->positive + 1) / (double)(c->measured + 2);
}

static int by_rank(const void *left, const void *right)
{
	const struct contender *a = left, *b = right;

	if (a->playbook->priority != b->playbook->priority)
		return a->playbook->priority > b->playbook->priority ? -1 : 1;
	if (a->lift != b->lift)
		return a->lift > b->lift ? -1 : 1;
	/* UUIDv7: the older id sorts first. */
	return strcmp(a->playbook->id, b->playbook->id);
}

void arbitrate(struct contender *contenders, size_t count)
{
	if (count > 1)
		qsort(contenders, count, sizeof(*contenders), by_rank);
}
