/* SPDX-License-Identifier: BSD-2-Clause */
/* Does on purpose what must not happen, so that what would tell of it is known to tell:
 *
 *   vm-wild ADDRESS SECONDS
 *
 * has a NIC receive, waits for a frame, then takes the packets' memory from under it: unmaps it for the
 * device and gives the pages back, while the NIC goes on. An IOMMU reports it; where there is none the
 * pages are written to. In a virtual machine alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <peerlane/memory.h>
#include <peerlane/nic.h>
#include <peerlane/pci.h>

/* The device's own operations but for one, which notes what the NIC maps. */
static struct pl_pci_ops ops;
static const struct pl_pci_ops *own;
static struct pl_dma *of_pool;
static struct pl_pool pool;

static int noting_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		      struct pl_dma *dma)
{
	if (base == pool.region.base)
		of_pool = dma;
	return own->dma_map(pci, base, len_bytes, page_bytes, dma);
}

static int fail(const char *what, const struct pl_error *err)
{
	printf("%s: %s\n%s\n", what, err->what, err->remedy);
	return 1;
}

static bool received(struct pl_queue *queue, unsigned seconds)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	uint32_t frame[32];
	uint16_t len[32];

	for (unsigned i = 0; i < seconds * 200; i++) {
		if (pl_queue_rx(queue, frame, len, 32))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

int main(int argc, char **argv)
{
	struct pl_nic_config config = {
		.name = "wild", .n_queues = 1, .ring_size = 4096, .mtu = 1500};
	struct pl_error err = {0};
	struct pl_queue *queue;
	struct pl_pci *pci;
	struct pl_nic *nic;

	if (argc != 3)
		return 2;
	if (pl_pci_open(&pci, argv[1], PL_PCI_AUTO, &err))
		return fail("open", &err);
	own = pci->ops;
	ops = *own;
	ops.dma_map = noting_map;
	pci->ops = &ops;
	if (pl_pool_init(&pool, 2 * config.ring_size, 2048, &err) ||
	    pl_nic_open(&nic, pci, &config, &err) ||
	    pl_nic_queue_open(nic, 0, &pool, &queue, &err) || pl_nic_start(nic, &err))
		return fail("start", &err);
	if (!received(queue, 20)) {
		printf("nothing received\n");
		return 1;
	}
	if (!of_pool) {
		printf("the pool was not mapped\n");
		return 1;
	}
	own->dma_unmap(pci, of_pool);
	pl_region_free(&pool.region);
	printf("unmapped\n");
	fflush(stdout);
	sleep((unsigned)atoi(argv[2]));
	_exit(0); /* what is left is the end of the file's */
}
