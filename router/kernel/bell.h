/* SPDX-License-Identifier: BSD-2-Clause */
/* A bell: wakes the consumer of rings that sleeps in poll() or epoll_wait(), with at most one
 * system call per sleep, and never too late.
 *
 * The bell is one word, `wanted`, and an eventfd. A producer first publishes (spsc_submit()), then
 * rings. A consumer that has found nothing asks for the bell, looks once more, and only then
 * sleeps. Ringing swaps 0 into the word and writes to the eventfd if 1 was there; asking swaps 1
 * into it.
 *
 * No wake-up is lost. The swaps are atomic read-modify-writes of one word, so they have one order:
 * - The producer's comes first: the consumer's swap reads what the producer's (or a later one)
 *   wrote and, being acquire to its release, happens after it. The look that follows sees what was
 *   published, and the consumer does not sleep.
 * - The consumer's comes first: the producer's swap finds 1, or another producer's did in between;
 *   whoever found it writes to the eventfd, and the consumer's poll() returns.
 * This needs no fence and no sequentially consistent access, and ThreadSanitizer understands it.
 *
 * Who asks for the bell in which way:
 * - The thread of the faces knows when it sleeps: bell_want(), look, sleep, bell_unwant(). While it
 *   is awake nobody writes to the eventfd. It clears the eventfd whenever it finds it readable.
 * - A plane sleeps in a loop that knows nothing of bells, only that the descriptor must be readable
 *   while there is something to take. It uses bell_rearm() alone, in which `wanted` goes from 0 to
 *   1 only after one successful read of the eventfd, and goes from 1 to 0 only with one write due.
 *   So while `wanted` is 0, the eventfd is readable or about to be. */
#ifndef PEERLANE_KERNEL_BELL_H
#define PEERLANE_KERNEL_BELL_H

#include <stdatomic.h>
#include <stdbool.h>

struct bell {
	atomic_int wanted; /* 1: the consumer wants an event */
	int fd;		   /* eventfd, non-blocking; for the consumer to poll for input */
};

/* Makes a bell that is wanted. Returns 0 or -errno. */
int bell_init(struct bell *bell);
void bell_fini(struct bell *bell);

/* Producer, after publishing: makes the descriptor readable if that is wanted. Returns true if that
 * took a system call. */
bool bell_ring(struct bell *bell);

/* Consumer: takes the event off the descriptor. Returns false if there was none. */
bool bell_clear(struct bell *bell);

/* Consumer, having found nothing: makes sure that what is published from now on makes the
 * descriptor readable. Returns true if the bell had been rung, and is now wanted again: then the
 * consumer must look once more, and if it finds something and does not mean to come back unasked,
 * bell_ring() itself. Returns false if nothing has happened since it last looked. */
bool bell_rearm(struct bell *bell);

/* Consumer, before it sleeps: asks for the bell. It must look once more after this. */
static inline void bell_want(struct bell *bell)
{
	atomic_exchange_explicit(&bell->wanted, 1, memory_order_acq_rel);
}

/* Consumer, awake again: saves producers their writes. A swap too: a plain store would hide a
 * producer's swap before it from the consumer's next one. */
static inline void bell_unwant(struct bell *bell)
{
	atomic_exchange_explicit(&bell->wanted, 0, memory_order_acq_rel);
}

#endif
