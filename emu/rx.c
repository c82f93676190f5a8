/* SPDX-License-Identifier: BSD-2-Clause */
/* Receives: what the wire has lent is looked at in one pass (good? for us? which queue?), and stored in
 * another, queue by queue, so that fetching descriptors and buffers from the driver's core overlaps. */
#include <string.h>

#include "engine.h"

#define MIN_LEN 60u /* without FCS */
#define SCARCE 4u   /* less than one descriptor in so many is left */

/* Status and errors of a descriptor (82599 datasheet 7.1.6.2). */
#define STATUS_DD (1u << 0)
#define STATUS_EOP (1u << 1)
#define STATUS_IPCS (1u << 6)

/* One turn's frames. */
struct rx_turn {
	struct emu_nic *nic;
	const struct emu_frame *frames;
	unsigned n;
	bool damaged;	/* by EMU_FAULT_CRC */
	bool from_chip; /* counted before */
	struct emu_parsed parsed[EMU_BATCH];
	int16_t queue[EMU_BATCH]; /* FATE_... if negative */
};

enum { FATE_GONE = -1, FATE_DONE = -2 };

/* ---- what becomes of a frame ---- */

static bool is_tagged(const uint8_t *frame)
{
	return frame[12] == 0x81 && frame[13] == 0;
}

/* Bytes of the FCS and, beyond the limit, of a VLAN tag (82599 datasheet 8.2.3.22.13). */
static bool is_oversize(const struct emu_filter *filter, const struct emu_frame *frame)
{
	uint32_t tag = !filter->tags_count && is_tagged(frame->data) ? 4 : 0;

	return frame->len + 4 > filter->frame_max + tag;
}

/* Whether it is received at all; counts why not. */
static bool is_received(struct rx_turn *turn, const struct emu_frame *frame)
{
	const struct emu_filter *filter = &turn->nic->filter;
	struct emu_counts *counts = &turn->nic->counts;

	if (turn->from_chip)
		return true;
	if (frame->len < MIN_LEN) {
		counts->rx_undersize++;
		return false;
	}
	if (is_oversize(filter, frame) || frame->len > EMU_FRAME_MAX) {
		counts->rx_oversize++;
		return false;
	}
	if (turn->damaged) {
		counts->rx_crc_errors++;
		if (!filter->pass_errors)
			return false;
	}
	return emu_addresses_accept(&turn->nic->engine->addresses, filter, frame->data);
}

static void look(struct rx_turn *turn)
{
	const struct emu_nic *nic = turn->nic;

	for (unsigned i = 0; i < turn->n; i++) {
		const struct emu_frame *frame = &turn->frames[i];

		if (i + 8 < turn->n)
			__builtin_prefetch(turn->frames[i + 8].data);
		if (!is_received(turn, frame)) {
			turn->queue[i] = FATE_GONE;
			continue;
		}
		emu_parse(&nic->rss, &nic->engine->toeplitz, frame->data, frame->len,
			  &turn->parsed[i]);
		/* What is not hashed goes to queue 0 (82599 datasheet 7.1.2.8). */
		turn->queue[i] =
			turn->parsed[i].rss_type
				? nic->rss.table[turn->parsed[i].hash % 128] % EMU_QUEUES_MAX
				: 0;
	}
}

static void count(struct rx_turn *turn, const struct emu_frame *frame)
{
	struct emu_counts *counts = &turn->nic->counts;

	if (turn->damaged || turn->from_chip)
		return;
	counts->rx_packets++;
	counts->rx_bytes += frame->len + 4;
	counts->rx_size[emu_size_class(frame->len)]++;
	if (frame->data[0] & 1) {
		if (!memcmp(frame->data, "\xff\xff\xff\xff\xff\xff", 6))
			counts->rx_broadcast++;
		else
			counts->rx_multicast++;
	}
}

/* ---- storing ---- */

