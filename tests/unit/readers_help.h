/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests with readers on other threads share: slow lookups, real grace periods. To be included
 * before any header of the tables. */
#ifndef PEERLANE_TESTS_READERS_HELP_H
#define PEERLANE_TESTS_READERS_HELP_H

#include <time.h>

#include <urcu-qsbr.h>

/* The lookups of image.h as this file compiles them dawdle, now and then long enough for the writer to change a
 * lot. */
#include "slow_loads.h"

#include "../../router/tables/private.h"
#include "tables_help.h"

/* Set by readers alone. */
static __thread uint64_t dawdle_seed;

static void dawdle(void)
{
	struct timespec some = {.tv_nsec = 50000};

	if (dawdle_seed && random_below(&dawdle_seed, 128) == 0)
		nanosleep(&some, NULL);
}

/* What the thread sanitizer must know of liburcu, whose barriers it cannot see: what a reader did
 * before it said so happened before the grace period ended. */
#ifdef TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
static char grace_tag;
#define READER_SAYS() __tsan_release(&grace_tag)
#define WRITER_HEARS() __tsan_acquire(&grace_tag)
#else
#define READER_SAYS() ((void)0)
#define WRITER_HEARS() ((void)0)
#endif

static unsigned long graces;

static void grace(void)
{
	urcu_qsbr_synchronize_rcu();
	WRITER_HEARS();
	graces++;
}

#endif
