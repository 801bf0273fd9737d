/*
 * The users that this process has seen in the database: ingest inserts a
 * customer only for the others, so in steady state its one statement stands
 * alone. A bounded set of hashes with a seed of the process; a forgotten
 * user costs one needless ON CONFLICT DO NOTHING.
 *
 * It may only say "seen" of a user whose row is committed. A row deleted
 * afterwards is an erasure, and then not inserting it again is right; a
 * user missed for any other reason (the set is emptied each hour) is made
 * by the refresh stage.
 */
#ifndef STORE_SEEN_H
#define STORE_SEEN_H

#include "base/base.h"

bool seen_has(int64_t tenant_id, const char *user_id, int64_t now_us);
void seen_add(int64_t tenant_id, const char *user_id);

/* Empties the set (tests). */
void seen_reset(void);

#endif
