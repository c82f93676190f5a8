/* SPDX-License-Identifier: BSD-2-Clause */
/* Transmits: advanced data descriptors (82599 datasheet 7.2.3.2.4) become frames that the wire takes
 * copies of; then those that ask for it are written back, and the head moves on. */
#include <string.h>

#include "engine.h"

/* The descriptor's upper half. */
#define LENGTH(high) ((uint32_t)((high)&0xffff))
#define RESERVED_LOW (UINT64_C(3) << 16)
#define MAC_OPTIONS (UINT64_C(3) << 18)
#define TYPE_MASK (UINT64_C(15) << 20)
#define TYPE_CONTEXT (UINT64_C(2) << 20)
#define TYPE_DATA (UINT64_C(3) << 20)
#define EOP (UINT64_C(1) << 24)
#define IFCS (UINT64_C(1) << 25)
#define RS (UINT64_C(1) << 27)
#define RESERVED_COMMAND (UINT64_C(1) << 26 | UINT64_C(1) << 28)
#define DEXT (UINT64_C(1) << 29)
#define VLE (UINT64_C(1) << 30)
#define TSE (UINT64_C(1) << 31)
#define STATUS (UINT64_C(15) << 32)
#define CONTEXT_USED (UINT64_C(1) << 39)
#define CHECKSUMS (UINT64_C(7) << 40)
#define RESERVED_HIGH (UINT64_C(7) << 43)
#define PAYLOAD(high) ((uint32_t)((high) >> 46))

/* What says nothing of what is to be done. The context's index counts only with CC. */
#define ANY (UINT64_C(0xffff) | RS | UINT64_C(7) << 36 | UINT64_C(0x3ffff) << 46)

#define STATUS_DD 1u

#define MIN_LEN 60u /* without FCS; shorter ones are padded: HLREG0.TXPADEN */
#define MIN_PAYLOAD 17u
#define BUFFERS_MAX 40u /* of one frame (82599 datasheet 7.2.1.1) */

/* A turn of one queue. */
struct tx_turn {
	struct emu_nic *nic;
	struct emu_ring *ring;
	unsigned queue;
	struct emu_descriptor *descriptors;
	uint32_t at;	/* the next descriptor */
	uint32_t owned; /* from there on */
	struct emu_frame frames[EMU_BATCH];
	unsigned n;
	uint32_t bounced; /* bytes used of the bounce buffer */
	bool failed;	  /* what was to be moved could not be */
};

/* Turns whose frames are moved together. */
#define TURNS_MAX (PL_REMOTE_COPIES_MAX / EMU_BATCH)

/* ---- descriptors ---- */

/* Read once: what a driver changes after its tail has covered it must not be one thing to who checks it and
 * another to who copies. */
static inline struct emu_descriptor descriptor_at(const struct tx_turn *turn, uint32_t at)
{
	_Atomic uint64_t *low = (_Atomic uint64_t *)&turn->descriptors[at].low;
	_Atomic uint64_t *high = (_Atomic uint64_t *)&turn->descriptors[at].high;

	/* Relaxed: the load of the tail was acquire. */
	return (struct emu_descriptor){atomic_load_explicit(low, memory_order_relaxed),
				       atomic_load_explicit(high, memory_order_relaxed)};
}

/* What is wrong with a descriptor; NULL: nothing. */
static const char *wrong_with(uint64_t high, bool first)
{
	if (!(high & DEXT))
		return "has DEXT clear: a legacy descriptor";
	if ((high & TYPE_MASK) == TYPE_CONTEXT)
		return "is a context descriptor, which this model does not support";
	if ((high & TYPE_MASK) != TYPE_DATA)
		return "has a reserved DTYP";
	if (high & (RESERVED_LOW | RESERVED_COMMAND | RESERVED_HIGH))
		return "has reserved bits set";
	if (high & STATUS)
		return "has status bits set: it was not written anew";
	if (high & (TSE | VLE | MAC_OPTIONS | CONTEXT_USED | CHECKSUMS))
		return "wants an offload, which this model does not support";
	if (!LENGTH(high))
		return "has length 0";
	if (LENGTH(high) > EMU_FRAME_MAX)
		return "is longer than a buffer may be";
	if (first && !(high & IFCS))
		return "has IFCS clear: the frame would have no FCS";
	return NULL;
}

