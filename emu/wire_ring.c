/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire_ring.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Lines are asked for so many units ahead: they come from the other side's core. */
#define AHEAD 12u

/* Bells that are read at a time. The other side rings one for a sleep; who sends more is not listened to
 * for ever. */
#define BELLS_MAX 16u

_Static_assert((WIRE_UNITS & (WIRE_UNITS - 1)) == 0, "positions wrap with 2^32");

void wire_producer_init(struct wire_producer *producer, struct wire_ring *ring)
{
	producer->ring = ring;
	producer->head = producer->published = producer->tail = 0;
	producer->missed = 0;
	atomic_init(&producer->broken, false);
}

void wire_consumer_init(struct wire_consumer *consumer, struct wire_ring *ring)
{
	consumer->ring = ring;
	consumer->at = consumer->tail = consumer->head = 0;
	atomic_init(&consumer->broken, false);
}

static uint32_t units_of(uint32_t len)
{
	return (WIRE_HEADER + len + WIRE_UNIT - 1) / WIRE_UNIT;
}

/* Lengths are read by the other side while we might write: plain in effect, but one access. */
static _Atomic uint32_t *length_at(struct wire_ring *ring, uint32_t position)
{
	return (_Atomic uint32_t *)ring->unit[position % WIRE_UNITS];
}

/* ---- the producer ---- */

/* Whether `units` are free, behind those reserved. */
static bool has_room(struct wire_producer *producer, uint32_t units)
{
	uint32_t tail;

	if (WIRE_UNITS - (producer->head - producer->tail) >= units)
		return true;
	/* Acquire: pairs with wire_consumer_release(). */
	tail = atomic_load_explicit(&producer->ring->tail, memory_order_acquire);
	/* It only moves on, and not beyond what it has been given. */
	if (tail - producer->tail > producer->published - producer->tail) {
		atomic_store_explicit(&producer->broken, true, memory_order_relaxed);
		return false;
	}
	producer->tail = tail;
	return WIRE_UNITS - (producer->head - tail) >= units;
}

uint8_t *wire_producer_reserve(struct wire_producer *producer, uint32_t len)
{
	uint32_t units = units_of(len), left = WIRE_UNITS - producer->head % WIRE_UNITS;
	uint32_t skipped = left < units ? left : 0;
	uint8_t *data;

	if (__builtin_expect(len - 1 >= WIRE_FRAME_MAX, false) || wire_is_broken(&producer->broken))
		return NULL;
	if (!has_room(producer, skipped + units))
		return NULL;
	if (skipped) {
		atomic_store_explicit(length_at(producer->ring, producer->head), 0,
				      memory_order_relaxed);
		producer->head += skipped;
	}
	data = producer->ring->unit[producer->head % WIRE_UNITS];
	atomic_store_explicit(length_at(producer->ring, producer->head), len, memory_order_relaxed);
	producer->head += units;
	__builtin_prefetch(producer->ring->unit[(producer->head + AHEAD) % WIRE_UNITS], 1);
	return data + WIRE_HEADER;
}

bool wire_producer_publish(struct wire_producer *producer)
{
	struct wire_ring *ring = producer->ring;

	if (producer->head == producer->published)
		return false;
	producer->published = producer->head;
	/* Pairs with wire_consumer_take() and wire_consumer_sleep(). */
	atomic_store_explicit(&ring->head, producer->head, memory_order_seq_cst);
	if (!atomic_load_explicit(&ring->asleep, memory_order_seq_cst))
		return false;
	return atomic_exchange_explicit(&ring->asleep, 0, memory_order_relaxed) != 0;
}

void wire_producer_miss(struct wire_producer *producer)
{
	atomic_store_explicit(&producer->ring->missed, ++producer->missed, memory_order_relaxed);
}

/* ---- the consumer ---- */

static void break_off(struct wire_consumer *consumer)
{
	atomic_store_explicit(&consumer->broken, true, memory_order_relaxed);
}

/* How many units there are to be looked at. */
static uint32_t available(struct wire_consumer *consumer)
{
	/* Acquire: pairs with wire_producer_publish(). */
	uint32_t head = atomic_load_explicit(&consumer->ring->head, memory_order_acquire);

	/* It only moves on, and by no more than has been given back. */
	if (head - consumer->tail > WIRE_UNITS ||
	    head - consumer->tail < consumer->head - consumer->tail) {
		break_off(consumer);
		return 0;
	}
	consumer->head = head;
	return head - consumer->at;
}

unsigned wire_consumer_take(struct wire_consumer *consumer, struct emu_frame *frames, unsigned max)
{
	struct wire_ring *ring = consumer->ring;
	uint32_t units = consumer->head - consumer->at;
	unsigned n = 0;

	if (wire_is_broken(&consumer->broken))
		return 0;
	/* A look at the producer's line is worth while only when few are known of. */
	if (units < 2 * max)
		units = available(consumer);
	while (n < max && units) {
		uint32_t len =
			atomic_load_explicit(length_at(ring, consumer->at), memory_order_relaxed);
		uint32_t left = WIRE_UNITS - consumer->at % WIRE_UNITS;
		uint32_t used = len ? units_of(len) : left;

		if (len > WIRE_FRAME_MAX || used > units || used > left) {
			break_off(consumer);
			break;
		}
		if (len)
			frames[n++] = (struct emu_frame){
				ring->unit[consumer->at % WIRE_UNITS] + WIRE_HEADER, len};
		consumer->at += used;
		units -= used;
		__builtin_prefetch(ring->unit[(consumer->at + AHEAD) % WIRE_UNITS]);
	}
	return n;
}

void wire_consumer_release(struct wire_consumer *consumer)
{
	if (consumer->tail == consumer->at)
		return;
	consumer->tail = consumer->at;
	/* Release: what was lent has been read. Pairs with has_room(). */
	atomic_store_explicit(&consumer->ring->tail, consumer->at, memory_order_release);
}

bool wire_consumer_sleep(struct wire_consumer *consumer)
{
	struct wire_ring *ring = consumer->ring;

	if (wire_is_broken(&consumer->broken))
		return false;
	/* An exchange, so that it is before the load. Pairs with wire_producer_publish(). */
	atomic_exchange_explicit(&ring->asleep, 1, memory_order_seq_cst);
	if (atomic_load_explicit(&ring->head, memory_order_seq_cst) == consumer->at)
		return true;
	atomic_store_explicit(&ring->asleep, 0, memory_order_relaxed);
	return false;
}

/* ---- bells ---- */

void wire_ring_bell(int socket_fd)
{
	const char bell = 1;
	ssize_t sent;

	/* When it does not fit, others are there to be heard; when the other side has gone, it need not
	 * be woken. */
	do
		sent = send(socket_fd, &bell, sizeof(bell), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
}

bool wire_hear_bell(int socket_fd)
{
	for (unsigned i = 0; i < BELLS_MAX; i++) {
		char bell[8];
		ssize_t n;

		n = recv(socket_fd, bell, sizeof(bell), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
	}
	return true;
}
