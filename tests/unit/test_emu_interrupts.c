/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts of the emulated 82599: causes, masks, what goes with an MSI-X message, moderation, and that no
 * cause is lost and none told twice. Numbers are sections of the 82599's datasheet (331520), where what is
 * expected comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu_bench.h"

#define EICR 0x00800
#define EICS 0x00808
#define EIAC 0x00810
#define EITR(v) (0x00820 + 4 * (v))
#define EIMS 0x00880
#define EIMC 0x00888
#define EIAM 0x00890
#define GPIE 0x00898
#define IVAR(n) (0x00900 + 4 * (n))
#define IVAR_MISC 0x00A00
#define EICS_EX(n) (0x00A90 + 4 * (n))
#define EIMS_EX(n) (0x00AA0 + 4 * (n))
#define EIMC_EX(n) (0x00AB0 + 4 * (n))
#define EIAM_EX(n) (0x00AD0 + 4 * (n))
#define LSC (1u << 20)

#define GPIE_MSIX (1u << 4)
#define GPIE_OCD (1u << 5)
#define GPIE_EIAME (1u << 30)
#define GPIE_PBA (1u << 31)

#define N_VECTORS 3u

struct irq {
	struct bench bench;
	int fds[N_VECTORS];
};

/* As drivers have it: vectors 0 and 1 for two pairs of queues, which clear and mask their causes when they
 * interrupt; vector 2 for all else. */
static void irq_open(struct irq *irq)
{
	struct bench *bench = &irq->bench;

	bench_open_ready(bench);
	assert_int_equal(pl_pci_bus_master(bench->pci, true, NULL), 0);
	for (unsigned v = 0; v < N_VECTORS; v++) {
		irq->fds[v] = eventfd(0, EFD_NONBLOCK);
		assert_int_equal(pl_pci_irq(bench->pci, v, irq->fds[v], NULL), 0);
	}
	bench_read(bench, EICR); /* the link's coming */
	bench_write(bench, GPIE, GPIE_MSIX | GPIE_OCD | GPIE_EIAME | GPIE_PBA);
	bench_write(bench, IVAR(0), 0x81818080);
	bench_write(bench, IVAR_MISC, 0x82u << 8);
	bench_write(bench, EIAC, 3);
	bench_write(bench, EIAM, 3);
}

static void irq_close(struct irq *irq)
{
	bench_legal(&irq->bench);
	bench_close(&irq->bench);
	for (unsigned v = 0; v < N_VECTORS; v++)
		close(irq->fds[v]);
}

/* The engine has written descriptors back. */
static void event(struct irq *irq, unsigned queue, bool tx)
{
	irq->bench.nic->model->queue_event(irq->bench.nic, queue, tx);
}

static void check(struct irq *irq, uint64_t v0, uint64_t v1, uint64_t v2)
{
	assert_int_equal(bench_signals(irq->fds[0]), v0);
	assert_int_equal(bench_signals(irq->fds[1]), v1);
	assert_int_equal(bench_signals(irq->fds[2]), v2);
}

/* 8.2.3.5.16 */
static void queues_have_vectors(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EIMS, 3);
	event(&irq, 0, false);
	check(&irq, 1, 0, 0);
	event(&irq, 1, true);
	check(&irq, 0, 1, 0);
	/* A queue that has none. */
	event(&irq, 2, false);
	bench_write(&irq.bench, EIMS, 0xFFFF);
	check(&irq, 0, 0, 0);
	irq_close(&irq);
}

/* 7.3.1: with EIAC and EIAM a message clears the cause and masks the vector. */
static void messages_clear_and_mask(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EIMS, 3);
	event(&irq, 0, false);
	check(&irq, 1, 0, 0);
	assert_int_equal(bench_read(&irq.bench, EIMS) & 3, 2);
	assert_int_equal(bench_read(&irq.bench, EICR) & 3, 0);
	/* What comes now waits, however much it is. */
	event(&irq, 0, false);
	event(&irq, 0, true);
	check(&irq, 0, 0, 0);
	assert_int_equal(bench_read(&irq.bench, EICR) & 3, 1);
	/* And interrupts once when it may, at once. */
	bench_write(&irq.bench, EIMS, 1);
	check(&irq, 1, 0, 0);
	bench_write(&irq.bench, EIMS, 1);
	bench_pass(&irq.bench, LONG_NS);
	check(&irq, 0, 0, 0);
	irq_close(&irq);
}

