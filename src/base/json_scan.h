/*
 * The grammar of JSON (RFC 8259) and our limits, checked before json-c
 * sees a text: json-c 0.16 takes single quotes, NaN, `1.`, control
 * characters and lone surrogates, cuts keys at \u0000 and clamps integers.
 *
 * For json_in.c and its fuzzer; everybody else calls json_parse().
 */
#ifndef BASE_JSON_SCAN_H
#define BASE_JSON_SCAN_H

#include "base/str.h"

struct json_fault {
	size_t offset;	     /* byte at which the text stops being JSON */
	const char *problem; /* static */
};

/*
 * True when bytes are one JSON value that json-c and PostgreSQL read alike,
 * with at most depth_max nested containers. Refused too: \u0000, numbers
 * beyond a double or of more than 400 characters or exponents over 400.
 *
 * json-c clamps integers that do not fit int64_t. Where there are some, the
 * whole text is written to wide with ".0" behind each, to be read instead;
 * otherwise wide stays as it was. False sets *ret_fault.
 */
MUST_CHECK bool json_scan(const char *bytes, size_t len, unsigned depth_max,
			  struct str *wide, struct json_fault *ret_fault);

#endif
