/* SPDX-License-Identifier: BSD-2-Clause */
/* The emulated 82576: what its registers hold after a reset, what takes time, and what a driver may not do.
 * Numbers are sections of the 82576's datasheet; offsets and bits are written out here, so that nothing is
 * taken from what is tested. What the registers hold was also found so in another model of the controller,
 * QEMU's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu_bench.h"

#define CTRL 0x00000
#define STATUS 0x00008
#define EECD 0x00010
#define EERD 0x00014
#define MDIC 0x00020
#define ICR 0x000C0
#define IMS 0x000D0
#define RCTL 0x00100
#define TCTL 0x00400
#define EEMNGCTL 0x01010
#define GPIE 0x01514
#define EICS 0x01520
#define EIMS 0x01524
#define EIMC 0x01528
#define EIAC 0x0152C
#define EIAM 0x01530
#define EICR 0x01580
#define EITR(v) (0x01680 + 4 * (v))
#define IVAR(n) (0x01700 + 4 * (n))
#define IVAR_MISC 0x01740
#define SWSM 0x05B50
#define SW_FW_SYNC 0x05B5C
#define RXQ(n, at) (0x0C000 + 0x40 * (n) + (at))
#define TXQ(n, at) (0x0E000 + 0x40 * (n) + (at))

#define CTRL_MASTER_DISABLE (1u << 2)
#define CTRL_SLU (1u << 6)
#define CTRL_RST (1u << 26)
#define CTRL_PHY_RST (1u << 31)
#define STATUS_LU (1u << 1)
#define STATUS_SPEED (3u << 6)
#define STATUS_MASTER (1u << 19)
#define RXEN (1u << 1)
#define ENABLE (1u << 25)
#define ADVANCED (1u << 25)
#define MSIX (1u << 4)
#define EIAME (1u << 30)
#define LSC (1u << 2)

/* ---- after a reset ---- */

static const struct {
	uint32_t offset, mask, value;
	const char *what;
} defaults[] = {
	{CTRL, 0x98001844, 0, "8.2.1 CTRL: no link wanted, nothing forced, no flow control"},
	{STATUS, STATUS_MASTER | 0xC, STATUS_MASTER, "8.2.2 STATUS: master enabled, port 0"},
	{0x00018, 3u << 22, 0, "8.2.3 CTRL_EXT: copper"},
	{0x00038, 0xFFFF, 0x8100, "VET"},
	{EECD, 0x300, 0x300, "8.4 EECD: present, auto-read done"},
	{0x02404, 0x7F, 64, "8.3 RXPBS: 64 KB"},
	{0x03404, 0x7F, 40, "8.3 TXPBS: 40 KB"},
	{IMS, 0xFFFFFFFF, 0, "8.8 IMS: nothing let through"},
	{EIMS, 0xFFFFFFFF, 0, "8.8 EIMS: nothing let through"},
	{GPIE, 0xFFFFFFFF, 0, "8.8 GPIE: no MSI-X mode"},
	{IVAR(0), 0x80808080, 0, "8.8.13 IVAR: no queue has a vector"},
	{RCTL, 0xFFFFFFFF, 0, "8.10.1 RCTL: off"},
	{RXQ(0, 0x28), 0xFFFFFFFF, ENABLE | 1u << 16, "8.10.10 RXDCTL[0]: enabled, WTHRESH 1"},
	{RXQ(1, 0x28), 0xFFFFFFFF, 1u << 16, "8.10.10 RXDCTL[1]: disabled"},
	{RXQ(15, 0x28), 0xFFFFFFFF, 1u << 16, "8.10.10 RXDCTL[15]"},
	{RXQ(0, 0x0C), 7u << 25, 0, "8.10.2 SRRCTL[0]: legacy descriptors"},
	{0x05000, 0xFFFFFFFF, 0x300, "RXCSUM: both checksums, no PCSD"},
	{0x05004, 0xFFFFFFFF, 0x2600, "RLPML: 9728"},
	{0x05400, 0xFFFFFFFF, 0x33221102, "RAL[0]: from the EEPROM"},
	{0x05404, 0xFFFFFFFF, 0x80005544, "RAH[0]: from the EEPROM, valid"},
	{0x0540C, 1u << 31, 0, "RAH[1]: not valid"},
	{0x0551C, 1u << 31, 0, "RAH[23]: not valid"},
	{0x05818, 7, 0, "MRQC: no RSS"},
	{TCTL, 0xFFFFFFFF, 0xA40400F8, "8.12.1 TCTL"},
	{0x00410, 0xFFFFFFFF, 0x00601008, "TIPG"},
	{TXQ(0, 0x28), 0xFFFFFFFF, ENABLE, "8.12.13 TXDCTL[0]: enabled"},
	{TXQ(1, 0x28), 0xFFFFFFFF, 0, "8.12.13 TXDCTL[1]: disabled"},
	{TXQ(0, 0x14), 0xFFFFFFFF, 0x2A00, "TXCTL[0]"},
	/* The first four queues where older controllers have them. */
	{0x02828, 0xFFFFFFFF, ENABLE | 1u << 16, "RXDCTL[0], once more"},
	{0x03B28, 0xFFFFFFFF, 0, "TXDCTL[3], once more"},
};

