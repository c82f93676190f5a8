/* SPDX-License-Identifier: BSD-2-Clause */
/* What crosses the bus for a packet in each mode, counted by emulated NICs and held against the table of docs/modes.md.
 *
 * A router in one process: two emulated 82599s, a plane, real tables, the packet program on the plane's core or on the
 * host accelerator, with packets in main memory or in the accelerator's. Frames come in at one NIC and leave by the
 * other, in bursts of whole groups of descriptors, so that the numbers are exact. What leaves must be the same in all
 * modes, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <emu/emu.h>
#include <peerlane/accel.h>
#include <peerlane/plane.h>
#include <peerlane/port.h>

#include "../../router/offload/offload.h"
#include "../../router/program/cpu.h"
#include "../../router/tables/tables.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PORTS 2u
#define RING 256u
#define BUF_BYTES 2048u
#define REMOTE_BYTES ((size_t)8 << 20)
#define BURST 128u /* frames that arrive at a time: four groups of 32 descriptors */
#define BURSTS 12u
#define FRAMES (BURSTS * BURST)
#define PUNT_EVERY 16u /* in the test of punts */
#define LEN_MAX 1514u
#define TURNS_MAX 200000u
#define PATIENCE_MS 20000u

enum mode { NIC_CPU, NIC_CPU_GPU, NIC_GPU, MODES };
static const struct {
	const char *name;
	bool accelerated, remote;
} modes[MODES] = {
	{"nic-cpu", false, false},
	{"nic-cpu-gpu", true, false},
	{"nic-gpu", true, true},
};

struct port {
	struct emu_wire *wire;
	struct pl_pci *pci;
	struct pl_port *port;
};

struct world {
	enum mode mode;
	struct emu *emu;
	struct port ports[PORTS];
	struct pl_accel_packets packets;
	struct tables *tables;
	struct offload *offload;
	struct pl_plane plane;
	unsigned sent, punted;
	uint64_t digest; /* of all that was sent, in order */
	uint64_t punted_digest;
};

static struct world world; /* large */
static uint8_t data[BURST][LEN_MAX];
static struct emu_frame frames[BURST];

static void must(int rc, const struct pl_error *err)
{
	if (rc)
		fail_msg("%s", err->what);
}

/* ---- what leaves ---- */

/* FNV-1a. */
static uint64_t digest(uint64_t so_far, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		so_far = (so_far ^ bytes[i]) * UINT64_C(0x100000001b3);
	return so_far;
}

static void on_sent(void *ctx, const struct emu_frame *left, unsigned n)
{
	struct world *w = ctx;

	for (unsigned i = 0; i < n; i++)
		w->digest = digest(w->digest, left[i].data, left[i].len);
	w->sent += n;
}

static void on_punted(void *ctx, const uint8_t *frame, uint16_t len)
{
	struct world *w = ctx;

	w->punted_digest = digest(w->punted_digest, frame, len);
	w->punted++;
}

static void illegal_use(void *ctx, const char *nic, const char *what)
{
	(void)ctx;
	fail_msg("%s: %s", nic, what);
}

/* ---- the world ---- */

static void mac_of(unsigned port, uint8_t mac[6])
{
	memcpy(mac, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)port}, 6);
}

static void make_tables(struct world *w)
{
	struct nexthop_spec hop = {.kind = NEXTHOP_FORWARD, .mtu = 1500, .port = 1};
	struct prefix prefix;
	uint32_t index;
	uint8_t mac[6];

	w->tables = tables_new(pl_plane_synchronize, REASON_NO_ROUTE);
	assert_non_null(w->tables);
	for (unsigned i = 0; i < PORTS; i++) {
		mac_of(i, mac);
		tables_port_set(w->tables, (uint16_t)i, mac, true);
	}
	memcpy(hop.dmac, (uint8_t[6]){2, 0, 0, 0, 9, 9}, 6);
	mac_of(1, hop.smac);
	assert_int_equal(tables_nexthop_new(w->tables, &hop, &index), 0);
	assert_int_equal(prefix_parse("10.1.0.0/16", &prefix), 0);
	assert_int_equal(tables_route_set(w->tables, &prefix, index), 0);
}

static void make_pool(struct world *w)
{
	uint32_t n_host = PORTS * pl_queue_bufs(RING) + 3 * PL_BURST_MAX + OFFLOAD_LENT_BUFS;
	struct pl_error err;

	if (!modes[w->mode].remote) {
		must(pl_pool_init(&w->plane.pool, n_host, BUF_BYTES, &err), &err);
		return;
	}
	must(pl_accel_packets_new(&w->packets, PL_ACCEL_HOST, 0, REMOTE_BYTES, &err), &err);
	must(pl_pool_init_remote(&w->plane.pool, &w->packets.remote, n_host, BUF_BYTES, &err),
	     &err);
}

