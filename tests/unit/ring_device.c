/* SPDX-License-Identifier: BSD-2-Clause */
#include "ring_device.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Descriptors as 64-bit words, by the datasheet (82599 7.1.6, 7.2.3.2.4), not by the driver's header. */
#define TX_DD ((uint64_t)1 << 32)
#define TX_RS ((uint64_t)1 << 27)
/* DEXT, IFCS, EOP, and DTYP that says advanced data; no other bit of the command. */
#define TX_PLAIN \
	(((uint64_t)1 << 29) | ((uint64_t)1 << 25) | ((uint64_t)1 << 24) | (uint64_t)3 << 20)

static struct ring_device *device_of(struct pl_pci *pci)
{
	return (struct ring_device *)pci;
}

static void note_bell(struct pl_pci *pci)
{
	device_of(pci)->n_bells++;
}

static int irq(struct pl_pci *pci, unsigned vector, int event_fd)
{
	device_of(pci)->irq_fd[vector] = event_fd;
	return 0;
}

/* Pieces in reverse order, far from where the processor has them. */
static int dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		   struct pl_dma *dma)
{
	struct ring_device *d = device_of(pci);
	unsigned shift = d->piece_shift;
	unsigned n = (unsigned)((len_bytes + ((size_t)1 << shift) - 1) >> shift);
	uint64_t *address;

	(void)page_bytes;
	if (!d->maps_left)
		return -ENOMEM;
	d->maps_left--;
	address = calloc(n, sizeof(*address));
	assert_non_null(address);
	for (unsigned i = 0; i < n; i++)
		address[i] = ((uint64_t)(d->n_mapped + 1) << 40) + ((uint64_t)(n - 1 - i) << shift);
	*dma = (struct pl_dma){address, shift, n, base, len_bytes};
	d->n_mapped++;
	return 0;
}

static void dma_unmap(struct pl_pci *pci, struct pl_dma *dma)
{
	device_of(pci)->n_mapped--;
	free((void *)(uintptr_t)dma->address);
}

static const struct pl_pci_ops pci_ops = {
	.backend = "by hand",
	.rung = note_bell,
	.irq = irq,
	.dma_map = dma_map,
	.dma_unmap = dma_unmap,
};

static uint32_t rx_tail(unsigned queue)
{
	return 16 * queue;
}

static uint32_t tx_tail(unsigned queue)
{
	return 16 * queue + 8;
}

static void arm(struct pl_nic *nic, unsigned vector)
{
	device_of(nic->pci)->armed[vector] = true;
}

static void clear(struct pl_nic *nic, unsigned vector)
{
	struct ring_device *d = device_of(nic->pci);
	static const uint8_t frame[60];

	assert_false(d->armed[vector]);
	d->n_cleared++;
	if (d->frame_while_clearing)
		device_receive(d, vector, frame, sizeof(frame), RX_WHOLE, sizeof(frame));
}

static const struct nic_driver driver = {
	.name = "by hand",
	.rx_damaged = RX_RXE,
	.rx_tail = rx_tail,
	.tx_tail = tx_tail,
	.arm = arm,
	.clear = clear,
};

/* In the place of nic.c's. */
void pl_nic_stop(struct pl_nic *nic)
{
	device_of(nic->pci)->n_stops++;
	nic->started = false;
}

void device_open(struct ring_device *d, unsigned ring_size)
{
	struct pl_error err;

	memset(d, 0, sizeof(*d));
	d->pci.ops = &pci_ops;
	strcpy(d->pci.name, "device");
	d->pci.bar = d->bar;
	d->pci.bar_bytes = sizeof(d->bar);
	d->piece_shift = 16;
	d->maps_left = 1000;
	for (unsigned i = 0; i < DEVICE_QUEUES; i++)
		d->irq_fd[i] = -1;
	d->nic.pci = &d->pci;
	d->nic.driver = &driver;
	strcpy(d->nic.name, "pl0");
	d->nic.config.n_queues = DEVICE_QUEUES;
	d->nic.config.ring_size = ring_size;
	assert_int_equal(pl_region_alloc(&d->nic.rings, nic_rings_bytes(&d->nic), &err), 0);
	assert_int_equal(pl_pci_dma_map(&d->pci, d->nic.rings.base, d->nic.rings.len_bytes,
					d->nic.rings.page_bytes, &d->nic.rings_dma, &err),
			 0);
}

void device_queue(struct ring_device *d, unsigned index, struct pl_pool *pool)
{
	struct nic_queue *nq;
	struct pl_error err;

	if (nic_queue_new(&d->nic, index, pool, &nq, &err))
		fail_msg("%s", err.what);
	assert_ptr_equal(d->nic.queues[index], nq);
	d->queues[index] = nic_queue_base(nq);
	nic_queue_prepare(nq);
	nic_queue_fill(nq);
}

