/* SPDX-License-Identifier: BSD-2-Clause */
/* The ring and the bell between planes and the faces' thread: contents, edges, and above all that
 * no wake-up is ever lost. Needs no privileges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bell.h"
#include "spsc.h"

#define SLOTS 256u
#define CAPACITY 128u
#define RING_FRAMES 4000000u
#define BELL_FRAMES 200000u
#define PRODUCERS 2u

/* A consumer with something due that sleeps this long has missed its wake-up. */
#define WATCHDOG_MS 10000

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Nothing, a short spin, a yield or a nap: so that the two sides meet at every point. */
static void loiter(uint32_t *state)
{
	uint32_t r = next_random(state);
	struct timespec nap = {.tv_nsec = r >> 16 & 0x7fff};

	if (r % 64 == 0)
		nanosleep(&nap, NULL);
	else if (r % 64 < 4)
		sched_yield();
	else if (r % 64 < 24)
		for (volatile uint32_t i = r >> 22; i > 0; i--)
			;
}

static uint32_t frame_len(uint32_t number)
{
	return 4 + number % (CAPACITY - 3);
}

static void frame_fill(struct spsc_slot *slot, uint32_t number)
{
	slot->len_bytes = frame_len(number);
	memset(slot->data, (uint8_t)(number * 7), slot->len_bytes);
	memcpy(slot->data, &number, sizeof(number));
}

static bool frame_is(const struct spsc_slot *slot, uint32_t number)
{
	if (slot->len_bytes != frame_len(number) || memcmp(slot->data, &number, 4) != 0)
		return false;
	for (uint32_t i = 4; i < slot->len_bytes; i++)
		if (slot->data[i] != (uint8_t)(number * 7))
			return false;
	return true;
}

/* ---- the ring alone ---- */

static void test_ring_refuses_bad_sizes(void **state)
{
	struct spsc ring;

	(void)state;
	assert_int_equal(spsc_init(&ring, 0, 64), -EINVAL);
	assert_int_equal(spsc_init(&ring, 3, 64), -EINVAL);
	assert_int_equal(spsc_init(&ring, 4, 0), -EINVAL);
	assert_int_equal(spsc_init(&ring, 4, 65536), -EINVAL);
	spsc_fini(&ring);
}

static void test_ring_slots_do_not_overlap(void **state)
{
	static const uint32_t capacities[] = {1, 45, 46, 47, 110, 111, 1790, 1791, 3838};

	(void)state;
	for (size_t c = 0; c < sizeof(capacities) / sizeof(*capacities); c++) {
		struct spsc ring;

		assert_int_equal(spsc_init(&ring, 4, capacities[c]), 0);
		for (uint32_t i = 0; i < 4; i++) {
			struct spsc_slot *slot = spsc_slot(&ring, i);

			assert_int_equal((uintptr_t)slot->data % 16, 2);
			slot->len_bytes = i;
			memset(slot->data, (int)i, capacities[c]);
		}
		for (uint32_t i = 0; i < 4; i++) {
			struct spsc_slot *slot = spsc_slot(&ring, i);

			assert_int_equal(slot->len_bytes, i);
			assert_int_equal(slot->data[0], i);
			assert_int_equal(slot->data[capacities[c] - 1], i);
		}
		spsc_fini(&ring);
	}
}

/* Empty, partly full and full; batches cut to what there is; all of it across the point where the
 * free-running indices overflow. */
