/* SPDX-License-Identifier: BSD-2-Clause */
/* An emulated NIC as a device on a bus: configuration space, addresses for DMA and what is a fault, reports
 * and their counting, and its life. Numbers are sections of the 82599's datasheet (331520). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emu_bench.h"

#define PAGE 4096u
#define PIECE 65536u /* the least, where a region is as large */

/* ---- configuration space ---- */

static uint32_t config(struct bench *bench, unsigned offset, unsigned bytes)
{
	uint32_t value;

	assert_int_equal(bench->pci->ops->config_read(bench->pci, offset, bytes, &value), 0);
	return value;
}

static void it_is_an_82599(void **state)
{
	struct bench bench;
	unsigned at, n = 0, msix = 0, pcie = 0;

	(void)state;
	bench_open(&bench);
	assert_string_equal(bench.pci->name, "emu:eth1");
	assert_string_equal(bench.pci->ops->backend, "emulated");
	/* 9.3.3: 82599 SFI/SFP+ is 10FBh; class 020000h is an Ethernet controller. */
	assert_int_equal(bench.pci->vendor, 0x8086);
	assert_int_equal(bench.pci->device, 0x10FB);
	assert_int_equal(config(&bench, 0, 4), 0x10FB8086);
	assert_int_equal(config(&bench, 9, 1), 0);
	assert_int_equal(config(&bench, 10, 2), 0x0200);
	for (at = config(&bench, 0x34, 1); at && n < 10; at = config(&bench, at + 1, 1), n++) {
		if (config(&bench, at, 1) == 0x11)
			msix = at;
		if (config(&bench, at, 1) == 0x10)
			pcie = at;
	}
	/* 9.3.2: where both are; 9.3.8: 64 vectors. */
	assert_int_equal(msix, 0x70);
	assert_int_equal(pcie, 0xA0);
	assert_int_equal((config(&bench, msix + 2, 2) & 0x7FF) + 1, 64);
	assert_int_equal(bench.pci->n_vectors, 64);
	/* 9.3.10.6: nothing is pending. */
	assert_int_equal(config(&bench, 0xAA, 2) & 0x20, 0);
	bench_close(&bench);
}

static void configuration_is_written_where_it_can(void **state)
{
	struct bench bench;
	struct pl_pci *pci;
	uint32_t value;

	(void)state;
	bench_open(&bench);
	pci = bench.pci;
	assert_int_equal(pci->ops->config_write(pci, 0, 4, 0x12345678), 0);
	assert_int_equal(config(&bench, 0, 4), 0x10FB8086);
	/* Bit 2 of the command register is bus mastering, off at first. */
	assert_int_equal(config(&bench, 4, 2) & 4, 0);
	assert_int_equal(pl_pci_bus_master(pci, true, NULL), 0);
	assert_int_equal(config(&bench, 4, 2) & 4, 4);
	assert_int_equal(pci->ops->config_write(pci, 4, 2, 2), 0);
	assert_int_equal(config(&bench, 4, 2), 2);
	assert_false(bench.nic->bus_master);
	/* How a BAR's size is found out. */
	assert_int_equal(pci->ops->config_write(pci, 0x10, 4, 0xFFFFFFFF), 0);
	assert_int_equal(~(config(&bench, 0x10, 4) & ~0xFu) + 1, bench.pci->bar_bytes);
	assert_int_equal(pci->ops->config_read(pci, 1, 4, &value), -EINVAL);
	assert_int_equal(pci->ops->config_read(pci, 256, 4, &value), -EINVAL);
	assert_int_equal(pci->ops->config_read(pci, 0, 3, &value), -EINVAL);
	bench_close(&bench);
}

/* ---- DMA ---- */

/* The engine's way. */
static void *dma(struct bench *bench, uint64_t address, uint32_t len)
{
	void *at = emu_dma_quick(bench->nic, address, len);

	return at ? at : emu_dma(bench->nic, address, len, true);
}

struct mapped {
	uint8_t *base;
	size_t len;
	struct pl_dma dma;
};

static void map(struct bench *bench, struct mapped *m, size_t len, size_t page_bytes)
{
	struct pl_error err = {0};

	m->len = len;
	m->base = aligned_alloc(page_bytes, len);
	assert_non_null(m->base);
	if (pl_pci_dma_map(bench->pci, m->base, len, page_bytes, &m->dma, &err))
		fail_msg("%s", err.what);
}

static void unmap(struct bench *bench, struct mapped *m)
{
	pl_pci_dma_unmap(bench->pci, &m->dma);
	free(m->base);
}

