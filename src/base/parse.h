/*
 * Strict text → value. Each returns true and sets *ret, or returns false
 * and leaves *ret alone; none trims, rounds or clamps, none looks at the
 * locale. They take no op: the caller knows which field to name.
 */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include "base/base.h"

/* Decimal integer, optional '-', no '+', no "-0", no leading zeros. */
MUST_CHECK bool parse_i64(const char *text, int64_t min, int64_t max,
			  int64_t *ret);

/* A number in JSON's grammar such as -1.5e3; finite. */
MUST_CHECK bool parse_double(const char *text, double *ret);

/*
 * RFC 3339 date-time with any offset, 'T' or 't' or ' ' between, up to nine
 * digits of fraction (cut to microseconds), leap second 60 read as 59.
 * Years 1 to 9999.
 */
MUST_CHECK bool parse_time(const char *text, int64_t *ret_us);

/* "2026-11-23" → its midnight UTC. */
MUST_CHECK bool parse_day(const char *text, int64_t *ret_us);

/* "HH:MM" or "HH:MM:SS" → seconds since midnight. */
MUST_CHECK bool parse_clock(const char *text, int *ret_s);

#define UUID_TEXT_LEN 36

/* Canonical 8-4-4-4-12 text, either case. */
bool parse_is_uuid(const char *text);
MUST_CHECK bool parse_uuid(const char *text, unsigned char ret[16]);

/*
 * A mail address safe in SMTP and headers: ASCII, one '@', no spaces,
 * quotes, brackets or commas, a dot in the domain, at most 254 bytes.
 */
bool parse_is_email(const char *text);

/* True when the bytes are well-formed UTF-8 (RFC 3629, no surrogates). */
bool parse_is_utf8(const char *bytes, size_t len);

/* Length of the longest well-formed UTF-8 at the start of the bytes. */
size_t parse_utf8_prefix(const char *bytes, size_t len);

/* Number of code points in well-formed UTF-8. */
size_t parse_utf8_len(const char *text);

/*
 * Bytes of the character at the start of text when it is one that shows
 * nothing and may hide or turn round what stands beside it (Unicode's
 * Default_Ignorable_Code_Point: soft hyphens, joiners, directions, fillers,
 * variations, tags); else 0, also at the end and for malformed UTF-8.
 */
size_t parse_hidden_len(const char *text);

#endif
