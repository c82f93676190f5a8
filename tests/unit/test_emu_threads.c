/* SPDX-License-Identifier: BSD-2-Clause */
/* An emulated 82599 whose thread runs, used by several at once as a daemon's threads do: planes arm
 * interrupts and ring, the control thread maps memory, reads statistics, and pulls the device out. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <emu/emu.h>

#define EICS 0x00808
#define EIAC 0x00810
#define EIMS 0x00880
#define EIAM 0x00890
#define GPIE 0x00898
#define GPIE_VALUE (1u << 4 | 1u << 30 | 1u << 31)
#define RDT(q) (0x01018 + 0x40 * (q))

#define N_PLANES 2u
#define ROUNDS 2000u
#define LIMIT_MS 60000

struct plane {
	struct pl_pci *pci;
	unsigned vector;
	int event_fd;
	pthread_t thread;
	bool failed;
};

/* Each time: let the vector through, cause it, and wait for its message, which must come. */
static void *arm_and_wait(void *arg)
{
	struct plane *plane = arg;
	struct pollfd pollfd = {.fd = plane->event_fd, .events = POLLIN};

	for (unsigned i = 0; i < ROUNDS && !plane->failed; i++) {
		uint64_t n = 0;

		pl_pci_ring(plane->pci, RDT(plane->vector), 0);
		pl_pci_write(plane->pci, EIMS, 1u << plane->vector);
		pl_pci_write(plane->pci, EICS, 1u << plane->vector);
		if (poll(&pollfd, 1, LIMIT_MS) != 1 ||
		    read(plane->event_fd, &n, sizeof(n)) != sizeof(n) || n != 1)
			plane->failed = true;
	}
	return NULL;
}

struct world {
	struct emu *emu;
	struct pl_pci *pci;
	struct emu_wire *wire;
};

static void open_world(struct world *w)
{
	struct emu_nic_config config = {.name = "eth1", .model = EMU_82599, .mac = {2}};
	struct pl_error err = {0};

	w->emu = emu_new(NULL, NULL);
	assert_non_null(w->emu);
	w->wire = config.wire = emu_wire_memory(NULL, NULL);
	assert_int_equal(emu_add(w->emu, &config, &w->pci, &err), 0);
	assert_int_equal(emu_start(w->emu, -1, &err), 0);
	assert_int_equal(pl_pci_bus_master(w->pci, true, &err), 0);
}

static void close_world(struct world *w)
{
	pl_pci_close(w->pci);
	emu_free(w->emu);
}

/* What the control thread does meanwhile. */
static void disturb(struct world *w, uint8_t *memory)
{
	struct emu_stats stats;
	struct pl_dma dma;

	assert_int_equal(pl_pci_dma_map(w->pci, memory, 1u << 20, 4096, &dma, NULL), 0);
	emu_stats(w->pci, &stats);
	emu_wire_memory_link(w->wire, stats.interrupts & 1);
	(void)pl_pci_read(w->pci, 0x042A4);
	(void)pl_pci_read(w->pci, 0x04074);
	pl_pci_dma_unmap(w->pci, &dma);
}

static void no_interrupt_is_lost(void **state)
{
	struct world w;
	struct plane planes[N_PLANES];
	struct emu_stats stats;
	uint8_t *memory = aligned_alloc(4096, 1u << 20);

	(void)state;
	open_world(&w);
	pl_pci_write(w.pci, GPIE, GPIE_VALUE);
	pl_pci_write(w.pci, EIAC, 0xFFFF);
	pl_pci_write(w.pci, EIAM, 0xFFFF);
	for (unsigned i = 0; i < N_PLANES; i++) {
		planes[i] = (struct plane){w.pci, i, eventfd(0, EFD_NONBLOCK)};
		assert_int_equal(pl_pci_irq(w.pci, i, planes[i].event_fd, NULL), 0);
		assert_int_equal(pthread_create(&planes[i].thread, NULL, arm_and_wait, &planes[i]),
				 0);
	}
	for (unsigned i = 0; i < 200; i++)
		disturb(&w, memory);
	for (unsigned i = 0; i < N_PLANES; i++) {
		pthread_join(planes[i].thread, NULL);
		assert_false(planes[i].failed);
		close(planes[i].event_fd);
	}
	emu_stats(w.pci, &stats);
	assert_int_equal(stats.interrupts, N_PLANES * ROUNDS);
	assert_int_equal(stats.illegal, 0);
	close_world(&w);
	free(memory);
}

struct user {
	struct pl_pci *pci;
	atomic_bool stop;
};

/* A plane that has not noticed. */
static void *use(void *arg)
{
	struct user *user = arg;

	/* Relaxed: nothing else is handed over. */
	while (!atomic_load_explicit(&user->stop, memory_order_relaxed)) {
		pl_pci_ring(user->pci, RDT(0), 0);
		(void)pl_pci_read(user->pci, 0x00008);
		pl_pci_write(user->pci, EIMS, 1);
	}
	return NULL;
}

static void it_can_be_pulled_out_and_put_back(void **state)
{
	struct user user = {.stop = false};
	struct world w;
	pthread_t thread;

	(void)state;
	open_world(&w);
	user.pci = w.pci;
	assert_int_equal(pthread_create(&thread, NULL, use, &user), 0);
	for (unsigned i = 0; i < 200; i++) {
		emu_inject(w.pci, EMU_FAULT_REMOVED, true);
		assert_int_equal(pl_pci_read(w.pci, 0x00008), 0xFFFFFFFF);
		emu_inject(w.pci, EMU_FAULT_REMOVED, false);
		assert_int_not_equal(pl_pci_read(w.pci, 0x00008), 0xFFFFFFFF);
	}
	atomic_store_explicit(&user.stop, true, memory_order_relaxed);
	pthread_join(thread, NULL);
	close_world(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_interrupt_is_lost),
		cmocka_unit_test(it_can_be_pulled_out_and_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
