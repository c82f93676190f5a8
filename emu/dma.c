/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses for DMA, as behind an IOMMU: what has not been mapped is a fault.
 *
 * Device addresses have nothing in common with the process's: each mapping has a window of its own,
 * above 4 GiB, never the same twice, in which the pieces of memory lie in another order. So a driver that
 * takes one for the other, believes that memory is contiguous, or uses a mapping that is gone, is caught. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"

/* A window's number is (how often its slot has been used, slot) plus 1, times this: room for every region
 * there can be. */
#define WINDOW_SHIFT 34
#define SLOT_BITS 6

static_assert(EMU_MAPPINGS_MAX == 1 << SLOT_BITS, "a slot's number has as many bits");

#define PIECE_SHIFT_MIN 16

static unsigned shift_of(size_t page_bytes)
{
	unsigned shift = PIECE_SHIFT_MIN;

	while ((size_t)1 << shift < page_bytes)
		shift++;
	return shift;
}

/* The order of `n` pieces; the same for each run. The last, which may be shorter, stays the last. */
static void shuffle(uint32_t *order, unsigned n, uint64_t seed)
{
	for (unsigned i = 0; i < n; i++)
		order[i] = i;
	for (unsigned i = n; i-- > 1;) {
		unsigned j;
		uint32_t swap;

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		j = (unsigned)(seed >> 33) % (i + 1);
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
}

/* Fills a free mapping. `n_whole` pieces are shuffled. */
static int fill(struct emu_mapping *mapping, uint64_t window, uint8_t *base, size_t len_bytes,
		unsigned shift, enum emu_dma_kind kind)
{
	size_t piece_bytes = (size_t)1 << shift;
	unsigned n_whole = (unsigned)(len_bytes >> shift);
	unsigned n = n_whole + (len_bytes % piece_bytes != 0);
	uint64_t *address = calloc(n, sizeof(*address));
	uint8_t **piece = calloc(n, sizeof(*piece));
	uint32_t *order = calloc(n, sizeof(*order));

	if (!address || !piece || !order) {
		free(address);
		free(piece);
		free(order);
		return -ENOMEM;
	}
	shuffle(order, n_whole, window);
	if (n > n_whole)
		order[n_whole] = n_whole;
	for (unsigned i = 0; i < n; i++) {
		address[i] = window + ((uint64_t)order[i] << shift);
		piece[order[i]] = (uint8_t *)((uintptr_t)base + ((size_t)i << shift));
	}
	free(order);
	*mapping = (struct emu_mapping){
		.dma = {.address = address,
			.shift = shift,
			.n = n,
			.base = base,
			.len_bytes = len_bytes},
		.kind = kind,
		.window = window,
		.piece = piece,
		.n_quick = n_whole,
		.uses = mapping->uses + 1,
	};
	return 0;
}

/* `moves` becomes the mapping's; if there are, `base` is NULL. */
static int map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
	       enum emu_dma_kind kind, struct emu_moves *moves, struct pl_dma *dma)
{
	struct emu_nic *nic = emu_nic_of(pci);
	unsigned slot;
	uint64_t number;
	int rc;

	if (!base != !!moves || !len_bytes || len_bytes >= (size_t)1 << WINDOW_SHIFT ||
	    !page_bytes || page_bytes & (page_bytes - 1) || (uintptr_t)base % page_bytes)
		return -EINVAL;
	emu_lock(nic);
	for (slot = 0; slot < EMU_MAPPINGS_MAX; slot++)
		if (!nic->mappings[slot].dma.address)
			break;
	if (slot == EMU_MAPPINGS_MAX) {
		emu_unlock(nic);
		return -ENOSPC;
	}
	number = ((uint64_t)nic->mappings[slot].uses << SLOT_BITS | slot) + 1;
	rc = fill(&nic->mappings[slot], number << WINDOW_SHIFT, base, len_bytes,
		  shift_of(page_bytes), kind);
	if (!rc && moves) {
		nic->moves[slot] = moves;
		nic->mappings[slot].n_quick = 0;
		nic->n_moved++;
	}
	if (!rc)
		*dma = nic->mappings[slot].dma;
	emu_unlock(nic);
	return rc;
}

int emu_dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		struct pl_dma *dma)
{
	return map(pci, base, len_bytes, page_bytes, EMU_DMA_HOST, NULL, dma);
}

int emu_dma_import(struct pl_pci *pci, const struct pl_remote *remote, struct pl_dma *dma,
		   struct pl_error *err)
{
	struct emu_moves *moves = NULL;
	int rc = 0;

