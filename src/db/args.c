/*
 * Values go to the server in binary where that is simple (numbers, times,
 * arrays: no quoting, no parsing there) and as text where it is not (single
 * uuid and jsonb values).
 */
#include "db/args.h"

#include "base/clock.h"
#include "base/parse.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <assert.h>
#include <endian.h>

/* PostgreSQL counts from 2000-01-01. */
#define PG_EPOCH_US INT64_C(946684800000000)

static const struct {
	Oid scalar, array;
} oids[] = {
	[DB_I64] = { 20, 0 },	     [DB_TEXT] = { 25, 0 },
	[DB_BOOL] = { 16, 0 },	     [DB_DOUBLE] = { 701, 0 },
	[DB_TIME] = { 1184, 0 },     [DB_DAY] = { 1082, 0 },
	[DB_UUID] = { 2950, 0 },     [DB_JSON] = { 3802, 0 },
	[DB_BYTES] = { 17, 0 },	     [DB_TEXTS] = { 25, 1009 },
	[DB_I64S] = { 20, 1016 },    [DB_DOUBLES] = { 701, 1022 },
	[DB_BOOLS] = { 16, 1000 },   [DB_TIMES] = { 1184, 1185 },
	[DB_UUIDS] = { 2950, 2951 }, [DB_JSONS] = { 3802, 3807 },
	[DB_BYTESS] = { 17, 1001 },
};

static void put_i32(struct str *s, int64_t value)
{
	uint32_t net = htonl((uint32_t)value);

	str_put(s, (const char *)&net, sizeof(net));
}

static void put_i64(struct str *s, int64_t value)
{
	uint64_t net = htobe64((uint64_t)value);

	str_put(s, (const char *)&net, sizeof(net));
}

static void put_double(struct str *s, double value)
{
	int64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	put_i64(s, bits);
}

static void put_sized_text(struct str *s, const char *text)
{
	put_i32(s, (int64_t)strlen(text));
	str_puts(s, text);
}

/* What is out of PostgreSQL's range is one of its infinities. */
static int64_t pg_time(int64_t us)
{
	if (us == INT64_MAX || us < INT64_MIN + PG_EPOCH_US)
		return us > 0 ? INT64_MAX : INT64_MIN;
	return us - PG_EPOCH_US;
}

static int64_t pg_day(int64_t us)
{
	int64_t since = us - PG_EPOCH_US;

	return since / US_PER_DAY - (since % US_PER_DAY < 0);
}

/* One array element, with its length in front; -1 is null. */
static bool put_element(struct str *s, const struct db_arg *arg, size_t i)
{
	const char *text = NULL;
	unsigned char uuid[16];

	switch (arg->kind) {
	case DB_I64S:
		put_i32(s, 8);
		put_i64(s, ((const int64_t *)arg->v.ptr)[i]);
		return true;
	case DB_TIMES: {
		int64_t us = ((const int64_t *)arg->v.ptr)[i];

		if (us == DB_TIME_NULL) {
			put_i32(s, -1);
			return true;
		}
		put_i32(s, 8);
		put_i64(s, pg_time(us));
		return true;
	}
	case DB_DOUBLES:
		put_i32(s, 8);
		put_double(s, ((const double *)arg->v.ptr)[i]);
		return true;
	case DB_BOOLS:
		put_i32(s, 1);
		str_putc(s, ((const bool *)arg->v.ptr)[i] ? 1 : 0);
		return true;
	case DB_BYTESS: {
		const struct db_bytes *b =
		    &((const struct db_bytes *)arg->v.ptr)[i];

		put_i32(s, b->bytes == NULL ? -1 : (int64_t)b->len);
		if (b->bytes != NULL)
			str_put(s, b->bytes, b->len);
		return true;
	}
	default:
		text = ((const char *const *)arg->v.ptr)[i];
	}
	if (text == NULL) {
		put_i32(s, -1);
	} else if (arg->kind == DB_UUIDS) {
		if (!parse_uuid(text, uuid))
			return false;
		put_i32(s, sizeof(uuid));
		str_put(s, (const char *)uuid, sizeof(uuid));
	} else if (arg->kind == DB_JSONS) {
		put_i32(s, (int64_t)strlen(text) + 1);
		str_putc(s, 1); /* version of jsonb's binary form */
		str_puts(s, text);
	} else {
		put_sized_text(s, text);
	}
	return true;
}

