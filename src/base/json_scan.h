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

#define JSON_PATH_MAX 256

struct json_fault {
	size_t offset;	     /* byte at which the text stops being JSON */
	const char *problem; /* static */
	/*
	 * Where the text is JSON but a number in it is not ours to take: its
	 * place, such as events[3].properties.total (long keys cut, the end
	 * left out where it does not fit); otherwise "".
	 */
	char path[JSON_PATH_MAX];
};

/*
 * True when bytes are one JSON value that json-c and PostgreSQL read alike,
 * with at most depth_max nested containers. Refused too: \u0000, numbers
 * too large or too near to zero for a normal double, of more than 400
 * characters or with exponents over 400.
 *
 * json-c clamps integers that do not fit int64_t. Where there are some, the
 * whole text is written to wide with ".0" behind each, to be read instead;
 * otherwise wide stays as it was. False sets *ret_fault.
 */
MUST_CHECK bool json_scan(const char *bytes, size_t len, unsigned depth_max,
			  struct str *wide, struct json_fault *ret_fault);

#endif
