/*
 * JSON bodies → structs, by a const table of fields.
 *
 *	struct playbook_in {
 *		const char *name;
 *		bool enabled;
 *		const char *note;
 *		bool has_note;
 *	};
 *	static const struct field playbook_fields[] = {
 *		FIELD_TEXT(struct playbook_in, name, true, 1, 200),
 *		FIELD_BOOL(struct playbook_in, enabled, false),
 *		FIELD_TEXT(struct playbook_in, note, false, 0, 2000,
 *			   .nullable = true,
 *			   FIELD_HAS(struct playbook_in, has_note)),
 *	};
 *	struct playbook_in in = { .enabled = true };
 *
 *	if (!body_decode(op, rq, playbook_fields, ARRAY_LEN(playbook_fields),
 *			 &in))
 *		return false;
 *
 * A member of the wrong C type does not compile. An absent field leaves its
 * member as the caller set it (default, or NULL = unchanged in PUT/PATCH).
 * JSON null is like absent, and of a required field an error, unless the
 * field is nullable: then texts and JSON become NULL, numbers stay, and the
 * flag of FIELD_HAS is set.
 *
 * All wrong fields of a body are reported at once (op_fail_at), by paths
 * such as "constraints.quiet_hours.start". Unknown members are ignored
 * (the contract is open); body_no_others() refuses them where wanted.
 *
 * Pointers set by decoding are borrowed for the op. Texts never hold NUL.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "http/request.h"

#include <json-c/json_object.h>

enum field_kind {
	FIELD_KIND_TEXT,
	FIELD_KIND_BOOL,
	FIELD_KIND_I64,
	FIELD_KIND_DOUBLE,
	FIELD_KIND_JSON,       /* an object */
	FIELD_KIND_JSON_ARRAY, /* an array */
	FIELD_KIND_JSON_ANY,
	FIELD_KIND_ENUM,
	FIELD_KIND_UUID,
	FIELD_KIND_EMAIL,
	FIELD_KIND_TIME,
	FIELD_KIND_TEXTS, /* an array of texts */
};

/* What FIELD_TEXTS fills. */
struct text_list {
	const char **items; /* NULL: absent */
	size_t count;
};

struct field {
	const char *name; /* member of the C struct and of the JSON object */
	size_t offset;
	enum field_kind kind;
	bool required;
	int64_t min, max; /* bytes, value, or number of items */
	double min_f, max_f;
	const char *const *words; /* FIELD_ENUM: ends with NULL */

	/* Options, written behind a macro's arguments. */
	bool nullable;
	bool in_chars;	 /* FIELD_TEXT: min and max count code points */
	bool one_line;	 /* FIELD_TEXT: no control characters */
	const char *as;	 /* the JSON name, where it is not the C name */
	size_t has;	 /* by FIELD_HAS; 0: none */
	size_t item_max; /* FIELD_TEXTS: bytes of an item; 0: 255 */
	size_t json_max; /* FIELD_JSON*: bytes as compact text; 0: any */
};

