/* SPDX-License-Identifier: BSD-2-Clause */
/* Two emulated NICs on one pool whose first part is an accelerator's memory: what one receives there the other
 * sends from there, and the processor has no way to it (a touch would end the test by SIGSEGV). Frames that the
 * processor has written into buffers of its own leave beside them. All that leaves is looked at on the wire, and what
 * the NICs moved over the bus is counted by kind of memory. The accelerator is a stand-in: ordinary memory that the
 * NICs' DMA engine finds elsewhere, or, in a second round, does not find, and has others move packets to and from. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <emu/emu.h>
#include <peerlane/nic.h>

#include "mover.h"

#define N_NICS 2u
#define RING 64u
#define RING_LARGE 2048u
#define CHIP_RING 256u /* as many frames again are on the NIC, which has room for them */
#define N_HOST 512u
#define BUF_BYTES 2048u
#define FRAMES 3000u /* that arrive at each NIC: several times round the rings */
#define LEN_MIN 60u
#define LEN_MAX 1514u
#define BURST 32u
#define ROUNDS_MAX 100000u
#define PATIENCE_MS 20000u /* the link takes some */
#define DESCRIPTOR_BYTES 16u

/* Who made a frame: a NIC's wire, or the processor. */
enum { FROM_HOST = N_NICS, N_SOURCES };

struct port {
	struct world *world;
	struct emu_wire *wire;
	struct pl_pci *pci;
	struct pl_nic *nic;
	struct pl_queue *queue;
	struct emu_frame frames[FRAMES]; /* that arrive */
	uint8_t data[FRAMES][LEN_MAX];
	/* What has left, by who made it: frames come in order, so the number is the next one's. */
	unsigned left[N_SOURCES];
	uint64_t left_bytes[N_SOURCES];
	uint64_t received, received_bytes;
};

struct world {
	struct emu *emu;
	struct pl_region elsewhere; /* the accelerator's memory, as the NICs' DMA engine finds it */
	struct mover *mover;	    /* or who has it */
	struct pl_remote remote;
	bool tolerant;	   /* of what NICs report */
	unsigned reported; /* so often they did */
	unsigned shorts;   /* frames that leave next and hold anything: test_too_short() */
	struct pl_pool pool;
	struct port ports[N_NICS];
};

static struct world world; /* large */
static bool by_mover;	   /* the round */
static uint32_t ring = RING;
static unsigned mtu = 1500;

/* ---- frames ---- */

static uint32_t len_of(unsigned source, unsigned number)
{
	return LEN_MIN + (number * 37u + source * 11u) % (LEN_MAX - LEN_MIN + 1);
}

/* All of a frame follows from who made it and its number. */
static uint32_t make_frame(uint8_t *frame, unsigned source, unsigned number)
{
	uint32_t len = len_of(source, number);

	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)(number * 13u + source * 101u + i * 7u + (i >> 8));
	memcpy(frame, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)source}, 6);
	frame[12] = 0x88; /* local experimental */
	frame[13] = 0xb5;
	frame[14] = (uint8_t)source;
	return len;
}

static void note_left(void *ctx, const struct emu_frame *frames, unsigned n)
{
	struct port *port = ctx;

	for (unsigned i = 0; i < n; i++) {
		unsigned source = frames[i].data[14];
		uint8_t wanted[LEN_MAX];

		if (port->world->shorts) {
			port->world->shorts--;
			assert_int_equal(frames[i].len, 60); /* padded by the NIC */
			continue;
		}
		assert_in_range(source, 0, N_SOURCES - 1);
		assert_int_equal(frames[i].len, make_frame(wanted, source, port->left[source]));
		assert_memory_equal(frames[i].data, wanted, frames[i].len);
		port->left[source]++;
		port->left_bytes[source] += frames[i].len;
	}
}

static void arrive(struct world *w, unsigned to, unsigned n)
{
	struct port *port = &w->ports[to];

	for (unsigned i = 0; i < n; i++)
		port->frames[i] =
			(struct emu_frame){port->data[i], make_frame(port->data[i], to, i)};
	emu_wire_memory_feed(port->wire, port->frames, n, false);
}

/* ---- the world ---- */

static void illegal_use(void *ctx, const char *nic, const char *what)
{
	struct world *w = ctx;

	if (!w->tolerant)
		fail_msg("%s: %s", nic, what);
	w->reported++;
}

