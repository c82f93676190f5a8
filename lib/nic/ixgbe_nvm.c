/* SPDX-License-Identifier: BSD-2-Clause */
/* The EEPROM (X540: flash), and the semaphores for what is shared with firmware and the other port. */
#include "ixgbe.h"

#include <errno.h>

#define SEMAPHORE_US (100 * MS)
/* A resource is taken by whoever needs it within a second; the X550's firmware may need five. */
#define RESOURCE_TRIES 200u
#define RESOURCE_TRIES_X550 1000u
#define LOCK_TRIES 20u /* that a lock, not to be had, counts for */
#define RESOURCE_PAUSE_US (5 * MS)
/* It may be busy with what firmware reads. */
#define WORD_US (500 * MS)

/* 6.4.4: all words up to the checksum, and the sections that words 3 to 14 point to, give this sum. Each
 * section begins with its length. */
#define NVM_SUM 0xbabau
#define NVM_CHECKSUM 0x3fu
#define NVM_SECTION_FIRST 0x03u
#define NVM_SECTION_PHY 0x04u	 /* X540: not part of it */
#define NVM_SECTION_OPTION 0x05u /* X540: likewise */
#define NVM_SECTION_END 0x0fu
#define NVM_WORDS 0x4000u /* as far as EERD's address reaches */
#define NVM_WORDS_MIN 64u

/* ---- semaphores ---- */

/* 10.5.4: SMBI keeps drivers apart: a read that finds it clear has taken it. SWESMBI (X540, X550: REGSMP)
 * keeps software and firmware apart. Both only while SW_FW_SYNC is read and written. */
static int lock_sync(struct pl_nic *nic)
{
	int rc = nic_wait(nic, IXGBE_SWSM, IXGBE_SWSM_SMBI, 0, SEMAPHORE_US);

	if (rc == -ENODEV)
		return rc;
	/* One that is never given back has been left by a driver that is no more: the lock is ours. */
	if (ixgbe_of(nic)->mac != IXGBE_82599)
		return nic_wait(nic, IXGBE_SW_FW_SYNC, IXGBE_SYNC_REGSMP, 0, SEMAPHORE_US);
	for (unsigned us = 0; us < SEMAPHORE_US; us += 50) {
		nic_set(nic, IXGBE_SWSM, IXGBE_SWSM_SWESMBI);
		if (nic_read(nic, IXGBE_SWSM) & IXGBE_SWSM_SWESMBI)
			return 0;
		nic_sleep_us(50);
	}
	return -ETIMEDOUT;
}

static void unlock_sync(struct pl_nic *nic)
{
	if (ixgbe_of(nic)->mac != IXGBE_82599)
		nic_unset(nic, IXGBE_SW_FW_SYNC, IXGBE_SYNC_REGSMP);
	nic_unset(nic, IXGBE_SWSM, IXGBE_SWSM_SMBI | IXGBE_SWSM_SWESMBI);
	(void)nic_read(nic, IXGBE_STATUS);
}

/* Whoever keeps it for longer than that is no more: no reset but the bus's gives it back. Then it is ours. */
int ixgbe_take(struct pl_nic *nic, uint32_t resource)
{
	enum ixgbe_mac mac = ixgbe_of(nic)->mac;
	unsigned tries = mac == IXGBE_X550 ? RESOURCE_TRIES_X550 : RESOURCE_TRIES;
	uint32_t others = resource << IXGBE_SYNC_FW_SHIFT | resource;
	int rc;

	if (resource & IXGBE_SYNC_NVM && mac != IXGBE_82599)
		others |= IXGBE_SYNC_FLASH;
	for (unsigned i = 1; i <= tries; i += rc ? LOCK_TRIES : 1) {
		uint32_t sync;

		rc = lock_sync(nic);
		if (rc == -ENODEV)
			return rc;
		sync = nic_read(nic, IXGBE_SW_FW_SYNC);
		if (!rc && (!(sync & others) || i == tries)) {
			nic_write(nic, IXGBE_SW_FW_SYNC, sync | resource);
			unlock_sync(nic);
			return 0;
		}
		unlock_sync(nic);
		nic_sleep_us(RESOURCE_PAUSE_US);
	}
	return -EBUSY;
}