/* A driver about to sleep: clear the cause, look at the ring, let interrupts through. */
static void nothing_is_lost_between_look_and_sleep(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	event(&irq, 0, false);
	bench_write(&irq.bench, EICR, 1);
	/* Its look finds what that was for; what comes after the clear must wake it. */
	bench_write(&irq.bench, EIMS, 1);
	check(&irq, 0, 0, 0);
	bench_write(&irq.bench, EIMC, 1);
	bench_write(&irq.bench, EICR, 1);
	event(&irq, 0, false);
	bench_write(&irq.bench, EIMS, 1);
	check(&irq, 1, 0, 0);
	irq_close(&irq);
}

/* Without EIAC and EIAM: one message until the cause has been cleared (7.3.1). */
static void causes_stay_until_cleared(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EIAC, 0);
	bench_write(&irq.bench, EIAM, 0);
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	event(&irq, 0, false);
	bench_pass(&irq.bench, LONG_NS);
	check(&irq, 1, 0, 0);
	/* 8.2.3.5.1: writing 1 clears, writing 0 does not; with OCD reading does not (8.2.3.5.18). */
	bench_write(&irq.bench, EICR, 2);
	assert_int_equal(bench_read(&irq.bench, EICR) & 1, 1);
	bench_write(&irq.bench, EICR, 1);
	assert_int_equal(bench_read(&irq.bench, EICR) & 1, 0);
	event(&irq, 0, false);
	check(&irq, 1, 0, 0);
	/* 8.2.3.5.18, PBA_support: to be let through anew is to be told anew. */
	bench_write(&irq.bench, EIMS, 1);
	check(&irq, 1, 0, 0);
	irq_close(&irq);
}

/* 8.2.3.5.1, 8.2.3.5.18: a read clears everything, or, with OCD, the other causes. */
static void reading_clears(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EICS, LSC | 1);
	assert_int_equal(bench_read(&irq.bench, EICR), LSC | 1);
	assert_int_equal(bench_read(&irq.bench, EICR), 1);
	bench_write(&irq.bench, GPIE, GPIE_MSIX | GPIE_EIAME | GPIE_PBA);
	bench_write(&irq.bench, EICS, LSC);
	assert_int_equal(bench_read(&irq.bench, EICR), LSC | 1);
	assert_int_equal(bench_read(&irq.bench, EICR), 0);
	irq_close(&irq);
}

/* 8.2.3.5.17 */
static void other_causes_share_a_vector(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EIMS, LSC);
	emu_wire_memory_link(irq.bench.wire, false);
	bench_pass(&irq.bench, 0);
	check(&irq, 0, 0, 1);
	assert_int_equal(bench_read(&irq.bench, EIMS), LSC); /* not in EIAM */
	assert_int_equal(bench_read(&irq.bench, EICR), LSC);
	emu_wire_memory_link(irq.bench.wire, true);
	bench_pass(&irq.bench, 0);
	check(&irq, 0, 0, 0);
	bench_pass(&irq.bench, LONG_NS);
	check(&irq, 0, 0, 1);
	irq_close(&irq);
}

