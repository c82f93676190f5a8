/* SPDX-License-Identifier: BSD-2-Clause */
/* The rings of a shared wire: order and contents between two threads, where one of them sleeps now and
 * then, and memory full of nonsense. The memory is the heap's, so sanitizers see what goes beyond it. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu/wire_ring.h"

#define PATIENCE_MS 20000
#define BURST 64u

static struct wire_ring *new_ring(void)
{
	struct wire_ring *ring = aligned_alloc(WIRE_UNIT, sizeof(*ring));

	assert_non_null(ring);
	memset(ring, 0, sizeof(*ring));
	return ring;
}

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Short ones mostly, all lengths now and then. */
static uint32_t length_of(uint32_t seq)
{
	uint32_t seed = seq * 2654435761u + 1;
	uint32_t r = next_random(&seed);

	return r % 16 ? 60 + r / 16 % 70 : 1 + r / 16 % WIRE_FRAME_MAX;
}

static void fill(uint8_t *data, uint32_t len, uint32_t seq)
{
	memset(data, (int)(seq & 0xff), len);
	memcpy(data, &seq, len < 4 ? len : 4);
}

static void expect_frame(const struct emu_frame *frame, uint32_t seq)
{
	static _Thread_local uint8_t want[WIRE_FRAME_MAX];

	assert_int_equal(frame->len, length_of(seq));
	fill(want, frame->len, seq);
	assert_memory_equal(frame->data, want, frame->len);
}

/* ---- in order, one thread ---- */

static void test_edges(void **state)
{
	struct wire_ring *ring = new_ring();
	struct wire_producer in;
	struct wire_consumer out;
	struct emu_frame frames[BURST];
	uint32_t sent = 0, published = 0, received = 0;

	(void)state;
	wire_producer_init(&in, ring);
	wire_consumer_init(&out, ring);
	assert_null(wire_producer_reserve(&in, 0));
	assert_null(wire_producer_reserve(&in, WIRE_FRAME_MAX + 1));
	assert_false(wire_producer_publish(&in)); /* nothing to be seen */
	assert_int_equal(wire_consumer_take(&out, frames, BURST), 0);
	for (unsigned round = 0; round < 300; round++) {
		/* Until it is full; what is not published is not there. */
		for (uint8_t *to; (to = wire_producer_reserve(&in, length_of(sent))); sent++)
			fill(to, length_of(sent), sent);
		for (unsigned i = 0; i < 1 + round % 40; i++) {
			unsigned n;

			if (i == round % 7) {
				wire_producer_publish(&in);
				published = sent;
			}
			/* Lent ones are not written over. */
			n = wire_consumer_take(&out, frames, 1 + round % BURST);
			assert_true(n || received == published);
			for (unsigned k = 0; k < n; k++)
				expect_frame(&frames[k], received++);
			assert_true(received <= published);
		}
		if (!wire_producer_reserve(&in, WIRE_FRAME_MAX))
			wire_consumer_release(&out);
		else
			fail_msg("there was room where frames were lent");
	}
	assert_true(sent > WIRE_UNITS);
	assert_false(wire_is_broken(&in.broken) || wire_is_broken(&out.broken));
	free(ring);
}

/* ---- two threads ---- */

struct pair {
	struct wire_ring *ring;
	int bell[2]; /* the producer's end, the consumer's */
	uint32_t n;
	atomic_uint bells;
};

static void *produce(void *arg)
{
	struct pair *pair = arg;
	struct wire_producer in;
	uint32_t seed = 7;

	wire_producer_init(&in, pair->ring);
	for (uint32_t seq = 0; seq < pair->n;) {
		uint32_t burst = 1 + next_random(&seed) % BURST;

		for (uint8_t *to; burst && seq < pair->n; burst--, seq++) {
			to = wire_producer_reserve(&in, length_of(seq));
			if (!to)
				break;
			fill(to, length_of(seq), seq);
		}
		if (wire_producer_publish(&in)) {
			atomic_fetch_add(&pair->bells, 1);
			wire_ring_bell(pair->bell[0]);
		}
		if (burst)
			sched_yield(); /* full */
		if (next_random(&seed) % 256 == 0)
			usleep(next_random(&seed) % 300);
	}
	return NULL;
}

/* Sleeps whenever there is nothing: a bell that is not rung, and it sleeps for ever. */
static void test_threads(void **state)
{
	struct pair pair = {.ring = new_ring(), .n = 60000};
	struct wire_consumer out;
	struct emu_frame frames[BURST];
	pthread_t thread;
	uint32_t seq = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.bell), 0);
	wire_consumer_init(&out, pair.ring);
	assert_int_equal(pthread_create(&thread, NULL, produce, &pair), 0);
	while (seq < pair.n) {
		unsigned n = wire_consumer_take(&out, frames, BURST);
		struct pollfd pollfd = {.fd = pair.bell[1], .events = POLLIN};

		for (unsigned i = 0; i < n; i++)
			expect_frame(&frames[i], seq++);
		wire_consumer_release(&out);
		assert_false(wire_is_broken(&out.broken));
		if (n || !wire_consumer_sleep(&out))
			continue;
		if (poll(&pollfd, 1, PATIENCE_MS) != 1)
			fail_msg("not woken after %u frames", seq);
		assert_true(wire_hear_bell(pair.bell[1]));
	}
	pthread_join(thread, NULL);
	assert_true(atomic_load(&pair.bells) > 0);
	close(pair.bell[0]);
	assert_false(wire_hear_bell(pair.bell[1])); /* gone */
	close(pair.bell[1]);
	free(pair.ring);
}

