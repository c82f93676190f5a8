/* SPDX-License-Identifier: BSD-2-Clause */
/* How far the cores are from each other: what a cache line takes from one to the other. A virtual machine's are
 * now close, now far, as its host likes, and all that two cores hand each other costs accordingly. */
#include <pthread.h>

#include "planes.h"

#define ROUNDS 20000u

struct ball {
	_Alignas(128) _Atomic unsigned at;
};

/* Odd numbers are the other's to see, even ones ours. Relaxed: nothing else is handed over. */
static void *return_ball(void *arg)
{
	struct ball *ball = arg;

	for (unsigned i = 1; i < 2 * ROUNDS; i += 2) {
		while (atomic_load_explicit(&ball->at, memory_order_relaxed) != i)
			;
		atomic_store_explicit(&ball->at, i + 1, memory_order_relaxed);
	}
	return NULL;
}

double line_ns(const struct bench *b)
{
	struct ball ball = {0};
	pthread_t thread;
	uint64_t start;

	threads_elsewhere(b);
	if (pthread_create(&thread, NULL, return_ball, &ball))
		die("cannot start a thread");
	thread_here(b);
	start = now_ns();
	for (unsigned i = 0; i < 2 * ROUNDS; i += 2) {
		if (i == ROUNDS) /* the first half warms up */
			start = now_ns();
		atomic_store_explicit(&ball.at, i + 1, memory_order_relaxed);
		while (atomic_load_explicit(&ball.at, memory_order_relaxed) != i + 2)
			;
	}
	start = now_ns() - start;
	pthread_join(thread, NULL);
	return (double)start / ROUNDS;
}