static void check_defaults(struct bench *bench)
{
	for (unsigned i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		uint32_t value = bench_read(bench, defaults[i].offset);

		if ((value & defaults[i].mask) != defaults[i].value)
			fail_msg("%s: 0x%08x", defaults[i].what, value);
	}
}

static void master_disable(struct bench *bench)
{
	bench_set(bench, CTRL, CTRL_MASTER_DISABLE);
	bench_pass(bench, LONG_NS);
}

static void registers_hold_their_defaults(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	check_defaults(&bench);
	/* And again after a reset, whatever was written. */
	bench_write(&bench, RCTL, 0x04008032);
	bench_write(&bench, 0x05004, 1526);
	bench_write(&bench, 0x0540C, 0x80001234);
	bench_write(&bench, GPIE, MSIX);
	bench_write(&bench, EIMS, 7);
	bench_write(&bench, RXQ(0, 0x28), 0);
	bench_write(&bench, TXQ(1, 0x00), 0x1000);
	bench_pass(&bench, LONG_NS);
	master_disable(&bench);
	bench_set(&bench, CTRL, CTRL_RST);
	bench_pass(&bench, LONG_NS);
	check_defaults(&bench);
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- what takes time ---- */

static void a_reset_takes_time(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_set(&bench, CTRL, CTRL_RST);
	/* 4.2.1.6.1 */
	(void)bench_read(&bench, CTRL);
	bench_illegal(&bench, "within 1 ms of a reset");
	bench_pass(&bench, 1000 * US);
	assert_true(bench_read(&bench, CTRL) & CTRL_RST);
	(void)bench_read(&bench, STATUS);
	bench_illegal(&bench, "before a reset is completed");
	bench_pass(&bench, 200 * US);
	assert_false(bench_read(&bench, CTRL) & CTRL_RST);
	/* The EEPROM is read then. */
	assert_false(bench_read(&bench, EECD) & 1u << 9);
	assert_false(bench_read(&bench, 0x05404) & 1u << 31);
	bench_pass(&bench, LONG_NS);
	assert_true(bench_read(&bench, EECD) & 1u << 9);
	assert_true(bench_read(&bench, 0x05404) & 1u << 31);
	bench_legal(&bench);
	bench_close(&bench);
}

static void the_master_ends_after_a_while(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_set(&bench, CTRL, CTRL_MASTER_DISABLE);
	assert_true(bench_read(&bench, STATUS) & STATUS_MASTER);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, STATUS) & STATUS_MASTER);
	bench_unset(&bench, CTRL, CTRL_MASTER_DISABLE);
	assert_true(bench_read(&bench, STATUS) & STATUS_MASTER);
	bench_legal(&bench);
	bench_close(&bench);
}

/* 8.10.10, 8.12.13; 4.5.9 and 4.5.10: before the path as a whole is enabled. */
static void queues_are_acknowledged_in_time(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_write(&bench, RXQ(3, 0x08), 1024);
	bench_write(&bench, RXQ(3, 0x0C), ADVANCED | 2);
	bench_write(&bench, RXQ(3, 0x28), ENABLE);
	assert_false(bench_read(&bench, RXQ(3, 0x28)) & ENABLE);
	bench_pass(&bench, LONG_NS);
	assert_true(bench_read(&bench, RXQ(3, 0x28)) & ENABLE);
	assert_true(bench.nic->rx[3].enabled);
	assert_int_equal(bench.nic->rx[3].n, 64);
	assert_int_equal(bench.nic->rx[3].buffer_bytes, 2048);
	/* Its registers are not to be changed now. */
	bench_write(&bench, RXQ(3, 0x08), 2048);
	bench_illegal(&bench, "while the receive queue is enabled");
	bench_write(&bench, RXQ(3, 0x28), 0);
	assert_true(bench_read(&bench, RXQ(3, 0x28)) & ENABLE);
	bench_write(&bench, RXQ(3, 0x28), ENABLE);
	bench_illegal(&bench, "before it has been disabled");
	bench_write(&bench, RXQ(3, 0x28), 0);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, RXQ(3, 0x28)) & ENABLE);
	bench_write(&bench, RXQ(3, 0x08), 2048);

	bench_write(&bench, TXQ(15, 0x08), 1024);
	bench_write(&bench, TXQ(15, 0x28), ENABLE);
	assert_false(bench_read(&bench, TXQ(15, 0x28)) & ENABLE);
	bench_pass(&bench, LONG_NS);
	assert_true(bench_read(&bench, TXQ(15, 0x28)) & ENABLE);
	bench_legal(&bench);

	/* The tail stays where the head is until then. */
	bench_write(&bench, TXQ(14, 0x08), 1024);
	bench_write(&bench, TXQ(14, 0x18), 5);
	bench_illegal(&bench, "while the transmit queue is not enabled");
	bench_write(&bench, TXQ(14, 0x28), ENABLE);
	bench_pass(&bench, LONG_NS);
	bench_illegal(&bench, "as its ring is enabled");
	bench_close(&bench);
}