static void make_processor(struct world *w)
{
	const struct offload_config config = {
		.kind = PL_ACCEL_HOST, .n_planes = 1, .isa = CPU_ISA_PLAIN};
	struct pl_processor *processor = &w->plane.processor;
	struct offload_stats stats;
	struct pl_error err;

	if (!modes[w->mode].accelerated) {
		assert_int_equal(cpu_processor_init(processor, w->tables, CPU_ISA_PLAIN), 0);
		return;
	}
	must(offload_new(&w->offload, &config, w->tables, &err), &err);
	must(offload_processor(w->offload, 0, &w->plane.pool, NULL, processor, &err), &err);
	must(offload_start(w->offload, &err), &err);
	do {
		offload_attend(w->offload);
		offload_stats(w->offload, &stats);
	} while (stats.state != OFFLOAD_READY);
}

static void make_port(struct world *w, unsigned index)
{
	static const char *const names[PORTS] = {"mem0", "mem1"};
	struct port *port = &w->ports[index];
	struct emu_nic_config nic = {.name = names[index], .model = EMU_82599};
	struct pl_port_config config = {.name = names[index],
					.device = names[index],
					.n_queues = 1,
					.ring_size = RING,
					.mtu = 1500};
	struct pl_plane_port *queues = &w->plane.ports[index];
	struct pl_error err;

	mac_of(index, nic.mac);
	nic.wire = port->wire = emu_wire_memory(on_sent, w);
	assert_non_null(nic.wire);
	must(emu_add(w->emu, &nic, &port->pci, &err), &err);
	config.pci = port->pci;
	must(pl_port_open(&port->port, &config, &err), &err);
	must(pl_port_queue_open(port->port, 0, &w->plane.pool, &queues->wire, &err), &err);
	must(pl_port_start(port->port, &err), &err);
	queues->face = pl_mem_queue_new(&w->plane.pool, false, on_punted, w);
	assert_non_null(queues->face);
}

static void wait_link(struct world *w, const struct port *port)
{
	struct pl_port_state state = {0};

	for (unsigned i = 0; !state.carrier; i++) {
		const struct timespec pause = {.tv_nsec = 1000000};

		assert_true(i < PATIENCE_MS);
		emu_turn(w->emu);
		pl_port_state(port->port, &state);
		if (!state.carrier)
			nanosleep(&pause, NULL);
	}
}

static struct world *world_new(enum mode mode)
{
	struct world *w = &world;
	struct pl_error err;

	memset(w, 0, sizeof(*w));
	w->mode = mode;
	w->plane.cpu = -1;
	w->plane.n_ports = PORTS;
	make_tables(w);
	make_pool(w);
	make_processor(w);
	w->emu = emu_new(illegal_use, NULL);
	assert_non_null(w->emu);
	for (unsigned i = 0; i < PORTS; i++)
		make_port(w, i);
	must(pl_plane_init(&w->plane, &err), &err);
	for (unsigned i = 0; i < PORTS; i++)
		wait_link(w, &w->ports[i]);
	return w;
}

static void world_free(struct world *w)
{
	const struct pl_pool *pool = &w->plane.pool;

	pl_plane_fini(&w->plane);
	if (w->offload)
		offload_stop(w->offload);
	for (unsigned i = 0; i < PORTS; i++) {
		pl_queue_close(w->plane.ports[i].face);
		pl_queue_close(w->plane.ports[i].wire);
		pl_port_close(w->ports[i].port);
		pl_pci_close(w->ports[i].pci);
	}
	emu_free(w->emu);
	if (w->offload)
		assert_int_equal(offload_free(w->offload), 0);
	else
		cpu_processor_fini(&w->plane.processor);
	assert_int_equal(pl_pool_free(pool), pool->n_bufs);
	pl_pool_fini(&w->plane.pool);
	pl_accel_packets_free(&w->packets);
	tables_free(w->tables);
}

/* ---- traffic ---- */

