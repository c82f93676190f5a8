/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the igb driver share: igb.c (reset, start, stop), igb_queue.c (receive, transmit,
 * interrupts), igb_link.c (PHY, link), igb_stats.c. Control thread. */
#ifndef PEERLANE_IGB_H
#define PEERLANE_IGB_H

#include "igb_regs.h"
#include "private.h"

enum igb_mac { IGB_82576, IGB_I350, IGB_I210 };

/* pl_nic.state */
struct igb {
	enum igb_mac mac;
	unsigned function;  /* which of the controller's ports */
	unsigned link_mode; /* IGB_LINK_MODE_... */
	unsigned rx_fifo;   /* bytes */
	unsigned addresses; /* MAC filters */
	bool link_up;	    /* when it was last looked at */
};

static inline struct igb *igb_of(struct pl_nic *nic)
{
	return nic->state;
}

/* nic_fail(), for what may also be all ones that have been read: then the device is gone. */
int igb_fail(struct pl_nic *nic, int code, struct pl_error *err, const char *what);

/* nic_wait(), with `err` filled by `what` did not happen. */
int igb_wait(struct pl_nic *nic, uint32_t offset, uint32_t bits, uint32_t value,
	     unsigned timeout_us, struct pl_error *err, const char *what);

/* ---- igb_queue.c ---- */

/* 4.5.9 and 4.5.10. Return 0 or -errno with `err` filled. */
int igb_start_receive(struct pl_nic *nic, struct pl_error *err);
int igb_start_transmit(struct pl_nic *nic, struct pl_error *err);
/* Ends all DMA of queues, as far as the device answers. */
void igb_stop_queues(struct pl_nic *nic);

void igb_set_mac(struct pl_nic *nic);
void igb_set_mtu(struct pl_nic *nic);

/* All causes masked and forgotten; then those we want to the vectors of private.h. */
void igb_mask_interrupts(struct pl_nic *nic);
void igb_start_interrupts(struct pl_nic *nic);
uint32_t igb_rx_tail(unsigned queue);
uint32_t igb_tx_tail(unsigned queue);
void igb_arm(struct pl_nic *nic, unsigned vector);
void igb_clear(struct pl_nic *nic, unsigned vector);

/* ---- igb_link.c ---- */

/* Has what is shared with firmware and the other ports, IGB_SYNC_EEPROM or the port's PHY, for ourselves.
 * Returns 0 or -errno with `err` filled. */
int igb_sync_take(struct pl_nic *nic, uint32_t what, struct pl_error *err);
void igb_sync_give(struct pl_nic *nic, uint32_t what);

/* 4.5.6 and 4.5.7. Does not wait for the link. Returns 0 or -errno with `err` filled. */
int igb_start_link(struct pl_nic *nic, struct pl_error *err);
void igb_link(struct pl_nic *nic, struct pl_nic_link *link);

/* ---- igb_stats.c ---- */

#define IGB_COUNTERS 38u
extern const struct nic_counter_register igb_counters[IGB_COUNTERS];
uint32_t igb_dropped(struct pl_nic *nic, unsigned queue);

#endif