void ixgbe_release(struct pl_nic *nic, uint32_t resource)
{
	/* Without the lock rather than not at all: others wait for it. */
	(void)lock_sync(nic);
	nic_unset(nic, IXGBE_SW_FW_SYNC, resource);
	unlock_sync(nic);
}

/* ---- words ---- */

/* 8.2.3.2.2. */
static int read_word(struct pl_nic *nic, unsigned word, uint16_t *value)
{
	int rc;

	nic_write(nic, IXGBE_EERD, word << IXGBE_EERD_ADDRESS_SHIFT | IXGBE_EERD_START);
	rc = nic_wait(nic, IXGBE_EERD, IXGBE_EERD_DONE, IXGBE_EERD_DONE, WORD_US);
	*value = rc ? 0xffff : (uint16_t)(nic_read(nic, IXGBE_EERD) >> IXGBE_EERD_DATA_SHIFT);
	return rc;
}

/* The 82599 arbitrates its EEPROM by itself when it is read this way; the flash of X540 is to be taken. */
int ixgbe_nvm_read(struct pl_nic *nic, unsigned word, uint16_t *value)
{
	int rc;

	if (ixgbe_of(nic)->mac == IXGBE_82599)
		return read_word(nic, word, value);
	rc = ixgbe_take(nic, IXGBE_SYNC_NVM);
	if (rc)
		return rc;
	rc = read_word(nic, word, value);
	ixgbe_release(nic, IXGBE_SYNC_NVM);
	return rc;
}

/* ---- checksum ---- */

/* X540: a section that lies beyond the flash's end, as EEC says it, is none. */
static unsigned words_of(struct pl_nic *nic)
{
	return ixgbe_of(nic)->mac == IXGBE_82599
		       ? NVM_WORDS
		       : NVM_WORDS_MIN << IXGBE_EEC_SIZE(nic_read(nic, IXGBE_EEC));
}

static int add_section(struct pl_nic *nic, unsigned pointer_at, uint16_t *sum)
{
	unsigned words = words_of(nic);
	uint16_t pointer, length = 0, word;
	int rc = read_word(nic, pointer_at, &pointer);

	if (rc || pointer == 0 || pointer == 0xffff || pointer >= words)
		return rc;
	rc = read_word(nic, pointer, &length);
	if (length == 0xffff || pointer + length >= words)
		return rc;
	for (unsigned i = 1; i <= length && !rc; i++) {
		rc = read_word(nic, pointer + i, &word);
		*sum = (uint16_t)(*sum + word);
	}
	return rc;
}

static int add_all(struct pl_nic *nic, uint16_t *sum)
{
	bool is_82599 = ixgbe_of(nic)->mac == IXGBE_82599;
	uint16_t word;
	int rc = 0;

	*sum = 0;
	for (unsigned i = 0; i <= NVM_CHECKSUM && !rc; i++) {
		rc = read_word(nic, i, &word);
		*sum = (uint16_t)(*sum + word);
	}
	for (unsigned i = NVM_SECTION_FIRST; i < NVM_SECTION_END && !rc; i++)
		if (is_82599 || (i != NVM_SECTION_PHY && i != NVM_SECTION_OPTION))
			rc = add_section(nic, i, sum);
	return rc;
}

/* The X550's flash is read by way of its firmware, which has checked it: EEC.PRES says so. */
int ixgbe_nvm_check(struct pl_nic *nic, struct pl_error *err)
{
	enum ixgbe_mac mac = ixgbe_of(nic)->mac;
	uint16_t sum;
	int rc;

	if (mac == IXGBE_X550)
		return 0;
	if (mac == IXGBE_X540) {
		rc = ixgbe_take(nic, IXGBE_SYNC_NVM);
		if (rc)
			return nic_fail(nic, rc, err,
					"does not let its flash be read (SW_FW_SYNC)");
	}
	rc = add_all(nic, &sum);
	if (mac == IXGBE_X540)
		ixgbe_release(nic, IXGBE_SYNC_NVM);
	if (rc)
		return nic_fail(nic, rc, err, "does not let its EEPROM be read (EERD.DONE)");
	if (sum != NVM_SUM)
		return nic_fail(nic, -EIO, err, "has an EEPROM whose checksum is wrong");
	return 0;
}
