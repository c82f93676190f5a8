/* SPDX-License-Identifier: BSD-2-Clause */
/* The 82576, i350 and i210: from power to packets, and back, in the order of 4.5.3. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "descriptor.h"
#include "igb.h"

#define MS 1000u

/* The longest frame the controllers receive, FCS included (RLPML), and send. */
#define FRAME_MAX 9728u
#define FCS_BYTES 4u

#define EEPROM_WORDS 64u /* those with a checksum */

int igb_fail(struct pl_nic *nic, int code, struct pl_error *err, const char *what)
{
	return nic_fail(nic, nic_is_gone(nic) ? -ENODEV : code, err, what);
}

int igb_wait(struct pl_nic *nic, uint32_t offset, uint32_t bits, uint32_t value,
	     unsigned timeout_us, struct pl_error *err, const char *what)
{
	int rc = nic_wait(nic, offset, bits, value, timeout_us);

	return rc ? nic_fail(nic, rc, err, what) : 0;
}

/* What kind of controller it is, known for good. */
static int identify(struct pl_nic *nic, struct pl_error *err)
{
	struct igb *igb = nic->state;

	if (igb)
		return 0;
	igb = nic->state = calloc(1, sizeof(*igb));
	if (!igb)
		return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", nic->name);
	switch (nic->pci->device) {
	case 0x1521:
	case 0x1522:
	case 0x1523:
	case 0x1524:
		*igb = (struct igb){.mac = IGB_I350, .rx_fifo = 36 << 10, .addresses = 32};
		nic->caps.max_queues = 8;
		break;
	case 0x1533:
	case 0x1536:
	case 0x1537:
	case 0x1538:
	case 0x157b:
	case 0x157c:
		*igb = (struct igb){.mac = IGB_I210, .rx_fifo = 34 << 10, .addresses = 16};
		nic->caps.max_queues = 4;
		break;
	default:
		*igb = (struct igb){.mac = IGB_82576, .rx_fifo = 64 << 10, .addresses = 24};
		nic->caps.max_queues = 16;
	}
	/* One vector is for all that does not belong to a queue. */
	if (nic->caps.max_queues > nic->pci->n_vectors - 1)
		nic->caps.max_queues = nic->pci->n_vectors - 1;
	return 0;
}

/* No more requests on the bus: the reset would cut them off, and a bridge might wait for their end. One
 * that does not come is the reset's to deal with. CTRL: 8.2.1, STATUS: 8.2.2. */
static void disable_master(struct pl_nic *nic)
{
	nic_write(nic, IGB_RCTL, 0);
	nic_write(nic, IGB_TCTL, IGB_TCTL_PSP);
	nic_set(nic, IGB_CTRL, IGB_CTRL_MASTER_DISABLE);
	(void)nic_wait(nic, IGB_STATUS, IGB_STATUS_MASTER_ENABLED, 0, 100 * MS);
}

/* One word of the EEPROM, or on the i210 of its shadow: 8.4, EERD. */
static int read_eeprom(struct pl_nic *nic, unsigned word, uint16_t *value, struct pl_error *err)
{
	int rc;

	nic_write(nic, IGB_EERD, IGB_EERD_WORD(word) | IGB_EERD_START);
	rc = igb_wait(nic, IGB_EERD, IGB_EERD_DONE, IGB_EERD_DONE, 50 * MS, err,
		      "does not read its EEPROM");
	*value = IGB_EERD_DATA(nic_read(nic, IGB_EERD));
	return rc;
}

/* The words that belong to our port must have the right sum. On the 82576 and the i210 there is one such
 * part, on the i350 one for each port. */
static int check_eeprom(struct pl_nic *nic, uint16_t mac[3], struct pl_error *err)
{
	const struct igb *igb = igb_of(nic);
	unsigned port = igb->mac == IGB_I350 ? igb->function : 0;
	unsigned start = port ? 0x40 + 0x40 * port : 0;
	uint16_t sum = 0, word;

	for (unsigned i = 0; i < EEPROM_WORDS; i++) {
		int rc = read_eeprom(nic, start + i, &word, err);

		if (rc)
			return rc;
		if (i < 3)
			mac[i] = word;
		sum = (uint16_t)(sum + word);
	}
	if (sum != IGB_EEPROM_SUM)
		return igb_fail(nic, -EIO, err, "has a bad EEPROM: its checksum is wrong");
	return 0;
}

static int verify_eeprom(struct pl_nic *nic, uint16_t mac[3], struct pl_error *err)
{
	int rc = igb_sync_take(nic, IGB_SYNC_EEPROM, err);

	if (rc)
		return rc;
	rc = check_eeprom(nic, mac, err);
	igb_sync_give(nic, IGB_SYNC_EEPROM);
	return rc;
}

/* Without flash an i210 has its settings in the chip (iNVM), and nothing that could be summed up. */
static bool has_eeprom(struct pl_nic *nic)
{
	uint32_t bit = igb_of(nic)->mac == IGB_I210 ? IGB_EECD_FLASH_DETECTED : IGB_EECD_PRESENT;

	return nic_read(nic, IGB_EECD) & bit;
}

/* The permanent address, which the device has loaded by now: 8.11, RAL and RAH. */
static int read_mac(struct pl_nic *nic, struct pl_error *err)
{
	static const uint8_t none[6];
	uint32_t low = nic_read(nic, IGB_RAL(0)), high = nic_read(nic, IGB_RAH(0));
	uint8_t *mac = nic->caps.mac;

	for (unsigned i = 0; i < 4; i++)
		mac[i] = (uint8_t)(low >> 8 * i);
	mac[4] = (uint8_t)high;
	mac[5] = (uint8_t)(high >> 8);
	if (!(high & IGB_RAH_AV) || mac[0] & 1 || !memcmp(mac, none, sizeof(none)))
		return igb_fail(nic, -EIO, err, "has no MAC address in its EEPROM");
	return 0;
}