/* ---- the PHY and the link ---- */

static void take_phy(struct bench *bench)
{
	assert_int_equal(bench_read(bench, SWSM) & 1, 0);
	bench_set(bench, SWSM, 2);
	bench_write(bench, SW_FW_SYNC, 2);
	bench_write(bench, SWSM, 0);
}

static uint32_t mdic(struct bench *bench, uint32_t command)
{
	bench_write(bench, MDIC, command);
	assert_false(bench_read(bench, MDIC) & 1u << 28);
	bench_pass(bench, LONG_NS);
	assert_true(bench_read(bench, MDIC) & 1u << 28);
	return bench_read(bench, MDIC);
}

static uint32_t phy_read(struct bench *bench, unsigned reg)
{
	return mdic(bench, 2u << 26 | 1u << 21 | reg << 16);
}

static void phy_write(struct bench *bench, unsigned reg, uint32_t value)
{
	mdic(bench, 1u << 26 | 1u << 21 | reg << 16 | value);
}

static void a_phy_is_behind_mdic(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	phy_read(&bench, 2);
	bench_illegal(&bench, "without SW_FW_SYNC");
	take_phy(&bench);
	assert_int_equal(phy_read(&bench, 2) & 0xFFFF, 0x02A8);
	assert_int_equal(phy_read(&bench, 3) & 0xFFF0, 0x0390);
	assert_true(phy_read(&bench, 1) & 1u << 2);	      /* it has a link, */
	assert_false(bench_read(&bench, STATUS) & STATUS_LU); /* which the MAC does not want */
	/* At another address there is none. */
	assert_true(mdic(&bench, 2u << 26 | 2u << 21 | 2u << 16) & 1u << 30);
	bench_write(&bench, MDIC, 2u << 26 | 1u << 21);
	bench_write(&bench, MDIC, 2u << 26 | 1u << 21);
	bench_illegal(&bench, "while a command is under way");
	bench_pass(&bench, LONG_NS);
	bench_write(&bench, SW_FW_SYNC, 0);
	bench_illegal(&bench, "SW_FW_SYNC written without SWSM.SWESMBI");
	bench_close(&bench);
}

static void a_phy_is_reset_for_100_us(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_set(&bench, CTRL, CTRL_PHY_RST);
	assert_int_equal(bench_read(&bench, EEMNGCTL) & 1u << 18, 0);
	bench_pass(&bench, 100 * US);
	bench_unset(&bench, CTRL, CTRL_PHY_RST);
	bench_legal(&bench);
	bench_pass(&bench, LONG_NS);
	assert_int_equal(bench_read(&bench, EEMNGCTL) & 1u << 18, 1u << 18);
	bench_set(&bench, CTRL, CTRL_PHY_RST);
	bench_pass(&bench, 99 * US);
	bench_unset(&bench, CTRL, CTRL_PHY_RST);
	bench_illegal(&bench, "less than 100 us");
	bench_close(&bench);
}

static void check_speed(struct bench *bench, uint32_t offer, uint32_t gigabit, uint32_t speed)
{
	phy_write(bench, 4, offer);
	phy_write(bench, 9, gigabit);
	phy_write(bench, 0, 1u << 12 | 1u << 9);
	bench_pass(bench, LONG_NS);
	assert_true(bench_read(bench, STATUS) & STATUS_LU);
	assert_int_equal((bench_read(bench, STATUS) & STATUS_SPEED) >> 6, speed);
}

