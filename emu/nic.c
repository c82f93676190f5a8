/* SPDX-License-Identifier: BSD-2-Clause */
/* An emulated NIC as a PCI device: its life, its registers' way in, interrupts, faults and reports. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bus.h"

void emu_report(struct emu_nic *nic, const char *format, ...)
{
	char what[sizeof(nic->last_report)];
	va_list args;

	nic->stats.illegal++;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (!strcmp(what, nic->last_report))
		return;
	memcpy(nic->last_report, what, sizeof(what));
	if (nic->emu->report)
		nic->emu->report(nic->emu->report_ctx, nic->name, what);
}

bool emu_msix(struct emu_nic *nic, unsigned vector)
{
	uint64_t one = 1;

	if (nic->faults[EMU_FAULT_REMOVED] || !nic->bus_master || nic->irq_fds[vector] < 0)
		return false;
	nic->stats.interrupts++;
	/* An eventfd takes more than can ever be sent; another kind of descriptor is the caller's
	 * affair. */
	if (write(nic->irq_fds[vector], &one, sizeof(one)) != sizeof(one))
		emu_report(nic, "MSI-X vector %u's event descriptor does not take its message",
			   vector);
	return true;
}

/* ---- pl_pci_ops ---- */

static bool offset_is_legal(struct emu_nic *nic, uint32_t offset)
{
	if (offset % 4 == 0 && offset < EMU_BAR_BYTES)
		return true;
	emu_report(nic, "access to 0x%05x, which is %s", offset,
		   offset % 4 ? "not a multiple of 4" : "beyond the BAR");
	return false;
}

static uint32_t nic_read(struct pl_pci *pci, uint32_t offset)
{
	struct emu_nic *nic = emu_nic_of(pci);
	uint32_t value = 0xFFFFFFFF;

	emu_lock(nic);
	if (!nic->faults[EMU_FAULT_REMOVED] && offset_is_legal(nic, offset))
		value = nic->model->read(nic, offset);
	emu_unlock(nic);
	return value;
}

static void nic_write(struct pl_pci *pci, uint32_t offset, uint32_t value)
{
	struct emu_nic *nic = emu_nic_of(pci);

	emu_lock(nic);
	if (!nic->faults[EMU_FAULT_REMOVED] && offset_is_legal(nic, offset))
		nic->model->write(nic, offset, value);
	emu_unlock(nic);
	emu_wake(nic->emu);
}

static void nic_rung(struct pl_pci *pci)
{
	emu_wake(emu_nic_of(pci)->emu);
}

static int nic_config_read(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t *value)
{
	struct emu_nic *nic = emu_nic_of(pci);

	if (!emu_config_valid(offset, bytes))
		return -EINVAL;
	emu_lock(nic);
	*value = nic->faults[EMU_FAULT_REMOVED] ? UINT32_MAX >> (32 - 8 * bytes)
						: emu_config_read(nic, offset, bytes);
	emu_unlock(nic);
	return 0;
}

/* What has been put off may be due now. */
static void look_again(struct emu_nic *nic)
{
	if (!nic->faults[EMU_FAULT_REMOVED])
		nic->model->tick(nic, emu_now_ns());
}

static int nic_config_write(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t value)
{
	struct emu_nic *nic = emu_nic_of(pci);

	if (!emu_config_valid(offset, bytes))
		return -EINVAL;
	emu_lock(nic);
	if (!nic->faults[EMU_FAULT_REMOVED])
		emu_config_write(nic, offset, bytes, value);
	look_again(nic);
	emu_unlock(nic);
	emu_wake(nic->emu);
	return 0;
}

/* A queue that is in use is disabled before its way to memory is cut off. */
static void check_idle(struct emu_nic *nic)
{
	for (unsigned q = 0; q < EMU_QUEUES_MAX; q++) {
		bool rx = nic->rx_on && nic->rx[q].enabled;

		if (rx || (nic->tx_on && nic->tx[q].enabled))
			emu_report(nic, "bus mastering is switched off while %s queue %u is on",
				   rx ? "receive" : "transmit", q);
	}
}

static int nic_bus_master(struct pl_pci *pci, bool on)
{
	struct emu_nic *nic = emu_nic_of(pci);

	emu_lock(nic);
	if (!nic->faults[EMU_FAULT_REMOVED]) {
		if (!on && nic->bus_master)
			check_idle(nic);
		emu_config_bus_master(nic, on);
	}
	look_again(nic);
	emu_unlock(nic);
	emu_wake(nic->emu);
	return 0;
}

static int nic_irq(struct pl_pci *pci, unsigned vector, int event_fd)
{
	struct emu_nic *nic = emu_nic_of(pci);

	if (vector >= pci->n_vectors)
		return -EINVAL;
	emu_lock(nic);
	nic->irq_fds[vector] = event_fd;
	look_again(nic);
	emu_unlock(nic);
	return 0;
}

static void nic_free(struct emu_nic *nic)
{
	emu_dma_unmap_all(nic);
	if (nic->regs)
		munmap(nic->regs, EMU_BAR_BYTES);
	free(nic->model_state);
	pthread_mutex_destroy(&nic->lock);
	free(nic);
}

