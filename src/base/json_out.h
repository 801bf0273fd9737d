/*
 * Streaming JSON writer into a str. Commas and nesting are kept by the
 * writer; the caller says what comes next:
 *
 *   json_open(&j, '{');
 *   json_key(&j, "id");    json_string(&j, id);
 *   json_key(&j, "tags");  json_open(&j, '['); ... json_close(&j);
 *   json_close(&j);
 *
 * Text must be UTF-8 without NUL. Failure latches in the str (str_ok()).
 * Depth is at most 32; unbalanced calls are programming errors (assert).
 */
#ifndef BASE_JSON_OUT_H
#define BASE_JSON_OUT_H

#include "base/str.h"

#define JSON_DEPTH_MAX 32

struct json_out {
	struct str *out;
	unsigned depth;
	bool after_key;
	char close[JSON_DEPTH_MAX];
	bool has_item[JSON_DEPTH_MAX];
};

void json_init(struct json_out *j, struct str *out);
void json_open(struct json_out *j, char brace); /* '{' or '[' */
void json_close(struct json_out *j);
void json_key(struct json_out *j, const char *key);
void json_string(struct json_out *j, const char *text); /* NULL → null */
void json_string_len(struct json_out *j, const char *bytes, size_t len);
void json_i64(struct json_out *j, int64_t value);
void json_double(struct json_out *j, double value); /* shortest; NaN → null */
void json_boolean(struct json_out *j, bool value);
void json_null(struct json_out *j);
/* Copies text that is JSON already (a jsonb column, a number). NULL → null. */
void json_raw(struct json_out *j, const char *json);
/* Copies members of an object that are JSON already: `"a":1,"b":2`. */
void json_members(struct json_out *j, const char *members);
/* "key": "text" in one call; NULL text → null. */
void json_pair(struct json_out *j, const char *key, const char *text);

#endif