static void speed_is_negotiated(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench_set(&bench, CTRL, CTRL_SLU);
	take_phy(&bench);
	check_speed(&bench, 0x141, 0x200, 2);
	check_speed(&bench, 0x141, 0, 1);
	check_speed(&bench, 0x041, 0, 0);
	/* Nothing in common; powered down; no cable. */
	phy_write(&bench, 4, 1);
	phy_write(&bench, 0, 1u << 12 | 1u << 9);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, STATUS) & STATUS_LU);
	check_speed(&bench, 0x141, 0x200, 2);
	phy_write(&bench, 0, 1u << 12 | 1u << 11);
	assert_false(bench_read(&bench, STATUS) & STATUS_LU);
	check_speed(&bench, 0x141, 0x200, 2);
	emu_wire_memory_link(bench.wire, false);
	bench_pass(&bench, LONG_NS);
	bench_pass(&bench, LONG_NS);
	assert_false(bench_read(&bench, STATUS) & STATUS_LU);
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- interrupts ---- */

struct irq {
	struct bench bench;
	int fds[3];
};

/* Vectors 0 and 1 for two queues, which clear and mask their causes when they interrupt; 2 for all else. */
static void irq_open(struct irq *irq)
{
	struct bench *bench = &irq->bench;

	bench_open_ready(bench);
	assert_int_equal(pl_pci_bus_master(bench->pci, true, NULL), 0);
	for (unsigned v = 0; v < 3; v++) {
		irq->fds[v] = eventfd(0, EFD_NONBLOCK);
		assert_int_equal(pl_pci_irq(bench->pci, v, irq->fds[v], NULL), 0);
	}
	bench_write(bench, GPIE, 1u << 31 | EIAME | MSIX | 1);
	(void)bench_read(bench, ICR);
	bench_write(bench, IVAR(0), 0x80);
	bench_write(bench, IVAR(1), 0x81);
	bench_write(bench, IVAR_MISC, 0x82u << 8);
	bench_write(bench, EIAC, 7);
	bench_write(bench, EIAM, 3);
}

static void irq_close(struct irq *irq)
{
	bench_legal(&irq->bench);
	bench_close(&irq->bench);
	for (unsigned v = 0; v < 3; v++)
		close(irq->fds[v]);
}

static void check(struct irq *irq, uint64_t v0, uint64_t v1, uint64_t v2)
{
	assert_int_equal(bench_signals(irq->fds[0]), v0);
	assert_int_equal(bench_signals(irq->fds[1]), v1);
	assert_int_equal(bench_signals(irq->fds[2]), v2);
}

/* The engine has written descriptors back. */
static void event(struct irq *irq, unsigned queue, bool tx)
{
	irq->bench.nic->model->queue_event(irq->bench.nic, queue, tx);
}

static void queues_interrupt_once_until_armed(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	event(&irq, 0, false);
	check(&irq, 0, 0, 0);
	bench_write(&irq.bench, EIMS, 1); /* was there before */
	check(&irq, 1, 0, 0);
	event(&irq, 0, false); /* masked by the message */
	check(&irq, 0, 0, 0);
	bench_write(&irq.bench, EICR, 1); /* forgotten */
	bench_write(&irq.bench, EIMS, 3);
	check(&irq, 0, 0, 0);
	event(&irq, 1, false);
	check(&irq, 0, 1, 0);
	event(&irq, 0, true); /* transmission has no vector */
	check(&irq, 0, 0, 0);
	event(&irq, 0, false);
	check(&irq, 1, 0, 0);
	irq_close(&irq);
}

/* Queues n and n + 8 share a register. */
static void the_ninth_queue_has_its_vector(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, IVAR(0), 0x80 | 0x81u << 16);
	bench_write(&irq.bench, EIMS, 3);
	event(&irq, 8, false);
	check(&irq, 0, 1, 0);
	irq_close(&irq);
}

/* ICR and IMS decide what becomes the other vector's cause. */
static void changes_of_the_link_interrupt(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EIMS, 4);
	bench_set(&irq.bench, CTRL, CTRL_SLU);
	bench_pass(&irq.bench, LONG_NS);
	check(&irq, 0, 0, 0); /* not let through */
	assert_true(bench_read(&irq.bench, ICR) & LSC);
	assert_int_equal(bench_read(&irq.bench, ICR), 0);
	bench_write(&irq.bench, IMS, LSC);
	bench_unset(&irq.bench, CTRL, CTRL_SLU);
	check(&irq, 0, 0, 1);
	bench_set(&irq.bench, CTRL, CTRL_SLU); /* the cause has not been read */
	check(&irq, 0, 0, 0);
	assert_int_equal(bench_read(&irq.bench, ICR), LSC);
	bench_unset(&irq.bench, CTRL, CTRL_SLU);
	check(&irq, 0, 0, 1);
	irq_close(&irq);
}