/* EECD.AUTO_RD (8.4) tells that the registers have what the EEPROM says. A virtual 82576 (QEMU's)
 * never sets it; what it tells of is proven, too, by an address that is the EEPROM's own. */
static int await_eeprom(struct pl_nic *nic, struct pl_error *err)
{
	static const char what[] = "did not finish reading its EEPROM";
	const uint8_t *mac = nic->caps.mac;
	uint16_t words[3] = {0};
	int done = nic_wait(nic, IGB_EECD, IGB_EECD_AUTO_RD, IGB_EECD_AUTO_RD, 200 * MS);
	int rc = 0;

	if (done == -ENODEV)
		return nic_fail(nic, done, err, what);
	if (has_eeprom(nic))
		rc = verify_eeprom(nic, words, err);
	if (!rc)
		rc = read_mac(nic, err);
	if (!done || rc == -ENODEV)
		return rc;
	if (!rc)
		for (unsigned i = 0; i < 3; i++)
			if (words[i] != (mac[2 * i] | mac[2 * i + 1] << 8))
				rc = -ETIMEDOUT;
	return rc ? nic_fail(nic, -ETIMEDOUT, err, what) : 0;
}

/* CTRL.RST: 4.2.1.6.1. Not to be touched for a millisecond; the bit clears itself. */
static int software_reset(struct pl_nic *nic, struct pl_error *err)
{
	static const char what[] = "did not come out of reset";
	int rc;

	nic_set(nic, IGB_CTRL, IGB_CTRL_RST);
	nic_sleep_us(3 * MS);
	rc = igb_wait(nic, IGB_CTRL, IGB_CTRL_RST, 0, 100 * MS, err, what);
	/* i350 datasheet 4.3.1, i210 datasheet 4.3.1: these tell, besides. */
	if (!rc && igb_of(nic)->mac != IGB_82576)
		rc = igb_wait(nic, IGB_STATUS, IGB_STATUS_PF_RST_DONE, IGB_STATUS_PF_RST_DONE,
			      100 * MS, err, what);
	return rc;
}

static int igb_reset(struct pl_nic *nic, struct pl_error *err)
{
	struct igb *igb;
	int rc = identify(nic, err);

	if (rc)
		return rc;
	igb = igb_of(nic);
	nic->gone = false;
	if (nic_read(nic, IGB_CTRL) == UINT32_MAX && nic_is_gone(nic))
		return nic_fail(nic, -ENODEV, err, "was to be reset");
	/* Unless an earlier reset has not been completed: then no other register can be used. */
	if (!(nic_read(nic, IGB_CTRL) & IGB_CTRL_RST)) {
		igb_mask_interrupts(nic); /* 4.5.4 */
		disable_master(nic);
	}
	rc = software_reset(nic, err); /* 4.5.5 */
	if (rc)
		return rc;
	igb_mask_interrupts(nic);
	igb->function = IGB_STATUS_FUNCTION(nic_read(nic, IGB_STATUS));
	rc = await_eeprom(nic, err);
	if (rc)
		return rc;
	igb->link_mode = IGB_CTRL_EXT_LINK_MODE(nic_read(nic, IGB_CTRL_EXT));
	nic->caps.mtu_max = FRAME_MAX - FCS_BYTES - PL_NIC_FRAME_OVERHEAD;
	nic->caps.speed_mbps = 1000;
	return 0;
}

static int igb_start(struct pl_nic *nic, struct pl_error *err)
{
	int rc;

	/* Tells firmware that a driver is there: 8.2.3. Frames keep their VLAN tags. */
	nic_set(nic, IGB_CTRL_EXT, IGB_CTRL_EXT_DRV_LOAD);
	nic_unset(nic, IGB_CTRL, IGB_CTRL_VME | IGB_CTRL_MASTER_DISABLE);
	rc = igb_start_link(nic, err); /* 4.5.6, 4.5.7 */
	if (rc)
		return rc;
	nic_forget_counts(nic);		  /* 4.5.8 */
	rc = igb_start_receive(nic, err); /* 4.5.9 */
	if (!rc)
		rc = igb_start_transmit(nic, err); /* 4.5.10 */
	if (!rc)
		igb_start_interrupts(nic); /* 4.5.4 */
	return rc;
}

static void igb_stop(struct pl_nic *nic)
{
	if (nic_is_gone(nic))
		return;
	igb_mask_interrupts(nic);
	igb_stop_queues(nic);
	disable_master(nic);
	nic_unset(nic, IGB_CTRL_EXT, IGB_CTRL_EXT_DRV_LOAD);
}

const struct nic_driver igb_driver = {
	.name = "igb",
	.reset = igb_reset,
	.start = igb_start,
	.stop = igb_stop,
	.link = igb_link,
	.set_mac = igb_set_mac,
	.set_mtu = igb_set_mtu,
	.counter_registers = igb_counters,
	.n_counters = IGB_COUNTERS,
	.missed = IGB_MPC,
	.dropped = igb_dropped,
	.rx_damaged = NIC_RX_RXE_82576,
	.rx_tail = igb_rx_tail,
	.tx_tail = igb_tx_tail,
	.arm = igb_arm,
	.clear = igb_clear,
};
