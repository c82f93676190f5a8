/* SPDX-License-Identifier: BSD-2-Clause */
/* Intel 82599 (X520), X540, X550: reset, identity, and the end of all DMA. */
#include "ixgbe.h"
#include "descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <peerlane/error.h>

/* How long to wait for what the datasheet gives no time for. Real devices take microseconds, but for the
 * EEPROM, which is read at some 100 KB/s. */
#define RESET_US (100 * MS)
#define AUTO_READ_US (500 * MS)
#define MANAGEMENT_US (200 * MS)
#define DMA_INIT_US (100 * MS)
#define QUEUE_US (10 * MS)
#define DRAIN_US (10 * MS)
#define MASTER_US (100 * MS)
/* 4.6.3.2; the PHYs of X540 and X550 need longer. */
#define SETTLE_US_82599 (10 * MS)
#define SETTLE_US_X5x0 (100 * MS)

/* Frames with FCS that all three have been used with; the 82599 itself can do 15.5 KB (1.2.2). */
#define FRAME_MAX 9728u
#define FCS_BYTES 4u

/* PCI configuration space: the PCI Express capability's device status (9.3.10.6). */
#define CONFIG_DEVICE_STATUS 0xaau
#define DEVICE_STATUS_PENDING (1u << 5)

static enum ixgbe_mac mac_of(uint16_t device)
{
	switch (device) {
	case 0x1528:
	case 0x1560:
		return IXGBE_X540;
	case 0x1563:
	case 0x15d1:
		return IXGBE_X550;
	default:
		return IXGBE_82599;
	}
}

/* 4.6.3.1. */
static void mask_interrupts(struct pl_nic *nic)
{
	nic_write(nic, IXGBE_EIMC, IXGBE_EICR_ALL);
	nic_write(nic, IXGBE_EIMC_EX(0), UINT32_MAX);
	nic_write(nic, IXGBE_EIMC_EX(1), UINT32_MAX);
}

/* ---- the end of DMA ---- */

/* 4.6.7.1.2: a queue is disabled when its last access to memory is over, 100 us later at the latest. The
 * way to them is closed only then. */
static void stop_receive(struct pl_nic *nic)
{
	bool any = false;

	for (unsigned i = 0; i < IXGBE_QUEUES && !nic->gone; i++) {
		uint32_t control = nic_read(nic, IXGBE_RXDCTL(i));

		if (!(control & IXGBE_RXDCTL_ENABLE))
			continue;
		any = true;
		nic_write(nic, IXGBE_RXDCTL(i), control & ~IXGBE_RXDCTL_ENABLE);
		(void)nic_wait(nic, IXGBE_RXDCTL(i), IXGBE_RXDCTL_ENABLE, 0, QUEUE_US);
	}
	if (any)
		nic_sleep_us(100);
	nic_unset(nic, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);
}

/* 4.6.8.1.2: what is in the rings is sent first, if it can be: with the link down it cannot. */
static void stop_transmit(struct pl_nic *nic)
{
	for (unsigned i = 0; i < PL_NIC_QUEUES_MAX && !nic->gone; i++) {
		uint32_t control = nic_read(nic, IXGBE_TXDCTL(i));

		if (!(control & IXGBE_TXDCTL_ENABLE))
			continue;
		if (nic_read(nic, IXGBE_LINKS) & IXGBE_LINKS_UP)
			(void)nic_wait(nic, IXGBE_TDH(i), 0xffff, nic_read(nic, IXGBE_TDT(i)),
				       DRAIN_US);
		nic_write(nic, IXGBE_TXDCTL(i), control & ~IXGBE_TXDCTL_ENABLE);
		(void)nic_wait(nic, IXGBE_TXDCTL(i), IXGBE_TXDCTL_ENABLE, 0, QUEUE_US);
	}
	nic_unset(nic, IXGBE_DMATXCTL, IXGBE_DMATXCTL_TE);
}

/* Waits until the bus has nothing of ours under way any more. */
static void wait_for_bus(struct pl_nic *nic)
{
	for (unsigned us = 0; us < MASTER_US; us += MS) {
		uint32_t status;

		if (nic->pci->ops->config_read(nic->pci, CONFIG_DEVICE_STATUS, 2, &status) ||
		    !(status & DEVICE_STATUS_PENDING))
			return;
		nic_sleep_us(MS);
	}
}

/* 5.2.5.3.2. Returns whether the device says that it is done with the bus. If it does not, which happens
 * when flow control or a link that is down holds data back, that is flushed as the specification update
 * says (clarification "Master Disable Flow"), and a reset must be done twice. */
