/* SPDX-License-Identifier: BSD-2-Clause */
/* A queue's registers, as far as the 82599 (8.2.3.8, 8.2.3.9) and the 82576 (8.10, 8.12) have
 * the same. What enables a queue, and when that shows, is the model's. */
#ifndef EMU_QUEUE_H
#define EMU_QUEUE_H

#include "regfile.h"

/* From the queue's base on. */
#define RING_BAL 0x00
#define RING_BAH 0x04
#define RING_LEN 0x08
#define RING_HEAD 0x10
#define RING_TAIL 0x18
#define RING_DCTL 0x28
#define DCTL_ENABLE (1u << 25)
#define DCTL_SWFLSH (1u << 26)

#define SRRCTL_DESCTYPE(value) ((value) >> 25 & 7)
#define SRRCTL_ADVANCED 1u

struct emu_queue {
	struct emu_ring *ring;
	uint64_t *due_ns; /* when it is enabled or disabled, which has been asked for */
	bool *on;	  /* how ENABLE reads */
	uint32_t base;	  /* of its registers */
	unsigned n;
	bool tx;
};

const char *emu_queue_kind(const struct emu_queue *q);

/* Whether it has been asked to be enabled. */
bool emu_queue_wanted(const struct emu_nic *nic, const struct emu_queue *q);

/* Whether a receive queue's buffers (SRRCTL), and the ring, are such that it can be enabled;
 * reports why not. */
bool emu_queue_is_complete(struct emu_nic *nic, const struct emu_queue *q, unsigned buffer_kb,
			   unsigned descriptor_type);

/* It is on: the ring is where its registers say. What else the ring has must be set already. */
void emu_queue_start(struct emu_nic *nic, const struct emu_queue *q);

/* Sets n_rx and n_tx, after one of `n` queues has been enabled or disabled. */
void emu_queues_count(struct emu_nic *nic, unsigned n);

/* Accesses to its registers, for models' tables. Those of a register that may be written only while the queue
 * is disabled report it else. */
uint32_t emu_queue_dctl_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index);
uint32_t emu_queue_head_read(struct emu_nic *nic, const struct emu_reg *reg, unsigned index);
void emu_queue_bal_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			 uint32_t value);
void emu_queue_bah_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			 uint32_t value);
void emu_queue_len_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			 uint32_t value);
void emu_queue_head_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			  uint32_t value);
void emu_queue_tail_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			  uint32_t value);
void emu_queue_srrctl_write(struct emu_nic *nic, const struct emu_reg *reg, unsigned index,
			    uint32_t value);

#endif
