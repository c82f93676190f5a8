/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes while bursts run: routes go and come back at an even rate, as the daemon would change them, and now
 * and then the route that a probe follows leads elsewhere. */
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "bench.h"

#define TICK_NS 1000000u
#define BEHIND_TICKS 20u /* that are made up for; beyond that the rate is not reached */
#define WINDOW 1024u	 /* routes that go before the first of them comes back */
#define FLIP_TICKS 7u	 /* between two changes of the probe's route, if it was seen */
#define SEEN_MAX 100000u

struct churn {
	struct session *s;
	const struct prefix *list;
	uint32_t n;
	unsigned per_tick;
	pthread_t thread;
	atomic_bool stop;

	/* The thread's: */
	uint32_t at, window; /* of the list: the window's first route, and how many it has */
	uint32_t in_window;  /* the next one to change */
	bool coming_back;
	uint64_t changes, ns, random;
	unsigned leads_to; /* the probe's route: which of two */

	/* When the probe's route was changed last, and in the lowest bit where to; 0: never. Release by the
	 * thread that changes; acquire by the driver. */
	_Atomic uint64_t flipped;
	/* What of that the driver has seen. */
	_Atomic uint64_t seen;
	double *seen_us;
	size_t n_seen;
};

static void check(int rc, const char *what)
{
	if (rc)
		die("cannot %s a route: %s", what, strerror(-rc));
}

static void change_one(struct churn *c)
{
	const struct bench *b = c->s->bench;
	const struct prefix *p = &c->list[c->at + c->in_window];

	if (c->coming_back)
		check(tables_route_set(b->tables, p, b->nexthops[routes_nexthop(p, 1, N_NEXTHOPS)]),
		      "add");
	else
		check(tables_route_del(b->tables, p), "delete");
	c->changes++;
	if (++c->in_window < c->window)
		return;
	c->in_window = 0;
	if (c->coming_back)
		c->at = c->at + 2 * c->window > c->n ? 0 : c->at + c->window;
	c->coming_back = !c->coming_back;
}

/* From before the change on, so that all of it counts. */
static void flip(struct churn *c)
{
	const struct bench *b = c->s->bench;
	uint64_t at = now_ns() & ~1ull;

	c->leads_to ^= 1;
	atomic_store_explicit(&c->flipped, at | c->leads_to, memory_order_release);
	check(tables_route_set(b->tables, &b->probe, b->probe_nexthops[c->leads_to]), "change");
}

static bool may_flip(struct churn *c, uint64_t tick)
{
	return tick % FLIP_TICKS == 0 &&
	       atomic_load_explicit(&c->seen, memory_order_acquire) ==
		       atomic_load_explicit(&c->flipped, memory_order_relaxed);
}

static void tick(struct churn *c, uint64_t number)
{
	struct offload *offload = c->s->offload;
	struct pollfd attend = {.fd = offload_event_fd(offload), .events = POLLIN};
	unsigned flip_at = c->per_tick;

	if (may_flip(c, number))
		flip_at = (unsigned)(random64(&c->random) % c->per_tick);
	for (unsigned i = 0; i < c->per_tick; i++) {
		if (i == flip_at)
			flip(c);
		change_one(c);
	}
	tables_settle(c->s->bench->tables);
	if (poll(&attend, 1, 0) > 0)
		offload_attend(offload);
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u),
			     .tv_nsec = (long)(ns % 1000000000u)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *run(void *arg)
{
	struct churn *c = arg;
	uint64_t start = now_ns(), due = start, now;

	for (uint64_t number = 1; !atomic_load_explicit(&c->stop, memory_order_relaxed); number++) {
		tick(c, number);
		due += TICK_NS;
		now = now_ns();
		if (now < due)
			sleep_until(due);
		else if (now > due + BEHIND_TICKS * TICK_NS)
			due = now;
	}
	c->ns = now_ns() - start;
	return NULL;
}

struct churn *churn_start(struct session *s, unsigned family, unsigned rate)
{
	const struct routes *r = &s->bench->routes;
	struct churn *c = checked(calloc(1, sizeof(*c)));

	c->s = s;
	c->list = r->list + (family == 6 ? r->n4 : 0);
	c->n = family == 6 ? r->n6 : r->n4;
	c->window = c->n < WINDOW ? c->n : WINDOW;
	c->per_tick = rate / (1000000000u / TICK_NS) ? rate / (1000000000u / TICK_NS) : 1;
	c->random = s->bench->settings.seed;
	c->seen_us = checked(calloc(SEEN_MAX, sizeof(*c->seen_us)));
	s->churn = c;
	threads_elsewhere(s->bench);
	if (pthread_create(&c->thread, NULL, run, c))
		die("cannot start a thread");
	thread_here(s->bench);
	return c;
}

void churn_seen(struct churn *c, uint16_t verdict, uint64_t now)
{
	static const uint8_t reasons[] = {REASON_BLACKHOLE, REASON_SOURCE};
	/* Acquire and release: what is seen is seen of the change that was made, and the next one comes
	 * after this one was noted. */
	uint64_t flipped = atomic_load_explicit(&c->flipped, memory_order_acquire);

	if (flipped == atomic_load_explicit(&c->seen, memory_order_relaxed) ||
	    verdict != PL_VERDICT(PL_VERDICT_DROP, reasons[flipped & 1]))
		return;
	if (c->n_seen < SEEN_MAX)
		c->seen_us[c->n_seen++] = (double)(now - (flipped & ~1ull)) / 1e3;
	atomic_store_explicit(&c->seen, flipped, memory_order_release);
}

size_t churn_n_seen(const struct churn *c)
{
	return c->n_seen;
}

double churn_stop(struct churn *c, double **seen_us, size_t *n_seen)
{
	const struct bench *b = c->s->bench;
	double rate;

	atomic_store_explicit(&c->stop, true, memory_order_relaxed);
	pthread_join(c->thread, NULL);
	rate = (double)c->changes / ((double)c->ns / 1e9);
	while (c->in_window || c->coming_back)
		change_one(c);
	check(tables_route_set(b->tables, &b->probe, b->probe_nexthops[0]), "change");
	tables_settle(b->tables);
	c->s->churn = NULL;
	*seen_us = c->seen_us;
	*n_seen = c->n_seen;
	free(c);
	return rate;
}
