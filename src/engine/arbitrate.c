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
	double lead = arbitrate_history(b) - arbitrate_history(a);

	if (a->playbook->priority != b->playbook->priority)
		return a->playbook->priority > b->playbook->priority ? -1 : 1;
	if (lead != 0)
		return lead < 0 ? -1 : 1;
	/* UUIDv7: the older id sorts first. */
	return strcmp(a->playbook->id, b->playbook->id);
}

void arbitrate(struct contender *contenders, size_t count)
{
	if (count > 1)
		qsort(contenders, count, sizeof(*contenders), by_rank);
}
