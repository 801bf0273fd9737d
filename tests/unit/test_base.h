/* The parts of the base suite, and an op for each of their tests. */
#ifndef TESTS_TEST_BASE_H
#define TESTS_TEST_BASE_H

#include "base/op.h"

#include <check.h>

/* 2026-11-23T22:39:00.123456Z */
#define TEST_NOW_US INT64_C(1795473540123456)

/* Fresh in each test; its clock is TEST_NOW_US. */
extern struct op test_op;

/* A case whose tests have test_op. */
TCase *base_case(const char *name);

/* borrowed until the next call: path of a new file with that text. */
const char *test_file(const char *text, unsigned mode);

void base_add_config(Suite *suite);
void base_add_json(Suite *suite);
void base_add_memory(Suite *suite);
void base_add_parse(Suite *suite);
void base_add_secret(Suite *suite);
void base_add_text(Suite *suite);

#endif