static void pieces_are_where_they_say(void **state)
{
	struct bench bench;
	struct mapped m;
	unsigned moved = 0;

	(void)state;
	bench_open(&bench);
	pl_pci_bus_master(bench.pci, true, NULL);
	map(&bench, &m, 16 * PIECE, PAGE);
	assert_true((size_t)1 << m.dma.shift >= PIECE);
	assert_int_equal(m.dma.n, m.len >> m.dma.shift);
	for (size_t at = 0; at < m.len; at += 100) {
		uint64_t address = pl_dma_address(&m.dma, at);

		assert_ptr_equal(dma(&bench, address, 1), m.base + at);
		assert_int_not_equal(address, (uintptr_t)m.base + at);
		assert_true(address >> 32); /* a driver must write the upper half, too */
	}
	/* Not one after the other. */
	for (unsigned i = 1; i < m.dma.n; i++)
		moved += m.dma.address[i] != m.dma.address[i - 1] + PIECE;
	assert_true(moved > m.dma.n / 2);
	bench_legal(&bench);
	unmap(&bench, &m);
	bench_close(&bench);
}

static void large_pages_are_large_pieces(void **state)
{
	struct bench bench;
	struct mapped m;

	(void)state;
	bench_open(&bench);
	map(&bench, &m, 4u << 20, 2u << 20);
	assert_int_equal(m.dma.shift, 21);
	assert_int_equal(m.dma.n, 2);
	unmap(&bench, &m);
	bench_close(&bench);
}

static void accesses_stay_in_their_piece(void **state)
{
	struct bench bench;
	struct mapped m;
	uint64_t end;

	(void)state;
	bench_open(&bench);
	pl_pci_bus_master(bench.pci, true, NULL);
	/* The last piece is a page. */
	map(&bench, &m, 3 * PIECE + PAGE, PAGE);
	assert_int_equal(m.dma.n, 4);
	end = pl_dma_address(&m.dma, PIECE - 1);
	assert_ptr_equal(dma(&bench, end, 1), m.base + PIECE - 1);
	assert_null(dma(&bench, end, 2));
	bench_illegal(&bench, "which leaves its piece of memory");
	assert_null(emu_dma(bench.nic, pl_dma_address(&m.dma, 0), PIECE + 1, false));
	bench_illegal(&bench, "DMA fault: read of 65537 bytes");
	end = pl_dma_address(&m.dma, m.len - 16);
	assert_ptr_equal(dma(&bench, end, 16), m.base + m.len - 16);
	assert_null(dma(&bench, end, 17));
	bench_illegal(&bench, "which leaves its piece of memory");
	unmap(&bench, &m);
	bench_close(&bench);
}

static void what_is_not_mapped_is_a_fault(void **state)
{
	struct bench bench;
	struct mapped first, second;
	struct emu_stats stats;
	uint64_t address, other;

	(void)state;
	bench_open(&bench);
	pl_pci_bus_master(bench.pci, true, NULL);
	map(&bench, &first, PIECE, PAGE);
	map(&bench, &second, PIECE, PAGE);
	address = pl_dma_address(&first.dma, 0);
	other = pl_dma_address(&second.dma, 64);
	assert_ptr_equal(dma(&bench, address, 64), first.base);
	assert_ptr_equal(dma(&bench, other, 64), second.base + 64);
	assert_ptr_equal(dma(&bench, address, 64), first.base);
	assert_null(dma(&bench, 0, 64));
	bench_illegal(&bench, "not mapped");
	assert_null(dma(&bench, (uintptr_t)first.base, 64));
	bench_illegal(&bench, "not mapped");
	assert_null(dma(&bench, address + 2 * PIECE, 64));
	bench_illegal(&bench, "not mapped");
	assert_null(dma(&bench, UINT64_MAX - 10, 64));
	bench_illegal(&bench, "not mapped");
	/* Without bus mastering nothing is. */
	pl_pci_bus_master(bench.pci, false, NULL);
	assert_null(dma(&bench, address, 64));
	bench_illegal(&bench, "bus master");
	pl_pci_bus_master(bench.pci, true, NULL);
	assert_ptr_equal(dma(&bench, address, 64), first.base);
	/* Nor afterwards, and the same memory is elsewhere the next time. */
	unmap(&bench, &first);
	assert_null(dma(&bench, address, 64));
	bench_illegal(&bench, "not mapped");
	map(&bench, &first, PIECE, PAGE);
	assert_int_not_equal(pl_dma_address(&first.dma, 0), address);
	assert_null(dma(&bench, address, 64));
	bench_illegal(&bench, "not mapped");
	assert_ptr_equal(dma(&bench, other, 64), second.base + 64);
	emu_stats(bench.pci, &stats);
	assert_int_equal(stats.dma_faults, 7);
	assert_int_equal(stats.illegal, 7);
	unmap(&bench, &first);
	unmap(&bench, &second);
	bench_close(&bench);
}

