/*
 * What the readers of the tenant's config share: the struct being filled,
 * the notes of faults by path, and typed members. Used by tenant_config.c
 * and config_scores.c alone.
 */
#ifndef ENGINE_CONFIG_READER_H
#define ENGINE_CONFIG_READER_H

#include "engine/tenant_config.h"

struct reader {
	struct op *op;
	struct tenant_config *config;
	bool bad;
};

/* Notes a fault; false. */
#define BAD(r, path, ...)                                                      \
	((r)->bad = true, op_fail_at((r)->op, (path), __VA_ARGS__))

/* A plain number of a section. */
struct number {
	const char *name;
	size_t offset;
	bool whole; /* int64_t, else double */
	double min, max;
};

/* arena: path.key and path[i]; a long key is cut. */
const char *reader_at(struct reader *r, const char *path, const char *key);
const char *reader_item(struct reader *r, const char *path, size_t i);

/* Each notes the fault and returns false, "" or 0 when the type is wrong. */
bool reader_object(struct reader *r, const char *path,
		   struct json_object *value);
size_t reader_count(struct reader *r, const char *path,
		    struct json_object *value);
bool reader_number(struct reader *r, const char *path,
		   struct json_object *value, const struct number *number,
		   void *ret);
bool reader_bool(struct reader *r, const char *path, struct json_object *value,
		 bool *ret);
const char *reader_name(struct reader *r, const char *path,
			struct json_object *value);
void reader_names(struct reader *r, const char *path, struct json_object *value,
		  struct name_list *ret);

/* A member that is no number of the section's table; false: not known. */
typedef bool (*member_fn)(struct reader *r, const char *path, const char *key,
			  struct json_object *value);

/*
 * Members of a section: numbers by the table, others by fn (may be NULL).
 * null is like absent.
 */
void reader_section(struct reader *r, const char *path, struct json_object *obj,
		    const struct number *numbers, size_t count, void *ret,
		    member_fn fn);

/* The sections of stages and scores (config_scores.c). */
void config_lifecycle(struct reader *r, const char *path,
		      struct json_object *value);
void config_engagement(struct reader *r, const char *path,
		       struct json_object *value);
void config_health(struct reader *r, const char *path,
		   struct json_object *value);
void config_risk(struct reader *r, const char *path, struct json_object *value);
void config_expansion(struct reader *r, const char *path,
		      struct json_object *value);

#endif