static uint16_t checksum(const uint8_t *ip)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)(ip[i] << 8 | ip[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

/* To 10.1.0.9, which is routed, with the bytes that follow from its number; `local` ones have TTL 1, for the
 * kernel. */
static void make_frame(uint8_t *frame, uint32_t len, unsigned number, bool local)
{
	const uint8_t ip[20] = {0x45, 0,  0,   0, 0,  0, 0, 0, local ? 1 : 64, 17, 0, 0,
				198,  51, 100, 1, 10, 1, 0, 9};
	uint16_t sum;

	mac_of(0, frame);
	memcpy(frame + 6, (uint8_t[8]){2, 0, 0, 0, 8, 8, 0x08, 0x00}, 8);
	memcpy(frame + 14, ip, sizeof(ip));
	frame[16] = (uint8_t)((len - 14) >> 8);
	frame[17] = (uint8_t)(len - 14);
	sum = checksum(frame + 14);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	for (uint32_t i = 34; i < len; i++)
		frame[i] = (uint8_t)(number * 13u + i * 7u);
}

/* Has a burst arrive, and all of it, before the plane looks. */
static void arrive(struct world *w, uint32_t len, unsigned first, unsigned punt_every)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < BURST; i++) {
		make_frame(data[i], len, first + i, punt_every && i % punt_every == 0);
		frames[i] = (struct emu_frame){.data = data[i], .len = len};
	}
	emu_wire_memory_feed(w->ports[0].wire, frames, BURST, false);
	for (unsigned i = 0; moved < BURST; i++) {
		assert_true(i < TURNS_MAX);
		moved += emu_turn(w->emu);
	}
}

/* Runs until all of the burst is done with, down to the last descriptor. */
static void run(struct world *w, unsigned done)
{
	pl_plane_enter();
	for (unsigned i = 0; w->sent + w->punted < done; i++) {
		assert_true(i < 1000u * TURNS_MAX);
		pl_plane_turn(&w->plane);
		emu_turn(w->emu);
	}
	pl_plane_turn(&w->plane); /* takes what was sent back */
	pl_plane_leave();
}

static void forward(struct world *w, uint32_t len, unsigned punt_every)
{
	for (unsigned first = 0; first < FRAMES; first += BURST) {
		arrive(w, len, first, punt_every);
		run(w, first + BURST);
	}
}

/* What both NICs have moved together. */
static struct emu_stats moved(struct world *w)
{
	struct emu_stats sum = {0};

	for (unsigned i = 0; i < PORTS; i++) {
		struct emu_stats one;

		emu_stats(w->ports[i].pci, &one);
		assert_int_equal(one.illegal, 0);
		for (unsigned kind = 0; kind < EMU_DMA_KINDS; kind++) {
			sum.dma_bytes_read[kind] += one.dma_bytes_read[kind];
			sum.dma_bytes_written[kind] += one.dma_bytes_written[kind];
		}
	}
	return sum;
}

/* ---- the table ---- */

static char document[65536];

static int read_document(void **state)
{
	FILE *file = fopen(SOURCE_ROOT "/docs/modes.md", "re");

	(void)state;
	assert_non_null(file);
	assert_true(fread(document, 1, sizeof(document) - 1, file) > 0);
	fclose(file);
	return 0;
}

/* A cell: a number, "L" (the frame's length), or a sum of these. */
static double value_of(const char *cell, uint32_t len)
{
	double sum = 0;
	char *end;

	for (;; cell++) {
		while (*cell == ' ')
			cell++;
		if (*cell == 'L') {
			sum += len;
			end = (char *)cell + 1;
		} else {
			sum += strtod(cell, &end);
			if (end == cell)
				fail_msg("no number: %.20s", cell);
		}
		while (*end == ' ')
			end++;
		if (*end != '+')
			break;
		cell = end;
	}
	if (*end != '|')
		fail_msg("neither a number nor a sum: %.20s", cell);
	return sum;
}

/* What the document says of a mode in the row that begins so. */
static double told(const char *row, enum mode mode, uint32_t len)
{
	char begin[128];
	const char *at;

	snprintf(begin, sizeof(begin), "\n| %s |", row);
	at = strstr(document, begin);
	if (!at)
		fail_msg("docs/modes.md has no row \"%s\"", row);
	at += strlen(begin);
	for (unsigned i = 0; i < mode; i++)
		at = strchr(at, '|') + 1;
	return value_of(at, len);
}

static void expect(const char *row, enum mode mode, uint32_t len, double counted)
{
	double says = told(row, mode, len);

	if (says < counted || says > counted)
		fail_msg("%s, %s, %u bytes: docs/modes.md says %g, counted %g", row,
			 modes[mode].name, len, says, counted);
}

/* ---- tests ---- */

static const uint32_t lens[] = {60, 594, 1514};