static void stuck(struct tx_turn *turn, uint32_t at, const char *why)
{
	emu_ring_stuck(turn->nic, turn->ring, "TX", turn->queue, "descriptor %u %s", at, why);
}

/* For so many buffers more, should they have to be moved. */
static bool has_room(const struct tx_turn *turn, unsigned n, uint32_t len)
{
	return !turn->nic->n_moved || emu_moves_room(turn->nic, n, len);
}

/* NULL: a fault, and the ring is stuck, or it has to be moved, and there is no room now. */
static uint8_t *buffer_at(struct tx_turn *turn, const struct emu_descriptor *descriptor)
{
	uint32_t len = LENGTH(descriptor->high);
	uint8_t *buffer = emu_dma_quick(turn->nic, descriptor->low, len);

	if (__builtin_expect(!buffer, false)) {
		if (!has_room(turn, 1, len))
			return NULL;
		buffer = emu_dma_packet(turn->nic, descriptor->low, len, false);
		if (!buffer) {
			turn->ring->stuck = true;
			return NULL;
		}
	}
	emu_dma_count(turn->nic, turn->nic->stats.dma_bytes_read, len);
	return buffer;
}

/* ---- frames ---- */

/* The descriptors of a frame, and their buffers' length together. Returns how many there are; 0: its end is not
 * there yet, or something is wrong. */
static unsigned measure(struct tx_turn *turn, struct emu_descriptor parts[BUFFERS_MAX],
			uint32_t *len)
{
	uint32_t at = turn->at;

	*len = 0;
	for (unsigned n = 1; n <= turn->owned; n++, at = emu_next(turn->ring, at)) {
		struct emu_descriptor part = descriptor_at(turn, at);
		const char *wrong = wrong_with(part.high, n == 1);

		*len += LENGTH(part.high);
		if (!wrong && *len > EMU_FRAME_MAX)
			wrong = "ends a frame that is too long";
		if (!wrong && n > BUFFERS_MAX)
			wrong = "is one too many of its frame";
		if (wrong) {
			stuck(turn, at, wrong);
			return 0;
		}
		parts[n - 1] = part;
		if (part.high & EOP)
			return n;
	}
	if (turn->owned == turn->ring->n - 1)
		stuck(turn, turn->at, "begins a frame without end");
	return 0;
}

/* Puts the buffers of a frame together. Returns false when one of them cannot be read. */
static bool gather(struct tx_turn *turn, const struct emu_descriptor *parts, unsigned n,
		   uint32_t len)
{
	uint8_t *frame = turn->nic->engine->bounce + turn->bounced;
	const uint8_t *buffers[BUFFERS_MAX];
	uint32_t done = 0;

	for (unsigned i = 0; i < n; i++) {
		buffers[i] = buffer_at(turn, &parts[i]);
		if (!buffers[i])
			return false;
	}
	if (turn->nic->n_moves && emu_moves_run(turn->nic))
		turn->failed = true;
	for (unsigned i = 0; i < n; i++) {
		memcpy(frame + done, buffers[i], LENGTH(parts[i].high));
		done += LENGTH(parts[i].high);
	}
	if (len < MIN_LEN) {
		memset(frame + len, 0, MIN_LEN - len);
		len = MIN_LEN;
	}
	turn->frames[turn->n++] = (struct emu_frame){frame, len};
	turn->bounced += len;
	return true;
}