void device_reset_queue(struct ring_device *d, unsigned index)
{
	d->rx_head[index] = d->tx_head[index] = 0;
	memset(d->bar + rx_tail(index), 0, 16);
}

void device_close(struct ring_device *d)
{
	for (unsigned i = 0; i < DEVICE_QUEUES; i++) {
		assert_null(d->nic.queues[i]);
		assert_int_equal(d->irq_fd[i], -1);
	}
	pl_pci_dma_unmap(&d->pci, &d->nic.rings_dma);
	assert_int_equal(d->n_mapped, 0);
	pl_region_free(&d->nic.rings);
}

/* The memory at a device address, all of it in one piece of one mapping. */
static uint8_t *memory_at(const struct ring_device *d, uint64_t address, uint32_t len)
{
	for (unsigned m = 0; m <= PL_NIC_QUEUES_MAX; m++) {
		const struct pl_dma *dma = m < PL_NIC_QUEUES_MAX ? &d->nic.mappings[m].dma
								 : &d->nic.rings_dma;

		for (unsigned i = 0; i < dma->n; i++) {
			uint64_t offset = address - dma->address[i];

			if (address < dma->address[i] || offset >> dma->shift)
				continue;
			assert_true(offset + len <= (uint64_t)1 << dma->shift);
			return (uint8_t *)dma->base + ((uint64_t)i << dma->shift) + offset;
		}
	}
	fail_msg("no memory at 0x%lx", address);
	return NULL;
}

static uint32_t tail_of(const struct ring_device *d, uint32_t offset)
{
	/* Acquire: pairs with pl_pci_ring(). */
	return __atomic_load_n((const uint32_t *)(d->bar + offset), __ATOMIC_ACQUIRE);
}

static uint64_t *descriptor(const struct ring_device *d, uint64_t ring, uint32_t i)
{
	return (uint64_t *)memory_at(d, ring + 16 * i, 16);
}

static uint32_t next(const struct ring_device *d, uint32_t i)
{
	return (i + 1) % d->nic.config.ring_size;
}

unsigned device_rx_room(const struct ring_device *d, unsigned index)
{
	uint32_t tail = tail_of(d, rx_tail(index));

	assert_true(tail < d->nic.config.ring_size);
	return (tail - d->rx_head[index]) % d->nic.config.ring_size;
}

void device_receive(struct ring_device *d, unsigned index, const uint8_t *data, unsigned n,
		    uint32_t status, uint16_t length)
{
	const struct pl_pool *pool = d->queues[index]->pool;
	uint64_t *desc = descriptor(d, nic_rx_ring_address(&d->nic, index), d->rx_head[index]);
	uint64_t offset;
	uint8_t *to;

	assert_true(device_rx_room(d, index) > 0);
	assert_int_equal(desc[1], 0);
	assert_int_equal(desc[0] % 16, 2);
	/* The longest frame fits behind where this one starts. */
	offset = desc[0] % pool->buf_bytes;
	assert_true(offset + nic_frame_room(pool) + 4 <= pool->buf_bytes);
	to = memory_at(d, desc[0], pool->buf_bytes - (uint32_t)offset);
	memcpy(to, data, n);
	desc[0] = 0xa5a5a5a5a5a5a5a5; /* packet type, RSS hash: whatever */
	/* Release: the frame is there for who sees DD. */
	__atomic_store_n(&desc[1], status | (uint64_t)length << 32 | (uint64_t)0x77 << 48,
			 __ATOMIC_RELEASE);
	d->rx_head[index] = next(d, d->rx_head[index]);
}

unsigned device_transmit(struct ring_device *d, unsigned index, unsigned max,
			 void (*sent)(void *ctx, const uint8_t *data, uint32_t len), void *ctx)
{
	uint32_t tail = tail_of(d, tx_tail(index));
	unsigned n = 0;

	assert_true(tail < d->nic.config.ring_size);
	for (; n < max && d->tx_head[index] != tail; n++) {
		uint64_t *desc =
			descriptor(d, nic_tx_ring_address(&d->nic, index), d->tx_head[index]);
		uint32_t len = desc[1] & 0xffff;

		assert_int_equal(desc[1] & 0xffff0000 & ~TX_RS, TX_PLAIN);
		assert_true(len >= 17);
		assert_int_equal(desc[1] >> 32, len << 14);
		sent(ctx, memory_at(d, desc[0], len), len);
		if (desc[1] & TX_RS) /* release: the frame has been read */
			__atomic_store_n(&desc[1], TX_DD, __ATOMIC_RELEASE);
		d->tx_head[index] = next(d, d->tx_head[index]);
	}
	return n;
}