/* What the accelerator moves over its own bus is not counted but follows from how the two sides lay things out. */
static void expect_mailbox(enum mode mode, uint32_t len)
{
	const struct mailbox_slot *slot = NULL;
	bool accelerated = modes[mode].accelerated;
	bool headers = accelerated && !modes[mode].remote;
	/* Ethernet and IPv4 header; in pieces of 32 bytes, which is the least that GPUs read. */
	unsigned sectors = (PL_FRAME_OFFSET % 32 + 14 + 20 + 31) / 32;

	expect("accelerator reads of the mailbox", mode, len,
	       accelerated ? sizeof(slot->frame[0]) + sizeof(slot->len[0]) : 0);
	expect("accelerator writes to the mailbox", mode, len,
	       accelerated ? sizeof(slot->verdict[0]) : 0);
	expect("accelerator reads of headers", mode, len, headers ? 32 * sectors : 0);
	/* MACs, TTL and checksum: all in the first piece. */
	assert_true(PL_FRAME_OFFSET % 32 + 14 + 12 <= 32);
	expect("accelerator writes of headers", mode, len, headers ? 32 : 0);
}

static void expect_rows(struct world *w, uint32_t len)
{
	struct emu_stats s = moved(w);
	enum mode mode = w->mode;
	double main_memory = 0, n = FRAMES;

	expect("NIC reads of descriptors", mode, len,
	       (double)s.dma_bytes_read[EMU_DMA_DESCRIPTORS] / n);
	expect("NIC writes of descriptors", mode, len,
	       (double)s.dma_bytes_written[EMU_DMA_DESCRIPTORS] / n);
	expect("NIC writes of packets, to main memory", mode, len,
	       (double)s.dma_bytes_written[EMU_DMA_HOST] / n);
	expect("NIC writes of packets, to the accelerator", mode, len,
	       (double)s.dma_bytes_written[EMU_DMA_REMOTE] / n);
	expect("NIC reads of packets, from main memory", mode, len,
	       (double)s.dma_bytes_read[EMU_DMA_HOST] / n);
	expect("NIC reads of packets, from the accelerator", mode, len,
	       (double)s.dma_bytes_read[EMU_DMA_REMOTE] / n);
	expect_mailbox(mode, len);
	for (unsigned kind = 0; kind < EMU_DMA_KINDS; kind++)
		if (kind != EMU_DMA_REMOTE)
			main_memory += (double)(s.dma_bytes_read[kind] + s.dma_bytes_written[kind]);
	main_memory /= n;
	main_memory += told("accelerator reads of the mailbox", mode, len) +
		       told("accelerator writes to the mailbox", mode, len) +
		       told("accelerator reads of headers", mode, len) +
		       told("accelerator writes of headers", mode, len);
	expect("**main memory, all together**", mode, len, main_memory);
}

/* What the text below the table says of the shortest and the longest packets. */
static void test_text(void **state)
{
	static const uint32_t ends[] = {60, 1514};
	char number[32];

	(void)state;
	for (unsigned i = 0; i < COUNT(ends); i++)
		for (enum mode mode = 0; mode < MODES; mode++) {
			snprintf(number, sizeof(number), " %g",
				 told("**main memory, all together**", mode, ends[i]));
			if (!strstr(strstr(document, "\nWith packets of 60 bytes"), number))
				fail_msg("docs/modes.md lacks%s", number);
		}
}

static void test_table(void **state)
{
	(void)state;
	for (unsigned l = 0; l < COUNT(lens); l++) {
		uint64_t first = 0;

		for (enum mode mode = 0; mode < MODES; mode++) {
			struct world *w = world_new(mode);

			forward(w, lens[l], 0);
			assert_int_equal(w->sent, FRAMES);
			expect_rows(w, lens[l]);
			if (mode == 0)
				first = w->digest;
			assert_int_equal(w->digest, first);
			world_free(w);
		}
	}
}

/* Packets for the kernel reach it whole from wherever they lie, and nothing of them crosses the NIC's bus again. */
static void test_punts(void **state)
{
	uint64_t first = 0, first_punted = 0;

	(void)state;
	for (enum mode mode = 0; mode < MODES; mode++) {
		struct world *w = world_new(mode);
		const uint32_t len = 594;
		struct emu_stats s;

		forward(w, len, PUNT_EVERY);
		assert_int_equal(w->punted, FRAMES / PUNT_EVERY);
		assert_int_equal(w->sent, FRAMES - w->punted);
		s = moved(w);
		assert_int_equal(s.dma_bytes_read[EMU_DMA_HOST] + s.dma_bytes_read[EMU_DMA_REMOTE],
				 (uint64_t)w->sent * len);
		assert_int_equal(
			s.dma_bytes_read[modes[mode].remote ? EMU_DMA_HOST : EMU_DMA_REMOTE], 0);
		if (mode == 0) {
			first = w->digest;
			first_punted = w->punted_digest;
		}
		assert_int_equal(w->digest, first);
		assert_int_equal(w->punted_digest, first_punted);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_punts),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, read_document, NULL);
}