/* 8.2.3.5.2, 8.2.3.5.7: software's own. Vectors from 16 on are in the extended registers alone. */
static void software_can_interrupt(void **state)
{
	struct irq irq;
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	irq_open(&irq);
	assert_int_equal(pl_pci_irq(irq.bench.pci, 40, fd, NULL), 0);
	bench_write(&irq.bench, EIMS_EX(1), 1u << 8);
	assert_int_equal(bench_read(&irq.bench, EIMS_EX(1)), 1u << 8);
	bench_write(&irq.bench, EIAM_EX(1), 1u << 8);
	bench_write(&irq.bench, EICS_EX(1), 1u << 8);
	assert_int_equal(bench_signals(fd), 1);
	assert_int_equal(bench_read(&irq.bench, EIMS_EX(1)), 0);
	bench_write(&irq.bench, EIMS_EX(0), 2);
	assert_int_equal(bench_read(&irq.bench, EIMS), 2);
	bench_write(&irq.bench, EICS, 2);
	check(&irq, 0, 1, 0);
	bench_write(&irq.bench, EIMS_EX(0), 2);
	bench_write(&irq.bench, EIMC_EX(0), 2);
	bench_write(&irq.bench, EICS, 2);
	check(&irq, 0, 0, 0);
	irq_close(&irq);
	close(fd);
}

/* 8.2.3.5.12: at least the interval between two messages of a vector, in units of 2.048 us. */
static void moderation_puts_messages_off(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EITR(0), 50u << 3 | 1u << 31); /* 102.4 us */
	bench_write(&irq.bench, EIMS, 3);
	event(&irq, 0, false);
	check(&irq, 1, 0, 0); /* the first at once */
	bench_write(&irq.bench, EIMS, 1);
	bench_pass(&irq.bench, 50 * US);
	event(&irq, 0, false);
	event(&irq, 1, false);
	check(&irq, 0, 1, 0); /* the other vector's has no interval */
	bench_pass(&irq.bench, 52 * US);
	check(&irq, 0, 0, 0);
	bench_pass(&irq.bench, 1 * US);
	check(&irq, 1, 0, 0);
	/* Put off and cleared in the meantime: nothing is left to tell. */
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	bench_write(&irq.bench, EICR, 1);
	bench_pass(&irq.bench, LONG_NS);
	check(&irq, 0, 0, 0);
	/* Put off and masked: told when it may be. */
	event(&irq, 0, false);
	check(&irq, 1, 0, 0);
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	bench_write(&irq.bench, EIMC, 1);
	bench_pass(&irq.bench, LONG_NS);
	check(&irq, 0, 0, 0);
	bench_write(&irq.bench, EIMS, 1);
	check(&irq, 1, 0, 0);
	irq_close(&irq);
}

/* The engine's thread sleeps until tick() wants to be called again. */
static void moderation_says_when(void **state)
{
	struct irq irq;
	struct emu_nic *nic;
	uint64_t now_ns;

	(void)state;
	irq_open(&irq);
	nic = irq.bench.nic;
	now_ns = emu_now_ns();
	assert_true(nic->model->tick(nic, now_ns) == UINT64_MAX);
	bench_write(&irq.bench, EITR(0), 50u << 3 | 1u << 31);
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	assert_int_equal(nic->model->tick(nic, now_ns + 1), now_ns + 102400);
	irq_close(&irq);
}

/* 8.2.3.5.12: without CNT_WDIS the counter is written too, and 0 lets the next message go. */
static void the_counter_can_be_written(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EITR(0), 500u << 3 | 1u << 31);
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	bench_write(&irq.bench, EIMS, 1);
	event(&irq, 0, false);
	check(&irq, 1, 0, 0);
	bench_write(&irq.bench, EITR(0), 500u << 3 | 1u << 31);
	check(&irq, 0, 0, 0);
	bench_write(&irq.bench, EITR(0), 500u << 3);
	check(&irq, 1, 0, 0);
	assert_int_equal(bench_read(&irq.bench, EITR(0)) & 0xFF8, 500u << 3);
	irq_close(&irq);
}