/* Frames wait on the wire until then. */
static void wait_link(struct world *w, struct port *port)
{
	struct pl_nic_link link = {0};

	for (unsigned i = 0; !link.up; i++) {
		const struct timespec pause = {.tv_nsec = 1000000};

		assert_true(i < PATIENCE_MS);
		emu_turn(w->emu);
		assert_int_equal(pl_nic_link(port->nic, &link), 0);
		if (!link.up)
			nanosleep(&pause, NULL);
	}
}

static void port_open(struct world *w, unsigned i)
{
	struct port *port = &w->ports[i];
	struct emu_nic_config config = {
		.name = "eth", .model = EMU_82599, .mac = {2, 0, 0, 0, 0, (uint8_t)i}};
	struct pl_nic_config nic = {.name = "pl", .n_queues = 1, .ring_size = ring, .mtu = mtu};
	struct pl_error err;

	port->world = w;
	config.wire = port->wire = emu_wire_memory(note_left, port);
	assert_non_null(port->wire);
	if (emu_add(w->emu, &config, &port->pci, &err) ||
	    pl_nic_open(&port->nic, port->pci, &nic, &err) ||
	    pl_nic_queue_open(port->nic, 0, &w->pool, &port->queue, &err) ||
	    pl_nic_start(port->nic, &err))
		fail_msg("%s", err.what);
	wait_link(w, port);
}

/* The accelerator's memory. */
static void remote_open(struct world *w, size_t remote_bytes, size_t page_bytes)
{
	struct pl_error err;

	if (by_mover) {
		w->mover = mover_new(&w->remote, remote_bytes, page_bytes);
		return;
	}
	assert_int_equal(pl_region_alloc(&w->elsewhere, remote_bytes, &err), 0);
	w->remote = (struct pl_remote){
		.len_bytes = remote_bytes,
		.page_bytes = page_bytes,
		.dmabuf_fd = -1,
		.no_dmabuf = "it is ordinary memory",
		.emulated = w->elsewhere.base,
	};
}

static struct world *world_open(size_t remote_bytes, size_t page_bytes)
{
	struct world *w = &world;
	struct pl_error err;

	memset(w, 0, sizeof(*w));
	remote_open(w, remote_bytes, page_bytes);
	assert_int_equal(pl_pool_init_remote(&w->pool, &w->remote, N_HOST, BUF_BYTES, &err), 0);
	w->emu = emu_new(illegal_use, w);
	assert_non_null(w->emu);
	for (unsigned i = 0; i < N_NICS; i++)
		port_open(w, i);
	return w;
}

static void world_close(struct world *w)
{
	for (unsigned i = 0; i < N_NICS; i++) {
		pl_nic_close(w->ports[i].nic);
		pl_pci_close(w->ports[i].pci);
	}
	emu_free(w->emu);
	assert_int_equal(w->pool.n_remote_free, w->pool.n_remote);
	assert_int_equal(w->pool.n_free, N_HOST);
	pl_pool_fini(&w->pool);
	if (w->mover)
		mover_free(w->mover);
	pl_region_free(&w->elsewhere);
}

/* ---- traffic ---- */

static unsigned receive(struct port *port, uint32_t *frame, uint16_t *len, unsigned max)
{
	unsigned n = pl_queue_rx(port->queue, frame, len, max);

	for (unsigned i = 0; i < n; i++) {
		assert_true(pl_pool_is_remote(&port->world->pool, frame[i]));
		port->received_bytes += len[i];
	}
	port->received += n;
	return n;
}

/* Puts one frame of the processor's behind `n` others of a burst. */
static unsigned add_own(struct world *w, uint32_t *frame, uint16_t *len, unsigned n,
			unsigned number)
{
	if (pl_pool_get(&w->pool, &frame[n], 1, PL_OWNER_BURST) != 1)
		return n;
	assert_false(pl_pool_is_remote(&w->pool, frame[n]));
	len[n] = (uint16_t)make_frame(pl_pool_data(&w->pool, frame[n]), FROM_HOST, number);
	return n + 1;
}

/* One round: what has arrived at each NIC leaves by the other, and one of the processor's with it if `own` is not
 * NULL (of each NIC how many there have been). Returns whether something moved. */
