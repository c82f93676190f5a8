/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the ixgbe driver share:
 *
 *	ixgbe.c		reset, identity, end of DMA
 *	ixgbe_setup.c	receive, transmit and interrupts
 *	ixgbe_link.c	the link, whatever it runs over
 *	ixgbe_sfp.c	SFP+ modules (82599)
 *	ixgbe_phy.c	the PHY for 10GBASE-T (X540, X550)
 *	ixgbe_nvm.c	the EEPROM, and what is shared with firmware
 *	ixgbe_stats.c	counters
 *
 * "4.6.3" and the like are sections of the 82599's datasheet, if nothing else is said; the X540's and
 * the X550's have the same ones in chapter 4. */
#ifndef PEERLANE_NIC_IXGBE_H
#define PEERLANE_NIC_IXGBE_H

#include "ixgbe_regs.h"
#include "private.h"

#define MS 1000u /* in microseconds */

enum ixgbe_mac { IXGBE_82599, IXGBE_X540, IXGBE_X550 };

/* pl_nic.state */
struct ixgbe {
	enum ixgbe_mac mac;
	unsigned lan;	     /* which port of the device */
	bool nvm_checked;    /* its checksum, once */
	unsigned phy;	     /* MDIO address */
	bool no_module;	     /* SFP+: that answers */
	const char *media;   /* what there is to know of it */
	char media_text[64]; /* ... made up here, if it is not a plain name */
};

static inline struct ixgbe *ixgbe_of(const struct pl_nic *nic)
{
	return (struct ixgbe *)nic->state;
}

/* ---- ixgbe_setup.c ---- */

int ixgbe_start(struct pl_nic *nic, struct pl_error *err);
int ixgbe_receive(struct pl_nic *nic, struct pl_error *err);
void ixgbe_set_mac(struct pl_nic *nic);
void ixgbe_set_mtu(struct pl_nic *nic);

/* ---- ixgbe_link.c ---- */

/* Finds out what the link runs over and sets it up. That nothing is plugged in is no failure. */
int ixgbe_link_setup(struct pl_nic *nic, struct pl_error *err);
void ixgbe_link(struct pl_nic *nic, struct pl_nic_link *link);

/* Whether management has its own use for the link, and it is not to be set up anew. */
bool ixgbe_link_is_kept(struct pl_nic *nic);

/* ---- ixgbe_sfp.c ---- */

enum ixgbe_module {
	IXGBE_MODULE_NONE,
	IXGBE_MODULE_UNKNOWN, /* driven as optical at 10 Gb/s nevertheless */
	IXGBE_MODULE_COPPER,  /* passive direct attach */
	IXGBE_MODULE_OPTICAL, /* and active direct attach */
};

/* Reads what the module says of itself, and fills ixgbe.media. */
enum ixgbe_module ixgbe_sfp_identify(struct pl_nic *nic);

/* ---- ixgbe_phy.c ---- */

/* Finds the PHY and has it negotiate all that it can do. */
int ixgbe_phy_setup(struct pl_nic *nic, struct pl_error *err);

/* ---- ixgbe_nvm.c ---- */

/* Takes what is shared with firmware and the other port (IXGBE_SYNC_...); by force, if it is not given back
 * within a second (X550: five). Returns 0, -EBUSY (firmware does not let SW_FW_SYNC go) or -ENODEV. */
int ixgbe_take(struct pl_nic *nic, uint32_t resource);
void ixgbe_release(struct pl_nic *nic, uint32_t resource);

/* A 16-bit word of the EEPROM. Returns 0, -ETIMEDOUT or -ENODEV. */
int ixgbe_nvm_read(struct pl_nic *nic, unsigned word, uint16_t *value);

/* Whether the EEPROM is as it was written. */
int ixgbe_nvm_check(struct pl_nic *nic, struct pl_error *err);

/* ---- ixgbe_stats.c ---- */

#define IXGBE_COUNTERS 38u
extern const struct nic_counter_register ixgbe_counters[IXGBE_COUNTERS];
uint32_t ixgbe_dropped(struct pl_nic *nic, unsigned queue);

#endif
