/* SPDX-License-Identifier: BSD-2-Clause */
/* The device's end of a queue's rings, made by hand: it does to descriptors and memory exactly what a test
 * says, also what no device should. */
#ifndef TEST_RING_DEVICE_H
#define TEST_RING_DEVICE_H

#include "../../lib/nic/private.h"

#define DEVICE_QUEUES 2u
#define DEVICE_BAR_BYTES 256u

/* Good and bad ends of a received frame. */
#define RX_DD (1u << 0)
#define RX_EOP (1u << 1)
#define RX_RXE (1u << 29)
#define RX_WHOLE (RX_DD | RX_EOP)

struct ring_device {
	struct pl_pci pci; /* first */
	struct pl_nic nic;
	_Alignas(64) uint8_t bar[DEVICE_BAR_BYTES];
	struct pl_queue *queues[DEVICE_QUEUES];
	uint32_t rx_head[DEVICE_QUEUES], tx_head[DEVICE_QUEUES];
	unsigned piece_shift; /* of what is mapped next */
	unsigned maps_left;   /* before mapping fails */
	unsigned n_mapped;
	unsigned n_bells; /* tail writes */
	int irq_fd[DEVICE_QUEUES];
	bool armed[DEVICE_QUEUES];
	unsigned n_cleared;
	bool frame_while_clearing; /* one arrives on the queue just after its cause was cleared */
	unsigned n_stops;	   /* calls of pl_nic_stop(), which is this device's */
};

/* A device with rings of `ring_size` descriptors for all queues, none of them open. */
void device_open(struct ring_device *d, unsigned ring_size);

/* Opens queue `index`, and has it filled. */
void device_queue(struct ring_device *d, unsigned index, struct pl_pool *pool);

/* The device forgets all about a queue: heads and tails are 0. */
void device_reset_queue(struct ring_device *d, unsigned index);

/* All queues are closed. */
void device_close(struct ring_device *d);

/* Descriptors that the device has for receiving. */
unsigned device_rx_room(const struct ring_device *d, unsigned index);

/* Writes `n` bytes into the next buffer, and the descriptor back with this status and length. There is
 * room. Checks what the descriptor says. */
void device_receive(struct ring_device *d, unsigned index, const uint8_t *data, unsigned n,
		    uint32_t status, uint16_t length);

/* Transmits up to `max` frames into `sent` and reports where it is asked to. Checks what descriptors say.
 * Returns how many. */
unsigned device_transmit(struct ring_device *d, unsigned index, unsigned max,
			 void (*sent)(void *ctx, const uint8_t *data, uint32_t len), void *ctx);

#endif