static bool turn(struct world *w, unsigned *own)
{
	uint32_t frame[BURST + 1];
	uint16_t len[BURST + 1];
	unsigned moved = 0;

	for (unsigned i = 0; i < N_NICS; i++) {
		struct port *out = &w->ports[1 - i];
		unsigned n = receive(&w->ports[i], frame, len, BURST), all = n;

		if (n && own) {
			all = add_own(w, frame, len, n, own[1 - i]);
			own[1 - i] += all - n;
		}
		pl_queue_tx(out->queue, frame, len, all);
		pl_queue_flush(w->ports[i].queue);
		pl_queue_flush(out->queue);
		moved += n;
	}
	return emu_turn(w->emu) + moved > 0;
}

static void settle(struct world *w, unsigned *own)
{
	for (unsigned i = 0; turn(w, own); i++)
		assert_true(i < ROUNDS_MAX);
}

/* The NIC has moved these bytes of packets, and descriptors: one per frame read each way, one written per frame
 * received; and of those sent one in 32 or more is written back. */
static void expect_moved(struct port *port, uint64_t in_remote, uint64_t out_remote,
			 uint64_t out_host)
{
	uint64_t n_in = port->received, n_out = 0, written;
	struct emu_stats stats;

	for (unsigned i = 0; i < N_SOURCES; i++)
		n_out += port->left[i];
	emu_stats(port->pci, &stats);
	assert_int_equal(stats.dma_bytes_written[EMU_DMA_REMOTE], in_remote);
	assert_int_equal(stats.dma_bytes_written[EMU_DMA_HOST], 0);
	assert_int_equal(stats.dma_bytes_read[EMU_DMA_REMOTE], out_remote);
	assert_int_equal(stats.dma_bytes_read[EMU_DMA_HOST], out_host);
	assert_int_equal(stats.dma_bytes_read[EMU_DMA_DESCRIPTORS],
			 (n_in + n_out) * DESCRIPTOR_BYTES);
	written = stats.dma_bytes_written[EMU_DMA_DESCRIPTORS] / DESCRIPTOR_BYTES - n_in;
	assert_in_range(written, n_out / 32, n_out);
	assert_int_equal(stats.illegal, 0);
}

/* All of them have moved these, and nothing else has been. */
static void expect_moves(struct world *w, uint64_t in, uint64_t out)
{
	struct mover_counts counts = {0};

	if (!w->mover)
		return;
	counts = mover_counts(w->mover);
	assert_int_equal(counts.written, in);
	assert_int_equal(counts.read, out);
}

/* ---- tests ---- */

static uint64_t sum_of_lengths(unsigned source, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += len_of(source, i);
	return sum;
}

static void forward(size_t page_bytes)
{
	struct world *w = world_open(2 * PL_REMOTE_GRAIN, page_bytes);
	uint64_t all = 0;

	for (unsigned i = 0; i < N_NICS; i++)
		arrive(w, i, FRAMES);
	settle(w, NULL);
	for (unsigned i = 0; i < N_NICS; i++) {
		uint64_t in = sum_of_lengths(i, FRAMES), out = sum_of_lengths(1 - i, FRAMES);

		assert_int_equal(w->ports[i].received, FRAMES);
		assert_int_equal(w->ports[i].left[1 - i], FRAMES);
		assert_int_equal(w->ports[i].left_bytes[1 - i], out);
		expect_moved(&w->ports[i], in, out, 0);
		all += in;
	}
	expect_moves(w, all, all);
	world_close(w);
}

/* Whatever the pieces that the accelerator's memory has for a device; the host's are smaller than the larger. */
static void test_forward(void **state)
{
	(void)state;
	forward(4096);
	forward(PL_REMOTE_GRAIN);
}

static void test_own_frames_beside(void **state)
{
	struct world *w = world_open(PL_REMOTE_GRAIN, 4096);
	unsigned own[N_NICS] = {0};

	(void)state;
	for (unsigned i = 0; i < N_NICS; i++)
		arrive(w, i, FRAMES);
	settle(w, own);
	for (unsigned i = 0; i < N_NICS; i++) {
		struct port *port = &w->ports[i];

		assert_int_equal(port->left[1 - i], FRAMES);
		assert_true(own[i] >= FRAMES / BURST);
		assert_int_equal(port->left[FROM_HOST], own[i]);
		expect_moved(port, sum_of_lengths(i, FRAMES), sum_of_lengths(1 - i, FRAMES),
			     sum_of_lengths(FROM_HOST, own[i]));
	}
	world_close(w);
}

/* All buffers of the first part are held: nothing is received, nothing gets lost, and what the processor sends does
 * not care. */