static void bad_mappings_are_refused(void **state)
{
	struct bench bench;
	struct mapped m[EMU_MAPPINGS_MAX + 1];
	struct pl_dma one;
	struct pl_error err = {0};
	static uint8_t memory[2 * PAGE] __attribute__((aligned(PAGE)));

	(void)state;
	bench_open(&bench);
	assert_int_equal(pl_pci_dma_map(bench.pci, memory + 1, PAGE, PAGE, &one, &err), -EINVAL);
	assert_non_null(strstr(err.what, "emu:eth1"));
	assert_int_equal(pl_pci_dma_map(bench.pci, memory, 0, PAGE, &one, &err), -EINVAL);
	assert_int_equal(pl_pci_dma_map(bench.pci, memory, PAGE, PAGE + 1, &one, &err), -EINVAL);
	for (unsigned i = 0; i < EMU_MAPPINGS_MAX; i++)
		map(&bench, &m[i], PAGE, PAGE);
	assert_int_equal(pl_pci_dma_map(bench.pci, memory, PAGE, PAGE, &one, &err), -ENOSPC);
	for (unsigned i = 1; i < EMU_MAPPINGS_MAX; i++)
		unmap(&bench, &m[i]);
	/* One is left to the device's end, which must not leak. */
	bench_legal(&bench);
	bench_close(&bench);
	free(m[0].base);
}

static void rings_are_not_unmapped(void **state)
{
	struct bench bench;
	struct mapped m;
	uint64_t address;

	(void)state;
	bench_open_ready(&bench);
	pl_pci_bus_master(bench.pci, true, NULL);
	map(&bench, &m, PIECE, PAGE);
	address = pl_dma_address(&m.dma, 1024);
	bench_write(&bench, 0x01000, (uint32_t)address);
	bench_write(&bench, 0x01004, (uint32_t)(address >> 32));
	bench_write(&bench, 0x01008, 1024);
	bench_write(&bench, 0x01014, 2 | 1u << 25);
	bench_write(&bench, 0x01028, 1u << 25);
	bench_pass(&bench, LONG_NS);
	bench_legal(&bench);
	unmap(&bench, &m);
	bench_illegal(&bench, "ring of queue 0 is unmapped");
	bench_close(&bench);
}

static void queues_are_disabled_before_bus_mastering(void **state)
{
	struct bench bench;

	(void)state;
	bench_open_ready(&bench);
	pl_pci_bus_master(bench.pci, true, NULL);
	bench_set(&bench, 0x04A80, 1); /* DMATXCTL.TE */
	bench_write(&bench, 0x06008, 1024);
	bench_write(&bench, 0x06028, 1u << 25);
	bench_pass(&bench, LONG_NS);
	pl_pci_bus_master(bench.pci, false, NULL);
	bench_illegal(&bench, "bus mastering is switched off while transmit queue 0 is on");
	pl_pci_bus_master(bench.pci, true, NULL);
	/* 5.2.5.3.2: master disable is the other way to be done with memory. */
	bench_set(&bench, 0, 1u << 2);
	bench_pass(&bench, LONG_NS);
	pl_pci_bus_master(bench.pci, false, NULL);
	bench_legal(&bench);
	bench_close(&bench);
}

/* ---- reports ---- */

static void the_same_words_are_told_once(void **state)
{
	struct bench bench;
	struct emu_stats stats;

	(void)state;
	bench_open(&bench);
	for (unsigned i = 0; i < 10; i++)
		bench_read(&bench, 0x00700);
	assert_int_equal(bench.n_said, 1);
	bench_read(&bench, 0x00704);
	assert_int_equal(bench.n_said, 2);
	emu_stats(bench.pci, &stats);
	assert_int_equal(stats.illegal, 11);
	assert_int_equal(stats.dma_faults, 0);
	bench_close(&bench);
}

/* ---- life ---- */

static void unknown_models_are_refused(void **state)
{
	struct emu *emu = emu_new(NULL, NULL);
	struct emu_nic_config bad = {.name = "eth9", .model = (enum emu_model)77};
	struct pl_error err = {0};
	struct pl_pci *pci = NULL;

	(void)state;
	/* The wire is closed with it, which the leak sanitizer sees. */
	bad.wire = emu_wire_memory(NULL, NULL);
	assert_int_equal(emu_add(emu, &bad, &pci, &err), -EINVAL);
	assert_non_null(strstr(err.what, "emu:eth9"));
	assert_null(pci);
	emu_free(emu);
}

static void a_nic_without_a_cable_has_no_link(void **state)
{
	struct emu *emu = emu_new(NULL, NULL);
	struct emu_nic_config config = {.name = "eth9", .model = EMU_82599};
	struct pl_error err = {0};
	struct pl_pci *pci;

	(void)state;
	assert_int_equal(emu_add(emu, &config, &pci, &err), 0);
	emu_turn(emu);
	assert_int_equal(pl_pci_read(pci, 0x042A4) >> 30 & 1, 0);
	pl_pci_close(pci);
	emu_free(emu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_an_82599),
		cmocka_unit_test(configuration_is_written_where_it_can),
		cmocka_unit_test(pieces_are_where_they_say),
		cmocka_unit_test(large_pages_are_large_pieces),
		cmocka_unit_test(accesses_stay_in_their_piece),
		cmocka_unit_test(what_is_not_mapped_is_a_fault),
		cmocka_unit_test(bad_mappings_are_refused),
		cmocka_unit_test(rings_are_not_unmapped),
		cmocka_unit_test(queues_are_disabled_before_bus_mastering),
		cmocka_unit_test(the_same_words_are_told_once),
		cmocka_unit_test(unknown_models_are_refused),
		cmocka_unit_test(a_nic_without_a_cable_has_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