	if (!remote->emulated && !remote->copy)
		return pl_error_set(
			err, -EOPNOTSUPP, "use a NIC on the bus, or another accelerator",
			"%s: an emulated NIC does not reach this accelerator's memory", pci->name);
	if (!remote->emulated)
		rc = emu_moves_new(&moves, remote, err);
	if (rc)
		return rc;
	rc = map(pci, remote->emulated, remote->len_bytes, remote->page_bytes, EMU_DMA_REMOTE,
		 moves, dma);
	if (rc) {
		free(moves);
		return pl_error_set(err, rc, NULL,
				    "%s: cannot map %zu bytes of an accelerator's memory: %s",
				    pci->name, remote->len_bytes, strerror(-rc));
	}
	dma->base = NULL; /* who drives the NIC does not */
	return 0;
}

static void drop(struct emu_nic *nic, unsigned slot)
{
	struct emu_mapping *mapping = &nic->mappings[slot];

	if (nic->moves[slot])
		nic->n_moved--;
	free(nic->moves[slot]);
	nic->moves[slot] = NULL;
	free((void *)mapping->dma.address);
	free(mapping->piece);
	*mapping = (struct emu_mapping){.uses = mapping->uses};
}

/* Whether a ring lies in it, which the NIC may use at any time. */
static bool holds(const struct emu_mapping *mapping, const struct emu_ring *ring)
{
	return ring->enabled && ring->base - mapping->window < (uint64_t)mapping->dma.n
								       << mapping->dma.shift;
}

void emu_dma_unmap(struct pl_pci *pci, struct pl_dma *dma)
{
	struct emu_nic *nic = emu_nic_of(pci);

	emu_lock(nic);
	for (unsigned slot = 0; slot < EMU_MAPPINGS_MAX; slot++) {
		struct emu_mapping *mapping = &nic->mappings[slot];

		if (!mapping->dma.address || mapping->dma.address != dma->address)
			continue;
		for (unsigned q = 0; q < EMU_QUEUES_MAX && nic->bus_master; q++)
			if (holds(mapping, &nic->rx[q]) || holds(mapping, &nic->tx[q]))
				emu_report(nic,
					   "memory with a ring of queue %u is unmapped while "
					   "the queue is enabled",
					   q);
		drop(nic, slot);
	}
	emu_unlock(nic);
}

void emu_dma_unmap_all(struct emu_nic *nic)
{
	for (unsigned slot = 0; slot < EMU_MAPPINGS_MAX; slot++)
		if (nic->mappings[slot].dma.address)
			drop(nic, slot);
}

static bool fault(struct emu_nic *nic, uint64_t address, uint32_t len, bool write, const char *why)
{
	nic->stats.dma_faults++;
	emu_report(nic, "DMA fault: %s of %u bytes at 0x%llx, %s", write ? "write" : "read", len,
		   (unsigned long long)address, why);
	return false;
}

/* Where it is in the memory of its mapping, which then is nic->last_mapping. Returns whether it is anywhere. */
static bool find(struct emu_nic *nic, uint64_t address, uint32_t len, bool write, uint8_t **at)
{
	uint64_t number = (address >> WINDOW_SHIFT) - 1;
	unsigned slot = (unsigned)number & (EMU_MAPPINGS_MAX - 1);
	const struct emu_mapping *mapping = &nic->mappings[slot];
	uint64_t offset = address - mapping->window;
	size_t piece_bytes = (size_t)1 << mapping->dma.shift;
	size_t inside = offset & (piece_bytes - 1), room = piece_bytes;

	if (nic->faults[EMU_FAULT_REMOVED])
		return false;
	if (!nic->bus_master)
		return fault(nic, address, len, write, "which is not a bus master's to do");
	if (!mapping->dma.address || offset >> mapping->dma.shift >= mapping->dma.n)
		return fault(nic, address, len, write, "which is not mapped");
	/* The last piece may be shorter. */
	if (offset >> mapping->dma.shift == mapping->dma.len_bytes >> mapping->dma.shift)
		room = mapping->dma.len_bytes & (piece_bytes - 1);
	if (inside + len > room)
		return fault(nic, address, len, write, "which leaves its piece of memory");
	nic->last_mapping = slot;
	*at = (uint8_t *)((uintptr_t)mapping->piece[offset >> mapping->dma.shift] + inside);
	return true;
}

void *emu_dma(struct emu_nic *nic, uint64_t address, uint32_t len, bool write)
{
	uint8_t *at;

	if (!find(nic, address, len, write, &at))
		return NULL;
	if (nic->moves[nic->last_mapping])
		fault(nic, address, len, write, "which is for packets alone");
	return nic->moves[nic->last_mapping] ? NULL : at;
}

void *emu_dma_packet(struct emu_nic *nic, uint64_t address, uint32_t len, bool write)
{
	uint8_t *at;

	if (!find(nic, address, len, write, &at))
		return NULL;
	if (nic->moves[nic->last_mapping])
		at = emu_moves_add(nic, nic->moves[nic->last_mapping], (uintptr_t)at, len, write);
	return at;
}