static void test_exhaustion(void **state)
{
	struct world *w = world_open(PL_REMOTE_GRAIN, 4096);
	struct port *in = &w->ports[0], *out = &w->ports[1];
	const unsigned n_remote = PL_REMOTE_GRAIN / BUF_BYTES;
	static uint32_t held[PL_REMOTE_GRAIN / BUF_BYTES + BURST];
	static uint16_t held_len[PL_REMOTE_GRAIN / BUF_BYTES + BURST];
	uint32_t own;
	uint16_t own_len;
	unsigned n_held = 0, n;

	(void)state;
	arrive(w, 0, FRAMES);
	do {
		unsigned moved = emu_turn(w->emu);

		n = receive(in, held + n_held, held_len + n_held, BURST);
		n_held += n;
		n += moved;
		assert_true(n_held <= n_remote);
	} while (n);
	/* One descriptor of a ring is always free; the other NIC has filled its own. */
	assert_int_equal(n_held, n_remote - (RING - 1));
	assert_int_equal(w->pool.n_remote_free, 0);
	assert_int_equal(w->pool.n_free, N_HOST);
	assert_true(pl_stat_read(&in->queue->stats.rx_nobuf) > 0);
	assert_true(pl_queue_flush(in->queue)); /* come back: no event will tell */

	assert_int_equal(add_own(w, &own, &own_len, 0, 0), 1);
	pl_queue_tx(out->queue, &own, &own_len, 1);
	pl_queue_flush(out->queue);
	emu_turn(w->emu);
	assert_int_equal(out->left[FROM_HOST], 1);

	for (unsigned i = 0; i < n_held; i += n) {
		n = n_held - i < BURST ? n_held - i : BURST;
		pl_queue_tx(out->queue, held + i, held_len + i, n);
		pl_queue_flush(out->queue);
		emu_turn(w->emu);
	}
	settle(w, NULL);
	assert_int_equal(out->left[0], FRAMES);
	expect_moved(in, sum_of_lengths(0, FRAMES), 0, 0);
	expect_moved(out, 0, sum_of_lengths(0, FRAMES), len_of(FROM_HOST, 0));
	world_close(w);
}

/* At the longest MTU a NIC takes frames with two VLAN tags, for which its own buffer has room, as they begin early
 * there; but no host's, into which the accelerator would copy them. */
static void test_longest(void **state)
{
	static const uint32_t lengths[] = {BUF_BYTES - PL_FRAME_OFFSET,
					   BUF_BYTES - PL_FRAME_OFFSET + 1,
					   BUF_BYTES - PL_FRAME_OFFSET + 4};
	static uint8_t data[3][BUF_BYTES];
	struct emu_frame frames[3];
	struct world *w;
	struct port *in;
	uint32_t frame[BURST];
	uint16_t len[BURST];
	unsigned n;

	(void)state;
	mtu = BUF_BYTES - PL_FRAME_OFFSET - 18;
	w = world_open(PL_REMOTE_GRAIN, 4096);
	mtu = 1500;
	in = &w->ports[0];
	for (unsigned i = 0; i < 3; i++) {
		make_frame(data[i], 0, i);
		memcpy(data[i] + 12, (uint8_t[8]){0x81, 0, 0, 1, 0x81, 0, 0, 2}, 8);
		frames[i] = (struct emu_frame){data[i], lengths[i]};
	}
	emu_wire_memory_feed(in->wire, frames, 3, false);
	while (emu_turn(w->emu))
		;
	n = receive(in, frame, len, BURST);
	assert_int_equal(n, 1);
	assert_int_equal(len[0], pl_pool_frame_max(&w->pool));
	assert_int_equal(pl_stat_read(&in->queue->stats.rx_errors), 2);
	pl_pool_put(&w->pool, frame, n, PL_OWNER_BURST);
	world_close(w);
}

/* An accelerator that says that a frame is shorter than NICs take has no zeros put behind it, by nobody. */
static void test_too_short(void **state)
{
	struct world *w = world_open(PL_REMOTE_GRAIN, 4096);
	struct port *out = &w->ports[1];
	uint32_t frame[2];
	uint16_t len[2] = {0, 16};
	struct emu_stats stats;

	(void)state;
	w->shorts = 2;
	assert_int_equal(pl_pool_get_rx(&w->pool, frame, 2, PL_OWNER_BURST), 2);
	pl_queue_tx(out->queue, frame, len, 2);
	pl_queue_flush(out->queue);
	settle(w, NULL);
	assert_int_equal(w->shorts, 0);
	emu_stats(out->pci, &stats);
	assert_int_equal(stats.dma_bytes_read[EMU_DMA_REMOTE], 2 * 17);
	assert_int_equal(stats.illegal, 0);
	world_close(w);
}