static bool encode_array(struct op *op, const struct db_arg *arg,
			 struct args *ret, size_t i)
{
	struct str s;

	str_init(&s, op->arena, 512u << 20);
	put_i32(&s, arg->len == 0 ? 0 : 1); /* dimensions */
	put_i32(&s, 1);			    /* may hold nulls */
	put_i32(&s, oids[arg->kind].scalar);
	if (arg->len > 0) {
		put_i32(&s, (int64_t)arg->len);
		put_i32(&s, 1); /* lower bound */
	}
	for (size_t n = 0; n < arg->len; n++)
		if (!put_element(&s, arg, n))
			return op_fail(op, FAIL_INTERNAL, "bad_argument",
				       "an argument is malformed");
	ret->types[i] = oids[arg->kind].array;
	ret->values[i] = s.bytes;
	ret->lengths[i] = (int)s.len;
	ret->formats[i] = 1;
	return true;
}

static void encode_scalar(struct op *op, const struct db_arg *arg,
			  struct args *ret, size_t i)
{
	struct str s;

	ret->formats[i] = 1;
	switch (arg->kind) {
	case DB_TEXT:
	case DB_UUID:
	case DB_JSON:
		ret->values[i] = arg->v.ptr;
		ret->formats[i] = 0;
		return;
	case DB_BYTES:
		ret->values[i] = arg->v.ptr;
		ret->lengths[i] = (int)arg->len;
		return;
	default:
		break;
	}
	str_init(&s, op->arena, 64);
	if (arg->kind == DB_BOOL)
		str_putc(&s, arg->v.b ? 1 : 0);
	else if (arg->kind == DB_DOUBLE)
		put_double(&s, arg->v.f64);
	else if (arg->kind == DB_TIME)
		put_i64(&s, pg_time(arg->v.i64));
	else if (arg->kind == DB_DAY)
		put_i32(&s, pg_day(arg->v.i64));
	else
		put_i64(&s, arg->v.i64);
	ret->values[i] = s.bytes;
	ret->lengths[i] = (int)s.len;
}

bool args_encode(struct op *op, const struct db_arg *args, size_t count,
		 struct args *ret)
{
	ret->types = ARENA_ARRAY(op->arena, Oid, count + 1);
	ret->values = ARENA_ARRAY(op->arena, const char *, count + 1);
	ret->lengths = ARENA_ARRAY(op->arena, int, count + 1);
	ret->formats = ARENA_ARRAY(op->arena, int, count + 1);
	for (size_t i = 0; i < count; i++) {
		bool array = oids[args[i].kind].array != 0;

		if (args[i].null)
			ret->types[i] = array ? oids[args[i].kind].array
					      : oids[args[i].kind].scalar;
		else if (array) {
			if (!encode_array(op, &args[i], ret, i))
				return false;
		} else {
			encode_scalar(op, &args[i], ret, i);
			ret->types[i] = oids[args[i].kind].scalar;
		}
	}
	return true;
}

const char *args_text(struct arena *a, const struct db_arg *arg)
{
	struct str s;

	if (arg->null)
		return "NULL";
	switch (arg->kind) {
	case DB_I64:
		return arena_printf(a, "%lld", (long long)arg->v.i64);
	case DB_BOOL:
		return arg->v.b ? "true" : "false";
	case DB_DOUBLE:
		return arena_printf(a, "%.17g", arg->v.f64);
	case DB_TIME:
		return clock_write(a, arg->v.i64);
	case DB_DAY:
		return clock_write_day(a, arg->v.i64);
	case DB_TEXT:
	case DB_UUID:
	case DB_JSON:
		return arena_printf(a, "'%s'", (const char *)arg->v.ptr);
	case DB_TEXTS:
	case DB_UUIDS:
	case DB_JSONS:
		break;
	default:
		return "(binary)";
	}
	str_init(&s, a, 1 << 20);
	str_putc(&s, '{');
	for (size_t i = 0; i < arg->len; i++) {
		const char *text = ((const char *const *)arg->v.ptr)[i];

		str_puts(&s, i > 0 ? "," : "");
		str_puts(&s, text != NULL ? text : "NULL");
	}
	str_putc(&s, '}');
	return s.bytes;
}