static inline void write_back(struct emu_descriptor *descriptor, const struct emu_parsed *parsed,
			      uint32_t status, uint32_t len)
{
	uint32_t *word = (uint32_t *)descriptor;

	word[0] = parsed->rss_type | (uint32_t)parsed->packet_type << 4;
	word[1] = parsed->hash;
	word[3] = len; /* and no VLAN tag taken off */
	/* Release: pairs with the driver's acquire; the frame and the rest are there before. */
	atomic_store_explicit((_Atomic uint32_t *)&word[2], status, memory_order_release);
}

/* Descriptor `at` is to be written back so, once what lies where it will be moved from has been moved. */
static __attribute__((noinline)) void put_off(const struct rx_turn *turn, unsigned queue,
					      struct emu_descriptor *descriptors, uint32_t at,
					      const struct emu_parsed *parsed, uint32_t status,
					      uint32_t len)
{
	struct emu_engine *engine = turn->nic->engine;

	engine->stores[engine->n_stores++] = (struct emu_store){.descriptor = &descriptors[at],
								.at = at,
								.parsed = *parsed,
								.status = status,
								.len = len,
								.queue = (uint8_t)queue};
}

/* The frame, or a part of it, lies in the buffer of descriptor `at`, or will. */
static inline void stored(const struct rx_turn *turn, unsigned queue,
			  struct emu_descriptor *descriptors, uint32_t at,
			  const struct emu_parsed *parsed, uint32_t status, uint32_t len)
{
	if (__builtin_expect(turn->nic->n_moved != 0, false))
		put_off(turn, queue, descriptors, at, parsed, status, len);
	else
		write_back(&descriptors[at], parsed, status, len);
}

/* What could not be moved has not come, and its descriptors are as they were. */
static void take_back(struct emu_nic *nic)
{
	struct emu_engine *engine = nic->engine;

	for (unsigned i = engine->n_stores; i-- > 0;)
		nic->rx[engine->stores[i].queue].head = engine->stores[i].at;
	nic->counts.rx_missed += engine->n_stores;
}

/* Has all frames that have been stored moved, then writes their descriptors back. */
static void move_stored(struct emu_nic *nic)
{
	struct emu_engine *engine = nic->engine;
	uint64_t queues[EMU_QUEUES_MAX / 64] = {0};

	if (emu_moves_run(nic)) {
		take_back(nic);
		engine->n_stores = 0;
	}
	for (unsigned i = 0; i < engine->n_stores; i++) {
		const struct emu_store *store = &engine->stores[i];

		write_back(store->descriptor, &store->parsed, store->status, store->len);
		queues[store->queue / 64] |= UINT64_C(1) << store->queue % 64;
	}
	engine->n_stores = 0;
	emu_moves_forget(nic);
	for (unsigned q = 0; q < EMU_QUEUES_MAX; q++)
		if (queues[q / 64] >> q % 64 & 1)
			nic->model->queue_event(nic, q, false);
}

/* So many descriptors more, with so many bytes, are about to be filled: makes room for what is to be moved. */
static void make_room(struct emu_nic *nic, uint32_t n, size_t len_bytes)
{
	if (__builtin_expect(nic->n_moved, 0) &&
	    (nic->engine->n_stores + n > PL_REMOTE_COPIES_MAX ||
	     !emu_moves_room(nic, n, len_bytes)))
		move_stored(nic);
}

static uint32_t status_of(const struct rx_turn *turn, const struct emu_parsed *parsed)
{
	const struct emu_model_ops *model = turn->nic->model;
	uint32_t status = STATUS_DD | STATUS_EOP;

	if (parsed->checksum != EMU_CHECKSUM_NONE)
		status |= STATUS_IPCS |
			  (parsed->checksum == EMU_CHECKSUM_BAD ? model->rx_bad_checksum : 0);
	return turn->damaged ? status | model->rx_damaged : status;
}