/* A NIC that is stopped with buffers of both parts in its rings gives each back to where it belongs, and goes on. */
static void test_restart(void **state)
{
	struct world *w = world_open(PL_REMOTE_GRAIN, 4096);
	unsigned own[N_NICS] = {0}, n;
	uint32_t frame[BURST + 1];
	uint16_t len[BURST + 1];
	struct pl_error err;

	(void)state;
	arrive(w, 0, FRAMES);
	for (unsigned i = 0; i < 10; i++)
		turn(w, own);
	n = receive(&w->ports[0], frame, len, BURST);
	assert_int_equal(n, BURST);
	n = add_own(w, frame, len, n, own[1]);
	assert_int_equal(n, BURST + 1);
	pl_queue_tx(w->ports[1].queue, frame, len, n); /* and nobody has it sent */
	arrive(w, 0, 0);
	for (unsigned i = 0; i < N_NICS; i++) {
		pl_nic_stop(w->ports[i].nic);
		if (pl_nic_start(w->ports[i].nic, &err))
			fail_msg("%s", err.what);
		wait_link(w, &w->ports[i]);
	}
	assert_int_equal(w->pool.n_remote_free, w->pool.n_remote - N_NICS * (RING - 1));
	assert_int_equal(w->pool.n_free, N_HOST);
	/* Those that lay in rings are gone; it begins anew. */
	assert_in_range(w->ports[1].left[0], 1, FRAMES - BURST);
	assert_int_equal(w->ports[1].left[FROM_HOST], own[1]);
	w->ports[1].left[0] = 0;
	arrive(w, 0, FRAMES);
	settle(w, NULL);
	assert_int_equal(w->ports[1].left[0], FRAMES);
	world_close(w);
}

/* Some NICs cannot: a pool's first part must be in reach. */
static void test_out_of_reach(void **state)
{
	struct world *w = world_open(PL_REMOTE_GRAIN, 4096);
	struct port *port = &w->ports[0];
	struct pl_remote far = w->remote;
	struct pl_pool pool;
	struct pl_queue *queue;
	struct pl_error err = {"", ""};

	(void)state;
	far.emulated = NULL;
	far.copy = NULL;
	assert_int_equal(pl_pool_init_remote(&pool, &far, N_HOST, BUF_BYTES, &err), 0);
	pl_queue_close(port->queue);
	assert_int_equal(pl_nic_queue_open(port->nic, 0, &pool, &queue, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.what, "emu:eth: an emulated NIC does not reach"));
	assert_int_equal(pool.n_free, N_HOST);
	pl_pool_fini(&pool);
	world_close(w);
}

/* ---- what others move ---- */

static struct world *world_of_rings(uint32_t descriptors, size_t remote_bytes)
{
	struct world *w;

	ring = descriptors;
	w = world_open(remote_bytes, PL_REMOTE_GRAIN);
	ring = RING;
	return w;
}

/* What is there is moved in few goes, and no more at once than can be. */
static void test_batches(void **state)
{
	struct mover_counts counts;
	struct world *w;

	(void)state;
	w = world_of_rings(RING_LARGE, 5 * PL_REMOTE_GRAIN);
	arrive(w, 0, FRAMES);
	settle(w, NULL);
	assert_int_equal(w->ports[1].left[0], FRAMES);
	counts = mover_counts(w->mover);
	assert_in_range(counts.largest, PL_REMOTE_COPIES_MAX - 63, PL_REMOTE_COPIES_MAX);
	expect_moves(w, sum_of_lengths(0, FRAMES), sum_of_lengths(0, FRAMES));
	world_close(w);
}

/* So is what has waited on the NIC, for a driver that was late. */
static void test_batches_from_chip(void **state)
{
	uint32_t frame[BURST];
	uint16_t len[BURST];
	unsigned n, before, all = 0;
	struct world *w;

	(void)state;
	w = world_of_rings(CHIP_RING, 2 * PL_REMOTE_GRAIN);
	w->ports[0].wire->patient = false;
	arrive(w, 0, 2 * CHIP_RING);
	while (emu_turn(w->emu))
		;
	while ((n = receive(&w->ports[0], frame, len, BURST))) {
		pl_pool_put(&w->pool, frame, n, PL_OWNER_BURST);
		all += n;
	}
	pl_queue_flush(w->ports[0].queue);
	assert_in_range(all, CHIP_RING - 64, CHIP_RING);
	before = mover_counts(w->mover).batches;
	emu_turn(w->emu);
	assert_int_equal(mover_counts(w->mover).batches, before + 1);
	while ((n = receive(&w->ports[0], frame, len, BURST))) {
		pl_pool_put(&w->pool, frame, n, PL_OWNER_BURST);
		all += n;
	}
	assert_in_range(all, 2 * CHIP_RING - 128, 2 * CHIP_RING);
	world_close(w);
}

