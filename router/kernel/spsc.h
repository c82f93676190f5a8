/* SPDX-License-Identifier: BSD-2-Clause */
/* A ring of frames between exactly two threads: one produces, one consumes, neither ever waits.
 *
 * Frames are copied into fixed slots, so that no buffer has two owners and either side may stop at
 * any time. The usual turn of a producer is reserve, fill the slots, submit; of a consumer peek,
 * use the slots, release. Nothing here makes a system call or wakes anyone: see bell.h. */
#ifndef PEERLANE_KERNEL_SPSC_H
#define PEERLANE_KERNEL_SPSC_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>

#define SPSC_LINE_BYTES 64

/* A slot. The data start 2 bytes past a 16-byte boundary like the frames in packet buffers, so that
 * a copy between the two has the same alignment on both sides. */
struct spsc_slot {
	uint32_t len_bytes;
	uint8_t unused[14];
	uint8_t data[]; /* capacity_bytes of the ring */
};

struct spsc {
	/* The consumer's line: what it has released, and the last `tail` it has seen. */
	alignas(SPSC_LINE_BYTES) _Atomic uint32_t head;
	uint32_t tail_seen;
	/* The producer's line: what it has submitted, and the last `head` it has seen. The indices
	 * run freely and are masked on use, so that full and empty differ. */
	alignas(SPSC_LINE_BYTES) _Atomic uint32_t tail;
	uint32_t head_seen;
	/* Constant after spsc_init(). */
	alignas(SPSC_LINE_BYTES) uint8_t *slots;
	uint32_t n_slots;
	uint32_t slot_bytes;
	uint32_t capacity_bytes; /* longest frame a slot holds */
};

/* Makes a ring of `n_slots` (a power of two) for frames of up to `capacity_bytes`; its memory is
 * touched here, so that neither side meets a page fault later. Returns 0, -EINVAL or -ENOMEM. */
int spsc_init(struct spsc *ring, uint32_t n_slots, uint32_t capacity_bytes);

/* Frees the slots. Both sides have stopped. Accepts a zeroed ring. */
void spsc_fini(struct spsc *ring);

static inline struct spsc_slot *spsc_slot(const struct spsc *ring, uint32_t index)
{
	return (struct spsc_slot *)(ring->slots +
				    (uint64_t)(index & (ring->n_slots - 1)) * ring->slot_bytes);
}

/* How many slots the producer may fill now, `want` at most. */
static inline uint32_t spsc_reserve(struct spsc *ring, uint32_t want)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t room = ring->n_slots - (tail - ring->head_seen);

	if (room < want) {
		/* Pairs with the release in spsc_release(): the consumer is done with the slots. */
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		room = ring->n_slots - (tail - ring->head_seen);
	}
	return room < want ? room : want;
}

/* The `i`th of the reserved slots. */
static inline struct spsc_slot *spsc_reserved(const struct spsc *ring, uint32_t i)
{
	return spsc_slot(ring, atomic_load_explicit(&ring->tail, memory_order_relaxed) + i);
}

/* Hands the first `n` of the reserved slots to the consumer. */
static inline void spsc_submit(struct spsc *ring, uint32_t n)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	/* Pairs with the acquire in spsc_peek(): the slots are filled before they are seen. */
	atomic_store_explicit(&ring->tail, tail + n, memory_order_release);
}

/* How many frames the consumer may take now, `want` at most. */
static inline uint32_t spsc_peek(struct spsc *ring, uint32_t want)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint32_t filled = ring->tail_seen - head;

	if (filled < want) {
		/* Pairs with the release in spsc_submit(). */
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		filled = ring->tail_seen - head;
	}
	return filled < want ? filled : want;
}

/* The `i`th of the frames seen. */
static inline const struct spsc_slot *spsc_peeked(const struct spsc *ring, uint32_t i)
{
	return spsc_slot(ring, atomic_load_explicit(&ring->head, memory_order_relaxed) + i);
}

/* Gives the first `n` of the slots seen back to the producer. */
static inline void spsc_release(struct spsc *ring, uint32_t n)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	/* Pairs with the acquire in spsc_reserve(): the frames are read before they are
	 * overwritten. */
	atomic_store_explicit(&ring->head, head + n, memory_order_release);
}

#endif