/* The buffer of descriptor `at`. NULL: the ring is stuck. */
static uint8_t *buffer_at(struct emu_nic *nic, struct emu_ring *ring, unsigned queue,
			  const struct emu_descriptor *descriptors, uint32_t at, uint32_t len)
{
	const struct emu_descriptor *descriptor = &descriptors[at];
	uint8_t *buffer;

	/* The header's address; its lowest bit is where DD will be (82599 datasheet 7.1.6.1). */
	if (__builtin_expect(descriptor->high & 1, false)) {
		emu_ring_stuck(nic, ring, "RX", queue,
			       "descriptor %u has DD set: it was not written anew", at);
		return NULL;
	}
	buffer = emu_dma_quick(nic, descriptor->low, len);
	if (__builtin_expect(!buffer, false)) {
		buffer = emu_dma_packet(nic, descriptor->low, len, true);
		if (!buffer) {
			ring->stuck = true;
			return NULL;
		}
	}
	emu_dma_count(nic, nic->stats.dma_bytes_written, len);
	return buffer;
}

static uint32_t crc32_of(const uint8_t *data, uint32_t len)
{
	uint32_t crc = ~0u;

	for (uint32_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* The frame as it is to lie in memory: with its FCS, if that is left on. */
static struct emu_frame stored_form(const struct rx_turn *turn, const struct emu_frame *frame)
{
	uint8_t *bounce = turn->nic->engine->bounce;
	uint32_t crc;

	if (turn->nic->filter.strip_crc)
		return *frame;
	memcpy(bounce, frame->data, frame->len);
	crc = crc32_of(frame->data, frame->len) ^ (turn->damaged ? 1 : 0);
	memcpy(bounce + frame->len, &crc, 4);
	return (struct emu_frame){bounce, frame->len + 4};
}

/* Once a frame has been written back it is used no more: it may be its owner's again. */

/* Stores a frame in as many descriptors as it needs. Returns how many, 0 if there are not so many. */
static uint32_t store_long(struct rx_turn *turn, unsigned queue, struct emu_descriptor *descriptors,
			   uint32_t owned, unsigned index)
{
	static const struct emu_parsed nothing;
	struct emu_nic *nic = turn->nic;
	struct emu_ring *ring = &nic->rx[queue];
	struct emu_frame frame = stored_form(turn, &turn->frames[index]);
	uint32_t needed = (frame.len + ring->buffer_bytes - 1) / ring->buffer_bytes;

	if (needed > owned)
		return 0;
	make_room(nic, needed, frame.len);
	for (uint32_t i = 0; i < needed; i++) {
		uint32_t done = i * ring->buffer_bytes;
		uint32_t len = i + 1 < needed ? ring->buffer_bytes : frame.len - done;
		uint8_t *buffer = buffer_at(nic, ring, queue, descriptors, ring->head, len);

		if (!buffer)
			return 0;
		memcpy(buffer, frame.data + done, len);
		if (i + 1 < needed) {
			stored(turn, queue, descriptors, ring->head, &nothing, STATUS_DD, len);
		} else {
			count(turn, &turn->frames[index]);
			stored(turn, queue, descriptors, ring->head, &turn->parsed[index],
			       status_of(turn, &turn->parsed[index]), len);
		}
		ring->head = emu_next(ring, ring->head);
	}
	return needed;
}

/* Stores `n` frames that take one descriptor each. Returns how many it could. */
static unsigned store_chunk(struct rx_turn *turn, unsigned queue,
			    struct emu_descriptor *descriptors, const uint8_t *indices, unsigned n)
{
	struct emu_nic *nic = turn->nic;
	struct emu_ring *ring = &nic->rx[queue];
	uint8_t *buffer[EMU_BATCH];
	uint32_t at;

	make_room(nic, n, (size_t)n * ring->buffer_bytes);
	at = ring->head;
	for (unsigned i = 0; i < n; i++) {
		buffer[i] =
			buffer_at(nic, ring, queue, descriptors, at, turn->frames[indices[i]].len);
		if (!buffer[i]) {
			n = i;
			break;
		}
		pl_prefetch_write(buffer[i]);
		pl_prefetch_write(buffer[i] + turn->frames[indices[i]].len - 1);
		at = emu_next(ring, at);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct emu_frame *frame = &turn->frames[indices[i]];

		emu_copy(buffer[i], frame->data, frame->len);
		count(turn, frame);
	}
	/* In one go: a driver that polls would take a cache line away between its four descriptors. */
	at = ring->head;
	for (unsigned i = 0; i < n; i++) {
		const struct emu_parsed *parsed = &turn->parsed[indices[i]];

		stored(turn, queue, descriptors, at, parsed, status_of(turn, parsed),
		       turn->frames[indices[i]].len);
		at = emu_next(ring, at);
	}
	ring->head = at;
	return n;
}

/* Frames from `indices` on that fit one descriptor each. */
static unsigned short_ones(const struct rx_turn *turn, const struct emu_ring *ring,
			   const uint8_t *indices, unsigned n)
{
	unsigned i = 0;

	if (!turn->nic->filter.strip_crc)
		return 0;
	while (i < n && turn->frames[indices[i]].len <= ring->buffer_bytes)
		i++;
	return i;
}

static void note_stored(struct rx_turn *turn, unsigned queue, const uint8_t *indices, unsigned n)
{
	struct emu_counts *counts = &turn->nic->counts;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		bytes += turn->frames[indices[i]].len;
		turn->queue[indices[i]] = FATE_DONE;
	}
	counts->queue[queue].rx_packets += n;
	counts->queue[queue].rx_bytes += bytes + n * 4;
}

/* Stores the queue's frames, while there are descriptors. */
static void store(struct rx_turn *turn, unsigned queue, const uint8_t *indices, unsigned n)
{
	struct emu_nic *nic = turn->nic;
	struct emu_ring *ring = &nic->rx[queue];
	struct emu_descriptor *descriptors;
	uint32_t owned = emu_ring_look(nic, queue, false, &descriptors);
	uint32_t used = 0;
	unsigned done = 0;

	emu_ring_prefetch(ring, descriptors, n < owned ? n : owned);
	while (done < n && used < owned && !ring->stuck) {
		unsigned few = short_ones(turn, ring, indices + done, n - done);
		unsigned stored;

		if (few > owned - used)
			few = owned - used;
		if (few) {
			stored = store_chunk(turn, queue, descriptors, indices + done, few);
			used += stored;
		} else {
			uint32_t taken =
				store_long(turn, queue, descriptors, owned - used, indices[done]);

			stored = taken > 0;
			used += taken;
		}
		if (!stored)
			break;
		note_stored(turn, queue, indices + done, stored);
		done += stored;
	}
	/* Who fills it up may be waiting for this core, and frames that find it full are lost, or wait. */
	nic->engine->starved |= owned - used < ring->n / SCARCE;
	if (!used)
		return;
	nic->stats.dma_bytes_read[EMU_DMA_DESCRIPTORS] += used * sizeof(*descriptors);
	nic->stats.dma_bytes_written[EMU_DMA_DESCRIPTORS] += used * sizeof(*descriptors);
	if (!nic->n_moved) /* else once it is there */
		nic->model->queue_event(nic, queue, false);
}

/* Stores what it can, each queue's frames in order. */
static void store_all(struct rx_turn *turn)
{
	uint64_t tried[EMU_QUEUES_MAX / 64] = {0};
	uint8_t indices[EMU_BATCH];

	for (unsigned first = 0; first < turn->n; first++) {
		int queue = turn->queue[first];
		unsigned n = 0;

		if (queue < 0 || tried[queue / 64] >> queue % 64 & 1)
			continue;
		tried[queue / 64] |= UINT64_C(1) << queue % 64;
		for (unsigned i = first; i < turn->n; i++)
			if (turn->queue[i] == queue)
				indices[n++] = (uint8_t)i;
		store(turn, (unsigned)queue, indices, n);
	}
}

/* ---- turns ---- */

/* What becomes of a frame for which there was no descriptor. Returns whether it waits where it is. */
static bool is_left(struct rx_turn *turn, unsigned index)
{
	struct emu_nic *nic = turn->nic;
	const struct emu_frame *frame = &turn->frames[index];
	const struct emu_ring *ring = &nic->rx[turn->queue[index]];

	nic->engine->starved |= ring->enabled;
	if (!ring->enabled || ring->stuck) {
		nic->counts.queue[turn->queue[index]].rx_dropped++;
	} else if (nic->wire->patient || turn->from_chip) {
		return true;
	} else if (ring->drop) {
		nic->counts.queue[turn->queue[index]].rx_dropped++;
	} else if (turn->damaged || !emu_chip_put(&nic->engine->chip, frame)) {
		nic->counts.rx_missed++;
		return false;
	}
	count(turn, frame);
	return false;
}

/* Frames that have waited on the chip: one by one, for none may overtake. Returns how many left it. */
static unsigned receive_from_chip(struct emu_nic *nic)
{
	struct emu_chip *chip = &nic->engine->chip;
	unsigned n = 0;

	for (; n < EMU_BATCH && chip->n; n++) {
		struct emu_frame frame;
		struct rx_turn turn = {.nic = nic, .frames = &frame, .n = 1, .from_chip = true};

		emu_chip_peek(chip, &frame);
		look(&turn);
		store_all(&turn);
		if (turn.queue[0] >= 0 && is_left(&turn, 0))
			break;
		emu_chip_drop(chip);
	}
	return n;
}

/* Those lent by the wire. Returns how many of them it has no more to do with. */
static unsigned receive(struct emu_nic *nic)
{
	struct emu_engine *engine = nic->engine;
	unsigned n = engine->n_lent, left = 0;
	struct rx_turn turn = {.nic = nic, .frames = engine->lent, .n = n};

	turn.damaged = nic->faults[EMU_FAULT_CRC];
	look(&turn);
	if (!engine->chip.n)
		store_all(&turn);
	for (unsigned i = 0; i < n; i++)
		if (turn.queue[i] >= 0 && is_left(&turn, i))
			engine->lent[left++] = engine->lent[i];
	engine->n_lent = left;
	return n - left;
}

/* What has waited on the chip, and then what is on the wire. */
static unsigned receive_next(struct emu_nic *nic)
{
	struct emu_engine *engine = nic->engine;
	struct emu_wire *wire = nic->wire;

	if (engine->chip.n)
		return receive_from_chip(nic);
	if (!engine->n_lent)
		engine->n_lent = wire->ops->arrived(wire, engine->lent, EMU_BATCH);
	return engine->n_lent ? receive(nic) : 0;
}

/* What has to be moved takes long, however much it is: as much as can be moved at once, goes with it. */
static unsigned receive_more(struct emu_nic *nic)
{
	struct emu_engine *engine = nic->engine;
	unsigned n = 0, before = 0;

	/* Until there is nothing, or nothing of it can be stored. */
	while (engine->n_stores > before && engine->n_stores + EMU_BATCH <= PL_REMOTE_COPIES_MAX) {
		before = engine->n_stores;
		n += receive_next(nic);
	}
	move_stored(nic);
	return n;
}

/* Keeps what is derived from registers up to date. */
static void prepare(struct emu_nic *nic)
{
	struct emu_engine *engine = nic->engine;

	emu_addresses_make(&engine->addresses, &nic->filter);
	if (nic->rss.on &&
	    (!engine->toeplitz.made || memcmp(engine->toeplitz.key, nic->rss.key, 40) != 0))
		emu_toeplitz_make(&engine->toeplitz, nic->rss.key);
}

unsigned emu_rx(struct emu_nic *nic)
{
	struct emu_engine *engine = nic->engine;
	struct emu_wire *wire = nic->wire;
	unsigned moved = 0;
	bool on = nic->link && nic->rx_on;

	if (!wire)
		return 0;
	if (engine->n_lent && wire->ops->recalled && wire->ops->recalled(wire))
		engine->n_lent = 0;
	if (!on && wire->patient)
		return 0;
	if (!engine->n_lent)
		engine->n_lent = wire->ops->arrived(wire, engine->lent, EMU_BATCH);
	if (!on) {
		moved = engine->n_lent;
		engine->n_lent = 0;
		return moved;
	}
	if (!engine->n_lent && !engine->chip.n)
		return 0;
	prepare(nic);
	if (engine->chip.n)
		moved = receive_from_chip(nic);
	if (engine->n_lent)
		moved += receive(nic);
	if (nic->n_moved)
		moved += receive_more(nic);
	return moved;
}