/* Where it fails, frames get lost, and that is said; afterwards all goes on. */
static void test_failure(void **state)
{
	struct world *w = world_open(PL_REMOTE_GRAIN, 4096);
	struct port *in = &w->ports[0], *out = &w->ports[1];
	uint32_t frame[BURST];
	uint16_t len[BURST];
	struct emu_stats stats;
	unsigned n;

	(void)state;
	w->tolerant = true;
	mover_fail(w->mover, true);
	arrive(w, 0, 10);
	while (emu_turn(w->emu))
		;
	assert_int_equal(receive(in, frame, len, BURST), 0);
	emu_stats(in->pci, &stats);
	assert_int_equal(stats.dma_faults, 1);
	assert_int_equal(w->reported, 1);

	mover_fail(w->mover, false);
	arrive(w, 0, 10);
	while (emu_turn(w->emu))
		;
	n = receive(in, frame, len, BURST);
	assert_int_equal(n, 10);
	mover_fail(w->mover, true);
	pl_queue_tx(out->queue, frame, len, n);
	pl_queue_flush(out->queue);
	while (emu_turn(w->emu))
		;
	emu_stats(out->pci, &stats);
	assert_int_equal(stats.dma_faults, 1);
	assert_int_equal(out->left[0], 0);

	mover_fail(w->mover, false);
	arrive(w, 0, FRAMES);
	settle(w, NULL);
	assert_int_equal(out->left[0], FRAMES);
	assert_int_equal(w->reported, 2);
	world_close(w);
}

/* Buffers that are nobody's but the pool's are overwritten: what is read too late is found out. */
static void spoil(struct world *w)
{
	for (uint32_t i = 0; i < w->pool.n_remote_free; i++)
		memset(mover_memory(w->mover) + w->pool.remote_stack[i], 0xee, LEN_MIN);
}

/* The emulator's thread and the plane at the same time: a frame that has been received is there, and what has been
 * given back has been read. */
static void test_order(void **state)
{
	struct world *w = world_of_rings(4 * RING, PL_REMOTE_GRAIN);
	struct port *in = &w->ports[0], *out = &w->ports[1];
	uint8_t wanted[LEN_MAX];
	uint32_t frame[BURST];
	uint16_t len[BURST];
	struct pl_error err;
	unsigned seen = 0;

	(void)state;
	arrive(w, 0, FRAMES);
	assert_int_equal(emu_start(w->emu, -1, &err), 0);
	while (seen < FRAMES) {
		unsigned n = 0;

		/* Else the ring of those to be sent would overflow. */
		if (seen - emu_wire_memory_sent(out->wire) < RING)
			n = receive(in, frame, len, BURST);
		for (unsigned i = 0; i < n; i++, seen++) {
			assert_int_equal(len[i], make_frame(wanted, 0, seen));
			assert_memory_equal(mover_memory(w->mover) + frame[i], wanted, len[i]);
		}
		pl_queue_tx(out->queue, frame, len, n);
		pl_queue_flush(out->queue);
		pl_queue_flush(in->queue);
		spoil(w);
	}
	while (emu_wire_memory_sent(out->wire) < FRAMES)
		sched_yield();
	emu_stop(w->emu);
	assert_int_equal(out->left[0], FRAMES);
	world_close(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forward),	     cmocka_unit_test(test_own_frames_beside),
		cmocka_unit_test(test_exhaustion),   cmocka_unit_test(test_restart),
		cmocka_unit_test(test_out_of_reach), cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_longest),
	};
	const struct CMUnitTest moves[] = {
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_batches_from_chip),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_order),
	};
	int failed = cmocka_run_group_tests_name("in reach", tests, NULL, NULL);

	by_mover = true;
	failed += cmocka_run_group_tests_name("moved", tests, NULL, NULL);
	return failed + cmocka_run_group_tests_name("how it is moved", moves, NULL, NULL);
}