static bool master_disable(struct pl_nic *nic)
{
	nic_set(nic, IXGBE_CTRL, IXGBE_CTRL_MASTER_DISABLE);
	if (nic_wait(nic, IXGBE_STATUS, IXGBE_STATUS_MASTER_ENABLED, 0, MASTER_US) != -ETIMEDOUT)
		return true;
	wait_for_bus(nic);
	nic_set(nic, IXGBE_HLREG0, IXGBE_HLREG0_LPBK);
	nic_unset(nic, IXGBE_RXCTRL, IXGBE_RXCTRL_RXEN);
	(void)nic_read(nic, IXGBE_STATUS);
	nic_sleep_us(3 * MS); /* for the last data that were asked for */
	nic_set(nic, IXGBE_GCR_EXT, IXGBE_GCR_EXT_BUFFERS_CLEAR);
	(void)nic_read(nic, IXGBE_STATUS); /* it is there when the time begins */
	nic_sleep_us(20);
	nic_unset(nic, IXGBE_HLREG0, IXGBE_HLREG0_LPBK);
	nic_unset(nic, IXGBE_GCR_EXT, IXGBE_GCR_EXT_BUFFERS_CLEAR);
	return false;
}

static bool end_dma(struct pl_nic *nic)
{
	mask_interrupts(nic);
	stop_receive(nic);
	stop_transmit(nic);
	return master_disable(nic);
}

static void ixgbe_stop(struct pl_nic *nic)
{
	(void)end_dma(nic);
	nic_unset(nic, IXGBE_CTRL_EXT, IXGBE_CTRL_EXT_DRV_LOAD);
}

/* ---- reset ---- */

/* 4.2.1.6.1, 4.6.3.2: global reset is software reset and link reset. The PHYs of X540 and X550 keep their
 * link over a software reset, and need no other; but firmware must not be at work on them meanwhile. */
static int reset_once(struct pl_nic *nic)
{
	bool is_82599 = ixgbe_of(nic)->mac == IXGBE_82599;
	uint32_t bits = is_82599 ? IXGBE_CTRL_RST | IXGBE_CTRL_LRST : IXGBE_CTRL_RST;
	uint32_t bus = IXGBE_SYNC_PHY(ixgbe_of(nic)->lan & 1);
	bool is_held = !is_82599 && !ixgbe_take(nic, bus);
	int rc;

	nic_set(nic, IXGBE_CTRL, bits);
	nic_sleep_us(1 * MS); /* 8.2.3.1.1: before any other access */
	rc = nic_wait(nic, IXGBE_CTRL, bits, 0, RESET_US);
	if (is_held)
		ixgbe_release(nic, bus);
	return rc;
}

static void note_port(struct pl_nic *nic)
{
	ixgbe_of(nic)->lan = IXGBE_STATUS_LAN_ID(nic_read(nic, IXGBE_STATUS));
}

static int global_reset(struct pl_nic *nic, struct pl_error *err)
{
	/* 4.2.1.6.1: master disable comes first, unless an earlier reset has not been completed: then no
	 * other register can be used. */
	bool in_reset = nic_read(nic, IXGBE_CTRL) & IXGBE_CTRL_RST;
	bool clean = in_reset || end_dma(nic);
	int rc;

	if (!in_reset)
		note_port(nic); /* whose PHY is kept meanwhile */
	rc = reset_once(nic);
	if (!rc && !clean)
		rc = reset_once(nic);
	if (rc)
		return nic_fail(nic, rc, err, "did not come out of reset (CTRL.RST)");
	nic_sleep_us(ixgbe_of(nic)->mac == IXGBE_82599 ? SETTLE_US_82599 : SETTLE_US_X5x0);
	mask_interrupts(nic); /* 4.6.3.1: again */
	return 0;
}

/* 4.6.3: what the device does by itself after a reset. */
static int wait_until_ready(struct pl_nic *nic, struct pl_error *err)
{
	const struct ixgbe *ixgbe = ixgbe_of(nic);
	int rc = nic_wait(nic, IXGBE_EEC, IXGBE_EEC_ARD, IXGBE_EEC_ARD, AUTO_READ_US);

	if (rc)
		return nic_fail(nic, rc, err, "did not read its EEPROM (EEC.ARD)");
	if (!(nic_read(nic, IXGBE_EEC) & IXGBE_EEC_PRES))
		return nic_fail(nic, -EIO, err, "has no EEPROM with a valid signature (EEC.PRES)");
	/* Firmware that never says so manages nothing that we need. */
	if (ixgbe->mac != IXGBE_82599)
		(void)nic_wait(nic, IXGBE_EEMNGCTL, IXGBE_EEMNGCTL_CFG_DONE(ixgbe->lan & 1),
			       IXGBE_EEMNGCTL_CFG_DONE(ixgbe->lan & 1), MANAGEMENT_US);
	rc = nic_wait(nic, IXGBE_RDRXCTL, IXGBE_RDRXCTL_DMAIDONE, IXGBE_RDRXCTL_DMAIDONE,
		      DMA_INIT_US);
	if (rc)
		return nic_fail(nic, rc, err, "did not initialise its DMA (RDRXCTL.DMAIDONE)");
	return 0;
}