/* A frame of any form. Returns false when there is none, or no room for it now. */
static bool take_one(struct tx_turn *turn)
{
	struct emu_descriptor parts[BUFFERS_MAX];
	uint32_t len;
	unsigned n;

	if (turn->bounced + EMU_FRAME_MAX > EMU_BOUNCE_BYTES)
		return false;
	n = measure(turn, parts, &len);
	if (!n || !has_room(turn, n, len))
		return false;
	if (PAYLOAD(parts[0].high) != len) {
		stuck(turn, turn->at, "has a PAYLEN that is not the frame's length");
		return false;
	}
	if (len < MIN_PAYLOAD) {
		stuck(turn, turn->at, "begins a frame of less than 17 bytes");
		return false;
	}
	if (!gather(turn, parts, n, len))
		return false;
	for (unsigned i = 0; i < n; i++)
		turn->at = emu_next(turn->ring, turn->at);
	turn->owned -= n;
	return true;
}

/* Whether the frame is one buffer, in good order and long enough: then it is sent from where it is. */
static inline bool is_plain(uint64_t high)
{
	return (high & ~ANY) == (TYPE_DATA | EOP | IFCS | DEXT) && LENGTH(high) >= MIN_LEN &&
	       LENGTH(high) <= EMU_FRAME_MAX && PAYLOAD(high) == LENGTH(high);
}

/* As many frames as a turn may send, or as there are. */
static void take_all(struct tx_turn *turn)
{
	while (turn->owned && turn->n < EMU_BATCH) {
		const struct emu_descriptor descriptor = descriptor_at(turn, turn->at);
		uint8_t *buffer;

		if (__builtin_expect(!is_plain(descriptor.high), false)) {
			if (!take_one(turn))
				return;
			continue;
		}
		buffer = buffer_at(turn, &descriptor);
		if (!buffer)
			return;
		__builtin_prefetch(buffer);
		turn->frames[turn->n++] = (struct emu_frame){buffer, LENGTH(descriptor.high)};
		turn->at = emu_next(turn->ring, turn->at);
		turn->owned--;
	}
}

/* ---- when they are sent ---- */

static void count(struct tx_turn *turn)
{
	struct emu_counts *counts = &turn->nic->counts;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < turn->n; i++) {
		const struct emu_frame *frame = &turn->frames[i];

		bytes += frame->len;
		counts->tx_size[emu_size_class(frame->len)]++;
		if (frame->data[0] & 1) {
			if (!memcmp(frame->data, "\xff\xff\xff\xff\xff\xff", 6))
				counts->tx_broadcast++;
			else
				counts->tx_multicast++;
		}
	}
	counts->tx_packets += turn->n;
	counts->tx_bytes += bytes + turn->n * 4;
	counts->queue[turn->queue].tx_packets += turn->n;
	counts->queue[turn->queue].tx_bytes += bytes + turn->n * 4;
}

/* Descriptors that ask for it and have not been written back. */
static uint32_t pending(const struct emu_ring *ring, const struct emu_descriptor *descriptors)
{
	uint32_t n = 0;

	for (uint32_t at = ring->written; at != ring->head; at = emu_next(ring, at))
		n += (descriptors[at].high & RS) != 0;
	return n;
}

/* Writes back what asks for it, up to the head. Returns how many. */
static uint32_t write_back(struct emu_ring *ring, struct emu_descriptor *descriptors)
{
	uint32_t n = 0, at = ring->written;

	for (; at != ring->head; at = emu_next(ring, at)) {
		uint32_t *word = (uint32_t *)&descriptors[at];

		if (!(descriptors[at].high & RS))
			continue;
		/* The rest of it is reserved (82599 datasheet 7.2.3.2.4): nobody may rely on it. */
		word[0] = word[1] = word[2] = 0;
		/* Release: pairs with the driver's acquire, after which the buffer is its own. */
		atomic_store_explicit((_Atomic uint32_t *)&word[3], STATUS_DD,
				      memory_order_release);
		n++;
	}
	ring->written = at;
	return n;
}

