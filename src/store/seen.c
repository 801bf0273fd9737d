/*
 * Buckets of four 64-bit hashes; a new one pushes out the oldest of its
 * bucket. 512 KiB: a worker's share of memory is small.
 */
#include "store/seen.h"

#include "base/clock.h"

#include <sodium.h>

#define BUCKETS	  16384
#define BUCKET	  4
#define KEEP_US	  US_PER_HOUR
#define BYTES_MAX 300 /* a tenant and a user id of 255 bytes */

static uint64_t table[BUCKETS][BUCKET]; /* 0: free */
static unsigned char seed[crypto_shorthash_KEYBYTES];
static bool seeded;
static int64_t emptied_us;

static uint64_t hash_of(int64_t tenant_id, const char *user_id)
{
	unsigned char bytes[BYTES_MAX];
	size_t len = strnlen(user_id, BYTES_MAX - sizeof(tenant_id));
	uint64_t hash;

	if (!seeded) {
		randombytes_buf(seed, sizeof(seed));
		seeded = true;
	}
	memcpy(bytes, &tenant_id, sizeof(tenant_id));
	memcpy(bytes + sizeof(tenant_id), user_id, len);
	crypto_shorthash((unsigned char *)&hash, bytes, sizeof(tenant_id) + len,
			 seed);
	return hash != 0 ? hash : 1;
}

bool seen_has(int64_t tenant_id, const char *user_id, int64_t now_us)
{
	uint64_t hash = hash_of(tenant_id, user_id);
	const uint64_t *bucket = table[hash % BUCKETS];

	if (now_us - emptied_us > KEEP_US) {
		seen_reset();
		emptied_us = now_us;
	}
	for (size_t i = 0; i < BUCKET; i++)
		if (bucket[i] == hash)
			return true;
	return false;
}

void seen_add(int64_t tenant_id, const char *user_id)
{
	uint64_t hash = hash_of(tenant_id, user_id);
	uint64_t *bucket = table[hash % BUCKETS];

	for (size_t i = 0; i < BUCKET; i++)
		if (bucket[i] == hash)
			return;
	memmove(bucket + 1, bucket, (BUCKET - 1) * sizeof(*bucket));
	bucket[0] = hash;
}

void seen_reset(void)
{
	memset(table, 0, sizeof(table));
}
