/* SPDX-License-Identifier: BSD-2-Clause */
/* What is common to all ways to reach a device. */
#include <peerlane/pci.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pl_pci_init(struct pl_pci *pci)
{
	const char *wanted = getenv("PEERLANE_TRACE");

	pci->trace = wanted && !strcmp(wanted, "regs");
}

/* What is read of memory afterwards is what was there when the register was read: a driver that has had a
 * write arrive by reading would else look at a ring too early. */
uint32_t pl_pci_read(struct pl_pci *pci, uint32_t offset)
{
	uint32_t value = pci->ops->read ? pci->ops->read(pci, offset)
					: *(volatile uint32_t *)(pci->bar + offset);

	pl_pci_read_barrier();
	if (__builtin_expect(pci->trace, false))
		fprintf(stderr, "r 0x%05x 0x%08x\n", offset, value);
	return value;
}

void pl_pci_write(struct pl_pci *pci, uint32_t offset, uint32_t value)
{
	if (__builtin_expect(pci->trace, false))
		fprintf(stderr, "w 0x%05x 0x%08x\n", offset, value);
	pl_pci_write_barrier(); /* a register that starts DMA finds what was written before */
	if (pci->ops->write)
		pci->ops->write(pci, offset, value);
	else
		*(volatile uint32_t *)(pci->bar + offset) = value;
}

int pl_pci_dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		   struct pl_dma *dma, struct pl_error *err)
{
	int rc = pci->ops->dma_map(pci, base, len_bytes, page_bytes, dma);

	if (rc)
		return pl_error_set(err, rc,
				    rc == -ENOMEM ? "raise LimitMEMLOCK= (ulimit -l)" : NULL,
				    "%s: cannot map %zu bytes for DMA: %s", pci->name, len_bytes,
				    strerror(-rc));
	return 0;
}

int pl_pci_dma_import(struct pl_pci *pci, const struct pl_remote *remote, struct pl_dma *dma,
		      struct pl_error *err)
{
	char remedy[80];

	if (pci->ops->dma_import)
		return pci->ops->dma_import(pci, remote, dma, err);
	snprintf(remedy, sizeof(remedy), "peerlane bind %s kmod", pci->name);
	return pl_error_set(err, -EOPNOTSUPP, remedy,
			    "%s: %s cannot give it addresses of an accelerator's memory: the "
			    "module peerlane can",
			    pci->name, pci->ops->backend);
}

void pl_pci_dma_unmap(struct pl_pci *pci, struct pl_dma *dma)
{
	if (dma->n)
		pci->ops->dma_unmap(pci, dma);
	*dma = (struct pl_dma){0};
}

int pl_pci_bus_master(struct pl_pci *pci, bool on, struct pl_error *err)
{
	int rc = pci->ops->bus_master(pci, on);

	if (rc)
		return pl_error_set(err, rc, NULL, "%s: cannot switch bus mastering %s: %s",
				    pci->name, on ? "on" : "off", strerror(-rc));
	return 0;
}

int pl_pci_irq(struct pl_pci *pci, unsigned vector, int event_fd, struct pl_error *err)
{
	int rc = pci->ops->irq(pci, vector, event_fd);

	if (rc)
		return pl_error_set(err, rc, NULL, "%s: cannot use MSI-X vector %u: %s", pci->name,
				    vector, strerror(-rc));
	return 0;
}

bool pl_pci_lost(struct pl_pci *pci)
{
	return pci->ops->lost && pci->ops->lost(pci);
}

void pl_pci_release(struct pl_pci *pci)
{
	if (pci->ops->release)
		pci->ops->release(pci);
}

void pl_pci_close(struct pl_pci *pci)
{
	if (!pci)
		return;
	(void)pci->ops->bus_master(pci, false);
	pci->ops->close(pci);
}
