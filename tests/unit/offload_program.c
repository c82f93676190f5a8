/* SPDX-License-Identifier: BSD-2-Clause */
#include "offload_program.h"

#include <time.h>

#include <peerlane/lang.h>

/* Looks at the mailbox are as they are elsewhere: one worker hangs in a packet, others go on. */
static inline uint64_t plain_poll64(const uint64_t *p)
{
	return PL_POLL64(p);
}

#include "slow_loads.h"

#undef PL_POLL64
#define PL_POLL64(p) plain_poll64(p)

#define program_run slow_program_run
#include "../../router/program/device.c"

atomic_bool slow_program_hangs;
atomic_uint slow_program_dawdles;

const struct pl_accel_program slow_program = {.host = slow_program_run};

static __thread uint32_t loads = 1;

static void dawdle(void)
{
	const struct timespec some = {.tv_nsec = 1000000};
	/* Relaxed, both: they say nothing of anything else. */
	unsigned every = atomic_load_explicit(&slow_program_dawdles, memory_order_relaxed);

	/* Marsaglia's xorshift. */
	loads ^= loads << 13;
	loads ^= loads >> 17;
	loads ^= loads << 5;
	if (every && loads % every == 0)
		nanosleep(&some, NULL);
	while (atomic_load_explicit(&slow_program_hangs, memory_order_relaxed))
		nanosleep(&some, NULL);
}
