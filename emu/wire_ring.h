/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of a shared wire, and the two ends of a ring in it. Used by both processes; neither trusts
 * the other, though either may write all of it.
 *
 * A ring is cut into units of a cache line. A frame lies behind its length, in as many units, one after
 * the other, as the two need: the shortest frames, 60 bytes, in one. None lies over the end of the ring: a
 * length of 0 says that the next begins where the ring does. Positions count units, and run on
 * through 2^32; each of them is written by one side, and lies in a line of its own.
 *
 * Each end keeps its own position in memory of its own, and never reads it back. What it reads of the
 * other's, a position or a length, it reads once and checks; what makes no sense breaks the end, which
 * then is of no use any more. */
#ifndef EMU_WIRE_RING_H
#define EMU_WIRE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire_client.h"

#define WIRE_UNIT 64u
#define WIRE_UNITS 16384u /* of a ring: a millisecond of the shortest frames at 10 Gb/s */
#define WIRE_HEADER 4u	  /* the length in front of a frame */

/* In shared memory. */
struct wire_ring {
	/* The producer's: frames are complete up to here. Stored with release, for the consumer's
	 * acquire. */
	_Alignas(WIRE_UNIT) _Atomic uint32_t head;
	/* The producer's, too: frames that it had no room for. Relaxed: only tells. */
	_Atomic uint64_t missed;
	/* The consumer's: it is done with what is before. Stored with release, for the producer's
	 * acquire, which then may write there. */
	_Alignas(WIRE_UNIT) _Atomic uint32_t tail;
	/* 1: the consumer sleeps, or is about to, and is to be woken. It stores 1 and then loads `head`;
	 * the producer stores `head` and then loads this, all sequentially consistent: one of the two
	 * sees what the other did. */
	_Alignas(WIRE_UNIT) _Atomic uint32_t asleep;
	_Alignas(WIRE_UNIT) uint8_t unit[WIRE_UNITS][WIRE_UNIT];
};

struct wire_memory {
	struct wire_ring to_nic, from_nic;
};
#define WIRE_BYTES ((sizeof(struct wire_memory) + 4095) & ~(size_t)4095)

/* What the NIC's side sends with the memory. */
struct wire_hello {
	char magic[12]; /* WIRE_MAGIC */
	uint8_t mac[6];
	uint8_t reserved[2]; /* 0 */
	uint32_t bytes;	     /* WIRE_BYTES */
};
#define WIRE_MAGIC "peerlane-w1"

/* An end, in private memory. */
struct wire_producer {
	struct wire_ring *ring;
	uint32_t head;	    /* where the next frame goes */
	uint32_t published; /* as the consumer knows it */
	uint32_t tail;	    /* as last seen */
	uint64_t missed;    /* frames that found no room, as wire_producer_miss() was told */
	atomic_bool broken; /* relaxed: only tells */
};

struct wire_consumer {
	struct wire_ring *ring;
	uint32_t at;   /* the next frame; what is before, back to `tail`, is lent */
	uint32_t tail; /* as the producer knows it */
	uint32_t head; /* as last seen */
	atomic_bool broken;
};

/* At the beginning of a ring that nobody has used: it is all 0. */
void wire_producer_init(struct wire_producer *producer, struct wire_ring *ring);
void wire_consumer_init(struct wire_consumer *consumer, struct wire_ring *ring);

/* Room for a frame of 1 to WIRE_FRAME_MAX bytes; NULL: none now, or broken. */
uint8_t *wire_producer_reserve(struct wire_producer *producer, uint32_t len);

/* Hands over all that has been reserved. Returns whether the consumer is to be woken. */
bool wire_producer_publish(struct wire_producer *producer);

/* Tells the consumer that a frame has found no room, and is lost. */
void wire_producer_miss(struct wire_producer *producer);

/* Up to `max` frames, oldest first, which are lent until wire_consumer_release(). */
unsigned wire_consumer_take(struct wire_consumer *consumer, struct emu_frame *frames, unsigned max);
void wire_consumer_release(struct wire_consumer *consumer);

/* Asks to be woken. Returns false, and does not, when there is something to be taken, or it is broken. */
bool wire_consumer_sleep(struct wire_consumer *consumer);

/* Wakes the other side: a message of one byte on the socket. Never waits. */
void wire_ring_bell(int socket_fd);

/* Reads what has been sent by wire_ring_bell(), a bounded number of them. Returns false when the other
 * side has gone. */
bool wire_hear_bell(int socket_fd);

static inline bool wire_is_broken(const atomic_bool *broken)
{
	return atomic_load_explicit(broken, memory_order_relaxed);
}

#endif