static void test_ring_edges(void **state)
{
	struct spsc ring;
	uint32_t start = UINT32_MAX - 5, in = 0, out = 0;

	(void)state;
	assert_int_equal(spsc_init(&ring, 8, CAPACITY), 0);
	atomic_store(&ring.head, start);
	atomic_store(&ring.tail, start);
	ring.head_seen = ring.tail_seen = start;

	assert_int_equal(spsc_peek(&ring, 8), 0);
	assert_int_equal(spsc_reserve(&ring, 3), 3);
	assert_int_equal(spsc_peek(&ring, 8), 0); /* reserved is not yet submitted */
	for (; in < 3; in++)
		frame_fill(spsc_reserved(&ring, in), in);
	spsc_submit(&ring, 3);
	assert_int_equal(spsc_peek(&ring, 2), 2);
	assert_int_equal(spsc_peek(&ring, 8), 3);
	assert_int_equal(spsc_reserve(&ring, 100), 5);
	for (uint32_t i = 0; i < 5; i++)
		frame_fill(spsc_reserved(&ring, i), in++);
	spsc_submit(&ring, 5);
	assert_int_equal(spsc_reserve(&ring, 1), 0); /* full */
	assert_int_equal(spsc_peek(&ring, 100), 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_true(frame_is(spsc_peeked(&ring, i), out++));
	spsc_release(&ring, 7);
	assert_int_equal(spsc_reserve(&ring, 100), 7);
	assert_int_equal(spsc_peek(&ring, 100), 1);
	assert_true(frame_is(spsc_peeked(&ring, 0), 7));
	spsc_release(&ring, 1);
	assert_int_equal(spsc_peek(&ring, 1), 0);
	spsc_fini(&ring);
}

static void *ring_producer(void *arg)
{
	struct spsc *ring = arg;
	uint32_t random = 0x2545f491, number = 0;

	while (number < RING_FRAMES) {
		uint32_t want = 1 + next_random(&random) % 40;
		uint32_t n;

		if (want > RING_FRAMES - number)
			want = RING_FRAMES - number;
		n = spsc_reserve(ring, want);
		for (uint32_t i = 0; i < n; i++)
			frame_fill(spsc_reserved(ring, i), number++);
		spsc_submit(ring, n);
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

static void test_ring_two_threads(void **state)
{
	struct spsc ring;
	pthread_t producer;
	uint32_t random = 0x9e3779b9, number = 0, wrong = 0;

	(void)state;
	assert_int_equal(spsc_init(&ring, SLOTS, CAPACITY), 0);
	assert_int_equal(pthread_create(&producer, NULL, ring_producer, &ring), 0);
	while (number < RING_FRAMES) {
		uint32_t n = spsc_peek(&ring, 1 + next_random(&random) % 40);

		for (uint32_t i = 0; i < n; i++)
			wrong += !frame_is(spsc_peeked(&ring, i), number++);
		spsc_release(&ring, n);
		if (n == 0)
			sched_yield();
	}
	pthread_join(producer, NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(spsc_peek(&ring, 1), 0);
	spsc_fini(&ring);
}

/* ---- ring and bell ---- */

struct way {
	struct spsc ring;
	struct bell *bell;
	uint32_t seed;
	uint32_t writes; /* system calls that ringing took */
	pthread_t thread;
};

static void *bell_producer(void *arg)
{
	struct way *way = arg;
	uint32_t random = way->seed, number = 0;

	while (number < BELL_FRAMES) {
		uint32_t want = 1 + next_random(&random) % 3;
		uint32_t n;

		if (want > BELL_FRAMES - number)
			want = BELL_FRAMES - number;
		n = spsc_reserve(&way->ring, want);
		for (uint32_t i = 0; i < n; i++)
			frame_fill(spsc_reserved(&way->ring, i), number++);
		spsc_submit(&way->ring, n);
		if (n)
			way->writes += bell_ring(way->bell);
		loiter(&random);
	}
	return NULL;
}

static void start(struct way *way, struct bell *bell, uint32_t seed)
{
	assert_int_equal(spsc_init(&way->ring, 16, CAPACITY), 0);
	way->bell = bell;
	way->seed = seed;
	way->writes = 0;
	assert_int_equal(pthread_create(&way->thread, NULL, bell_producer, way), 0);
}

/* A hung test must say so: joining the producer of a full ring would hang too. */
static void sleep_until_rung(const struct bell *bell, const char *who)
{
	struct pollfd fd = {.fd = bell->fd, .events = POLLIN};

	if (poll(&fd, 1, WATCHDOG_MS) == 1)
		return;
	fprintf(stderr, "%s: not woken within %d ms: a wake-up was lost\n", who, WATCHDOG_MS);
	abort();
}

static uint32_t take(struct spsc *ring, uint32_t max, uint32_t *number)
{
	uint32_t n = spsc_peek(ring, max);

	for (uint32_t i = 0; i < n; i++)
		assert_true(frame_is(spsc_peeked(ring, i), (*number)++));
	spsc_release(ring, n);
	return n;
}

/* As a plane does: it takes what fits, knows nothing of the bell but its descriptor, and sleeps
 * when it has found nothing. */
static void test_bell_of_a_plane(void **state)
{
	struct bell bell;
	struct way way;
	uint32_t random = 0x1234567, number = 0, woken_for_nothing = 0;
	bool woken = false;

	(void)state;
	assert_int_equal(bell_init(&bell), 0);
	start(&way, &bell, 0xdeadbeef);
	while (number < BELL_FRAMES) {
		uint32_t max = 1 + next_random(&random) % 4;
		uint32_t n = take(&way.ring, max, &number);

		if (n == 0 && bell_rearm(&bell) && spsc_peek(&way.ring, 1)) {
			bell_ring(&bell);
			n = take(&way.ring, max, &number);
		}
		woken_for_nothing += woken && n == 0;
		woken = false;
		loiter(&random);
		/* A plane may sleep after any turn, not only after an idle one. */
		if ((n == 0 || next_random(&random) % 8 == 0) && number < BELL_FRAMES) {
			sleep_until_rung(&bell, "plane");
			woken = true;
		}
	}
	pthread_join(way.thread, NULL);
	print_message("plane: %u frames, %u eventfd writes, woken for nothing %u times\n",
		      BELL_FRAMES, way.writes, woken_for_nothing);
	/* Each write may come after its frames were found, and then wakes in vain, but once. */
	assert_true(woken_for_nothing <= way.writes + 1);

	/* At rest the descriptor is quiet: else the plane would spin. */
	while (bell_rearm(&bell))
		;
	assert_int_equal(poll(&(struct pollfd){.fd = bell.fd, .events = POLLIN}, 1, 0), 0);
	spsc_fini(&way.ring);
	bell_fini(&bell);
}

/* As the thread of the faces does: several producers on one bell. */
static void test_bell_of_the_thread(void **state)
{
	struct bell bell;
	struct way ways[PRODUCERS];
	uint32_t number[PRODUCERS] = {0};
	uint32_t random = 0x7654321, writes = 0, sleeps = 0, total = 0;

	(void)state;
	assert_int_equal(bell_init(&bell), 0);
	for (uint32_t i = 0; i < PRODUCERS; i++)
		start(&ways[i], &bell, 0xabcdef01 + i);
	while (total < PRODUCERS * BELL_FRAMES) {
		bool found = false;

		for (uint32_t i = 0; i < PRODUCERS; i++)
			total += take(&ways[i].ring, 4, &number[i]);
		loiter(&random);
		bell_want(&bell);
		for (uint32_t i = 0; i < PRODUCERS; i++)
			found |= spsc_peek(&ways[i].ring, 1) != 0;
		if (!found && total < PRODUCERS * BELL_FRAMES) {
			sleep_until_rung(&bell, "thread");
			bell_clear(&bell);
			sleeps++;
		}
		bell_unwant(&bell);
	}
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		pthread_join(ways[i].thread, NULL);
		writes += ways[i].writes;
		spsc_fini(&ways[i].ring);
	}
	print_message("thread: %u frames, %u eventfd writes, %u sleeps\n", total, writes, sleeps);
	bell_fini(&bell);
}

/* Nobody writes to a bell that is not wanted, and once to one that is. */
static void test_bell_writes_once(void **state)
{
	struct bell bell;

	(void)state;
	assert_int_equal(bell_init(&bell), 0);
	assert_false(bell_rearm(&bell));
	assert_true(bell_ring(&bell));
	assert_false(bell_ring(&bell));
	assert_true(bell_rearm(&bell));
	assert_false(bell_clear(&bell));
	assert_true(bell_ring(&bell));
	assert_true(bell_clear(&bell));
	assert_false(bell_ring(&bell)); /* cleared is not wanted */
	bell_want(&bell);
	assert_true(bell_ring(&bell));
	bell_unwant(&bell);
	assert_false(bell_ring(&bell));
	bell_fini(&bell);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_refuses_bad_sizes),
		cmocka_unit_test(test_ring_slots_do_not_overlap),
		cmocka_unit_test(test_ring_edges),
		cmocka_unit_test(test_ring_two_threads),
		cmocka_unit_test(test_bell_writes_once),
		cmocka_unit_test(test_bell_of_a_plane),
		cmocka_unit_test(test_bell_of_the_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