static void messages_keep_their_distance(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EITR(0), 50u << 2);
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	check(&irq, 1, 0, 0);
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	bench_pass(&irq.bench, 49 * US);
	check(&irq, 0, 0, 0);
	bench_pass(&irq.bench, 1 * US);
	check(&irq, 1, 0, 0);
	irq_close(&irq);
}

/* ---- what a driver may not do ---- */

static void illegal_uses_are_reported(void **state)
{
	static const struct {
		uint32_t offset, value;
		const char *words;
	} writes[] = {
		{0x06000, 0, "no register is"}, /* an 82599's */
		{CTRL, 1u << 30 | 0x00100209, "CTRL.VME"},
		{STATUS, 0xFFFFFFFF, NULL},
		{0x00018, 3u << 22, "LINK_MODE"},
		{RCTL, 1u << 6, "LBM"},
		{RCTL, 1u << 18, "VFE"},
		{0x05818, 2, "without RXCSUM.PCSD"},
		{0x05818, 3, "pools"},
		{EIMS, 1, "without GPIE.Multiple_MSIX"},
		{IVAR(0), 0x8A, "vector 10"},
		{RXQ(0, 0x00), 0x1000, "while the receive queue is enabled"},
		{RXQ(1, 0x00), 0x1040, "not a multiple of 128"},
		{RXQ(1, 0x28), ENABLE, "ring of length 0"},
		{TXQ(1, 0x28), 8, "PTHRESH without HTHRESH"},
		{TXQ(1, 0x38), 1, "head write-back"},
		{TXQ(1, 0x18), 1, "not enabled"},
		{RXQ(0, 0x30), 0, "read-only"},
	};
	struct bench bench;

	(void)state;
	for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		bench_open_ready(&bench);
		bench_write(&bench, writes[i].offset, writes[i].value);
		if (writes[i].words)
			bench_illegal(&bench, writes[i].words);
		else
			bench_legal(&bench);
		bench_close(&bench);
	}
	bench_open_ready(&bench);
	bench_write(&bench, GPIE, MSIX);
	bench_write(&bench, EIAC, 1);
	(void)bench_read(&bench, EICR); /* 8.8.5 */
	bench_illegal(&bench, "EICR read while EIAC");
	bench_close(&bench);
}

/* ---- statistics ---- */

static void counters_are_cleared_by_reading(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	bench.nic->counts.rx_packets = 5;
	assert_int_equal(bench_read(&bench, 0x04074), 5);
	assert_int_equal(bench_read(&bench, 0x04074), 0);
	bench.nic->counts.rx_packets += (uint64_t)1 << 33;
	assert_int_equal(bench_read(&bench, 0x04074), 0xFFFFFFFF);
	/* Of two halves reading the upper one clears both; what comes in between is not lost. */
	bench.nic->counts.rx_bytes = 0x500000007;
	assert_int_equal(bench_read(&bench, 0x04088), 7);
	assert_int_equal(bench_read(&bench, 0x04088), 7);
	bench.nic->counts.rx_bytes += 3;
	assert_int_equal(bench_read(&bench, 0x0408C), 5);
	assert_int_equal(bench_read(&bench, 0x04088), 3);
	bench.nic->counts.queue[9].rx_dropped = 2;
	assert_int_equal(bench_read(&bench, RXQ(9, 0x30)), 2);
	assert_int_equal(bench_read(&bench, RXQ(9, 0x30)), 0);
	bench_legal(&bench);
	bench_close(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_hold_their_defaults),
		cmocka_unit_test(a_reset_takes_time),
		cmocka_unit_test(the_master_ends_after_a_while),
		cmocka_unit_test(queues_are_acknowledged_in_time),
		cmocka_unit_test(a_phy_is_behind_mdic),
		cmocka_unit_test(a_phy_is_reset_for_100_us),
		cmocka_unit_test(speed_is_negotiated),
		cmocka_unit_test(queues_interrupt_once_until_armed),
		cmocka_unit_test(the_ninth_queue_has_its_vector),
		cmocka_unit_test(changes_of_the_link_interrupt),
		cmocka_unit_test(messages_keep_their_distance),
		cmocka_unit_test(illegal_uses_are_reported),
		cmocka_unit_test(counters_are_cleared_by_reading),
	};

	bench_model = EMU_82576;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