static void nic_close(struct pl_pci *pci)
{
	struct emu_nic *nic = emu_nic_of(pci);

	emu_detach(nic->emu, nic);
	nic_free(nic);
}

static const struct pl_pci_ops ops = {
	.backend = "emulated",
	.read = nic_read,
	.write = nic_write,
	.rung = nic_rung,
	.config_read = nic_config_read,
	.config_write = nic_config_write,
	.bus_master = nic_bus_master,
	.irq = nic_irq,
	.dma_map = emu_dma_map,
	.dma_import = emu_dma_import,
	.dma_unmap = emu_dma_unmap,
	.close = nic_close,
};

/* ---- life ---- */

static void power_on(struct emu_nic *nic)
{
	emu_config_reset(nic);
	nic->model->power_on(nic);
}

static const struct emu_model_ops *const models[] = {
	[EMU_82599] = &emu_82599,
	[EMU_82576] = &emu_82576,
};

/* The BAR is memory of its own pages, of which few are ever touched. */
static struct emu_nic *nic_new(struct emu *emu, const struct emu_nic_config *config)
{
	struct emu_nic *nic = calloc(1, sizeof(*nic));

	if (!nic)
		return NULL;
	pthread_mutex_init(&nic->lock, NULL);
	nic->emu = emu;
	nic->model = models[config->model];
	snprintf(nic->name, sizeof(nic->name), "%s", config->name);
	memcpy(nic->mac, config->mac, sizeof(nic->mac));
	nic->wire = config->wire;
	for (unsigned v = 0; v < EMU_VECTORS_MAX; v++)
		nic->irq_fds[v] = -1;
	nic->regs = mmap(NULL, EMU_BAR_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	if (nic->regs == MAP_FAILED) {
		nic->regs = NULL;
		nic_free(nic);
		return NULL;
	}
	nic->pci.ops = &ops;
	snprintf(nic->pci.name, sizeof(nic->pci.name), "emu:%s", nic->name);
	nic->pci.vendor = PL_PCI_VENDOR_INTEL;
	nic->pci.device = nic->model->device;
	nic->pci.n_vectors = nic->model->n_vectors;
	nic->pci.bar = (volatile uint8_t *)nic->regs;
	nic->pci.bar_bytes = EMU_BAR_BYTES;
	pl_pci_init(&nic->pci);
	return nic;
}

/* No illegal use, and not counted as one. */
static void wire_says(void *ctx, const char *what)
{
	struct emu_nic *nic = ctx;

	if (nic->emu->report)
		nic->emu->report(nic->emu->report_ctx, nic->name, what);
}

int emu_add(struct emu *emu, const struct emu_nic_config *config, struct pl_pci **pci,
	    struct pl_error *err)
{
	struct emu_nic *nic = NULL;
	int rc = -EINVAL;

	if (config->model < sizeof(models) / sizeof(models[0]) && models[config->model]) {
		nic = nic_new(emu, config);
		rc = nic ? nic->model->open(nic) : -ENOMEM;
	}
	if (!rc) {
		power_on(nic);
		if (nic->wire) {
			nic->wire->say = wire_says;
			nic->wire->say_ctx = nic;
		}
		rc = emu_attach(emu, nic);
	}
	if (rc) {
		if (nic)
			nic_free(nic);
		if (config->wire)
			config->wire->ops->close(config->wire);
		return pl_error_set(err, rc, NULL, "emu:%s: cannot make an emulated NIC: %s",
				    config->name, strerror(-rc));
	}
	*pci = &nic->pci;
	return 0;
}

/* ---- faults, statistics ---- */

/* Out of the machine: whatever it was doing it does no more. */
static void removed(struct emu_nic *nic)
{
	nic->rx_on = nic->tx_on = nic->link = false;
	for (unsigned q = 0; q < EMU_QUEUES_MAX; q++)
		nic->rx[q].enabled = nic->tx[q].enabled = false;
	nic->n_rx = nic->n_tx = 0;
}

void emu_inject(struct pl_pci *pci, enum emu_fault fault, bool on)
{
	struct emu_nic *nic = emu_nic_of(pci);
	bool was;

	emu_lock(nic);
	was = nic->faults[fault];
	nic->faults[fault] = on;
	if (fault == EMU_FAULT_REMOVED && on != was) {
		if (on)
			removed(nic);
		else
			power_on(nic);
	}
	if (!nic->faults[EMU_FAULT_REMOVED])
		nic->model->fault_event(nic, fault);
	emu_unlock(nic);
	emu_wake(nic->emu);
}

void emu_stats(struct pl_pci *pci, struct emu_stats *stats)
{
	struct emu_nic *nic = emu_nic_of(pci);

	emu_lock(nic);
	*stats = nic->stats;
	if (nic->wire && nic->wire->ops->lost)
		nic->wire->ops->lost(nic->wire, &stats->wire_lost_to_nic,
				     &stats->wire_lost_from_nic);
	emu_unlock(nic);
}
