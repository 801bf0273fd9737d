/*
 * The op: one HTTP request or one batch item, passed first to everything
 * that can fail. It holds the arena, the database handle, the settings,
 * the clock, the tenant, and one latched failure.
 *
 * To fail: return op_fail(op, FAIL_CONFLICT, "email_taken",
 *                         "another user has this email");
 * To propagate: if (!f(op, ...)) return false;
 * The first failure wins; later ones are dropped. Only the two edges
 * (dispatcher, batch stage loop) read the failure, and log it once.
 */
#ifndef BASE_OP_H
#define BASE_OP_H

#include "base/arena.h"
#include "base/base.h"

struct config;
struct db;
struct principal;
struct str;

enum fail_kind {
	FAIL_NONE,
	FAIL_INVALID,		 /* 400: the input is wrong */
	FAIL_UNAUTHENTICATED,	 /* 401 */
	FAIL_FORBIDDEN,		 /* 403 */
	FAIL_NOT_FOUND,		 /* 404 */
	FAIL_METHOD_NOT_ALLOWED, /* 405 */
	FAIL_CONFLICT,		 /* 409 */
	FAIL_GONE,		 /* 410 */
	FAIL_TOO_LARGE,		 /* 413 */
	FAIL_UNSUPPORTED_MEDIA,	 /* 415 */
	FAIL_RATE_LIMITED,	 /* 429 */
	FAIL_UNAVAILABLE,	 /* 503: try again later */
	FAIL_INTERNAL,		 /* 500: a bug of ours */
	FAIL_KINDS
};

/* One wrong field: path such as "events[3].user_id". */
struct fail_detail {
	const char *path;
	const char *message;
	struct fail_detail *next;
};

struct fail {
	enum fail_kind kind;
	const char *code;    /* stable slug for machines */
	const char *message; /* one factual line for people */
	const char *detail;  /* for the log only; may be NULL */
	const char *extra;   /* JSON members to add, `"limit":3`; or NULL */
	int retry_after_s;   /* 0: none */
	struct fail_detail *fields, **fields_end;
	size_t field_count;
};

struct op {
	struct arena *arena;
	struct db *db;		     /* NULL where none is needed */
	const struct config *config; /* borrowed: lives with the process */
	int64_t now_us;		     /* the op's clock, µs since 1970 UTC */
	int64_t tenant_id;	     /* 0: none yet */
	const struct principal *principal; /* who asks (api/auth.h) or NULL */
	const char *tag; /* request id or stage, for the log */
	/* Fills bytes with randomness; replaced by tests and replay. */
	void (*random)(void *bytes, size_t len);
	struct fail fail;
};

/*
 * Makes *op ready: fresh failure, clock from clock_now(), random from
 * libsodium. arena is borrowed for the life of the op; db may be NULL.
 */
void op_init(struct op *op, struct arena *arena, struct db *db,
	     const struct config *config);

/*
 * Latches a failure and returns false, always. code is a static slug;
 * the message is copied into the arena.
 */
bool op_fail(struct op *op, enum fail_kind kind, const char *code,
	     const char *format, ...) PRINTF_LIKE(4, 5);

/*
 * Adds one wrong field to a FAIL_INVALID failure ("invalid_request") and
 * returns false. Decoders call it for each bad field and fail at the end,
 * so that the client sees all of them at once (at most 50 are kept). The
 * failure's own message is the first field's: "path: message". Dropped when
 * another kind of failure came first.
 */
bool op_fail_at(struct op *op, const char *path, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Adds what the log alone may show; keeps the first. Returns false. */
bool op_fail_detail(struct op *op, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds JSON members (`"current":3,"limit":3`) to the failure. Returns false. */
bool op_fail_extra(struct op *op, const char *members);

/* True once something failed. */
static inline bool op_failed(const struct op *op)
{
	return op->fail.kind != FAIL_NONE;
}

/* Forgets the failure, for a caller that handled it (savepoint, retry). */
void op_clear(struct op *op);

/* static: the slug of a kind, for logs ("not_found"). */
const char *fail_kind_name(enum fail_kind kind);

#endif
