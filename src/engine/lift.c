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

/* The mean of a beta distribution behind x of n, and usual before them. */
static double drawn(int64_t x, int64_t n, double usual)
{
	return ((double)x + LIFT_PRIOR * usual) / ((double)n + LIFT_PRIOR);
}

double lift_expected(const struct lift_counts *c, double usual)
{
	return drawn(c->treated_positive, c->treated, usual) -
	       drawn(c->held_out_positive, c->held_out, usual);
}

/* For a verdict: so many in each arm, and ends of each kind to expect. */
#define ARM_MIN	     20
#define EXPECTED_MIN 5

/* Cochran's rule, on the arms as they would stand without an effect. */
static bool is_enough(const struct lift_counts *c)
{
	int64_t all = c->treated + c->held_out;
	int64_t good = c->treated_positive + c->held_out_positive;
	int64_t arm = c->treated < c->held_out ? c->treated : c->held_out;
	int64_t rarer = good < all - good ? good : all - good;

	return c->reached > 0 && arm >= ARM_MIN &&
	       (double)arm * (double)rarer / (double)all >= EXPECTED_MIN;
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
	if (!is_enough(c))
		return lift;
	if (lift.low > 0)
		lift.verdict = "better";
	else if (lift.high < 0)
		lift.verdict = "worse";
	return lift;
}
