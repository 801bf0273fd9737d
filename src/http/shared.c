/*
 * One page of memory that the master maps before fork: slots for costly
 * work, each holding its worker's pid, and the start of the service.
 */
#include "http/shared.h"

#include "base/clock.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS_MAX 32

struct shared {
	int64_t started_us;
	atomic_int limit;
	atomic_int slots[SHARED_KINDS][SLOTS_MAX]; /* pid, 0 when free */
};

static struct shared *shared;

bool shared_init(void)
{
	void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return false;
	shared = memory;
	shared->started_us = clock_monotonic();
	atomic_store(&shared->limit, 1);
	return true;
}

void shared_set_workers(int64_t workers)
{
	int half = workers < 2 ? 1 : (int)(workers / 2);

	atomic_store(&shared->limit, half < SLOTS_MAX ? half : SLOTS_MAX);
}

void shared_clear_pid(pid_t pid)
{
	for (int kind = 0; kind < SHARED_KINDS; kind++) {
		for (int i = 0; i < SLOTS_MAX; i++) {
			int owner = (int)pid;

			atomic_compare_exchange_strong(&shared->slots[kind][i],
						       &owner, 0);
		}
	}
}

int64_t shared_uptime_s(void)
{
	if (shared == NULL)
		return 0;
	return (clock_monotonic() - shared->started_us) / US_PER_SECOND;
}

static void give_back(void *object)
{
	atomic_store((atomic_int *)object, 0);
}

bool shared_take(struct op *op, enum shared_kind kind)
{
	int limit;

	if (shared == NULL)
		return true;
	limit = atomic_load(&shared->limit);
	for (int i = 0; i < limit; i++) {
		atomic_int *slot = &shared->slots[kind][i];
		int nobody = 0;

		if (atomic_compare_exchange_strong(slot, &nobody,
						   (int)getpid())) {
			arena_defer(op->arena, give_back, slot);
			return true;
		}
	}
	op_fail(op, FAIL_UNAVAILABLE, "busy",
		"too many costly operations at once, try again");
	op->fail.retry_after_s = 1;
	return false;
}
