/* SPDX-License-Identifier: BSD-2-Clause */
/* The link: 4.6.4. */
#include "ixgbe.h"

#include <errno.h>

#include <peerlane/error.h>

/* How long a negotiation takes to begin. */
#define BEGIN_US (40 * MS)
#define BEGIN_STEP_US (2 * MS)

/* EEPROM: word 0x2b points to a list of what the analogue part is told for each kind of module: pairs of a
 * kind and where its values lie, up to the kind 0xffff. */
#define NVM_MODULES 0x2bu
#define NVM_LIST_END 0xffffu
#define NVM_LIST_MAX 32u
#define NVM_VALUES_MAX 256u
/* Kinds come in pairs, one for each port of the device. */
#define NVM_KIND_COPPER 3u
#define NVM_KIND_OPTICAL 5u

static bool nvm_nothing(uint16_t word)
{
	return word == 0 || word == 0xffff;
}

/* Where the values for this kind of module lie; 0: the EEPROM has none, and none are needed. */
static unsigned find_values(struct pl_nic *nic, unsigned kind)
{
	uint16_t list, entry, at;

	if (ixgbe_nvm_read(nic, NVM_MODULES, &list) || nvm_nothing(list))
		return 0;
	for (unsigned i = 0; i < NVM_LIST_MAX; i++) {
		if (ixgbe_nvm_read(nic, list + 1 + 2 * i, &entry) || entry == NVM_LIST_END)
			return 0;
		if (entry != kind)
			continue;
		if (ixgbe_nvm_read(nic, list + 2 + 2 * i, &at) || nvm_nothing(at))
			return 0;
		return at;
	}
	return 0;
}

/* The receiver's and transmitter's settings for a module: those of the board's maker. */
static void set_analogue(struct pl_nic *nic, enum ixgbe_module module)
{
	unsigned kind = module == IXGBE_MODULE_COPPER ? NVM_KIND_COPPER : NVM_KIND_OPTICAL;
	unsigned at = find_values(nic, kind + (ixgbe_of(nic)->lan & 1));
	uint16_t value;

	for (unsigned i = 1; at && i <= NVM_VALUES_MAX; i++) {
		if (ixgbe_nvm_read(nic, at + i, &value) || value == NVM_LIST_END)
			return;
		nic_write(nic, IXGBE_CORECTL, value);
	}
}

bool ixgbe_link_is_kept(struct pl_nic *nic)
{
	return nic_read(nic, IXGBE_MMNGC) & IXGBE_MMNGC_VETO;
}

/* AUTOC, 8.2.3.22.19. A restart resets both ways through the link only with a change of the mode, so there
 * is another one, that negotiates, until that has begun. */
static void restart(struct pl_nic *nic, uint32_t mode)
{
	nic_write(nic, IXGBE_AUTOC, mode ^ IXGBE_AUTOC_LMS_NEGOTIATED);
	for (unsigned us = 0; us < BEGIN_US; us += BEGIN_STEP_US) {
		if (IXGBE_ANLP1_STATE(nic_read(nic, IXGBE_ANLP1)))
			break;
		nic_sleep_us(BEGIN_STEP_US);
	}
	nic_write(nic, IXGBE_AUTOC, mode);
}

/* 10 Gb/s serial over SFI, without negotiation: AUTOC and AUTOC2 (8.2.3.22.19, 8.2.3.22.22). Firmware that
 * manages the link by itself (LESM) writes AUTOC, too: it is ours while we hold the MAC's semaphore. */
static int set_up_serial(struct pl_nic *nic, enum ixgbe_module module, struct pl_error *err)
{
	uint32_t mode, serial;
	int rc = ixgbe_take(nic, IXGBE_SYNC_MAC);

	if (rc)
		return nic_fail(nic, rc, err, "does not let its link be set up (SW_FW_SYNC)");
	if (module != IXGBE_MODULE_NONE)
		set_analogue(nic, module);
	serial = nic_read(nic, IXGBE_AUTOC2) &
		 ~(IXGBE_AUTOC2_SERIAL_MASK | IXGBE_AUTOC2_LINK_DISABLE);
	nic_write(nic, IXGBE_AUTOC2, serial | IXGBE_AUTOC2_SERIAL_SFI);
	mode = nic_read(nic, IXGBE_AUTOC) & ~IXGBE_AUTOC_LMS_MASK;
	restart(nic, mode | IXGBE_AUTOC_LMS_10G_SERIAL | IXGBE_AUTOC_RESTART);
	ixgbe_release(nic, IXGBE_SYNC_MAC);
	return 0;
}

static int set_up_sfp(struct pl_nic *nic, struct pl_error *err)
{
	if (ixgbe_link_is_kept(nic)) {
		(void)ixgbe_sfp_identify(nic);
		return 0;
	}
	/* The laser on. Which pins are outputs is the board's to say, by its EEPROM. */
	nic_unset(nic, IXGBE_ESDP, IXGBE_ESDP_TX_DISABLE);
	return set_up_serial(nic, ixgbe_sfp_identify(nic), err);
}

/* A module that has just been plugged in answers 300 ms later (SFF-8431, t_serial), which nothing tells. */
static void look_for_module(struct pl_nic *nic)
{
	enum ixgbe_module module = ixgbe_sfp_identify(nic);
	struct pl_error ignored;

	if (module != IXGBE_MODULE_NONE && !ixgbe_link_is_kept(nic))
		(void)set_up_serial(nic, module, &ignored);
}

int ixgbe_link_setup(struct pl_nic *nic, struct pl_error *err)
{
	if (ixgbe_of(nic)->mac == IXGBE_82599)
		return set_up_sfp(nic, err);
	return ixgbe_phy_setup(nic, err);
}

/* 8.2.3.22.20. The X550 has speeds that the others do not know: each is told as the standard one whose
 * encoding it shares. */
static unsigned speed_of(uint32_t links)
{
	bool odd = links & IXGBE_LINKS_NON_STANDARD;

	switch (IXGBE_LINKS_SPEED(links)) {
	case 3:
		return odd ? 2500 : 10000;
	case 2:
		return 1000;
	case 1:
		return odd ? 5000 : 100;
	default:
		return 0;
	}
}

void ixgbe_link(struct pl_nic *nic, struct pl_nic_link *link)
{
	struct ixgbe *ixgbe = ixgbe_of(nic);
	uint32_t causes = nic_read(nic, IXGBE_EICR) & ~IXGBE_EICR_QUEUES;
	struct pl_error ignored;
	uint32_t links;

	/* Only what has been seen: what comes from now on interrupts anew. */
	nic_write(nic, IXGBE_EICR, causes);
	if (ixgbe->mac == IXGBE_82599 && causes & IXGBE_EICR_MODULE)
		(void)ixgbe_link_setup(nic, &ignored);
	(void)nic_read(nic, IXGBE_LINKS); /* some bits tell what has been, the first time */
	links = nic_read(nic, IXGBE_LINKS);
	if (ixgbe->mac == IXGBE_82599 && ixgbe->no_module && !(links & IXGBE_LINKS_UP))
		look_for_module(nic);
	link->up = links & IXGBE_LINKS_UP;
	link->mbps = link->up ? speed_of(ixgbe->mac == IXGBE_X550
						 ? links
						 : links & ~IXGBE_LINKS_NON_STANDARD)
			      : 0;
	link->media = ixgbe->media;
}