/* Writes back when as many have come together as the driver wants, or nothing more is coming: there the
 * device would wait for a timer of its own. */
static void finish(struct emu_nic *nic, unsigned queue, struct emu_descriptor *descriptors,
		   bool idle)
{
	struct emu_ring *ring = &nic->tx[queue];
	uint32_t n;

	if (!idle && ring->writeback_threshold > 1 &&
	    pending(ring, descriptors) < ring->writeback_threshold)
		return;
	n = write_back(ring, descriptors);
	nic->stats.dma_bytes_written[EMU_DMA_DESCRIPTORS] += n * sizeof(*descriptors);
	if (n)
		nic->model->queue_event(nic, queue, true);
}

/* Puts what has been taken on the wire. */
static void send(struct tx_turn *turn)
{
	struct emu_nic *nic = turn->nic;
	struct emu_ring *ring = turn->ring;
	uint32_t taken;

	if (!turn->failed) {
		count(turn);
		nic->wire->ops->send(nic->wire, turn->frames, turn->n);
	}
	taken = turn->at >= ring->head ? turn->at - ring->head : turn->at + ring->n - ring->head;
	nic->stats.dma_bytes_read[EMU_DMA_DESCRIPTORS] += taken * sizeof(*turn->descriptors);
	ring->head = turn->at;
}

/* The same for frames of which some must be moved first: those of several turns at once. `first` has been begun.
 * What could not be moved is not sent, and its buffers are given back. Returns how many were taken. */
static __attribute__((noinline)) unsigned send_moved(const struct tx_turn *first)
{
	struct emu_nic *nic = first->nic;
	struct tx_turn turns[TURNS_MAX];
	unsigned n_turns = 0, n = 0;
	bool failed = false;

	turns[0] = *first;
	do {
		take_all(&turns[n_turns]);
		if (!turns[n_turns].n)
			break;
		n += turns[n_turns].n;
		failed |= turns[n_turns].failed;
		if (++n_turns == TURNS_MAX)
			break;
		turns[n_turns] = turns[n_turns - 1];
		turns[n_turns].n = 0;
	} while (!failed && turns[n_turns].owned && !first->ring->stuck);
	failed |= emu_moves_run(nic) != 0;
	for (unsigned i = 0; i < n_turns; i++) {
		turns[i].failed = failed;
		send(&turns[i]);
	}
	emu_moves_forget(nic);
	return n;
}

/* Returns how many frames it sent. */
static unsigned send_queue(struct emu_nic *nic, unsigned queue)
{
	struct emu_ring *ring = &nic->tx[queue];
	struct tx_turn turn;

	turn.owned = emu_ring_look(nic, queue, true, &turn.descriptors);
	if (!turn.owned) {
		if (__builtin_expect(ring->written != ring->head && ring->enabled && !ring->stuck,
				     false)) {
			turn.descriptors = emu_ring_descriptors(nic, ring);
			if (turn.descriptors)
				finish(nic, queue, turn.descriptors, true);
		}
		return 0;
	}
	turn.nic = nic;
	turn.ring = ring;
	turn.queue = queue;
	turn.at = ring->head;
	turn.n = 0;
	turn.bounced = 0;
	turn.failed = false;
	emu_ring_prefetch(ring, turn.descriptors, turn.owned < EMU_BATCH ? turn.owned : EMU_BATCH);
	if (__builtin_expect(nic->n_moved, 0)) {
		turn.n = send_moved(&turn);
	} else {
		take_all(&turn);
		if (turn.n)
			send(&turn);
	}
	if (turn.n)
		finish(nic, queue, turn.descriptors, false);
	return turn.n;
}

unsigned emu_tx(struct emu_nic *nic)
{
	unsigned moved = 0;

	/* Without a link descriptors stay where they are. */
	if (!nic->wire || !nic->link || !nic->tx_on)
		return 0;
	for (unsigned i = 0; i < nic->n_tx; i++)
		moved += send_queue(nic, i);
	return moved;
}