/* ---- nonsense ---- */

static uint32_t odd_value(uint32_t *seed, uint32_t near)
{
	switch (next_random(seed) % 6) {
	case 0:
		return next_random(seed);
	case 1:
		return UINT32_MAX - next_random(seed) % 70;
	case 2:
		return 0;
	case 3:
		return near + WIRE_UNITS + next_random(seed) % 3 - 1;
	default:
		return near + next_random(seed) % 300;
	}
}

/* A head that goes back, to what has been taken already or not, is nonsense. */
static void test_head_goes_back(void **state)
{
	struct wire_ring *ring = new_ring();

	(void)state;
	for (uint32_t back = 0; back < 4; back++) {
		struct wire_producer in;
		struct wire_consumer out;
		struct emu_frame frames[2];

		memset(ring, 0, sizeof(*ring)); /* as new memory */
		wire_producer_init(&in, ring);
		wire_consumer_init(&out, ring);
		for (unsigned i = 0; i < 4; i++)
			assert_non_null(wire_producer_reserve(&in, 60));
		wire_producer_publish(&in);
		assert_int_equal(wire_consumer_take(&out, frames, 2), 2);
		atomic_store(&ring->head, back);
		assert_int_equal(wire_consumer_take(&out, frames, 2), 0);
		assert_true(wire_is_broken(&out.broken));
	}
	free(ring);
}

/* Whatever the other side has written, what is lent lies in the ring. */
static void test_hostile_producer(void **state)
{
	struct wire_ring *ring = new_ring();
	unsigned broken = 0, lent = 0;
	uint32_t seed = 42;

	(void)state;
	for (unsigned i = 0; i < 30000; i++) {
		struct wire_consumer out;

		wire_consumer_init(&out, ring);
		out.at = out.tail = out.head = odd_value(&seed, 0);
		for (unsigned step = 0; step < 4; step++) {
			struct emu_frame frames[BURST];
			unsigned n;

			atomic_store(&ring->head, odd_value(&seed, out.at));
			for (unsigned k = 0; k < 40; k++)
				*(uint32_t *)ring->unit[(out.at + k) % WIRE_UNITS] =
					next_random(&seed) % 3 ? next_random(&seed) % 300
							       : odd_value(&seed, WIRE_FRAME_MAX);
			n = wire_consumer_take(&out, frames, BURST);
			assert_true(n <= BURST);
			for (unsigned k = 0; k < n; k++) {
				assert_in_range(frames[k].len, 1, WIRE_FRAME_MAX);
				assert_true(frames[k].data >= ring->unit[0]);
				assert_true(frames[k].data + frames[k].len <=
					    ring->unit[WIRE_UNITS - 1] + WIRE_UNIT);
			}
			lent += n;
			wire_consumer_release(&out);
			if (wire_is_broken(&out.broken)) {
				assert_int_equal(wire_consumer_take(&out, frames, BURST), 0);
				assert_false(wire_consumer_sleep(&out));
			}
		}
		broken += wire_is_broken(&out.broken);
	}
	assert_true(broken > 1000 && lent > 1000);
	free(ring);
}

/* Nor does a producer write beyond it, or over what it has not been given back. */
static void test_hostile_consumer(void **state)
{
	struct wire_ring *ring = new_ring();
	unsigned broken = 0, reserved = 0;
	uint32_t seed = 99;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		struct wire_producer in;
		uint32_t units = 0;

		wire_producer_init(&in, ring);
		in.head = in.published = in.tail = odd_value(&seed, 0);
		atomic_store(&ring->tail, in.tail);
		for (unsigned step = 0; step < 400; step++) {
			uint32_t len = next_random(&seed) % 8 == 0
					       ? odd_value(&seed, 0)
					       : 1 + next_random(&seed) % WIRE_FRAME_MAX;
			uint32_t before = in.tail;
			uint8_t *to = wire_producer_reserve(&in, len);

			if (to) {
				assert_in_range(len, 1, WIRE_FRAME_MAX);
				assert_true(to >= ring->unit[0]);
				assert_true(to + len <= ring->unit[WIRE_UNITS - 1] + WIRE_UNIT);
				memset(to, 0x5a, len);
				reserved++;
			}
			assert_true(in.head - in.tail <= WIRE_UNITS);
			units += in.tail - before;
			assert_true(units <= in.published - (in.tail - units));
			if (step % 3 == 0)
				wire_producer_publish(&in);
			if (next_random(&seed) % 64 == 0)
				atomic_store(&ring->tail, odd_value(&seed, in.tail));
		}
		broken += wire_is_broken(&in.broken);
	}
	assert_true(broken > 100 && reserved > 1000);
	free(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_head_goes_back),
		cmocka_unit_test(test_hostile_producer),
		cmocka_unit_test(test_hostile_consumer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
