/* SPDX-License-Identifier: BSD-2-Clause */
/* An emulated NIC without a thread, by a clock that stands still until a test moves it, and all that it
 * reports. Link with -Wl,--wrap=emu_now_ns. */
#ifndef TEST_EMU_BENCH_H
#define TEST_EMU_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <emu/private.h>

/* More than what the hardware takes for anything here (datasheet: "about", or no word), and so than what
 * the emulated takes. */
#define LONG_NS 50000000ull
#define US 1000ull

/* Which NIC; an 82599, unless a test says otherwise. */
extern enum emu_model bench_model;

struct bench {
	struct emu *emu;
	struct pl_pci *pci;
	struct emu_nic *nic;
	struct emu_wire *wire;
	char said[256]; /* the last report */
	unsigned n_said;
};

/* Moves the clock, and has the NIC have its turn. */
void bench_pass(struct bench *bench, uint64_t ns);

/* At power-on; long after it, with the link up. */
void bench_open(struct bench *bench);
void bench_open_ready(struct bench *bench);
void bench_close(struct bench *bench);

uint32_t bench_read(struct bench *bench, uint32_t offset);
void bench_write(struct bench *bench, uint32_t offset, uint32_t value);
void bench_set(struct bench *bench, uint32_t offset, uint32_t bits);
void bench_unset(struct bench *bench, uint32_t offset, uint32_t bits);

/* Nothing has been reported since the last time; one thing has, and these words are in it. */
void bench_legal(struct bench *bench);
void bench_illegal(struct bench *bench, const char *words);

/* Whether an eventfd has been signalled, and how often, since the last time. */
uint64_t bench_signals(int event_fd);

#endif
