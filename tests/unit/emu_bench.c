/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "emu_bench.h"

enum emu_model bench_model = EMU_82599;

/* One for all benches: it is the time of the machine. */
static uint64_t now_ns = 1000000000;

uint64_t __wrap_emu_now_ns(void);

uint64_t __wrap_emu_now_ns(void)
{
	return now_ns;
}

static void note(void *ctx, const char *nic, const char *what)
{
	struct bench *bench = ctx;

	assert_string_equal(nic, "eth1");
	snprintf(bench->said, sizeof(bench->said), "%s", what);
	bench->n_said++;
}

void bench_pass(struct bench *bench, uint64_t ns)
{
	now_ns += ns;
	emu_turn(bench->emu);
}

void bench_open(struct bench *bench)
{
	struct emu_nic_config config = {
		.name = "eth1", .model = bench_model, .mac = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55}};
	struct pl_error err = {0};

	*bench = (struct bench){.emu = emu_new(note, bench)};
	assert_non_null(bench->emu);
	bench->wire = config.wire = emu_wire_memory(NULL, NULL);
	assert_non_null(config.wire);
	if (emu_add(bench->emu, &config, &bench->pci, &err))
		fail_msg("%s", err.what);
	bench->nic = (struct emu_nic *)bench->pci;
}

void bench_open_ready(struct bench *bench)
{
	bench_open(bench);
	bench_pass(bench, LONG_NS); /* finds the link; it comes up some time later */
	bench_pass(bench, LONG_NS);
}

void bench_close(struct bench *bench)
{
	pl_pci_close(bench->pci);
	emu_free(bench->emu);
}

uint32_t bench_read(struct bench *bench, uint32_t offset)
{
	return pl_pci_read(bench->pci, offset);
}

void bench_write(struct bench *bench, uint32_t offset, uint32_t value)
{
	pl_pci_write(bench->pci, offset, value);
}

void bench_set(struct bench *bench, uint32_t offset, uint32_t bits)
{
	bench_write(bench, offset, bench_read(bench, offset) | bits);
}

void bench_unset(struct bench *bench, uint32_t offset, uint32_t bits)
{
	bench_write(bench, offset, bench_read(bench, offset) & ~bits);
}

void bench_legal(struct bench *bench)
{
	if (bench->n_said)
		fail_msg("reported: %s", bench->said);
	bench->n_said = 0;
}

void bench_illegal(struct bench *bench, const char *words)
{
	if (bench->n_said != 1 || !strstr(bench->said, words))
		fail_msg("%u reports, the last \"%s\", instead of one with \"%s\"", bench->n_said,
			 bench->said, words);
	bench->n_said = 0;
	/* The same use again is to be told again. */
	bench->nic->last_report[0] = '\0';
}

uint64_t bench_signals(int event_fd)
{
	uint64_t n = 0;

	return read(event_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}
