/* SPDX-License-Identifier: BSD-2-Clause */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "nic_lab.h"

#define POOL_BUFFERS 512u
/* For what takes milliseconds; tests may have to wait for a processor. */
#define PATIENCE_MS 20000u

enum emu_model lab_model = EMU_82599;
const uint8_t lab_mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};

uint64_t lab_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t lab_now_ms(void)
{
	return lab_now_us() / 1000;
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- the spy ---- */

static struct spy *spy_of(struct pl_pci *pci)
{
	return (struct spy *)pci;
}

static void note(struct spy *spy, bool write, uint32_t offset, uint32_t value)
{
	assert_true(spy->n_log < LAB_ACCESSES);
	spy->log[spy->n_log++] = (struct access){write, offset, value, lab_now_us()};
}

static uint32_t spy_read(struct pl_pci *pci, uint32_t offset)
{
	struct spy *spy = spy_of(pci);
	uint32_t value;

	if (!spy->instead || !spy->instead(spy, false, offset, &value))
		value = spy->inner->ops->read(spy->inner, offset);
	note(spy, false, offset, value);
	return value;
}

static void spy_write(struct pl_pci *pci, uint32_t offset, uint32_t value)
{
	struct spy *spy = spy_of(pci);

	if (!spy->instead || !spy->instead(spy, true, offset, &value))
		spy->inner->ops->write(spy->inner, offset, value);
	note(spy, true, offset, value);
}

static void spy_rung(struct pl_pci *pci)
{
	struct spy *spy = spy_of(pci);

	if (spy->inner->ops->rung)
		spy->inner->ops->rung(spy->inner);
}

static int spy_config_read(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t *value)
{
	return spy_of(pci)->inner->ops->config_read(spy_of(pci)->inner, offset, bytes, value);
}

static int spy_config_write(struct pl_pci *pci, unsigned offset, unsigned bytes, uint32_t value)
{
	return spy_of(pci)->inner->ops->config_write(spy_of(pci)->inner, offset, bytes, value);
}

static int spy_bus_master(struct pl_pci *pci, bool on)
{
	struct spy *spy = spy_of(pci);

	if (on && ++spy->n_bus_master == spy->refuse.bus_master)
		return -EPERM;
	spy->bus_master = on;
	return spy->inner->ops->bus_master(spy->inner, on);
}

static int spy_irq(struct pl_pci *pci, unsigned vector, int event_fd)
{
	struct spy *spy = spy_of(pci);
	int rc;

	if (event_fd >= 0 && ++spy->n_irq == spy->refuse.irq)
		return -ENOSPC;
	rc = spy->inner->ops->irq(spy->inner, vector, event_fd);
	if (!rc && event_fd >= 0)
		spy->vectors |= 1u << vector;
	else if (!rc)
		spy->vectors &= ~(1u << vector);
	return rc;
}

/* Addresses that no window of the emulated device reaches. */
static void misplace(struct spy *spy, struct pl_dma *dma)
{
	uint64_t *address = calloc(dma->n, sizeof(*address));

	assert_non_null(address);
	for (unsigned i = 0; i < dma->n; i++)
		address[i] = (uint64_t)1 << 62 | (uint64_t)i << dma->shift;
	spy->good = *dma;
	dma->address = address;
	spy->bad = *dma;
}

static int spy_dma_map(struct pl_pci *pci, void *base, size_t len_bytes, size_t page_bytes,
		       struct pl_dma *dma)
{
	struct spy *spy = spy_of(pci);
	int rc;

	if (++spy->n_dma_map == spy->refuse.dma_map)
		return -ENOMEM;
	rc = spy->inner->ops->dma_map(spy->inner, base, len_bytes, page_bytes, dma);
	spy->mapped += !rc;
	if (!rc && spy->n_dma_map == spy->refuse.dma_address)
		misplace(spy, dma);
	return rc;
}

static int spy_dma_import(struct pl_pci *pci, const struct pl_remote *remote, struct pl_dma *dma,
			  struct pl_error *err)
{
	struct spy *spy = spy_of(pci);
	int rc;

	if (++spy->n_dma_import == spy->refuse.dma_import)
		return pl_error_set(err, -EREMOTEIO, NULL, "refused");
	rc = spy->inner->ops->dma_import(spy->inner, remote, dma, err);
	spy->mapped += !rc;
	return rc;
}

static void spy_dma_unmap(struct pl_pci *pci, struct pl_dma *dma)
{
	struct spy *spy = spy_of(pci);

	assert_false(spy->bus_master); /* DMA has ended before memory goes */
	spy->mapped--;
	if (spy->bad.address && dma->address == spy->bad.address) {
		free((void *)spy->bad.address);
		spy->bad = (struct pl_dma){0};
		*dma = spy->good;
	}
	spy->inner->ops->dma_unmap(spy->inner, dma);
}

static const struct pl_pci_ops spy_ops = {
	.backend = "emulated",
	.read = spy_read,
	.write = spy_write,
	.rung = spy_rung,
	.config_read = spy_config_read,
	.config_write = spy_config_write,
	.bus_master = spy_bus_master,
	.irq = spy_irq,
	.dma_map = spy_dma_map,
	.dma_import = spy_dma_import,
	.dma_unmap = spy_dma_unmap,
};

static void spy_open(struct spy *spy, struct pl_pci *inner)
{
	*spy = (struct spy){.pci = *inner, .inner = inner};
	spy->pci.ops = &spy_ops;
	spy->log = calloc(LAB_ACCESSES, sizeof(*spy->log));
	assert_non_null(spy->log);
}

/* ---- the lab ---- */

static void report(void *ctx, const char *nic, const char *what)
{
	struct nic_lab *lab = ctx;

	snprintf(lab->last_report, sizeof(lab->last_report), "%s", what);
	fprintf(stderr, "reported by emulated NIC %s: %s\n", nic, what);
	atomic_fetch_add(&lab->reports, 1);
}

void lab_open_on(struct nic_lab *lab, unsigned n_queues, bool patient)
{
	struct emu_nic_config config = {.name = "lab", .model = lab_model};
	struct pl_error err;

	memset(lab, 0, sizeof(*lab));
	lab->config = (struct pl_nic_config){
		.name = "pl0", .n_queues = n_queues, .ring_size = LAB_RING, .mtu = 1500};
	lab->buf_bytes = 2048;
	lab->emu = emu_new(report, lab);
	assert_non_null(lab->emu);
	config.wire = lab->wire = emu_wire_memory(NULL, NULL);
	assert_non_null(lab->wire);
	lab->wire->patient = patient;
	memcpy(config.mac, lab_mac, 6);
	if (emu_add(lab->emu, &config, &lab->device, &err))
		fail_msg("%s", err.what);
	spy_open(&lab->spy, lab->device);
	if (emu_start(lab->emu, -1, &err))
		fail_msg("%s", err.what);
	lab->fds = open_fds();
}

void lab_open(struct nic_lab *lab, unsigned n_queues)
{
	lab_open_on(lab, n_queues, true);
}

void lab_check_clean(const struct nic_lab *lab)
{
	assert_false(lab->spy.bus_master);
	assert_int_equal(lab->spy.mapped, 0);
	assert_int_equal(lab->spy.vectors, 0);
	assert_int_equal(open_fds(), lab->fds);
}

void lab_close(struct nic_lab *lab)
{
	lab_stop(lab);
	lab_check_clean(lab);
	emu_stop(lab->emu);
	lab->device->ops->close(lab->device);
	emu_free(lab->emu);
	free(lab->spy.log);
}

static int start(struct nic_lab *lab, struct pl_error *err)
{
	int rc = pl_nic_open(&lab->nic, &lab->spy.pci, &lab->config, err);

	for (unsigned i = 0; i < lab->config.n_queues && !rc; i++) {
		rc = lab->remote ? pl_pool_init_remote(&lab->pools[i], lab->remote, POOL_BUFFERS,
						       lab->buf_bytes, err)
				 : pl_pool_init(&lab->pools[i], POOL_BUFFERS, lab->buf_bytes, err);
		if (!rc)
			rc = pl_nic_queue_open(lab->nic, i, &lab->pools[i], &lab->queues[i], err);
	}
	return rc ? rc : pl_nic_start(lab->nic, err);
}

int lab_try(struct nic_lab *lab, struct pl_error *err)
{
	int rc = start(lab, err);

	if (rc)
		lab_stop(lab);
	return rc;
}

void lab_start(struct nic_lab *lab)
{
	struct pl_error err;

	if (lab_try(lab, &err))
		fail_msg("%s", err.what);
}

void lab_stop(struct nic_lab *lab)
{
	if (lab->nic)
		pl_nic_stop(lab->nic);
	for (unsigned i = 0; i < PL_NIC_QUEUES_MAX; i++) {
		if (lab->queues[i])
			pl_queue_close(lab->queues[i]);
		lab->queues[i] = NULL;
		if (!lab->pools[i].base)
			continue;
		assert_int_equal(pl_pool_free(&lab->pools[i]),
				 lab->pools[i].n_bufs); /* none leaked */
		pl_pool_fini(&lab->pools[i]);
	}
	pl_nic_close(lab->nic);
	lab->nic = NULL;
}

void lab_wait_link(struct nic_lab *lab, bool up)
{
	uint64_t end = lab_now_ms() + PATIENCE_MS;
	struct pl_nic_link link;

	for (;;) {
		struct timespec pause = {0, 1000000};

		assert_int_equal(pl_nic_link(lab->nic, &link), 0);
		if (link.up == up)
			return;
		assert_true(lab_now_ms() < end);
		nanosleep(&pause, NULL);
	}
}

uint64_t lab_counter(struct nic_lab *lab, const char *name)
{
	struct pl_nic_counter counters[PL_NIC_COUNTERS_MAX];
	unsigned n = pl_nic_counters(lab->nic, counters);

	for (unsigned i = 0; i < n; i++)
		if (!strcmp(counters[i].name, name))
			return counters[i].value;
	fail_msg("there is no counter %s", name);
	return 0;
}

uint32_t lab_written(const struct nic_lab *lab, uint32_t offset)
{
	for (unsigned i = lab->spy.n_log; i-- > 0;)
		if (lab->spy.log[i].write && lab->spy.log[i].offset == offset)
			return lab->spy.log[i].value;
	fail_msg("register 0x%05x was not written", offset);
	return 0;
}
