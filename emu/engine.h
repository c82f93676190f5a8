/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine's parts (rx.c, tx.c, rss.c, filter.c, shadow.c) share, and emu.c calls. */
#ifndef EMU_ENGINE_H
#define EMU_ENGINE_H

#include <peerlane/cache.h>

#include "private.h"

/* Frames received, and sent by each queue, in one turn at most: a NIC's lock is held that long. */
#define EMU_BATCH 64u

/* A packet buffer on the chip, for what comes while there are no descriptors (82599: 512 KB). */
#define EMU_CHIP_BYTES (512u << 10)

/* The longest frame and buffer: 15.5 KB (82599 datasheet 7.2.1.1). */
#define EMU_FRAME_MAX 15872u

/* Bytes of frames, sent in one go, that are not sent right out of a driver's buffer. */
#define EMU_BOUNCE_BYTES (64u << 10)

/* The longest ring: TDLEN and RDLEN have 20 bits for bytes. */
#define EMU_RING_MAX 65536u

/* Toeplitz hash: what each value of each byte of the input adds. */
#define EMU_RSS_INPUT_MAX 36u
struct emu_toeplitz {
	uint8_t key[40]; /* that it was made of */
	bool made;
	uint32_t byte[EMU_RSS_INPUT_MAX][256];
};

/* What a parser finds in a frame. */
struct emu_parsed {
	uint32_t hash;
	uint16_t packet_type; /* as in a descriptor: EMU_TYPE_... */
	uint8_t rss_type;     /* as in a descriptor; 0: not hashed */
	uint8_t checksum;     /* EMU_CHECKSUM_... of the IPv4 header */
};

/* Packet types of advanced descriptors (82599 datasheet 7.1.6.2, 82576 7.1.5.2). */
enum {
	EMU_TYPE_IP4 = 1 << 0,
	EMU_TYPE_IP4_OPTIONS = 1 << 1,
	EMU_TYPE_IP6 = 1 << 2,
	EMU_TYPE_IP6_EXTENSIONS = 1 << 3,
	EMU_TYPE_TCP = 1 << 4,
	EMU_TYPE_UDP = 1 << 5,
	EMU_TYPE_SCTP = 1 << 6,
};

enum { EMU_CHECKSUM_NONE, EMU_CHECKSUM_GOOD, EMU_CHECKSUM_BAD };

/* The filter's entries that are valid, in one row. */
struct emu_addresses {
	unsigned n;
	uint64_t mac[EMU_FILTERS_MAX]; /* 6 bytes as they are in memory, then zeros */
};

/* Frames waiting on the chip, oldest first: each a length and as many bytes, one after the other. */
struct emu_chip {
	uint8_t *bytes; /* EMU_CHIP_BYTES, had when first needed */
	uint32_t first, used;
	unsigned n;
};

/* As read from memory; what is written back is written piece by piece. */
struct emu_descriptor {
	uint64_t low, high;
};

struct emu_shadow;

/* A receive descriptor to be written back once the frame has been moved. */
struct emu_store {
	struct emu_descriptor *descriptor;
	uint32_t at; /* its place in the ring */
	uint32_t status, len;
	struct emu_parsed parsed;
	uint8_t queue;
};

struct emu_engine {
	struct emu_addresses addresses;
	struct emu_toeplitz toeplitz;
	/* Lent by the wire and not stored yet. */
	struct emu_frame lent[EMU_BATCH];
	unsigned n_lent;
	bool starved; /* of descriptors to receive with, or soon to be, in this turn */
	struct emu_chip chip;
	/* Of this turn, in order. */
	struct emu_store stores[PL_REMOTE_COPIES_MAX];
	unsigned n_stores;
	/* Frames that consist of several buffers, or are padded, on their way out. */
	uint8_t *bounce;
	struct emu_shadow *shadow; /* by emu_watch_descriptors(); NULL: not asked for */
};

int emu_engine_open(struct emu_nic *nic);
void emu_engine_close(struct emu_nic *nic);

/* ---- rings ---- */

/* All of the ring, which is contiguous for the device. NULL: a fault, and the ring is stuck. */
struct emu_descriptor *emu_ring_descriptors(struct emu_nic *nic, struct emu_ring *ring);

/* Looks at the tail of an enabled ring. Returns how many descriptors the NIC owns, from ring->head on,
 * and where the ring is; 0, too, when it stands still. */
uint32_t emu_ring_look(struct emu_nic *nic, unsigned queue, bool tx,
		       struct emu_descriptor **descriptors);

/* Reports what a ring cannot go on from: it stands still until it is enabled anew. */
void emu_ring_stuck(struct emu_nic *nic, struct emu_ring *ring, const char *kind, unsigned queue,
		    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Compares what the NIC has owned with what it was, and notes what it owns from now on, to `tail`. */
void emu_shadow_look(struct emu_nic *nic, unsigned queue, bool tx,
		     const struct emu_descriptor *descriptors, uint32_t tail);
/* All of the NIC's rings. */
void emu_shadow_turn(struct emu_nic *nic);
void emu_shadow_forget(struct emu_engine *engine);
void emu_shadow_free(struct emu_engine *engine);

/* ---- frames that wait on the chip ---- */

/* Copies a frame to the end. Returns false when there is no room. */
bool emu_chip_put(struct emu_chip *chip, const struct emu_frame *frame);
/* The oldest one; there is one. */
void emu_chip_peek(struct emu_chip *chip, struct emu_frame *frame);
/* Forgets it. */
void emu_chip_drop(struct emu_chip *chip);

/* ---- frames ---- */

void emu_addresses_make(struct emu_addresses *addresses, const struct emu_filter *filter);
bool emu_addresses_accept(const struct emu_addresses *addresses, const struct emu_filter *filter,
			  const uint8_t *frame);

void emu_toeplitz_make(struct emu_toeplitz *toeplitz, const uint8_t key[40]);

/* Finds out what a frame is, and hashes it as `rss` wants. */
void emu_parse(const struct emu_rss *rss, const struct emu_toeplitz *toeplitz, const uint8_t *frame,
	       uint32_t len, struct emu_parsed *parsed);

/* Copies a frame: few lengths matter, 60 above all. */
void emu_copy(void *to, const void *from, uint32_t len);

static inline uint32_t emu_next(const struct emu_ring *ring, uint32_t at)
{
	return at + 1 == ring->n ? 0 : at + 1;
}

/* Asks for the lines of the next `n` descriptors, four in each, all at once: they come from the driver's
 * core. */
static inline void emu_ring_prefetch(const struct emu_ring *ring,
				     const struct emu_descriptor *descriptors, uint32_t n)
{
	uint32_t at = ring->head;

	for (uint32_t i = 0; i < n; i += 4) {
		pl_prefetch_write(&descriptors[at]);
		at = at + 4 >= ring->n ? at + 4 - ring->n : at + 4;
	}
}

/* Place in rx_size and tx_size of a frame of `len` bytes without FCS. */
static inline unsigned emu_size_class(uint32_t len)
{
	unsigned bits = 32 - (unsigned)__builtin_clz(len + 4);

	return len <= 60 ? 0 : bits > 10 ? 5 : bits - 6;
}

#endif
