/*
 * The lift of a playbook from the counts of both arms.
 */
#include "engine/lift.h"

#include <math.h>

/* The 97.5 % point of the normal distribution. */
#define Z 1.959963984540054

struct span {
	double low, share, high;
};

/* Wilson's score interval of x out of n > 0. */
static struct span wilson(int64_t x, int64_t n)
{
	double size = (double)n, p = (double)x / size, z2 = Z * Z;
	double middle = p + z2 / (2 * size);
	double half = Z * sqrt((p * (1 - p) + z2 / (4 * size)) / size);
	double scale = 1 + z2 / size;

	return (struct span){ (middle - half) / scale, p,
			      (middle + half) / scale };
}

struct lift lift_of(const struct lift_counts *c)
{
	struct lift lift = { .verdict = "not_enough_data" };

	if (c->treated == 0 || c->held_out == 0)
		return lift;
	struct span a = wilson(c->treated_positive, c->treated);
	struct span b = wilson(c->held_out_positive, c->held_out);
	lift.known = true;
	lift.difference = a.share - b.share;
	lift.low = lift.difference - hypot(a.share - a.low, b.high - b.share);
	lift.high = lift.difference + hypot(a.high - a.share, b.share - b.low);
	if (c->reached == 0)
		return lift;
	if (lift.low > 0)
		lift.verdict = "better";
	else if (lift.high < 0)
		lift.verdict = "worse";
	return lift;
}