/* A message is a write to memory: not without bus mastering, and not to nobody. It pends. */
static void messages_pend_while_they_cannot_be_sent(void **state)
{
	struct irq irq;
	struct emu_stats stats;

	(void)state;
	irq_open(&irq);
	pl_pci_bus_master(irq.bench.pci, false, NULL);
	bench_write(&irq.bench, EIMS, 3);
	event(&irq, 0, false);
	bench_pass(&irq.bench, LONG_NS);
	check(&irq, 0, 0, 0);
	pl_pci_bus_master(irq.bench.pci, true, NULL);
	check(&irq, 1, 0, 0);
	assert_int_equal(pl_pci_irq(irq.bench.pci, 1, -1, NULL), 0);
	event(&irq, 1, false);
	check(&irq, 0, 0, 0);
	assert_int_equal(pl_pci_irq(irq.bench.pci, 1, irq.fds[1], NULL), 0);
	check(&irq, 0, 1, 0);
	emu_stats(irq.bench.pci, &stats);
	assert_int_equal(stats.interrupts, 2);
	assert_int_not_equal(pl_pci_irq(irq.bench.pci, irq.bench.pci->n_vectors, irq.fds[0], NULL),
			     0);
	irq_close(&irq);
}

/* 7.3.4.1: without Multiple_MSIX all causes have vector 0. 8.2.3.5.6: without EIAME it is reading that
 * masks. */
static void one_vector_for_everything(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, GPIE, GPIE_OCD);
	bench_write(&irq.bench, EIAM, 3 | LSC);
	bench_write(&irq.bench, EIAC, 0);
	bench_write(&irq.bench, EIMS, 3 | LSC);
	event(&irq, 1, false);
	check(&irq, 1, 0, 0);
	assert_int_equal(bench_read(&irq.bench, EIMS), 3 | LSC);
	assert_int_equal(bench_read(&irq.bench, EICR), 2);
	assert_int_equal(bench_read(&irq.bench, EIMS), 0);
	irq_close(&irq);
}

static void a_reset_masks_everything(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EITR(0), 100u << 3 | 1u << 31);
	bench_write(&irq.bench, EIMS, 3 | LSC);
	event(&irq, 0, false);
	event(&irq, 1, false);
	check(&irq, 1, 1, 0);
	bench_write(&irq.bench, 0, 1u << 26);
	event(&irq, 0, false);
	bench_pass(&irq.bench, LONG_NS);
	check(&irq, 0, 0, 0);
	assert_int_equal(bench_read(&irq.bench, EIMS), 0);
	assert_int_equal(bench_read(&irq.bench, EICR), 0);
	assert_int_equal(bench_read(&irq.bench, EITR(0)), 0);
	irq_close(&irq);
}

static void pba_support_goes_with_msix(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, GPIE, GPIE_MSIX);
	bench_write(&irq.bench, EIMS, 1);
	bench_illegal(&irq.bench, "PBA_support");
	irq_close(&irq);
}

static void a_device_that_is_gone_says_nothing(void **state)
{
	struct irq irq;

	(void)state;
	irq_open(&irq);
	bench_write(&irq.bench, EIMS, 3 | LSC);
	emu_inject(irq.bench.pci, EMU_FAULT_REMOVED, true);
	emu_wire_memory_link(irq.bench.wire, false);
	bench_pass(&irq.bench, LONG_NS);
	event(&irq, 0, false);
	check(&irq, 0, 0, 0);
	irq_close(&irq);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queues_have_vectors),
		cmocka_unit_test(messages_clear_and_mask),
		cmocka_unit_test(nothing_is_lost_between_look_and_sleep),
		cmocka_unit_test(causes_stay_until_cleared),
		cmocka_unit_test(reading_clears),
		cmocka_unit_test(other_causes_share_a_vector),
		cmocka_unit_test(software_can_interrupt),
		cmocka_unit_test(moderation_puts_messages_off),
		cmocka_unit_test(moderation_says_when),
		cmocka_unit_test(the_counter_can_be_written),
		cmocka_unit_test(messages_pend_while_they_cannot_be_sent),
		cmocka_unit_test(one_vector_for_everything),
		cmocka_unit_test(a_reset_masks_everything),
		cmocka_unit_test(pba_support_goes_with_msix),
		cmocka_unit_test(a_device_that_is_gone_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