/* 8.2.3.7.8, 8.2.3.7.9: reset loads the first filter with the EEPROM's address. */
static int read_mac(struct pl_nic *nic, struct pl_error *err)
{
	uint32_t low = nic_read(nic, IXGBE_RAL(0)), high = nic_read(nic, IXGBE_RAH(0));
	uint8_t *mac = nic->caps.mac;

	if (high == UINT32_MAX && nic_is_gone(nic))
		return nic_fail(nic, -ENODEV, err, "was to tell its MAC address");
	for (unsigned i = 0; i < 4; i++)
		mac[i] = (uint8_t)(low >> 8 * i);
	mac[4] = (uint8_t)high;
	mac[5] = (uint8_t)(high >> 8);
	if (!(high & IXGBE_RAH_AV) || mac[0] & 1 || !(low | (high & 0xffff)))
		return nic_fail(nic, -EIO, err, "has no valid MAC address in its EEPROM");
	return 0;
}

static int ixgbe_reset(struct pl_nic *nic, struct pl_error *err)
{
	struct ixgbe *ixgbe = ixgbe_of(nic);
	int rc;

	if (!ixgbe) {
		ixgbe = nic->state = calloc(1, sizeof(*ixgbe));
		if (!ixgbe)
			return pl_error_set(err, -ENOMEM, NULL, "%s: no memory", nic->name);
		ixgbe->mac = mac_of(nic->pci->device);
	}
	nic->gone = false;
	if (nic_read(nic, IXGBE_CTRL) == UINT32_MAX && nic_is_gone(nic))
		return nic_fail(nic, -ENODEV, err, "was to be reset");
	ixgbe->media = "unknown";
	rc = global_reset(nic, err);
	if (rc)
		return rc;
	note_port(nic);
	rc = wait_until_ready(nic, err);
	if (!rc && !ixgbe->nvm_checked)
		rc = ixgbe_nvm_check(nic, err);
	if (!rc)
		rc = read_mac(nic, err);
	if (rc)
		return rc;
	ixgbe->nvm_checked = true;
	nic->caps.max_queues = nic->pci->n_vectors - 1; /* one is for all other causes */
	if (nic->caps.max_queues > PL_NIC_QUEUES_MAX)
		nic->caps.max_queues = PL_NIC_QUEUES_MAX;
	nic->caps.mtu_max = FRAME_MAX - FCS_BYTES - PL_NIC_FRAME_OVERHEAD;
	nic->caps.speed_mbps = 10000;
	return 0;
}

/* ---- what planes use ---- */

static uint32_t rx_tail(unsigned queue)
{
	return IXGBE_RDT(queue);
}

static uint32_t tx_tail(unsigned queue)
{
	return IXGBE_TDT(queue);
}

/* 7.3.1: a vector masks itself when it has interrupted (EIAM), and a cause that is set when it is unmasked
 * interrupts at once. */
static void arm(struct pl_nic *nic, unsigned vector)
{
	nic_write(nic, IXGBE_EIMS, IXGBE_BIT(vector));
}

/* A write is on its way when it returns; a read comes back when the write has arrived. */
static void clear(struct pl_nic *nic, unsigned vector)
{
	nic_write(nic, IXGBE_EICR, IXGBE_BIT(vector));
	(void)nic_read(nic, IXGBE_STATUS);
}

const struct nic_driver ixgbe_driver = {
	.name = "ixgbe",
	.reset = ixgbe_reset,
	.start = ixgbe_start,
	.receive = ixgbe_receive,
	.stop = ixgbe_stop,
	.link = ixgbe_link,
	.set_mac = ixgbe_set_mac,
	.set_mtu = ixgbe_set_mtu,
	.counter_registers = ixgbe_counters,
	.n_counters = IXGBE_COUNTERS,
	.missed = IXGBE_RXMPC,
	.dropped = ixgbe_dropped,
	.rx_damaged = NIC_RX_RXE_82599,
	.rx_tail = rx_tail,
	.tx_tail = tx_tail,
	.arm = arm,
	.clear = clear,
};
