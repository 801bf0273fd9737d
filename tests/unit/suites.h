/* Each unit-test binary defines this: the suite of its layer. */
#ifndef TESTS_SUITES_H
#define TESTS_SUITES_H

#include <check.h>

Suite *layer_suite(void);

/* Parts of the engine's suite, each adding its cases. */
void condition_cases(Suite *suite);
void plan_cases(Suite *suite);
void prompt_cases(Suite *suite);
void score_cases(Suite *suite);

#endif