/* The offset of a member; does not compile when its type is not ctype. */
#define FIELD_OFFSET(type, member, ctype)                                      \
	(offsetof(type, member) +                                              \
	 0 * sizeof(struct {                                                   \
		 _Static_assert(__builtin_types_compatible_p(                  \
				    __typeof__(((type *)0)->member), ctype),   \
				"field " #member " has another type");         \
		 char c;                                                       \
	 }))

/* Option: the bool member that says that the field was given. */
#define FIELD_HAS(type, member) .has = FIELD_OFFSET(type, member, bool) + 1

#define FIELD_(type, member, ctype, kind_, required_, ...)                     \
	{                                                                      \
		.name = #member, .offset = FIELD_OFFSET(type, member, ctype),  \
		.kind = (kind_), .required = (required_), __VA_ARGS__          \
	}

/* const char *; length in bytes from lo to hi. */
#define FIELD_TEXT(type, member, required_, lo, hi, ...)                       \
	FIELD_(type, member, const char *, FIELD_KIND_TEXT, required_,         \
	       .min = (lo), .max = (hi), ##__VA_ARGS__)
/* bool */
#define FIELD_BOOL(type, member, required_, ...)                               \
	FIELD_(type, member, bool, FIELD_KIND_BOOL, required_, ##__VA_ARGS__)
/* int64_t; a JSON number without fraction. */
#define FIELD_I64(type, member, required_, lo, hi, ...)                        \
	FIELD_(type, member, int64_t, FIELD_KIND_I64, required_, .min = (lo),  \
	       .max = (hi), ##__VA_ARGS__)
/* double; finite. */
#define FIELD_DOUBLE(type, member, required_, lo, hi, ...)                     \
	FIELD_(type, member, double, FIELD_KIND_DOUBLE, required_,             \
	       .min_f = (lo), .max_f = (hi), ##__VA_ARGS__)
/* struct json_object *; an object. */
#define FIELD_JSON(type, member, required_, ...)                               \
	FIELD_(type, member, struct json_object *, FIELD_KIND_JSON, required_, \
	       ##__VA_ARGS__)
/* struct json_object *; an array of lo to hi items. */
#define FIELD_JSON_ARRAY(type, member, required_, lo, hi, ...)                 \
	FIELD_(type, member, struct json_object *, FIELD_KIND_JSON_ARRAY,      \
	       required_, .min = (lo), .max = (hi), ##__VA_ARGS__)
/* struct json_object *; anything but null. */
#define FIELD_JSON_ANY(type, member, required_, ...)                           \
	FIELD_(type, member, struct json_object *, FIELD_KIND_JSON_ANY,        \
	       required_, ##__VA_ARGS__)
/* const char *; one of the words (an array that ends with NULL). */
#define FIELD_ENUM(type, member, required_, words_, ...)                       \
	FIELD_(type, member, const char *, FIELD_KIND_ENUM, required_,         \
	       .words = (words_), ##__VA_ARGS__)
/* const char *; canonical UUID text, either case. */
#define FIELD_UUID(type, member, required_, ...)                               \
	FIELD_(type, member, const char *, FIELD_KIND_UUID, required_,         \
	       ##__VA_ARGS__)
/* const char *; an address that parse_is_email() takes. */
#define FIELD_EMAIL(type, member, required_, ...)                              \
	FIELD_(type, member, const char *, FIELD_KIND_EMAIL, required_,        \
	       ##__VA_ARGS__)
/* int64_t µs UTC; RFC 3339 text. */
#define FIELD_TIME(type, member, required_, ...)                               \
	FIELD_(type, member, int64_t, FIELD_KIND_TIME, required_, ##__VA_ARGS__)
/* struct text_list; an array of lo to hi non-empty texts. */
#define FIELD_TEXTS(type, member, required_, lo, hi, ...)                      \
	FIELD_(type, member, struct text_list, FIELD_KIND_TEXTS, required_,    \
	       .min = (lo), .max = (hi), ##__VA_ARGS__)

/*
 * Decodes the request's body into the struct at ret, which the caller
 * initialised. Fails: FAIL_UNSUPPORTED_MEDIA when a Content-Type is given
 * that is not application/json in UTF-8; FAIL_INVALID "empty_body",
 * "invalid_json", or "invalid_request" with one detail per wrong field.
 */
MUST_CHECK bool body_decode(struct op *op, const struct request *rq,
			    const struct field *fields, size_t count,
			    void *ret);

/* The same where the whole body may be absent: then *ret stays as it is. */
MUST_CHECK bool body_decode_optional(struct op *op, const struct request *rq,
				     const struct field *fields, size_t count,
				     void *ret);

/*
 * Decodes one object inside a body. path is its own path ("constraints",
 * "events[3]"), or "" for the root. obj must be an object. Returns false
 * when one of these fields was wrong; a caller with several objects may go
 * on and ask op_failed() at the end, so that all errors are reported.
 */
MUST_CHECK bool body_decode_object(struct op *op, struct json_object *obj,
				   const char *path, const struct field *fields,
				   size_t count, void *ret);

/* Reports each member of obj that no field names. */
MUST_CHECK bool body_no_others(struct op *op, struct json_object *obj,
			       const char *path, const struct field *fields,
			       size_t count);

/*
 * The part of the above that looks at no byte of the JSON: for a handler
 * with a decoder of its own. Fails: FAIL_UNSUPPORTED_MEDIA, "empty_body".
 */
MUST_CHECK bool body_is_json(struct op *op, const struct request *rq);

/* The body's root object, borrowed; for handlers that walk it themselves. */
MUST_CHECK bool body_json(struct op *op, const struct request *rq,
			  struct json_object **ret);

/* arena: "path.name", or name when path is "". */
const char *body_path(struct op *op, const char *path, const char *name);

#endif
