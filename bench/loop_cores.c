/* SPDX-License-Identifier: BSD-2-Clause */
/* What the machine gives to threads on several cores at the same time: arithmetic in registers, as much as a core
 * does at a time, and no memory. Threads of one physical core, or cores that others use, show here as well as
 * in what planes forward. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "loop.h"

#define CHAINS 8u /* more than a core's multipliers have under way */
#define ROUNDS 1024u

struct worker {
	pthread_t thread;
	int core;
	_Atomic uint64_t rounds; /* relaxed: only counts */
	atomic_bool stop;	 /* likewise */
};

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t chain[CHAINS], sum = 0;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((unsigned)w->core, &cpus);
	if (pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus))
		die("cannot run on core %d", w->core);
	for (unsigned i = 0; i < CHAINS; i++)
		chain[i] = i + 1;
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		for (unsigned r = 0; r < ROUNDS; r++)
			for (unsigned i = 0; i < CHAINS; i++) {
				chain[i] = chain[i] * 0x9e3779b97f4a7c15u + r;
				__asm__("" : "+r"(chain[i])); /* one by one */
			}
		atomic_fetch_add_explicit(&w->rounds, ROUNDS, memory_order_relaxed);
	}
	for (unsigned i = 0; i < CHAINS; i++)
		sum += chain[i];
	__asm__ volatile("" : : "r"(sum));
	return NULL;
}

static uint64_t done(const struct worker *workers, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += atomic_load_explicit(&workers[i].rounds, memory_order_relaxed);
	return sum;
}

double cores_measure(const int *cores, unsigned n, unsigned long long ms)
{
	struct worker workers[PLANES_MAX] = {0};
	double start_s, end_s;
	uint64_t rounds;

	for (unsigned i = 0; i < n; i++) {
		workers[i].core = cores[i];
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("cannot start a thread");
	}
	for (unsigned i = 0; i < n; i++)
		while (!atomic_load_explicit(&workers[i].rounds, memory_order_relaxed))
			usleep(100);
	start_s = now_s();
	rounds = done(workers, n);
	usleep((useconds_t)ms * 1000);
	end_s = now_s();
	rounds = done(workers, n) - rounds;
	for (unsigned i = 0; i < n; i++)
		atomic_store_explicit(&workers[i].stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	return (double)rounds * CHAINS / (end_s - start_s) / 1e6;
}
