/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings as a NIC sees them, and what the engine has on the chip. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

int emu_engine_open(struct emu_nic *nic)
{
	struct emu_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return -ENOMEM;
	engine->bounce = malloc(EMU_BOUNCE_BYTES);
	if (!engine->bounce) {
		free(engine);
		return -ENOMEM;
	}
	nic->engine = engine;
	return 0;
}

void emu_engine_close(struct emu_nic *nic)
{
	if (!nic->engine)
		return;
	emu_shadow_free(nic->engine);
	free(nic->engine->chip.bytes);
	free(nic->engine->bounce);
	free(nic->engine);
	nic->engine = NULL;
}

void emu_engine_reset(struct emu_nic *nic)
{
	struct emu_engine *engine = nic->engine;

	/* At power-on there is none yet. What the wire has lent is lost; a wire that waits has more. */
	if (!engine)
		return;
	engine->n_lent = 0;
	engine->chip.first = engine->chip.used = engine->chip.n = 0;
	emu_shadow_forget(engine);
}

/* Acquire: pairs with the driver's release in pl_pci_ring(), so that the descriptors are there. */
static uint32_t load_tail(const struct emu_nic *nic, const struct emu_ring *ring)
{
	_Atomic uint32_t *tail = (_Atomic uint32_t *)(nic->regs + ring->tail_at / 4);

	return atomic_load_explicit(tail, memory_order_acquire);
}

void emu_ring_start(struct emu_nic *nic, struct emu_ring *ring)
{
	ring->tail_seen = ring->written = ring->head;
	/* From a ring that was longer. */
	ring->stuck = ring->head >= ring->n;
	if (ring->stuck)
		emu_report(nic,
			   "the head is %u, beyond the %u descriptors of a ring that is enabled, "
			   "tail at 0x%05x",
			   ring->head, ring->n, ring->tail_at);
	else if (load_tail(nic, ring) != ring->head)
		emu_report(nic, "the tail at 0x%05x is %u, and the head %u, as its ring is enabled",
			   ring->tail_at, load_tail(nic, ring), ring->head);
}

void emu_ring_stuck(struct emu_nic *nic, struct emu_ring *ring, const char *kind, unsigned queue,
		    const char *format, ...)
{
	char why[160];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	emu_report(nic, "%s ring %u: %s", kind, queue, why);
	ring->stuck = true;
}

static uint32_t distance(const struct emu_ring *ring, uint32_t from, uint32_t to)
{
	return to >= from ? to - from : to + ring->n - from;
}

struct emu_descriptor *emu_ring_descriptors(struct emu_nic *nic, struct emu_ring *ring)
{
	uint32_t bytes = ring->n * (uint32_t)sizeof(struct emu_descriptor);
	struct emu_descriptor *descriptors = emu_dma_quick(nic, ring->base, bytes);

	if (__builtin_expect(!descriptors, false))
		descriptors = emu_dma(nic, ring->base, bytes, true);
	if (!descriptors)
		ring->stuck = true;
	return descriptors;
}

uint32_t emu_ring_look(struct emu_nic *nic, unsigned queue, bool tx,
		       struct emu_descriptor **descriptors)
{
	struct emu_ring *ring = tx ? &nic->tx[queue] : &nic->rx[queue];
	const char *kind = tx ? "TX" : "RX";
	uint32_t tail, owned;

	if (!ring->enabled || ring->stuck)
		return 0;
	tail = load_tail(nic, ring);
	if (tail == ring->head && tail == ring->tail_seen)
		return 0;
	if (tail >= ring->n) {
		emu_ring_stuck(nic, ring, kind, queue, "tail %u is beyond its %u descriptors", tail,
			       ring->n);
		return 0;
	}
	owned = distance(ring, ring->head, tail);
	if (owned < distance(ring, ring->head, ring->tail_seen)) {
		emu_ring_stuck(nic, ring, kind, queue,
			       "tail goes from %u to %u, past head %u or back", ring->tail_seen,
			       tail, ring->head);
		return 0;
	}
	*descriptors = emu_ring_descriptors(nic, ring);
	if (!*descriptors)
		return 0;
	if (nic->engine->shadow)
		emu_shadow_look(nic, queue, tx, *descriptors, tail);
	ring->tail_seen = tail;
	return ring->stuck ? 0 : owned;
}

void emu_copy(void *to, const void *from, uint32_t len)
{
	if (len >= 32 && len <= 64) {
		/* The halves overlap. */
		struct half {
			uint64_t word[4];
		} first, last;

		memcpy(&first, from, 32);
		memcpy(&last, (const uint8_t *)from + len - 32, 32);
		memcpy(to, &first, 32);
		memcpy((uint8_t *)to + len - 32, &last, 32);
		return;
	}
	memcpy(to, from, len);
}

/* ---- what waits on the chip ---- */

/* Frames lie one after the other, each behind its length, and none over the end of the memory: one that
 * would is put at its beginning, behind a length of 0. */
static uint32_t chip_room(const struct emu_chip *chip)
{
	return EMU_CHIP_BYTES - chip->used;
}

static uint32_t chip_bytes(uint32_t len)
{
	return (len + 4 + 3) & ~3u;
}

bool emu_chip_put(struct emu_chip *chip, const struct emu_frame *frame)
{
	uint32_t bytes = chip_bytes(frame->len);
	uint32_t at = (chip->first + chip->used) % EMU_CHIP_BYTES;
	uint32_t left = EMU_CHIP_BYTES - at;

	if (!chip->bytes)
		chip->bytes = malloc(EMU_CHIP_BYTES);
	if (!chip->bytes)
		return false;
	if (left < bytes) {
		if (chip_room(chip) < left + bytes)
			return false;
		memset(chip->bytes + at, 0, 4);
		chip->used += left;
		at = 0;
	}
	if (chip_room(chip) < bytes)
		return false;
	memcpy(chip->bytes + at, &frame->len, 4);
	memcpy(chip->bytes + at + 4, frame->data, frame->len);
	chip->used += bytes;
	chip->n++;
	return true;
}

void emu_chip_peek(struct emu_chip *chip, struct emu_frame *frame)
{
	memcpy(&frame->len, chip->bytes + chip->first, 4);
	if (!frame->len) {
		chip->used -= EMU_CHIP_BYTES - chip->first;
		chip->first = 0;
		memcpy(&frame->len, chip->bytes, 4);
	}
	frame->data = chip->bytes + chip->first + 4;
}

void emu_chip_drop(struct emu_chip *chip)
{
	struct emu_frame frame;

	emu_chip_peek(chip, &frame);
	chip->first = (chip->first + chip_bytes(frame.len)) % EMU_CHIP_BYTES;
	chip->used -= chip_bytes(frame.len);
	if (--chip->n == 0)
		chip->first = chip->used = 0;
}
