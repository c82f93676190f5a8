/* SPDX-License-Identifier: BSD-2-Clause */
/* A driver on an emulated NIC, with somebody between the two who sees every access of a register and keeps
 * count of what is mapped, and who can refuse what a bus can refuse. */
#ifndef TESTS_NIC_LAB_H
#define TESTS_NIC_LAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <peerlane/nic.h>

#include "emu/emu.h"

#define LAB_RING 64u
#define LAB_ACCESSES (1u << 17)

struct access {
	bool write;
	uint32_t offset, value;
	uint64_t us; /* when it had come back */
};

/* What the bus refuses: the call of this number, counted from 1; 0: none. */
struct refusals {
	unsigned dma_map, dma_import, irq, bus_master;
	unsigned dma_address; /* not refused: what it maps gets addresses where nothing is */
};

struct spy {
	struct pl_pci pci; /* first: what the driver gets */
	struct pl_pci *inner;
	struct access *log;
	unsigned n_log;
	struct refusals refuse;
	unsigned n_dma_map, n_dma_import, n_irq, n_bus_master; /* calls */
	unsigned mapped, vectors;			       /* there now */
	struct pl_dma good, bad; /* refusals.dma_address: what it is, what is told */
	bool bus_master;
	/* Takes the place of a register, if it returns true. */
	bool (*instead)(struct spy *spy, bool write, uint32_t offset, uint32_t *value);
	void *ctx;
};

struct nic_lab {
	struct emu *emu;
	struct emu_wire *wire;
	struct pl_pci *device; /* the emulated one */
	struct spy spy;
	struct pl_nic_config config;
	struct pl_nic *nic;
	struct pl_pool pools[PL_NIC_QUEUES_MAX];
	uint32_t buf_bytes;
	const struct pl_remote *remote; /* in front of each pool; NULL: none */
	struct pl_queue *queues[PL_NIC_QUEUES_MAX];
	unsigned fds; /* open before the NIC was */
	atomic_uint reports;
	char last_report[200];
};

/* Which NIC is emulated; an 82599, unless a test says otherwise. */
extern enum emu_model lab_model;

extern const uint8_t lab_mac[6];

/* An emulated NIC and its thread; the NIC is not opened. */
void lab_open(struct nic_lab *lab, unsigned n_queues);
/* Whether frames wait on the wire until there are descriptors for them, as they do with lab_open(). */
void lab_open_on(struct nic_lab *lab, unsigned n_queues, bool patient);
/* Also checks that nothing is left: mappings, vectors, descriptors, bus mastering, buffers. */
void lab_close(struct nic_lab *lab);

/* Opens the NIC with its queues (pools of their own) and starts it. Returns what failed first; then it
 * is closed again. */
int lab_try(struct nic_lab *lab, struct pl_error *err);
/* ... which must not fail. */
void lab_start(struct nic_lab *lab);
/* Closes the queues and the NIC. */
void lab_stop(struct nic_lab *lab);

/* Nothing that a failed or finished life leaves behind. */
void lab_check_clean(const struct nic_lab *lab);

/* Waits for the link. */
void lab_wait_link(struct nic_lab *lab, bool up);

uint64_t lab_counter(struct nic_lab *lab, const char *name);

/* The last value written to a register; the test fails if there was none. */
uint32_t lab_written(const struct nic_lab *lab, uint32_t offset);

uint64_t lab_now_us(void);
uint64_t lab_now_ms(void);

#endif
