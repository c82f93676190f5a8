/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies whose threads sleep while nothing changes: they are woken, and hold up no one. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tables_churn_help.h"

static void no_grace(void)
{
}

static struct prefix nth_prefix(unsigned i)
{
	return to_prefix(AF_INET, (addr128)(10u << 24 | i % 4000 << 12) << 96, 20 + i % 13);
}

static void count(void *ctx)
{
	++*(unsigned *)ctx;
}

static void rests_when_nothing_is_owed(void **state)
{
	struct tables *t = tables_new_limited(no_grace, NO_ROUTE_REASON, &small);
	struct prefix eight = prefix_of("10.0.0.0/8"), all = prefix_of("0.0.0.0/0");
	struct tables_change change;
	struct replica r;
	unsigned wakes = 0;

	(void)state;
	make_nexthops(t, 2);
	replica_init(&r, t, TABLES_LOG_MIN);
	tables_copy_free(r.copy);
	r.copy = tables_copy_new(t, TABLES_LOG_MIN, count, &wakes);

	/* Not filled yet: woken by the filling. */
	assert_true(tables_copy_rest(r.copy));
	replica_fill(&r);
	assert_int_equal(wakes, 1);
	assert_true(tables_copy_rest(r.copy));
	assert_int_equal(wakes, 1);

	/* The first change wakes, the next ones find it awake, though it has not stirred. */
	assert_int_equal(tables_route_set(t, &eight, 1), 0);
	assert_int_equal(wakes, 2);
	assert_int_equal(tables_route_set(t, &eight, 2), 0);
	assert_int_equal(wakes, 2);

	/* Not while there is something to take, nor while it is not done with what it took. */
	assert_false(tables_copy_rest(r.copy));
	while (tables_copy_next(r.copy, &change) == 1)
		replica_apply(&r, &change);
	assert_false(tables_copy_rest(r.copy));
	tables_copy_done(r.copy, tables_copy_position(r.copy));
	assert_true(tables_copy_rest(r.copy));
	assert_int_equal(wakes, 2);

	/* A grace period asks nothing of it: there is nothing that it might still use. */
	tables_settle(t);
	assert_int_equal(wakes, 2);

	/* Awake for another reason: not woken. */
	tables_copy_rise(r.copy);
	assert_int_equal(tables_route_set(t, &eight, 1), 0);
	assert_int_equal(wakes, 2);
	while (tables_copy_next(r.copy, &change) == 1)
		replica_apply(&r, &change);
	tables_copy_done(r.copy, tables_copy_position(r.copy));

	/* A lost one is told, and has something to do. */
	assert_true(tables_copy_rest(r.copy));
	assert_int_equal(tables_route_set(t, &all, 2), 0); /* four times the log */
	assert_int_equal(tables_copy_state(r.copy), TABLES_COPY_LOST);
	assert_true(wakes >= 3);
	assert_false(tables_copy_rest(r.copy));
	tables_copy_gone(r.copy);
	assert_true(tables_copy_rest(r.copy));
	replica_fini(&r);
	tables_free(t);
}

/* ---- a thread that sleeps ---- */

struct sleeper {
	struct replica replica;
	int fd;
	atomic_bool stop;
	unsigned rests, losses;
};

static void ring(void *ctx)
{
	uint64_t one = 1;

	assert_int_equal(write(*(int *)ctx, &one, sizeof(one)), sizeof(one));
}

static void *sleep_and_follow(void *arg)
{
	struct sleeper *s = arg;
	struct tables_copy *copy = s->replica.copy;
	uint64_t rings;

	while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
		if (tables_copy_state(copy) == TABLES_COPY_LIVE && replica_replay(&s->replica) == 0)
			tables_copy_done(copy, tables_copy_position(copy));
		if (tables_copy_state(copy) == TABLES_COPY_LOST) {
			s->losses++;
			tables_copy_want(copy);
		}
		if (!tables_copy_rest(copy))
			continue;
		s->rests++;
		/* For ever, unless it is woken. */
		assert_int_equal(read(s->fd, &rings, sizeof(rings)), sizeof(rings));
		tables_copy_rise(copy);
	}
	return NULL;
}

#ifdef TSAN
#define CYCLES 4000u
#else
#define CYCLES 20000u
#endif

/* Each wait of the control thread ends only because the sleeper is woken, at whatever point between its
 * last look and its sleep the change comes. A wake-up that is lost hangs the test. */
static void changes_wake_a_sleeper(void **state)
{
	static struct sleeper s;
	struct tables *t = tables_new_limited(no_grace, NO_ROUTE_REASON, &small);
	uint64_t seed = 81;
	pthread_t thread;
	unsigned i;

	(void)state;
	make_nexthops(t, 2);
	replica_init(&s.replica, t, TABLES_LOG_MIN);
	tables_copy_free(s.replica.copy);
	s.fd = eventfd(0, EFD_CLOEXEC);
	s.replica.copy = tables_copy_new(t, 1 << 20, ring, &s.fd);
	replica_fill(&s.replica);
	assert_int_equal(pthread_create(&thread, NULL, sleep_and_follow, &s), 0);
	for (i = 0; i < CYCLES; i++) {
		struct prefix p = nth_prefix(i % 7);
		unsigned spin = random_below(&seed, 2000);

		if (i % 2)
			tables_route_del(t, &p);
		else
			assert_int_equal(tables_route_set(t, &p, 1 + i % 2), 0);
		tables_wait(t);
		/* Let it get anywhere on its way to sleep. */
		while (spin--)
			__asm__ volatile("" ::: "memory");
	}
	atomic_store_explicit(&s.stop, true, memory_order_release);
	ring(&s.fd);
	pthread_join(thread, NULL);
	assert_int_equal(s.losses, 0);
	assert_in_range(s.rests, CYCLES / 4, UINT32_MAX);
	replica_check(&s.replica, t);
	replica_fini(&s.replica);
	close(s.fd);
	tables_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rests_when_nothing_is_owed),
		cmocka_unit_test(changes_wake_a_sleeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
